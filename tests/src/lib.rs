//! What the tests and examples that span crates share: an echo handler, scripted handlers with a history of what they saw, the three
//! transports behind one call, programs as their users run them, and two applications to simulate. `differential` compares the simulated sockets
//! with Linux's.

pub mod apps;
pub mod by_hand;
pub mod chunking;
pub mod closure;
pub mod conversation;
#[cfg(target_os = "linux")]
pub mod differential;
pub mod drive;
pub mod echo;
#[cfg(target_os = "linux")]
pub mod faults;
pub mod fuzzing;
pub mod golden;
pub mod history;
#[cfg(unix)]
pub mod loops;
pub mod play;
pub mod program;
pub mod run;
pub mod script;
pub mod serve;
pub mod server_script;
pub mod system;

/// The README's examples are tests.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
pub struct Readme;
