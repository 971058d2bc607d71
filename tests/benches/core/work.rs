//! What is measured: each a closure that does one operation.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use sansock::{
    Address, Completion, Connected, ConnectionConfig, Context, Handler, Machine, Node, Op, OpId, Origin, Outcome, Output, Peer,
    RecvOp, SendOp, ServerConfig, Service, Session, SlotRange, SocketId, Timestamp, Verdict,
};
use sansock_tests::echo::Echo;

use crate::counted;

const MESSAGE: usize = 64;
/// So many connections are there when timers are re-armed.
pub(crate) const MANY: usize = 100_000;

/// One thing to measure.
pub(crate) struct Work {
    pub(crate) name: &'static str,
    pub(crate) build: fn() -> Box<dyn FnMut()>,
    /// So many operations in one batch.
    pub(crate) batch: usize,
}

pub(crate) const WORKS: [Work; 7] = [
    Work { name: "session: bytes in to bytes out", build: session_bytes, batch: 50_000 },
    Work { name: "session: echo round trip", build: session_echo, batch: 50_000 },
    Work { name: "node, 1 connection: echo round trip", build: || node_echo(1), batch: 50_000 },
    Work { name: "node, 100,000 connections: echo round trip", build: || node_echo(MANY), batch: MANY },
    Work { name: "node: accept-to-close life", build: node_life, batch: 20_000 },
    Work {
        name: "node, 100,000 connections: receive, time-out re-armed",
        build: || receive(Some(Duration::from_secs(60))),
        batch: MANY,
    },
    Work { name: "node, 100,000 connections: receive, no time-out", build: || receive(None), batch: MANY },
];

/// From the receive that brings them to the send that takes them, on one connection and nothing else. Of the rest of the round, that the send was
/// done and the next receive, no instructions are counted here; its time is.
fn session_bytes() -> Box<dyn FnMut()> {
    session(|session, now, send| {
        session.complete(now, send.sent(MESSAGE)).expect("what was submitted is completed once");
        let Some(Output::Submit(Op::Recv(recv))) = session.poll() else { panic!("no receive was asked for") };
        recv
    })
}

/// The whole round: a receive and its completion, a send and its completion.
fn session_echo() -> Box<dyn FnMut()> {
    session(|session, now, send| {
        counted::complete(session, now, send.sent(MESSAGE));
        expect_recv(session)
    })
}

/// A session that gets a message and sends it back; then comes the rest of the round, until it waits for the next.
fn session(rest: fn(&mut Session<Echo>, Timestamp, SendOp) -> RecvOp) -> Box<dyn FnMut()> {
    let socket = SocketId::new(1, 0).expect("slot 1 is in range");
    let peer = Peer { address: None, local: None, origin: Origin::Accepted { listener: 0 } };
    let config = Arc::new(ConnectionConfig::default());
    let mut session = Session::new(Timestamp::ZERO, socket, peer, config, Echo::default());
    session.open(Timestamp::ZERO);
    let data = message();
    let mut now = Timestamp::ZERO;
    let mut waiting = Some(expect_recv(&mut session));
    Box::new(move || {
        now = now + Duration::from_micros(10);
        let recv = waiting.take().expect("a receive waits between any two messages");
        counted::complete(&mut session, now, recv.data(data.clone()));
        let send = expect_send(&mut session);
        waiting = Some(rest(&mut session, now, send));
    })
}

/// The same on each connection of a node in turn.
fn node_echo(connections: usize) -> Box<dyn FnMut()> {
    let mut host = Host::new(connections, ConnectionConfig::default(), |_: &Peer| Verdict::Accept(Echo::default()));
    let mut waiting: Vec<Option<OpId>> = host.accept(connections).into_iter().map(Some).collect();
    let data = message();
    let mut turn = 0;
    Box::new(move || {
        let place = turn;
        turn = (turn + 1) % waiting.len();
        host.tick();
        let recv = waiting[place].take().expect("a receive waits between any two messages");
        host.complete(Completion::from_raw(recv, Outcome::Data(data.clone())));
        let send = expect_send(&mut host.node);
        host.complete(send.sent(MESSAGE));
        waiting[place] = Some(expect_recv(&mut host.node).id());
    })
}

/// A receive and nothing else: what a time-out costs is the difference.
fn receive(read_idle: Option<Duration>) -> Box<dyn FnMut()> {
    let limits = ConnectionConfig::default().read_idle(read_idle).expect("not zero");
    let mut host = Host::new(MANY, limits, |_: &Peer| Verdict::Accept(Discard));
    let mut waiting = host.accept(MANY);
    let data = message();
    let mut turn = 0;
    Box::new(move || {
        host.tick();
        host.complete(Completion::from_raw(waiting[turn], Outcome::Data(data.clone())));
        waiting[turn] = expect_recv(&mut host.node).id();
        turn = (turn + 1) % MANY;
    })
}

/// Accept, a message and its answer, the peer's end, ours, close.
fn node_life() -> Box<dyn FnMut()> {
    let mut host = Host::new(16, ConnectionConfig::default(), |_: &Peer| Verdict::Accept(Echo::default()));
    let data = message();
    Box::new(move || {
        host.tick();
        let recv = host.accept(1)[0];
        host.complete(Completion::from_raw(recv, Outcome::Data(data.clone())));
        let send = expect_send(&mut host.node);
        host.complete(send.sent(MESSAGE));
        let recv = expect_recv(&mut host.node);
        host.complete(recv.eof());
        loop {
            match counted::poll(&mut host.node).expect("the life goes on to its end") {
                Output::Submit(Op::Shutdown(op)) => host.complete(op.done()),
                Output::Submit(Op::Close(op)) => break host.complete(op.done()),
                Output::Submit(op) => panic!("{op:?} in a graceful end"),
                Output::Event(_) => {}
            }
        }
    })
}

struct Discard;

impl Handler for Discard {
    type Message = Infallible;
    fn on_data(&mut self, _: &mut Context<'_, Infallible>, _: Bytes) {}
}

/// A node with one server that listens, and the accept that waits.
struct Host<S: Service> {
    node: Node<S>,
    now: Timestamp,
    accept: Option<sansock::AcceptOp>,
}

impl<S: Service> Host<S> {
    fn new(connections: usize, limits: ConnectionConfig, service: S) -> Self {
        let address = SocketAddr::from(([127, 0, 0, 1], 7));
        // One place more, so that an accept waits.
        let config = ServerConfig::new(address).max_connections(connections + 1).expect("not zero").connection(limits);
        let mut node = Node::new(SlotRange::ALL);
        node.serve(Timestamp::ZERO, config, service).expect("slots enough");
        let mut host = Self { node, now: Timestamp::ZERO, accept: None };
        while host.accept.is_none() {
            match counted::poll(&mut host.node).expect("it starts until it accepts") {
                Output::Submit(Op::Startup(op)) => host.complete(op.done()),
                Output::Submit(Op::Create(op)) => host.complete(op.created(sansock::RefusedOptions::NONE)),
                Output::Submit(Op::Bind(op)) => host.complete(op.bound(Some(address.into()))),
                Output::Submit(Op::Listen(op)) => host.complete(op.listening(Some(address.into()))),
                Output::Submit(Op::Accept(op)) => host.accept = Some(op),
                Output::Submit(op) => panic!("{op:?} while it starts"),
                Output::Event(_) => {}
            }
        }
        host
    }

    /// Accepts so many connections; the receives that wait for them.
    fn accept(&mut self, count: usize) -> Vec<OpId> {
        let mut receives = Vec::with_capacity(count);
        let peer = Some(Address::from(SocketAddr::from(([127, 0, 0, 1], 50_000))));
        while receives.len() < count {
            if self.accept.is_some() {
                let op = self.accept.take().expect("just looked");
                self.complete(op.accepted(Connected { peer, ..Connected::default() }));
            }
            // Up to here every place has been taken in turn: what is polled is the new connection's, and the next accept.
            while let Some(output) = counted::poll(&mut self.node) {
                match output {
                    Output::Submit(Op::Recv(op)) => receives.push(op.id()),
                    Output::Submit(Op::Accept(op)) => self.accept = Some(op),
                    Output::Submit(op) => panic!("{op:?} while it accepts"),
                    Output::Event(_) => {}
                }
            }
        }
        receives
    }

    /// Ten microseconds later.
    fn tick(&mut self) {
        self.now = self.now + Duration::from_micros(10);
        counted::handle_timeout(&mut self.node, self.now);
    }

    fn complete(&mut self, done: Completion) {
        counted::complete(&mut self.node, self.now, done);
    }
}

fn expect_recv<M: Machine>(machine: &mut M) -> RecvOp {
    loop {
        match counted::poll(machine) {
            Some(Output::Submit(Op::Recv(op))) => return op,
            Some(Output::Event(_)) => {}
            _ => panic!("no receive was asked for"),
        }
    }
}

fn expect_send<M: Machine>(machine: &mut M) -> SendOp {
    match counted::poll(machine) {
        Some(Output::Submit(Op::Send(op))) => op,
        _ => panic!("no send was asked for"),
    }
}

/// As a transport hands it out: a part of a shared block.
fn message() -> Bytes {
    Bytes::from(vec![b'm'; 4 * MESSAGE]).slice(MESSAGE..2 * MESSAGE)
}
