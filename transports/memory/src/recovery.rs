//! How TCP gets over a loss: what was not acknowledged is sent again, each time after twice as long.
//!
//! Since the simulation knows what is lost, only a loss sets a timer. A connection that loses nothing costs nothing here. There is no
//! fast retransmission: what is sent behind a lost segment waits for it.

use std::collections::VecDeque;
use std::time::Duration;

use sansock::FaultKind;

use crate::links::Loss;
use crate::names::Connection;
use crate::network::{Descriptor, HostId, Network};
use crate::segment::{Arrival, Segment};
use crate::socket::{Fin, Socket, State, Stream};

/// The first time-out: Linux's shortest (`tcp_rto_min_us`), which is the one of every fast network.
const FIRST: Duration = Duration::from_millis(200);
/// The first time-out of a SYN's answer.
const FIRST_SYN_ACK: Duration = Duration::from_secs(1);
/// The longest (Linux: `tcp_rto_max_ms`).
const LONGEST: Duration = Duration::from_secs(120);
/// So often something is sent again before the connection is given up (Linux: `tcp_retries2`): after 924.6 s.
const RETRIES: u32 = 15;
/// The same for a socket that nobody has open any more (Linux: `tcp_orphan_retries` of 0, which means 8): after 102.2 s.
const ORPHAN_RETRIES: u32 = 8;
/// So often a SYN is answered again (Linux: `tcp_synack_retries`), before the client is forgotten after 63 s.
const SYN_ACK_RETRIES: u32 = 5;

/// What a socket has lost, and what it does about it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Recovery {
    /// Segments that were lost, and those that follow them.
    waiting: VecDeque<Segment>,
    /// What the lost segments to this socket acknowledged, and the limit that they gave.
    missed: (u64, u64),
    /// The peer is gone without a word.
    silent: bool,
    /// How often something was sent again since the peer has acknowledged something.
    retries: u32,
    /// The number of the timer that runs.
    timer: Option<u32>,
}

impl Network {
    /// A segment is lost on its way, or comes to a host that is down.
    pub(crate) fn lose(&mut self, arrival: Arrival, why: Loss) {
        *match why {
            Loss::Chance => &mut self.hits.lost_by_chance,
            Loss::Partition => &mut self.hits.lost_in_partitions,
            Loss::HostDown => &mut self.hits.lost_at_hosts_down,
        } += 1;
        let (kind, numbers, bytes) = arrival.words();
        self.trace.note(self.now, kind | LOST, numbers, bytes);
        self.record_loss(&arrival, why.sentence());
        let Arrival { from, to, window, acknowledged, segment, .. } = arrival;
        match segment {
            // The client will notice that nobody answers.
            Segment::Syn { .. } => return self.lose_syn(from),
            Segment::Refused { .. } => return self.lose_syn(to),
            // Nobody sends it again. Who sends to a connection that is gone is told so then.
            Segment::Reset => return self.fall_silent(to),
            Segment::SynAck => {
                self.lose_syn(to);
                self.recover(from, |_| {});
            }
            Segment::Data { .. } | Segment::Fin { .. } => self.recover(from, |recovery| recovery.wait(segment)),
            // These have come from nowhere.
            Segment::Ack
            | Segment::Probe
            | Segment::SynUnanswered { .. }
            | Segment::Unanswered { .. }
            | Segment::Silence { .. }
            | Segment::NobodyThere { .. } => {}
        }
        // Each segment also carries an acknowledgement, which the other end may wait for.
        let missed = (acknowledged, acknowledged.saturating_add(u64::from(window)));
        self.recover(to, |recovery| recovery.missed = (recovery.missed.0.max(missed.0), recovery.missed.1.max(missed.1)));
    }

    /// The peer of this socket is gone, and will not say so.
    pub(crate) fn fall_silent(&mut self, descriptor: Descriptor) {
        self.recover(descriptor, |recovery| recovery.silent = true);
    }

    /// The socket has something to send for which there is no room. If the peer is gone, or has said in vain that there is room, it is asked.
    pub(crate) fn is_stuck(&mut self, descriptor: Descriptor) {
        if self.socket(descriptor).is_some_and(|socket| socket.stream.recovery.is_some()) {
            self.recover(descriptor, |_| {});
        }
    }

    /// Notes what was lost, and sets the socket's timer if it waits for that.
    fn recover(&mut self, descriptor: Descriptor, note: impl FnOnce(&mut Recovery)) {
        let Some(socket) = self.socket_mut(descriptor) else { return };
        if matches!(socket.state, State::Closed | State::Listen | State::SynSent) {
            return;
        }
        let recovery = socket.stream.recovery.get_or_insert_default();
        note(recovery);
        if recovery.timer.is_some() {
            return;
        }
        if needs_recovery(socket) {
            self.set_timer(descriptor);
        } else {
            rest(&mut socket.stream);
        }
    }

    /// Something has arrived: it may be all, and a time-out that has doubled begins anew.
    pub(crate) fn reassure(&mut self, descriptor: Descriptor) {
        let Some(socket) = self.socket_mut(descriptor) else { return };
        let is_needed = needs_recovery(socket);
        let Some(recovery) = &mut socket.stream.recovery else { return };
        if !is_needed {
            recovery.timer = None;
            rest(&mut socket.stream);
        } else if std::mem::take(&mut recovery.retries) > 0 {
            self.set_timer(descriptor);
        }
    }

    fn set_timer(&mut self, descriptor: Descriptor) {
        let Some(socket) = self.socket_mut(descriptor) else { return };
        let (host, number) = (socket.host, socket.stream.next_timer());
        let first = if socket.state == State::SynReceived { FIRST_SYN_ACK } else { FIRST };
        let Some(recovery) = &mut socket.stream.recovery else { return };
        recovery.timer = Some(number);
        let patience = first.saturating_mul(1_u32.checked_shl(recovery.retries).unwrap_or(u32::MAX)).min(LONGEST);
        self.arrive_later(self.now + patience, descriptor, host, Segment::Unanswered { number });
    }

    /// A timer of the socket: what it waits for has not come.
    pub(crate) fn on_unanswered(&mut self, descriptor: Descriptor, number: u32) {
        let Some(socket) = self.socket_mut(descriptor) else { return };
        let (is_needed, limit) = (needs_recovery(socket), retries(socket));
        let Some(recovery) = socket.stream.recovery.as_deref_mut().filter(|recovery| recovery.timer == Some(number)) else {
            return;
        };
        recovery.timer = None;
        if !is_needed {
            return rest(&mut socket.stream);
        }
        if recovery.retries >= limit {
            return self.give_up(descriptor);
        }
        recovery.retries += 1;
        self.set_timer(descriptor);
        self.send_again(descriptor);
    }

    /// Sends the first segment that waits, and as many of the others as get through; or asks what has arrived.
    fn send_again(&mut self, descriptor: Descriptor) {
        let mut any = false;
        while let Some(segment) = self.next_waiting(descriptor) {
            any = true;
            self.hits.retransmissions += 1;
            // If it is lost again, it waits again.
            if !self.transmit_to_peer_at_once(descriptor, segment) {
                return;
            }
        }
        if !any {
            self.hits.retransmissions += 1;
            let opening = self.socket(descriptor).is_some_and(|socket| socket.state == State::SynReceived);
            self.transmit_to_peer_at_once(descriptor, if opening { Segment::SynAck } else { Segment::Probe });
        }
    }

    fn next_waiting(&mut self, descriptor: Descriptor) -> Option<Segment> {
        self.socket_mut(descriptor)?.stream.recovery.as_mut()?.waiting.pop_front()
    }

    /// Nothing was acknowledged for so long that the connection is given up. The peer is not told.
    fn give_up(&mut self, descriptor: Descriptor) {
        self.hits.connections_timed_out += 1;
        if self.socket(descriptor).is_some_and(|socket| socket.parent().is_some()) {
            return self.forget_pending(descriptor);
        }
        self.fail(descriptor, FaultKind::TimedOut);
    }

    /// Somebody asks what has arrived, and the socket is gone. If its names are in TIME_WAIT, everything has.
    pub(crate) fn answer_for(&mut self, host: HostId, gone: Descriptor, sender: Descriptor) {
        let Some(Socket { local: Some(theirs), remote: Some(own), host: there, .. }) = self.socket(sender) else { return };
        let (theirs, own, there) = (*theirs, *own, *there);
        if !matches!(self.names(host).connection(own, theirs), Some(Connection::TimeWait(_))) {
            return self.reject(host, gone, sender);
        }
        let everything = Arrival {
            from: gone,
            to: sender,
            host: there,
            window: 0,
            acknowledged: u64::MAX,
            recorded: None,
            segment: Segment::Ack,
        };
        self.launch(host, everything);
    }
}

/// In the trace, what is lost is told from what arrives by this.
const LOST: u8 = 128;

impl Recovery {
    /// True if the segment has to wait for others that were lost and come before it; then it does.
    pub(crate) fn delays(&mut self, segment: &Segment) -> bool {
        let delays = segment.sequence().is_some() && self.waiting.front().is_some_and(|first| comes_before(first, segment));
        if delays {
            self.wait(segment.clone());
        }
        delays
    }

    /// The segment waits, in its place.
    fn wait(&mut self, segment: Segment) {
        let place = self.waiting.partition_point(|other| comes_before(other, &segment));
        self.waiting.insert(place, segment);
    }
}

/// Nothing is needed now. Something may be when there is more to send.
fn rest(stream: &mut Stream) {
    let limit = stream.limit();
    stream.recovery = stream.recovery.take().filter(|recovery| recovery.silent || limit < recovery.missed.1);
    if let Some(recovery) = &mut stream.recovery {
        recovery.retries = 0;
    }
}

/// By their places in the stream, modulo 2^32. A FIN has the place of the byte that would follow, so it comes behind all data.
fn comes_before(one: &Segment, other: &Segment) -> bool {
    one.sequence().unwrap_or(0).wrapping_sub(other.sequence().unwrap_or(0)) > u32::MAX / 2
}

/// True if the socket has lost something, and hears now that something has arrived, or that there is more room.
pub(crate) fn is_reassured(stream: &Stream, acknowledged: u64, limit: u64) -> bool {
    stream.recovery.is_some() && (acknowledged > stream.acknowledged || limit > stream.limit())
}

/// True if the socket waits for something that was lost.
fn needs_recovery(socket: &Socket) -> bool {
    let stream = &socket.stream;
    let Some(recovery) = &stream.recovery else { return false };
    let unsent = !stream.unsent.is_empty();
    let unacknowledged = stream.acknowledged < stream.sent + u64::from(stream.fin == Fin::Sent);
    match socket.state {
        State::Closed | State::Listen | State::SynSent => false,
        State::SynReceived => true,
        _ => {
            !recovery.waiting.is_empty()
                || stream.acknowledged < recovery.missed.0
                || (unsent && stream.limit() < recovery.missed.1)
                || (recovery.silent && (unsent || unacknowledged))
        }
    }
}

/// How often the socket sends something again.
fn retries(socket: &Socket) -> u32 {
    match socket.state {
        State::SynReceived => SYN_ACK_RETRIES,
        _ if socket.orphan => ORPHAN_RETRIES,
        _ => RETRIES,
    }
}
