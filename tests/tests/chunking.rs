//! How a stream is cut makes no difference to the application: random streams through a `Session`.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::FileFailurePersistence;
use sansock_tests::chunking::{Chunking, check};

fn any_chunking() -> impl Strategy<Value = Chunking> {
    // Orders that end the stream would make most streams short.
    let order = prop_oneof![200 => (0..=u8::MAX).prop_filter("ends", |order| ![0x0e, 0x1d].contains(order)), 1 => Just(0x0e), 1 => Just(0x1d)];
    let size = || prop_oneof![1..4_u8, 1..=u8::MAX];
    (0..20_u8, size(), size(), vec(order, 0..200), vec(0..=u8::MAX, 1..40))
        .prop_map(|(low, above, receive, input, cuts)| Chunking { low, above, receive, input, cuts })
}

const REPRODUCE: &str =
    "the seed is in tests/tests/chunking.proptest-regressions; reproduce: cargo test -p sansock-tests --test chunking";

/// The number of cases is 256, or what PROPTEST_CASES says.
fn config() -> ProptestConfig {
    let persistence = FileFailurePersistence::WithSource("proptest-regressions");
    ProptestConfig { failure_persistence: Some(Box::new(persistence)), ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(config())]

    // E3, X73, A2, A3
    #[test]
    fn how_a_stream_is_cut_makes_no_difference(chunking in any_chunking()) {
        if let Err(error) = check(&chunking) {
            return Err(TestCaseError::fail(format!("{error}\n{REPRODUCE}")));
        }
    }
}
