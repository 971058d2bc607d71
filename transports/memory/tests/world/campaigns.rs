//! Many runs, and failures made small.

use std::cell::Cell;
use std::time::Duration;

use sansock::OpKind;
use sansock_memory::campaign::{Campaign, Tally, hash_in};
use sansock_memory::scenario::{Event, Line, Outcome, Scenario};
use sansock_memory::world::SAME_RUN;

use super::talk::{Shared, Talk, all_is_heard, world};

const SPAN: Duration = Duration::from_secs(2);

fn swarm(seed: u64) -> Scenario {
    Scenario::swarm(seed, SPAN, &["server", "client"], 8).of_world("talk")
}

/// Everything is heard in the end, since the client begins anew.
fn right() -> Campaign<Talk> {
    Campaign::new(swarm, |scenario| {
        let diary = Shared::default();
        let mut world = world(scenario, &diary, 10);
        // A client that waits for a server that has crashed gives up after a minute without a byte.
        world.eventually("all is heard", Duration::from_secs(100), all_is_heard(&diary, 10));
        let closed = diary.clone();
        world.sometimes("a connection was broken", move || {
            closed.borrow().closed.iter().any(|reason| !matches!(reason, sansock::CloseReason::Finished))
        });
        world
    })
}

/// What it believes is wrong: that no byte is ever said twice.
fn wrong() -> Campaign<Talk> {
    Campaign::new(swarm, |scenario| {
        let diary = Shared::default();
        let mut world = world(scenario, &diary, 10);
        world.always("nothing is said twice", move || {
            let said = diary.borrow().said.len();
            if said > 10 { Err(format!("{said} bytes were said")) } else { Ok(()) }
        });
        world
    })
}

fn without_failure(tally: Tally) -> Tally {
    assert!(tally.failure.is_none(), "{}", tally.failure.unwrap().text());
    tally
}

#[test]
fn what_survives_every_swarm() {
    let mut calls = 0;
    let tally = without_failure(right().run(0..300, |_| calls += 1));
    assert_eq!((tally.runs, calls), (300, 300));
    // Seeds 0, 64, 128, 192 and 256.
    assert_eq!(tally.repeated, 5);
    assert!(tally.simulated >= SPAN * 300);
    for kind in [
        "link",
        "partition",
        "hold",
        "crash",
        "restart",
        "clock jump",
        "clock drift",
        "descriptors",
        "short",
        "would-block",
        "delay",
        "error",
        "reset",
    ] {
        assert!(tally.faults.get(kind).is_some_and(|hits| *hits > 0), "{kind}: {:?}", tally.faults);
    }
    assert!(tally.unfired > 0 && tally.unfired < tally.lines);
    assert_eq!(tally.never_seen().count(), 0);
}

/// So it can be split over machines.
#[test]
fn the_parts_of_a_campaign_are_the_whole() {
    let whole = without_failure(right().run(0..128, |_| {}));
    let parts = [0..50, 50..128].map(|seeds| without_failure(right().run(seeds, |_| {})));
    assert_eq!(whole.repeated, parts.iter().map(|part| part.repeated).sum::<u64>());
    assert_eq!(whole.simulated, parts.iter().map(|part| part.simulated).sum());
    for (kind, hits) in &whole.faults {
        assert_eq!(*hits, parts.iter().filter_map(|part| part.faults.get(kind)).sum::<u64>(), "{kind}");
    }
}

#[test]
fn every_run_twice_or_none() {
    assert_eq!(without_failure(right().repeating_one_in(1).run(0..20, |_| {})).repeated, 20);
    assert_eq!(without_failure(right().repeating_one_in(0).run(0..20, |_| {})).repeated, 0);
}

#[test]
fn a_failure_is_made_small_and_replays() {
    let campaign = wrong();
    let failure = campaign.run(0..1000, |_| {}).failure.unwrap();
    let small = campaign.shrink(&failure);
    // A reset, or a crash and the restart.
    assert!((1..=2).contains(&small.scenario.lines.len()), "{}", small.scenario);
    assert_eq!(small.scenario.seed, failure.scenario.seed);
    // What is written down is what was run.
    let text = small.text();
    let again = campaign.play(&Scenario::parse(&text).unwrap());
    assert_eq!(Some(again.hash), hash_in(&text));
    assert_eq!(again.violation, small.outcome.violation);
    assert!(text.starts_with("# 'nothing is said twice' is violated at "), "{text}");
}

/// A fault late in a long life comes early in a short one.
#[test]
fn numbers_become_small() {
    let campaign = wrong();
    let scenario = Scenario::new(1).lasting(SPAN);
    let scenario =
        scenario.fault("client", 1, OpKind::Send, 4, Outcome::Reset).fault("client", 2, OpKind::Send, 6, Outcome::Reset);
    let outcome = campaign.play(&scenario);
    assert!(outcome.violation.is_some());
    let small = campaign.shrink(&sansock_memory::campaign::Failure { scenario, outcome, runs: 1 });
    assert!(matches!(small.scenario.lines.as_slice(), [Line::Fault(_)]), "{}", small.scenario);
    assert_eq!(small.scenario.lines[0].to_string(), "fault client connection 1 send 1: reset");
}

#[test]
fn the_files_of_a_failure() {
    let directory = std::env::temp_dir().join(format!("sansock-campaign-{}", std::process::id()));
    let campaign = wrong();
    let mut failure = campaign.shrink(&campaign.run(0..1000, |_| {}).failure.unwrap());
    failure.outcome.recording = campaign.record(&failure.scenario).recording;
    let saved = failure.save(&directory).unwrap();
    let text = std::fs::read_to_string(&saved.scenario).unwrap();
    assert_eq!(Scenario::parse(&text).unwrap(), failure.scenario);
    let picture = std::fs::read_to_string(&saved.picture).unwrap();
    for words in ["server", "client", "nothing is said twice", "SYN", "listening on 10.0.0.1:7", "class=\"fault\""] {
        assert!(picture.contains(words), "{words}");
    }
    // A section header block.
    assert_eq!(std::fs::read(&saved.capture).unwrap()[..4], [0x0a, 0x0d, 0x0d, 0x0a]);
    std::fs::remove_dir_all(directory).unwrap();
}

/// It asks what it should not: how many worlds there were before it.
fn forgetful() -> Campaign<Talk> {
    let built = Cell::new(0);
    let bytes = move |_: &Scenario| {
        built.set(built.get() + 1);
        built.get()
    };
    Campaign::new(swarm, move |scenario| world(scenario, &Shared::default(), bytes(scenario)))
}

/// A recording is one run, so it has not seen what two runs have.
#[test]
fn a_run_that_is_not_the_same_again_is_saved_with_its_violation() {
    let campaign = forgetful().repeating_one_in(1);
    let tally = campaign.run(1..5, |_| {});
    assert_eq!((tally.runs, tally.repeated), (1, 0), "it was not the same");
    let failure = tally.failure.unwrap();
    assert_eq!(failure.outcome.violation.as_ref().unwrap().rule, SAME_RUN);
    assert!(!failure.scenario.lines.is_empty());
    let mut small = campaign.shrink(&failure);
    small.outcome.recording = campaign.record(&small.scenario).recording;
    assert!(small.scenario.lines.is_empty(), "{}", small.scenario);
    assert!(small.text().starts_with("# 'the same run again' is violated at "), "{}", small.text());
    assert!(small.outcome.recording.is_some());
}

/// A violation is what is looked for, and one run shows it.
#[test]
fn a_run_that_violates_a_rule_is_not_repeated() {
    let runs = std::rc::Rc::new(Cell::new(0));
    let counted = runs.clone();
    let campaign = Campaign::new(swarm, move |scenario| {
        counted.set(counted.get() + 1);
        let mut world = world(scenario, &Shared::default(), 1);
        world.always("never", || Err("as planted".into()));
        world
    });
    assert_eq!(campaign.play_twice(&swarm(1)).violation.unwrap().rule, "never");
    assert_eq!(runs.get(), 1);
}

#[test]
fn lines_that_did_nothing_are_counted() {
    let scenario = |seed| {
        let crash = |host: &str| Event::Crash(host.into());
        Scenario::new(seed).lasting(SPAN).at(SPAN / 2, crash("server")).at(SPAN / 2, crash("nobody"))
    };
    let campaign = Campaign::new(scenario, |scenario| world(scenario, &Shared::default(), 1));
    let tally = without_failure(campaign.run(1..4, |_| {}));
    assert_eq!((tally.lines, tally.unfired, tally.faults["crash"]), (6, 3, 3));
}
