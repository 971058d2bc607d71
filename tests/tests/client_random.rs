//! Random, and often hostile, scripts for one `Client`. Reproduce a failure with `cargo test -p sansock-tests --test client_random`;
//! what failed once is kept in `client_random.proptest-regressions`.

#[path = "client/desk.rs"]
#[allow(dead_code, reason = "shared with the tests by hand")]
mod desk;
#[path = "client/random.rs"]
#[allow(dead_code, reason = "shared with the dialer's scripts")]
mod random;
#[path = "client/transport.rs"]
mod transport;

use std::collections::BTreeSet;
use std::time::Duration;

use desk::{Desired, Greeter};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use random::{Limits, Step, limits, persistent, step};
use sansock::state::SupervisorLife;
use sansock::{
    Client, ClientConfig, ClientEvent, ClientReport, CloseReport, FaultKind, Machine, MisuseKind, Order, Output, SlotRange,
    SocketId, Timestamp,
};
use transport::{Answer, Transport, encoding};

/// What becomes of the client at the end of a script. The transport is dead by then: C2.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Finale {
    Alone,
    Drain(Duration),
    Stop,
}

#[derive(Clone, Debug)]
struct Script {
    limits: Limits,
    rejects: bool,
    steps: Vec<Step>,
    finale: Finale,
}

struct Run {
    client: Client<Desired>,
    service: Desired,
    transport: Transport,
    now: Timestamp,
    /// The session that is out.
    live: Option<SocketId>,
    opened: bool,
    aborted: bool,
    gone: bool,
    refused: u64,
    report: Option<ClientReport>,
    /// Outputs since the last input.
    outputs: usize,
    log: Vec<String>,
    seen: BTreeSet<&'static str>,
}

impl Run {
    fn new(script: &Script) -> Self {
        let service = Desired { rejects: script.rejects, ..Desired::default() };
        let config = ClientConfig::new(vec![desk::address(1)]).unwrap().dialer(script.limits.config());
        let mut client = Client::new(config, service.clone(), SlotRange::ALL).unwrap();
        client.start(Timestamp::ZERO).unwrap();
        Self {
            client,
            service,
            transport: Transport::default(),
            now: Timestamp::ZERO,
            live: None,
            opened: false,
            aborted: false,
            gone: false,
            refused: 0,
            report: None,
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
            Step::Answer { which, answer } => drop(self.transport.answer(&mut self.client, self.now, which, answer)),
            Step::Attack { which, hostile } => {
                // The report is written when the client stops.
                let counts = self.client.life() != SupervisorLife::Stopped;
                let refused = self.transport.attack(&mut self.client, self.now, which, hostile).is_some();
                self.refused += u64::from(counts && refused);
            }
            Step::Wait(span) => {
                self.now = self.now + span;
                self.fire();
            }
            Step::WaitForDeadline => {
                self.now = self.now.max(self.client.deadline().unwrap_or(self.now));
                self.fire();
            }
            Step::Backwards => {
                let before = encoding(&self.client, self.now);
                let due = self.client.deadline().is_some_and(|deadline| deadline <= self.now);
                self.client.handle_timeout(Timestamp::ZERO);
                assert!(due || encoding(&self.client, self.now) == before, "a spurious time-out changed something");
            }
            Step::Broken(which) => {
                if let Some(socket) = self.transport.some_socket(which) {
                    self.client.broken(self.now, socket, FaultKind::ConnectionReset.into());
                }
            }
            Step::Drain(span) => self.client.drain(self.now, self.now + span),
            Step::Stop => self.client.stop(self.now),
            Step::Restart => self.refused(|client, now| client.start(now).unwrap_err().kind(), MisuseKind::WrongState),
            Step::Gone => self.gone(),
            // A dialer's business.
            Step::Offer => {}
        }
        if !matches!(step, Step::Poll(_)) {
            self.outputs = 0;
        }
        self.check();
    }

    fn fire(&mut self) {
        self.client.handle_timeout(self.now);
        // C8: what was due is done.
        assert!(self.client.deadline().is_none_or(|deadline| deadline > self.now), "it would fire again at once");
    }

    /// D13
    fn refused(&mut self, call: impl FnOnce(&mut Client<Desired>, Timestamp) -> MisuseKind, kind: MisuseKind) {
        let before = encoding(&self.client, self.now);
        assert_eq!(call(&mut self.client, self.now), kind);
        assert_eq!(encoding(&self.client, self.now), before);
    }

    fn gone(&mut self) {
        match self.live.take() {
            Some(socket) => {
                self.transport.open.remove(&socket);
                self.client.gone(self.now, socket, &CloseReport::LOST).unwrap();
                self.gone = true;
            }
            None => {
                let socket = self.transport.some_socket(0).unwrap_or(SocketId::new(1, 0).unwrap());
                let gone = |client: &mut Client<Desired>, now| client.gone(now, socket, &CloseReport::LOST).unwrap_err().kind();
                self.refused(gone, MisuseKind::UnknownSocket);
            }
        }
    }

    fn poll(&mut self) -> bool {
        let deadline = self.client.deadline();
        let Some(output) = self.client.poll() else { return false };
        assert_eq!(self.client.deadline(), deadline, "poll moved the deadline");
        self.log.push(format!("{output:?}"));
        self.outputs += 1;
        assert!(self.outputs <= 4, "B5: {} outputs without an input: {:?}", self.outputs, self.log);
        assert!(self.report.is_none(), "{output:?} after the last event");
        match output {
            Output::Submit(op) => self.transport.submitted(&op),
            Output::Event(event) => self.note(event),
        }
        true
    }

    fn note(&mut self, event: ClientEvent<Greeter>) {
        match event {
            ClientEvent::Opened { socket, peer, session } => {
                assert!(!std::mem::replace(&mut self.opened, true), "a second session");
                assert_eq!(self.transport.open.get(&socket), Some(&true), "A8: a session without a connection");
                assert!(session.socket() == socket && peer.address != peer.local);
                self.live = Some(socket);
                self.seen.insert("opened");
            }
            ClientEvent::Order { socket, order } => {
                // It may have ended since.
                assert!(self.live == Some(socket) || self.gone, "an order to nobody");
                assert!(!self.aborted, "{order:?} after the abort");
                self.aborted = order == Order::Abort;
                self.seen.insert(if self.aborted { "ordered to abort" } else { "ordered to drain" });
            }
            ClientEvent::Stopped(report) => self.report = Some(*report),
        }
    }

    fn check(&self) {
        assert_eq!(self.client.in_flight(), self.transport.in_flight());
        assert!(self.transport.open.len() <= 1, "B9: one socket at a time");
        assert!(self.service.asked.get() <= 1);
    }

    fn finale(&mut self, script: &Script) {
        let overall = script.limits.overall.map_or(Timestamp::NEVER, |overall| self.now + overall);
        let by = match script.finale {
            Finale::Drain(span) => self.now + span,
            Finale::Stop => self.now,
            // The dialler may not have started yet.
            Finale::Alone => overall,
        };
        match script.finale {
            Finale::Drain(_) => self.client.drain(self.now, by),
            Finale::Stop => self.client.stop(self.now),
            Finale::Alone => {}
        }
        for _ in 0..40 + 20 * script.limits.most_attempts() {
            self.outputs = 0;
            while self.poll() {}
            if self.report.is_some() {
                break;
            }
            // A session that carries out nothing but an abort; without a drain or stop it ends by itself.
            if self.live.is_some() && (self.aborted || script.finale == Finale::Alone) {
                self.gone();
            } else if !self.transport.answer_as_if_dead(&mut self.client, self.now) {
                self.wait(script);
            }
        }
        assert!(self.now <= by, "C10: {} instead of {by}", self.now);
        self.check_end(script);
    }

    fn wait(&mut self, script: &Script) {
        if let Some(deadline) = self.client.deadline() {
            self.now = self.now.max(deadline);
            self.fire();
        } else if self.client.life() == SupervisorLife::Starting {
            // A dead transport is no reason to end for a client that nobody stops.
            self.transport.answer(&mut self.client, self.now, 0, Answer::Success);
        } else {
            let unlimited = (script.limits.attempt, script.limits.overall) == (None, None);
            assert!(unlimited && script.finale == Finale::Alone, "C7: it waits for nothing");
            self.client.stop(self.now);
        }
    }

    fn check_end(&mut self, script: &Script) {
        let report = self.report.take().unwrap_or_else(|| panic!("no end in {}", self.log.join("\n")));
        assert!(self.transport.open.is_empty(), "A7, A8: {:?}", self.transport.open);
        assert_eq!((self.client.in_flight(), self.client.deadline(), self.client.life()), (0, None, SupervisorLife::Stopped));
        assert_eq!(report.closed.is_some(), self.gone);
        assert_eq!(report.rejected, script.rejects && self.service.asked.get() > 0);
        assert_eq!(report.peer.is_some(), self.service.asked.get() > 0);
        // D1 to D4 are counted.
        assert_eq!(report.refused_completions, self.refused);
        let outcomes = [report.closed.is_some(), report.rejected, report.dial_error.is_some(), report.startup_error.is_some()];
        match outcomes {
            [true, false, false, false] => self.seen.insert("closed"),
            [false, true, false, false] => self.seen.insert("rejected"),
            [false, false, true, false] => self.seen.insert("not connected"),
            // It may have been stopped before that.
            [false, false, _, true] => self.seen.insert("not started up"),
            _ => panic!("A11: one outcome, not {report:?}"),
        };
        if let Some(error) = report.dial_error {
            script.limits.check_order(&error);
        }
    }
}

fn run(script: &Script) -> Run {
    let mut run = Run::new(script);
    for step in &script.steps {
        run.step(*step);
    }
    run.finale(script);
    run
}

fn scripts() -> impl Strategy<Value = Script> {
    let finale = prop_oneof![
        2 => Just(Finale::Alone),
        1 => (0..4_000_u64).prop_map(|millis| Finale::Drain(Duration::from_millis(millis))),
        1 => Just(Finale::Stop),
    ];
    (limits(), prop::bool::weighted(0.3), prop::collection::vec(step(), 0..60), finale)
        .prop_map(|(limits, rejects, steps, finale)| Script { limits, rejects, steps, finale })
}

proptest! {
    #![proptest_config(persistent())]

    // A7 A8 A9 A10 A11 A12 B5 B6 B9 C2 C3 C7 C8 C10 D1 D2 D3 D4 D8 D9 D12 D13 D14 E1 F1 H1
    #[test]
    fn a_client_keeps_its_promises(script in scripts()) {
        let one = run(&script);
        prop_assert_eq!(one.log, run(&script).log, "E1: the same inputs");
    }
}

#[test]
fn random_scripts_reach_everything_that_matters() {
    let mut runner = TestRunner::deterministic();
    let mut seen = BTreeSet::new();
    for _ in 0..1_000 {
        let script = scripts().new_tree(&mut runner).unwrap().current();
        seen.extend(run(&script).seen);
    }
    let expected = ["opened", "ordered to drain", "ordered to abort", "closed", "rejected", "not connected", "not started up"];
    assert_eq!(seen, BTreeSet::from(expected));
}
