//! Starting a server: the socket runtime, then all listeners or none.

use sansock::state::SupervisorLife;
use sansock::{
    FaultKind, Machine, MisuseKind, Op, OpKind, OptionName, Outcome, RefusedOptions, Server, ServerConfig, SlotRange, Timestamp,
};
use sansock_tests::drive::{Drive, Verdicts, address, listener_at};

type Driven = Drive<Server<Verdicts>>;

/// A server with two listeners, started.
fn two() -> Driven {
    let mut drive = Drive::server(&[listener_at(80), listener_at(81)], 4, Verdicts::default());
    drive.start();
    drive
}

/// The same, and its socket runtime is there.
fn two_creating() -> Driven {
    let mut drive = two();
    drive.finish(OpKind::Startup);
    drive
}

/// The same, and the first one listens.
fn one_of_two_listens() -> Driven {
    let mut drive = two_creating();
    let first = drive.all(OpKind::Create)[0];
    drive.complete(first, Outcome::Created(RefusedOptions::NONE));
    drive.finish(OpKind::Bind);
    drive.finish(OpKind::Listen);
    drive
}

// X1: nothing comes before the socket runtime is there.
#[test]
fn x001_the_socket_runtime_is_the_first_step() {
    let mut drive = two();
    assert_eq!(drive.in_flight(), [OpKind::Startup]);
    drive.finish(OpKind::Startup);
    assert_eq!(drive.in_flight(), [OpKind::Create, OpKind::Create]);
    assert_eq!(drive.machine().life(), SupervisorLife::Running);
}

// X1: and there is nothing to release.
#[test]
fn x001_without_a_socket_runtime_the_server_stops() {
    let mut drive = two();
    drive.fail(drive.the(OpKind::Startup), FaultKind::RuntimeUnavailable);
    assert_eq!(drive.in_flight(), []);
    let report = drive.stopped();
    assert_eq!(report.startup_error.unwrap().kind(), FaultKind::RuntimeUnavailable);
    assert!(report.to_string().ends_with("; cannot start: socket runtime not available"), "{report}");
}

#[test]
fn the_socket_runtime_is_released_last() {
    let mut drive = Drive::listening(1, 1);
    drive.call(|server, now| server.stop(now));
    drive.fail(drive.the(OpKind::Accept), FaultKind::Cancelled);
    drive.finish(OpKind::Close);
    assert_eq!(drive.in_flight(), [OpKind::Cleanup]);
    assert!(!drive.has_ended());
    // Nothing can be done about a cleanup that fails.
    drive.fail(drive.the(OpKind::Cleanup), FaultKind::Other);
    assert_eq!(drive.stopped().startup_error, None);
}

// X7, X13: each with its own address; the backlog is no limit on connections, nor the other way round.
#[test]
fn x007_listeners_are_announced_and_accept_once_all_of_them_listen() {
    let mut drive = one_of_two_listens();
    assert_eq!(drive.said(), [] as [&str; 0]);
    assert_eq!(drive.in_flight(), [OpKind::Create]);
    drive.finish(OpKind::Create);
    drive.finish(OpKind::Bind);
    assert!(matches!(drive.op(drive.the(OpKind::Listen)), Op::Listen(listen) if listen.backlog() == 1024));
    drive.finish(OpKind::Listen);
    assert_eq!(drive.said(), ["Listening(0, Some(127.0.0.1:80))", "Listening(1, Some(127.0.0.1:81))"]);
    assert_eq!(drive.in_flight(), [OpKind::Accept, OpKind::Accept]);
}

// X7, A8
#[test]
fn x007_one_that_cannot_listen_closes_those_that_do() {
    for step in [OpKind::Create, OpKind::Bind, OpKind::Listen] {
        let mut drive = one_of_two_listens();
        while drive.in_flight() != [step] {
            let kind = drive.in_flight()[0];
            drive.finish(kind);
        }
        drive.fail(drive.the(step), FaultKind::AddressInUse);
        drive.wind_up();
        let report = drive.stopped();
        assert_eq!(drive.said(), [] as [&str; 0], "nobody was told that it listens");
        let [error] = report.listen_errors[..] else { panic!("{report}") };
        assert_eq!((error.operation, error.address), (step, address(81)));
    }
}

// X7, X11: a transport that completes each operation at once would hide all errors but the first.
#[test]
fn x007_the_report_lists_every_listener_that_cannot_listen() {
    let mut drive = Drive::server(&[80, 81, 82].map(listener_at), 4, Verdicts::default());
    drive.start();
    drive.finish(OpKind::Startup);
    let [first, second, third] = drive.all(OpKind::Create)[..] else { panic!() };
    drive.fail(first, FaultKind::Unsupported);
    drive.complete(second, Outcome::Created(RefusedOptions::NONE));
    drive.finish(OpKind::Bind);
    drive.finish(OpKind::Listen);
    assert_eq!(drive.in_flight(), [OpKind::Create], "the second waits for the third");
    drive.complete(third, Outcome::Created(RefusedOptions::NONE));
    drive.fail(drive.the(OpKind::Bind), FaultKind::PermissionDenied);
    drive.wind_up();
    let errors: Vec<_> = drive.stopped().listen_errors.iter().map(ToString::to_string).collect();
    assert_eq!(
        errors,
        ["cannot create a socket for 127.0.0.1:80: not supported by this system", "cannot bind 127.0.0.1:82: permission denied"]
    );
}

// X7, X16: one that listens already is lost while another is still starting.
#[test]
fn x007_a_listener_lost_before_all_listen_is_a_failed_start() {
    let mut drive = one_of_two_listens();
    let Op::Create(create) = drive.op(drive.the(OpKind::Create)) else { panic!() };
    let first = sansock::SocketId::new(create.socket().slot() - 1, 0).unwrap();
    drive.call(|server, now| server.broken(now, first, FaultKind::NotASocket.into()));
    drive.wind_up();
    assert_eq!(drive.stopped().listen_errors.len(), 1);
    assert_eq!(drive.said(), [] as [&str; 0]);
}

#[test]
fn x014_options_that_were_refused_are_said() {
    let mut drive = two_creating();
    let second = drive.all(OpKind::Create)[1];
    drive.complete(second, Outcome::Created(RefusedOptions::NONE.with(OptionName::OnlyV6)));
    let refused = RefusedOptions::NONE.with(OptionName::OnlyV6);
    assert_eq!(drive.said(), [format!("OptionsRefused(1, {refused:?})")]);
}

/// How far a server has come.
type Stage = (&'static str, fn() -> Driven);

const STAGES: [Stage; 5] = [
    ("new", || Drive::server(&[listener_at(80)], 4, Verdicts::default())),
    ("startup in flight", two),
    ("creating", two_creating),
    ("one of two listens", one_of_two_listens),
    ("listening", || Drive::listening(2, 4)),
];

// X8, X128, C3: whatever was in flight, a late success is undone, and the server ends without a deadline.
#[test]
fn x008_a_server_can_be_stopped_and_drained_however_far_its_start_has_come() {
    for (name, stage) in STAGES {
        for drain in [true, false] {
            let mut drive = stage();
            let announced = drive.said();
            drive.call(|server, now| if drain { server.drain(now, Timestamp::NEVER) } else { server.stop(now) });
            drive.wind_up();
            let report = drive.stopped();
            assert!(!report.forced && report.listen_errors.is_empty() && report.startup_error.is_none(), "{name}: {report}");
            assert_eq!(announced.is_empty(), name != "listening");
            assert_eq!(drive.said(), [] as [&str; 0], "{name}");
        }
    }
}

// X8: the startup succeeds, fails, or obeys the cancel.
#[test]
fn x008_a_startup_that_is_cancelled_may_come_to_anything() {
    for (outcome, cleanup, error) in [
        (Outcome::Done, true, None),
        (Outcome::Failed(FaultKind::Cancelled.into()), false, None),
        (Outcome::Failed(FaultKind::RuntimeUnavailable.into()), false, Some(FaultKind::RuntimeUnavailable)),
    ] {
        let mut drive = two();
        let startup = drive.the(OpKind::Startup);
        drive.call(|server, now| server.drain(now, Timestamp::NEVER));
        assert!(drive.is_cancelled(startup));
        drive.complete(startup, outcome);
        assert_eq!(drive.in_flight(), if cleanup { vec![OpKind::Cleanup] } else { vec![] });
        drive.wind_up();
        assert_eq!(drive.stopped().startup_error.map(sansock::Fault::kind), error);
    }
}

#[test]
fn a_startup_that_was_not_submitted_yet_is_not_submitted_after_a_stop() {
    let mut drive = Drive::server(&[listener_at(80)], 4, Verdicts::default());
    drive.call(|server, now| {
        server.start(now).unwrap();
        server.stop(now);
    });
    assert_eq!(drive.in_flight(), []);
    drive.stopped();
}

// D13
#[test]
fn a_server_starts_once() {
    for (name, stage) in STAGES {
        let mut drive = stage();
        if name != "new" {
            drive.refuse_call(|server, now| server.start(now));
        }
        drive.call(|server, now| server.stop(now));
        drive.wind_up();
        let misuse = drive.refuse_call(|server, now| server.start(now));
        assert_eq!(misuse.to_string(), "start in state Stopped: the call is not possible in this state", "{name}");
    }
}

#[test]
fn a_server_that_is_printed_shows_how_far_it_is() {
    let printed = format!("{:?}", one_of_two_listens().machine());
    assert!(printed.starts_with("Server { life: Running, ") && printed.contains("life: Listening"), "{printed}");
}

// H5
#[test]
fn a_server_needs_a_slot_for_itself_each_listener_and_each_place() {
    let config = ServerConfig::new(address(80)).listeners(vec![listener_at(80), listener_at(81)]).unwrap();
    let config = config.max_connections(3).unwrap();
    assert_eq!(config.slots_needed(), 6);
    let server = |slots| Server::new(config.clone(), Verdicts::default(), SlotRange::new(0, slots).unwrap());
    assert_eq!(server(5).unwrap_err().kind(), MisuseKind::Slots);
    assert!(server(6).is_ok());
    assert_eq!(ServerConfig::new(address(80)).max_connections(0).unwrap_err().field(), "max_connections");
    assert_eq!(ServerConfig::new(address(80)).listeners(vec![]).unwrap_err().field(), "listeners");
    let endless = ServerConfig::new(address(80)).max_connections(usize::MAX).unwrap();
    assert_eq!(endless.slots_needed(), u32::MAX);
    assert!(Server::new(endless, Verdicts::default(), SlotRange::ALL).is_err());
}
