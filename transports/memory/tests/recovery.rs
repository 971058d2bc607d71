//! How connections get over losses, to the millisecond as Linux times it, and what is left when they do not. `network.rs` has what links and hosts do.

#[path = "recovery/crashes.rs"]
mod crashes;
#[path = "recovery/handshakes.rs"]
mod handshakes;
#[path = "recovery/time_outs.rs"]
mod time_outs;
#[path = "recovery/two.rs"]
mod two;
