//! A server with its sessions and their handlers, as a node: what a drain does to them, and who gets a turn.

use std::convert::Infallible;
use std::time::Duration;

use bytes::Bytes;
use sansock::{
    Canonical, CloseReason, CloseReport, Completion, Connected, ConnectionConfig, Context, Ending, FaultKind, Handler, Machine,
    Node, NodeEvent, Op, OpKind, Outcome, Output, Peer, ServerConfig, ServerReport, SlotRange, SocketId, SupervisorId, Timestamp,
    Verdict,
};
use sansock_system::CatchPanics;
use sansock_tests::drive::{Contract, Drive, address, attend, connected, ordinary};

const DEADLINE: Timestamp = Timestamp::from_secs(10);

/// What a handler is like.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Character {
    /// It finishes when it is told of the drain.
    Obedient,
    /// It does not: it would keep its connection for ever.
    Stubborn,
    /// It has something to say, and finishes after that.
    Talkative,
    /// It panics.
    Nervous,
}

impl Handler for Character {
    type Message = Infallible;

    fn on_open(&mut self, cx: &mut Context<'_, Infallible>) {
        if *self == Self::Talkative {
            cx.send(Bytes::from_static(b"ten bytes.")).expect("the queue is empty");
        }
    }

    fn on_data(&mut self, _: &mut Context<'_, Infallible>, _: Bytes) {}

    fn on_draining(&mut self, cx: &mut Context<'_, Infallible>) {
        match self {
            Self::Obedient | Self::Talkative => cx.finish(),
            Self::Stubborn => {}
            Self::Nervous => panic!("drained"),
        }
    }
}

/// It has no state.
impl Canonical for Character {
    fn canonical(&self, _: Timestamp, _: &mut Vec<u8>) {}
}

/// The peer's port says what its handler is like.
fn by_port(peer: &Peer) -> Verdict<Character> {
    Verdict::Accept(match peer.address.and_then(sansock::Address::port) {
        Some(1) => Character::Stubborn,
        Some(2) => Character::Talkative,
        Some(3) => Character::Nervous,
        _ => Character::Obedient,
    })
}

type ByPort = fn(&Peer) -> Verdict<Character>;
type Service = CatchPanics<ByPort>;

/// A node with one server that listens.
struct Served(Node<Service>);

impl Machine for Served {
    type Event = NodeEvent;

    fn poll(&mut self) -> Option<Output<NodeEvent>> {
        self.0.poll()
    }

    fn complete(&mut self, now: Timestamp, done: Completion) -> Result<(), sansock::Misuse> {
        self.0.complete(now, done)
    }

    fn broken(&mut self, now: Timestamp, socket: SocketId, fault: sansock::Fault) {
        self.0.broken(now, socket, fault);
    }

    fn handle_timeout(&mut self, now: Timestamp) {
        self.0.handle_timeout(now);
    }

    fn deadline(&self) -> Option<Timestamp> {
        self.0.deadline()
    }

    fn in_flight(&self) -> usize {
        self.0.in_flight()
    }
}

/// The driver compares states only when it refuses something, which these tests do not.
impl Canonical for Served {
    fn canonical(&self, _: Timestamp, _: &mut Vec<u8>) {}
}

fn serving(places: usize, limits: ConnectionConfig) -> Drive<Served> {
    let mut node = Node::new(SlotRange::ALL);
    let config = ServerConfig::new(address(80)).max_connections(places).unwrap().connection(limits);
    node.serve(Timestamp::ZERO, config, CatchPanics::new(by_port as ByPort)).unwrap();
    let mut contract = Contract::default();
    contract.limit(places);
    let mut drive = Drive::with_contract(Served(node), contract);
    drive.poll(usize::MAX);
    drive.wind_up();
    drive.events();
    drive
}

fn connect(drive: &mut Drive<Served>, port: u16) -> SocketId {
    let accept = drive.the(OpKind::Accept);
    drive.complete(accept, connected(port));
    accept.socket()
}

fn drain(drive: &mut Drive<Served>) {
    drive.call(|served, now| served.0.drain(now, DEADLINE));
    drive.wind_up();
}

/// Lets time pass from deadline to deadline, and the transport do its work without a peer, until the server has stopped.
fn until_stopped(drive: &mut Drive<Served>) -> (ServerReport, Vec<CloseReport>) {
    drive.wind_up();
    while !drive.machine().0.is_stopped() && drive.tick_at_deadline() {
        drive.wind_up();
    }
    let (mut closed, mut stopped) = (Vec::new(), None);
    for event in drive.events() {
        match event {
            NodeEvent::Closed { report, .. } => closed.push(report),
            NodeEvent::ServerStopped { report, .. } => stopped = Some(report),
            _ => {}
        }
    }
    assert_eq!(drive.contract().open(), 0, "A8: a socket is open");
    (*stopped.expect("the server stops"), closed)
}

// X124, C3
#[test]
fn x124_a_connection_that_its_handler_keeps_open_is_aborted_at_the_deadline() {
    let mut drive = serving(4, ConnectionConfig::default().read_idle(None).unwrap());
    connect(&mut drive, 1);
    drain(&mut drive);
    let (report, closed) = until_stopped(&mut drive);
    assert_eq!(drive.now(), DEADLINE);
    assert_eq!(closed[0].ending, Ending::Aborted);
    assert!(report.forced && matches!(closed[0].reason, CloseReason::DrainDeadline | CloseReason::Ordered), "{closed:?}");
}

// X39: a connection that never said anything is not waited for until the deadline.
#[test]
fn x039_a_silent_connection_ends_after_the_time_that_a_peer_may_be_silent() {
    let limits = ConnectionConfig::default().closing(Duration::from_secs(30), Duration::from_secs(5), 1000).unwrap();
    let mut drive = serving(4, limits);
    let socket = connect(&mut drive, 9);
    drain(&mut drive);
    assert!(drive.all(OpKind::Recv).iter().any(|recv| recv.socket() == socket), "it waits for the peer's end");
    let (report, closed) = until_stopped(&mut drive);
    assert_eq!((drive.now(), report.forced), (Timestamp::from_secs(5), false));
    assert_eq!((closed[0].ending, closed[0].cut_short), (Ending::Unconfirmed, Some(CloseReason::LingerGap)));
}

// X125: the stall timer runs during a drain too, so a peer that reads nothing does not hold it up until its deadline.
#[test]
fn x125_a_peer_that_takes_nothing_is_given_up_before_the_deadline() {
    let mut drive = serving(4, ConnectionConfig::default().write_stall(Some(Duration::from_secs(3))).unwrap());
    connect(&mut drive, 2);
    drain(&mut drive);
    let (report, closed) = until_stopped(&mut drive);
    assert_eq!((drive.now(), report.forced), (Timestamp::from_secs(3), false));
    assert_eq!((closed[0].ending, closed[0].reason, closed[0].unsent), (Ending::Aborted, CloseReason::Finished, 10));
    assert_eq!(closed[0].cut_short, Some(CloseReason::WriteStall));
}

// X6, X125: and where it does not run, the deadline ends a connection whose window is zero for ever, with a reset.
#[test]
fn x006_a_peer_with_a_zero_window_does_not_outlive_the_deadline() {
    let mut drive = serving(4, ConnectionConfig::default().write_stall(None).unwrap());
    let socket = connect(&mut drive, 2);
    drain(&mut drive);
    drive.tick_at_deadline();
    for kind in [OpKind::Send, OpKind::Recv] {
        drive.fail(drive.the(kind), FaultKind::Cancelled);
    }
    let close = drive.the(OpKind::Close);
    assert!(matches!(drive.op(close), Op::Close(close) if close.socket() == socket && close.abortive()));
    let (report, _) = until_stopped(&mut drive);
    assert_eq!((drive.now(), report.aborted), (DEADLINE, 1));
}

// X135, X36, G3: it costs its own connection only, and holds up nobody.
#[test]
fn x135_a_handler_that_panics_during_the_drain_is_not_waited_for() {
    let mut drive = serving(4, ConnectionConfig::default());
    connect(&mut drive, 3);
    connect(&mut drive, 9);
    drain(&mut drive);
    let (report, closed) = until_stopped(&mut drive);
    let reasons: Vec<_> = closed.iter().map(|report| report.reason).collect();
    assert_eq!(reasons, [CloseReason::HandlerFailed, CloseReason::Finished]);
    assert_eq!((report.accepted, report.aborted, report.unconfirmed, report.forced), (2, 1, 1, false));
}

// X36: a service that panics turns the connection away, and is asked about the next.
#[test]
fn x036_a_service_that_panics_rejects_the_connection() {
    let nervous: fn(&Peer) -> Verdict<Character> =
        |peer| if peer.address.is_none() { panic!("who?") } else { Verdict::Accept(Character::Obedient) };
    let mut node = Node::new(SlotRange::ALL);
    node.serve(Timestamp::ZERO, ServerConfig::new(address(80)), CatchPanics::new(nervous)).unwrap();
    let mut drive = Drive::new(Served(node));
    drive.poll(usize::MAX);
    drive.wind_up();
    drive.complete(drive.the(OpKind::Accept), Outcome::Connected(Connected::default().into()));
    assert!(matches!(drive.op(drive.the(OpKind::Close)), Op::Close(close) if close.abortive()));
    connect(&mut drive, 9);
    drive.call(|served, now| served.0.stop(now));
    let (report, _) = until_stopped(&mut drive);
    assert_eq!((report.accepted, report.rejected, report.aborted), (2, 1, 1));
}

// B4, X29: one that lingers, or is being closed, is still there.
#[test]
fn x029_a_connection_counts_until_its_socket_is_closed() {
    let mut drive = serving(1, ConnectionConfig::default());
    let socket = connect(&mut drive, 9);
    drive.complete(drive.the(OpKind::Recv), Outcome::Eof);
    drive.finish(OpKind::Shutdown);
    assert_eq!(drive.in_flight(), [OpKind::Close]);
    drive.finish(OpKind::Close);
    let accept = drive.the(OpKind::Accept);
    assert_eq!((accept.socket().slot(), accept.socket().generation()), (socket.slot(), 1));
}

// X124, X18: it opens, and is told of the drain. Both happen before its first operation.
#[test]
fn x018_a_connection_that_is_accepted_while_draining_finishes_too() {
    let mut drive = serving(4, ConnectionConfig::default());
    drive.call(|served, now| served.0.drain(now, DEADLINE));
    drive.fail(drive.the(OpKind::Accept), FaultKind::Cancelled);
    let socket = connect(&mut drive, 9);
    assert!(drive.all(OpKind::Shutdown).iter().any(|shutdown| shutdown.socket() == socket));
    let (report, closed) = until_stopped(&mut drive);
    assert_eq!((report.accepted, closed.len(), report.forced), (1, 1, false));
}

#[test]
fn one_server_of_a_node_ends_and_the_other_goes_on() {
    let ends: [fn(&mut Node<Service>, SupervisorId); 2] = [
        |node, server| node.stop_one(Timestamp::ZERO, server),
        |node, server| {
            node.drain_one(Timestamp::ZERO, server, Timestamp::ZERO);
            node.handle_timeout(Timestamp::ZERO);
        },
    ];
    for end in ends {
        let (mut node, mut waiting) = (Node::new(SlotRange::ALL), Vec::new());
        let [_, server] = [80, 81].map(|port| {
            let config = ServerConfig::new(address(port)).max_connections(1).unwrap();
            node.serve(Timestamp::ZERO, config, CatchPanics::new(by_port as ByPort)).unwrap()
        });
        attend(&mut node, &mut waiting, ordinary);
        let accepts = std::mem::take(&mut waiting);
        for accept in &accepts {
            node.complete(Timestamp::ZERO, Completion::from_raw(*accept, connected(9))).unwrap();
        }
        attend(&mut node, &mut waiting, ordinary);
        let [goes_on, ends] = [accepts[0].socket(), accepts[1].socket()];
        assert_eq!(waiting.iter().map(|id| id.socket()).collect::<Vec<_>>(), [goes_on, ends]);

        end(&mut node, server);
        let events = attend(&mut node, &mut waiting, ordinary);
        assert!(matches!(events[0], NodeEvent::Closed { supervisor, socket, .. } if supervisor == server && socket == ends));
        assert!(matches!(events[1], NodeEvent::ServerStopped { server: stopped, .. } if stopped == server));
        assert_eq!(events.len(), 2);
        assert_eq!(waiting.iter().map(|id| id.socket()).collect::<Vec<_>>(), [goes_on]);
        assert!(node.session(ends).is_none() && node.session(goes_on).is_some() && !node.is_stopped());
    }
}

/// Keeps the messages that it gets.
#[derive(Default)]
struct Letters(Vec<u8>);

impl Handler for Letters {
    type Message = u8;

    fn on_data(&mut self, _: &mut Context<'_, u8>, _: Bytes) {}

    fn on_message(&mut self, _: &mut Context<'_, u8>, message: u8) {
        self.0.push(message);
    }
}

#[test]
fn the_name_of_an_earlier_connection_is_nobodys() {
    let (mut node, mut waiting) = (Node::new(SlotRange::ALL), Vec::new());
    let config = ServerConfig::new(address(80)).max_connections(1).unwrap();
    let server = node.serve(Timestamp::ZERO, config, |_: &Peer| Verdict::Accept(Letters::default())).unwrap();
    assert!(node.server(server).is_some());
    let mut names = Vec::new();
    for _ in 0..2 {
        attend(&mut node, &mut waiting, ordinary);
        let accept = waiting.pop().unwrap();
        node.complete(Timestamp::ZERO, Completion::from_raw(accept, connected(9))).unwrap();
        attend(&mut node, &mut waiting, ordinary);
        names.push(accept.socket());
        assert!(node.session(accept.socket()).is_some());
        if names.len() == 1 {
            node.broken(Timestamp::ZERO, accept.socket(), FaultKind::ConnectionReset.into());
            let closed = attend(&mut node, &mut waiting, ordinary);
            assert!(matches!(closed[..], [NodeEvent::Closed { socket, .. }] if socket == accept.socket()));
        }
    }
    let [earlier, now] = names[..] else { panic!("two connections") };
    assert_eq!(earlier.slot(), now.slot());
    assert!(node.session(earlier).is_none());
    assert_eq!(node.post(Timestamp::ZERO, earlier, 1), Err(1));
    assert_eq!(node.post(Timestamp::ZERO, now, 2), Ok(()));
    assert_eq!(node.session(now).unwrap().handler().0, [2]);
}

#[test]
fn a_listener_of_a_node_can_be_reported_as_broken() {
    let (mut node, mut waiting) = (Node::new(SlotRange::ALL), Vec::new());
    node.serve(Timestamp::ZERO, ServerConfig::new(address(80)), by_port as ByPort).unwrap();
    attend(&mut node, &mut waiting, ordinary);
    // The first slot is the server's own.
    node.broken(Timestamp::ZERO, SocketId::new(1, 0).unwrap(), FaultKind::Other.into());
    let events = attend(&mut node, &mut waiting, ordinary);
    // It may get better, as with an accept that fails so.
    assert!(matches!(events[..], [NodeEvent::Exhausted { listener: 0, .. }]), "{events:?}");
}

#[test]
fn the_encoding_of_a_node_tells_what_its_servers_do() {
    let encoded = |act: fn(&mut Node<ByPort>)| {
        let mut node = Node::new(SlotRange::ALL);
        node.serve(Timestamp::ZERO, ServerConfig::new(address(80)), by_port as ByPort).unwrap();
        act(&mut node);
        let mut out = Vec::new();
        node.canonical(Timestamp::ZERO, &mut out);
        out
    };
    assert_eq!(encoded(|_| {}), encoded(|_| {}));
    let starting = encoded(|node| assert!(matches!(node.poll(), Some(Output::Submit(Op::Startup(_))))));
    assert_ne!(encoded(|_| {}), starting);
}

// X28, X98, C11: a storm of clients, all queued, each accept completing at once. A connection that has something to do gets its turn
// between any two accepts.
#[test]
fn x028_a_storm_of_accepts_does_not_starve_a_connection() {
    let Served(mut node) = {
        let mut node = Node::new(SlotRange::ALL);
        let config = ServerConfig::new(address(80)).max_connections(500).unwrap();
        node.serve(Timestamp::ZERO, config, CatchPanics::new(by_port as ByPort)).unwrap();
        Served(node)
    };
    let (mut accepts, mut received, mut since, mut longest) = (0_u16, 0, 0, 0);
    let mut busy = None;
    while accepts < 400 {
        let Some(output) = node.poll() else { panic!("the storm is over after {accepts}") };
        let Output::Submit(op) = output else { continue };
        since += 1;
        let done = match op {
            Op::Accept(accept) => {
                accepts += 1;
                busy.get_or_insert(accept.slot());
                accept.accepted(Connected { peer: Some(address(accepts + 100)), ..Connected::default() })
            }
            Op::Recv(recv) if Some(recv.socket()) == busy => {
                received += 1;
                longest = since.max(longest);
                since = 0;
                recv.data(Bytes::from_static(b"x"))
            }
            Op::Recv(_) => continue,
            op => Completion::from_raw(op.id(), ordinary(&op)),
        };
        node.complete(Timestamp::ZERO, done).unwrap();
    }
    assert!(received >= 100 && longest <= 10, "{received} receives beside {accepts} accepts, {longest} operations apart");
}
