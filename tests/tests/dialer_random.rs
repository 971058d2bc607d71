//! Random, and often hostile, scripts for one `Dialer`. Reproduce a failure with `cargo test -p sansock-tests --test dialer_random`;
//! what failed once is kept in `dialer_random.proptest-regressions`.

#[path = "client/random.rs"]
mod random;
#[path = "client/transport.rs"]
mod transport;

use std::collections::BTreeSet;

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use random::{Limits, Step, limits, persistent, step};
use sansock::state::DialerLife;
use sansock::{
    DialError, DialFailure, Dialer, DialerEvent, FaultKind, Machine, MisuseKind, Output, SlotRange, Slots, SocketId, Timestamp,
};
use transport::{Transport, encoding};

struct Run {
    dialer: Dialer,
    limits: Limits,
    transport: Transport,
    now: Timestamp,
    slots: Slots,
    out: BTreeSet<SocketId>,
    returned: usize,
    winner: Option<SocketId>,
    failure: Option<DialError>,
    /// Outputs since the last input.
    outputs: usize,
    log: Vec<String>,
    seen: BTreeSet<&'static str>,
}

impl Run {
    fn new(limits: &Limits) -> Self {
        let mut dialer = Dialer::new(limits.config().into());
        dialer.start(Timestamp::ZERO).unwrap();
        Self {
            dialer,
            limits: limits.clone(),
            transport: Transport::default(),
            now: Timestamp::ZERO,
            slots: Slots::new(SlotRange::ALL),
            out: BTreeSet::new(),
            returned: 0,
            winner: None,
            failure: None,
            outputs: 0,
            log: Vec::new(),
            seen: BTreeSet::new(),
        }
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Poll(most) => {
                for _ in 0..most {
                    self.poll();
                }
            }
            Step::Answer { which, answer } => drop(self.transport.answer(&mut self.dialer, self.now, which, answer)),
            Step::Attack { which, hostile } => {
                if let Some(error) = self.transport.attack(&mut self.dialer, self.now, which, hostile) {
                    self.see(error.kind());
                }
            }
            Step::Offer => self.offer(),
            Step::Wait(span) => {
                self.now = self.now + span;
                self.fire(self.now);
            }
            Step::WaitForDeadline => {
                if let Some(deadline) = self.dialer.deadline() {
                    self.now = self.now.max(deadline);
                    self.fire(self.now);
                }
            }
            // F1, D12: a clock that goes backwards is taken for one that stands still.
            Step::Backwards => {
                let before = encoding(&self.dialer, self.now);
                let due = self.dialer.deadline().is_some_and(|deadline| deadline <= self.now);
                self.dialer.handle_timeout(Timestamp::ZERO);
                assert!(due || encoding(&self.dialer, self.now) == before, "a spurious time-out changed something");
            }
            Step::Broken(which) => {
                if let Some(socket) = self.transport.some_socket(which) {
                    self.dialer.broken(self.now, socket, FaultKind::ConnectionReset.into());
                }
            }
            Step::Drain(_) | Step::Stop => self.dialer.cancel(self.now),
            // D13
            Step::Restart | Step::Gone => {
                let before = encoding(&self.dialer, self.now);
                assert_eq!(self.dialer.start(self.now).unwrap_err().kind(), MisuseKind::WrongState);
                assert_eq!(encoding(&self.dialer, self.now), before);
            }
        }
        if !matches!(step, Step::Poll(_)) {
            self.outputs = 0;
        }
        self.check();
    }

    fn fire(&mut self, now: Timestamp) {
        self.dialer.handle_timeout(now);
        // C8: what was due is done.
        assert!(self.dialer.deadline().is_none_or(|deadline| deadline > now), "it would fire again at once");
    }

    fn offer(&mut self) {
        let slot = self.slots.reserve().unwrap();
        let before = encoding(&self.dialer, self.now);
        match self.dialer.offer(self.now, slot) {
            Ok(()) => drop(self.out.insert(slot)),
            Err(error) => {
                assert!(!self.dialer.wants_slot(), "{error}");
                assert_eq!(encoding(&self.dialer, self.now), before);
                self.slots.release(slot);
            }
        }
    }

    fn poll(&mut self) -> bool {
        let deadline = self.dialer.deadline();
        let Some(output) = self.dialer.poll() else { return false };
        assert_eq!(self.dialer.deadline(), deadline, "poll moved the deadline");
        self.log.push(format!("{output:?}"));
        self.outputs += 1;
        assert!(self.outputs <= 4, "B5: {} outputs without an input: {:?}", self.outputs, self.log);
        match output {
            Output::Submit(op) => {
                assert!(self.out.contains(&op.socket()), "{op:?} on a place that was not offered");
                self.transport.submitted(&op);
            }
            Output::Event(DialerEvent::Returned { slot }) => {
                assert!(self.out.remove(&slot), "{slot} came back and was not out");
                assert!(!self.transport.open.contains_key(&slot), "{slot} came back with a socket");
                self.slots.release(slot);
                self.returned += 1;
            }
            Output::Event(DialerEvent::Connected { slot, address, connected }) => {
                assert!(self.winner.is_none() && self.failure.is_none(), "A11: one winner or one failure");
                assert!(self.out.remove(&slot) && self.transport.open.remove(&slot) == Some(true));
                assert!(connected.local != connected.peer && address < self.limits.addresses(), "{connected:?}");
                self.winner = Some(slot);
                self.seen.insert("winner");
            }
            Output::Event(DialerEvent::Failed(error)) => {
                assert!(self.winner.is_none() && self.failure.is_none(), "A11: one winner or one failure");
                self.failure = Some(error);
            }
        }
        true
    }

    fn check(&self) {
        assert_eq!(self.dialer.in_flight(), self.transport.in_flight());
        assert_eq!(self.dialer.refused_completions(), self.transport.refused);
        // B6, B9: one attempt at a time.
        assert!(self.transport.open.len() <= 1 && self.out.len() <= 1);
    }

    /// The transport is dead from here on: C2, C10.
    fn finale(&mut self) {
        let by = match self.limits.overall {
            Some(overall) => self.now.max(Timestamp::ZERO + overall),
            None => Timestamp::NEVER,
        };
        for _ in 0..20 + 20 * self.limits.most_attempts() {
            self.outputs = 0;
            while self.poll() {}
            if self.transport.answer_as_if_dead(&mut self.dialer, self.now) {
                continue;
            }
            if self.dialer.wants_slot() {
                self.offer();
            } else if let Some(deadline) = self.dialer.deadline() {
                self.now = self.now.max(deadline);
                self.fire(self.now);
            } else if matches!(self.dialer.life(), DialerLife::Connected | DialerLife::Failed) {
                break;
            } else {
                assert_eq!((self.limits.attempt, self.limits.overall), (None, None), "C7: it waits for nothing");
                self.dialer.cancel(self.now);
            }
        }
        assert!(self.now <= by, "C10: {} instead of {by}", self.now);
        self.check_end();
    }

    fn check_end(&mut self) {
        assert!(self.winner.is_some() != self.failure.is_some(), "A11: no end in {}", self.log.join("\n"));
        assert!(self.out.is_empty() && self.transport.open.is_empty(), "A7, A8: {:?} {:?}", self.out, self.transport.open);
        assert_eq!((self.dialer.in_flight(), self.dialer.deadline()), (0, None), "A12");
        let Some(error) = self.failure.take() else { return };
        // Each attempt has its error, and so has each address that was no use.
        let skipped = error.attempts.iter().filter(|attempt| !self.limits.is_usable(attempt.address)).count();
        assert_eq!(error.attempts.len(), self.returned + skipped, "{error}");
        assert_eq!(error.primary().is_some(), !error.attempts.is_empty());
        self.limits.check_order(&error);
        assert!(error.failure != DialFailure::AllFailed || error.attempts.len() >= self.limits.addresses(), "{error}");
        self.seen.insert(match error.failure {
            DialFailure::AllFailed => "all failed",
            DialFailure::Deadline => "deadline",
            DialFailure::Cancelled => "cancelled",
        });
        for (kind, name) in [
            (FaultKind::SelfConnected, "itself"),
            (FaultKind::OptionRefused, "option refused"),
            (FaultKind::NoScope, "no scope"),
            (FaultKind::TimedOut, "timed out"),
        ] {
            if error.attempts.iter().any(|attempt| attempt.fault.kind() == kind) {
                self.seen.insert(name);
            }
        }
    }

    fn see(&mut self, kind: MisuseKind) {
        self.seen.insert(match kind {
            MisuseKind::UnknownSocket => "unknown socket",
            MisuseKind::NotInFlight => "not in flight",
            MisuseKind::WrongOutcome => "wrong outcome",
            _ => "other misuse",
        });
    }
}

fn run(limits: &Limits, steps: &[Step]) -> Run {
    let mut run = Run::new(limits);
    for step in steps {
        run.step(*step);
    }
    if run.transport.resets > 0 {
        run.seen.insert("reset");
    }
    run.finale();
    run
}

fn scripts() -> impl Strategy<Value = (Limits, Vec<Step>)> {
    (limits(), prop::collection::vec(step(), 0..60))
}

proptest! {
    #![proptest_config(persistent())]

    // A7 A8 A9 A10 A11 A12 B5 B6 B9 C2 C7 C8 C10 D1 D2 D3 D4 D8 D9 D12 D13 D14 E1 F1 H1
    #[test]
    fn a_dialer_keeps_its_promises((limits, steps) in scripts()) {
        let one = run(&limits, &steps);
        prop_assert_eq!(one.log, run(&limits, &steps).log, "E1: the same inputs");
    }
}

#[test]
fn random_scripts_reach_everything_that_matters() {
    let mut runner = TestRunner::deterministic();
    let mut seen = BTreeSet::new();
    for _ in 0..1_000 {
        let (limits, steps) = scripts().new_tree(&mut runner).unwrap().current();
        seen.extend(run(&limits, &steps).seen);
    }
    let expected = [
        "winner",
        "all failed",
        "deadline",
        "cancelled",
        "itself",
        "option refused",
        "no scope",
        "timed out",
        "reset",
        "unknown socket",
        "not in flight",
        "wrong outcome",
    ];
    assert_eq!(seen, BTreeSet::from(expected));
}
