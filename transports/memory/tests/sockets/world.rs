//! A host, and short words for calls.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use sansock::FaultKind;
use sansock_memory::{CallError, Descriptor, Family, HostId, Network, NetworkConfig, Readiness, Received};

pub(crate) struct World {
    pub(crate) network: Network,
    pub(crate) host: HostId,
}

pub(crate) fn world() -> World {
    World::new(NetworkConfig::default())
}

pub(crate) fn fault<T>(kind: FaultKind) -> Result<T, CallError> {
    Err(CallError::Fault(kind))
}

impl World {
    pub(crate) fn new(config: NetworkConfig) -> Self {
        let mut network = Network::new(config, 1);
        let host = network.add_host([]);
        Self { network, host }
    }

    pub(crate) fn socket(&mut self) -> Descriptor {
        self.network.create(self.host, Family::V4).unwrap()
    }

    pub(crate) fn bound(&mut self, name: &str) -> Descriptor {
        let socket = self.socket();
        self.network.bind(socket, name.parse().unwrap()).unwrap();
        socket
    }

    /// Bound with `SO_REUSEADDR`.
    pub(crate) fn sharing(&mut self, name: SocketAddr) -> Descriptor {
        let socket = self.socket();
        self.network.reuse_address(socket, true).unwrap();
        self.network.bind(socket, name).unwrap();
        socket
    }

    pub(crate) fn listener(&mut self, backlog: u32) -> (Descriptor, SocketAddr) {
        let socket = self.bound("127.0.0.1:0");
        let address = self.network.listen(socket, backlog).unwrap();
        (socket, address)
    }

    /// Starts a connect.
    pub(crate) fn connecting(&mut self, address: SocketAddr) -> Descriptor {
        let client = self.socket();
        assert_eq!(self.network.connect(client, address), Err(CallError::WouldBlock));
        client
    }

    /// A client and a server that are connected, and the listener.
    pub(crate) fn pair(&mut self) -> (Descriptor, Descriptor, Descriptor) {
        let (listener, address) = self.listener(5);
        let client = self.connecting(address);
        self.settle();
        assert_eq!(self.network.connect(client, address), Ok(()));
        let (server, peer) = self.network.accept(listener).unwrap();
        assert_eq!(self.network.addresses(client), (Some(peer), Some(address)));
        assert_eq!(self.network.addresses(server), (Some(address), Some(peer)));
        (client, server, listener)
    }

    pub(crate) fn settle(&mut self) {
        self.run(Duration::from_millis(50));
    }

    pub(crate) fn run(&mut self, span: Duration) {
        let until = self.network.now() + span;
        self.network.advance(until);
    }

    /// What is received, as text; nothing at the end of file.
    pub(crate) fn recv(&mut self, socket: Descriptor) -> Result<Bytes, CallError> {
        self.network.recv(socket, 100).map(|received| match received {
            Received::Data(data) => data,
            Received::Eof => Bytes::new(),
        })
    }

    pub(crate) fn send(&mut self, socket: Descriptor, data: &'static [u8]) -> Result<usize, CallError> {
        self.network.send(socket, &Bytes::from_static(data))
    }

    pub(crate) fn ready(&self, socket: Descriptor) -> Readiness {
        self.network.readiness(socket).unwrap()
    }
}
