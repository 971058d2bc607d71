//! Operations of machines: how they start, and how their completions are handed in.

use std::collections::VecDeque;
use std::time::Duration;

use sansock::{Completion, Machine, Op, OpId, Outcome, Timestamp};

use super::{MachineId, Seat, Simulation, Step};
use crate::agenda::{Agenda, give_back};
use crate::config::Hits;
use crate::faults::InjectionId;
use crate::network::{Descriptor, Network};
use crate::recording::Happening;
use crate::scenario;
use crate::socket::Owner;
use crate::sockets::fail;

/// Operations and completions on their way between machines and their sockets.
#[derive(Debug, Default)]
pub(super) struct Operations {
    /// Completions that are handed in at the next look.
    completions: VecDeque<(u32, Completion)>,
    /// Those that chance puts off.
    late: Agenda<(u32, Completion)>,
    /// Operations that a fault keeps from starting.
    parked: Agenda<(u32, OpId)>,
    /// How often each fault has hit.
    pub(super) fault_hits: Vec<u64>,
}

impl Operations {
    /// When something of it happens by itself.
    pub(super) fn next_time(&self) -> Option<Timestamp> {
        match (self.late.next_time(), self.parked.next_time()) {
            (Some(late), Some(parked)) => Some(late.min(parked)),
            (late, parked) => late.or(parked),
        }
    }

    /// Starts an operation, or does to it what a fault says.
    #[inline]
    pub(super) fn submit<M>(&mut self, network: &mut Network, seat: &mut Seat<M>, number: u32, op: Op) {
        if let Some(faults) = &mut seat.faults
            && let Some((fault, outcome)) = faults.outcome_of(&op)
        {
            return self.submit_faulty(network, seat, number, op, (fault, outcome));
        }
        if let Some(done) = seat.sockets.submit(network, op) {
            self.completions.push_back((number, done));
        }
    }

    #[cold]
    fn submit_faulty<M>(
        &mut self,
        network: &mut Network,
        seat: &mut Seat<M>,
        number: u32,
        op: Op,
        (fault, outcome): (InjectionId, scenario::Outcome),
    ) {
        self.fault_hits[fault.index()] += 1;
        let now = network.now();
        network.trace.note(now, 18, [u64::from(fault.number()), op.id().as_u64()], &[]);
        if network.recording().is_some() {
            let (host, text) = (Some(seat.host.index()), format!("{} {outcome}", op.kind().name()));
            network.note(Happening::Fault { host, text });
        }
        let done = match outcome {
            scenario::Outcome::Short(most) => seat.sockets.submit_short(network, op, most),
            scenario::Outcome::WouldBlock(span) => {
                self.parked.add(now + span, (number, op.id()));
                seat.sockets.park(op);
                None
            }
            scenario::Outcome::Delay(span) => {
                seat.delayed.push((op.id(), span));
                seat.sockets.submit(network, op)
            }
            scenario::Outcome::Error(kind) => Some(fail(op, kind)),
            scenario::Outcome::Reset => {
                seat.sockets.reset(network, op.socket());
                seat.sockets.submit(network, op)
            }
        };
        self.completions.extend(done.map(|done| (number, done)));
    }

    /// Forgets what is under way for machines that are gone.
    pub(super) fn retain(&mut self, is_up: impl Fn(u32) -> bool) {
        self.completions.retain(|(number, _)| is_up(*number));
        self.late.retain(|(number, _)| is_up(*number));
        self.parked.retain(|(number, _)| is_up(*number));
    }
}

impl<M: Machine> Simulation<M> {
    pub(super) fn deliver_one(&mut self, see: &mut impl FnMut(Timestamp, MachineId, Step<'_, M::Event>)) -> Option<MachineId> {
        let now = self.network.now();
        if let Some((number, done)) = self.operations.late.take_due(now) {
            return Some(self.hand_in(number, done, see));
        }
        while let Some((number, done)) = self.operations.completions.pop_front() {
            let delay = self.delay_of(number, done.id());
            if delay.is_zero() {
                return Some(self.hand_in(number, done, see));
            }
            self.operations.late.add(now + delay, (number, done));
        }
        give_back(&mut self.operations.completions);
        None
    }

    #[inline]
    fn hand_in(
        &mut self,
        number: u32,
        done: Completion,
        see: &mut impl FnMut(Timestamp, MachineId, Step<'_, M::Event>),
    ) -> MachineId {
        let now = self.network.now();
        see(now, MachineId(number), Step::Completed(&done));
        let (outcome, bytes) = words(done.outcome());
        self.network.trace.note(now, 17, [u64::from(number), done.id().as_u64(), outcome], bytes);
        let Self { seats, called, .. } = self;
        let seat = &mut seats[number as usize];
        if let Some(faults) = &mut seat.faults {
            faults.completed(&done);
        }
        let result = seat.machine.complete(seat.clock.local(now), done);
        debug_assert!(result.is_ok(), "an operation is completed once: {result:?}");
        seat.was_called(number, called);
        MachineId(number)
    }

    /// How much later than it came about a completion is handed in: for a fault, and by chance.
    #[inline]
    fn delay_of(&mut self, number: u32, id: OpId) -> Duration {
        let most = self.network.config.completion_delay;
        let seat = &mut self.seats[number as usize];
        if most.is_zero() && seat.delayed.is_empty() { Duration::ZERO } else { seat.delay(id, most, &mut self.network.hits) }
    }

    /// Starts the operations that faults have kept from starting until now.
    pub(super) fn retry_parked(&mut self) {
        let now = self.network.now();
        while let Some((number, id)) = self.operations.parked.take_due(now) {
            let done = self.seats[number as usize].sockets.unpark(&mut self.network, id);
            self.operations.completions.extend(done.map(|done| (number, done)));
        }
    }

    /// Tries again what waits for sockets for which something has changed.
    #[inline]
    pub(super) fn retry_changed(&mut self) {
        while let Some((descriptor, owner)) = self.network.next_changed() {
            self.retry(descriptor, owner);
        }
    }

    fn retry(&mut self, descriptor: Descriptor, owner: Owner) {
        let sockets = &mut self.seats[owner.machine as usize].sockets;
        let completions = &mut self.operations.completions;
        sockets.retry_named(&mut self.network, descriptor, owner.name, |done| completions.push_back((owner.machine, done)));
    }
}

impl<M> Seat<M> {
    #[cold]
    fn delay(&mut self, id: OpId, most: Duration, hits: &mut Hits) -> Duration {
        let chance = self.lateness.span(most);
        hits.late_completions += u64::from(!chance.is_zero());
        chance + self.take_delay(id)
    }

    fn take_delay(&mut self, id: OpId) -> Duration {
        let place = self.delayed.iter().position(|(delayed, _)| *delayed == id);
        place.map_or(Duration::ZERO, |place| self.delayed.swap_remove(place).1)
    }
}

/// What an outcome is, for the trace, beside the kind of its operation, which is a part of that one's name. The bytes of received data were
/// noted when they arrived.
#[inline]
fn words(outcome: &Outcome) -> (u64, &[u8]) {
    match outcome {
        Outcome::Data(data) => (data.len() as u64, &[]),
        Outcome::Sent(count) => (*count as u64, &[]),
        Outcome::Failed(fault) => (0, fault.kind().sentence().as_bytes()),
        Outcome::NoneWaiting => (1, &[]),
        Outcome::Done | Outcome::Created(_) | Outcome::Local(_) | Outcome::Connected(_) | Outcome::Eof => (0, &[]),
    }
}

#[cfg(test)]
mod tests {
    use sansock::{FaultKind, RefusedOptions};

    use super::*;

    #[test]
    fn what_one_operation_may_come_to_is_told_apart() {
        let failures = [FaultKind::ConnectionReset, FaultKind::TimedOut].map(|kind| Outcome::Failed(kind.into()));
        let successes = [
            vec![Outcome::Done],
            vec![Outcome::Created(RefusedOptions::NONE)],
            vec![Outcome::Local(None)],
            vec![Outcome::Connected(Box::default()), Outcome::NoneWaiting],
            vec![Outcome::Data(vec![0].into()), Outcome::Data(vec![0; 2].into()), Outcome::Eof],
            vec![Outcome::Sent(1), Outcome::Sent(2)],
        ];
        for possible in successes {
            let all: Vec<_> = possible.iter().chain(&failures).map(words).collect();
            for (place, one) in all.iter().enumerate() {
                assert!(!all[..place].contains(one), "{one:?}");
            }
        }
    }
}
