//! One scenario type and its front ends: a builder, text, chance, proptest, bytes.

use std::collections::BTreeSet;
use std::time::Duration;

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use sansock::{FaultKind, OpKind};
use sansock_memory::scenario::{Event, Fault, Line, Outcome, ParseError, Quality, Route, Scenario, Which};

const HOSTS: [&str; 3] = ["server", "client1", "client2"];
const SPAN: Duration = Duration::from_secs(20);

proptest! {
    #[test]
    fn every_scenario_is_what_its_text_says(scenario in Scenario::strategy(SPAN, &HOSTS, 20)) {
        prop_assert_eq!(Scenario::parse(&scenario.to_string()), Ok(scenario));
    }

    #[test]
    fn every_swarm_is_what_its_text_says_and_the_same_twice(seed in any::<u64>()) {
        let scenario = Scenario::swarm(seed, SPAN, &HOSTS, 12);
        prop_assert_eq!(&Scenario::swarm(seed, SPAN, &HOSTS, 12), &scenario);
        prop_assert_eq!(Scenario::parse(&scenario.to_string()), Ok(scenario));
    }

    #[test]
    fn every_input_of_a_fuzzer_is_a_scenario(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let scenario = Scenario::from_bytes(&mut arbitrary::Unstructured::new(&bytes), SPAN, &HOSTS, 12).unwrap();
        prop_assert_eq!(Scenario::parse(&scenario.to_string()), Ok(scenario));
    }

    /// Whatever else it may have, a comment and a colon at the end of a word are not among its words.
    #[test]
    fn the_world_of_a_scenario_is_what_its_text_says(world in "[a-c#: \t\n]{0,12}") {
        let scenario = Scenario::new(1).of_world(&world);
        prop_assert_eq!(Scenario::parse(&scenario.to_string()), Ok(scenario));
    }

    #[test]
    fn no_text_makes_the_parser_panic(text in "(sansock scenario 1\n)?([a-z0-9.:<>\\-* #\n]{0,60})") {
        let _ = Scenario::parse(&text);
    }
}

/// The first words of a line, without names and numbers.
fn shape(line: &Line) -> String {
    match line {
        Line::Link(..) => "link".into(),
        Line::At(_, event) => event.to_string().split(' ').next().unwrap_or_default().into(),
        Line::Fault(fault) => fault.outcome.to_string().split(' ').next().unwrap_or_default().into(),
    }
}

const SHAPES: [&str; 15] = [
    "clock",
    "crash",
    "delay",
    "descriptors",
    "error",
    "heal",
    "hold",
    "link",
    "partition",
    "release",
    "reset",
    "resolve",
    "restart",
    "short",
    "would-block",
];

#[test]
fn chance_and_the_strategy_reach_every_kind_of_line() {
    let swarms: BTreeSet<String> =
        (0..200).flat_map(|seed| Scenario::swarm(seed, SPAN, &HOSTS, 12).lines).map(|line| shape(&line)).collect();
    assert_eq!(swarms.into_iter().collect::<Vec<_>>(), SHAPES);
    let mut runner = TestRunner::deterministic();
    let strategy = Scenario::strategy(SPAN, &HOSTS, 20);
    let drawn: BTreeSet<String> =
        (0..100).flat_map(|_| strategy.new_tree(&mut runner).unwrap().current().lines).map(|line| shape(&line)).collect();
    assert_eq!(drawn.into_iter().collect::<Vec<_>>(), SHAPES);
}

#[test]
fn a_route_covers_one_direction_or_both() {
    let (one, both) = (Route::one_way("a*", "b"), Route::both("a*", "b"));
    for (from, to, in_one, in_both) in [
        ("a", "b", true, true),
        ("a2", "b", true, true),
        ("b", "a", false, true),
        ("a", "a2", false, false),
        ("b", "b", false, false),
        ("b", "c", false, false),
        ("c", "a", false, false),
    ] {
        assert_eq!((one.covers(from, to), both.covers(from, to)), (in_one, in_both), "{from} {to}");
    }
    assert!(Route::one_way("*", "*").covers("a", "a"), "both sets name the host");
    let route = Route::one_way("client*", "server");
    assert!(route.covers("client1", "server") && !route.covers("server", "client1") && !route.covers("server", "server"));
    let both = Route::both("client*", "server");
    assert!(both.covers("server", "client9") && !both.covers("client1", "client2"));
}

#[test]
fn swarms_leave_some_kinds_out() {
    let kinds = |seed| {
        let lines = Scenario::swarm(seed, SPAN, &HOSTS, 200).lines;
        lines.iter().map(shape).collect::<BTreeSet<_>>()
    };
    let different: BTreeSet<_> = (0..50).map(kinds).collect();
    assert!(different.len() > 20, "only {} different subsets", different.len());
}

#[test]
fn a_scenario_can_be_built_and_reads_well() {
    let ms = Duration::from_millis;
    let scenario = Scenario::new(7)
        .lasting(Duration::from_secs(5))
        .link("server", "client*", Quality { latency: Some(Duration::from_micros(1500)), loss: Some(100), ..Quality::default() })
        .at(ms(250), Event::Partition(Route::one_way("server", "client1")))
        .at(ms(1250), Event::Heal)
        .at(ms(1300), Event::ClockDrift("server".into(), -20))
        .at(ms(2000), Event::Descriptors("server".into(), Some(3)))
        .fault("server", 2, OpKind::Send, Which::Every(3), Outcome::Short(1))
        .fault("*", Which::Any, OpKind::Connect, 1, Outcome::Error(FaultKind::ConnectionRefused));
    let text = "\
sansock scenario 1
seed 7
for 5s
link server <-> client*: latency 1.5ms loss 100
at 250ms: partition server -> client1
at 1.25s: heal
at 1.3s: clock server drift -20
at 2s: descriptors server 3
fault server connection 2 send every 3: short 1
fault * connection any connect 1: error ConnectionRefused
";
    assert_eq!(scenario.to_string(), text);
    let by_hand = text.replace('\n', "   # said by a person\n\n");
    assert_eq!(Scenario::parse(&by_hand), Ok(scenario));
}

#[test]
fn what_cannot_be_read_is_explained_with_its_line() {
    for (line, problem) in [
        ("sed 1", "'sed' is no line; there is seed, for, world, link, at, fault"),
        ("seed x", "'x' is not a seed"),
        ("for 3", "'3' is no span of time; write a number and one of s, ms, us, ns, as in 1.5s"),
        ("for 3.s", "'3.s' is no span of time; write a number and one of s, ms, us, ns, as in 1.5s"),
        ("for 99999999999s", "'99999999999s' is longer than 584 years"),
        (
            "at 1s explode",
            "'explode' is no event; there is partition, hold, release, heal, crash, restart, clock, descriptors, resolve",
        ),
        ("at 1s partition a b", "'->' or '<->' is expected, not 'b'"),
        ("at 1s heal now", "'now' is one word too many"),
        ("at 1s crash", "the name of a host is missing at the end"),
        ("fault a connection 0 recv 1: reset", "'0' is not 'any', a number from 1, or 'every' and a number from 1"),
        ("fault a 1 recv 1: reset", "'connection' is expected, not '1'"),
        ("fault a connection 1 recv 1: short 0", "'0' is not a number of bytes from 1"),
        ("fault a connection 1 accept 1: short 1", "'short 1' cannot come of 'accept'"),
        ("fault a connection 1 close 1: error Other", "'error Other' cannot come of 'close'"),
        (
            "fault a connection 1 cancel 1: reset",
            "'cancel' is no operation; there is create, bind, listen, accept, connect, recv, send, shutdown, close",
        ),
        ("link a -> b: lateness 3s", "'lateness' is no property of a link; there is latency, jitter, bandwidth, loss"),
    ] {
        let text = format!("sansock scenario 1\n\n{line}");
        assert_eq!(Scenario::parse(&text), Err(ParseError { line: 3, problem: problem.into() }), "{line}");
    }
    let error = Scenario::parse("fault a connection 1 recv 1: error Nonsense").unwrap_err();
    assert!(error.to_string().starts_with("line 1: a scenario of version 1 begins with 'sansock scenario 1'"), "{error}");
    let error = Scenario::parse("sansock scenario 1\nfault a connection 1 recv 1: error Nonsense").unwrap_err();
    assert!(error.problem.contains("there is Cancelled, ConnectionRefused"), "{error}");
    assert_eq!(Scenario::parse("").unwrap_err().line, 1);
}

#[test]
fn a_fault_names_its_operations() {
    let matching = |which: Which| (1..8).filter(|number| which.matches(*number)).collect::<Vec<_>>();
    assert_eq!(matching(Which::Nth(3)), [3]);
    assert_eq!(matching(Which::Every(3)), [3, 6]);
    assert_eq!(matching(Which::Any).len(), 7);
}

#[test]
fn a_span_that_is_too_long_or_too_fine_is_refused() {
    let span = |text: &str| Scenario::parse(&format!("sansock scenario 1\nfor {text}\n"));
    assert!(span("1.000000001s").is_ok());
    for text in ["1.0000000001s", "99999999999999999999999999999999999999s", "0.99999999999999999999999999999999999999s"] {
        let error = span(text).unwrap_err();
        assert!(error.problem.contains("is no span of time"), "{error}");
    }
    assert!(span("999999999999999999s").unwrap_err().problem.contains("longer than 584 years"));
}

/// A swarm gives back the descriptors that it takes, and what ends a connection does not come again and again.
#[test]
fn a_swarm_is_not_the_end_of_everything() {
    let (mut limits, mut ends) = (0, 0);
    for seed in 0..500 {
        let lines = Scenario::swarm(seed, Duration::from_secs(20), &["a", "b"], 10).lines;
        for (index, line) in lines.iter().enumerate() {
            match line {
                Line::At(at, Event::Descriptors(hosts, Some(_))) => {
                    limits += 1;
                    let back = Event::Descriptors(hosts.clone(), None);
                    assert!(matches!(&lines[index + 1], Line::At(later, event) if later >= at && *event == back), "{line}");
                }
                Line::Fault(Fault { nth, outcome: Outcome::Error(_) | Outcome::Reset, .. }) => {
                    ends += 1;
                    assert!(matches!(nth, Which::Nth(_)), "{line}");
                }
                _ => {}
            }
        }
    }
    assert!(limits > 20 && ends > 20, "{limits} {ends}");
}
