//! Machines on hosts of one network, in one virtual time.

use std::collections::BTreeMap;
use std::fmt;

use sansock::{Completion, Machine, Op, OpId, Output, Timestamp};

use crate::config::{Hits, NetworkConfig};
use crate::network::{HostId, Network};
use crate::sockets::Sockets;

/// So many outputs and time-outs at one instant of virtual time are a spin, unless [`Simulation::limit_outputs`] says otherwise.
const OUTPUTS_PER_INSTANT: u32 = 1_000_000;

/// A machine of a simulation.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct MachineId(usize);

/// What a simulation shows to whoever runs it, as it happens.
#[derive(Debug)]
pub enum Step<'a, E> {
    /// A machine submitted an operation.
    Submitted(&'a Op),
    /// A completion is handed to a machine.
    Completed(&'a Completion),
    /// A machine says something.
    Event(E),
}

/// Machines that talk to each other over a simulated network.
///
/// All are of one type; a [`Node`](sansock::Node) is one type for servers and clients. The order of everything is determined: machines in the
/// order in which they were added, completions in the order in which they came about, at equal times completions before time-outs.
#[derive(Debug)]
pub struct Simulation<M: Machine> {
    network: Network,
    seats: Vec<Seat<M>>,
    completions: BTreeMap<(Timestamp, u64), (MachineId, Completion)>,
    sequence: u64,
    outputs_per_instant: u32,
}

#[derive(Debug)]
struct Seat<M> {
    machine: M,
    sockets: Sockets,
    /// Its outputs have not been taken since it was last called.
    dirty: bool,
}

/// A machine kept giving outputs, or a deadline that is due, while no time passed: a bug of the core, or of a handler that posts messages without end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Spin {
    /// The machine.
    pub machine: MachineId,
    /// When.
    pub at: Timestamp,
    /// Its last operation.
    pub operation: Option<OpId>,
}

impl fmt::Display for Spin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "machine {} gave outputs or due deadlines without end at {}", self.machine.0, self.at)?;
        match self.operation {
            Some(id) => write!(f, ", the last operation being {id}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Spin {}

impl<M: Machine> Simulation<M> {
    /// An empty network and no machines. The seed decides all that is left to chance.
    #[must_use]
    pub fn new(config: NetworkConfig, seed: u64) -> Self {
        Self {
            network: Network::new(config, seed),
            seats: Vec::new(),
            completions: BTreeMap::new(),
            sequence: 0,
            outputs_per_instant: OUTPUTS_PER_INSTANT,
        }
    }

    /// More outputs and time-outs than this at one instant of virtual time count as a [`Spin`]. Default 1,000,000.
    pub const fn limit_outputs(&mut self, per_instant: u32) {
        self.outputs_per_instant = per_instant;
    }

    /// The network, to add hosts and to look at.
    pub const fn network(&mut self) -> &mut Network {
        &mut self.network
    }

    /// Puts a machine on a host.
    pub fn add(&mut self, host: HostId, machine: M) -> MachineId {
        self.seats.push(Seat { machine, sockets: Sockets::new(host), dirty: true });
        MachineId(self.seats.len() - 1)
    }

    /// Looks at a machine.
    #[must_use]
    pub fn machine(&self, id: MachineId) -> &M {
        &self.seats[id.0].machine
    }

    /// Calls a machine, at the present virtual time.
    pub fn with<R>(&mut self, id: MachineId, call: impl FnOnce(&mut M, Timestamp) -> R) -> R {
        let seat = &mut self.seats[id.0];
        seat.dirty = true;
        call(&mut seat.machine, self.network.now())
    }

    /// The virtual time.
    #[must_use]
    pub const fn now(&self) -> Timestamp {
        self.network.now()
    }

    /// The hash of everything that has happened.
    #[must_use]
    pub const fn trace_hash(&self) -> u64 {
        self.network.trace_hash()
    }

    /// How often each thing happened that the configuration makes possible.
    #[must_use]
    pub const fn hits(&self) -> Hits {
        self.network.hits()
    }

    /// Runs until nothing can happen any more, or until the next thing would happen after `limit`; then the time is `limit`. True if
    /// nothing can happen any more.
    ///
    /// # Errors
    /// [`Spin`].
    pub fn run_until(
        &mut self,
        limit: Timestamp,
        mut see: impl FnMut(Timestamp, MachineId, Step<'_, M::Event>),
    ) -> Result<bool, Spin> {
        let mut outputs = 0;
        loop {
            self.take_outputs(&mut outputs, &mut see)?;
            if self.deliver_one(&mut see) {
                continue;
            }
            if let Some(machine) = self.fire_one() {
                // A time-out that is due again at once, for ever, gives no output at all.
                outputs += 1;
                if outputs > self.outputs_per_instant {
                    return Err(Spin { machine, at: self.now(), operation: None });
                }
                continue;
            }
            let Some(next) = self.next_time() else { return Ok(true) };
            if next > limit {
                self.network.advance(limit);
                return Ok(false);
            }
            outputs = 0;
            self.network.advance(next);
            self.retry_touched();
        }
    }

    /// Runs until nothing can happen any more.
    ///
    /// # Errors
    /// [`Spin`].
    pub fn run(&mut self, see: impl FnMut(Timestamp, MachineId, Step<'_, M::Event>)) -> Result<(), Spin> {
        self.run_until(Timestamp::NEVER, see).map(|_| ())
    }

    fn take_outputs(
        &mut self,
        outputs: &mut u32,
        see: &mut impl FnMut(Timestamp, MachineId, Step<'_, M::Event>),
    ) -> Result<(), Spin> {
        for index in 0..self.seats.len() {
            let id = MachineId(index);
            let now = self.network.now();
            let mut operation = None;
            while std::mem::take(&mut self.seats[index].dirty) {
                while let Some(output) = self.seats[index].machine.poll() {
                    *outputs += 1;
                    if *outputs > self.outputs_per_instant {
                        return Err(Spin { machine: id, at: now, operation });
                    }
                    match output {
                        Output::Event(event) => see(now, id, Step::Event(event)),
                        Output::Submit(op) => {
                            operation = Some(op.id());
                            see(now, id, Step::Submitted(&op));
                            self.network.trace.note(now, 16, &[index as u64, op.id().as_u64()], &[]);
                            let done = self.seats[index].sockets.submit(&mut self.network, op);
                            if let Some(done) = done {
                                self.schedule(id, done);
                            }
                        }
                    }
                }
            }
        }
        self.retry_touched();
        Ok(())
    }

    /// Completions come back at the next look, or later by chance.
    fn schedule(&mut self, id: MachineId, done: Completion) {
        let delay = self.network.chance.span(self.network.config.completion_delay);
        self.network.hits.late_completions += u64::from(!delay.is_zero());
        self.completions.insert((self.network.now() + delay, self.sequence), (id, done));
        self.sequence += 1;
    }

    fn deliver_one(&mut self, see: &mut impl FnMut(Timestamp, MachineId, Step<'_, M::Event>)) -> bool {
        let now = self.network.now();
        let Some(entry) = self.completions.first_entry().filter(|entry| entry.key().0 <= now) else { return false };
        let (id, done) = entry.remove();
        see(now, id, Step::Completed(&done));
        self.network.trace.note(now, 17, &[id.0 as u64, done.id().as_u64()], done.outcome().name().as_bytes());
        let seat = &mut self.seats[id.0];
        let result = seat.machine.complete(now, done);
        debug_assert!(result.is_ok(), "an operation is completed once: {result:?}");
        seat.dirty = true;
        true
    }

    fn fire_one(&mut self) -> Option<MachineId> {
        let now = self.network.now();
        let due = self.seats.iter().position(|seat| seat.machine.deadline().is_some_and(|deadline| deadline <= now))?;
        let seat = &mut self.seats[due];
        seat.machine.handle_timeout(now);
        seat.dirty = true;
        Some(MachineId(due))
    }

    fn next_time(&self) -> Option<Timestamp> {
        let deadlines = self.seats.iter().filter_map(|seat| seat.machine.deadline());
        let completion = self.completions.keys().next().map(|(at, _)| *at);
        deadlines.chain(completion).chain(self.network.next_arrival()).min()
    }

    fn retry_touched(&mut self) {
        loop {
            let touched = self.network.take_touched();
            if touched.is_empty() {
                return;
            }
            for descriptor in touched {
                for index in 0..self.seats.len() {
                    let mut done = Vec::new();
                    self.seats[index].sockets.retry(&mut self.network, descriptor, |completion| done.push(completion));
                    for completion in done {
                        self.schedule(MachineId(index), completion);
                    }
                }
            }
        }
    }
}
