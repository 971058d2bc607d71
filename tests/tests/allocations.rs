//! What a connection costs in memory: nothing per event once it is warm, and never more than a formula of its limits.

use std::convert::Infallible;
use std::time::Duration;

use allocation_counter::measure;
use bytes::Bytes;
use sansock::{
    AcceptOp, Completion, Connected, Connection, ConnectionConfig, ConnectionEvent, Context, Handler, Machine, Node, NodeEvent,
    Op, Output, Peer, RecvOp, RefusedOptions, SendOp, ServerConfig, Session, SlotRange, SocketId, Stream, TimerId, Timestamp,
    Unsent, Verdict,
};
use sansock_tests::by_hand::ByHand;
use sansock_tests::echo::Echo;

/// More than any table grows to.
const WARM_UP: usize = 100;
const ROUNDS: usize = 100;

/// What a transport hands in: a part of a buffer that it uses again.
fn message() -> Bytes {
    let buffer = Bytes::from(vec![7; 1024]);
    // From the first clone on, clones and slices share the buffer.
    let _ = buffer.clone();
    buffer.slice(..64)
}

// B3
#[test]
fn an_echo_by_hand_allocates_nothing() {
    let message = message();
    let mut by_hand = ByHand::connection(ConnectionConfig::default());
    let mut events = Vec::with_capacity(4);
    let mut round = move || {
        by_hand.pass(Duration::from_millis(10));
        by_hand.receive(message.clone());
        by_hand.swap_events(&mut events);
        for event in events.drain(..) {
            let ConnectionEvent::Data(data) = event else { panic!("not data: {event:?}") };
            by_hand.send(data).expect("room");
        }
        by_hand.sent(1);
        by_hand.sent(63);
    };
    (0..WARM_UP).for_each(|_| round());
    assert_eq!(measure(|| (0..ROUNDS).for_each(|_| round())).count_total, 0);
}

/// Echoes, and sets its timer again with each message.
struct TimedEcho {
    echo: Echo,
    fired: usize,
}

impl TimedEcho {
    fn new() -> Self {
        Self { echo: Echo::default(), fired: 0 }
    }
}

impl Handler for TimedEcho {
    type Message = Infallible;

    fn on_data(&mut self, cx: &mut Context<'_, Infallible>, data: Bytes) {
        cx.set_timer(TimerId::A, Duration::from_millis(25));
        self.echo.on_data(cx, data);
    }

    fn on_timer(&mut self, _: &mut Context<'_, Infallible>, _: TimerId) {
        self.fired += 1;
    }
}

// B3, B6
#[test]
fn an_echo_through_a_session_allocates_nothing() {
    let message = message();
    let mut by_hand = ByHand::session(ConnectionConfig::default(), TimedEcho::new());
    let mut round = |index: usize| {
        // Now and then the timer is due before the next message.
        by_hand.pass(Duration::from_millis(if index.is_multiple_of(4) { 30 } else { 10 }));
        by_hand.receive(message.clone());
        by_hand.sent(1);
        by_hand.sent(63);
    };
    (0..WARM_UP).for_each(&mut round);
    assert_eq!(measure(|| (0..ROUNDS).for_each(&mut round)).count_total, 0);
    assert_eq!(by_hand.machine.handler().fired, (WARM_UP + ROUNDS) / 4 - 1);
}

type Service = fn(&Peer) -> Verdict<TimedEcho>;

/// A node with one server, and what its sockets have in flight.
struct Driver {
    node: Node<Service>,
    now: Timestamp,
    accept: Option<AcceptOp>,
    recvs: Vec<Option<RecvOp>>,
    sends: Vec<Option<SendOp>>,
    opened: Vec<SocketId>,
}

impl Driver {
    fn new(connections: usize) -> Self {
        let mut node: Node<Service> = Node::new(SlotRange::ALL);
        let address = std::net::SocketAddr::from(([127, 0, 0, 1], 0));
        let config = ServerConfig::new(address).max_connections(connections + 1).expect("more than zero");
        let slots = config.slots_needed() as usize;
        node.serve(Timestamp::ZERO, config, |_| Verdict::Accept(TimedEcho::new())).expect("enough slots");
        let mut driver = Self {
            node,
            now: Timestamp::ZERO,
            accept: None,
            recvs: (0..=slots).map(|_| None).collect(),
            sends: (0..=slots).map(|_| None).collect(),
            opened: Vec::with_capacity(connections),
        };
        driver.poll();
        while driver.opened.len() < connections {
            let accept = driver.accept.take().expect("an accept in flight");
            driver.complete(accept.accepted(Connected::default()));
        }
        driver
    }

    fn complete(&mut self, done: Completion) {
        self.node.complete(self.now, done).expect("a legal completion");
        self.poll();
    }

    fn poll(&mut self) {
        while let Some(output) = self.node.poll() {
            let done = match output {
                Output::Event(NodeEvent::Opened { socket, .. }) => {
                    self.opened.push(socket);
                    continue;
                }
                Output::Event(_) => continue,
                Output::Submit(Op::Recv(op)) => {
                    let slot = op.socket().slot() as usize;
                    self.recvs[slot] = Some(op);
                    continue;
                }
                Output::Submit(Op::Send(op)) => {
                    let slot = op.socket().slot() as usize;
                    self.sends[slot] = Some(op);
                    continue;
                }
                Output::Submit(Op::Accept(op)) => {
                    self.accept = Some(op);
                    continue;
                }
                Output::Submit(Op::Startup(op)) => op.done(),
                Output::Submit(Op::Create(op)) => op.created(RefusedOptions::default()),
                Output::Submit(Op::Bind(op)) => op.bound(None),
                Output::Submit(Op::Listen(op)) => op.listening(None),
                Output::Submit(op) => panic!("unexpected: {op:?}"),
            };
            self.node.complete(self.now, done).expect("a legal completion");
        }
    }

    /// Every connection receives a message and sends it back in two parts; time passes, and time-outs are looked at.
    fn round(&mut self, message: &Bytes) {
        for index in 0..self.opened.len() {
            let slot = self.opened[index].slot() as usize;
            let recv = self.recvs[slot].take().expect("a receive in flight");
            self.complete(recv.data(message.clone()));
            for count in [1, message.len() - 1] {
                let send = self.sends[slot].take().expect("a send in flight");
                self.complete(send.sent(count));
            }
        }
        self.now = self.now + Duration::from_millis(10);
        self.node.handle_timeout(self.now);
        self.poll();
    }
}

// B3
#[test]
fn an_echo_on_a_hundred_connections_of_a_node_allocates_nothing() {
    let message = message();
    let mut driver = Driver::new(100);
    (0..WARM_UP).for_each(|_| driver.round(&message));
    assert_eq!(measure(|| (0..ROUNDS).for_each(|_| driver.round(&message))).count_total, 0);
    // The timers that were put off with each message fire at last.
    let fired = measure(|| {
        driver.now = driver.now + Duration::from_millis(30);
        driver.node.handle_timeout(driver.now);
        driver.poll();
    });
    assert_eq!(fired.count_total, 0);
    assert!(driver.node.sessions().all(|session| session.handler().fired == 1));
}

// B3
#[test]
fn a_connection_of_a_node_costs_its_own_size_and_a_few_words() {
    const WORDS: usize = 32;
    let sizes = [100_usize, 300].map(|connections| {
        let mut driver = None;
        let info = measure(|| driver = Some(Driver::new(connections)));
        info.bytes_max as usize
    });
    let each = (sizes[1] - sizes[0]) / 200;
    let of_the_test = size_of::<Option<RecvOp>>() + size_of::<Option<SendOp>>() + size_of::<SocketId>();
    let limit = size_of::<Session<TimedEcho>>() + of_the_test + WORDS * size_of::<usize>();
    assert!(each <= limit, "{each} bytes each, more than {limit}");
}

/// What a connection may allocate for itself: three times the high watermark, and 16 KiB.
const fn own_memory(high: usize) -> usize {
    3 * high + 16 * 1024
}

/// Fills and drains the queue of a connection with pieces and sends of these sizes; what it allocated at most.
fn most_memory(high: usize, sizes: &[usize], sends: &[usize]) -> usize {
    // Static: what is measured is the connection's own.
    static DATA: [u8; 8 * 1024] = [0; 8 * 1024];
    let config = ConnectionConfig::default().send_queue(high / 2, high).expect("sensible watermarks");
    let mut by_hand = ByHand::connection(config);
    let mut step = 0;
    let mut turn = |by_hand: &mut ByHand<Connection>| {
        let mut unsent: Option<Unsent> = None;
        while unsent.is_none() {
            let size = sizes[step % sizes.len()];
            step += 1;
            unsent = by_hand.send(Bytes::from_static(&DATA[..size])).err();
        }
        assert!(by_hand.machine.queued() == high && by_hand.machine.room() == 0);
        for count in sends {
            if by_hand.machine.queued() == 0 {
                break;
            }
            let asked = by_hand.sending().asked();
            by_hand.sent(asked.min(*count));
            let _ = by_hand.events();
        }
    };
    measure(|| (0..200).for_each(|_| turn(&mut by_hand))).bytes_max as usize
}

// B1, B3, X149
#[test]
fn a_full_queue_costs_no_more_than_the_formula_whatever_it_is_filled_with() {
    let pieces: [&[usize]; 8] =
        [&[1], &[64], &[2047, 3], &[1366], &[2048], &[1, 2048], &[1, 1, 1, 1, 1, 4096], &[1366, 3, 2048, 2047, 1]];
    for high in [16, 4 * 1024, 64 * 1024] {
        for sizes in pieces {
            for sends in [&[1][..], &[1, 64, 3000], &[usize::MAX]] {
                let most = most_memory(high, sizes, sends);
                let limit = own_memory(high);
                assert!(most <= limit, "{most} bytes for a queue of {high}, pieces {sizes:?}, sends {sends:?}: above {limit}");
            }
        }
    }
}

// B3
#[test]
fn a_backlog_of_small_pieces_costs_a_block_for_every_four_kilobytes() {
    const PIECE: usize = 64;
    let mut by_hand = ByHand::connection(ConnectionConfig::default());
    let piece = Bytes::from_static(&[7; PIECE]);
    // So many that the queue is never short of pieces.
    while by_hand.send(piece.clone()).is_ok() {}
    let turn = |by_hand: &mut ByHand<Connection>| {
        by_hand.sent(PIECE);
        by_hand.send(piece.clone()).expect("room");
    };
    (0..1_000).for_each(|_| turn(&mut by_hand));
    let turns = 10_000;
    let info = measure(|| (0..turns).for_each(|_| turn(&mut by_hand)));
    // A block, and the count of those who share it.
    let limit = 2 * (turns * PIECE / 4096 + 1);
    assert!(info.count_total as usize <= limit, "{} allocations, above {limit}", info.count_total);
}
