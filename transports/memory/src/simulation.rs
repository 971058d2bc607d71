//! Machines on hosts of one network, in one virtual time.

use std::collections::VecDeque;
use std::fmt;

use sansock::{Completion, Machine, Op, OpId, Outcome, Output, Timestamp};

use crate::agenda::Agenda;
use crate::chance::{Chance, Purpose};
use crate::config::{Hits, NetworkConfig};
use crate::deadlines::Deadlines;
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
    /// Completions that are handed in at the next look.
    completions: VecDeque<(u32, Completion)>,
    /// Those that chance puts off.
    late: Agenda<(u32, Completion)>,
    deadlines: Deadlines,
    outputs_per_instant: u32,
}

#[derive(Debug)]
struct Seat<M> {
    machine: M,
    sockets: Sockets,
    lateness: Chance,
    /// It is among those that were called.
    called: bool,
}

impl<M: Machine> Seat<M> {
    fn deadline(&self) -> Timestamp {
        self.machine.deadline().unwrap_or(Timestamp::NEVER)
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
            completions: VecDeque::new(),
            late: Agenda::default(),
            deadlines: Deadlines::default(),
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
        let number = u32::try_from(self.seats.len()).unwrap_or(u32::MAX);
        let lateness = Chance::of(self.network.seed, Purpose::Lateness, self.seats.len());
        self.seats.push(Seat { machine, sockets: Sockets::of_machine(host, number), lateness, called: false });
        self.was_called(number);
        MachineId(number)
    }

    /// Looks at a machine.
    #[must_use]
    pub fn machine(&self, id: MachineId) -> &M {
        &self.seats[id.0 as usize].machine
    }

    /// Calls a machine, at the present virtual time.
    pub fn with<R>(&mut self, id: MachineId, call: impl FnOnce(&mut M, Timestamp) -> R) -> R {
        self.was_called(id.0);
        call(&mut self.seats[id.0 as usize].machine, self.network.now())
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
            let due = self.deadlines.first(|machine| self.seats[machine as usize].deadline());
            if let Some((_, machine)) = due.filter(|(deadline, _)| *deadline <= self.now()) {
                // A time-out that is due again at once, for ever, gives no output at all.
                outputs += 1;
                if outputs > self.outputs_per_instant {
                    return Err(Spin { machine: MachineId(machine), at: self.now(), operation: None });
                }
                self.seats[machine as usize].machine.handle_timeout(self.network.now());
                self.was_called(machine);
                continue;
            }
            let deadline = due.map(|(deadline, _)| deadline);
            let next = deadline.into_iter().chain(self.late.next_time()).chain(self.network.next_arrival()).min();
            let Some(next) = next else { return Ok(true) };
            if next > limit {
                self.network.advance(limit);
                return Ok(false);
            }
            outputs = 0;
            self.network.advance(next);
            self.retry_changed();
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
        let now = self.network.now();
        while let Some(number) = self.called.pop_front() {
            let id = MachineId(number);
            let seat = &mut self.seats[number as usize];
            seat.called = false;
            let mut operation = None;
            while let Some(output) = seat.machine.poll() {
                *outputs += 1;
                if *outputs > self.outputs_per_instant {
                    return Err(Spin { machine: id, at: now, operation });
                }
                match output {
                    Output::Event(event) => see(now, id, Step::Event(event)),
                    Output::Submit(op) => {
                        operation = Some(op.id());
                        see(now, id, Step::Submitted(&op));
                        self.network.trace.note(now, 16, &[u64::from(number), op.id().as_u64()], &[]);
                        if let Some(done) = seat.sockets.submit(&mut self.network, op) {
                            self.completions.push_back((number, done));
                        }
                    }
                }
            }
            self.deadlines.set(number, seat.deadline());
        }
        self.retry_changed();
        Ok(())
    }

    fn deliver_one(&mut self, see: &mut impl FnMut(Timestamp, MachineId, Step<'_, M::Event>)) -> bool {
        let now = self.network.now();
        let late = self.late.take_due(now).map(|(_, late)| late);
        let Some((number, done)) = late.or_else(|| self.next_completion()) else { return false };
        see(now, MachineId(number), Step::Completed(&done));
        let (outcome, bytes) = words(done.outcome());
        self.network.trace.note(now, 17, &[u64::from(number), done.id().as_u64(), outcome], bytes);
        let result = self.seats[number as usize].machine.complete(now, done);
        debug_assert!(result.is_ok(), "an operation is completed once: {result:?}");
        self.was_called(number);
        true
    }

    /// The next completion that chance does not put off.
    fn next_completion(&mut self) -> Option<(u32, Completion)> {
        let most = self.network.config.completion_delay;
        while let Some((number, done)) = self.completions.pop_front() {
            let delay = self.seats[number as usize].lateness.span(most);
            if delay.is_zero() {
                return Some((number, done));
            }
            self.network.hits.late_completions += 1;
            self.late.add(self.network.now() + delay, (number, done));
        }
        None
    }

    /// Tries again what waits for sockets for which something has changed.
    fn retry_changed(&mut self) {
        while let Some((_, owner)) = self.network.next_changed() {
            let sockets = &mut self.seats[owner.machine as usize].sockets;
            let completions = &mut self.completions;
            sockets.retry_named(&mut self.network, owner.name, |done| completions.push_back((owner.machine, done)));
        }
    }

    fn was_called(&mut self, number: u32) {
        if !std::mem::replace(&mut self.seats[number as usize].called, true) {
            self.called.push_back(number);
        }
    }
}

/// What an outcome is, for the trace. The bytes of received data were noted when they arrived.
fn words(outcome: &Outcome) -> (u64, &[u8]) {
    match outcome {
        Outcome::Data(data) => (data.len() as u64, &[]),
        Outcome::Sent(count) => (*count as u64, &[]),
        Outcome::Failed(fault) => (0, fault.kind().sentence().as_bytes()),
        other => (0, other.name().as_bytes()),
    }
}
