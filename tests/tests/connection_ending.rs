//! How one connection ends, driven by hand: finish, close after the flush, abort, half-closes, time-outs of each.

use std::time::Duration;

use sansock::state::{Life, SendHalf};
use sansock::{
    CloseReason, CloseReport, Connection, ConnectionConfig, ConnectionEvent, Ending, Fault, FaultKind, Machine, OpKind, Stream,
    Timestamp,
};
use sansock_tests::by_hand::ByHand;

use ConnectionEvent::{Closed, Data, PeerFinished};
use OpKind::{Close, Recv, Send, Shutdown};

/// Closing within 30 s, of which the peer may be silent for 5 s after our end and send 10 bytes.
fn connection() -> ByHand<Connection> {
    let config =
        ConnectionConfig::default().closing(Duration::from_secs(30), Duration::from_secs(5), 10).expect("sensible limits");
    ByHand::connection(config)
}

/// One that has sent something, has finished, and waits for the peer's end.
fn lingering() -> ByHand<Connection> {
    let mut by_hand = connection();
    by_hand.send("bye").expect("room");
    by_hand.call(|stream, now| stream.finish(now));
    by_hand.sent_all();
    by_hand.shutdown_done();
    by_hand
}

/// Completes what was cancelled and the close.
fn closed(mut by_hand: ByHand<Connection>) -> CloseReport {
    by_hand.complete_cancelled();
    by_hand.close_done();
    by_hand.report()
}

fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

// A4, A6: closing with unread data would reset the connection and take our last bytes with it.
#[test]
fn x101_finish_flushes_ends_and_reads_to_the_peers_end_before_it_closes() {
    let mut by_hand = connection();
    by_hand.send("bye").expect("room");
    by_hand.call(|stream, now| stream.finish(now));
    assert_eq!(by_hand.in_flight(), [Recv, Send]);
    by_hand.sent_all();
    assert_eq!(by_hand.in_flight(), [Recv, Shutdown]);
    by_hand.shutdown_done();
    by_hand.receive("more");
    assert_eq!(by_hand.events(), [], "nobody wants it any more");
    assert_eq!(by_hand.in_flight(), [Recv]);
    by_hand.receive_eof();
    assert_eq!(by_hand.in_flight(), [Close]);
    assert!(!by_hand.close().abortive());
    let report = closed(by_hand);
    assert_eq!((report.ending, report.reason, report.cut_short), (Ending::Confirmed, CloseReason::Finished, None));
    assert_eq!((report.sent, report.unsent, report.received, report.undelivered), (3, 0, 0, 4));
}

// C1
#[test]
fn x102_a_peer_that_goes_on_sending_is_given_a_total_time_a_gap_and_a_number_of_bytes() {
    let mut by_hand = lingering();
    assert_eq!(by_hand.pass_to_deadline(), seconds(5));
    let report = closed(by_hand);
    assert_eq!((report.ending, report.cut_short), (Ending::Unconfirmed, Some(CloseReason::LingerGap)));

    let mut by_hand = lingering();
    for _ in 0..7 {
        by_hand.pass(seconds(4));
        by_hand.receive("x");
    }
    assert_eq!(by_hand.pass_to_deadline(), seconds(2));
    let report = closed(by_hand);
    assert_eq!((report.ending, report.cut_short), (Ending::Unconfirmed, Some(CloseReason::ClosingTimeout)));

    let mut by_hand = lingering();
    by_hand.receive("0123456789");
    assert_eq!(by_hand.machine.life(), Life::Lingering, "ten bytes may come");
    by_hand.receive("x");
    let report = closed(by_hand);
    assert_eq!((report.ending, report.cut_short), (Ending::Unconfirmed, Some(CloseReason::LingerBytes)));
}

// A6: cutting the flush short for what the peer sends would lose our own data.
#[test]
fn what_a_peer_sends_before_our_end_is_not_counted() {
    let mut by_hand = connection();
    by_hand.send("bye").expect("room");
    by_hand.call(|stream, now| stream.finish(now));
    by_hand.receive("more than ten bytes while we flush");
    assert_eq!(by_hand.machine.life(), Life::Lingering);
}

// A5: the Winsock client's own conversation: shut down sending, then receive until nothing comes.
#[test]
fn x106_a_peer_that_has_ended_still_gets_the_answer() {
    let mut by_hand = connection();
    by_hand.receive("question");
    by_hand.receive_eof();
    by_hand.send("answer").expect("room");
    by_hand.call(|stream, now| stream.finish(now));
    assert_eq!(by_hand.sent_all(), b"answer");
    by_hand.shutdown_done();
    assert_eq!(by_hand.events().len(), 2);
    assert_eq!(closed(by_hand).ending, Ending::Confirmed);
}

// X108: there is no connection that is not connected; one that is gone does nothing.
#[test]
fn x108_ending_our_direction_of_a_connection_that_is_gone_does_nothing() {
    let mut by_hand = connection();
    by_hand.call(|stream, now| stream.abort(now));
    by_hand.complete_cancelled();
    by_hand.close_done();
    by_hand.events();
    by_hand.call(|stream, now| stream.half_close(now));
    assert_eq!((by_hand.in_flight(), by_hand.machine.deadline()), (vec![], None));
    assert_eq!(by_hand.events(), []);
}

#[test]
fn x109_a_shutdown_that_fails_since_the_peer_is_gone_closes_the_socket() {
    let mut by_hand = connection();
    by_hand.call(|stream, now| stream.half_close(now));
    by_hand.fail(Shutdown, FaultKind::NotConnected);
    assert_eq!(by_hand.machine.send_half(), SendHalf::Failed);
    let report = closed(by_hand);
    assert_eq!(report.ending, Ending::Aborted);
    assert_eq!(report.reason, CloseReason::Fault { operation: Shutdown, fault: FaultKind::NotConnected.into() });
}

// D13
#[test]
fn x110_a_second_half_close_does_nothing() {
    let mut by_hand = connection();
    for _ in 0..2 {
        by_hand.call(|stream, now| stream.half_close(now));
        assert_eq!(by_hand.in_flight(), [Recv, Shutdown]);
    }
    by_hand.shutdown_done();
    by_hand.call(|stream, now| stream.half_close(now));
    assert_eq!(by_hand.in_flight(), [Recv]);
}

// A7, A9, C3
#[test]
fn x111_an_abort_cuts_a_graceful_ending_short_and_nothing_else_repeated_makes_a_difference() {
    let mut by_hand = lingering();
    by_hand.call(|stream, now| stream.finish(now));
    assert_eq!(by_hand.machine.life(), Life::Lingering);
    by_hand.call(|stream, now| stream.abort(now));
    by_hand.call(|stream, now| stream.abort(now));
    by_hand.call(|stream, now| stream.finish(now));
    assert_eq!(by_hand.cancelled(), [Recv], "once");
    by_hand.complete_cancelled();
    assert!(by_hand.close().abortive());
    by_hand.call(|stream, now| stream.abort(now));
    let report = closed(by_hand);
    assert_eq!((report.ending, report.reason), (Ending::Aborted, CloseReason::Finished));
    assert_eq!(report.cut_short, Some(CloseReason::Aborted));
}

// A4, X111: what has ended gracefully, and is being cancelled, can still be reset.
#[test]
fn an_abort_while_a_graceful_ending_waits_for_what_it_has_cancelled_resets() {
    let mut by_hand = lingering();
    by_hand.pass(seconds(5));
    assert_eq!(by_hand.cancelled(), [Recv]);
    by_hand.call(|stream, now| stream.abort(now));
    by_hand.complete_cancelled();
    assert!(by_hand.close().abortive());
    let report = closed(by_hand);
    assert_eq!((report.ending, report.cut_short), (Ending::Aborted, Some(CloseReason::LingerGap)));
}

// C2, C3: over a dead transport, which completes only what was cancelled, and Close.
#[test]
fn x112_every_way_to_end_has_a_deadline() {
    let calls: [fn(&mut Connection, Timestamp); 4] = [
        |connection, now| connection.finish(now),
        |connection, now| connection.close_after_flush(now),
        |connection, now| connection.drain_by(now, now + Duration::from_secs(30)),
        |connection, now| connection.abort(now),
    ];
    for call in calls {
        let mut by_hand = connection();
        by_hand.send("never taken").expect("room");
        by_hand.call(call);
        while by_hand.machine.deadline().is_some() {
            by_hand.pass_to_deadline();
        }
        assert!(by_hand.now <= Timestamp::from_secs(30));
        assert_eq!(by_hand.cancelled(), [Recv, Send]);
        let report = closed(by_hand);
        assert_eq!((report.ending, report.unsent), (Ending::Aborted, 11));
    }
}

#[test]
fn x115_only_an_abort_closes_with_a_reset() {
    let abortive = |end: fn(&mut ByHand<Connection>)| {
        let mut by_hand = connection();
        end(&mut by_hand);
        by_hand.complete_cancelled();
        by_hand.close().abortive()
    };
    assert!(abortive(|by_hand| by_hand.call(|stream, now| stream.abort(now))));
    assert!(abortive(|by_hand| by_hand.fail(Recv, FaultKind::TimedOut)));
    assert!(!abortive(|by_hand| {
        by_hand.call(|stream, now| stream.close_after_flush(now));
        by_hand.shutdown_done();
    }));
    assert!(!abortive(|by_hand| {
        by_hand.call(|stream, now| stream.finish(now));
        by_hand.shutdown_done();
        by_hand.pass(seconds(5));
    }));
}

#[test]
fn x116_what_is_not_flushed_in_time_is_reset_so_that_the_kernel_drops_its_copy() {
    let mut by_hand = connection();
    by_hand.send("never taken").expect("room");
    by_hand.call(|stream, now| stream.close_after_flush(now));
    assert_eq!(by_hand.pass_to_deadline(), seconds(30));
    by_hand.complete_cancelled();
    assert!(by_hand.close().abortive());
}

#[test]
fn x117_a_connection_is_not_half_closed_for_ever() {
    // Our end: a silent peer is reset.
    let mut by_hand = connection();
    by_hand.call(|stream, now| stream.half_close(now));
    by_hand.shutdown_done();
    by_hand.pass(seconds(59));
    by_hand.receive("x");
    by_hand.events();
    assert_eq!(by_hand.pass_to_deadline(), seconds(60));
    let report = closed(by_hand);
    assert_eq!((report.ending, report.reason), (Ending::Aborted, CloseReason::HalfClosed));

    // The peer's: it is finished on the application's behalf.
    let mut by_hand = connection();
    by_hand.receive_eof();
    by_hand.events();
    by_hand.pass(seconds(59));
    by_hand.send("x").expect("room");
    by_hand.pass(seconds(59));
    by_hand.sent_all();
    assert_eq!(by_hand.pass_to_deadline(), seconds(60), "handed over and taken each put it off");
    by_hand.shutdown_done();
    let report = closed(by_hand);
    assert_eq!((report.ending, report.reason), (Ending::Confirmed, CloseReason::HalfClosed));
}

// A7, X118: closing again could hit another socket that has the descriptor by then.
#[test]
fn x118_a_close_that_fails_counts_as_closed_and_is_not_repeated() {
    let mut by_hand = connection();
    by_hand.call(|stream, now| stream.abort(now));
    by_hand.complete_cancelled();
    by_hand.fail(Close, FaultKind::Other);
    assert_eq!(by_hand.machine.life(), Life::Closed);
    assert_eq!(by_hand.in_flight(), []);
    assert_eq!(by_hand.report().reason, CloseReason::Aborted);
}

// A4
#[test]
fn x119_both_ends_finish_at_once() {
    let mut by_hand = connection();
    by_hand.call(|stream, now| stream.finish(now));
    by_hand.receive_eof();
    assert_eq!(by_hand.in_flight(), [Shutdown]);
    by_hand.shutdown_done();
    assert_eq!(closed(by_hand).ending, Ending::Confirmed);
}

// A4
#[test]
fn x120_a_reset_while_lingering_is_no_confirmation() {
    let mut by_hand = lingering();
    by_hand.fail(Recv, FaultKind::ConnectionReset);
    let report = closed(by_hand);
    let fault = Fault::new(FaultKind::ConnectionReset);
    assert_eq!((report.ending, report.reason), (Ending::Aborted, CloseReason::Finished));
    assert_eq!(report.cut_short, Some(CloseReason::Fault { operation: Recv, fault }));
}

// A1, A4
#[test]
fn x121_an_abort_reports_how_much_was_not_sent() {
    let mut by_hand = connection();
    by_hand.send("0123456789").expect("room");
    by_hand.sent(3);
    by_hand.call(|stream, now| stream.abort(now));
    // The send that was cancelled had taken two bytes more.
    by_hand.sent(2);
    let report = closed(by_hand);
    assert_eq!((report.ending, report.sent, report.unsent), (Ending::Aborted, 5, 5));
}

// B3: whoever keeps a closed connection for its report keeps no more than that.
#[test]
fn x121_what_was_not_sent_is_given_back_when_the_socket_is_gone() {
    let mut by_hand = connection();
    let blocks = [b'a', b'b'].map(|letter| bytes::Bytes::from(vec![letter; 4_096]));
    for block in &blocks {
        by_hand.send(block.clone()).expect("room");
    }
    by_hand.call(|stream, now| stream.abort(now));
    by_hand.complete_cancelled();
    by_hand.close_done();
    assert!(blocks.iter().all(bytes::Bytes::is_unique), "the connection still holds them");
    assert_eq!(by_hand.report().unsent, 8_192);
}

// A10, D5, C3
#[test]
fn x122_after_the_last_event_nothing_comes_whatever_is_done() {
    let mut by_hand = connection();
    let recv = by_hand.recv().id();
    by_hand.call(|stream, now| stream.abort(now));
    by_hand.complete_cancelled();
    let close = by_hand.close().id();
    by_hand.close_done();
    assert!(matches!(by_hand.events()[..], [Closed(_)]));
    for id in [recv, close] {
        let late = sansock::Completion::from_raw(id, sansock::Outcome::Failed(FaultKind::Cancelled.into()));
        assert!(by_hand.input(|machine| machine.complete(Timestamp::ZERO, late)).is_err());
    }
    by_hand.call(|connection, now| connection.broken(now, connection.socket(), FaultKind::ConnectionReset.into()));
    by_hand.call(|connection, now| connection.drain_by(now, now));
    by_hand.call(|stream, now| stream.resume(now));
    by_hand.pass(seconds(1_000));
    assert_eq!((by_hand.events(), by_hand.in_flight(), by_hand.machine.deadline()), (vec![], vec![], None));
}

// A6
#[test]
fn x123_an_idle_connection_is_finished_and_what_was_under_way_is_read_and_counted() {
    let mut by_hand = connection();
    by_hand.pass(seconds(60));
    assert_eq!(by_hand.in_flight(), [Recv, Shutdown], "no reset");
    by_hand.shutdown_done();
    by_hand.receive("too late");
    by_hand.receive_eof();
    let report = closed(by_hand);
    assert_eq!((report.ending, report.reason, report.undelivered), (Ending::Confirmed, CloseReason::ReadIdle, 8));
}

// A10
#[test]
fn close_waits_for_everything_that_is_in_flight() {
    let mut by_hand = connection();
    by_hand.send("abc").expect("room");
    by_hand.call(|stream, now| stream.abort(now));
    assert_eq!(by_hand.cancelled(), [Recv, Send]);
    by_hand.fail(Recv, FaultKind::Cancelled);
    assert_eq!(by_hand.in_flight(), [Send], "no close yet");
    by_hand.fail(Send, FaultKind::Cancelled);
    assert_eq!(by_hand.in_flight(), [Close]);
}

// A4: success after a cancel is legal, and the facts at the close decide.
#[test]
fn the_peers_end_that_comes_while_the_receive_is_being_cancelled_confirms() {
    let mut by_hand = lingering();
    by_hand.pass(seconds(5));
    by_hand.receive_eof();
    assert_eq!(closed(by_hand).ending, Ending::Confirmed);

    let mut by_hand = lingering();
    by_hand.call(|stream, now| stream.abort(now));
    by_hand.receive_eof();
    assert!(!by_hand.close().abortive(), "there is nothing left to reset");
    assert_eq!(closed(by_hand).ending, Ending::Confirmed);
}

// A3, A13
#[test]
fn after_the_application_has_ended_it_hears_of_nothing_but_the_end() {
    let calls: [fn(&mut Connection, Timestamp); 3] = [
        |connection, now| connection.finish(now),
        |connection, now| connection.close_after_flush(now),
        |connection, now| connection.abort(now),
    ];
    for call in calls {
        let mut by_hand = connection();
        let arrived = by_hand.take_recv().data("not yet polled".into());
        by_hand.input(|machine| {
            machine.complete(Timestamp::ZERO, arrived).expect("in flight");
            call(machine, Timestamp::ZERO);
        });
        assert_eq!(by_hand.events(), []);

        let mut by_hand = connection();
        by_hand.call(|stream, now| stream.pause(now));
        by_hand.receive("held back");
        by_hand.call(call);
        assert_eq!(by_hand.events(), []);
        by_hand.call(|stream, now| stream.abort(now));
        let report = closed(by_hand);
        assert_eq!((report.received, report.undelivered), (0, 9));
    }
}

// A13, A5
#[test]
fn both_half_closed_is_the_end() {
    let mut by_hand = connection();
    by_hand.call(|stream, now| stream.half_close(now));
    by_hand.shutdown_done();
    by_hand.receive("the last words");
    by_hand.receive_eof();
    assert_eq!(by_hand.events(), [Data("the last words".into()), PeerFinished]);
    let report = closed(by_hand);
    assert_eq!((report.ending, report.reason), (Ending::Confirmed, CloseReason::Finished));
}
