//! The transition tables: every life in the core, as data.
//!
//! Each table lists, for every state and every event, what happens: a transition, nothing, or "cannot be" (an event that the
//! machines never raise in that state). The machines change state through these tables and in no other way; the snapshot of
//! all cells and the diagrams in the crate's documentation are made from the same tables.

mod connection;
mod dialing;
mod listener;
mod receive;
mod send;
mod service;
mod table;

pub use connection::{Life, LifeEvent};
pub use dialing::{DialerEvent as DialerTableEvent, DialerLife};
pub use listener::{ListenerEvent as ListenerTableEvent, ListenerLife};
pub use receive::{ReceiveEvent, ReceiveHalf};
pub use send::{SendEvent, SendHalf};
pub use service::{ServiceEvent as ServiceTableEvent, ServiceLife};
pub use table::{Cell, Table};
