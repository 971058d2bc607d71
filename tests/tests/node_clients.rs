//! A node that starts one client after another: it uses the places of those that have stopped, under names that nobody had.

use std::collections::BTreeSet;

use sansock::{
    ClientConfig, Completion, FaultKind, Machine, MisuseKind, Node, NodeEvent, Op, OpId, Outcome, Peer, ServerConfig, SlotRange,
    SocketId, SupervisorId, Timestamp, Verdict,
};
use sansock_tests::drive::{Quiet, address, attend, ordinary};

const NOW: Timestamp = Timestamp::ZERO;
/// Nobody listens at this port.
const REFUSES: u16 = 81;

type Service = fn(&Peer) -> Verdict<Quiet>;

fn accept(_: &Peer) -> Verdict<Quiet> {
    Verdict::Accept(Quiet)
}

/// A node, what it has said, the names that it has used, and the operations that wait for a peer.
struct Bench {
    node: Node<Service>,
    events: Vec<NodeEvent>,
    names: Vec<SocketId>,
    waiting: Vec<OpId>,
}

impl Bench {
    fn new(slots: u32) -> Self {
        let node = Node::new(SlotRange::new(7, slots).unwrap());
        Self { node, events: Vec::new(), names: Vec::new(), waiting: Vec::new() }
    }

    fn connect(&mut self) -> SupervisorId {
        self.connect_to(vec![address(80)])
    }

    fn connect_to(&mut self, addresses: Vec<sansock::Address>) -> SupervisorId {
        let config = ClientConfig::new(addresses).unwrap();
        let client = self.node.connect(NOW, config, accept as Service).expect("slots enough");
        self.run();
        client
    }

    fn serve(&mut self, places: usize) -> SupervisorId {
        let config = ServerConfig::new(address(80)).max_connections(places).unwrap();
        let server = self.node.serve(NOW, config, accept as Service).expect("slots enough");
        self.run();
        server
    }

    fn run(&mut self) {
        let names = &mut self.names;
        let answer = |op: &Op| {
            if matches!(op, Op::Startup(_) | Op::Create(_)) {
                names.push(op.socket());
            }
            match op {
                Op::Connect(connect) if connect.address() == address(REFUSES) => {
                    Outcome::Failed(FaultKind::ConnectionRefused.into())
                }
                op => ordinary(op),
            }
        };
        self.events.extend(attend(&mut self.node, &mut self.waiting, answer));
    }

    fn stop(&mut self, supervisor: SupervisorId) {
        self.node.stop_one(NOW, supervisor);
        self.run();
        let stopped = self.events.iter().any(|event| match event {
            NodeEvent::ServerStopped { server: stopped, .. } | NodeEvent::ClientStopped { client: stopped, .. } => {
                *stopped == supervisor
            }
            _ => false,
        });
        assert!(stopped, "{supervisor:?}: {:?}", self.events);
    }

    fn session(&self) -> SocketId {
        let sessions: Vec<_> = self.node.sessions().map(sansock::Session::socket).collect();
        let [session] = sessions[..] else { panic!("one session: {sessions:?}") };
        session
    }
}

// B11
#[test]
fn clients_one_after_another_need_the_slots_of_one_and_no_name_comes_twice() {
    let mut bench = Bench::new(2);
    let mut clients = BTreeSet::new();
    let mut sessions = BTreeSet::new();
    let mut used = 0;
    for life in 0..100 {
        // Every third has to try three addresses, each with a socket of its own.
        let refused = if life % 3 == 0 { 2 } else { 0 };
        used += 2 + refused;
        let client = bench.connect_to([vec![address(REFUSES); refused], vec![address(80)]].concat());
        assert!(clients.insert(client), "the name of an earlier client");
        let session = bench.session();
        assert!(sessions.insert(session), "the name of an earlier session");
        let opened = NodeEvent::Opened { supervisor: client, socket: session, peer: bench.node.session(session).unwrap().peer() };
        assert_eq!(bench.events.pop(), Some(opened));
        bench.stop(client);
        assert!(matches!(bench.events[..], [NodeEvent::Closed { supervisor, socket, .. }, NodeEvent::ClientStopped { .. }]
            if supervisor == client && socket == session));
        bench.events.clear();
        assert!(bench.node.is_stopped() && bench.waiting.is_empty());
        let names: BTreeSet<_> = bench.names.iter().collect();
        assert_eq!((bench.names.len(), names.len()), (used, used), "its own name and those of its sockets");
    }
    assert!(bench.names.iter().all(|name| (7..9).contains(&name.slot())));
}

// B11
#[test]
fn whatever_is_said_of_an_earlier_client_does_not_concern_the_one_in_its_place() {
    let mut bench = Bench::new(2);
    let first = bench.connect();
    let late = bench.waiting[0];
    bench.stop(first);
    let second = bench.connect();
    let session = bench.session();
    assert_eq!((late.socket().slot(), late.socket() == session), (session.slot(), false));

    let misuse = bench.node.complete(NOW, Completion::from_raw(late, Outcome::Eof)).unwrap_err();
    assert!(matches!(misuse.kind(), MisuseKind::UnknownSocket | MisuseKind::NotInFlight), "{misuse}");
    bench.node.stop_one(NOW, first);
    bench.node.drain_one(NOW, first, NOW);
    bench.node.broken(NOW, late.socket(), FaultKind::ConnectionReset.into());
    bench.run();
    assert_eq!((bench.session(), bench.waiting.len()), (session, 1), "it goes on");

    bench.node.drain_one(NOW, second, NOW + std::time::Duration::from_secs(9));
    bench.run();
    assert_eq!(bench.node.session(session).unwrap().connection().send_half(), sansock::state::SendHalf::Finished);
}

#[test]
fn a_server_that_has_stopped_can_be_looked_at_until_another_has_its_place() {
    let mut bench = Bench::new(6);
    let first = bench.serve(2);
    bench.stop(first);
    assert_eq!(bench.node.server(first).unwrap().life(), sansock::state::SupervisorLife::Stopped);
    // A client needs fewer slots: it gets others.
    let client = bench.connect();
    assert!(bench.node.server(first).is_some() && bench.node.server(client).is_none());
    let second = bench.serve(2);
    assert!(bench.node.server(first).is_none() && bench.node.server(second).is_some());
    // The server's own name, that of its listener, and two places; then the client's. A generation may be left out.
    let slots: Vec<_> = bench.names.iter().map(|name| (name.slot(), name.generation())).collect();
    assert_eq!(slots, [(7, 0), (8, 0), (11, 0), (12, 0), (7, 2), (8, 2)]);
    assert_eq!(bench.waiting.last().map(|accept| accept.socket()), SocketId::new(9, 2), "the first of its two places");
}

#[test]
fn too_few_slots_are_an_error_as_long_as_nobody_stops() {
    let mut bench = Bench::new(4);
    let clients = [bench.connect(), bench.connect()];
    let config = ClientConfig::new(vec![address(80)]).unwrap();
    let refused = bench.node.connect(NOW, config, accept as Service).unwrap_err();
    assert_eq!(refused.kind(), MisuseKind::Slots);
    bench.stop(clients[0]);
    let third = bench.connect();
    assert_eq!(bench.node.sessions().count(), 2);
    bench.stop(clients[1]);
    bench.stop(third);
    assert!(bench.node.is_stopped());
}

#[test]
fn operations_find_their_client_among_many() {
    let mut bench = Bench::new(40);
    let mut clients: Vec<_> = (0..20).map(|_| bench.connect()).collect();
    for round in 0..50_usize {
        let leaves = clients.swap_remove(round * 7 % clients.len());
        bench.stop(leaves);
        clients.push(bench.connect());
        let opened = bench.events.iter().rev().find_map(|event| match event {
            NodeEvent::Opened { supervisor, .. } => Some(*supervisor),
            _ => None,
        });
        assert_eq!(opened, clients.last().copied());
    }
    assert_eq!(bench.node.sessions().count(), 20);
    bench.node.stop(NOW);
    bench.run();
    assert!(bench.node.is_stopped());
}
