//! A run is the same whenever it is run, and whoever makes it depend on something else is found out.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use sansock::{OpKind, ServerConfig, Timestamp};
use sansock_memory::NetworkConfig;
use sansock_memory::scenario::{Outcome as Completed, Scenario};
use sansock_memory::world::{Outcome, SAME_RUN, Witness, World};

use super::talk::{Shared, Talk, add_talk, world_on};

fn network() -> NetworkConfig {
    NetworkConfig {
        jitter: Duration::from_millis(5),
        short_in: 4,
        completion_delay: Duration::from_millis(1),
        ..NetworkConfig::default()
    }
}

fn scenario(seed: u64) -> Scenario {
    Scenario::swarm(seed, Duration::from_secs(2), &["server", "client"], 8)
}

fn run(seed: u64, prepare: impl Fn(&mut World<Talk>)) -> Outcome {
    run_scenario(&scenario(seed), prepare)
}

fn run_scenario(scenario: &Scenario, prepare: impl Fn(&mut World<Talk>)) -> Outcome {
    let mut world = world_on(network(), scenario, &Shared::default(), 15);
    prepare(&mut world);
    world.run()
}

#[test]
fn every_run_is_the_same_twice() {
    for seed in 0..200 {
        let first = run(seed, |world| world.witness(Witness::keeping()));
        let second = run(seed, |world| world.witness(Witness::comparing(first.witness.clone())));
        assert_eq!(second.violation, first.violation, "seed {seed}");
        assert_eq!(second.hash, first.hash, "seed {seed}");
        assert!(first.witness.footprints().len() > 10);
    }
}

#[test]
fn another_seed_is_another_run() {
    let calm = |seed| Scenario::new(seed).lasting(Duration::from_secs(2));
    let mut hashes: Vec<_> = (0..200).map(|seed| run_scenario(&calm(seed), |_| {}).hash).collect();
    hashes.sort_unstable();
    hashes.dedup();
    assert_eq!(hashes.len(), 200);
}

/// It takes no part: neither a recording nor a witness changes anything.
#[test]
fn whoever_watches_changes_nothing() {
    for seed in 0..50 {
        let plain = run(seed, |_| {});
        assert_eq!(run(seed, World::record).hash, plain.hash, "seed {seed}");
        assert_eq!(run(seed, |world| world.witness(Witness::keeping())).hash, plain.hash, "seed {seed}");
    }
}

/// The number of bytes is kept from run to run, as by a global variable.
#[test]
fn a_run_that_depends_on_another_differs_at_the_first_event_that_does() {
    let bytes = Rc::new(Cell::new(3));
    let run = |witness| {
        let mut world = world_on(NetworkConfig::default(), &Scenario::new(1), &Shared::default(), bytes.get());
        bytes.set(bytes.get() + 1);
        world.witness(witness);
        world.run()
    };
    let first = run(Witness::keeping());
    assert_eq!(first.violation, None);
    let violation = run(Witness::comparing(first.witness)).violation.unwrap();
    assert_eq!(violation.rule, SAME_RUN);
    // The first byte is the number of those that are left; the step after its arrival is the first one that differs.
    let (same, sides) = violation.problem.split_once(" equal events the first run did: ").unwrap();
    assert!(same.starts_with("after "), "{violation}");
    let (first, second) = sides.split_once("; the second: ").unwrap();
    assert!(first.starts_with("at 0.003000000s host 0: ") && second.starts_with("at 0.003000000s host 0: "), "{violation}");
    assert_ne!(first, second, "at least the hashes differ");
}

/// If one run is the beginning of the other, the end of the shorter one is the difference.
#[test]
fn a_run_that_ends_before_the_other_does_differs() {
    let run = |span, witness| {
        let scenario = Scenario::new(1).lasting(Duration::from_millis(span));
        let mut world = world_on(NetworkConfig::default(), &scenario, &Shared::default(), 9);
        world.witness(witness);
        world.run()
    };
    let long = run(500, Witness::keeping());
    let violation = run(250, Witness::comparing(long.witness)).violation.unwrap();
    assert!(violation.problem.ends_with("the second: nothing"), "{violation}");
}

/// Chance is drawn by the host's name: one more host before the others, or a line that concerns only that one, changes nothing of theirs.
#[test]
fn one_more_host_does_not_change_what_the_others_draw() {
    let of_the_others = |more: bool, scenario: &Scenario| {
        let mut world = World::on(network(), scenario);
        if more {
            world.host("idle", ["10.0.0.9".parse().unwrap()], |host| {
                host.serve(ServerConfig::new(host.address_of("idle", 7)?), Talk::server(&Shared::default()))?;
                Ok(())
            });
        }
        add_talk(&mut world, &Shared::default(), 15);
        world.witness(Witness::keeping());
        let outcome = world.run();
        let hits = outcome.hits;
        assert!(hits.late_completions > 0 && hits.jitter > 0);
        let first = usize::from(more);
        let seen = outcome.witness.footprints().iter().filter(|seen| seen.machine.index() >= first);
        // At the first instant all hosts start, in one step.
        let later = seen.filter(|seen| seen.at > Timestamp::ZERO);
        let seen: Vec<_> = later.map(|seen| (seen.at, seen.machine.index() - first, seen.what)).collect();
        assert!(seen.len() > 50);
        seen
    };
    for seed in 0..20 {
        let calm = Scenario::new(seed).lasting(Duration::from_secs(2));
        let alone = of_the_others(false, &calm);
        assert_eq!(of_the_others(true, &calm), alone, "seed {seed}");
        let line = calm.fault("idle", 1, OpKind::Listen, 1, Completed::Delay(Duration::from_millis(7)));
        assert_eq!(of_the_others(true, &line), alone, "seed {seed}");
    }
}
