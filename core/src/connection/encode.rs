//! The canonical encoding of a connection.

use alloc::vec::Vec;

use super::Connection;
use crate::state::Table;
use crate::{Canonical, Timestamp, encode};

/// Life, halves, flights, queue, credit, what waits to be polled, deadlines relative to `now`. Left out: the socket's name, stamps,
/// byte counters, and the latest time seen.
impl Canonical for Connection {
    fn canonical(&self, now: Timestamp, out: &mut Vec<u8>) {
        let now = now.max(self.now);
        for index in [self.life.index(), self.receive.index(), self.send.index()] {
            encode::byte(out, index);
        }
        for flight in [self.recv, self.sending, self.shutdown, self.close] {
            encode::byte(out, flight.code());
        }
        self.queue.encode(self.config.send_high, out);
        encode::flag(out, self.blocked);
        self.credit.encode(out);
        // Only the receive in flight is measured against it.
        encode::length(out, if self.recv.is_idle() { 0 } else { self.receive_size });
        encode::number(out, self.linger_left);
        encode::flag(out, self.abortive);
        self.timers.encode(now, out);
        self.receive_backoff.encode(out);
        self.send_backoff.encode(out);
        encode::length(out, self.inbox.data.as_ref().map_or(0, bytes::Bytes::len));
        for waiting in [self.inbox.peer_finished, self.inbox.writable, self.inbox.closed] {
            encode::flag(out, waiting);
        }
        encode::byte(out, self.ledger.reason.map_or(0, |reason| reason.code()));
        encode::byte(out, self.ledger.cut_short.map_or(0, |reason| reason.code()));
    }
}
