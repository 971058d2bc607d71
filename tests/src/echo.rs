//! The echo handler, written once for every transport.

use bytes::Bytes;
use sansock::{Context, Handler, UnsentReason};
use std::convert::Infallible;

/// Sends back what it receives until the peer's end, then finishes. It never holds more than one receive: while the send queue is full it
/// does not receive.
#[derive(Clone, Debug, Default)]
pub struct Echo {
    held: Bytes,
    draining: bool,
}

impl Echo {
    fn forward(&mut self, cx: &mut Context<'_, Infallible>, data: Bytes) {
        if let Err(unsent) = cx.send(data)
            && unsent.reason == UnsentReason::Full
        {
            self.held = unsent.data;
            cx.pause();
        }
    }
}

impl Handler for Echo {
    type Message = Infallible;

    fn on_data(&mut self, cx: &mut Context<'_, Infallible>, data: Bytes) {
        self.forward(cx, data);
    }

    fn on_writable(&mut self, cx: &mut Context<'_, Infallible>) {
        let held = std::mem::take(&mut self.held);
        self.forward(cx, held);
        if self.held.is_empty() {
            if self.draining {
                cx.finish();
            } else {
                cx.resume();
            }
        }
    }

    /// What was received is still sent back.
    fn on_draining(&mut self, cx: &mut Context<'_, Infallible>) {
        self.draining = true;
        if self.held.is_empty() {
            cx.finish();
        }
    }
}
