//! How to put something between a connection and an application.
//!
//! Encryption, framing, a proxy's header: a layer is a [`Handler`] that contains a handler. It sees what the connection does, and
//! gives the handler inside it a [`Context`] over a [`Stream`] of its own. The core needs nothing new for it, and layers nest.
//!
//! Two rules:
//!
//! - **Every callback is passed on**, through the layer's own stream. One that is not gets the default of the trait, and the
//!   handler inside never hears of it.
//! - **What a layer changes, it gives back as it was**: [`Unsent`] holds the application's bytes, not the layer's.
//!
//! ```
//! use bytes::Bytes;
//! # use sansock::{CloseReason, SocketId, TimerId};
//! use sansock::{CloseReport, Context, Handler, Stream, Timestamp, Unsent};
//!
//! /// Inverts every bit, both ways.
//! struct Inverted<H>(H);
//!
//! /// The connection, as the handler inside sees it.
//! struct Inverting<'a>(&'a mut dyn Stream);
//!
//! fn invert(data: &[u8]) -> Bytes {
//!     data.iter().map(|byte| !byte).collect()
//! }
//!
//! impl Stream for Inverting<'_> {
//!     fn send(&mut self, now: Timestamp, data: Bytes) -> Result<(), Unsent> {
//!         let sent = self.0.send(now, invert(&data));
//!         sent.map_err(|rest| Unsent { data: invert(&rest.data), ..rest })
//!     }
//!
//!     // A layer that says goodbye to its peer does so here, before it passes the call on.
//!     fn finish(&mut self, now: Timestamp) {
//!         self.0.finish(now);
//!     }
//!
//!     // The rest goes straight through.
//!     fn room(&self) -> usize {
//!         self.0.room()
//!     }
//!     # fn pause(&mut self, now: Timestamp) { self.0.pause(now) }
//!     # fn resume(&mut self, now: Timestamp) { self.0.resume(now) }
//!     # fn half_close(&mut self, now: Timestamp) { self.0.half_close(now) }
//!     # fn close_after_flush(&mut self, now: Timestamp) { self.0.close_after_flush(now) }
//!     # fn abort_with(&mut self, now: Timestamp, reason: CloseReason) { self.0.abort_with(now, reason) }
//! }
//!
//! impl<H: Handler> Inverted<H> {
//!     /// Calls the handler inside with a context over the layer's stream.
//!     fn inside(
//!         &mut self,
//!         cx: &mut Context<'_, H::Message>,
//!         call: impl FnOnce(&mut H, &mut Context<'_, H::Message>),
//!     ) {
//!         let (stream, scope) = cx.parts();
//!         call(&mut self.0, &mut Context::new(&mut Inverting(stream), scope));
//!     }
//! }
//!
//! impl<H: Handler> Handler for Inverted<H> {
//!     type Message = H::Message;
//!
//!     fn on_data(&mut self, cx: &mut Context<'_, H::Message>, data: Bytes) {
//!         self.inside(cx, |handler, cx| handler.on_data(cx, invert(&data)));
//!     }
//!
//!     fn on_open(&mut self, cx: &mut Context<'_, H::Message>) {
//!         self.inside(cx, |handler, cx| handler.on_open(cx));
//!     }
//!     // And so on_peer_finished, on_writable, on_timer, on_message, on_undelivered, on_draining.
//!     # fn on_peer_finished(&mut self, cx: &mut Context<'_, H::Message>) { self.inside(cx, |handler, cx| handler.on_peer_finished(cx)) }
//!     # fn on_writable(&mut self, cx: &mut Context<'_, H::Message>) { self.inside(cx, |handler, cx| handler.on_writable(cx)) }
//!     # fn on_timer(&mut self, cx: &mut Context<'_, H::Message>, timer: TimerId) { self.inside(cx, |handler, cx| handler.on_timer(cx, timer)) }
//!     # fn on_message(&mut self, cx: &mut Context<'_, H::Message>, message: H::Message) { self.inside(cx, |handler, cx| handler.on_message(cx, message)) }
//!     # fn on_undelivered(&mut self, cx: &mut Context<'_, H::Message>, to: SocketId, message: H::Message) { self.inside(cx, |handler, cx| handler.on_undelivered(cx, to, message)) }
//!     # fn on_draining(&mut self, cx: &mut Context<'_, H::Message>) { self.inside(cx, |handler, cx| handler.on_draining(cx)) }
//!
//!     fn on_closed(&mut self, report: &CloseReport) {
//!         self.0.on_closed(report);
//!     }
//! }
//! # // What comes in as ones goes in as zeros, and the other way round.
//! # struct Echo;
//! # impl Handler for Echo {
//! #     type Message = core::convert::Infallible;
//! #     fn on_data(&mut self, cx: &mut Context<'_, Self::Message>, data: Bytes) {
//! #         assert_eq!(data, [0, 0, 0][..]);
//! #         assert_eq!(cx.send(data).unwrap_err().data, [0][..]);
//! #     }
//! # }
//! # use sansock::{ConnectionConfig, Machine, Op, Origin, Output, Peer, Session};
//! # let now = Timestamp::ZERO;
//! # let peer = Peer { address: None, local: None, origin: Origin::Accepted { listener: 0 } };
//! # let config = ConnectionConfig::default().send_queue(1, 2).unwrap();
//! # let mut session = Session::new(now, SocketId::new(0, 0).unwrap(), peer, config.into(), Inverted(Echo));
//! # session.open(now);
//! # let Some(Output::Submit(Op::Recv(recv))) = session.poll() else { unreachable!() };
//! # session.complete(now, recv.data(Bytes::from_static(&[255, 255, 255]))).unwrap();
//! # let Some(Output::Submit(Op::Send(send))) = session.poll() else { unreachable!() };
//! # assert_eq!(send.chunks().concat(), [255, 255]);
//! ```
//!
//! A layer that needs time (a handshake) holds the application's data back in a bounded queue of its own and reports a `room` of
//! zero meanwhile; [`Context::fail`] ends the connection if the handshake fails. It may use some of the four timers, and the
//! handler inside the others.

#[allow(unused_imports, reason = "for the links above")]
use crate::*;
