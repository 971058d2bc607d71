//! H4: nothing in the core calls itself, so how much there is to do never decides how much stack it takes.

use std::net::SocketAddr;
use std::thread;

use bytes::Bytes;
use sansock::{
    Address, ClientConfig, ConnectionConfig, Context, Handler, Node, NodeEvent, Peer, ServerConfig, SlotRange, Timestamp, Verdict,
};
use sansock_memory::{NetworkConfig, Simulation, Step};

/// Connections at once, and messages and bytes on each.
const CONNECTIONS: usize = 20;
const MESSAGES: u32 = 5_000;
const BYTES: usize = 2_000;

/// In a debug build the deepest call takes less than half of this. One small frame more for every message, or for every byte of a
/// connection, would not fit.
const STACK: usize = 64 * 1024;

/// Posts messages to itself, one after another, and sends as much as it is allowed to each time; finishes when both are done.
struct Busy {
    held: Bytes,
    messages: u32,
}

impl Busy {
    fn new() -> Self {
        Self { held: Bytes::from(vec![7; BYTES]), messages: MESSAGES }
    }

    fn go_on(&mut self, cx: &mut Context<'_, ()>) {
        let held = std::mem::take(&mut self.held);
        if let Err(unsent) = cx.send(held) {
            self.held = unsent.data;
        } else if self.messages == 0 {
            cx.finish();
        }
    }
}

impl Handler for Busy {
    type Message = ();

    fn on_open(&mut self, cx: &mut Context<'_, ()>) {
        cx.post(cx.socket(), ()).expect("an empty mailbox");
        self.go_on(cx);
    }

    fn on_message(&mut self, cx: &mut Context<'_, ()>, (): ()) {
        self.messages -= 1;
        if self.messages > 0 {
            cx.post(cx.socket(), ()).expect("an empty mailbox");
        }
        self.go_on(cx);
    }

    fn on_data(&mut self, _: &mut Context<'_, ()>, _: Bytes) {}

    fn on_peer_finished(&mut self, cx: &mut Context<'_, ()>) {
        self.go_on(cx);
    }

    fn on_writable(&mut self, cx: &mut Context<'_, ()>) {
        self.go_on(cx);
    }
}

type Make = fn(&Peer) -> Verdict<Busy>;

/// Every connection moves single bytes through a queue of two, all of them are drained together, and none is lost.
fn run() -> u64 {
    let network = NetworkConfig { segment: 1, ..NetworkConfig::default() };
    let mut simulation: Simulation<Node<Make>> = Simulation::new(network, 1);
    let host = simulation.network().add_host([]);
    let server = simulation.add(host, Node::new(SlotRange::ALL));
    let clients = simulation.add(host, Node::new(SlotRange::ALL));
    let service: Make = |_| Verdict::Accept(Busy::new());
    let limits = ConnectionConfig::default().send_queue(1, 2).expect("one is less than two");
    let config = ServerConfig::new(SocketAddr::from(([127, 0, 0, 1], 0))).connection(limits);
    simulation.with(server, |node, now| node.serve(now, config, service)).expect("slots enough");
    let mut address: Option<Address> = None;
    let mut confirmed = 0;
    let mut see = |_, _, step: Step<'_, NodeEvent>| match step {
        Step::Event(NodeEvent::Listening { local, .. }) => address = local,
        Step::Event(NodeEvent::ServerStopped { report, .. }) => confirmed = report.confirmed,
        _ => {}
    };
    simulation.run(&mut see).expect("no spin");
    let config = ClientConfig::new(vec![address.take().expect("it listens")]).expect("one address").connection(limits);
    for _ in 0..CONNECTIONS {
        simulation.with(clients, |node, now| node.connect(now, config.clone(), service)).expect("slots enough");
    }
    let mut see = |_, _, step: Step<'_, NodeEvent>| {
        if let Step::Event(NodeEvent::ServerStopped { report, .. }) = step {
            confirmed = report.confirmed;
        }
    };
    simulation.run(&mut see).expect("no spin");
    simulation.with(server, |node, now| node.drain(now, Timestamp::NEVER));
    simulation.run(&mut see).expect("no spin");
    confirmed
}

// H4
#[test]
fn work_takes_no_stack_however_much_there_is() {
    let thread = thread::Builder::new().stack_size(STACK).spawn(run).expect("a thread");
    assert_eq!(thread.join().expect("a stack that was too small would have ended the process"), CONNECTIONS as u64);
}
