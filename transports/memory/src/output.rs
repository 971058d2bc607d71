//! What a host's TCP sends.

use std::time::Duration;

use sansock::Timestamp;

use crate::network::{Descriptor, HostId, Network};
use crate::segment::{Arrival, Segment};
use crate::socket::{Fin, State};

/// The first SYN is sent again after this time (RFC 6298: the initial time-out).
const SYN_TIMEOUT: Duration = Duration::from_secs(1);

/// From where to where a segment goes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Route {
    pub(crate) from: Descriptor,
    pub(crate) here: HostId,
    pub(crate) to: Descriptor,
    pub(crate) there: HostId,
}

impl Network {
    /// Sends a segment, behind all that is on its way to that socket.
    pub(crate) fn transmit(&mut self, route: Route, segment: Segment) {
        let mut at = self.now + self.travel(route.here);
        if let Some(to) = self.socket_mut(route.to) {
            at = at.max(to.stream.last_arrival);
            to.stream.last_arrival = at;
        }
        self.hits.resets += u64::from(matches!(segment, Segment::Reset));
        self.arrivals.add(at, Arrival { from: route.from, to: route.to, host: route.there, segment });
    }

    /// Sends a segment from a socket to its peer.
    pub(crate) fn transmit_to_peer(&mut self, from: Descriptor, segment: Segment) {
        let Some(socket) = self.socket(from) else { return };
        let (here, there) = (socket.host, socket.stream.there);
        if let Some(to) = socket.stream.peer {
            self.transmit(Route { from, here, to, there }, segment);
        }
    }

    /// Somebody sent to a socket that is gone, or is another connection's by now.
    pub(crate) fn reject(&mut self, host: HostId, gone: Descriptor, sender: Descriptor) {
        if let Some(socket) = self.socket(sender) {
            let there = socket.host;
            self.transmit(Route { from: gone, here: host, to: sender, there }, Segment::Reset);
        }
    }

    fn travel(&mut self, from: HostId) -> Duration {
        let jitter = self.hosts[from.index()].jitter.span(self.config.jitter);
        self.hits.jitter += u64::from(!jitter.is_zero());
        self.config.latency + jitter
    }

    /// Sends a connecting socket's next SYN. Its [`Route::to`] is the client itself: who listens is looked up when it arrives.
    pub(crate) fn send_syn(&mut self, client: Descriptor) {
        let Some(socket) = self.socket_mut(client) else { return };
        socket.stream.syns = socket.stream.syns.wrapping_add(1);
        let (number, here, there) = (socket.stream.syns, socket.host, socket.stream.there);
        let (now, at) = (self.now, self.now + self.travel(here));
        let segment = Segment::Syn { number, sent: now };
        self.arrivals.add(at, Arrival { from: client, to: client, host: there, segment });
    }

    /// The SYN that was sent then is lost: the client will notice. No other SYN needs a timer.
    pub(crate) fn lose_syn(&mut self, client: Descriptor, sent: Timestamp) {
        let Some(socket) = self.socket(client) else { return };
        let (number, host) = (socket.stream.syns, socket.host);
        let doublings = u32::from(socket.stream.retries.saturating_sub(self.config.syn_linear_retries));
        let patience = SYN_TIMEOUT.saturating_mul(1_u32.checked_shl(doublings).unwrap_or(u32::MAX));
        let segment = Segment::SynUnanswered { number };
        self.arrivals.add((sent + patience).max(self.now), Arrival { from: client, to: client, host, segment });
    }

    /// Puts what is queued into segments, as far as the peer has room, and then the FIN.
    pub(crate) fn flush(&mut self, descriptor: Descriptor) {
        while let Some(segment) = self.next_segment(descriptor) {
            self.transmit_to_peer(descriptor, segment);
        }
    }

    fn next_segment(&mut self, descriptor: Descriptor) -> Option<Segment> {
        let largest = self.config.segment.max(1);
        let stream = &mut self.socket_mut(descriptor)?.stream;
        let window = usize::try_from(stream.limit.saturating_sub(stream.sent)).unwrap_or(usize::MAX);
        let size = window.min(largest).min(stream.unsent.len());
        if size > 0 {
            let data = stream.unsent.pop_front(size);
            stream.sent += data.len() as u64;
            return Some(Segment::Data(data));
        }
        if stream.fin == Fin::Queued && stream.unsent.is_empty() {
            stream.fin = Fin::Sent;
            return Some(Segment::Fin);
        }
        None
    }

    /// Tells the peer what has arrived, and how much more may.
    pub(crate) fn acknowledge(&mut self, descriptor: Descriptor) {
        let Some(socket) = self.socket_mut(descriptor) else { return };
        let stream = &mut socket.stream;
        stream.advertised = stream.edge().max(stream.advertised);
        let segment = Segment::Ack { acknowledged: stream.received + u64::from(socket.finished), limit: stream.advertised };
        self.transmit_to_peer(descriptor, segment);
    }

    /// The application has read. The peer is told if it knows of half a buffer at most, and of half of what there is: Linux's rule
    /// against silly windows.
    pub(crate) fn open_window(&mut self, descriptor: Descriptor) {
        let Some(socket) = self.socket(descriptor) else { return };
        let stream = &socket.stream;
        let known = stream.advertised.saturating_sub(stream.received);
        let now = stream.edge().saturating_sub(stream.received);
        let expects_more = matches!(socket.state, State::Established | State::FinWait1 | State::FinWait2);
        if expects_more && known.saturating_mul(2) <= stream.receive_capacity as u64 && now >= known.saturating_mul(2) {
            self.acknowledge(descriptor);
        }
    }
}
