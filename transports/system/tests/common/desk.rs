//! Machines that ask for operations, and a table that carries them out.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;

use bytes::Bytes;
use rustix::event::{PollFd, PollFlags, poll};
use sansock::{
    AcceptOp, Address, Completion, Connection, ConnectionConfig, Dialer, DialerConfig, Fault, FaultKind, Listener,
    ListenerConfig, Machine, Op, OpKind, Outcome, Output, RefusedOptions, SocketId, Stream, Timestamp,
};
use sansock_system::{Ready, Sockets};

pub(crate) const NOW: Timestamp = Timestamp::ZERO;

pub(crate) fn name(slot: u32) -> SocketId {
    SocketId::new(slot, 0).unwrap()
}

pub(crate) fn loopback() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}

/// The next operation of a machine that has one.
pub(crate) fn op<M: Machine>(machine: &mut M) -> Op {
    loop {
        match machine.poll().expect("an operation") {
            Output::Submit(op) => return op,
            Output::Event(_) => {}
        }
    }
}

/// The next operation, carried out at once.
pub(crate) fn now<M: Machine>(machine: &mut M, sockets: &mut Sockets) -> Outcome {
    let done = sockets.submit(op(machine)).expect("it does not wait");
    let outcome = done.outcome().clone();
    machine.complete(NOW, done).unwrap();
    outcome
}

/// The next operation has to wait.
pub(crate) fn later<M: Machine>(machine: &mut M, sockets: &mut Sockets) {
    assert_eq!(sockets.submit(op(machine)), None);
}

/// Waits until a socket that something waits for is ready, and tries again.
pub(crate) fn ready(sockets: &mut Sockets) -> Vec<Completion> {
    let mut watched = Vec::new();
    let mut fds = Vec::new();
    for (socket, handle, interest) in sockets.waiting() {
        for (wanted, flag, direction) in
            [(interest.readable, PollFlags::IN, Ready::Readable), (interest.writable, PollFlags::OUT, Ready::Writable)]
        {
            if wanted {
                watched.push((socket, direction));
                fds.push(PollFd::new(&**handle, flag));
            }
        }
    }
    poll(&mut fds, None).unwrap();
    let ready: Vec<_> = fds.iter().map(|fd| !fd.revents().is_empty()).collect();
    let mut completions = Vec::new();
    for ((socket, direction), _) in watched.into_iter().zip(ready).filter(|(_, ready)| *ready) {
        while let Some(done) = retry(sockets, socket, direction) {
            completions.push(done);
        }
    }
    completions
}

/// The poller says that the socket is ready: what comes of it first.
pub(crate) fn retry(sockets: &mut Sockets, socket: SocketId, ready: Ready) -> Option<Completion> {
    sockets.note(socket, ready);
    sockets.retry(socket)
}

/// A connection in the table under `name(1)`, and its peer.
pub(crate) struct Pair {
    pub(crate) sockets: Sockets,
    pub(crate) connection: Connection,
    pub(crate) peer: TcpStream,
}

impl Pair {
    pub(crate) fn new() -> Self {
        let listener = TcpListener::bind(loopback()).unwrap();
        let peer = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (ours, _) = listener.accept().unwrap();
        ours.set_nonblocking(true).unwrap();
        let mut sockets = Sockets::new();
        sockets.insert(name(1), Arc::new(ours));
        let config = ConnectionConfig::default().send_queue(1 << 19, 1 << 20).unwrap();
        Self { sockets, connection: Connection::new(NOW, name(1), config.into()), peer }
    }

    /// Sends until the socket takes no more.
    pub(crate) fn fill(&mut self) {
        loop {
            let _ = self.connection.send(NOW, Bytes::from(vec![7; 1 << 20]));
            let op = op(&mut self.connection);
            assert_eq!(op.kind(), OpKind::Send);
            match self.sockets.submit(op) {
                Some(done) => self.connection.complete(NOW, done).unwrap(),
                None => return,
            }
        }
    }
}

/// A listener that listens under `name(1)`; it accepts into what it is offered.
pub(crate) fn listening(sockets: &mut Sockets) -> (Listener, SocketAddr) {
    let mut listener = Listener::new(name(1), Arc::new(ListenerConfig::new(loopback())));
    listener.start(NOW).unwrap();
    assert!(matches!(now(&mut listener, sockets), Outcome::Created(_)));
    assert!(matches!(now(&mut listener, sockets), Outcome::Local(Some(_))));
    let Outcome::Local(Some(Address::Ip(address))) = now(&mut listener, sockets) else { panic!("it listens") };
    assert_ne!(address.port(), 0, "port 0 is resolved");
    (listener, address)
}

/// An accept on `name(1)` that waits. A listener has one at a time, so each comes from a listener of its own, which is told that it listens.
pub(crate) fn accept_into(slot: u32) -> AcceptOp {
    let mut listener = Listener::new(name(1), Arc::new(ListenerConfig::new(loopback())));
    listener.start(NOW).unwrap();
    loop {
        let done = match op(&mut listener) {
            Op::Create(op) => op.created(RefusedOptions::NONE),
            Op::Bind(op) => op.bound(None),
            Op::Listen(op) => op.listening(None),
            op => panic!("{op:?} of a listener"),
        };
        let listens = matches!(done.id().kind(), OpKind::Listen);
        listener.complete(NOW, done).unwrap();
        if listens {
            listener.offer(NOW, name(slot)).unwrap();
            let Op::Accept(op) = op(&mut listener) else { panic!("an accept") };
            return op;
        }
    }
}

/// A dialer whose socket, under `name(slot)`, is about to connect.
pub(crate) fn dialling(sockets: &mut Sockets, slot: u32, address: SocketAddr) -> Dialer {
    let mut dialer = Dialer::new(Arc::new(DialerConfig::new(vec![address.into()]).unwrap()));
    dialer.start(NOW).unwrap();
    dialer.offer(NOW, name(slot)).unwrap();
    assert!(matches!(now(&mut dialer, sockets), Outcome::Created(_)));
    dialer
}

pub(crate) fn failed(kind: FaultKind) -> Outcome {
    Outcome::Failed(Fault::new(kind))
}
