//! Listening, connecting and accepting.

use std::net::{IpAddr, Shutdown};
use std::time::Duration;

use sansock::{FaultKind, Timestamp};
use sansock_memory::{CallError, Family, Network, NetworkConfig, Readiness};

use super::world::{fault, world};

#[test]
fn connecting_where_nobody_listens_is_refused_after_a_round_trip() {
    let mut world = world();
    let nobody = "127.0.0.1:9".parse().unwrap();
    let client = world.connecting(nobody);
    world.run(Duration::from_micros(1999));
    assert_eq!(world.network.connect(client, nobody), Err(CallError::WouldBlock));
    world.run(Duration::from_micros(1));
    assert_eq!(world.network.connect(client, nobody), fault(FaultKind::ConnectionRefused));
}

#[test]
fn after_a_refusal_was_told_the_socket_can_connect_again() {
    let mut world = world();
    let nobody = "127.0.0.1:9".parse().unwrap();
    let client = world.connecting(nobody);
    world.settle();
    assert!(world.ready(client).failed && world.ready(client).hung_up);
    assert_eq!(world.network.take_error(client), Ok(Some(FaultKind::ConnectionRefused)));
    assert_eq!(world.network.take_error(client), Ok(None));
    assert_eq!(world.network.connect(client, nobody), fault(FaultKind::ConnectionAborted), "somebody was told already");
    let (_, address) = world.listener(1);
    assert_eq!(world.network.connect(client, address), Err(CallError::WouldBlock));
    world.settle();
    assert_eq!(world.network.connect(client, address), Ok(()));
    assert_eq!(world.network.connect(client, address), Err(CallError::AlreadyConnected));
}

#[test]
fn a_connection_that_was_reset_before_the_connect_was_told_leaves_nothing_to_the_next_one() {
    let mut world = world();
    let (listener, address) = world.listener(8);
    let client = world.connecting(address);
    world.settle();
    let (server, _) = world.network.accept(listener).unwrap();
    assert_eq!(world.send(server, b"never read"), Ok(10));
    world.settle();
    world.network.close(server, true);
    world.settle();
    assert_eq!(world.network.connect(client, address), fault(FaultKind::ConnectionReset));
    assert_eq!(world.network.connect(client, address), Err(CallError::WouldBlock));
    world.settle();
    assert_eq!(world.network.connect(client, address), Ok(()));
    let (server, _) = world.network.accept(listener).unwrap();
    assert_eq!(world.send(server, b"anew"), Ok(4));
    world.settle();
    assert_eq!(world.recv(client).unwrap(), "anew");
}

#[test]
fn an_address_that_no_host_has_is_unreachable() {
    let mut world = world();
    let client = world.socket();
    assert_eq!(world.network.connect(client, "10.9.9.9:1".parse().unwrap()), fault(FaultKind::NetworkUnreachable));
}

#[test]
fn a_socket_of_one_family_does_not_take_an_address_of_the_other() {
    let mut world = world();
    let four = world.socket();
    let six = world.network.create(world.host, Family::V6).unwrap();
    assert_eq!(world.network.bind(four, "[::1]:0".parse().unwrap()), Err(FaultKind::Unsupported));
    assert_eq!(world.network.connect(four, "[::1]:1".parse().unwrap()), fault(FaultKind::Unsupported));
    assert_eq!(world.network.bind(six, "127.0.0.1:0".parse().unwrap()), Err(FaultKind::InvalidArgument));
    assert_eq!(world.network.connect(six, "127.0.0.1:1".parse().unwrap()), fault(FaultKind::InvalidArgument));
}

#[test]
fn two_hosts_reach_each_other_by_address_in_both_families() {
    let mut network = Network::new(NetworkConfig::default(), 1);
    let one = network.add_host(["10.0.0.1".parse().unwrap(), "fd00::1".parse().unwrap()]);
    let two = network.add_host(["10.0.0.2".parse().unwrap(), "fd00::2".parse().unwrap()]);
    let each = [(Family::V4, "0.0.0.0:7", "10.0.0.2:7", "10.0.0.1"), (Family::V6, "[::]:7", "[fd00::2]:7", "fd00::1")];
    for (family, any, to, from) in each {
        let listener = network.create(two, family).unwrap();
        network.bind(listener, any.parse().unwrap()).unwrap();
        network.listen(listener, 1).unwrap();
        let client = network.create(one, family).unwrap();
        let _ = network.connect(client, to.parse().unwrap());
        network.advance(network.now() + Duration::from_millis(5));
        assert_eq!(network.connect(client, to.parse().unwrap()), Ok(()));
        assert_eq!(network.accept(listener).unwrap().1.ip(), from.parse::<IpAddr>().unwrap());
    }
}

#[test]
fn the_client_is_connected_after_a_round_trip_and_the_server_when_the_client_has_answered() {
    let mut world = world();
    let (listener, address) = world.listener(1);
    let client = world.connecting(address);
    world.run(Duration::from_millis(2));
    assert_eq!(world.ready(client), Readiness { writable: true, ..Readiness::default() });
    assert_eq!(world.network.accept(listener).unwrap_err(), CallError::WouldBlock);
    world.run(Duration::from_millis(1));
    assert_eq!(world.ready(listener), Readiness { readable: true, ..Readiness::default() });
    assert!(world.network.accept(listener).is_ok());
}

#[test]
fn backlog_plus_one_connections_wait_and_the_next_tries_again_until_there_is_room() {
    let mut world = world();
    let (listener, address) = world.listener(2);
    let clients: Vec<_> = (0..4).map(|_| world.connecting(address)).collect();
    world.settle();
    let connected = |world: &super::world::World| clients.iter().filter(|client| world.ready(**client).writable).count();
    assert_eq!(connected(&world), 3);
    assert_eq!(world.network.hits().dropped_syns, 1);
    world.network.accept(listener).unwrap();
    world.run(Duration::from_millis(950));
    assert_eq!(connected(&world), 3, "the SYN is sent again after a second");
    world.run(Duration::from_millis(2));
    assert_eq!(connected(&world), 4);
}

// X28: a small backlog serves all of them too, as long as somebody accepts.
#[test]
fn x028_fifty_connects_at_one_instant_are_all_served() {
    for (backlog, dropped) in [(50, false), (5, true)] {
        let mut world = world();
        let (listener, address) = world.listener(backlog);
        let clients: Vec<_> = (0..50).map(|_| world.connecting(address)).collect();
        let mut accepted = 0;
        while accepted < 50 {
            world.run(Duration::from_millis(1));
            while world.network.accept(listener).is_ok() {
                accepted += 1;
            }
            assert!(world.network.now() < Timestamp::from_secs(100), "{accepted} were accepted");
        }
        assert!(clients.iter().all(|client| world.network.connect(*client, address) == Ok(())));
        assert_eq!(world.network.hits().dropped_syns > 0, dropped);
    }
}

// X44
#[test]
fn x044_a_connect_whose_syns_are_all_dropped_times_out_after_131_seconds() {
    let mut world = world();
    let (_, address) = world.listener(0);
    let _first = world.connecting(address);
    let second = world.connecting(address);
    world.run(Duration::from_millis(130_999));
    assert_eq!(world.network.connect(second, address), Err(CallError::WouldBlock));
    world.run(Duration::from_millis(2));
    assert_eq!(world.network.connect(second, address), fault(FaultKind::TimedOut));
    assert_eq!((world.network.hits().dropped_syns, world.network.hits().connect_timeouts), (11, 1));
}

#[test]
fn syns_are_sent_again_after_a_second_four_times_and_then_after_twice_as_long_each_time() {
    let mut world = world();
    let (_, address) = world.listener(0);
    let _first = world.connecting(address);
    let _second = world.connecting(address);
    let mut times = Vec::new();
    for second in 0..131 {
        world.run(Duration::from_millis(10));
        let dropped = world.network.hits().dropped_syns;
        times.resize(usize::try_from(dropped).unwrap(), second);
        world.run(Duration::from_millis(990));
    }
    assert_eq!(times, [0, 1, 2, 3, 4, 5, 7, 11, 19, 35, 67]);
}

// X18
#[test]
fn x018_closing_a_listener_resets_what_is_queued() {
    let mut world = world();
    let (listener, address) = world.listener(5);
    let client = world.connecting(address);
    world.settle();
    world.network.close(listener, false);
    world.settle();
    assert_eq!(world.recv(client), fault(FaultKind::ConnectionReset));
    let late = world.connecting(address);
    world.settle();
    assert_eq!(world.network.connect(late, address), fault(FaultKind::ConnectionRefused));
}

#[test]
fn closing_a_listener_resets_who_has_not_answered_yet() {
    let mut world = world();
    let (listener, address) = world.listener(5);
    let client = world.connecting(address);
    world.run(Duration::from_millis(2));
    world.network.close(listener, false);
    assert_eq!(world.network.connect(client, address), Ok(()), "it does not know yet");
    world.settle();
    assert_eq!(world.recv(client), fault(FaultKind::ConnectionReset));
}

#[test]
fn a_listener_whose_receiving_is_shut_down_listens_no_more_and_can_listen_again() {
    let mut world = world();
    let (listener, address) = world.listener(5);
    let client = world.connecting(address);
    world.settle();
    assert_eq!(world.network.shutdown(listener, Shutdown::Write), Ok(()), "which does nothing");
    assert_eq!(world.network.shutdown(listener, Shutdown::Read), Ok(()));
    world.settle();
    assert_eq!(world.recv(client), fault(FaultKind::ConnectionReset));
    assert_eq!(world.network.accept(listener).unwrap_err(), CallError::Fault(FaultKind::InvalidArgument));
    let again = world.network.listen(listener, 5).unwrap();
    let client = world.connecting(again);
    world.settle();
    assert_eq!(world.network.connect(client, again), Ok(()));
}

#[test]
fn a_client_that_goes_before_it_is_connected_is_never_accepted() {
    let mut world = world();
    let (listener, address) = world.listener(0);
    let client = world.connecting(address);
    world.run(Duration::from_millis(1));
    world.network.close(client, false);
    world.settle();
    assert_eq!(world.network.accept(listener).unwrap_err(), CallError::WouldBlock);
    let other = world.connecting(address);
    world.settle();
    assert_eq!(world.network.connect(other, address), Ok(()), "its place in the backlog is free again");
}

#[test]
fn a_shutdown_gives_a_connect_up() {
    let mut world = world();
    let (listener, address) = world.listener(5);
    let client = world.connecting(address);
    assert_eq!(world.network.shutdown(client, Shutdown::Write), Ok(()));
    world.settle();
    assert_eq!(world.recv(client), fault(FaultKind::ConnectionReset));
    assert_eq!(world.network.accept(listener).unwrap_err(), CallError::WouldBlock);
    assert_eq!(world.network.connect(client, address), Err(CallError::WouldBlock));
    world.settle();
    assert_eq!(world.network.connect(client, address), Ok(()));
    assert!(world.network.accept(listener).is_ok());
}

// X54: it is up to the core to notice.
#[test]
fn x054_a_socket_that_connects_to_its_own_name_is_its_own_peer() {
    let mut world = world();
    let socket = world.bound("127.0.0.1:4000");
    let own = "127.0.0.1:4000".parse().unwrap();
    assert_eq!(world.network.connect(socket, own), Err(CallError::WouldBlock));
    world.settle();
    assert_eq!(world.network.connect(socket, own), Ok(()));
    assert_eq!(world.network.addresses(socket), (Some(own), Some(own)));
    assert_eq!(world.send(socket, b"hello"), Ok(5));
    world.settle();
    assert_eq!(world.recv(socket).unwrap(), "hello");
    world.network.shutdown(socket, Shutdown::Write).unwrap();
    world.settle();
    assert_eq!(world.recv(socket).unwrap(), "");
    assert_eq!(world.network.shutdown(socket, Shutdown::Write), Err(FaultKind::NotConnected), "both directions have ended");
}

// RFC 9293, 3.5: Figure 7.
#[test]
fn two_sockets_that_connect_to_each_other_at_once_are_connected() {
    let mut world = world();
    let [one, two] = ["127.0.0.1:4001", "127.0.0.1:4002"].map(|name| world.bound(name));
    let names = [one, two].map(|socket| world.network.addresses(socket).0.unwrap());
    assert_eq!(world.network.connect(one, names[1]), Err(CallError::WouldBlock));
    assert_eq!(world.network.connect(two, names[0]), Err(CallError::WouldBlock));
    world.settle();
    assert_eq!(world.network.connect(one, names[1]), Ok(()));
    assert_eq!(world.network.connect(two, names[0]), Ok(()));
    assert_eq!(world.send(one, b"hello"), Ok(5));
    world.settle();
    assert_eq!(world.recv(two).unwrap(), "hello");
}

// X17, X23
#[test]
fn x017_without_a_descriptor_an_accept_fails_and_the_connection_stays_queued() {
    let mut world = world();
    let (listener, address) = world.listener(5);
    world.connecting(address);
    world.settle();
    world.network.limit_descriptors(world.host, 2);
    assert_eq!(world.network.accept(listener).unwrap_err(), CallError::Fault(FaultKind::DescriptorLimit));
    assert_eq!(world.network.create(world.host, Family::V4), Err(FaultKind::DescriptorLimit));
    assert_eq!(world.network.hits().descriptor_limit, 2);
    let elsewhere = world.network.add_host([]);
    assert!(world.network.create(elsewhere, Family::V4).is_ok(), "each host has a limit of its own");
    world.network.limit_descriptors(world.host, 3);
    assert!(world.network.accept(listener).is_ok());
}

#[test]
fn a_socket_that_is_not_connected_says_so() {
    let mut world = world();
    let socket = world.socket();
    assert_eq!(world.ready(socket), Readiness { writable: true, hung_up: true, ..Readiness::default() });
    assert_eq!(world.recv(socket), fault(FaultKind::NotConnected));
    assert_eq!(world.send(socket, b"x"), fault(FaultKind::BrokenPipe));
    assert_eq!(world.network.accept(socket).unwrap_err(), CallError::Fault(FaultKind::InvalidArgument));
    // X108: Linux shuts it down nevertheless.
    assert_eq!(world.network.shutdown(socket, Shutdown::Read), Err(FaultKind::NotConnected));
    assert_eq!(world.recv(socket).unwrap(), "");
    world.network.close(socket, false);
    world.network.close(socket, false);
    assert_eq!(world.recv(socket), fault(FaultKind::BadDescriptor));
    assert_eq!(world.network.readiness(socket), Err(FaultKind::BadDescriptor));
    assert_eq!(world.network.open_sockets(world.host), 0);
}

#[test]
fn time_does_not_run_backwards() {
    let mut world = world();
    world.network.advance(Timestamp::from_secs(5));
    world.network.advance(Timestamp::from_secs(3));
    assert_eq!(world.network.now(), Timestamp::from_secs(5));
}

/// A listener that listens again has another backlog, and what is queued stays.
#[test]
fn a_second_listen_changes_the_backlog() {
    let mut world = world();
    let (listener, address) = world.listener(0);
    let clients = [(); 4].map(|()| world.connecting(address));
    world.settle();
    assert_eq!(world.network.hits().dropped_syns, 3);
    assert_eq!(world.network.listen(listener, 2), Ok(address));
    world.run(Duration::from_secs(1));
    assert_eq!(world.network.hits().dropped_syns, 4, "one too many for three");
    assert!(world.network.accept(listener).is_ok());
    world.run(Duration::from_secs(1));
    assert!(clients.iter().all(|client| world.network.connect(*client, address) == Ok(())));
}
