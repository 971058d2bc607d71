//! What an application writes.

use alloc::boxed::Box;

use bytes::Bytes;

use crate::{CloseReport, Context, Peer, SocketId, TimerId};

/// The application's side of one connection.
///
/// A handler never blocks and never sees a socket; the same handler, unchanged, runs on every transport. What it wants done it
/// says to the [`Context`]; that is queued and carried out after it returns, so no callback is ever entered from within another.
///
/// Callbacks come in this order: `on_open` once; then data, messages, timers as they happen; `on_closed` once, last.
/// After the handler has ended the connection (`finish`, `close_after_flush`, `abort`) no more data comes.
///
/// **A layer is a handler that contains a handler**: it gives the inner one a [`Context`] made of a
/// [`Stream`](crate::Stream) of its own and the [`Scope`](crate::Scope) of the outer one. See [the guide](crate::guide::layers).
#[allow(unused_variables, reason = "by default most callbacks do nothing; the names are for whoever writes one")]
pub trait Handler {
    /// What other connections and threads can tell this one; [`core::convert::Infallible`] if nothing.
    type Message: Send;

    /// The connection is there.
    fn on_open(&mut self, cx: &mut Context<'_, Self::Message>) {}

    /// The peer sent these bytes: any number of them, cut anywhere.
    fn on_data(&mut self, cx: &mut Context<'_, Self::Message>, data: Bytes);

    /// The peer has finished sending. It may still read: an answer may follow. By default the connection is finished.
    fn on_peer_finished(&mut self, cx: &mut Context<'_, Self::Message>) {
        cx.finish();
    }

    /// The send queue, which had been full (whether or not it had to refuse something), has fallen to its low watermark.
    fn on_writable(&mut self, cx: &mut Context<'_, Self::Message>) {}

    /// A timer that this handler set is due.
    fn on_timer(&mut self, cx: &mut Context<'_, Self::Message>, timer: TimerId) {}

    /// Another connection, or another thread, posted this message.
    fn on_message(&mut self, cx: &mut Context<'_, Self::Message>, message: Self::Message) {}

    /// A message that this handler posted comes back: there is no such connection any more, or its mailbox is full. By default it is
    /// dropped. A handler that posts it again at once to a connection that is gone never comes to an end of it.
    fn on_undelivered(&mut self, cx: &mut Context<'_, Self::Message>, to: SocketId, message: Self::Message) {}

    /// The server or client is draining. By default the connection is finished. A handler that goes on is aborted at the drain's
    /// deadline.
    fn on_draining(&mut self, cx: &mut Context<'_, Self::Message>) {
        cx.finish();
    }

    /// The socket is gone. Nothing comes after this.
    fn on_closed(&mut self, report: &CloseReport) {}
}

/// Handlers of several kinds as one type: `Box<dyn Handler<Message = M>>`. Where every kind is known beforehand, an enum does without the
/// allocation.
impl<H: Handler + ?Sized> Handler for Box<H> {
    type Message = H::Message;

    fn on_open(&mut self, cx: &mut Context<'_, H::Message>) {
        (**self).on_open(cx);
    }

    fn on_data(&mut self, cx: &mut Context<'_, H::Message>, data: Bytes) {
        (**self).on_data(cx, data);
    }

    fn on_peer_finished(&mut self, cx: &mut Context<'_, H::Message>) {
        (**self).on_peer_finished(cx);
    }

    fn on_writable(&mut self, cx: &mut Context<'_, H::Message>) {
        (**self).on_writable(cx);
    }

    fn on_timer(&mut self, cx: &mut Context<'_, H::Message>, timer: TimerId) {
        (**self).on_timer(cx, timer);
    }

    fn on_message(&mut self, cx: &mut Context<'_, H::Message>, message: H::Message) {
        (**self).on_message(cx, message);
    }

    fn on_undelivered(&mut self, cx: &mut Context<'_, H::Message>, to: SocketId, message: H::Message) {
        (**self).on_undelivered(cx, to, message);
    }

    fn on_draining(&mut self, cx: &mut Context<'_, H::Message>) {
        (**self).on_draining(cx);
    }

    fn on_closed(&mut self, report: &CloseReport) {
        (**self).on_closed(report);
    }
}

/// Makes a handler for each new connection: those that a server accepts, and those that a client dialled.
///
/// Every `FnMut(&Peer) -> Verdict<H>` is a service.
pub trait Service {
    /// The handlers it makes.
    type Handler: Handler;

    /// A connection is there: who is to handle it?
    fn accept(&mut self, peer: &Peer) -> Verdict<Self::Handler>;
}

/// What becomes of a new connection.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Verdict<H> {
    /// This handler takes it.
    Accept(H),
    /// Nobody takes it: it is reset at once.
    Reject,
}

impl<F, H> Service for F
where
    F: FnMut(&Peer) -> Verdict<H>,
    H: Handler,
{
    type Handler = H;

    fn accept(&mut self, peer: &Peer) -> Verdict<H> {
        self(peer)
    }
}

#[cfg(test)]
mod tests {
    use alloc::sync::Arc;
    use alloc::vec::Vec;

    use super::*;
    use crate::context::{Mail, Scope, SessionTimers};
    use crate::peer::KeptPeer;
    use crate::{Connection, ConnectionConfig, Origin, Timestamp};

    /// Writes down every callback.
    #[derive(Default)]
    struct Witness(Arc<std::sync::Mutex<Vec<&'static str>>>);

    impl Witness {
        fn saw(&self, callback: &'static str) {
            self.0.lock().unwrap().push(callback);
        }
    }

    impl Handler for Witness {
        type Message = u8;

        fn on_open(&mut self, _: &mut Context<'_, u8>) {
            self.saw("open");
        }

        fn on_data(&mut self, _: &mut Context<'_, u8>, _: Bytes) {
            self.saw("data");
        }

        fn on_peer_finished(&mut self, _: &mut Context<'_, u8>) {
            self.saw("peer finished");
        }

        fn on_writable(&mut self, _: &mut Context<'_, u8>) {
            self.saw("writable");
        }

        fn on_timer(&mut self, _: &mut Context<'_, u8>, _: TimerId) {
            self.saw("timer");
        }

        fn on_message(&mut self, _: &mut Context<'_, u8>, _: u8) {
            self.saw("message");
        }

        fn on_undelivered(&mut self, _: &mut Context<'_, u8>, _: SocketId, _: u8) {
            self.saw("undelivered");
        }

        fn on_draining(&mut self, _: &mut Context<'_, u8>) {
            self.saw("draining");
        }

        fn on_closed(&mut self, _: &CloseReport) {
            self.saw("closed");
        }
    }

    #[test]
    fn a_handler_in_a_box_sees_every_callback() {
        let witness = Witness::default();
        let seen = witness.0.clone();
        let mut boxed: Box<dyn Handler<Message = u8> + Send> = Box::new(witness);
        let socket = SocketId::new(1, 0).unwrap();
        let peer = Peer { address: None, local: None, origin: Origin::Dialled { address: 0 } };
        let (mut timers, mut mail) = (SessionTimers::default(), Mail::NONE);
        let mut connection = Connection::new(Timestamp::ZERO, socket, Arc::new(ConnectionConfig::default()));
        let scope =
            Scope { now: Timestamp::ZERO, socket, peer: &KeptPeer::new(&peer), timers: &mut timers, mail: &mut mail, mailbox: 1 };
        let cx = &mut Context::new(&mut connection, scope);
        boxed.on_open(cx);
        boxed.on_data(cx, Bytes::from_static(b"x"));
        boxed.on_peer_finished(cx);
        boxed.on_writable(cx);
        boxed.on_timer(cx, TimerId::A);
        boxed.on_message(cx, 1);
        boxed.on_undelivered(cx, socket, 1);
        boxed.on_draining(cx);
        boxed.on_closed(&CloseReport::LOST);
        let all = ["open", "data", "peer finished", "writable", "timer", "message", "undelivered", "draining", "closed"];
        assert_eq!(*seen.lock().unwrap(), all);
    }
}
