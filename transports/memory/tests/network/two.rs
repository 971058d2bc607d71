//! Two hosts and a third one, and short words for calls.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use sansock::{FaultKind, Timestamp};
use sansock_memory::{CallError, Descriptor, Family, HostId, Link, Network, NetworkConfig, Received};

pub(crate) const SERVER: &str = "10.0.0.1:7";

pub(crate) struct Two {
    pub(crate) network: Network,
    pub(crate) server: HostId,
    pub(crate) client: HostId,
    pub(crate) other: HostId,
}

pub(crate) const fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

pub(crate) const fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

pub(crate) fn fault<T>(kind: FaultKind) -> Result<T, CallError> {
    Err(CallError::Fault(kind))
}

/// What links are like that nobody has set.
pub(crate) fn link() -> Link {
    Link::from(&NetworkConfig::default())
}

impl Two {
    pub(crate) fn new() -> Self {
        Self::with(NetworkConfig::default(), 1)
    }

    pub(crate) fn with(config: NetworkConfig, seed: u64) -> Self {
        let mut network = Network::new(config, seed);
        let [server, client, other] = [("server", "10.0.0.1"), ("client", "10.0.0.2"), ("other", "10.0.0.3")]
            .map(|(name, address)| network.add_host_named(name, [address.parse().unwrap()]));
        Self { network, server, client, other }
    }

    pub(crate) fn listener(&mut self, backlog: u32) -> Descriptor {
        let listener = self.network.create(self.server, Family::V4).unwrap();
        self.network.bind(listener, SERVER.parse().unwrap()).unwrap();
        self.network.listen(listener, backlog).unwrap();
        listener
    }

    /// Starts a connect.
    pub(crate) fn connecting(&mut self, to: &str) -> Descriptor {
        let client = self.network.create(self.client, Family::V4).unwrap();
        assert_eq!(self.network.connect(client, to.parse::<SocketAddr>().unwrap()), Err(CallError::WouldBlock));
        client
    }

    pub(crate) fn ask(&mut self, client: Descriptor, to: &str) -> Result<(), CallError> {
        self.network.connect(client, to.parse().unwrap())
    }

    /// A client and a server that are connected.
    pub(crate) fn pair(&mut self) -> (Descriptor, Descriptor) {
        let listener = self.listener(5);
        let client = self.connecting(SERVER);
        self.run(secs(1));
        assert_eq!(self.ask(client, SERVER), Ok(()));
        let (server, _) = self.network.accept(listener).unwrap();
        (client, server)
    }

    pub(crate) fn run(&mut self, span: Duration) {
        let until = self.network.now() + span;
        self.network.advance(until);
    }

    /// Runs until the call no longer blocks; how long that took, to a millisecond.
    pub(crate) fn until<T>(&mut self, call: impl Fn(&mut Network) -> Result<T, CallError>) -> (u64, Result<T, CallError>) {
        let start = self.network.now();
        for _ in 0..10_000_000 {
            match call(&mut self.network) {
                Err(CallError::WouldBlock) => {}
                result => return (self.since(start), result),
            }
            let next = self.network.next_arrival().expect("something happens");
            self.network.advance(next);
        }
        panic!("it blocks for ever");
    }

    pub(crate) fn since(&self, start: Timestamp) -> u64 {
        u64::try_from(self.network.now().saturating_since(start).as_millis()).unwrap()
    }

    pub(crate) fn send(&mut self, socket: Descriptor, data: &'static [u8]) {
        assert_eq!(self.network.send(socket, &Bytes::from_static(data)), Ok(data.len()));
    }

    pub(crate) fn recv(&mut self, socket: Descriptor) -> Result<Bytes, CallError> {
        recv(&mut self.network, socket)
    }

    pub(crate) fn partition(&mut self) {
        self.network.partition(self.client, self.server);
        self.network.partition(self.server, self.client);
    }
}

/// What is received; nothing at the end of file.
pub(crate) fn recv(network: &mut Network, socket: Descriptor) -> Result<Bytes, CallError> {
    network.recv(socket, usize::MAX).map(|received| match received {
        Received::Data(data) => data,
        Received::Eof => Bytes::new(),
    })
}
