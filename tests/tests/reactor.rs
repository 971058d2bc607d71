//! The event loop without its poller, over a poller that counts what is asked of it.

use std::cell::Cell;
use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::rc::Rc;
use std::thread;
use std::time::{Duration, Instant};

use polling::{Event, Events, PollMode, Poller};
use sansock::{Address, Context, Handler, Node, NodeEvent, Peer, ServerConfig, ServerReport, Service, SlotRange, Verdict};
use sansock_system::{Handle, Interest, Reactor, Ready, Registry, Trigger};
use sansock_tests::echo::Echo;

/// Far longer than anything here takes.
const WATCHDOG: Duration = Duration::from_secs(60);

#[derive(Clone, Default)]
struct Calls {
    added: Rc<Cell<usize>>,
    modified: Rc<Cell<usize>>,
    removed: Rc<Cell<usize>>,
}

struct Counting {
    poller: Poller,
    trigger: Trigger,
    calls: Calls,
    /// The next registration fails.
    refuse: Rc<Cell<bool>>,
}

impl Counting {
    fn mode(&self) -> PollMode {
        if self.trigger == Trigger::Level { PollMode::Level } else { PollMode::Oneshot }
    }
}

impl Registry for Counting {
    fn trigger(&self) -> Trigger {
        self.trigger
    }

    #[allow(unsafe_code, reason = "the crate `polling` has no other way to add a source")]
    fn add(&mut self, handle: &Handle, token: usize, interest: Interest) -> io::Result<()> {
        if self.refuse.take() {
            return Err(io::ErrorKind::OutOfMemory.into());
        }
        self.calls.added.set(self.calls.added.get() + 1);
        // SAFETY: the reactor removes each socket before it closes it, also when it is dropped.
        unsafe { self.poller.add_with_mode(&**handle, Event::new(token, interest.readable, interest.writable), self.mode()) }
    }

    fn modify(&mut self, handle: &Handle, token: usize, interest: Interest) -> io::Result<()> {
        self.calls.modified.set(self.calls.modified.get() + 1);
        self.poller.modify_with_mode(&**handle, Event::new(token, interest.readable, interest.writable), self.mode())
    }

    fn remove(&mut self, handle: &Handle, _: usize) -> io::Result<()> {
        self.calls.removed.set(self.calls.removed.get() + 1);
        self.poller.delete(&**handle)
    }
}

/// What a run has to say.
struct Run {
    report: ServerReport,
    calls: Calls,
    waits: usize,
}

/// Serves one connection, that of `peer`, until it has ended; then drains.
fn serve<S: Service>(trigger: Trigger, service: S, peer: impl FnOnce(TcpStream) + Send + 'static) -> Run {
    serve_or_refuse(trigger, Rc::default(), service, peer)
}

fn serve_or_refuse<S: Service>(
    trigger: Trigger,
    refuse: Rc<Cell<bool>>,
    service: S,
    peer: impl FnOnce(TcpStream) + Send + 'static,
) -> Run {
    let calls = Calls::default();
    let registry = Counting { poller: Poller::new().unwrap(), trigger, calls: calls.clone(), refuse };
    let mut reactor = Reactor::new(Node::new(SlotRange::ALL), registry);
    let config = ServerConfig::new(SocketAddr::from(([127, 0, 0, 1], 0)));
    reactor.call(|node, now| node.serve(now, config, service)).unwrap();
    let (mut peer, mut playing) = (Some(peer), None);
    let (mut events, mut waits, begin) = (Events::new(), 0, Instant::now());
    loop {
        while let Some(event) = reactor.next_event() {
            match event {
                NodeEvent::Listening { local: Some(Address::Ip(address)), .. } => {
                    let peer = peer.take().expect("it listens once");
                    playing = Some(thread::spawn(move || peer(connect(address))));
                }
                NodeEvent::Closed { .. } => reactor.call(|node, now| node.drain(now, now + WATCHDOG)),
                NodeEvent::ServerStopped { report, .. } => {
                    playing.take().expect("it listened").join().unwrap();
                    drop(reactor);
                    return Run { report: *report, calls, waits };
                }
                _ => {}
            }
        }
        assert!(begin.elapsed() < WATCHDOG, "it hangs");
        events.clear();
        let timeout = reactor.timeout().unwrap_or(WATCHDOG).min(WATCHDOG);
        reactor.registry().poller.wait(&mut events, Some(timeout)).unwrap();
        waits += 1;
        for event in events.iter() {
            if let Some(ready) = Ready::of(event.readable, event.writable) {
                reactor.ready(event.key, ready);
            }
        }
    }
}

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(WATCHDOG)).unwrap();
    stream.set_write_timeout(Some(WATCHDOG)).unwrap();
    stream
}

fn echo(_: &Peer) -> Verdict<Echo> {
    Verdict::Accept(Echo::default())
}

const ROUNDS: usize = 200;

fn ping_pong(mut peer: TcpStream) {
    for _ in 0..ROUNDS {
        peer.write_all(b"ping").unwrap();
        peer.read_exact(&mut [0; 4]).unwrap();
    }
    peer.shutdown(Shutdown::Write).unwrap();
    assert_eq!(peer.read(&mut [0]).unwrap(), 0);
}

#[test]
fn a_message_changes_no_registration_of_a_level_triggered_poller() {
    let run = serve(Trigger::Level, echo, ping_pong);
    assert_eq!(run.report.confirmed, 1);
    // The listener and the connection.
    assert_eq!((run.calls.added.get(), run.calls.removed.get()), (2, 2));
    assert_eq!(run.calls.modified.get(), 0);
}

#[test]
fn a_oneshot_poller_is_asked_once_for_each_report() {
    let run = serve(Trigger::Oneshot, echo, ping_pong);
    assert_eq!(run.report.confirmed, 1);
    assert_eq!((run.calls.added.get(), run.calls.removed.get()), (2, 2));
    // The peer's end is the last report, and nothing is waited for after it; each report of the listener asks for another.
    assert!((ROUNDS..=ROUNDS + 2).contains(&run.calls.modified.get()), "{}", run.calls.modified.get());
}

/// Receives nothing until its timer says so.
struct Sleepy;

impl Handler for Sleepy {
    type Message = std::convert::Infallible;

    fn on_open(&mut self, cx: &mut Context<'_, Self::Message>) {
        cx.pause();
        cx.set_timer(sansock::TimerId::A, Duration::from_millis(200));
    }

    fn on_data(&mut self, cx: &mut Context<'_, Self::Message>, data: bytes::Bytes) {
        cx.send(data).unwrap();
    }

    fn on_timer(&mut self, cx: &mut Context<'_, Self::Message>, _: sansock::TimerId) {
        cx.resume();
    }
}

#[test]
fn what_nobody_waits_for_does_not_spin_and_is_not_lost() {
    for trigger in [Trigger::Level, Trigger::Oneshot] {
        // The second message finds the receiver paused, but watched for the first.
        let run = serve(
            trigger,
            |_: &Peer| Verdict::Accept(Napping),
            |mut peer| {
                peer.write_all(b"a").unwrap();
                peer.read_exact(&mut [0]).unwrap();
                peer.write_all(b"b").unwrap();
                peer.shutdown(Shutdown::Write).unwrap();
                let mut rest = Vec::new();
                peer.read_to_end(&mut rest).unwrap();
                assert_eq!(rest, b"b");
            },
        );
        assert_eq!(run.report.confirmed, 1, "{trigger:?}");
        assert!(run.waits < 20, "{trigger:?}: {} waits", run.waits);
        let run = serve(trigger, |_: &Peer| Verdict::Accept(Sleepy), ping_pong);
        assert_eq!(run.report.confirmed, 1, "{trigger:?}");
    }
}

/// Pauses after each message, for a while.
struct Napping;

impl Handler for Napping {
    type Message = std::convert::Infallible;

    fn on_data(&mut self, cx: &mut Context<'_, Self::Message>, data: bytes::Bytes) {
        cx.send(data).unwrap();
        cx.pause();
        cx.set_timer(sansock::TimerId::A, Duration::from_millis(200));
    }

    fn on_timer(&mut self, cx: &mut Context<'_, Self::Message>, _: sansock::TimerId) {
        cx.resume();
    }
}

#[test]
fn a_peer_that_reads_late_gets_everything() {
    for trigger in [Trigger::Level, Trigger::Oneshot] {
        let run = serve(trigger, echo, |mut peer| {
            let mut reader = peer.try_clone().unwrap();
            let data: Vec<u8> = (0..8 << 20).map(|place: u32| (place >> 3) as u8).collect();
            let expected = data.clone();
            let writing = thread::spawn(move || {
                peer.write_all(&data).unwrap();
                peer.shutdown(Shutdown::Write).unwrap();
            });
            let mut echo = Vec::new();
            reader.read_to_end(&mut echo).unwrap();
            writing.join().unwrap();
            assert!(echo == expected);
        });
        assert_eq!((run.report.confirmed, run.report.sent), (1, 8 << 20), "{trigger:?}");
    }
}

#[test]
fn a_socket_that_the_poller_does_not_take_ends_its_connection_and_no_other() {
    let refuse = Rc::new(Cell::new(false));
    let refused = Rc::clone(&refuse);
    let service = move |_: &Peer| {
        // What is registered next is this connection.
        refused.set(true);
        Verdict::Accept(Echo::default())
    };
    let run = serve_or_refuse(Trigger::Level, refuse, service, |mut peer| {
        assert!(!matches!(peer.read(&mut [0]), Ok(1..)));
    });
    assert_eq!((run.report.accepted, run.report.aborted), (1, 1));
    assert_eq!(run.calls.added.get(), 1, "the listener");
    assert!(run.report.listen_errors.is_empty());
}
