//! Both ends over simulated sockets.

use std::sync::Arc;
use std::time::Duration;

use sansock::{Address, ClientReport, Machine, Node, NodeEvent, Peer, ServerReport, SlotRange, Timestamp, Verdict};
use sansock_memory::{Hits, MachineId, NetworkConfig, Simulation, Step};

use super::{Audience, Cast, Command, DRAIN, Outcome, Side, Terms, client_config, recorders, server_config, service};

/// The services of both ends in one type, as a simulation wants it.
type AnyService<H> = Box<dyn FnMut(&Peer) -> Verdict<H>>;

/// How often a simulation looks whether a handler has called for its supervisor.
const LOOK: Duration = Duration::from_millis(100);

/// Runs both ends over simulated sockets. Also gives the hash of the run and what chance did.
///
/// # Panics
/// If the two never come to an end, or the server cannot listen.
pub fn on_memory<C: Cast>(
    cast: &C,
    terms: impl Into<Terms>,
    network: NetworkConfig,
    seed: u64,
    audience: &Arc<dyn Audience>,
) -> (Outcome, u64, Hits) {
    let terms = terms.into();
    let (server_sees, client_sees, calls) = recorders();
    let mut simulation: Simulation<Node<AnyService<C::Handler>>> = Simulation::new(network, seed);
    let host = simulation.network().add_host([]);
    let server = simulation.add(host, Node::new(SlotRange::ALL));
    let client = simulation.add(host, Node::new(SlotRange::ALL));
    let ends: AnyService<_> = Box::new(service(cast, Side::Server, &server_sees));
    simulation.with(server, |node, now| node.serve(now, server_config(&terms), ends)).expect("slots enough");
    let mut notes = Notes { server, audience: Arc::clone(audience), address: None, client_report: None, server_report: None };
    simulation.run(|now, id, step| notes.see(now, id, step)).expect("no spin");
    let config = client_config(notes.address, &terms);
    let ends: AnyService<_> = Box::new(service(cast, Side::Client, &client_sees));
    simulation.with(client, |node, now| node.connect(now, config, ends)).expect("slots enough");
    if let Some((side, command)) = terms.command {
        while calls.try_recv().is_err() {
            let later = simulation.now() + LOOK;
            let over = simulation.run_until(later, |now, id, step| notes.see(now, id, step)).expect("no spin");
            assert!(!over, "everything is over, and nobody has called");
        }
        let told = if side == Side::Server { server } else { client };
        simulation.with(told, |node, now| match command {
            Command::Drain => node.drain(now, now + DRAIN),
            Command::Stop => node.stop(now),
        });
    }
    simulation.run(|now, id, step| notes.see(now, id, step)).expect("no spin");
    simulation.with(server, |node, now| node.drain(now, now + DRAIN));
    simulation.run(|now, id, step| notes.see(now, id, step)).expect("no spin");
    let outcome = Outcome {
        client: client_sees.history(),
        server: server_sees.history(),
        client_report: notes.client_report.expect("the client stopped"),
        server_report: notes.server_report.expect("the server stopped"),
    };
    for node in [server, client] {
        assert_eq!(simulation.machine(node).in_flight(), 0, "an operation is left in flight");
    }
    assert_eq!(simulation.network().open_sockets(host), 0, "a socket is left open");
    (outcome, simulation.trace_hash(), simulation.hits())
}

/// What a simulation has said so far.
struct Notes {
    server: MachineId,
    audience: Arc<dyn Audience>,
    address: Option<Address>,
    client_report: Option<ClientReport>,
    server_report: Option<ServerReport>,
}

impl Notes {
    fn see(&mut self, now: Timestamp, machine: MachineId, step: Step<'_, NodeEvent>) {
        let side = if machine == self.server { Side::Server } else { Side::Client };
        match step {
            Step::Submitted(op) => self.audience.submitted(side, now, op),
            Step::Completed(done) => self.audience.completed(side, now, done),
            Step::Event(NodeEvent::Listening { local, .. }) => self.address = local,
            Step::Event(NodeEvent::ClientStopped { report, .. }) => self.client_report = Some(*report),
            Step::Event(NodeEvent::ServerStopped { report, .. }) => self.server_report = Some(*report),
            Step::Event(_) => {}
        }
    }
}
