//! Connecting while something is lost.

use std::time::Duration;

use sansock::{FaultKind, Timestamp};
use sansock_memory::recording::{Carried, Happening};
use sansock_memory::{CallError, NetworkConfig};

use super::two::{Two, fault, millis, two};

// X44
#[test]
fn x044_a_connect_across_a_partition_times_out_after_the_syn_retries() {
    for (linear, expected) in [(4, 131), (0, 127)] {
        let mut two = Two::new(NetworkConfig { syn_linear_retries: linear, ..NetworkConfig::default() });
        two.listener(5);
        two.partition();
        let client = two.connecting();
        two.run(millis(expected * 1000 - 1));
        assert_eq!(two.connect(client), Err(CallError::WouldBlock));
        two.run(millis(1));
        assert_eq!(two.connect(client), fault(FaultKind::TimedOut));
        let hits = two.network.hits();
        assert_eq!((hits.lost_in_partitions, hits.connect_timeouts), (u64::from(linear) + 7, 1));
        two.run_out();
    }
}

/// The client has been answered, and its own answer was lost.
fn half_open(two: &mut Two) -> [sansock_memory::Descriptor; 2] {
    let listener = two.listener(0);
    let client = two.connecting();
    two.run(Duration::from_micros(1500));
    two.network.partition(two.client, two.server);
    two.run(millis(100));
    assert_eq!(two.connect(client), Ok(()));
    assert_eq!(two.network.accept(listener).unwrap_err(), CallError::WouldBlock);
    [client, listener]
}

#[test]
fn data_that_gets_through_ends_the_handshake_too() {
    let mut two = two();
    let [client, listener] = half_open(&mut two);
    two.network.heal();
    two.send(client, b"hello").unwrap();
    two.run(millis(2));
    let (server, _) = two.network.accept(listener).unwrap();
    assert_eq!(two.recv(server).unwrap(), "hello");
    two.run_out();
}

// The server's second after which it would answer again is not that after which it sends again.
#[test]
fn what_is_lost_after_the_handshake_is_sent_again_after_200_ms_although_the_handshake_lost_something() {
    let mut two = two();
    let [client, listener] = half_open(&mut two);
    two.network.heal();
    two.send(client, b"hello").unwrap();
    two.run(millis(10));
    let (server, _) = two.network.accept(listener).unwrap();
    two.network.partition(two.server, two.client);
    two.send(server, b"lost").unwrap();
    two.network.heal();
    let sent = two.network.now();
    assert_eq!(two.until_readable(client), sent + millis(201));
    two.run_out();
}

#[test]
fn a_client_that_never_answers_has_a_place_in_the_backlog_for_63_seconds() {
    let mut two = two();
    half_open(&mut two);
    two.run(millis(62_800));
    assert_eq!(two.network.hits().connections_timed_out, 0);
    two.run(millis(300));
    assert_eq!(two.network.hits().connections_timed_out, 1);
    two.network.heal();
    let other = two.connecting();
    two.run(millis(2));
    assert_eq!(two.connect(other), Ok(()), "the place is free again");
}

// X20: accept gives the connection, and the connection its error. Linux's accept never says ECONNABORTED for TCP.
#[test]
fn x020_a_connection_that_is_reset_before_it_is_accepted_is_given_out_nevertheless() {
    let mut two = two();
    let listener = two.listener(5);
    let client = two.connecting();
    two.run(millis(10));
    two.network.close(client, true);
    two.run(millis(10));
    let (server, _) = two.network.accept(listener).unwrap();
    assert_eq!(two.recv(server), fault(FaultKind::ConnectionReset));
}

// X28: although a tenth of what they send is lost.
#[test]
fn x028_fifty_connects_at_one_instant_over_a_lossy_link_are_all_served() {
    let mut two = two();
    let lossy = sansock_memory::Link { loss_in: 10, ..two.network.link(two.client, two.server) };
    two.network.set_link(two.client, two.server, lossy);
    two.network.set_link(two.server, two.client, lossy);
    let listener = two.listener(5);
    let clients: Vec<_> = (0..50).map(|_| two.connecting()).collect();
    let mut accepted = 0;
    while accepted < 50 {
        two.run(millis(1));
        while two.network.accept(listener).is_ok() {
            accepted += 1;
        }
        assert!(two.network.now() < Timestamp::from_secs(130), "{accepted} were accepted");
    }
    assert!(clients.iter().all(|client| two.connect(*client) == Ok(())));
    let hits = two.network.hits();
    assert!(hits.dropped_syns > 0 && hits.lost_by_chance > 0, "{hits:?}");
}

/// Nobody listens, and the client does not get to know at first.
#[test]
fn a_refusal_that_is_lost_is_given_again() {
    let mut two = two();
    two.network.partition(two.server, two.client);
    let client = two.connecting();
    two.run(millis(500));
    two.network.heal();
    two.run(millis(501));
    assert_eq!(two.connect(client), Err(CallError::WouldBlock));
    two.run(millis(1));
    assert_eq!(two.connect(client), fault(FaultKind::ConnectionRefused));
    assert_eq!(two.network.hits().lost_in_partitions, 1);
    two.run_out();
}

/// Its connection has a place in the backlog already, so a second SYN is answered, and not dropped; a recording says so.
#[test]
fn a_syn_that_comes_again_needs_no_room() {
    let mut two = two();
    two.network.start_recording();
    two.listener(0);
    two.network.partition(two.server, two.client);
    let client = two.connecting();
    two.run(millis(500));
    two.network.heal();
    two.run(millis(502));
    assert_eq!(two.connect(client), Ok(()));
    let recording = two.network.take_recording().unwrap();
    let happened = |matches: fn(&Happening) -> bool| recording.entries().iter().filter(|entry| matches(&entry.what)).count();
    assert_eq!(happened(|what| matches!(what, Happening::Sent(flight) if matches!(flight.carries, Carried::Syn))), 2);
    let dropped = |what: &Happening| matches!(what, Happening::Dropped { why, .. } if why == "the backlog is full");
    assert_eq!(happened(dropped), 0);
    assert_eq!(two.network.hits().dropped_syns, 0);
}
