//! The two applications for simulations: their rules hold over many seeds, their planted bugs are found, and the same types run on real
//! sockets.

#[path = "apps/chat.rs"]
mod chat;
#[path = "apps/embedding.rs"]
mod embedding;
#[path = "apps/lines.rs"]
mod lines;
#[path = "apps/real.rs"]
mod real;
#[path = "apps/register.rs"]
mod register;

use std::time::Duration;

use sansock_memory::NetworkConfig;

/// Seeds from 0.
const SEEDS: u64 = 200;

/// A network without faults, but whose every choice that it may make differs from seed to seed. Its buffers are small, so that they fill.
fn network(seed: u64, jitter: Duration) -> NetworkConfig {
    let choose = |of: &[u64]| of[usize::try_from(seed % of.len() as u64).expect("a few")];
    NetworkConfig {
        latency: Duration::from_millis(1),
        jitter,
        send_buffer: 1024,
        receive_buffer: 1024,
        segment: usize::try_from(choose(&[16 * 1024, 512, 61, 16 * 1024, 512, 61, 7])).expect("a size"),
        short_in: u32::try_from(choose(&[0, 3, 10])).expect("few"),
        completion_delay: Duration::from_micros(choose(&[0, 500])),
        ..NetworkConfig::default()
    }
}
