//! The canonical encoding of a connection.

use alloc::vec::Vec;

use super::Connection;
use super::inbox::Inbox;
use crate::state::{Life, Table};
use crate::timers::Timeout;
use crate::{Canonical, Ending, Timestamp, encode};

/// Life, flights, what waits to be polled; and what the rest of the life depends on: at first the halves, queue, credit and deadlines
/// relative to `now`, towards the end less and less. Left out: the socket's name, stamps, the latest time seen, and what only the report
/// tells: byte counters and reasons.
impl Canonical for Connection {
    fn canonical(&self, now: Timestamp, out: &mut Vec<u8>) {
        let now = now.max(self.now);
        encode::byte(out, self.life.index());
        for flight in [self.recv, self.sending, self.shutdown, self.close] {
            encode::byte(out, flight.code());
        }
        let data = self.rare.as_ref().and_then(|rare| rare.data.as_ref());
        encode::length(out, data.map_or(0, bytes::Bytes::len));
        for waiting in [Inbox::PEER_FINISHED, Inbox::WRITABLE, Inbox::CLOSED] {
            encode::flag(out, self.inbox.has(waiting));
        }
        match self.life {
            Life::Open | Life::Lingering | Life::Flushing => self.encode_course(now, out),
            Life::Ending => self.encode_ending(out),
            Life::Closing => self.encode_outcome(out),
            Life::Closed if self.inbox.has(Inbox::CLOSED) => self.encode_outcome(out),
            Life::Closed => {}
        }
    }
}

impl Connection {
    fn encode_course(&self, now: Timestamp, out: &mut Vec<u8>) {
        self.encode_halves(out);
        self.encode_queue(out);
        for timeout in Timeout::ALL {
            encode::deadline(out, self.due_for(timeout), now);
        }
        let (receive, send) = self.rare.as_ref().map(|rare| (rare.receive_backoff, rare.send_backoff)).unwrap_or_default();
        receive.encode(out);
        send.encode(out);
        match self.life {
            Life::Open => {
                // Nobody who may not send any more waits for room.
                encode::flag(out, self.blocked && self.may_send());
                self.credit.encode(out);
            }
            Life::Lingering => encode::number(out, self.linger_left()),
            _ => {}
        }
    }

    /// Nothing is asked of the socket any more; what is in flight may still bring the peer's end, or take the rest of the queue.
    fn encode_ending(&self, out: &mut Vec<u8>) {
        self.encode_halves(out);
        encode::flag(out, self.abortive);
        if self.sending.is_idle() {
            encode::flag(out, self.queue.is_empty());
        } else {
            self.encode_queue(out);
        }
    }

    fn encode_queue(&self, out: &mut Vec<u8>) {
        self.queue.encode(self.config.send_high, !self.sending.is_idle(), out);
    }

    fn encode_halves(&self, out: &mut Vec<u8>) {
        encode::byte(out, self.receive.index());
        encode::byte(out, self.send.index());
        // Only the receive in flight is measured against it.
        encode::length(out, if self.recv.is_idle() { 0 } else { self.credit.asked() });
    }

    fn encode_outcome(&self, out: &mut Vec<u8>) {
        encode::byte(
            out,
            match self.report().ending {
                Ending::Confirmed => 0,
                Ending::Unconfirmed => 1,
                Ending::Aborted => 2,
            },
        );
    }
}
