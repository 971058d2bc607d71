//! What the way from one host to another is like, and what is done to it.

use std::time::Duration;

use sansock::Timestamp;

use crate::chance::{Chance, Purpose};
use crate::config::NetworkConfig;
use crate::network::{HostId, Network};
use crate::segment::{Arrival, Segment};

/// What one direction between two hosts is like.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Link {
    /// How long a segment travels.
    pub latency: Duration,
    /// Up to this much is added to the latency of each segment, by chance; segments to one socket never overtake each other.
    pub jitter: Duration,
    /// So many bytes of data pass in a second; what is sent meanwhile waits. `None`: any number at any time. Zero counts as one.
    pub bandwidth: Option<u64>,
    /// One in so many segments is lost, by chance; 0 is none. TCP sends it again after 200 ms, so a loss is seen as a delay; a reset that is
    /// lost is not sent again.
    pub loss_in: u32,
}

impl From<&NetworkConfig> for Link {
    /// What links are like that nobody has set: latency and jitter of the configuration, neither a limit nor loss.
    fn from(config: &NetworkConfig) -> Self {
        Self { latency: config.latency, jitter: config.jitter, bandwidth: None, loss_in: 0 }
    }
}

/// A link that is used.
#[derive(Clone, Debug)]
pub(crate) struct Path {
    link: Link,
    /// Nothing gets through.
    partitioned: bool,
    /// What is sent waits.
    holding: bool,
    held: Vec<Arrival>,
    /// Until then what was sent before is passing.
    busy_until: Timestamp,
    jitter: Chance,
    loss: Chance,
}

/// Why a segment is lost.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Loss {
    Chance,
    Partition,
    HostDown,
}

/// What becomes of a segment that is sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Departure {
    /// It arrives then, or behind what is on its way to the same socket.
    Arrives(Timestamp),
    Lost(Loss),
    Held,
}

impl Network {
    /// Sets what the link from one host to another is like from now on. What is on its way is not touched. A host's link to itself is a
    /// link like any other.
    pub fn set_link(&mut self, from: HostId, to: HostId, link: Link) {
        self.calm = false;
        self.path(from, to).link = link;
    }

    /// What the link from one host to another is like.
    #[must_use]
    pub fn link(&self, from: HostId, to: HostId) -> Link {
        self.paths.get(&(from, to)).map_or_else(|| Link::from(&self.config), |path| path.link)
    }

    /// Nothing that is sent from one host to the other gets through any more, until [`heal`](Network::heal). The other direction is not
    /// touched: a partition both ways takes two calls. What is on its way arrives. TCP sends again what was lost, after 200 ms, 400 ms
    /// and so on up to two minutes, and gives up after a quarter of an hour.
    pub fn partition(&mut self, from: HostId, to: HostId) {
        self.calm = false;
        self.path(from, to).partitioned = true;
    }

    /// What is sent from one host to the other waits until [`release`](Network::release) or [`heal`](Network::heal), in order. Nobody sends
    /// it again meanwhile, or gives up, unless it [keeps alive](Network::keep_alive). What a partition does not let through is lost nevertheless.
    pub fn hold(&mut self, from: HostId, to: HostId) {
        self.calm = false;
        self.path(from, to).holding = true;
    }

    /// What was held travels on, unless there is a partition by now, and the hold ends.
    pub fn release(&mut self, from: HostId, to: HostId) {
        let Some(path) = self.paths.get_mut(&(from, to)) else { return };
        path.holding = false;
        for arrival in std::mem::take(&mut path.held) {
            self.hits.released += 1;
            // If one before it is lost now, it waits for that.
            let recovery = self.socket_mut(arrival.from).and_then(|socket| socket.stream.recovery.as_mut());
            if recovery.is_some_and(|recovery| recovery.delays(&arrival.segment)) {
                self.record_loss(&arrival, "sent again behind one that was lost");
            } else {
                self.forward(from, arrival);
            }
        }
    }

    /// Every partition and every hold ends. What was lost is sent again when its time comes, not at once.
    pub fn heal(&mut self) {
        let mut pairs: Vec<_> = self.paths.keys().copied().collect();
        // What is released at one instant travels on in a fixed order.
        pairs.sort_unstable();
        for (from, to) in pairs {
            self.path(from, to).partitioned = false;
            self.release(from, to);
        }
    }

    /// Sends a segment that leaves this host now. False if it is lost.
    #[inline]
    pub(crate) fn launch(&mut self, from: HostId, arrival: Arrival) -> bool {
        if self.calm {
            self.send_off(self.now + self.config.latency, arrival);
            return true;
        }
        self.launch_unless_calm(from, arrival)
    }

    #[inline(never)]
    fn launch_unless_calm(&mut self, from: HostId, mut arrival: Arrival) -> bool {
        arrival.recorded = self.record_departure(from, &arrival);
        self.forward(from, arrival)
    }

    /// Sends a segment on its way, and sees to it if it is lost or has to wait.
    fn forward(&mut self, from: HostId, arrival: Arrival) -> bool {
        match self.depart(from, arrival.host, arrival.segment.size()) {
            Departure::Arrives(at) => self.send_off(at, arrival),
            Departure::Held => {
                self.hits.held += 1;
                let to = arrival.host;
                self.path(from, to).held.push(arrival);
            }
            Departure::Lost(why) => {
                self.lose(arrival, why);
                return false;
            }
        }
        true
    }

    /// It arrives then, or behind what is on its way to the same socket.
    #[inline]
    fn send_off(&mut self, at: Timestamp, arrival: Arrival) {
        let mut at = at;
        // A SYN names the client itself: who listens is looked up when it arrives.
        if !matches!(arrival.segment, Segment::Syn { .. })
            && let Some(to) = self.socket_mut(arrival.to)
        {
            at = at.max(to.stream.last_arrival);
            to.stream.last_arrival = at;
        }
        self.arrivals.add(at, arrival);
    }

    /// What becomes of a segment with so many bytes of data that one host sends to another now.
    fn depart(&mut self, from: HostId, to: HostId, size: usize) -> Departure {
        let now = self.now;
        let path = self.path(from, to);
        if path.partitioned {
            return Departure::Lost(Loss::Partition);
        }
        if path.holding {
            return Departure::Held;
        }
        let link = path.link;
        let begin = now.max(path.busy_until);
        path.busy_until = begin + passing(size, link.bandwidth);
        let passed = path.busy_until;
        // Both are drawn for every segment, so that a loss does not change what later ones draw.
        let jitter = path.jitter.span(link.jitter);
        let lost = path.loss.one_in(link.loss_in);
        self.hits.bandwidth_waits += u64::from(begin > now);
        if lost {
            return Departure::Lost(Loss::Chance);
        }
        self.hits.jitter += u64::from(!jitter.is_zero());
        Departure::Arrives(passed + link.latency + jitter)
    }

    /// Something comes to a host, in a network that is not calm.
    pub(crate) fn come_to_host(&mut self, arrival: Arrival) {
        if !arrival.segment.is_timer() {
            if self.is_down(arrival.host) {
                self.lose(arrival, Loss::HostDown);
                return;
            }
            self.record_arrival(&arrival);
        }
        self.arrive(arrival);
    }

    /// The host has another key: what it shares with others is drawn by that.
    pub(crate) fn draw_anew(&mut self, host: HostId) {
        let pairs: Vec<_> = self.paths.keys().copied().filter(|(from, to)| *from == host || *to == host).collect();
        for (from, to) in pairs {
            let [own, other] = [from, to].map(|host| self.hosts[host.index()].key);
            let seed = self.seed;
            self.path(from, to).draw_by(seed, own, other);
        }
    }

    fn path(&mut self, from: HostId, to: HostId) -> &mut Path {
        let Self { paths, hosts, config, seed, .. } = self;
        paths.entry((from, to)).or_insert_with(|| {
            let [from, to] = [from, to].map(|host| hosts[host.index()].key);
            Path::new(Link::from(&*config), *seed, from, to)
        })
    }
}

impl Path {
    /// From the host with one key to that with the other.
    fn new(link: Link, seed: u64, from: u64, to: u64) -> Self {
        Self {
            link,
            partitioned: false,
            holding: false,
            held: Vec::new(),
            busy_until: Timestamp::ZERO,
            jitter: Chance::between(seed, Purpose::Jitter, from, to),
            loss: Chance::between(seed, Purpose::Loss, from, to),
        }
    }

    fn draw_by(&mut self, seed: u64, from: u64, to: u64) {
        let Self { jitter, loss, .. } = Self::new(self.link, seed, from, to);
        (self.jitter, self.loss) = (jitter, loss);
    }
}

impl Loss {
    /// As a recording says it.
    pub(crate) const fn sentence(self) -> &'static str {
        match self {
            Self::Chance => "lost by chance",
            Self::Partition => "partition",
            Self::HostDown => "the host is down",
        }
    }
}

/// How long so many bytes take to pass.
fn passing(size: usize, bandwidth: Option<u64>) -> Duration {
    let Some(bandwidth) = bandwidth else { return Duration::ZERO };
    let nanos = (size as u128 * 1_000_000_000).div_ceil(u128::from(bandwidth.max(1)));
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// When each of many segments that leave at one instant arrives, if it does.
    fn arrivals(loss_in: u32) -> Vec<Option<Timestamp>> {
        let mut network = Network::new(NetworkConfig::default(), 1);
        let [from, to] = [network.add_host([]), network.add_host([])];
        let link = Link { jitter: Duration::from_secs(1), loss_in, ..network.link(from, to) };
        network.set_link(from, to, link);
        let departures = (0..100).map(|_| network.depart(from, to, 1));
        departures
            .map(|departure| match departure {
                Departure::Arrives(at) => Some(at),
                Departure::Lost(_) | Departure::Held => None,
            })
            .collect()
    }

    #[test]
    fn a_loss_does_not_change_what_later_segments_draw() {
        let (lossy, all) = (arrivals(3), arrivals(0));
        assert!(all.iter().all(Option::is_some));
        assert!(lossy.iter().any(Option::is_none));
        assert!(lossy.iter().zip(&all).all(|(one, other)| one.is_none() || one == other));
    }

    #[test]
    fn the_last_nanosecond_of_a_passage_counts() {
        assert_eq!(passing(usize::MAX, None), Duration::ZERO);
        assert_eq!(passing(1, Some(3)), Duration::from_nanos(333_333_334));
        assert_eq!(passing(3, Some(3)), Duration::from_secs(1));
        assert_eq!(passing(2, Some(0)), Duration::from_secs(2), "zero counts as one");
        assert_eq!(passing(usize::MAX, Some(1)), Duration::from_nanos(u64::MAX));
    }
}
