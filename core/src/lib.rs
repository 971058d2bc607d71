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
mod config;
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

// Second floor: the parts of a connection.
mod backoff;
mod credit;
mod flight;
mod send_queue;
mod slots;
pub mod state;
mod timers;

// Third floor: single sockets.
mod connection;
mod dialer;
mod listener;
mod stream;

// Fourth floor: the application's side, and its supervisors.
mod client;
mod context;
mod handler;
mod server;
mod session;

// Top floor: everything as one value.
mod node;

pub use address::{Address, Origin, Peer};
pub use client::{Client, ClientEvent, ClientReport};
pub use completion::{Completion, Connected, Outcome};
pub use config::{ClientConfig, ConfigError, ConnectionConfig, DialerConfig, ListenerConfig, ServerConfig};
pub use connection::{Connection, ConnectionEvent};
pub use context::{Context, Scope, TimerId};
pub use dialer::{AttemptError, DialError, DialFailure, Dialer, DialerEvent};
pub use fault::{AcceptClass, Fault, FaultKind, TransferClass};
pub use handler::{Handler, Service, Verdict};
pub use id::{MAX_SLOTS, OpId, OpKind, SocketId};
pub use listener::{ListenError, Listener, ListenerEvent, ListenerReport};
pub use machine::{Canonical, Machine, Output};
pub use misuse::{Misuse, MisuseKind};
pub use node::{Node, NodeEvent, SupervisorId};
pub use op::{
    AcceptOp, BindOp, CancelOp, CleanupOp, CloseOp, ConnectOp, CreateOp, ListenOp, MAX_CHUNKS, Op, RecvOp, SendOp, ShutdownOp,
    StartupOp,
};
pub use options::{OptionName, RefusedOptions, Setting, SocketOptions};
pub use report::{CloseReason, CloseReport, Ending};
pub use server::{Server, ServerEvent, ServerReport};
pub use session::{Order, Session, SessionEvent};
pub use slots::{SlotRange, Slots};
pub use stream::{Stream, Unsent, UnsentReason};
pub use time::Timestamp;
