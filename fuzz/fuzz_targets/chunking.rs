//! However the bytes of a stream are cut on their way in and out: the handler of a `Session` sees, sends and ends the same.
#![no_main]

use sansock_tests::chunking::{Chunking, check};

libfuzzer_sys::fuzz_target!(|chunking: Chunking| {
    if let Err(error) = check(&chunking) {
        panic!("{error}\n{chunking:?}");
    }
});
