//! How a stream is cut makes no difference to the application.
//!
//! The same bytes reach the same handler three times: in pieces as large as the connection allows, byte by byte, and cut as a script
//! says; what is sent is taken in the same three ways. What the handler saw, what it sent, and how it ended must be the same. (E3)

use std::collections::VecDeque;
use std::convert::Infallible;
use std::time::Duration;

use arbitrary::Arbitrary;
use bytes::Bytes;
use sansock::{
    CloseReason, CloseReport, ConfigError, ConnectionConfig, Context, Ending, Handler, OpKind, Session, TimerId, UnsentReason,
};

use crate::by_hand::ByHand;
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

/// How the transport cuts.
#[derive(Clone, Copy)]
enum Cut<'a> {
    Whole,
    ByteByByte,
    As(&'a [u8]),
}

/// What came of it.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Outcome {
    /// What the handler took, and what reached the peer.
    taken: Vec<u8>,
    wire: Vec<u8>,
    peer_finished: bool,
    ending: Ending,
    reason: CloseReason,
    /// Delivered or not is a matter of how it was cut, if the handler ended before the peer; the sum is not.
    received: u64,
    sent: u64,
    unsent: u64,
}

/// Runs the stream in all three ways.
///
/// # Errors
/// Two outcomes that differ, or a run that does not end.
pub fn check(chunking: &Chunking) -> Check {
    let whole = run(chunking, Cut::Whole)?;
    for (name, cut) in [("byte by byte", Cut::ByteByByte), ("as scripted", Cut::As(&chunking.cuts))] {
        let other = run(chunking, cut)?;
        if other != whole {
            return Err(format!("E3: whole: {whole:?}\n{name}: {other:?}"));
        }
    }
    Ok(())
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
    report: Option<CloseReport>,
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

    fn on_closed(&mut self, report: &CloseReport) {
        self.report = Some(*report);
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

fn run(chunking: &Chunking, cut: Cut<'_>) -> Check<Outcome> {
    let config = chunking.config().map_err(|error| error.to_string())?;
    let mut by_hand = ByHand::session(config, Interpreter::default());
    let mut transport = Transport { cut, step: 0, input: &chunking.input, wire: Vec::new() };
    // Each byte received causes less than 256 bytes to send, and every step moves a byte or ends something.
    let most_steps = chunking.input.len() * 300 + 100;
    for _ in 0..most_steps {
        if let Some(report) = by_hand.machine.handler().report {
            let handler = by_hand.machine.handler();
            return Ok(Outcome {
                taken: handler.taken.clone(),
                wire: transport.wire,
                peer_finished: handler.peer_finished,
                ending: report.ending,
                reason: report.reason,
                received: report.received + report.undelivered,
                sent: report.sent,
                unsent: report.unsent,
            });
        }
        transport.step(&mut by_hand);
    }
    Err(format!("not closed after {most_steps} steps: {:?}", by_hand.machine))
}

struct Transport<'a> {
    cut: Cut<'a>,
    step: usize,
    input: &'a [u8],
    wire: Vec<u8>,
}

impl Transport<'_> {
    /// Completes one operation. If none is in flight the application rests: time passes.
    fn step(&mut self, by_hand: &mut ByHand<Session<Interpreter>>) {
        let in_flight = by_hand.in_flight();
        let choice = self.number() % in_flight.len().max(1);
        match in_flight.get(choice) {
            Some(OpKind::Recv) if self.input.is_empty() => by_hand.receive_eof(),
            Some(OpKind::Recv) => {
                let length = self.length(by_hand.recv().max().min(self.input.len()));
                let (now, later) = self.input.split_at(length);
                self.input = later;
                by_hand.receive(Bytes::copy_from_slice(now));
            }
            Some(OpKind::Send) => {
                let asked = by_hand.sending().chunks().concat();
                let length = self.length(asked.len());
                self.wire.extend_from_slice(&asked[..length]);
                by_hand.sent(length);
            }
            Some(OpKind::Shutdown) => by_hand.shutdown_done(),
            Some(_) => by_hand.close_done(),
            None => drop(by_hand.pass_to_deadline()),
        }
    }

    fn length(&mut self, most: usize) -> usize {
        match self.cut {
            Cut::Whole => most,
            Cut::ByteByByte => 1,
            Cut::As(_) => 1 + self.number() % most,
        }
    }

    fn number(&mut self) -> usize {
        let Cut::As(cuts) = self.cut else { return 0 };
        self.step += 1;
        cuts.get(self.step % cuts.len().max(1)).copied().unwrap_or(0).into()
    }
}
