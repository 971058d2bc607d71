//! A recording as a pcapng file.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::{self, Write};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use etherparse::PacketBuilder;
use pcap_file::pcapng::PcapNgWriter;
use pcap_file::pcapng::blocks::enhanced_packet::{EnhancedPacketBlock, EnhancedPacketOption};
use pcap_file::pcapng::blocks::interface_description::{InterfaceDescriptionBlock, InterfaceDescriptionOption};
use pcap_file::{DataLink, Endianness, PcapError};
use sansock::Timestamp;

use super::{Carried, Flight, Happening, Recording, SegmentId};

/// The most data of one packet: an IPv4 packet of 65,535 bytes less its headers.
const MOST_DATA: usize = 65_535 - 20 - 20;

impl Recording {
    /// Writes the recording as a pcapng file that Wireshark and tshark open: one interface a host, named after it; every segment as the
    /// IP packet that its sender puts on the wire at that time, with sequence numbers, acknowledgements and checksums as TCP has them;
    /// faults, and the rule that was violated, as comments on the next packet.
    ///
    /// Data that is larger than an IP packet is cut, and a window that is larger than 65,535 bytes is written as that. A packet that was lost is
    /// there, since its sender sent it, and its comment says so.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn capture(&self, out: impl Write) -> io::Result<()> {
        let writer = PcapNgWriter::with_endianness(out, Endianness::Little).map_err(plain)?;
        let mut capture = Capture { writer, directions: BTreeMap::new(), comments: Vec::new() };
        let lost: BTreeMap<SegmentId, &str> = self.lost().collect();
        for host in &self.hosts {
            let mut options = vec![InterfaceDescriptionOption::IfName(host.name.as_str().into())];
            // Timestamps in units of 10^-9 s.
            options.push(InterfaceDescriptionOption::IfTsResol(9));
            let block = InterfaceDescriptionBlock { linktype: DataLink::RAW, snaplen: 0, options };
            capture.writer.write_pcapng_block(block).map_err(plain)?;
        }
        for entry in &self.entries {
            match &entry.what {
                Happening::Sent(flight) => {
                    let lost = lost.get(&flight.id);
                    capture.comments.extend(lost.map(|why| format!("lost: {why}")));
                    capture.sent(entry.at, flight, lost.is_some())?;
                }
                Happening::Fault { host, text } => {
                    let host = host.and_then(|host| self.hosts.get(host)).map_or("network", |host| &host.name);
                    capture.comments.push(format!("fault: {host}: {text}"));
                }
                Happening::Violated { rule, text } => capture.comments.push(format!("violated: {rule}: {text}")),
                Happening::Arrived(_) | Happening::Dropped { .. } | Happening::Said { .. } => {}
            }
        }
        Ok(())
    }

    /// What was lost, and why.
    pub(super) fn lost(&self) -> impl Iterator<Item = (SegmentId, &str)> {
        self.entries.iter().filter_map(|entry| match &entry.what {
            Happening::Dropped { segment, why } => Some((*segment, why.as_str())),
            _ => None,
        })
    }
}

struct Capture<W: Write> {
    writer: PcapNgWriter<W>,
    directions: BTreeMap<(SocketAddr, SocketAddr), Direction>,
    /// What is said with the next packet.
    comments: Vec<String>,
}

/// One direction of a connection, by (sender's address, receiver's address).
#[derive(Clone, Copy)]
struct Direction {
    /// The sequence number of the SYN.
    initial: u32,
    /// How much of the stream was sent, the FIN counted as one.
    sent: u32,
    /// The number of the socket that sends it; 0 once it was told of a reset, or if there was none yet.
    socket: u64,
}

/// What all packets of a segment have.
#[derive(Clone, Copy)]
struct Header {
    at: Timestamp,
    interface: usize,
    ends: (SocketAddr, SocketAddr),
    acknowledged: Option<(u32, u16)>,
}

/// What the flags of a packet say.
#[derive(Clone, Copy, Default)]
struct Flags {
    syn: bool,
    fin: bool,
    reset: bool,
    push: bool,
}

impl<W: Write> Capture<W> {
    fn sent(&mut self, at: Timestamp, flight: &Flight, is_lost: bool) -> io::Result<()> {
        let key = (flight.from, flight.to);
        let mut direction = self.direction(key);
        let opens = matches!(flight.carries, Carried::Syn | Carried::SynAck);
        // A new connection, maybe under names that were used before. That a socket connects again after a time-out is not told apart from a SYN
        // that is sent again, since nothing but SYNs was sent.
        if opens && (direction.sent > 0 || direction.socket != flight.socket) {
            direction = Direction { initial: direction.initial.wrapping_add(0x0100_0000), sent: 0, socket: flight.socket };
        }
        let header = Header { at, interface: flight.from_host, ends: key, acknowledged: self.acknowledged(flight) };
        let begin = direction.initial.wrapping_add(1);
        let flags = Flags::default();
        match &flight.carries {
            Carried::Syn | Carried::SynAck => {
                self.packet(header, direction.initial, Flags { syn: true, ..flags }, &[])?;
            }
            Carried::Data(place, data) => {
                let mut place = *place;
                for piece in data.chunks(MOST_DATA) {
                    self.packet(header, begin.wrapping_add(place), Flags { push: true, ..flags }, piece)?;
                    place = place.wrapping_add(length(piece.len()));
                }
                direction.reach(place);
            }
            Carried::Fin(place) => {
                self.packet(header, begin.wrapping_add(*place), Flags { fin: true, ..flags }, &[])?;
                direction.reach(place.wrapping_add(1));
            }
            Carried::Reset => {
                self.packet(header, begin.wrapping_add(direction.sent), Flags { reset: true, ..flags }, &[])?;
                if !is_lost {
                    // The socket that is told so may connect again.
                    self.directions.entry((flight.to, flight.from)).and_modify(|other| other.socket = 0);
                }
            }
            Carried::Ack => self.packet(header, begin.wrapping_add(direction.sent), flags, &[])?,
            // As a probe of an idle connection is: one byte before what is expected, so that it must be answered.
            Carried::Probe => self.packet(header, direction.initial.wrapping_add(direction.sent), flags, &[])?,
        }
        self.directions.insert(key, direction);
        Ok(())
    }

    fn direction(&self, (from, to): (SocketAddr, SocketAddr)) -> Direction {
        let new = Direction { initial: initial_number(from, to), sent: 0, socket: 0 };
        self.directions.get(&(from, to)).copied().unwrap_or(new)
    }

    /// The acknowledgement number and the window. A reset that comes from nowhere acknowledges what was sent, as it must to be believed
    /// (RFC 9293, 3.5.2).
    fn acknowledged(&self, flight: &Flight) -> Option<(u32, u16)> {
        let other = self.direction((flight.to, flight.from));
        let begin = other.initial.wrapping_add(1);
        let (until, window) = match (flight.acknowledges, &flight.carries) {
            (_, Carried::Syn) => return None,
            (Some(acknowledged), _) if acknowledged.until < u64::MAX => (acknowledged.until as u32, acknowledged.window),
            _ => (other.sent, 0),
        };
        Some((begin.wrapping_add(until), u16::try_from(window).unwrap_or(u16::MAX)))
    }

    fn packet(&mut self, header: Header, sequence: u32, flags: Flags, data: &[u8]) -> io::Result<()> {
        let Header { at, interface, ends: (from, to), acknowledged } = header;
        let builder = match (from.ip(), to.ip()) {
            (IpAddr::V4(from), IpAddr::V4(to)) => PacketBuilder::ipv4(from.octets(), to.octets(), 64),
            (from, to) => PacketBuilder::ipv6(six(from), six(to), 64),
        };
        let window = acknowledged.map_or(u16::MAX, |(_, window)| window);
        let mut builder = builder.tcp(from.port(), to.port(), sequence, window);
        if let Some((number, _)) = acknowledged {
            builder = builder.ack(number);
        }
        if flags.syn {
            builder = builder.syn();
        }
        if flags.fin {
            builder = builder.fin();
        }
        if flags.reset {
            builder = builder.rst();
        }
        if flags.push {
            builder = builder.psh();
        }
        let mut packet = Vec::with_capacity(builder.size(data.len()));
        builder.write(&mut packet, data).map_err(io::Error::other)?;
        let comments = std::mem::take(&mut self.comments);
        let block = EnhancedPacketBlock {
            interface_id: length(interface),
            timestamp: Duration::from_nanos(at.as_nanos()),
            original_len: length(packet.len()),
            data: Cow::Borrowed(&packet),
            options: comments.into_iter().map(|comment| EnhancedPacketOption::Comment(comment.into())).collect(),
        };
        self.writer.write_pcapng_block(block).map(drop).map_err(plain)
    }
}

impl Direction {
    /// What is sent again does not go further.
    fn reach(&mut self, place: u32) {
        if place.wrapping_sub(self.sent) < u32::MAX / 2 {
            self.sent = place;
        }
    }
}

/// An initial sequence number that is the same in every run and differs between connections.
fn initial_number(from: SocketAddr, to: SocketAddr) -> u32 {
    let ports = u32::from(from.port()) << 16 | u32::from(to.port());
    ports.wrapping_mul(0x9e37_79b1)
}

fn six(address: IpAddr) -> [u8; 16] {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped().octets(),
        IpAddr::V6(address) => address.octets(),
    }
}

fn length(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

fn plain(error: PcapError) -> io::Error {
    match error {
        PcapError::IoError(error) => error,
        error => io::Error::other(error),
    }
}
