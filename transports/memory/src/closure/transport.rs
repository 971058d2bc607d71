//! The transport's side of a state: which sockets exist and which operations are in flight, and what a machine owes to it.

use sansock::{Fault, FaultKind, Op, OpId, OpKind, Outcome, SocketId, TransferClass};

use super::Check;

/// An operation that was submitted and not yet completed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Flight {
    /// Its name.
    pub id: OpId,
    /// The most bytes that a receive may bring, or the bytes that a send carries; zero for all others.
    pub size: usize,
    /// Whether an accept waits for a connection.
    pub wait: bool,
    /// The socket that an accept takes connections from.
    pub listener: Option<SocketId>,
    /// A cancel was submitted.
    pub cancelled: bool,
}

/// A socket that exists.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Socket {
    id: SocketId,
    stage: Stage,
    /// Our FIN was asked for.
    finished: bool,
    /// The peer's FIN was reported.
    eof: bool,
    /// An operation has failed for good.
    failed: bool,
}

/// What a socket was used for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Stage {
    Created,
    Bound,
    Listening,
    Connected,
}

/// Sockets and operations as a transport sees them. Every submitted operation is held against the contract of
/// [`Machine`](sansock::Machine) here.
#[derive(Clone, Debug, Default)]
pub struct Transport {
    flights: Vec<Flight>,
    sockets: Vec<Socket>,
    /// The operation of each kind that completed last: what a duplicate names.
    completed: Vec<OpId>,
    /// The latest name of each slot that was used.
    names: Vec<SocketId>,
    /// The socket runtime was released.
    released: bool,
}

impl Transport {
    pub(crate) fn new(sockets: Vec<SocketId>) -> Self {
        let mut transport = Self::default();
        for id in sockets {
            transport.adopt(id, Stage::Connected);
        }
        transport
    }

    /// The operations in flight, by socket and kind.
    #[must_use]
    pub fn flights(&self) -> &[Flight] {
        &self.flights
    }

    /// The sockets that exist and that the machine has not given away.
    pub fn sockets(&self) -> impl Iterator<Item = SocketId> {
        self.sockets.iter().map(|socket| socket.id)
    }

    /// The sockets that exist, each with the kind of operation whose faults are news of it.
    pub(super) fn news(&self) -> impl Iterator<Item = (SocketId, OpKind)> {
        self.sockets.iter().map(|socket| match socket.stage {
            Stage::Created | Stage::Bound => (socket.id, OpKind::Connect),
            Stage::Listening => (socket.id, OpKind::Accept),
            Stage::Connected => (socket.id, OpKind::Recv),
        })
    }

    /// The latest completed operation of each kind.
    pub(crate) fn completed(&self) -> &[OpId] {
        &self.completed
    }

    /// A socket that somebody else closes from now on: an accepted connection, for example, that was handed out.
    ///
    /// # Errors
    /// There is no such socket.
    pub fn give_away(&mut self, id: SocketId) -> Check {
        let place = self.sockets.iter().position(|socket| socket.id == id);
        let place = place.ok_or_else(|| format!("A7: socket {id} was handed out, and there is none"))?;
        self.sockets.remove(place);
        Ok(())
    }

    fn adopt(&mut self, id: SocketId, stage: Stage) {
        let place = self.sockets.partition_point(|socket| socket.id.slot() < id.slot());
        self.sockets.insert(place, Socket { id, stage, finished: false, eof: false, failed: false });
        self.names.retain(|used| used.slot() != id.slot());
        self.names.push(id);
    }

    /// Takes an operation, if the machine may submit it.
    pub(crate) fn submit(&mut self, op: &Op) -> Check {
        let id = op.id();
        ensure!(!self.released, "A10: {id} was submitted after the socket runtime was released");
        if let Op::Cancel(cancel) = op {
            return self.cancel(cancel.target());
        }
        let same = |flight: &&Flight| flight.id.socket() == id.socket() && flight.id.kind() == id.kind();
        ensure!(!self.flights.iter().any(|flight| same(&flight)), "A9: {id} was submitted while another is in flight");
        let mut flight = Flight { id, size: 0, wait: false, listener: None, cancelled: false };
        match op {
            Op::Startup(_) => ensure!(self.sockets.is_empty(), "A10: {id} was submitted while sockets exist"),
            Op::Cleanup(_) => {
                ensure!(self.sockets.is_empty(), "A10: {id} was submitted while a socket exists");
                ensure!(self.flights.is_empty(), "A10: {id} was submitted while an operation is in flight");
            }
            Op::Create(_) => self.fresh(id)?,
            Op::Accept(op) => {
                self.fresh(id)?;
                self.usable(id, op.listener(), Stage::Listening)?;
                flight.wait = op.wait();
                flight.listener = Some(op.listener());
            }
            Op::Bind(_) | Op::Connect(_) => drop(self.usable(id, id.socket(), Stage::Created)?),
            Op::Listen(_) => drop(self.usable(id, id.socket(), Stage::Bound)?),
            Op::Recv(op) => {
                let socket = self.usable(id, id.socket(), Stage::Connected)?;
                ensure!(!socket.eof, "D7: {id} was submitted after the end of the stream");
                ensure!(op.max() > 0, "X77: {id} asks for nothing");
                flight.size = op.max();
            }
            Op::Send(op) => {
                let socket = self.usable(id, id.socket(), Stage::Connected)?;
                ensure!(!socket.finished, "A5: {id} was submitted after our FIN");
                let pieces_hold = op.chunks().iter().all(|chunk| !chunk.is_empty()) && op.asked() > 0;
                ensure!(pieces_hold, "D7: {id} carries nothing");
                flight.size = op.asked();
            }
            Op::Shutdown(_) => {
                self.usable(id, id.socket(), Stage::Connected)?.finished = true;
                let sends = self.flights.iter().any(|flight| flight.id == id || self.is_of(flight, id, OpKind::Send));
                ensure!(!sends, "A5: {id} was submitted while a send is in flight");
            }
            Op::Close(_) => self.joins(id)?,
            Op::Cancel(_) => {}
        }
        let place = self.flights.partition_point(|other| order(other.id) < order(id));
        self.flights.insert(place, flight);
        Ok(())
    }

    fn is_of(&self, flight: &Flight, id: OpId, kind: OpKind) -> bool {
        flight.id.socket() == id.socket() && flight.id.kind() == kind
    }

    fn cancel(&mut self, target: OpId) -> Check {
        let flight = self.flights.iter_mut().find(|flight| flight.id == target);
        let flight = flight.ok_or_else(|| format!("A9: {target} was cancelled and is not in flight"))?;
        ensure!(!flight.cancelled, "A9: {target} was cancelled twice");
        ensure!(target.kind() != OpKind::Close, "A10: {target} was cancelled; a close always completes");
        flight.cancelled = true;
        Ok(())
    }

    // B11
    /// The name of a new socket: never used before.
    fn fresh(&self, id: OpId) -> Check {
        let name = id.socket();
        let latest = self.names.iter().find(|used| used.slot() == name.slot());
        let fresh = latest.is_none_or(|used| used.generation() < name.generation());
        // An accept or a create that came to nothing leaves its name unused.
        let waits = self.flights.iter().any(|flight| flight.id.socket() == name);
        ensure!(fresh && !waits, "B11: {id} names a socket that was there before");
        Ok(())
    }

    fn usable(&mut self, id: OpId, name: SocketId, stage: Stage) -> Check<&mut Socket> {
        let closing = self
            .flights
            .iter()
            .any(|flight| flight.id == id || self.is_of(flight, OpId::new(name, OpKind::Close, 0), OpKind::Close));
        ensure!(!closing, "A10: {id} was submitted after the close of {name}");
        let socket = self.sockets.iter_mut().find(|socket| socket.id == name);
        let socket = socket.ok_or_else(|| format!("A10: {id} was submitted, and there is no socket {name}"))?;
        ensure!(!socket.failed, "D10: {id} was submitted after {name} had failed");
        let fits = socket.stage == stage || (id.kind() == OpKind::Connect && socket.stage == Stage::Bound);
        ensure!(fits, "{id} was submitted for a socket that is {:?}", socket.stage);
        Ok(socket)
    }

    /// Close is a join.
    fn joins(&self, id: OpId) -> Check {
        let name = id.socket();
        ensure!(self.sockets.iter().any(|socket| socket.id == name), "A7: {id} was submitted, and there is no such socket");
        for flight in &self.flights {
            let touches = flight.id.socket() == name || flight.listener == Some(name);
            ensure!(!touches, "A10: {id} was submitted while {} is in flight", flight.id);
        }
        Ok(())
    }

    /// An operation has completed; the machine has taken it.
    pub(crate) fn complete(&mut self, flight: &Flight, outcome: &Outcome) {
        let id = flight.id;
        self.flights.retain(|other| other.id != id);
        self.completed.retain(|other| other.kind() != id.kind());
        self.completed.push(id);
        match id.kind() {
            OpKind::Create if matches!(outcome, Outcome::Created(_)) => self.adopt(id.socket(), Stage::Created),
            OpKind::Accept if matches!(outcome, Outcome::Connected(_)) => self.adopt(id.socket(), Stage::Connected),
            OpKind::Close => self.sockets.retain(|socket| socket.id != id.socket()),
            OpKind::Cleanup => self.released = true,
            _ => {
                if let Some(socket) = self.sockets.iter_mut().find(|socket| socket.id == id.socket()) {
                    socket.take(flight, outcome);
                }
            }
        }
    }

    /// Everything but names and what is only kept for duplicates.
    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        out.push(u8::try_from(self.sockets.len()).unwrap_or(u8::MAX));
        for socket in &self.sockets {
            out.extend_from_slice(&socket.id.slot().to_le_bytes());
            let flags = [socket.finished, socket.eof, socket.failed].into_iter().fold(0, |bits, flag| bits << 1 | u8::from(flag));
            out.extend_from_slice(&[socket.stage as u8, flags]);
        }
        for flight in &self.flights {
            out.extend_from_slice(&flight.id.socket().slot().to_le_bytes());
            out.extend_from_slice(&[flight.id.kind() as u8, u8::from(flight.wait), u8::from(flight.cancelled)]);
            out.extend_from_slice(&flight.size.to_le_bytes());
        }
        out.push(u8::from(self.released));
    }
}

impl Socket {
    fn take(&mut self, flight: &Flight, outcome: &Outcome) {
        match (flight.id.kind(), outcome) {
            (OpKind::Bind, Outcome::Local(_)) => self.stage = Stage::Bound,
            (OpKind::Listen, Outcome::Local(_)) => self.stage = Stage::Listening,
            (OpKind::Connect, Outcome::Connected(_)) => self.stage = Stage::Connected,
            (OpKind::Recv, Outcome::Eof) => self.eof = true,
            (OpKind::Recv, Outcome::Data(data)) => self.failed |= data.is_empty() || data.len() > flight.size,
            (OpKind::Send, Outcome::Sent(count)) => self.failed |= *count == 0 || *count > flight.size,
            (kind, Outcome::Failed(fault)) => self.failed |= !may_go_on(kind, *fault),
            _ => {}
        }
    }
}

/// The order of operations in flight: any order will do that does not depend on the past.
const fn order(id: OpId) -> (u32, u8) {
    (id.socket().slot(), id.kind() as u8)
}

/// True if a socket may still be used after this: a receive or send that had run out of something is tried again.
fn may_go_on(kind: OpKind, fault: Fault) -> bool {
    let transfer = matches!(kind, OpKind::Recv | OpKind::Send);
    transfer && fault.kind().transfer_class() == TransferClass::Exhausted && fault.kind() != FaultKind::Cancelled
}
