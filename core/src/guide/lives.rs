//! The steps of a server and of a client, and the states of every machine.
//!
//! # The steps
//!
//! | step | server | client | operation |
//! | --- | --- | --- | --- |
//! | 1 | initialise the socket runtime | the same | [`Startup`](crate::StartupOp) |
//! | 2 | create a socket | the same | [`Create`](crate::CreateOp) |
//! | 3 | bind it | only if [`DialerConfig::local`](crate::DialerConfig::local) is set | [`Bind`](crate::BindOp) |
//! | 4 | listen | | [`Listen`](crate::ListenOp) |
//! | 5 | accept a client | connect to the server | [`Accept`](crate::AcceptOp), [`Connect`](crate::ConnectOp) |
//! | 6 | receive and send | send and receive | [`Recv`](crate::RecvOp), [`Send`](crate::SendOp) |
//! | 7 | disconnect | the same | [`Shutdown`](crate::ShutdownOp), [`Close`](crate::CloseOp), and last of all [`Cleanup`](crate::CleanupOp) |
//!
//! A server and a client differ in who calls whom. From step 6 on there is one machine for both, the
//! [`Connection`](crate::Connection), and it does not know which of the two it serves.
//!
//! # Tables
//!
//! Every machine changes state through a table of [`state`](crate::state) and in no other way. A table says for every state and
//! every event what happens: a transition, nothing, or that the event cannot come. The diagrams below are drawn from the tables,
//! and a test fails when one is older than its table. They leave out what changes nothing.
//!
//! ```
//! use sansock::state::{Cell, Life, LifeEvent, Table};
//!
//! // An abort upgrades a graceful ending; the other way round it is too late.
//! assert_eq!(Life::Lingering.cell(LifeEvent::Abort), Cell::To(Life::Ending));
//! assert_eq!(Life::Ending.cell(LifeEvent::Finish), Cell::Nothing);
//! // Nothing is closed before everything in flight has come back.
//! assert_eq!(Life::Open.cell(LifeEvent::Join), Cell::Illegal);
//! println!("{}", Life::snapshot());
//! ```
//!
//! # A connection
//!
//! [`Life`](crate::state::Life). A connection is open until the application, a time-out, a fault or its supervisor ends it, or
//! both sides have ended their direction (`Settle` in `Open`). `Lingering` is [`finish`](crate::Stream::finish), `Flushing` is
//! [`close_after_flush`](crate::Stream::close_after_flush). In `Ending` what is in flight is cancelled; `Join` is the moment at
//! which nothing is.
//!
#![doc = include_str!("../docs/connection.svg")]
//!
//! Beside its life a connection has two halves, since the two directions of a stream end separately. The receiving half,
//! [`ReceiveHalf`](crate::state::ReceiveHalf): an ending turns `Reading` into `Discarding`.
//!
#![doc = include_str!("../docs/receive.svg")]
//!
//! The sending half, [`SendHalf`](crate::state::SendHalf): our FIN (`Shutdown`) comes after everything that was queued.
//!
#![doc = include_str!("../docs/send.svg")]
//!
//! # A server
//!
//! A [`Server`](crate::Server) has [`Listener`](crate::Listener)s; each accepts into places that the server offers, so that
//! connections and accepts in flight together never exceed
//! [`ServerConfig::max_connections`](crate::ServerConfig::max_connections).
//!
//! [`ListenerLife`](crate::state::ListenerLife). A drain sweeps: it accepts what the system has queued already, because closing
//! the listener would reset those connections, and ends when nothing is queued, no place is left, or a limit is reached
//! ([`ListenerConfig::sweep`](crate::ListenerConfig::sweep)).
//!
#![doc = include_str!("../docs/listener.svg")]
//!
//! # A client
//!
//! A [`Client`](crate::Client) has one [`Dialer`](crate::Dialer), which tries one address after another, each with a socket of
//! its own.
//!
//! [`DialerLife`](crate::state::DialerLife). The socket of a failed attempt is gone before the next address is tried.
//!
#![doc = include_str!("../docs/dialer.svg")]
//!
//! # Around them
//!
//! [`SupervisorLife`](crate::state::SupervisorLife) is the life of a [`Server`](crate::Server) and of a [`Client`](crate::Client)
//! as a whole: the first operation is `Startup`, and `Cleanup` comes after the last socket is gone (`Idle`).
//!
//! `Drain` lets the connections that are there finish until a deadline; a second drain can only bring the deadline forward.
//! `Stop`, or the deadline, aborts what is left. Either way there is one last event with a report.
//!
#![doc = include_str!("../docs/supervisor.svg")]
