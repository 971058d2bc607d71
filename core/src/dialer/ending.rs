//! How attempts fail, and what comes after.

use core::net::SocketAddr;
use core::time::Duration;

use super::{AttemptError, DialError, DialFailure, Dialer, DialerEvent};
use crate::state::{DialerLife, DialerLifeEvent as Step, Table};
use crate::{Address, Fault, FaultKind, OpKind, Timestamp};

impl Dialer {
    /// No further address is tried, and the attempt that is under way ends.
    pub(super) fn abandon(&mut self, failure: DialFailure, fault: FaultKind) {
        if matches!(self.life, DialerLife::Connected | DialerLife::Failed) {
            return;
        }
        // While the socket of the last address is being closed, nothing is left to give up.
        self.given_up.get_or_insert(if self.address().is_none() { DialFailure::AllFailed } else { failure });
        if self.attempt.is_some() {
            self.fail_attempt(fault.into());
        } else {
            self.give_up();
        }
    }

    /// The attempt that is under way has failed: note why, and end it.
    pub(super) fn fail_attempt(&mut self, fault: Fault) {
        if matches!(self.life, DialerLife::Creating | DialerLife::Binding | DialerLife::Connecting) {
            self.note(fault);
            self.life.step(Step::Fail);
        }
        self.vanish();
    }

    /// Keeps what went wrong, and moves on to the next address unless this one deserves another attempt.
    fn note(&mut self, fault: Fault) {
        let (Some((operation, _)), Some(address), Some(attempt)) = (self.step_in_turn(), self.address(), &mut self.attempt)
        else {
            return;
        };
        attempt.deadline = Timestamp::NEVER;
        let elapsed = self.now.saturating_since(attempt.started);
        self.errors.push(AttemptError { address, operation, fault, elapsed });
        match self.retries_left.checked_sub(1) {
            Some(left) if self.passes(operation, fault) => self.retries_left = left,
            _ => self.skip_address(),
        }
    }

    /// True for what is our own trouble and passes. With a local port of its own, the next attempt would only end like this one.
    fn passes(&self, operation: OpKind, fault: Fault) -> bool {
        let any_port = self.config.local.is_none_or(|local| local.port() == Some(0));
        let ours = matches!(fault.kind(), FaultKind::SelfConnected | FaultKind::AddressNotAvailable);
        operation == OpKind::Connect && any_port && ours
    }

    fn skip_address(&mut self) {
        self.index = self.index.saturating_add(1);
        self.retries_left = self.config.retries;
    }

    /// If there is no socket to close, the attempt is over.
    pub(super) fn vanish(&mut self) {
        if self.life == DialerLife::Ending && self.attempt.is_some_and(|attempt| !attempt.exists && attempt.flight.is_idle()) {
            self.life.step(Step::Vanish);
            self.end_attempt();
        }
    }

    /// The attempt's socket is gone.
    pub(super) fn end_attempt(&mut self) {
        if let Some(attempt) = self.attempt.take() {
            self.returned = Some(attempt.slot);
        }
        self.move_on();
    }

    /// Passes over addresses that no socket could connect to, and ends if none is left.
    pub(super) fn move_on(&mut self) {
        while let Some(address) = self.address().filter(|_| self.given_up.is_none())
            && let Some(fault) = flaw(address)
        {
            self.errors.push(AttemptError { address, operation: OpKind::Connect, fault, elapsed: Duration::ZERO });
            self.skip_address();
        }
        if self.address().is_none() {
            self.given_up.get_or_insert(DialFailure::AllFailed);
        }
        if self.given_up.is_some() {
            self.give_up();
        }
    }

    fn give_up(&mut self) {
        self.life.step(Step::GiveUp);
        self.overall = Timestamp::NEVER;
        let failure = self.given_up.unwrap_or(DialFailure::AllFailed);
        let attempts = core::mem::take(&mut self.errors);
        self.end = Some(DialerEvent::Failed(DialError { failure, attempts }));
    }
}

/// Why no socket can connect to this address. A link-local one is on every interface: the system would only say "invalid argument".
fn flaw(address: Address) -> Option<Fault> {
    match address {
        Address::Ip(SocketAddr::V6(v6)) if v6.ip().is_unicast_link_local() && v6.scope_id() == 0 => {
            Some(FaultKind::NoScope.into())
        }
        Address::Ip(_) => None,
    }
}
