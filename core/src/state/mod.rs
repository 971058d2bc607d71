//! The transition tables: every life in the core, as data.
//!
//! Each table lists, for every state and every event, what happens: a transition, nothing, or "cannot be" (an event that the
//! machines never raise in that state). The machines change state through these tables and in no other way; the
//! [diagrams](crate::guide::lives) are drawn from them, and `tests/golden/tables.txt` of the repository holds every cell.

mod connection;
mod dialer;
mod listener;
mod receive;
mod send;
mod supervisor;
mod table;

pub use connection::{Life, LifeEvent};
pub use dialer::{DialerLife, DialerLifeEvent};
pub use listener::{ListenerLife, ListenerLifeEvent};
pub use receive::{ReceiveEvent, ReceiveHalf};
pub use send::{SendEvent, SendHalf};
pub use supervisor::{SupervisorLife, SupervisorLifeEvent};
pub use table::{Cell, Table};
