//! Hostile transports and mistaken applications: refused, counted, and nothing changes, not even the time.

use sansock::{
    Completion, Connected, Ending, Fault, FaultKind, Machine, MisuseKind, OpId, OpKind, Outcome, RefusedOptions, Server,
    SocketId, Timestamp,
};
use sansock_tests::drive::{Drive, Verdicts, connected, name, report};

type Driven = Drive<Server<Verdicts>>;

/// Every kind of outcome.
fn outcomes() -> Vec<Outcome> {
    vec![
        Outcome::Done,
        Outcome::Created(RefusedOptions::NONE),
        Outcome::Local(None),
        Outcome::Connected(Connected::default().into()),
        Outcome::NoneWaiting,
        Outcome::Data(bytes::Bytes::from_static(b"x")),
        Outcome::Eof,
        Outcome::Sent(1),
        Outcome::Failed(Fault::new(FaultKind::Other)),
    ]
}

/// The outcomes that an operation of this kind can come to.
fn fits(kind: OpKind, outcome: &Outcome) -> bool {
    matches!(
        (kind, outcome),
        (_, Outcome::Failed(_))
            | (OpKind::Startup | OpKind::Close | OpKind::Cleanup, Outcome::Done)
            | (OpKind::Create, Outcome::Created(_))
            | (OpKind::Bind | OpKind::Listen, Outcome::Local(_))
            | (OpKind::Accept, Outcome::Connected(_) | Outcome::NoneWaiting)
    )
}

/// Completes each operation in flight with all that it cannot be: another outcome, another kind, another stamp, another generation.
fn besiege(drive: &mut Driven) {
    let in_flight: Vec<_> = OpKind::ALL.into_iter().flat_map(|kind| drive.all(kind)).collect();
    let before = drive.machine().report().refused_completions;
    let mut refused = 0;
    for id in in_flight {
        for outcome in outcomes() {
            let mut wrong: Vec<_> = OpKind::ALL.into_iter().map(|kind| OpId::new(id.socket(), kind, id.stamp())).collect();
            wrong.retain(|wrong| *wrong != id);
            wrong.push(OpId::new(id.socket(), id.kind(), id.stamp().wrapping_add(1)));
            wrong.push(OpId::new(SocketId::new(id.socket().slot(), 77).unwrap(), id.kind(), id.stamp()));
            wrong.push(OpId::new(name(99), id.kind(), id.stamp()));
            for wrong in wrong {
                drive.refuse(wrong, outcome.clone());
                refused += 1;
            }
            if !fits(id.kind(), &outcome) {
                assert_eq!(drive.refuse(id, outcome).kind(), MisuseKind::WrongOutcome);
                refused += 1;
            }
        }
    }
    assert_eq!(drive.machine().report().refused_completions, before + refused);
}

// D1, D2, D3, D4, D9
#[test]
fn x122_no_wrong_completion_of_anything_in_flight_is_taken() {
    let mut drive = Drive::listening_with(2, 8, Verdicts { rejected: vec![9], asked: Vec::new() });
    drive.connect(1);
    drive.connect(9);
    drive.fail(drive.all(OpKind::Accept)[0], FaultKind::DescriptorLimit);
    assert_eq!(drive.in_flight(), [OpKind::Close, OpKind::Accept]);
    assert!(drive.until_deadline().is_some(), "the picture that is compared contains a time");
    besiege(&mut drive);
    drive.call(|server, now| server.drain(now, Timestamp::from_secs(5)));
    besiege(&mut drive);
    drive.all_gone();
    drive.call(|server, now| server.stop(now));
    besiege(&mut drive);
    drive.wind_up();
    drive.stopped();
}

// D4, D9: through the start, too.
#[test]
fn x122_no_wrong_completion_is_taken_while_starting_and_cleaning_up() {
    let mut drive = Drive::server(&[80, 81].map(sansock_tests::drive::listener_at), 8, Verdicts::default());
    drive.start();
    for step in [OpKind::Startup, OpKind::Create, OpKind::Bind, OpKind::Listen] {
        besiege(&mut drive);
        for id in drive.all(step) {
            let outcome = sansock_tests::drive::ordinary(drive.op(id));
            drive.complete(id, outcome);
        }
    }
    drive.call(|server, now| server.stop(now));
    for accept in drive.all(OpKind::Accept) {
        drive.fail(accept, FaultKind::Cancelled);
    }
    besiege(&mut drive);
    for close in drive.all(OpKind::Close) {
        drive.complete(close, Outcome::Done);
    }
    assert_eq!(drive.in_flight(), [OpKind::Cleanup]);
    besiege(&mut drive);
    drive.finish(OpKind::Cleanup);
    let report = drive.stopped();
    // D5: and after the end, when the report has been given already.
    drive.refuse(OpId::new(name(0), OpKind::Cleanup, 1), Outcome::Done);
    assert_eq!(drive.machine().report().refused_completions, report.refused_completions + 1);
}

// D3, D8: the same accept twice, and the close of a connection twice.
#[test]
fn x122_each_operation_is_completed_once() {
    let mut drive = Drive::listening_with(1, 8, Verdicts { rejected: vec![9], asked: Vec::new() });
    let accept = drive.the(OpKind::Accept);
    drive.complete(accept, connected(9));
    drive.refuse(accept, connected(9));
    drive.refuse(accept, Outcome::Failed(FaultKind::Other.into()));
    let close = drive.the(OpKind::Close);
    drive.complete(close, Outcome::Done);
    drive.refuse(close, Outcome::Done);
    assert_eq!((drive.machine().report().accepted, drive.machine().places_used()), (1, 1));
}

// D4: the close of a rejected connection is not submitted yet, and cannot have come back.
#[test]
fn a_close_that_was_not_submitted_cannot_complete() {
    let mut drive = Drive::listening_with(1, 8, Verdicts { rejected: vec![9], asked: Vec::new() });
    let accept = drive.the(OpKind::Accept);
    drive.complete_and_call(accept, connected(9), |server, now| {
        for stamp in 0..=u8::MAX {
            let close = OpId::new(accept.socket(), OpKind::Close, stamp);
            server.complete(now, Completion::from_raw(close, Outcome::Done)).unwrap_err();
        }
    });
    assert_eq!(drive.machine().places_used(), 2);
}

// D13, B4
#[test]
fn only_a_session_that_is_out_can_be_gone_and_only_once() {
    let mut drive = Drive::listening(1, 8);
    let accept = drive.the(OpKind::Accept);
    let gone = |socket| move |server: &mut Server<Verdicts>, now| server.gone(now, socket, &report(Ending::Confirmed));
    drive.fail(accept, FaultKind::DescriptorLimit);
    assert_eq!(drive.refuse_call(gone(accept.socket())).kind(), MisuseKind::UnknownSocket);
    drive.tick_at_deadline();
    drive.refuse_call(gone(drive.the(OpKind::Accept).socket()));
    let socket = drive.connect(1);
    drive.refuse_call(gone(SocketId::new(socket.slot(), socket.generation() + 1).unwrap()));
    drive.gone(socket, Ending::Confirmed);
    let misuse = drive.refuse_call(gone(socket));
    assert!(misuse.to_string().starts_with("gone in state Running: this machine has no such socket"), "{misuse}");
    assert_eq!(drive.machine().report().finished(), 1);
}

// D13: its session is still in the server's hands.
#[test]
fn a_session_that_was_not_handed_out_cannot_be_gone() {
    let mut drive = Drive::listening(1, 8);
    drive.events();
    let accept = drive.the(OpKind::Accept);
    drive.complete_and_call(accept, connected(1), |server, now| {
        server.gone(now, accept.socket(), &report(Ending::Confirmed)).unwrap_err();
        assert_eq!(server.live(), 1);
    });
    assert_eq!(drive.said(), [format!("Opened({})", accept.socket())]);
    drive.gone(accept.socket(), Ending::Confirmed);
}

// D12, X142: a look at the clock before the deadline, and a time that runs backwards.
#[test]
fn x138_an_early_or_backward_time_changes_nothing() {
    let mut drive = Drive::listening(1, 8);
    drive.pass(std::time::Duration::from_secs(5));
    drive.tick();
    drive.fail(drive.the(OpKind::Accept), FaultKind::DescriptorLimit);
    let before = (drive.canonical(), drive.machine().deadline());
    drive.call(|server, _| server.handle_timeout(Timestamp::ZERO));
    drive.tick();
    drive.call(|server, _| server.broken(Timestamp::ZERO, name(50), FaultKind::BadDescriptor.into()));
    assert_eq!((drive.canonical(), drive.machine().deadline()), before);
    // What is counted from an earlier time counts from the latest that was seen. (F1)
    drive.call(|server, _| server.drain(Timestamp::ZERO, Timestamp::from_secs(6)));
    drive.call(|server, now| server.stop(now));
    drive.wind_up();
    drive.stopped();
}

// F1: a completion with a time that has run backwards.
#[test]
fn x138_a_back_off_counts_from_the_latest_time_seen() {
    let mut drive = Drive::listening(1, 8);
    drive.pass(std::time::Duration::from_secs(5));
    drive.tick();
    let accept = drive.the(OpKind::Accept);
    let mut server = drive.machine().clone();
    let failed = Completion::from_raw(accept, Outcome::Failed(FaultKind::DescriptorLimit.into()));
    server.complete(Timestamp::from_secs(1), failed).unwrap();
    assert_eq!(server.deadline(), Some(Timestamp::from_secs(5) + std::time::Duration::from_millis(5)));
}
