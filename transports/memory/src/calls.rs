//! The socket calls: what Linux's do, without blocking.

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};

use bytes::Bytes;
use sansock::FaultKind;

use crate::network::{Descriptor, HostId, Network, Segment};
use crate::socket::{Socket, State};

/// What a call that does not block comes to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CallError {
    /// It would have to wait.
    WouldBlock,
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
    /// Creates a socket.
    ///
    /// # Errors
    /// [`FaultKind::DescriptorLimit`].
    pub fn create(&mut self, host: HostId) -> Result<Descriptor, FaultKind> {
        self.take_descriptor(host)?;
        let descriptor = self.next_descriptor();
        self.sockets.insert(descriptor, Socket { host, local: None, state: State::Fresh, orphan: false });
        Ok(descriptor)
    }

    /// Binds a socket; port 0 takes the next free one from 32768 on. Gives the local address.
    ///
    /// # Errors
    /// [`FaultKind::BadDescriptor`], [`FaultKind::InvalidArgument`] if it is bound, [`FaultKind::AddressNotAvailable`],
    /// [`FaultKind::AddressInUse`].
    pub fn bind(&mut self, descriptor: Descriptor, address: SocketAddr) -> Result<SocketAddr, FaultKind> {
        let socket = self.sockets.get(&descriptor).ok_or(FaultKind::BadDescriptor)?;
        let host = socket.host;
        if socket.local.is_some() || !matches!(socket.state, State::Fresh) {
            return Err(FaultKind::InvalidArgument);
        }
        if self.host_of(host, address.ip()) != Some(host) {
            return Err(FaultKind::AddressNotAvailable);
        }
        let local = if address.port() == 0 {
            SocketAddr::new(address.ip(), self.free_port(host).ok_or(FaultKind::AddressInUse)?)
        } else if self.is_bound(host, address.port()) {
            return Err(FaultKind::AddressInUse);
        } else {
            address
        };
        if let Some(socket) = self.sockets.get_mut(&descriptor) {
            socket.local = Some(local);
        }
        Ok(local)
    }

    /// Listens. Up to `backlog` + 1 connections wait to be accepted, as on Linux. An unbound socket is bound to any free port.
    ///
    /// # Errors
    /// [`FaultKind::BadDescriptor`], [`FaultKind::InvalidArgument`].
    pub fn listen(&mut self, descriptor: Descriptor, backlog: u32) -> Result<SocketAddr, FaultKind> {
        let socket = self.sockets.get(&descriptor).ok_or(FaultKind::BadDescriptor)?;
        if !matches!(socket.state, State::Fresh) {
            return Err(FaultKind::InvalidArgument);
        }
        let local = match socket.local {
            Some(local) => local,
            None => self.bind(descriptor, SocketAddr::from(([0, 0, 0, 0], 0)))?,
        };
        if let Some(socket) = self.sockets.get_mut(&descriptor) {
            socket.state = State::Listening { backlog: backlog as usize, queue: VecDeque::new() };
        }
        Ok(local)
    }

    /// Takes a connection from the listener's queue: its socket and the peer's address.
    ///
    /// # Errors
    /// [`CallError::WouldBlock`]; [`FaultKind::BadDescriptor`]; [`FaultKind::InvalidArgument`] if it does not listen;
    /// [`FaultKind::DescriptorLimit`], and the connection stays queued.
    pub fn accept(&mut self, listener: Descriptor) -> Result<(Descriptor, SocketAddr), CallError> {
        let socket = self.sockets.get(&listener).ok_or(FaultKind::BadDescriptor)?;
        let host = socket.host;
        let State::Listening { queue, .. } = &socket.state else { return Err(FaultKind::InvalidArgument.into()) };
        // Linux asks for the descriptor first, whether or not a connection is queued.
        if self.hosts[host.0].open >= self.hosts[host.0].descriptor_limit {
            self.hits.descriptor_limit += 1;
            return Err(FaultKind::DescriptorLimit.into());
        }
        let accepted = *queue.front().ok_or(CallError::WouldBlock)?;
        self.take_descriptor(host)?;
        if let Some(Socket { state: State::Listening { queue, .. }, .. }) = self.sockets.get_mut(&listener) {
            queue.pop_front();
        }
        match self.sockets.get(&accepted).map(|socket| &socket.state) {
            Some(State::Connected(stream)) => Ok((accepted, stream.remote)),
            _ => Err(FaultKind::ConnectionAborted.into()),
        }
    }

    /// Connects. The first call starts; later ones say what has become of it.
    ///
    /// # Errors
    /// [`CallError::WouldBlock`] while it is under way; [`FaultKind::ConnectionRefused`], [`FaultKind::TimedOut`],
    /// [`FaultKind::NetworkUnreachable`] if no host has the address, [`FaultKind::BadDescriptor`].
    pub fn connect(&mut self, descriptor: Descriptor, to: SocketAddr) -> Result<(), CallError> {
        let socket = self.sockets.get_mut(&descriptor).ok_or(FaultKind::BadDescriptor)?;
        let host = socket.host;
        match &mut socket.state {
            State::Connected(_) => return Ok(()),
            State::Connecting { .. } => return Err(CallError::WouldBlock),
            State::Refused { error } => return Err(error.take().unwrap_or(FaultKind::ConnectionAborted).into()),
            State::Listening { .. } => return Err(FaultKind::InvalidArgument.into()),
            State::Fresh => {}
        }
        if self.host_of(host, to.ip()).is_none() {
            return Err(FaultKind::NetworkUnreachable.into());
        }
        let to = SocketAddr::new(if to.ip().is_unspecified() { loopback(to.ip()) } else { to.ip() }, to.port());
        self.name_client(descriptor, host, to)?;
        if let Some(socket) = self.sockets.get_mut(&descriptor) {
            socket.state = State::Connecting { remote: to, attempt: 0 };
        }
        self.send_syn(descriptor, to, 0);
        Err(CallError::WouldBlock)
    }

    /// Sends as much of `data` as there is room for, and says how much.
    ///
    /// # Errors
    /// [`CallError::WouldBlock`]; [`FaultKind::BrokenPipe`] after a shutdown, or once the peer's reset was reported;
    /// [`FaultKind::ConnectionReset`]; [`FaultKind::BadDescriptor`].
    pub fn send(&mut self, descriptor: Descriptor, data: &Bytes) -> Result<usize, CallError> {
        let capacity = self.config.send_buffer;
        let socket = self.sockets.get_mut(&descriptor).ok_or(FaultKind::BadDescriptor)?;
        let stream = match &mut socket.state {
            State::Connected(stream) => stream,
            State::Connecting { .. } => return Err(CallError::WouldBlock),
            State::Refused { error } => return Err(error.take().unwrap_or(FaultKind::BrokenPipe).into()),
            State::Fresh | State::Listening { .. } => return Err(FaultKind::BrokenPipe.into()),
        };
        if stream.reset || stream.shut {
            return Err(stream.error.take().unwrap_or(FaultKind::BrokenPipe).into());
        }
        let room = capacity.saturating_sub(stream.outgoing.len());
        if room == 0 {
            self.hits.full_buffers += 1;
            return Err(CallError::WouldBlock);
        }
        let most = data.len().min(room);
        let count = if most > 1 && self.chance.one_in(self.config.short_in) { self.chance.length(most - 1) } else { most };
        self.hits.short_sends += u64::from(count < data.len());
        if let Some(Socket { state: State::Connected(stream), .. }) = self.sockets.get_mut(&descriptor) {
            stream.outgoing.push(data.slice(..count));
        }
        self.flush(descriptor);
        Ok(count)
    }

    /// Receives up to `most` bytes. What has arrived is given before an error is, and an error is given once.
    ///
    /// # Errors
    /// [`CallError::WouldBlock`]; [`FaultKind::ConnectionReset`], [`FaultKind::BrokenPipe`]; [`FaultKind::NotConnected`];
    /// [`FaultKind::BadDescriptor`].
    pub fn recv(&mut self, descriptor: Descriptor, most: usize) -> Result<Received, CallError> {
        let socket = self.sockets.get_mut(&descriptor).ok_or(FaultKind::BadDescriptor)?;
        let stream = match &mut socket.state {
            State::Connected(stream) => stream,
            State::Connecting { .. } => return Err(CallError::WouldBlock),
            State::Refused { error } => return Err(error.take().unwrap_or(FaultKind::NotConnected).into()),
            State::Fresh | State::Listening { .. } => return Err(FaultKind::NotConnected.into()),
        };
        let available = stream.incoming.len().min(most);
        if available == 0 {
            return match stream.error.take() {
                Some(error) => Err(error.into()),
                None if stream.fin_received || stream.reset => Ok(Received::Eof),
                None => Err(CallError::WouldBlock),
            };
        }
        let short = available > 1 && self.chance.one_in(self.config.short_in);
        let count = if short { self.chance.length(available - 1) } else { available };
        self.hits.short_receives += u64::from(short);
        let Some(Socket { state: State::Connected(stream), .. }) = self.sockets.get_mut(&descriptor) else {
            return Err(FaultKind::BadDescriptor.into());
        };
        let data = stream.incoming.pop(count);
        if !stream.reset {
            self.transmit(descriptor, Segment::Window(data.len()));
        }
        Ok(Received::Data(data))
    }

    /// Shuts down sending: the FIN follows what is queued. A second call does nothing.
    ///
    /// # Errors
    /// [`FaultKind::NotConnected`], also after a reset; [`FaultKind::BadDescriptor`].
    pub fn shutdown(&mut self, descriptor: Descriptor) -> Result<(), FaultKind> {
        let socket = self.sockets.get_mut(&descriptor).ok_or(FaultKind::BadDescriptor)?;
        let State::Connected(stream) = &mut socket.state else { return Err(FaultKind::NotConnected) };
        if stream.reset {
            return Err(FaultKind::NotConnected);
        }
        stream.shut = true;
        self.flush(descriptor);
        Ok(())
    }

    /// Closes a socket. With `abortive`, or with unread data, the peer sees a reset; otherwise what is queued is still sent, then the FIN.
    /// Closing a listener resets what is queued. A descriptor that is not open is none of our business.
    pub fn close(&mut self, descriptor: Descriptor, abortive: bool) {
        let Some(socket) = self.sockets.get_mut(&descriptor) else { return };
        if socket.orphan {
            return;
        }
        socket.orphan = true;
        let host = socket.host;
        match &mut socket.state {
            State::Connected(stream) => {
                let reset = abortive || !stream.incoming.is_empty();
                stream.shut = true;
                if reset && !stream.reset {
                    stream.reset = true;
                    stream.outgoing.clear();
                    self.transmit(descriptor, Segment::Reset);
                }
                self.flush(descriptor);
            }
            State::Listening { queue, .. } => {
                for queued in std::mem::take(queue) {
                    self.transmit(queued, Segment::Reset);
                    self.sockets.remove(&queued);
                }
                self.bury(descriptor);
            }
            _ => self.bury(descriptor),
        }
        self.hosts[host.0].open -= 1;
    }

    /// The local and the peer's address.
    #[must_use]
    pub fn addresses(&self, descriptor: Descriptor) -> (Option<SocketAddr>, Option<SocketAddr>) {
        let Some(socket) = self.sockets.get(&descriptor) else { return (None, None) };
        let peer = match &socket.state {
            State::Connected(stream) => Some(stream.remote),
            _ => None,
        };
        (socket.local, peer)
    }

    fn take_descriptor(&mut self, host: HostId) -> Result<(), FaultKind> {
        let entry = &mut self.hosts[host.0];
        if entry.open >= entry.descriptor_limit {
            self.hits.descriptor_limit += 1;
            return Err(FaultKind::DescriptorLimit);
        }
        entry.open += 1;
        Ok(())
    }

    /// Gives a connecting socket the address that its peer will see.
    fn name_client(&mut self, descriptor: Descriptor, host: HostId, to: SocketAddr) -> Result<(), FaultKind> {
        let own = self.hosts[host.0].addresses.iter().find(|own| own.is_ipv4() == to.is_ipv4()).copied();
        let ip = if to.ip().is_loopback() { to.ip() } else { own.ok_or(FaultKind::NetworkUnreachable)? };
        let port = match self.sockets.get(&descriptor).and_then(|socket| socket.local) {
            Some(local) => local.port(),
            None => self.free_port(host).ok_or(FaultKind::AddressNotAvailable)?,
        };
        if let Some(socket) = self.sockets.get_mut(&descriptor) {
            socket.local = Some(match socket.local {
                Some(local) if !local.ip().is_unspecified() => local,
                _ => SocketAddr::new(ip, port),
            });
        }
        Ok(())
    }

    fn is_bound(&self, host: HostId, port: u16) -> bool {
        self.sockets.values().any(|socket| {
            let own = !matches!(socket.state, State::Connected(_));
            own && socket.host == host && socket.local.is_some_and(|local| local.port() == port)
        })
    }

    fn free_port(&mut self, host: HostId) -> Option<u16> {
        for _ in 32768..=u16::MAX {
            let port = self.hosts[host.0].next_port;
            self.hosts[host.0].next_port = if port == u16::MAX { 32768 } else { port + 1 };
            if !self.is_bound(host, port) {
                return Some(port);
            }
        }
        None
    }
}

fn loopback(family: IpAddr) -> IpAddr {
    match family {
        IpAddr::V4(_) => IpAddr::V4(std::net::Ipv4Addr::LOCALHOST),
        IpAddr::V6(_) => IpAddr::V6(std::net::Ipv6Addr::LOCALHOST),
    }
}
