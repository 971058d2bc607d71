//! Whatever bytes decide to happen to a `Session` (sizes, errors, order, time, lies of the transport): what was received is delivered, what was
//! handed over is sent, in order and whole, nothing is taken that was not asked for, nothing spins, and a drain ends it by its deadline.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    if let Err(violation) = sansock_tests::fuzzing::raw(bytes) {
        panic!("{violation}");
    }
});
