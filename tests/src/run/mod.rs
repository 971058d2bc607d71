//! One cast, three transports.

mod memory;
mod real;

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use sansock::{
    Address, ClientConfig, ClientReport, ConnectionConfig, Handler, Peer, ServerConfig, ServerReport, Timestamp, Verdict,
};
use sansock_system::Observer;

pub use memory::on_memory;
pub use real::{on_blocking, on_smol};

use crate::history::{History, Recorder};

/// Who is at the two ends of a connection: makes their handlers.
pub trait Cast: Clone + Send + 'static {
    /// What both ends are, as one type: a simulation wants that.
    type Handler: Handler<Message = Infallible> + Send + 'static;

    /// The handler for a new connection at this end. It writes down what it sees.
    fn handler(&self, side: Side, recorder: Recorder) -> Self::Handler;
}

/// What came of it.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// What the client's handler saw.
    pub client: History,
    /// What the server's handler saw.
    pub server: History,
    /// The client's account.
    pub client_report: ClientReport,
    /// The server's account.
    pub server_report: ServerReport,
}

impl Outcome {
    /// True if both ends saw the same as in the other outcome.
    #[must_use]
    pub fn same_as(&self, other: &Self) -> bool {
        self.client.same_as(&other.client) && self.server.same_as(&other.server)
    }
}

/// What both ends may do, and what becomes of them.
#[derive(Clone, Copy, Debug)]
pub struct Terms {
    /// The client's limits.
    pub client: ConnectionConfig,
    /// The server's limits.
    pub server: ConnectionConfig,
    /// What a supervisor is told once a handler calls for it with [`Recorder::call`].
    pub command: Option<(Side, Command)>,
}

/// The same limits for both, and no command.
impl From<ConnectionConfig> for Terms {
    fn from(limits: ConnectionConfig) -> Self {
        Self { client: limits, server: limits, command: None }
    }
}

/// What a server or a client is told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Command {
    /// To drain; nothing takes so long that it would be aborted.
    Drain,
    /// To abort everything now.
    Stop,
}

/// Whom an observation is about.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Side {
    /// The server.
    Server,
    /// The client.
    Client,
}

/// Somebody who watches both sides.
pub trait Audience: Send + Sync {
    /// A completion is handed in.
    fn completed(&self, side: Side, now: Timestamp, done: &sansock::Completion);
    /// An operation is started.
    fn submitted(&self, side: Side, now: Timestamp, op: &sansock::Op);
}

/// Nobody watches.
pub struct Nobody;

impl Audience for Nobody {
    fn completed(&self, _: Side, _: Timestamp, _: &sansock::Completion) {}
    fn submitted(&self, _: Side, _: Timestamp, _: &sansock::Op) {}
}

struct Seat(Side, Arc<dyn Audience>);

impl Observer for Seat {
    fn submitted(&self, now: Timestamp, op: &sansock::Op) {
        self.1.submitted(self.0, now, op);
    }

    fn completed(&self, now: Timestamp, done: &sansock::Completion) {
        self.1.completed(self.0, now, done);
    }
}

/// How long a server may drain after the client has gone.
const DRAIN: Duration = Duration::from_secs(10);

/// A service whose every connection gets the handler of this end.
pub fn service<C: Cast>(cast: &C, side: Side, recorder: &Recorder) -> impl FnMut(&Peer) -> Verdict<C::Handler> + Send + use<C> {
    let (cast, recorder) = (cast.clone(), recorder.clone());
    move |_: &Peer| Verdict::Accept(cast.handler(side, recorder.clone()))
}

fn loopback() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}

fn server_config(terms: &Terms) -> ServerConfig {
    ServerConfig::new(loopback()).connection(terms.server)
}

fn client_config(server: Option<Address>, terms: &Terms) -> ClientConfig {
    let server = server.expect("a listener has an address");
    ClientConfig::new(vec![server]).expect("one address").connection(terms.client)
}

/// What the handlers of both ends write into, server first, and where their calls come out.
fn recorders() -> (Recorder, Recorder, smol::channel::Receiver<()>) {
    let (call, calls) = smol::channel::unbounded();
    let recorder = || Recorder::calling(call.clone());
    (recorder(), recorder(), calls)
}
