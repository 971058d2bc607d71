//! Driving a machine by hand: each completion, each call and the time are the test's own, and the contract of
//! [`Machine`] is checked at every step.

mod contract;
mod listener;
mod look;
mod meaning;
mod server;

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::time::Duration;

use sansock::{
    Canonical, Completion, Connected, Fault, FaultKind, Machine, Misuse, Node, NodeEvent, Op, OpId, OpKind, Outcome, Output,
    RefusedOptions, Service, SocketId, Timestamp,
};

pub use contract::Contract;
pub use meaning::{Meaning, Meaningful};
pub use server::{Quiet, Verdicts, address, connected, listener_at, report};

/// One input causes at most so many outputs, and so many more for each socket. (B5)
const OUTPUTS: usize = 8;
const OUTPUTS_PER_SOCKET: usize = 4;
/// More operations than any test leaves to be wound up.
const STEPS: usize = 1_000;

/// A machine between one input and the next: it has been polled until it had nothing more to say.
///
/// A test that fails prints what was done so far.
pub struct Drive<M: Machine> {
    machine: M,
    now: Timestamp,
    /// The latest time that it ever was, which the machine may know of.
    latest: Timestamp,
    contract: Contract,
    operations: BTreeMap<OpId, Op>,
    events: Vec<M::Event>,
    ended: bool,
    /// Polled by [`Drive::poll`] alone.
    lazy: bool,
    /// Whether nothing is left to be polled.
    settled: bool,
    log: Vec<String>,
    quiet: bool,
}

impl<M> Drive<M>
where
    M: Machine + Canonical,
    M::Event: Meaningful + Debug,
{
    /// Drives `machine` from time zero on.
    pub fn new(machine: M) -> Self {
        Self::with_contract(machine, Contract::default())
    }

    /// The same, with a contract that knows more: a limit on connections, or sockets that the machine has already.
    pub fn with_contract(machine: M, contract: Contract) -> Self {
        let now = Timestamp::ZERO;
        Self {
            machine,
            now,
            latest: now,
            contract,
            operations: BTreeMap::new(),
            events: Vec::new(),
            ended: false,
            lazy: false,
            settled: false,
            log: Vec::new(),
            quiet: false,
        }
    }

    /// From now on the machine is polled by [`Drive::poll`] alone, or after every input: the contract has no "drain before the next
    /// call" rule.
    pub const fn lazily(&mut self, lazy: bool) {
        self.lazy = lazy;
    }

    /// A test that fails prints nothing: it has its own way to say what was done.
    pub const fn quietly(&mut self) {
        self.quiet = true;
    }

    /// Calls the machine as its application would.
    pub fn call<R>(&mut self, call: impl FnOnce(&mut M, Timestamp) -> R) -> R {
        self.log.push(format!("{}: a call", self.now));
        let answer = call(&mut self.machine, self.now);
        self.settle();
        answer
    }

    /// A call that the machine must refuse, and that must change nothing. (D13)
    pub fn refuse_call<R: Debug>(&mut self, call: impl FnOnce(&mut M, Timestamp) -> Result<R, Misuse>) -> Misuse {
        let (before, later) = (self.picture(), self.much_later());
        let result = call(&mut self.machine, later);
        let misuse = result.expect_err("D13: the call makes no sense and was taken");
        assert_eq!(self.picture(), before, "D13: a call that was refused changed something");
        misuse
    }

    /// Completes an operation.
    pub fn complete(&mut self, id: OpId, outcome: Outcome) {
        self.complete_and_call(id, outcome, |_, _| {});
    }

    /// Completes an operation, and calls the machine before it is polled.
    pub fn complete_and_call(&mut self, id: OpId, outcome: Outcome, call: impl FnOnce(&mut M, Timestamp)) {
        self.log.push(format!("{}: {id} comes to {outcome:?}", self.now));
        let result = self.machine.complete(self.now, Completion::from_raw(id, outcome.clone()));
        result.unwrap_or_else(|misuse| panic!("a legal completion was refused: {misuse}"));
        self.contract.completed(id, &outcome);
        self.operations.remove(&id);
        call(&mut self.machine, self.now);
        self.settle();
    }

    /// Completes an operation with a fault.
    pub fn fail(&mut self, id: OpId, kind: FaultKind) {
        self.complete(id, Outcome::Failed(Fault::new(kind)));
    }

    /// Completes the one operation of this kind the ordinary way: see [`ordinary`].
    pub fn finish(&mut self, kind: OpKind) {
        let id = self.the(kind);
        let outcome = ordinary(&self.operations[&id]);
        self.complete(id, outcome);
    }

    /// A completion that the machine must refuse, and that must change nothing, not even its time. (D1 to D5, D9)
    pub fn refuse(&mut self, id: OpId, outcome: Outcome) -> Misuse {
        let before = self.picture();
        let result = self.machine.complete(self.much_later(), Completion::from_raw(id, outcome.clone()));
        let misuse = result.err().unwrap_or_else(|| panic!("D1 to D5: {id} came to {outcome:?} and was taken"));
        assert_eq!(self.picture(), before, "D9: a completion that was refused changed something: {misuse}");
        misuse
    }

    /// Turns the clock back; nothing is told to the machine.
    pub fn turn_back(&mut self, span: Duration) {
        self.latest = self.latest.max(self.now);
        self.now = Timestamp::from_nanos(self.now.as_nanos().saturating_sub(u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)));
    }

    /// A clock that was turned back has caught up with what it showed before; nothing is told to the machine.
    pub fn catch_up(&mut self) {
        self.now = self.now.max(self.latest);
    }

    /// Lets time pass; nothing is told to the machine.
    pub fn pass(&mut self, span: Duration) {
        self.now = self.now + span;
    }

    /// Tells the machine the time.
    pub fn tick(&mut self) {
        self.log.push(format!("{}: a time-out", self.now));
        self.machine.handle_timeout(self.now);
        // C8, X142
        let due = self.machine.deadline().filter(|deadline| deadline.is_due(self.now));
        assert_eq!(due, None, "C8: still due after it was handled");
        self.settle();
    }

    /// Lets time pass until the machine's deadline, and tells it; false if it has none.
    pub fn tick_at_deadline(&mut self) -> bool {
        let Some(deadline) = self.machine.deadline() else { return false };
        self.now = self.now.max(deadline);
        self.tick();
        true
    }

    /// Completes what can be completed without a peer, the ordinary way, until only operations that wait for one are left.
    pub fn wind_up(&mut self) {
        let waits = |op: &Op| match op {
            Op::Accept(accept) => accept.wait(),
            Op::Recv(_) | Op::Connect(_) | Op::Send(_) => true,
            _ => false,
        };
        for steps in 0.. {
            let next = self.operations.iter().find(|(id, op)| self.is_cancelled(**id) || !waits(op));
            let Some((id, op)) = next else { return };
            assert!(steps < STEPS, "C7: it goes on for ever; {id} is the next");
            let (id, cancelled) = (*id, self.is_cancelled(*id));
            let outcome = if cancelled { Outcome::Failed(FaultKind::Cancelled.into()) } else { ordinary(op) };
            self.complete(id, outcome);
        }
    }

    /// Completes only what a dead transport completes: operations that were cancelled, and closes. (C2)
    pub fn wind_up_dead(&mut self) {
        let dead = |id: &OpId| matches!(id.kind(), OpKind::Close | OpKind::Cleanup) || self.contract.is_cancelled(*id);
        let found = self.operations.keys().copied().find(dead);
        if let Some(id) = found {
            let outcome = if self.is_cancelled(id) { Outcome::Failed(FaultKind::Cancelled.into()) } else { Outcome::Done };
            self.complete(id, outcome);
            self.wind_up_dead();
        }
    }

    /// After an input: takes what the machine wants, until it wants nothing more.
    fn settle(&mut self) {
        self.settled = false;
        if !self.lazy {
            self.poll(usize::MAX);
        }
    }

    /// Takes what the machine wants, `most` outputs at most.
    pub fn poll(&mut self, most: usize) {
        let bound = OUTPUTS + OUTPUTS_PER_SOCKET * (self.contract.open() + self.contract.in_flight());
        for outputs in 0..most {
            let deadline = self.machine.deadline();
            let output = self.machine.poll();
            assert_eq!(self.machine.deadline(), deadline, "F10: polling changed the deadline");
            match output {
                None => {
                    assert!(self.machine.poll().is_none(), "C8: poll gives more after it has given nothing");
                    self.settled = true;
                    return;
                }
                Some(Output::Event(event)) => self.take_event(event),
                Some(Output::Submit(op)) => self.take_operation(op),
            }
            assert!(self.lazy || outputs < bound, "B5, C8: more than {bound} outputs without an input");
            assert_eq!(self.machine.in_flight(), self.contract.in_flight(), "A9: in_flight() counts otherwise");
        }
    }

    fn take_event(&mut self, event: M::Event) {
        self.log.push(format!("    says {event:?}"));
        assert!(!self.ended, "A10: {event:?} after the last event");
        match event.meaning() {
            Meaning::HandsOut(socket) => self.contract.handed_out(socket),
            Meaning::GivesBack(socket) => self.contract.given_back(socket),
            Meaning::Orders(socket) => self.contract.ordered(socket),
            Meaning::Last => {
                self.contract.ended();
                self.ended = true;
            }
            Meaning::Tells => {}
        }
        self.events.push(event);
    }

    fn take_operation(&mut self, op: Op) {
        self.log.push(format!("    submits {op:?}"));
        assert!(!self.ended, "A10: {op:?} after the last event");
        self.contract.submitted(&op);
        if op.kind() != OpKind::Cancel {
            self.operations.insert(op.id(), op);
        }
    }

    /// All that can be seen of the machine.
    fn picture(&self) -> (Vec<u8>, Option<Timestamp>, usize) {
        (self.canonical(), self.machine.deadline(), self.machine.in_flight())
    }

    /// A time that must not reach the machine.
    fn much_later(&self) -> Timestamp {
        self.now + Duration::from_secs(3600)
    }
}

impl<M: Machine> Drop for Drive<M> {
    fn drop(&mut self) {
        if std::thread::panicking() && !self.quiet {
            eprintln!("what was done:\n{}", self.log.join("\n"));
        }
    }
}

/// The first socket in this slot.
///
/// # Panics
/// If there is no such slot.
#[must_use]
pub fn name(slot: u32) -> SocketId {
    SocketId::new(slot, 0).expect("the slot is in range")
}

/// Does what a node asks for, with the outcomes that `answer` gives, and keeps what waits for a peer: accepts and receives, until they are
/// cancelled. What the node has said meanwhile comes back.
pub fn attend<S: Service>(node: &mut Node<S>, waiting: &mut Vec<OpId>, mut answer: impl FnMut(&Op) -> Outcome) -> Vec<NodeEvent> {
    let mut events = Vec::new();
    while let Some(output) = node.poll() {
        let (id, outcome) = match output {
            Output::Event(event) => {
                events.push(event);
                continue;
            }
            Output::Submit(op @ (Op::Accept(_) | Op::Recv(_))) => {
                waiting.push(op.id());
                continue;
            }
            Output::Submit(Op::Cancel(cancel)) => {
                waiting.retain(|id| *id != cancel.target());
                (cancel.target(), Outcome::Failed(FaultKind::Cancelled.into()))
            }
            Output::Submit(op) => (op.id(), answer(&op)),
        };
        node.complete(Timestamp::ZERO, Completion::from_raw(id, outcome)).expect("it is in flight");
    }
    events
}

/// What an operation comes to when nothing goes wrong and no peer is there: created without a refusal, bound to the address that was
/// asked for, nobody waiting, and done.
#[must_use]
pub fn ordinary(op: &Op) -> Outcome {
    match op {
        Op::Create(_) => Outcome::Created(RefusedOptions::NONE),
        Op::Bind(bind) => Outcome::Local(Some(bind.address())),
        Op::Listen(_) => Outcome::Local(None),
        Op::Accept(accept) if !accept.wait() => Outcome::NoneWaiting,
        Op::Accept(_) | Op::Connect(_) => Outcome::Connected(Connected::default().into()),
        Op::Recv(_) => Outcome::Eof,
        Op::Send(send) => Outcome::Sent(send.asked()),
        Op::Startup(_) | Op::Shutdown(_) | Op::Close(_) | Op::Cancel(_) | Op::Cleanup(_) => Outcome::Done,
    }
}
