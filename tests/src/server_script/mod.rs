//! Random scripts for one [`Server`](sansock::Server), and the account that judges every step of them.
//!
//! [`Drive`](crate::drive::Drive) checks the contract of every machine. What is a server's own is checked here: the limit, that accepting
//! goes on, that orders reach every session, that the counters add up, and that it ends.

mod finale;
mod ledger;
mod run;
mod step;
mod twin;

pub use run::{Run, Seen, check};
pub use step::{Finale, Script, Step};
pub use twin::Twins;
