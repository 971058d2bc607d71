//! How a stream is cut makes no difference to the application.
//!
//! The same bytes reach the same handler three times: in pieces as large as the connection allows, byte by byte, and cut as a script
//! says; what is sent is taken in the same three ways. What the handler saw, what it sent, and how it ended must be the same. (E3)

use std::collections::VecDeque;
use std::convert::Infallible;
use std::time::Duration;

use arbitrary::Arbitrary;
use bytes::Bytes;
use sansock::{ConfigError, ConnectionConfig, Context, Handler, TimerId, UnsentReason};

use crate::script::{Check, Pattern};

/// A stream, and one way to cut it.
#[derive(Clone, PartialEq, Eq, Debug, Arbitrary)]
pub struct Chunking {
    /// The send queue's low watermark.
    pub low: u8,
    /// How far the high watermark is above it.
    pub above: u8,
    /// The most that one receive asks for.
    pub receive: u8,
    /// What the peer sends. The handler takes each byte for an order: see [`Interpreter`].
    pub input: Vec<u8>,
    /// What the transport does, over and over: two numbers a step, for which operation completes and with how many bytes.
    pub cuts: Vec<u8>,
}

/// Runs the stream in all three ways.
///
/// # Errors
/// Two outcomes that differ, or a run that does not end.
pub fn check(chunking: &Chunking) -> Check {
    let config = chunking.config().map_err(|error| error.to_string())?;
    let view = |handler: &Interpreter| (handler.taken.clone(), handler.peer_finished);
    let found = sansock_memory::fuzz::chunking(&chunking.input, &chunking.cuts, config, Interpreter::default, view);
    found.map_err(|violation| violation.to_string())
}

/// A handler for which each byte is an order, so that what it does depends on the bytes and on nothing else.
#[derive(Clone, Debug, Default)]
pub struct Interpreter {
    /// Delivered, and not carried out yet.
    orders: VecDeque<u8>,
    taken: Vec<u8>,
    /// What the send queue had no room for.
    unsent: Bytes,
    resting: bool,
    ended: bool,
    peer_finished: bool,
}

impl Interpreter {
    fn go_on(&mut self, cx: &mut Context<'_, Infallible>) {
        while self.unsent.is_empty() && !self.resting && !self.ended {
            let Some(order) = self.orders.pop_front() else { break };
            self.taken.push(order);
            self.obey(cx, order);
        }
        if self.ended {
            return;
        }
        if self.unsent.is_empty() && !self.resting {
            cx.resume();
        } else {
            cx.pause();
        }
    }

    fn obey(&mut self, cx: &mut Context<'_, Infallible>, order: u8) {
        match order {
            // A stream that says so ends, and what follows is nobody's.
            0x0e => {
                self.ended = true;
                cx.finish();
            }
            0x1d => cx.half_close(),
            _ if order % 16 == 12 => {
                self.resting = true;
                cx.set_timer(TimerId::A, Duration::from_millis(1));
            }
            // More than the queue may have room for.
            _ if order % 16 >= 9 => self.hand_over(cx, Pattern::OURS.bytes(self.taken.len(), usize::from(order))),
            _ => self.hand_over(cx, Bytes::copy_from_slice(&[order])),
        }
    }

    fn hand_over(&mut self, cx: &mut Context<'_, Infallible>, data: Bytes) {
        if let Err(unsent) = cx.send(data)
            && unsent.reason == UnsentReason::Full
        {
            self.unsent = unsent.data;
        }
    }
}

impl Handler for Interpreter {
    type Message = Infallible;

    fn on_data(&mut self, cx: &mut Context<'_, Infallible>, data: Bytes) {
        self.orders.extend(data);
        self.go_on(cx);
    }

    fn on_peer_finished(&mut self, cx: &mut Context<'_, Infallible>) {
        self.peer_finished = true;
        cx.finish();
    }

    fn on_writable(&mut self, cx: &mut Context<'_, Infallible>) {
        let unsent = std::mem::take(&mut self.unsent);
        self.hand_over(cx, unsent);
        self.go_on(cx);
    }

    fn on_timer(&mut self, cx: &mut Context<'_, Infallible>, _: TimerId) {
        self.resting = false;
        self.go_on(cx);
    }
}

impl Chunking {
    fn config(&self) -> Result<ConnectionConfig, ConfigError> {
        let low = usize::from(self.low);
        ConnectionConfig::default()
            .send_queue(low, low + usize::from(self.above.max(1)))?
            .receive_size(usize::from(self.receive.max(1)))
    }
}
