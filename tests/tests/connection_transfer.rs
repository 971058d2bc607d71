//! Receiving and sending on one connection, driven by hand.

use std::time::Duration;

use bytes::Bytes;
use sansock::state::{Life, ReceiveHalf, SendHalf};
use sansock::{
    CloseReason, Connection, ConnectionConfig, ConnectionEvent, Ending, Fault, FaultKind, MAX_CHUNKS, Machine, OpKind, Stream,
    Unsent, UnsentReason,
};
use sansock_tests::by_hand::ByHand;

use ConnectionEvent::{Closed, Data, PeerFinished, Writable};
use OpKind::{Close, Recv, Send, Shutdown};

fn connection() -> ByHand<Connection> {
    ByHand::connection(ConnectionConfig::default())
}

/// A queue of at most eight bytes, that is writable again when four are left.
fn narrow() -> ByHand<Connection> {
    ByHand::connection(ConnectionConfig::default().send_queue(4, 8).expect("sensible watermarks"))
}

fn receiving_at_most(bytes: usize) -> ByHand<Connection> {
    ByHand::connection(ConnectionConfig::default().receive_size(bytes).expect("more than zero"))
}

fn data(text: &'static str) -> ConnectionEvent {
    Data(Bytes::from_static(text.as_bytes()))
}

// A1, A2
#[test]
fn x073_a_short_send_goes_on_at_the_first_byte_that_was_not_taken() {
    let mut by_hand = connection();
    by_hand.send("abc").expect("room");
    by_hand.send("def").expect("room");
    // The first send was submitted before the second piece was there.
    assert_eq!(by_hand.sending().chunks().concat(), b"abc");
    by_hand.sent(1);
    assert_eq!(by_hand.sending().chunks().concat(), b"bcdef");
    by_hand.sent(4);
    assert_eq!(by_hand.sending().chunks().concat(), b"f");
    assert_eq!(by_hand.machine.queued(), 1);
    by_hand.sent(1);
    assert_eq!(by_hand.in_flight(), [Recv]);
}

// D7, X74: a send that takes nothing would be tried for ever.
#[test]
fn x074_a_send_of_no_bytes_ends_the_connection() {
    let mut by_hand = connection();
    by_hand.send("abc").expect("room");
    by_hand.sent(0);
    by_hand.complete_cancelled();
    by_hand.close_done();
    let report = by_hand.report();
    assert_eq!(report.reason, CloseReason::TransportFault { operation: Send });
    assert_eq!((report.sent, report.unsent), (0, 3));
}

// B7
#[test]
fn x075_sending_no_bytes_does_nothing() {
    let mut by_hand = connection();
    let deadline = by_hand.machine.deadline();
    by_hand.now = by_hand.now + Duration::from_secs(1);
    by_hand.send("").expect("nothing needs no room");
    assert_eq!(by_hand.in_flight(), [Recv]);
    assert_eq!(by_hand.machine.deadline(), deadline);
    by_hand.call(|stream, now| stream.finish(now));
    assert_eq!(by_hand.send(""), Ok(()));
}

// A5, X92, X104
#[test]
fn x076_the_peers_end_is_not_ours() {
    let mut by_hand = connection();
    by_hand.receive_eof();
    assert_eq!(by_hand.events(), [PeerFinished]);
    assert_eq!(by_hand.machine.receive_half(), ReceiveHalf::Ended);
    assert_eq!(by_hand.machine.life(), Life::Open);
    by_hand.send("the answer").expect("sending goes on");
    assert_eq!(by_hand.sent_all(), b"the answer");
    assert_eq!(by_hand.in_flight(), [], "nothing more is received, nothing ends by itself");
}

// B2
#[test]
fn x077_a_receive_is_never_of_no_bytes() {
    let config = ConnectionConfig::default();
    assert!(config.receive_size(0).is_err());
    let mut by_hand = ByHand::connection(config.receive_credit(3));
    assert_eq!(by_hand.recv().max(), 3);
    by_hand.receive("ab");
    assert_eq!(by_hand.recv().max(), 1);
    by_hand.receive("c");
    assert_eq!(by_hand.in_flight(), [], "not even with a credit of zero");
    by_hand.call(|connection, now| connection.grant(now, 5));
    assert_eq!(by_hand.recv().max(), 5);
}

// D7: an end has a completion of its own.
#[test]
fn x078_no_bytes_are_not_the_peers_end() {
    let mut by_hand = connection();
    by_hand.receive("");
    assert_eq!(by_hand.events(), []);
    by_hand.close_done();
    assert_eq!(by_hand.report().reason, CloseReason::TransportFault { operation: Recv });
}

// B8
#[test]
fn x079_a_send_for_which_there_is_no_buffer_is_tried_again_later() {
    for fault in [FaultKind::NoBuffers, FaultKind::NoMemory] {
        let mut by_hand = connection();
        by_hand.send("abc").expect("room");
        by_hand.fail(Send, fault);
        assert_eq!(by_hand.in_flight(), [Recv]);
        by_hand.pass(Duration::from_millis(5));
        assert_eq!(by_hand.sent_all(), b"abc");
        assert_eq!(by_hand.machine.life(), Life::Open);
    }
}

// B2, C6
#[test]
fn x080_a_peer_that_sends_faster_than_it_is_read_waits() {
    let mut by_hand = receiving_at_most(4);
    by_hand.call(|stream, now| stream.pause(now));
    by_hand.receive("abcd");
    assert_eq!(by_hand.events(), [], "held back");
    assert_eq!(by_hand.in_flight(), [], "and no more of it asked for");
    by_hand.call(|stream, now| stream.resume(now));
    assert_eq!(by_hand.events(), [data("abcd")]);
    assert_eq!(by_hand.in_flight(), [Recv]);
}

// B2
#[test]
fn a_pause_without_a_receive_in_flight_keeps_the_next_one_back() {
    let mut by_hand = ByHand::connection(ConnectionConfig::default().receive_credit(1));
    by_hand.receive("x");
    by_hand.call(|stream, now| stream.pause(now));
    by_hand.call(|connection, now| connection.grant(now, 1));
    assert_eq!(by_hand.in_flight(), []);
    by_hand.call(|stream, now| stream.resume(now));
    assert_eq!(by_hand.in_flight(), [Recv]);
}

// B1, C6, D13
#[test]
fn a_full_queue_takes_what_fits_and_gives_the_rest_back() {
    let mut by_hand = narrow();
    by_hand.send("abc").expect("room");
    assert_eq!(by_hand.machine.room(), 5);
    let rest = Bytes::from_static(b"ij");
    assert_eq!(by_hand.send("defghij"), Err(Unsent { data: rest.clone(), reason: UnsentReason::Full }));
    assert_eq!(by_hand.machine.queued(), 8);
    assert_eq!(by_hand.send(rest.clone()), Err(Unsent { data: rest, reason: UnsentReason::Full }));
    by_hand.sent_all();
    assert_eq!(by_hand.sent_all(), b"defgh");
}

// C6
#[test]
fn writable_comes_once_when_a_full_queue_has_fallen_to_its_low_watermark() {
    let mut by_hand = narrow();
    let _ = by_hand.send("abcdefghij");
    by_hand.sent(3);
    assert_eq!(by_hand.events(), []);
    by_hand.sent(1);
    assert_eq!(by_hand.events(), [Writable]);
    by_hand.sent(4);
    assert_eq!(by_hand.events(), [], "once");
}

// C6: an application that looks at the room before it sends is never refused anything.
#[test]
fn writable_comes_also_if_the_queue_was_exactly_full() {
    let mut by_hand = narrow();
    by_hand.send("abcdefgh").expect("exactly the room there is");
    by_hand.sent_all();
    assert_eq!(by_hand.events(), [Writable]);
}

#[test]
fn writable_does_not_come_once_sending_has_ended() {
    let mut by_hand = narrow();
    by_hand.send("abcdefgh").expect("room");
    by_hand.call(|stream, now| stream.half_close(now));
    by_hand.sent_all();
    assert_eq!(by_hand.events(), []);

    // Not even if the queue had fallen before, and nobody has polled since.
    let mut by_hand = narrow();
    by_hand.send("abcdefgh").expect("room");
    let sent = by_hand.take_send().sent(8);
    by_hand.input(|machine| {
        machine.complete(sansock::Timestamp::ZERO, sent).expect("in flight");
        machine.half_close(sansock::Timestamp::ZERO);
    });
    assert_eq!(by_hand.events(), []);
}

// C1, X112: the window of a peer may be shut for ever (RFC 9293, MUST-37).
#[test]
fn x081_a_peer_that_takes_nothing_is_reset() {
    let mut by_hand = connection();
    by_hand.send("abc").expect("room");
    by_hand.pass(Duration::from_secs(59));
    by_hand.sent(1);
    by_hand.receive("the peer sends, but it does not read");
    by_hand.pass(Duration::from_secs(59));
    assert_eq!(by_hand.machine.life(), Life::Open, "what was taken counts");
    by_hand.pass(Duration::from_secs(1));
    by_hand.complete_cancelled();
    assert!(by_hand.close().abortive());
    by_hand.events();
    by_hand.close_done();
    let report = by_hand.report();
    assert_eq!((report.reason, report.unsent), (CloseReason::WriteStall, 2));
}

// B7
#[test]
fn x081_handing_over_more_does_not_put_the_time_of_a_stalled_peer_off() {
    let mut by_hand = connection();
    by_hand.send("abc").expect("room");
    for _ in 0..59 {
        by_hand.pass(Duration::from_secs(1));
        by_hand.send("x").expect("room");
        by_hand.receive("the peer sends, but it does not read");
    }
    assert_eq!(by_hand.until_deadline(), Some(Duration::from_secs(1)));
}

// X86: putting a time-out off is an assignment, and no earlier deadline is left behind.
#[test]
fn x086_each_message_puts_the_idle_time_out_off() {
    let mut by_hand = connection();
    for _ in 0..10 {
        by_hand.pass(Duration::from_secs(50));
        by_hand.receive("x");
    }
    assert_eq!(by_hand.until_deadline(), Some(Duration::from_secs(60)));
}

// A3
#[test]
fn x088_data_then_the_end_then_the_fault() {
    let mut by_hand = connection();
    by_hand.send("abc").expect("room");
    let (received, failed) =
        (by_hand.take_recv().data("abc".into()), by_hand.take_send().failed(FaultKind::ConnectionReset.into()));
    let now = by_hand.now;
    // Nobody polls in between.
    by_hand.input(|machine| {
        machine.complete(now, received).expect("in flight");
        machine.complete(now, failed).expect("in flight");
    });
    assert_eq!(by_hand.events(), [data("abc")]);
    by_hand.close_done();
    assert!(matches!(by_hand.events()[..], [Closed(_)]));
}

// A3
#[test]
fn x089_what_has_arrived_before_a_reset_is_delivered() {
    let mut by_hand = connection();
    by_hand.receive("the last words");
    by_hand.fail(Recv, FaultKind::ConnectionReset);
    by_hand.close_done();
    let events = by_hand.events();
    let [Data(words), Closed(report)] = &events[..] else { panic!("{events:?}") };
    assert_eq!(words, "the last words");
    assert_eq!((report.received, report.undelivered), (14, 0));
}

// D10
#[test]
fn x090_the_first_error_counts_and_the_socket_is_not_asked_again() {
    let mut by_hand = connection();
    by_hand.send("abc").expect("room");
    by_hand.fail(Recv, FaultKind::ConnectionReset);
    assert_eq!(by_hand.cancelled(), [Send]);
    by_hand.fail(Send, FaultKind::BrokenPipe);
    assert_eq!(by_hand.in_flight(), [Close]);
    by_hand.close_done();
    let fault = Fault::new(FaultKind::ConnectionReset);
    assert_eq!(by_hand.report().reason, CloseReason::Fault { operation: Recv, fault });
}

// D11, X94, X96
#[test]
fn x091_every_fault_that_is_not_of_this_host_ends_this_connection_and_is_reported() {
    for kind in FaultKind::ALL {
        if [FaultKind::NoBuffers, FaultKind::NoMemory].contains(kind) {
            continue;
        }
        for operation in [Recv, Send] {
            let mut by_hand = connection();
            by_hand.send("abc").expect("room");
            by_hand.fail(operation, *kind);
            by_hand.complete_cancelled();
            by_hand.close_done();
            let report = by_hand.report();
            assert_eq!(report.reason, CloseReason::Fault { operation, fault: (*kind).into() });
            assert_eq!((report.ending, report.unsent), (Ending::Aborted, 3));
        }
    }
}

// A4: bytes that the transport has taken are not bytes that the peer has read.
#[test]
fn x093_only_a_confirmed_ending_says_that_the_peer_has_seen_everything() {
    let mut by_hand = connection();
    by_hand.send("abc").expect("room");
    by_hand.sent_all();
    by_hand.call(|stream, now| stream.finish(now));
    by_hand.shutdown_done();
    by_hand.fail(Recv, FaultKind::ConnectionReset);
    by_hand.close_done();
    let report = by_hand.report();
    assert_eq!((report.sent, report.unsent), (3, 0));
    assert_eq!(report.ending, Ending::Aborted);
}

#[test]
fn x097_a_send_carries_a_few_pieces_and_small_ones_behind_them_are_joined() {
    let mut by_hand = connection();
    for piece in ["a", "b", "c", "d", "e", "f", "g"] {
        by_hand.send(piece).expect("room");
    }
    by_hand.sent_all();
    assert_eq!(by_hand.sending().chunks().len(), MAX_CHUNKS);
    assert_eq!(by_hand.sending().chunks(), ["b", "c", "d", "efg"]);
    let huge = vec![7; 64 * 1024 - 6];
    by_hand.send(huge.clone()).expect("room");
    by_hand.sent_all();
    assert_eq!(by_hand.sent_all(), huge, "large ones are kept as they are");
}

// A9, B5
#[test]
fn at_most_one_receive_and_one_send_are_in_flight() {
    let mut by_hand = connection();
    for _ in 0..20 {
        by_hand.send("abc").expect("room");
        assert_eq!(by_hand.in_flight(), [Recv, Send]);
        assert_eq!(by_hand.machine.in_flight(), 2);
    }
}

// A5, X107
#[test]
fn x107_our_end_comes_after_what_is_queued() {
    let mut by_hand = connection();
    by_hand.send("abc").expect("room");
    by_hand.call(|stream, now| stream.half_close(now));
    assert_eq!(by_hand.in_flight(), [Recv, Send]);
    by_hand.sent(1);
    assert_eq!(by_hand.machine.send_half(), SendHalf::Finishing);
    by_hand.sent(2);
    assert_eq!(by_hand.in_flight(), [Recv, Shutdown]);
    by_hand.shutdown_done();
    by_hand.receive("reading goes on");
    assert_eq!(by_hand.events(), [data("reading goes on")]);
}

// D13
#[test]
fn sending_after_our_end_gives_everything_back() {
    let mut by_hand = connection();
    by_hand.call(|stream, now| stream.half_close(now));
    assert_eq!(by_hand.machine.room(), 0);
    let unsent = Unsent { data: "abc".into(), reason: UnsentReason::Ended };
    assert_eq!(by_hand.send("abc"), Err(unsent));
    assert_eq!(by_hand.machine.queued(), 0);
}

// X147
#[test]
fn x147_credit_does_not_overflow() {
    let mut by_hand = ByHand::connection(ConnectionConfig::default().receive_credit(1));
    by_hand.call(|connection, now| connection.grant(now, u64::MAX));
    by_hand.receive("x");
    assert_eq!(by_hand.recv().max(), 64 * 1024);
}
