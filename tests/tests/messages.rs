//! Messages between connections: delivered on every transport, bounded, and given back when they cannot be delivered.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use bytes::Bytes;
use sansock::{
    Address, ClientConfig, ConnectionConfig, Context, Handler, Machine, Node, NodeEvent, Origin, Peer, ServerConfig, SlotRange,
    SocketId, TimerId, Timestamp, Verdict,
};
use sansock_blocking::Notice;
use sansock_memory::{NetworkConfig, Simulation, Step};
use sansock_tests::system::exclusive;

/// What the members of a room share: who is there, and what was given back.
#[derive(Clone, Default)]
struct Room(Arc<Mutex<Inside>>);

#[derive(Default)]
struct Inside {
    members: Vec<SocketId>,
    heard: BTreeMap<usize, Vec<u8>>,
    returned: Vec<(SocketId, Bytes)>,
    refused: usize,
}

/// The server's side passes on what its client says to every other member; the client's side says it and listens.
struct Member {
    room: Room,
    role: Role,
    spoken: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Role {
    Relay,
    /// Says something once so many are there, and leaves when it has heard so much.
    Speaker {
        number: usize,
        wait_for: usize,
        leave_after: usize,
    },
}

impl Member {
    fn speak_when_all_are_there(&mut self, cx: &mut Context<'_, Bytes>) {
        if let Role::Speaker { number, wait_for, .. } = self.role {
            if self.room.0.lock().unwrap().members.len() < wait_for {
                cx.set_timer(TimerId::A, Duration::from_millis(1));
            } else {
                cx.send(vec![number as u8]).unwrap();
                self.spoken = true;
                self.leave_when_all_is_said(cx);
            }
        }
    }

    fn leave_when_all_is_said(&self, cx: &mut Context<'_, Bytes>) {
        if let Role::Speaker { number, leave_after, .. } = self.role {
            let heard = self.room.0.lock().unwrap().heard.get(&number).map_or(0, Vec::len);
            if self.spoken && heard >= leave_after {
                cx.finish();
            }
        }
    }
}

impl Handler for Member {
    type Message = Bytes;

    fn on_open(&mut self, cx: &mut Context<'_, Bytes>) {
        match self.role {
            Role::Relay => self.room.0.lock().unwrap().members.push(cx.socket()),
            Role::Speaker { .. } => self.speak_when_all_are_there(cx),
        }
    }

    fn on_timer(&mut self, cx: &mut Context<'_, Bytes>, _: TimerId) {
        self.speak_when_all_are_there(cx);
    }

    fn on_data(&mut self, cx: &mut Context<'_, Bytes>, data: Bytes) {
        match self.role {
            Role::Relay => {
                let members = self.room.0.lock().unwrap().members.clone();
                let own = cx.socket();
                for member in members.into_iter().filter(|member| *member != own) {
                    cx.post(member, data.clone()).unwrap();
                }
            }
            Role::Speaker { number, .. } => {
                self.room.0.lock().unwrap().heard.entry(number).or_default().extend_from_slice(&data);
                self.leave_when_all_is_said(cx);
            }
        }
    }

    fn on_message(&mut self, cx: &mut Context<'_, Bytes>, message: Bytes) {
        cx.send(message).unwrap();
    }
}

type AnyService = Box<dyn FnMut(&Peer) -> Verdict<Member> + Send>;
type ServiceOf<H> = Box<dyn FnMut(&Peer) -> Verdict<H>>;

fn relay(room: &Room) -> AnyService {
    let room = room.clone();
    Box::new(move |_: &Peer| Verdict::Accept(Member { room: room.clone(), role: Role::Relay, spoken: false }))
}

fn speaker(room: &Room, number: usize) -> AnyService {
    let room = room.clone();
    let role = Role::Speaker { number, wait_for: 3, leave_after: 2 };
    Box::new(move |peer: &Peer| {
        assert!(matches!(peer.origin, Origin::Dialled { address: 0 }));
        Verdict::Accept(Member { room: room.clone(), role, spoken: false })
    })
}

fn any_port() -> ServerConfig {
    ServerConfig::new(SocketAddr::from(([127, 0, 0, 1], 0)))
}

fn to(address: Option<Address>) -> ClientConfig {
    ClientConfig::new(vec![address.unwrap()]).unwrap()
}

fn each_heard_the_two_others(room: &Room) {
    for (number, heard) in &mut room.0.lock().unwrap().heard {
        heard.sort_unstable();
        let others: Vec<u8> = (1..=3).filter(|other| other != number).map(|other| other as u8).collect();
        assert_eq!(heard, &others);
    }
    assert_eq!(room.0.lock().unwrap().heard.len(), 3);
}

#[test]
fn three_members_of_a_room_hear_each_other_on_memory() {
    let room = Room::default();
    let mut simulation = Simulation::new(NetworkConfig::default(), 1);
    let host = simulation.network().add_host([]);
    let machine = simulation.add(host, Node::new(SlotRange::ALL));
    simulation.with(machine, |node, now| node.serve(now, any_port(), relay(&room))).unwrap();
    let mut address = None;
    simulation
        .run(|_, _, step| {
            if let Step::Event(NodeEvent::Listening { local, .. }) = step {
                address = local;
            }
        })
        .unwrap();
    for number in 1..=3 {
        simulation.with(machine, |node, now| node.connect(now, to(address), speaker(&room, number))).unwrap();
    }
    simulation.run(|_, _, _| {}).unwrap();
    each_heard_the_two_others(&room);
}

#[test]
fn three_members_of_a_room_hear_each_other_on_smol() {
    let _alone = exclusive();
    let room = Room::default();
    let mut driver = sansock_smol::Driver::new();
    driver.serve(any_port(), relay(&room)).unwrap();
    let mut stopped = 0;
    smol::block_on(async {
        while let Some(event) = driver.next_event().await {
            match event {
                NodeEvent::Listening { local, .. } => {
                    for number in 1..=3 {
                        driver.connect(to(local), speaker(&room, number)).unwrap();
                    }
                }
                NodeEvent::ClientStopped { .. } => stopped += 1,
                _ => {}
            }
            if stopped == 3 {
                driver.remote().stop();
            }
        }
    });
    each_heard_the_two_others(&room);
}

#[test]
fn three_members_of_a_room_hear_each_other_on_blocking() {
    let _alone = exclusive();
    let room = Room::default();
    let (listening, address) = mpsc::channel();
    let server = sansock_blocking::serve(any_port(), relay(&room), move |notice| {
        if let Notice::Listening { local, .. } = notice {
            listening.send(local).unwrap();
        }
    })
    .unwrap();
    let address = address.recv().unwrap();
    let clients = (1..=3).map(|number| sansock_blocking::connect(to(address), speaker(&room, number), |_| {}).unwrap());
    for client in clients.collect::<Vec<_>>() {
        let _ = client.join();
    }
    drop(server);
    each_heard_the_two_others(&room);
}

/// Posts as many messages as it is told, to a connection that does not exist.
struct Shouter {
    room: Room,
    messages: usize,
    to: SocketId,
}

impl Handler for Shouter {
    type Message = Bytes;

    fn on_open(&mut self, cx: &mut Context<'_, Bytes>) {
        for number in 0..self.messages {
            if cx.post(self.to, Bytes::from(vec![number as u8])).is_err() {
                self.room.0.lock().unwrap().refused += 1;
            }
        }
    }

    fn on_data(&mut self, _: &mut Context<'_, Bytes>, _: Bytes) {}

    fn on_undelivered(&mut self, _: &mut Context<'_, Bytes>, to: SocketId, message: Bytes) {
        self.room.0.lock().unwrap().returned.push((to, message));
    }
}

fn shout(messages: usize, mailbox: usize) -> Room {
    let room = Room::default();
    let nobody = SocketId::new(99, 9).unwrap();
    let limits = ConnectionConfig::default().mailbox(mailbox).unwrap();
    let mut simulation: Simulation<Node<ServiceOf<Shouter>>> = Simulation::new(NetworkConfig::default(), 1);
    let host = simulation.network().add_host([]);
    let machine = simulation.add(host, Node::new(SlotRange::ALL));
    let config = ServerConfig::new(SocketAddr::from(([127, 0, 0, 1], 80))).connection(limits);
    let shared = room.clone();
    simulation
        .with(machine, |node, now| {
            node.serve(now, config, Box::new(move |_| Verdict::Accept(Shouter { room: shared.clone(), messages, to: nobody })))
        })
        .unwrap();
    let shared = room.clone();
    let config = ClientConfig::new(vec![SocketAddr::from(([127, 0, 0, 1], 80)).into()]).unwrap();
    simulation
        .with(machine, |node, now| {
            node.connect(
                now,
                config,
                Box::new(move |_| Verdict::Accept(Shouter { room: shared.clone(), messages: 0, to: nobody })),
            )
        })
        .unwrap();
    simulation.run_until(Timestamp::from_secs(1), |_, _, _| {}).unwrap();
    assert!(simulation.machine(machine).deadline() > Some(Timestamp::from_secs(1)), "no message waits");
    room
}

#[test]
fn a_message_to_nobody_comes_back_to_its_sender_in_order() {
    let room = shout(200, 200);
    let inside = room.0.lock().unwrap();
    assert_eq!(inside.refused, 0);
    let numbers: Vec<u8> = inside.returned.iter().map(|(_, message)| message[0]).collect();
    assert_eq!(numbers, (0..200).collect::<Vec<u8>>());
    assert!(inside.returned.iter().all(|(to, _)| *to == SocketId::new(99, 9).unwrap()));
}

// B1
#[test]
fn a_sender_that_posts_more_than_its_mailbox_holds_gets_the_rest_back_at_once() {
    let room = shout(10, 4);
    let inside = room.0.lock().unwrap();
    assert_eq!((inside.refused, inside.returned.len()), (6, 4));
}

/// Two members that answer every message for ever.
struct PingPong {
    other: Arc<Mutex<Vec<SocketId>>>,
    bounces: Arc<Mutex<u64>>,
}

impl Handler for PingPong {
    type Message = Bytes;

    fn on_open(&mut self, cx: &mut Context<'_, Bytes>) {
        let mut known = self.other.lock().unwrap();
        known.push(cx.socket());
        if let [first, _] = known[..] {
            cx.post(first, Bytes::new()).unwrap();
        }
    }

    fn on_data(&mut self, _: &mut Context<'_, Bytes>, _: Bytes) {}

    fn on_message(&mut self, cx: &mut Context<'_, Bytes>, message: Bytes) {
        *self.bounces.lock().unwrap() += 1;
        let other = *self.other.lock().unwrap().iter().find(|other| **other != cx.socket()).unwrap();
        cx.post(other, message).unwrap();
    }
}

// C11, B5: what two handlers say to each other for ever is cut into turns, and a simulation says that it never ends.
#[test]
fn two_handlers_that_answer_each_other_for_ever_do_not_keep_a_call_from_returning() {
    let (other, bounces) = <(Arc<Mutex<Vec<SocketId>>>, Arc<Mutex<u64>>)>::default();
    let mut simulation: Simulation<Node<ServiceOf<PingPong>>> = Simulation::new(NetworkConfig::default(), 1);
    let host = simulation.network().add_host([]);
    let machine = simulation.add(host, Node::new(SlotRange::ALL));
    let address = SocketAddr::from(([127, 0, 0, 1], 80));
    let service = {
        let (other, bounces) = (other.clone(), bounces.clone());
        move || -> ServiceOf<PingPong> {
            let (other, bounces) = (other.clone(), bounces.clone());
            Box::new(move |_| Verdict::Accept(PingPong { other: other.clone(), bounces: bounces.clone() }))
        }
    };
    simulation.with(machine, |node, now| node.serve(now, ServerConfig::new(address), service())).unwrap();
    let config = ClientConfig::new(vec![address.into()]).unwrap();
    simulation.with(machine, |node, now| node.connect(now, config, service())).unwrap();
    simulation.limit_outputs(1000);
    let spin = simulation.run(|_, _, _| {}).unwrap_err();
    assert_eq!(spin.machine, machine);
    let before = *bounces.lock().unwrap();
    simulation.with(machine, |node, now| node.handle_timeout(now));
    assert_eq!(*bounces.lock().unwrap() - before, 64, "one call, one turn");
}
