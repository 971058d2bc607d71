//! The same types on real sockets: the chat on smol and, a thread a connection, on the blocking transport; the register on smol.

use std::net::SocketAddr;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

use sansock::{Address, ClientConfig, NodeEvent, Setting, SocketOptions, SupervisorId};
use sansock_blocking::Notice;
use sansock_smol::Driver;
use sansock_tests::apps::chat::{self, ChatService, Diary, Nap, Plan, Room, rules};
use sansock_tests::apps::register::{self, Disk, HOSTS, History, Host, RegisterService, Session};
use sansock_tests::apps::{Redial, Shared};
use sansock_tests::system::exclusive;

/// Small buffers, so that they fill.
const SMALL: SocketOptions = SocketOptions {
    send_buffer: Setting::BestEffort(4096),
    receive_buffer: Setting::BestEffort(4096),
    ..SocketOptions::CONNECTION
};

/// Fails if it takes so long that it will never end.
fn watched(test: impl FnOnce() + Send + 'static) {
    let _alone = exclusive();
    let (ending, ended) = mpsc::channel();
    let thread = std::thread::spawn(move || {
        test();
        // Nobody hears it if the test was given up.
        let _ = ending.send(());
    });
    if ended.recv_timeout(Duration::from_secs(120)) == Err(RecvTimeoutError::Timeout) {
        panic!("it does not come to an end");
    }
    if let Err(panic) = thread.join() {
        std::panic::resume_unwind(panic);
    }
}

fn loopback() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}

fn ip(address: Option<Address>) -> SocketAddr {
    match address {
        Some(Address::Ip(address)) => address,
        other => panic!("a listener has an address: {other:?}"),
    }
}

/// Three people with a lot to say, one of whom sleeps for a while. All leave.
fn people() -> Vec<Shared<Diary>> {
    let nap = Nap { after: 10, span: Duration::from_millis(300) };
    let plan = |nap| Plan { sentences: 100, pace: Duration::from_millis(1), nap, leaves: true };
    [("amy", None), ("bob", None), ("eve", Some(nap))].map(|(name, nap)| Shared::new(Diary::new(name, plan(nap)))).into()
}

fn assert_that_everything_was_said(room: &Shared<Room>, diaries: &[Shared<Diary>]) {
    rules::everybody_hears_the_same(room, diaries).unwrap();
    rules::everything_is_heard(room, diaries).unwrap();
    for diary in diaries {
        let diary = diary.lock();
        assert_eq!(diary.resets(), 1, "the first connection of {}, and no other, was cut", diary.name());
    }
}

#[test]
fn people_chat_on_the_blocking_transport() {
    watched(chat_on_blocking);
}

fn chat_on_blocking() {
    let (room, diaries) = (Shared::new(Room::new(10_000)), people());
    let (listening, address) = mpsc::channel();
    let config = chat::server(loopback(), SMALL).unwrap();
    let server = sansock_blocking::serve(config, ChatService::open(&room), move |notice| {
        if let Notice::Listening { local, .. } = notice {
            listening.send(ip(local)).unwrap();
        }
    })
    .unwrap();
    let address = address.recv().unwrap();
    std::thread::scope(|scope| {
        for diary in &diaries {
            scope.spawn(move || stay_connected(chat::client(address, SMALL).unwrap(), ChatService::Speaker(diary.clone())));
        }
    });
    server.stop();
    let report = server.join();
    assert!(report.listen_errors.is_empty(), "{report}");
    assert_that_everything_was_said(&room, &diaries);
}

/// Dials, resets the first connection as soon as it is there, and dials again as long as that is wanted.
fn stay_connected(config: ClientConfig, service: ChatService) {
    let mut is_first = true;
    loop {
        let (opening, opened) = mpsc::channel();
        let on_notice = move |notice| {
            if let Notice::Opened { .. } = notice {
                opening.send(()).unwrap();
            }
        };
        let client = sansock_blocking::connect(config.clone(), service.clone(), on_notice).unwrap();
        if std::mem::take(&mut is_first) {
            opened.recv().unwrap();
            client.stop();
        }
        match service.redial(&client.join()) {
            Some(pause) => std::thread::sleep(pause),
            None => return,
        }
    }
}

/// Clients of a driver that are dialled again as long as that is wanted and its servers run.
struct Embedding<S: Redial> {
    driver: Driver<S>,
    clients: Vec<(SupervisorId, ClientConfig, S)>,
    due: Option<(Instant, Vec<(ClientConfig, S)>)>,
    is_stopping: bool,
}

impl<S: Redial> Embedding<S> {
    fn new() -> Self {
        Self { driver: Driver::new(), clients: Vec::new(), due: None, is_stopping: false }
    }

    fn connect(&mut self, config: ClientConfig, service: S) {
        let client = self.driver.connect(config.clone(), service.clone()).unwrap();
        self.clients.push((client, config, service));
    }

    /// Works until nothing is left to do.
    async fn run(&mut self, mut on_event: impl FnMut(&mut Driver<S>, &NodeEvent)) {
        loop {
            let pause = async {
                match &self.due {
                    Some((at, _)) => drop(smol::Timer::at(*at).await),
                    None => std::future::pending().await,
                }
                Err(())
            };
            let next = async {
                match self.driver.next_event().await {
                    None if self.due.is_some() => std::future::pending().await,
                    event => Ok(event),
                }
            };
            match smol::future::or(pause, next).await {
                Ok(None) => return,
                Ok(Some(event)) => {
                    on_event(&mut self.driver, &event);
                    self.see(event);
                }
                Err(()) => {
                    for (config, service) in self.due.take().map(|(_, dials)| dials).into_iter().flatten() {
                        self.connect(config, service);
                    }
                }
            }
        }
    }

    fn see(&mut self, event: NodeEvent) {
        match event {
            NodeEvent::ServerStopped { .. } => {
                self.is_stopping = true;
                self.due = None;
            }
            NodeEvent::ClientStopped { client, report } if !self.is_stopping => {
                let place = self.clients.iter().position(|(own, ..)| *own == client).expect("it was dialled");
                let (_, config, service) = self.clients.swap_remove(place);
                if let Some(pause) = service.redial(&report) {
                    let due = self.due.get_or_insert_with(|| (Instant::now() + pause, Vec::new()));
                    due.1.push((config, service));
                }
            }
            _ => {}
        }
    }
}

async fn listening<S: Redial>(driver: &mut Driver<S>) -> SocketAddr {
    match driver.next_event().await {
        Some(NodeEvent::Listening { local, .. }) => ip(local),
        event => panic!("the server does not listen: {event:?}"),
    }
}

#[test]
fn people_chat_on_smol() {
    watched(chat_on_smol);
}

fn chat_on_smol() {
    let (room, diaries) = (Shared::new(Room::new(10_000)), people());
    let mut server = Driver::new();
    server.serve(chat::server(loopback(), SMALL).unwrap(), ChatService::open(&room)).unwrap();
    smol::block_on(async {
        let address = listening(&mut server).await;
        let remote = server.remote();
        let everybody = async {
            let executor = smol::LocalExecutor::new();
            let people = diaries.iter().map(|diary| {
                let mut person = Embedding::new();
                person.connect(chat::client(address, SMALL).unwrap(), ChatService::Speaker(diary.clone()));
                executor.spawn(async move {
                    let mut is_first = true;
                    person
                        .run(|driver, event| {
                            if let NodeEvent::Opened { .. } = event
                                && std::mem::take(&mut is_first)
                            {
                                driver.remote().stop();
                            }
                        })
                        .await;
                })
            });
            let people: Vec<_> = people.collect();
            executor
                .run(async {
                    for person in people {
                        person.await;
                    }
                })
                .await;
            remote.stop();
        };
        smol::future::zip(server.run(|_| {}), everybody).await;
    });
    assert_that_everything_was_said(&room, &diaries);
}

#[test]
fn three_hosts_are_one_register_on_smol() {
    watched(register_on_smol);
}

fn register_on_smol() {
    let history: Shared<History> = Shared::default();
    let plan = register::Plan { operations: 100, write_one_in: 3, think: Duration::ZERO };
    let sessions: Vec<_> = ["amy", "bob", "eve"].map(|name| Shared::new(Session::new(name, plan))).into();
    let hosts: Vec<_> = (0..HOSTS).map(|number| Host::start(&Shared::new(Disk::new(number)))).collect();
    smol::block_on(async {
        let (mut nodes, mut addresses) = (Vec::new(), Vec::new());
        for host in &hosts {
            let mut node = Embedding::new();
            node.driver.serve(register::server(loopback()).unwrap(), RegisterService::Host(host.clone())).unwrap();
            addresses.push(listening(&mut node.driver).await);
            nodes.push(node);
        }
        for (number, (node, host)) in nodes.iter_mut().zip(&hosts).enumerate() {
            for (other, address) in addresses.iter().enumerate().filter(|(other, _)| *other != number) {
                node.connect(register::client(*address).unwrap(), RegisterService::Link(host.clone(), other));
            }
        }
        let mut users = Embedding::new();
        for (session, address) in sessions.iter().zip(&addresses) {
            let service = RegisterService::User(session.clone(), history.clone());
            users.connect(register::client(*address).unwrap(), service);
        }
        let executor = smol::LocalExecutor::new();
        let remotes: Vec<_> = nodes.iter().map(|node| node.driver.remote()).collect();
        let nodes: Vec<_> = nodes.into_iter().map(|mut node| executor.spawn(async move { node.run(|_, _| {}).await })).collect();
        executor
            .run(async {
                users.run(|_, _| {}).await;
                for (remote, node) in remotes.iter().zip(nodes) {
                    remote.stop();
                    node.await;
                }
            })
            .await;
    });
    register::is_linearizable(&history).unwrap();
    register::everything_is_answered(&sessions).unwrap();
    assert_eq!(history.lock().ended(), 300);
}
