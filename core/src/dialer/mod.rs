//! From a list of addresses to one connected socket.

mod complete;
mod ending;
mod error;
mod operations;

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::time::Duration;

use crate::flight::{Flight, Stamps};
use crate::state::{DialerLife, DialerLifeEvent as Step, Table};
use crate::{
    Address, Canonical, Completion, Connected, DialerConfig, Fault, FaultKind, Machine, Misuse, MisuseKind, OpKind, Output,
    SocketId, Timestamp, encode,
};

pub use error::{AttemptError, DialError, DialFailure};

/// A share of the overall time is no shorter than this (Go: `net.partialDeadline`).
const SHORTEST_SHARE: Duration = Duration::from_secs(2);

/// Tries addresses one after another until one connects.
///
/// A refused address is followed by the next at once. Each attempt has a deadline of its own, and a fair share of the overall time:
/// what is left of it is divided by the addresses that are left, so a share that was not used goes to those behind.
/// Each attempt uses a place that the owner offers ([`Dialer::wants_slot`], [`Dialer::offer`]) and that comes back with
/// [`DialerEvent::Returned`] or, at the end, with [`DialerEvent::Connected`].
/// Every attempt's error is kept.
#[derive(Clone, Debug)]
pub struct Dialer {
    config: Arc<DialerConfig>,
    now: Timestamp,
    life: DialerLife,
    /// The place of the address that is being tried, or is next.
    index: usize,
    retries_left: u8,
    attempt: Option<Attempt>,
    /// When all must be done.
    overall: Timestamp,
    /// Why no further address is tried.
    given_up: Option<DialFailure>,
    errors: Vec<AttemptError>,
    /// The place that is to be given back. It goes before the end.
    returned: Option<SocketId>,
    /// How it ended, to be told: the last event.
    end: Option<DialerEvent>,
    stamps: Stamps,
    refused_completions: u64,
}

/// One socket on its way to one address.
#[derive(Clone, Copy, Debug)]
struct Attempt {
    slot: SocketId,
    started: Timestamp,
    deadline: Timestamp,
    /// What is in flight, if anything is.
    flight: Flight,
    /// The operation in flight, or the last one.
    kind: OpKind,
    exists: bool,
    /// A connection exists that nobody wants: the peer is to see a reset.
    established: bool,
}

/// What happens while dialling.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum DialerEvent {
    /// There is a connection. The owner has it now; the dialer is done.
    Connected {
        /// The name that was offered.
        slot: SocketId,
        /// The place of the address in the list.
        address: usize,
        /// What is known of the connection.
        connected: Connected,
    },
    /// A place is given back: there is no socket under this name any more.
    Returned {
        /// The name that was offered.
        slot: SocketId,
    },
    /// There is no connection; the dialer is done.
    Failed(DialError),
}

impl Dialer {
    /// A dialer that has not started.
    #[must_use]
    pub fn new(config: Arc<DialerConfig>) -> Self {
        Self {
            now: Timestamp::ZERO,
            life: DialerLife::New,
            index: 0,
            retries_left: config.retries,
            attempt: None,
            overall: Timestamp::NEVER,
            given_up: None,
            errors: Vec::new(),
            returned: None,
            end: None,
            stamps: Stamps::default(),
            refused_completions: 0,
            config,
        }
    }

    /// Where the dialer is in its life.
    #[must_use]
    pub const fn life(&self) -> DialerLife {
        self.life
    }

    /// Starts; the overall time runs from here.
    ///
    /// # Errors
    /// [`Misuse`] if it was started or cancelled before.
    pub fn start(&mut self, now: Timestamp) -> Result<(), Misuse> {
        if self.life != DialerLife::New {
            return Err(self.misuse("start"));
        }
        self.tick(now);
        self.overall = self.config.overall.map_or(Timestamp::NEVER, |span| self.now + span);
        self.life.step(Step::Start);
        self.move_on();
        Ok(())
    }

    /// True if the next attempt waits for a place. The last attempt's place is to be taken back first: what the dialer has to say stays
    /// short, whoever drives it.
    #[must_use]
    pub fn wants_slot(&self) -> bool {
        self.life == DialerLife::Waiting && self.returned.is_none()
    }

    /// Offers a place for the next attempt: the name of a socket that does not exist yet.
    ///
    /// # Errors
    /// [`Misuse`] unless [`Dialer::wants_slot`]; the name stays the caller's.
    pub fn offer(&mut self, now: Timestamp, slot: SocketId) -> Result<(), Misuse> {
        if !self.wants_slot() {
            return Err(self.misuse("offer a slot"));
        }
        self.tick(now);
        self.life.step(Step::Offer);
        self.attempt = Some(Attempt {
            slot,
            started: self.now,
            deadline: self.attempt_deadline(),
            flight: Flight::Idle,
            kind: OpKind::Create,
            exists: false,
            established: false,
        });
        Ok(())
    }

    /// Gives up. A connection that comes all the same is closed. A second call, or one after the end, does nothing.
    pub fn cancel(&mut self, now: Timestamp) {
        self.tick(now);
        self.abandon(DialFailure::Cancelled, FaultKind::Cancelled);
    }

    /// Completions that were refused with a [`Misuse`].
    #[must_use]
    pub const fn refused_completions(&self) -> u64 {
        self.refused_completions
    }

    pub(crate) fn next_event(&mut self) -> Option<DialerEvent> {
        match self.returned.take() {
            Some(slot) => Some(DialerEvent::Returned { slot }),
            None => self.end.take(),
        }
    }

    /// An equal share of what is left of the overall time, but not too short a one, and never more than the limit of an attempt.
    fn attempt_deadline(&self) -> Timestamp {
        let own = self.config.attempt.map_or(Timestamp::NEVER, |span| self.now + span);
        if self.overall == Timestamp::NEVER {
            return own;
        }
        let addresses = self.config.addresses.len().saturating_sub(self.index).max(1);
        let left = self.overall.saturating_since(self.now);
        let share = left.checked_div(u32::try_from(addresses).unwrap_or(u32::MAX)).unwrap_or(left);
        own.min(self.now + share.max(SHORTEST_SHARE)).min(self.overall)
    }

    fn address(&self) -> Option<Address> {
        self.config.addresses.get(self.index).copied()
    }

    fn tick(&mut self, now: Timestamp) {
        self.now = self.now.max(now);
    }

    fn misuse(&self, operation: &'static str) -> Misuse {
        Misuse::call(MisuseKind::WrongState, operation, self.life.name())
    }
}

impl Machine for Dialer {
    type Event = DialerEvent;

    fn poll(&mut self) -> Option<Output<DialerEvent>> {
        match self.next_event() {
            Some(event) => Some(Output::Event(event)),
            None => self.next_operation().map(Output::Submit),
        }
    }

    fn complete(&mut self, now: Timestamp, done: Completion) -> Result<(), Misuse> {
        self.take_completion(now, done)
    }

    fn broken(&mut self, now: Timestamp, socket: SocketId, fault: Fault) {
        self.tick(now);
        if self.attempt.is_some_and(|attempt| attempt.slot == socket) {
            self.fail_attempt(fault);
        }
    }

    fn handle_timeout(&mut self, now: Timestamp) {
        self.tick(now);
        if self.overall.is_due(self.now) {
            self.overall = Timestamp::NEVER;
            self.abandon(DialFailure::Deadline, FaultKind::TimedOut);
        }
        if self.attempt.is_some_and(|attempt| attempt.deadline.is_due(self.now)) {
            self.fail_attempt(FaultKind::TimedOut.into());
        }
    }

    fn deadline(&self) -> Option<Timestamp> {
        let attempt = self.attempt.map_or(Timestamp::NEVER, |attempt| attempt.deadline);
        attempt.min(self.overall).as_deadline()
    }

    fn in_flight(&self) -> usize {
        self.attempt.map_or(0, |attempt| attempt.flight.count())
    }
}

/// Life, the address, the attempt with its deadline, what waits to be polled.
impl Canonical for Dialer {
    fn canonical(&self, now: Timestamp, out: &mut Vec<u8>) {
        let now = now.max(self.now);
        encode::byte(out, self.life.index());
        encode::length(out, self.index);
        encode::byte(out, self.retries_left);
        encode::deadline(out, self.overall, now);
        encode::byte(out, self.given_up.map_or(0, DialFailure::code));
        encode::flag(out, self.attempt.is_some());
        if let Some(attempt) = &self.attempt {
            encode::deadline(out, attempt.deadline, now);
            encode::byte(out, attempt.flight.code());
            encode::byte(out, attempt.kind.code());
            encode::flag(out, attempt.exists);
            encode::flag(out, attempt.established);
        }
        let returned = self.returned.map(|_| 1);
        let end = self.end.as_ref().map(|end| if matches!(end, DialerEvent::Connected { .. }) { 0 } else { 2 });
        encode::length(out, returned.iter().chain(&end).count());
        out.extend(returned.into_iter().chain(end));
    }
}
