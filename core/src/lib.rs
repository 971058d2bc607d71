//! The whole life of a stream-socket server and client as a pure, sans-IO state machine.
//!
//! This crate decides what a server or a client does next, and does none of it. It has no socket, no clock, no thread and no
//! randomness: a driver asks a machine what to do (create a socket, bind, listen, accept, connect, receive, send, shut down,
//! close), does it in its own way, and hands back what came of it. Limits on connections, back-pressure, time-outs, half-close,
//! lingering, back-off when descriptors run out, draining, and an account of how each connection ended are decided here, once,
//! for every transport.
//!
//! It is made for three kinds of people: those who have an event loop of their own and want the life of a connection right in it;
//! those who fuzz connection handling; and those who test whole systems of servers and clients in virtual time.
//!
//! # A connection by hand
//!
//! ```
//! use bytes::Bytes;
//! use sansock::{
//!     Connection, ConnectionConfig, ConnectionEvent, Ending, Machine, Op, Output, SocketId, Stream,
//!     Timestamp,
//! };
//!
//! let now = Timestamp::ZERO;
//! let socket = SocketId::new(0, 0).expect("a small slot");
//! let mut connection = Connection::new(now, socket, ConnectionConfig::default().into());
//! connection.send(now, Bytes::from_static(b"this is a test")).expect("the queue is empty");
//! connection.half_close(now);
//!
//! // The other end is a list: what it will say. After that it has finished.
//! let mut replies = vec![Bytes::from_static(b"so it is")].into_iter();
//! let mut received = Vec::new();
//! let report = loop {
//!     let done = match connection.poll().expect("nothing has to be waited for") {
//!         Output::Event(ConnectionEvent::Closed(report)) => break report,
//!         Output::Event(ConnectionEvent::Data(data)) => {
//!             received.extend_from_slice(&data);
//!             continue;
//!         }
//!         Output::Event(_) => continue,
//!         Output::Submit(Op::Send(op)) => {
//!             let asked = op.asked();
//!             op.sent(asked) // Or fewer: the next send starts behind them.
//!         }
//!         Output::Submit(Op::Recv(op)) => match replies.next() {
//!             Some(data) => op.data(data),
//!             None => op.eof(),
//!         },
//!         Output::Submit(Op::Shutdown(op)) => op.done(),
//!         Output::Submit(Op::Close(op)) => op.done(),
//!         Output::Submit(op) => unreachable!("nothing is to be cancelled: {op:?}"),
//!     };
//!     connection.complete(now, done)?;
//! };
//! assert_eq!(received, b"so it is");
//! assert_eq!(report.ending, Ending::Confirmed);
//! # Ok::<(), sansock::Misuse>(())
//! ```
//!
//! # The machines
//!
//! | machine | what it is | whom it asks |
//! | --- | --- | --- |
//! | [`Connection`] | one connection, whoever opened it | a driver |
//! | [`Listener`] | one listening socket | a driver, and its owner for places to accept into |
//! | [`Dialer`] | from a list of addresses to one connected socket | a driver, and its owner for a place |
//! | [`Session`] | a connection and its [`Handler`] | a driver |
//! | [`Server`] | listeners, the limit on connections, draining | a driver; sessions are handed out |
//! | [`Client`] | a dialer and its one connection | a driver; the session is handed out |
//! | [`Node`] | servers, clients and all their sessions | a driver |
//!
//! All implement [`Machine`]. An application is a [`Handler`] and usually goes into a [`Node`], or to one of the transports:
//! `sansock-blocking` (a thread per connection), `sansock-smol` (one future), `sansock-memory` (simulated sockets under virtual
//! time). Over real sockets a loop of your own can share `sansock-system` with them.
//!
//! The [`guide`] has the [contract](guide::contract), the [lives](guide::lives) with a diagram of every machine's states, and how
//! to write a [loop](guide::driving), a [handler](guide::handlers) and a [layer](guide::layers).
//!
//! # What it needs
//!
//! `alloc`, and `bytes` without its default features; no `std`, and no features of its own.
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
mod peer;
mod runtime;
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

// The attic: words.
pub mod guide;

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
