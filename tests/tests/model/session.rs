//! A session between a peer and a handler, both of which do what random bytes say: what passes it is held against byte strings, of what the peer
//! sent, what was delivered, what the handler handed over, and what the transport took. See `sansock_memory::fuzz`.

use std::collections::BTreeSet;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{FileFailurePersistence, TestRunner};
use sansock::{CloseReason, Ending};
use sansock_tests::fuzzing::raw;

/// The number of cases is 256, or what PROPTEST_CASES says. A case that fails is kept in `tests/tests/model/session.proptest-regressions`.
fn config() -> ProptestConfig {
    let persistence = FileFailurePersistence::WithSource("proptest-regressions");
    ProptestConfig { failure_persistence: Some(Box::new(persistence)), ..ProptestConfig::default() }
}

/// Any bytes; small numbers choose what a good transport does.
fn script() -> impl Strategy<Value = Vec<u8>> {
    vec(prop_oneof![3 => 0..16_u8, 2 => any::<u8>(), 1 => prop::sample::select(vec![0x0e, 0x1d, 0x1c, 0x2f])], 0..600)
}

proptest! {
    #![proptest_config(config())]

    // A1, A2, A3, A4, A7, A9, A10, A12, A13, B5, C2, C3, C7, C8, D1, D2, D3, D4, D5, D6, D9, F1, H1
    #[test]
    fn a_session_agrees_with_what_has_passed(script in script()) {
        if let Err(violation) = raw(&script) {
            return Err(TestCaseError::fail(violation.to_string()));
        }
    }
}

#[test]
fn random_sessions_reach_everything_that_matters() {
    let mut runner = TestRunner::deterministic();
    let mut seen = BTreeSet::new();
    for _ in 0..1_000 {
        let script = script().new_tree(&mut runner).expect("every choice is legal").current();
        let ended = raw(&script).unwrap_or_else(|violation| panic!("{violation}"));
        let (report, mischief) = (ended.report, ended.mischief);
        seen.insert(report.ending.name());
        seen.extend((report.unsent > 0).then_some("unsent"));
        seen.extend((report.undelivered > 0).then_some("undelivered"));
        seen.extend((report.ending == Ending::Aborted && report.cut_short.is_some()).then_some("cut short"));
        seen.extend((report.cut_short == Some(CloseReason::DrainDeadline)).then_some("drain deadline"));
        seen.extend((ended.traffic.sent.len() > 100).then_some("much was sent"));
        seen.extend((ended.traffic.received.len() > 100).then_some("much was received"));
        seen.extend((mischief.refused > 0).then_some("refused"));
        seen.insert(match report.reason {
            CloseReason::Finished => "finished",
            CloseReason::Fault { .. } => "fault",
            CloseReason::Broken(_) => "broken",
            CloseReason::TransportFault { .. } => "transport fault",
            CloseReason::ReadIdle | CloseReason::WriteStall | CloseReason::HalfClosed | CloseReason::Paused => "time-out",
            CloseReason::Ordered => "ordered",
            _ => "other",
        });
    }
    let expected = [
        "aborted",
        "broken",
        "confirmed",
        "cut short",
        "drain deadline",
        "fault",
        "finished",
        "much was received",
        "much was sent",
        "ordered",
        "refused",
        "time-out",
        "transport fault",
        "unconfirmed",
        "undelivered",
        "unsent",
    ];
    assert_eq!(seen.into_iter().collect::<Vec<_>>(), expected);
}
