//! Lines of text over a stream: how both applications talk.

use std::fmt::{self, Display};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use sansock::{Context, UnsentReason};

/// A line may have this many bytes, its end included. What a peer sends without an end is never kept beyond that.
pub const LONGEST: usize = 512;

/// Whoever has dialled says `ping` this often, and is answered `pong`, so that a silent peer is a dead one.
pub const PING_EVERY: Duration = Duration::from_secs(1);

/// The peer says what nobody understands: a line that is too long, is no UTF-8, or is no sentence of the protocol.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Garbled;

impl Display for Garbled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the peer does not keep to the protocol")
    }
}

impl std::error::Error for Garbled {}

/// The lines of one connection, both ways.
///
/// Incoming bytes may be cut anywhere. Outgoing, it holds what the send queue did not take. Until that is gone it is not
/// [ready](Lines::is_ready), and a handler should take and send nothing more that could wait.
#[derive(Clone, Debug, Default)]
pub struct Lines {
    received: BytesMut,
    unsent: Bytes,
}

impl Lines {
    /// These bytes came.
    pub fn receive(&mut self, data: &[u8]) {
        self.received.extend_from_slice(data);
    }

    /// The next line that is complete, without its end.
    ///
    /// # Errors
    /// It is too long, or no UTF-8.
    pub fn take(&mut self) -> Result<Option<String>, Garbled> {
        let Some(end) = self.received.iter().take(LONGEST).position(|byte| *byte == b'\n') else {
            return if self.received.len() < LONGEST { Ok(None) } else { Err(Garbled) };
        };
        let line = self.received.split_to(end + 1);
        String::from_utf8(line[..end].to_vec()).map(Some).map_err(|_| Garbled)
    }

    /// Sends a line, behind what is left of those before it.
    pub fn send<M>(&mut self, cx: &mut Context<'_, M>, line: impl Display) {
        let line = format!("{line}\n");
        if self.is_ready() {
            self.unsent = line.into();
            self.flush(cx);
        } else {
            self.unsent = [&self.unsent[..], line.as_bytes()].concat().into();
        }
    }

    /// Says `ping`, unless something else is still to be sent.
    pub fn ping<M>(&mut self, cx: &mut Context<'_, M>) {
        if self.is_ready() {
            self.send(cx, "ping");
        }
    }

    /// Hands over what is left; to be called when the send queue is writable again.
    pub fn flush<M>(&mut self, cx: &mut Context<'_, M>) {
        if let Err(rest) = cx.send(std::mem::take(&mut self.unsent))
            && rest.reason == UnsentReason::Full
        {
            self.unsent = rest.data;
        }
    }

    /// Nothing is left that the send queue did not take.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.unsent.is_empty()
    }
}

/// A handler that does what it is told, line by line. A peer that does not keep to the protocol is disconnected.
pub trait Obey {
    /// The handler's messages.
    type Message;

    /// The lines of its connection.
    fn lines(&mut self) -> &mut Lines;

    /// Does what a line says.
    ///
    /// # Errors
    /// It says nothing that this handler understands, or nothing that it may say now.
    fn obey(&mut self, cx: &mut Context<'_, Self::Message>, line: &str) -> Result<(), Garbled>;

    /// Obeys every line that is complete. For the one of the two sides that always listens, so that never both wait for each other.
    fn obey_all(&mut self, cx: &mut Context<'_, Self::Message>) {
        loop {
            let result = match self.lines().take() {
                Ok(Some(line)) => self.obey(cx, &line),
                Ok(None) => return,
                Err(garbled) => Err(garbled),
            };
            if result.is_err() {
                return cx.abort();
            }
        }
    }

    /// Obeys lines while what they cause can be sent. While it cannot, the rest waits, and the peer too: nothing is received.
    fn obey_while_ready(&mut self, cx: &mut Context<'_, Self::Message>) {
        while self.lines().is_ready() {
            let result = match self.lines().take() {
                Ok(Some(line)) => self.obey(cx, &line),
                Ok(None) => return cx.resume(),
                Err(garbled) => Err(garbled),
            };
            if result.is_err() {
                return cx.abort();
            }
        }
        cx.pause();
    }
}
