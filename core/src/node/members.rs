//! The servers, clients and sessions of a node, by slot.

use alloc::boxed::Box;
use alloc::vec::Vec;

use super::SupervisorId;
use crate::state::SupervisorLife;
use crate::{
    Canonical, Client, ClientEvent, CloseReport, Completion, Fault, Machine, Misuse, MisuseKind, Op, OpId, Server, ServerEvent,
    Service, Session, SlotRange, SocketId, Timestamp,
};

/// A server or a client.
#[allow(clippy::large_enum_variant, reason = "few, and long-lived")]
pub(super) enum Supervisor<S: Service> {
    Server(Server<S>),
    Client(Client<S>),
}

/// What either of them tells the node.
pub(super) enum SupervisorEvent<S: Service> {
    Server(ServerEvent<S::Handler>),
    Client(ClientEvent<S::Handler>),
}

pub(super) enum Member<'a, S: Service> {
    Supervisor(&'a mut Supervisor<S>),
    Session(&'a mut Session<S::Handler>),
}

/// What is in one slot.
enum Seat<S: Service> {
    Empty,
    Supervisor(SupervisorId),
    Session { session: Box<Session<S::Handler>>, supervisor: SupervisorId },
}

pub(super) struct Members<S: Service> {
    first: u32,
    seats: Vec<Seat<S>>,
    supervisors: Vec<(Supervisor<S>, SlotRange)>,
}

impl SupervisorId {
    fn index(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }
}

impl<S: Service> Members<S> {
    pub(super) const fn new(first: u32) -> Self {
        Self { first, seats: Vec::new(), supervisors: Vec::new() }
    }

    pub(super) fn add_supervisor(&mut self, supervisor: Supervisor<S>, slots: SlotRange) -> SupervisorId {
        // Each has a slot at least, and there are fewer slots than this can count.
        let id = SupervisorId(u32::try_from(self.supervisors.len()).unwrap_or(u32::MAX));
        self.supervisors.push((supervisor, slots));
        self.put(slots.first(), Seat::Supervisor(id));
        id
    }

    pub(super) fn add_session(&mut self, supervisor: SupervisorId, session: Box<Session<S::Handler>>) {
        let slot = session.socket().slot();
        self.put(slot, Seat::Session { session, supervisor });
    }

    pub(super) fn remove_session(&mut self, socket: SocketId) {
        if self.session(socket).is_some() {
            self.put(socket.slot(), Seat::Empty);
        }
    }

    /// Whose session is in this slot.
    pub(super) fn supervisor_of(&self, slot: u32) -> Option<SupervisorId> {
        match self.seats.get(self.index(slot)?)? {
            Seat::Session { supervisor, .. } => Some(*supervisor),
            Seat::Empty | Seat::Supervisor(_) => None,
        }
    }

    pub(super) fn supervisor_at(&self, slot: u32) -> Option<SupervisorId> {
        match self.seats.get(self.index(slot)?)? {
            Seat::Supervisor(id) => Some(*id),
            Seat::Empty | Seat::Session { .. } => None,
        }
    }

    /// The names of all supervisors.
    pub(super) fn supervisor_ids(&self) -> impl Iterator<Item = SupervisorId> + use<S> {
        (0..u32::try_from(self.supervisors.len()).unwrap_or(u32::MAX)).map(SupervisorId)
    }

    pub(super) fn supervisors(&self) -> impl Iterator<Item = &Supervisor<S>> {
        self.supervisors.iter().map(|(supervisor, _)| supervisor)
    }

    pub(super) fn supervisor(&self, id: SupervisorId) -> Option<&Supervisor<S>> {
        self.supervisors.get(id.index()).map(|(supervisor, _)| supervisor)
    }

    /// A supervisor and the slot under which it is scheduled.
    pub(super) fn supervisor_mut(&mut self, id: SupervisorId) -> Option<(u32, &mut Supervisor<S>)> {
        self.supervisors.get_mut(id.index()).map(|(supervisor, slots)| (slots.first(), supervisor))
    }

    pub(super) fn sessions(&self) -> impl Iterator<Item = &Session<S::Handler>> {
        self.seats.iter().filter_map(|seat| match seat {
            Seat::Session { session, .. } => Some(&**session),
            Seat::Empty | Seat::Supervisor(_) => None,
        })
    }

    pub(super) fn session(&self, socket: SocketId) -> Option<&Session<S::Handler>> {
        match self.seats.get(self.index(socket.slot())?)? {
            Seat::Session { session, .. } if session.socket() == socket => Some(session),
            _ => None,
        }
    }

    pub(super) fn session_mut(&mut self, socket: SocketId) -> Option<&mut Session<S::Handler>> {
        let index = self.index(socket.slot())?;
        match self.seats.get_mut(index)? {
            Seat::Session { session, .. } if session.socket() == socket => Some(session),
            _ => None,
        }
    }

    /// Whoever is in this slot.
    pub(super) fn member(&mut self, slot: u32) -> Option<Member<'_, S>> {
        let index = self.index(slot)?;
        match self.seats.get_mut(index)? {
            Seat::Empty => None,
            Seat::Supervisor(id) => Some(Member::Supervisor(&mut self.supervisors.get_mut(id.index())?.0)),
            Seat::Session { session, .. } => Some(Member::Session(session)),
        }
    }

    /// The supervisor whose slot this is, and the slot under which it is scheduled.
    pub(super) fn supervisor_of_slot(&mut self, id: OpId) -> Result<(u32, &mut Supervisor<S>), Misuse> {
        self.supervisors
            .iter_mut()
            .find(|(_, slots)| slots.contains(id.socket().slot()))
            .map(|(supervisor, slots)| (slots.first(), supervisor))
            .ok_or(Misuse::completion(MisuseKind::UnknownSocket, id, "node"))
    }

    pub(super) fn in_flight(&self) -> usize {
        let supervisors = self.supervisors().map(Supervisor::in_flight);
        supervisors.chain(self.sessions().map(Machine::in_flight)).fold(0, usize::saturating_add)
    }

    fn index(&self, slot: u32) -> Option<usize> {
        usize::try_from(slot.checked_sub(self.first)?).ok()
    }

    fn put(&mut self, slot: u32, seat: Seat<S>) {
        let Some(index) = self.index(slot) else { return };
        while self.seats.len() <= index {
            self.seats.push(Seat::Empty);
        }
        if let Some(place) = self.seats.get_mut(index) {
            *place = seat;
        }
    }
}

impl<S: Service> Supervisor<S> {
    pub(super) fn drain(&mut self, now: Timestamp, deadline: Timestamp) {
        match self {
            Self::Server(server) => server.drain(now, deadline),
            Self::Client(client) => client.drain(now, deadline),
        }
    }

    pub(super) fn stop(&mut self, now: Timestamp) {
        match self {
            Self::Server(server) => server.stop(now),
            Self::Client(client) => client.stop(now),
        }
    }

    pub(super) fn gone(&mut self, now: Timestamp, socket: SocketId, report: &CloseReport) {
        // The node knows which sessions are out, so this is no misuse.
        let _ = match self {
            Self::Server(server) => server.gone(now, socket, report),
            Self::Client(client) => client.gone(now, socket, report),
        };
    }

    pub(super) fn is_stopped(&self) -> bool {
        let life = match self {
            Self::Server(server) => server.life(),
            Self::Client(client) => client.life(),
        };
        life == SupervisorLife::Stopped
    }

    pub(super) fn next_event(&mut self) -> Option<SupervisorEvent<S>> {
        match self {
            Self::Server(server) => server.next_event().map(SupervisorEvent::Server),
            Self::Client(client) => client.next_event().map(SupervisorEvent::Client),
        }
    }

    pub(super) fn next_operation(&mut self) -> Option<Op> {
        match self {
            Self::Server(server) => server.next_operation(),
            Self::Client(client) => client.next_operation(),
        }
    }

    pub(super) fn complete(&mut self, now: Timestamp, done: Completion) -> Result<(), Misuse> {
        match self {
            Self::Server(server) => server.complete(now, done),
            Self::Client(client) => client.complete(now, done),
        }
    }

    pub(super) fn broken(&mut self, now: Timestamp, socket: SocketId, fault: Fault) {
        match self {
            Self::Server(server) => server.broken(now, socket, fault),
            Self::Client(client) => client.broken(now, socket, fault),
        }
    }

    pub(super) fn handle_timeout(&mut self, now: Timestamp) {
        match self {
            Self::Server(server) => server.handle_timeout(now),
            Self::Client(client) => client.handle_timeout(now),
        }
    }

    pub(super) fn deadline(&self) -> Option<Timestamp> {
        match self {
            Self::Server(server) => server.deadline(),
            Self::Client(client) => client.deadline(),
        }
    }

    pub(super) fn in_flight(&self) -> usize {
        match self {
            Self::Server(server) => server.in_flight(),
            Self::Client(client) => client.in_flight(),
        }
    }

    pub(super) fn canonical(&self, now: Timestamp, out: &mut Vec<u8>) {
        match self {
            Self::Server(server) => server.canonical(now, out),
            Self::Client(client) => client.canonical(now, out),
        }
    }
}
