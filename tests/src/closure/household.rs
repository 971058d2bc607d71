//! A server with all its sessions as one machine, put together from public parts as an event loop of one's own would.

use std::collections::BTreeMap;

use sansock::{
    Canonical, CloseReport, Completion, Fault, Machine, Misuse, Order, Output, Server, ServerEvent, ServerReport, Session,
    SessionEvent, SocketId, Timestamp,
};

use super::puppet::{Command, Puppet, Shy};

/// Acts on the server's events as it polls them: sessions that are opened move in, orders are passed on, and the end of a session is
/// reported.
#[derive(Clone, Debug)]
pub struct Household {
    server: Server<Shy>,
    /// By slot.
    sessions: BTreeMap<u32, Session<Puppet>>,
    now: Timestamp,
}

/// What a household tells.
#[derive(Clone, Debug)]
pub enum HouseholdEvent {
    /// A session has moved in.
    Opened(SocketId),
    /// A session has ended; the puppet that it had.
    Closed(SocketId, CloseReport, Puppet),
    /// The server has said something that is of no consequence here.
    Said(&'static str),
    /// Always the last event.
    Stopped(ServerReport),
}

impl Household {
    /// A household with nobody in it.
    #[must_use]
    pub const fn new(server: Server<Shy>) -> Self {
        Self { server, sessions: BTreeMap::new(), now: Timestamp::ZERO }
    }

    /// The server.
    #[must_use]
    pub const fn server(&self) -> &Server<Shy> {
        &self.server
    }

    /// The sessions, in the order of their slots.
    pub fn sessions(&self) -> impl Iterator<Item = &Session<Puppet>> {
        self.sessions.values()
    }

    /// Calls the server.
    pub fn supervise<R>(&mut self, now: Timestamp, call: impl FnOnce(&mut Server<Shy>) -> R) -> R {
        self.now = now;
        call(&mut self.server)
    }

    /// Tells a puppet what to do; false if there is nobody.
    pub fn tell(&mut self, now: Timestamp, slot: u32, command: Command) -> bool {
        self.now = now;
        self.sessions.get_mut(&slot).is_some_and(|session| session.deliver(now, command).is_ok())
    }

    /// Time never runs backwards, for none of them.
    fn tick(&mut self, now: Timestamp) -> Timestamp {
        self.now = self.now.max(now);
        self.now
    }

    fn on_server(&mut self, event: ServerEvent<Puppet>) -> Option<HouseholdEvent> {
        Some(match event {
            ServerEvent::Opened { socket, mut session, .. } => {
                session.open(self.now);
                self.sessions.insert(socket.slot(), *session);
                HouseholdEvent::Opened(socket)
            }
            ServerEvent::Order { socket, order } => {
                let session = self.sessions.get_mut(&socket.slot()).filter(|session| session.socket() == socket);
                session?.order(self.now, order);
                HouseholdEvent::Said(if matches!(order, Order::Abort) { "event: abort" } else { "event: drain" })
            }
            ServerEvent::Stopped(report) => HouseholdEvent::Stopped(*report),
            ServerEvent::Listening { .. } => HouseholdEvent::Said("event: listening"),
            ServerEvent::Exhausted { .. } => HouseholdEvent::Said("event: exhausted"),
            ServerEvent::Recovered { .. } => HouseholdEvent::Said("event: recovered"),
            ServerEvent::ListenerLost { .. } => HouseholdEvent::Said("event: listener lost"),
            ServerEvent::OptionsRefused { .. } => HouseholdEvent::Said("event: options refused"),
        })
    }

    fn poll_sessions(&mut self) -> Option<Output<HouseholdEvent>> {
        let (slot, output) = self.sessions.iter_mut().find_map(|(slot, session)| Some((*slot, session.poll()?)))?;
        match output {
            Output::Submit(op) => Some(Output::Submit(op)),
            Output::Event(SessionEvent::Closed(report)) => {
                let session = self.sessions.remove(&slot)?;
                let socket = session.socket();
                self.server.gone(self.now, socket, &report).expect("the session is out");
                Some(Output::Event(HouseholdEvent::Closed(socket, report, *session.handler())))
            }
            Output::Event(SessionEvent::Post { .. }) => unreachable!("puppets do not write to each other"),
        }
    }

    fn session_of(&mut self, socket: SocketId) -> Option<&mut Session<Puppet>> {
        self.sessions.get_mut(&socket.slot()).filter(|session| session.socket() == socket)
    }
}

impl Machine for Household {
    type Event = HouseholdEvent;

    fn poll(&mut self) -> Option<Output<HouseholdEvent>> {
        loop {
            match self.server.poll() {
                Some(Output::Submit(op)) => return Some(Output::Submit(op)),
                Some(Output::Event(event)) => {
                    if let Some(event) = self.on_server(event) {
                        return Some(Output::Event(event));
                    }
                }
                None => return self.poll_sessions(),
            }
        }
    }

    fn complete(&mut self, now: Timestamp, done: Completion) -> Result<(), Misuse> {
        let now = self.now.max(now);
        match self.session_of(done.id().socket()) {
            Some(session) => session.complete(now, done)?,
            None => self.server.complete(now, done)?,
        }
        self.now = now;
        Ok(())
    }

    fn broken(&mut self, now: Timestamp, socket: SocketId, fault: Fault) {
        let now = self.tick(now);
        match self.session_of(socket) {
            Some(session) => session.broken(now, socket, fault),
            None => self.server.broken(now, socket, fault),
        }
    }

    fn handle_timeout(&mut self, now: Timestamp) {
        let now = self.tick(now);
        self.server.handle_timeout(now);
        for session in self.sessions.values_mut() {
            session.handle_timeout(now);
        }
    }

    fn deadline(&self) -> Option<Timestamp> {
        self.sessions.values().filter_map(Machine::deadline).chain(self.server.deadline()).min()
    }

    fn in_flight(&self) -> usize {
        self.sessions.values().map(Machine::in_flight).sum::<usize>() + self.server.in_flight()
    }
}

impl Canonical for Household {
    fn canonical(&self, now: Timestamp, out: &mut Vec<u8>) {
        self.server.canonical(now, out);
        for (slot, session) in &self.sessions {
            out.extend_from_slice(&slot.to_le_bytes());
            session.canonical(now, out);
        }
    }
}
