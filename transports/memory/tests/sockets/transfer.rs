//! Sending, receiving, and how much fits.

use std::time::Duration;

use bytes::Bytes;
use sansock_memory::{CallError, NetworkConfig, Received};

use super::world::{World, world};

#[test]
fn buffers_are_bounded_and_reading_opens_the_window_again() {
    let mut world = World::new(NetworkConfig { send_buffer: 100, receive_buffer: 50, ..NetworkConfig::default() });
    let (client, server, _) = world.pair();
    let data = Bytes::from(vec![7; 500]);
    assert_eq!(world.network.send(client, &data), Ok(100), "a short write");
    assert_eq!(world.network.send(client, &data), Err(CallError::WouldBlock), "nothing was acknowledged yet");
    world.settle();
    assert_eq!(world.network.send(client, &data), Ok(50), "what the peer's system has has left the buffer");
    world.settle();
    assert_eq!(world.network.send(client, &data), Err(CallError::WouldBlock), "a zero window");
    assert_eq!(world.network.recv(server, 30), Ok(Received::Data(data.slice(..30))));
    assert_eq!(world.network.send(client, &data), Err(CallError::WouldBlock), "the window travels");
    world.settle();
    assert_eq!(world.network.send(client, &data), Ok(30));
    assert!(world.network.hits().short_sends >= 2 && world.network.hits().full_buffers >= 2);
}

// X73
#[test]
fn x073_one_write_of_eight_mebibytes_is_short() {
    let mut world = world();
    let (client, server, _) = world.pair();
    let data = Bytes::from(vec![1; 8 << 20]);
    let config = NetworkConfig::default();
    assert_eq!(world.network.send(client, &data), Ok(config.send_buffer));
    world.settle();
    assert_eq!(world.network.send(client, &data), Ok(config.receive_buffer));
    world.settle();
    assert_eq!(world.network.send(client, &data), Err(CallError::WouldBlock));
    let received = world.network.recv(server, data.len());
    assert_eq!(received, Ok(Received::Data(data.slice(..config.receive_buffer))), "in one piece, whatever the segments were");
}

// X81
#[test]
fn x081_a_peer_that_never_reads_holds_the_sender_up_for_ever() {
    let mut world = world();
    let (client, _, _) = world.pair();
    let data = Bytes::from(vec![1; 1 << 20]);
    while world.network.send(client, &data).is_ok() {
        world.settle();
    }
    world.run(Duration::from_secs(1_000_000));
    assert_eq!(world.network.send(client, &data), Err(CallError::WouldBlock));
}

#[test]
fn a_poll_says_writable_when_a_third_of_the_send_buffer_is_free() {
    let mut world = World::new(NetworkConfig { send_buffer: 90, receive_buffer: 30, ..NetworkConfig::default() });
    let (client, server, _) = world.pair();
    assert!(world.ready(client).writable);
    assert_eq!(world.network.send(client, &Bytes::from(vec![1; 60])), Ok(60));
    assert!(world.ready(client).writable);
    assert_eq!(world.network.send(client, &Bytes::from(vec![1; 60])), Ok(30));
    assert!(!world.ready(client).writable);
    world.settle();
    assert!(world.ready(client).writable, "30 bytes are in the peer's buffer");
    assert_eq!(world.network.send(client, &Bytes::from(vec![1; 1])), Ok(1));
    assert!(!world.ready(client).writable);
    assert_eq!(world.network.send(client, &Bytes::from(vec![1; 1])), Ok(1), "a send may still find room");
    assert!(world.network.recv(server, 30).is_ok());
    world.settle();
    assert!(world.ready(client).writable);
}

#[test]
fn sockets_have_buffers_of_their_own_and_accepted_ones_those_of_their_listener() {
    let mut world = world();
    let (listener, address) = world.listener(1);
    world.network.buffers(listener, Some(7), Some(5)).unwrap();
    let client = world.socket();
    world.network.buffers(client, Some(3), None).unwrap();
    let _ = world.network.connect(client, address);
    world.settle();
    let (server, _) = world.network.accept(listener).unwrap();
    let data = Bytes::from(vec![1; 100]);
    assert_eq!(world.network.send(client, &data), Ok(3));
    assert_eq!(world.network.send(server, &data), Ok(7));
    world.settle();
    assert_eq!(world.network.send(client, &data), Ok(3));
    world.settle();
    assert_eq!(world.network.recv(server, 100), Ok(Received::Data(data.slice(..5))));
}

// X88: everything that has arrived, in one call.
#[test]
fn a_receive_gives_all_that_has_arrived_up_to_what_was_asked_for() {
    let mut world = World::new(NetworkConfig { segment: 1, ..NetworkConfig::default() });
    let (client, server, _) = world.pair();
    assert_eq!(world.send(client, b"hello, "), Ok(7));
    assert_eq!(world.send(client, b"world"), Ok(5));
    world.settle();
    assert_eq!(world.network.recv(server, 3), Ok(Received::Data(Bytes::from_static(b"hel"))));
    assert_eq!(world.network.recv(server, 100), Ok(Received::Data(Bytes::from_static(b"lo, world"))));
    assert_eq!(world.network.recv(server, 100), Err(CallError::WouldBlock));
}

#[test]
fn a_send_of_nothing_sends_nothing() {
    let mut world = world();
    let (client, server, _) = world.pair();
    world.settle();
    let before = world.network.trace_hash();
    assert_eq!(world.send(client, b""), Ok(0));
    world.settle();
    assert_eq!(world.network.trace_hash(), before);
    assert_eq!(world.recv(server), Err(CallError::WouldBlock));
}
