//! The ledger: what the oracle knows of the connection.

use sansock::state::{Life, ReceiveHalf, SendHalf};
use sansock::{CloseReason, Connection, Machine, OpId, SocketId, Timestamp};

use super::clocks::Clocks;
use super::verdict::Verdict;
use super::{Check, Limits, Seen, Target};

/// An operation in flight.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Flight {
    pub(crate) id: OpId,
    /// The most bytes that may come back, or all that were asked for.
    pub(crate) size: usize,
    pub(crate) cancelled: bool,
}

/// How far our FIN is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Fin {
    Unasked,
    Asked,
    Done,
}

#[derive(Clone, Debug)]
pub(crate) struct Model {
    pub(crate) limits: Limits,
    pub(crate) socket: SocketId,
    pub(crate) now: Timestamp,

    /// Bytes that `send` has taken, and how many of them the transport took.
    pub(crate) accepted: usize,
    pub(crate) confirmed: usize,
    /// Bytes that receives came to, and how many of them the application got.
    pub(crate) wire: usize,
    pub(crate) delivered: usize,
    pub(crate) eof: bool,
    pub(crate) told_eof: bool,
    /// What came of this while the connection was open: it is for the application.
    pub(crate) arrived: usize,
    pub(crate) end_arrived: bool,
    pub(crate) fin: Fin,
    pub(crate) refused: u64,

    pub(crate) paused: bool,
    /// What may still be received; `None` without limit.
    pub(crate) credit: Option<u64>,
    /// The queue was full, and has not fallen to the low watermark since.
    pub(crate) blocked: bool,
    /// The application is to be told that it can send again.
    pub(crate) writable: bool,
    /// Nothing is delivered any more but the end.
    pub(crate) silent: bool,
    /// Bytes received while lingering after our FIN.
    pub(crate) drained: usize,

    pub(crate) life: Life,
    pub(crate) reported: bool,
    pub(crate) verdict: Verdict,

    flights: [Option<Flight>; 4],
    /// Ids of operations that were completed, the latest last.
    pub(crate) completed: Vec<OpId>,
    pub(crate) clocks: Clocks,
    pub(crate) seen: Seen,
}

impl Model {
    pub(crate) fn new(limits: Limits, socket: SocketId, now: Timestamp) -> Self {
        let mut model = Self {
            limits,
            socket,
            now,
            accepted: 0,
            confirmed: 0,
            wire: 0,
            delivered: 0,
            eof: false,
            told_eof: false,
            arrived: 0,
            end_arrived: false,
            fin: Fin::Unasked,
            refused: 0,
            paused: false,
            credit: limits.credit.map(u64::from),
            blocked: false,
            writable: false,
            silent: false,
            drained: 0,
            life: Life::Open,
            reported: false,
            verdict: Verdict::default(),
            flights: [None; 4],
            completed: Vec::new(),
            clocks: Clocks::new(now),
            seen: Seen::new(),
        };
        model.update_hold();
        model
    }

    // F1
    pub(crate) fn tick(&mut self, now: Timestamp) {
        self.now = self.now.max(now);
    }

    /// Data may still move.
    pub(crate) fn is_live(&self) -> bool {
        matches!(self.life, Life::Open | Life::Lingering | Life::Flushing)
    }

    pub(crate) fn is_open(&self) -> bool {
        self.life == Life::Open
    }

    /// `send` takes data.
    pub(crate) fn accepts(&self) -> bool {
        self.is_open() && self.fin == Fin::Unasked
    }

    pub(crate) fn queued(&self) -> usize {
        self.accepted - self.confirmed
    }

    pub(crate) fn room(&self) -> usize {
        if self.accepts() { self.limits.high() - self.queued() } else { 0 }
    }

    /// Something has arrived for the application and was not delivered.
    pub(crate) fn undelivered(&self) -> bool {
        self.delivered < self.arrived || self.told_eof != self.end_arrived
    }

    /// The application keeps something from being received, by a pause or for lack of credit, or from being delivered.
    pub(crate) fn holds(&self) -> bool {
        if self.eof { self.paused && self.undelivered() } else { self.paused || self.credit == Some(0) }
    }

    pub(crate) fn update_hold(&mut self) {
        self.clocks.hold(self.now, self.holds());
    }

    /// Everything was sent, and both sides have finished.
    pub(crate) fn complete(&self) -> bool {
        self.queued() == 0 && self.fin == Fin::Done && self.eof
    }

    pub(crate) fn flight(&self, target: Target) -> Option<Flight> {
        self.flights[target as usize]
    }

    pub(crate) fn flight_mut(&mut self, target: Target) -> &mut Option<Flight> {
        &mut self.flights[target as usize]
    }

    pub(crate) fn flights(&self) -> impl Iterator<Item = (Target, Flight)> + '_ {
        Target::ALL.into_iter().filter_map(|target| self.flight(target).map(|flight| (target, flight)))
    }

    pub(crate) fn in_flight(&self) -> usize {
        self.flights().count()
    }

    /// The application has called for an end: nothing more comes but that.
    pub(crate) fn silence(&mut self) {
        self.silent = true;
    }

    /// Something ends the connection at once.
    pub(crate) fn abort(&mut self, reason: CloseReason) {
        if !self.is_past_aborting() {
            self.verdict.interrupt(reason);
            self.verdict.aborted = true;
            self.end();
        }
    }

    /// The life is over, and already as badly as it can be.
    pub(crate) fn is_past_aborting(&self) -> bool {
        match self.life {
            Life::Closing | Life::Closed => true,
            Life::Ending => self.verdict.aborted || self.complete(),
            Life::Open | Life::Lingering | Life::Flushing => false,
        }
    }

    /// A limit of closing is reached.
    pub(crate) fn cut_short(&mut self, limit: CloseReason) {
        self.verdict.interrupt(limit);
        self.verdict.aborted = self.fin != Fin::Done;
        self.end();
    }

    /// The connection wants a graceful end: `finish()`, or a time-out.
    pub(crate) fn linger(&mut self, reason: CloseReason) {
        self.verdict.begin(reason);
        self.life = Life::Lingering;
        self.clocks.graceful_at = Some(self.now);
        self.ask_fin();
        self.settle();
    }

    pub(crate) fn ask_fin(&mut self) {
        if self.fin == Fin::Unasked {
            self.fin = Fin::Asked;
            self.writable = false;
            if self.queued() == 0 {
                self.clocks.send_at = self.now;
            }
        }
    }

    /// Ends the connection if everything has happened that it waits for.
    pub(crate) fn settle(&mut self) {
        let settled = match self.life {
            Life::Open => self.complete() && !self.holds(),
            Life::Lingering => self.complete(),
            Life::Flushing => self.fin == Fin::Done,
            Life::Ending | Life::Closing | Life::Closed => false,
        };
        if settled {
            self.verdict.begin(CloseReason::Finished);
            self.end();
        }
    }

    fn end(&mut self) {
        // What a pause holds back is never delivered.
        self.silent |= self.is_open() && self.paused;
        self.life = Life::Ending;
        self.writable = false;
    }

    /// What can be seen from outside between two inputs agrees with the ledger.
    pub(crate) fn agrees_with(&self, machine: &Connection) -> Check {
        ensure!(machine.life() == self.life, "life is {:?}, the ledger says {:?}", machine.life(), self.life);
        ensure!(machine.socket() == self.socket, "the socket's name changed");
        // A9
        ensure!(machine.in_flight() == self.in_flight(), "{} in flight, ledger: {}", machine.in_flight(), self.in_flight());
        // B1
        ensure!(machine.queued() <= self.limits.high(), "B1: {} queued, above {}", machine.queued(), self.limits.high());
        // A1: what is left at the end is discarded, and the report says so.
        let discarded = !self.is_live() && machine.queued() == 0;
        ensure!(discarded || machine.queued() == self.queued(), "A1: {} queued, ledger: {}", machine.queued(), self.queued());
        self.halves_agree(machine.receive_half(), machine.send_half())?;
        self.deadline_agrees(machine.deadline())
    }

    fn halves_agree(&self, receive: ReceiveHalf, send: SendHalf) -> Check {
        if !self.is_live() {
            return Ok(());
        }
        let receives = match receive {
            ReceiveHalf::Reading => !self.eof && self.life != Life::Lingering,
            ReceiveHalf::Discarding => !self.eof && !self.is_open(),
            ReceiveHalf::Ended => self.eof,
            ReceiveHalf::Failed => false,
        };
        ensure!(receives, "receive half is {receive:?} in {:?} with eof {}", self.life, self.eof);
        let sends = match send {
            SendHalf::Open => self.fin == Fin::Unasked,
            SendHalf::Finishing => self.fin == Fin::Asked && self.flight(Target::Shutdown).is_none(),
            SendHalf::ShuttingDown => self.fin == Fin::Asked && self.flight(Target::Shutdown).is_some(),
            SendHalf::Finished => self.fin == Fin::Done,
            SendHalf::Failed => false,
        };
        ensure!(sends, "send half is {send:?} with our FIN {:?}", self.fin);
        Ok(())
    }
}
