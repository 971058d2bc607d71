//! Random scripts of socket calls, call by call on the simulated sockets and on Linux's loopback.
//!
//! What is compared, and what is not, is said in `sansock_tests::differential`.
#![cfg(target_os = "linux")]

#[path = "sockets/found.rs"]
mod found;

use std::collections::BTreeSet;
use std::net::Shutdown;

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{FileFailurePersistence, RngSeed, TestRunner};
use sansock_memory::Family;
use sansock_tests::differential::{Call, LATEST, Name, compare, rehearse};

/// The number of cases is 256, or what PROPTEST_CASES says; the seed is fixed, or what PROPTEST_RNG_SEED says (any number), so that a
/// change is judged by the same scripts as the last one. A case that fails is kept in `tests/tests/sockets.proptest-regressions`.
fn config() -> ProptestConfig {
    let persistence = FileFailurePersistence::WithSource("proptest-regressions");
    let config = ProptestConfig { failure_persistence: Some(Box::new(persistence)), ..ProptestConfig::default() };
    match std::env::var_os("PROPTEST_RNG_SEED") {
        Some(_) => config,
        None => ProptestConfig { rng_seed: RngSeed::Fixed(1), ..config },
    }
}

/// Up to two connections that are there already, then any calls.
fn script() -> impl Strategy<Value = Vec<Call>> {
    (prop::collection::vec(pair(), 0..3), prop::collection::vec(calls(), 0..40)).prop_map(|(pairs, calls)| {
        let pairs = pairs.into_iter().enumerate().flat_map(|(number, pair)| connect(number * 3, pair));
        pairs.chain(calls.into_iter().flatten()).collect()
    })
}

/// The family, whether the listener and the client may share their names, and whether the client has a name of its own.
type Pair = (Family, bool, bool);

fn pair() -> impl Strategy<Value = Pair> {
    (family(), any::<bool>(), any::<bool>())
}

fn connect(listener: usize, (family, reuse, named): Pair) -> Vec<Call> {
    let client = listener + 1;
    let mut calls = vec![
        Call::Create { family, reuse },
        Call::Bind { socket: listener, to: Name::Free },
        Call::Listen { socket: listener, backlog: 3 },
        Call::Create { family, reuse },
    ];
    if named {
        calls.push(Call::Bind { socket: client, to: Name::Own });
    }
    calls.extend([Call::Connect { socket: client, to: listener }, Call::Accept { socket: listener }]);
    calls
}

/// One call; or another client, for which the backlog may have no place; or one that may have a rival of the same name.
fn calls() -> impl Strategy<Value = Vec<Call>> {
    let rival = (family(), 0..8_usize).prop_map(|(family, to)| {
        vec![
            Call::Create { family, reuse: true },
            Call::Bind { socket: LATEST, to: Name::Own },
            Call::Connect { socket: LATEST, to },
        ]
    });
    let newcomer = (family(), 0..8_usize)
        .prop_map(|(family, to)| vec![Call::Create { family, reuse: false }, Call::Connect { socket: LATEST, to }]);
    prop_oneof![20 => call().prop_map(|call| vec![call]), 2 => newcomer, 1 => rival]
}

fn family() -> impl Strategy<Value = Family> {
    prop_oneof![3 => Just(Family::V4), 1 => Just(Family::V6)]
}

fn name() -> impl Strategy<Value = Name> {
    prop_oneof![
        8 => Just(Name::Free),
        1 => Just(Name::FreeEverywhere),
        6 => Just(Name::Own),
        1 => Just(Name::OwnEverywhere),
        6 => (0..8_usize).prop_map(Name::Of),
        1 => (0..8_usize).prop_map(Name::PortOf),
        1 => Just(Name::Foreign),
    ]
}

fn call() -> impl Strategy<Value = Call> {
    let socket = 0..8_usize;
    let how = prop_oneof![1 => Just(Shutdown::Read), 2 => Just(Shutdown::Write), 1 => Just(Shutdown::Both)];
    prop_oneof![
        4 => (family(), any::<bool>()).prop_map(|(family, reuse)| Call::Create { family, reuse }),
        1 => (socket.clone(), any::<bool>()).prop_map(|(socket, on)| Call::Reuse { socket, on }),
        5 => (socket.clone(), name()).prop_map(|(socket, to)| Call::Bind { socket, to }),
        5 => (socket.clone(), 0..3_u32).prop_map(|(socket, backlog)| Call::Listen { socket, backlog }),
        8 => (socket.clone(), socket.clone()).prop_map(|(socket, to)| Call::Connect { socket, to }),
        8 => socket.clone().prop_map(|socket| Call::Accept { socket }),
        8 => (socket.clone(), 1..2000_usize).prop_map(|(socket, size)| Call::Send { socket, size }),
        1 => socket.clone().prop_map(|socket| Call::Fill { socket }),
        8 => (socket.clone(), 1..3000_usize).prop_map(|(socket, most)| Call::Receive { socket, most }),
        3 => socket.clone().prop_map(|socket| Call::Drain { socket }),
        6 => (socket.clone(), how).prop_map(|(socket, how)| Call::Shutdown { socket, how }),
        2 => socket.clone().prop_map(|socket| Call::TakeError { socket }),
        3 => socket.clone().prop_map(|socket| Call::Close { socket, abortive: false }),
        2 => socket.prop_map(|socket| Call::Close { socket, abortive: true }),
    ]
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn simulated_sockets_do_what_linux_does(script in script()) {
        if let Err(difference) = compare(&script) {
            return Err(TestCaseError::fail(format!("{difference}\nreproduce: cargo test -p sansock-tests --test sockets")));
        }
    }
}

#[test]
fn what_was_found_stays_as_linux_does_it() {
    for (name, script) in found::scripts() {
        if let Err(difference) = compare(&script) {
            panic!("{name}:\n{difference}");
        }
    }
}

#[test]
fn random_scripts_reach_every_call_with_every_outcome() {
    let mut runner = TestRunner::deterministic();
    let mut seen = BTreeSet::new();
    for _ in 0..3_000 {
        let script = script().new_tree(&mut runner).expect("every choice is legal").current();
        seen.extend(rehearse(&script));
    }
    let seen: Vec<_> = seen.into_iter().map(|(call, outcome)| format!("{call}: {outcome}")).collect();
    assert_eq!(seen, EXPECTED);
}

const EXPECTED: &[&str] = &[
    "abort: done",
    "accept: done",
    "accept: invalid argument",
    "accept: would block",
    "bind: address in use",
    "bind: address not available",
    "bind: done",
    "bind: invalid argument",
    "bind: not supported by this system",
    "close: done",
    "connect: address not available",
    "connect: already connected",
    "connect: broken pipe",
    "connect: connection aborted",
    "connect: connection refused",
    "connect: connection reset by peer",
    "connect: done",
    "connect: invalid argument",
    "connect: not supported by this system",
    "connect: would block",
    "create: done",
    "drain: everything, then connection refused",
    "drain: everything, then connection reset by peer",
    "drain: everything, then end of file",
    "drain: everything, then not connected",
    "drain: everything, then would block",
    "drain: less, then connection reset by peer",
    "drain: less, then end of file",
    "fill: no room, then broken pipe",
    "fill: no room, then connection refused",
    "fill: no room, then connection reset by peer",
    "fill: room, then broken pipe",
    "fill: room, then would block",
    "listen: address in use",
    "listen: done",
    "listen: invalid argument",
    "receive: connection refused",
    "receive: connection reset by peer",
    "receive: data",
    "receive: end of file",
    "receive: not connected",
    "receive: would block",
    "reuse: done",
    "send: broken pipe",
    "send: connection refused",
    "send: connection reset by peer",
    "send: sent",
    "send: would block",
    "shutdown both: done",
    "shutdown both: not connected",
    "shutdown read: done",
    "shutdown read: not connected",
    "shutdown write: done",
    "shutdown write: not connected",
    "take error: broken pipe",
    "take error: connection refused",
    "take error: connection reset by peer",
    "take error: no error",
];
