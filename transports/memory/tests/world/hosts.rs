//! Hosts that start, crash and start again.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use sansock::{ClientConfig, FaultKind, NodeEvent, OpKind, ServerConfig, Timestamp};
use sansock_memory::Link;
use sansock_memory::scenario::{Event, Outcome, Quality, Scenario};
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
