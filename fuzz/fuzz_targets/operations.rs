//! Whatever is done to a `Connection`, in whatever order, with whatever completions: it agrees with a ledger that was written
//! independently of it, and it ends.
#![no_main]

use sansock_tests::script::{Script, check};

libfuzzer_sys::fuzz_target!(|script: Script| {
    if let Err(error) = check(&script) {
        panic!("{error}\n{script:?}");
    }
});
