//! How to write an application.
//!
//! A [`Handler`] is the application's side of one connection, a [`Service`] makes one for each connection that is accepted or
//! dialled. Neither sees a socket, and the same handler runs on every transport. A handler never blocks: what it wants done it
//! says to its [`Context`], and the callback returns.
//!
//! # Callbacks
//!
//! | callback | when | by default |
//! | --- | --- | --- |
//! | [`on_open`](Handler::on_open) | once, first | nothing |
//! | [`on_data`](Handler::on_data) | bytes came, cut anywhere: a message may come in pieces, and two in one piece | has to be written |
//! | [`on_peer_finished`](Handler::on_peer_finished) | the peer will send no more, but may still read | [`finish`](Context::finish) |
//! | [`on_writable`](Handler::on_writable) | the send queue had been full and has fallen to its low watermark | nothing |
//! | [`on_timer`](Handler::on_timer) | a timer set with [`set_timer`](Context::set_timer) is due | nothing |
//! | [`on_message`](Handler::on_message) | somebody posted a message | nothing |
//! | [`on_undelivered`](Handler::on_undelivered) | a message of this handler comes back: nobody is there, or a mailbox is full | drops it |
//! | [`on_draining`](Handler::on_draining) | the server or client is draining | [`finish`](Context::finish) |
//! | [`on_closed`](Handler::on_closed) | once, last: the socket is gone | nothing |
//!
//! No callback is entered from within another. After the handler has ended the connection no more data comes.
//!
//! # Back-pressure
//!
//! [`Context::send`] takes what fits under the high watermark and gives the rest back. A handler that produces because it
//! receives then stops receiving, and the peer, whose window closes, stops sending:
//!
//! ```
//! use bytes::Bytes;
//! use core::convert::Infallible;
//! use sansock::{Context, Handler};
//!
//! /// Sends back what it receives, and never holds more than one receive.
//! #[derive(Default)]
//! struct Echo {
//!     held: Bytes,
//! }
//!
//! impl Echo {
//!     fn forward(&mut self, cx: &mut Context<'_, Infallible>, data: Bytes) {
//!         match cx.send(data) {
//!             Ok(()) => cx.resume(),
//!             Err(unsent) => {
//!                 self.held = unsent.data;
//!                 cx.pause();
//!             }
//!         }
//!     }
//! }
//!
//! impl Handler for Echo {
//!     type Message = Infallible;
//!
//!     fn on_data(&mut self, cx: &mut Context<'_, Infallible>, data: Bytes) {
//!         self.forward(cx, data);
//!     }
//!
//!     fn on_writable(&mut self, cx: &mut Context<'_, Infallible>) {
//!         let held = core::mem::take(&mut self.held);
//!         self.forward(cx, held);
//!     }
//! }
//! # // A queue of four bytes and a peer that takes them two at a time.
//! # use sansock::{ConnectionConfig, Ending, Machine, Op, Origin, Output, Peer, Session, SessionEvent, SocketId, Timestamp};
//! # let now = Timestamp::ZERO;
//! # let config = ConnectionConfig::default().send_queue(1, 4).unwrap();
//! # let peer = Peer { address: None, local: None, origin: Origin::Accepted { listener: 0 } };
//! # let mut session = Session::new(now, SocketId::new(0, 0).unwrap(), peer, config.into(), Echo::default());
//! # session.open(now);
//! # let (mut incoming, mut echoed) = (Some(Bytes::from_static(b"twelve bytes")), Vec::new());
//! # let report = loop {
//! #     let done = match session.poll().expect("nothing waits") {
//! #         Output::Event(SessionEvent::Closed(report)) => break report,
//! #         Output::Event(_) => continue,
//! #         Output::Submit(Op::Recv(op)) => match incoming.take() { Some(data) => op.data(data), None => op.eof() },
//! #         Output::Submit(Op::Send(op)) => {
//! #             let count = op.asked().min(2);
//! #             echoed.extend_from_slice(&op.chunks().concat()[..count]);
//! #             op.sent(count)
//! #         }
//! #         Output::Submit(Op::Shutdown(op)) => op.done(),
//! #         Output::Submit(Op::Close(op)) => op.done(),
//! #         Output::Submit(op) => unreachable!("{op:?}"),
//! #     };
//! #     session.complete(now, done).unwrap();
//! # };
//! # assert_eq!((echoed, report.ending), (b"twelve bytes".to_vec(), Ending::Confirmed));
//! ```
//!
//! A pause is bounded ([`ConnectionConfig::paused`]), and while it lasts neither data nor the peer's end is delivered.
//! [`Context::room`] says how much `send` would take.
//!
//! # A client
//!
//! The same trait serves a client. Its service makes the handler once the connection is there, so what a client wants to say
//! first, it says in `on_open`. The exchange of the Winsock tutorial: send, end our direction, receive until the peer has ended
//! its own.
//!
//! ```
//! use bytes::Bytes;
//! use core::convert::Infallible;
//! use sansock::{CloseReport, Context, Ending, Handler};
//!
//! #[derive(Default)]
//! struct Exchange {
//!     reply: Vec<u8>,
//! }
//!
//! impl Handler for Exchange {
//!     type Message = Infallible;
//!
//!     fn on_open(&mut self, cx: &mut Context<'_, Infallible>) {
//!         // What does not fit comes back, for `on_writable`; an empty queue takes this.
//!         if cx.send("this is a test").is_err() {
//!             return cx.fail();
//!         }
//!         cx.half_close();
//!     }
//!
//!     fn on_data(&mut self, _: &mut Context<'_, Infallible>, data: Bytes) {
//!         self.reply.extend_from_slice(&data);
//!     }
//!
//!     fn on_closed(&mut self, report: &CloseReport) {
//!         if report.ending != Ending::Confirmed {
//!             eprintln!("the reply may be incomplete: {report}");
//!         }
//!     }
//! }
//! # // By hand: the request goes out before anything is received.
//! # use sansock::{ConnectionConfig, Machine, Op, Origin, Output, Peer, Session, SessionEvent, SocketId, Timestamp};
//! # let now = Timestamp::ZERO;
//! # let peer = Peer { address: None, local: None, origin: Origin::Dialled { address: 0 } };
//! # let config = ConnectionConfig::default().into();
//! # let mut session = Session::new(now, SocketId::new(0, 0).unwrap(), peer, config, Exchange::default());
//! # session.open(now);
//! # let mut incoming = Some(Bytes::from_static(b"so it is"));
//! # let report = loop {
//! #     let done = match session.poll().expect("nothing waits") {
//! #         Output::Event(SessionEvent::Closed(report)) => break report,
//! #         Output::Event(_) => continue,
//! #         Output::Submit(Op::Recv(op)) => match incoming.take() { Some(data) => op.data(data), None => op.eof() },
//! #         Output::Submit(Op::Send(op)) => { let count = op.asked(); op.sent(count) }
//! #         Output::Submit(Op::Shutdown(op)) => op.done(),
//! #         Output::Submit(Op::Close(op)) => op.done(),
//! #         Output::Submit(op) => unreachable!("{op:?}"),
//! #     };
//! #     session.complete(now, done).unwrap();
//! # };
//! # assert_eq!((report.ending, report.sent), (Ending::Confirmed, 14));
//! # assert_eq!(session.handler().reply, b"so it is");
//! ```
//!
//! # Timers
//!
//! A handler has four, [`TimerId::A`] to [`TimerId::D`]. Setting one again replaces it; one that was cleared does not fire, even
//! if it was due. They are for the application's own pace (a heartbeat, a request that must be complete by then). A silent,
//! stalled or half-closed peer needs no timer: [`ConnectionConfig`] has a limit for each.
//!
//! # Messages
//!
//! Connections of one server, client or node talk to each other with [`Context::post`], by the name that [`Context::socket`]
//! gives; other threads through the handle of the transport. Mailboxes are bounded, and no message is lost without a word: one
//! that there is no room for comes back at once, one that cannot be delivered comes back to
//! [`on_undelivered`](Handler::on_undelivered).
//!
//! # Draining
//!
//! When the server drains, `on_draining` is called once. By default the connection is finished: what is queued is still sent,
//! what the handler itself holds is not. A handler that holds something or has work to complete does that first and then
//! finishes; at the drain's deadline it is aborted.
//!
//! # When a handler fails
//!
//! [`Context::fail`] resets the connection with [`CloseReason::HandlerFailed`]. A handler that panics costs its own connection
//! only, on the transports of this project; who drives sessions in a loop of their own wraps the service in `CatchPanics` of the
//! crate `sansock-system`.

#[allow(unused_imports, reason = "for the links above")]
use crate::*;
