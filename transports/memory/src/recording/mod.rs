//! What happened in a run, kept to be shown: as a picture, and as a capture for Wireshark.

mod capture;
mod picture;

use std::net::{IpAddr, SocketAddr};

use bytes::Bytes;
use sansock::Timestamp;

/// Everything that happened in a run, in order. It is kept only for runs that are to be shown, since it holds every byte.
///
/// Its pictures are [`Recording::picture`] and [`Recording::capture`].
///
/// A [`Simulation`](crate::Simulation) does not write one yet: what is to be shown is pushed by the program that drives it.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Recording {
    hosts: Vec<RecordedHost>,
    entries: Vec<Entry>,
    segments: u64,
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
pub struct SegmentId(u64);

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
    /// The address that it left.
    pub from: SocketAddr,
    /// The address that it is for.
    pub to: SocketAddr,
    /// What it carries.
    pub carries: Carried,
}

/// What a segment carries.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Carried {
    /// The request for a connection.
    Syn,
    /// The answer to it.
    SynAck,
    /// Bytes.
    Data(Bytes),
    /// The end of a direction.
    Fin,
    /// The end of a connection; also the answer of a host where nobody listens.
    Reset,
    /// So many bytes were read, and there is room for as many more.
    Window(usize),
}

impl Recording {
    /// Nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a host. Its place is the number of hosts that were added before.
    pub fn add_host(&mut self, name: impl Into<String>, addresses: impl IntoIterator<Item = IpAddr>) -> usize {
        self.hosts.push(RecordedHost { name: name.into(), addresses: addresses.into_iter().collect() });
        self.hosts.len() - 1
    }

    /// A segment leaves.
    pub fn sent(
        &mut self,
        at: Timestamp,
        hosts: (usize, usize),
        addresses: (SocketAddr, SocketAddr),
        carries: Carried,
    ) -> SegmentId {
        let id = SegmentId(self.segments);
        self.segments += 1;
        let flight = Flight { id, from_host: hosts.0, to_host: hosts.1, from: addresses.0, to: addresses.1, carries };
        self.note(at, Happening::Sent(flight));
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
            Self::Data(data) => format!("data {}: {}", data.len(), excerpt(data)),
            Self::Fin => "FIN".into(),
            Self::Reset => "RST".into(),
            Self::Window(room) => format!("window +{room}"),
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
