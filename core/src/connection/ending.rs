//! How a connection gets from open to closed.

use super::inbox::Inbox;
use super::{Connection, Rare};
use crate::state::{Life, LifeEvent, ReceiveEvent, ReceiveHalf, SendHalf, Table};
use crate::timers::Timeout;
use crate::{CloseReason, CloseReport, Ending, Timestamp};

impl Connection {
    /// Begins a graceful ending, unless one is under way already.
    pub(super) fn begin_closing(&mut self, event: LifeEvent, reason: CloseReason) {
        let was_open = self.life == Life::Open;
        if !self.life.step(event) {
            return;
        }
        self.rare().reason.get_or_insert(reason);
        if was_open {
            // One absolute deadline, set by the call, for all that follows.
            self.arm(Timeout::Closing, self.config.closing);
            self.silence = Timestamp::NEVER;
            self.credit.pause(false);
            self.receive.step(ReceiveEvent::Discard);
            self.end_sending();
            self.watch_lingering();
        }
        self.settle();
    }

    /// Starts, or starts again, the time that the peer may be silent after our FIN.
    pub(super) fn watch_lingering(&mut self) {
        if self.life == Life::Lingering && self.send == SendHalf::Finished {
            self.arm(Timeout::LingerGap, self.config.linger_gap);
        }
    }

    /// Ends the connection if everything has happened that it waits for.
    pub(super) fn settle(&mut self) {
        let sent = self.send == SendHalf::Finished;
        let both = sent && self.receive == ReceiveHalf::Ended;
        let settled = match self.life {
            // The peer's end must reach the application first.
            Life::Open => both && !self.holds_back(),
            Life::Lingering => both,
            Life::Flushing => sent,
            Life::Ending | Life::Closing | Life::Closed => false,
        };
        if settled {
            self.rare().reason.get_or_insert(CloseReason::Finished);
            self.enter_ending(LifeEvent::Settle);
        }
    }

    /// A limit of the graceful ending is reached: what was not confirmed by now never will be.
    pub(super) fn cut_short(&mut self, limit: CloseReason) {
        if self.send == SendHalf::Finished {
            self.rare().cut_short.get_or_insert(limit);
            self.enter_ending(LifeEvent::Settle);
        } else {
            self.break_off(limit);
        }
    }

    /// Ends the connection at once, with a reset.
    pub(super) fn break_off(&mut self, reason: CloseReason) {
        let too_late = match self.life {
            Life::Open | Life::Lingering | Life::Flushing => false,
            Life::Ending => self.abortive || self.is_confirmed(),
            Life::Closing | Life::Closed => true,
        };
        if too_late {
            return;
        }
        let rare = self.rare();
        if rare.reason.is_none() {
            rare.reason = Some(reason);
        } else {
            rare.cut_short.get_or_insert(reason);
        }
        self.abortive = true;
        self.enter_ending(LifeEvent::Abort);
    }

    /// Everything was sent, our FIN was sent, and the peer's was read: nothing is left that an abort could lose.
    pub(super) fn is_confirmed(&self) -> bool {
        self.queue.is_empty() && self.send == SendHalf::Finished && self.receive == ReceiveHalf::Ended
    }

    pub(crate) fn report(&self) -> CloseReport {
        let ending = match (self.is_confirmed(), self.abortive) {
            (true, _) => Ending::Confirmed,
            (false, false) => Ending::Unconfirmed,
            (false, true) => Ending::Aborted,
        };
        let rare = self.rare.as_deref();
        let counted = |of: fn(&Rare) -> u64| rare.map_or(0, of);
        CloseReport {
            ending,
            reason: rare.and_then(|rare| rare.reason).unwrap_or(CloseReason::Finished),
            cut_short: rare.and_then(|rare| rare.cut_short),
            received: self.ledger.received,
            undelivered: counted(|rare| rare.undelivered),
            sent: self.ledger.sent,
            unsent: super::count(self.queued()),
            refused_completions: counted(|rare| rare.refused_completions),
        }
    }

    fn enter_ending(&mut self, event: LifeEvent) {
        if self.withholds() {
            self.withhold_for_good();
        }
        self.life.step(event);
        self.receive.step(ReceiveEvent::Discard);
        self.credit.pause(false);
        self.disarm_all();
        self.inbox.remove(Inbox::WRITABLE);
    }
}
