//! A handler that panics in one of its callbacks, and echoes until then.

use std::time::Duration;

use bytes::Bytes;
use sansock::{CloseReport, Context, Handler, SocketId, TimerId};

/// All but the one of a drain.
pub(crate) const CALLBACKS: [&str; 9] =
    ["open", "undelivered", "timer", "message", "data", "writable", "peer finished", "closed", "drop"];

/// In which callback it panics; in none if it is called something else.
pub(crate) struct Bomb(pub(crate) &'static str);

impl Bomb {
    fn enter(&self, callback: &str) {
        assert!(self.0 != callback, "in {callback}");
    }
}

impl Handler for Bomb {
    type Message = Bytes;

    /// Sees to it that the callback is called.
    fn on_open(&mut self, cx: &mut Context<'_, Bytes>) {
        self.enter("open");
        match self.0 {
            "timer" => cx.set_timer(TimerId::A, Duration::from_millis(1)),
            "undelivered" => cx.post(SocketId::new(999, 0).unwrap(), Bytes::new()).unwrap(),
            "writable" => while cx.send(vec![0; 65_536]).is_ok() {},
            _ => {}
        }
    }

    fn on_data(&mut self, cx: &mut Context<'_, Bytes>, data: Bytes) {
        self.enter("data");
        let _ = cx.send(data);
    }

    fn on_peer_finished(&mut self, cx: &mut Context<'_, Bytes>) {
        self.enter("peer finished");
        cx.finish();
    }

    fn on_writable(&mut self, _: &mut Context<'_, Bytes>) {
        self.enter("writable");
    }

    fn on_timer(&mut self, _: &mut Context<'_, Bytes>, _: TimerId) {
        self.enter("timer");
    }

    fn on_message(&mut self, _: &mut Context<'_, Bytes>, _: Bytes) {
        self.enter("message");
    }

    fn on_undelivered(&mut self, _: &mut Context<'_, Bytes>, _: SocketId, _: Bytes) {
        self.enter("undelivered");
    }

    fn on_draining(&mut self, cx: &mut Context<'_, Bytes>) {
        self.enter("draining");
        cx.finish();
    }

    fn on_closed(&mut self, _: &CloseReport) {
        self.enter("closed");
    }
}

impl Drop for Bomb {
    fn drop(&mut self) {
        self.enter("drop");
    }
}
