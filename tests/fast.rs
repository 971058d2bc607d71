//! The tests that need no real socket, in one program: what a mutant of the core is tried with. To build and link one program is most of
//! the time that a mutant takes. `cargo test` runs the same tests one by one, so it leaves this out.

#![allow(clippy::duplicate_mod, reason = "several tests share their helpers, and each has them as modules of its own")]
#![allow(dead_code, reason = "what one test does not use of them, another does")]

#[path = "tests/client_life.rs"]
mod client_life;
#[path = "tests/client_random.rs"]
mod client_random;
#[path = "tests/closure.rs"]
mod closure;
#[path = "tests/closure_findings.rs"]
mod closure_findings;
#[path = "tests/config.rs"]
mod config;
#[path = "tests/connection_ending.rs"]
mod connection_ending;
#[path = "tests/connection_handler.rs"]
mod connection_handler;
#[path = "tests/connection_hostile.rs"]
mod connection_hostile;
#[path = "tests/connection_time.rs"]
mod connection_time;
#[path = "tests/connection_transfer.rs"]
mod connection_transfer;
#[path = "tests/corpus.rs"]
mod corpus;
#[path = "tests/dialer.rs"]
mod dialer;
#[path = "tests/dialer_random.rs"]
mod dialer_random;
#[path = "tests/isolation.rs"]
mod isolation;
#[path = "tests/listener_accept.rs"]
mod listener_accept;
#[path = "tests/listener_life.rs"]
mod listener_life;
#[path = "tests/listener_sweep.rs"]
mod listener_sweep;
#[path = "tests/messages.rs"]
mod messages;
#[path = "tests/model.rs"]
mod model;
#[path = "tests/node_clients.rs"]
mod node_clients;
#[path = "tests/node_server.rs"]
mod node_server;
#[path = "tests/server_accept.rs"]
mod server_accept;
#[path = "tests/server_canonical.rs"]
mod server_canonical;
#[path = "tests/server_drain.rs"]
mod server_drain;
#[path = "tests/server_misuse.rs"]
mod server_misuse;
#[path = "tests/server_simulated.rs"]
mod server_simulated;
#[path = "tests/server_start.rs"]
mod server_start;
#[path = "tests/tables.rs"]
mod tables;
#[path = "tests/texts.rs"]
mod texts;
