//! One cast, three transports.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, mpsc};
use std::time::Duration;

use sansock::{
    Address, ClientConfig, ClientReport, ConnectionConfig, Handler, Machine, Node, NodeEvent, Peer, ServerConfig, ServerReport,
    SlotRange, Timestamp, Verdict,
};
use sansock_blocking::Notice;
use sansock_memory::{Hits, NetworkConfig, Simulation, Step};
use sansock_system::Observer;

use crate::history::{History, Recorder};

/// Who is at the two ends of a connection: makes their handlers.
pub trait Cast: Clone + Send + 'static {
    /// What both ends are, as one type: a simulation wants that.
    type Handler: Handler<Message = Infallible> + Send + 'static;

    /// The handler for a new connection at this end. It writes down what it sees.
    fn handler(&self, side: Side, recorder: Recorder) -> Self::Handler;
}

/// What came of it.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// What the client's handler saw.
    pub client: History,
    /// What the server's handler saw.
    pub server: History,
    /// The client's account.
    pub client_report: ClientReport,
    /// The server's account.
    pub server_report: ServerReport,
}

impl Outcome {
    /// True if both ends saw the same as in the other outcome.
    #[must_use]
    pub fn same_as(&self, other: &Self) -> bool {
        self.client.same_as(&other.client) && self.server.same_as(&other.server)
    }
}

/// Whom an observation is about.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Side {
    /// The server.
    Server,
    /// The client.
    Client,
}

/// Somebody who watches both sides.
pub trait Audience: Send + Sync {
    /// A completion is handed in.
    fn completed(&self, side: Side, now: Timestamp, done: &sansock::Completion);
    /// An operation is started.
    fn submitted(&self, side: Side, now: Timestamp, op: &sansock::Op);
}

/// Nobody watches.
pub struct Nobody;

impl Audience for Nobody {
    fn completed(&self, _: Side, _: Timestamp, _: &sansock::Completion) {}
    fn submitted(&self, _: Side, _: Timestamp, _: &sansock::Op) {}
}

struct Seat(Side, Arc<dyn Audience>);

impl Observer for Seat {
    fn submitted(&self, now: Timestamp, op: &sansock::Op) {
        self.1.submitted(self.0, now, op);
    }

    fn completed(&self, now: Timestamp, done: &sansock::Completion) {
        self.1.completed(self.0, now, done);
    }
}

/// How long a server may drain after the client has gone.
const DRAIN: Duration = Duration::from_secs(10);

/// A service whose every connection gets the handler of this end.
pub fn service<C: Cast>(cast: &C, side: Side, recorder: &Recorder) -> impl FnMut(&Peer) -> Verdict<C::Handler> + Send + use<C> {
    let (cast, recorder) = (cast.clone(), recorder.clone());
    move |_: &Peer| Verdict::Accept(cast.handler(side, recorder.clone()))
}

/// The services of both ends in one type, as a simulation wants it.
type AnyService<H> = Box<dyn FnMut(&Peer) -> Verdict<H>>;

fn loopback() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}

fn client_config(server: Option<Address>, limits: ConnectionConfig) -> ClientConfig {
    let server = server.expect("a listener has an address");
    ClientConfig::new(vec![server]).expect("one address").connection(limits)
}

/// Runs both ends over simulated sockets. Also gives the hash of the run and what chance did.
///
/// # Panics
/// If the two never come to an end, or the server cannot listen.
pub fn on_memory<C: Cast>(
    cast: &C,
    limits: ConnectionConfig,
    network: NetworkConfig,
    seed: u64,
    audience: &Arc<dyn Audience>,
) -> (Outcome, u64, Hits) {
    let (server_sees, client_sees) = (Recorder::default(), Recorder::default());
    let mut simulation: Simulation<Node<AnyService<C::Handler>>> = Simulation::new(network, seed);
    let host = simulation.network().add_host([]);
    let server_node = simulation.add(host, Node::new(SlotRange::ALL));
    let client_node = simulation.add(host, Node::new(SlotRange::ALL));
    let config = ServerConfig::new(loopback()).connection(limits);
    let ends: AnyService<_> = Box::new(service(cast, Side::Server, &server_sees));
    simulation.with(server_node, |node, now| node.serve(now, config, ends)).expect("slots enough");
    let mut notes = Notes::default();
    let mut see = |now, id, step: Step<'_, NodeEvent>| {
        notes.see(audience, if id == server_node { Side::Server } else { Side::Client }, now, step);
    };
    simulation.run(&mut see).expect("no spin");
    let config = client_config(notes.address, limits);
    let ends: AnyService<_> = Box::new(service(cast, Side::Client, &client_sees));
    simulation.with(client_node, |node, now| node.connect(now, config, ends)).expect("slots enough");
    let mut see = |now, id, step: Step<'_, NodeEvent>| {
        notes.see(audience, if id == server_node { Side::Server } else { Side::Client }, now, step);
    };
    simulation.run(&mut see).expect("no spin");
    simulation.with(server_node, |node, now| node.drain(now, now + DRAIN));
    simulation.run(&mut see).expect("no spin");
    let outcome = Outcome {
        client: client_sees.history(),
        server: server_sees.history(),
        client_report: notes.client_report.expect("the client stopped"),
        server_report: notes.server_report.expect("the server stopped"),
    };
    for node in [server_node, client_node] {
        assert_eq!(simulation.machine(node).in_flight(), 0, "an operation is left in flight");
    }
    assert_eq!(simulation.network().open_sockets(host), 0, "a socket is left open");
    (outcome, simulation.trace_hash(), simulation.hits())
}

/// What a simulation has said so far.
#[derive(Default)]
struct Notes {
    address: Option<Address>,
    client_report: Option<ClientReport>,
    server_report: Option<ServerReport>,
}

impl Notes {
    fn see(&mut self, audience: &Arc<dyn Audience>, side: Side, now: Timestamp, step: Step<'_, NodeEvent>) {
        match step {
            Step::Submitted(op) => audience.submitted(side, now, op),
            Step::Completed(done) => audience.completed(side, now, done),
            Step::Event(NodeEvent::Listening { local, .. }) => self.address = local,
            Step::Event(NodeEvent::ClientStopped { report, .. }) => self.client_report = Some(report),
            Step::Event(NodeEvent::ServerStopped { report, .. }) => self.server_report = Some(report),
            Step::Event(_) => {}
        }
    }
}

/// Runs both ends over real sockets, a thread a connection.
///
/// # Panics
/// If the server cannot listen.
pub fn on_blocking<C: Cast>(cast: &C, limits: ConnectionConfig, audience: &Arc<dyn Audience>) -> Outcome {
    let (server_sees, client_sees) = (Recorder::default(), Recorder::default());
    let (listening, address) = mpsc::channel();
    let (closing, closed) = mpsc::channel();
    let server = sansock_blocking::serve_observed(
        ServerConfig::new(loopback()).connection(limits),
        service(cast, Side::Server, &server_sees),
        move |notice| match notice {
            Notice::Listening { local, .. } => drop(listening.send(local)),
            Notice::Closed { .. } => drop(closing.send(())),
            _ => {}
        },
        Some(Arc::new(Seat(Side::Server, Arc::clone(audience)))),
    )
    .expect("a thread for the server");
    let Ok(address) = address.recv() else { panic!("the server does not listen: {}", server.join()) };
    let client = sansock_blocking::connect_observed(
        client_config(address, limits),
        service(cast, Side::Client, &client_sees),
        |_| {},
        Some(Arc::new(Seat(Side::Client, Arc::clone(audience)))),
    )
    .expect("a thread for the client");
    let client_report = client.join();
    // A client may be done before the server has read its last bytes, and a drain would end that.
    if client_report.closed.is_some() {
        closed.recv().expect("the server's connection ends too");
    }
    server.drain(DRAIN);
    let server_report = server.join();
    Outcome { client: client_sees.history(), server: server_sees.history(), client_report, server_report }
}

/// Runs both ends over real sockets, both ends in one task, each with a driver of its own.
///
/// # Panics
/// If the server cannot listen.
pub fn on_smol<C: Cast>(cast: &C, limits: ConnectionConfig, audience: &Arc<dyn Audience>) -> Outcome {
    let (server_sees, client_sees) = (Recorder::default(), Recorder::default());
    let mut server = sansock_smol::Driver::observed(Some(Arc::new(Seat(Side::Server, Arc::clone(audience)))));
    let config = ServerConfig::new(loopback()).connection(limits);
    server.serve(config, service(cast, Side::Server, &server_sees)).expect("slots enough");
    let (client_report, server_report) = smol::block_on(async {
        let address = match server.next_event().await {
            Some(NodeEvent::Listening { local, .. }) => local,
            event => panic!("the server does not listen: {event:?}"),
        };
        let remote = server.remote();
        let mut client = sansock_smol::Driver::observed(Some(Arc::new(Seat(Side::Client, Arc::clone(audience)))));
        let config = client_config(address, limits);
        client.connect(config, service(cast, Side::Client, &client_sees)).expect("slots enough");
        let (mut report, mut account) = (None, None);
        let serving = server.run(|event| match event {
            // As on the other transports: once its connection has ended, not before.
            NodeEvent::Closed { .. } => remote.drain(DRAIN),
            NodeEvent::ServerStopped { report, .. } => account = Some(report),
            _ => {}
        });
        let dialling = async {
            client
                .run(|event| {
                    if let NodeEvent::ClientStopped { report: account, .. } = event {
                        report = Some(account);
                    }
                })
                .await;
            if report.as_ref().is_none_or(|report| report.closed.is_none()) {
                remote.drain(DRAIN);
            }
        };
        smol::future::zip(serving, dialling).await;
        (report.expect("the client stopped"), account.expect("the server stopped"))
    });
    Outcome { client: client_sees.history(), server: server_sees.history(), client_report, server_report }
}
