//! The whole life of a stream-socket server and client as a pure, sans-IO state machine.
#![no_std]
#![forbid(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::unreachable,
        clippy::todo,
        clippy::indexing_slicing,
        clippy::string_slice,
        clippy::arithmetic_side_effects,
        clippy::as_conversions
    )
)]

extern crate alloc;
#[cfg(test)]
extern crate std;

// Ground floor: what everything is made of.
mod address;
mod fault;
mod id;
mod options;
mod time;

// First floor: the contract.
mod completion;
mod encode;
mod machine;
mod misuse;
mod op;
mod report;

pub use address::{Address, Origin, Peer};
pub use completion::{Completion, Connected, Outcome};
pub use fault::{AcceptClass, Fault, FaultKind, TransferClass};
pub use id::{MAX_SLOTS, OpId, OpKind, SocketId};
pub use machine::{Canonical, Machine, Output};
pub use misuse::{Misuse, MisuseKind};
pub use op::{
    AcceptOp, BindOp, CancelOp, CleanupOp, CloseOp, ConnectOp, CreateOp, ListenOp, MAX_CHUNKS, Op, RecvOp, SendOp, ShutdownOp,
    StartupOp,
};
pub use options::{OptionName, RefusedOptions, Setting, SocketOptions};
pub use report::{CloseReason, CloseReport, Ending};
pub use time::Timestamp;
