//! One random conversation, three transports, the same history.
//!
//! 200 conversations, the same every time. `SAME_HISTORY_SCRIPTS=100000` makes it so many, `SAME_HISTORY_SEED=7` other ones (any number).
//! One that fails is shrunk and printed, with the command that runs it again. What "the same" means is said in `sansock_tests::history`; which
//! conversations leave nothing to chance, in `sansock_tests::conversation`.

#[path = "same_history/scripts.rs"]
mod scripts;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{RngSeed, TestError, TestRunner};
use sansock::ServerReport;
use sansock_memory::NetworkConfig;
use sansock_tests::conversation::{Conversation, End};
use sansock_tests::run::{Audience, Nobody, Outcome, on_blocking, on_memory, on_smol};
use sansock_tests::serve::WATCHDOG;
use sansock_tests::system::{assert_nothing_is_left, holdings};
use scripts::any_conversation;

/// So many conversations are tried to make one that fails smaller: each may take as long as a pause or a watchdog.
const SHRINKS: u32 = 500;

fn number(variable: &str, otherwise: u64) -> u64 {
    match std::env::var(variable) {
        Ok(text) => text.parse().unwrap_or_else(|error| panic!("{variable}={text}: {error}")),
        Err(_) => otherwise,
    }
}

fn runner(seed: u64, scripts: u32) -> TestRunner {
    let config = ProptestConfig {
        cases: scripts,
        max_shrink_iters: SHRINKS,
        rng_seed: RngSeed::Fixed(seed),
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    TestRunner::new(config)
}

// E6
#[test]
fn a_conversation_has_the_same_history_on_every_transport() {
    let seed = number("SAME_HISTORY_SEED", 1);
    let scripts = number("SAME_HISTORY_SCRIPTS", 200);
    // async-io's reactor starts its thread and makes its descriptors once.
    let simple = any_conversation().new_tree(&mut runner(1, 1)).expect("every choice is legal").current();
    let _ = on_smol(&simple.play(), terms(&simple), &nobody());
    let before = holdings();
    let mut runner = runner(seed, u32::try_from(scripts).expect("fewer than four billion scripts"));
    let result = runner.run(&any_conversation(), |conversation| compare(&conversation).map_err(TestCaseError::fail));
    if let Err(error) = result {
        let (why, what) = match error {
            TestError::Fail(why, conversation) => (why.to_string(), format!("{conversation:?}")),
            TestError::Abort(why) => (why.to_string(), String::new()),
        };
        let again =
            format!("SAME_HISTORY_SEED={seed} SAME_HISTORY_SCRIPTS={scripts} cargo test -p sansock-tests --test same_history");
        panic!("{why}\n{what}\nreproduce: {again}");
    }
    assert_nothing_is_left(&before);
}

#[test]
fn random_conversations_end_in_every_way() {
    let mut runner = runner(1, 1);
    let mut seen = BTreeSet::new();
    for _ in 0..200 {
        let conversation = any_conversation().new_tree(&mut runner).expect("every choice is legal").current();
        let name = format!("{:?}", conversation.end);
        seen.insert(name.split('(').next().unwrap_or_default().to_owned());
        for turn in conversation.turns.iter().filter(|turn| !turn.client.is_empty() && !turn.server.is_empty()) {
            seen.insert(if conversation.echo { "an echo".into() } else { format!("{} at once", turn.client.len().min(2)) });
        }
    }
    let expected = [
        "1 at once",
        "2 at once",
        "Abort",
        "Drain",
        "Finish",
        "FinishBoth",
        "Flush",
        "HalfClose",
        "HalfClosedTooLong",
        "Idle",
        "PauseTooLong",
        "Stop",
        "an echo",
    ];
    assert_eq!(seen.into_iter().collect::<Vec<_>>(), expected);
}

type OnTransport = fn(&Conversation) -> Outcome;

/// Runs it on all three; what differs.
fn compare(conversation: &Conversation) -> Result<(), String> {
    let memory = run("memory", conversation, |conversation| {
        let network = network(conversation.end);
        let (outcome, hash, _) = on_memory(&conversation.play(), terms(conversation), network, 1, &nobody());
        let (_, again, _) = on_memory(&conversation.play(), terms(conversation), network, 1, &nobody());
        assert_eq!(hash, again, "E1: the same run twice");
        outcome
    })?;
    let real: [(&str, OnTransport); 2] = [
        ("blocking", |conversation| on_blocking(&conversation.play(), terms(conversation), &nobody())),
        ("smol", |conversation| on_smol(&conversation.play(), terms(conversation), &nobody())),
    ];
    for (name, on_transport) in real {
        let other = run(name, conversation, on_transport)?;
        if !memory.same_as(&other) || account(&memory) != account(&other) {
            return Err(format!("memory: {}\n{name}: {}", tell(&memory), tell(&other)));
        }
    }
    Ok(())
}

/// Runs it on one transport, and sees that it went as written; within the watchdog's time.
fn run(
    name: &str,
    conversation: &Conversation,
    on_transport: impl FnOnce(&Conversation) -> Outcome + Send + 'static,
) -> Result<Outcome, String> {
    let (done, outcome) = mpsc::channel();
    let script = conversation.clone();
    let thread = thread::spawn(move || drop(done.send(on_transport(&script))));
    let outcome = match outcome.recv_timeout(WATCHDOG) {
        Ok(outcome) => outcome,
        Err(mpsc::RecvTimeoutError::Timeout) => return Err(format!("{name} hangs")),
        Err(mpsc::RecvTimeoutError::Disconnected) => return Err(format!("{name} panicked: see above")),
    };
    thread.join().map_err(|_| format!("{name} panicked: see above"))?;
    conversation.judge(&outcome).map_err(|error| format!("{name}: {error}\n{}", tell(&outcome)))?;
    Ok(outcome)
}

/// A network that cuts and delays. Not for an end that does not wait for the other one: there it is chance what is still seen of it.
fn network(end: End) -> NetworkConfig {
    match end {
        End::Flush(_) => NetworkConfig::default(),
        _ => NetworkConfig {
            segment: 700,
            short_in: 4,
            jitter: Duration::from_millis(3),
            completion_delay: Duration::from_micros(500),
            ..NetworkConfig::default()
        },
    }
}

fn terms(conversation: &Conversation) -> sansock_tests::run::Terms {
    conversation.terms().expect("limits are moved to what makes sense")
}

fn nobody() -> Arc<dyn Audience> {
    Arc::new(Nobody)
}

/// What the server says of its connection.
fn account(outcome: &Outcome) -> (u64, u64, u64, u64) {
    let ServerReport { accepted, confirmed, unconfirmed, aborted, .. } = &outcome.server_report;
    (*accepted, *confirmed, *unconfirmed, *aborted)
}

fn tell(outcome: &Outcome) -> String {
    format!("client saw {}; server saw {}; {}", outcome.client, outcome.server, outcome.server_report)
}
