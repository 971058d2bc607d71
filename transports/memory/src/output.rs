//! What a host's TCP sends.

use std::time::Duration;

use bytes::Bytes;
use sansock::Timestamp;

use crate::agenda::ROOM_KEPT;
use crate::network::{Descriptor, HostId, Network};
use crate::segment::{Arrival, Segment};
use crate::socket::{Fin, Socket, State};

/// The first SYN is sent again after this time (RFC 6298: the initial time-out).
const SYN_TIMEOUT: Duration = Duration::from_secs(1);
/// Who has an address is asked for so long (Linux: `mcast_solicit` and `retrans_time_ms` of a neighbour, 3 times 1 s).
const NEIGHBOUR_TIMEOUT: Duration = Duration::from_secs(3);

/// From where to where a segment goes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Route {
    pub(crate) from: Descriptor,
    pub(crate) here: HostId,
    pub(crate) to: Descriptor,
    pub(crate) there: HostId,
}

impl Network {
    /// Sends a segment that says nothing about the other direction, behind all that is on its way to that socket.
    pub(crate) fn transmit(&mut self, route: Route, segment: Segment) {
        self.transmit_with(route, 0, 0, segment);
    }

    /// Sends a segment from a socket to its peer, with an acknowledgement; behind what was lost, if that has not arrived yet.
    pub(crate) fn transmit_to_peer(&mut self, from: Descriptor, segment: Segment) {
        if let Some(socket) = self.socket_mut(from)
            && let Some(recovery) = &mut socket.stream.recovery
            && recovery.delays(&segment)
        {
            return;
        }
        self.transmit_to_peer_at_once(from, segment);
    }

    /// The same, but behind nothing. False if it is lost.
    pub(crate) fn transmit_to_peer_at_once(&mut self, from: Descriptor, segment: Segment) -> bool {
        let Some(socket) = self.socket_mut(from) else { return false };
        let stream = &mut socket.stream;
        stream.owes = false;
        let window = stream.promise();
        let acknowledged = stream.received + u64::from(socket.finished);
        let (here, there) = (socket.host, stream.there);
        let Some(to) = stream.peer else { return false };
        self.transmit_with(Route { from, here, to, there }, acknowledged, window, segment)
    }

    fn transmit_with(&mut self, route: Route, acknowledged: u64, window: u32, segment: Segment) -> bool {
        self.hits.resets += u64::from(matches!(segment, Segment::Reset));
        let Route { from, here, to, there: host } = route;
        self.launch(here, Arrival { from, to, host, window, acknowledged, recorded: None, segment })
    }

    /// The peer is to be told what has arrived, and how much more may: with the next segment, or at the end of this instant.
    pub(crate) fn owe(&mut self, descriptor: Descriptor) {
        if let Some(socket) = self.sockets.get_mut(descriptor.0)
            && !std::mem::replace(&mut socket.stream.owes, true)
        {
            self.owing.push(descriptor);
        }
    }

    /// Sends the acknowledgements that no segment has carried.
    pub(crate) fn send_owed(&mut self) {
        for index in 0..self.owing.len() {
            let descriptor = self.owing[index];
            if self.socket(descriptor).is_some_and(|socket| socket.stream.owes) {
                self.transmit_to_peer(descriptor, Segment::Ack);
            }
        }
        self.owing.clear();
        self.owing.shrink_to(ROOM_KEPT);
    }

    /// Somebody sent to a socket that is gone, or is another connection's by now.
    pub(crate) fn reject(&mut self, host: HostId, gone: Descriptor, sender: Descriptor) {
        if let Some(socket) = self.socket(sender) {
            let there = socket.host;
            self.transmit(Route { from: gone, here: host, to: sender, there }, Segment::Reset);
        }
    }

    /// A timer of a socket runs out then.
    pub(crate) fn arrive_later(&mut self, at: Timestamp, socket: Descriptor, host: HostId, segment: Segment) {
        let timer = Arrival { from: socket, to: socket, host, window: 0, acknowledged: 0, recorded: None, segment };
        self.arrivals.add_apart(at, timer);
    }

    /// Sends a connecting socket's next SYN. Its [`Route::to`] is the client itself: who listens is looked up when it arrives.
    pub(crate) fn send_syn(&mut self, client: Descriptor) {
        let now = self.now;
        let Some(socket) = self.socket_mut(client) else { return };
        socket.stream.syns = socket.stream.syns.wrapping_add(1);
        socket.stream.syn_sent = now;
        let (number, here, there) = (socket.stream.syns, socket.host, socket.stream.there);
        self.transmit(Route { from: client, here, to: client, there }, Segment::Syn { number });
    }

    /// No host has the address that the socket connects to. Linux asks three times who has it.
    pub(crate) fn seek_nobody(&mut self, client: Descriptor) {
        let Some(socket) = self.socket_mut(client) else { return };
        socket.stream.syns = socket.stream.syns.wrapping_add(1);
        let (number, host) = (socket.stream.syns, socket.host);
        self.arrive_later(self.now + NEIGHBOUR_TIMEOUT, client, host, Segment::NobodyThere { number });
    }

    /// The last SYN is lost, or its answer: the client will notice. No other SYN needs a timer.
    pub(crate) fn lose_syn(&mut self, client: Descriptor) {
        let Some(socket) = self.socket(client).filter(|socket| socket.state == State::SynSent) else { return };
        let (number, host, sent) = (socket.stream.syns, socket.host, socket.stream.syn_sent);
        let doublings = u32::from(socket.stream.retries.saturating_sub(self.config.syn_linear_retries));
        let patience = SYN_TIMEOUT.saturating_mul(1_u32.checked_shl(doublings).unwrap_or(u32::MAX));
        let segment = Segment::SynUnanswered { number };
        self.arrive_later((sent + patience).max(self.now), client, host, segment);
    }

    /// Sends these bytes, or queues them behind others and for want of a window.
    pub(crate) fn put_out(&mut self, descriptor: Descriptor, data: Bytes) {
        let largest = self.config.segment;
        let Some(socket) = self.sockets.get_mut(descriptor.0) else { return };
        let stream = &mut socket.stream;
        if stream.unsent.is_empty() && data.len() <= largest.min(stream.window as usize) {
            let sequence = stream.take_sequence(data.len());
            return self.transmit_to_peer(descriptor, Segment::Data { sequence, data });
        }
        stream.unsent.push(&mut self.store, data);
        self.flush(descriptor);
        self.is_stuck(descriptor);
    }

    /// Puts what is queued into segments, as far as the peer has room, and then the FIN.
    pub(crate) fn flush(&mut self, descriptor: Descriptor) {
        while let Some(segment) = self.next_segment(descriptor) {
            self.transmit_to_peer(descriptor, segment);
        }
    }

    fn next_segment(&mut self, descriptor: Descriptor) -> Option<Segment> {
        let largest = self.config.segment.max(1);
        let stream = &mut self.sockets.get_mut(descriptor.0)?.stream;
        let size = largest.min(stream.window as usize).min(stream.unsent.len());
        if size > 0 {
            let data = stream.unsent.pop_front(&mut self.store, size);
            let sequence = stream.take_sequence(data.len());
            return Some(Segment::Data { sequence, data });
        }
        if stream.fin == Fin::Queued && stream.unsent.is_empty() {
            stream.fin = Fin::Sent;
            return Some(Segment::Fin { sequence: stream.take_sequence(0) });
        }
        None
    }
}

/// The application has read. The peer is told if it knows of half a buffer at most, and of half of what there is: Linux's rule against
/// silly windows.
pub(crate) fn is_to_tell_window(socket: &Socket) -> bool {
    let stream = &socket.stream;
    let [known, now] = [stream.promised, stream.free()].map(u64::from);
    let expects_more = matches!(socket.state, State::Established | State::FinWait1 | State::FinWait2);
    expects_more && known.saturating_mul(2) <= stream.receive_capacity() as u64 && now >= known.saturating_mul(2)
}
