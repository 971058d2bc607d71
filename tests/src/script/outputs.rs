//! What may be polled, and what must have been polled before there is nothing more.

use sansock::state::Life;
use sansock::{CloseReport, ConnectionEvent, Op, OpKind, Output, SendOp};

use super::model::{Fin, Flight, Model};
use super::{Check, Pattern, Target};

impl Model {
    pub(crate) fn polled(&mut self, output: &Output<ConnectionEvent>) -> Check {
        ensure!(!self.reported, "A10: {output:?} after the last event");
        match output {
            Output::Event(ConnectionEvent::Data(data)) => self.data(data),
            Output::Event(ConnectionEvent::PeerFinished) => self.peer_finished(),
            Output::Event(ConnectionEvent::Writable) => self.told_writable(),
            Output::Event(ConnectionEvent::Closed(report)) => self.closed(report),
            Output::Submit(op) => self.submitted(op),
        }
    }

    /// Data and the peer's end may be delivered now.
    fn may_deliver(&self) -> bool {
        let withheld = self.is_open() && self.paused;
        !self.silent && !withheld
    }

    // A3
    fn data(&mut self, data: &[u8]) -> Check {
        ensure!(!data.is_empty(), "A3: empty data");
        ensure!(self.may_deliver(), "A3: data although {}", if self.paused { "paused" } else { "the application has ended" });
        ensure!(!self.told_eof, "A3: data after the peer's end");
        ensure!(self.delivered + data.len() <= self.arrived, "A3: more delivered than received");
        ensure!(Pattern::THEIRS.matches(self.delivered, data), "A3: other bytes than those received");
        self.delivered += data.len();
        self.seen.insert("data");
        Ok(())
    }

    fn peer_finished(&mut self) -> Check {
        ensure!(self.end_arrived, "the peer has not finished");
        ensure!(!self.told_eof, "A13: the peer's end was told twice");
        ensure!(self.may_deliver(), "A3: the peer's end although paused or ended");
        ensure!(self.delivered == self.arrived, "A3: the peer's end before its last bytes");
        self.told_eof = true;
        Ok(())
    }

    // C6
    fn told_writable(&mut self) -> Check {
        ensure!(self.writable, "C6: writable once too often");
        self.writable = false;
        self.seen.insert("writable");
        Ok(())
    }

    fn submitted(&mut self, op: &Op) -> Check {
        ensure!(op.socket() == self.socket, "A10: {} is not about our socket", op.id());
        let (target, size) = match op {
            Op::Recv(recv) => (Target::Recv, recv.max()),
            Op::Send(send) => (Target::Send, self.sending(send)?),
            Op::Shutdown(_) => (Target::Shutdown, 0),
            Op::Close(close) => {
                self.closing(close.abortive())?;
                (Target::Close, 0)
            }
            Op::Cancel(cancel) => return self.cancelling(cancel.target()),
            other => return Err(format!("a connection submitted {}", other.id())),
        };
        ensure!(op.kind() == target.kind(), "{} is named as something else", op.id());
        // A9
        ensure!(self.flight(target).is_none(), "A9: a second {target:?} in flight");
        // D10, B2
        ensure!(target == Target::Close || self.wants(target), "{target:?} is not wanted in {self:?}");
        // F6
        let early = self.is_live() && self.clocks.retries[target as usize].is_some();
        ensure!(!early, "F6: {target:?} was tried again too early");
        if target == Target::Recv {
            let credit = self.credit.filter(|_| self.is_open()).map_or(usize::MAX, |credit| credit as usize);
            let most = self.limits.receive_size().min(credit);
            ensure!((1..=most).contains(&size), "B2: a receive of {size} bytes, at most {most} were allowed");
        }
        *self.flight_mut(target) = Some(Flight { id: op.id(), size, cancelled: false });
        Ok(())
    }

    // A2
    fn sending(&self, send: &SendOp) -> Check<usize> {
        let chunks = send.chunks();
        ensure!((1..=sansock::MAX_CHUNKS).contains(&chunks.len()), "a send of {} pieces", chunks.len());
        let mut at = self.confirmed;
        for chunk in chunks {
            ensure!(!chunk.is_empty(), "an empty piece");
            ensure!(Pattern::OURS.matches(at, chunk), "A2: other bytes than those handed over, at {at}");
            at += chunk.len();
        }
        ensure!(at <= self.accepted, "A2: more sent than was handed over");
        ensure!(send.asked() == at - self.confirmed, "asked() is {}, the pieces have {}", send.asked(), at - self.confirmed);
        Ok(send.asked())
    }

    // A7, A10: Close is a join.
    fn closing(&mut self, abortive: bool) -> Check {
        ensure!(self.life == Life::Ending, "A6: a close in {:?}", self.life);
        ensure!(self.in_flight() == 0, "A10: a close while {:?} is in flight", self.flights().collect::<Vec<_>>());
        let reset = self.verdict.aborted && !self.complete();
        ensure!(abortive == reset, "A4: a close with a reset: {abortive}, the ledger says {reset}");
        self.life = Life::Closing;
        Ok(())
    }

    fn cancelling(&mut self, id: sansock::OpId) -> Check {
        ensure!(self.life == Life::Ending, "a cancel in {:?}", self.life);
        let target = self.flights().find(|(_, flight)| flight.id == id);
        let Some((target, flight)) = target else {
            return Err(format!("a cancel of {id}, which is not in flight"));
        };
        ensure!(!flight.cancelled, "{id} was cancelled twice");
        *self.flight_mut(target) = Some(Flight { cancelled: true, ..flight });
        self.seen.insert("cancel");
        Ok(())
    }

    /// Whether this operation has to be in flight now.
    pub(crate) fn wants(&self, target: Target) -> bool {
        match target {
            _ if !self.is_live() => false,
            Target::Recv => !self.eof && !(self.is_open() && (self.holds() || self.undelivered())),
            Target::Send => self.queued() > 0,
            Target::Shutdown => self.fin == Fin::Asked && self.queued() == 0,
            Target::Close => false,
        }
    }

    /// `poll` gives nothing more: everything that had to come has come.
    pub(crate) fn quiescent(&self) -> Check {
        ensure!(!self.writable, "C6: the queue fell to its low watermark, and nobody was told");
        if self.may_deliver() {
            ensure!(self.delivered == self.arrived, "A3: {} bytes are held back", self.arrived - self.delivered);
            ensure!(self.told_eof == self.end_arrived, "A3: the peer's end is held back");
        }
        for target in Target::ALL {
            let missing = self.wants(target) && self.flight(target).is_none();
            let waits = self.clocks.retries[target as usize].is_some();
            ensure!(!missing || waits, "C7: {target:?} is wanted and not in flight");
        }
        match self.life {
            Life::Ending => {
                ensure!(self.in_flight() > 0, "C3: nothing is in flight, and no close comes");
                let waiting = self.flights().find(|(_, flight)| !flight.cancelled);
                ensure!(waiting.is_none(), "C3: {waiting:?} was not cancelled");
            }
            Life::Closing => ensure!(self.flight(Target::Close).is_some(), "C3: the close is not in flight"),
            Life::Closed => ensure!(self.reported, "A4: closed without a report"),
            Life::Open | Life::Lingering | Life::Flushing => {}
        }
        Ok(())
    }

    /// It is over, or it is the application's turn.
    pub(crate) fn may_wait_for_ever(&self) -> bool {
        self.life == Life::Closed || (self.is_open() && (self.holds() || self.eof))
    }

    fn closed(&mut self, report: &CloseReport) -> Check {
        ensure!(self.life == Life::Closed, "A4: a report in {:?}", self.life);
        self.reported = true;
        // A4
        let verdict = &self.verdict;
        let ending = verdict.ending(self.complete());
        ensure!(report.ending == ending, "A4: the ending is {:?}, the ledger says {ending:?}", report.ending);
        ensure!(Some(report.reason) == verdict.reason, "A4: the reason is {:?}, not {:?}", report.reason, verdict.reason);
        ensure!(report.cut_short == verdict.cut_short, "A4: cut short by {:?}, not {:?}", report.cut_short, verdict.cut_short);
        // A1
        ensure!(report.sent == self.confirmed as u64, "A1: sent {}, ledger: {}", report.sent, self.confirmed);
        ensure!(report.unsent == self.queued() as u64, "A1: unsent {}, ledger: {}", report.unsent, self.queued());
        // A3
        ensure!(report.received == self.delivered as u64, "A3: received {}, ledger: {}", report.received, self.delivered);
        let undelivered = (self.wire - self.delivered) as u64;
        ensure!(report.undelivered == undelivered, "A3: undelivered {}, ledger: {undelivered}", report.undelivered);
        // D1 to D5
        ensure!(report.refused_completions == self.refused, "refused {}, ledger: {}", report.refused_completions, self.refused);
        self.seen.insert(report.ending.name());
        Ok(())
    }
}

/// The same output of two machines.
pub(crate) fn same(one: Option<&Output<ConnectionEvent>>, other: Option<&Output<ConnectionEvent>>) -> bool {
    match (one, other) {
        (None, None) => true,
        (Some(Output::Event(one)), Some(Output::Event(other))) => one == other,
        (Some(Output::Submit(one)), Some(Output::Submit(other))) => one.id() == other.id() && same_operation(one, other),
        _ => false,
    }
}

fn same_operation(one: &Op, other: &Op) -> bool {
    match (one, other) {
        (Op::Recv(one), Op::Recv(other)) => one.max() == other.max(),
        (Op::Send(one), Op::Send(other)) => one.chunks() == other.chunks(),
        (Op::Close(one), Op::Close(other)) => one.abortive() == other.abortive(),
        (Op::Cancel(one), Op::Cancel(other)) => one.target() == other.target(),
        (one, other) => one.kind() == OpKind::Shutdown && other.kind() == OpKind::Shutdown,
    }
}
