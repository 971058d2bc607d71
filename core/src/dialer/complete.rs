//! What completions do.

use super::{Attempt, Dialer, DialerEvent};
use crate::state::{DialerLife, DialerLifeEvent as Step, Table};
use crate::{Completion, Connected, FaultKind, Misuse, MisuseKind, OpId, OpKind, Outcome, RefusedOptions, Timestamp};

impl Dialer {
    pub(super) fn take_completion(&mut self, now: Timestamp, done: Completion) -> Result<(), Misuse> {
        let (id, outcome) = done.into_parts();
        let Some(mut attempt) = self.attempt else { return Err(self.refuse(MisuseKind::UnknownSocket, id)) };
        if let Err(kind) = check(&attempt, id, &outcome) {
            return Err(self.refuse(kind, id));
        }
        self.tick(now);
        attempt.flight.land();
        attempt.exists |= matches!(outcome, Outcome::Created(_));
        attempt.established |= matches!(outcome, Outcome::Connected(_));
        self.attempt = Some(attempt);
        match outcome {
            Outcome::Created(refused) => self.on_created(refused),
            Outcome::Local(_) => {
                self.life.step(Step::Bound);
            }
            Outcome::Connected(connected) => self.on_connected(attempt, *connected),
            _ if id.kind() == OpKind::Close => self.on_closed(),
            Outcome::Failed(fault) => self.fail_attempt(fault),
            _ => {}
        }
        self.vanish();
        Ok(())
    }

    fn refuse(&mut self, kind: MisuseKind, id: OpId) -> Misuse {
        self.refused_completions = self.refused_completions.saturating_add(1);
        Misuse::completion(kind, id, self.life.name())
    }

    fn on_created(&mut self, refused: RefusedOptions) {
        if self.life == DialerLife::Creating && self.config.options.requires_any(refused) {
            self.fail_attempt(FaultKind::OptionRefused.into());
            return;
        }
        self.life.step(Step::Created);
        if self.config.local.is_none() {
            self.life.step(Step::Bound);
        }
    }

    fn on_connected(&mut self, attempt: Attempt, connected: Connected) {
        if self.life != DialerLife::Connecting {
            return;
        }
        // Both ends are one socket (RFC 9293, simultaneous open, on one host): nobody else is there.
        if connected.local.is_some() && connected.local == connected.peer {
            self.fail_attempt(FaultKind::SelfConnected.into());
            return;
        }
        self.life.step(Step::Connected);
        self.attempt = None;
        self.overall = Timestamp::NEVER;
        self.end = Some(DialerEvent::Connected { slot: attempt.slot, address: self.index, connected });
    }

    /// A close that failed counts as closed.
    fn on_closed(&mut self) {
        self.life.step(Step::Gone);
        self.end_attempt();
    }
}

/// Validates fully, before anything changes.
fn check(attempt: &Attempt, id: OpId, outcome: &Outcome) -> Result<(), MisuseKind> {
    if id.socket() != attempt.slot {
        return Err(MisuseKind::UnknownSocket);
    }
    if id.kind() != attempt.kind || !attempt.flight.expects(id) {
        return Err(MisuseKind::NotInFlight);
    }
    let fits = match id.kind() {
        OpKind::Create => matches!(outcome, Outcome::Created(_) | Outcome::Failed(_)),
        OpKind::Bind => matches!(outcome, Outcome::Local(_) | Outcome::Failed(_)),
        OpKind::Connect => matches!(outcome, Outcome::Connected(_) | Outcome::Failed(_)),
        _ => matches!(outcome, Outcome::Done | Outcome::Failed(_)),
    };
    if fits { Ok(()) } else { Err(MisuseKind::WrongOutcome) }
}
