//! Hosts that crash and come up again.

use sansock::FaultKind;
use sansock_memory::{CallError, Family};

use super::two::{SERVER, Two, fault, millis, recv, secs};

/// After the restart whatever comes of an old connection is answered by a reset.
#[test]
fn a_peer_that_has_restarted_resets_what_it_does_not_know() {
    let mut two = Two::new();
    let (client, _) = two.pair();
    two.network.crash(two.server);
    two.run(secs(5));
    two.network.restart(two.server);
    two.run(secs(5));
    assert_eq!(two.recv(client), Err(CallError::WouldBlock), "nobody has told it");
    two.send(client, b"hello");
    two.run(millis(2));
    assert_eq!(two.recv(client), fault(FaultKind::ConnectionReset));
    assert_eq!((two.network.hits().crashes, two.network.hits().restarts), (1, 1));
}

#[test]
fn what_is_sent_to_a_host_that_is_down_is_sent_again_until_it_is_up() {
    let mut two = Two::new();
    let (client, _) = two.pair();
    two.network.crash(two.server);
    two.send(client, b"hello");
    two.run(secs(2));
    assert!(two.network.hits().lost_at_hosts_down >= 3);
    assert_eq!(two.recv(client), Err(CallError::WouldBlock));
    two.network.restart(two.server);
    // At 3 s, counted from the loss, a millisecond after it was sent.
    assert_eq!(two.until(|network| recv(network, client)), (1_003, fault(FaultKind::ConnectionReset)));
}

#[test]
fn what_is_sent_to_a_host_that_stays_down_times_out() {
    let mut two = Two::new();
    let (client, _) = two.pair();
    two.network.crash(two.server);
    two.send(client, b"hello");
    assert_eq!(two.until(|network| recv(network, client)), (924_601, fault(FaultKind::TimedOut)));
}

/// It was acknowledged, so nobody sends anything again; but what is sent from then on is lost.
#[test]
fn a_crash_is_not_noticed_by_who_only_waits() {
    let mut two = Two::new();
    let (client, _) = two.pair();
    two.network.crash(two.server);
    two.run(secs(100_000));
    assert_eq!(two.recv(client), Err(CallError::WouldBlock));
}

/// What was under way to the client when the host crashed arrives.
#[test]
fn what_a_host_has_sent_travels_on() {
    let mut two = Two::new();
    let (client, server) = two.pair();
    two.send(server, b"my last words");
    two.network.crash(two.server);
    two.run(millis(1));
    assert_eq!(two.recv(client).unwrap(), "my last words");
}

#[test]
fn a_host_that_is_down_has_no_sockets_and_makes_none() {
    let mut two = Two::new();
    let (_, server) = two.pair();
    assert_eq!(two.network.open_sockets(two.server), 2);
    two.network.crash(two.server);
    assert!(two.network.is_down(two.server) && !two.network.is_down(two.client));
    assert_eq!(two.network.open_sockets(two.server), 0);
    assert_eq!(two.recv(server), fault(FaultKind::BadDescriptor));
    assert_eq!(two.network.create(two.server, Family::V4), Err(FaultKind::NetworkDown));
    two.network.restart(two.server);
    // Its old names are free.
    two.listener(5);
}

#[test]
fn a_connect_to_a_host_that_is_down_waits_for_it() {
    let mut two = Two::new();
    two.listener(5);
    two.network.crash(two.server);
    let client = two.connecting(SERVER);
    two.run(millis(2_500));
    two.network.restart(two.server);
    // The fourth SYN, at 3 s: nobody listens any more.
    assert_eq!(two.until(|network| network.connect(client, SERVER.parse().unwrap())), (502, fault(FaultKind::ConnectionRefused)));
}

#[test]
fn crashing_and_restarting_twice_is_once() {
    let mut two = Two::new();
    two.network.restart(two.server);
    two.network.crash(two.server);
    two.network.crash(two.server);
    two.network.restart(two.server);
    two.network.restart(two.server);
    assert_eq!((two.network.hits().crashes, two.network.hits().restarts), (1, 1));
}
