//! Completions that cannot be, and reports that need not be: what a broken transport does to one connection.

use sansock::state::Life;
use sansock::{
    Canonical, CloseReason, Completion, Connection, ConnectionConfig, Ending, Fault, FaultKind, Machine, Misuse, MisuseKind,
    OpId, OpKind, Outcome, SocketId, Stream, Timestamp,
};
use sansock_tests::by_hand::{ByHand, socket};

use OpKind::{Close, Recv, Send, Shutdown};

/// A connection that receives and sends three bytes.
fn busy() -> ByHand<Connection> {
    let mut by_hand = ByHand::connection(ConnectionConfig::default());
    by_hand.send("abc").expect("room");
    by_hand
}

fn complete(by_hand: &mut ByHand<Connection>, id: OpId, outcome: Outcome) -> Result<(), MisuseKind> {
    // Much later: not even the time may change.
    let later = Timestamp::from_secs(1_000_000);
    let done = Completion::from_raw(id, outcome);
    by_hand.input(|machine| machine.complete(later, done)).map_err(|misuse: Misuse| misuse.kind())
}

fn picture(by_hand: &ByHand<Connection>) -> (Vec<u8>, Option<Timestamp>, Vec<OpKind>) {
    let mut canonical = Vec::new();
    by_hand.machine.canonical(by_hand.now, &mut canonical);
    (canonical, by_hand.machine.deadline(), by_hand.in_flight())
}

/// The completion is refused with this, and nothing but the count of refusals has changed.
fn refused(by_hand: &mut ByHand<Connection>, id: OpId, outcome: Outcome, kind: MisuseKind) {
    let before = picture(by_hand);
    assert_eq!(complete(by_hand, id, outcome), Err(kind));
    assert_eq!(picture(by_hand), before);
    assert_eq!(by_hand.events(), []);
}

// D1, D9
#[test]
fn a_completion_for_another_socket_is_refused() {
    let mut by_hand = busy();
    let other = SocketId::new(8, 3).expect("slot 8 is in range");
    refused(&mut by_hand, OpId::new(other, Recv, 0), Outcome::Eof, MisuseKind::UnknownSocket);
}

// D2
#[test]
fn x146_a_completion_for_the_last_socket_of_the_slot_is_refused() {
    let mut by_hand = busy();
    let stamp = by_hand.recv().id().stamp();
    let last = SocketId::new(socket().slot(), socket().generation() - 1).expect("the same slot");
    refused(&mut by_hand, OpId::new(last, Recv, stamp), Outcome::Eof, MisuseKind::UnknownSocket);
}

// D3
#[test]
fn x150_a_second_completion_of_an_operation_is_refused() {
    let mut by_hand = busy();
    let recv = by_hand.recv().id();
    by_hand.receive("abc");
    by_hand.events();
    refused(&mut by_hand, recv, Outcome::Eof, MisuseKind::NotInFlight);
}

// D4
#[test]
fn a_completion_of_a_kind_that_is_not_in_flight_is_refused() {
    let mut by_hand = busy();
    let stamp = by_hand.recv().id().stamp();
    for kind in OpKind::ALL {
        if ![Recv, Send].contains(&kind) {
            refused(&mut by_hand, OpId::new(socket(), kind, stamp), Outcome::Done, MisuseKind::NotInFlight);
        }
    }
}

// D4, D9
#[test]
fn an_outcome_that_the_operation_cannot_come_to_is_refused() {
    let mut by_hand = busy();
    let (recv, send) = (by_hand.recv().id(), by_hand.sending().id());
    for outcome in [Outcome::Sent(1), Outcome::Done, Outcome::NoneWaiting, Outcome::Local(None)] {
        refused(&mut by_hand, recv, outcome, MisuseKind::WrongOutcome);
    }
    for outcome in [Outcome::Data("x".into()), Outcome::Eof, Outcome::Done] {
        refused(&mut by_hand, send, outcome, MisuseKind::WrongOutcome);
    }
    by_hand.receive("the operation is still in flight");
}

// D5
#[test]
fn x122_completions_after_the_close_are_refused() {
    let mut by_hand = busy();
    let (recv, send) = (by_hand.recv().id(), by_hand.sending().id());
    by_hand.call(|stream, now| stream.abort(now));
    by_hand.complete_cancelled();
    let close = by_hand.close().id();
    by_hand.close_done();
    by_hand.events();
    refused(&mut by_hand, recv, Outcome::Data("x".into()), MisuseKind::NotInFlight);
    refused(&mut by_hand, send, Outcome::Sent(1), MisuseKind::NotInFlight);
    refused(&mut by_hand, close, Outcome::Done, MisuseKind::NotInFlight);
}

// B12
#[test]
fn the_report_counts_the_completions_that_were_refused_and_no_event_tells_of_each() {
    let mut by_hand = busy();
    for stamp in 0..=u8::MAX {
        refused(&mut by_hand, OpId::new(socket(), Shutdown, stamp), Outcome::Done, MisuseKind::NotInFlight);
    }
    by_hand.call(|stream, now| stream.abort(now));
    by_hand.complete_cancelled();
    by_hand.close_done();
    assert_eq!(by_hand.report().refused_completions, 256);
}

// D6: compared before any arithmetic.
#[test]
fn more_sent_than_asked_ends_the_connection() {
    for count in [4, usize::MAX] {
        let mut by_hand = busy();
        by_hand.sent(count);
        by_hand.complete_cancelled();
        by_hand.close_done();
        let report = by_hand.report();
        assert_eq!(report.reason, CloseReason::TransportFault { operation: Send });
        assert_eq!((report.ending, report.sent, report.unsent), (Ending::Aborted, 0, 3));
    }
}

// D6, B2
#[test]
fn more_received_than_asked_ends_the_connection_and_none_of_it_is_delivered() {
    let config = ConnectionConfig::default().receive_size(4).expect("more than zero");
    let mut by_hand = ByHand::connection(config);
    by_hand.receive("abcde");
    by_hand.close_done();
    let report = by_hand.report();
    assert_eq!(report.reason, CloseReason::TransportFault { operation: Recv });
    assert_eq!((report.received, report.undelivered), (0, 0));
}

// D10: the transport's own word that the socket is broken, without an operation that says so.
#[test]
fn a_broken_socket_ends_the_connection_once() {
    let mut by_hand = busy();
    let fault = Fault::new(FaultKind::ConnectionReset);
    let other = SocketId::new(8, 3).expect("slot 8 is in range");
    by_hand.call(|connection, now| connection.broken(now, other, fault));
    assert_eq!(by_hand.machine.life(), Life::Open);
    by_hand.call(|connection, now| connection.broken(now, socket(), fault));
    by_hand.call(|connection, now| connection.broken(now, socket(), FaultKind::TimedOut.into()));
    assert_eq!(by_hand.cancelled(), [Recv, Send], "once");
    by_hand.complete_cancelled();
    by_hand.close_done();
    let report = by_hand.report();
    assert_eq!((report.reason, report.cut_short), (CloseReason::Broken(fault), None));
}

// D10
#[test]
fn after_an_error_the_socket_is_asked_for_nothing_but_its_close() {
    let mut by_hand = busy();
    by_hand.fail(Recv, FaultKind::ConnectionReset);
    by_hand.call(|stream, now| stream.finish(now));
    let _ = by_hand.send("more");
    by_hand.sent(3);
    assert_eq!(by_hand.in_flight(), [Close]);
}

// D12, C8
#[test]
fn time_outs_that_are_not_due_and_polls_do_nothing() {
    let mut by_hand = busy();
    let before = picture(&by_hand);
    for _ in 0..100 {
        by_hand.pass(std::time::Duration::ZERO);
        by_hand.poll();
    }
    assert_eq!(picture(&by_hand), before);
}

// D7, C8: what has run out for ever is waited for ever longer, not ever faster.
#[test]
fn a_fault_that_stays_is_no_spin() {
    let mut by_hand = busy();
    let mut tries = 0;
    while by_hand.machine.life() == Life::Open {
        if by_hand.in_flight().contains(&Send) {
            by_hand.fail(Send, FaultKind::NoBuffers);
            tries += 1;
        }
        by_hand.pass_to_deadline();
    }
    // 5 ms doubled up to 1 s, for the 60 s that a stall may last.
    assert_eq!(tries, 67);
}

// E1, E4
#[test]
fn a_clone_with_the_same_inputs_does_the_same() {
    let mut by_hand = busy();
    for _ in 0..10 {
        by_hand.send("a piece of a backlog").expect("room");
    }
    let mut twin = by_hand.machine.clone();
    let send = by_hand.sending().id();
    let now = by_hand.now;
    let both: [&mut Connection; 2] = [&mut by_hand.machine, &mut twin];
    let outputs = both.map(|machine| {
        for piece in ["one", "more"] {
            machine.send(now, piece.into()).expect("room");
        }
        machine.complete(now, Completion::from_raw(send, Outcome::Sent(3))).expect("in flight");
        let sent = format!("{:?}", machine.poll());
        machine.broken(now, socket(), FaultKind::ConnectionReset.into());
        sent + &format!("{:?}", machine.poll())
    });
    assert_eq!(outputs[0], outputs[1]);
}
