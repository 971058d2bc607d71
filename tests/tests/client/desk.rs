//! A client and its owner: what the tests of a client share.

use std::cell::Cell;
use std::convert::Infallible;
use std::rc::Rc;

use bytes::Bytes;
use sansock::{
    Address, Client, ClientConfig, ClientEvent, ClientReport, Completion, ConnectOp, Connected, Context, FaultKind, Handler,
    Machine, Op, Order, Outcome, Output, Peer, RefusedOptions, Service, Session, SlotRange, SocketId, Timestamp, Verdict,
};

/// Says hello, and listens.
#[derive(Clone, Debug)]
pub(crate) struct Greeter;

impl Handler for Greeter {
    type Message = Infallible;

    fn on_open(&mut self, cx: &mut Context<'_, Infallible>) {
        cx.send("hello").unwrap();
    }

    fn on_data(&mut self, _: &mut Context<'_, Infallible>, _: Bytes) {}
}

/// Accepts or rejects, and counts how often it was asked.
#[derive(Clone, Debug, Default)]
pub(crate) struct Desired {
    pub(crate) rejects: bool,
    pub(crate) asked: Rc<Cell<u32>>,
}

impl Service for Desired {
    type Handler = Greeter;

    fn accept(&mut self, _: &Peer) -> Verdict<Greeter> {
        self.asked.set(self.asked.get() + 1);
        if self.rejects { Verdict::Reject } else { Verdict::Accept(Greeter) }
    }
}

pub(crate) fn address(port: u16) -> Address {
    Address::Ip(([127, 0, 0, 1], port).into())
}

pub(crate) fn config(ports: &[u16]) -> ClientConfig {
    ClientConfig::new(ports.iter().copied().map(address).collect()).unwrap()
}

pub(crate) fn success(op: ConnectOp) -> Completion {
    let connected = Connected { peer: Some(op.address()), local: Some(address(50_000)), ..Connected::default() };
    op.connected(connected)
}

pub(crate) struct Desk {
    pub(crate) client: Client<Desired>,
    pub(crate) now: Timestamp,
    pub(crate) session: Option<Session<Greeter>>,
    pub(crate) orders: Vec<(SocketId, Order)>,
    pub(crate) reports: Vec<ClientReport>,
    pub(crate) asked: Rc<Cell<u32>>,
}

impl Desk {
    /// A client that is not started yet.
    pub(crate) fn new(config: ClientConfig, rejects: bool) -> Self {
        let service = Desired { rejects, ..Desired::default() };
        let asked = Rc::clone(&service.asked);
        let client = Client::new(config, service, SlotRange::ALL).unwrap();
        Self { client, now: Timestamp::ZERO, session: None, orders: Vec::new(), reports: Vec::new(), asked }
    }

    /// A client that dials these ports of the loopback interface.
    pub(crate) fn dial(ports: &[u16]) -> Self {
        Self::dialling(Self::new(config(ports), false))
    }

    pub(crate) fn dialling(mut desk: Self) -> Self {
        desk.client.start(desk.now).unwrap();
        match desk.next() {
            Some(Op::Startup(op)) => desk.done(op.done()),
            op => panic!("{op:?} instead of the startup"),
        }
        desk
    }

    /// A client whose session is out.
    pub(crate) fn connected() -> Self {
        let mut desk = Self::dial(&[1]);
        let op = desk.connect();
        desk.done(success(op));
        assert!(desk.next().is_none());
        desk.session.as_mut().expect("a session").open(desk.now);
        desk
    }

    /// The client's next operation; events are kept, and nothing may come after the last.
    pub(crate) fn next(&mut self) -> Option<Op> {
        loop {
            match self.client.poll()? {
                Output::Submit(op) => return Some(op),
                Output::Event(event) => self.note(event),
            }
        }
    }

    fn note(&mut self, event: ClientEvent<Greeter>) {
        assert!(self.reports.is_empty(), "{event:?} after the last event");
        match event {
            ClientEvent::Opened { session, .. } => assert!(self.session.replace(*session).is_none(), "a second session"),
            ClientEvent::Order { socket, order } => self.orders.push((socket, order)),
            ClientEvent::Stopped(report) => self.reports.push(*report),
        }
    }

    pub(crate) fn done(&mut self, done: Completion) {
        self.client.complete(self.now, done).unwrap();
    }

    /// Goes along until a connect is in flight.
    pub(crate) fn connect(&mut self) -> ConnectOp {
        loop {
            match self.next().expect("another attempt") {
                Op::Create(op) => self.done(op.created(RefusedOptions::NONE)),
                Op::Connect(op) => return op,
                op => panic!("{op:?} instead of a connect"),
            }
        }
    }

    /// Cancels, closes and cleans up as a transport does, until nothing is left to do. Gives whether each close was abortive.
    pub(crate) fn wind_up(&mut self) -> Vec<bool> {
        let mut closes = Vec::new();
        while let Some(op) = self.next() {
            match op {
                Op::Cancel(op) => self.done(Completion::from_raw(op.target(), Outcome::Failed(FaultKind::Cancelled.into()))),
                Op::Close(op) => {
                    closes.push(op.abortive());
                    self.done(op.done());
                }
                Op::Cleanup(op) => self.done(op.done()),
                op => panic!("{op:?} at the end"),
            }
        }
        closes
    }

    /// The client has stopped, once, and wants nothing more.
    pub(crate) fn report(&mut self) -> ClientReport {
        assert!(self.next().is_none());
        assert_eq!((self.client.in_flight(), self.client.deadline()), (0, None));
        assert_eq!(self.reports.len(), 1, "the reports");
        self.reports[0].clone()
    }

    pub(crate) fn socket(&self) -> SocketId {
        self.session.as_ref().expect("a session").socket()
    }
}
