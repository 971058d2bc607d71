//! How fast simulations run, per CPU-second on one core: 64-byte messages at 1 ms latency, every event and byte hashed.
//!
//! `cargo bench -p sansock-tests --bench simulation` runs all workloads, beside [turmoil](https://docs.rs/turmoil) in the same run: three rounds
//! of ours, turmoil, and ours again, so that the noise shows. `... -- echo 10 100000` runs one workload of ours in the size that you choose:
//!
//! - `echo N M`: N clients of one server, M echoes each. An echo counts as two messages.
//! - `churn N M`: N clients, each of which M times connects, echoes once and closes.
//! - `idle N M`: N connections, each with an 8-byte heartbeat every 10 s, for M simulated seconds.
//! - `hosts N M`: N hosts in a ring; each serves its neighbour, and is a client of the next, with M echoes.
//!
//! turmoil hashes nothing, and its sockets are simpler: it has no windows, buffers, short sends or TIME_WAIT. It runs one tick a millisecond, whether or not
//! anything happens; where that takes long it is given less to do, and rates are compared.

mod peer;

use std::convert::Infallible;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use bytes::Bytes;
use rustix::time::{ClockId, clock_gettime};
use sansock::{
    ClientConfig, Completion, ConnectionConfig, Context, Fault, Handler, Machine, Misuse, Node, NodeEvent, Output, Peer,
    ServerConfig, Service, SlotRange, SocketId, TimerId, Timestamp, Verdict,
};
use sansock_memory::{HostId, NetworkConfig, Simulation};

const MESSAGE: Bytes = Bytes::from_static(&[0x5a; 64]);
const HEARTBEAT: Bytes = Bytes::from_static(&[0xa5; 8]);
const BETWEEN_HEARTBEATS: Duration = Duration::from_secs(10);
const PORT: u16 = 7;

fn main() {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with("--")).collect();
    let number = |place: usize, default: u64| words.get(place).map_or(default, |word| word.parse().expect("a number"));
    let Some(name) = words.first() else { return compare_all() };
    let workload = Workload::ALL.into_iter().find(|workload| workload.name() == name);
    let workload = workload.unwrap_or_else(|| panic!("{name} is no workload: echo, churn, idle or hosts"));
    let [hosts, each] = workload.usual();
    let run = ours(workload, number(1, hosts), number(2, each));
    let (rate, unit) = (run.rate(), workload.unit());
    println!(
        "{name}: {rate:.0} {unit} per CPU-second ({} in {:.2} s; hash {:016x})",
        run.count,
        run.spent.as_secs_f64(),
        run.hash
    );
}

/// What is measured.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Workload {
    Echo,
    Churn,
    Idle,
    Hosts,
}

impl Workload {
    const ALL: [Self; 4] = [Self::Echo, Self::Churn, Self::Idle, Self::Hosts];

    const fn name(self) -> &'static str {
        match self {
            Self::Echo => "echo",
            Self::Churn => "churn",
            Self::Idle => "idle",
            Self::Hosts => "hosts",
        }
    }

    const fn unit(self) -> &'static str {
        match self {
            Self::Echo | Self::Hosts => "messages",
            Self::Churn => "connections",
            Self::Idle => "simulated seconds",
        }
    }

    const fn usual(self) -> [u64; 2] {
        match self {
            Self::Echo => [10, 100_000],
            Self::Churn => [10, 10_000],
            Self::Idle => [1, 1_000_000],
            Self::Hosts => [100, 1_000],
        }
    }

    /// How much of it there is, in its unit.
    pub(crate) const fn count(self, hosts: u64, each: u64) -> u64 {
        match self {
            Self::Echo | Self::Hosts => hosts * each * 2,
            Self::Churn => hosts * each,
            Self::Idle => each,
        }
    }
}

/// What one run took.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Run {
    pub(crate) count: u64,
    pub(crate) spent: Duration,
    pub(crate) hash: u64,
}

impl Run {
    fn rate(self) -> f64 {
        self.count as f64 / self.spent.as_secs_f64()
    }
}

/// How often each pair is measured.
const ROUNDS: usize = 3;

/// The workload, its hosts, and how much each does: ours, and turmoil's part of it.
const PAIRS: [(Workload, u64, u64, u64); 7] = [
    (Workload::Echo, 10, 50_000, 5_000),
    (Workload::Echo, 1_000, 500, 50),
    (Workload::Churn, 10, 5_000, 500),
    (Workload::Idle, 1, 1_000_000, 1_000),
    (Workload::Idle, 1_000, 5_000, 100),
    (Workload::Hosts, 10, 10_000, 1_000),
    (Workload::Hosts, 100, 1_000, 100),
];

fn compare_all() {
    // First, while no memory was given back that it could use.
    let idle = bytes_per_idle_connection();
    println!(
        "{:<12} {:>8} {:>16} {:>7} {:>16} {:>22}",
        "workload", "size", "ours per CPU-s", "again", "turmoil", "ours / turmoil"
    );
    for (workload, hosts, each, part) in PAIRS {
        let (mut rates, mut noise, mut peers, mut ratios) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            let one = ours(workload, hosts, each).rate();
            let peer = peer::run(workload, hosts, part).rate();
            let two = ours(workload, hosts, each).rate();
            rates.push(one);
            noise.push(two / one);
            peers.push(peer);
            ratios.push(f64::midpoint(one, two) / peer);
        }
        let (least, most) = (ratios.iter().copied().fold(f64::MAX, f64::min), ratios.iter().copied().fold(0.0, f64::max));
        println!(
            "{:<12} {hosts:>8} {:>16.0} {:>7.2} {:>16.0} {:>9.1} ({least:.1} to {most:.1})   {}",
            workload.name(),
            median(rates),
            median(noise),
            median(peers),
            median(ratios),
            workload.unit(),
        );
    }
    // Ours alone: whether the cost grows with the hosts.
    let run = ours(Workload::Hosts, 1_000, 100);
    println!("{:<12} {:>8} {:>16.0}", "hosts", 1_000, run.rate());
    println!("an idle connection takes {idle} bytes, both ends and what is between them together");
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    values[values.len() / 2]
}

fn ours(workload: Workload, hosts: u64, each: u64) -> Run {
    let world = match workload {
        Workload::Echo => one_client_host(hosts, Role::Echoes { left: each }),
        Workload::Idle => one_client_host(hosts, Role::Heartbeats { left: each / BETWEEN_HEARTBEATS.as_secs() }),
        Workload::Churn => {
            let mut world = World::new();
            let server = world.host(1);
            world.serve(server, hosts);
            for index in 0..hosts {
                let host = world.host(index + 2);
                world.add(host, Application::Again(Again::new(address(1), each)));
            }
            world
        }
        Workload::Hosts => {
            let mut world = World::new();
            for index in 1..=hosts {
                let host = world.host(index);
                let mut node = Node::new(SlotRange::ALL);
                serve(&mut node, 1);
                dial(&mut node, Timestamp::ZERO, client_of(address(index % hosts + 1)), Role::Echoes { left: each });
                world.add(host, Application::Plain(node));
            }
            world
        }
    };
    world.measure(workload.count(hosts, each))
}

fn one_client_host(clients: u64, role: Role) -> World {
    let mut world = World::new();
    let (server, client) = (world.host(1), world.host(2));
    world.serve(server, clients);
    let (mut node, config) = (Node::new(SlotRange::ALL), client_of(address(1)));
    for _ in 0..clients {
        dial(&mut node, Timestamp::ZERO, config.clone(), role.clone());
    }
    world.add(client, Application::Plain(node));
    world
}

/// How much larger the process is with 20,000 connections that are established and wait for their next heartbeat.
fn bytes_per_idle_connection() -> u64 {
    const CONNECTIONS: u64 = 20_000;
    let before = resident();
    let mut world = one_client_host(CONNECTIONS, Role::Heartbeats { left: 2 });
    world.simulation.run_until(Timestamp::from_secs(5), |_, _, _| {}).expect("no spin");
    resident().saturating_sub(before) / CONNECTIONS
}

/// Bytes of the process in memory (proc(5): the second number of `statm`, in pages of 4 KiB).
fn resident() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    statm.split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok()).unwrap_or(0) * 4096
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

    fn measure(mut self, count: u64) -> Run {
        let before = cpu();
        self.simulation.run(|_, _, _| {}).expect("no spin");
        Run { count, spent: cpu() - before, hash: self.simulation.trace_hash() }
    }
}

pub(crate) fn cpu() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or(0))
}

fn address(host: u64) -> SocketAddr {
    let [.., high, middle, low] = (host as u32).to_be_bytes();
    SocketAddr::new(IpAddr::V4(Ipv4Addr::new(10, high, middle, low)), PORT)
}

type AnyNode = Node<Gives>;

/// A service that gives each connection this role.
struct Gives(Role);

impl Service for Gives {
    type Handler = Role;

    fn accept(&mut self, _: &Peer) -> Verdict<Role> {
        Verdict::Accept(self.0.clone())
    }
}

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
    node.serve(Timestamp::ZERO, config, Gives(Role::Server)).expect("slots enough");
}

fn client_of(server: SocketAddr) -> ClientConfig {
    ClientConfig::new(vec![server.into()]).expect("one address").connection(limits())
}

fn dial(node: &mut AnyNode, now: Timestamp, config: ClientConfig, role: Role) {
    node.connect(now, config, Gives(role)).expect("slots enough");
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
    config: ClientConfig,
    left: u64,
}

impl Again {
    fn new(to: SocketAddr, rounds: u64) -> Self {
        let mut again = Self { node: Node::default(), now: Timestamp::ZERO, config: client_of(to), left: rounds };
        again.start();
        again
    }

    fn start(&mut self) {
        if let Some(left) = self.left.checked_sub(1) {
            self.left = left;
            dial(&mut self.node, self.now, self.config.clone(), Role::Echoes { left: 1 });
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
