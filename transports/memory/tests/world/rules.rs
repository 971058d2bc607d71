//! What rules find.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use sansock::{Context, Handler, OpKind, Peer, ServerConfig, Service, SocketId, Timestamp, Verdict};
use sansock_memory::scenario::{Outcome, Scenario};
use sansock_memory::world::{NO_PANIC, NO_SPIN, World};

use super::talk::{Shared, all_is_heard, world};

const SPAN: Duration = Duration::from_secs(5);

fn calm() -> Scenario {
    Scenario::new(1).lasting(SPAN)
}

#[test]
fn what_must_always_hold_ends_the_run_when_it_does_not() {
    let diary = Shared::default();
    let mut world = world(&calm(), &diary, 5);
    let heard = diary.clone();
    world.always("at most two bytes", move || {
        let count = heard.borrow().heard.len();
        if count > 2 { Err(format!("{count} bytes")) } else { Ok(()) }
    });
    let outcome = world.run();
    let violation = outcome.violation.unwrap();
    assert_eq!((violation.rule.as_str(), violation.problem.as_str()), ("at most two bytes", "3 bytes"));
    // The third byte is said at 202 ms, and comes back after two milliseconds.
    assert_eq!(violation.at, Timestamp::from_millis(204));
    assert_eq!(outcome.simulated, Duration::from_millis(204));
    assert_eq!(diary.borrow().heard.len(), 3);
}

/// Also what no event has shown: what holds is looked at before anything happens.
#[test]
fn what_never_held_is_found_at_once() {
    let mut world = world(&calm(), &Shared::default(), 5);
    world.always("impossible", || Err("of course".into()));
    assert_eq!(world.run().violation.unwrap().at, Timestamp::ZERO);
}

#[test]
fn what_must_come_about_has_its_time_after_the_span() {
    let run = |within| {
        let diary = Shared::default();
        // It is done after 6.9 s: the last of 70 bytes is said then.
        let mut world = world(&calm(), &diary, 70);
        world.eventually("all is heard", Duration::from_millis(within), all_is_heard(&diary, 70));
        world.run()
    };
    let late = run(1_850).violation.unwrap();
    assert_eq!((late.rule.as_str(), late.problem.as_str()), ("all is heard", "69 bytes of 70"));
    assert_eq!(late.at, Timestamp::from_millis(6_850));
    let outcome = run(1_910);
    assert_eq!(outcome.violation, None);
    assert_eq!(outcome.simulated, Duration::from_millis(6_904), "the run ends when everything has come about");
}

/// Of two that have different times, each has its own.
#[test]
fn each_that_must_come_about_has_a_time_of_its_own() {
    let diary = Shared::default();
    let mut world = world(&calm(), &diary, 70);
    world.eventually("soon", Duration::from_millis(100), all_is_heard(&diary, 60));
    world.eventually("later", Duration::from_secs(10), all_is_heard(&diary, 70));
    let violation = world.run().violation.unwrap();
    assert_eq!(violation.rule, "soon");
    assert!(violation.at < Timestamp::from_millis(5_210), "{violation}");
}

#[test]
fn what_cannot_come_about_any_more_is_not_waited_for() {
    let diary = Shared::default();
    let mut world: World<super::talk::Talk> = World::new(&calm());
    world.eventually("all is heard", Duration::from_secs(3600), all_is_heard(&diary, 1));
    let outcome = world.run();
    assert!(outcome.violation.unwrap().problem.ends_with("0 bytes of 1, and nothing more can happen"));
    assert_eq!(outcome.simulated, SPAN);
}

#[test]
fn what_is_to_be_seen_sometimes_is_reported_and_no_violation() {
    let diary = Shared::default();
    let mut world = world(&calm(), &diary, 5);
    let heard = diary.clone();
    // Seen once, in between.
    world.sometimes("two bytes", move || heard.borrow().heard.len() == 2);
    world.sometimes("nothing", || false);
    let outcome = world.run();
    assert_eq!(outcome.sometimes, [("two bytes".into(), true), ("nothing".into(), false)]);
    assert_eq!(outcome.violation, None);
}

/// Does what no application should.
#[derive(Clone, Debug)]
enum Bad {
    Panics,
    Shouts,
}

impl Handler for Bad {
    type Message = ();

    fn on_open(&mut self, cx: &mut Context<'_, ()>) {
        if matches!(self, Self::Panics) {
            panic!("I am not {}", "well");
        }
        let _ = cx.post(cx.socket(), ());
    }

    fn on_data(&mut self, _: &mut Context<'_, ()>, _: Bytes) {}

    fn on_message(&mut self, cx: &mut Context<'_, ()>, (): ()) {
        let _ = cx.post(cx.socket(), ());
    }

    fn on_undelivered(&mut self, cx: &mut Context<'_, ()>, to: SocketId, (): ()) {
        let _ = cx.post(to, ());
    }
}

impl Service for Bad {
    type Handler = Self;

    fn accept(&mut self, _: &Peer) -> Verdict<Self> {
        Verdict::Accept(self.clone())
    }
}

fn bad(bad: Bad) -> sansock_memory::world::Outcome {
    let mut world = World::new(&calm());
    world.host("host", ["10.0.0.1".parse().unwrap()], move |host| {
        let address = host.address_of("host", 7)?;
        host.serve(ServerConfig::new(address), bad.clone())?;
        host.connect(sansock::ClientConfig::new(vec![address.into()])?, bad.clone())?;
        Ok(())
    });
    world.run()
}

#[test]
fn a_panic_of_the_application_is_a_violation_with_its_words() {
    let violation = bad(Bad::Panics).violation.unwrap();
    assert_eq!((violation.rule.as_str(), violation.problem.as_str()), (NO_PANIC, "I am not well"));
}

#[test]
fn an_application_that_never_comes_to_rest_is_a_violation() {
    let violation = bad(Bad::Shouts).violation.unwrap();
    assert_eq!(violation.rule, NO_SPIN);
    assert!(violation.problem.starts_with("machine 0 gave outputs or due deadlines without end at 0.00"), "{violation}");
}

/// So that whoever leaves a line out in the hope of a smaller scenario knows what it did.
#[test]
fn a_line_that_never_fired_is_reported() {
    let scenario =
        calm().fault("client", 1, OpKind::Send, 1, Outcome::Short(1)).fault("client", 9, OpKind::Send, 1, Outcome::Reset);
    assert_eq!(world(&scenario, &Shared::default(), 1).run().lines, [1, 0]);
}

#[test]
fn a_rule_is_looked_at_after_every_call_of_a_machine() {
    let diary = Shared::default();
    let mut world = world(&calm(), &diary, 5);
    let (before, most) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(0)));
    let (seen, heard) = (most.clone(), diary);
    world.always("one at a time", move || {
        let now = heard.borrow().heard.len() + heard.borrow().served.len();
        seen.set(seen.get().max(now - before.replace(now)));
        Ok(())
    });
    assert_eq!(world.run().violation, None);
    assert_eq!(most.get(), 1);
}
