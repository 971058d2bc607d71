//! Clocks that jump and drift.

use std::time::Duration;

use sansock::{ClientConfig, Timestamp};
use sansock_memory::scenario::{Event, Scenario};

use super::talk::{Shared, Talk, world};

const SPAN: Duration = Duration::from_secs(5);

/// When the client says its bytes, by its own clock, and how often the line fired.
fn said(event: Option<Event>) -> (Vec<u64>, Vec<u64>) {
    let mut scenario = Scenario::new(1).lasting(SPAN);
    if let Some(event) = event {
        scenario = scenario.at(Duration::from_millis(150), event);
    }
    let diary = Shared::default();
    let outcome = world(&scenario, &diary, 4).run();
    let said = diary.borrow().said.iter().map(|at| at.as_nanos() / 1_000_000).collect();
    (said, outcome.lines)
}

#[test]
fn a_clock_that_is_right() {
    assert_eq!(said(None), (vec![2, 102, 202, 302], vec![]));
}

/// The time-out of 202 ms has long been over at 1,150 ms.
#[test]
fn a_clock_that_jumps_makes_what_waits_due() {
    let jump = Event::ClockJump("client".into(), Duration::from_secs(1));
    assert_eq!(said(Some(jump)), (vec![2, 102, 1150, 1250], vec![1]));
}

/// Also if another machine has something to do before this one would have had.
#[test]
fn a_clock_that_jumps_makes_what_waits_due_before_anything_else() {
    let jump = Event::ClockJump("client".into(), Duration::from_secs(1));
    let scenario = Scenario::new(1).lasting(SPAN).at(Duration::from_millis(150), jump);
    let (diary, others) = (Shared::default(), Shared::default());
    let mut world = world(&scenario, &diary, 3);
    let talking = others.clone();
    world.host("other", ["10.0.0.3".parse().unwrap()], move |host| {
        let talking = talking.clone();
        host.after(Duration::from_millis(58), move |host| {
            let server = host.address_of("server", 7).unwrap();
            let config = ClientConfig::new(vec![server.into()]).unwrap();
            host.connect(config, Talk::client(&talking, 3)).unwrap();
        });
        Ok(())
    });
    assert_eq!(world.run().violation, None);
    assert_eq!(diary.borrow().said, [2, 102, 1150].map(Timestamp::from_millis));
    assert_eq!(others.borrow().said, [60, 160, 260].map(Timestamp::from_millis));
}

/// It is part of the machine, not of what runs on it.
#[test]
fn a_clock_goes_on_through_a_crash() {
    let at = |millis| Duration::from_millis(millis);
    let scenario = Scenario::new(1).lasting(SPAN).at(at(50), Event::ClockJump("client".into(), at(1_000)));
    let scenario = scenario.at(at(150), Event::Crash("client".into())).at(at(300), Event::Restart("client".into()));
    let diary = Shared::default();
    assert_eq!(world(&scenario, &diary, 2).run().lines, [1, 1, 1]);
    // The second life says the first of its bytes at 302 ms.
    let said = diary.borrow().said.clone();
    assert_eq!(said, [2, 1_050, 1_302, 1_402].map(Timestamp::from_millis));
}

/// By its own clock everything is as ever.
#[test]
fn a_clock_that_drifts_tells_itself_nothing() {
    for millionths in [500_000, -500_000] {
        assert_eq!(said(Some(Event::ClockDrift("client".into(), millionths))).0, [2, 102, 202, 302]);
    }
}

/// By the others' clocks it is too fast or too slow.
#[test]
fn a_clock_that_drifts_is_seen_by_others() {
    let ends = |millionths| {
        let drift = Event::ClockDrift("client".into(), millionths);
        let scenario = Scenario::new(1).lasting(SPAN).at(Duration::from_millis(2), drift);
        let diary = Shared::default();
        let mut world = world(&scenario, &diary, 11);
        let (ended, watched) = (std::rc::Rc::new(std::cell::Cell::new(None)), diary);
        let end = ended.clone();
        // A world has no clock to ask, but hosts do, and the server's is right.
        world.host("watch", [], move |host| {
            watch(host, watched.clone(), end.clone());
            Ok(())
        });
        assert!(world.run().violation.is_none());
        ended.get().expect("all is said")
    };
    assert_eq!(
        [ends(0), ends(1_000_000), ends(-500_000)].map(Timestamp::from_millis),
        [1002, 502, 2002].map(Timestamp::from_millis)
    );
}

/// Notes when the last byte was said, to a millisecond.
fn watch(host: &mut sansock_memory::world::Host<'_, Talk>, diary: Shared, ended: std::rc::Rc<std::cell::Cell<Option<u64>>>) {
    if diary.borrow().said.len() == 11 {
        return ended.set(Some(host.now().as_nanos() / 1_000_000));
    }
    host.after(Duration::from_millis(1), move |host| watch(host, diary, ended));
}
