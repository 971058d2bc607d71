//! The chat, in virtual time.

use std::time::Duration;

use bytes::Bytes;
use sansock::{Handler, Machine, Op, Origin, Output, Peer, RecvOp, Session, SocketId, SocketOptions, Timestamp};
use sansock_memory::{MachineId, NetworkConfig};
use sansock_tests::apps::Shared;
use sansock_tests::apps::chat::{self, ChatService, Diary, Entry, Member, Nap, News, Plan, Room, Speaker, rules};
use sansock_tests::apps::lines::Garbled;

use super::embedding::{Embedding, address};
use super::{SEEDS, network};

const JITTER: Duration = Duration::from_millis(3);

/// A chat. Of the usual three people the first leaves when all is said, the others stay.
struct Chat {
    embedding: Embedding<ChatService>,
    server: MachineId,
    room: Shared<Room>,
    diaries: Vec<Shared<Diary>>,
    people: Vec<MachineId>,
}

impl Chat {
    fn new(seed: u64, room: Room, nap: Option<(u8, Nap)>) -> Self {
        Self::with_people(seed, network(seed, JITTER), room, 3, |number| Plan {
            sentences: 20,
            pace: Duration::from_millis(20 + 7 * u64::from(number)),
            nap: nap.and_then(|(who, nap)| (number == who).then_some(nap)),
            leaves: number == 0,
        })
    }

    fn with_people(seed: u64, network: NetworkConfig, room: Room, people: u8, plan: impl Fn(u8) -> Plan) -> Self {
        let mut embedding = Embedding::new(network, seed);
        let room = Shared::new(room);
        let server = embedding.host(address(1).ip());
        let config = chat::server(address(1), SocketOptions::CONNECTION).unwrap();
        embedding.serve(server, config, ChatService::open(&room));
        let mut chat = Self { embedding, server, room, diaries: Vec::new(), people: Vec::new() };
        for number in 0..people {
            let name = ["amy", "bob", "eve"].get(usize::from(number)).map_or(format!("guest{number}"), |name| name.to_string());
            let diary = Shared::new(Diary::new(&name, plan(number)));
            let host = chat.embedding.host(address(2 + number).ip());
            let config = chat::client(address(1), SocketOptions::CONNECTION).unwrap();
            chat.embedding.connect(host, config, ChatService::Speaker(diary.clone()));
            chat.diaries.push(diary);
            chat.people.push(host);
        }
        chat
    }

    fn run(&mut self, span: Duration) -> Result<(), String> {
        self.embedding.run(span, || rules::everybody_hears_the_same(&self.room, &self.diaries))
    }

    fn run_until_everything_is_heard(&mut self) -> Result<(), String> {
        self.embedding.run_until(
            Duration::from_secs(30),
            || rules::everybody_hears_the_same(&self.room, &self.diaries),
            || rules::everything_is_heard(&self.room, &self.diaries),
        )
    }
}

/// Long enough that everything that is on its way to somebody fills up, and short of the limit of a stalled connection.
const NAP: Nap = Nap { after: 10, span: Duration::from_secs(2) };

const EVE: u8 = 2;

/// So much that nobody ever misses anything.
const ALL: usize = 10_000;

#[test]
fn everybody_hears_everything() {
    for seed in 0..SEEDS {
        let mut chat = Chat::new(seed, Room::new(ALL), None);
        chat.run_until_everything_is_heard().unwrap_or_else(|problem| panic!("seed {seed}: {problem}"));
    }
}

#[test]
fn whoever_is_slow_hears_everything_late() {
    for seed in 0..SEEDS {
        let mut chat = Chat::new(seed, Room::new(ALL), Some((EVE, NAP)));
        chat.run_until_everything_is_heard().unwrap_or_else(|problem| panic!("seed {seed}: {problem}"));
        assert!(rules::somebody_lagged(&chat.room), "seed {seed}");
        assert!(!rules::somebody_missed_something(&chat.room), "seed {seed}: everything is kept");
    }
}

#[test]
fn whoever_is_slower_than_the_room_keeps_is_told_what_was_missed() {
    for seed in 0..SEEDS {
        let mut chat = Chat::new(seed, Room::new(10), Some((EVE, NAP)));
        chat.run_until_everything_is_heard().unwrap_or_else(|problem| panic!("seed {seed}: {problem}"));
        assert!(rules::somebody_missed_something(&chat.room), "seed {seed}");
    }
}

#[test]
fn whoever_takes_nothing_for_too_long_is_disconnected_and_comes_back() {
    let nap = Nap { span: Duration::from_secs(8), ..NAP };
    for seed in 0..SEEDS / 4 {
        let mut chat = Chat::new(seed, Room::new(ALL), Some((EVE, nap)));
        chat.run_until_everything_is_heard().unwrap_or_else(|problem| panic!("seed {seed}: {problem}"));
        assert!(rules::somebody_came_back(&chat.diaries), "seed {seed}");
    }
}

#[test]
fn whoever_is_reset_comes_back_and_hears_on() {
    let mut came_back = 0;
    for seed in 0..SEEDS {
        let mut chat = Chat::new(seed, Room::new(ALL), None);
        for step in 0..6 {
            // Not more than there is to say, so that somebody is still there.
            chat.run(Duration::from_millis(10 + seed * 7919 % 80)).unwrap_or_else(|problem| panic!("seed {seed}: {problem}"));
            // All at once, or one.
            let machine = if step % 3 == 0 { chat.server } else { chat.people[step % 3] };
            chat.embedding.cut(machine, |_| true);
        }
        chat.run_until_everything_is_heard().unwrap_or_else(|problem| panic!("seed {seed}: {problem}"));
        came_back += u64::from(rules::somebody_came_back(&chat.diaries));
    }
    assert_eq!(came_back, SEEDS);
}

#[test]
fn the_planted_bug_is_found_when_somebody_is_slow() {
    let run = |seed| Chat::new(seed, Room::new(ALL).with_planted_bug(), Some((EVE, NAP))).run_until_everything_is_heard();
    let problems: Vec<_> = (0..SEEDS).filter_map(|seed| Some((seed, run(seed).err()?))).collect();
    println!("found by {} of {SEEDS} seeds, for example {:?}", problems.len(), problems.first());
    assert!(problems.iter().all(|(_, problem)| problem.contains("eve heard number")), "{problems:?}");
    assert!(!problems.is_empty());
}

#[test]
fn the_planted_bug_does_not_show_when_everybody_keeps_up() {
    for seed in 0..SEEDS / 4 {
        let mut chat = Chat::new(seed, Room::new(ALL).with_planted_bug(), None);
        chat.run_until_everything_is_heard().unwrap_or_else(|problem| panic!("seed {seed}: {problem}"));
    }
}

#[test]
fn more_people_than_a_mailbox_holds_are_told_at_once() {
    // One speaks, all listen.
    let mut chat = Chat::with_people(0, NetworkConfig::default(), Room::new(ALL), 40, |number| Plan {
        sentences: u64::from(number == 0),
        pace: Duration::from_millis(100),
        nap: None,
        leaves: false,
    });
    // Shorter than the time after which everybody looks anyway.
    chat.run(Duration::from_millis(500)).unwrap();
    rules::everything_is_heard(&chat.room, &chat.diaries).unwrap();
}

/// A session of one connection, to be driven by hand, that has been opened and asks for what comes.
fn session<H: Handler<Message = News>>(handler: H) -> (Session<H>, RecvOp) {
    let peer = Peer { address: None, local: None, origin: Origin::Accepted { listener: 0 } };
    let limits = chat::limits().unwrap().into();
    let mut session = Session::new(Timestamp::ZERO, SocketId::new(0, 0).unwrap(), peer, limits, handler);
    session.open(Timestamp::ZERO);
    loop {
        match session.poll() {
            Some(Output::Submit(Op::Recv(recv))) => return (session, recv),
            Some(Output::Submit(Op::Send(send))) => {
                let size = send.asked();
                session.complete(Timestamp::ZERO, send.sent(size)).unwrap();
            }
            _ => panic!("it should send and receive"),
        }
    }
}

#[test]
fn news_for_somebody_who_is_leaving_changes_nothing() {
    let now = Timestamp::ZERO;
    let room = Shared::new(Room::new(ALL));
    let (mut session, recv) = session(Member::new(room.clone()));
    session.complete(now, recv.data(Bytes::from_static(b"join amy 0\n"))).unwrap();
    let Some(Output::Submit(Op::Send(send))) = session.poll() else { panic!("it should tell that amy is there") };
    let Some(Output::Submit(Op::Recv(recv))) = session.poll() else { panic!("it should receive") };
    session.complete(now, recv.eof()).unwrap();
    assert_eq!(room.lock().record(), [Entry::Joined("amy".into()), Entry::Left("amy".into())]);
    session.deliver(now, News).unwrap();
    let size = send.asked();
    session.complete(now, send.sent(size)).unwrap();
    assert!(matches!(session.poll(), Some(Output::Submit(Op::Shutdown(_)))), "it ends gracefully");
}

#[test]
fn whoever_has_missed_their_own_last_words_knows_that_they_were_heard() {
    let diary = Shared::new(Diary::new("amy", Plan { sentences: 2, pace: Duration::from_secs(9), nap: None, leaves: true }));
    let (mut session, recv) = session(Speaker::new(diary.clone()));
    session.complete(Timestamp::ZERO, recv.data(Bytes::from_static(b"missed 30 1\n"))).unwrap();
    assert!(!diary.lock().has_said_all());
    let Some(Output::Submit(Op::Recv(recv))) = session.poll() else { panic!("it should receive") };
    session.complete(Timestamp::ZERO, recv.data(Bytes::from_static(b"missed 60 2\n"))).unwrap();
    assert!(diary.lock().has_left());
}

#[test]
fn a_room_that_is_opened_again_is_empty_but_knows_what_was_said() {
    let mut room = Room::new(ALL);
    room.open();
    assert_eq!(room.join("amy", 0, SocketId::new(1, 0).unwrap()), Ok(None));
    room.say("amy", 1, "so").unwrap();
    room.open();
    assert_eq!(room.join("amy", 3, SocketId::new(1, 0).unwrap()), Ok(None), "nobody is replaced");
    room.say("amy", 1, "so").unwrap();
    assert_eq!(room.say("amy", 3, "what is 2?"), Err(Garbled));
    let said = Entry::Said { name: "amy".into(), number: 1, text: "so".into() };
    let joined = Entry::Joined("amy".into());
    assert_eq!(room.record(), [joined.clone(), said, Entry::Left("amy".into()), joined]);
}
