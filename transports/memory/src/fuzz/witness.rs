//! What passes between a session and its handler.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use bytes::Bytes;
use sansock::{CloseReason, CloseReport, Context, Handler, Peer, Service, SocketId, Stream, TimerId, Timestamp, Unsent, Verdict};

use super::Traffic;
use crate::closure::Check;

/// What the handlers of all sessions have seen and sent.
pub(super) type Notes = Rc<RefCell<BTreeMap<SocketId, Note>>>;

/// What one handler has seen and sent.
#[derive(Clone, Debug, Default)]
pub(super) struct Note {
    /// Delivered to it.
    pub(super) delivered: Vec<u8>,
    /// Taken by the send queue.
    pub(super) accepted: Vec<u8>,
    opened: bool,
    peer_finished: bool,
    report: Option<CloseReport>,
    /// The first rule that was broken.
    broken: Option<&'static str>,
}

impl Note {
    fn ensure(&mut self, holds: bool, rule: &'static str) {
        if !holds {
            self.broken.get_or_insert(rule);
        }
    }

    /// A callback: only the first may be `on_open`, and none comes after `on_closed`.
    fn called(&mut self) {
        self.ensure(self.opened, "A13: on_open was not the first callback");
        self.ensure(self.report.is_none(), "A3: a callback after on_closed");
    }

    /// Whether what has passed until now can be.
    pub(super) fn check(&self, traffic: &Traffic) -> Check {
        if let Some(rule) = self.broken {
            return Err(rule.to_owned());
        }
        // A3
        ensure!(traffic.received.starts_with(&self.delivered), "A3: other bytes were delivered than received");
        // A2
        ensure!(self.accepted.starts_with(&traffic.sent), "A2: other bytes were sent than handed over");
        Ok(())
    }

    /// Whether the report agrees with what has passed.
    pub(super) fn check_report(&self, told: &CloseReport, traffic: &Traffic) -> Check {
        self.check(traffic)?;
        // What is refused between the handler's last callback and the event counts for the owner alone.
        let before = self.report.map(|report| CloseReport { refused_completions: told.refused_completions, ..report });
        ensure!(before == Some(*told), "A13: the handler was told {:?}, and its owner {told:?}", self.report);
        let (received, sent) = (traffic.received.len() as u64, traffic.sent.len() as u64);
        // A1, A3, A4
        ensure!(told.received == self.delivered.len() as u64, "A3: {} bytes were delivered: {told}", self.delivered.len());
        ensure!(told.received + told.undelivered == received, "A3: {received} bytes were received: {told}");
        ensure!(told.sent == sent, "A1: {sent} bytes were sent: {told}");
        let unsent = self.accepted.len() as u64 - sent;
        ensure!(told.unsent == unsent, "A1: {unsent} bytes were handed over and not sent: {told}");
        Ok(())
    }
}

/// A layer that writes down what passes through it.
#[derive(Clone, Debug)]
pub(super) struct Witness<H> {
    pub(super) inner: H,
    notes: Notes,
    /// Known from the first callback on.
    socket: Option<SocketId>,
}

impl<H: Handler> Witness<H> {
    pub(super) const fn new(inner: H, notes: Notes) -> Self {
        Self { inner, notes, socket: None }
    }

    fn call(
        &mut self,
        cx: &mut Context<'_, H::Message>,
        see: impl FnOnce(&mut Note),
        callback: impl FnOnce(&mut H, &mut Context<'_, H::Message>),
    ) {
        let socket = *self.socket.get_or_insert(cx.socket());
        let mut notes = self.notes.borrow_mut();
        let note = notes.entry(socket).or_default();
        see(note);
        note.called();
        let mut accepted = std::mem::take(&mut note.accepted);
        drop(notes);
        let (stream, scope) = cx.parts();
        callback(&mut self.inner, &mut Context::new(&mut Tap { stream, accepted: &mut accepted }, scope));
        if let Some(note) = self.notes.borrow_mut().get_mut(&socket) {
            note.accepted = accepted;
        }
    }
}

impl<H: Handler> Handler for Witness<H> {
    type Message = H::Message;

    fn on_open(&mut self, cx: &mut Context<'_, H::Message>) {
        let open = |note: &mut Note| {
            note.ensure(!note.opened, "A13: on_open was called twice");
            note.opened = true;
        };
        self.call(cx, open, |inner, cx| inner.on_open(cx));
    }

    fn on_data(&mut self, cx: &mut Context<'_, H::Message>, data: Bytes) {
        let see = |note: &mut Note| {
            note.ensure(!note.peer_finished, "A3: data after the peer's end");
            note.ensure(!data.is_empty(), "A3: empty data");
            note.delivered.extend_from_slice(&data);
        };
        self.call(cx, see, |inner, cx| inner.on_data(cx, data.clone()));
    }

    fn on_peer_finished(&mut self, cx: &mut Context<'_, H::Message>) {
        let see = |note: &mut Note| {
            note.ensure(!note.peer_finished, "A13: the peer's end was delivered twice");
            note.peer_finished = true;
        };
        self.call(cx, see, |inner, cx| inner.on_peer_finished(cx));
    }

    fn on_writable(&mut self, cx: &mut Context<'_, H::Message>) {
        self.call(cx, |_| {}, |inner, cx| inner.on_writable(cx));
    }

    fn on_timer(&mut self, cx: &mut Context<'_, H::Message>, timer: TimerId) {
        self.call(cx, |_| {}, |inner, cx| inner.on_timer(cx, timer));
    }

    fn on_message(&mut self, cx: &mut Context<'_, H::Message>, message: H::Message) {
        self.call(cx, |_| {}, |inner, cx| inner.on_message(cx, message));
    }

    fn on_undelivered(&mut self, cx: &mut Context<'_, H::Message>, to: SocketId, message: H::Message) {
        self.call(cx, |_| {}, |inner, cx| inner.on_undelivered(cx, to, message));
    }

    fn on_draining(&mut self, cx: &mut Context<'_, H::Message>) {
        self.call(cx, |_| {}, |inner, cx| inner.on_draining(cx));
    }

    fn on_closed(&mut self, report: &CloseReport) {
        if let Some(socket) = self.socket
            && let Some(note) = self.notes.borrow_mut().get_mut(&socket)
        {
            note.called();
            note.report = Some(*report);
        }
        self.inner.on_closed(report);
    }
}

/// A stream that remembers what it has taken.
struct Tap<'a> {
    stream: &'a mut dyn Stream,
    accepted: &'a mut Vec<u8>,
}

impl Stream for Tap<'_> {
    fn send(&mut self, now: Timestamp, data: Bytes) -> Result<(), Unsent> {
        let result = self.stream.send(now, data.clone());
        let back = result.as_ref().err().map_or(0, |unsent| unsent.data.len());
        self.accepted.extend_from_slice(&data[..data.len() - back]);
        result
    }

    fn room(&self) -> usize {
        self.stream.room()
    }

    fn pause(&mut self, now: Timestamp) {
        self.stream.pause(now);
    }

    fn resume(&mut self, now: Timestamp) {
        self.stream.resume(now);
    }

    fn half_close(&mut self, now: Timestamp) {
        self.stream.half_close(now);
    }

    fn finish(&mut self, now: Timestamp) {
        self.stream.finish(now);
    }

    fn close_after_flush(&mut self, now: Timestamp) {
        self.stream.close_after_flush(now);
    }

    fn abort_with(&mut self, now: Timestamp, reason: CloseReason) {
        self.stream.abort_with(now, reason);
    }
}

/// A service whose handlers are witnessed.
#[derive(Clone, Debug)]
pub(super) struct Witnessed<S> {
    pub(super) inner: S,
    pub(super) notes: Notes,
}

impl<S: Service> Service for Witnessed<S> {
    type Handler = Witness<S::Handler>;

    fn accept(&mut self, peer: &Peer) -> Verdict<Self::Handler> {
        match self.inner.accept(peer) {
            Verdict::Accept(handler) => Verdict::Accept(Witness::new(handler, Rc::clone(&self.notes))),
            _ => Verdict::Reject,
        }
    }
}
