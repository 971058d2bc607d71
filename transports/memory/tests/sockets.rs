//! The simulated socket calls against answers that Linux gives. `tests/tests/sockets.rs` compares random calls with Linux itself; here is
//! what a reader wants to know, what takes longer than such a test may take, and what takes several hosts.

#[path = "sockets/connecting.rs"]
mod connecting;
#[path = "sockets/endings.rs"]
mod endings;
#[path = "sockets/names.rs"]
mod names;
#[path = "sockets/transfer.rs"]
mod transfer;
#[path = "sockets/world.rs"]
mod world;
