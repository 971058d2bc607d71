//! The applications as worlds for a simulation: which hosts there are, what each starts, and what must hold.

use std::error::Error;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use sansock::{ClientConfig, NodeEvent, ServerConfig, SocketOptions};
use sansock_memory::NetworkConfig;
use sansock_memory::scenario::Scenario;
use sansock_memory::world::{Host, World};

use super::chat::{self, ChatService, Diary, Room};
use super::register::{self, Disk, History, RegisterService, Session};
use super::{Redial, Shared};

const PORT: u16 = 4711;
/// How long faults last.
const SPAN: Duration = Duration::from_secs(3);
/// Lines of a scenario.
const MOST_FAULTS: usize = 12;
/// What must come about has so long for it, once the faults have ended: longer than any time-out of the applications, and than the longest
/// time that TCP waits before it sends again what it has lost within the span.
const PATIENCE: Duration = Duration::from_secs(60);

/// A server that has stopped is started again after this.
const A_MOMENT: Duration = Duration::from_millis(100);

/// The hosts of the chat.
pub const CHAT_HOSTS: [&str; 4] = ["server", "amy", "bob", "eve"];

/// The hosts of the register, and its users.
pub const REGISTER_HOSTS: [&str; 6] = ["host0", "host1", "host2", "ann", "ben", "eva"];

/// The scenario of a seed: what a swarm of faults does to these hosts.
#[must_use]
pub fn scenario(seed: u64, hosts: &[&str]) -> Scenario {
    Scenario::swarm(seed, SPAN, hosts, MOST_FAULTS)
}

/// A network without faults, but whose every choice that it may make differs from seed to seed. Its buffers are small, so that they fill.
#[must_use]
pub fn network(seed: u64) -> NetworkConfig {
    NetworkConfig {
        jitter: Duration::from_millis(choose(seed, &[0, 2, 20])),
        send_buffer: 1024,
        receive_buffer: 1024,
        segment: choose(seed, &[16 * 1024, 512, 61, 16 * 1024, 7]),
        short_in: choose(seed, &[0, 3, 10, 0, 0, 0, 30]),
        completion_delay: Duration::from_micros(choose(seed, &[0, 500, 0, 0, 0, 0, 0, 0, 100, 0, 0])),
        ..NetworkConfig::default()
    }
}

/// The sizes of the choices have no common divisor, so all combinations come up.
fn choose<T: Copy>(seed: u64, of: &[T]) -> T {
    let place = seed % of.len() as u64;
    of[usize::try_from(place).unwrap_or(0)]
}

/// Three people chat. Amy leaves when all is said, the others stay.
#[must_use]
pub fn chat(scenario: &Scenario, planted_bug: bool) -> World<ChatService> {
    let [server, people @ ..] = CHAT_HOSTS;
    let mut world = World::on(network(scenario.seed), scenario);
    let room = Room::new(choose(scenario.seed, &[10_000, 15]));
    let room = Shared::new(if planted_bug { room.with_planted_bug() } else { room });
    let serving = room.clone();
    world.host(server, [address(1)], move |host| {
        let own = host.address_of(CHAT_HOSTS[0], PORT)?;
        let service = ChatService::open(&serving);
        serve(host, chat::server(own, SocketOptions::CONNECTION)?, service)
    });
    let mut diaries = Vec::new();
    for (number, name) in (0..).zip(people) {
        let pace = Duration::from_millis(70 + 10 * u64::from(number));
        let plan = chat::Plan { sentences: 20, pace, nap: None, leaves: number == 0 };
        let diary = Shared::new(Diary::new(name, plan));
        diaries.push(diary.clone());
        world.host(name, [address(2 + number)], move |host| {
            look_up_and_talk(host, diary.clone());
            Ok(())
        });
    }
    let (there, said) = (room.clone(), diaries.clone());
    world.always("everybody hears the same", move || chat::rules::everybody_hears_the_same(&there, &said));
    let (there, said) = (room.clone(), diaries.clone());
    world.eventually("everything is heard", PATIENCE, move || chat::rules::everything_is_heard(&there, &said));
    let (lagging, missing) = (room.clone(), room);
    world.sometimes("somebody lagged", move || chat::rules::somebody_lagged(&lagging));
    world.sometimes("somebody missed something", move || chat::rules::somebody_missed_something(&missing));
    world.sometimes("somebody came back", move || chat::rules::somebody_came_back(&diaries));
    world
}

/// A person who knows the server by its name. If nobody says where it is, they ask again.
fn look_up_and_talk(host: &mut Host<'_, ChatService>, diary: Shared<Diary>) {
    host.resolve(CHAT_HOSTS[0], PORT, move |host, answer| {
        let server = answer.map(|addresses| addresses[0]);
        let Ok(server) = server else { return look_up_and_talk(host, diary) };
        let talking = chat::client(server, SocketOptions::CONNECTION)
            .map_err(Into::into)
            .and_then(|config| keep(host, config, ChatService::Speaker(diary)));
        talking.expect("the configuration makes sense, and there are slots");
    });
}

/// Three hosts hold a register, and each has a user.
#[must_use]
pub fn register(scenario: &Scenario, planted_bug: bool) -> World<RegisterService> {
    let (hosts, users) = REGISTER_HOSTS.split_at(register::HOSTS);
    let mut world = World::on(network(scenario.seed), scenario);
    for (number, name) in hosts.iter().enumerate() {
        let disk = Disk::new(number);
        let disk = Shared::new(if planted_bug { disk.with_planted_bug() } else { disk });
        world.host(*name, [address(1 + u8::try_from(number).unwrap_or(0))], move |host| start_replica(host, number, &disk));
    }
    let history: Shared<History> = Shared::default();
    let mut sessions = Vec::new();
    for (number, name) in (0..).zip(users) {
        let think = Duration::from_millis(30 * (1 + u64::from(number)));
        let session = Shared::new(Session::new(name, register::Plan { operations: 20, write_one_in: 3, think }));
        sessions.push(session.clone());
        let history = history.clone();
        world.host(*name, [address(11 + number)], move |host| {
            let server = host.address_of(REGISTER_HOSTS[usize::from(number)], PORT)?;
            keep(host, register::client(server)?, RegisterService::User(session.clone(), history.clone()))
        });
    }
    world.always("the register is one", move || register::is_linearizable(&history));
    let asking = sessions.clone();
    world.eventually("everything is answered", PATIENCE, move || register::everything_is_answered(&sessions));
    world.sometimes("somebody asked again", move || register::somebody_asked_again(&asking));
    world
}

fn start_replica(host: &mut Host<'_, RegisterService>, number: usize, disk: &Shared<Disk>) -> Result<(), Box<dyn Error>> {
    let own = host.address_of(REGISTER_HOSTS[number], PORT)?;
    let replica = register::Host::start(disk);
    serve(host, register::server(own)?, RegisterService::Host(replica.clone()))?;
    for other in (0..register::HOSTS).filter(|other| *other != number) {
        let server = host.address_of(REGISTER_HOSTS[other], PORT)?;
        keep(host, register::client(server)?, RegisterService::Link(replica.clone(), other))?;
    }
    Ok(())
}

/// A server that is started again when it has stopped. Without its listener it is of no use to those who come later, so it stops then.
fn serve<S: Redial + 'static>(host: &mut Host<'_, S>, config: ServerConfig, service: S) -> Result<(), Box<dyn Error>> {
    host.keep_serving(config, service, |_| Some(A_MOMENT))?;
    host.on_event(|host, event| {
        if let NodeEvent::ListenerLost { server, .. } = event {
            host.call(|node, now| node.stop_one(now, *server));
        }
    });
    Ok(())
}

/// A client that is dialled again when its service says so.
fn keep<S: Redial + 'static>(host: &mut Host<'_, S>, config: ClientConfig, service: S) -> Result<(), Box<dyn Error>> {
    let redial = service.clone();
    host.keep_connected(config, service, move |report| redial.redial(report))?;
    Ok(())
}

const fn address(last: u8) -> IpAddr {
    IpAddr::V4(Ipv4Addr::new(10, 0, 0, last))
}
