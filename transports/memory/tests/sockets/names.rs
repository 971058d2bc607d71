//! Who may have which name, and for how long.

use std::net::{Shutdown, SocketAddr, SocketAddrV6};
use std::time::Duration;

use sansock::{FaultKind, Timestamp};
use sansock_memory::{CallError, Family, Network, NetworkConfig};

use super::world::{World, fault, world};

#[test]
fn names_are_given_out_once() {
    let mut world = world();
    let (_, address) = world.listener(1);
    let other = world.socket();
    assert_eq!(world.network.bind(other, address), Err(FaultKind::AddressInUse));
    assert_eq!(world.network.bind(other, "10.0.0.9:1".parse().unwrap()), Err(FaultKind::AddressNotAvailable));
    let local = world.network.bind(other, "127.0.0.1:0".parse().unwrap()).unwrap();
    assert_ne!(local, address);
    assert_eq!(world.network.bind(other, "127.0.0.1:0".parse().unwrap()), Err(FaultKind::InvalidArgument));
}

#[test]
fn a_port_can_be_had_once_on_each_address_and_in_each_family_but_not_beside_every_address() {
    let mut world = world();
    world.bound("127.0.0.1:80");
    world.bound("127.0.0.2:80");
    let six = world.network.create(world.host, Family::V6).unwrap();
    assert!(world.network.bind(six, "[::]:80".parse().unwrap()).is_ok());
    let other = world.socket();
    assert_eq!(world.network.bind(other, "0.0.0.0:80".parse().unwrap()), Err(FaultKind::AddressInUse));
    world.bound("0.0.0.0:81");
    assert_eq!(world.network.bind(other, "127.0.0.1:81".parse().unwrap()), Err(FaultKind::AddressInUse));
}

// X2: Linux finds out when the second one listens.
#[test]
fn x002_sockets_that_may_share_a_name_can_both_be_bound_and_one_can_listen() {
    let mut world = world();
    let name = "127.0.0.1:80".parse().unwrap();
    let [one, two] = [(); 2].map(|()| world.sharing(name));
    let selfish = world.socket();
    assert_eq!(world.network.bind(selfish, name), Err(FaultKind::AddressInUse));
    assert_eq!(world.network.listen(one, 1), Ok(name));
    assert_eq!(world.network.listen(two, 1), Err(FaultKind::AddressInUse));
    let late = world.socket();
    world.network.reuse_address(late, true).unwrap();
    assert_eq!(world.network.bind(late, name), Err(FaultKind::AddressInUse), "somebody listens");
    world.network.close(one, false);
    assert_eq!(world.network.listen(two, 1), Ok(name));
}

/// A connection whose server's port is 80, and the listener.
fn connection(world: &mut World, reuse: bool) -> [sansock_memory::Descriptor; 3] {
    let listener = world.socket();
    world.network.reuse_address(listener, reuse).unwrap();
    let name = world.network.bind(listener, "127.0.0.1:80".parse().unwrap()).unwrap();
    world.network.listen(listener, 1).unwrap();
    let client = world.connecting(name);
    world.settle();
    let (server, _) = world.network.accept(listener).unwrap();
    [client, server, listener]
}

/// The server closes first, and then the client, which gets to know.
fn both_close(world: &mut World) {
    let [client, server, listener] = connection(world, false);
    world.network.close(server, false);
    world.network.close(listener, false);
    world.settle();
    world.network.close(client, false);
}

#[test]
fn the_end_that_closes_first_keeps_its_name_for_a_minute() {
    let mut world = world();
    both_close(&mut world);
    world.settle();
    let again = world.socket();
    let name = "127.0.0.1:80".parse().unwrap();
    world.run(Duration::from_millis(59_900));
    assert_eq!(world.network.bind(again, name), Err(FaultKind::AddressInUse));
    world.run(Duration::from_millis(100));
    assert_eq!(world.network.bind(again, name), Ok(name));
    assert_eq!(world.network.hits().time_waits, 1);
}

#[test]
fn the_end_that_closes_last_does_not() {
    let mut world = world();
    let [client, server, listener] = connection(&mut world, false);
    world.network.close(client, false);
    world.settle();
    world.network.close(server, false);
    world.network.close(listener, false);
    world.settle();
    world.bound("127.0.0.1:80");
}

// X6: what SO_REUSEADDR is for.
#[test]
fn x006_a_server_that_starts_again_may_have_the_name_of_its_old_connections_if_both_share() {
    for (before, after) in [(true, true), (false, true), (true, false)] {
        let mut world = world();
        let [client, server, listener] = connection(&mut world, before);
        world.network.close(listener, false);
        world.network.close(server, false);
        world.settle();
        world.network.close(client, false);
        world.settle();
        let again = world.socket();
        world.network.reuse_address(again, after).unwrap();
        let bound = world.network.bind(again, "127.0.0.1:80".parse().unwrap());
        assert_eq!(bound.is_ok(), before && after);
    }
}

#[test]
fn a_client_that_closes_first_connects_again_from_the_same_port_at_once_if_it_asks_for_it() {
    let mut world = world();
    let (listener, address) = world.listener(5);
    let own = "127.0.0.1:4000".parse().unwrap();
    for _ in 0..3 {
        let client = world.sharing(own);
        assert_eq!(world.network.connect(client, address), Err(CallError::WouldBlock));
        world.settle();
        let (server, peer) = world.network.accept(listener).unwrap();
        assert_eq!(peer, own);
        let rival = world.sharing(own);
        assert_eq!(world.network.connect(rival, address), fault(FaultKind::AddressNotAvailable));
        world.network.close(rival, false);
        world.network.close(client, false);
        world.settle();
        world.network.close(server, false);
        world.settle();
    }
    assert_eq!(world.network.hits().time_waits, 3);
}

#[test]
fn a_name_in_time_wait_does_not_keep_its_peer_from_connecting_again() {
    let mut world = world();
    let (listener, address) = world.listener(5);
    let own = "127.0.0.1:4000".parse().unwrap();
    for _ in 0..3 {
        let client = world.sharing(own);
        assert_eq!(world.network.connect(client, address), Err(CallError::WouldBlock));
        world.settle();
        let (server, _) = world.network.accept(listener).unwrap();
        world.network.close(server, false);
        world.settle();
        world.network.close(client, false);
        world.settle();
    }
    assert_eq!(world.network.hits().time_waits, 3);
}

fn few_ports() -> NetworkConfig {
    NetworkConfig { ports: (50_000, 50_002), ..NetworkConfig::default() }
}

// X53: it is one destination that no port is left for.
#[test]
fn x053_a_host_that_has_used_up_its_ports_cannot_connect_to_the_same_name_again() {
    let mut network = Network::new(few_ports(), 1);
    let [one, two] = ["10.0.0.1", "10.0.0.2"].map(|address| network.add_host([address.parse().unwrap()]));
    let [web, mail] = ["10.0.0.2:80", "10.0.0.2:25"].map(|name| {
        let listener = network.create(two, Family::V4).unwrap();
        network.bind(listener, name.parse().unwrap()).unwrap();
        network.listen(listener, 10).unwrap()
    });
    let connect = |network: &mut Network, to| {
        let client = network.create(one, Family::V4).unwrap();
        (client, network.connect(client, to))
    };
    let clients = [(); 3].map(|()| connect(&mut network, web));
    assert!(clients.iter().all(|(_, result)| *result == Err(CallError::WouldBlock)));
    assert_eq!(connect(&mut network, web).1, fault(FaultKind::AddressNotAvailable));
    assert_eq!(connect(&mut network, mail).1, Err(CallError::WouldBlock), "another destination");
    assert_eq!(network.hits().port_exhaustion, 1);
    network.advance(network.now() + Duration::from_millis(10));
    network.close(clients[0].0, true);
    assert_eq!(connect(&mut network, web).1, Err(CallError::WouldBlock), "a reset leaves no TIME_WAIT");
}

#[test]
fn connections_in_time_wait_use_up_ports_over_loopback_for_a_second_otherwise_for_a_minute() {
    for (address, patience) in [("127.0.0.1:80", 1), ("10.0.0.1:80", 60)] {
        let mut network = Network::new(few_ports(), 1);
        let host = network.add_host(["10.0.0.1".parse().unwrap()]);
        let listener = network.create(host, Family::V4).unwrap();
        network.bind(listener, "0.0.0.0:80".parse().unwrap()).unwrap();
        network.listen(listener, 10).unwrap();
        let address = address.parse().unwrap();
        let connect = |network: &mut Network| {
            let client = network.create(host, Family::V4).unwrap();
            (client, network.connect(client, address))
        };
        for _ in 0..3 {
            let (client, _) = connect(&mut network);
            network.advance(network.now() + Duration::from_millis(10));
            let (server, _) = network.accept(listener).unwrap();
            network.close(client, false);
            network.advance(network.now() + Duration::from_millis(10));
            network.close(server, false);
        }
        network.advance(network.now() + Duration::from_millis(patience * 1000 - 100));
        assert_eq!(connect(&mut network).1, fault(FaultKind::AddressNotAvailable));
        network.advance(network.now() + Duration::from_millis(100));
        assert_eq!(connect(&mut network).1, Err(CallError::WouldBlock));
    }
}

// X3
#[test]
fn x003_a_bind_to_port_0_when_no_port_is_free_says_so() {
    let mut world = World::new(few_ports());
    for _ in 0..3 {
        world.bound("127.0.0.1:0");
    }
    let other = world.socket();
    assert_eq!(world.network.bind(other, "127.0.0.1:0".parse().unwrap()), Err(FaultKind::NoFreePort));
    assert_eq!(world.network.listen(other, 1), Err(FaultKind::NoFreePort));
    world.bound("127.0.0.2:0");
    assert_eq!(world.network.hits().port_exhaustion, 2);
}

#[test]
fn an_end_that_was_closed_waits_for_the_other_ends_fin_for_a_minute() {
    let mut world = world();
    let [client, server, listener] = connection(&mut world, false);
    world.network.close(listener, false);
    world.network.close(server, false);
    world.run(Duration::from_secs(61));
    world.bound("127.0.0.1:80");
    assert_eq!(world.send(client, b"x"), Ok(1));
    world.settle();
    assert_eq!(world.send(client, b"x"), fault(FaultKind::BrokenPipe));
}

// RFC 9293, 3.5.1: a half-open connection is found out by the next SYN of the same names.
#[test]
fn a_connection_whose_client_is_gone_is_reset_when_the_client_connects_again() {
    let mut world = world();
    let (listener, address) = world.listener(5);
    let own = "127.0.0.1:4000".parse().unwrap();
    let client = world.sharing(own);
    let _ = world.network.connect(client, address);
    world.settle();
    let (server, _) = world.network.accept(listener).unwrap();
    world.network.shutdown(client, Shutdown::Write).unwrap();
    world.settle();
    world.network.close(client, false);
    let client = world.sharing(own);
    assert_eq!(world.network.connect(client, address), Err(CallError::WouldBlock));
    world.settle();
    assert_eq!(world.send(server, b"x"), fault(FaultKind::BrokenPipe));
    world.run(Duration::from_secs(1));
    assert_eq!(world.network.connect(client, address), Ok(()), "by its second SYN");
}

#[test]
fn a_rest_ends_at_its_last_instant() {
    let mut world = world();
    both_close(&mut world);
    while world.network.hits().time_waits == 0 {
        let next = world.network.next_arrival().unwrap();
        world.network.advance(next);
    }
    let (again, name) = (world.socket(), "127.0.0.1:80".parse().unwrap());
    world.run(Duration::from_secs(60) - Duration::from_nanos(1));
    assert_eq!(world.network.bind(again, name), Err(FaultKind::AddressInUse));
    world.run(Duration::from_nanos(1));
    assert_eq!(world.network.bind(again, name), Ok(name));
}

#[test]
fn a_name_over_loopback_rests_for_a_second_if_it_is_wanted_again() {
    let mut world = World::new(NetworkConfig { ports: (50_000, 50_000), ..NetworkConfig::default() });
    let [client, server, _] = connection(&mut world, false);
    world.network.close(client, false);
    world.settle();
    world.network.close(server, false);
    while world.network.hits().time_waits == 0 {
        let next = world.network.next_arrival().unwrap();
        world.network.advance(next);
    }
    let again = world.socket();
    let name = "127.0.0.1:80".parse().unwrap();
    world.run(Duration::from_secs(1) - Duration::from_nanos(1));
    assert_eq!(world.network.connect(again, name), fault(FaultKind::AddressNotAvailable));
    world.run(Duration::from_nanos(1));
    assert_eq!(world.network.connect(again, name), Err(CallError::WouldBlock));
}

/// As on Linux, who connects to an address of its own host does so from that address.
#[test]
fn a_connection_within_a_host_comes_from_the_address_that_it_goes_to() {
    let mut network = Network::new(NetworkConfig::default(), 1);
    let host = network.add_host(["10.0.0.1", "10.0.0.2"].map(|address| address.parse().unwrap()));
    for address in ["10.0.0.2:80", "10.0.0.1:80", "127.0.0.1:80"] {
        let client = network.create(host, Family::V4).unwrap();
        let to: std::net::SocketAddr = address.parse().unwrap();
        assert_eq!(network.connect(client, to), Err(CallError::WouldBlock));
        assert_eq!(network.addresses(client).0.unwrap().ip(), to.ip());
    }
}

/// There are no interfaces: the address alone counts, whatever port is asked for.
#[test]
fn the_scope_of_an_address_says_nothing() {
    for port in [0, 80] {
        let mut network = Network::new(NetworkConfig::default(), 1);
        let host = network.add_host(["fe80::1".parse().unwrap()]);
        let [listener, client] = [(); 2].map(|()| network.create(host, Family::V6).unwrap());
        let scoped = SocketAddrV6::new("fe80::1".parse().unwrap(), port, 0, 2);
        let bound = network.bind(listener, scoped.into()).unwrap();
        assert_eq!(bound, SocketAddr::new("fe80::1".parse().unwrap(), bound.port()));
        network.listen(listener, 1).unwrap();
        let to = SocketAddrV6::new(*scoped.ip(), bound.port(), 0, 3).into();
        assert_eq!(network.connect(client, to), Err(CallError::WouldBlock));
        network.advance(Timestamp::from_secs(1));
        assert_eq!(network.connect(client, to), Ok(()));
    }
}
