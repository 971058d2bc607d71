//! The ledger: what the oracle knows of the connection.

use sansock::state::{Life, ReceiveHalf, SendHalf};
use sansock::{CloseReason, Connection, Machine, OpId, SocketId, Timestamp};

use super::clocks::{Clocks, Retry};
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

/// Whether something is to come out.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Expect {
    Must,
    May,
    MustNot,
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
    pub(crate) fin: Fin,
    pub(crate) refused: u64,
    /// Bytes of receives that were larger than asked for. The documentation does not say whether the report counts them.
    pub(crate) oversized: usize,

    pub(crate) paused: bool,
    /// What may still be received; `None` without limit.
    pub(crate) credit: Option<u64>,
    /// A send was refused since the queue was full, and it has not fallen to the low watermark since.
    pub(crate) blocked: bool,
    pub(crate) writable: Expect,
    /// Whether data and the peer's end go to the application.
    pub(crate) delivery: Expect,
    /// Bytes received since the graceful ending began, and since our FIN.
    pub(crate) drained: usize,
    pub(crate) drained_after_fin: usize,

    pub(crate) life: Life,
    /// Both sides had finished before anything could cut the ending short.
    pub(crate) both_finished: bool,
    pub(crate) close_asked_abortive: bool,
    pub(crate) reported: bool,
    pub(crate) verdict: Verdict,

    flights: [Option<Flight>; 4],
    /// Ids of operations that were completed, the latest last.
    pub(crate) completed: Vec<OpId>,
    pub(crate) retries: [Option<Retry>; 4],
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
            fin: Fin::Unasked,
            refused: 0,
            oversized: 0,
            paused: false,
            credit: limits.credit.map(u64::from),
            blocked: false,
            writable: Expect::MustNot,
            delivery: Expect::Must,
            drained: 0,
            drained_after_fin: 0,
            life: Life::Open,
            both_finished: false,
            close_asked_abortive: false,
            reported: false,
            verdict: Verdict::default(),
            flights: [None; 4],
            completed: Vec::new(),
            retries: [None; 4],
            clocks: Clocks::new(now),
            seen: Seen::new(),
        };
        if model.holding() {
            model.clocks.hold(now);
        }
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

    /// The application does not want data now: it has paused, or the credit is used up.
    pub(crate) fn holding(&self) -> bool {
        self.paused || self.credit == Some(0)
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

    /// The application has asked for an end: nothing more comes but that.
    pub(crate) fn silence(&mut self) {
        self.delivery = Expect::MustNot;
        self.writable = Expect::MustNot;
    }

    /// Something ends the connection at once.
    pub(crate) fn abort(&mut self, reason: CloseReason) {
        match self.life {
            Life::Open => self.verdict.abort(reason),
            Life::Lingering | Life::Flushing => self.verdict.cut(reason, true),
            Life::Ending if !self.both_finished => self.verdict.cut_late(reason),
            Life::Ending | Life::Closing | Life::Closed => return,
        }
        self.end();
    }

    /// A limit of closing is over.
    pub(crate) fn cut_short(&mut self, reasons: &[CloseReason]) {
        let everything_sent = self.fin == Fin::Done;
        for reason in reasons {
            self.verdict.cut(*reason, !everything_sent);
        }
        self.end();
    }

    /// The connection wants a graceful end: `finish()`, or a time-out.
    pub(crate) fn linger(&mut self, reasons: &[CloseReason]) {
        self.verdict.begin(reasons);
        self.life = Life::Lingering;
        self.clocks.graceful_at = Some(self.now);
        self.ask_fin();
    }

    pub(crate) fn ask_fin(&mut self) {
        if self.fin == Fin::Unasked {
            self.fin = Fin::Asked;
            self.clocks.fin_asked_at = self.now;
        }
    }

    /// Ends the connection if everything has happened that it waits for. `life` is what became of it.
    pub(crate) fn settle(&mut self, life: Life) {
        let (sent, received) = (self.fin == Fin::Done, self.eof);
        match self.life {
            // Whether a pause that holds back the peer's end also holds back ours is not said.
            Life::Open if life == Life::Open && self.paused && !self.told_eof => return,
            Life::Open if sent && received => self.verdict.begin(&[CloseReason::Finished]),
            Life::Lingering if sent && received => {}
            Life::Flushing if sent => {}
            _ => return,
        }
        self.both_finished = sent && received;
        self.verdict.settle(self.both_finished);
        self.end();
    }

    fn end(&mut self) {
        self.life = Life::Ending;
        self.retries = [None; 4];
        if self.writable == Expect::Must {
            self.writable = Expect::May;
        }
        // The pause that was never ended: the report may count what it held back as undelivered.
        if self.delivery == Expect::Must && self.paused && !self.both_finished {
            self.delivery = Expect::May;
        }
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
