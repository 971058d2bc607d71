//! What is searched to the fixed point: the machines of the core with small limits, and what their owners remember.

use sansock::{Canonical, Timestamp};
use sansock_memory::closure::Check;

macro_rules! ensure {
    ($condition:expr, $($message:tt)+) => {
        if !$condition {
            return Err(format!($($message)+));
        }
    };
}

pub mod account;
pub mod client;
pub mod connection;
pub mod dialer;
pub mod house;
pub mod household;
pub mod listener;
pub mod puppet;
pub mod server;
pub mod suite;

// D13
/// A call that is to be refused, made at a time that would show: nothing changes.
fn refused<M: Canonical>(machine: &mut M, now: Timestamp, call: impl FnOnce(&mut M, Timestamp) -> bool) -> Check {
    let encode = |machine: &M| {
        let mut out = Vec::new();
        machine.canonical(now, &mut out);
        out
    };
    let before = encode(machine);
    ensure!(call(machine, Timestamp::from_secs(1_000_000)), "D13: a call that makes no sense was not refused");
    ensure!(encode(machine) == before, "D13: a call was refused and something has changed");
    Ok(())
}
