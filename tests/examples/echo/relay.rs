//! The handler between standard input and output and a peer.
//!
//! A handler never blocks, so two threads read and write for it (see `standard`). Each does one thing at a time and then says so with a
//! message: no more input is read before the peer has taken the last, nothing more is received before the last was written. That is all
//! the memory it takes, and there are never more than two messages on their way.

use std::io::{self, IsTerminal};
use std::sync::mpsc::Sender;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use sansock::{Context, Handler, SocketId, UnsentReason};

use crate::warn;

/// What the threads say.
#[derive(Debug)]
pub(crate) enum Message {
    /// This was read; nothing, at the end.
    Read(Bytes),
    /// What was received last is written.
    Written,
    /// Standard input or output does not work.
    Failed(String),
}

/// Passes on what is read to the peer, and what is received to be written.
#[derive(Clone)]
pub(crate) struct Relay {
    /// Asks for input; the answer goes to this socket.
    want: Sender<SocketId>,
    /// Takes output; the answer goes to this socket.
    write: Sender<(SocketId, Bytes)>,
    trouble: Trouble,
    /// Read, but not yet taken by the send queue.
    held: Bytes,
    /// There is more to read.
    reading: bool,
}

/// Why standard input or output failed, if it did.
pub(crate) type Trouble = Arc<OnceLock<String>>;

impl Relay {
    /// A relay between these threads' channels.
    pub(crate) fn new(want: Sender<SocketId>, write: Sender<(SocketId, Bytes)>, trouble: Trouble) -> Self {
        Self { want, write, trouble, held: Bytes::new(), reading: true }
    }

    fn send(&mut self, cx: &mut Context<'_, Message>, data: Bytes) {
        match cx.send(data) {
            Ok(()) => self.read_on(cx),
            Err(unsent) if unsent.reason == UnsentReason::Full => self.held = unsent.data,
            // The connection has ended: the report will say why.
            Err(_) => {}
        }
    }

    fn read_on(&self, cx: &Context<'_, Message>) {
        // Without its thread there is nobody to ask; then the failure is on its way.
        let _ = self.want.send(cx.socket());
    }
}

impl Handler for Relay {
    type Message = Message;

    fn on_open(&mut self, cx: &mut Context<'_, Message>) {
        self.read_on(cx);
    }

    fn on_data(&mut self, cx: &mut Context<'_, Message>, data: Bytes) {
        cx.pause();
        let _ = self.write.send((cx.socket(), data));
    }

    fn on_message(&mut self, cx: &mut Context<'_, Message>, message: Message) {
        match message {
            Message::Read(data) if data.is_empty() => {
                self.reading = false;
                cx.half_close();
            }
            Message::Read(data) => self.send(cx, data),
            Message::Written => cx.resume(),
            Message::Failed(why) => {
                let _ = self.trouble.set(why);
                cx.abort();
            }
        }
    }

    fn on_writable(&mut self, cx: &mut Context<'_, Message>) {
        // The queue may have been full to the last byte with nothing left over: then the next input was asked for already.
        if !self.held.is_empty() {
            let held = std::mem::take(&mut self.held);
            self.send(cx, held);
        }
    }

    /// The peer may still read: what is left of the input goes on to it. Then both have finished, and the connection ends.
    fn on_peer_finished(&mut self, _: &mut Context<'_, Message>) {
        if self.reading && io::stdin().is_terminal() {
            warn("the peer has finished; end the input (Ctrl-D) to finish, too");
        }
    }
}
