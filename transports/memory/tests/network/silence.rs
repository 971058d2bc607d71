//! Peers that say nothing, and addresses that nobody has.

use sansock::FaultKind;
use sansock_memory::{CallError, NetworkConfig};

use super::two::{SERVER, Two, fault, millis, recv, secs};

const NOBODY: &str = "10.0.0.99:7";

/// Linux asks three times, a second apart, who has the address.
#[test]
fn an_address_that_no_host_has_is_unreachable_after_three_seconds() {
    let mut two = Two::new();
    let client = two.connecting(NOBODY);
    let (took, result) = two.until(|network| network.connect(client, NOBODY.parse().unwrap()));
    assert_eq!((took, result), (3_000, fault(FaultKind::HostUnreachable)));
    assert_eq!(two.network.hits().unreachable, 1);
}

/// The peer has crashed: after an hour it is asked, then nine times more.
#[test]
fn a_connection_that_is_kept_alive_notices_that_its_peer_is_gone() {
    let mut two = Two::new();
    let (client, _) = two.pair();
    two.network.keep_alive(client, Some(secs(3_600))).unwrap();
    two.network.crash(two.server);
    let (took, result) = two.until(|network| recv(network, client));
    assert_eq!(result, fault(FaultKind::TimedOut));
    // From when it is asked to be kept alive.
    assert_eq!(took, 3_600_000 + 9 * 75_000);
    let hits = two.network.hits();
    assert_eq!((hits.keep_alive_probes, hits.connections_timed_out), (9, 1));
}

/// The peer is there: it is asked again and again, and answers.
#[test]
fn a_connection_that_is_kept_alive_lives() {
    let mut two = Two::new();
    let (client, server) = two.pair();
    two.network.keep_alive(client, Some(secs(60))).unwrap();
    two.run(secs(6_000));
    let probes = two.network.hits().keep_alive_probes;
    // Every answer is looked for after 75 s, and the next 60 s begin with it.
    assert!((75..=80).contains(&probes), "{probes}");
    two.send(client, b"still here");
    two.run(millis(1));
    assert_eq!(two.recv(server).unwrap(), "still here");
    // Nobody asks while there is traffic, or when it is over.
    for _ in 0..100 {
        two.send(server, b"busy");
        two.run(secs(30));
    }
    assert_eq!(two.network.hits().keep_alive_probes, probes);
    two.network.keep_alive(client, None).unwrap();
    two.run(secs(6_000));
    assert_eq!(two.network.hits().keep_alive_probes, probes);
}

/// The restarted host answers the probe with a reset.
#[test]
fn a_connection_that_is_kept_alive_is_told_that_its_peer_has_restarted() {
    let mut two = Two::new();
    let (client, _) = two.pair();
    two.network.keep_alive(client, Some(secs(60))).unwrap();
    two.network.crash(two.server);
    two.network.restart(two.server);
    let (took, result) = two.until(|network| recv(network, client));
    assert_eq!(result, fault(FaultKind::ConnectionReset));
    assert!(took <= 60_002, "{took}");
}

/// Nothing of all this costs a connection anything that loses nothing.
#[test]
fn without_losses_there_is_no_timer() {
    let mut two = Two::with(NetworkConfig { time_wait: secs(0), ..NetworkConfig::default() }, 1);
    let (client, server) = two.pair();
    two.send(client, b"hello");
    two.run(millis(10));
    assert_eq!(two.recv(server).unwrap(), "hello");
    two.run(millis(10));
    assert_eq!(two.network.next_arrival(), None);
    assert_eq!(two.ask(client, SERVER), Err(CallError::AlreadyConnected));
}

/// The answer comes at the instant of the question.
#[test]
fn a_connection_that_is_kept_alive_lives_although_nothing_takes_any_time() {
    let mut two = Two::with(NetworkConfig { latency: millis(0), ..NetworkConfig::default() }, 1);
    let (client, _) = two.pair();
    two.network.keep_alive(client, Some(secs(60))).unwrap();
    two.run(secs(6_000));
    let hits = two.network.hits();
    assert_eq!(hits.connections_timed_out, 0);
    assert!((40..=100).contains(&hits.keep_alive_probes), "{hits:?}");
}

/// What the client asks arrives, and no answer does: Linux resets the connection when it gives up.
#[test]
fn who_gives_up_to_ask_tells_the_peer() {
    let mut two = Two::new();
    let (client, server) = two.pair();
    two.network.keep_alive(client, Some(secs(60))).unwrap();
    two.network.partition(two.server, two.client);
    assert_eq!(two.until(|network| recv(network, client)).1, fault(FaultKind::TimedOut));
    two.run(millis(1));
    assert_eq!(two.recv(server), fault(FaultKind::ConnectionReset));
    assert_eq!(two.network.hits().resets, 1);
}

/// A FIN that is not acknowledged finds out by itself, and so do bytes for which the peer has no room.
#[test]
fn who_has_something_to_send_does_not_ask() {
    let mut two = Two::new();
    let (client, _) = two.pair();
    two.network.keep_alive(client, Some(secs(60))).unwrap();
    two.network.partition(two.client, two.server);
    two.network.shutdown(client, std::net::Shutdown::Write).unwrap();
    two.run(secs(600));
    assert_eq!(two.network.hits().keep_alive_probes, 0);
    assert!(two.network.hits().retransmissions > 0);

    let mut two = Two::with(NetworkConfig { receive_buffer: 5, ..NetworkConfig::default() }, 1);
    let (client, server) = two.pair();
    two.network.keep_alive(client, Some(secs(60))).unwrap();
    two.send(client, b"fillsmore");
    two.run(secs(600));
    assert_eq!(two.network.hits().keep_alive_probes, 0);
    assert_eq!(two.recv(server).unwrap(), "fills");
    // The word of room, and what there is room for.
    two.run(millis(2));
    assert_eq!(two.recv(server).unwrap(), "more");
    two.run(secs(100));
    assert_eq!(two.network.hits().keep_alive_probes, 1);
}

/// What was set last counts, alone.
#[test]
fn a_connection_is_kept_alive_as_was_said_last() {
    let mut two = Two::new();
    let (client, _) = two.pair();
    two.network.keep_alive(client, Some(secs(60))).unwrap();
    two.network.crash(two.server);
    two.run(secs(1));
    two.network.keep_alive(client, Some(secs(3_600))).unwrap();
    let (took, result) = two.until(|network| recv(network, client));
    // The peer was heard last a second before, or when it was connected.
    assert_eq!((took, result), (3_600_000 + 9 * 75_000, fault(FaultKind::TimedOut)));
    assert_eq!(two.network.hits().keep_alive_probes, 9);
}
