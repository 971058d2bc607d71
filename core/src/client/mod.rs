//! Supervising one outgoing connection.

mod life;
mod report;

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use core::mem::take;

use crate::flight::{Flight, Stamps};
use crate::peer::KeptPeer;
use crate::runtime::Runtime;
use crate::state::{SupervisorLife, Table};
use crate::{
    Canonical, ClientConfig, CloseReport, Completion, ConnectionConfig, Dialer, Fault, Handler, Machine, Misuse, MisuseKind,
    Order, Output, Peer, Service, Session, SlotRange, SocketId, Timestamp, encode,
};

pub use report::ClientReport;

/// A client: initialise, dial, hand the connection out, and release everything after it has ended.
///
/// The session is handed out with [`ClientEvent::Opened`]; who owns it drives it, carries out the [`ClientEvent::Order`]s for it, and
/// says [`Client::gone`] when it has ended. The disconnect of a well-behaved client is [`Stream::finish`](crate::Stream::finish): our FIN,
/// then reading until the peer's; [`ClientReport::is_confirmed`] says whether the peer did its part.
///
/// The states are those of [`SupervisorLife`].
pub struct Client<S: Service> {
    service: S,
    now: Timestamp,
    life: SupervisorLife,
    runtime: Runtime,
    /// How many slots were given to it, from its own on.
    slots: u32,
    /// The name of the socket that there is, or of the next.
    socket: SocketId,
    place: Place,
    stamps: Stamps,
    /// Until it is done: a client has a connection for longer than it dials.
    dialling: Option<Box<Dialling>>,
    /// The session that is to be handed out. It is told first.
    opened: Option<Box<Session<S::Handler>>>,
    /// What was ordered, once something is.
    orders: Option<Box<Orders>>,
    /// It has stopped, and that is still to be told, after everything else.
    stopped: bool,
    /// Who was at the other end.
    peer: Option<KeptPeer>,
    /// The rest of the account, once there is something to say.
    report: Option<Box<ClientReport>>,
}

/// What is needed until there is a connection.
#[derive(Clone, Debug)]
struct Dialling {
    dialer: Dialer,
    connection: Arc<ConnectionConfig>,
}

/// Where the client's one socket is.
#[derive(Clone, Copy, Debug)]
enum Place {
    /// There is none.
    Free,
    /// There is none, and there are no names left.
    UsedUp,
    /// The dialer has it.
    Dialer,
    /// A session is out.
    Live,
    /// The service turned the connection away: it is being closed.
    Closing(Flight),
}

/// What the session is to be told.
#[derive(Clone, Debug)]
struct Orders {
    waiting: VecDeque<(SocketId, Order)>,
    /// The earliest that was given. It counts while the client is draining.
    drain_deadline: Timestamp,
}

/// What a client tells its driver.
pub enum ClientEvent<H: Handler> {
    /// There is a connection: drive this session.
    Opened {
        /// Its name.
        socket: SocketId,
        /// Who it is.
        peer: Peer,
        /// The machine to drive. It stays where it is, whoever passes it on.
        session: Box<Session<H>>,
    },
    /// Tell this session; if it has ended since, there is nobody to tell.
    Order {
        /// Its name.
        socket: SocketId,
        /// What to tell it.
        order: Order,
    },
    /// Every socket is gone. Always the last event.
    Stopped(Box<ClientReport>),
}

impl<S: Service> Client<S> {
    /// A client that has not started.
    ///
    /// # Errors
    /// [`MisuseKind::Slots`] if `slots` is smaller than [`ClientConfig::slots_needed`].
    pub fn new(config: ClientConfig, service: S, mut slots: SlotRange) -> Result<Self, Misuse> {
        let count = slots.count();
        let mut name = || {
            let slot = slots.take(1)?;
            SocketId::new(slot.first(), slot.generation()).ok_or(Misuse::call(MisuseKind::Slots, "new client", "no slot"))
        };
        let (control, socket) = (name()?, name()?);
        Ok(Self {
            service,
            now: Timestamp::ZERO,
            life: SupervisorLife::New,
            runtime: Runtime::new(control),
            slots: count,
            socket,
            place: Place::Free,
            stamps: Stamps::default(),
            dialling: Some(Box::new(Dialling { dialer: Dialer::new(config.dialer), connection: config.connection })),
            opened: None,
            orders: None,
            stopped: false,
            peer: None,
            report: None,
        })
    }

    /// Starts: the socket runtime, then dialling.
    ///
    /// # Errors
    /// [`Misuse`] if it was started or stopped before.
    pub fn start(&mut self, now: Timestamp) -> Result<(), Misuse> {
        if self.life != SupervisorLife::New {
            return Err(Misuse::call(MisuseKind::WrongState, "start", self.life.name()));
        }
        self.tick(now);
        self.step(crate::state::SupervisorLifeEvent::Start);
        Ok(())
    }

    /// The session has ended.
    ///
    /// # Errors
    /// [`Misuse`] if no session of this name is out: none was, or it is not polled yet.
    pub fn gone(&mut self, now: Timestamp, socket: SocketId, report: &CloseReport) -> Result<(), Misuse> {
        self.take_gone(self.now.max(now), socket, report)
    }

    /// Gives up dialling, or tells the session to finish, and aborts it at `deadline`. A second call can only bring the deadline forward.
    pub fn drain(&mut self, now: Timestamp, deadline: Timestamp) {
        self.tick(now);
        self.begin_drain(deadline);
    }

    /// Aborts everything now. A second call does nothing.
    pub fn stop(&mut self, now: Timestamp) {
        self.tick(now);
        self.begin_stop();
    }

    /// Where the client is in its life.
    #[must_use]
    pub const fn life(&self) -> SupervisorLife {
        self.life
    }

    /// The slots for a machine that takes the place of this one: the same, under names that this one has not used. `None` before it has
    /// stopped, and if the names are used up.
    #[must_use]
    pub fn slots_after(&self) -> Option<SlotRange> {
        let own = self.slots().generation().checked_add(1)?;
        if self.life != SupervisorLife::Stopped || matches!(self.place, Place::UsedUp) {
            return None;
        }
        self.slots().beginning_with(self.socket.generation().max(own))
    }

    /// All that were given to it.
    pub(crate) const fn slots(&self) -> SlotRange {
        SlotRange::from_name(self.runtime.control(), self.slots)
    }

    /// The service.
    #[must_use]
    pub const fn service(&self) -> &S {
        &self.service
    }

    pub(crate) fn next_event(&mut self) -> Option<ClientEvent<S::Handler>> {
        if let Some(session) = self.opened.take() {
            return Some(ClientEvent::Opened { socket: session.socket(), peer: session.peer(), session });
        }
        if let Some((socket, order)) = self.orders.as_mut().and_then(|orders| orders.waiting.pop_front()) {
            return Some(ClientEvent::Order { socket, order });
        }
        take(&mut self.stopped).then(|| ClientEvent::Stopped(self.take_report()))
    }

    fn tick(&mut self, now: Timestamp) {
        self.now = self.now.max(now);
    }
}

impl<S: Service> Machine for Client<S> {
    type Event = ClientEvent<S::Handler>;

    fn poll(&mut self) -> Option<Output<Self::Event>> {
        match self.next_event() {
            Some(event) => Some(Output::Event(event)),
            None => self.next_operation().map(Output::Submit),
        }
    }

    fn complete(&mut self, now: Timestamp, done: Completion) -> Result<(), Misuse> {
        let result = self.take_completion(self.now.max(now), done);
        if result.is_err() && self.life != SupervisorLife::Stopped {
            let report = self.report();
            report.refused_completions = report.refused_completions.saturating_add(1);
        }
        result
    }

    fn broken(&mut self, now: Timestamp, socket: SocketId, fault: Fault) {
        self.tick(now);
        if let Some(Dialling { dialer, .. }) = self.dialling.as_deref_mut() {
            dialer.broken(now, socket, fault);
        }
        self.pump();
    }

    fn handle_timeout(&mut self, now: Timestamp) {
        self.tick(now);
        if self.drain_deadline().is_due(self.now) {
            self.begin_stop();
        }
        if let Some(Dialling { dialer, .. }) = self.dialling.as_deref_mut() {
            dialer.handle_timeout(self.now);
        }
        self.pump();
    }

    fn deadline(&self) -> Option<Timestamp> {
        let dialling = self.dialling.as_ref().and_then(|dialling| dialling.dialer.deadline());
        dialling.into_iter().chain(self.drain_deadline().as_deadline()).min()
    }

    fn in_flight(&self) -> usize {
        let closing = match self.place {
            Place::Closing(flight) => flight.count(),
            Place::Free | Place::UsedUp | Place::Dialer | Place::Live => 0,
        };
        let dialling = self.dialling.as_ref().map_or(0, |dialling| dialling.dialer.in_flight());
        dialling.saturating_add(closing).saturating_add(self.runtime.in_flight())
    }
}

/// Life, socket runtime, dialer, the place of the socket, the drain's deadline relative to `now`. The service is left out.
impl<S: Service> Canonical for Client<S> {
    fn canonical(&self, now: Timestamp, out: &mut Vec<u8>) {
        let now = now.max(self.now);
        encode::byte(out, self.life.index());
        self.runtime.encode(out);
        encode::flag(out, self.dialling.is_some());
        if let Some(dialling) = &self.dialling {
            dialling.dialer.canonical(now, out);
        }
        match self.place {
            Place::Free | Place::UsedUp | Place::Dialer => encode::byte(out, 0),
            Place::Live => encode::byte(out, 1),
            Place::Closing(flight) => {
                encode::byte(out, 2);
                encode::byte(out, flight.code());
            }
        }
        encode::deadline(out, self.drain_deadline(), now);
        let orders = self.orders.as_ref().map_or(0, |orders| orders.waiting.len());
        let codes = [(0, usize::from(self.opened.is_some())), (1, orders), (2, usize::from(self.stopped))];
        encode::length(out, codes.into_iter().map(|(_, count)| count).fold(0, usize::saturating_add));
        for (code, count) in codes {
            out.extend(core::iter::repeat_n(code, count));
        }
    }
}

impl<S> Clone for Client<S>
where
    S: Service + Clone,
    S::Handler: Clone,
    <S::Handler as Handler>::Message: Clone,
{
    fn clone(&self) -> Self {
        Self {
            service: self.service.clone(),
            now: self.now,
            life: self.life,
            runtime: self.runtime.clone(),
            slots: self.slots,
            socket: self.socket,
            place: self.place,
            stamps: self.stamps,
            dialling: self.dialling.clone(),
            opened: self.opened.clone(),
            orders: self.orders.clone(),
            stopped: self.stopped,
            peer: self.peer.clone(),
            report: self.report.clone(),
        }
    }
}

impl<H> Clone for ClientEvent<H>
where
    H: Handler + Clone,
    H::Message: Clone,
{
    fn clone(&self) -> Self {
        match self {
            Self::Opened { socket, peer, session } => Self::Opened { socket: *socket, peer: *peer, session: session.clone() },
            Self::Order { socket, order } => Self::Order { socket: *socket, order: *order },
            Self::Stopped(report) => Self::Stopped(report.clone()),
        }
    }
}

impl<S: Service> fmt::Debug for Client<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("life", &self.life)
            .field("dialer", &self.dialling.as_ref().map(|dialling| &dialling.dialer))
            .field("place", &self.place)
            .finish_non_exhaustive()
    }
}

impl<H: Handler> fmt::Debug for ClientEvent<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Opened { socket, .. } => write!(f, "Opened({socket})"),
            Self::Order { socket, order } => write!(f, "Order({socket}, {order:?})"),
            Self::Stopped(report) => write!(f, "Stopped({report:?})"),
        }
    }
}
