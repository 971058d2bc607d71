//! Time-outs, deadlines and clocks of one connection, driven by hand in virtual time.

use std::time::Duration;

use sansock::state::Life;
use sansock::{CloseReason, ConnectionConfig, ConnectionEvent, Ending, FaultKind, Machine, OpKind, Stream, Timestamp};
use sansock_tests::by_hand::ByHand;

use ConnectionEvent::{Data, PeerFinished};
use OpKind::{Close, Recv, Send};

const SECOND: Duration = Duration::from_secs(1);
const NANO: Duration = Duration::from_nanos(1);

fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

/// Every time-out differs, so that a test sees which one ran.
fn config() -> ConnectionConfig {
    (|| {
        ConnectionConfig::default()
            .read_idle(Some(seconds(10)))?
            .write_stall(Some(seconds(20)))?
            .half_closed(Some(seconds(30)))?
            .paused(Some(seconds(40)))?
            .closing(seconds(50), seconds(5), 1_000)?
            .retry(Duration::from_millis(100), SECOND)
    })()
    .expect("sensible limits")
}

fn connection() -> ByHand<sansock::Connection> {
    ByHand::connection(config())
}

// F4, F6
#[test]
fn a_time_out_fires_exactly_when_it_is_due_and_not_before() {
    let mut by_hand = connection();
    by_hand.pass(seconds(10) - NANO);
    assert_eq!(by_hand.machine.life(), Life::Open);
    by_hand.pass(NANO);
    assert_eq!(by_hand.machine.life(), Life::Lingering);
}

// C9
#[test]
fn only_bytes_put_the_idle_time_out_off() {
    let mut by_hand = connection();
    by_hand.pass(seconds(9));
    by_hand.receive("x");
    assert_eq!(by_hand.until_deadline(), Some(seconds(10)));
    by_hand.pass(seconds(5));
    by_hand.send("what we send is no word of the peer's").expect("room");
    by_hand.sent_all();
    by_hand.pass(seconds(4));
    by_hand.fail(Recv, FaultKind::NoBuffers);
    by_hand.pass(SECOND);
    assert_eq!(by_hand.machine.life(), Life::Lingering);
}

// F1
#[test]
fn x138_a_clock_that_runs_backwards_stands_still() {
    let mut by_hand = connection();
    by_hand.pass(seconds(5));
    by_hand.now = Timestamp::from_secs(2);
    by_hand.receive("x");
    // Ten seconds from the latest time that was seen.
    assert_eq!(by_hand.machine.deadline(), Some(Timestamp::from_secs(15)));
    by_hand.pass(seconds(3));
    assert_eq!(by_hand.machine.life(), Life::Open);
}

// F2, F5
#[test]
fn x139_a_time_out_of_the_longest_duration_never_comes() {
    let longest = Some(Duration::MAX);
    let config = config().read_idle(longest).and_then(|config| config.write_stall(longest)).expect("sensible limits");
    let mut by_hand = ByHand::connection(config);
    by_hand.send("x").expect("room");
    assert_eq!(by_hand.machine.deadline(), None);
    by_hand.pass(seconds(u64::MAX / 1_000_000_000));
    by_hand.now = Timestamp::NEVER;
    by_hand.pass(Duration::MAX);
    assert_eq!(by_hand.machine.life(), Life::Open);
}

// F8, X140: there is no cap on a jump; each time-out fires once, and what it starts counts from the time after the jump.
#[test]
fn x140_after_a_jump_of_the_clock_a_time_out_fires_once() {
    let mut by_hand = connection();
    by_hand.pass(seconds(1_000_000));
    assert_eq!(by_hand.machine.life(), Life::Lingering);
    assert_eq!(by_hand.until_deadline(), Some(seconds(20)), "our FIN, from now on");
    assert_eq!(by_hand.events(), []);
}

// F3
#[test]
fn x141_a_time_out_of_zero_is_refused_and_none_switches_it_off() {
    assert!(config().read_idle(Some(Duration::ZERO)).is_err());
    assert!(config().write_stall(Some(Duration::ZERO)).is_err());
    assert!(config().half_closed(Some(Duration::ZERO)).is_err());
    assert!(config().paused(Some(Duration::ZERO)).is_err());
    assert!(config().closing(Duration::ZERO, SECOND, 0).is_err());
    assert!(config().closing(SECOND, Duration::ZERO, 0).is_err());
    assert!(config().retry(Duration::ZERO, SECOND).is_err());
    let without = config().read_idle(None).expect("a sensible limit");
    assert_eq!(ByHand::connection(without).machine.deadline(), None);
}

// C8, D12, F10
#[test]
fn x142_handling_a_deadline_makes_it_go_away_and_handling_nothing_does_nothing() {
    let mut by_hand = connection();
    let deadline = by_hand.machine.deadline();
    by_hand.pass(SECOND);
    assert_eq!(by_hand.machine.deadline(), deadline);
    assert_eq!(by_hand.machine.poll().map(drop), None);
    by_hand.pass_to_deadline();
    assert!(by_hand.machine.deadline() > deadline);
    by_hand.pass(Duration::ZERO);
    assert_eq!(by_hand.machine.life(), Life::Lingering);
}

#[test]
fn x143_every_time_out_is_on_by_default() {
    let mut by_hand = ByHand::connection(ConnectionConfig::default());
    let minute = Some(seconds(60));
    assert_eq!(by_hand.until_deadline(), minute, "read idle");
    by_hand.pass(SECOND);
    by_hand.call(|stream, now| stream.pause(now));
    assert_eq!(by_hand.until_deadline(), minute, "paused");
    by_hand.send("x").expect("room");
    by_hand.pass(SECOND);
    by_hand.sent_all();
    by_hand.receive_eof();
    by_hand.call(|stream, now| stream.resume(now));
    assert_eq!(by_hand.until_deadline(), minute, "half-closed");
    by_hand.pass(SECOND);
    by_hand.send("x").expect("room");
    assert_eq!(by_hand.until_deadline(), minute, "write stall");
    by_hand.call(|stream, now| stream.finish(now));
    assert_eq!(by_hand.until_deadline(), Some(seconds(30)), "closing");
}

// F7
#[test]
fn x145_of_several_time_outs_that_are_due_one_counts_by_a_fixed_order() {
    let mut by_hand = connection();
    by_hand.send("x").expect("room");
    by_hand.call(|connection, now| connection.drain_by(now, Timestamp::from_secs(15)));
    by_hand.pass(seconds(100));
    by_hand.complete_cancelled();
    by_hand.close_done();
    assert_eq!(by_hand.report().reason, CloseReason::DrainDeadline);

    let mut by_hand = connection();
    by_hand.send("x").expect("room");
    by_hand.pass(seconds(100));
    by_hand.complete_cancelled();
    by_hand.close_done();
    assert_eq!(by_hand.report().reason, CloseReason::WriteStall, "not read idle, which was due first");
}

// F7
#[test]
fn a_completion_handed_in_at_its_deadline_comes_first() {
    let mut by_hand = connection();
    by_hand.now = Timestamp::from_secs(10);
    by_hand.receive("x");
    by_hand.pass(Duration::ZERO);
    assert_eq!(by_hand.machine.life(), Life::Open);
    assert_eq!(by_hand.until_deadline(), Some(seconds(10)));
}

// B8, F6
#[test]
fn receiving_and_sending_back_off_each_by_itself() {
    let millis = |count| Some(Duration::from_millis(count));
    let mut by_hand = connection();
    by_hand.send("abcdef").expect("room");
    by_hand.fail(Recv, FaultKind::NoBuffers);
    assert_eq!(by_hand.in_flight(), [Send], "no receive before its delay is over");
    assert_eq!(by_hand.until_deadline(), millis(100));
    by_hand.sent(1);
    assert_eq!(by_hand.in_flight(), [Send], "sending goes on");
    by_hand.pass_to_deadline();
    by_hand.fail(Recv, FaultKind::NoBuffers);
    assert_eq!(by_hand.until_deadline(), millis(200), "twice as long the second time, although a send has worked");

    by_hand.fail(Send, FaultKind::NoMemory);
    assert_eq!(by_hand.in_flight(), []);
    assert_eq!(by_hand.until_deadline(), millis(100), "the send has a delay of its own");
    by_hand.pass_to_deadline();
    assert_eq!(by_hand.in_flight(), [Send]);
    by_hand.sent(1);
    by_hand.pass_to_deadline();
    assert_eq!(by_hand.in_flight(), [Recv, Send]);
    by_hand.receive("x");
    for kind in [Recv, Send] {
        by_hand.fail(kind, FaultKind::NoBuffers);
        assert_eq!(by_hand.until_deadline(), millis(100), "one that works starts again with the first delay");
        by_hand.pass_to_deadline();
    }
}

// C8, X68
#[test]
fn a_back_off_beyond_the_end_of_time_is_no_retry_at_once() {
    let config = config().read_idle(None).and_then(|config| config.retry(Duration::MAX, Duration::MAX)).expect("sensible limits");
    let mut by_hand = ByHand::connection(config);
    by_hand.fail(Recv, FaultKind::NoBuffers);
    assert_eq!(by_hand.in_flight(), [], "it would fail at once, and so on");
    by_hand.pass(seconds(1_000_000_000));
    assert_eq!(by_hand.in_flight(), []);
    by_hand.pass_to_deadline();
    assert_eq!(by_hand.in_flight(), [Recv]);
}

// F9, A12
#[test]
fn a_pause_that_is_over_when_the_peer_has_ended_ends_nothing() {
    let mut by_hand = connection();
    by_hand.call(|stream, now| stream.pause(now));
    by_hand.receive_eof();
    by_hand.pass(SECOND);
    by_hand.call(|stream, now| stream.resume(now));
    assert_eq!(by_hand.events(), [PeerFinished]);
    // Handing something over now and then keeps it open for longer than a pause may last.
    for _ in 0..3 {
        by_hand.pass(seconds(19));
        by_hand.send("x").expect("room");
        by_hand.sent_all();
    }
    assert_eq!(by_hand.machine.life(), Life::Open);
}

#[test]
fn a_pause_is_counted_from_its_beginning_whatever_happens_meanwhile() {
    let config = config().receive_credit(2);
    let mut by_hand = ByHand::connection(config);
    by_hand.receive("x");
    by_hand.call(|stream, now| stream.pause(now));
    by_hand.pass(seconds(10));
    by_hand.receive("y");
    by_hand.pass(seconds(10));
    by_hand.call(|stream, now| stream.resume(now));
    assert_eq!(by_hand.until_deadline(), Some(seconds(20)), "without credit it is still no better");
    by_hand.call(|connection, now| connection.grant(now, 5));
    assert_eq!(by_hand.until_deadline(), Some(seconds(10)), "the peer's time again");
}

#[test]
fn a_pause_after_the_peers_end_was_delivered_is_not_counted() {
    let mut by_hand = connection();
    by_hand.receive_eof();
    by_hand.pass(SECOND);
    by_hand.call(|stream, now| stream.pause(now));
    assert_eq!(by_hand.until_deadline(), Some(seconds(29)), "half-closed, from the peer's end on");
}

// C2, C3
#[test]
fn a_connection_that_only_a_pause_keeps_open_still_ends_by_abort_drain_and_time_out() {
    let held_open = || {
        let mut by_hand = connection();
        by_hand.call(|stream, now| stream.pause(now));
        by_hand.receive_eof();
        by_hand.call(|stream, now| stream.half_close(now));
        by_hand.shutdown_done();
        assert_eq!(by_hand.machine.life(), Life::Open, "the application does not know yet that the peer has ended");
        by_hand
    };
    let ended = |mut by_hand: ByHand<sansock::Connection>, reason| {
        by_hand.close_done();
        let report = by_hand.report();
        assert_eq!((report.ending, report.reason), (Ending::Confirmed, reason));
    };

    let mut by_hand = held_open();
    by_hand.call(|stream, now| stream.abort(now));
    ended(by_hand, CloseReason::Aborted);

    let mut by_hand = held_open();
    by_hand.call(|connection, now| connection.drain_by(now, Timestamp::from_secs(1)));
    assert_eq!(by_hand.pass_to_deadline(), SECOND);
    ended(by_hand, CloseReason::DrainDeadline);

    let mut by_hand = held_open();
    assert_eq!(by_hand.pass_to_deadline(), seconds(40));
    ended(by_hand, CloseReason::Paused);

    let mut by_hand = held_open();
    by_hand.call(|stream, now| stream.resume(now));
    assert_eq!(by_hand.events(), [PeerFinished]);
    ended(by_hand, CloseReason::Finished);
}

// A12, D5
#[test]
fn nothing_runs_once_the_connection_is_over() {
    let mut by_hand = connection();
    by_hand.send("x").expect("room");
    by_hand.fail(Recv, FaultKind::ConnectionReset);
    assert_eq!(by_hand.machine.deadline(), None);
    by_hand.complete_cancelled();
    assert_eq!(by_hand.in_flight(), [Close]);
    by_hand.pass(seconds(1_000));
    assert_eq!(by_hand.machine.deadline(), None);
}

// X85: the application's own time is not the peer's.
#[test]
fn x084_while_the_application_has_paused_the_peers_silence_does_not_count() {
    let mut by_hand = connection();
    by_hand.call(|connection, now| connection.pause(now));
    by_hand.receive("x");
    by_hand.pass(seconds(39));
    assert_eq!(by_hand.machine.life(), Life::Open);
    by_hand.call(|connection, now| connection.resume(now));
    assert_eq!(by_hand.events(), [Data("x".into())]);
    assert_eq!(by_hand.until_deadline(), Some(seconds(10)), "the peer's time starts again");
}

// C7: with nothing in flight and no deadline it is the application's turn.
#[test]
fn a_connection_waits_for_ever_only_for_its_application() {
    let config = config().read_idle(None).and_then(|config| config.paused(None)).expect("sensible limits");
    let mut by_hand = ByHand::connection(config);
    assert_eq!((by_hand.in_flight(), by_hand.machine.deadline()), (vec![Recv], None), "it waits for the peer");
    by_hand.call(|stream, now| stream.pause(now));
    by_hand.receive("x");
    assert_eq!((by_hand.in_flight(), by_hand.machine.deadline()), (vec![], None));
    by_hand.call(|stream, now| stream.resume(now));
    assert_eq!(by_hand.in_flight(), [Recv]);
}
