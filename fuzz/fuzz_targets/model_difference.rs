//! Whatever is done to a `Connection`, a `Server` or a `Session`: it agrees with a model that was written independently of it, and ends.
#![no_main]

use sansock_tests::fuzzing::{Difference, difference};

libfuzzer_sys::fuzz_target!(|script: Difference| {
    if let Err(error) = difference(&script) {
        panic!("{error}\n{script:?}");
    }
});
