//! Random scripts for one `Server`: hostile completions, calls and times, judged after every step by an account that knows nothing of how a
//! server works. The scripts and the account are in `sansock_tests::server_script`.

use std::collections::BTreeSet;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{FileFailurePersistence, TestRunner};
use sansock_tests::server_script::{Finale, Run, Script, Step, Twins, check};

/// The number of cases is 256, or what PROPTEST_CASES says. A case that fails is kept in `tests/tests/model/server.proptest-regressions`.
fn config() -> ProptestConfig {
    let persistence = FileFailurePersistence::WithSource("proptest-regressions");
    ProptestConfig { failure_persistence: Some(Box::new(persistence)), ..ProptestConfig::default() }
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        2 => Just(Step::Start),
        1 => (-5..200_i16).prop_map(Step::Drain),
        1 => Just(Step::DrainForEver),
        1 => Just(Step::Stop),
        12 => any::<u8>().prop_map(Step::Finish),
        12 => any::<(u8, u8)>().prop_map(|(pick, port)| Step::Connect(pick, port)),
        2 => any::<u8>().prop_map(Step::ConnectBare),
        2 => any::<u8>().prop_map(Step::Nobody),
        6 => any::<(u8, u8)>().prop_map(|(pick, fault)| Step::Fail(pick, fault)),
        1 => (0..40_u8).prop_map(Step::Aborted),
        4 => Just(Step::Cancelled),
        8 => any::<(u8, u8)>().prop_map(|(pick, ending)| Step::Gone(pick, ending)),
        1 => (0..12_u8).prop_map(Step::NotOut),
        4 => any::<(u8, u8)>().prop_map(|(pick, how)| Step::Hostile(pick, how)),
        2 => any::<(u8, u8)>().prop_map(|(slot, fault)| Step::Broken(slot, fault)),
        3 => (0..50_u16).prop_map(Step::Pass),
        1 => (0..50_u16).prop_map(Step::Back),
        2 => Just(Step::Tick),
        3 => Just(Step::Deadline),
        8 => (0..6_u8).prop_map(Step::Poll),
    ]
}

/// Most servers start, and most of them listen: one that is ended at once is soon told.
fn steps() -> impl Strategy<Value = Vec<Step>> {
    let startup = |finishes| [vec![Step::Start, Step::Poll(9)], [Step::Finish(0), Step::Poll(9)].repeat(finishes)].concat();
    let end = prop_oneof![Just(Step::Stop), Just(Step::Drain(99)), Just(Step::DrainForEver)];
    let beginning = prop_oneof![
        1 => Just(vec![]),
        2 => ((0..10_usize).prop_map(startup), end).prop_map(|(startup, end)| [startup, vec![end]].concat()),
        6 => Just(startup(10)),
    ];
    (beginning, vec(step(), 0..60)).prop_map(|(beginning, rest)| [beginning, rest].concat())
}

fn script() -> impl Strategy<Value = Script> {
    let finale = prop_oneof![Just(Finale::DeadTransport), Just(Finale::Fair), Just(Finale::Stop)];
    (1..=3_u8, 1..=5_u8, 0..4_u8, any::<bool>(), prop::bool::weighted(0.25), steps(), finale).prop_map(
        |(listeners, places, sweep, demanding, lazy, steps, finale)| Script {
            listeners,
            places,
            sweep,
            demanding,
            lazy,
            steps,
            finale,
        },
    )
}

proptest! {
    #![proptest_config(config())]

    // A7 A8 A9 A10 A12 A13 B4 B5 B10 B12 C2 C3 C4 C5 C7 C8 D1 D2 D3 D4 D5 D9 D11 D12 D13 E1 F1 F2 F8 F10 G2 H1, X7 X30 X38 X127
    #[test]
    fn a_server_keeps_its_account_in_order(script in script()) {
        let _ = check(&script);
    }
}

// X127: found by the long form, as the seed in `server.proptest-regressions`.
#[test]
fn x127_of_two_drains_that_are_over_the_first_stays() {
    let mut steps = vec![Step::Start, Step::Poll(9)];
    steps.extend([Step::Finish(0), Step::Poll(9)].repeat(10));
    steps.extend([Step::Pass(2), Step::Drain(0), Step::Drain(-1)]);
    let finale = Finale::DeadTransport;
    let _ = check(&Script { listeners: 1, places: 1, sweep: 1, demanding: false, lazy: false, steps, finale });
}

/// Found by fuzzing: both deadlines are over for the server, whose time is later than that of the clock, and so the first one stands.
#[test]
fn a_drain_by_a_clock_that_was_turned_back() {
    let mut steps = vec![Step::Start];
    steps.extend([Step::Finish(0); 8]);
    steps.extend([Step::Pass(40_000), Step::Tick, Step::Back(20_000), Step::Drain(10_000)]);
    let finale = Finale::DeadTransport;
    let _ = check(&Script { listeners: 1, places: 1, sweep: 1, demanding: false, lazy: false, steps, finale });
}

#[test]
fn random_scripts_reach_everything_that_matters() {
    let mut runner = TestRunner::deterministic();
    let mut seen = BTreeSet::new();
    for _ in 0..500 {
        seen.extend(check(&script().new_tree(&mut runner).expect("every choice is legal").current()));
    }
    let expected =
        ["drained", "exhausted", "late success", "lost", "recovered", "stopped", "stopped while draining", "transient"];
    assert_eq!(seen.into_iter().collect::<Vec<_>>(), expected);
}

// What makes the states of a server countable.
#[test]
fn servers_that_encode_alike_behave_alike() {
    let mut runner = TestRunner::deterministic();
    let small = (1..=2_u8, 1..=2_u8, any::<bool>(), steps(), vec(any::<(u8, u8)>(), 25));
    let mut twins: Vec<Twins> = (0..4).map(|_| Twins::default()).collect();
    let mut compared = 0;
    for _ in 0..500 {
        let (listeners, places, lazy, mut steps, inputs) = small.new_tree(&mut runner).expect("every choice is legal").current();
        // How far a clock has run backwards is known to whoever reads it, and not to the server.
        steps.retain(|step| !matches!(step, Step::Back(_)));
        let of_their_own_kind = &mut twins[usize::from(listeners * 2 + places - 3)];
        let script = Script { listeners, places, sweep: 2, demanding: false, lazy, steps, finale: Finale::Stop };
        let mut run = Run::new(&script);
        for (number, step) in script.steps.iter().enumerate() {
            run.step(*step);
            if number % 3 == 0 {
                compared += usize::from(of_their_own_kind.compare(&run, &inputs));
            }
        }
    }
    let different: usize = twins.iter().map(Twins::len).sum();
    assert!(compared > 3_000 && different > 200, "{compared} compared, {different} different encodings");
}
