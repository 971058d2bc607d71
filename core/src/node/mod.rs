//! Servers, clients and all their sessions as one machine.

mod deadlines;
mod drive;
mod members;
mod schedule;
mod supervisor;

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::vec::Vec;

use crate::{
    Address, Canonical, Client, ClientConfig, ClientReport, CloseReport, Completion, Fault, Handler, ListenError, Machine,
    Misuse, Output, Peer, RefusedOptions, Server, ServerConfig, ServerReport, Service, Session, SlotRange, SocketId, Timestamp,
    encode,
};

use members::Members;
use schedule::Schedule;
use supervisor::Supervisor;

/// A whole application for one thread: an event loop of your own, a task, or a simulation drives it as one machine.
///
/// It owns servers and clients, all with services of one type (several kinds are an enum), and every session that comes of them.
/// Messages that handlers post to each other are delivered inside it.
///
/// A server or client that has stopped can still be looked at, until another takes its place: the next that needs as many slots. So a node
/// that starts one client after another needs no more memory, and no more slots, than it has clients at one time.
///
/// Sessions and supervisors take turns: each `poll` gives an operation of the next one that has any.
/// The time of the next time-out is kept lazily: [`Machine::deadline`] may be earlier than anything that is due, never later.
pub struct Node<S: Service> {
    slots: SlotRange,
    now: Timestamp,
    members: Members<S>,
    schedule: Schedule,
    events: VecDeque<NodeEvent>,
}

type Message<S> = <<S as Service>::Handler as Handler>::Message;

/// One of a node's servers and clients. No two of a node ever have the same.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct SupervisorId {
    place: u32,
    /// That of its slots.
    generation: u32,
}

/// What a node tells its driver.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum NodeEvent {
    /// A listener of a server listens.
    Listening {
        /// The server.
        server: SupervisorId,
        /// The listener's place in the server's configuration.
        listener: usize,
        /// Its address, with its real port.
        local: Option<Address>,
    },
    /// Not every option of a listening socket could be had; it goes on without.
    OptionsRefused {
        /// The server.
        server: SupervisorId,
        /// The listener's place in the server's configuration.
        listener: usize,
        /// The options, none of which was required.
        refused: RefusedOptions,
    },
    /// There is a connection.
    Opened {
        /// Whose it is.
        supervisor: SupervisorId,
        /// Its name.
        socket: SocketId,
        /// Who it is.
        peer: Peer,
    },
    /// A connection has ended.
    Closed {
        /// Whose it was.
        supervisor: SupervisorId,
        /// Its name.
        socket: SocketId,
        /// How.
        report: CloseReport,
    },
    /// A listener has begun to fail to accept because something has run out; it tries again with growing delays.
    Exhausted {
        /// The server.
        server: SupervisorId,
        /// The listener's place in the server's configuration.
        listener: usize,
        /// What went wrong first.
        fault: Fault,
    },
    /// That listener accepts again.
    Recovered {
        /// The server.
        server: SupervisorId,
        /// The listener's place in the server's configuration.
        listener: usize,
        /// How many accepts had failed in between.
        failures: u64,
    },
    /// A listener that had been listening broke.
    ListenerLost {
        /// The server.
        server: SupervisorId,
        /// The listener's place in the server's configuration.
        listener: usize,
        /// What went wrong.
        error: ListenError,
    },
    /// A server's last socket is gone.
    ServerStopped {
        /// The server.
        server: SupervisorId,
        /// Its account.
        report: Box<ServerReport>,
    },
    /// A client's last socket is gone.
    ClientStopped {
        /// The client.
        client: SupervisorId,
        /// Its account.
        report: Box<ClientReport>,
    },
}

impl<S: Service> Default for Node<S> {
    fn default() -> Self {
        Self::new(SlotRange::ALL)
    }
}

impl<S: Service> Node<S> {
    /// A node without servers or clients, which names its sockets from `slots`.
    #[must_use]
    pub fn new(slots: SlotRange) -> Self {
        Self {
            slots,
            now: Timestamp::ZERO,
            members: Members::new(slots.first()),
            schedule: Schedule::default(),
            events: VecDeque::new(),
        }
    }

    /// Adds a server and starts it.
    ///
    /// # Errors
    /// [`MisuseKind::Slots`](crate::MisuseKind::Slots) if too few slots are left.
    pub fn serve(&mut self, now: Timestamp, config: ServerConfig, service: S) -> Result<SupervisorId, Misuse> {
        self.tick(now);
        let slots = self.take_slots(config.slots_needed())?;
        let mut server = Server::new(config, service, slots)?;
        server.start(self.now)?;
        Ok(self.supervise(Supervisor::Server(Box::new(server))))
    }

    /// Adds a client and starts it.
    ///
    /// # Errors
    /// [`MisuseKind::Slots`](crate::MisuseKind::Slots) if too few slots are left.
    pub fn connect(&mut self, now: Timestamp, config: ClientConfig, service: S) -> Result<SupervisorId, Misuse> {
        self.tick(now);
        let slots = self.take_slots(config.slots_needed())?;
        let mut client = Client::new(config, service, slots)?;
        client.start(self.now)?;
        Ok(self.supervise(Supervisor::Client(client)))
    }

    /// Drains every server and client; see [`Server::drain`] and [`Client::drain`].
    pub fn drain(&mut self, now: Timestamp, deadline: Timestamp) {
        self.each_supervisor(now, |supervisor, now| supervisor.drain(now, deadline));
    }

    /// Stops every server and client at once; see [`Server::stop`] and [`Client::stop`].
    pub fn stop(&mut self, now: Timestamp) {
        self.each_supervisor(now, |supervisor, now| supervisor.stop(now));
    }

    /// Drains one server or client.
    pub fn drain_one(&mut self, now: Timestamp, supervisor: SupervisorId, deadline: Timestamp) {
        self.one_supervisor(now, supervisor, |supervisor, now| supervisor.drain(now, deadline));
    }

    /// Stops one server or client.
    pub fn stop_one(&mut self, now: Timestamp, supervisor: SupervisorId) {
        self.one_supervisor(now, supervisor, |supervisor, now| supervisor.stop(now));
    }

    /// Delivers a message to a session.
    ///
    /// # Errors
    /// There is no such session: the message comes back.
    pub fn post(&mut self, now: Timestamp, to: SocketId, message: Message<S>) -> Result<(), Message<S>> {
        self.tick(now);
        let now = self.now;
        let Some(session) = self.members.session_mut(to) else { return Err(message) };
        session.deliver(now, message)?;
        self.work_from(to.slot());
        Ok(())
    }

    /// True if every server and client has stopped.
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        self.members.supervisors().all(Supervisor::is_stopped)
    }

    /// The sessions that are out, in the order of their slots.
    pub fn sessions(&self) -> impl Iterator<Item = &Session<S::Handler>> {
        self.members.sessions()
    }

    /// One session.
    #[must_use]
    pub fn session(&self, socket: SocketId) -> Option<&Session<S::Handler>> {
        self.members.session(socket)
    }

    /// One server, unless the name is that of a client, or its place is taken by another.
    #[must_use]
    pub fn server(&self, id: SupervisorId) -> Option<&Server<S>> {
        match self.members.supervisor(id)? {
            Supervisor::Server(server) => Some(server),
            Supervisor::Client(_) => None,
        }
    }

    fn take_slots(&mut self, count: u32) -> Result<SlotRange, Misuse> {
        match self.members.take_vacant(count) {
            Some(slots) => Ok(slots),
            None => self.slots.take(count),
        }
    }

    fn tick(&mut self, now: Timestamp) {
        self.now = self.now.max(now);
    }
}

impl<S: Service> Machine for Node<S> {
    type Event = NodeEvent;

    fn poll(&mut self) -> Option<Output<NodeEvent>> {
        match self.events.pop_front() {
            Some(event) => Some(Output::Event(event)),
            None => self.next_operation().map(Output::Submit),
        }
    }

    fn complete(&mut self, now: Timestamp, done: Completion) -> Result<(), Misuse> {
        // The time counts only if the completion is no misuse.
        let now = self.now.max(now);
        let socket = done.id().socket();
        if let Some(session) = self.members.session_mut(socket) {
            session.complete(now, done)?;
            self.now = now;
            if !session.has_events() {
                // So it is with every message, and nobody else is concerned.
                let deadline = session.due();
                self.schedule.looked(socket.slot(), deadline);
                return Ok(());
            }
            self.work_from(socket.slot());
        } else {
            let (slot, supervisor) = self.members.supervisor_of_slot(done.id())?;
            supervisor.complete(now, done)?;
            self.now = now;
            self.work_from(slot);
        }
        Ok(())
    }

    fn broken(&mut self, now: Timestamp, socket: SocketId, fault: Fault) {
        self.tick(now);
        let now = self.now;
        if let Some(session) = self.members.session_mut(socket) {
            session.broken(now, socket, fault);
            self.work_from(socket.slot());
        } else {
            self.each_supervisor(now, |supervisor, now| supervisor.broken(now, socket, fault));
        }
    }

    fn handle_timeout(&mut self, now: Timestamp) {
        self.tick(now);
        self.fire_due();
        self.work();
    }

    fn deadline(&self) -> Option<Timestamp> {
        if self.schedule.has_senders() { Some(self.now) } else { self.schedule.deadline() }
    }

    fn in_flight(&self) -> usize {
        self.members.in_flight()
    }
}

/// Every supervisor, every session in the order of its slot, and how much waits. Whose turn it is, is left out: it decides the order
/// of operations of different connections, which is no behaviour of any of them.
impl<S: Service> Canonical for Node<S>
where
    S::Handler: Canonical,
{
    fn canonical(&self, now: Timestamp, out: &mut Vec<u8>) {
        let now = now.max(self.now);
        for supervisor in self.members.supervisors() {
            supervisor.canonical(now, out);
        }
        for session in self.members.sessions() {
            encode::number(out, u64::from(session.socket().slot()));
            session.canonical(now, out);
        }
        encode::length(out, self.events.len());
    }
}
