//! Whatever bytes decide to happen to a `Client` and its session: there is one outcome, every socket is closed once, what passes is what was
//! sent, and a drain ends it by its deadline.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    if let Err(violation) = sansock_tests::fuzzing::client(bytes) {
        panic!("{violation}");
    }
});
