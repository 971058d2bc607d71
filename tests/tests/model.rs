//! Random scripts against models that were written independently of the machines: here for one `Connection`, in `model/server.rs` for a `Server`, in
//! `model/session.rs` for a `Session`.
//!
//! The scripts and the ledger are in `sansock_tests::script`; `fuzz/fuzz_targets/operations.rs` runs them too. The ledger cites the
//! invariants that it asserts, and H1 is asserted by running at all.
//!
//! A long run of all three: `PROPTEST_CASES=1000000 cargo test --release -p sansock-tests --test model`. A case that fails is shrunk and printed, and its
//! seed is kept in `tests/tests/model.proptest-regressions`, from where the next run takes it first.

#[path = "model/scripts.rs"]
mod scripts;
#[path = "model/server.rs"]
mod server;
#[path = "model/session.rs"]
mod session;

use std::collections::BTreeSet;

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{FileFailurePersistence, TestRunner};
use sansock_tests::script::{MATTERS, check};

const REPRODUCE: &str =
    "the seed is in tests/tests/model.proptest-regressions; reproduce: cargo test -p sansock-tests --test model";

/// The number of cases is 256, or what PROPTEST_CASES says.
fn config() -> ProptestConfig {
    let persistence = FileFailurePersistence::WithSource("proptest-regressions");
    ProptestConfig { failure_persistence: Some(Box::new(persistence)), ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(config())]

    // A1, A2, A3, A4, A5, A6, A7, A9, A10, A12, A13, B1, B2, B5, B7, B8, C1, C2, C3, C6, C7, C8, D1, D2, D3, D4, D5, D6, D7, D9, D10,
    // D12, D13, E4, F1, F2, F4, F5, F6, F7, F8, F9, F10, H1
    #[test]
    fn a_connection_agrees_with_its_ledger(script in scripts::any()) {
        if let Err(error) = check(&script) {
            return Err(TestCaseError::fail(format!("{error}\n{REPRODUCE}")));
        }
    }
}

#[test]
fn random_scripts_reach_everything_that_matters() {
    let mut runner = TestRunner::deterministic();
    let mut seen = BTreeSet::new();
    for _ in 0..2_000 {
        let script = scripts::any().new_tree(&mut runner).expect("every choice is legal").current();
        seen.extend(check(&script).unwrap_or_else(|error| panic!("{error}\n{script:?}")));
    }
    assert_eq!(seen.into_iter().collect::<Vec<_>>(), MATTERS);
}
