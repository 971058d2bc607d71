//! What an application can do with a connection.

use core::fmt;

use bytes::Bytes;

use crate::{CloseReason, Timestamp};

/// A connection as its application sees it.
///
/// [`Connection`](crate::Connection) implements it, and so does a layer (TLS, framing) for the handler inside it. Every call is
/// legal at every time: a connection may end between two calls without the application's doing, so a call that comes too late does
/// nothing, and a send that comes too late gives its data back. After [`finish`](Stream::finish),
/// [`close_after_flush`](Stream::close_after_flush) or [`abort`](Stream::abort) nothing more is delivered but the end, even if the call
/// came too late to make a difference to that.
pub trait Stream {
    /// Queues `data`, as much of it as there is [`room`](Stream::room) for. Empty data does nothing.
    ///
    /// # Errors
    /// [`Unsent`] holds what was not taken: the queue is full, or sending has ended. Whenever the queue has been full, also if this call
    /// just filled it, the application is told once it has fallen to its low watermark.
    fn send(&mut self, now: Timestamp, data: Bytes) -> Result<(), Unsent>;

    /// How many bytes [`send`](Stream::send) would take now. Zero once sending has ended.
    fn room(&self) -> usize;

    /// Stops receiving until [`resume`](Stream::resume): neither data nor the peer's end is delivered. At most one receive's worth is
    /// held back. A pause has a time-out of its own. It keeps nothing from ending the connection; what it holds back then is never
    /// delivered, and reported as undelivered.
    fn pause(&mut self, now: Timestamp);

    /// Receives again.
    fn resume(&mut self, now: Timestamp);

    /// Ends our direction: our FIN follows what is queued. Receiving goes on; once the peer has ended its direction too, and no pause
    /// keeps that from being delivered, the connection closes. A second call does nothing.
    fn half_close(&mut self, now: Timestamp);

    /// Ends the connection gracefully: sends what is queued, then our FIN, reads and drops what still comes until the peer's EOF, then
    /// closes. All of it within the closing limits.
    fn finish(&mut self, now: Timestamp);

    /// Ends the connection once everything was sent, without waiting for the peer's EOF; what comes until then is read and dropped.
    /// Whether the last bytes arrive is not known: if the peer still sends, its system may drop them when the reset comes. Prefer
    /// [`finish`](Stream::finish). After `finish`, it ends the waiting for the peer.
    fn close_after_flush(&mut self, now: Timestamp);

    /// Ends the connection at once, for this reason: the peer sees a reset, what is queued is lost. Also ends a graceful ending that is
    /// under way; makes no difference once both sides have finished.
    fn abort_with(&mut self, now: Timestamp, reason: CloseReason);

    /// [`abort_with`](Stream::abort_with) for [`CloseReason::Aborted`].
    fn abort(&mut self, now: Timestamp) {
        self.abort_with(now, CloseReason::Aborted);
    }
}

/// Data that [`Stream::send`] did not take. Nothing is lost: here it is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Unsent {
    /// The end of the data, from the first byte that was not taken.
    pub data: Bytes,
    /// Why it was not taken.
    pub reason: UnsentReason,
}

/// Why [`Stream::send`] did not take everything.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum UnsentReason {
    /// The send queue is full. Keep the data, pause receiving if it causes more, and go on when told that the queue is writable.
    Full,
    /// Sending has ended: by the application's own call, or because the connection has.
    Ended,
}

impl fmt::Display for Unsent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = self.data.len();
        match self.reason {
            UnsentReason::Full => {
                write!(f, "the send queue is full, {bytes} bytes were not taken: send them when it is writable again")
            }
            UnsentReason::Ended => write!(f, "sending has ended, {bytes} bytes were not taken"),
        }
    }
}

impl core::error::Error for Unsent {}
