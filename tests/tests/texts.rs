//! What names, errors and reports say: the texts that end up in logs.

use sansock::{
    Client, ClientConfig, ClientEvent, CloseReason, CloseReport, Completion, Connected, ConnectionConfig, Ending, Fault,
    FaultKind, Listener, ListenerConfig, Machine, OpId, OpKind, Order, Origin, Outcome, Output, Peer, RefusedOptions,
    ServerEvent, ServerReport, Session, SlotRange, Timestamp, Unsent, UnsentReason, Verdict,
};
use sansock_tests::drive::{Quiet, address, name};

#[test]
fn names_are_printed_in_one_form() {
    let socket = name(12);
    assert_eq!((format!("{socket}"), format!("{socket:?}")), ("12.0".into(), "12.0".into()));
    let id = OpId::new(socket, OpKind::Recv, 7);
    assert_eq!((format!("{id}"), format!("{id:?}")), ("recv 12.0 #7".into(), "recv 12.0 #7".into()));
}

#[test]
fn addresses_and_times_are_printed_in_one_form() {
    assert_eq!((format!("{}", address(80)), format!("{:?}", address(80))), ("127.0.0.1:80".into(), "127.0.0.1:80".into()));
    for (time, text) in [(Timestamp::from_nanos(1_000_000_002), "1.000000002s"), (Timestamp::NEVER, "never")] {
        assert_eq!((format!("{time}"), format!("{time:?}")), (text.into(), text.into()));
    }
}

#[test]
fn machines_and_their_events_show_where_they_are() {
    let service = |_: &Peer| Verdict::Accept(Quiet);
    let config = ClientConfig::new(vec![address(80)]).unwrap();
    let mut client = Client::new(config, service, SlotRange::ALL).unwrap();
    client.start(Timestamp::ZERO).unwrap();
    let printed = format!("{client:?}");
    assert!(printed.starts_with("Client { life: Starting, dialer: Some(Dialer { "), "{printed}");
    client.stop(Timestamp::ZERO);
    let printed = format!("{client:?}");
    assert!(printed.starts_with("Client { life: Stopped, dialer: None, "), "{printed}");
    let Some(Output::Event(stopped)) = client.poll() else { panic!("it has stopped") };
    assert!(format!("{stopped:?}").starts_with("Stopped(ClientReport { peer: None"), "{stopped:?}");
    let order: ClientEvent<Quiet> = ClientEvent::Order { socket: name(7), order: Order::Abort };
    assert_eq!(format!("{order:?}"), "Order(7.0, Abort)");
    let order: ServerEvent<Quiet> = ServerEvent::Order { socket: name(7), order: Order::Abort };
    assert_eq!(format!("{order:?}"), "Order(7.0, Abort)");

    let peer = Peer { address: None, local: None, origin: Origin::Dialled { address: 0 } };
    let session = Session::new(Timestamp::ZERO, name(7), peer, ConnectionConfig::default().into(), Quiet);
    let printed = format!("{session:?}");
    assert!(printed.starts_with("Session { connection: Connection { ") && printed.ends_with(", phase: New, .. }"), "{printed}");
    let opened = ClientEvent::Opened { socket: name(7), peer, session: Box::new(session) };
    assert_eq!(format!("{opened:?}"), "Opened(7.0)");
}

#[test]
fn what_was_not_sent_says_what_to_do() {
    let unsent = |reason| Unsent { data: "rest".into(), reason }.to_string();
    let full = "the send queue is full, 4 bytes were not taken: send them when it is writable again";
    assert_eq!(unsent(UnsentReason::Full), full);
    assert_eq!(unsent(UnsentReason::Ended), "sending has ended, 4 bytes were not taken");
}

#[test]
fn every_outcome_has_a_name() {
    let outcomes = [
        (Outcome::Done, "done"),
        (Outcome::Created(RefusedOptions::NONE), "created"),
        (Outcome::Local(None), "local address"),
        (Outcome::Connected(Connected::default().into()), "connected"),
        (Outcome::NoneWaiting, "none waiting"),
        (Outcome::Data("x".into()), "data"),
        (Outcome::Eof, "eof"),
        (Outcome::Sent(1), "sent"),
        (Outcome::Failed(FaultKind::Other.into()), "failed"),
    ];
    for (outcome, name) in outcomes {
        assert_eq!(outcome.name(), name);
    }
}

#[test]
fn a_misuse_says_what_was_done_in_which_state_and_what_to_do_instead() {
    let mut listener = Listener::new(name(0), ListenerConfig::new(address(80)).into());
    let id = OpId::new(name(0), OpKind::Bind, 0);
    let misuse = listener.complete(Timestamp::ZERO, Completion::from_raw(id, Outcome::Local(None))).unwrap_err();
    assert_eq!((misuse.operation(), misuse.id(), misuse.state()), ("bind", Some(id), "New"));
    assert_eq!(
        misuse.to_string(),
        "completion of bind 0.0 #0 in state New: no such operation is in flight; complete each operation once"
    );

    listener.start(Timestamp::ZERO).unwrap();
    let misuse = listener.start(Timestamp::ZERO).unwrap_err();
    assert_eq!((misuse.operation(), misuse.id(), misuse.state()), ("start", None, "Creating"));
    assert_eq!(misuse.to_string(), "start in state Creating: the call is not possible in this state");
}

#[test]
fn a_report_of_a_connection_says_only_what_happened() {
    let report =
        CloseReport { ending: Ending::Confirmed, reason: CloseReason::Finished, received: 14, sent: 15, ..CloseReport::LOST };
    assert_eq!(report.to_string(), "confirmed: finished; received 14, sent 15");
    let fault = Fault::with_code(FaultKind::ConnectionReset, 104);
    let report = CloseReport {
        cut_short: Some(CloseReason::Fault { operation: OpKind::Send, fault }),
        unsent: 1,
        undelivered: 2,
        ..CloseReport::LOST
    };
    assert_eq!(
        report.to_string(),
        "aborted: its owner disappeared, cut short: send failed: connection reset by peer (os error 104); received 0, sent 0, unsent 1, \
         undelivered 2"
    );
}

#[test]
fn a_report_of_a_server_says_only_what_happened() {
    let mut report = ServerReport { accepted: 3, confirmed: 2, aborted: 1, received: 42, sent: 43, ..ServerReport::default() };
    assert_eq!(report.to_string(), "accepted 3: 2 confirmed, 0 unconfirmed, 1 aborted; received 42, sent 43");
    report.rejected = 1;
    report.accept_faults = 1;
    report.forced = true;
    report.startup_error = Some(FaultKind::RuntimeUnavailable.into());
    report.listen_errors = vec![sansock::ListenError {
        operation: OpKind::Bind,
        address: address(80),
        fault: Fault::with_code(FaultKind::PermissionDenied, 13),
    }];
    assert_eq!(
        report.to_string(),
        "accepted 3: 2 confirmed, 0 unconfirmed, 1 aborted, 1 rejected; received 42, sent 43; 1 accepts failed; forced; \
         cannot start: socket runtime not available; cannot bind 127.0.0.1:80: permission denied (os error 13)"
    );
}
