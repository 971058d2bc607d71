//! What a machine owes its driver, checked operation by operation.

use std::collections::BTreeMap;

use sansock::{Op, OpId, OpKind, Outcome, SocketId};

/// Watches the operations of one machine and their completions. It knows nothing of states: only what was submitted, what was completed,
/// and which sockets that has left open.
///
/// Every method panics when a rule is broken, and names the rule.
#[derive(Clone, Debug, Default)]
pub struct Contract {
    runtime: Runtime,
    sockets: BTreeMap<SocketId, Standing>,
    flights: BTreeMap<OpId, Flight>,
    limit: Option<usize>,
}

/// The socket runtime. A machine that is no supervisor leaves it alone.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
enum Runtime {
    #[default]
    Untouched,
    Ready,
    Released,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Standing {
    state: State,
    /// It came of an accept, or was connected: it counts against the limit.
    connection: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    Open,
    /// Somebody else owns and closes it.
    HandedOut,
    /// An operation on it failed: nothing but a close may follow.
    Spoiled,
    Closing,
    Gone,
}

#[derive(Clone, Copy, Debug)]
struct Flight {
    cancelled: bool,
    /// The listener, for an accept.
    listener: Option<SocketId>,
}

impl Contract {
    /// Connections that are not gone and accepts in flight are never more than this together. (B4, X30)
    pub fn limit(&mut self, connections: usize) {
        self.limit = Some(connections);
    }

    /// The machine owns this socket already.
    pub fn adopt(&mut self, socket: SocketId) {
        self.sockets.insert(socket, Standing { state: State::Open, connection: true });
    }

    /// The machine has submitted this.
    pub fn submitted(&mut self, op: &Op) {
        let id = op.id();
        assert_ne!(self.runtime, Runtime::Released, "A10: {id} after the cleanup");
        if let Op::Cancel(cancel) = op {
            return self.cancelled(cancel.target());
        }
        let rival = self.flights.keys().find(|flight| flight.socket() == id.socket() && flight.kind() == id.kind());
        assert_eq!(rival, None, "A9: {id} while another of its kind is in flight");
        match op {
            Op::Startup(_) => {
                assert_eq!(self.runtime, Runtime::Untouched, "X1: a second startup");
                assert!(self.sockets.is_empty(), "X1: a socket before the startup");
            }
            Op::Cleanup(_) => {
                assert_eq!(self.runtime, Runtime::Ready, "X1: a cleanup without a startup");
                assert!(self.flights.is_empty(), "A10: cleanup while {:?} are in flight", self.flights);
                assert_eq!(self.open(), 0, "A8: cleanup while sockets are open: {:?}", self.sockets);
            }
            Op::Create(_) => self.must_be_new(id),
            Op::Accept(accept) => {
                self.must_be_new(id);
                self.must_be_open(accept.listener(), id);
            }
            Op::Close(_) => self.closing(id),
            _ => self.must_be_open(id.socket(), id),
        }
        let listener = if let Op::Accept(accept) = op { Some(accept.listener()) } else { None };
        self.flights.insert(id, Flight { cancelled: false, listener });
        if let Some(limit) = self.limit {
            assert!(self.occupied() <= limit, "B4, X30: {} places in use, the limit is {limit}", self.occupied());
        }
    }

    /// The machine has taken this completion.
    pub fn completed(&mut self, id: OpId, outcome: &Outcome) {
        assert!(self.flights.remove(&id).is_some(), "D3: a completion of {id} was taken, which was not in flight");
        let open = |connection| Standing { state: State::Open, connection };
        match (id.kind(), outcome) {
            (OpKind::Startup, Outcome::Done) => self.runtime = Runtime::Ready,
            (OpKind::Cleanup, _) => self.runtime = Runtime::Released,
            (OpKind::Create, Outcome::Created(_)) => drop(self.sockets.insert(id.socket(), open(false))),
            (OpKind::Accept, Outcome::Connected(_)) => drop(self.sockets.insert(id.socket(), open(true))),
            (OpKind::Connect, Outcome::Connected(_)) => self.stand(id.socket()).connection = true,
            (OpKind::Bind | OpKind::Listen | OpKind::Connect, Outcome::Failed(_)) => {
                self.stand(id.socket()).state = State::Spoiled;
            }
            (OpKind::Close, _) => self.stand(id.socket()).state = State::Gone,
            _ => {}
        }
    }

    /// The machine has given this socket to somebody else.
    pub fn handed_out(&mut self, socket: SocketId) {
        let standing = self.stand(socket);
        assert_eq!(standing.state, State::Open, "A8: {socket} was handed out");
        standing.state = State::HandedOut;
    }

    /// The machine has given up this name; there must be no socket.
    pub fn given_back(&self, socket: SocketId) {
        let state = self.sockets.get(&socket).map(|standing| standing.state);
        assert!(matches!(state, None | Some(State::Gone)), "A8: {socket} was given back, and is {state:?}");
        let flight = self.flights.keys().find(|flight| flight.socket() == socket);
        assert_eq!(flight, None, "A10: {socket} was given back");
    }

    /// The machine speaks of a socket that somebody else owns.
    pub fn ordered(&self, socket: SocketId) {
        let state = self.sockets.get(&socket).map(|standing| standing.state);
        assert_eq!(state, Some(State::HandedOut), "A10: an order for {socket}");
    }

    /// Who owned this socket has closed it.
    pub fn gone(&mut self, socket: SocketId) {
        let standing = self.stand(socket);
        assert_eq!(standing.state, State::HandedOut, "{socket} is not out");
        standing.state = State::Gone;
    }

    /// The machine has said its last word.
    pub fn ended(&self) {
        assert!(self.flights.is_empty(), "A9: the last event while {:?} are in flight", self.flights);
        let open =
            self.sockets.iter().find(|(_, standing)| matches!(standing.state, State::Open | State::Spoiled | State::Closing));
        assert_eq!(open, None, "A8: the last event while a socket is open");
    }

    /// How many operations are in flight.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.flights.len()
    }

    /// True if the machine has asked for this operation to be completed.
    #[must_use]
    pub fn is_cancelled(&self, id: OpId) -> bool {
        self.flights.get(&id).is_some_and(|flight| flight.cancelled)
    }

    /// Sockets that are not gone, handed out or not.
    #[must_use]
    pub fn open(&self) -> usize {
        self.sockets.values().filter(|standing| standing.state != State::Gone).count()
    }

    /// Sockets that somebody else owns now.
    pub fn out(&self) -> impl Iterator<Item = SocketId> {
        self.sockets.iter().filter(|(_, standing)| standing.state == State::HandedOut).map(|(socket, _)| *socket)
    }

    /// Connections that are not gone, and accepts in flight.
    #[must_use]
    pub fn occupied(&self) -> usize {
        let connections = self.sockets.values().filter(|standing| standing.connection && standing.state != State::Gone).count();
        connections + self.flights.keys().filter(|id| id.kind() == OpKind::Accept).count()
    }

    fn cancelled(&mut self, target: OpId) {
        assert_ne!(target.kind(), OpKind::Close, "a close was cancelled");
        let flight = self.flights.get_mut(&target).unwrap_or_else(|| panic!("a cancel of {target}, which is not in flight"));
        assert!(!flight.cancelled, "{target} was cancelled twice");
        flight.cancelled = true;
    }

    fn closing(&mut self, id: OpId) {
        let socket = id.socket();
        let flight = self.flights.iter().find(|(flight, about)| flight.socket() == socket || about.listener == Some(socket));
        assert!(flight.is_none(), "A10: close is a join, and {flight:?} is in flight");
        let standing = self.stand(socket);
        assert!(matches!(standing.state, State::Open | State::Spoiled), "A7: {id}, which is {:?}", standing.state);
        standing.state = State::Closing;
    }

    fn must_be_new(&self, id: OpId) {
        assert!(!self.sockets.contains_key(&id.socket()), "B11: {id} uses a name again");
    }

    fn must_be_open(&self, socket: SocketId, id: OpId) {
        let state = self.sockets.get(&socket).map(|standing| standing.state);
        assert_eq!(state, Some(State::Open), "D10: {id} on a socket that is not usable");
    }

    fn stand(&mut self, socket: SocketId) -> &mut Standing {
        self.sockets.get_mut(&socket).unwrap_or_else(|| panic!("A7: {socket} was never opened"))
    }
}
