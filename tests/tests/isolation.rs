//! What happens on one connection is nobody else's business.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use proptest::prelude::*;
use sansock::{
    Canonical, ClientConfig, Completion, ConnectionConfig, Context, Fault, FaultKind, Handler, Machine, Node, NodeEvent, Op,
    OpId, Outcome, Output, Peer, RefusedOptions, ServerConfig, SlotRange, SocketId, Timestamp, Verdict,
};

/// Sends back what it can, and drops the rest.
struct Echo;

impl Handler for Echo {
    type Message = u8;

    fn on_data(&mut self, cx: &mut Context<'_, u8>, data: Bytes) {
        let _ = cx.send(data);
    }

    fn on_message(&mut self, cx: &mut Context<'_, u8>, message: u8) {
        match message {
            0 => cx.pause(),
            1 => cx.resume(),
            2 => cx.half_close(),
            3 => cx.finish(),
            4 => cx.close_after_flush(),
            _ => cx.abort(),
        }
    }
}

type EchoService = fn(&Peer) -> Verdict<Echo>;

/// A node with one server, driven by hand: what it wants is noted, and each test completes what it likes.
struct World {
    node: Node<EchoService>,
    now: Timestamp,
    in_flight: Vec<OpId>,
    events: Vec<NodeEvent>,
}

impl World {
    fn new(limits: ConnectionConfig, connections: usize) -> Self {
        let mut node: Node<EchoService> = Node::new(SlotRange::ALL);
        let config = ServerConfig::new(SocketAddr::from(([127, 0, 0, 1], 80)));
        let config = config.max_connections(connections).unwrap().connection(limits);
        node.serve(Timestamp::ZERO, config, |_| Verdict::Accept(Echo)).unwrap();
        let mut world = Self { node, now: Timestamp::ZERO, in_flight: Vec::new(), events: Vec::new() };
        world.take_outputs();
        for outcome in [Outcome::Done, Outcome::Created(RefusedOptions::NONE), Outcome::Local(None), Outcome::Local(None)] {
            let id = world.in_flight[0];
            world.complete(id, outcome);
        }
        world
    }

    /// With this many connections.
    fn with_connections(limits: ConnectionConfig, count: usize) -> (Self, Vec<SocketId>) {
        let mut world = Self::new(limits, count);
        let sockets = (0..count).map(|_| world.accept()).collect();
        (world, sockets)
    }

    fn accept(&mut self) -> SocketId {
        let id = *self.in_flight.iter().find(|id| id.kind() == sansock::OpKind::Accept).expect("an accept is in flight");
        self.complete(id, Outcome::Connected(sansock::Connected::default().into()));
        id.socket()
    }

    fn complete(&mut self, id: OpId, outcome: Outcome) {
        self.in_flight.retain(|other| *other != id);
        self.node.complete(self.now, Completion::from_raw(id, outcome)).unwrap();
        self.take_outputs();
    }

    fn take_outputs(&mut self) {
        while let Some(output) = self.node.poll() {
            match output {
                Output::Event(event) => self.events.push(event),
                // Cancels are obeyed at once.
                Output::Submit(Op::Cancel(cancel)) => {
                    let target = cancel.target();
                    self.complete(target, Outcome::Failed(FaultKind::Cancelled.into()));
                }
                Output::Submit(op) => self.in_flight.push(op.id()),
            }
        }
    }

    fn operation(&self, socket: SocketId, kind: sansock::OpKind) -> Option<OpId> {
        self.in_flight.iter().copied().find(|id| id.socket() == socket && id.kind() == kind)
    }

    fn picture(&self, socket: SocketId) -> (Vec<u8>, Option<Timestamp>, Vec<OpId>) {
        let mut encoding = Vec::new();
        let connection = self.node.session(socket).expect("the other connection lives").connection();
        connection.canonical(self.now, &mut encoding);
        let in_flight = self.in_flight.iter().copied().filter(|id| id.socket() == socket).collect();
        (encoding, connection.deadline(), in_flight)
    }
}

/// Something that happens to a connection.
#[derive(Clone, Debug)]
enum Event {
    Data(usize),
    Eof,
    Sent(usize),
    Fault(FaultKind),
    Message(u8),
    Broken,
    Refused,
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        6 => (1..100_usize).prop_map(Event::Data),
        1 => Just(Event::Eof),
        4 => (0..200_usize).prop_map(Event::Sent),
        1 => prop::sample::select(FaultKind::ALL.to_vec()).prop_map(Event::Fault),
        2 => (0..6_u8).prop_map(Event::Message),
        1 => Just(Event::Broken),
        1 => Just(Event::Refused),
    ]
}

fn happen(world: &mut World, socket: SocketId, event: &Event) {
    use sansock::OpKind::{Recv, Send};
    match event {
        Event::Data(size) => {
            if let Some(id) = world.operation(socket, Recv) {
                world.complete(id, Outcome::Data(Bytes::from(vec![7; *size])));
            }
        }
        Event::Eof => {
            if let Some(id) = world.operation(socket, Recv) {
                world.complete(id, Outcome::Eof);
            }
        }
        Event::Sent(count) => {
            if let Some(id) = world.operation(socket, Send) {
                world.complete(id, Outcome::Sent(*count));
            }
        }
        Event::Fault(kind) => {
            if let Some(id) = world.operation(socket, Recv) {
                world.complete(id, Outcome::Failed(Fault::new(*kind)));
            }
        }
        Event::Message(message) => {
            let _ = world.node.post(world.now, socket, *message);
            world.take_outputs();
        }
        Event::Broken => {
            world.node.broken(world.now, socket, FaultKind::ConnectionReset.into());
            world.take_outputs();
        }
        Event::Refused => {
            let stale = OpId::new(socket, Recv, 255);
            if world.operation(socket, Recv) != Some(stale) {
                assert!(world.node.complete(world.now, Completion::from_raw(stale, Outcome::Eof)).is_err());
            }
        }
    }
}

proptest! {
    // G1, G4: also with a full queue at the other one.
    #[test]
    fn nothing_that_happens_to_one_connection_touches_the_other(events in prop::collection::vec(event(), 1..60)) {
        let limits = ConnectionConfig::default().send_queue(10, 64).unwrap();
        let (mut world, sockets) = World::with_connections(limits, 2);
        happen(&mut world, sockets[1], &Event::Data(20));
        let before = world.picture(sockets[1]);
        for event in &events {
            happen(&mut world, sockets[0], event);
            prop_assert_eq!(&world.picture(sockets[1]), &before, "after {:?}", event);
        }
    }

    // E5: events of two connections can be exchanged; each connection is then as it would have been.
    #[test]
    fn events_of_different_connections_commute(
        one in prop::collection::vec(event(), 1..20), other in prop::collection::vec(event(), 1..20)
    ) {
        let limits = ConnectionConfig::default().send_queue(10, 64).unwrap();
        let run = |interleaved: bool| {
            let (mut world, sockets) = World::with_connections(limits, 2);
            if interleaved {
                for step in 0..one.len().max(other.len()) {
                    for (events, socket) in [(&one, sockets[0]), (&other, sockets[1])] {
                        if let Some(event) = events.get(step) {
                            happen(&mut world, socket, event);
                        }
                    }
                }
            } else {
                other.iter().for_each(|event| happen(&mut world, sockets[1], event));
                one.iter().for_each(|event| happen(&mut world, sockets[0], event));
            }
            sockets.map_to_pictures(&world)
        };
        prop_assert_eq!(run(true), run(false));
    }
}

trait Pictures {
    fn map_to_pictures(&self, world: &World) -> Vec<Option<Vec<u8>>>;
}

impl Pictures for Vec<SocketId> {
    fn map_to_pictures(&self, world: &World) -> Vec<Option<Vec<u8>>> {
        self.iter()
            .map(|socket| {
                world.node.session(*socket).map(|session| {
                    let mut encoding = Vec::new();
                    session.connection().canonical(world.now, &mut encoding);
                    encoding
                })
            })
            .collect()
    }
}

// G2
#[test]
fn a_listener_that_is_lost_leaves_the_connections_alone() {
    let (mut world, sockets) = World::with_connections(ConnectionConfig::default(), 3);
    // A place is free, so an accept is in flight.
    happen(&mut world, sockets[2], &Event::Message(5));
    let close = world.operation(sockets[2], sansock::OpKind::Close).unwrap();
    world.complete(close, Outcome::Done);
    let accept = *world.in_flight.iter().find(|id| id.kind() == sansock::OpKind::Accept).unwrap();
    let before = [world.picture(sockets[0]), world.picture(sockets[1])];
    world.complete(accept, Outcome::Failed(FaultKind::BadDescriptor.into()));
    let close = *world.in_flight.iter().find(|id| id.kind() == sansock::OpKind::Close).expect("the listener closes");
    world.complete(close, Outcome::Done);
    assert_eq!([world.picture(sockets[0]), world.picture(sockets[1])], before);
    assert!(world.events.iter().any(|event| matches!(event, NodeEvent::ListenerLost { .. })));
    happen(&mut world, sockets[0], &Event::Data(5));
    assert!(world.operation(sockets[0], sansock::OpKind::Send).is_some(), "it is still served");
}

// G2, C4
#[test]
fn every_fault_of_a_connection_leaves_the_listener_accepting() {
    for kind in FaultKind::ALL {
        let (mut world, sockets) = World::with_connections(ConnectionConfig::default(), 1);
        happen(&mut world, sockets[0], &Event::Fault(*kind));
        if let Some(close) = world.operation(sockets[0], sansock::OpKind::Close) {
            world.complete(close, Outcome::Done);
            assert!(world.in_flight.iter().any(|id| id.kind() == sansock::OpKind::Accept), "{kind:?}");
        } else {
            // It is tried again after a while.
            world.now = world.now + Duration::from_secs(1);
            world.node.handle_timeout(world.now);
            world.take_outputs();
            assert!(world.operation(sockets[0], sansock::OpKind::Recv).is_some(), "{kind:?}");
        }
    }
}

// X103, B4: a connection that has finished and waits for its peer's end counts until its socket is gone.
#[test]
fn x103_a_lingering_connection_holds_its_place() {
    use sansock::OpKind::{Accept, Close, Recv, Shutdown};
    let (mut world, sockets) = World::with_connections(ConnectionConfig::default(), 1);
    let accepts = |world: &World| world.in_flight.iter().any(|id| id.kind() == Accept);
    happen(&mut world, sockets[0], &Event::Message(3));
    let shutdown = world.operation(sockets[0], Shutdown).unwrap();
    world.complete(shutdown, Outcome::Done);
    assert_eq!(world.node.session(sockets[0]).unwrap().connection().life(), sansock::state::Life::Lingering);
    assert!(!accepts(&world));
    let receive = world.operation(sockets[0], Recv).unwrap();
    world.complete(receive, Outcome::Eof);
    assert!(!accepts(&world), "its close is under way");
    let close = world.operation(sockets[0], Close).unwrap();
    world.complete(close, Outcome::Done);
    assert!(accepts(&world));
}

// C11: everybody gets a turn before anybody gets a second one.
#[test]
fn each_of_many_connections_is_served_once_before_one_is_served_twice() {
    let (mut world, sockets) = World::with_connections(ConnectionConfig::default(), 50);
    for socket in &sockets {
        let id = world.operation(*socket, sansock::OpKind::Recv).unwrap();
        world.in_flight.retain(|other| *other != id);
        world.node.complete(world.now, Completion::from_raw(id, Outcome::Data(Bytes::from_static(b"x")))).unwrap();
    }
    let mut served = Vec::new();
    while let Some(output) = world.node.poll() {
        if let Output::Submit(op) = output {
            served.push(op.socket());
        }
    }
    assert_eq!(served.len(), 100, "a send and a receive each");
    assert_eq!(served[..50], sockets[..]);
    assert_eq!(served[50..], sockets[..]);
}

// G5: a client that backs off, and its neighbours.
#[test]
fn the_retries_of_one_client_put_nobody_else_off() {
    let mut node: Node<EchoService> = Node::new(SlotRange::ALL);
    let config = |port| ClientConfig::new(vec![SocketAddr::from(([127, 0, 0, 1], port)).into()]).unwrap();
    let one = node.connect(Timestamp::ZERO, config(1), |_| Verdict::Accept(Echo)).unwrap();
    let other = node.connect(Timestamp::ZERO, config(2), |_| Verdict::Accept(Echo)).unwrap();
    let mut stopped = Vec::new();
    let mut connects = 0;
    let mut pending: Vec<OpId> = Vec::new();
    loop {
        match node.poll() {
            Some(Output::Event(NodeEvent::ClientStopped { client, .. })) => stopped.push(client),
            Some(Output::Event(_)) => {}
            Some(Output::Submit(op)) => {
                connects += usize::from(op.kind() == sansock::OpKind::Connect);
                pending.push(op.id());
            }
            None => {
                let Some(id) = pending.pop() else { break };
                let outcome = match id.kind() {
                    sansock::OpKind::Create => Outcome::Created(RefusedOptions::NONE),
                    sansock::OpKind::Connect => Outcome::Failed(FaultKind::AddressNotAvailable.into()),
                    _ => Outcome::Done,
                };
                node.complete(Timestamp::ZERO, Completion::from_raw(id, outcome)).unwrap();
            }
        }
    }
    assert_eq!(connects, 6, "each once and two retries");
    assert_eq!(stopped.len(), 2);
    assert!(stopped.contains(&one) && stopped.contains(&other));
}
