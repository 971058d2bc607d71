//! Hosts that start, crash and start again.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use sansock::{ClientConfig, FaultKind, NodeEvent, OpKind, ServerConfig, Timestamp};
use sansock_memory::scenario::{Event, Outcome, Scenario};
use sansock_memory::world::{STARTS, World};

use super::talk::{PACE, Shared, Talk, all_is_heard, world};

const SPAN: Duration = Duration::from_secs(5);

fn crash(host: &str, at: u64, restart: u64) -> Scenario {
    let (at, restart) = (Duration::from_millis(at), Duration::from_millis(restart));
    Scenario::new(1).lasting(SPAN).at(at, Event::Crash(host.into())).at(restart, Event::Restart(host.into()))
}

#[test]
fn hosts_start_in_order_and_again_after_a_crash() {
    let diary = Shared::default();
    let outcome = world(&crash("server", 150, 300), &diary, 5).run();
    assert_eq!(outcome.lines, [1, 1]);
    let starts = [("server".into(), 1), ("client".into(), 1), ("server".into(), 2)];
    assert_eq!(diary.borrow().starts, starts);
    assert_eq!((outcome.hits.crashes, outcome.hits.restarts), (1, 1));
}

/// The client talks to the server of the server's second life.
#[test]
fn what_was_lost_in_a_crash_is_made_up_for() {
    for host in ["server", "client", "*"] {
        let diary = Shared::default();
        let mut world = world(&crash(host, 150, 300), &diary, 5);
        world.eventually("all is heard", Duration::from_secs(30), all_is_heard(&diary, 5));
        let outcome = world.run();
        assert_eq!(outcome.violation, None, "{host}");
        let diary = diary.borrow();
        assert!(diary.heard.len() > 5, "{host}: what was said before the crash was said again: {diary:?}");
    }
}

#[test]
fn a_host_that_is_down_at_the_end_of_the_faults_starts_again() {
    let diary = Shared::default();
    let scenario = Scenario::new(1).lasting(SPAN).at(Duration::from_millis(150), Event::Crash("server".into()));
    let mut world = world(&scenario, &diary, 5);
    world.eventually("all is heard", Duration::from_secs(60), all_is_heard(&diary, 5));
    assert_eq!(world.run().violation, None);
    assert_eq!(diary.borrow().starts.last(), Some(&("server".into(), 2)));
}

#[test]
fn a_crash_of_a_host_that_is_down_and_a_restart_of_one_that_is_up_do_nothing() {
    let again = Duration::from_millis(200);
    let scenario = crash("server", 150, 300).at(again, Event::Crash("server".into())).at(PACE, Event::Restart("*".into()));
    assert_eq!(world(&scenario, &Shared::default(), 5).run().lines, [1, 1, 0, 0]);
}

/// Whatever a host has planned, or watches, is lost with it.
#[test]
fn plans_end_with_a_crash() {
    let (done, seen) = (Rc::new(RefCell::new(Vec::new())), Rc::new(Cell::new(0)));
    let mut world: World<Talk> = World::new(&crash("host", 150, 300));
    let (doing, watching, diary) = (done.clone(), seen.clone(), Shared::default());
    world.host("host", ["10.0.0.1".parse().unwrap()], move |host| {
        for millis in [100, 200, 1000] {
            let doing = doing.clone();
            host.after(Duration::from_millis(millis), move |host| {
                doing.borrow_mut().push((host.starts(), host.now().as_nanos() / 1_000_000));
            });
        }
        let watching = watching.clone();
        host.on_event(move |_, event| {
            watching.set(watching.get() + u32::from(matches!(event, NodeEvent::Listening { .. })));
        });
        host.serve(ServerConfig::new(host.address_of("host", 7)?), Talk::server(&diary))?;
        Ok(())
    });
    assert_eq!(world.run().violation, None);
    assert_eq!(*done.borrow(), [(1, 100), (2, 400), (2, 500), (2, 1300)]);
    assert_eq!(seen.get(), 2, "each life listens once, and the first life's watcher sees nothing of the second");
}

#[test]
fn a_server_that_could_not_listen_is_started_again() {
    let diary = Shared::default();
    let scenario = Scenario::new(1).lasting(SPAN);
    let scenario = scenario.fault("server", 1, OpKind::Listen, 1, Outcome::Error(FaultKind::AddressInUse));
    let mut world = world(&scenario, &diary, 5);
    world.eventually("all is heard", SPAN, all_is_heard(&diary, 5));
    let outcome = world.run();
    assert_eq!((outcome.violation, outcome.lines), (None, vec![1]));
}

#[test]
fn a_start_that_fails_is_a_violation() {
    let mut world: World<Talk> = World::new(&Scenario::new(1));
    world.host("host", [], |host| {
        host.address_of("nobody", 7)?;
        Ok(())
    });
    let violation = world.run().violation.unwrap();
    assert_eq!(violation.rule, STARTS);
    assert_eq!(violation.problem, "host: no host is called 'nobody', or it has no address");
}

#[test]
fn descriptors_that_run_out_and_are_there_again() {
    let diary = Shared::default();
    let few = |at, limit| (Duration::from_millis(at), Event::Descriptors("server".into(), limit));
    let scenario = Scenario::new(1).lasting(SPAN);
    let ((early, few), (late, many)) = (few(0, Some(1)), few(1_000, None));
    let mut world = world(&scenario.at(early, few).at(late, many), &diary, 5);
    world.eventually("all is heard", SPAN, all_is_heard(&diary, 5));
    let outcome = world.run();
    assert_eq!((outcome.violation, outcome.lines), (None, vec![1, 1]));
    assert!(outcome.hits.descriptor_limit > 0);
}

/// Who gets an answer to what, when, in milliseconds.
fn resolved(scenario: Scenario, asked: &'static [(u64, &'static str)]) -> Vec<(u64, String)> {
    let answers = Rc::new(RefCell::new(Vec::new()));
    let mut world: World<Talk> = World::new(&scenario.lasting(Duration::from_secs(30)));
    world.host("server", ["10.0.0.1".parse().unwrap(), "fd00::1".parse().unwrap()], |_| Ok(()));
    world.host("nowhere", [], |_| Ok(()));
    let answered = answers.clone();
    world.host("client", [], move |host| {
        for (at, name) in asked {
            let answered = answered.clone();
            host.after(Duration::from_millis(*at), move |host| {
                host.resolve(name, 7, move |host, answer| {
                    let text = match answer {
                        Ok(addresses) => addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "),
                        Err(error) => error.to_string(),
                    };
                    answered.borrow_mut().push((host.now().as_nanos() / 1_000_000, text));
                });
            });
        }
        Ok(())
    });
    assert_eq!(world.run().violation, None);
    answers.take()
}

#[test]
fn names_are_resolved_at_once_or_late_or_not() {
    use sansock_memory::scenario::Resolution::{Delayed, Fails, Prompt};
    let at = |scenario: Scenario, millis, names: &str, how| {
        scenario.at(Duration::from_millis(millis), Event::Resolve(names.into(), how))
    };
    let all = "10.0.0.1:7 [fd00::1]:7".to_owned();
    assert_eq!(resolved(Scenario::new(1), &[(5, "server")]), [(5, all.clone())]);
    let unknown = |name: &str| format!("no host is called '{name}', or it has no address");
    assert_eq!(resolved(Scenario::new(1), &[(5, "nobody"), (6, "nowhere")]), [(5, unknown("nobody")), (6, unknown("nowhere"))]);

    let slow = at(Scenario::new(1), 10, "s*", Delayed(Duration::from_millis(300)));
    assert_eq!(resolved(slow.clone(), &[(5, "server"), (20, "server")]), [(5, all.clone()), (320, all.clone())]);
    let failing = at(at(slow, 30, "server", Fails), 50, "*", Prompt);
    let failed = "nobody has said what addresses 'server' has; ask again later".to_owned();
    assert_eq!(resolved(failing, &[(40, "server"), (60, "server")]), [(60, all), (10_040, failed)]);
}

/// What a scenario cannot say, or would say of two hosts at once, is no name; nor has an address two hosts.
#[test]
fn names_and_addresses_of_hosts_that_make_no_sense_are_refused() {
    let refused = |name: &str, address: &str| {
        let mut world: World<Talk> = World::new(&Scenario::new(1));
        world.host("first", ["10.0.0.1".parse().unwrap(), "::2".parse().unwrap()], |_| Ok(()));
        let address = address.parse().unwrap();
        let add = std::panic::AssertUnwindSafe(|| world.host(name, [address], |_| Ok(())));
        let panic = std::panic::catch_unwind(add).err()?;
        Some(panic.downcast_ref::<String>().unwrap().clone())
    };
    for name in ["", "two words", "a#b", "end:", "client*", "tab\tbed"] {
        let text = refused(name, "10.0.0.2").unwrap_or_else(|| panic!("{name}"));
        let right = "is no name of a host; a name is one word without '*' and '#', and with no colon at its end";
        assert_eq!(text, format!("'{name}' {right}"));
    }
    assert_eq!(refused("first", "10.0.0.2").unwrap(), "two hosts are called 'first'");
    assert_eq!(refused("second", "10.0.0.1").unwrap(), "both 'first' and 'second' have the address 10.0.0.1");
    assert_eq!(refused("second", "::2").unwrap(), "both 'first' and 'second' have the address ::2");
    assert_eq!(refused("db:1", "10.0.0.2"), None);
}

/// What is kept is kept for one life. The next one may start something else, which has the same name then.
#[test]
fn what_is_kept_ends_with_a_crash() {
    let (kept, stopped) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(0)));
    let mut world: World<Talk> = World::new(&crash("host", 150, 300));
    let (keeping, stopping) = (kept.clone(), stopped.clone());
    world.host("host", ["10.0.0.1".parse().unwrap()], move |host| {
        let config = ServerConfig::new(host.address_of("host", 7)?);
        let service = Talk::server(&Shared::default());
        if host.starts() == 1 {
            let kept = keeping.clone();
            host.keep_serving(config, service, move |_| {
                kept.set(kept.get() + 1);
                Some(PACE)
            })?;
            return Ok(());
        }
        let server = host.serve(config, service)?;
        host.after(PACE, move |host| host.call(|node, now| node.stop_one(now, server)));
        let stopped = stopping.clone();
        host.on_event(move |_, event| {
            stopped.set(stopped.get() + u32::from(matches!(event, NodeEvent::ServerStopped { .. })));
        });
        Ok(())
    });
    assert_eq!(world.run().violation, None);
    assert_eq!((stopped.get(), kept.get()), (1, 0), "the server of the second life has stopped, and is not kept");
}

/// As long after it has stopped as was said, by the simulation's clock, until nobody wants it any more.
#[test]
fn what_is_kept_starts_again_after_its_pause() {
    let stops = Rc::new(RefCell::new(Vec::new()));
    let mut world: World<Talk> = World::new(&Scenario::new(1).lasting(SPAN));
    let seen = stops.clone();
    world.host("host", ["10.0.0.1".parse().unwrap()], move |host| {
        let nobody = ClientConfig::new(vec![host.address_of("host", 9)?.into()])?;
        let mut pauses = [300, 700].map(Duration::from_millis).into_iter();
        host.keep_connected(nobody, Talk::client(&Shared::default(), 1), move |_| pauses.next())?;
        let seen = seen.clone();
        host.on_event(move |host, event| {
            if let NodeEvent::ClientStopped { .. } = event {
                seen.borrow_mut().push(host.now());
            }
        });
        Ok(())
    });
    assert_eq!(world.run().violation, None);
    // Nobody is there, which takes a round trip to learn.
    assert_eq!(*stops.borrow(), [2, 304, 1006].map(Timestamp::from_millis));
}

/// It sees what comes after it was added, and the others go on.
#[test]
fn a_watcher_can_add_another_one() {
    let seen = Rc::new(RefCell::new(Vec::new()));
    let mut world: World<Talk> = World::new(&Scenario::new(1).lasting(SPAN));
    let seeing = seen.clone();
    world.host("host", ["10.0.0.1".parse().unwrap()], move |host| {
        let (first, mut second) = (seeing.clone(), Some(seeing.clone()));
        host.on_event(move |host, _| {
            first.borrow_mut().push("first");
            if let Some(second) = second.take() {
                host.on_event(move |_, _| second.borrow_mut().push("second"));
            }
        });
        for port in [7, 8] {
            host.serve(ServerConfig::new(host.address_of("host", port)?), Talk::server(&Shared::default()))?;
        }
        Ok(())
    });
    assert_eq!(world.run().violation, None);
    assert_eq!(*seen.borrow(), ["first", "first", "second"]);
}
