//! How TCP finds out that an idle peer is gone.

use std::time::Duration;

use sansock::{FaultKind, Timestamp};

use crate::network::{Descriptor, Network};
use crate::segment::Segment;
use crate::socket::{Fin, State};

/// A peer that does not answer is asked again after this time (Linux: `tcp_keepalive_intvl`).
const BETWEEN_PROBES: Duration = Duration::from_secs(75);
/// It is asked so often (Linux: `tcp_keepalive_probes`).
const PROBES: u32 = 9;

/// `SO_KEEPALIVE`, and what has come of it.
#[derive(Clone, Debug)]
pub(crate) struct KeepAlive {
    /// After this time without anything from the peer it is asked whether it is there.
    idle: Duration,
    /// How often it was asked since then, and when last.
    probes: u32,
    asked: Timestamp,
    /// The number of the timer that runs.
    timer: u32,
}

impl Network {
    /// Asks an idle connection's peer whether it is there, when nothing has come from it for so long (`SO_KEEPALIVE`, `TCP_KEEPIDLE`); if it
    /// does not answer, every 75 s nine times more, and then the connection ends with [`FaultKind::TimedOut`]. Accepted sockets have what their listener
    /// has. `None` is the default. While there is such a connection, a simulation is never over.
    ///
    /// # Errors
    /// [`FaultKind::BadDescriptor`].
    pub fn keep_alive(&mut self, descriptor: Descriptor, idle: Option<Duration>) -> Result<(), FaultKind> {
        let stream = &mut self.open_socket(descriptor)?.stream;
        stream.keep_alive = idle.map(|idle| Box::new(KeepAlive { idle, probes: 0, asked: Timestamp::ZERO, timer: 0 }));
        self.keep_watch(descriptor);
        Ok(())
    }

    /// The connection is established, or is to be kept alive from now on.
    pub(crate) fn keep_watch(&mut self, descriptor: Descriptor) {
        let now = self.now;
        let Some(socket) = self.socket_mut(descriptor) else { return };
        if let Some(keep_alive) = &mut socket.stream.keep_alive
            && !matches!(socket.state, State::Closed | State::Listen | State::SynSent | State::SynReceived)
        {
            keep_alive.probes = 0;
            let at = now + keep_alive.idle;
            self.look_again(descriptor, at);
        }
    }

    fn look_again(&mut self, descriptor: Descriptor, at: Timestamp) {
        let Some(socket) = self.socket_mut(descriptor) else { return };
        let (host, number) = (socket.host, socket.stream.next_timer());
        let Some(keep_alive) = &mut socket.stream.keep_alive else { return };
        keep_alive.timer = number;
        self.arrive_later(at, descriptor, host, Segment::Silence { number });
    }

    /// A timer of the socket: nothing may have come for long.
    pub(crate) fn on_silence(&mut self, descriptor: Descriptor, number: u32) {
        let now = self.now;
        let Some(socket) = self.socket_mut(descriptor) else { return };
        let (is_over, stream) = (socket.state == State::Closed, &mut socket.stream);
        // What is sent and not acknowledged finds out by itself.
        let waits = !stream.unsent.is_empty() || stream.acknowledged < stream.sent + u64::from(stream.fin == Fin::Sent);
        let heard = stream.last_arrival;
        let Some(keep_alive) = stream.keep_alive.as_mut().filter(|keep_alive| keep_alive.timer == number && !is_over) else {
            return;
        };
        let idle = keep_alive.idle;
        if keep_alive.probes > 0 && heard >= keep_alive.asked {
            keep_alive.probes = 0;
        }
        if waits || (keep_alive.probes == 0 && heard + idle > now) {
            keep_alive.probes = 0;
            return self.look_again(descriptor, if waits { now + idle } else { heard + idle });
        }
        if keep_alive.probes >= PROBES {
            self.hits.connections_timed_out += 1;
            // Linux tells the peer, should it be there after all.
            self.transmit_to_peer(descriptor, Segment::Reset);
            return self.fail(descriptor, FaultKind::TimedOut);
        }
        keep_alive.probes += 1;
        keep_alive.asked = now;
        self.hits.keep_alive_probes += 1;
        self.look_again(descriptor, now + BETWEEN_PROBES);
        self.transmit_to_peer(descriptor, Segment::Probe);
    }
}
