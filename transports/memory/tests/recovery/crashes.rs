//! What the peers of a host that has crashed wait for.

use std::time::Duration;

use bytes::Bytes;
use sansock::FaultKind;
use sansock_memory::{CallError, Family, NetworkConfig};

use super::two::{Two, fault, millis, two, web};

#[test]
fn a_peer_that_waits_for_room_or_for_an_acknowledgement_notices_too() {
    for size in [1000, 1500] {
        let mut two = Two::new(NetworkConfig { receive_buffer: 1000, ..NetworkConfig::default() });
        let (client, ..) = two.pair();
        assert_eq!(two.network.send(client, &Bytes::from(vec![7; size])), Ok(size));
        two.run(if size > 1000 { millis(50) } else { millis(1) });
        two.network.crash(two.server);
        two.run(millis(925_000));
        assert_eq!(two.recv(client), fault(FaultKind::TimedOut));
        two.run_out();
    }
}

// The window was closed when the host crashed, and nothing was waiting for it then.
#[test]
fn a_peer_that_will_want_room_notices_when_it_does() {
    let mut two = Two::new(NetworkConfig { receive_buffer: 1000, ..NetworkConfig::default() });
    let (client, ..) = two.pair();
    assert_eq!(two.network.send(client, &Bytes::from(vec![7; 1000])), Ok(1000));
    two.run(millis(50));
    two.network.crash(two.server);
    two.run_out();
    two.network.restart(two.server);
    two.send(client, b"x").unwrap();
    two.run(millis(300));
    assert_eq!(two.recv(client), fault(FaultKind::ConnectionReset));
    two.run_out();
}

#[test]
fn who_waits_for_an_acknowledgement_is_not_idle() {
    let mut two = two();
    let (client, ..) = two.pair();
    two.network.keep_alive(client, Some(Duration::from_secs(10))).unwrap();
    two.partition();
    two.send(client, b"hello").unwrap();
    two.run(millis(924_599));
    assert_eq!(two.recv(client), Err(CallError::WouldBlock));
    two.run(millis(1));
    assert_eq!(two.recv(client), fault(FaultKind::TimedOut));
    assert_eq!(two.network.hits().keep_alive_probes, 0);
    two.run_out();
}

#[test]
fn nothing_is_left_of_a_host_that_crashed_but_its_addresses() {
    let mut two = two();
    let (client, server, listener) = two.pair();
    two.network.close(client, false);
    two.network.crash(two.server);
    assert_eq!(two.network.open_sockets(two.server), 0);
    assert_eq!(two.recv(server), fault(FaultKind::BadDescriptor));
    two.network.close(listener, false);
    assert_eq!(two.network.create(two.server, Family::V4), Err(FaultKind::NetworkDown));
    two.network.restart(two.server);
    let again = two.network.create(two.server, Family::V4).unwrap();
    assert_eq!(two.network.bind(again, web()), Ok(web()), "no name rests");
    assert!(two.network.listen(again, 1).is_ok());
    let old_port = "10.0.0.1:32768".parse().unwrap();
    two.network.crash(two.client);
    two.network.restart(two.client);
    let client = two.connecting();
    assert_ne!(two.network.addresses(client).0, Some(old_port), "its peers may remember that");
    two.run_out();
}

// RFC 9293, 3.5.1: half-open connections are found out.
#[test]
fn a_client_that_comes_back_from_the_same_port_after_a_crash_is_served_a_second_later() {
    let mut two = two();
    let listener = two.listener(5);
    let from = "10.0.0.1:4000".parse().unwrap();
    let connect = |two: &mut Two| {
        let client = two.network.create(two.client, Family::V4).unwrap();
        two.network.bind(client, from).unwrap();
        assert_eq!(two.connect(client), Err(CallError::WouldBlock));
        client
    };
    connect(&mut two);
    two.run(millis(10));
    let (old, _) = two.network.accept(listener).unwrap();
    two.network.crash(two.client);
    two.network.restart(two.client);
    let client = connect(&mut two);
    two.run(millis(10));
    assert_eq!(two.recv(old), fault(FaultKind::ConnectionReset));
    two.run(Duration::from_secs(1));
    assert_eq!(two.connect(client), Ok(()));
    assert_eq!(two.network.accept(listener).map(|(_, peer)| peer), Ok(from));
}

#[test]
fn a_server_whose_client_crashes_in_the_handshake_forgets_it() {
    let mut two = two();
    let listener = two.listener(0);
    two.connecting();
    two.run(Duration::from_micros(1500));
    two.network.crash(two.client);
    two.run_out();
    assert_eq!(two.network.accept(listener).unwrap_err(), CallError::WouldBlock);
    assert_eq!(two.network.hits().connections_timed_out, 1);
    two.network.restart(two.client);
    let client = two.connecting();
    two.run(millis(2));
    assert_eq!(two.connect(client), Ok(()));
}

/// What comes to a host that is down is lost; a time-out of its own sockets is nothing that comes.
#[test]
fn timers_of_a_host_that_is_down_are_not_lost() {
    let mut two = two();
    let (client, ..) = two.pair();
    two.network.keep_alive(client, Some(millis(1_000))).unwrap();
    two.network.partition(two.client, two.server);
    two.send(client, b"x").unwrap();
    two.network.crash(two.client);
    assert!(two.network.next_arrival().is_some(), "there is a timer");
    two.run_out();
    assert_eq!(two.network.hits().lost_at_hosts_down, 0);
}

/// The client has crashed, and comes back from the same port: what is left of its old connection has rested long enough when its SYN arrives.
#[test]
fn a_rest_that_ends_while_a_syn_is_on_its_way_is_over() {
    let mut two = two();
    let listener = two.listener(5);
    let dial = |two: &mut Two| {
        let client = two.network.create(two.client, Family::V4).unwrap();
        two.network.bind(client, "10.0.0.1:4000".parse().unwrap()).unwrap();
        assert_eq!(two.connect(client), Err(CallError::WouldBlock));
        client
    };
    dial(&mut two);
    two.run(millis(50));
    let (server, _) = two.network.accept(listener).unwrap();
    two.network.close(server, false);
    // The FIN and its acknowledgement.
    two.run(millis(2));
    two.network.crash(two.client);
    two.network.restart(two.client);
    two.run(Duration::from_secs(60) - Duration::from_micros(500));
    let client = dial(&mut two);
    two.run(millis(2));
    assert_eq!(two.connect(client), Ok(()), "by its first SYN");
}
