//! The next operation, derived from the state.

use super::Server;
use crate::state::SupervisorLife;
use crate::{CancelOp, CleanupOp, Op, OpKind, Service, StartupOp};

impl<S: Service> Server<S> {
    pub(crate) fn next_operation(&mut self) -> Option<Op> {
        match self.life {
            SupervisorLife::Starting => self.next_own(OpKind::Startup),
            SupervisorLife::Running | SupervisorLife::Draining | SupervisorLife::Stopping => self
                .next_cancel()
                .or_else(|| self.listeners.iter_mut().find_map(crate::Listener::next_operation))
                .or_else(|| self.places.next_close()),
            SupervisorLife::CleaningUp => self.next_own(OpKind::Cleanup),
            SupervisorLife::New | SupervisorLife::Stopped => None,
        }
    }

    fn next_own(&mut self, kind: OpKind) -> Option<Op> {
        if !self.flight.is_idle() {
            return None;
        }
        let id = self.stamps.mint(self.control, kind);
        self.flight.submit(id);
        Some(if kind == OpKind::Startup { Op::Startup(StartupOp { id }) } else { Op::Cleanup(CleanupOp { id }) })
    }

    /// A startup that nobody waits for any more.
    fn next_cancel(&mut self) -> Option<Op> {
        if self.life != SupervisorLife::Stopping {
            return None;
        }
        let target = self.flight.cancel(self.control, OpKind::Startup)?;
        Some(Op::Cancel(CancelOp { id: self.stamps.mint(self.control, OpKind::Cancel), target }))
    }
}
