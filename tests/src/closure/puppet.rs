//! A handler that does what it is told and nothing else, and a service that makes such handlers.

use std::time::Duration;

use bytes::Bytes;
use sansock::{Canonical, Context, Handler, Peer, Service, TimerId, Timestamp, Verdict};

/// What a puppet is told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Command {
    /// Send one byte.
    Send,
    /// Stop receiving.
    Pause,
    /// Receive again.
    Resume,
    /// End our direction.
    HalfClose,
    /// Finish.
    Finish,
    /// Close once everything was sent.
    CloseAfterFlush,
    /// Abort.
    Abort,
    /// Set a timer to one nanosecond; when it fires, the connection is finished.
    SetTimer,
}

/// Moves only when it is told to: neither the peer's end nor a drain makes it end the connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Puppet {
    /// Bytes that it has sent.
    pub sent: u64,
    /// Bytes that it was given.
    pub given: u64,
}

impl Handler for Puppet {
    type Message = Command;

    fn on_data(&mut self, _: &mut Context<'_, Command>, data: Bytes) {
        self.given += data.len() as u64;
    }

    fn on_peer_finished(&mut self, _: &mut Context<'_, Command>) {}

    fn on_draining(&mut self, _: &mut Context<'_, Command>) {}

    fn on_timer(&mut self, cx: &mut Context<'_, Command>, _: TimerId) {
        cx.finish();
    }

    fn on_message(&mut self, cx: &mut Context<'_, Command>, command: Command) {
        match command {
            Command::Send => self.sent += u64::from(cx.send(Bytes::from_static(b"x")).is_ok()),
            Command::Pause => cx.pause(),
            Command::Resume => cx.resume(),
            Command::HalfClose => cx.half_close(),
            Command::Finish => cx.finish(),
            Command::CloseAfterFlush => cx.close_after_flush(),
            Command::Abort => cx.abort(),
            Command::SetTimer => cx.set_timer(TimerId::A, Duration::from_nanos(1)),
        }
    }
}

/// What it counts decides nothing.
impl Canonical for Puppet {
    fn canonical(&self, _: Timestamp, _: &mut Vec<u8>) {}
}

/// Accepts those whose address is not known, and rejects all others.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Shy;

impl Service for Shy {
    type Handler = Puppet;

    fn accept(&mut self, peer: &Peer) -> Verdict<Puppet> {
        if peer.address.is_none() { Verdict::Accept(Puppet::default()) } else { Verdict::Reject }
    }
}
