//! The end of the faults.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use sansock::{ClientConfig, NodeEvent, ServerConfig, Timestamp};
use sansock_memory::Link;
use sansock_memory::scenario::{Event, Quality, Resolution, Route, Scenario};
use sansock_memory::world::World;

use super::talk::{Shared, Talk, all_is_heard, world};

const SPAN: Duration = Duration::from_millis(500);

/// Without an end of the hold, or of the partition, nothing is heard any more.
#[test]
fn what_is_on_the_way_gets_through() {
    for event in [Event::Hold(Route::both("client", "server")), Event::Partition(Route::one_way("*", "client"))] {
        let diary = Shared::default();
        let scenario = Scenario::new(1).lasting(SPAN).at(Duration::from_millis(50), event.clone());
        let mut world = world(&scenario, &diary, 10);
        world.eventually("all is heard", Duration::from_secs(10), all_is_heard(&diary, 10));
        let outcome = world.run();
        assert_eq!(outcome.violation, None, "{event}");
        assert_eq!(outcome.lines.len(), 1);
        assert!(outcome.lines[0] > 0, "{event}");
    }
}

/// When a host does what it has put off until then, by its own clock, in milliseconds.
#[test]
fn clocks_run_right_and_jumps_stay() {
    let told = |event: Event| {
        let scenario = Scenario::new(1).lasting(SPAN).at(Duration::from_millis(100), event);
        let (told, mut world) = (Rc::new(Cell::new(0)), World::<Talk>::new(&scenario));
        let telling = told.clone();
        world.host("host", [], move |host| {
            let telling = telling.clone();
            host.after(Duration::from_millis(1_500), move |host| telling.set(host.now().as_nanos() / 1_000_000));
            Ok(())
        });
        let telling = told.clone();
        let waits = move || if telling.get() == 0 { Err("not yet".into()) } else { Ok(()) };
        world.eventually("told", Duration::from_secs(2), waits);
        assert_eq!(world.run().violation, None);
        told.get()
    };
    assert_eq!(told(Event::ClockJump("*".into(), Duration::from_secs(1))), 2_500);
    // It has gained as much as 400 ms, and no more after that.
    assert_eq!(told(Event::ClockDrift("*".into(), 1_000_000)), 1_900);
}

#[test]
fn names_are_resolved_at_once() {
    for worse in [Resolution::Fails, Resolution::Delayed(Duration::from_secs(3))] {
        let scenario = Scenario::new(1).lasting(SPAN).at(Duration::ZERO, Event::Resolve("*".into(), worse));
        let (answers, mut world) = (Rc::new(RefCell::new(Vec::new())), World::<Talk>::new(&scenario));
        let answering = answers.clone();
        world.host("host", ["10.0.0.1".parse().unwrap()], move |host| {
            let answering = answering.clone();
            host.after(Duration::from_millis(600), move |host| {
                host.resolve("host", 7, move |host, answer| answering.borrow_mut().push((host.now(), answer.is_ok())));
            });
            Ok(())
        });
        let answering = answers.clone();
        let waits = move || if answering.borrow().is_empty() { Err("not yet".into()) } else { Ok(()) };
        world.eventually("answered", Duration::from_secs(20), waits);
        assert_eq!(world.run().violation, None);
        assert_eq!(*answers.borrow(), [(Timestamp::from_millis(600), true)]);
    }
}

/// The last instant of the span belongs to what comes after it.
#[test]
fn a_line_at_the_end_of_the_span_does_not_happen() {
    let before_the_end = SPAN - Duration::from_nanos(1);
    let crash = |at| Scenario::new(1).lasting(SPAN).at(at, Event::Crash("client".into()));
    assert_eq!(world(&crash(before_the_end), &Shared::default(), 3).run().lines, [1]);
    assert_eq!(world(&crash(SPAN), &Shared::default(), 3).run().lines, [0]);
}

/// What the network is like without a scenario comes back, which need not be what it is like by default.
#[test]
fn the_end_of_the_faults_leaves_the_network_as_the_world_has_made_it() {
    let slow = |micros| Quality { latency: Some(Duration::from_micros(micros)), ..Quality::default() };
    let calm = Scenario::new(1).lasting(Duration::from_millis(100));
    // Two lines change the same way.
    let lines = calm.clone().link("first", "second", slow(10)).link("*", "*", slow(5));
    let lines = lines.at(Duration::ZERO, Event::Descriptors("*".into(), Some(100)));
    for scenario in [calm, lines] {
        let diary = Shared::default();
        let mut world: World<Talk> = World::new(&scenario);
        let serving = diary.clone();
        let first = world.host("first", ["10.0.0.1".parse().unwrap()], move |host| {
            let diary = serving.clone();
            // When the faults have ended: a second listener is one socket too many.
            host.after(Duration::from_millis(200), move |host| {
                for port in [7, 8] {
                    let own = host.address_of("first", port).unwrap();
                    host.serve(ServerConfig::new(own), Talk::server(&diary)).unwrap();
                }
            });
            Ok(())
        });
        let refused = Rc::new(Cell::new(None));
        let seen = refused.clone();
        let second = world.host("second", ["10.0.0.2".parse().unwrap()], move |host| {
            let (diary, seen) = (diary.clone(), seen.clone());
            host.on_event(move |host, event| {
                if let NodeEvent::ClientStopped { .. } = event {
                    seen.set(Some(host.now()));
                }
            });
            host.after(Duration::from_millis(300), move |host| {
                let nobody = host.address_of("first", 9).unwrap();
                host.connect(ClientConfig::new(vec![nobody.into()]).unwrap(), Talk::client(&diary, 1)).unwrap();
            });
            Ok(())
        });
        for (from, to, millis) in [(first, second, 30), (second, first, 40)] {
            let link = Link { latency: Duration::from_millis(millis), ..world.network().link(from, to) };
            world.network().set_link(from, to, link);
        }
        world.network().limit_descriptors(first, 1);
        let answered = refused.clone();
        let answer = move || answered.get().map(|_| ()).ok_or_else(|| "no answer".into());
        world.eventually("refused", Duration::from_secs(1), answer);
        let outcome = world.run();
        assert_eq!(outcome.violation, None);
        assert!(outcome.lines.iter().all(|hits| *hits > 0));
        assert_eq!(refused.get(), Some(Timestamp::from_millis(370)), "{scenario}");
        assert!(outcome.hits.descriptor_limit > 0, "{scenario}");
    }
}
