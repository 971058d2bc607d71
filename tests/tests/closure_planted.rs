//! Does the closure find mistakes? A connection is given one after the other, and each must be found, by the rule that is meant for it.

#[path = "closure_planted/machine.rs"]
mod machine;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use sansock::state::{Life, Table};
use sansock::{Connection, ConnectionConfig, ConnectionEvent, Outcome, SocketId, Stream, Timestamp};
use sansock_memory::closure::{Behaviour, Check, Input, Options, Promise, Report, Subject, Told, Violation, World, search};
use sansock_tests::closure::account::Account;

use machine::{Mistake, Planted};

#[derive(Clone)]
struct Connected(Mistake);

#[derive(Clone, Copy, PartialEq, Debug)]
enum Call {
    Send,
    Finish,
    Abort,
}

#[derive(Clone, Debug, Default)]
struct Owner {
    account: Account,
    ended: bool,
}

impl Connected {
    fn socket() -> SocketId {
        SocketId::new(0, 1).expect("slot 0 is in range")
    }

    fn config() -> Arc<ConnectionConfig> {
        let nano = Duration::from_nanos(1);
        let config = ConnectionConfig::default().send_queue(1, 2).and_then(|config| config.receive_size(1));
        let config = config.and_then(|config| config.closing(nano, nano, 0)).and_then(|config| config.retry(nano, nano));
        let config = config.and_then(|config| config.read_idle(None)).and_then(|config| config.paused(None));
        let config = config.and_then(|config| config.half_closed(None)).and_then(|config| config.write_stall(Some(nano)));
        Arc::new(config.expect("no limit is zero"))
    }
}

impl Subject for Connected {
    type Machine = Planted;
    type Owner = Owner;
    type Call = Call;

    fn name(&self) -> String {
        format!("a connection with the mistake {:?}", self.0)
    }

    fn begin(&self) -> (Planted, Owner) {
        (Planted::new(Connection::new(Timestamp::ZERO, Self::socket(), Self::config()), self.0), Owner::default())
    }

    fn sockets(&self) -> Vec<SocketId> {
        vec![Self::socket()]
    }

    fn calls(&self, _: &World<Self>, calls: &mut Vec<Call>) {
        calls.extend([Call::Send, Call::Finish, Call::Abort]);
    }

    fn call(&self, world: &mut World<Self>, call: Call) -> Check {
        let now = world.now();
        let machine = &mut world.machine;
        match call {
            Call::Send => {
                let taken = machine.inner.room().min(2);
                let _ = machine.inner.send(now, Bytes::from_static(b"xx"));
                world.owner.account.accepted += taken as u64;
            }
            Call::Finish => machine.inner.finish(now),
            Call::Abort if machine.is(Mistake::IgnoresAbort) => {}
            Call::Abort => machine.inner.abort(now),
        }
        Ok(())
    }

    fn event(&self, world: &mut World<Self>, event: ConnectionEvent, told: &mut Told) -> Check<&'static str> {
        Ok(match event {
            ConnectionEvent::Data(data) => {
                world.owner.account.delivered += data.len() as u64;
                "event: data"
            }
            ConnectionEvent::PeerFinished => "event: peer finished",
            ConnectionEvent::Writable => "event: writable",
            ConnectionEvent::Closed(report) => {
                Account::encode(&report, &mut told.account);
                world.owner.ended = true;
                world.owner.account.agrees(&report)?
            }
        })
    }

    fn check(&self, _: &World<Self>, after: &mut World<Self>, input: &Input<Call>) -> Check {
        if let Input::Complete { flight, outcome } = input {
            after.owner.account.complete(flight, outcome);
            if matches!(outcome, Outcome::Sent(_) | Outcome::Data(_)) {
                after.owner.account.audit(&after.machine.inner, after.now(), after.transport.flights())?;
            }
        }
        Ok(())
    }

    fn encode(&self, world: &World<Self>, out: &mut Vec<u8>) {
        out.push(u8::from(world.owner.ended));
    }

    fn ended(&self, world: &World<Self>) -> bool {
        world.owner.ended
    }

    /// With nothing to send, and once the peer has finished, it is the application's turn.
    fn waits(&self, world: &World<Self>) -> bool {
        world.machine.inner.life() == Life::Open
    }

    fn class(&self, world: &World<Self>) -> &'static str {
        world.machine.inner.life().name()
    }

    fn most_outputs(&self) -> usize {
        6
    }

    fn promises(&self) -> Vec<Promise<Call>> {
        vec![Promise { first: Some(Call::Abort), transport: Behaviour::Dead, may_wait: false }]
    }
}

fn close(mistake: Mistake) -> Result<Report, Box<Violation>> {
    search(&Connected(mistake), Options { most_states: 20_000, twins: 1, patience: Duration::from_secs(3), ..Options::default() })
}

/// The mistake is found by this rule, and a script leads there.
fn found(mistake: Mistake, rule: &str) -> Violation {
    let violation = *close(mistake).expect_err("the mistake was not found");
    assert!(violation.rule.starts_with(rule), "{mistake:?} was found by another rule:\n{violation}");
    assert!(!violation.script.is_empty(), "there is no script:\n{violation}");
    violation
}

#[test]
fn without_a_mistake_nothing_is_found() {
    let report = close(Mistake::None).unwrap_or_else(|violation| panic!("{violation}"));
    assert!(report.states > 500, "{report}");
}

// A9, A10
#[test]
fn an_end_that_is_told_twice() {
    found(Mistake::EndsTwice, "A10: ");
}

// A10
#[test]
fn a_close_that_does_not_wait_for_the_receive() {
    let violation = found(Mistake::ClosesEarly, "A10: close 0.1 #1 was submitted while recv 0.1 #0 is in flight");
    let script = violation.script.join("\n");
    assert!(script.contains("poll") && script.contains("submit recv 0.1 #0"), "{violation}");
}

// A1
#[test]
fn a_short_send_that_drops_the_rest() {
    found(Mistake::DropsTheRest, "A1: sent, unsent");
}

// C8
#[test]
fn a_deadline_that_stays_after_it_has_fired() {
    found(Mistake::DeadlineStays, "C8: a time-out was handled and the deadline is still");
}

// C8
#[test]
fn a_deadline_that_moves_by_polling() {
    found(Mistake::DeadlineMoves, "C8: polling has moved the deadline");
}

// D12, F6
#[test]
fn a_timeout_that_fires_early() {
    found(Mistake::FiresEarly, "D12: ");
}

// B5
#[test]
fn a_machine_that_never_has_enough() {
    found(Mistake::Spins, "B5: ");
}

// D1, D2, D3, D4
#[test]
fn a_completion_that_is_taken_though_nobody_waits_for_it() {
    found(Mistake::TakesStrangers, "D4: ");
}

// D9
#[test]
fn a_completion_that_is_refused_and_changes_something() {
    found(Mistake::HeedsStrangers, "D9: ");
}

// A9
#[test]
fn a_completion_that_gets_lost() {
    found(Mistake::LosesClose, "A9: the machine counts 1");
}

// C2
#[test]
fn an_abort_that_does_nothing() {
    found(Mistake::IgnoresAbort, "Abort, dead transport: C7: ");
}

// H1
#[test]
fn a_panic() {
    found(Mistake::Panics, "H1: a panic: the socket is broken");
}

// B5, H1: the search ends, and says where.
#[test]
fn a_call_that_never_comes_back() {
    let violation = found(Mistake::HangsWhenDue, "B5: a call has not come back for 3s");
    let last = violation.script.last().expect("there is a script");
    assert_eq!(last.trim(), "and then: handle the time-outs that are due", "{violation}");
    let violation = found(Mistake::HangsAtStrangers, "B5: a call has not come back for 3s");
    assert!(violation.script.last().is_some_and(|last| last.contains("a completion that is to be refused")), "{violation}");
}

// E4: what the encoding leaves out shows when a state is reached by another way.
#[test]
fn an_encoding_that_leaves_something_out() {
    found(Mistake::Forgets, "two states encode alike and behave differently");
}

#[test]
fn a_state_that_is_not_finite() {
    found(Mistake::Counts, "more than 20000 states");
}

// C8
#[test]
fn a_way_that_leads_in_a_circle() {
    found(Mistake::Circles, "Abort, dead transport: C8: this leads in a circle");
}
