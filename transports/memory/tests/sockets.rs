//! The simulated socket calls against answers that Linux gives (measured on loopback with Python's socket module).

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use sansock::{FaultKind, Timestamp};
use sansock_memory::{CallError, Descriptor, HostId, Network, NetworkConfig, Received};

struct World {
    network: Network,
    host: HostId,
}

impl World {
    fn new(config: NetworkConfig) -> Self {
        let mut network = Network::new(config, 1);
        let host = network.add_host([]);
        Self { network, host }
    }

    fn listener(&mut self, backlog: u32) -> (Descriptor, SocketAddr) {
        let socket = self.network.create(self.host).unwrap();
        self.network.bind(socket, "127.0.0.1:0".parse().unwrap()).unwrap();
        let address = self.network.listen(socket, backlog).unwrap();
        (socket, address)
    }

    /// A client and a server that are connected, and the listener.
    fn pair(&mut self) -> (Descriptor, Descriptor, Descriptor) {
        let (listener, address) = self.listener(5);
        let client = self.network.create(self.host).unwrap();
        assert_eq!(self.network.connect(client, address), Err(CallError::WouldBlock));
        self.settle();
        assert_eq!(self.network.connect(client, address), Ok(()));
        let (server, peer) = self.network.accept(listener).unwrap();
        assert_eq!(Some(peer), self.network.addresses(client).0);
        (client, server, listener)
    }

    fn settle(&mut self) {
        self.run(Duration::from_millis(50));
    }

    fn run(&mut self, span: Duration) {
        let until = self.network.now() + span;
        self.network.advance(until);
    }

    fn recv(&mut self, socket: Descriptor) -> Result<Bytes, CallError> {
        self.network.recv(socket, 100).map(|received| match received {
            Received::Data(data) => data,
            Received::Eof => Bytes::new(),
        })
    }

    fn send(&mut self, socket: Descriptor, data: &'static [u8]) -> Result<usize, CallError> {
        self.network.send(socket, &Bytes::from_static(data))
    }
}

fn world() -> World {
    World::new(NetworkConfig::default())
}

fn fault<T>(kind: FaultKind) -> Result<T, CallError> {
    Err(CallError::Fault(kind))
}

#[test]
fn connecting_where_nobody_listens_is_refused_after_a_round_trip() {
    let mut world = world();
    let client = world.network.create(world.host).unwrap();
    let nobody = "127.0.0.1:9".parse().unwrap();
    assert_eq!(world.network.connect(client, nobody), Err(CallError::WouldBlock));
    world.run(Duration::from_micros(1999));
    assert_eq!(world.network.connect(client, nobody), Err(CallError::WouldBlock));
    world.run(Duration::from_micros(1));
    assert_eq!(world.network.connect(client, nobody), fault(FaultKind::ConnectionRefused));
}

#[test]
fn an_address_that_no_host_has_is_unreachable() {
    let mut world = world();
    let client = world.network.create(world.host).unwrap();
    assert_eq!(world.network.connect(client, "10.9.9.9:1".parse().unwrap()), fault(FaultKind::NetworkUnreachable));
}

#[test]
fn two_hosts_reach_each_other_by_address_in_both_families() {
    let mut network = Network::new(NetworkConfig::default(), 1);
    let one = network.add_host(["10.0.0.1".parse().unwrap(), "fd00::1".parse().unwrap()]);
    let two = network.add_host(["10.0.0.2".parse().unwrap(), "fd00::2".parse().unwrap()]);
    for (any, to, from) in [("0.0.0.0:7", "10.0.0.2:7", "10.0.0.1"), ("[::]:8", "[fd00::2]:8", "fd00::1")] {
        let listener = network.create(two).unwrap();
        network.bind(listener, any.parse().unwrap()).unwrap();
        network.listen(listener, 1).unwrap();
        let client = network.create(one).unwrap();
        let _ = network.connect(client, to.parse().unwrap());
        network.advance(network.now() + Duration::from_millis(5));
        assert_eq!(network.connect(client, to.parse().unwrap()), Ok(()));
        assert_eq!(network.accept(listener).unwrap().1.ip(), from.parse::<std::net::IpAddr>().unwrap());
    }
}

#[test]
fn half_close_then_the_reply_can_still_be_read() {
    let mut world = world();
    let (client, server, _) = world.pair();
    assert_eq!(world.send(client, b"question"), Ok(8));
    assert_eq!(world.network.shutdown(client), Ok(()));
    assert_eq!(world.network.shutdown(client), Ok(()), "a second shutdown does nothing");
    assert_eq!(world.send(client, b"x"), fault(FaultKind::BrokenPipe));
    world.settle();
    assert_eq!(world.recv(server).unwrap(), "question");
    assert_eq!(world.recv(server).unwrap(), "");
    assert_eq!(world.send(server, b"answer"), Ok(6));
    world.network.close(server, false);
    world.settle();
    assert_eq!(world.recv(client).unwrap(), "answer");
    assert_eq!(world.recv(client).unwrap(), "");
    world.network.close(client, false);
    assert_eq!(world.network.open_sockets(world.host), 1, "the listener");
}

#[test]
fn after_a_reset_what_has_arrived_is_read_first_then_the_error_once_then_the_end() {
    let mut world = world();
    let (client, server, _) = world.pair();
    world.send(server, b"hello").unwrap();
    world.settle();
    world.network.close(server, true);
    world.settle();
    assert_eq!(world.recv(client).unwrap(), "hello");
    assert_eq!(world.recv(client), fault(FaultKind::ConnectionReset));
    assert_eq!(world.recv(client).unwrap(), "");
    assert_eq!(world.send(client, b"x"), fault(FaultKind::BrokenPipe));
    assert_eq!(world.network.shutdown(client), Err(FaultKind::NotConnected));
}

#[test]
fn after_a_reset_the_first_send_reports_it_and_the_next_is_a_broken_pipe() {
    let mut world = world();
    let (client, server, _) = world.pair();
    world.network.close(server, true);
    world.settle();
    assert_eq!(world.send(client, b"x"), fault(FaultKind::ConnectionReset));
    assert_eq!(world.send(client, b"x"), fault(FaultKind::BrokenPipe));
    assert_eq!(world.recv(client).unwrap(), "");
}

// X92
#[test]
fn x092_the_first_write_after_the_peer_closed_succeeds_and_the_next_is_a_broken_pipe() {
    let mut world = world();
    let (client, server, _) = world.pair();
    world.network.close(server, false);
    world.settle();
    assert_eq!(world.send(client, b"x"), Ok(1));
    world.settle();
    assert_eq!(world.send(client, b"x"), fault(FaultKind::BrokenPipe));
    assert_eq!(world.recv(client).unwrap(), "");
    assert_eq!(world.network.hits().resets, 1);
}

#[test]
fn closing_with_unread_data_resets_the_peer() {
    let mut world = world();
    let (client, server, _) = world.pair();
    world.send(client, b"abc").unwrap();
    world.settle();
    world.send(server, b"reply").unwrap();
    world.network.close(server, false);
    world.settle();
    // Linux gives the reply here because it came first; what was still queued in the server would be lost.
    assert_eq!(world.recv(client).unwrap(), "reply");
    assert_eq!(world.recv(client), fault(FaultKind::ConnectionReset));
}

#[test]
fn closing_keeps_sending_what_is_queued_then_the_fin() {
    let mut world = World::new(NetworkConfig { send_buffer: 1000, receive_buffer: 10, segment: 7, ..NetworkConfig::default() });
    let (client, server, _) = world.pair();
    let data = Bytes::from((0..200).collect::<Vec<u8>>());
    assert_eq!(world.network.send(server, &data), Ok(200));
    world.network.close(server, false);
    let mut got = Vec::new();
    loop {
        world.settle();
        match world.network.recv(client, 3) {
            Ok(Received::Data(piece)) => got.extend_from_slice(&piece),
            Ok(Received::Eof) => break,
            Err(error) => panic!("{error:?}"),
        }
    }
    assert_eq!(got, data);
}

#[test]
fn buffers_are_bounded_and_reading_opens_the_window_again() {
    let mut world = World::new(NetworkConfig { send_buffer: 100, receive_buffer: 50, ..NetworkConfig::default() });
    let (client, server, _) = world.pair();
    let data = Bytes::from(vec![7; 500]);
    assert_eq!(world.network.send(client, &data), Ok(100), "a short write");
    assert_eq!(world.network.send(client, &data), Ok(50), "what the window has taken has left the buffer");
    assert_eq!(world.network.send(client, &data), Err(CallError::WouldBlock));
    world.settle();
    assert_eq!(world.network.send(client, &data), Err(CallError::WouldBlock), "a zero window");
    assert_eq!(world.network.recv(server, 30), Ok(Received::Data(data.slice(..30))));
    assert_eq!(world.network.send(client, &data), Err(CallError::WouldBlock), "the window travels");
    world.settle();
    assert_eq!(world.network.send(client, &data), Ok(30));
    assert!(world.network.hits().short_sends >= 2 && world.network.hits().full_buffers >= 2);
}

#[test]
fn backlog_plus_one_connections_wait_and_the_next_tries_again_until_there_is_room() {
    let mut world = world();
    let (listener, address) = world.listener(2);
    let clients: Vec<_> = (0..4).map(|_| world.network.create(world.host).unwrap()).collect();
    for client in &clients {
        assert_eq!(world.network.connect(*client, address), Err(CallError::WouldBlock));
    }
    world.settle();
    let connected = |world: &mut World| clients.iter().filter(|c| world.network.connect(**c, address).is_ok()).count();
    assert_eq!(connected(&mut world), 3);
    assert_eq!(world.network.hits().dropped_syns, 1);
    world.network.accept(listener).unwrap();
    world.run(Duration::from_millis(900));
    assert_eq!(connected(&mut world), 3, "the SYN is sent again after a second");
    world.run(Duration::from_millis(100));
    assert_eq!(connected(&mut world), 4);
}

#[test]
fn a_connect_whose_syns_are_all_dropped_times_out_after_127_seconds() {
    let mut world = world();
    let (_, address) = world.listener(0);
    let first = world.network.create(world.host).unwrap();
    let second = world.network.create(world.host).unwrap();
    let _ = world.network.connect(first, address);
    let _ = world.network.connect(second, address);
    world.run(Duration::from_millis(126_999));
    assert_eq!(world.network.connect(second, address), Err(CallError::WouldBlock));
    world.run(Duration::from_millis(2));
    assert_eq!(world.network.connect(second, address), fault(FaultKind::TimedOut));
}

// X18
#[test]
fn x018_closing_a_listener_resets_what_is_queued() {
    let mut world = world();
    let (listener, address) = world.listener(5);
    let client = world.network.create(world.host).unwrap();
    let _ = world.network.connect(client, address);
    world.settle();
    world.network.close(listener, false);
    world.settle();
    assert_eq!(world.recv(client), fault(FaultKind::ConnectionReset));
    let late = world.network.create(world.host).unwrap();
    let _ = world.network.connect(late, address);
    world.settle();
    assert_eq!(world.network.connect(late, address), fault(FaultKind::ConnectionRefused));
}

#[test]
fn without_a_descriptor_an_accept_fails_and_the_connection_stays_queued() {
    let mut world = world();
    let (listener, address) = world.listener(5);
    let client = world.network.create(world.host).unwrap();
    let _ = world.network.connect(client, address);
    world.settle();
    world.network.limit_descriptors(world.host, 2);
    assert_eq!(world.network.accept(listener).unwrap_err(), CallError::Fault(FaultKind::DescriptorLimit));
    assert_eq!(world.network.create(world.host), Err(FaultKind::DescriptorLimit));
    assert_eq!(world.network.hits().descriptor_limit, 2);
    world.network.limit_descriptors(world.host, 3);
    assert!(world.network.accept(listener).is_ok());
}

#[test]
fn names_are_given_out_once() {
    let mut world = world();
    let (_, address) = world.listener(1);
    let other = world.network.create(world.host).unwrap();
    assert_eq!(world.network.bind(other, address), Err(FaultKind::AddressInUse));
    assert_eq!(world.network.bind(other, "10.0.0.9:1".parse().unwrap()), Err(FaultKind::AddressNotAvailable));
    let local = world.network.bind(other, "127.0.0.1:0".parse().unwrap()).unwrap();
    assert_ne!(local, address);
    assert_eq!(world.network.bind(other, "127.0.0.1:0".parse().unwrap()), Err(FaultKind::InvalidArgument));
}

#[test]
fn a_socket_that_is_not_connected_says_so() {
    let mut world = world();
    let socket = world.network.create(world.host).unwrap();
    assert_eq!(world.recv(socket), fault(FaultKind::NotConnected));
    assert_eq!(world.send(socket, b"x"), fault(FaultKind::BrokenPipe));
    assert_eq!(world.network.shutdown(socket), Err(FaultKind::NotConnected));
    assert_eq!(world.network.accept(socket).unwrap_err(), CallError::Fault(FaultKind::InvalidArgument));
    world.network.close(socket, false);
    world.network.close(socket, false);
    assert_eq!(world.recv(socket), fault(FaultKind::BadDescriptor));
    assert_eq!(world.network.open_sockets(world.host), 0);
}

#[test]
fn a_client_that_goes_before_it_is_connected_leaves_a_reset_behind() {
    let mut world = world();
    let (listener, address) = world.listener(5);
    let client = world.network.create(world.host).unwrap();
    let _ = world.network.connect(client, address);
    world.run(Duration::from_millis(1));
    world.network.close(client, false);
    world.settle();
    let (server, _) = world.network.accept(listener).unwrap();
    assert_eq!(world.recv(server), fault(FaultKind::ConnectionReset));
}

#[test]
fn time_does_not_run_backwards() {
    let mut world = world();
    world.network.advance(Timestamp::from_secs(5));
    world.network.advance(Timestamp::from_secs(3));
    assert_eq!(world.network.now(), Timestamp::from_secs(5));
}
