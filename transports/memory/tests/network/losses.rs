//! Partitions and losses, and how TCP gets over them.

use bytes::Bytes;
use sansock::FaultKind;
use sansock_memory::{CallError, Link, NetworkConfig};

use super::two::{SERVER, Two, fault, link, millis, recv, secs};

#[test]
fn x044_a_connect_across_a_partition_times_out_after_the_retries() {
    let mut two = Two::new();
    two.listener(5);
    two.partition();
    let client = two.connecting(SERVER);
    let (took, result) = two.until(|network| network.connect(client, SERVER.parse().unwrap()));
    // Five SYNs a second apart, then after 1, 2, 4, 8, 16 and 32 s, and 64 s more.
    assert_eq!((took, result), (131_000, fault(FaultKind::TimedOut)));
    let hits = two.network.hits();
    assert_eq!((hits.lost_in_partitions, hits.connect_timeouts), (11, 1));
}

#[test]
fn a_connect_gets_through_when_the_partition_heals() {
    let mut two = Two::new();
    two.listener(5);
    two.partition();
    let client = two.connecting(SERVER);
    two.run(millis(2_500));
    two.network.heal();
    // The fourth SYN, at 3 s.
    assert_eq!(two.until(|network| network.connect(client, SERVER.parse().unwrap())), (502, Ok(())));
}

/// The server sends its answer again when the SYN comes again.
#[test]
fn a_lost_answer_to_a_syn_is_made_up_for() {
    let mut two = Two::new();
    let listener = two.listener(5);
    two.network.partition(two.server, two.client);
    let client = two.connecting(SERVER);
    two.run(millis(500));
    two.network.heal();
    assert_eq!(two.until(|network| network.connect(client, SERVER.parse().unwrap())), (502, Ok(())));
    two.run(secs(10));
    assert!(two.network.accept(listener).is_ok());
    assert_eq!(two.network.accept(listener), Err(CallError::WouldBlock), "it is one connection");
}

/// What the client does not know is that nobody has heard its acknowledgement.
#[test]
fn a_lost_end_of_a_handshake_is_made_up_for() {
    let mut two = Two::new();
    let listener = two.listener(5);
    let client = two.connecting(SERVER);
    two.run(millis(1));
    two.network.partition(two.client, two.server);
    two.run(millis(10));
    assert_eq!(two.ask(client, SERVER), Ok(()));
    assert_eq!(two.network.accept(listener), Err(CallError::WouldBlock));
    two.network.heal();
    two.run(secs(2));
    assert!(two.network.accept(listener).is_ok(), "the answer to the SYN came again, and was acknowledged");
}

#[test]
fn a_connection_survives_a_partition_of_five_seconds() {
    let mut two = Two::new();
    let (client, server) = two.pair();
    two.partition();
    two.send(client, b"hello ");
    two.send(server, b"good day");
    two.run(secs(3));
    two.send(client, b"again");
    two.run(secs(2));
    assert_eq!((two.recv(server), two.recv(client)), (Err(CallError::WouldBlock), Err(CallError::WouldBlock)));
    two.network.heal();
    // It was tried at 0.2, 0.6, 1.4 and 3 s; next at 6.2 s.
    assert_eq!(two.until(|network| recv(network, server)), (1_201, Ok(Bytes::from_static(b"hello again"))));
    assert_eq!(two.until(|network| recv(network, client)).1.unwrap(), "good day");
    assert!(two.network.hits().retransmissions >= 8);
    // And goes on as if nothing had been.
    two.send(client, b"more");
    assert_eq!(two.until(|network| recv(network, server)).0, 1);
}

#[test]
fn x094_a_connection_whose_data_is_not_acknowledged_ends_after_a_quarter_of_an_hour() {
    let mut two = Two::new();
    let (client, server) = two.pair();
    two.partition();
    two.send(client, b"hello");
    assert_eq!(two.until(|network| recv(network, client)), (924_600, fault(FaultKind::TimedOut)));
    assert_eq!(two.network.hits().connections_timed_out, 1);
    // The server knows nothing of it until it sends something.
    two.network.heal();
    two.run(secs(1_000));
    assert_eq!(two.recv(server), Err(CallError::WouldBlock));
    two.send(server, b"anybody?");
    two.run(millis(10));
    assert_eq!(two.recv(server), fault(FaultKind::ConnectionReset));
}

/// It has been closed, so nobody is told; after the last of nine tries it is gone.
#[test]
fn a_closed_socket_gives_up_earlier() {
    let mut two = Two::new();
    let (client, _) = two.pair();
    two.partition();
    two.send(client, b"hello");
    two.network.close(client, false);
    two.run(secs(102));
    assert_eq!(two.network.hits().connections_timed_out, 0);
    two.run(secs(1));
    assert_eq!(two.network.hits().connections_timed_out, 1);
}

/// Only one direction is cut: everything arrives, and no acknowledgement comes back.
#[test]
fn data_whose_acknowledgements_are_lost_arrives_once() {
    let mut two = Two::new();
    let (client, server) = two.pair();
    two.network.partition(two.server, two.client);
    two.send(client, b"hello");
    two.run(secs(20));
    assert_eq!(two.recv(server).unwrap(), "hello");
    assert_eq!(two.recv(server), Err(CallError::WouldBlock));
    two.network.heal();
    two.run(secs(30));
    two.network.shutdown(client, std::net::Shutdown::Write).unwrap();
    two.run(secs(1));
    assert_eq!(two.recv(server).unwrap(), "");
    assert_eq!(two.network.hits().connections_timed_out, 0);
}

#[test]
fn a_lost_fin_is_sent_again() {
    let mut two = Two::new();
    let (client, server) = two.pair();
    two.partition();
    two.network.shutdown(client, std::net::Shutdown::Write).unwrap();
    two.run(secs(1));
    two.network.heal();
    assert_eq!(two.until(|network| recv(network, server)).1.unwrap(), "");
}

/// The window was opened, and that was lost: the sender asks.
#[test]
fn a_lost_word_of_room_is_asked_for() {
    let mut two = Two::with(NetworkConfig { receive_buffer: 1_000, ..NetworkConfig::default() }, 1);
    let (client, server) = two.pair();
    assert_eq!(two.network.send(client, &Bytes::from(vec![1; 2_000])), Ok(2_000));
    two.run(millis(100));
    two.partition();
    assert_eq!(two.recv(server).unwrap().len(), 1_000);
    two.run(millis(100));
    two.network.heal();
    assert_eq!(two.until(|network| recv(network, server)).1.unwrap().len(), 1_000);
}

/// Whatever is lost: everything arrives, once and in order, and both ends end.
#[test]
fn a_conversation_on_a_bad_link() {
    let mut lost = 0;
    for seed in 0..40 {
        let config = NetworkConfig { segment: 500, send_buffer: 5_000, receive_buffer: 5_000, ..NetworkConfig::default() };
        let mut two = Two::with(config, seed);
        for (from, to) in [(two.client, two.server), (two.server, two.client)] {
            two.network.set_link(from, to, Link { loss_in: 4, jitter: millis(3), ..link() });
        }
        let listener = two.listener(5);
        let client = two.connecting(SERVER);
        let (server, _) = two.until(|network| network.accept(listener)).1.unwrap();
        two.until(|network| network.connect(client, SERVER.parse().unwrap())).1.unwrap();
        for (from, to) in [(client, server), (server, client)] {
            let data: Bytes = (0..30_000_u32).map(|number| (number % 251) as u8).collect();
            let (mut sent, mut received) = (0, Vec::new());
            while received.len() < data.len() {
                if let Ok(count) = two.network.send(from, &data.slice(sent..)) {
                    sent += count;
                }
                match two.recv(to) {
                    Ok(piece) => received.extend(piece),
                    Err(CallError::WouldBlock) => {
                        let next = two.network.next_arrival().expect("something happens");
                        two.network.advance(next);
                    }
                    Err(error) => panic!("seed {seed}: {error:?}"),
                }
            }
            assert!(received == data, "seed {seed}");
        }
        for (from, to) in [(client, server), (server, client)] {
            two.network.shutdown(from, std::net::Shutdown::Write).unwrap();
            assert_eq!(two.until(|network| recv(network, to)).1, Ok(Bytes::new()), "seed {seed}");
        }
        lost += two.network.hits().lost_by_chance;
    }
    assert!(lost > 1_000, "{lost}");
}
