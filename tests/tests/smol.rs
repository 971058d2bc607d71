//! The smol transport on real sockets: interrupted at any point it loses nothing, every wait can be stopped, a panic ends one connection,
//! and it never spins.

#[path = "real/bomb.rs"]
mod bomb;
#[path = "smol/interrupted.rs"]
mod interrupted;
#[path = "real/peers.rs"]
mod peers;

use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::io::Write;
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::pin::pin;
use std::rc::Rc;
use std::sync::MutexGuard;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use bomb::Bomb;
use bytes::Bytes;
use peers::{
    BlackHole, DescriptorLimit, Firehose, Submitted, WATCHDOG, byte_by_byte, dial, echoes, last_words, loopback, next,
    silent_peer, until_quiet,
};
use sansock::{
    Address, ClientConfig, ClientReport, CloseReason, Context, DialFailure, FaultKind, Handler, NodeEvent, OpKind, Peer,
    ServerConfig, ServerReport, Service, SocketId, TimerId, Verdict,
};
use sansock_smol::{Driver, Remote};
use sansock_tests::echo::Echo;
use sansock_tests::system::{Holdings, assert_nothing_is_left, exclusive, holdings};

/// One test at a time, and what this process holds once the reactor has started its thread and made its descriptors.
fn alone() -> (MutexGuard<'static, ()>, Holdings) {
    let alone = exclusive();
    smol::block_on(smol::Timer::after(Duration::from_millis(1)));
    (alone, holdings())
}

/// A driver with a server whose service makes these handlers, and its address.
fn server<S: Service>(driver: Driver<S>, service: S) -> (Driver<S>, SocketAddr) {
    server_of(ServerConfig::new(loopback()), driver, service)
}

fn server_of<S: Service>(config: ServerConfig, mut driver: Driver<S>, service: S) -> (Driver<S>, SocketAddr) {
    driver.serve(config, service).unwrap();
    match smol::block_on(driver.next_event()) {
        Some(NodeEvent::Listening { local: Some(Address::Ip(address)), .. }) => (driver, address),
        event => panic!("{event:?} instead of an address"),
    }
}

fn echo(_: &Peer) -> Verdict<Echo> {
    Verdict::Accept(Echo::default())
}

fn client_of(address: SocketAddr) -> ClientConfig {
    ClientConfig::new(vec![address.into()]).unwrap()
}

/// Stops the driver at the end of the thread that has it, whatever that end is.
struct Stops<M>(Remote<M>);

impl<M> Drop for Stops<M> {
    fn drop(&mut self) {
        self.0.stop();
    }
}

/// Runs the driver until it is stopped, while another thread plays the rest of the world. Gives the events.
fn run_against<S: Service, T: Send + 'static>(
    driver: &mut Driver<S>,
    world: impl FnOnce(&Remote<<S::Handler as Handler>::Message>, &Receiver<NodeEvent>) -> T + Send + 'static,
) -> (Vec<NodeEvent>, T)
where
    <S::Handler as Handler>::Message: 'static,
{
    let stops = Stops(driver.remote());
    let (tell, told) = channel();
    let world = thread::spawn(move || {
        let stops = stops;
        world(&stops.0, &told)
    });
    let mut events = Vec::new();
    smol::block_on(driver.run(|event| {
        let _ = tell.send(event.clone());
        events.push(event);
    }));
    (events, world.join().unwrap())
}

fn opened(told: &Receiver<NodeEvent>) -> SocketId {
    match next(told) {
        NodeEvent::Opened { socket, .. } => socket,
        event => panic!("{event:?} instead of a connection"),
    }
}

fn closed(told: &Receiver<NodeEvent>) -> CloseReason {
    match next(told) {
        NodeEvent::Closed { report, .. } => report.reason,
        event => panic!("{event:?} instead of an end"),
    }
}

fn client_report(events: &[NodeEvent]) -> &ClientReport {
    match events.last() {
        Some(NodeEvent::ClientStopped { report, .. }) => report,
        event => panic!("{event:?} at the end"),
    }
}

fn server_report(events: &[NodeEvent]) -> &ServerReport {
    match events.last() {
        Some(NodeEvent::ServerStopped { report, .. }) => report,
        event => panic!("{event:?} at the end"),
    }
}

// X63
#[test]
fn x063_a_connect_that_gets_no_answer_is_stopped() {
    let (_alone, _) = alone();
    let hole = BlackHole::new();
    let before = holdings();
    let (observer, connecting) = Submitted::watch(OpKind::Connect);
    let mut driver = Driver::observed(Some(observer));
    driver.connect(client_of(hole.address), echo).unwrap();
    let (events, ()) = run_against(&mut driver, move |_, _| next(&connecting));
    let error = client_report(&events).dial_error.as_ref().expect("no connection");
    assert_eq!((error.failure, error.attempts[0].fault.kind()), (DialFailure::Cancelled, FaultKind::Cancelled));
    drop(driver);
    assert_nothing_is_left(&before);
}

#[test]
fn an_accept_and_a_receive_that_wait_are_stopped_and_the_peer_sees_a_reset() {
    let (_alone, before) = alone();
    let (mut driver, address) = server(Driver::new(), echo);
    let (events, ending) = run_against(&mut driver, move |remote, _| {
        let mut peer = dial(address);
        assert!(echoes(&mut peer, b"it is served"));
        remote.stop();
        last_words(&mut peer)
    });
    assert_eq!(ending, Err(std::io::ErrorKind::ConnectionReset));
    assert_eq!(server_report(&events).aborted, 1);
    assert!(TcpStream::connect(address).is_err(), "nobody listens any more");
    assert_nothing_is_left(&before);
}

#[test]
fn a_send_that_the_peer_does_not_read_is_stopped() {
    let (_alone, before) = alone();
    let (peer, address) = silent_peer();
    let (observer, sending) = Submitted::watch(OpKind::Send);
    let (tell, ended) = channel();
    let mut driver = Driver::observed(Some(observer));
    driver.connect(client_of(address), move |_: &Peer| Verdict::Accept(Firehose(tell.clone()))).unwrap();
    let (events, ()) = run_against(&mut driver, move |_, _| until_quiet(&sending));
    let end = next(&ended);
    assert!(end.reason == CloseReason::Ordered && end.unsent > 0, "{end}");
    assert_eq!(client_report(&events).closed, Some(end));
    drop((driver, peer, ended));
    assert_nothing_is_left(&before);
}

// H6: listening, connecting, connected.
#[test]
fn dropping_the_driver_closes_every_socket_at_once() {
    let (_alone, _) = alone();
    let hole = BlackHole::new();
    let before = holdings();
    let (observer, connecting) = Submitted::watch(OpKind::Connect);
    let (mut driver, address) = server(Driver::observed(Some(observer)), echo as fn(&Peer) -> Verdict<Echo>);
    driver.connect(client_of(hole.address), echo).unwrap();
    let mut peers: Vec<_> = (0..3).map(|_| dial(address)).collect();
    let (mut opened, mut connects) = (0, false);
    while opened < 3 || !connects {
        let event = smol::block_on(smol::future::poll_once(driver.next_event()));
        opened += usize::from(matches!(event, Some(Some(NodeEvent::Opened { .. }))));
        connects |= connecting.try_recv().is_ok();
    }
    drop(driver);
    for peer in &mut peers {
        assert!(last_words(peer).is_ok_and(|words| words.is_empty()), "an end");
    }
    assert!(TcpStream::connect(address).is_err(), "nobody listens any more");
    drop(peers);
    assert_nothing_is_left(&before);
}

/// The first connection gets a handler that panics, the others get some that do not.
fn one_bomb(panics_in: &'static str) -> impl FnMut(&Peer) -> Verdict<Bomb> {
    let mut first = true;
    move |_: &Peer| Verdict::Accept(Bomb(if std::mem::take(&mut first) { panics_in } else { "never" }))
}

// G3
#[test]
fn a_panic_in_any_callback_ends_its_own_connection_alone() {
    let (_alone, before) = alone();
    for panics_in in bomb::CALLBACKS {
        let (mut driver, address) = server(Driver::new(), one_bomb(panics_in));
        run_against(&mut driver, move |remote, told| {
            let mut lucky = None;
            let mut unlucky = dial(address);
            let socket = opened(told);
            match panics_in {
                "message" => remote.post(socket, Bytes::new()).unwrap(),
                "data" => unlucky.write_all(b"x").unwrap(),
                "peer finished" | "closed" | "drop" => unlucky.shutdown(Shutdown::Write).unwrap(),
                _ => {}
            }
            let ending = last_words(&mut unlucky);
            match panics_in {
                // It had ended already.
                "closed" | "drop" => assert_eq!((ending, closed(told)), (Ok(Vec::new()), CloseReason::Finished)),
                _ => assert_eq!((ending.is_err(), closed(told)), (true, CloseReason::HandlerFailed), "in {panics_in}"),
            }
            assert!(echoes(lucky.insert(dial(address)), b"still served"), "after a panic in {panics_in}");
        });
    }
    assert_nothing_is_left(&before);
}

#[test]
fn x135_a_panic_during_a_drain_does_not_keep_it_from_ending() {
    let (_alone, _) = alone();
    let (mut driver, address) = server(Driver::new(), one_bomb("draining"));
    let (events, ()) = run_against(&mut driver, move |remote, told| {
        let mut peers = [dial(address), dial(address)];
        for _ in &peers {
            opened(told);
        }
        remote.drain(WATCHDOG);
        assert!(last_words(&mut peers[0]).is_err(), "aborted");
        assert_eq!(last_words(&mut peers[1]), Ok(Vec::new()), "finished");
        drop(peers);
        while !matches!(next(told), NodeEvent::ServerStopped { .. }) {}
    });
    let report = server_report(&events);
    assert_eq!((report.confirmed, report.aborted, report.forced), (1, 1, false));
}

/// Counts for all connections of its driver, which is one thread's.
struct Counting(Rc<Cell<usize>>);

impl Handler for Counting {
    type Message = String;

    fn on_data(&mut self, cx: &mut Context<'_, String>, data: Bytes) {
        self.0.set(self.0.get() + data.len());
        cx.post(cx.socket(), "to itself".to_owned()).unwrap();
    }

    fn on_message(&mut self, cx: &mut Context<'_, String>, message: String) {
        cx.send(message).unwrap();
    }
}

#[test]
fn neither_handlers_nor_services_need_to_be_send() {
    let (_alone, _) = alone();
    let count = Rc::new(Cell::new(0));
    let own = Rc::clone(&count);
    let (mut driver, address) = server(Driver::new(), move |_: &Peer| Verdict::Accept(Counting(Rc::clone(&own))));
    let world = thread::spawn(move || {
        let mut peer = dial(address);
        peer.write_all(b"count").unwrap();
        let mut answer = [0; 9];
        std::io::Read::read_exact(&mut peer, &mut answer).unwrap();
        answer
    });
    smol::block_on(async {
        while let Some(event) = driver.next_event().await {
            if matches!(event, NodeEvent::Closed { .. }) {
                driver.remote().stop();
            }
        }
    });
    assert_eq!((&world.join().unwrap(), count.get()), (b"to itself", 5));
}

/// Drops what it gets, and tells of messages and of the time.
struct Sink {
    tell: Sender<u32>,
    receiving: bool,
}

const TIMER: u32 = u32::MAX;

impl Handler for Sink {
    type Message = u32;

    fn on_data(&mut self, cx: &mut Context<'_, u32>, _: Bytes) {
        if !std::mem::replace(&mut self.receiving, true) {
            cx.set_timer(TimerId::A, Duration::from_millis(50));
        }
    }

    fn on_timer(&mut self, _: &mut Context<'_, u32>, _: TimerId) {
        self.tell.send(TIMER).unwrap();
    }

    fn on_message(&mut self, _: &mut Context<'_, u32>, message: u32) {
        self.tell.send(message).unwrap();
    }
}

fn sinks() -> (impl FnMut(&Peer) -> Verdict<Sink>, Receiver<u32>) {
    let (tell, told) = channel();
    (move |_: &Peer| Verdict::Accept(Sink { tell: tell.clone(), receiving: false }), told)
}

// X98, C11: what the flooded session waits for besides, and everybody else, gets its turn.
#[test]
fn x098_a_peer_that_sends_without_a_pause_keeps_nobody_waiting() {
    let (_alone, before) = alone();
    let (service, told) = sinks();
    let config = ServerConfig::new(loopback()).connection(byte_by_byte());
    let (mut driver, address) = server_of(config, Driver::new(), service);
    let (events, flood) = run_against(&mut driver, move |remote, events| {
        let mut peer = dial(address);
        let flooded = opened(events);
        let flood = thread::spawn(move || while peer.write_all(&[7; 65_536]).is_ok() {});
        assert_eq!(next(&told), TIMER);
        remote.post(flooded, 1).unwrap();
        assert_eq!(next(&told), 1);
        let _other = dial(address);
        remote.post(opened(events), 2).unwrap();
        assert_eq!(next(&told), 2);
        remote.stop();
        flood
    });
    flood.join().unwrap();
    assert_eq!(server_report(&events).finished(), 2);
    drop(driver);
    assert_nothing_is_left(&before);
}

#[test]
fn messages_from_many_threads_arrive_each_threads_in_order() {
    let (_alone, _) = alone();
    let (service, told) = sinks();
    let (mut driver, address) = server(Driver::new(), service);
    let (_, all) = run_against(&mut driver, move |remote, events| {
        let _peer = dial(address);
        let socket = opened(events);
        let posters: Vec<_> = (0..4)
            .map(|poster| {
                let remote = remote.clone();
                thread::spawn(move || {
                    for number in 0..1000 {
                        while remote.post(socket, poster * 1000 + number).is_err() {
                            thread::yield_now();
                        }
                    }
                })
            })
            .collect();
        let all: Vec<_> = (0..4000).map(|_| next(&told)).collect();
        posters.into_iter().for_each(|poster| poster.join().unwrap());
        all
    });
    for poster in 0..4 {
        let of: Vec<_> = all.iter().copied().filter(|message| message / 1000 == poster).collect();
        assert!(of.into_iter().eq(poster * 1000..poster * 1000 + 1000));
    }
}

// B1
#[test]
fn a_full_mailbox_gives_the_message_back_until_the_driver_is_polled() {
    let (_alone, _) = alone();
    let (service, told) = sinks();
    let (mut driver, address) = server(Driver::new(), service);
    let peer = dial(address);
    let Some(NodeEvent::Opened { socket, .. }) = smol::block_on(driver.next_event()) else { panic!("a connection") };
    let remote = driver.remote();
    let taken = (0..).take_while(|message| remote.post(socket, *message).is_ok()).count();
    assert_eq!((taken, remote.post(socket, 7)), (1024, Err(7)));
    drop(peer);
    let Some(NodeEvent::Closed { .. }) = smol::block_on(driver.next_event()) else { panic!("an end") };
    assert!(told.try_iter().eq(0..1024), "all of them were read before the end");
    // To nobody: it is dropped when the driver looks.
    assert_eq!(remote.post(socket, 8), Ok(()));
    remote.stop();
    assert_eq!(smol::block_on(async { driver.run(drop).await }), ());
    assert!(told.try_iter().next().is_none());
}

/// Counts how often the future is polled.
async fn counting_polls<T>(polls: &Cell<usize>, future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    poll_fn(|cx| {
        polls.set(polls.get() + 1);
        future.as_mut().poll(cx)
    })
    .await
}

// X17, C4, B10, C8: the connection stays in the system's queue, the listener stays readable, and nobody spins.
#[test]
fn x017_without_a_descriptor_to_accept_with_it_waits_and_goes_on_when_there_is_one() {
    let (_alone, before) = alone();
    let (observer, accepting) = Submitted::watch(OpKind::Accept);
    let (mut driver, address) = server(Driver::observed(Some(observer)), echo);
    let polls = Cell::new(0);
    let limit = RefCell::new(Some(DescriptorLimit::spare(1)));
    let start = Instant::now();
    let mut peer = Some(dial(address));
    smol::block_on(counting_polls(&polls, async {
        let event = driver.next_event().await;
        assert!(
            matches!(event, Some(NodeEvent::Exhausted { fault, .. }) if fault.kind() == FaultKind::DescriptorLimit),
            "{event:?}"
        );
        let waiting = async {
            // One that succeeds, one that fails; of the others, each waits twice as long as the one before: 5, 10, 20 ms.
            for _ in 0..5 {
                while accepting.try_recv().is_err() {
                    smol::Timer::after(Duration::from_millis(1)).await;
                }
            }
            limit.take();
        };
        let recovering = async {
            assert!(matches!(driver.next_event().await, Some(NodeEvent::Recovered { failures: 3.., .. })));
            assert!(matches!(driver.next_event().await, Some(NodeEvent::Opened { .. })));
        };
        smol::future::zip(waiting, recovering).await;
        peer.take();
        assert!(matches!(driver.next_event().await, Some(NodeEvent::Closed { .. })));
    }));
    let millis = usize::try_from(start.elapsed().as_millis()).unwrap();
    assert!(millis >= 35, "it did not wait");
    assert!(polls.get() < 100 + 5 * millis, "{} polls in {millis} ms", polls.get());
    drop((driver, accepting));
    assert_nothing_is_left(&before);
}

// C8: neither a peer that has reset the connection while nothing was awaited from it, nor one that has half-closed and reads on,
// nor an idle one wakes the driver for ever.
#[test]
fn what_nobody_waits_for_wakes_nobody() {
    let (_alone, _) = alone();
    let pausing = |_: &Peer| Verdict::Accept(Pausing);
    let (mut driver, address) = server(Driver::new(), pausing);
    let polls = Cell::new(0);
    let mut half_closed = dial(address);
    let reset = dial(address);
    let _idle = dial(address);
    half_closed.write_all(b"pause").unwrap();
    half_closed.shutdown(Shutdown::Write).unwrap();
    socket2::SockRef::from(&reset).set_linger(Some(Duration::ZERO)).unwrap();
    (&reset).write_all(b"pause").unwrap();
    let start = Instant::now();
    let (reset, over) = (Cell::new(Some(reset)), Cell::new(false));
    smol::block_on(counting_polls(&polls, async {
        let running = driver.run(|_| {});
        let timing = async {
            smol::Timer::after(Duration::from_millis(50)).await;
            reset.take();
            smol::Timer::after(Duration::from_millis(200)).await;
            over.set(true);
        };
        smol::future::or(running, timing).await;
    }));
    assert!(over.get(), "the server ended");
    let millis = usize::try_from(start.elapsed().as_millis()).unwrap();
    assert!(polls.get() < 60 + millis / 10, "{} polls in {millis} ms", polls.get());
}

/// Stops receiving at the first byte.
struct Pausing;

impl Handler for Pausing {
    type Message = std::convert::Infallible;

    fn on_data(&mut self, cx: &mut Context<'_, Self::Message>, _: Bytes) {
        cx.pause();
    }
}
