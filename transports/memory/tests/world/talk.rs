//! A small application: a client says one byte after the other, and a server sends each back.

use std::cell::RefCell;
use std::convert::Infallible;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use sansock::{
    ClientConfig, CloseReason, CloseReport, Context, Handler, Node, NodeEvent, Peer, ServerConfig, Service, SlotRange, TimerId,
    Timestamp, Verdict,
};
use sansock_memory::scenario::Scenario;
use sansock_memory::world::World;
use sansock_memory::{MachineId, NetworkConfig, Simulation, Step};

/// The client says something as often as this.
pub(crate) const PACE: Duration = Duration::from_millis(100);
const PORT: u16 = 7;

/// What was seen, by both sides.
#[derive(Debug, Default)]
pub(crate) struct Diary {
    /// When the client said something, by its clock.
    pub(crate) said: Vec<Timestamp>,
    /// What the server got.
    pub(crate) served: Vec<u8>,
    /// What the client got back.
    pub(crate) heard: Vec<u8>,
    /// How connections ended.
    pub(crate) closed: Vec<CloseReason>,
    pub(crate) starts: Vec<(String, u32)>,
}

pub(crate) type Shared = Rc<RefCell<Diary>>;

/// One side.
#[derive(Clone, Debug)]
pub(crate) struct Talk {
    /// How many bytes are still to be said; `None`: the server.
    left: Option<u8>,
    pub(crate) diary: Shared,
}

impl Talk {
    pub(crate) fn server(diary: &Shared) -> Self {
        Self { left: None, diary: diary.clone() }
    }

    pub(crate) fn client(diary: &Shared, bytes: u8) -> Self {
        Self { left: Some(bytes), diary: diary.clone() }
    }

    fn say(&mut self, cx: &mut Context<'_, Infallible>) {
        let Some(left) = &mut self.left else { return };
        if *left == 0 {
            return cx.half_close();
        }
        *left -= 1;
        self.diary.borrow_mut().said.push(cx.now());
        let _ = cx.send(Bytes::copy_from_slice(&[*left]));
        cx.set_timer(TimerId::A, PACE);
    }
}

impl Handler for Talk {
    type Message = Infallible;

    fn on_open(&mut self, cx: &mut Context<'_, Infallible>) {
        self.say(cx);
    }

    fn on_timer(&mut self, cx: &mut Context<'_, Infallible>, _: TimerId) {
        self.say(cx);
    }

    fn on_data(&mut self, cx: &mut Context<'_, Infallible>, data: Bytes) {
        let mut diary = self.diary.borrow_mut();
        if self.left.is_some() {
            diary.heard.extend_from_slice(&data);
        } else {
            diary.served.extend_from_slice(&data);
            // A connection may end between the receive and the send.
            let _ = cx.send(data);
        }
    }

    fn on_closed(&mut self, report: &CloseReport) {
        self.diary.borrow_mut().closed.push(report.reason);
    }
}

impl Service for Talk {
    type Handler = Self;

    fn accept(&mut self, _: &Peer) -> Verdict<Self> {
        Verdict::Accept(self.clone())
    }
}

/// A server and a client that says so many bytes and is dialled again when it is not done.
pub(crate) fn world(scenario: &Scenario, diary: &Shared, bytes: u8) -> World<Talk> {
    world_on(NetworkConfig::default(), scenario, diary, bytes)
}

pub(crate) fn world_on(network: NetworkConfig, scenario: &Scenario, diary: &Shared, bytes: u8) -> World<Talk> {
    let mut world = World::on(network, scenario);
    add_talk(&mut world, diary, bytes);
    world
}

pub(crate) fn add_talk(world: &mut World<Talk>, diary: &Shared, bytes: u8) {
    let serving = diary.clone();
    world.host("server", ["10.0.0.1".parse().unwrap()], move |host| {
        serving.borrow_mut().starts.push((host.name().into(), host.starts()));
        let address = host.address_of("server", PORT)?;
        host.keep_serving(ServerConfig::new(address), Talk::server(&serving), |_| Some(PACE))?;
        Ok(())
    });
    let talking = diary.clone();
    world.host("client", ["10.0.0.2".parse().unwrap()], move |host| {
        talking.borrow_mut().starts.push((host.name().into(), host.starts()));
        let server = host.address_of("server", PORT)?;
        let (service, said) = (Talk::client(&talking, bytes), talking.clone());
        host.keep_connected(ClientConfig::new(vec![server.into()])?, service, move |_| {
            (said.borrow().heard.len() < usize::from(bytes)).then_some(PACE)
        })?;
        Ok(())
    });
}

/// What the client said has come back.
pub(crate) fn all_is_heard(diary: &Shared, bytes: usize) -> impl FnMut() -> Result<(), String> + 'static {
    let diary = diary.clone();
    move || match diary.borrow().heard.len() {
        heard if heard < bytes => Err(format!("{heard} bytes of {bytes}")),
        _ => Ok(()),
    }
}

/// The same without a world: a server and its client on two hosts of a simulation, in this order.
pub(crate) fn simulation(diary: &Shared, bytes: u8) -> (Simulation<Node<Talk>>, MachineId, MachineId) {
    let mut simulation = Simulation::new(NetworkConfig::default(), 1);
    let addresses = ["10.0.0.1", "10.0.0.2"].map(|address| address.parse().unwrap());
    let hosts = addresses.map(|address| simulation.network().add_host([address]));
    let [server, client] = hosts.map(|host| simulation.add(host, Node::new(SlotRange::ALL)));
    let address = std::net::SocketAddr::new(addresses[0], PORT);
    simulation.with(server, |node, now| node.serve(now, ServerConfig::new(address), Talk::server(diary))).unwrap();
    let config = ClientConfig::new(vec![address.into()]).unwrap();
    simulation.with(client, |node, now| node.connect(now, config, Talk::client(diary, bytes))).unwrap();
    (simulation, server, client)
}

/// Runs for so long; every completion, as text: when, whose, what.
pub(crate) fn completions(simulation: &mut Simulation<Node<Talk>>, millis: u64) -> Vec<String> {
    let mut lines = Vec::new();
    let see = |at: Timestamp, machine: MachineId, step: Step<'_, NodeEvent>| {
        if let Step::Completed(done) = step {
            let millis = at.as_nanos() / 1_000_000;
            lines.push(format!("{millis} {} {} {}", machine.index(), done.id().kind().name(), done.outcome().name()));
        }
    };
    simulation.run_until(Timestamp::from_millis(millis), see).unwrap();
    lines
}
