//! The applications under swarms of faults: their rules hold, and their planted bugs are found, made small, and replay.

use sansock::Service;
use sansock_memory::campaign::{Campaign, Failure, Tally, hash_in};
use sansock_memory::scenario::Scenario;
use sansock_tests::apps::chat::ChatService;
use sansock_tests::apps::register::RegisterService;
use sansock_tests::apps::worlds::{self, CHAT_HOSTS, REGISTER_HOSTS};

/// Seeds from 0. `cargo run --release --example simulate -- --seeds 10000` has more.
const SEEDS: u64 = 300;

fn chat(bug: bool) -> Campaign<ChatService> {
    Campaign::new(|seed| worlds::scenario(seed, &CHAT_HOSTS), move |scenario| worlds::chat(scenario, bug))
}

fn register(bug: bool) -> Campaign<RegisterService> {
    Campaign::new(|seed| worlds::scenario(seed, &REGISTER_HOSTS), move |scenario| worlds::register(scenario, bug))
}

/// Every rule holds, everything that should be seen is seen, and every kind of fault hits.
fn survive<S: Service + 'static>(campaign: &Campaign<S>) -> Tally {
    let tally = campaign.run(0..SEEDS, |_| {});
    if let Some(failure) = &tally.failure {
        panic!("{}\nmade small:\n{}", failure.text(), campaign.shrink(failure).text());
    }
    assert_eq!(tally.never_seen().collect::<Vec<_>>(), [""; 0]);
    for kind in ["link", "partition", "hold", "crash", "restart", "clock jump", "clock drift", "descriptors", "delay", "error"] {
        assert!(tally.faults.get(kind).is_some_and(|hits| *hits > 0), "{kind}: {:?}", tally.faults);
    }
    tally
}

#[test]
fn the_chat_survives() {
    survive(&chat(false));
}

#[test]
fn the_register_survives() {
    survive(&register(false));
}

/// A failure with at most three faults, which its text leads to again.
fn find<S: Service + 'static>(campaign: &Campaign<S>, rule: &str) -> Failure {
    let failure = campaign.run(0..10_000, |_| {}).failure.expect("the planted bug is found");
    assert_eq!(failure.outcome.violation.as_ref().unwrap().rule, rule);
    let small = campaign.shrink(&failure);
    assert!(small.scenario.lines.len() <= 3, "{}", small.scenario);
    let text = small.text();
    let again = campaign.play(&Scenario::parse(&text).unwrap());
    assert_eq!((again.violation.as_ref(), Some(again.hash)), (small.outcome.violation.as_ref(), hash_in(&text)));
    println!("of seed {}, in {} runs:\n{text}", failure.scenario.seed, small.runs);
    small
}

#[test]
fn the_planted_bug_of_the_chat_is_found() {
    let small = find(&chat(true), "everybody hears the same");
    // Without the bug the same scenario does no harm.
    assert_eq!(chat(false).play(&small.scenario).violation, None);
}

#[test]
fn the_planted_bug_of_the_register_is_found() {
    let small = find(&register(true), "the register is one");
    assert_eq!(register(false).play(&small.scenario).violation, None);
}

/// Found by a campaign: what a hold released while something behind it was lost went behind that, so bytes changed their order.
#[test]
fn what_was_held_comes_before_what_was_lost_after_it() {
    let text = "
        sansock scenario 1
        seed 3193
        for 3s
        fault bob connection any send 2: reset
        at 1.408s: hold * <-> eve
        at 2s: partition * -> eve";
    assert_eq!(chat(false).play(&Scenario::parse(text).unwrap()).violation, None);
}

/// Found by a campaign: a server whose listener breaks goes on with the connections that it has, so nobody who comes back gets in. Whoever
/// runs it has to start it again.
#[test]
fn a_server_whose_listener_breaks_is_started_again() {
    let text = "
        sansock scenario 1
        seed 1538
        for 50ms
        fault server connection 1 accept 2: error BadDescriptor";
    let outcome = chat(false).play(&Scenario::parse(text).unwrap());
    assert_eq!((outcome.violation, outcome.lines), (None, vec![1]));
}
