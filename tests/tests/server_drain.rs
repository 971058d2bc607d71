//! The end of a server: drained, or stopped, or both.

use std::time::Duration;

use sansock::state::SupervisorLife;
use sansock::{CloseReason, CloseReport, Ending, FaultKind, Op, OpId, OpKind, Outcome, Server, ServerEvent, SocketId, Timestamp};
use sansock_tests::drive::{Drive, Verdicts, connected, report};

type Driven = Drive<Server<Verdicts>>;

const DEADLINE: Timestamp = Timestamp::from_secs(10);

fn drain(drive: &mut Driven, deadline: Timestamp) {
    drive.call(|server, now| server.drain(now, deadline));
}

fn stop(drive: &mut Driven) {
    drive.call(|server, now| server.stop(now));
}

/// A server with one listener and one session.
fn one_session(places: usize) -> (Driven, SocketId) {
    let mut drive = Drive::listening(1, places);
    let socket = drive.connect(5000);
    drive.events();
    (drive, socket)
}

fn waits(drive: &Driven, id: OpId) -> bool {
    matches!(drive.op(id), Op::Accept(accept) if accept.wait())
}

fn drain_order(socket: SocketId, deadline: Timestamp) -> String {
    format!("Order({socket}, Drain({deadline}))")
}

fn abort_order(socket: SocketId) -> String {
    format!("Order({socket}, Abort)")
}

// X18, X129: what is queued is served, and told of the drain at once; then the listener closes, before the sessions end.
#[test]
fn x018_a_drain_serves_what_is_queued_and_then_closes_the_listener() {
    let (mut drive, first) = one_session(8);
    drain(&mut drive, DEADLINE);
    assert_eq!(drive.said(), [drain_order(first, DEADLINE)]);
    drive.fail(drive.the(OpKind::Accept), FaultKind::Cancelled);
    for port in 1..=2 {
        let accept = drive.the(OpKind::Accept);
        assert!(!waits(&drive, accept));
        drive.complete(accept, connected(port));
        let socket = accept.socket();
        assert_eq!(drive.said(), [format!("Opened({socket})"), drain_order(socket, DEADLINE)]);
    }
    drive.complete(drive.the(OpKind::Accept), Outcome::NoneWaiting);
    assert_eq!(drive.in_flight(), [OpKind::Close]);
    drive.finish(OpKind::Close);
    assert_eq!((drive.machine().live(), drive.machine().life()), (3, SupervisorLife::Draining));
}

// X18, X29: with no place left nobody can be served. Those who are queued see a reset instead of waiting for nothing.
#[test]
fn x018_a_drain_at_the_limit_closes_the_listener_at_once() {
    let (mut drive, _) = one_session(1);
    drain(&mut drive, DEADLINE);
    assert_eq!(drive.in_flight(), [OpKind::Close]);
}

// X18, X130: the place of the one is about to be free for the other.
#[test]
fn x018_every_listener_is_swept_even_with_a_single_place() {
    let mut drive = Drive::listening(3, 1);
    drain(&mut drive, DEADLINE);
    drive.fail(drive.the(OpKind::Accept), FaultKind::Cancelled);
    let mut swept = Vec::new();
    for _ in 0..3 {
        let accept = drive.the(OpKind::Accept);
        let Op::Accept(op) = drive.op(accept) else { panic!() };
        swept.push(op.listener().slot());
        drive.complete(accept, Outcome::NoneWaiting);
    }
    swept.sort_unstable();
    assert_eq!(swept, [1, 2, 3]);
    drive.wind_up();
    drive.stopped();
}

// X18: the same with a connection that is turned away: its place is free as soon as it is closed.
#[test]
fn x018_a_rejected_connection_does_not_end_the_sweep() {
    let mut drive = Drive::listening_with(1, 1, Verdicts { rejected: vec![9], asked: Vec::new() });
    drain(&mut drive, DEADLINE);
    drive.complete(drive.the(OpKind::Accept), connected(9));
    assert_eq!(drive.in_flight(), [OpKind::Close]);
    drive.finish(OpKind::Close);
    drive.complete(drive.the(OpKind::Accept), connected(10));
    assert_eq!((drive.machine().live(), drive.in_flight()), (1, vec![OpKind::Close]));
}

// X124, C3: who does not obey is aborted at the deadline. The server has stopped when the last is gone, not before.
#[test]
fn x124_what_is_left_at_the_deadline_is_aborted() {
    let (mut drive, socket) = one_session(8);
    drain(&mut drive, DEADLINE);
    drive.wind_up();
    drive.events();
    assert_eq!((drive.in_flight(), drive.machine().life()), (vec![], SupervisorLife::Draining));
    assert!(drive.tick_at_deadline());
    assert_eq!(drive.now(), DEADLINE);
    assert_eq!(drive.said(), [abort_order(socket)]);
    assert_eq!(drive.until_deadline(), None, "there is nothing more to do by time");
    drive.gone(socket, Ending::Aborted);
    drive.wind_up();
    assert!(drive.stopped().forced);
}

// X124: and who obeys is not.
#[test]
fn x124_a_drain_that_everybody_obeys_ends_early_and_is_not_forced() {
    let (mut drive, socket) = one_session(8);
    drain(&mut drive, DEADLINE);
    drive.wind_up();
    drive.gone(socket, Ending::Confirmed);
    drive.wind_up();
    let report = drive.stopped();
    assert!(!report.forced);
    assert_eq!((report.confirmed, drive.until_deadline()), (1, None));
}

// X126
#[test]
fn x126_a_deadline_that_is_over_aborts_at_the_next_look_at_the_clock() {
    for deadline in [Timestamp::ZERO, Timestamp::from_secs(4), Timestamp::from_secs(5)] {
        let (mut drive, socket) = one_session(8);
        drive.pass(Duration::from_secs(5));
        drain(&mut drive, deadline);
        assert_eq!(drive.until_deadline(), Some(Duration::ZERO));
        drive.tick();
        assert_eq!(drive.said(), [drain_order(socket, deadline), abort_order(socket)]);
        drive.gone(socket, Ending::Aborted);
        drive.wind_up();
        assert!(drive.stopped().forced);
    }
}

// F2: a deadline of never is none.
#[test]
fn a_drain_without_a_deadline_waits_for_ever() {
    let (mut drive, socket) = one_session(8);
    drain(&mut drive, Timestamp::NEVER);
    drive.wind_up();
    assert_eq!(drive.until_deadline(), None);
    drive.pass(Duration::MAX);
    drive.tick();
    assert_eq!(drive.machine().life(), SupervisorLife::Draining);
    drive.gone(socket, Ending::Confirmed);
    drive.wind_up();
    drive.stopped();
}

// X127
#[test]
fn x127_of_several_deadlines_the_earliest_counts() {
    let (mut drive, socket) = one_session(8);
    drain(&mut drive, DEADLINE);
    drive.wind_up();
    drive.events();
    let before = drive.canonical();
    for later in [DEADLINE, Timestamp::from_secs(11), Timestamp::NEVER] {
        drain(&mut drive, later);
        assert_eq!(drive.canonical(), before, "{later}");
    }
    let earlier = Timestamp::from_secs(3);
    drain(&mut drive, earlier);
    assert_eq!(drive.said(), [drain_order(socket, earlier)]);
    assert_eq!(drive.until_deadline(), Some(Duration::from_secs(3)));
}

#[test]
fn x127_a_first_drain_without_a_deadline_can_be_given_one() {
    let (mut drive, _) = one_session(8);
    drain(&mut drive, Timestamp::NEVER);
    drain(&mut drive, DEADLINE);
    assert_eq!(drive.until_deadline(), Some(Duration::from_secs(10)));
}

// X127: at any time.
#[test]
fn x127_a_stop_during_a_drain_aborts_everything() {
    let (mut drive, socket) = one_session(8);
    drain(&mut drive, DEADLINE);
    let accept = drive.the(OpKind::Accept);
    stop(&mut drive);
    assert_eq!(drive.said(), [drain_order(socket, DEADLINE), abort_order(socket)]);
    assert_eq!(drive.until_deadline(), None);
    // The accept was cancelled once already. Who comes now is reset.
    drive.complete(accept, connected(5001));
    assert_eq!(drive.said(), [] as [&str; 0]);
    drive.gone(socket, Ending::Aborted);
    drive.wind_up();
    let report = drive.stopped();
    assert_eq!((report.accepted, report.rejected, report.aborted), (2, 1, 1));
}

#[test]
fn x127_after_a_stop_nothing_changes_any_more() {
    let (mut drive, socket) = one_session(8);
    stop(&mut drive);
    drive.wind_up();
    drive.events();
    let again = |drive: &mut Driven| {
        let before = drive.canonical();
        drain(drive, DEADLINE);
        drain(drive, Timestamp::ZERO);
        stop(drive);
        drive.pass(Duration::from_secs(20));
        drive.tick();
        assert_eq!((drive.canonical(), drive.said()), (before, vec![]));
    };
    again(&mut drive);
    drive.gone(socket, Ending::Aborted);
    assert_eq!(drive.in_flight(), [OpKind::Cleanup]);
    again(&mut drive);
    drive.finish(OpKind::Cleanup);
    drive.stopped();
    again(&mut drive);
}

// X128, X134: a delay of the back-off is no reason to wait, and does not revive the listener.
#[test]
fn x128_a_server_that_backs_off_drains_and_stops_at_once() {
    for end in [drain as fn(&mut Driven, Timestamp), |drive, _| stop(drive)] {
        let mut drive = Drive::listening(1, 8);
        drive.fail(drive.the(OpKind::Accept), FaultKind::DescriptorLimit);
        end(&mut drive, DEADLINE);
        drive.wind_up();
        assert_eq!(drive.now(), Timestamp::ZERO);
        drive.stopped();
    }
}

// X130, X129
#[test]
fn x130_all_listeners_stop_accepting_before_anybody_is_waited_for() {
    let mut drive = Drive::listening(3, 8);
    drive.connect(5000);
    let accepts = drive.all(OpKind::Accept);
    drain(&mut drive, DEADLINE);
    assert_eq!(accepts.len(), 3);
    assert!(accepts.iter().all(|accept| drive.is_cancelled(*accept)));
    drive.wind_up();
    assert_eq!((drive.in_flight(), drive.machine().live()), (vec![], 1), "closed, although a session is out");
}

// X135, X36: the guard of the session's owner says so when it panics or drops it.
#[test]
fn x135_a_session_whose_owner_disappears_frees_its_place() {
    for ending in [drain as fn(&mut Driven, Timestamp), |_, _| {}] {
        let (mut drive, socket) = one_session(1);
        ending(&mut drive, DEADLINE);
        drive.contract_mut().gone(socket);
        drive.call(|server, now| server.gone(now, socket, &CloseReport::LOST).unwrap());
        assert_eq!(drive.machine().live(), 0);
        assert_eq!(drive.machine().report().aborted, 1);
        if drive.machine().life() == SupervisorLife::Running {
            assert_eq!(drive.in_flight(), [OpKind::Accept], "accepting goes on");
            stop(&mut drive);
        }
        drive.wind_up();
        drive.stopped();
    }
    assert_eq!(CloseReport::LOST.reason, CloseReason::Lost);
}

// X6: every connection is gone, those that nobody wanted too.
#[test]
fn x006_a_server_has_stopped_when_the_last_socket_is_closed() {
    let mut drive = Drive::listening_with(1, 4, Verdicts { rejected: vec![9], asked: Vec::new() });
    let socket = drive.connect(1);
    drive.connect(9);
    stop(&mut drive);
    drive.fail(drive.the(OpKind::Accept), FaultKind::Cancelled);
    let [listener, rejected] = drive.all(OpKind::Close)[..] else { panic!() };
    drive.gone(socket, Ending::Aborted);
    drive.complete(listener, Outcome::Done);
    assert_eq!(drive.in_flight(), [OpKind::Close]);
    drive.complete(rejected, Outcome::Done);
    assert_eq!(drive.in_flight(), [OpKind::Cleanup]);
}

// A10: an order for a session that has ended meanwhile is not given.
#[test]
fn a_session_that_is_gone_gets_no_orders() {
    let (mut drive, socket) = one_session(8);
    drive.contract_mut().gone(socket);
    drive.call(|server, now| {
        server.drain(now, DEADLINE);
        server.gone(now, socket, &report(Ending::Confirmed)).unwrap();
    });
    assert_eq!(drive.said(), [] as [&str; 0]);
}

// C2, C3: a transport that completes only what was cancelled, and closes.
#[test]
fn a_drain_over_a_dead_transport_ends_at_its_deadline() {
    let mut drive = Drive::listening(2, 8);
    let socket = drive.connect(5000);
    drain(&mut drive, DEADLINE);
    drive.wind_up_dead();
    assert_eq!(drive.in_flight(), [OpKind::Accept, OpKind::Accept], "they do not wait, and do not come back");
    assert!(drive.tick_at_deadline());
    drive.wind_up_dead();
    drive.gone(socket, Ending::Aborted);
    drive.wind_up_dead();
    drive.stopped();
    assert_eq!(drive.now(), DEADLINE);
}

// A13: exactly one Stopped, and it is the last event. The driver refuses anything after it.
#[test]
fn a_server_says_once_that_it_has_stopped() {
    let (mut drive, socket) = one_session(8);
    stop(&mut drive);
    drive.gone(socket, Ending::Aborted);
    drive.wind_up();
    let stopped = |event: &ServerEvent<_>| matches!(event, ServerEvent::Stopped(_));
    assert_eq!(drive.events().iter().filter(|event| stopped(event)).count(), 1);
    stop(&mut drive);
    assert_eq!(drive.said(), [] as [&str; 0]);
}
