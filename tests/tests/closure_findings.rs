//! What the closures have found in the core, each as the smallest case.

use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use sansock::state::Life;
use sansock::{
    Address, Canonical, Client, ClientConfig, CloseReason, CloseReport, Completion, Connection, ConnectionConfig,
    ConnectionEvent, Context, Dialer, DialerConfig, Ending, Fault, FaultKind, Handler, Machine, Node, OpId, OpKind, Outcome,
    Output, Peer, RefusedOptions, Server, SlotRange, SocketId, Stream, Timestamp, Verdict,
};
use sansock_tests::drive::{Drive, Verdicts};

const START: Timestamp = Timestamp::ZERO;
/// So late that it would show in every deadline.
const LATER: Timestamp = Timestamp::from_secs(1_000_000);

fn address() -> Address {
    SocketAddr::from((Ipv4Addr::LOCALHOST, 9)).into()
}

fn name(slot: u32) -> SocketId {
    SocketId::new(slot, 0).expect("the slot is in range")
}

/// Polls the next operation; an event is a failed test.
fn operation<M: Machine>(machine: &mut M) -> OpId {
    match machine.poll() {
        Some(Output::Submit(op)) => op.id(),
        Some(Output::Event(_)) => panic!("an operation was expected, not an event"),
        None => panic!("an operation was expected"),
    }
}

fn complete<M: Machine>(machine: &mut M, id: OpId, outcome: Outcome) {
    machine.complete(START, Completion::from_raw(id, outcome)).expect("it is in flight");
}

fn encoding<M: Canonical>(machine: &M) -> Vec<u8> {
    let mut out = Vec::new();
    machine.canonical(START, &mut out);
    out
}

/// Makes a call that is to be refused, and sees that nothing has changed.
fn refused<M: Canonical, R, E>(machine: &mut M, call: impl FnOnce(&mut M) -> Result<R, E>) {
    let before = encoding(machine);
    assert!(call(machine).is_err(), "it was not refused");
    assert_eq!(encoding(machine), before, "it was refused, and something has changed");
}

struct Silent;

impl Handler for Silent {
    type Message = Infallible;

    fn on_data(&mut self, _: &mut Context<'_, Infallible>, _: Bytes) {}
}

/// Decides about services without state.
type Accept = fn(&Peer) -> Verdict<Silent>;

fn client(service: Accept) -> Client<Accept> {
    let config = ClientConfig::new(vec![address()]).expect("there is an address");
    let mut client = Client::new(config, service, SlotRange::ALL).expect("there are slots");
    client.start(START).expect("it was not started");
    let startup = operation(&mut client);
    complete(&mut client, startup, Outcome::Done);
    client
}

/// Both sides have finished, and a pause keeps the peer's end from the application.
fn finished_and_paused() -> Connection {
    let mut machine = Connection::new(START, name(0), Arc::new(ConnectionConfig::default()));
    let recv = operation(&mut machine);
    complete(&mut machine, recv, Outcome::Eof);
    machine.pause(START);
    machine.half_close(START);
    let shutdown = operation(&mut machine);
    complete(&mut machine, shutdown, Outcome::Done);
    assert_eq!(machine.life(), Life::Open);
    machine
}

fn end(mut machine: Connection) -> (Ending, CloseReason) {
    let close = operation(&mut machine);
    assert_eq!(close.kind(), OpKind::Close);
    complete(&mut machine, close, Outcome::Done);
    match machine.poll() {
        Some(Output::Event(ConnectionEvent::Closed(report))) => (report.ending, report.reason),
        other => panic!("the end was expected, not {other:?}"),
    }
}

// C1, C2, X111: abort, a drain's deadline and a broken socket were all taken for too late, and the connection stayed for ever.
#[test]
fn a_connection_that_has_finished_both_ways_while_paused_can_still_be_ended() {
    let mut aborted = finished_and_paused();
    aborted.abort(START);
    assert_eq!(end(aborted), (Ending::Confirmed, CloseReason::Aborted));

    let mut drained = finished_and_paused();
    drained.drain_by(START, START + Duration::from_secs(1));
    drained.handle_timeout(Timestamp::from_secs(1));
    assert_eq!(end(drained), (Ending::Confirmed, CloseReason::DrainDeadline));

    let mut broken = finished_and_paused();
    let fault = Fault::new(FaultKind::ConnectionReset);
    let socket = broken.socket();
    broken.broken(START, socket, fault);
    assert_eq!(end(broken), (Ending::Confirmed, CloseReason::Broken(fault)));
}

// D9: a completion that was refused moved the clock of the client, and with it every deadline that was set after it.
#[test]
fn a_completion_that_a_client_refuses_does_not_move_its_clock() {
    let mut client = client(|_| Verdict::Reject);
    let create = operation(&mut client);
    refused(&mut client, |client| client.complete(LATER, Completion::from_raw(create, Outcome::Done)));
    let nobody = OpId::new(name(500), OpKind::Recv, 0);
    refused(&mut client, |client| client.complete(LATER, Completion::from_raw(nobody, Outcome::Eof)));
}

// D9, D13
#[test]
fn a_call_that_a_client_refuses_does_not_move_its_clock() {
    let mut client = client(|_| Verdict::Reject);
    refused(&mut client, |client| client.start(LATER));
    refused(&mut client, |client| client.gone(LATER, name(1), &CloseReport::LOST));
}

// D9, D13
#[test]
fn a_call_that_a_dialer_refuses_does_not_move_its_clock() {
    let mut dialer = Dialer::new(Arc::new(DialerConfig::new(vec![address()]).expect("there is an address")));
    dialer.start(START).expect("it was not started");
    dialer.offer(START, name(0)).expect("it wants a place");
    refused(&mut dialer, |dialer| dialer.start(LATER));
    refused(&mut dialer, |dialer| dialer.offer(LATER, name(1)));
}

// D9: the time of an attempt ran from what a bogus completion had said.
#[test]
fn a_completion_that_a_node_refuses_does_not_move_its_clock() {
    let mut node: Node<Accept> = Node::default();
    let config = ClientConfig::new(vec![address()]).expect("there is an address");
    node.connect(START, config, |_| Verdict::Reject).expect("there are slots");
    let startup = operation(&mut node);
    let nobody = OpId::new(name(500), OpKind::Recv, 0);
    for bogus in [Completion::from_raw(startup, Outcome::Eof), Completion::from_raw(nobody, Outcome::Eof)] {
        assert!(node.complete(LATER, bogus).is_err());
    }
    complete(&mut node, startup, Outcome::Done);
    let deadline = node.deadline().expect("the attempt has one");
    assert!(deadline < LATER, "{deadline}");
}

// D4: the close of a connection that nobody wanted was completed by an operation of any other kind with the same stamp.
#[test]
fn the_close_of_an_unwanted_connection_is_completed_by_a_close_alone() {
    let mut client = client(|_| Verdict::Reject);
    let create = operation(&mut client);
    complete(&mut client, create, Outcome::Created(RefusedOptions::NONE));
    let connect = operation(&mut client);
    complete(&mut client, connect, Outcome::Connected(Box::default()));
    let close = operation(&mut client);
    assert_eq!(close.kind(), OpKind::Close);
    for kind in OpKind::ALL.into_iter().filter(|kind| *kind != OpKind::Close) {
        let other = Completion::from_raw(OpId::new(close.socket(), kind, close.stamp()), Outcome::Done);
        refused(&mut client, |client| client.complete(LATER, other));
    }
}

// X127: sessions were told again, and drawn into an order of deadlines that were all over.
#[test]
fn x127_a_second_drain_whose_deadline_is_over_too_says_nothing_new() {
    let mut drive: Drive<Server<Verdicts>> = Drive::listening(1, 1);
    drive.connect(5000);
    drive.events();
    drive.call(|server, now| server.drain(now, now + Duration::from_secs(1)));
    assert_eq!(drive.events().len(), 1);
    drive.pass(Duration::from_secs(5));
    drive.call(|server, now| server.drain(now, Timestamp::ZERO));
    assert_eq!(drive.events().len(), 0);
}
