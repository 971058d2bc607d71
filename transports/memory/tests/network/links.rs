//! Latency, jitter, bandwidth, holds.

use std::net::Shutdown;
use std::time::Duration;

use bytes::Bytes;
use sansock_memory::{CallError, Link, NetworkConfig};

use super::two::{SERVER, Two, link, millis, recv, secs};

#[test]
fn each_direction_has_its_latency() {
    let mut two = Two::new();
    let (client, server) = two.pair();
    two.network.set_link(two.client, two.server, Link { latency: millis(30), ..link() });
    two.network.set_link(two.server, two.client, Link { latency: millis(5), ..link() });
    assert_eq!(two.network.link(two.client, two.server).latency, millis(30));
    two.send(client, b"there");
    assert_eq!(two.until(|network| recv(network, server)).0, 30);
    two.send(server, b"back");
    assert_eq!(two.until(|network| recv(network, client)).0, 5);
    assert_eq!(two.network.link(two.client, two.other), link(), "others are as ever");
}

/// Segments to one socket never overtake each other, whatever their jitter.
#[test]
fn jitter_puts_off_and_reorders_nothing() {
    let mut two = Two::new();
    let (client, server) = two.pair();
    two.network.set_link(two.client, two.server, Link { jitter: millis(50), ..link() });
    let mut expected = Vec::new();
    for number in 0..200_u8 {
        expected.push(number);
        assert_eq!(two.network.send(client, &Bytes::from(vec![number])), Ok(1));
        two.run(millis(1));
    }
    let mut received = Vec::new();
    while received.len() < expected.len() {
        received.extend(two.until(|network| recv(network, server)).1.unwrap());
    }
    assert_eq!(received, expected);
    assert!(two.network.hits().jitter > 100);
}

#[test]
fn so_many_bytes_pass_in_a_second() {
    let mut two = Two::with(NetworkConfig { send_buffer: 100_000, receive_buffer: 100_000, ..NetworkConfig::default() }, 1);
    let (client, server) = two.pair();
    two.network.set_link(two.client, two.server, Link { bandwidth: Some(10_000), ..link() });
    let start = two.network.now();
    assert_eq!(two.network.send(client, &Bytes::from(vec![1; 50_000])), Ok(50_000));
    let mut received = 0;
    while received < 50_000 {
        received += two.until(|network| recv(network, server)).1.unwrap().len();
    }
    assert_eq!(two.since(start), 5_001);
    assert!(two.network.hits().bandwidth_waits > 0);
}

#[test]
fn what_is_held_waits_in_order_and_nobody_sends_it_again() {
    let mut two = Two::new();
    let (client, server) = two.pair();
    two.network.hold(two.client, two.server);
    for data in [&b"one "[..], b"two ", b"three"] {
        assert_eq!(two.network.send(client, &Bytes::copy_from_slice(data)), Ok(data.len()));
        two.run(secs(600));
    }
    assert_eq!(two.recv(server), Err(CallError::WouldBlock));
    // The other direction is not held.
    two.send(server, b"here");
    two.run(millis(2));
    assert_eq!(two.recv(client).unwrap(), "here");
    two.network.release(two.client, two.server);
    two.run(millis(1));
    assert_eq!(two.recv(server).unwrap(), "one two three");
    let hits = two.network.hits();
    assert!((hits.held, hits.released) == (hits.released, hits.held) && hits.held >= 3);
    assert_eq!(hits.retransmissions, 0);
}

#[test]
fn what_is_held_while_nothing_gets_through_is_lost() {
    let mut two = Two::new();
    let (client, server) = two.pair();
    two.network.hold(two.client, two.server);
    two.send(client, b"held ");
    two.network.partition(two.client, two.server);
    two.network.release(two.client, two.server);
    assert_eq!(two.network.hits().lost_in_partitions, 1);
    two.send(client, b"and behind it");
    two.run(millis(100));
    two.network.heal();
    two.run(secs(1));
    assert_eq!(two.recv(server).unwrap(), "held and behind it");
}

/// What was held comes before what was lost after it.
#[test]
fn what_is_released_keeps_its_place() {
    let mut two = Two::new();
    let (client, server) = two.pair();
    two.network.hold(two.client, two.server);
    two.send(client, b"one ");
    two.network.partition(two.client, two.server);
    two.send(client, b"two ");
    two.run(millis(10));
    two.network.heal();
    two.send(client, b"three");
    two.run(secs(1));
    assert_eq!(two.recv(server).unwrap(), "one two three");
}

/// A host's link to itself is a link like any other, and loopback addresses go over it.
#[test]
fn loopback_is_a_link() {
    let mut two = Two::new();
    two.network.set_link(two.server, two.server, Link { latency: millis(20), ..link() });
    two.listener(5);
    let own = two.network.create(two.server, sansock_memory::Family::V4).unwrap();
    assert!(two.ask(own, SERVER).is_err());
    assert_eq!(two.until(|network| network.connect(own, SERVER.parse().unwrap())).0, 40);
}

/// Each link draws its chances on its own, by the names of its hosts.
#[test]
fn another_link_or_another_host_changes_no_draws() {
    let arrivals = |more_hosts: bool, more_traffic: bool| {
        let mut two = Two::with(NetworkConfig { jitter: millis(100), ..NetworkConfig::default() }, 7);
        if more_hosts {
            two.network.add_host_named("another", []);
        }
        let (client, server) = two.pair();
        let mut times = Vec::new();
        for _ in 0..20 {
            if more_traffic {
                let stranger = two.network.create(two.other, sansock_memory::Family::V4).unwrap();
                assert!(two.ask(stranger, SERVER).is_err());
            }
            two.send(client, b"x");
            two.run(Duration::from_secs(1));
            two.recv(server).unwrap();
            let start = two.network.now();
            two.send(client, b"y");
            while two.recv(server).is_err() {
                let next = two.network.next_arrival().unwrap();
                two.network.advance(next);
            }
            times.push(two.network.now().saturating_since(start));
            two.run(Duration::from_secs(1));
        }
        times
    };
    let plain = arrivals(false, false);
    assert_eq!(arrivals(true, false), plain);
    assert_eq!(arrivals(false, true), plain);
}

/// One that finds the link free does not wait, and is none of those that did.
#[test]
fn who_waits_for_others_to_pass_is_counted() {
    let mut two = Two::new();
    let (client, _) = two.pair();
    two.network.set_link(two.client, two.server, Link { bandwidth: Some(1_000), ..link() });
    two.send(client, b"one");
    two.run(millis(3));
    two.send(client, b"two");
    assert_eq!(two.network.hits().bandwidth_waits, 0);
    two.send(client, b"three");
    assert_eq!(two.network.hits().bandwidth_waits, 1);
}

/// What was held gets through only in part; what comes behind something that was lost waits for it.
#[test]
fn what_is_released_onto_a_link_that_loses_some_of_it_arrives_in_order() {
    let mut two = Two::new();
    let (client, server) = two.pair();
    two.network.hold(two.client, two.server);
    let expected: Vec<u8> = (0..100).collect();
    for number in &expected {
        assert_eq!(two.network.send(client, &Bytes::from(vec![*number])), Ok(1));
    }
    two.network.set_link(two.client, two.server, Link { loss_in: 3, ..link() });
    two.network.release(two.client, two.server);
    let mut received = Vec::new();
    while received.len() < expected.len() {
        received.extend(two.until(|network| recv(network, server)).1.unwrap());
    }
    assert_eq!(received, expected);
    assert!(two.network.hits().lost_by_chance > 0);
}

/// Nobody sends again what is lost of it, so nothing behind that is read, and no end of file.
#[test]
fn what_is_released_when_its_sender_is_gone_is_read_up_to_the_first_loss() {
    let mut lost = 0;
    for seed in 0..20 {
        for crash in [false, true] {
            let mut two = Two::with(NetworkConfig::default(), seed);
            let (client, server) = two.pair();
            two.network.hold(two.client, two.server);
            let sent: Vec<u8> = (0..20).collect();
            for number in &sent {
                assert_eq!(two.network.send(client, &Bytes::from(vec![*number])), Ok(1));
            }
            if crash {
                two.network.shutdown(client, Shutdown::Write).unwrap();
                two.network.crash(two.client);
            } else {
                two.network.close(client, true);
            }
            two.network.set_link(two.client, two.server, Link { loss_in: 10, ..link() });
            two.network.release(two.client, two.server);
            two.run(secs(1));
            let mut received = Vec::new();
            let end = loop {
                match recv(&mut two.network, server) {
                    Ok(data) if data.is_empty() => break Ok(()),
                    Ok(data) => received.extend(data),
                    Err(error) => break Err(error),
                }
            };
            assert!(sent.starts_with(&received), "seed {seed}: {received:?}");
            assert!(end.is_err() || received == sent, "seed {seed}: an end of file behind {received:?}");
            lost += usize::from(received != sent);
        }
    }
    assert!((10..40).contains(&lost), "{lost} of 40");
}
