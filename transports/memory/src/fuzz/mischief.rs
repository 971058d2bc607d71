//! What operations come to, and what nobody asked for.

use std::sync::LazyLock;

use bytes::Bytes;
use sansock::{Completion, Machine, OpId, OpKind, Outcome};

use super::driver::{Driver, Subject};
use crate::closure::{Alphabet, Check, Faults, Flight, fits, is_legal, sample, sorts, strangers};

impl<S: Subject> Driver<'_, S> {
    /// An operation in flight does what it is for.
    pub(super) fn succeed(&mut self) -> Check {
        let Some(flight) = self.any_flight() else { return Ok(()) };
        let outcome = match flight.id.kind() {
            OpKind::Recv => self.received(&flight),
            OpKind::Send => Outcome::Sent(1 + self.choices.below(flight.size)),
            _ => {
                let outcomes = outcomes(&flight);
                let good = |outcome: &&Outcome| is_legal(&flight, outcome) && !matches!(outcome, Outcome::Failed(_));
                let good: Vec<_> = outcomes.iter().filter(good).collect();
                match self.choices.of(&good) {
                    Some(outcome) => (*outcome).clone(),
                    None => return Ok(()),
                }
            }
        };
        self.complete(&flight, outcome)
    }

    /// The peer sends what the bytes say, or has finished.
    fn received(&mut self, flight: &Flight) -> Outcome {
        let count = self.choices.below(flight.size.saturating_add(1).min(usize::from(u16::MAX)));
        match self.choices.take(count) {
            [] => Outcome::Eof,
            data => Outcome::Data(Bytes::copy_from_slice(data)),
        }
    }

    /// An operation in flight fails.
    pub(super) fn fail(&mut self) -> Check {
        let fault = self.fault();
        self.any_flight().map_or(Ok(()), |flight| {
            self.surroundings.mischief.failed += 1;
            self.complete(&flight, Outcome::Failed(fault))
        })
    }

    /// An operation in flight comes to what cannot be: nothing, or more than was asked for.
    pub(super) fn lie(&mut self) -> Check {
        let Some(flight) = self.any_flight() else { return Ok(()) };
        let excess = 1 + self.choices.below(200);
        let lies = match flight.id.kind() {
            OpKind::Recv => [Outcome::Data(Bytes::new()), Outcome::Data(vec![0; flight.size + excess].into())],
            OpKind::Send => [Outcome::Sent(0), Outcome::Sent(flight.size + excess)],
            _ => return Ok(()),
        };
        let lie = self.choices.below(2);
        self.surroundings.mischief.impossible += 1;
        self.complete(&flight, lies[lie].clone())
    }

    // D1, D2, D3, D4, D5, D9
    /// A completion that nobody waits for: it is refused, and changes nothing that can be seen.
    pub(super) fn pester(&mut self) -> Check {
        let in_flight = |id: &OpId| self.transport.flights().iter().any(|flight| flight.id == *id);
        let mut wrong: Vec<(OpId, Outcome)> = Vec::new();
        for flight in self.transport.flights() {
            let kind = flight.id.kind();
            wrong.extend(sorts().into_iter().filter(|outcome| !fits(kind, outcome)).map(|outcome| (flight.id, outcome)));
            wrong.extend(strangers(flight.id).filter(|id| !in_flight(id)).map(|id| (id, sample(kind))));
        }
        let completed = self.transport.completed().iter().copied().filter(|id| !in_flight(id));
        wrong.extend(completed.map(|id| (id, sample(id.kind()))));
        let never = self.transport.sockets().flat_map(|socket| OpKind::ALL.map(|kind| OpId::new(socket, kind, 0)));
        wrong.extend(never.filter(|id| !in_flight(id)).map(|id| (id, sample(id.kind()))));
        let Some((id, outcome)) = self.choices.of(&wrong).cloned() else { return Ok(()) };
        self.surroundings.mischief.refused += 1;
        self.note(|| format!("{id} comes to {}, unasked", outcome.name()));
        let now = self.now;
        let machine = self.subject.machine();
        let before = (machine.deadline(), machine.in_flight());
        let taken = machine.complete(now, Completion::from_raw(id, outcome));
        ensure!(taken.is_err(), "D4: {id} was completed, and nobody waited for it");
        ensure!(before == (machine.deadline(), machine.in_flight()), "D9: {id} was refused, and has changed something");
        Ok(())
    }

    fn any_flight(&mut self) -> Option<Flight> {
        self.choices.of(self.transport.flights()).copied()
    }
}

/// Everything that an operation can come to, failures apart.
fn outcomes(flight: &Flight) -> Vec<Outcome> {
    static ALPHABET: LazyLock<Alphabet> = LazyLock::new(|| Alphabet::new(Faults::Classes));
    let mut all = Vec::new();
    ALPHABET.outcomes(flight, &mut all);
    all
}
