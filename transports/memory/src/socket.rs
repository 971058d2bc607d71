//! The state of one simulated socket.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::num::NonZeroU32;

use bytes::Bytes;
use sansock::{FaultKind, SocketId, Timestamp};

use crate::addresses::{AddressId, Name};
use crate::keep_alive::KeepAlive;
use crate::names::Hold;
use crate::network::{Descriptor, HostId};
use crate::pieces::{Pieces, Store};
use crate::recovery::Recovery;

/// The family of a socket's addresses. A socket of one family never sees the other's addresses: IPv6 sockets are `IPV6_V6ONLY`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

impl Family {
    /// The family of this address.
    #[must_use]
    pub const fn of(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(_) => Self::V4,
            IpAddr::V6(_) => Self::V6,
        }
    }
}

/// A socket of a host's kernel: what the socket layer knows of it, and what TCP does.
#[derive(Clone, Debug)]
pub(crate) struct Socket {
    pub(crate) host: HostId,
    pub(crate) family: Family,
    pub(crate) state: State,
    pub(crate) phase: Phase,
    pub(crate) local: Option<Name>,
    pub(crate) remote: Option<Name>,
    /// The local name, as it is counted among the names of the host.
    pub(crate) hold: Option<(Name, Hold)>,
    /// The application asked for this very port: the socket keeps it until it is closed.
    pub(crate) keeps_port: bool,
    /// The application asked for this very address.
    pub(crate) keeps_address: bool,
    /// `SO_REUSEADDR`.
    pub(crate) reuse_address: bool,
    /// What the next call is told, once.
    pub(crate) error: Option<FaultKind>,
    /// Receiving is shut down: by the application, by the peer's FIN, or because the connection is over.
    pub(crate) receive_shut: bool,
    /// Sending is shut down: by the application, or because the connection is over.
    pub(crate) send_shut: bool,
    /// The peer's FIN has arrived.
    pub(crate) finished: bool,
    /// An application has a descriptor of it.
    pub(crate) open: bool,
    /// The application has closed it; what is left to send is still sent.
    pub(crate) orphan: bool,
    /// It only waits for the peer's FIN: Linux keeps no more of it than of a name in TIME_WAIT.
    pub(crate) rests: bool,
    /// It is among the sockets for which something has changed.
    pub(crate) changed: bool,
    pub(crate) holder: Holder,
    /// The owner's receive that waits. It is here and not with the owner, since nearly every connection has one.
    pub(crate) receive: Option<Receive>,
    pub(crate) listener: Option<Box<Listener>>,
    pub(crate) stream: Stream,
}

/// The states of RFC 9293. TIME_WAIT is none: the socket is closed, and the host remembers the names.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum State {
    Closed,
    Listen,
    SynSent,
    SynReceived,
    Established,
    FinWait1,
    FinWait2,
    CloseWait,
    Closing,
    LastAck,
}

impl State {
    /// The peer expects more of this end: closing it abortively takes a reset.
    pub(crate) const fn needs_reset(self) -> bool {
        matches!(self, Self::SynReceived | Self::Established | Self::FinWait1 | Self::FinWait2 | Self::CloseWait)
    }

    /// The connection is established, and this end has not finished.
    pub(crate) const fn may_send(self) -> bool {
        matches!(self, Self::Established | Self::CloseWait)
    }
}

/// What the socket layer remembers of the calls that were made, beside the state of TCP: Linux's `socket_state`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Phase {
    Unconnected,
    /// A connect was started, and no call has said yet what has become of it.
    Connecting,
    Connected,
    /// A connect was given up by a shutdown.
    Disconnecting,
}

/// Who has a socket.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Holder {
    Nobody,
    /// The listener that waits for the client's answer.
    Listener(Descriptor),
    /// A machine of a simulation, under this name.
    Machine(u32, SocketId),
}

/// A machine of a simulation, and the name that a socket has there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Owner {
    pub(crate) machine: u32,
    pub(crate) name: SocketId,
}

/// A receive of a socket's owner: what its name has beside that of the socket, and how many bytes it takes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Receive {
    pub(crate) stamp: u8,
    most: NonZeroU32,
}

impl Receive {
    pub(crate) fn new(stamp: u8, most: usize) -> Self {
        Self { stamp, most: NonZeroU32::new(capacity(most)).unwrap_or(NonZeroU32::MIN) }
    }

    pub(crate) const fn most(self) -> usize {
        self.most.get() as usize
    }
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Listener {
    pub(crate) backlog: usize,
    /// Connections that are established and wait to be accepted.
    pub(crate) queue: VecDeque<Descriptor>,
    /// Connections whose clients have not answered yet. Each has its place in the backlog.
    pub(crate) pending: VecDeque<Descriptor>,
}

/// One end of a connection, and of the attempts to make one.
#[derive(Clone, Debug)]
pub(crate) struct Stream {
    /// The other end.
    pub(crate) peer: Option<Descriptor>,
    /// The host that it is on.
    pub(crate) there: HostId,
    /// How many SYNs the socket has ever sent: tells an answer to the last one from others.
    pub(crate) syns: u32,
    /// How many of them were sent again for the present connect.
    pub(crate) retries: u8,
    /// What the application has sent and no segment carries yet.
    pub(crate) unsent: Pieces,
    /// Bytes that were put into segments.
    pub(crate) sent: u64,
    /// Bytes that the peer's system has.
    pub(crate) acknowledged: u64,
    /// The peer's system takes so many more bytes than were sent.
    pub(crate) window: u32,
    pub(crate) fin: Fin,
    /// A send found no room: somebody waits for it.
    pub(crate) blocked: bool,
    send_capacity: u32,
    /// What has arrived and was not read.
    pub(crate) incoming: Pieces,
    /// Bytes that have arrived.
    pub(crate) received: u64,
    /// So many more bytes the peer may send, by what it was told last.
    pub(crate) promised: u32,
    receive_capacity: u32,
    /// Something has arrived, or was read, that the peer is to be told of.
    pub(crate) owes: bool,
    /// When the last segment arrives that is on its way to this socket; none overtakes it.
    pub(crate) last_arrival: Timestamp,
    /// When the last SYN was sent.
    pub(crate) syn_sent: Timestamp,
    /// Of a connection that has lost something.
    pub(crate) recovery: Option<Box<Recovery>>,
    pub(crate) keep_alive: Option<Box<KeepAlive>>,
    /// How many timers were set: tells the last one of its kind from others.
    timers: u32,
}

/// Where our own FIN is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Fin {
    None,
    /// It follows what is queued.
    Queued,
    Sent,
}

impl Socket {
    pub(crate) const fn new(host: HostId, family: Family, stream: Stream) -> Self {
        Self {
            host,
            family,
            state: State::Closed,
            phase: Phase::Unconnected,
            local: None,
            remote: None,
            hold: None,
            keeps_port: false,
            keeps_address: false,
            reuse_address: false,
            error: None,
            receive_shut: false,
            send_shut: false,
            finished: false,
            open: false,
            orphan: false,
            rests: false,
            changed: false,
            holder: Holder::Nobody,
            receive: None,
            listener: None,
            stream,
        }
    }

    /// Who is told of changes.
    pub(crate) const fn owner(&self) -> Option<Owner> {
        match self.holder {
            Holder::Machine(machine, name) => Some(Owner { machine, name }),
            Holder::Nobody | Holder::Listener(_) => None,
        }
    }

    /// The listener that waits for the client's answer.
    pub(crate) const fn parent(&self) -> Option<Descriptor> {
        match self.holder {
            Holder::Listener(parent) => Some(parent),
            Holder::Nobody | Holder::Machine(..) => None,
        }
    }

    /// Only the port of its name is left.
    pub(crate) fn forget_address(&mut self) {
        self.local = self.local.map(|local| Name { address: AddressId::unspecified(self.family), port: local.port });
    }
}

impl Stream {
    pub(crate) fn new(send_capacity: usize, receive_capacity: usize) -> Self {
        Self {
            peer: None,
            there: HostId(0),
            syns: 0,
            retries: 0,
            unsent: Pieces::EMPTY,
            sent: 0,
            acknowledged: 0,
            window: 0,
            fin: Fin::None,
            blocked: false,
            send_capacity: capacity(send_capacity),
            incoming: Pieces::EMPTY,
            received: 0,
            promised: 0,
            receive_capacity: capacity(receive_capacity),
            owes: false,
            last_arrival: Timestamp::ZERO,
            syn_sent: Timestamp::ZERO,
            recovery: None,
            keep_alive: None,
            timers: 0,
        }
    }

    /// As before a first connection. Answers to old SYNs, and old timers, stay recognisable.
    pub(crate) fn restart(&mut self, store: &mut Store) {
        self.clear(store);
        let old = std::mem::replace(self, Self::new(self.send_capacity(), self.receive_capacity()));
        self.syns = old.syns;
        self.owes = old.owes;
        self.last_arrival = old.last_arrival;
        self.keep_alive = old.keep_alive;
        self.timers = old.timers;
    }

    /// Nothing is queued any more, in either direction. So it is before it is dropped.
    pub(crate) fn clear(&mut self, store: &mut Store) {
        self.unsent.clear(store);
        self.incoming.clear(store);
    }

    /// The bytes that the buffers hold: one at least, and less than 4 GiB.
    pub(crate) fn set_capacities(&mut self, send: Option<usize>, receive: Option<usize>) {
        self.send_capacity = send.map_or(self.send_capacity, capacity);
        self.receive_capacity = receive.map_or(self.receive_capacity, capacity);
    }

    pub(crate) const fn send_capacity(&self) -> usize {
        self.send_capacity as usize
    }

    pub(crate) const fn receive_capacity(&self) -> usize {
        self.receive_capacity as usize
    }

    /// Nothing of a connection is there.
    pub(crate) fn is_new(&self) -> bool {
        self.peer.is_none()
            && (self.retries, self.blocked, self.fin) == (0, false, Fin::None)
            && (self.sent, self.acknowledged, self.window) == (0, 0, 0)
            && (self.received, self.promised) == (0, 0)
            && self.unsent.is_empty()
            && self.incoming.is_empty()
            && self.recovery.is_none()
    }

    /// The number of the next timer.
    pub(crate) const fn next_timer(&mut self) -> u32 {
        self.timers = self.timers.wrapping_add(1);
        self.timers
    }

    /// So many more bytes, for which there is a window, are put into a segment: where in the stream they begin, modulo 2^32.
    pub(crate) const fn take_sequence(&mut self, size: usize) -> u32 {
        let sequence = self.sent as u32;
        self.sent += size as u64;
        self.window -= size as u32;
        sequence
    }

    /// The peer's system takes bytes up to here.
    pub(crate) const fn limit(&self) -> u64 {
        self.sent + self.window as u64
    }

    /// The peer's system takes bytes up to here, if it did not say more before.
    pub(crate) fn raise_limit(&mut self, limit: u64) {
        let window = u32::try_from(limit.saturating_sub(self.sent)).unwrap_or(u32::MAX);
        self.window = self.window.max(window);
    }

    /// Bytes have arrived.
    pub(crate) fn take_arrived(&mut self, store: &mut Store, data: Bytes) {
        self.received += data.len() as u64;
        self.promised = self.promised.saturating_sub(u32::try_from(data.len()).unwrap_or(u32::MAX));
        self.incoming.push(store, data);
    }

    /// What the peer is told now: so many more bytes it may send, which is never less than it was told before.
    pub(crate) fn promise(&mut self) -> u32 {
        self.promised = self.promised.max(self.free());
        self.promised
    }

    /// Bytes in the send buffer: queued, or sent and not acknowledged.
    pub(crate) fn buffered(&self) -> usize {
        let in_flight = usize::try_from(self.sent - self.acknowledged.min(self.sent)).unwrap_or(usize::MAX);
        self.unsent.len().saturating_add(in_flight)
    }

    /// Something waits for room: bytes, or the FIN.
    pub(crate) fn has_queued(&self) -> bool {
        !self.unsent.is_empty() || self.fin == Fin::Queued
    }

    /// A poll says so when a third of the send buffer is free, as on Linux, so that a writer is not woken for every acknowledgement.
    pub(crate) fn is_writable(&self) -> bool {
        self.buffered().saturating_mul(3) <= self.send_capacity().saturating_mul(2)
    }

    /// The last byte and the FIN were acknowledged.
    pub(crate) fn fin_is_acknowledged(&self) -> bool {
        self.fin == Fin::Sent && self.acknowledged > self.sent
    }

    /// Bytes for which there is room in the receive buffer.
    pub(crate) fn free(&self) -> u32 {
        self.receive_capacity.saturating_sub(u32::try_from(self.incoming.len()).unwrap_or(u32::MAX))
    }
}

fn capacity(bytes: usize) -> u32 {
    u32::try_from(bytes).unwrap_or(u32::MAX).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_promised_is_not_taken_back() {
        let (mut stream, mut store) = (Stream::new(10, 100), Store::new());
        assert_eq!(stream.promise(), 100);
        stream.take_arrived(&mut store, Bytes::from_static(&[7; 40]));
        assert_eq!(stream.promise(), 60);
        stream.set_capacities(None, Some(10));
        assert_eq!((stream.free(), stream.promise()), (0, 60));
        stream.set_capacities(None, Some(usize::MAX));
        assert_eq!((stream.receive_capacity(), stream.promise()), (u32::MAX as usize, u32::MAX - 40));
        stream.raise_limit(50);
        assert_eq!(stream.take_sequence(20), 0);
        stream.raise_limit(30);
        assert_eq!((stream.limit(), stream.window), (50, 30));
        stream.raise_limit(u64::MAX);
        assert_eq!((stream.take_sequence(1), stream.window), (20, u32::MAX - 1));
    }
}
