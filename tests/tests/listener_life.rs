//! From the first operation of a listener to its last: starting, failing to start, options, stopping.

use sansock::state::ListenerLife;
use sansock::{
    Fault, FaultKind, Listener, ListenerConfig, ListenerEvent, ListenerReport, Op, OpKind, OptionName, Outcome, RefusedOptions,
    Setting, SocketOptions,
};
use sansock_tests::drive::{Drive, address, listener_at, name};

/// The report of a listener that has ended.
fn closed(drive: &mut Drive<Listener>) -> ListenerReport {
    match drive.events().pop() {
        Some(ListenerEvent::Closed(report)) => report,
        other => panic!("not closed, but {other:?}"),
    }
}

/// How a listener reports that it cannot listen.
fn complaint(drive: &mut Drive<Listener>) -> String {
    closed(drive).error.expect("an error").to_string()
}

#[test]
fn the_steps_of_a_server_come_one_after_another() {
    let mut drive = Drive::started(listener_at(0));
    assert_eq!(drive.in_flight(), [OpKind::Create]);
    drive.finish(OpKind::Create);
    assert_eq!(drive.in_flight(), [OpKind::Bind]);
    drive.finish(OpKind::Bind);
    assert_eq!(drive.in_flight(), [OpKind::Listen]);
    drive.complete(drive.the(OpKind::Listen), Outcome::Local(Some(address(4000))));
    assert_eq!(drive.events(), [ListenerEvent::Listening { local: Some(address(4000)) }]);
    assert_eq!(drive.in_flight(), []);
    assert!(drive.machine().wants_slot());
}

#[test]
fn the_port_may_be_known_since_the_bind() {
    let mut drive = Drive::started(listener_at(0));
    drive.finish(OpKind::Create);
    drive.complete(drive.the(OpKind::Bind), Outcome::Local(Some(address(4000))));
    drive.complete(drive.the(OpKind::Listen), Outcome::Local(None));
    assert_eq!(drive.events(), [ListenerEvent::Listening { local: Some(address(4000)) }]);
}

// X2: some systems say so at the bind, some at the listen.
#[test]
fn x002_an_address_in_use_is_reported_with_the_step_and_the_address() {
    for step in [OpKind::Bind, OpKind::Listen] {
        let mut drive = Drive::started(listener_at(80));
        drive.finish(OpKind::Create);
        if step == OpKind::Listen {
            drive.finish(OpKind::Bind);
        }
        drive.complete(drive.the(step), Outcome::Failed(Fault::with_code(FaultKind::AddressInUse, 98)));
        drive.wind_up();
        let verb = if step == OpKind::Bind { "bind" } else { "listen on" };
        assert_eq!(complaint(&mut drive), format!("cannot {verb} 127.0.0.1:80: address in use (os error 98)"));
    }
}

#[test]
fn x003_in_use_with_port_0_means_that_no_port_is_free() {
    for (port, kind) in [(0, FaultKind::NoFreePort), (80, FaultKind::AddressInUse)] {
        for code in [Some(98), None] {
            let fault = code.map_or(Fault::new(FaultKind::AddressInUse), |code| Fault::with_code(FaultKind::AddressInUse, code));
            let mut drive = Drive::started(listener_at(port));
            drive.finish(OpKind::Create);
            drive.complete(drive.the(OpKind::Bind), Outcome::Failed(fault));
            drive.wind_up();
            let fault = closed(&mut drive).error.unwrap().fault;
            assert_eq!((fault.kind(), fault.code()), (kind, code));
        }
    }
}

// X4: it is not tried again.
#[test]
fn x004_a_privileged_port_is_refused_once() {
    let mut drive = Drive::started(listener_at(80));
    drive.finish(OpKind::Create);
    drive.fail(drive.the(OpKind::Bind), FaultKind::PermissionDenied);
    drive.wind_up();
    assert_eq!(complaint(&mut drive), "cannot bind 127.0.0.1:80: permission denied");
    assert_eq!(drive.machine().life(), ListenerLife::Closed);
}

#[test]
fn without_a_socket_there_is_nothing_to_close() {
    let mut drive = Drive::started(listener_at(80));
    drive.fail(drive.the(OpKind::Create), FaultKind::Unsupported);
    assert_eq!(drive.in_flight(), []);
    assert_eq!(complaint(&mut drive), "cannot create a socket for 127.0.0.1:80: not supported by this system");
}

// A8: what was created is closed, whichever step failed.
#[test]
fn a_listener_that_cannot_start_closes_its_socket() {
    for step in [OpKind::Bind, OpKind::Listen] {
        let mut drive = Drive::started(listener_at(80));
        while drive.in_flight() != [step] {
            let kind = drive.in_flight()[0];
            drive.finish(kind);
        }
        drive.fail(drive.the(step), FaultKind::Other);
        assert_eq!(drive.in_flight(), [OpKind::Close]);
        assert!(matches!(drive.op(drive.the(OpKind::Close)), Op::Close(close) if !close.abortive()));
        // A close that failed counts as closed.
        drive.fail(drive.the(OpKind::Close), FaultKind::Other);
        assert!(drive.has_ended());
    }
}

// X8, A7: a socket that is there after all is closed, and nobody is told that it listens.
#[test]
fn x008_a_stop_while_a_step_is_in_flight_waits_for_it_and_closes() {
    for step in [OpKind::Create, OpKind::Bind, OpKind::Listen] {
        let late_successes = [true, false];
        for late_success in late_successes {
            for drain in [true, false] {
                let mut drive = Drive::started(listener_at(80));
                while drive.in_flight() != [step] {
                    let kind = drive.in_flight()[0];
                    drive.finish(kind);
                }
                drive.call(|listener, now| if drain { listener.sweep(now) } else { listener.stop(now) });
                assert!(drive.is_cancelled(drive.the(step)));
                if late_success {
                    drive.finish(step);
                } else {
                    drive.fail(drive.the(step), FaultKind::Cancelled);
                }
                let exists = late_success || step != OpKind::Create;
                assert_eq!(drive.in_flight(), if exists { vec![OpKind::Close] } else { vec![] });
                drive.wind_up();
                assert_eq!(drive.events(), [ListenerEvent::Closed(*drive.machine().report())]);
                assert_eq!(drive.machine().report().error, None, "what was cancelled fails; that is no news");
            }
        }
    }
}

#[test]
fn a_listener_that_never_started_ends_at_once() {
    for drain in [true, false] {
        let mut drive = Drive::listener(listener_at(80));
        drive.call(|listener, now| if drain { listener.sweep(now) } else { listener.stop(now) });
        assert_eq!(drive.events(), [ListenerEvent::Closed(ListenerReport::default())]);
        drive.call(|listener, now| listener.stop(now));
        drive.refuse_call(|listener, now| listener.start(now));
    }
}

#[test]
fn a_stop_before_the_create_was_submitted_creates_nothing() {
    let mut drive = Drive::listener(listener_at(80));
    drive.call(|listener, now| {
        listener.start(now).unwrap();
        listener.stop(now);
    });
    assert!(drive.has_ended());
}

// D13
#[test]
fn a_listener_starts_once() {
    let mut drive = Drive::started(listener_at(80));
    let misuse = drive.refuse_call(|listener, now| listener.start(now));
    assert_eq!(misuse.to_string(), "start in state Creating: the call is not possible in this state");
}

// X10: the default differs between systems, so it is never left to them.
#[test]
fn x010_whether_an_ipv6_socket_takes_ipv4_is_always_said() {
    let drive = Drive::started(listener_at(80));
    let Op::Create(create) = drive.op(drive.the(OpKind::Create)) else { panic!() };
    assert_eq!(create.options().only_v6, Setting::BestEffort(true));
    assert_eq!(create.options().reuse_address, Setting::BestEffort(true));
    assert_eq!(create.address(), address(80));
}

#[test]
fn x013_the_backlog_is_what_was_asked_for_and_no_limit_on_connections() {
    let mut drive = Drive::started(listener_at(80).backlog(7));
    drive.finish(OpKind::Create);
    drive.finish(OpKind::Bind);
    assert!(matches!(drive.op(drive.the(OpKind::Listen)), Op::Listen(listen) if listen.backlog() == 7));
}

const BOTH_REFUSED: RefusedOptions = RefusedOptions::NONE.with(OptionName::ReuseAddress).with(OptionName::OnlyV6);

#[test]
fn x014_a_refused_option_is_fatal_only_if_it_is_required() {
    let mut drive = Drive::started(listener_at(80));
    drive.complete(drive.the(OpKind::Create), Outcome::Created(BOTH_REFUSED));
    assert_eq!(drive.events(), [ListenerEvent::OptionsRefused { refused: BOTH_REFUSED }]);
    drive.wind_up();
    assert_eq!(drive.machine().life(), ListenerLife::Listening);
    assert_eq!(drive.machine().report().refused, BOTH_REFUSED);

    let options = SocketOptions { only_v6: Setting::Required(true), ..SocketOptions::LISTENER };
    let mut drive = Drive::started(listener_at(80).options(options));
    drive.complete(drive.the(OpKind::Create), Outcome::Created(BOTH_REFUSED));
    assert_eq!(drive.in_flight(), [OpKind::Close]);
    drive.wind_up();
    assert_eq!(complaint(&mut drive), "cannot create a socket for 127.0.0.1:80: a required socket option was refused");
}

// X15: what an accepted socket inherits differs between systems.
#[test]
fn x015_accepted_sockets_have_options_of_their_own() {
    let own = SocketOptions { send_buffer: Setting::Required(4096), ..SocketOptions::default() };
    let mut drive = Drive::listens(listener_at(80).accepted_options(own));
    drive.offer(1);
    assert!(matches!(drive.op(drive.the(OpKind::Accept)), Op::Accept(accept) if *accept.options() == own));

    let mut drive = Drive::listens(listener_at(80));
    drive.offer(1);
    assert!(matches!(drive.op(drive.the(OpKind::Accept)), Op::Accept(accept) if *accept.options() == SocketOptions::CONNECTION));
}

// A9, A10: close is a join.
#[test]
fn a_stop_cancels_the_accept_and_closes_when_it_has_come_back() {
    let mut drive = Drive::listens(listener_at(80));
    let slot = drive.offer(1);
    let accept = drive.the(OpKind::Accept);
    drive.call(|listener, now| listener.stop(now));
    assert!(drive.is_cancelled(accept));
    assert_eq!(drive.in_flight(), [OpKind::Accept]);
    drive.fail(accept, FaultKind::Cancelled);
    assert_eq!(drive.events(), [ListenerEvent::Returned { slot }]);
    assert_eq!(drive.in_flight(), [OpKind::Close]);
    drive.wind_up();
    assert!(drive.has_ended());
}

#[test]
fn an_offer_that_was_not_used_yet_comes_back_at_a_stop() {
    let mut drive = Drive::listens(listener_at(80));
    drive.call(|listener, now| {
        listener.offer(now, name(1)).unwrap();
        listener.stop(now);
    });
    assert_eq!(drive.events(), [ListenerEvent::Returned { slot: name(1) }]);
    drive.wind_up();
    assert!(drive.has_ended());
}

#[test]
fn the_limits_of_a_listener_are_checked() {
    use std::time::Duration;
    let retry = |first, most| ListenerConfig::new(address(1)).retry(Duration::from_millis(first), Duration::from_millis(most));
    assert!(retry(5, 5).is_ok());
    assert_eq!(retry(0, 5).unwrap_err().field(), "retry");
    assert_eq!(retry(6, 5).unwrap_err().to_string(), "retry: the longest delay must not be below the first");
}
