//! Completions that cannot be.

use sansock::{
    Completion, Connected, Fault, FaultKind, Machine, Misuse, MisuseKind, OpId, OpKind, Outcome, RefusedOptions, SocketId,
};

use super::{Check, Hostile, Pattern, Run, Target};

impl Run {
    pub(crate) fn hostile(&mut self, hostile: Hostile) -> Check {
        let socket = self.model.socket;
        match hostile {
            // D3
            Hostile::Again(back) => match self.model.completed.iter().rev().nth(usize::from(back)) {
                Some(id) => self.refused(*id, natural(id.kind()), MisuseKind::NotInFlight),
                None => Ok(()),
            },
            // D4
            Hostile::Unasked(target, stamp) => {
                self.refused(OpId::new(socket, target.kind(), stamp), natural(target.kind()), MisuseKind::NotInFlight)
            }
            // D2
            Hostile::Stale(target) => self.refused_elsewhere(target, socket.slot(), socket.generation().wrapping_sub(1)),
            // D1
            Hostile::Unknown(target) => self.refused_elsewhere(target, socket.slot() + 1, socket.generation()),
            Hostile::Foreign(number) => {
                let foreign = OpKind::ALL.into_iter().filter(|kind| Target::ALL.iter().all(|target| target.kind() != *kind));
                let kinds: Vec<OpKind> = foreign.collect();
                let kind = kinds[usize::from(number) % kinds.len()];
                self.refused(OpId::new(socket, kind, number), natural(kind), MisuseKind::NotInFlight)
            }
            Hostile::WrongOutcome(target, number) => {
                let wrong: Vec<Outcome> = outcomes().into_iter().filter(|outcome| !target.comes_to(outcome)).collect();
                let outcome = wrong[usize::from(number) % wrong.len()].clone();
                match self.model.flight(target) {
                    Some(flight) => self.misused(flight.id, outcome, MisuseKind::WrongOutcome),
                    None => Ok(()),
                }
            }
            // D6, D7
            Hostile::SentZero => self.complete_if_in_flight(Target::Send, |_| Outcome::Sent(0)),
            Hostile::SentTooMuch(0) => self.complete_if_in_flight(Target::Send, |_| Outcome::Sent(usize::MAX)),
            Hostile::SentTooMuch(more) => {
                self.complete_if_in_flight(Target::Send, |asked| Outcome::Sent(asked + usize::from(more)))
            }
            Hostile::EmptyData => self.complete_if_in_flight(Target::Recv, |_| Outcome::Data(Self::nothing())),
            Hostile::TooMuchData(more) => {
                let from = self.model.wire;
                self.complete_if_in_flight(Target::Recv, |most| {
                    Outcome::Data(Pattern::THEIRS.bytes(from, most + usize::from(more.max(1))))
                })
            }
        }
    }

    fn refused_elsewhere(&mut self, target: Target, slot: u32, generation: u32) -> Check {
        let socket = SocketId::new(slot, generation).expect("slots 7 and 8 are in range");
        let id = self
            .model
            .flight(target)
            .map_or_else(|| OpId::new(socket, target.kind(), 0), |flight| OpId::new(socket, target.kind(), flight.id.stamp()));
        self.misused(id, natural(target.kind()), MisuseKind::UnknownSocket)
    }

    /// A completion of an operation that is not in flight. (A stamp can name one that is, since stamps repeat.)
    fn refused(&mut self, id: OpId, outcome: Outcome, kind: MisuseKind) -> Check {
        if self.model.flights().any(|(_, flight)| flight.id == id) {
            return Ok(());
        }
        self.misused(id, outcome, kind)
    }

    // D1 to D5, D9: refused, counted, and not even the time has changed.
    fn misused(&mut self, id: OpId, outcome: Outcome, kind: MisuseKind) -> Check {
        let later = self.much_later();
        let answer = self.call(true, |machine| machine.complete(later, Completion::from_raw(id, outcome.clone())))?;
        ensure!(answer.as_ref().map_err(Misuse::kind) == Err(kind), "{id} with {outcome:?} gave {answer:?}, not {kind:?}");
        self.model.refused += 1;
        self.model.seen.insert("misuse");
        Ok(())
    }
}

/// An outcome that operations of this kind come to.
fn natural(kind: OpKind) -> Outcome {
    match kind {
        OpKind::Recv => Outcome::Data(Pattern::THEIRS.bytes(0, 1)),
        OpKind::Send => Outcome::Sent(1),
        OpKind::Create => Outcome::Created(RefusedOptions::default()),
        OpKind::Bind | OpKind::Listen => Outcome::Local(None),
        OpKind::Accept | OpKind::Connect => Outcome::Connected(Connected::default().into()),
        OpKind::Startup | OpKind::Shutdown | OpKind::Close | OpKind::Cancel | OpKind::Cleanup => Outcome::Done,
    }
}

fn outcomes() -> Vec<Outcome> {
    vec![
        Outcome::Done,
        Outcome::Created(RefusedOptions::default()),
        Outcome::Local(None),
        Outcome::Connected(Connected::default().into()),
        Outcome::NoneWaiting,
        Outcome::Data(Pattern::THEIRS.bytes(0, 1)),
        Outcome::Eof,
        Outcome::Sent(1),
        Outcome::Failed(Fault::new(FaultKind::Other)),
    ]
}
