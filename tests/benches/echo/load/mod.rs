//! The load generator: one thread, the same for every server.

mod churn;
mod ping_pong;
mod stream;

use std::io;
use std::net::{SocketAddr, TcpStream};
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use rustix::buffer::spare_capacity;
use rustix::event::Timespec;
use rustix::event::epoll::{self, CreateFlags, Event};

pub(crate) use churn::Churn;
pub(crate) use ping_pong::PingPong;
pub(crate) use stream::Stream;

/// How long nothing may happen before the run is given up.
const PATIENCE: Timespec = Timespec { tv_sec: 20, tv_nsec: 0 };

/// When to begin no more operations.
#[derive(Clone, Copy)]
pub(crate) enum Limit {
    Until(Instant),
    Operations(u64),
}

impl Limit {
    pub(crate) fn span(span: Duration) -> Self {
        Self::Until(Instant::now() + span)
    }

    fn is_reached(self, begun: u64) -> bool {
        match self {
            Self::Until(end) => Instant::now() >= end,
            Self::Operations(count) => begun >= count,
        }
    }
}

/// A way to keep a server busy.
pub(crate) trait Load {
    /// Begins operations until the limit, and returns when the last has ended: how many there were. Nothing is under way before or after.
    fn run(&mut self, limit: Limit) -> io::Result<u64>;
}

/// The workloads of the benchmark.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Workload {
    /// 64 bytes to and fro on so many connections.
    PingPong(usize),
    /// 64 KiB under way all the time on so many connections; an operation is 64 KiB that came back.
    Stream(usize),
    /// Whole lives: connect, send 64 bytes, read them back, end gracefully; sixteen at a time.
    Churn,
}

impl Workload {
    pub(crate) fn title(self) -> String {
        match self {
            Self::PingPong(count) => format!("64 B ping-pong, {count} connections: one round trip"),
            Self::Stream(count) => format!("64 KiB in flight, {count} connections: 64 KiB there and back"),
            Self::Churn => "churn: connect, send 64 B, read, graceful close: one life".into(),
        }
    }

    /// In a few words.
    pub(crate) fn name(self) -> String {
        match self {
            Self::PingPong(count) => format!("64 B on {count}"),
            Self::Stream(count) => format!("64 KiB on {count}"),
            Self::Churn => "churn".into(),
        }
    }

    pub(crate) fn connect(self, server: SocketAddr) -> io::Result<Box<dyn Load>> {
        Ok(match self {
            Self::PingPong(count) => Box::new(PingPong::connect(server, count)?),
            Self::Stream(count) => Box::new(Stream::connect(server, count)?),
            Self::Churn => Box::new(Churn::new(server)?),
        })
    }
}

/// Of which workloads something is counted.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scope {
    None,
    /// Messages on 64 connections.
    Messages,
    All,
}

impl Scope {
    pub(crate) fn has(self, workload: Workload) -> bool {
        match self {
            Self::None => false,
            Self::Messages => workload == Workload::PingPong(64),
            Self::All => true,
        }
    }
}

fn connect(server: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect_timeout(&server, Duration::from_secs(20))?;
    stream.set_nodelay(true)?;
    stream.set_nonblocking(true)?;
    Ok(stream)
}

struct Poller {
    epoll: OwnedFd,
    events: Vec<Event>,
}

impl Poller {
    fn new() -> io::Result<Self> {
        Ok(Self { epoll: epoll::create(CreateFlags::CLOEXEC)?, events: Vec::with_capacity(1024) })
    }

    /// The tokens of what is ready.
    fn wait(&mut self) -> io::Result<impl Iterator<Item = usize> + use<>> {
        self.events.clear();
        epoll::wait(&self.epoll, spare_capacity(&mut self.events), Some(&PATIENCE))?;
        if self.events.is_empty() {
            return Err(io::Error::new(io::ErrorKind::TimedOut, "the server has fallen silent"));
        }
        let tokens: Vec<usize> = self.events.iter().map(|event| event.data.u64() as usize).collect();
        Ok(tokens.into_iter())
    }
}
