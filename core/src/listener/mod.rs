//! One listening socket.

mod accept;
mod canonical;
mod complete;
mod event;
mod operations;

use alloc::collections::VecDeque;
use alloc::sync::Arc;
use alloc::vec::Vec;

use crate::backoff::Backoff;
use crate::flight::{Flight, Stamps};
use crate::state::{ListenerLife, ListenerLifeEvent as Step, Table};
use crate::{AcceptClass, Completion, Fault, ListenerConfig, Machine, Misuse, OpKind, Output, SocketId, Timestamp};

pub use event::{ListenError, ListenerEvent, ListenerReport};

/// A listener: create, bind, listen, accept, close; and accepting goes on whatever happens to single connections.
///
/// It accepts only into places that its owner offers: [`Listener::wants_slot`] says when it can use one, [`Listener::offer`] gives it
/// the name of a socket that does not exist yet, and each offer is answered by exactly one event: [`ListenerEvent::Accepted`],
/// [`ListenerEvent::Unwanted`] or [`ListenerEvent::Returned`]. So a hard limit on connections is a matter of how many places there are.
///
/// The owner closes accepted sockets; the listener closes its own.
#[derive(Clone, Debug)]
pub struct Listener {
    socket: SocketId,
    config: Arc<ListenerConfig>,
    now: Timestamp,
    life: ListenerLife,
    /// Create, bind or listen.
    step: Flight,
    step_kind: OpKind,
    /// The socket was created and not closed yet.
    exists: bool,
    close: Flight,
    offers: Vec<Offer>,
    backoff: Backoff,
    /// No accept before this.
    retry: Timestamp,
    /// Faults in a row that were about single connections.
    streak: u8,
    /// Accepts that have failed since one last succeeded, because something had run out.
    failures: u64,
    /// How many more connections a drain takes.
    sweep_left: usize,
    events: VecDeque<ListenerEvent>,
    stamps: Stamps,
    report: ListenerReport,
}

/// A place to accept into.
#[derive(Clone, Copy, Debug)]
struct Offer {
    slot: SocketId,
    flight: Flight,
    /// The accept in flight waits for a connection.
    waits: bool,
}

impl Listener {
    /// A listener that has not started. `socket` is the name that its socket will have.
    #[must_use]
    pub fn new(socket: SocketId, config: Arc<ListenerConfig>) -> Self {
        Self {
            socket,
            now: Timestamp::ZERO,
            life: ListenerLife::New,
            step: Flight::Idle,
            step_kind: OpKind::Create,
            exists: false,
            close: Flight::Idle,
            offers: Vec::new(),
            backoff: Backoff::default(),
            retry: Timestamp::NEVER,
            streak: 0,
            failures: 0,
            sweep_left: config.sweep,
            events: VecDeque::new(),
            stamps: Stamps::default(),
            report: ListenerReport::default(),
            config,
        }
    }

    /// The listener's socket.
    #[must_use]
    pub const fn socket(&self) -> SocketId {
        self.socket
    }

    /// Where the listener is in its life.
    #[must_use]
    pub const fn life(&self) -> ListenerLife {
        self.life
    }

    /// Starts: create, bind, listen.
    ///
    /// # Errors
    /// [`Misuse`] if it was started or stopped before.
    pub fn start(&mut self, now: Timestamp) -> Result<(), Misuse> {
        if self.life != ListenerLife::New {
            return Err(self.misuse("start"));
        }
        self.tick(now);
        self.life.step(Step::Start);
        Ok(())
    }

    /// Ends at once. What the system has queued is reset; an accept that succeeds all the same gives an [`ListenerEvent::Unwanted`].
    /// A second call does nothing.
    pub fn stop(&mut self, now: Timestamp) {
        self.tick(now);
        self.end(Step::Stop);
    }

    /// Accepts what the system has queued already (as long as the owner offers places, and up to the limit of the configuration),
    /// then ends. Closing without that would reset those connections. A second call does nothing.
    pub fn sweep(&mut self, now: Timestamp) {
        self.tick(now);
        if self.life == ListenerLife::Listening {
            self.retry = Timestamp::NEVER;
            self.life.step(Step::Sweep);
            if self.sweep_left == 0 {
                self.end(Step::Swept);
            }
        } else {
            self.end(Step::Sweep);
        }
    }

    /// Ends a sweep: the owner has no place left.
    pub fn end_sweep(&mut self, now: Timestamp) {
        self.tick(now);
        if self.life == ListenerLife::Sweeping {
            self.end(Step::Swept);
        }
    }

    pub(crate) fn next_event(&mut self) -> Option<ListenerEvent> {
        self.events.pop_front()
    }

    /// What has been counted so far.
    #[must_use]
    pub const fn report(&self) -> &ListenerReport {
        &self.report
    }

    fn is_accepting(&self) -> bool {
        matches!(self.life, ListenerLife::Listening | ListenerLife::Sweeping)
    }

    fn is_backing_off(&self) -> bool {
        self.retry != Timestamp::NEVER
    }

    fn tick(&mut self, now: Timestamp) {
        self.now = self.now.max(now);
    }

    fn misuse(&self, operation: &'static str) -> Misuse {
        Misuse::call(crate::MisuseKind::WrongState, operation, self.life.name())
    }

    fn fail(&mut self, operation: OpKind, fault: Fault) {
        if !matches!(self.life, ListenerLife::Ending | ListenerLife::Closing | ListenerLife::Closed) {
            self.report.error = Some(ListenError { operation, address: self.config.address, fault });
        }
        self.end(Step::Fail);
    }

    /// Takes a transition that may lead to the end.
    fn end(&mut self, event: Step) {
        let was = self.life;
        self.life.step(event);
        if self.life != was {
            self.retry = Timestamp::NEVER;
        }
        match self.life {
            ListenerLife::Closed if was != ListenerLife::Closed => self.events.push_back(ListenerEvent::Closed(self.report)),
            ListenerLife::Ending => self.return_unused(),
            _ => {}
        }
        self.vanish();
    }

    /// If there is nothing to close, there is nothing to wait for.
    fn vanish(&mut self) {
        if self.life == ListenerLife::Ending && !self.exists && self.step.is_idle() && self.offers.is_empty() {
            self.life.step(Step::Vanish);
            self.events.push_back(ListenerEvent::Closed(self.report));
        }
    }
}

impl Machine for Listener {
    type Event = ListenerEvent;

    fn poll(&mut self) -> Option<Output<ListenerEvent>> {
        match self.next_event() {
            Some(event) => Some(Output::Event(event)),
            None => self.next_operation().map(Output::Submit),
        }
    }

    fn complete(&mut self, now: Timestamp, done: Completion) -> Result<(), Misuse> {
        self.take_completion(now, done)
    }

    /// A fault that says the listener is none any more ends it; any other makes it back off, unless it does already.
    fn broken(&mut self, now: Timestamp, socket: SocketId, fault: Fault) {
        self.tick(now);
        if socket != self.socket || !self.is_accepting() {
            return;
        }
        match fault.kind().accept_class() {
            AcceptClass::Lost => self.fail(OpKind::Accept, fault),
            AcceptClass::Transient | AcceptClass::Exhausted if self.is_backing_off() => {}
            AcceptClass::Transient | AcceptClass::Exhausted => self.back_off(fault),
        }
    }

    fn handle_timeout(&mut self, now: Timestamp) {
        self.tick(now);
        if self.retry.is_due(self.now) {
            self.retry = Timestamp::NEVER;
        }
    }

    fn deadline(&self) -> Option<Timestamp> {
        self.retry.as_deadline()
    }

    fn in_flight(&self) -> usize {
        let offers = self.offers.iter().map(|offer| offer.flight.count()).fold(0, usize::saturating_add);
        offers.saturating_add(self.step.count()).saturating_add(self.close.count())
    }
}
