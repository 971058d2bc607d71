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
    /// The simulated network has no segments that only acknowledge; one is written whenever data or a FIN arrives. Data that is larger
    /// than an IP packet is cut. A packet that was lost is there, since its sender sent it, and its comment says so.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn capture(&self, out: impl Write) -> io::Result<()> {
        let mut capture = Capture {
            writer: PcapNgWriter::with_endianness(out, Endianness::Little).map_err(plain)?,
            ends: BTreeMap::new(),
            flights: BTreeMap::new(),
            comments: Vec::new(),
        };
        let lost = self.lost();
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
                    if let Some(why) = lost.get(&flight.id) {
                        capture.comments.push(format!("lost: {why}"));
                    }
                    capture.sent(entry.at, flight)?;
                }
                Happening::Arrived(id) => capture.arrived(entry.at, *id)?,
                Happening::Fault { host, text } => {
                    let host = host.and_then(|host| self.hosts.get(host)).map_or("network", |host| &host.name);
                    capture.comments.push(format!("fault: {host}: {text}"));
                }
                Happening::Violated { rule, text } => capture.comments.push(format!("violated: {rule}: {text}")),
                Happening::Dropped { .. } | Happening::Said { .. } => {}
            }
        }
        Ok(())
    }

    fn lost(&self) -> BTreeMap<SegmentId, &str> {
        let dropped = self.entries.iter().filter_map(|entry| match &entry.what {
            Happening::Dropped { segment, why } => Some((*segment, why.as_str())),
            _ => None,
        });
        dropped.collect()
    }
}

struct Capture<W: Write> {
    writer: PcapNgWriter<W>,
    ends: BTreeMap<(SocketAddr, SocketAddr), End>,
    /// Segments that are under way: what they occupy of their sender's sequence numbers.
    flights: BTreeMap<SegmentId, (Flight, u32)>,
    /// What is said with the next packet.
    comments: Vec<String>,
}

/// One end's view of its connection: (own address, peer's address).
#[derive(Clone, Copy)]
struct End {
    /// The sequence number of the next byte that it sends.
    next: u32,
    /// The sequence number of the next byte that it expects; `None` before the peer's SYN.
    expected: Option<u32>,
    /// The room for what it has not read.
    window: u32,
    /// The sequence number of the SYN, to be sent again.
    initial: u32,
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
    fn sent(&mut self, at: Timestamp, flight: &Flight) -> io::Result<()> {
        let key = (flight.from, flight.to);
        let interface = flight.from_host;
        // A SYN that finds an old connection of the same name begins a new one.
        let known = self.ends.get(&key).copied();
        let initial = known.map_or_else(|| initial_number(flight), |end| end.initial);
        let mut end = known.unwrap_or(End { next: initial, expected: None, window: 65_535, initial });
        let before = end.next;
        match &flight.carries {
            Carried::Syn => {
                end = End { next: initial, expected: None, ..end };
                self.packet(at, interface, key, end, Flags { syn: true, ..Flags::default() }, &[])?;
                end.next = initial.wrapping_add(1);
            }
            Carried::SynAck => {
                self.packet(at, interface, key, end, Flags { syn: true, ..Flags::default() }, &[])?;
                end.next = end.next.wrapping_add(1);
            }
            Carried::Data(data) => {
                for piece in data.chunks(MOST_DATA) {
                    self.packet(at, interface, key, end, Flags { push: true, ..Flags::default() }, piece)?;
                    end.next = end.next.wrapping_add(length(piece.len()));
                }
            }
            Carried::Fin => {
                self.packet(at, interface, key, end, Flags { fin: true, ..Flags::default() }, &[])?;
                end.next = end.next.wrapping_add(1);
            }
            Carried::Reset => self.packet(at, interface, key, end, Flags { reset: true, ..Flags::default() }, &[])?,
            Carried::Window(room) => {
                end.window = end.window.saturating_add(length(*room)).min(65_535);
                self.packet(at, interface, key, end, Flags::default(), &[])?;
            }
        }
        let occupied = end.next.wrapping_sub(before);
        self.ends.insert(key, end);
        self.flights.insert(flight.id, (flight.clone(), before.wrapping_add(occupied)));
        Ok(())
    }

    fn arrived(&mut self, at: Timestamp, id: SegmentId) -> io::Result<()> {
        let Some((flight, after)) = self.flights.remove(&id) else { return Ok(()) };
        let key = (flight.to, flight.from);
        let initial = initial_number(&flight).wrapping_add(0x1000_0000);
        let end = self.ends.entry(key).or_insert(End { next: initial, expected: None, window: 65_535, initial });
        let acknowledges = match &flight.carries {
            Carried::Syn => {
                *end = End { next: end.initial, expected: Some(after), window: 65_535, initial: end.initial };
                false
            }
            Carried::SynAck | Carried::Fin => {
                end.expected = Some(after);
                true
            }
            Carried::Data(data) => {
                end.expected = Some(after);
                end.window = end.window.saturating_sub(length(data.len()));
                true
            }
            Carried::Reset | Carried::Window(_) => false,
        };
        let end = *end;
        if acknowledges {
            self.packet(at, flight.to_host, key, end, Flags::default(), &[])?;
        }
        Ok(())
    }

    fn packet(
        &mut self,
        at: Timestamp,
        interface: usize,
        (from, to): (SocketAddr, SocketAddr),
        end: End,
        flags: Flags,
        data: &[u8],
    ) -> io::Result<()> {
        let builder = match (from.ip(), to.ip()) {
            (IpAddr::V4(from), IpAddr::V4(to)) => PacketBuilder::ipv4(from.octets(), to.octets(), 64),
            (from, to) => PacketBuilder::ipv6(six(from), six(to), 64),
        };
        let window = u16::try_from(end.window).unwrap_or(u16::MAX);
        let mut builder = builder.tcp(from.port(), to.port(), end.next, window);
        if let Some(expected) = end.expected {
            builder = builder.ack(expected);
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

/// An initial sequence number that is the same in every run and differs between connections.
fn initial_number(flight: &Flight) -> u32 {
    let ports = u32::from(flight.from.port()) << 16 | u32::from(flight.to.port());
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
