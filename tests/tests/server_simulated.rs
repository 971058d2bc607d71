//! A server and many clients over simulated sockets, each watched by the contract that every machine owes its driver.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use sansock::{
    Address, ClientConfig, ClientReport, Ending, Node, NodeEvent, Peer, ServerConfig, ServerReport, SlotRange, SupervisorId,
    Verdict,
};
use sansock_memory::{HostId, MachineId, NetworkConfig, Simulation, Step};
use sansock_tests::drive::Contract;
use sansock_tests::play::{Act, Part, Player, When};

type Service = Box<dyn FnMut(&Peer) -> Verdict<Player>>;

/// Every connection plays this part.
fn playing(part: Part) -> Service {
    Box::new(move |_| Verdict::Accept(Player::new(part.clone())))
}

/// Sends ten bytes, and finishes once the peer has.
fn asks() -> Part {
    Part::new([(When::Open, vec![Act::Send(10), Act::HalfClose]), (When::PeerFinished, vec![Act::Finish])])
}

/// The same, but it reads the answer only after so long.
fn asks_slowly(span: Duration) -> Part {
    Part::new([
        (When::Open, vec![Act::PauseFor(span), Act::Send(10)]),
        (When::Received(10), vec![Act::HalfClose]),
        (When::PeerFinished, vec![Act::Finish]),
    ])
}

struct World {
    simulation: Simulation<Node<Service>>,
    server_host: HostId,
    client_host: HostId,
    server: MachineId,
    id: SupervisorId,
    listening: Option<Address>,
    contract: Contract,
    clients: Vec<ClientReport>,
    exhausted: usize,
    recovered: usize,
    most_live: usize,
    live: usize,
    stopped: Option<ServerReport>,
}

impl World {
    /// An echo server with so many places, which listens.
    fn new(places: usize) -> Self {
        let mut simulation: Simulation<Node<Service>> = Simulation::new(NetworkConfig::default(), 1);
        let server_host = simulation.network().add_host([IpAddr::from([10, 0, 0, 1])]);
        let client_host = simulation.network().add_host([IpAddr::from([10, 0, 0, 2])]);
        let server = simulation.add(server_host, Node::new(SlotRange::ALL));
        let config = ServerConfig::new(SocketAddr::from(([10, 0, 0, 1], 0))).max_connections(places).unwrap();
        let echo = playing(Part::echo());
        let id = simulation.with(server, |node, now| node.serve(now, config, echo)).unwrap();
        let mut contract = Contract::default();
        contract.limit(places);
        let mut world = Self {
            simulation,
            server_host,
            client_host,
            server,
            id,
            listening: None,
            contract,
            clients: Vec::new(),
            exhausted: 0,
            recovered: 0,
            most_live: 0,
            live: 0,
            stopped: None,
        };
        world.pass(Duration::ZERO);
        world
    }

    /// A client that plays this part.
    fn dial(&mut self, part: Part) {
        let node = self.simulation.add(self.client_host, Node::new(SlotRange::ALL));
        let config = ClientConfig::new(vec![self.listening.expect("it listens")]).unwrap();
        let part = playing(part);
        self.simulation.with(node, |node, now| node.connect(now, config, part)).unwrap();
    }

    fn drain(&mut self, span: Duration) {
        self.simulation.with(self.server, |node, now| node.drain(now, now + span));
    }

    fn limit_descriptors(&mut self, limit: usize) {
        let host = self.server_host;
        self.simulation.network().limit_descriptors(host, limit);
    }

    /// Runs for so long.
    fn pass(&mut self, span: Duration) {
        let limit = self.simulation.now() + span;
        let mut simulation = std::mem::replace(&mut self.simulation, Simulation::new(NetworkConfig::default(), 0));
        simulation.run_until(limit, |_, machine, step| self.see(machine, step)).expect("no spin");
        self.simulation = simulation;
    }

    fn see(&mut self, machine: MachineId, step: Step<'_, NodeEvent>) {
        match step {
            Step::Submitted(op) if machine == self.server => self.contract.submitted(op),
            Step::Completed(done) if machine == self.server => self.contract.completed(done.id(), done.outcome()),
            Step::Submitted(_) | Step::Completed(_) => {}
            Step::Event(NodeEvent::Listening { local, .. }) => self.listening = local,
            Step::Event(NodeEvent::Exhausted { .. }) => self.exhausted += 1,
            Step::Event(NodeEvent::Recovered { .. }) => self.recovered += 1,
            Step::Event(NodeEvent::Opened { supervisor, .. }) if machine == self.server && supervisor == self.id => {
                self.live += 1;
                self.most_live = self.most_live.max(self.live);
            }
            Step::Event(NodeEvent::Closed { .. }) if machine == self.server => self.live -= 1,
            Step::Event(NodeEvent::ClientStopped { report, .. }) => self.clients.push(*report),
            Step::Event(NodeEvent::ServerStopped { report, .. }) => self.stopped = Some(*report),
            Step::Event(_) => {}
        }
    }

    /// Drains the server, and gives its report.
    fn end(mut self) -> (ServerReport, Vec<ClientReport>) {
        self.drain(Duration::from_secs(60));
        self.pass(Duration::from_secs(60));
        let report = self.stopped.expect("the server has stopped");
        self.contract.ended();
        assert_eq!(self.simulation.network().open_sockets(self.server_host), 0, "A8");
        assert_eq!(report.accepted, report.rejected + report.finished(), "A13");
        (report, self.clients)
    }
}

fn confirmed(clients: &[ClientReport]) -> usize {
    clients.iter().filter(|report| report.closed.is_some_and(|closed| closed.ending == Ending::Confirmed)).count()
}

// X29, X30, C5: everybody is served, three at a time; the contract counts accepts in flight too.
#[test]
fn x029_many_clients_share_few_places() {
    let mut world = World::new(3);
    for _ in 0..50 {
        world.dial(asks());
    }
    world.pass(Duration::from_secs(1));
    assert_eq!((confirmed(&world.clients), world.most_live), (50, 3));
    let (report, _) = world.end();
    assert_eq!((report.accepted, report.confirmed), (50, 50));
}

// X17, C4: descriptors for the listener and two connections. Each that ends makes room for the next, long before the back-off is over.
#[test]
fn x017_everybody_is_served_although_descriptors_run_out() {
    let mut world = World::new(100);
    world.limit_descriptors(3);
    for _ in 0..6 {
        world.dial(asks_slowly(Duration::from_millis(20)));
    }
    world.pass(Duration::from_secs(1));
    assert_eq!((confirmed(&world.clients), world.most_live), (6, 2));
    assert!(world.simulation.hits().descriptor_limit > 0);
    // Two are served at a time, so there are three episodes; nobody is left to end the last one.
    assert_eq!((world.exhausted, world.recovered), (3, 2));
    let (report, _) = world.end();
    assert!(report.accept_faults > 0);
}

// X18, X128: they wait in the system's queue because accepting backs off. The drain serves them.
#[test]
fn x018_what_is_queued_when_the_drain_begins_is_served() {
    let mut world = World::new(100);
    for _ in 0..3 {
        world.dial(asks());
    }
    world.limit_descriptors(1);
    world.pass(Duration::from_millis(100));
    assert_eq!((world.live, world.exhausted), (0, 1), "three connections are queued");
    world.limit_descriptors(usize::MAX);
    world.drain(Duration::from_secs(60));
    world.pass(Duration::from_secs(5));
    let (report, clients) = world.end();
    assert_eq!((report.accepted, confirmed(&clients), report.forced), (3, 3, false));
}

// X129: who comes after the drain has begun is refused, and does not hang, although a session is still out.
#[test]
fn x129_a_client_that_comes_during_the_drain_is_refused() {
    let mut world = World::new(100);
    world.dial(asks_slowly(Duration::from_secs(3)));
    world.pass(Duration::from_secs(1));
    world.drain(Duration::from_secs(60));
    world.pass(Duration::from_millis(10));
    world.dial(asks());
    world.pass(Duration::from_secs(1));
    let [late] = &world.clients[..] else { panic!("{:?}", world.clients) };
    assert!(late.dial_error.as_ref().unwrap().to_string().contains("connection refused"), "{late:?}");
    assert_eq!((world.live, world.stopped.is_none()), (1, true));
    let (report, clients) = world.end();
    assert_eq!((report.accepted, clients.len()), (1, 2));
}

// X126, X124: everybody is cut off at once, and there is one report.
#[test]
fn x126_a_drain_without_any_time_resets_every_client() {
    let mut world = World::new(100);
    for _ in 0..5 {
        world.dial(asks_slowly(Duration::from_secs(30)));
    }
    world.pass(Duration::from_secs(1));
    assert_eq!(world.live, 5);
    world.drain(Duration::ZERO);
    world.pass(Duration::ZERO);
    assert!(world.stopped.is_some());
    let (report, clients) = world.end();
    assert_eq!((report.aborted, report.forced), (5, true));
    assert!(clients.iter().all(|report| report.closed.unwrap().ending == Ending::Aborted));
}
