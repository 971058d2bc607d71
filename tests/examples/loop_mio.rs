//! An echo server in an event loop of your own, over the crate `mio`: `cargo run --release --example loop_mio -- --addr 127.0.0.1:0`.
//!
//! It prints `listening on ...` first. SIGINT or SIGTERM drains, a second one aborts. An error is one line, and exit status 2.

use std::io::{self, Read};
use std::net::SocketAddr;
use std::os::fd::AsRawFd;
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use mio::net::UnixStream;
use mio::unix::SourceFd;
use mio::{Events, Poll, Token};
use sansock::{Node, NodeEvent, Peer, ServerConfig, ServerReport, SlotRange, Verdict};
use sansock_system::{CatchPanics, Handle, Interest, Reactor, Ready, Registry, Trigger};
use sansock_tests::echo::Echo;
use sansock_tests::loops;

/// How long a drain may take.
const DRAIN: Duration = Duration::from_secs(10);
/// Sockets have the tokens below [`sansock::MAX_SLOTS`].
const SIGNAL: Token = Token(usize::MAX);

/// The benchmark calls it too.
pub(crate) fn main() -> ExitCode {
    loops::run(serve)
}

/// mio's registry. It is edge-triggered: each socket is registered once, in both directions.
struct MioRegistry(mio::Registry);

impl Registry for MioRegistry {
    fn trigger(&self) -> Trigger {
        Trigger::Edge
    }

    fn add(&mut self, handle: &Handle, token: usize, _: Interest) -> io::Result<()> {
        self.0.register(&mut SourceFd(&handle.as_raw_fd()), Token(token), mio::Interest::READABLE | mio::Interest::WRITABLE)
    }

    fn modify(&mut self, _: &Handle, _: usize, _: Interest) -> io::Result<()> {
        unreachable!("an edge-triggered registration is never changed")
    }

    fn remove(&mut self, handle: &Handle, _: usize) -> io::Result<()> {
        self.0.deregister(&mut SourceFd(&handle.as_raw_fd()))
    }
}

fn serve(address: SocketAddr, limit: usize) -> io::Result<Box<ServerReport>> {
    let mut poll = Poll::new()?;
    let mut events = Events::with_capacity(1024);
    let mut signals = UnixStream::from_std(loops::signals()?);
    poll.registry().register(&mut signals, SIGNAL, mio::Interest::READABLE)?;
    let node = Node::new(SlotRange::ALL);
    let mut reactor = Reactor::new(node, MioRegistry(poll.registry().try_clone()?));
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
        // A signal interrupts the wait; its byte is in the pipe then. Whatever else fails it is no reason to end what is served, but one to
        // leave the system alone for a moment.
        if let Err(error) = poll.poll(&mut events, reactor.timeout())
            && error.kind() != io::ErrorKind::Interrupted
        {
            thread::sleep(Duration::from_millis(1));
        }
        for event in &events {
            let Token(token) = event.token();
            if event.token() == SIGNAL {
                // A byte for each signal, until there is none: only then is a new one reported.
                while matches!(signals.read(&mut [0; 1]), Ok(1..)) {
                    reactor.call(|node, now| if draining { node.stop(now) } else { node.drain(now, now + DRAIN) });
                    draining = true;
                }
            } else if event.is_read_closed() || event.is_error() {
                reactor.ready(token, Ready::Ended);
            } else if let Some(ready) = Ready::of(event.is_readable(), event.is_writable()) {
                reactor.ready(token, ready);
            }
        }
    }
}
