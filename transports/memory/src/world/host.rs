//! What a host of a world can do.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use sansock::{
    ClientConfig, ClientReport, Misuse, Node, NodeEvent, ServerConfig, ServerReport, Service, SupervisorId, Timestamp,
};

use crate::agenda::Agenda;
use crate::network::HostId;
use crate::scenario::Resolution;
use crate::simulation::{MachineId, Simulation};

use super::script::Script;

pub(super) type Start<S> = Box<dyn FnMut(&mut Host<'_, S>) -> Result<(), Box<dyn Error>>>;
pub(super) type Errand<S> = Box<dyn FnOnce(&mut Host<'_, S>)>;
type Watcher<S> = Box<dyn FnMut(&mut Host<'_, S>, &NodeEvent)>;
type Begin<S> = Box<dyn Fn(&mut Host<'_, S>) -> Result<SupervisorId, Misuse>>;
type Pause = Box<dyn FnMut(&NodeEvent) -> Option<Duration>>;

/// A host, as the world keeps it.
pub(super) struct Resident<S: Service> {
    pub(super) name: String,
    pub(super) addresses: Vec<IpAddr>,
    pub(super) id: HostId,
    pub(super) machine: MachineId,
    /// `None` while it runs.
    pub(super) start: Option<Start<S>>,
    pub(super) life: Life<S>,
}

/// What is lost when a host crashes.
pub(super) struct Life<S: Service> {
    /// How often the host has started.
    number: u32,
    up: bool,
    pub(super) watchers: Vec<Watcher<S>>,
    kept: BTreeMap<SupervisorId, Kept<S>>,
}

/// A server or client that is started again when it has stopped.
struct Kept<S: Service> {
    start: Begin<S>,
    pause: Pause,
}

/// A host that runs: where its servers and clients are started.
///
/// It is at hand when the host starts, when its node says something ([`Host::on_event`]) and when something that was put off is due
/// ([`Host::after`]).
pub struct Host<'a, S: Service> {
    pub(super) index: usize,
    pub(super) residents: &'a [Resident<S>],
    pub(super) simulation: &'a mut Simulation<Node<S>>,
    pub(super) script: &'a Script,
    pub(super) errands: &'a mut Agenda<(usize, u32, Errand<S>)>,
    pub(super) life: &'a mut Life<S>,
}

/// A name is looked up twice, for 5 s each (resolv.conf(5): `attempts` and `timeout`).
const RESOLVING_FAILS_AFTER: Duration = Duration::from_secs(10);

/// The addresses of a host could not be had.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ResolveError {
    /// There is no such name.
    Unknown(UnknownHost),
    /// Nobody has answered; it may be better later.
    Unanswered(String),
}

impl fmt::Display for ResolveError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown(unknown) => unknown.fmt(f),
            Self::Unanswered(name) => write!(f, "nobody has said what addresses '{name}' has; ask again later"),
        }
    }
}

impl Error for ResolveError {}

/// No host of the world has this name.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct UnknownHost(pub String);

impl fmt::Display for UnknownHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no host is called '{}', or it has no address", self.0)
    }
}

impl Error for UnknownHost {}

impl<S: Service + 'static> Host<'_, S> {
    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.residents[self.index].name
    }

    /// How often it has started: 1 the first time.
    #[must_use]
    pub const fn starts(&self) -> u32 {
        self.life.number
    }

    /// What its clock tells.
    #[must_use]
    pub fn now(&mut self) -> Timestamp {
        self.call(|_, now| now)
    }

    /// The first address of a host, this one or another, with a port. Hosts can be asked for that were added later, since nothing starts
    /// before the world runs.
    ///
    /// # Errors
    /// [`UnknownHost`].
    pub fn address_of(&self, name: &str, port: u16) -> Result<SocketAddr, UnknownHost> {
        let resident = self.residents.iter().find(|resident| resident.name == name);
        let address = resident.and_then(|resident| resident.addresses.first());
        address.map(|address| SocketAddr::new(*address, port)).ok_or_else(|| UnknownHost(name.to_owned()))
    }

    /// Asks for the addresses of a host by its name, as a resolver would, and does something with the answer, unless the host crashes
    /// before. There is an answer at once, that is at the same instant but later, unless the scenario
    /// [says otherwise](crate::scenario::Event::Resolve); a failure takes 10 s. What the scenario says when the question is asked, counts.
    pub fn resolve(
        &mut self,
        name: &str,
        port: u16,
        then: impl FnOnce(&mut Host<'_, S>, Result<Vec<SocketAddr>, ResolveError>) + 'static,
    ) {
        let resident =
            self.residents.iter().find(|resident| resident.name == name).filter(|resident| !resident.addresses.is_empty());
        let addresses =
            resident.map(|resident| resident.addresses.iter().map(|address| SocketAddr::new(*address, port)).collect());
        let answer = addresses.ok_or_else(|| ResolveError::Unknown(UnknownHost(name.to_owned())));
        let (after, answer) = match self.script.resolution(name) {
            Resolution::Prompt => (Duration::ZERO, answer),
            Resolution::Delayed(span) => (span, answer),
            Resolution::Fails => (RESOLVING_FAILS_AFTER, Err(ResolveError::Unanswered(name.to_owned()))),
        };
        self.after(after, move |host| then(host, answer));
    }

    /// Starts a server; see [`Node::serve`].
    ///
    /// # Errors
    /// Those of [`Node::serve`].
    pub fn serve(&mut self, config: ServerConfig, service: S) -> Result<SupervisorId, Misuse> {
        self.call(|node, now| node.serve(now, config, service))
    }

    /// Starts a client; see [`Node::connect`].
    ///
    /// # Errors
    /// Those of [`Node::connect`].
    pub fn connect(&mut self, config: ClientConfig, service: S) -> Result<SupervisorId, Misuse> {
        self.call(|node, now| node.connect(now, config, service))
    }

    /// Starts a server, and starts it again, with a clone of the service, after each time that it has stopped, be it that it could not
    /// listen: as long after it as `pause` says, in the simulation's time, until that says `None`.
    ///
    /// # Errors
    /// Those of [`Node::serve`], of the first start. If a later one fails the server is given up.
    pub fn keep_serving(
        &mut self,
        config: ServerConfig,
        service: S,
        mut pause: impl FnMut(&ServerReport) -> Option<Duration> + 'static,
    ) -> Result<SupervisorId, Misuse>
    where
        S: Clone,
    {
        let start = move |host: &mut Host<'_, S>| host.serve(config.clone(), service.clone());
        let pause = move |event: &NodeEvent| match event {
            NodeEvent::ServerStopped { report, .. } => pause(report),
            _ => None,
        };
        self.keep(Kept { start: Box::new(start), pause: Box::new(pause) })
    }

    /// Starts a client, and starts it again, with a clone of the service, after each time that it has stopped: as long after it as `pause`
    /// says, in the simulation's time, until that says `None`.
    ///
    /// # Errors
    /// Those of [`Node::connect`], of the first start. If a later one fails the client is given up.
    pub fn keep_connected(
        &mut self,
        config: ClientConfig,
        service: S,
        mut pause: impl FnMut(&ClientReport) -> Option<Duration> + 'static,
    ) -> Result<SupervisorId, Misuse>
    where
        S: Clone,
    {
        let start = move |host: &mut Host<'_, S>| host.connect(config.clone(), service.clone());
        let pause = move |event: &NodeEvent| match event {
            NodeEvent::ClientStopped { report, .. } => pause(report),
            _ => None,
        };
        self.keep(Kept { start: Box::new(start), pause: Box::new(pause) })
    }

    fn keep(&mut self, kept: Kept<S>) -> Result<SupervisorId, Misuse> {
        let supervisor = (kept.start)(self)?;
        self.life.kept.insert(supervisor, kept);
        Ok(supervisor)
    }

    /// From now until a crash, whatever the host's node says is told here.
    pub fn on_event(&mut self, watcher: impl FnMut(&mut Host<'_, S>, &NodeEvent) + 'static) {
        self.life.watchers.push(Box::new(watcher));
    }

    /// Does something later, in the simulation's time, unless the host crashes before.
    pub fn after(&mut self, span: Duration, errand: impl FnOnce(&mut Host<'_, S>) + 'static) {
        let at = self.simulation.now() + span;
        self.errands.add(at, (self.index, self.life.number, Box::new(errand)));
    }

    /// Calls the host's node, at the time that its clock tells.
    pub fn call<R>(&mut self, call: impl FnOnce(&mut Node<S>, Timestamp) -> R) -> R {
        self.simulation.with(self.residents[self.index].machine, call)
    }

    /// If a server or client has stopped that is to be kept, it starts again later.
    pub(super) fn start_again(&mut self, event: &NodeEvent) {
        let (NodeEvent::ServerStopped { server: supervisor, .. } | NodeEvent::ClientStopped { client: supervisor, .. }) = event
        else {
            return;
        };
        let Some(mut kept) = self.life.kept.remove(supervisor) else { return };
        let Some(pause) = (kept.pause)(event) else { return };
        self.after(pause, move |host| {
            // It fails only if the node has no slots left, and then there is nothing to be kept.
            let _ = host.keep(kept);
        });
    }
}

impl<S: Service> Life<S> {
    /// The host starts.
    pub(super) fn begin(&mut self) {
        self.number += 1;
        self.up = true;
    }

    /// The host crashes: nothing is left but the count of its lives.
    pub(super) fn end(&mut self) {
        *self = Self { number: self.number, ..Self::default() };
    }

    /// True from the start to the end of this life of the host.
    pub(super) const fn is(&self, number: u32) -> bool {
        self.up && self.number == number
    }
}

impl<S: Service> Default for Life<S> {
    fn default() -> Self {
        Self { number: 0, up: false, watchers: Vec::new(), kept: BTreeMap::new() }
    }
}
