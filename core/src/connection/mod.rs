//! One connection, whoever opened it.

mod calls;
mod complete;
mod encode;
mod ending;
mod inbox;
mod operations;
mod timeouts;

use alloc::boxed::Box;
use alloc::sync::Arc;

use bytes::Bytes;

use inbox::Inbox;

use crate::backoff::Backoff;
use crate::credit::Credit;
use crate::flight::{Flight, Stamps};
use crate::send_queue::SendQueue;
use crate::state::{Life, ReceiveHalf, SendHalf};
use crate::timers::{RareTimers, Timeout};
use crate::{CloseReason, CloseReport, Completion, ConnectionConfig, Fault, Machine, Misuse, Output, SocketId, Timestamp};

/// A connection from its first byte to its last: receiving and sending, back-pressure, half-close, the three endings, time-outs.
///
/// It starts where the accept or the connect has ended, and does not know which of the two it was.
/// The application's calls are those of [`Stream`](crate::Stream); what happens comes out as [`ConnectionEvent`]s.
///
/// What has arrived before a fault or a time-out ends the connection is delivered before the end, unless a pause holds it back. What
/// arrives after that, while receives are being cancelled or drained, is counted as undelivered.
///
/// See [`Life`], [`ReceiveHalf`] and [`SendHalf`] for the states, and [the lives](crate::guide::lives) for their diagrams.
#[derive(Clone, Debug)]
pub struct Connection {
    socket: SocketId,
    config: Arc<ConnectionConfig>,
    /// The latest time that was handed in.
    now: Timestamp,

    life: Life,
    receive: ReceiveHalf,
    send: SendHalf,

    queue: SendQueue,
    /// The queue has been full and has not fallen to its low watermark since.
    blocked: bool,
    credit: Credit,
    /// The close is to reset the connection.
    abortive: bool,

    recv: Flight,
    sending: Flight,
    shutdown: Flight,
    close: Flight,

    /// When the peer has been silent for too long, and what that means, which is one thing at a time.
    silence: Timestamp,
    guard: Timeout,
    write_stall: Timestamp,
    inbox: Inbox,
    ledger: Ledger,
    stamps: Stamps,
    rare: Option<Box<Rare>>,
}

/// What most connections do not have before they end, apart, so that many idle ones stay small.
#[derive(Clone, Debug, Default)]
struct Rare {
    /// Received and to be told later: [`Inbox::DATA`]. It goes before everything else in the inbox.
    data: Option<Bytes>,
    timers: RareTimers,
    receive_backoff: Backoff,
    send_backoff: Backoff,
    /// Bytes of those that [`ConnectionConfig::closing`] lets be drained.
    drained: u64,
    /// Why it ends, once it does.
    reason: Option<CloseReason>,
    cut_short: Option<CloseReason>,
    /// What was left in the queue when that was given up.
    unsent: usize,
    /// Counted for the report, as is the next.
    undelivered: u64,
    refused_completions: u64,
}

/// What happens on a connection.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ConnectionEvent {
    /// The peer sent these bytes.
    Data(Bytes),
    /// The peer sent its FIN: it will send no more, but may still read.
    PeerFinished,
    /// The send queue was full, whether or not it had to refuse something, and has fallen to its low watermark. Not given once sending
    /// has ended.
    Writable,
    /// The socket is gone. Always the last event, and always there.
    Closed(CloseReport),
}

/// A [`ConnectionEvent`] without its contents.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Signal {
    PeerFinished,
    Writable,
    Closed,
}

/// What is counted for the report and decides nothing.
#[derive(Clone, Debug, Default)]
struct Ledger {
    received: u64,
    sent: u64,
}

impl Connection {
    /// A connection over a socket that is connected.
    #[must_use]
    #[inline]
    pub fn new(now: Timestamp, socket: SocketId, config: Arc<ConnectionConfig>) -> Self {
        let mut connection = Self {
            socket,
            now,
            life: Life::Open,
            receive: ReceiveHalf::Reading,
            send: SendHalf::Open,
            queue: SendQueue::default(),
            blocked: false,
            credit: Credit::new(config.credit),
            abortive: false,
            recv: Flight::Idle,
            sending: Flight::Idle,
            shutdown: Flight::Idle,
            close: Flight::Idle,
            silence: Timestamp::NEVER,
            guard: Timeout::ReadIdle,
            write_stall: Timestamp::NEVER,
            inbox: Inbox::default(),
            ledger: Ledger::default(),
            stamps: Stamps::new(),
            rare: None,
            config,
        };
        connection.watch_receiving();
        connection
    }

    /// The connection's socket.
    #[must_use]
    pub const fn socket(&self) -> SocketId {
        self.socket
    }

    /// Where the connection is in its life.
    #[must_use]
    pub const fn life(&self) -> Life {
        self.life
    }

    /// The receiving half.
    #[must_use]
    pub const fn receive_half(&self) -> ReceiveHalf {
        self.receive
    }

    /// The sending half.
    #[must_use]
    pub const fn send_half(&self) -> SendHalf {
        self.send
    }

    /// Bytes that are queued and not yet taken by the transport.
    #[must_use]
    pub fn queued(&self) -> usize {
        let given_up = self.rare.as_ref().map_or(0, |rare| rare.unsent);
        self.queue.len().saturating_add(given_up)
    }

    /// Received data, to be delivered later.
    pub(crate) fn put_down(&mut self, data: Bytes) {
        self.rare().data = Some(data);
        self.inbox.put(Inbox::DATA);
    }

    /// Data that is to be delivered now. It goes before every [`Signal`].
    pub(crate) fn take_data(&mut self) -> Option<Bytes> {
        if self.withholds() {
            return None;
        }
        let data = self.pick_up()?;
        self.delivered(data.len());
        Some(data)
    }

    /// What was [put down](Connection::put_down).
    fn pick_up(&mut self) -> Option<Bytes> {
        self.inbox.remove(Inbox::DATA);
        self.rare.as_mut()?.data.take()
    }

    /// True if something that the peer sent waits to be told.
    fn has_arrivals(&self) -> bool {
        self.inbox.has(Inbox::ARRIVALS)
    }

    fn rare(&mut self) -> &mut Rare {
        self.rare.get_or_insert_default()
    }

    /// The application gets these bytes.
    #[inline]
    pub(crate) fn delivered(&mut self, length: usize) {
        self.ledger.received = self.ledger.received.saturating_add(count(length));
    }

    /// True if anything waits to be told, now or after a pause.
    #[inline]
    pub(crate) fn has_news(&self) -> bool {
        !self.inbox.is_empty()
    }

    /// What else is to be told now.
    pub(crate) fn take_signal(&mut self) -> Option<Signal> {
        if !self.withholds() && self.inbox.take(Inbox::PEER_FINISHED) {
            Some(Signal::PeerFinished)
        } else if self.inbox.take(Inbox::WRITABLE) {
            Some(Signal::Writable)
        } else if self.inbox.take(Inbox::CLOSED) {
            Some(Signal::Closed)
        } else {
            None
        }
    }

    #[inline]
    pub(crate) const fn now(&self) -> Timestamp {
        self.now
    }

    #[inline]
    pub(crate) fn config(&self) -> &ConnectionConfig {
        &self.config
    }

    /// True if a pause keeps what has arrived from being delivered.
    #[inline]
    pub(crate) fn withholds(&self) -> bool {
        self.life == Life::Open && self.credit.is_paused()
    }

    /// Time never runs backwards.
    #[inline]
    pub(crate) fn tick(&mut self, now: Timestamp) {
        self.now = self.now.max(now);
    }
}

impl Machine for Connection {
    type Event = ConnectionEvent;

    fn poll(&mut self) -> Option<Output<ConnectionEvent>> {
        if let Some(data) = self.take_data() {
            return Some(Output::Event(ConnectionEvent::Data(data)));
        }
        match self.take_signal() {
            Some(Signal::PeerFinished) => Some(Output::Event(ConnectionEvent::PeerFinished)),
            Some(Signal::Writable) => Some(Output::Event(ConnectionEvent::Writable)),
            Some(Signal::Closed) => Some(Output::Event(ConnectionEvent::Closed(self.report()))),
            None => self.next_operation(Output::Submit),
        }
    }

    fn complete(&mut self, now: Timestamp, done: Completion) -> Result<(), Misuse> {
        self.take_completion(now, done)
    }

    fn broken(&mut self, now: Timestamp, socket: SocketId, fault: Fault) {
        if socket == self.socket {
            self.tick(now);
            self.break_off(CloseReason::Broken(fault));
        }
    }

    fn handle_timeout(&mut self, now: Timestamp) {
        self.tick(now);
        while let Some(timeout) = self.take_due() {
            self.fire(timeout);
        }
    }

    fn deadline(&self) -> Option<Timestamp> {
        self.due().as_deadline()
    }

    fn in_flight(&self) -> usize {
        [self.recv, self.sending, self.shutdown, self.close].into_iter().map(Flight::count).fold(0, usize::saturating_add)
    }
}

/// A length as a counter: on the platforms that the core runs on it fits.
fn count(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}
