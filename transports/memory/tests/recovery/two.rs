//! Two hosts, and short words for calls.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use sansock::{FaultKind, Timestamp};
use sansock_memory::{CallError, Descriptor, Family, HostId, Network, NetworkConfig, Received};

pub(crate) struct Two {
    pub(crate) network: Network,
    /// 10.0.0.1
    pub(crate) client: HostId,
    /// 10.0.0.2
    pub(crate) server: HostId,
}

/// Where the server listens.
pub(crate) fn web() -> SocketAddr {
    "10.0.0.2:80".parse().unwrap()
}

pub(crate) fn two() -> Two {
    Two::new(NetworkConfig::default())
}

pub(crate) fn fault<T>(kind: FaultKind) -> Result<T, CallError> {
    Err(CallError::Fault(kind))
}

pub(crate) const fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

impl Two {
    pub(crate) fn new(config: NetworkConfig) -> Self {
        let mut network = Network::new(config, 1);
        let [client, server] = [("client", "10.0.0.1"), ("server", "10.0.0.2")]
            .map(|(name, address)| network.add_host_named(name, [address.parse().unwrap()]));
        Self { network, client, server }
    }

    pub(crate) fn listener(&mut self, backlog: u32) -> Descriptor {
        let listener = self.network.create(self.server, Family::V4).unwrap();
        self.network.reuse_address(listener, true).unwrap();
        self.network.bind(listener, web()).unwrap();
        self.network.listen(listener, backlog).unwrap();
        listener
    }

    pub(crate) fn connecting(&mut self) -> Descriptor {
        let client = self.network.create(self.client, Family::V4).unwrap();
        assert_eq!(self.connect(client), Err(CallError::WouldBlock));
        client
    }

    pub(crate) fn connect(&mut self, client: Descriptor) -> Result<(), CallError> {
        self.network.connect(client, web())
    }

    /// A client and a server that are connected, and the listener.
    pub(crate) fn pair(&mut self) -> (Descriptor, Descriptor, Descriptor) {
        let listener = self.listener(5);
        let client = self.connecting();
        self.run(millis(50));
        assert_eq!(self.connect(client), Ok(()));
        let (server, _) = self.network.accept(listener).unwrap();
        (client, server, listener)
    }

    pub(crate) fn run(&mut self, span: Duration) {
        let until = self.network.now() + span;
        self.network.advance(until);
    }

    /// Runs until nothing can happen any more, and says when.
    pub(crate) fn run_out(&mut self) -> Timestamp {
        while let Some(next) = self.network.next_arrival() {
            assert!(next < Timestamp::from_secs(100_000), "there is no end");
            self.network.advance(next);
        }
        self.network.now()
    }

    /// Runs until something can be received, and says when.
    pub(crate) fn until_readable(&mut self, socket: Descriptor) -> Timestamp {
        while !self.network.readiness(socket).unwrap().readable {
            let next = self.network.next_arrival().expect("something will come");
            self.network.advance(next);
        }
        self.network.now()
    }

    /// What is received, as text; nothing at the end of file.
    pub(crate) fn recv(&mut self, socket: Descriptor) -> Result<Bytes, CallError> {
        self.network.recv(socket, 1_000_000).map(|received| match received {
            Received::Data(data) => data,
            Received::Eof => Bytes::new(),
        })
    }

    pub(crate) fn send(&mut self, socket: Descriptor, data: &'static [u8]) -> Result<usize, CallError> {
        self.network.send(socket, &Bytes::from_static(data))
    }

    /// Both ways.
    pub(crate) fn partition(&mut self) {
        self.network.partition(self.client, self.server);
        self.network.partition(self.server, self.client);
    }
}
