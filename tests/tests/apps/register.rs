//! The register, in virtual time.

use std::time::Duration;

use bytes::Bytes;
use sansock::{Machine, Op, Origin, Output, Peer, SocketId, Timestamp};
use sansock_memory::MachineId;
use sansock_tests::apps::Shared;
use sansock_tests::apps::register::{
    self, Answer, Disk, HOSTS, History, Host, Letter, Plan, RegisterService, Replica, Session, Versioned, everything_is_answered,
    is_linearizable, somebody_asked_again,
};

use super::embedding::{Embedding, address};
use super::{SEEDS, network};

/// Three hosts, and two users of each.
struct Cluster {
    embedding: Embedding<RegisterService>,
    hosts: Vec<MachineId>,
    disks: Vec<Shared<Disk>>,
    users: Vec<MachineId>,
    sessions: Vec<Shared<Session>>,
    history: Shared<History>,
}

/// So much that what one host knows already another hears of a while later.
const JITTER: Duration = Duration::from_millis(20);
/// So little that nothing is overtaken by what it has caused.
const CALM: Duration = Duration::from_micros(100);

impl Cluster {
    fn new(seed: u64, jitter: Duration, disk: fn(usize) -> Disk) -> Self {
        let mut cluster = Self {
            embedding: Embedding::new(network(seed, jitter), seed),
            hosts: Vec::new(),
            disks: Vec::new(),
            users: Vec::new(),
            sessions: Vec::new(),
            history: Shared::default(),
        };
        let addresses = [1, 2, 3].map(address);
        for (number, own) in addresses.into_iter().enumerate() {
            let machine = cluster.embedding.host(own.ip());
            let disk = Shared::new(disk(number));
            let host = Host::start(&disk);
            let service = RegisterService::Host(host.clone());
            cluster.embedding.serve(machine, register::server(own).unwrap(), service);
            for (other, address) in addresses.into_iter().enumerate().filter(|(other, _)| *other != number) {
                let service = RegisterService::Link(host.clone(), other);
                cluster.embedding.connect(machine, register::client(address).unwrap(), service);
            }
            cluster.hosts.push(machine);
            cluster.disks.push(disk);
        }
        for (number, host) in (0..).zip(addresses.into_iter().cycle().take(6)) {
            let machine = cluster.embedding.host(address(11 + number).ip());
            let name = ["amy", "bob", "eve", "ann", "ben", "eva"][usize::from(number)];
            let think = Duration::from_millis(10 * (1 + u64::from(number) % 3));
            let plan = Plan { operations: 30, write_one_in: 3, think };
            let session = Shared::new(Session::new(name, plan));
            let service = RegisterService::User(session.clone(), cluster.history.clone());
            cluster.embedding.connect(machine, register::client(host).unwrap(), service);
            cluster.users.push(machine);
            cluster.sessions.push(session);
        }
        cluster
    }

    fn run(&mut self, span: Duration) -> Result<(), String> {
        self.embedding.run(span, || is_linearizable(&self.history))
    }

    fn run_until_everything_is_answered(&mut self) -> Result<(), String> {
        self.embedding.run_until(
            Duration::from_secs(30),
            || is_linearizable(&self.history),
            || everything_is_answered(&self.sessions),
        )
    }

    fn write_backs(&self) -> u64 {
        self.disks.iter().map(|disk| disk.lock().write_backs()).sum()
    }
}

#[test]
fn three_hosts_are_one_register() {
    let mut write_backs = 0;
    for seed in 0..SEEDS {
        let mut cluster = Cluster::new(seed, JITTER, Disk::new);
        cluster.run_until_everything_is_answered().unwrap_or_else(|problem| panic!("seed {seed}: {problem}"));
        assert_eq!(cluster.history.lock().ended(), 180, "seed {seed}");
        write_backs += cluster.write_backs();
    }
    assert!(write_backs > 0, "a read had to write back");
}

/// Now and then a host loses all the connections that it has dialled: it cannot ask the others, but they can ask it.
#[test]
fn what_hosts_lose_they_ask_again() {
    let mut lost = 0;
    for seed in 0..SEEDS {
        let mut cluster = Cluster::new(seed, CALM, Disk::new);
        for step in 0..12 {
            cluster.run(Duration::from_millis(20 + seed * 7919 % 100)).unwrap_or_else(|problem| panic!("seed {seed}: {problem}"));
            let host = cluster.hosts[step % HOSTS];
            lost += cluster.embedding.cut(host, |origin| matches!(origin, Origin::Dialled { .. }));
        }
        cluster.run_until_everything_is_answered().unwrap_or_else(|problem| panic!("seed {seed}: {problem}"));
    }
    assert!(lost > 0);
}

#[test]
fn what_users_lose_they_ask_again() {
    let mut asked_again = 0;
    for seed in 0..SEEDS {
        let mut cluster = Cluster::new(seed, JITTER, Disk::new);
        for step in 0..12 {
            cluster.run(Duration::from_millis(20 + seed * 7919 % 100)).unwrap_or_else(|problem| panic!("seed {seed}: {problem}"));
            let user = cluster.users[step % cluster.users.len()];
            cluster.embedding.cut(user, |_| true);
        }
        cluster.run_until_everything_is_answered().unwrap_or_else(|problem| panic!("seed {seed}: {problem}"));
        asked_again += u64::from(somebody_asked_again(&cluster.sessions));
    }
    assert!(asked_again > SEEDS / 2, "{asked_again}");
}

fn hasty(host: usize) -> Disk {
    Disk::new(host).with_planted_bug()
}

#[test]
fn the_planted_bug_is_found_when_some_segments_take_long() {
    let run = |seed| Cluster::new(seed, JITTER, hasty).run_until_everything_is_answered();
    let problems: Vec<_> = (0..SEEDS).filter_map(|seed| Some((seed, run(seed).err()?))).collect();
    println!("found by {} of {SEEDS} seeds, for example {:?}", problems.len(), problems.first());
    assert!(problems.iter().all(|(_, problem)| problem.contains("no register does that")), "{problems:?}");
    assert!(!problems.is_empty());
}

#[test]
fn the_planted_bug_does_not_show_when_all_segments_are_alike() {
    for seed in 0..SEEDS / 4 {
        let mut cluster = Cluster::new(seed, CALM, hasty);
        cluster.run_until_everything_is_answered().unwrap_or_else(|problem| panic!("seed {seed}: {problem}"));
    }
}

#[test]
fn an_answer_to_an_earlier_question_counts_for_nothing() {
    let now = Timestamp::ZERO;
    let peer = Peer { address: None, local: None, origin: Origin::Accepted { listener: 0 } };
    let replica = Replica::new(Host::start(&Shared::new(Disk::new(0))));
    let limits = register::limits().unwrap().into();
    let mut session = sansock::Session::new(now, SocketId::new(0, 0).unwrap(), peer, limits, replica);
    session.open(now);
    let answer = |tag| Letter::Answer { host: 1, tag, answer: Answer::Holds(Versioned::default()) };

    let Some(Output::Submit(Op::Recv(mut recv))) = session.poll() else { panic!("it should receive") };
    for (line, tag) in [("read 1\n", 1), ("read 2\n", 2)] {
        session.complete(now, recv.data(Bytes::from_static(line.as_bytes()))).unwrap();
        let Some(Output::Submit(Op::Recv(next))) = session.poll() else { panic!("it should receive") };
        recv = next;
        session.deliver(now, answer(tag - 1)).unwrap();
        assert!(session.poll().is_none(), "nothing is answered yet");
        session.deliver(now, answer(tag)).unwrap();
        let Some(Output::Submit(Op::Send(send))) = session.poll() else { panic!("it should answer") };
        assert_eq!(send.chunks().concat(), format!("value {tag} 0\n").as_bytes());
        let size = send.asked();
        session.complete(now, send.sent(size)).unwrap();
    }
}
