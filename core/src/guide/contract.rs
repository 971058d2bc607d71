//! What a machine and its driver owe each other.
//!
//! Everything in this crate that has a life implements [`Machine`]: [`Connection`], [`Listener`], [`Dialer`], [`Session`],
//! [`Server`], [`Client`] and [`Node`]. The examples use a [`Connection`], the smallest of them; the rules are the same for all.
//!
//! # Operations come out, completions go in
//!
//! [`Machine::poll`] gives what happened (events, in order) and then what to do (operations). Only events are kept. The next
//! operation is derived from the state at the moment of the `poll`, so it cannot be stale, and the other methods may be called
//! between any two polls.
//!
//! ```
//! # use bytes::Bytes;
//! # use sansock::{Connection, ConnectionConfig, Machine, Op, Output, SocketId, Stream, Timestamp};
//! # let now = Timestamp::ZERO;
//! # let socket = SocketId::new(0, 0).unwrap();
//! let mut connection = Connection::new(now, socket, ConnectionConfig::default().into());
//! connection.send(now, Bytes::from_static(b"never mind")).unwrap();
//! connection.abort(now);
//! // Nothing asks for the bytes to be sent: that is not what the state wants any more.
//! let Some(Output::Submit(Op::Close(close))) = connection.poll() else { unreachable!() };
//! assert!(close.abortive());
//! assert!(connection.poll().is_none());
//! ```
//!
//! A [`Handler`]'s callbacks run inside the calls that change a machine (`complete`, `handle_timeout`, `order`...), never inside
//! `poll`.
//!
//! # Tokens
//!
//! An operation is a token. Completing it uses it up, so it cannot be completed twice, nor as something else: a [`RecvOp`] has
//! [`data`](RecvOp::data), [`eof`](RecvOp::eof) and [`failed`](RecvOp::failed), a [`SendOp`] has [`sent`](SendOp::sent) and
//! [`failed`](SendOp::failed). Every operation but `Cancel` is completed exactly once. A token that is dropped never completes,
//! and its socket never closes.
//!
//! A driver that can keep no more than a number (io_uring's `user_data`, the key of a completion port) keeps [`OpId::as_u64`] and
//! makes the completion with [`Completion::from_raw`]; what the types would have checked is then checked at run time:
//!
//! ```
//! # use sansock::{Completion, Connection, ConnectionConfig, Machine, MisuseKind, OpId, Outcome, Output, SocketId, Stream, Timestamp};
//! # let now = Timestamp::ZERO;
//! # let socket = SocketId::new(0, 0).unwrap();
//! # let mut connection = Connection::new(now, socket, ConnectionConfig::default().into());
//! # let Some(Output::Submit(op)) = connection.poll() else { unreachable!() };
//! let number = op.id().as_u64();
//! let id = OpId::from_u64(number).expect("this is one");
//! // A receive cannot have sent anything; and once it is completed, it is no longer in flight.
//! let wrong = connection.complete(now, Completion::from_raw(id, Outcome::Sent(1))).unwrap_err();
//! assert_eq!(wrong.kind(), MisuseKind::WrongOutcome);
//! connection.complete(now, Completion::from_raw(id, Outcome::Eof)).unwrap();
//! let again = connection.complete(now, Completion::from_raw(id, Outcome::Eof)).unwrap_err();
//! assert_eq!(again.kind(), MisuseKind::NotInFlight);
//! ```
//!
//! The core names sockets before they exist and never sees a descriptor. A [`SocketId`] is a slot and a generation; no name is
//! given out twice, and a slot whose generations are used up retires. Machines that share a driver get [`SlotRange`]s that do not
//! overlap; who takes the place of a [`Client`] that has stopped gets its [`slots_after`](crate::Client::slots_after). A
//! [`Node`] sees to that by itself.
//!
//! # Cancel, and close is a join
//!
//! A machine that wants to close a socket first cancels what is in flight on it. [`Op::Cancel`] names its target and has no
//! completion of its own; the driver completes the *target* promptly, with whatever came of it. Success after a cancel is legal:
//! the bytes are counted, the connection that was accepted is closed.
//!
//! Only when nothing else of the socket is in flight is [`Op::Close`] submitted, and after it nothing names this socket again. So
//! a driver never closes a descriptor that one of its own operations still uses. A close that fails counts as closed: there is
//! nothing else to do with a socket.
//!
//! ```
//! # use bytes::Bytes;
//! # use sansock::{Connection, ConnectionConfig, ConnectionEvent, Machine, Op, Output, SocketId, Stream, Timestamp};
//! # let now = Timestamp::ZERO;
//! # let socket = SocketId::new(0, 0).unwrap();
//! # let mut connection = Connection::new(now, socket, ConnectionConfig::default().into());
//! let Some(Output::Submit(Op::Recv(recv))) = connection.poll() else { unreachable!() };
//! connection.abort(now);
//! let Some(Output::Submit(Op::Cancel(cancel))) = connection.poll() else { unreachable!() };
//! assert_eq!(cancel.target(), recv.id());
//! assert!(connection.poll().is_none(), "the close waits for the receive");
//! connection.complete(now, recv.data(Bytes::from_static(b"too late"))).unwrap();
//! let Some(Output::Submit(Op::Close(close))) = connection.poll() else { unreachable!() };
//! connection.complete(now, close.done()).unwrap();
//! let Some(Output::Event(ConnectionEvent::Closed(report))) = connection.poll() else {
//!     unreachable!()
//! };
//! assert_eq!((report.received, report.undelivered), (0, 8));
//! ```
//!
//! A transport may be dead: it completes nothing but what is cancelled, and `Close`. Every ending still comes to its end by
//! deadlines alone.
//!
//! # Time
//!
//! A [`Timestamp`] is nanoseconds since an epoch of the driver's choice. Every call that changes a machine takes `now`; one that
//! is earlier than one before counts as that one. Adding saturates, and [`Timestamp::NEVER`] means "no deadline".
//!
//! [`Machine::deadline`] is when [`Machine::handle_timeout`] is to be called next. It is read again after every call, since any
//! may move it; `poll` never does. `complete` never fires a time-out. If a completion and a deadline come at the same time, the
//! completion is handed in first. A deadline is due exactly at its time, never before; a call that comes too early does nothing.
//!
//! ```
//! # use core::time::Duration;
//! # use sansock::state::Life;
//! # use sansock::{Connection, ConnectionConfig, Machine, SocketId, Timestamp};
//! # let socket = SocketId::new(0, 0).unwrap();
//! let config = ConnectionConfig::default().read_idle(Some(Duration::from_secs(9)))?;
//! let mut connection = Connection::new(Timestamp::from_secs(100), socket, config.into());
//! assert_eq!(connection.deadline(), Some(Timestamp::from_secs(109)));
//! connection.handle_timeout(Timestamp::from_nanos(108_999_999_999));
//! assert_eq!(connection.life(), Life::Open);
//! connection.handle_timeout(Timestamp::from_secs(109));
//! assert_eq!(connection.life(), Life::Lingering, "an idle connection is finished gracefully");
//! # Ok::<(), sansock::ConfigError>(())
//! ```
//!
//! # Hostile input
//!
//! Nothing that is handed in makes a machine panic. What is wrong is told apart by whose fault it is:
//!
//! - **The driver completes what is not in flight**, or with an outcome of another kind: [`Machine::complete`] gives a
//!   [`Misuse`], the machine is as it was, and the report counts it.
//! - **The right operation comes to an impossible value**: more bytes sent than were asked for, none at all, more received than
//!   there was room for. The operation counts as completed, and the connection ends with [`CloseReason::TransportFault`]. Values
//!   are compared before they are used in any arithmetic.
//! - **The application calls out of turn**: a connection may end between two calls without its doing, so a call that comes too
//!   late does nothing, and a send that comes too late gives the data back ([`Unsent`]).
//! - **The peer or the system fails**: a [`Fault`], see below. It ends at most one connection.
//!
//! # Endings
//!
//! Each connection has exactly one last event, [`ConnectionEvent::Closed`], with a [`CloseReport`]: an application must be able
//! to tell whether a connection was closed normally or aborted (RFC 9293, section 3.6, MUST-12). There are three calls to end
//! one, and three [`Ending`]s:
//!
//! | call | what is done | the best that can come of it |
//! | --- | --- | --- |
//! | [`finish`](Stream::finish) | send the queue, then our FIN; read and drop until the peer's FIN; close | [`Confirmed`](Ending::Confirmed) |
//! | [`close_after_flush`](Stream::close_after_flush) | send the queue, then our FIN; close | [`Confirmed`](Ending::Confirmed) if the peer's FIN was there before, else [`Unconfirmed`](Ending::Unconfirmed) |
//! | [`abort`](Stream::abort) | close with a reset | [`Aborted`](Ending::Aborted) |
//!
//! `finish` reads on after its FIN because a system that closes a socket with unread data resets the connection (RFC 9293,
//! section 3.6.1, SHLD-3; RFC 1122, section 4.2.2.13), and the reset can overtake and destroy what was sent just before. The
//! peer's FIN alone ends nothing: the two directions end separately (RFC 9293, section 3.6.1), [`half_close`](Stream::half_close)
//! ends ours, and a connection that both sides have ended closes by itself.
//!
//! Every state that waits for the peer on the way out has a deadline. One for the whole ending is set by the call that begins it
//! and covers the flush; the gap between two receives and the bytes that are drained are limited too
//! ([`ConnectionConfig::closing`]); a drain's deadline wins if it is earlier. An ending overrides a pause. [`CloseReport`] says
//! why the connection began to end, what cut the ending short, the bytes each way, and exactly how many were never taken by the
//! transport.
//!
//! # Faults
//!
//! A transport turns each error of the system into a [`FaultKind`]. What follows is decided here, once: nothing that happens to
//! one connection ends a listener, and an error that nobody has listed takes the careful arm.
//!
//! ```
//! use sansock::{AcceptClass, FaultKind, TransferClass};
//!
//! // One connection was gone before it was accepted: accept the next one at once.
//! assert_eq!(FaultKind::ConnectionAborted.accept_class(), AcceptClass::Transient);
//! // Something has run out, or nobody knows: wait longer after each failure, for ever.
//! assert_eq!(FaultKind::DescriptorLimit.accept_class(), AcceptClass::Exhausted);
//! assert_eq!(FaultKind::Other.accept_class(), AcceptClass::Exhausted);
//! // The socket is no listener any more.
//! assert_eq!(FaultKind::NotASocket.accept_class(), AcceptClass::Lost);
//! // A receive or send is tried again only if this host had run out of something.
//! assert_eq!(FaultKind::NoBuffers.transfer_class(), TransferClass::Exhausted);
//! assert_eq!(FaultKind::ConnectionReset.transfer_class(), TransferClass::Final);
//! ```
//!
//! A listener that backs off is woken early when a connection of its server is gone, since that may have freed what had run out.
//! Sixteen transient faults in a row count as one exhausted, so that a system where every accept fails is not asked in a loop. A
//! connect that led back to its own socket (RFC 9293, section 3.5, simultaneous open) is a fault, and the same address is tried
//! again ([`DialerConfig::retries`]).
//!
//! # Memory
//!
//! What is received stays in the memory that the transport chose when it completed the operation, so an idle connection needs no
//! buffer. A connection holds at most one receive's worth that was not delivered.
//!
//! The send queue never holds more than its high watermark ([`ConnectionConfig::send_queue`]). The first [`MAX_CHUNKS`] pieces
//! stay as they were handed over; pieces below 2 KiB behind them are copied together into blocks of 4 KiB, so that a backlog of
//! small slices cannot keep the large buffers alive from which they were cut. A [`SendOp`] shares what it sends until it is
//! completed.
//!
//! # Determinism
//!
//! The same calls in the same order give the same outputs, on every platform: there is no clock, no randomness, no hash map and
//! no address behind them. Every machine but a [`Node`] is `Clone` (if the handler and its messages are), and a clone goes on as
//! the original does.
//!
//! # Canonical encoding
//!
//! [`Canonical::canonical`] writes what decides how a machine behaves from now on, and leaves out what is only counted: names,
//! stamps, byte counters, and when things happened (deadlines are relative to `now`). Two machines that behave alike encode
//! alike, whatever their past, so the reachable states of a machine can be enumerated.
//!
//! ```
//! # use bytes::Bytes;
//! # use sansock::{Canonical, Connection, ConnectionConfig, ConnectionEvent, Machine, Op, Output, SocketId, Timestamp};
//! # let encode = |connection: &Connection, now| {
//! #     let mut out = Vec::new();
//! #     connection.canonical(now, &mut out);
//! #     out
//! # };
//! let (early, late) = (Timestamp::from_secs(1), Timestamp::from_secs(1000));
//! let [old, new] = [SocketId::new(0, 0).unwrap(), SocketId::new(7, 3).unwrap()];
//! let mut old = Connection::new(early, old, ConnectionConfig::default().into());
//! let Some(Output::Submit(Op::Recv(recv))) = old.poll() else { unreachable!() };
//! old.complete(late, recv.data(Bytes::from_static(b"a long history"))).unwrap();
//! assert!(matches!(old.poll(), Some(Output::Event(ConnectionEvent::Data(_)))));
//!
//! let new = Connection::new(late, new, ConnectionConfig::default().into());
//! assert_eq!(encode(&old, late), encode(&new, late));
//! ```

#[allow(unused_imports, reason = "for the links above")]
use crate::*;
