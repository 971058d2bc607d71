//! What a handler can do.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use core::time::Duration;

use bytes::Bytes;

use crate::peer::KeptPeer;
use crate::{CloseReason, Peer, SocketId, Stream, Timestamp, Unsent};

/// A handler's access to its connection, for the time of one callback.
pub struct Context<'a, M> {
    stream: &'a mut (dyn Stream + 'a),
    scope: Scope<'a, M>,
}

/// What a [`Context`] has beside its stream: time, timers, messages, the peer. A layer hands it on.
pub struct Scope<'a, M> {
    pub(crate) now: Timestamp,
    pub(crate) socket: SocketId,
    pub(crate) peer: &'a KeptPeer,
    pub(crate) timers: &'a mut SessionTimers,
    pub(crate) mail: &'a mut Mail<M>,
    /// How many messages may wait in it.
    pub(crate) mailbox: usize,
}

impl<'a, M> Context<'a, M> {
    /// A context over another stream: what a layer gives to the handler inside it.
    pub fn new(stream: &'a mut (dyn Stream + 'a), scope: Scope<'a, M>) -> Self {
        Self { stream, scope }
    }

    /// The stream, and all the rest, for a layer: it makes a stream of its own from the first and a [`Context`] from both. The
    /// [guide](crate::guide::layers) has an example.
    pub fn parts(&mut self) -> (&mut dyn Stream, Scope<'_, M>) {
        let Self { stream, scope } = self;
        let scope = Scope { timers: &mut *scope.timers, mail: &mut *scope.mail, ..*scope };
        (&mut **stream, scope)
    }

    /// Queues `data`; see [`Stream::send`].
    ///
    /// # Errors
    /// [`Unsent`] holds what was not taken.
    pub fn send(&mut self, data: impl Into<Bytes>) -> Result<(), Unsent> {
        self.stream.send(self.scope.now, data.into())
    }

    /// How many bytes [`send`](Context::send) would take now.
    #[must_use]
    pub fn room(&self) -> usize {
        self.stream.room()
    }

    /// Stops receiving; see [`Stream::pause`].
    pub fn pause(&mut self) {
        self.stream.pause(self.scope.now);
    }

    /// Receives again; see [`Stream::resume`].
    pub fn resume(&mut self) {
        self.stream.resume(self.scope.now);
    }

    /// Ends our direction; see [`Stream::half_close`].
    pub fn half_close(&mut self) {
        self.stream.half_close(self.scope.now);
    }

    /// Ends the connection gracefully; see [`Stream::finish`].
    pub fn finish(&mut self) {
        self.stream.finish(self.scope.now);
    }

    /// Ends the connection once everything was sent; see [`Stream::close_after_flush`].
    pub fn close_after_flush(&mut self) {
        self.stream.close_after_flush(self.scope.now);
    }

    /// Ends the connection at once, with a reset.
    pub fn abort(&mut self) {
        self.stream.abort(self.scope.now);
    }

    /// Ends the connection at once because this handler cannot go on: [`CloseReason::HandlerFailed`].
    pub fn fail(&mut self) {
        self.stream.abort_with(self.scope.now, CloseReason::HandlerFailed);
    }

    /// Sets a timer, in place of what it was set to before. It fires once. With a span of zero it is due at once and fires in the
    /// driver's next `handle_timeout`; one that is too long to be counted never fires.
    pub fn set_timer(&mut self, timer: TimerId, after: Duration) {
        self.scope.timers.set(timer, self.scope.now + after);
    }

    /// Clears a timer; it will not fire, even if it is due already.
    pub fn clear_timer(&mut self, timer: TimerId) {
        self.scope.timers.set(timer, Timestamp::NEVER);
    }

    /// Posts a message to another connection of the same server, client or node. It is delivered after this callback; if that
    /// connection is gone by then, or its mailbox is full, it comes back to
    /// [`Handler::on_undelivered`](crate::Handler::on_undelivered).
    ///
    /// # Errors
    /// As many messages of this connection as its mailbox may hold ([`ConnectionConfig::mailbox`](crate::ConnectionConfig::mailbox)) wait
    /// to be taken away already: the message comes back at once.
    pub fn post(&mut self, to: SocketId, message: M) -> Result<(), M> {
        self.scope.mail.push(to, message, self.scope.mailbox)
    }

    /// The other end.
    #[must_use]
    pub fn peer(&self) -> Peer {
        self.scope.peer.get()
    }

    /// The name of this connection: what others post to.
    #[must_use]
    pub fn socket(&self) -> SocketId {
        self.scope.socket
    }

    /// The time.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.scope.now
    }
}

/// One of a handler's timers. There are four, so that what a connection can cost is known.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum TimerId {
    /// The first.
    A,
    /// The second.
    B,
    /// The third.
    C,
    /// The fourth.
    D,
}

impl TimerId {
    /// All of them, in the order in which they fire when due at the same time.
    pub const ALL: [Self; 4] = [Self::A, Self::B, Self::C, Self::D];

    /// Which of these is meant.
    fn of<T>(self, a: T, b: T, c: T, d: T) -> T {
        match self {
            Self::A => a,
            Self::B => b,
            Self::C => c,
            Self::D => d,
        }
    }
}

/// When a handler's timers are due. Most handlers set none, so those that do have them in a place of their own.
#[derive(Clone, Debug, Default)]
pub(crate) struct SessionTimers(Option<Box<[Timestamp; 4]>>);

impl SessionTimers {
    pub(crate) fn at(&self, timer: TimerId) -> Timestamp {
        let [a, b, c, d] = self.0.as_deref().unwrap_or(&[Timestamp::NEVER; 4]);
        *timer.of(a, b, c, d)
    }

    pub(crate) fn set(&mut self, timer: TimerId, at: Timestamp) {
        if self.0.is_none() && at == Timestamp::NEVER {
            return;
        }
        let [a, b, c, d] = &mut **self.0.get_or_insert_with(|| Box::new([Timestamp::NEVER; 4]));
        *timer.of(a, b, c, d) = at;
    }

    #[inline]
    pub(crate) fn earliest(&self) -> Timestamp {
        match &self.0 {
            None => Timestamp::NEVER,
            Some(timers) => timers.iter().copied().min().unwrap_or(Timestamp::NEVER),
        }
    }
}

/// Messages on their way out of a session. Most handlers post none, so those that do have them in a place of their own.
#[derive(Clone, Debug)]
pub(crate) struct Mail<M>(Option<Box<Posts<M>>>);

#[derive(Clone, Debug)]
struct Posts<M>(VecDeque<(SocketId, M)>);

impl<M> Mail<M> {
    pub(crate) const NONE: Self = Self(None);

    pub(crate) fn pop(&mut self) -> Option<(SocketId, M)> {
        self.0.as_mut()?.0.pop_front()
    }

    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.0.as_ref().map_or(0, |posts| posts.0.len())
    }

    fn push(&mut self, to: SocketId, message: M, limit: usize) -> Result<(), M> {
        let Posts(posts) = &mut **self.0.get_or_insert_with(|| Box::new(Posts(VecDeque::new())));
        if posts.len() >= limit {
            return Err(message);
        }
        posts.push_back((to, message));
        Ok(())
    }
}
