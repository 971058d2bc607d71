//! Machines on hosts of one network, in one virtual time.

mod operations;
mod upsets;

use std::collections::VecDeque;
use std::fmt;
use std::time::Duration;

use operations::Operations;
use sansock::{Completion, Machine, Op, OpId, Output, Timestamp};

use crate::chance::{Chance, Purpose};
use crate::clock::Clock;
use crate::config::{Hits, NetworkConfig};
use crate::deadlines::Deadlines;
use crate::faults::OperationFaults;
use crate::network::{HostId, Network};
use crate::sockets::Sockets;

/// So many outputs and time-outs at one instant of virtual time are a spin, unless [`Simulation::limit_outputs`] says otherwise.
const OUTPUTS_PER_INSTANT: u32 = 1_000_000;

/// A machine of a simulation.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct MachineId(u32);

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
/// order in which they were called, completions in the order in which they came about, at equal times completions before time-outs, and those
/// in the order in which the machines were added.
#[derive(Debug)]
pub struct Simulation<M: Machine> {
    network: Network,
    seats: Vec<Seat<M>>,
    /// Machines whose outputs have not been taken since they were last called.
    called: VecDeque<u32>,
    operations: Operations,
    deadlines: Deadlines,
    outputs: Outputs,
}

/// Outputs and time-outs at one instant, and at which. Time moves on in several places.
#[derive(Debug)]
struct Outputs {
    count: u32,
    at: Timestamp,
    most: u32,
}

impl Outputs {
    /// One more thing that should not happen without end at one instant.
    fn count(&mut self, at: Timestamp, machine: MachineId, operation: Option<OpId>) -> Result<(), Spin> {
        if self.at != at {
            (self.count, self.at) = (0, at);
        }
        self.count += 1;
        if self.count > self.most { Err(Spin { machine, at, operation }) } else { Ok(()) }
    }
}

/// What [`Simulation::step`] has done.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Progress {
    /// Machines said something. Whoever wants to do something about it can do so before anything else happens.
    Spoke,
    /// This machine was called.
    Called(MachineId),
    /// The time has moved on.
    Advanced,
    /// The next thing would happen after the limit, which is the time now.
    Reached,
    /// Nothing can happen any more.
    Finished,
}

#[derive(Debug)]
struct Seat<M> {
    host: HostId,
    machine: M,
    clock: Clock,
    sockets: Sockets,
    lateness: Chance,
    /// What befalls its operations.
    faults: Option<Box<OperationFaults>>,
    /// Operations whose completions a fault delays. Rarely any.
    delayed: Vec<(OpId, Duration)>,
    /// The host has crashed; nobody calls the machine.
    down: bool,
    /// It is among those that were called.
    called: bool,
}

impl<M: Machine> Seat<M> {
    /// The machine of this number was called: it is among those whose outputs are to be taken.
    #[inline]
    fn was_called(&mut self, number: u32, called: &mut VecDeque<u32>) {
        if !self.down && !std::mem::replace(&mut self.called, true) {
            called.push_back(number);
        }
    }

    /// In the simulation's time.
    fn deadline(&self) -> Timestamp {
        let deadline = self.machine.deadline().filter(|_| !self.down);
        deadline.map_or(Timestamp::NEVER, |deadline| self.clock.simulated(deadline))
    }
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

impl MachineId {
    /// Its place in the order in which the simulation's machines were added.
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize
    }
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
            called: VecDeque::new(),
            operations: Operations::default(),
            deadlines: Deadlines::default(),
            outputs: Outputs { count: 0, at: Timestamp::ZERO, most: OUTPUTS_PER_INSTANT },
        }
    }

    /// More outputs and time-outs than this at one instant of virtual time count as a [`Spin`]. Default 1,000,000.
    pub const fn limit_outputs(&mut self, per_instant: u32) {
        self.outputs.most = per_instant;
    }

    /// The network, to add hosts and to look at.
    pub const fn network(&mut self) -> &mut Network {
        &mut self.network
    }

    /// Puts a machine on a host, which has its [name](Network::name_host) by now, if it gets one: what is left to chance for the machine is
    /// drawn by that.
    pub fn add(&mut self, host: HostId, machine: M) -> MachineId {
        let number = u32::try_from(self.seats.len()).unwrap_or(u32::MAX);
        // By the host, and of several machines on one host by their order there: what is elsewhere does not count.
        let on = &mut self.network.hosts[host.index()];
        let lateness = Chance::between(self.network.seed, Purpose::Lateness, on.key, on.machines);
        on.machines += 1;
        self.seats.push(Seat {
            host,
            machine,
            clock: Clock::default(),
            sockets: Sockets::of_machine(host, number),
            lateness,
            faults: None,
            delayed: Vec::new(),
            down: false,
            called: false,
        });
        self.was_called(number);
        MachineId(number)
    }

    /// The host that a machine is on.
    #[must_use]
    pub fn host(&self, id: MachineId) -> HostId {
        self.seats[id.0 as usize].host
    }

    /// Looks at a machine.
    #[must_use]
    pub fn machine(&self, id: MachineId) -> &M {
        &self.seats[id.0 as usize].machine
    }

    /// Calls a machine, at the present time of its clock.
    pub fn with<R>(&mut self, id: MachineId, call: impl FnOnce(&mut M, Timestamp) -> R) -> R {
        self.was_called(id.0);
        let seat = &mut self.seats[id.0 as usize];
        call(&mut seat.machine, seat.clock.local(self.network.now()))
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
        loop {
            match self.step(limit, &mut see)? {
                Progress::Spoke | Progress::Called(_) | Progress::Advanced => {}
                Progress::Reached => return Ok(false),
                Progress::Finished => return Ok(true),
            }
        }
    }

    /// Runs until nothing can happen any more.
    ///
    /// # Errors
    /// [`Spin`].
    pub fn run(&mut self, see: impl FnMut(Timestamp, MachineId, Step<'_, M::Event>)) -> Result<(), Spin> {
        self.run_until(Timestamp::NEVER, see).map(|_| ())
    }

    /// Takes the outputs of the machines that were called. If none of them says something, does one thing: hands in a completion, or a
    /// time-out, or, if nothing is due, moves the time on to what comes next, but not beyond `limit`.
    ///
    /// # Errors
    /// [`Spin`].
    pub fn step(
        &mut self,
        limit: Timestamp,
        mut see: impl FnMut(Timestamp, MachineId, Step<'_, M::Event>),
    ) -> Result<Progress, Spin> {
        if self.take_outputs(&mut see)? {
            return Ok(Progress::Spoke);
        }
        if let Some(machine) = self.deliver_one(&mut see) {
            return Ok(Progress::Called(machine));
        }
        let due = self.deadlines.first(|machine| self.seats[machine as usize].deadline());
        if let Some((_, machine)) = due.filter(|(deadline, _)| *deadline <= self.now()) {
            // A time-out that is due again at once, for ever, gives no output at all.
            self.count_output(MachineId(machine), None)?;
            let seat = &mut self.seats[machine as usize];
            seat.machine.handle_timeout(seat.clock.local(self.network.now()));
            self.was_called(machine);
            return Ok(Progress::Called(MachineId(machine)));
        }
        let mut next = due.map_or(Timestamp::NEVER, |(deadline, _)| deadline);
        for other in [self.operations.next_time(), self.network.next_arrival()] {
            next = next.min(other.unwrap_or(Timestamp::NEVER));
        }
        if next == Timestamp::NEVER {
            return Ok(Progress::Finished);
        }
        if next > limit {
            self.network.advance(limit);
            return Ok(Progress::Reached);
        }
        self.network.advance(next);
        self.retry_parked();
        self.retry_changed();
        Ok(Progress::Advanced)
    }

    /// One more thing that should not happen without end at one instant.
    pub(crate) fn count_output(&mut self, machine: MachineId, operation: Option<OpId>) -> Result<(), Spin> {
        self.outputs.count(self.network.now(), machine, operation)
    }

    /// True if somebody said something.
    fn take_outputs(&mut self, see: &mut impl FnMut(Timestamp, MachineId, Step<'_, M::Event>)) -> Result<bool, Spin> {
        let Self { network, seats, called, operations, deadlines, outputs } = self;
        let now = network.now();
        let mut spoke = false;
        while let Some(number) = called.pop_front() {
            let (id, seat) = (MachineId(number), &mut seats[number as usize]);
            seat.called = false;
            let mut operation = None;
            // The output is not moved as a whole: it may be large.
            loop {
                match seat.machine.poll() {
                    None => break,
                    Some(Output::Event(event)) => {
                        outputs.count(now, id, operation)?;
                        spoke = true;
                        see(now, id, Step::Event(event));
                    }
                    Some(Output::Submit(op)) => {
                        outputs.count(now, id, operation)?;
                        operation = Some(op.id());
                        see(now, id, Step::Submitted(&op));
                        network.trace.note(now, 16, [u64::from(number), op.id().as_u64()], &[]);
                        operations.submit(network, seat, number, op);
                    }
                }
            }
            deadlines.set(number, seat.deadline());
        }
        self.retry_changed();
        Ok(spoke)
    }

    fn was_called(&mut self, number: u32) {
        self.seats[number as usize].was_called(number, &mut self.called);
    }
}
