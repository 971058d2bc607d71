//! The socket calls up to the connection: what Linux's do, without blocking.

use std::net::SocketAddr;

use bytes::Bytes;
use sansock::FaultKind;

use crate::addresses::{AddressId, Name, loopback};
use crate::names::{Connection, Hold};
use crate::network::{Descriptor, HostId, Network};
use crate::socket::{Family, Listener, Phase, Socket, State, Stream};

/// A connect to a loopback address may take over a name that has been in TIME_WAIT for so long.
const TIME_WAIT_TO_REUSE: std::time::Duration = std::time::Duration::from_secs(1);

/// What a call that does not block comes to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CallError {
    /// It would have to wait. (EAGAIN, EINPROGRESS, EALREADY)
    WouldBlock,
    /// Connect: the socket is connected already, or listens. (EISCONN)
    AlreadyConnected,
    /// It failed.
    Fault(FaultKind),
}

impl From<FaultKind> for CallError {
    fn from(kind: FaultKind) -> Self {
        Self::Fault(kind)
    }
}

/// What `recv` gives.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Received {
    /// Bytes, one at least.
    Data(Bytes),
    /// The peer has finished, or the connection is over and that was said.
    Eof,
}

impl Network {
    /// Creates a socket for addresses of this family.
    ///
    /// # Errors
    /// [`FaultKind::DescriptorLimit`]; [`FaultKind::NetworkDown`] if the host is down.
    pub fn create(&mut self, host: HostId, family: Family) -> Result<Descriptor, FaultKind> {
        self.check_up(host)?;
        self.take_descriptor(host)?;
        let stream = Stream::new(self.config.send_buffer, self.config.receive_buffer);
        let mut socket = Socket::new(host, family, stream);
        socket.open = true;
        Ok(Descriptor(self.sockets.insert(socket)))
    }

    /// Lets the socket bind to a name although others with this option have it, as long as none of them listens, and although the
    /// name is in TIME_WAIT (`SO_REUSEADDR`). Accepted sockets have what their listener has. Default: off.
    ///
    /// # Errors
    /// [`FaultKind::BadDescriptor`].
    pub fn reuse_address(&mut self, descriptor: Descriptor, on: bool) -> Result<(), FaultKind> {
        self.open_socket(descriptor)?.reuse_address = on;
        self.hold_again(descriptor);
        Ok(())
    }

    /// The bytes that the socket's buffers hold, instead of those of the configuration (`SO_SNDBUF`, `SO_RCVBUF`, without the overhead that
    /// Linux adds): one at least, and less than 4 GiB. Accepted sockets have what their listener has.
    ///
    /// # Errors
    /// [`FaultKind::BadDescriptor`].
    pub fn buffers(&mut self, descriptor: Descriptor, send: Option<usize>, receive: Option<usize>) -> Result<(), FaultKind> {
        self.open_socket(descriptor)?.stream.set_capacities(send, receive);
        Ok(())
    }

    /// Binds a socket; port 0 takes a free one of [`NetworkConfig::ports`](crate::NetworkConfig::ports). Gives the local address.
    ///
    /// # Errors
    /// [`FaultKind::BadDescriptor`]; [`FaultKind::Unsupported`] for an IPv6 address on an IPv4 socket, [`FaultKind::InvalidArgument`] for the
    /// reverse, or if it is bound; [`FaultKind::AddressNotAvailable`] if the host has no such address; [`FaultKind::AddressInUse`];
    /// [`FaultKind::NoFreePort`] for port 0.
    pub fn bind(&mut self, descriptor: Descriptor, address: SocketAddr) -> Result<SocketAddr, FaultKind> {
        self.end_rests();
        let socket = self.open_socket(descriptor)?;
        check_family(socket.family, address)?;
        let (host, family, exclusive) = (socket.host, socket.family, !socket.reuse_address);
        let unbound = socket.state == State::Closed && socket.hold.is_none();
        let own = self.host_of(host, address.ip()) == Some(host);
        // Linux looks at the address first for IPv4, and last for IPv6.
        if !own && (unbound || family == Family::V4) {
            return Err(FaultKind::AddressNotAvailable);
        }
        if !unbound {
            return Err(FaultKind::InvalidArgument);
        }
        let hold = Hold { exclusive, listening: false, bound: true };
        let name = self.addresses.name(address);
        let local = if address.port() == 0 {
            self.any_port(host, name.address)?
        } else if self.names(host).conflict(name, hold, None) {
            // What is left of an earlier connection's name goes with it.
            let socket = self.open_socket(descriptor)?;
            socket.forget_address();
            return Err(FaultKind::AddressInUse);
        } else {
            name
        };
        self.names(host).hold(local, hold);
        let socket = self.open_socket(descriptor)?;
        socket.hold = Some((local, hold));
        socket.local = Some(local);
        // Linux never takes these back.
        socket.keeps_address |= !address.ip().is_unspecified();
        socket.keeps_port |= address.port() != 0;
        Ok(self.addresses.address(local))
    }

    /// Listens. Up to `backlog` + 1 connections wait to be accepted, as on Linux. An unbound socket is bound to any free port; one that
    /// listens gets a new backlog.
    ///
    /// # Errors
    /// [`FaultKind::BadDescriptor`]; [`FaultKind::InvalidArgument`] if it is connected, or was; [`FaultKind::AddressInUse`] if another one
    /// that listens has the name; [`FaultKind::NoFreePort`].
    pub fn listen(&mut self, descriptor: Descriptor, backlog: u32) -> Result<SocketAddr, FaultKind> {
        self.end_rests();
        let backlog = backlog.min(self.config.most_backlog) as usize;
        let socket = self.open_socket(descriptor)?;
        if socket.phase != Phase::Unconnected || !matches!(socket.state, State::Closed | State::Listen) {
            return Err(FaultKind::InvalidArgument);
        }
        let any = Name { address: AddressId::unspecified(socket.family), port: 0 };
        let local = socket.local.unwrap_or(any);
        if let Some(listener) = &mut socket.listener {
            listener.backlog = backlog;
            return Ok(self.addresses.address(local));
        }
        let (host, own) = (socket.host, socket.hold);
        let hold = Hold { exclusive: !socket.reuse_address, listening: true, bound: true };
        let local = match own {
            None => self.any_port(host, local.address)?,
            Some((name, own)) if self.names(host).conflict(name, hold, Some(own)) => return Err(FaultKind::AddressInUse),
            Some((name, own)) => {
                self.names(host).release(name, own);
                name
            }
        };
        self.names(host).hold(local, hold);
        self.names(host).listen(local, descriptor);
        let socket = self.open_socket(descriptor)?;
        socket.hold = Some((local, hold));
        socket.local = Some(local);
        socket.state = State::Listen;
        socket.listener = Some(Box::new(Listener { backlog, ..Listener::default() }));
        Ok(self.addresses.address(local))
    }

    /// Takes a connection from the listener's queue: its socket and the peer's address. It may have been reset meanwhile.
    ///
    /// # Errors
    /// [`CallError::WouldBlock`]; [`FaultKind::BadDescriptor`]; [`FaultKind::InvalidArgument`] if it does not listen;
    /// [`FaultKind::DescriptorLimit`], and the connection stays queued.
    pub fn accept(&mut self, listener: Descriptor) -> Result<(Descriptor, SocketAddr), CallError> {
        let socket = self.open_socket(listener)?;
        let host = socket.host;
        // Linux asks for the descriptor first, whether or not a connection is queued.
        if self.hosts[host.index()].open >= self.hosts[host.index()].descriptor_limit {
            self.hits.descriptor_limit += 1;
            return Err(FaultKind::DescriptorLimit.into());
        }
        let Some(waiting) = &mut self.open_socket(listener)?.listener else { return Err(FaultKind::InvalidArgument.into()) };
        let accepted = waiting.queue.pop_front().ok_or(CallError::WouldBlock)?;
        self.take_descriptor(host)?;
        let Some(socket) = self.socket_mut(accepted) else { return Err(FaultKind::ConnectionAborted.into()) };
        socket.open = true;
        let peer = socket.remote;
        peer.map(|peer| (accepted, self.addresses.address(peer))).ok_or(CallError::Fault(FaultKind::ConnectionAborted))
    }

    /// Connects. The first call starts; the next one after it has succeeded or failed says so. After that the socket is connected, or as
    /// it was before and can connect again.
    ///
    /// # Errors
    /// [`CallError::WouldBlock`] when it is started and while it is under way; [`CallError::AlreadyConnected`];
    /// [`FaultKind::ConnectionRefused`], [`FaultKind::TimedOut`]; [`FaultKind::ConnectionAborted`] if the connection came about and ended
    /// meanwhile, or another call was told of the failure; [`FaultKind::Unsupported`] or [`FaultKind::InvalidArgument`] for an address of the
    /// other family; [`FaultKind::NetworkUnreachable`] if the host has no address of the family; [`FaultKind::HostUnreachable`] after 3 s if
    /// no host has the address; [`FaultKind::AddressNotAvailable`] if no port is free, or there is such a connection, or was a
    /// short while ago; [`FaultKind::BadDescriptor`].
    pub fn connect(&mut self, descriptor: Descriptor, to: SocketAddr) -> Result<(), CallError> {
        let socket = self.open_socket(descriptor)?;
        match (socket.phase, socket.state) {
            (Phase::Disconnecting, _) => Err(FaultKind::InvalidArgument.into()),
            (Phase::Connected, _) => Err(CallError::AlreadyConnected),
            (Phase::Connecting, State::SynSent | State::SynReceived) => Err(CallError::WouldBlock),
            (Phase::Connecting, State::Closed) => {
                let error = socket.error.take().unwrap_or(FaultKind::ConnectionAborted);
                socket.phase = Phase::Unconnected;
                self.disconnect(descriptor);
                Err(error.into())
            }
            (Phase::Connecting, _) => {
                socket.phase = Phase::Connected;
                Ok(())
            }
            (Phase::Unconnected, State::Closed) => self.start_to_connect(descriptor, to),
            (Phase::Unconnected, _) => Err(CallError::AlreadyConnected),
        }
    }

    /// The local address, and that of the peer while there is one.
    #[must_use]
    pub fn addresses(&self, descriptor: Descriptor) -> (Option<SocketAddr>, Option<SocketAddr>) {
        let Some(socket) = self.socket(descriptor).filter(|socket| socket.open) else { return (None, None) };
        let connected = !matches!(socket.state, State::Closed | State::Listen | State::SynSent);
        let whole = |name: Name| self.addresses.address(name);
        (socket.local.map(whole), socket.remote.filter(|_| connected).map(whole))
    }

    pub(crate) fn open_socket(&mut self, descriptor: Descriptor) -> Result<&mut Socket, FaultKind> {
        self.socket_mut(descriptor).filter(|socket| socket.open).ok_or(FaultKind::BadDescriptor)
    }

    fn start_to_connect(&mut self, descriptor: Descriptor, to: SocketAddr) -> Result<(), CallError> {
        self.end_rests();
        let socket = self.open_socket(descriptor)?;
        check_family(socket.family, to)?;
        let (host, family) = (socket.host, socket.family);
        // Linux: no address means the own one, for IPv4, or the loopback one.
        let bound = socket.local.filter(|local| family == Family::V4 && !local.address.is_unspecified());
        let ip = match bound {
            _ if !to.ip().is_unspecified() => to.ip(),
            Some(bound) => self.addresses.ip(bound.address),
            None => loopback(family),
        };
        let there = self.host_of(host, ip);
        let to = self.name_client(descriptor, SocketAddr::new(ip, to.port()))?;
        let socket = self.open_socket(descriptor)?;
        socket.remote = Some(to);
        socket.phase = Phase::Connecting;
        socket.state = State::SynSent;
        socket.error = None;
        socket.finished = false;
        debug_assert!(socket.stream.is_new(), "an unconnected socket is new, or was disconnected");
        match there {
            Some(there) => {
                socket.stream.there = there;
                self.send_syn(descriptor);
            }
            None => self.seek_nobody(descriptor),
        }
        Err(CallError::WouldBlock)
    }

    /// Gives a connecting socket the name that its peer will see, and its place among the connections of the host. The name of `to` comes back.
    fn name_client(&mut self, descriptor: Descriptor, to: SocketAddr) -> Result<Name, FaultKind> {
        let (now, range) = (self.now, self.config.ports);
        let may_replace = |connection| match connection {
            Connection::Socket(_) => false,
            Connection::TimeWait(rest) => to.ip().is_loopback() && rest.since + TIME_WAIT_TO_REUSE <= now,
        };
        let socket = self.open_socket(descriptor)?;
        let (host, hold, exclusive) = (socket.host, socket.hold, !socket.reuse_address);
        let chosen = socket.local.filter(|local| !local.address.is_unspecified());
        let address = match chosen {
            Some(chosen) => chosen.address,
            None => {
                let ip = self.source_address(host, to)?;
                self.addresses.id(ip)
            }
        };
        let to_name = self.addresses.name(to);
        let (local, hold) = if let Some((name, hold)) = hold {
            let local = Name { address, port: name.port };
            if let Some(Connection::Socket(other)) = self.names(host).connection(local, to_name)
                && !self.take_over(other)
            {
                self.release_unless_kept(descriptor);
                return Err(FaultKind::AddressNotAvailable);
            }
            self.names(host).release(name, hold);
            (local, hold)
        } else {
            let Some(port) = self.names(host).port_to_connect(address, to_name, range, may_replace) else {
                self.hits.port_exhaustion += 1;
                return Err(FaultKind::AddressNotAvailable);
            };
            (Name { address, port }, Hold { exclusive, listening: false, bound: false })
        };
        self.names(host).hold(local, hold);
        self.names(host).connect(local, to_name, descriptor);
        let socket = self.open_socket(descriptor)?;
        socket.local = Some(local);
        socket.hold = Some((local, hold));
        Ok(to_name)
    }

    /// Linux: who connects from a port that was asked for may take over a name in TIME_WAIT, and one that waits for the peer's FIN
    /// although its socket was closed.
    fn take_over(&mut self, other: Descriptor) -> bool {
        let waits = self.socket(other).is_none_or(|socket| socket.rests);
        if waits {
            self.remove(other);
        }
        waits
    }

    /// The address that a host's connection to `to` comes from.
    fn source_address(&self, host: HostId, to: SocketAddr) -> Result<std::net::IpAddr, FaultKind> {
        let family = Family::of(to.ip());
        if to.ip().is_loopback() {
            return Ok(loopback(family));
        }
        let own = &self.hosts[host.index()].addresses;
        let same = own.iter().find(|own| **own == to.ip());
        same.or_else(|| own.iter().find(|own| Family::of(**own) == family)).copied().ok_or(FaultKind::NetworkUnreachable)
    }

    fn release_unless_kept(&mut self, descriptor: Descriptor) {
        let Some(socket) = self.socket_mut(descriptor).filter(|socket| !socket.keeps_port) else { return };
        let (host, hold) = (socket.host, socket.hold.take());
        if let Some((name, hold)) = hold {
            self.names(host).release(name, hold);
        }
    }

    fn any_port(&mut self, host: HostId, address: AddressId) -> Result<Name, FaultKind> {
        let range = self.config.ports;
        if let Some(port) = self.names(host).free_port(address, range) {
            return Ok(Name { address, port });
        }
        self.hits.port_exhaustion += 1;
        Err(FaultKind::NoFreePort)
    }

    fn take_descriptor(&mut self, host: HostId) -> Result<(), FaultKind> {
        let entry = &mut self.hosts[host.index()];
        if entry.open >= entry.descriptor_limit {
            self.hits.descriptor_limit += 1;
            return Err(FaultKind::DescriptorLimit);
        }
        entry.open += 1;
        Ok(())
    }
}

/// Linux asks an IPv6 socket for an address that is long enough, and only then for its family.
fn check_family(family: Family, address: SocketAddr) -> Result<(), FaultKind> {
    match (family, Family::of(address.ip())) {
        (Family::V4, Family::V6) => Err(FaultKind::Unsupported),
        (Family::V6, Family::V4) => Err(FaultKind::InvalidArgument),
        _ => Ok(()),
    }
}
