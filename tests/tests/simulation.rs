//! What a simulation costs, counted and not timed, and that it can be repeated.

use std::cell::Cell;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use allocation_counter::measure;
use bytes::Bytes;
use sansock::{
    ClientConfig, Completion, Context, Fault, Handler, Machine, Misuse, Node, NodeEvent, Output, Peer, ServerConfig, SlotRange,
    SocketId, Timestamp, Verdict,
};
use sansock_memory::{NetworkConfig, Simulation};

/// Sends a message, waits for its echo, so many times; or echoes.
#[derive(Clone)]
enum Role {
    Server,
    Client { left: u64 },
}

const MESSAGE: Bytes = Bytes::from_static(&[7; 64]);

impl Handler for Role {
    type Message = Infallible;

    fn on_open(&mut self, cx: &mut Context<'_, Infallible>) {
        if matches!(self, Self::Client { .. }) {
            cx.send(MESSAGE).expect("room");
        }
    }

    fn on_data(&mut self, cx: &mut Context<'_, Infallible>, data: Bytes) {
        match self {
            Self::Server => cx.send(data).expect("room"),
            Self::Client { left: 0 } => cx.finish(),
            Self::Client { left } => {
                *left -= 1;
                cx.send(data).expect("room");
            }
        }
    }
}

type AnyNode = Node<Box<dyn FnMut(&Peer) -> Verdict<Role>>>;

/// A node that counts how often it is called, in any way.
struct Counted {
    node: AnyNode,
    calls: Rc<Cell<u64>>,
}

impl Counted {
    fn count(&self) {
        self.calls.set(self.calls.get() + 1);
    }
}

impl Machine for Counted {
    type Event = NodeEvent;

    fn poll(&mut self) -> Option<Output<NodeEvent>> {
        self.count();
        self.node.poll()
    }

    fn complete(&mut self, now: Timestamp, done: Completion) -> Result<(), Misuse> {
        self.count();
        self.node.complete(now, done)
    }

    fn broken(&mut self, now: Timestamp, socket: SocketId, fault: Fault) {
        self.count();
        self.node.broken(now, socket, fault);
    }

    fn handle_timeout(&mut self, now: Timestamp) {
        self.count();
        self.node.handle_timeout(now);
    }

    fn deadline(&self) -> Option<Timestamp> {
        self.count();
        self.node.deadline()
    }

    fn in_flight(&self) -> usize {
        self.count();
        self.node.in_flight()
    }
}

/// Hosts in a ring: each is a server, and a client of the next one with so many echoes.
fn ring(hosts: u32, echoes: u64, config: NetworkConfig, seed: u64) -> (Simulation<Counted>, Rc<Cell<u64>>) {
    let mut simulation = Simulation::new(config, seed);
    let calls = Rc::new(Cell::new(0));
    let name = |host: u32| SocketAddr::from(((0x0a00_0001 + host).to_be_bytes(), 7));
    for host in 0..hosts {
        let mut node: AnyNode = Node::new(SlotRange::ALL);
        let now = Timestamp::ZERO;
        let limits = ServerConfig::new(SocketAddr::from(([0, 0, 0, 0], 7))).max_connections(4).expect("some");
        node.serve(now, limits, Box::new(|_| Verdict::Accept(Role::Server))).expect("slots enough");
        let next = ClientConfig::new(vec![name((host + 1) % hosts).into()]).expect("one address");
        node.connect(now, next, Box::new(move |_| Verdict::Accept(Role::Client { left: echoes }))).expect("slots enough");
        let id = simulation.network().add_host([name(host).ip()]);
        simulation.add(id, Counted { node, calls: Rc::clone(&calls) });
    }
    (simulation, calls)
}

// B5: what a message costs does not depend on how many other hosts there are. Jitter gives each message an instant of its own.
#[test]
fn the_calls_of_machines_per_message_do_not_grow_with_the_hosts() {
    let config = NetworkConfig { jitter: Duration::from_millis(1), ..NetworkConfig::default() };
    let calls_per_message = |hosts: u32| {
        let cost = |echoes| {
            let (mut simulation, calls) = ring(hosts, echoes, config, 1);
            simulation.run(|_, _, _| {}).expect("no spin");
            calls.get()
        };
        let messages = u64::from(hosts) * 2 * 50;
        (cost(60) - cost(10)) as f64 / messages as f64
    };
    let (few, many) = (calls_per_message(3), calls_per_message(150));
    assert!(many < few * 1.5, "{few} calls a message with 3 hosts, {many} with 150");
    assert!(many < 20.0, "{many} calls a message");
}

// B3: once it is warm, a simulation allocates nothing.
#[test]
fn messages_between_hosts_allocate_nothing() {
    for jitter in [Duration::ZERO, Duration::from_micros(700)] {
        let config = NetworkConfig { jitter, ..NetworkConfig::default() };
        let (mut simulation, _) = ring(20, u64::MAX, config, 1);
        simulation.run_until(Timestamp::from_secs(2), |_, _, _| {}).expect("no spin");
        let mut events = 0_u64;
        let run = || {
            simulation.run_until(Timestamp::from_secs(3), |_, _, _| events += 1).expect("no spin");
        };
        let allocated = measure(run);
        assert!(events > 20 * 500, "{events} steps");
        assert_eq!(allocated.count_total, 0, "with jitter {jitter:?}");
    }
}

// E1
#[test]
fn a_run_is_the_same_each_time_and_another_with_another_seed() {
    let config = NetworkConfig {
        jitter: Duration::from_millis(1),
        completion_delay: Duration::from_micros(500),
        short_in: 3,
        ..NetworkConfig::default()
    };
    let hash = |seed| {
        let (mut simulation, _) = ring(5, 20, config, seed);
        simulation.run(|_, _, _| {}).expect("no spin");
        let hits = simulation.hits();
        assert!(hits.jitter > 0 && hits.late_completions > 0 && hits.short_sends > 0 && hits.short_receives > 0, "{hits:?}");
        simulation.trace_hash()
    };
    assert_eq!(hash(1), hash(1));
    assert_ne!(hash(1), hash(2));
}

// E5: what chance decides for a host does not depend on how many others there are.
#[test]
fn one_more_host_changes_nothing_for_the_others() {
    let config = NetworkConfig { jitter: Duration::from_millis(1), short_in: 3, ..NetworkConfig::default() };
    let times = |more: bool| {
        let (mut simulation, _) = ring(3, 20, config, 1);
        if more {
            let host = simulation.network().add_host([]);
            simulation.add(host, Counted { node: Node::new(SlotRange::ALL), calls: Rc::default() });
        }
        let mut times = Vec::new();
        simulation.run(|now, machine, _| times.push((now, machine))).expect("no spin");
        times
    };
    assert_eq!(times(false), times(true));
}
