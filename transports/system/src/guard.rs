//! A handler that panics closes its own connection only.

use std::panic::{AssertUnwindSafe, catch_unwind};

use bytes::Bytes;
use sansock::{CloseReport, Context, Handler, Peer, Service, SocketId, TimerId, Verdict};

/// A layer around a handler or a service that turns a panic into the end of that connection: the session is aborted with
/// [`CloseReason::HandlerFailed`](sansock::CloseReason::HandlerFailed), and the handler is not called again. A service that panics rejects
/// the connection. A panic while the handler or the service is dropped ends here, too. The panic's message goes where the process's panic
/// hook sends it.
#[derive(Clone, Debug)]
pub struct CatchPanics<T> {
    /// There until it is dropped.
    inner: Option<T>,
    failed: bool,
}

impl<T> CatchPanics<T> {
    /// Guards `inner`.
    #[must_use]
    pub const fn new(inner: T) -> Self {
        Self { inner: Some(inner), failed: false }
    }

    /// What is guarded.
    #[must_use]
    pub const fn inner(&self) -> &T {
        self.inner.as_ref().expect("only the drop takes it out")
    }

    fn inner_mut(&mut self) -> &mut T {
        self.inner.as_mut().expect("only the drop takes it out")
    }
}

impl<T> Drop for CatchPanics<T> {
    fn drop(&mut self) {
        let inner = self.inner.take();
        // There is nothing left to end.
        let _ = catch(|| drop(inner));
    }
}

/// `None` if it panicked. The thing that it panicked with may panic, in its turn, when it is dropped; then it is left alone.
fn catch<T>(call: impl FnOnce() -> T) -> Option<T> {
    let payload = match catch_unwind(AssertUnwindSafe(call)) {
        Ok(value) => return Some(value),
        Err(payload) => payload,
    };
    if let Err(another) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
        std::mem::forget(another);
    }
    None
}

impl<H: Handler> CatchPanics<H> {
    /// The handler may be left half-changed by a panic; that is safe because it is not called again.
    fn call(&mut self, cx: &mut Context<'_, H::Message>, callback: impl FnOnce(&mut H, &mut Context<'_, H::Message>)) {
        if self.failed {
            return;
        }
        if catch(|| callback(self.inner_mut(), cx)).is_none() {
            self.failed = true;
            cx.fail();
        }
    }
}

impl<H: Handler> Handler for CatchPanics<H> {
    type Message = H::Message;

    fn on_open(&mut self, cx: &mut Context<'_, H::Message>) {
        self.call(cx, |handler, cx| handler.on_open(cx));
    }

    fn on_data(&mut self, cx: &mut Context<'_, H::Message>, data: Bytes) {
        self.call(cx, |handler, cx| handler.on_data(cx, data));
    }

    fn on_peer_finished(&mut self, cx: &mut Context<'_, H::Message>) {
        self.call(cx, |handler, cx| handler.on_peer_finished(cx));
    }

    fn on_writable(&mut self, cx: &mut Context<'_, H::Message>) {
        self.call(cx, |handler, cx| handler.on_writable(cx));
    }

    fn on_timer(&mut self, cx: &mut Context<'_, H::Message>, timer: TimerId) {
        self.call(cx, |handler, cx| handler.on_timer(cx, timer));
    }

    fn on_message(&mut self, cx: &mut Context<'_, H::Message>, message: H::Message) {
        self.call(cx, |handler, cx| handler.on_message(cx, message));
    }

    fn on_undelivered(&mut self, cx: &mut Context<'_, H::Message>, to: SocketId, message: H::Message) {
        self.call(cx, |handler, cx| handler.on_undelivered(cx, to, message));
    }

    fn on_draining(&mut self, cx: &mut Context<'_, H::Message>) {
        self.call(cx, |handler, cx| handler.on_draining(cx));
    }

    fn on_closed(&mut self, report: &CloseReport) {
        if !self.failed {
            // There is nothing left to abort.
            let _ = catch(|| self.inner_mut().on_closed(report));
        }
    }
}

impl<S: Service> Service for CatchPanics<S> {
    type Handler = CatchPanics<S::Handler>;

    fn accept(&mut self, peer: &Peer) -> Verdict<CatchPanics<S::Handler>> {
        match catch(|| self.inner_mut().accept(peer)) {
            Some(Verdict::Accept(handler)) => Verdict::Accept(CatchPanics::new(handler)),
            _ => Verdict::Reject,
        }
    }
}
