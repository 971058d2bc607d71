//! How connections end.

use std::net::Shutdown;

use bytes::Bytes;
use sansock::FaultKind;
use sansock_memory::{NetworkConfig, Readiness, Received};

use super::world::{World, fault, world};

// X104, X106, X110
#[test]
fn x106_half_close_then_the_reply_can_still_be_read() {
    let mut world = world();
    let (client, server, _) = world.pair();
    assert_eq!(world.send(client, b"question"), Ok(8));
    assert_eq!(world.network.shutdown(client, Shutdown::Write), Ok(()));
    assert_eq!(world.network.shutdown(client, Shutdown::Write), Ok(()), "a second shutdown does nothing");
    assert_eq!(world.send(client, b"x"), fault(FaultKind::BrokenPipe));
    world.settle();
    assert_eq!(world.ready(server), Readiness { readable: true, writable: true, receive_ended: true, ..Readiness::default() });
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

// X89, X90
#[test]
fn x089_after_a_reset_what_has_arrived_is_read_first_then_the_error_once_then_the_end() {
    let mut world = world();
    let (client, server, _) = world.pair();
    world.send(server, b"hello").unwrap();
    world.settle();
    world.network.close(server, true);
    world.settle();
    let everything = Readiness { readable: true, writable: true, receive_ended: true, hung_up: true, failed: true };
    assert_eq!(world.ready(client), everything);
    assert_eq!(world.recv(client).unwrap(), "hello");
    assert_eq!(world.recv(client), fault(FaultKind::ConnectionReset));
    assert_eq!(world.recv(client).unwrap(), "");
    assert_eq!(world.send(client, b"x"), fault(FaultKind::BrokenPipe));
    // X109
    assert_eq!(world.network.shutdown(client, Shutdown::Write), Err(FaultKind::NotConnected));
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

// X101
#[test]
fn x101_closing_with_unread_data_resets_the_peer() {
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

// X115: what is queued is lost.
#[test]
fn x115_an_abortive_close_drops_what_is_queued() {
    let mut world = World::new(NetworkConfig { receive_buffer: 3, ..NetworkConfig::default() });
    let (client, server, _) = world.pair();
    assert_eq!(world.send(server, b"hello"), Ok(5));
    world.network.close(server, true);
    world.settle();
    assert_eq!(world.recv(client).unwrap(), "hel");
    assert_eq!(world.recv(client), fault(FaultKind::ConnectionReset));
}

#[test]
fn an_abortive_close_after_both_ends_have_finished_sends_nothing() {
    let mut world = world();
    let (client, server, _) = world.pair();
    world.network.shutdown(client, Shutdown::Write).unwrap();
    world.network.shutdown(server, Shutdown::Write).unwrap();
    world.settle();
    world.network.close(client, true);
    world.settle();
    assert_eq!(world.recv(server).unwrap(), "");
    assert_eq!(world.network.hits().resets, 0);
}

// X119
#[test]
fn x119_both_ends_may_close_at_once() {
    let mut world = world();
    let (client, server, listener) = world.pair();
    world.network.shutdown(client, Shutdown::Write).unwrap();
    world.network.shutdown(server, Shutdown::Write).unwrap();
    world.settle();
    for end in [client, server] {
        assert_eq!(world.recv(end).unwrap(), "");
        assert_eq!(world.network.shutdown(end, Shutdown::Write), Err(FaultKind::NotConnected));
        world.network.close(end, false);
    }
    assert_eq!(world.network.hits().time_waits, 2, "both ends closed first");
    world.network.close(listener, false);
    assert_eq!(world.network.open_sockets(world.host), 0);
}

#[test]
fn after_receiving_was_shut_down_there_is_an_end_of_file_whenever_nothing_is_there() {
    let mut world = world();
    let (client, server, _) = world.pair();
    world.send(client, b"one").unwrap();
    world.settle();
    assert_eq!(world.network.shutdown(server, Shutdown::Read), Ok(()));
    assert_eq!(world.recv(server).unwrap(), "one");
    assert_eq!(world.recv(server).unwrap(), "");
    // The peer is not told, and what it sends is received.
    assert_eq!(world.send(client, b"two"), Ok(3));
    world.settle();
    assert_eq!(world.recv(server).unwrap(), "two");
    assert_eq!(world.recv(server).unwrap(), "");
    assert_eq!(world.send(server, b"reply"), Ok(5));
    world.settle();
    assert_eq!(world.recv(client).unwrap(), "reply");
}

#[test]
fn data_for_an_end_that_has_shut_down_both_directions_resets_both() {
    let mut world = world();
    let (client, server, _) = world.pair();
    assert_eq!(world.network.shutdown(server, Shutdown::Both), Ok(()));
    assert!(world.ready(server).hung_up);
    world.settle();
    assert_eq!(world.send(client, b"x"), Ok(1));
    world.settle();
    assert_eq!(world.recv(server), fault(FaultKind::ConnectionReset));
    assert_eq!(world.send(client, b"x"), fault(FaultKind::BrokenPipe));
}
