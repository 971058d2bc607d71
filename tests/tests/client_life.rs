//! A client, driven by hand: initialise, dial, hand out the session, release everything.

#[path = "client/desk.rs"]
mod desk;

use std::collections::BTreeSet;
use std::time::Duration;

use desk::{Desired, Desk, config, success};
use sansock::state::SupervisorLife;
use sansock::{
    Canonical, Client, CloseReason, CloseReport, Completion, DialFailure, Ending, FaultKind, Machine, MisuseKind, Op, OpId,
    OpKind, Order, Outcome, Output, SlotRange, SocketId, Timestamp,
};

/// The report of a session that ended so.
fn closed(ending: Ending) -> CloseReport {
    let reason = if ending == Ending::Aborted { CloseReason::Aborted } else { CloseReason::Finished };
    CloseReport { ending, reason, received: 14, sent: 14, ..CloseReport::LOST }
}

// The five steps of a client; cleaning up waits for the socket.
#[test]
fn a_client_initialises_dials_hands_out_the_session_and_cleans_up_after_it() {
    let mut desk = Desk::connected();
    assert!(desk.next().is_none(), "the session is out: the client waits for it");
    let socket = desk.socket();
    desk.client.gone(desk.now, socket, &closed(Ending::Confirmed)).unwrap();
    let Some(Op::Cleanup(op)) = desk.next() else { panic!("the last socket is gone") };
    assert!(desk.reports.is_empty());
    desk.done(op.done());
    let report = desk.report();
    assert!(report.is_confirmed() && !report.rejected);
    assert_eq!(report.to_string(), "127.0.0.1:1: confirmed: finished; received 14, sent 14");
}

#[test]
fn the_report_says_whether_the_peer_confirmed() {
    for ending in [Ending::Unconfirmed, Ending::Aborted] {
        let mut desk = Desk::connected();
        let socket = desk.socket();
        desk.client.gone(desk.now, socket, &closed(ending)).unwrap();
        desk.wind_up();
        let report = desk.report();
        assert!(!report.is_confirmed());
        assert_eq!(report.closed.unwrap().ending, ending);
    }
}

// X64: without a connection there is no handler that could write, and what its first callback writes goes first.
#[test]
fn x064_nothing_is_written_before_the_connection_is_there() {
    let mut desk = Desk::dial(&[1]);
    let op = desk.connect();
    assert_eq!(desk.asked.get(), 0, "a handler before there is a peer");
    desk.done(success(op));
    assert!(desk.next().is_none());
    let session = desk.session.as_mut().unwrap();
    assert!(session.poll().is_none(), "its owner has not opened it");
    session.open(desk.now);
    let Some(Output::Submit(Op::Send(op))) = session.poll() else { panic!("what the first callback wrote") };
    assert_eq!(op.chunks().concat(), b"hello");
}

// X48
#[test]
fn a_client_that_cannot_connect_says_why_and_asks_for_no_handler() {
    let mut desk = Desk::dial(&[1, 2]);
    for _ in 0..2 {
        let op = desk.connect();
        desk.done(op.failed(FaultKind::ConnectionRefused.into()));
        let Some(Op::Close(op)) = desk.next() else { panic!("a socket that is of no use") };
        desk.done(op.done());
    }
    desk.wind_up();
    assert_eq!(desk.asked.get(), 0);
    let report = desk.report();
    assert_eq!(report.to_string(), "no connection: 127.0.0.1:1: connection refused; 127.0.0.1:2: connection refused");
}

#[test]
fn a_connection_that_the_service_turns_away_is_reset_and_the_report_says_so() {
    let mut desk = Desk::dialling(Desk::new(config(&[1]), true));
    let op = desk.connect();
    desk.done(success(op));
    assert_eq!(desk.wind_up(), [true]);
    let report = desk.report();
    assert!(report.rejected && report.closed.is_none());
    assert_eq!(report.to_string(), "127.0.0.1:1: turned away by the service");
}

// X1: as for a server: no operation before the runtime is there, and none after it failed.
#[test]
fn a_startup_that_fails_is_all_there_is() {
    let mut desk = Desk::new(config(&[1]), false);
    desk.client.start(desk.now).unwrap();
    let Some(Op::Startup(op)) = desk.next() else { panic!("the first operation") };
    assert!(desk.next().is_none(), "nothing without the runtime");
    desk.done(op.failed(FaultKind::RuntimeUnavailable.into()));
    assert_eq!(desk.report().to_string(), "cannot start: socket runtime not available");
}

// X8 in a client: stopped before, while and after it starts up.
#[test]
fn a_client_that_is_stopped_while_it_starts_never_dials() {
    // Before the startup is polled: there is nothing to release.
    let mut desk = Desk::new(config(&[1]), false);
    desk.client.start(desk.now).unwrap();
    desk.client.stop(desk.now);
    assert_eq!(desk.report().dial_error.unwrap().failure, DialFailure::Cancelled);

    // While it is in flight: it is cancelled.
    let mut desk = Desk::new(config(&[1]), false);
    desk.client.start(desk.now).unwrap();
    let _startup = desk.next();
    desk.client.stop(desk.now);
    desk.wind_up();
    assert_eq!(desk.report().startup_error, None, "that was no trouble of the system");

    // It fails by itself before it is cancelled.
    let mut desk = Desk::new(config(&[1]), false);
    desk.client.start(desk.now).unwrap();
    let Some(Op::Startup(op)) = desk.next() else { panic!("the first operation") };
    desk.client.stop(desk.now);
    desk.done(op.failed(FaultKind::RuntimeUnavailable.into()));
    assert_eq!(desk.report().startup_error, Some(FaultKind::RuntimeUnavailable.into()));

    // It succeeds all the same: then it is released.
    let mut desk = Desk::new(config(&[1]), false);
    desk.client.start(desk.now).unwrap();
    let Some(Op::Startup(op)) = desk.next() else { panic!("the first operation") };
    desk.client.drain(desk.now, Timestamp::from_secs(9));
    desk.done(op.done());
    assert!(matches!(desk.next(), Some(Op::Cleanup(_))));

    // Not started at all.
    let mut desk = Desk::new(config(&[1]), false);
    desk.client.stop(desk.now);
    assert_eq!(desk.report().to_string(), "stopped before it started");
    assert_eq!(desk.client.start(desk.now).unwrap_err().kind(), MisuseKind::WrongState);
}

// X63
#[test]
fn x063_stop_and_drain_while_dialling_close_the_attempt() {
    for drain in [false, true] {
        let mut desk = Desk::dial(&[1, 2]);
        let _ = desk.connect();
        if drain {
            desk.client.drain(desk.now, Timestamp::from_secs(9));
        } else {
            desk.client.stop(desk.now);
        }
        assert_eq!(desk.wind_up(), [false]);
        let report = desk.report();
        assert_eq!(report.to_string(), "no connection: cancelled: 127.0.0.1:1: cancelled");
        assert_eq!(desk.asked.get(), 0);
    }
}

// X63, A8
#[test]
fn x063_a_connection_that_comes_after_the_stop_is_reset_and_never_handed_out() {
    let mut desk = Desk::dial(&[1]);
    let op = desk.connect();
    desk.client.stop(desk.now);
    assert!(matches!(desk.next(), Some(Op::Cancel(_))));
    desk.done(success(op));
    assert_eq!(desk.wind_up(), [true]);
    desk.report();
    assert!(desk.session.is_none());
}

// C3, X127: the earliest deadline wins; it is an order to the session, and at the deadline another.
#[test]
fn a_drain_tells_the_session_and_aborts_it_at_the_earliest_deadline() {
    let mut desk = Desk::connected();
    let socket = desk.socket();
    let at = Timestamp::from_secs;
    desk.client.drain(desk.now, at(9));
    desk.client.drain(desk.now, at(20));
    desk.client.drain(desk.now, at(5));
    assert!(desk.next().is_none());
    assert_eq!(desk.orders, [(socket, Order::Drain(at(9))), (socket, Order::Drain(at(5)))]);
    assert_eq!(desk.client.deadline(), Some(at(5)));
    desk.client.handle_timeout(at(5));
    desk.client.stop(at(6));
    assert!(desk.next().is_none());
    assert_eq!(desk.orders[2..], [(socket, Order::Abort)], "once");
    desk.client.gone(at(6), socket, &closed(Ending::Aborted)).unwrap();
    desk.wind_up();
    desk.client.stop(at(7));
    desk.report();
}

#[test]
fn x126_a_drain_whose_deadline_is_past_aborts_at_once_and_ends_once() {
    let mut desk = Desk::connected();
    desk.now = Timestamp::from_secs(10);
    desk.client.drain(desk.now, Timestamp::from_secs(3));
    assert!(desk.client.deadline().unwrap() <= desk.now);
    desk.client.handle_timeout(desk.now);
    assert_eq!(desk.client.deadline(), None, "C8: it does not fire again");
    assert!(desk.next().is_none());
    assert_eq!(desk.orders.last(), Some(&(desk.socket(), Order::Abort)));
    let socket = desk.socket();
    desk.client.gone(desk.now, socket, &closed(Ending::Aborted)).unwrap();
    desk.wind_up();
    desk.report();
}

// D13: a session that was never out, is not out yet, or is out no more.
#[test]
fn gone_is_refused_unless_that_session_is_out() {
    let mut desk = Desk::dial(&[1]);
    let op = desk.connect();
    let socket = op.socket();
    let refused = |desk: &mut Desk, socket| {
        let before = encoding(desk);
        let error = desk.client.gone(desk.now, socket, &CloseReport::LOST).unwrap_err();
        assert_eq!((error.kind(), encoding(desk)), (MisuseKind::UnknownSocket, before));
    };
    refused(&mut desk, socket);
    desk.done(success(op));
    refused(&mut desk, socket);
    assert!(desk.next().is_none(), "the session is handed out");
    refused(&mut desk, SocketId::new(socket.slot(), socket.generation() + 1).unwrap());
    desk.client.gone(desk.now, socket, &closed(Ending::Confirmed)).unwrap();
    refused(&mut desk, socket);
    desk.wind_up();
    desk.report();
}

// D4: the stamp of a close under the name of another kind.
#[test]
fn the_close_of_a_rejected_connection_is_completed_by_a_close_alone() {
    let mut desk = Desk::dialling(Desk::new(config(&[1]), true));
    let op = desk.connect();
    desk.done(success(op));
    let Some(Op::Close(op)) = desk.next() else { panic!("it is turned away") };
    let before = encoding(&desk);
    for kind in [OpKind::Recv, OpKind::Shutdown, OpKind::Connect] {
        let id = OpId::new(op.socket(), kind, op.id().stamp());
        let error = desk.client.complete(desk.now, Completion::from_raw(id, Outcome::Done)).unwrap_err();
        assert_eq!(error.kind(), MisuseKind::NotInFlight);
    }
    let wrong = Completion::from_raw(op.id(), Outcome::Eof);
    assert_eq!(desk.client.complete(desk.now, wrong).unwrap_err().kind(), MisuseKind::WrongOutcome);
    assert_eq!(encoding(&desk), before);
    desk.done(op.failed(FaultKind::Other.into()));
    desk.wind_up();
    assert_eq!(desk.report().refused_completions, 4);
}

fn encoding(desk: &Desk) -> Vec<u8> {
    let mut out = Vec::new();
    desk.client.canonical(desk.now, &mut out);
    out
}

/// The encodings of a life with a session, from one step to the next.
fn encodings(start: Timestamp) -> Vec<Vec<u8>> {
    let mut desk = Desk::new(config(&[1]), false);
    desk.now = start;
    let mut all = Vec::new();
    let mut note = |desk: &Desk| all.push(encoding(desk));
    note(&desk);
    desk.client.start(desk.now).unwrap();
    note(&desk);
    let Some(Op::Startup(op)) = desk.next() else { panic!("the first operation") };
    note(&desk);
    desk.done(op.done());
    note(&desk);
    let op = desk.connect();
    note(&desk);
    let socket = op.socket();
    desk.done(success(op));
    note(&desk);
    assert!(desk.next().is_none(), "the session is handed out");
    note(&desk);
    desk.client.drain(desk.now, start + Duration::from_secs(9));
    note(&desk);
    assert!(desk.next().is_none(), "the order is given");
    note(&desk);
    desk.client.gone(desk.now, socket, &closed(Ending::Confirmed)).unwrap();
    note(&desk);
    desk.wind_up();
    note(&desk);
    all
}

// The encoding of what behaves alike is the same, whenever it happens; of what does not, it is not.
#[test]
fn the_encoding_tells_states_apart_and_nothing_else() {
    let early = encodings(Timestamp::ZERO);
    assert_eq!(early, encodings(Timestamp::from_secs(1_000_000)));
    assert_eq!(early.iter().collect::<BTreeSet<_>>().len(), early.len());
}

#[test]
fn a_socket_that_breaks_without_an_operation_ends_its_attempt() {
    let mut desk = Desk::dial(&[1, 2]);
    let op = desk.connect();
    desk.client.broken(desk.now, op.socket(), FaultKind::ConnectionReset.into());
    let Some(Op::Cancel(_)) = desk.next() else { panic!("what is in flight") };
    desk.done(op.failed(FaultKind::Cancelled.into()));
    let Some(Op::Close(op)) = desk.next() else { panic!("a socket that is of no use") };
    desk.done(op.done());
    assert_eq!(desk.connect().address(), desk::address(2));
}

#[test]
fn what_is_printed_for_a_programmer_names_state_and_socket() {
    let mut desk = Desk::dial(&[1]);
    let op = desk.connect();
    assert!(format!("{:?}", desk.client).starts_with("Client { life: Running"));
    desk.done(success(op));
    let Some(Output::Event(event)) = desk.client.poll() else { panic!("it is connected") };
    assert_eq!(format!("{event:?}"), "Opened(1.0)");
}

// C2, C10: a transport that completes nothing but what was cancelled, and closes.
#[test]
fn a_dead_transport_ends_a_client_by_its_time_for_all_addresses() {
    let mut desk = Desk::dial(&[1, 2, 3, 4, 5]);
    let mut steps = 0;
    while desk.reports.is_empty() {
        match desk.next() {
            Some(Op::Cancel(op)) => desk.done(Completion::from_raw(op.target(), Outcome::Failed(FaultKind::Cancelled.into()))),
            Some(Op::Close(op)) => desk.done(op.done()),
            Some(Op::Cleanup(op)) => desk.done(op.done()),
            Some(_) => {}
            None if desk.reports.is_empty() => {
                desk.now = desk.client.deadline().expect("C7: something is awaited");
                desk.client.handle_timeout(desk.now);
            }
            None => {}
        }
        steps += 1;
        assert!(steps < 100, "it goes on for ever");
    }
    assert_eq!(desk.now, Timestamp::from_secs(30));
    assert_eq!(desk.report().dial_error.unwrap().attempts.len(), 5);
}

#[test]
fn a_cleanup_that_fails_is_the_end_all_the_same() {
    let mut desk = Desk::dial(&[1]);
    desk.client.stop(desk.now);
    let Some(Op::Cleanup(op)) = desk.next() else { panic!("there is no socket yet") };
    desk.done(op.failed(FaultKind::Other.into()));
    desk.report();
}

#[test]
fn a_client_needs_two_slots() {
    let needed = config(&[1]).slots_needed();
    let client = |count| Client::new(config(&[1]), Desired::default(), SlotRange::new(0, count).unwrap());
    assert_eq!(client(needed - 1).unwrap_err().kind(), MisuseKind::Slots);
    assert_eq!(client(needed).unwrap().life(), SupervisorLife::New);
}
