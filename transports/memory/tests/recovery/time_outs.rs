//! When what is lost is sent again, and how it ends.

use std::net::Shutdown;
use std::time::Duration;

use bytes::Bytes;
use sansock::{FaultKind, Timestamp};
use sansock_memory::{CallError, NetworkConfig};

use super::two::{Two, fault, millis, two};

#[test]
fn what_is_lost_is_sent_again_after_200_ms_and_each_time_after_twice_as_long_up_to_two_minutes() {
    let mut two = two();
    let (client, ..) = two.pair();
    two.partition();
    let start = two.network.now();
    two.send(client, b"x").unwrap();
    let mut times = Vec::new();
    while let Some(next) = two.network.next_arrival() {
        two.network.advance(next);
        let again = usize::try_from(two.network.hits().retransmissions).unwrap();
        times.resize(again, next.saturating_since(start).as_millis());
    }
    let doubling = [200, 600, 1400, 3000, 6200, 12_600, 25_400, 51_000, 102_200, 204_600];
    assert_eq!(times[..10], doubling);
    assert_eq!(times[10..], [324_600, 444_600, 564_600, 684_600, 804_600]);
    assert_eq!(two.network.now(), start + millis(924_600), "then it is given up");
    assert_eq!(two.network.hits().connections_timed_out, 1);
    assert_eq!(two.recv(client), fault(FaultKind::TimedOut));
    assert_eq!(two.recv(client).unwrap(), "");
    assert_eq!(two.send(client, b"x"), fault(FaultKind::BrokenPipe));
}

#[test]
fn once_something_was_acknowledged_the_next_loss_costs_200_ms_again() {
    let mut two = two();
    let (client, server, _) = two.pair();
    two.partition();
    two.send(client, b"one ").unwrap();
    two.run(Duration::from_secs(2));
    two.network.heal();
    two.run(millis(1010));
    two.partition();
    two.send(client, b"two").unwrap();
    let sent = two.network.now();
    two.network.heal();
    assert_eq!(two.recv(server).unwrap(), "one ");
    assert_eq!(two.until_readable(server), sent + millis(201));
    two.run_out();
}

// Otherwise the piece would have carried the acknowledgement.
#[test]
fn a_piece_that_waits_behind_a_lost_one_keeps_no_acknowledgement_waiting() {
    let mut two = Two::new(NetworkConfig { send_buffer: 10, ..NetworkConfig::default() });
    let (client, server, _) = two.pair();
    two.network.partition(two.client, two.server);
    two.send(client, b"lost").unwrap();
    two.network.heal();
    assert_eq!(two.send(server, b"ten bytes."), Ok(10));
    two.run(millis(1));
    two.send(client, b"wait").unwrap();
    assert_eq!(two.send(server, b"more"), Err(CallError::WouldBlock));
    two.run(millis(1));
    assert_eq!(two.send(server, b"more"), Ok(4));
    two.run(millis(200));
    assert_eq!(two.recv(server).unwrap(), "lostwait");
}

// The time-out has doubled three times; it begins anew when the first piece is acknowledged, although the second is lost by then.
#[test]
fn an_acknowledgement_ends_the_backing_off_for_what_is_still_lost() {
    let mut two = two();
    let (client, server, _) = two.pair();
    let start = two.network.now();
    two.network.partition(two.server, two.client);
    two.send(client, b"one ").unwrap();
    two.run(millis(1500));
    assert_eq!(two.recv(server).unwrap(), "one ");
    two.network.heal();
    two.network.partition(two.client, two.server);
    two.send(client, b"two").unwrap();
    two.run(millis(10));
    two.send(server, b"news").unwrap();
    two.run(millis(10));
    two.network.heal();
    assert_eq!(two.until_readable(server), start + millis(1510 + 1 + 200 + 1));
    two.run_out();
}

#[test]
fn of_a_one_way_partition_the_other_direction_notices_nothing_but_that_nobody_answers() {
    let mut two = two();
    let (client, server, _) = two.pair();
    two.network.partition(two.client, two.server);
    two.send(client, b"question").unwrap();
    two.send(server, b"news").unwrap();
    two.run(millis(5));
    assert_eq!(two.recv(client).unwrap(), "news");
    assert_eq!(two.recv(server), Err(CallError::WouldBlock));
    two.run(Duration::from_secs(2));
    assert_eq!(two.recv(client), Err(CallError::WouldBlock), "it came once");
    assert!(two.network.hits().retransmissions >= 6, "both ends wait for an acknowledgement");
    two.network.heal();
    two.run(Duration::from_secs(2));
    assert_eq!(two.recv(server).unwrap(), "question");
    let settled = two.network.hits().retransmissions;
    two.run_out();
    assert_eq!(two.network.hits().retransmissions, settled);
}

#[test]
fn who_is_never_acknowledged_gives_up_although_it_hears_the_peer() {
    let mut two = two();
    let (client, server, _) = two.pair();
    two.network.partition(two.client, two.server);
    two.send(client, b"question").unwrap();
    for _ in 0..9_240 {
        two.run(millis(100));
        two.send(server, b"x").unwrap();
    }
    two.run(Duration::from_secs(1));
    assert_eq!(two.recv(client).map(|data| data.len()), Ok(9_240));
    assert_eq!(two.recv(client), fault(FaultKind::TimedOut));
}

#[test]
fn what_is_on_its_way_when_a_partition_begins_arrives() {
    let mut two = two();
    let (client, server, _) = two.pair();
    two.send(client, b"hello").unwrap();
    two.partition();
    two.run(millis(1));
    assert_eq!(two.recv(server).unwrap(), "hello");
}

#[test]
fn a_last_acknowledgement_that_is_lost_is_given_by_who_rests_in_time_wait() {
    let mut two = two();
    let (client, server, _) = two.pair();
    two.network.close(client, false);
    two.run(millis(5));
    two.network.close(server, false);
    two.network.partition(two.client, two.server);
    two.run(millis(300));
    two.network.heal();
    let end = two.run_out();
    let hits = two.network.hits();
    assert_eq!((hits.time_waits, hits.resets, hits.connections_timed_out), (1, 0, 0));
    assert!(hits.lost_in_partitions >= 1 && hits.retransmissions >= 1, "{hits:?}");
    assert!(end < Timestamp::from_secs(2));
}

// As it is on Linux once TIME_WAIT is over: nobody is there to tell.
#[test]
fn an_end_that_comes_after_time_wait_is_answered_by_a_reset() {
    let mut two = two();
    let (client, server, _) = two.pair();
    two.network.close(client, false);
    two.run(millis(5));
    two.network.shutdown(server, Shutdown::Write).unwrap();
    two.network.partition(two.client, two.server);
    two.run(Duration::from_secs(100));
    two.connecting();
    two.network.heal();
    two.run(Duration::from_secs(200));
    assert_eq!(two.network.hits().resets, 1);
    assert_eq!(two.network.take_error(server), Ok(Some(FaultKind::ConnectionReset)));
}

#[test]
fn a_socket_that_was_closed_gives_up_after_102_seconds() {
    let mut two = two();
    let (client, ..) = two.pair();
    two.partition();
    let start = two.network.now();
    two.send(client, b"bye").unwrap();
    two.network.close(client, false);
    assert_eq!(two.run_out(), start + millis(102_200));
    assert_eq!((two.network.hits().retransmissions, two.network.hits().connections_timed_out), (8, 1));
}

// The same, but that it wants the room only later.
#[test]
fn a_sender_that_has_missed_that_there_is_room_asks_when_it_has_something_to_send() {
    let mut two = Two::new(NetworkConfig { receive_buffer: 1000, ..NetworkConfig::default() });
    let (client, server, _) = two.pair();
    assert_eq!(two.network.send(client, &Bytes::from(vec![7; 1000])), Ok(1000));
    two.run(millis(50));
    two.network.partition(two.server, two.client);
    assert_eq!(two.recv(server).unwrap().len(), 1000);
    two.run_out();
    two.network.heal();
    assert_eq!(two.network.hits().retransmissions, 0, "there is nothing to ask");
    assert_eq!(two.network.send(client, &Bytes::from(vec![7; 1000])), Ok(1000));
    two.run(millis(250));
    assert_eq!(two.recv(server).unwrap().len(), 1000);
    two.run_out();
}

#[test]
fn a_reset_that_is_lost_is_given_again_to_who_sends() {
    let mut two = two();
    let (client, server, _) = two.pair();
    two.partition();
    two.network.close(server, true);
    two.run(Duration::from_secs(10));
    two.network.heal();
    two.run(Duration::from_secs(1000));
    assert_eq!(two.recv(client), Err(CallError::WouldBlock), "who only waits learns nothing");
    assert_eq!(two.send(client, b"x"), Ok(1));
    two.run(millis(2));
    assert_eq!(two.recv(client), fault(FaultKind::ConnectionReset));
    assert_eq!(two.network.hits().resets, 2);
}

#[test]
fn a_reset_that_is_lost_is_given_again_to_who_waits_for_room() {
    let mut two = Two::new(NetworkConfig { receive_buffer: 1000, ..NetworkConfig::default() });
    let (client, server, _) = two.pair();
    assert_eq!(two.network.send(client, &Bytes::from(vec![7; 1500])), Ok(1500));
    two.run(millis(50));
    two.network.partition(two.server, two.client);
    two.network.close(server, true);
    two.network.heal();
    two.run(millis(201));
    assert_eq!(two.recv(client), Err(CallError::WouldBlock));
    two.run(millis(1));
    assert_eq!(two.recv(client), fault(FaultKind::ConnectionReset));
    two.run_out();
}

// The same of a word of room: what is sent then, and lost, costs 200 ms, although the time-out has doubled four times.
#[test]
fn a_word_of_room_ends_the_backing_off_too() {
    let mut two = Two::new(NetworkConfig { receive_buffer: 1000, ..NetworkConfig::default() });
    let (client, server, _) = two.pair();
    assert_eq!(two.network.send(client, &Bytes::from(vec![7; 1500])), Ok(1500));
    two.run(millis(50));
    two.network.partition(two.server, two.client);
    assert_eq!(two.recv(server).unwrap().len(), 1000);
    let start = two.network.now();
    two.run(millis(2_000));
    two.network.heal();
    // It asks 3 s after the word was lost, and when the answer comes what it sends is lost.
    two.run(millis(1_001));
    two.network.partition(two.client, two.server);
    two.run(millis(10));
    assert_eq!(two.network.hits().lost_in_partitions, 5, "the word, three answers and what was sent");
    two.network.heal();
    assert_eq!(two.until_readable(server), start + millis(3_002 + 200 + 1));
    two.run_out();
}

// A time-out that was set before something was acknowledged says nothing about what is lost later.
#[test]
fn an_old_time_out_sends_nothing_again() {
    let mut two = two();
    let (client, server, _) = two.pair();
    let start = two.network.now();
    two.partition();
    two.send(client, b"one").unwrap();
    two.network.heal();
    // Sent again after 200 ms, and acknowledged; the next time-out would have been that of 600 ms.
    two.run(millis(550));
    assert_eq!(two.recv(server).unwrap(), "one");
    two.partition();
    two.send(client, b"two").unwrap();
    two.network.heal();
    assert_eq!(two.until_readable(server), start + millis(550 + 200 + 1));
    assert_eq!(two.network.hits().retransmissions, 2);
    two.run_out();
}
