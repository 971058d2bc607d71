//! When rules are looked at, and what happens at one instant.

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use sansock::{Node, NodeEvent, ServerConfig, SlotRange, Timestamp};
use sansock_memory::scenario::{Event, Scenario};
use sansock_memory::world::{NO_SPIN, Outcome, World};
use sansock_memory::{NetworkConfig, Simulation};

use super::talk::{Shared, Talk, world};

const SPAN: Duration = Duration::from_secs(5);

fn calm() -> Scenario {
    Scenario::new(1).lasting(SPAN)
}

fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// A world of hosts without addresses, with a flag and the rule that it is never up.
struct Flagged {
    world: World<Talk>,
    flag: Rc<Cell<bool>>,
}

impl Flagged {
    fn new(scenario: &Scenario) -> Self {
        let (mut world, flag) = (World::new(scenario), Rc::new(Cell::new(false)));
        let looked_at = flag.clone();
        world.always("down", move || if looked_at.get() { Err("up".into()) } else { Ok(()) });
        Self { world, flag }
    }

    fn violated_at(self) -> Option<Timestamp> {
        let violation = self.world.run().violation?;
        assert_eq!(violation.rule, "down");
        Some(violation.at)
    }
}

/// The next start would repair it.
#[test]
fn a_rule_is_looked_at_after_each_start() {
    let mut flagged = Flagged::new(&calm());
    for (name, up) in [("breaks", true), ("repairs", false)] {
        let flag = flagged.flag.clone();
        flagged.world.host(name, [], move |_| {
            flag.set(up);
            Ok(())
        });
    }
    assert_eq!(flagged.violated_at(), Some(Timestamp::ZERO));
}

#[test]
fn a_rule_is_looked_at_after_a_start_that_follows_a_crash() {
    let scenario = calm().at(millis(100), Event::Crash("breaks".into())).at(millis(300), Event::Restart("*".into()));
    let mut flagged = Flagged::new(&scenario);
    let flag = flagged.flag.clone();
    flagged.world.host("breaks", [], move |host| {
        flag.set(host.starts() == 2);
        Ok(())
    });
    assert_eq!(flagged.violated_at(), Some(Timestamp::from_millis(300)));
}

/// Another plan for the same instant would repair it, and no machine is called.
#[test]
fn a_rule_is_looked_at_after_what_a_host_has_put_off() {
    let mut flagged = Flagged::new(&calm());
    let flag = flagged.flag.clone();
    flagged.world.host("host", [], move |host| {
        for up in [true, false] {
            let flag = flag.clone();
            host.after(millis(100), move |_| flag.set(up));
        }
        Ok(())
    });
    assert_eq!(flagged.violated_at(), Some(Timestamp::from_millis(100)));
}

/// Nothing else happens once the server listens.
#[test]
fn a_rule_is_looked_at_after_a_watcher() {
    let mut flagged = Flagged::new(&calm());
    let flag = flagged.flag.clone();
    flagged.world.host("host", ["10.0.0.1".parse().unwrap()], move |host| {
        let flag = flag.clone();
        host.on_event(move |_, event| flag.set(matches!(event, NodeEvent::Listening { .. })));
        host.serve(ServerConfig::new(host.address_of("host", 7)?), Talk::server(&Shared::default()))?;
        Ok(())
    });
    assert_eq!(flagged.violated_at(), Some(Timestamp::ZERO));
}

/// A world in which one thing comes about at a time, with a rule that it does within a second after the span, and whatever else.
fn comes_about(at: Duration, prepare: impl FnOnce(&mut World<Talk>)) -> Outcome {
    let mut world: World<Talk> = World::new(&calm());
    let flag = Rc::new(Cell::new(false));
    let raised = flag.clone();
    world.host("host", [], move |host| {
        let flag = raised.clone();
        host.after(at, move |_| flag.set(true));
        Ok(())
    });
    world.eventually("up", Duration::from_secs(1), move || if flag.get() { Ok(()) } else { Err("down".into()) });
    prepare(&mut world);
    world.run()
}

#[test]
fn what_comes_about_at_the_last_instant_is_in_time() {
    let outcome = comes_about(millis(6_000), |_| {});
    assert_eq!((outcome.violation, outcome.simulated), (None, millis(6_000)));
}

/// What has come about before the faults ended, and is gone, has not come about.
#[test]
fn what_came_about_within_the_span_does_not_count() {
    let mut world: World<Talk> = World::new(&calm());
    let flag = Rc::new(Cell::new(false));
    let raised = flag.clone();
    world.host("host", [], move |host| {
        for (at, up) in [(1_000, true), (2_000, false)] {
            let flag = raised.clone();
            host.after(millis(at), move |_| flag.set(up));
        }
        Ok(())
    });
    world.eventually("up", Duration::from_secs(1), move || if flag.get() { Ok(()) } else { Err("down".into()) });
    assert_eq!(world.run().violation.unwrap().rule, "up");
}

/// Also if nothing happened between the limit and that, and another rule has more time.
#[test]
fn what_comes_about_after_its_limit_is_too_late_although_nothing_happened_between() {
    let outcome = comes_about(millis(6_001), |world| {
        world.eventually("patience", Duration::from_secs(60), || Err("not yet".into()));
    });
    let violation = outcome.violation.unwrap();
    assert_eq!((violation.rule.as_str(), violation.problem.as_str()), ("up", "down"));
    assert_eq!((violation.at, outcome.simulated), (Timestamp::from_millis(6_000), millis(6_000)));
}

/// Something can still happen, if only too late.
#[test]
fn a_plan_for_after_the_limit_is_not_nothing() {
    let violation = comes_about(millis(7_000), |_| {}).violation.unwrap();
    assert_eq!((violation.problem.as_str(), violation.at), ("down", Timestamp::from_millis(6_000)));
}

/// As one does who asks for the addresses of nobody, and asks again.
#[test]
fn plans_without_end_for_one_instant_are_a_spin() {
    fn ask(host: &mut sansock_memory::world::Host<'_, Talk>) {
        host.resolve("nobody", 7, |host, answer| {
            assert!(answer.is_err());
            ask(host);
        });
    }
    let mut world: World<Talk> = World::new(&calm());
    world.host("calm", [], |_| Ok(()));
    world.host("asks", [], |host| {
        host.after(millis(100), ask);
        Ok(())
    });
    let violation = world.run().violation.unwrap();
    assert_eq!((violation.rule.as_str(), violation.at), (NO_SPIN, Timestamp::from_millis(100)));
    assert_eq!(violation.problem, "asks: what it has put off for 0.100000000s puts off more for the same instant, without end");
}

/// What was put off for an instant comes one by one, each with what it leads to at that instant.
#[test]
fn what_a_plan_leads_to_comes_before_the_next_plan() {
    let seen = Rc::new(RefCell::new(Vec::new()));
    let mut world: World<Talk> = World::new(&calm());
    let seeing = seen.clone();
    world.host("host", ["10.0.0.1".parse().unwrap()], move |host| {
        let address = host.address_of("host", 7)?;
        let watching = seeing.clone();
        host.on_event(move |_, event| {
            if matches!(event, NodeEvent::Listening { .. }) {
                watching.borrow_mut().push("listening");
            }
        });
        let (first, second) = (seeing.clone(), seeing.clone());
        host.after(millis(10), move |host| {
            first.borrow_mut().push("first");
            host.serve(ServerConfig::new(address), Talk::server(&Shared::default())).expect("there is a slot");
        });
        host.after(millis(10), move |_| second.borrow_mut().push("second"));
        Ok(())
    });
    assert_eq!(world.run().violation, None);
    assert_eq!(*seen.borrow(), ["first", "listening", "second"]);
}

/// A crash forgets what the host's code at that very instant has asked of its machine.
#[test]
fn a_host_that_crashes_as_it_starts_has_done_nothing() {
    let diary = Shared::default();
    let crash = Event::Crash("client".into());
    let scenario = calm().at(millis(50), crash.clone()).at(millis(60), Event::Restart("client".into())).at(millis(60), crash);
    let outcome = world(&scenario.lasting(millis(4_000)), &diary, 1).run();
    assert_eq!((outcome.violation, outcome.lines), (None, vec![1, 1, 1]));
    assert_eq!(diary.borrow().starts.iter().filter(|(name, _)| name == "client").count(), 3, "{:?}", diary.borrow());
}

/// What happens at one instant counts, whoever has moved the time on.
#[test]
fn a_little_at_each_of_many_instants_is_no_spin() {
    let ip = "10.0.0.1".parse().unwrap();
    let mut simulation = Simulation::new(NetworkConfig::default(), 1);
    let host = simulation.network().add_host([ip]);
    let machine = simulation.add(host, Node::new(SlotRange::ALL));
    simulation.limit_outputs(20);
    let serve = |port, simulation: &mut Simulation<Node<Talk>>| {
        let config = ServerConfig::new(SocketAddr::new(ip, port));
        simulation.with(machine, |node, now| node.serve(now, config, Talk::server(&Shared::default()))).unwrap();
    };
    for port in 1..20 {
        simulation.network().advance(Timestamp::from_millis(port.into()));
        serve(port, &mut simulation);
        simulation.run(|_, _, _| {}).unwrap();
    }
    for port in 20..40 {
        serve(port, &mut simulation);
    }
    assert!(simulation.run(|_, _, _| {}).is_err(), "twenty at one instant are");
}
