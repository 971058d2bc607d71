//! What completions do.

use super::{Listener, ListenerEvent};
use crate::state::{ListenerLife, ListenerLifeEvent as Step, Table};
use crate::{Address, Completion, Fault, FaultKind, Misuse, MisuseKind, OpId, OpKind, Outcome, RefusedOptions, Timestamp};

impl Listener {
    pub(super) fn take_completion(&mut self, now: Timestamp, done: Completion) -> Result<(), Misuse> {
        let (id, outcome) = done.into_parts();
        let place = match self.check(id, &outcome) {
            Ok(place) => place,
            Err(kind) => {
                self.report.refused_completions = self.report.refused_completions.saturating_add(1);
                return Err(Misuse::completion(kind, id, self.life.name()));
            }
        };
        self.tick(now);
        match id.kind() {
            OpKind::Accept => {
                let offer = self.offers.remove(place);
                self.on_accept(offer, outcome);
            }
            OpKind::Close => self.on_close(),
            kind => {
                self.step.land();
                self.on_step(kind, outcome);
            }
        }
        self.vanish();
        Ok(())
    }

    /// Validates fully, before anything changes. For an accept it gives the place of the offer.
    fn check(&self, id: OpId, outcome: &Outcome) -> Result<usize, MisuseKind> {
        let failed = matches!(outcome, Outcome::Failed(_));
        if id.kind() == OpKind::Accept {
            let place = self.offers.iter().position(|offer| offer.slot == id.socket()).ok_or(MisuseKind::UnknownSocket)?;
            let expected = self.offers.get(place).is_some_and(|offer| offer.flight.expects(id));
            let fits = failed || matches!(outcome, Outcome::Connected(_) | Outcome::NoneWaiting);
            return if !expected {
                Err(MisuseKind::NotInFlight)
            } else if fits {
                Ok(place)
            } else {
                Err(MisuseKind::WrongOutcome)
            };
        }
        if id.socket() != self.socket {
            return Err(MisuseKind::UnknownSocket);
        }
        let (flight, fits) = match id.kind() {
            OpKind::Create => (self.step, matches!(outcome, Outcome::Created(_))),
            OpKind::Bind | OpKind::Listen => (self.step, matches!(outcome, Outcome::Local(_))),
            OpKind::Close => (self.close, matches!(outcome, Outcome::Done)),
            _ => return Err(MisuseKind::NotInFlight),
        };
        let same_step = id.kind() == OpKind::Close || id.kind() == self.step_kind;
        if !same_step || !flight.expects(id) {
            Err(MisuseKind::NotInFlight)
        } else if fits || failed {
            Ok(0)
        } else {
            Err(MisuseKind::WrongOutcome)
        }
    }

    fn on_step(&mut self, kind: OpKind, outcome: Outcome) {
        match outcome {
            Outcome::Created(refused) => {
                self.exists = true;
                if self.config.options.requires_any(refused) {
                    self.fail(kind, FaultKind::OptionRefused.into());
                } else {
                    self.life.step(Step::Created);
                    self.note_refused(refused);
                }
            }
            Outcome::Local(local) => self.on_local(kind, local),
            Outcome::Failed(fault) => self.fail(kind, self.explain(fault)),
            _ => {}
        }
    }

    fn note_refused(&mut self, refused: RefusedOptions) {
        self.report.refused = refused;
        if self.life == ListenerLife::Binding && refused != RefusedOptions::NONE {
            self.events.push_back(ListenerEvent::OptionsRefused { refused });
        }
    }

    fn on_local(&mut self, kind: OpKind, local: Option<Address>) {
        if self.life == ListenerLife::Ending {
            return;
        }
        self.report.local = local.or(self.report.local);
        if kind == OpKind::Bind {
            self.life.step(Step::Bound);
        } else {
            self.life.step(Step::Listened);
            self.events.push_back(ListenerEvent::Listening { local: self.report.local });
        }
    }

    /// With port 0, "in use" means that no port is free.
    fn explain(&self, fault: Fault) -> Fault {
        match (fault.kind(), fault.code()) {
            (FaultKind::AddressInUse, code) if self.config.address.port() == Some(0) => {
                code.map_or(FaultKind::NoFreePort.into(), |code| Fault::with_code(FaultKind::NoFreePort, code))
            }
            _ => fault,
        }
    }

    fn on_close(&mut self) {
        self.close.land();
        self.exists = false;
        self.life.step(Step::Gone);
        self.events.push_back(ListenerEvent::Closed(self.report));
    }
}
