//! What happened in a run, kept to be shown: as a picture, and as a capture for Wireshark.

mod capture;
mod network;
mod picture;

use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU32;

use bytes::Bytes;
use sansock::Timestamp;

/// Everything that happened in a run, in order. It is kept only for runs that are to be shown, since it holds every byte.
///
/// A [`Network`](crate::Network) writes one from [`start_recording`](crate::Network::start_recording) on; a
/// [`World`](crate::world::World) adds what its hosts say, and what the scenario does. Its pictures are [`Recording::picture`] and
/// [`Recording::capture`].
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Recording {
    hosts: Vec<RecordedHost>,
    entries: Vec<Entry>,
    /// The number of the last segment.
    segments: u32,
    /// Those up to here belong to an earlier recording of the same network.
    earlier: u32,
}

/// A host, as it is shown.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RecordedHost {
    /// Its name.
    pub name: String,
    /// Its addresses, beside the loopback ones.
    pub addresses: Vec<IpAddr>,
}

/// One thing that happened.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Entry {
    /// When.
    pub at: Timestamp,
    /// What.
    pub what: Happening,
}

/// The name of a segment within its recording.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct SegmentId(NonZeroU32);

/// What can happen. Hosts are named by their place in the recording.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Happening {
    /// A segment left its host.
    Sent(Flight),
    /// A segment came to its host.
    Arrived(SegmentId),
    /// A segment was lost on its way.
    Dropped {
        /// Which.
        segment: SegmentId,
        /// Why.
        why: String,
    },
    /// An application, or its machine, says something.
    Said {
        /// The host that it runs on.
        host: usize,
        /// What it says.
        text: String,
    },
    /// The scenario did something to a host, or to the network.
    Fault {
        /// The host, if it was one.
        host: Option<usize>,
        /// What was done.
        text: String,
    },
    /// A rule does not hold.
    Violated {
        /// The rule's name.
        rule: String,
        /// How it was found out.
        text: String,
    },
}

/// A segment on its way.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Flight {
    /// Its name.
    pub id: SegmentId,
    /// The host that it left.
    pub from_host: usize,
    /// The host that it is for.
    pub to_host: usize,
    /// The number of the socket that sends it, which no other has, or had before; 0 for the answer of a host where there is none.
    pub socket: u64,
    /// The address that it left.
    pub from: SocketAddr,
    /// The address that it is for.
    pub to: SocketAddr,
    /// What it carries.
    pub carries: Carried,
    /// What it says about the other direction, if anything.
    pub acknowledges: Option<Acknowledged>,
}

/// What has arrived of one direction.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Acknowledged {
    /// So many bytes; the FIN counts as one. `u64::MAX`: everything.
    pub until: u64,
    /// There is room for so many more.
    pub window: u32,
}

/// What a segment carries.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Carried {
    /// The request for a connection.
    Syn,
    /// The answer to it.
    SynAck,
    /// Bytes, and the place of the first one in the stream, modulo 2^32. What was lost is sent again with the same place.
    Data(u32, Bytes),
    /// The end of a direction, and its place in the stream.
    Fin(u32),
    /// The end of a connection; also the answer of a host where nobody listens.
    Reset,
    /// Nothing but what it acknowledges.
    Ack,
    /// Asks the peer whether it is there, and what has arrived.
    Probe,
}

impl Recording {
    /// Nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The recording that follows one whose last segment had this number: what is on its way belongs to that one.
    fn following(last: u32) -> Self {
        Self { segments: last, earlier: last, ..Self::default() }
    }

    /// True if the segment was sent during this recording.
    fn knows(&self, segment: SegmentId) -> bool {
        segment.0.get() > self.earlier
    }

    /// Adds a host. Its place is the number of hosts that were added before.
    pub fn add_host(&mut self, name: impl Into<String>, addresses: impl IntoIterator<Item = IpAddr>) -> usize {
        self.hosts.push(RecordedHost { name: name.into(), addresses: addresses.into_iter().collect() });
        self.hosts.len() - 1
    }

    /// The host is called this from now on.
    pub(crate) fn name_host(&mut self, host: usize, name: &str) {
        if let Some(host) = self.hosts.get_mut(host) {
            name.clone_into(&mut host.name);
        }
    }

    /// A segment leaves, which gets its name here.
    pub(crate) fn sent(&mut self, at: Timestamp, flight: impl FnOnce(SegmentId) -> Flight) -> SegmentId {
        let id = SegmentId(NonZeroU32::MIN.saturating_add(self.segments));
        self.segments = self.segments.saturating_add(1);
        self.note(at, Happening::Sent(flight(id)));
        id
    }

    /// Anything else happens.
    pub fn note(&mut self, at: Timestamp, what: Happening) {
        self.entries.push(Entry { at, what });
    }

    /// The hosts.
    #[must_use]
    pub fn hosts(&self) -> &[RecordedHost] {
        &self.hosts
    }

    /// Everything that happened, in order.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }
}

impl Carried {
    /// A few words: `data 5: "hello"`.
    #[must_use]
    pub fn summary(&self) -> String {
        match self {
            Self::Syn => "SYN".into(),
            Self::SynAck => "SYN, ACK".into(),
            Self::Data(_, data) => format!("data {}: {}", data.len(), excerpt(data)),
            Self::Fin(_) => "FIN".into(),
            Self::Reset => "RST".into(),
            Self::Ack => "ACK".into(),
            Self::Probe => "probe".into(),
        }
    }
}

/// The beginning of some bytes, readable if they are text.
fn excerpt(data: &[u8]) -> String {
    const MOST: usize = 20;
    let start = &data[..data.len().min(MOST)];
    let more = if data.len() > MOST { "..." } else { "" };
    if start.iter().all(|byte| byte.is_ascii_graphic() || matches!(byte, b' ' | b'\n' | b'\r' | b'\t')) {
        format!("\"{}\"{more}", start.escape_ascii())
    } else {
        let start = &start[..start.len().min(MOST / 2)];
        let hex: Vec<String> = start.iter().map(|byte| format!("{byte:02x}")).collect();
        format!("{}{}", hex.join(" "), if data.len() > start.len() { "..." } else { "" })
    }
}
