//! What a handler saw, in a form that can be compared between transports.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use sansock::{CloseReason, CloseReport, Context, Ending, Handler, SocketId, TimerId};
use smol::channel::Sender;

/// One thing that a handler saw.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Seen {
    /// The connection was there.
    Open,
    /// So many bytes, however they were cut, and whether they were the right ones.
    Data {
        /// How many.
        length: usize,
        /// Each was the one that was expected at its place.
        intact: bool,
    },
    /// The peer finished.
    PeerFinished,
    /// The end: which of the three, and why, by class.
    Closed {
        /// Which.
        ending: Ending,
        /// Why.
        reason: &'static str,
    },
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Open => f.write_str("open"),
            Self::Data { length, intact: true } => write!(f, "{length} bytes"),
            Self::Data { length, intact: false } => write!(f, "{length} bytes (wrong)"),
            Self::PeerFinished => f.write_str("end"),
            Self::Closed { ending, .. } => f.write_str(ending.name()),
        }
    }
}

/// All that a handler saw, in order; adjacent data merged, since where a stream is cut is chance.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct History(pub Vec<Seen>);

impl History {
    /// True if the two are the same history. After an abort it is chance how much was delivered before: then the ends must be alike and
    /// the data right.
    #[must_use]
    pub fn same_as(&self, other: &Self) -> bool {
        match (self.0.last(), other.0.last()) {
            (Some(Seen::Closed { ending: Ending::Aborted, .. }), Some(Seen::Closed { ending: Ending::Aborted, .. })) => {
                self.0.last() == other.0.last() && self.is_intact() && other.is_intact()
            }
            _ => self == other,
        }
    }

    /// True if every byte was the right one.
    #[must_use]
    pub fn is_intact(&self) -> bool {
        self.0.iter().all(|seen| !matches!(seen, Seen::Data { intact: false, .. }))
    }

    /// How the connection ended.
    #[must_use]
    pub fn ending(&self) -> Option<Ending> {
        match self.0.last() {
            Some(Seen::Closed { ending, .. }) => Some(*ending),
            _ => None,
        }
    }

    /// The bytes that were delivered.
    #[must_use]
    pub fn delivered(&self) -> usize {
        self.0.iter().map(|seen| if let Seen::Data { length, .. } = seen { *length } else { 0 }).sum()
    }
}

/// `open, 14 bytes, end, confirmed`
impl fmt::Display for History {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = "";
        for seen in &self.0 {
            write!(f, "{separator}{seen}")?;
            separator = ", ";
        }
        Ok(())
    }
}

/// A layer that writes down what the handler inside it sees.
#[derive(Clone, Debug)]
pub struct Recorded<H> {
    inner: H,
    recorder: Recorder,
    expected: Bytes,
    received: usize,
}

impl<H> Recorded<H> {
    /// Writes down what `inner` sees. The peer is expected to send `expected` over and over, as much of it as it likes.
    ///
    /// # Panics
    /// Nothing is expected.
    #[must_use]
    pub fn new(inner: H, recorder: Recorder, expected: Bytes) -> Self {
        assert!(!expected.is_empty(), "something must be expected, to compare with");
        Self { inner, recorder, expected, received: 0 }
    }

    fn is_expected(&self, mut data: &[u8]) -> bool {
        let mut rest = &self.expected[self.received % self.expected.len()..];
        loop {
            let (now, later) = data.split_at(data.len().min(rest.len()));
            if now != &rest[..now.len()] {
                return false;
            }
            if later.is_empty() {
                return true;
            }
            (data, rest) = (later, &self.expected);
        }
    }
}

impl<H: Handler> Handler for Recorded<H> {
    type Message = H::Message;

    fn on_open(&mut self, cx: &mut Context<'_, H::Message>) {
        self.recorder.note(Seen::Open);
        self.inner.on_open(cx);
    }

    fn on_data(&mut self, cx: &mut Context<'_, H::Message>, data: Bytes) {
        self.recorder.note(Seen::Data { length: data.len(), intact: self.is_expected(&data) });
        self.received += data.len();
        self.inner.on_data(cx, data);
    }

    fn on_peer_finished(&mut self, cx: &mut Context<'_, H::Message>) {
        self.recorder.note(Seen::PeerFinished);
        self.inner.on_peer_finished(cx);
    }

    fn on_closed(&mut self, report: &CloseReport) {
        self.recorder.note_end(report);
        self.inner.on_closed(report);
    }

    // What follows is no part of a history: it depends on buffers and on time.

    fn on_writable(&mut self, cx: &mut Context<'_, H::Message>) {
        self.inner.on_writable(cx);
    }

    fn on_timer(&mut self, cx: &mut Context<'_, H::Message>, timer: TimerId) {
        self.inner.on_timer(cx, timer);
    }

    fn on_message(&mut self, cx: &mut Context<'_, H::Message>, message: H::Message) {
        self.inner.on_message(cx, message);
    }

    fn on_undelivered(&mut self, cx: &mut Context<'_, H::Message>, to: SocketId, message: H::Message) {
        self.inner.on_undelivered(cx, to, message);
    }

    fn on_draining(&mut self, cx: &mut Context<'_, H::Message>) {
        self.inner.on_draining(cx);
    }
}

/// A history that a handler writes and a test reads.
#[derive(Clone, Debug, Default)]
pub struct Recorder {
    history: Arc<Mutex<History>>,
    calls: Option<Sender<()>>,
}

impl Recorder {
    /// A recorder whose calls come out at the other end of this channel.
    #[must_use]
    pub fn calling(calls: Sender<()>) -> Self {
        Self { history: Arc::default(), calls: Some(calls) }
    }

    /// The handler calls for its supervisor: see [`Terms::command`](crate::run::Terms::command).
    pub fn call(&self) {
        if let Some(calls) = &self.calls {
            // Who has heard enough is gone.
            let _ = calls.try_send(());
        }
    }

    /// Adds to the history.
    pub fn note(&self, seen: Seen) {
        let mut history = self.history.lock().unwrap_or_else(PoisonError::into_inner);
        if let (Seen::Data { length, intact }, Some(Seen::Data { length: so_far, intact: all })) = (&seen, history.0.last_mut()) {
            *so_far += length;
            *all &= intact;
        } else {
            history.0.push(seen);
        }
    }

    /// Adds the end.
    pub fn note_end(&self, report: &CloseReport) {
        self.note(Seen::Closed { ending: report.ending, reason: class(report.reason) });
    }

    /// The history so far.
    #[must_use]
    pub fn history(&self) -> History {
        self.history.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Which operation a reset hits is chance; what it means is not.
fn class(reason: CloseReason) -> &'static str {
    match reason {
        CloseReason::Finished => "finished",
        CloseReason::ClosedAfterFlush => "closed after flush",
        CloseReason::Aborted => "aborted",
        CloseReason::Ordered => "ordered",
        CloseReason::ReadIdle => "read idle",
        CloseReason::WriteStall => "write stall",
        CloseReason::HalfClosed => "half-closed",
        CloseReason::Paused => "paused",
        CloseReason::HandlerFailed => "handler failed",
        CloseReason::Fault { .. } | CloseReason::Broken(_) => "fault",
        _ => "other",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Deaf;

    impl Handler for Deaf {
        type Message = std::convert::Infallible;

        fn on_data(&mut self, _: &mut Context<'_, Self::Message>, _: Bytes) {}
    }

    #[test]
    fn bytes_are_compared_at_their_place_however_they_are_cut() {
        let recorded = |received| {
            let mut recorded = Recorded::new(Deaf, Recorder::default(), Bytes::from_static(b"abc"));
            recorded.received = received;
            recorded
        };
        assert!(recorded(0).is_expected(b"a") && recorded(1).is_expected(b"b") && recorded(5).is_expected(b"c"));
        assert!(recorded(2).is_expected(b"cabcabca"));
        assert!(!recorded(0).is_expected(b"b") && !recorded(2).is_expected(b"cabcabx") && !recorded(1).is_expected(b"bb"));
    }

    #[test]
    fn a_history_reads_as_one_line() {
        let closed = Seen::Closed { ending: Ending::Confirmed, reason: "finished" };
        let history = History(vec![Seen::Open, Seen::Data { length: 14, intact: true }, Seen::PeerFinished, closed]);
        assert_eq!(history.to_string(), "open, 14 bytes, end, confirmed");
        assert_eq!(Seen::Data { length: 1, intact: false }.to_string(), "1 bytes (wrong)");
    }
}
