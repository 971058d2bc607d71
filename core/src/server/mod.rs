//! Supervising listeners and the connections that they accept.

mod accept;
mod canonical;
mod copy;
mod life;
mod places;
mod report;

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::sync::Arc;
use alloc::vec::Vec;

use crate::runtime::Runtime;
use crate::state::{SupervisorLife, SupervisorLifeEvent as Step, Table};
use crate::{
    Address, CloseReport, Completion, ConnectionConfig, Fault, Handler, Listener, Machine, Misuse, MisuseKind, Op, Order, Output,
    Peer, RefusedOptions, ServerConfig, Service, Session, SlotRange, SocketId, Timestamp,
};

use places::Places;
pub use report::ServerReport;

/// A server: its listeners, the limit on connections, and the end of it all.
///
/// Sessions are handed out with [`ServerEvent::Opened`]; a thread, a task or a node owns and drives each, carries out the
/// [`ServerEvent::Order`]s for it, and says [`Server::gone`] when it has ended. Until then it counts against the limit.
///
/// The states are those of [`SupervisorLife`].
pub struct Server<S: Service> {
    service: S,
    connection: Arc<ConnectionConfig>,
    now: Timestamp,
    life: SupervisorLife,
    runtime: Runtime,
    /// All that were given to it.
    range: SlotRange,
    listeners: Vec<Listener>,
    /// Which listener is asked first for the next free place.
    turn: usize,
    /// Every listener listens, and that was said.
    announced: bool,
    places: Places,
    drain_deadline: Timestamp,
    events: VecDeque<ServerEvent<S::Handler>>,
    report: ServerReport,
}

/// What a server tells its driver.
pub enum ServerEvent<H: Handler> {
    /// A listener listens. Said for all of them once all do.
    Listening {
        /// The listener's place in the configuration.
        listener: usize,
        /// Its address, with its real port.
        local: Option<Address>,
    },
    /// A connection was accepted: drive this session.
    Opened {
        /// Its name.
        socket: SocketId,
        /// Who it is.
        peer: Peer,
        /// The machine to drive. It stays where it is, whoever passes it on.
        session: Box<Session<H>>,
    },
    /// Tell this session.
    Order {
        /// Its name.
        socket: SocketId,
        /// What to tell it.
        order: Order,
    },
    /// Not every option of a listening socket could be had; it goes on without.
    OptionsRefused {
        /// The listener's place in the configuration.
        listener: usize,
        /// The options, none of which was required.
        refused: RefusedOptions,
    },
    /// A listener has begun to fail to accept because something has run out; it tries again with growing delays.
    Exhausted {
        /// The listener's place in the configuration.
        listener: usize,
        /// What went wrong first.
        fault: Fault,
    },
    /// That listener accepts again.
    Recovered {
        /// The listener's place in the configuration.
        listener: usize,
        /// How many accepts had failed in between.
        failures: u64,
    },
    /// A listener that had been listening broke. The others go on; without any, the server ends after its last session.
    ListenerLost {
        /// The listener's place in the configuration.
        listener: usize,
        /// What went wrong.
        error: crate::ListenError,
    },
    /// Every socket is gone. Always the last event.
    Stopped(Box<ServerReport>),
}

impl<S: Service> Server<S> {
    /// A server that has not started.
    ///
    /// # Errors
    /// [`MisuseKind::Slots`] if `slots` is smaller than [`ServerConfig::slots_needed`].
    pub fn new(config: ServerConfig, service: S, mut slots: SlotRange) -> Result<Self, Misuse> {
        let range = slots;
        let too_small = || Misuse::call(MisuseKind::Slots, "new server", "slot range too small");
        let mut own = slots.take(u32::try_from(config.listeners.len().saturating_add(1)).unwrap_or(u32::MAX))?;
        let connections = u32::try_from(config.max_connections).ok().ok_or_else(too_small)?;
        let places = Places::new(slots.take(connections)?);
        let mut name = || own.take(1).ok().and_then(|slot| SocketId::new(slot.first(), slot.generation())).ok_or_else(too_small);
        let control = name()?;
        let mut listeners = Vec::with_capacity(config.listeners.len());
        for listener in config.listeners {
            listeners.push(Listener::new(name()?, Arc::new(listener)));
        }
        Ok(Self {
            service,
            connection: config.connection,
            now: Timestamp::ZERO,
            life: SupervisorLife::New,
            runtime: Runtime::new(control),
            range,
            listeners,
            turn: 0,
            announced: false,
            places,
            drain_deadline: Timestamp::NEVER,
            events: VecDeque::new(),
            report: ServerReport::default(),
        })
    }

    /// Starts: the socket runtime, then every listener.
    ///
    /// # Errors
    /// [`Misuse`] if it was started or stopped before.
    pub fn start(&mut self, now: Timestamp) -> Result<(), Misuse> {
        if self.life != SupervisorLife::New {
            return Err(Misuse::call(MisuseKind::WrongState, "start", self.life.name()));
        }
        self.tick(now);
        self.step(Step::Start);
        Ok(())
    }

    /// A session has ended; its place is free.
    ///
    /// # Errors
    /// [`Misuse`] if no session of this name is out.
    pub fn gone(&mut self, now: Timestamp, socket: SocketId, report: &CloseReport) -> Result<(), Misuse> {
        if !self.is_out(socket) {
            return Err(Misuse::call(MisuseKind::UnknownSocket, "gone", self.life.name()));
        }
        self.tick(now);
        self.take_gone(socket, report);
        Ok(())
    }

    /// Takes no new connections, tells every session to finish, and aborts what is left at `deadline`. Connections that the system
    /// has queued already are still accepted. A second call can only bring the deadline forward; if both are over already, it does nothing.
    pub fn drain(&mut self, now: Timestamp, deadline: Timestamp) {
        self.tick(now);
        self.begin_drain(deadline);
    }

    /// Aborts everything now. A second call does nothing.
    pub fn stop(&mut self, now: Timestamp) {
        self.tick(now);
        self.begin_stop();
    }

    /// Where the server is in its life.
    #[must_use]
    pub const fn life(&self) -> SupervisorLife {
        self.life
    }

    /// Connections that were accepted and are not [`gone`](Server::gone).
    #[must_use]
    pub fn live(&self) -> usize {
        self.places.live()
    }

    /// Places in use: sessions that are out, accepts in flight, and sockets being closed. Never above the limit.
    #[must_use]
    pub fn places_used(&self) -> usize {
        self.places.used()
    }

    /// What has been counted so far.
    #[must_use]
    pub const fn report(&self) -> &ServerReport {
        &self.report
    }

    /// The slots for a machine that takes the place of this one: the same, under names that this one has not used. `None` before it has
    /// stopped, and if the names are used up.
    #[must_use]
    pub fn slots_after(&self) -> Option<SlotRange> {
        let generation = self.places.unused_generation().filter(|_| self.life == SupervisorLife::Stopped)?;
        self.range.beginning_with(generation)
    }

    /// All that were given to it.
    pub(crate) const fn slots(&self) -> SlotRange {
        self.range
    }

    /// The service.
    #[must_use]
    pub const fn service(&self) -> &S {
        &self.service
    }

    pub(crate) fn next_operation(&mut self) -> Option<Op> {
        let own = self.runtime.next_operation(self.life);
        own.or_else(|| self.listeners.iter_mut().find_map(Listener::next_operation)).or_else(|| self.places.next_close())
    }

    pub(crate) fn next_event(&mut self) -> Option<ServerEvent<S::Handler>> {
        self.events.pop_front()
    }

    fn tick(&mut self, now: Timestamp) {
        self.now = self.now.max(now);
    }
}

impl<S: Service> Machine for Server<S> {
    type Event = ServerEvent<S::Handler>;

    fn poll(&mut self) -> Option<Output<Self::Event>> {
        match self.next_event() {
            Some(event) => Some(Output::Event(event)),
            None => self.next_operation().map(Output::Submit),
        }
    }

    fn complete(&mut self, now: Timestamp, done: Completion) -> Result<(), Misuse> {
        let result = self.take_completion(self.now.max(now), done);
        if result.is_err() {
            self.report.refused_completions = self.report.refused_completions.saturating_add(1);
        }
        result
    }

    fn broken(&mut self, now: Timestamp, socket: SocketId, fault: Fault) {
        self.tick(now);
        for listener in &mut self.listeners {
            listener.broken(self.now, socket, fault);
        }
        self.pump();
    }

    fn handle_timeout(&mut self, now: Timestamp) {
        self.tick(now);
        if self.drain_deadline.is_due(self.now) {
            self.begin_stop();
        }
        for listener in &mut self.listeners {
            listener.handle_timeout(self.now);
        }
        self.pump();
    }

    fn deadline(&self) -> Option<Timestamp> {
        let listeners = self.listeners.iter().filter_map(Machine::deadline);
        listeners.chain(self.drain_deadline.as_deadline()).min()
    }

    fn in_flight(&self) -> usize {
        let listeners = self.listeners.iter().map(Machine::in_flight).fold(0, usize::saturating_add);
        listeners.saturating_add(self.places.in_flight()).saturating_add(self.runtime.in_flight())
    }
}
