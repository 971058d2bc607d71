//! What runs the applications here, in virtual time: hosts of a simulation, and the dialling of those who want to be dialled again.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use sansock::{ClientConfig, FaultKind, Machine, Node, NodeEvent, Origin, ServerConfig, SlotRange, SupervisorId, Timestamp};
use sansock_memory::{MachineId, NetworkConfig, Simulation, Step};
use sansock_tests::apps::Redial;

/// Hosts of a simulation, with one node each.
pub(crate) struct Embedding<S: Redial> {
    simulation: Simulation<Node<S>>,
    /// Clients that run, or will be dialled again, by their supervisor.
    clients: BTreeMap<(MachineId, SupervisorId), Dial<S>>,
    due: Vec<(Timestamp, MachineId, Dial<S>)>,
}

#[derive(Clone)]
struct Dial<S> {
    config: ClientConfig,
    service: S,
}

impl<S: Redial> Embedding<S> {
    pub(crate) fn new(network: NetworkConfig, seed: u64) -> Self {
        Self { simulation: Simulation::new(network, seed), clients: BTreeMap::new(), due: Vec::new() }
    }

    pub(crate) fn host(&mut self, address: IpAddr) -> MachineId {
        let host = self.simulation.network().add_host([address]);
        self.simulation.add(host, Node::new(SlotRange::ALL))
    }

    pub(crate) fn serve(&mut self, machine: MachineId, config: ServerConfig, service: S) {
        self.simulation.with(machine, |node, now| node.serve(now, config, service)).expect("slots enough");
    }

    pub(crate) fn connect(&mut self, machine: MachineId, config: ClientConfig, service: S) {
        let dial = Dial { config, service };
        let Dial { config, service } = dial.clone();
        let client = self.simulation.with(machine, |node, now| node.connect(now, config, service)).expect("slots enough");
        self.clients.insert((machine, client), dial);
    }

    /// Resets every connection of the machine of this kind; how many there were.
    pub(crate) fn cut(&mut self, machine: MachineId, kind: impl Fn(Origin) -> bool) -> usize {
        let sessions = self.simulation.machine(machine).sessions().filter(|session| kind(session.peer().origin));
        let sockets: Vec<_> = sessions.map(|session| session.socket()).collect();
        for socket in &sockets {
            self.simulation.with(machine, |node, now| node.broken(now, *socket, FaultKind::ConnectionReset.into()));
        }
        sockets.len()
    }

    /// Runs for `span`, and looks at the rule after whatever happens.
    pub(crate) fn run(&mut self, span: Duration, mut always: impl FnMut() -> Result<(), String>) -> Result<(), String> {
        let limit = self.simulation.now() + span;
        let mut stopped = Vec::new();
        loop {
            // Short steps, so that a client that stops is dialled when it is due.
            let next = limit.min(self.simulation.now() + Duration::from_millis(20));
            let mut result = Ok(());
            let see = |now, machine, step: Step<'_, NodeEvent>| {
                if result.is_ok() {
                    result = always().map_err(|problem| format!("at {now}: {problem}"));
                }
                if let Step::Event(NodeEvent::ClientStopped { client, report }) = step {
                    stopped.push((now, machine, client, report));
                }
            };
            self.simulation.run_until(next, see).map_err(|spin| spin.to_string())?;
            result?;
            // If nothing can happen any more, the simulation lets time stand still.
            self.simulation.network().advance(next);
            for (now, machine, client, report) in stopped.drain(..) {
                let dial = self.clients.remove(&(machine, client)).expect("it was dialled");
                if let Some(pause) = dial.service.redial(&report) {
                    self.due.push((now + pause, machine, dial));
                }
            }
            self.dial_due();
            if self.simulation.now() >= limit {
                return always();
            }
        }
    }

    fn dial_due(&mut self) {
        let now = self.simulation.now();
        let (due, later): (Vec<_>, Vec<_>) = self.due.drain(..).partition(|(at, ..)| *at <= now);
        self.due = later;
        for (_, machine, dial) in due {
            self.connect(machine, dial.config, dial.service);
        }
    }

    /// Runs in steps of a second until the rule holds, or for `span`.
    pub(crate) fn run_until(
        &mut self,
        span: Duration,
        mut always: impl FnMut() -> Result<(), String>,
        eventually: impl Fn() -> Result<(), String>,
    ) -> Result<(), String> {
        let limit = self.simulation.now() + span;
        loop {
            self.run(Duration::from_secs(1), &mut always)?;
            match eventually() {
                Ok(()) => return Ok(()),
                Err(problem) if self.simulation.now() >= limit => return Err(format!("after {span:?}: {problem}")),
                Err(_) => {}
            }
        }
    }
}

/// The host with this number, 10.0.0.x.
pub(crate) fn address(host: u8) -> SocketAddr {
    SocketAddr::from(([10, 0, 0, host], 7000))
}
