//! How fast simulations run, per CPU-second on one core: 64-byte messages at 1 ms latency, every event and byte hashed.
//!
//! `cargo bench -p sansock-tests --bench simulation` runs all four workloads; `... -- echo 10 100000` runs one in the size that you choose:
//!
//! - `echo N M`: N clients of one server, M echoes each. An echo counts as two messages.
//! - `churn N M`: N clients, each of which M times connects, echoes once and closes.
//! - `idle N M`: N connections, each with an 8-byte heartbeat every 10 s, for M simulated seconds.
//! - `hosts N M`: N hosts in a ring; each serves its neighbour, and is a client of the next, with M echoes.

use std::convert::Infallible;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use bytes::Bytes;
use rustix::time::{ClockId, clock_gettime};
use sansock::{
    ClientConfig, Completion, ConnectionConfig, Context, Fault, Handler, Machine, Misuse, Node, NodeEvent, Output, Peer,
    ServerConfig, SlotRange, SocketId, TimerId, Timestamp, Verdict,
};
use sansock_memory::{HostId, NetworkConfig, Simulation};

const MESSAGE: Bytes = Bytes::from_static(&[0x5a; 64]);
const HEARTBEAT: Bytes = Bytes::from_static(&[0xa5; 8]);
const BETWEEN_HEARTBEATS: Duration = Duration::from_secs(10);
const PORT: u16 = 7;

fn main() {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with("--")).collect();
    let number = |place: usize, default: u64| words.get(place).map_or(default, |word| word.parse().expect("a number"));
    match words.first().map(String::as_str) {
        Some("echo") => echo(number(1, 10), number(2, 100_000)),
        Some("churn") => churn(number(1, 10), number(2, 10_000)),
        Some("idle") => idle(number(1, 1), number(2, 1_000_000)),
        Some("hosts") => hosts(number(1, 100), number(2, 1_000)),
        Some(other) => panic!("{other} is no workload: echo, churn, idle or hosts"),
        None => {
            echo(10, 100_000);
            echo(1_000, 1_000);
            churn(10, 10_000);
            idle(1, 1_000_000);
            idle(1_000, 10_000);
            for count in [10, 100, 1_000] {
                hosts(count, 100_000 / count);
            }
        }
    }
}

fn echo(clients: u64, echoes: u64) {
    let mut world = World::new();
    let (server, client) = (world.host(1), world.host(2));
    world.serve(server, clients);
    let mut node = Node::new(SlotRange::ALL);
    for _ in 0..clients {
        dial(&mut node, address(1), Role::Echoes { left: echoes });
    }
    world.add(client, Application::Plain(node));
    world.measure(&format!("echo {clients} {echoes}"), "messages", clients * echoes * 2);
}

fn churn(clients: u64, rounds: u64) {
    let mut world = World::new();
    let server = world.host(1);
    world.serve(server, clients);
    for index in 0..clients {
        let host = world.host(index + 2);
        world.add(host, Application::Again(Again::new(address(1), rounds)));
    }
    world.measure(&format!("churn {clients} {rounds}"), "connections", clients * rounds);
}

fn idle(clients: u64, seconds: u64) {
    let mut world = World::new();
    let (server, client) = (world.host(1), world.host(2));
    world.serve(server, clients);
    let mut node = Node::new(SlotRange::ALL);
    for _ in 0..clients {
        dial(&mut node, address(1), Role::Heartbeats { left: seconds / BETWEEN_HEARTBEATS.as_secs() });
    }
    world.add(client, Application::Plain(node));
    world.measure(&format!("idle {clients} {seconds}"), "simulated seconds", seconds);
}

fn hosts(count: u64, echoes: u64) {
    let mut world = World::new();
    for index in 1..=count {
        let host = world.host(index);
        let mut node = Node::new(SlotRange::ALL);
        serve(&mut node, 1);
        dial(&mut node, address(index % count + 1), Role::Echoes { left: echoes });
        world.add(host, Application::Plain(node));
    }
    world.measure(&format!("hosts {count} {echoes}"), "messages", count * echoes * 2);
}

/// Hosts of one network, and how to measure what they do.
struct World {
    simulation: Simulation<Application>,
}

impl World {
    fn new() -> Self {
        Self { simulation: Simulation::new(NetworkConfig::default(), 1) }
    }

    fn host(&mut self, index: u64) -> HostId {
        self.simulation.network().add_host([address(index).ip()])
    }

    fn add(&mut self, host: HostId, application: Application) {
        self.simulation.add(host, application);
    }

    fn serve(&mut self, host: HostId, clients: u64) {
        let mut node = Node::new(SlotRange::ALL);
        serve(&mut node, clients);
        self.add(host, Application::Plain(node));
    }

    fn measure(mut self, name: &str, what: &str, count: u64) {
        let mut closed = 0_u64;
        let before = cpu();
        self.simulation
            .run(|_, _, step| closed += u64::from(matches!(step, sansock_memory::Step::Event(NodeEvent::ClientStopped { .. }))))
            .expect("no spin");
        let spent = (cpu() - before).as_secs_f64();
        println!(
            "{name:<18} {:>12.0} {what} per CPU-second ({count} in {spent:.2} s; {closed} clients; virtual {}; hash {:016x})",
            count as f64 / spent,
            self.simulation.now(),
            self.simulation.trace_hash()
        );
    }
}

fn cpu() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or(0))
}

fn address(host: u64) -> SocketAddr {
    let [.., high, middle, low] = (host as u32).to_be_bytes();
    SocketAddr::new(IpAddr::V4(Ipv4Addr::new(10, high, middle, low)), PORT)
}

type AnyNode = Node<Box<dyn FnMut(&Peer) -> Verdict<Role>>>;

fn limits() -> ConnectionConfig {
    ConnectionConfig::default()
}

/// Connections overlap while one ends and the next begins: there is room for twice as many.
fn serve(node: &mut AnyNode, clients: u64) {
    let most = usize::try_from(clients * 2).expect("a few thousand");
    let config = ServerConfig::new(SocketAddr::from(([0, 0, 0, 0], PORT)))
        .listeners(vec![sansock::ListenerConfig::new(SocketAddr::from(([0, 0, 0, 0], PORT))).backlog(4096)])
        .and_then(|config| config.max_connections(most))
        .expect("valid")
        .connection(limits());
    node.serve(Timestamp::ZERO, config, Box::new(|_| Verdict::Accept(Role::Server))).expect("slots enough");
}

fn dial(node: &mut AnyNode, to: SocketAddr, role: Role) {
    dial_at(node, Timestamp::ZERO, to, role);
}

fn dial_at(node: &mut AnyNode, now: Timestamp, to: SocketAddr, role: Role) {
    let config = ClientConfig::new(vec![to.into()]).expect("one address").connection(limits());
    node.connect(now, config, Box::new(move |_| Verdict::Accept(role.clone()))).expect("slots enough");
}

/// What a host runs.
enum Application {
    Plain(AnyNode),
    Again(Again),
}

/// A client that starts over when it has ended.
struct Again {
    node: AnyNode,
    now: Timestamp,
    to: SocketAddr,
    left: u64,
}

impl Again {
    fn new(to: SocketAddr, rounds: u64) -> Self {
        let mut again = Self { node: Node::default(), now: Timestamp::ZERO, to, left: rounds };
        again.start();
        again
    }

    fn start(&mut self) {
        if let Some(left) = self.left.checked_sub(1) {
            self.left = left;
            self.node = Node::default();
            dial_at(&mut self.node, self.now, self.to, Role::Echoes { left: 1 });
        }
    }

    fn poll(&mut self) -> Option<Output<NodeEvent>> {
        let output = self.node.poll();
        if matches!(output, Some(Output::Event(NodeEvent::ClientStopped { .. }))) {
            self.start();
        }
        output
    }
}

impl Application {
    fn node(&mut self, now: Timestamp) -> &mut AnyNode {
        match self {
            Self::Plain(node) => node,
            Self::Again(again) => {
                again.now = now;
                &mut again.node
            }
        }
    }
}

impl Machine for Application {
    type Event = NodeEvent;

    fn poll(&mut self) -> Option<Output<NodeEvent>> {
        match self {
            Self::Plain(node) => node.poll(),
            Self::Again(again) => again.poll(),
        }
    }

    fn complete(&mut self, now: Timestamp, done: Completion) -> Result<(), Misuse> {
        self.node(now).complete(now, done)
    }

    fn broken(&mut self, now: Timestamp, socket: SocketId, fault: Fault) {
        self.node(now).broken(now, socket, fault);
    }

    fn handle_timeout(&mut self, now: Timestamp) {
        self.node(now).handle_timeout(now);
    }

    fn deadline(&self) -> Option<Timestamp> {
        match self {
            Self::Plain(node) => node.deadline(),
            Self::Again(again) => again.node.deadline(),
        }
    }

    fn in_flight(&self) -> usize {
        match self {
            Self::Plain(node) => node.in_flight(),
            Self::Again(again) => again.node.in_flight(),
        }
    }
}

/// The two ends of a conversation.
#[derive(Clone)]
enum Role {
    /// Sends back what it receives.
    Server,
    /// Sends a message, waits for its echo, so many times.
    Echoes { left: u64 },
    /// Sends a heartbeat every ten seconds, so many times.
    Heartbeats { left: u64 },
}

impl Role {
    fn next(&mut self, cx: &mut Context<'_, Infallible>) {
        match self {
            Self::Server => {}
            Self::Echoes { left } | Self::Heartbeats { left } if *left == 0 => cx.finish(),
            Self::Echoes { left } => {
                *left -= 1;
                cx.send(MESSAGE).expect("room");
            }
            Self::Heartbeats { left } => {
                *left -= 1;
                cx.send(HEARTBEAT).expect("room");
                cx.set_timer(TimerId::A, BETWEEN_HEARTBEATS);
            }
        }
    }
}

impl Handler for Role {
    type Message = Infallible;

    fn on_open(&mut self, cx: &mut Context<'_, Infallible>) {
        self.next(cx);
    }

    fn on_data(&mut self, cx: &mut Context<'_, Infallible>, data: Bytes) {
        match self {
            Self::Server => cx.send(data).expect("room"),
            Self::Echoes { .. } => self.next(cx),
            Self::Heartbeats { .. } => {}
        }
    }

    fn on_timer(&mut self, cx: &mut Context<'_, Infallible>, _: TimerId) {
        self.next(cx);
    }
}
