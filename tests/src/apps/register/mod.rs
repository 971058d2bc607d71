//! A register that three hosts hold together: one number, to be read and written through any of them, that is there as long as two are.
//!
//! Every write gets a version that is higher than all that a majority knows, and counts once a majority holds it; every read takes the newest
//! that a majority knows, and makes sure that a majority holds that before it answers. Two majorities of three have a host in common, so what
//! was answered once is never unknown again. (Attiya, Bar-Noy and Dolev, "Sharing memory robustly in message-passing systems", 1995; several
//! writers: Lynch and Shvartsman, 1997.)
//!
//! Each host is a server, for users and for the other hosts, and a client of both others. What it holds is on its disk and survives a crash.
//!
//! | a user or a host sends | the answer | |
//! | --- | --- | --- |
//! | `read NUMBER` | `value NUMBER VALUE` | a user's NUMBERth operation |
//! | `write NAME NUMBER VALUE` | `written NUMBER` | asked again after a broken connection, it is still one write |
//! | `query TAG` | `holds TAG VERSION VALUE` | a host: what do you hold? |
//! | `store TAG VERSION VALUE` | `stored TAG` | a host: hold this, unless you hold something newer |
//! | `ping` | `pong` | whoever has dialled, every second |
//!
//! Connections of a host talk to each other by posting: the user's connection asks those to the other hosts, and they post the answers back.
//! Nothing is done about what gets lost on the way: the user's connection asks again. They are connections of a server and of clients, so a
//! host is one [`Node`](sansock::Node): in a simulation or on smol. The blocking transport delivers posts within one server or one client.
//!
//! **The planted bug** ([`Disk::with_planted_bug`]): a write is acknowledged once the other hosts have been told, not once a majority holds it.

mod history;
mod host;
mod link;
mod quorum;
mod user;

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use sansock::{
    ClientConfig, ClientReport, CloseReport, ConfigError, ConnectionConfig, Context, DialerConfig, Handler, Peer, ServerConfig,
    Service, SocketId, TimerId, Verdict,
};

pub use history::{Action, History, Misfit, everything_is_answered, is_linearizable};
pub use host::{Disk, Host, Replica, Version, Versioned};
pub use link::Link;
pub use quorum::{Progress, Quorum, Request};
pub use user::{Plan, Session, User, somebody_asked_again};

use super::lines::Garbled;
use super::{Redial, Shared};

/// How many hosts hold the register.
pub const HOSTS: usize = 3;
/// How many of them decide.
pub const MAJORITY: usize = HOSTS / 2 + 1;

fn number(text: &str) -> Result<u64, Garbled> {
    text.parse().map_err(|_| Garbled)
}

/// What one host asks another.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ask {
    /// What do you hold?
    Query,
    /// Hold this, unless you hold something newer.
    Store(Versioned),
}

/// What it answers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Answer {
    /// This is what it holds.
    Holds(Versioned),
    /// It holds that, or something newer.
    Stored,
}

/// What the connections of a host post to each other.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Letter {
    /// To the connection with another host: ask it this.
    Ask {
        /// Who wants to know.
        from: SocketId,
        /// What the answer is for.
        tag: u64,
        /// The question.
        ask: Ask,
    },
    /// To the one who wanted to know.
    Answer {
        /// Which host answers.
        host: usize,
        /// What the answer is for.
        tag: u64,
        /// The answer.
        answer: Answer,
    },
}

/// Makes the handlers of each kind of connection.
#[derive(Clone, Debug)]
pub enum RegisterService {
    /// A host's, for whoever connects: users and other hosts.
    Host(Host),
    /// A host's, for its connection to the host with this number.
    Link(Host, usize),
    /// A user's.
    User(Shared<Session>, Shared<History>),
}

impl Service for RegisterService {
    type Handler = Register;

    fn accept(&mut self, _: &Peer) -> Verdict<Register> {
        Verdict::Accept(match self {
            Self::Host(host) => Register::Replica(Replica::new(host.clone())),
            Self::Link(host, other) => Register::Link(Link::new(host.clone(), *other)),
            Self::User(session, history) => Register::User(User::new(session.clone(), history.clone())),
        })
    }
}

/// Hosts want their connections for ever, users until they have done all that they had planned.
impl Redial for RegisterService {
    fn redial(&self, _: &ClientReport) -> Option<Duration> {
        let wanted = match self {
            Self::Host(_) => false,
            Self::Link(..) => true,
            Self::User(session, _) => !session.lock().is_done(),
        };
        wanted.then_some(Duration::from_millis(100))
    }
}

/// One end of a connection.
#[derive(Debug)]
pub enum Register {
    /// A host's, that was accepted.
    Replica(Replica),
    /// A host's, that leads to another host.
    Link(Link),
    /// A user's.
    User(User),
}

impl Register {
    fn kind(&mut self) -> &mut dyn Handler<Message = Letter> {
        match self {
            Self::Replica(replica) => replica,
            Self::Link(link) => link,
            Self::User(user) => user,
        }
    }
}

impl Handler for Register {
    type Message = Letter;

    fn on_open(&mut self, cx: &mut Context<'_, Letter>) {
        self.kind().on_open(cx);
    }

    fn on_data(&mut self, cx: &mut Context<'_, Letter>, data: Bytes) {
        self.kind().on_data(cx, data);
    }

    fn on_peer_finished(&mut self, cx: &mut Context<'_, Letter>) {
        self.kind().on_peer_finished(cx);
    }

    fn on_writable(&mut self, cx: &mut Context<'_, Letter>) {
        self.kind().on_writable(cx);
    }

    fn on_timer(&mut self, cx: &mut Context<'_, Letter>, timer: TimerId) {
        self.kind().on_timer(cx, timer);
    }

    fn on_message(&mut self, cx: &mut Context<'_, Letter>, message: Letter) {
        self.kind().on_message(cx, message);
    }

    fn on_undelivered(&mut self, cx: &mut Context<'_, Letter>, to: SocketId, message: Letter) {
        self.kind().on_undelivered(cx, to, message);
    }

    fn on_draining(&mut self, cx: &mut Context<'_, Letter>) {
        self.kind().on_draining(cx);
    }

    fn on_closed(&mut self, report: &CloseReport) {
        self.kind().on_closed(report);
    }
}

/// The limits of a connection, on both sides: a peer that says nothing for three seconds is given up, since whoever has dialled says `ping`
/// every second.
///
/// # Errors
/// None; they make sense.
pub fn limits() -> Result<ConnectionConfig, ConfigError> {
    let (patience, second) = (Some(Duration::from_secs(3)), Duration::from_secs(1));
    ConnectionConfig::default().send_queue(1024, 2048)?.read_idle(patience)?.write_stall(patience)?.closing(
        second,
        second,
        64 * 1024,
    )
}

/// A host's server on this address.
///
/// # Errors
/// None; see [`limits`].
pub fn server(address: SocketAddr) -> Result<ServerConfig, ConfigError> {
    Ok(ServerConfig::new(address).connection(limits()?))
}

/// A connection of a host or a user to the host at this address.
///
/// # Errors
/// None; see [`limits`].
pub fn client(host: SocketAddr) -> Result<ClientConfig, ConfigError> {
    let dialer = DialerConfig::new(vec![host.into()])?.attempt(Some(Duration::from_secs(2)))?;
    Ok(ClientConfig::new(vec![host.into()])?.dialer(dialer).connection(limits()?))
}
