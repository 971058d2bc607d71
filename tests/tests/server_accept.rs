//! A server that accepts: the limit, verdicts, faults, and listeners that break.

use std::time::Duration;

use sansock::state::SupervisorLife;
use sansock::{
    Connected, Ending, FaultKind, Machine, Op, OpId, OpKind, OptionName, Origin, Outcome, RefusedOptions, Server, ServerEvent,
    Setting, SocketId, SocketOptions, Timestamp,
};
use sansock_tests::drive::{Drive, Verdicts, address, connected, listener_at};

type Driven = Drive<Server<Verdicts>>;

/// The listener that this accept takes from.
fn listener_of(drive: &Driven, accept: OpId) -> SocketId {
    match drive.op(accept) {
        Op::Accept(accept) => accept.listener(),
        op => panic!("{op:?}"),
    }
}

/// A server that turns away the peer with port 9.
fn choosy(places: usize) -> Driven {
    Drive::listening_with(1, places, Verdicts { rejected: vec![9], asked: Vec::new() })
}

#[test]
fn a_connection_is_handed_out_with_what_is_known_of_it() {
    let mut drive = Drive::listening(2, 4);
    drive.events();
    let accept = drive.all(OpKind::Accept)[1];
    drive.complete(accept, connected(5000));
    let [ServerEvent::Opened { socket, peer, session }] = &drive.events()[..] else { panic!() };
    assert_eq!((*socket, session.socket()), (accept.socket(), accept.socket()));
    assert_eq!((peer.address, peer.local), (Some(address(5000)), Some(address(80))));
    assert_eq!(peer.origin, Origin::Accepted { listener: 1 });
    assert_eq!(drive.machine().service().asked, [*peer]);
}

#[test]
fn x035_a_service_may_be_asked_about_a_peer_that_is_not_known() {
    let mut drive = Drive::listening(1, 1);
    drive.complete(drive.the(OpKind::Accept), Outcome::Connected(Connected::default().into()));
    assert_eq!(drive.machine().service().asked[0].address, None);
    assert_eq!(drive.machine().live(), 1);
}

/// Places are offered as long as any listener wants one, and there is one.
#[test]
fn each_listener_has_as_many_accepts_in_flight_as_it_may() {
    for (places, first, second) in [(5, 2, 2), (4, 2, 2), (3, 2, 1), (1, 1, 0)] {
        let both = [80, 81].map(|port| listener_at(port).accepts(2).unwrap());
        let mut drive = Driven::server(&both, places, Verdicts::default());
        drive.start();
        drive.wind_up();
        let listeners: Vec<_> = drive.all(OpKind::Accept).into_iter().map(|accept| listener_of(&drive, accept).slot()).collect();
        let count = |slot| listeners.iter().filter(|listener| **listener == slot).count();
        assert_eq!((count(1), count(2)), (first, second), "{places} places");
    }
}

// X29, C5: the rest waits in the system's queue; the first that goes makes room.
#[test]
fn x029_at_the_limit_nothing_is_accepted_until_a_session_is_gone() {
    let mut drive = Drive::listening(1, 2);
    let first = drive.connect(5000);
    let second = drive.connect(5001);
    assert_eq!(drive.in_flight(), []);
    drive.gone(second, Ending::Confirmed);
    assert_eq!(drive.in_flight(), [OpKind::Accept]);
    drive.connect(5002);
    drive.gone(first, Ending::Confirmed);
    assert_eq!(drive.in_flight(), [OpKind::Accept]);
}

// X30, X29, B4: the accept in flight holds the place. The driver asserts the limit at every step.
#[test]
fn x030_with_one_place_only_one_listener_accepts_and_they_take_turns() {
    let mut drive = Drive::listening(3, 1);
    let mut turns = Vec::new();
    for port in 5000..5006 {
        assert_eq!(drive.machine().places_used(), 1);
        turns.push(listener_of(&drive, drive.the(OpKind::Accept)).slot());
        let socket = drive.connect(port);
        assert_eq!(drive.in_flight(), []);
        drive.gone(socket, Ending::Confirmed);
    }
    assert_eq!(turns, [1, 2, 3, 1, 2, 3]);
}

// X30: an accept that fails gives its place to the next listener too.
#[test]
fn x030_a_listener_that_backs_off_leaves_its_place_to_the_others() {
    let mut drive = Drive::listening(2, 1);
    let first = drive.the(OpKind::Accept);
    let listener = listener_of(&drive, first);
    drive.fail(first, FaultKind::DescriptorLimit);
    assert_ne!(listener_of(&drive, drive.the(OpKind::Accept)), listener);
}

// X34, X36: a verdict is given at once; who is turned away is reset, and accepting goes on.
#[test]
fn x034_a_rejected_connection_is_reset_and_its_place_is_free_once_it_is_closed() {
    let mut drive = choosy(1);
    drive.events();
    let socket = drive.connect(9);
    assert_eq!(drive.said(), [] as [&str; 0]);
    assert_eq!(drive.in_flight(), [OpKind::Close], "B4: it counts until it is gone");
    let close = drive.the(OpKind::Close);
    assert!(matches!(drive.op(close), Op::Close(close) if close.abortive() && close.socket() == socket));
    drive.finish(OpKind::Close);
    assert_eq!(drive.in_flight(), [OpKind::Accept]);
    drive.connect(10);
    let report = drive.machine().report();
    assert_eq!((report.accepted, report.rejected, drive.machine().live()), (2, 1, 1));
}

#[test]
fn x034_rejected_connections_are_closed_in_any_order() {
    let mut drive = choosy(3);
    for _ in 0..3 {
        drive.connect(9);
    }
    for close in drive.all(OpKind::Close).into_iter().rev() {
        assert!(drive.machine().places_used() <= 3);
        drive.fail(close, FaultKind::Other);
    }
    drive.call(|server, now| server.stop(now));
    drive.wind_up();
    assert_eq!(drive.stopped().rejected, 3);
}

// X36, X14: also without asking the service.
#[test]
fn x036_a_connection_without_a_required_option_is_reset() {
    let options = SocketOptions { no_delay: Setting::Required(true), ..SocketOptions::default() };
    let mut drive = Drive::server(&[listener_at(80).accepted_options(options)], 2, Verdicts::default());
    drive.start();
    drive.wind_up();
    let refused = RefusedOptions::NONE.with(OptionName::NoDelay);
    drive.complete(drive.the(OpKind::Accept), Outcome::Connected(Connected { refused, ..Connected::default() }.into()));
    assert_eq!(drive.in_flight(), [OpKind::Close, OpKind::Accept]);
    assert_eq!(drive.machine().service().asked, []);
    assert_eq!((drive.machine().report().accepted, drive.machine().report().rejected), (1, 1));
}

// X37, A8
#[test]
fn x037_a_connection_that_comes_after_the_stop_is_reset_and_counted() {
    let mut drive = Drive::listening(1, 2);
    let accept = drive.the(OpKind::Accept);
    drive.call(|server, now| server.stop(now));
    drive.complete(accept, connected(5000));
    assert_eq!(drive.in_flight(), [OpKind::Close, OpKind::Close]);
    assert_eq!(drive.machine().service().asked, []);
    drive.wind_up();
    let report = drive.stopped();
    assert_eq!((report.accepted, report.rejected, report.finished()), (1, 1, 0));
}

// X38: it is registered by the completion itself, so no drain can miss it.
#[test]
fn x038_a_connection_that_is_accepted_just_before_the_drain_is_told_of_it() {
    let mut drive = Drive::listening(1, 2);
    drive.events();
    let accept = drive.the(OpKind::Accept);
    drive.complete_and_call(accept, connected(5000), |server, now| {
        assert_eq!(server.live(), 1);
        server.drain(now, Timestamp::from_secs(9));
    });
    let socket = accept.socket();
    assert_eq!(drive.said(), [format!("Opened({socket})"), format!("Order({socket}, Drain(9.000000000s))")]);
    drive.wind_up();
    assert!(!drive.has_ended());
}

// X17, C4: a session's end frees a descriptor, and so does the close of a rejected connection.
#[test]
fn x017_accepting_is_tried_again_early_when_a_socket_of_ours_goes() {
    for rejected in [true, false] {
        let mut drive = choosy(8);
        drive.events();
        let socket = drive.connect(if rejected { 9 } else { 10 });
        drive.fail(drive.the(OpKind::Accept), FaultKind::DescriptorLimit);
        assert_eq!(drive.until_deadline(), Some(Duration::from_millis(5)));
        assert_eq!(drive.said().last().unwrap(), "Exhausted(0, Fault { kind: DescriptorLimit, code: None })");
        if rejected {
            drive.finish(OpKind::Close);
        } else {
            drive.gone(socket, Ending::Confirmed);
        }
        assert_eq!((drive.in_flight(), drive.until_deadline()), (vec![OpKind::Accept], None));
        drive.connect(10);
        assert_eq!(drive.said()[0], "Recovered(0, 1)");
    }
}

// X17, C8, G2: a storm on one listener costs one attempt per delay, and the other one and the sessions nothing.
#[test]
fn x017_a_storm_of_exhausted_accepts_does_not_spin_and_leaves_the_others_alone() {
    let mut drive = Drive::listening(2, 8);
    let socket = drive.connect(5000);
    let other = drive.all(OpKind::Accept).into_iter().min().unwrap();
    let mut attempts = 0;
    while drive.now() < Timestamp::from_secs(10) {
        let accept = drive.all(OpKind::Accept).into_iter().find(|accept| *accept != other).unwrap();
        drive.fail(accept, FaultKind::SystemDescriptorLimit);
        attempts += 1;
        assert_eq!(drive.all(OpKind::Accept), [other]);
        assert!(drive.tick_at_deadline());
    }
    // 5, 10, 20, ... 640 ms, then one a second.
    assert_eq!(attempts, 17);
    assert_eq!(drive.machine().report().accept_faults, 17);
    assert_eq!(drive.machine().live(), 1);
    drive.gone(socket, Ending::Confirmed);
}

// X32: reasons for not accepting are independent. That one of them is over does not end the other, in whichever order they end.
#[test]
fn x032_a_back_off_that_is_over_does_not_make_room_and_room_does_not_end_a_drain() {
    let mut drive = Drive::listening(2, 2);
    let [first, second] = drive.all(OpKind::Accept)[..] else { panic!() };
    drive.fail(first, FaultKind::DescriptorLimit);
    drive.complete(second, connected(5000));
    let full = drive.connect(5001);
    assert_eq!(drive.in_flight(), [], "one backs off, and there is no room");
    assert!(drive.tick_at_deadline());
    assert_eq!(drive.in_flight(), [], "there is no room");
    drive.call(|server, now| server.drain(now, Timestamp::NEVER));
    drive.wind_up();
    drive.gone(full, Ending::Confirmed);
    assert_eq!(drive.in_flight(), [], "there is room, and the server drains");
    assert_eq!(drive.machine().life(), SupervisorLife::Draining);
}

// X25, X16, C4, D11: one that is lost does not take the others with it.
#[test]
fn x025_a_lost_listener_is_said_and_the_others_go_on() {
    let mut drive = Drive::listening(2, 4);
    drive.events();
    let [first, second] = drive.all(OpKind::Accept)[..] else { panic!() };
    drive.fail(first, FaultKind::BadDescriptor);
    drive.finish(OpKind::Close);
    assert_eq!(drive.in_flight(), [OpKind::Accept]);
    let [ServerEvent::ListenerLost { listener: 0, error }] = drive.events()[..] else { panic!() };
    assert_eq!(error.to_string(), "cannot accept on 127.0.0.1:80: bad file descriptor");
    drive.complete(second, connected(5000));
    assert_eq!((drive.machine().live(), drive.machine().life()), (1, SupervisorLife::Running));
}

// X25, C7: without a listener nobody new can come, so the server ends with its last session.
#[test]
fn x025_a_server_whose_last_listener_is_lost_ends_after_its_last_session() {
    let mut drive = Drive::listening(1, 4);
    let sockets = [drive.connect(5000), drive.connect(5001)];
    drive.fail(drive.the(OpKind::Accept), FaultKind::InvalidArgument);
    drive.wind_up();
    assert_eq!((drive.machine().life(), drive.in_flight()), (SupervisorLife::Running, vec![]));
    drive.gone(sockets[0], Ending::Confirmed);
    assert!(!drive.has_ended());
    drive.gone(sockets[1], Ending::Aborted);
    drive.wind_up();
    let report = drive.stopped();
    assert_eq!((report.listen_errors.len(), report.finished(), report.forced), (1, 2, false));
}

#[test]
fn x025_a_server_without_listeners_can_still_be_drained_and_stopped() {
    for drain in [true, false] {
        let mut drive = Drive::listening(1, 4);
        let socket = drive.connect(5000);
        drive.fail(drive.the(OpKind::Accept), FaultKind::InvalidArgument);
        drive.wind_up();
        drive.events();
        drive.call(|server, now| if drain { server.drain(now, Timestamp::from_secs(1)) } else { server.stop(now) });
        let order = if drain { "Drain(1.000000000s)" } else { "Abort" };
        assert_eq!(drive.said(), [format!("Order({socket}, {order})")]);
        drive.gone(socket, Ending::Aborted);
        drive.wind_up();
        drive.stopped();
    }
}

// X42, C4
#[test]
fn x042_a_listener_that_cannot_be_watched_is_tried_again() {
    let mut drive = Drive::listening(1, 4);
    let accept = drive.the(OpKind::Accept);
    let listener = listener_of(&drive, accept);
    drive.call(|server, now| server.broken(now, listener, FaultKind::NoMemory.into()));
    drive.wind_up();
    drive.tick_at_deadline();
    assert_eq!(listener_of(&drive, drive.the(OpKind::Accept)), listener);
}

// A13: accepted = rejected + finished, and finished is the sum of the endings.
#[test]
fn the_counters_of_the_report_add_up() {
    let mut drive = choosy(8);
    for (port, ending) in [(1, Ending::Confirmed), (2, Ending::Unconfirmed), (3, Ending::Aborted), (4, Ending::Confirmed)] {
        let socket = drive.connect(port);
        drive.connect(9);
        drive.gone(socket, ending);
    }
    drive.call(|server, now| server.stop(now));
    drive.wind_up();
    let report = drive.stopped();
    assert_eq!((report.accepted, report.rejected, report.finished()), (8, 4, 4));
    assert_eq!((report.confirmed, report.unconfirmed, report.aborted), (2, 1, 1));
    assert_eq!((report.received, report.sent), (12, 20));
    assert_eq!(report.to_string(), "accepted 8: 2 confirmed, 1 unconfirmed, 1 aborted, 4 rejected; received 12, sent 20");
}
