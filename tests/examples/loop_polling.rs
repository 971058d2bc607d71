//! An echo server in an event loop of your own, over the crate `polling`: `cargo run --release --example loop_polling -- --addr 127.0.0.1:0`.
//!
//! It prints `listening on ...` first. SIGINT or SIGTERM drains, a second one aborts. An error is one line, and exit status 2.

use std::io::{self, Read};
use std::net::SocketAddr;
use std::os::unix::net::UnixStream;
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use polling::{Event, Events, PollMode, Poller};
use sansock::{Node, NodeEvent, Peer, ServerConfig, ServerReport, SlotRange, Verdict};
use sansock_system::{CatchPanics, Handle, Interest, Reactor, Ready, Registry, Trigger};
use sansock_tests::echo::Echo;
use sansock_tests::loops;

/// How long a drain may take.
const DRAIN: Duration = Duration::from_secs(10);
/// Sockets have the tokens below [`sansock::MAX_SLOTS`].
const SIGNAL: usize = sansock::MAX_SLOTS as usize;

/// The benchmark calls it too.
pub(crate) fn main() -> ExitCode {
    loops::run(serve)
}

/// The poller as a registry: level-triggered where the system can do that, so that a message costs no change of a registration.
struct PollingRegistry(Poller);

impl PollingRegistry {
    fn mode(&self) -> PollMode {
        if self.0.supports_level() { PollMode::Level } else { PollMode::Oneshot }
    }
}

impl Registry for PollingRegistry {
    fn trigger(&self) -> Trigger {
        if self.0.supports_level() { Trigger::Level } else { Trigger::Oneshot }
    }

    #[allow(unsafe_code, reason = "the crate `polling` has no other way to add a source")]
    fn add(&mut self, handle: &Handle, token: usize, interest: Interest) -> io::Result<()> {
        // SAFETY: the reactor removes each socket before it closes it, also when it is dropped.
        unsafe { self.0.add_with_mode(&**handle, event(token, interest), self.mode()) }
    }

    fn modify(&mut self, handle: &Handle, token: usize, interest: Interest) -> io::Result<()> {
        self.0.modify_with_mode(&**handle, event(token, interest), self.mode())
    }

    fn remove(&mut self, handle: &Handle, _: usize) -> io::Result<()> {
        self.0.delete(&**handle)
    }
}

fn event(token: usize, interest: Interest) -> Event {
    Event::new(token, interest.readable, interest.writable)
}

fn serve(address: SocketAddr, limit: usize) -> io::Result<Box<ServerReport>> {
    let mut events = Events::new();
    let mut signals: &UnixStream = Box::leak(Box::new(loops::signals()?));
    let mut reactor = Reactor::new(Node::new(SlotRange::ALL), PollingRegistry(Poller::new()?));
    add(&reactor.registry().0, signals)?;
    let config = ServerConfig::new(address).max_connections(limit).map_err(io::Error::other)?;
    let echo = CatchPanics::new(|_: &Peer| Verdict::Accept(Echo::default()));
    reactor.call(|node, now| node.serve(now, config, echo)).map_err(io::Error::other)?;
    let mut draining = false;
    loop {
        while let Some(event) = reactor.next_event() {
            match event {
                NodeEvent::Listening { local: Some(local), .. } => println!("listening on {local}"),
                NodeEvent::ServerStopped { report, .. } => return Ok(report),
                _ => {}
            }
        }
        events.clear();
        let timeout = reactor.timeout();
        // A signal interrupts the wait; its byte is in the pipe then. Whatever else fails it is no reason to end what is served, but one to
        // leave the system alone for a moment.
        if let Err(error) = reactor.registry().0.wait(&mut events, timeout)
            && error.kind() != io::ErrorKind::Interrupted
        {
            thread::sleep(Duration::from_millis(1));
        }
        for event in events.iter() {
            if event.key == SIGNAL {
                while matches!(signals.read(&mut [0; 1]), Ok(1..)) {
                    reactor.call(|node, now| if draining { node.stop(now) } else { node.drain(now, now + DRAIN) });
                    draining = true;
                }
                reactor.registry().0.modify(signals, Event::readable(SIGNAL))?;
                continue;
            }
            if let Some(ready) = Ready::of(event.readable, event.writable) {
                reactor.ready(event.key, ready);
            }
        }
    }
}

#[allow(unsafe_code, reason = "the crate `polling` has no other way to add a source")]
fn add(poller: &Poller, signals: &'static UnixStream) -> io::Result<()> {
    // SAFETY: the stream is never closed.
    unsafe { poller.add(signals, Event::readable(SIGNAL)) }
}
