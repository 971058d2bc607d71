//! Drives a server through the steps of a script.

use std::collections::BTreeSet;
use std::time::Duration;

use sansock::{
    Connected, Ending, Fault, FaultKind, Machine, Op, OpId, OpKind, OptionName, Outcome, RefusedOptions, Server, SocketId,
    Timestamp,
};

use super::ledger::Ledger;
use super::step::{Script, Step, fault, pick};
use crate::drive::{Drive, Verdicts, address, connected, name, ordinary, report};

/// Names of things that have happened, to see that random scripts reach everything that matters.
pub type Seen = BTreeSet<&'static str>;

/// Plays the script twice: each step is judged, and both runs must be the same. (E1)
///
/// # Panics
/// If a rule is broken; it is named.
#[must_use]
pub fn check(script: &Script) -> Seen {
    let play = || {
        let mut run = Run::new(script);
        for step in &script.steps {
            run.step(*step);
        }
        run.finale(script.finale);
        run
    };
    let (first, second) = (play(), play());
    assert_eq!(first.drive.log(), second.drive.log(), "E1: the same script twice");
    first.ledger.seen
}

/// A server, and what has happened to it.
pub struct Run {
    pub(super) drive: Drive<Server<Verdicts>>,
    pub(super) ledger: Ledger,
}

impl Run {
    /// The server of this script, before its first step.
    #[must_use]
    pub fn new(script: &Script) -> Self {
        let service = Verdicts { rejected: (0..16).map(|port| port * 4).collect(), asked: Vec::new() };
        let mut drive = Drive::server(&script.listeners(), script.places(), service);
        drive.lazily(script.lazy);
        drive.quietly();
        let listeners = script.listeners().len();
        Self { drive, ledger: Ledger::new(listeners, script.places()) }
    }

    /// The server as it is now.
    #[must_use]
    pub const fn drive(&self) -> &Drive<Server<Verdicts>> {
        &self.drive
    }

    /// One step, which is judged.
    ///
    /// # Panics
    /// If a rule is broken; it is named.
    pub fn step(&mut self, step: Step) {
        self.apply(step);
        self.look();
    }

    /// Takes what was said, and checks that everything holds.
    pub(super) fn look(&mut self) {
        for event in self.drive.events() {
            self.ledger.event(&event);
        }
        self.ledger.holds(&self.drive);
    }

    fn apply(&mut self, step: Step) {
        match step {
            Step::Start => self.start(),
            Step::Drain(millis) => self.drain(self.in_millis(millis)),
            Step::DrainForEver => self.drain(Timestamp::NEVER),
            Step::Stop => self.tell(Server::stop),
            Step::Finish(number) => self.complete_any(number, |op| Some(ordinary(op))),
            Step::Connect(number, port) => self.complete_accept(number, connected(u16::from(port % 64))),
            Step::ConnectBare(number) => {
                let refused = RefusedOptions::NONE.with(OptionName::NoDelay);
                let connected = Connected { peer: Some(address(1)), local: None, refused };
                self.complete_accept(number, Outcome::Connected(connected.into()));
            }
            Step::Nobody(number) => self.complete_accept(number, Outcome::NoneWaiting),
            Step::Fail(number, kind) => self.complete_any(number, |_| Some(Outcome::Failed(Fault::new(fault(kind))))),
            Step::Aborted(times) => {
                for _ in 0..times {
                    self.complete_accept(0, Outcome::Failed(FaultKind::ConnectionAborted.into()));
                }
            }
            Step::Cancelled => {
                let cancelled: Vec<_> = self.in_flight().into_iter().filter(|id| self.drive.is_cancelled(*id)).collect();
                for id in cancelled {
                    self.complete(id, Outcome::Failed(FaultKind::Cancelled.into()));
                }
            }
            Step::Gone(number, ending) => {
                let out: Vec<_> = self.drive.contract().out().collect();
                let endings = [Ending::Confirmed, Ending::Unconfirmed, Ending::Aborted];
                if let (Some(socket), Some(ending)) = (pick(&out, number), pick(&endings, ending)) {
                    self.gone(socket, ending);
                }
            }
            Step::NotOut(slot) => self.not_out(slot),
            Step::Hostile(number, how) => self.hostile(number, how),
            Step::Broken(slot, kind) => self.broken(slot, fault(kind)),
            Step::Pass(millis) => self.drive.pass(Duration::from_millis(millis.into())),
            Step::Back(millis) => self.drive.turn_back(Duration::from_millis(millis.into())),
            Step::Tick => self.tell(Server::handle_timeout),
            Step::Deadline => self.at_deadline(),
            Step::Poll(most) => self.drive.poll(most.into()),
        }
    }

    fn in_millis(&self, millis: i16) -> Timestamp {
        let now = self.drive.now().as_nanos();
        let span = u64::from(millis.unsigned_abs()) * 1_000_000;
        Timestamp::from_nanos(if millis < 0 { now.saturating_sub(span) } else { now.saturating_add(span) })
    }

    fn start(&mut self) {
        if self.drive.machine().life() == sansock::state::SupervisorLife::New {
            self.ledger.hear(self.drive.now());
            self.drive.start();
        } else {
            self.drive.refuse_call(Server::start);
        }
    }

    pub(super) fn drain(&mut self, deadline: Timestamp) {
        self.tell(|server, now| server.drain(now, deadline));
        self.ledger.drained(deadline);
    }

    pub(super) fn tell(&mut self, call: impl FnOnce(&mut Server<Verdicts>, Timestamp)) {
        let (life, live) = (self.drive.machine().life(), self.drive.machine().live());
        self.ledger.hear(self.drive.now());
        self.drive.call(call);
        self.ledger.told(life, live, self.drive.machine().life());
    }

    /// Time passes until the deadline, and is told.
    pub(super) fn at_deadline(&mut self) {
        if let Some(span) = self.drive.until_deadline() {
            self.drive.pass(span);
            self.tell(Server::handle_timeout);
            let due = self.drive.machine().deadline().filter(|deadline| deadline.is_due(self.drive.now()));
            assert_eq!(due, None, "C8: still due after it was handled");
        }
    }

    pub(super) fn in_flight(&self) -> Vec<OpId> {
        OpKind::ALL.into_iter().flat_map(|kind| self.drive.all(kind)).collect()
    }

    fn complete_any(&mut self, number: u8, outcome: impl FnOnce(&Op) -> Option<Outcome>) {
        if let Some(id) = pick(&self.in_flight(), number)
            && let Some(outcome) = outcome(self.drive.op(id))
        {
            self.complete(id, outcome);
        }
    }

    fn complete_accept(&mut self, number: u8, outcome: Outcome) {
        if let Some(id) = pick(&self.drive.all(OpKind::Accept), number) {
            self.complete(id, outcome);
        }
    }

    pub(super) fn complete(&mut self, id: OpId, outcome: Outcome) {
        let listener = if let Op::Accept(accept) = self.drive.op(id) { Some(accept.listener()) } else { None };
        self.ledger.hear(self.drive.now());
        self.ledger.completed(id, listener, &outcome, self.drive.machine().life());
        let late = self.drive.is_cancelled(id) && matches!(outcome, Outcome::Connected(_));
        self.ledger.seen.extend(late.then_some("late success"));
        self.drive.complete(id, outcome);
    }

    pub(super) fn gone(&mut self, socket: SocketId, ending: Ending) {
        self.ledger.hear(self.drive.now());
        self.ledger.gone(socket, ending);
        self.drive.gone(socket, ending);
    }

    // D13
    fn not_out(&mut self, slot: u8) {
        let socket = name(slot.into());
        if self.drive.contract().out().all(|out| out != socket) {
            self.drive.refuse_call(|server, now| server.gone(now, socket, &report(Ending::Confirmed)));
        }
    }

    /// A completion that nothing in flight can come to: an operation of another socket, generation, kind or stamp, or the wrong outcome.
    // D1, D2, D4, D9
    fn hostile(&mut self, number: u8, how: u8) {
        let Some(id) = pick(&self.in_flight(), number) else { return };
        let kind = OpKind::ALL[usize::from(how) % OpKind::ALL.len()];
        let socket = id.socket();
        let generation = SocketId::new(socket.slot(), socket.generation().wrapping_add(1)).expect("the slot is in range");
        let (id, outcome) = match how % 5 {
            0 => (OpId::new(name(200), id.kind(), id.stamp()), Outcome::Done),
            1 => (OpId::new(generation, id.kind(), id.stamp()), ordinary(self.drive.op(id))),
            2 if kind != id.kind() => (OpId::new(socket, kind, id.stamp()), Outcome::Failed(FaultKind::Other.into())),
            3 => (OpId::new(socket, id.kind(), id.stamp().wrapping_sub(1)), ordinary(self.drive.op(id))),
            _ => (id, Outcome::Sent(0)),
        };
        self.drive.refuse(id, outcome);
        self.ledger.refused += 1;
    }

    fn broken(&mut self, slot: u8, kind: FaultKind) {
        let socket = name(u32::from(slot) % 6);
        let accepts = |op: &Op| matches!(op, Op::Accept(accept) if accept.listener() == socket);
        let listens = self.drive.all(OpKind::Accept).into_iter().any(|id| accepts(self.drive.op(id)));
        // Whether one listens that has no accept in flight cannot be seen from here.
        if listens {
            self.ledger.hear(self.drive.now());
            self.ledger.failed(socket, kind);
            self.drive.call(|server, now| server.broken(now, socket, Fault::new(kind)));
        }
    }
}
