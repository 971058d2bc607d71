//! How to drive a machine from an event loop of your own.
//!
//! # The loop
//!
//! It is the same for every machine:
//!
//! 1. [`poll`](Machine::poll) until `None`; act on each event, start each operation.
//! 2. Wait until an operation has finished or [`deadline`](Machine::deadline) has come.
//! 3. Hand in what has finished with [`complete`](Machine::complete). Then, if the deadline is due, call
//!    [`handle_timeout`](Machine::handle_timeout). Go to 1.
//!
//! An operation that finishes at once may be completed at once, between two polls.
//!
//! [`Node`] is the machine for a loop on one thread: servers, clients and all their sessions as one value. Here it serves one
//! connection of a transport that stands in a few lines; over real sockets, `start` would make the system calls and keep what
//! would block, as `Sockets` of the crate `sansock-system` does. All but the poller of a loop over real sockets is there too: `Reactor` where a
//! poller says that a socket is ready (epoll, kqueue, `poll`), `Proactor` where the kernel carries operations out (io_uring, completion ports).
//!
//! ```
//! use bytes::Bytes;
//! use core::net::SocketAddr;
//! use sansock::{
//!     AcceptOp, Completion, Connected, Context, FaultKind, Handler, Machine, Node, NodeEvent, Op,
//!     Output, Peer, RefusedOptions, ServerConfig, Timestamp, Verdict,
//! };
//!
//! /// Sends back what it receives. Once the peer has finished, so does it, by default.
//! struct Echo;
//!
//! impl Handler for Echo {
//!     type Message = core::convert::Infallible;
//!     fn on_data(&mut self, cx: &mut Context<'_, Self::Message>, data: Bytes) {
//!         cx.send(data).expect("five bytes fit");
//!     }
//! }
//!
//! /// One peer that says hello and finishes; after it nobody comes.
//! #[derive(Default)]
//! struct Transport {
//!     accepted: bool,
//!     said: bool,
//!     heard: Vec<u8>,
//!     waiting: Option<AcceptOp>,
//! }
//!
//! impl Transport {
//!     /// Starts an operation. `Some` is a completion, `None` means that it waits.
//!     fn start(&mut self, op: Op) -> Option<Completion> {
//!         Some(match op {
//!             Op::Startup(op) => op.done(),
//!             Op::Create(op) => op.created(RefusedOptions::NONE),
//!             Op::Bind(op) => op.bound(None),
//!             Op::Listen(op) => op.listening(None),
//!             Op::Accept(op) if !self.accepted => {
//!                 self.accepted = true;
//!                 op.accepted(Connected::default())
//!             }
//!             Op::Accept(op) if op.wait() => {
//!                 self.waiting = Some(op);
//!                 return None;
//!             }
//!             Op::Accept(op) => op.none(),
//!             Op::Recv(op) if !self.said => {
//!                 self.said = true;
//!                 op.data(Bytes::from_static(b"hello"))
//!             }
//!             Op::Recv(op) => op.eof(),
//!             Op::Send(op) => {
//!                 self.heard.extend(op.chunks().concat());
//!                 let asked = op.asked();
//!                 op.sent(asked)
//!             }
//!             Op::Shutdown(op) => op.done(),
//!             Op::Close(op) => op.done(),
//!             Op::Cancel(_) => self.waiting.take()?.failed(FaultKind::Cancelled.into()),
//!             Op::Cleanup(op) => op.done(),
//!             Op::Connect(op) => op.failed(FaultKind::Unsupported.into()),
//!         })
//!     }
//! }
//!
//! let now = Timestamp::ZERO;
//! let mut transport = Transport::default();
//! let mut node = Node::default();
//! let config = ServerConfig::new(SocketAddr::from(([127, 0, 0, 1], 7)));
//! node.serve(now, config, |_: &Peer| Verdict::Accept(Echo))?;
//! while !node.is_stopped() {
//!     while let Some(output) = node.poll() {
//!         match output {
//!             Output::Submit(op) => {
//!                 if let Some(done) = transport.start(op) {
//!                     node.complete(now, done)?;
//!                 }
//!             }
//!             Output::Event(NodeEvent::Closed { report, .. }) => {
//!                 assert_eq!(report.to_string(), "confirmed: finished; received 5, sent 5");
//!                 node.drain(now, Timestamp::from_secs(10));
//!             }
//!             Output::Event(event) => println!("{event:?}"),
//!         }
//!     }
//!     // Here a real loop waits for its sockets until `node.deadline()`, hands in what has
//!     // finished, and calls `handle_timeout`.
//! }
//! assert_eq!(transport.heard, b"hello");
//! # Ok::<(), sansock::Misuse>(())
//! ```
//!
//! # Sessions in threads or tasks of their own
//!
//! A [`Server`] or [`Client`] without a node hands each connection out as a value and goes on without it:
//!
//! - [`ServerEvent::Opened`] carries a [`Session`]. Whoever is to own it drives it as a machine of its own, and calls
//!   [`Session::open`] first. From then on its operations come from the session, under names of the server's slot range; the
//!   socket goes with it.
//! - [`ServerEvent::Order`] is for a session that is out: pass it on to [`Session::order`].
//! - [`SessionEvent::Post`] is a message for another session: pass it on to [`Session::deliver`] there, through a bounded queue,
//!   or give it back with [`Session::undelivered`].
//! - [`SessionEvent::Closed`] is the session's last event: call [`Server::gone`] with its report. Until then the connection
//!   counts against the limit and a drain waits for it. An owner that is lost, panics or gives up reports [`CloseReport::LOST`],
//!   after it has closed the socket.
//!
//! The crate `sansock-blocking` does this with a thread per connection.
//!
//! # Mistakes to avoid
//!
//! - **A deadline that is read once.** Any call may move it, and often brings it forward. Read it each time before waiting.
//! - **Lost wake-ups.** An edge-triggered poller reports a change once, whether or not anybody waits for it then: keep what it said until a
//!   try would block. What other threads and signal handlers have to say must end the wait, or it is heard after the next message.
//! - **Time-outs before completions.** A peer that answered in time would be timed out because the loop was late.
//! - **Watching sockets that nobody waits for.** A level-triggered poller reports a hang-up on such a socket for ever. Watch a
//!   socket only while an operation waits for it, or tell the machine with [`Machine::broken`].
//! - **Closing early.** `Close` is a join: it comes when nothing else of the socket is in flight. A descriptor is closed by it and nothing
//!   else, and the poller forgets it before that.
//! - **A cancel that is ignored.** The operation that it names is completed promptly; the close waits for it.
//! - **Dropped tokens.** An operation that is kept nowhere is never completed.
//! - **Errors that are passed on as they are.** "Interrupted" and "would block" are no faults: the first is tried again, the
//!   second means that the operation waits. Everything else is a [`FaultKind`].
//! - **One connection that keeps the loop busy.** A peer that always has more to say is always ready. Look at the clock and at
//!   the other sockets after a bounded number of outputs; a node already gives its sessions turns.

#[allow(unused_imports, reason = "for the links above")]
use crate::*;
