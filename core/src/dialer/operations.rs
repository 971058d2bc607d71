//! The next operation, derived from the state.

use alloc::boxed::Box;

use super::Dialer;
use crate::op::NewSocket;
use crate::state::{DialerLife, DialerLifeEvent as Step, Table};
use crate::{Address, BindOp, CancelOp, CloseOp, ConnectOp, CreateOp, Op, OpKind};

impl Dialer {
    pub(crate) fn next_operation(&mut self) -> Option<Op> {
        match self.life {
            DialerLife::Creating | DialerLife::Binding | DialerLife::Connecting => self.next_step(),
            DialerLife::Ending => self.next_cancel().or_else(|| self.next_close()),
            _ => None,
        }
    }

    /// The step that an attempt is at, and the address that it is about.
    pub(super) fn step_in_turn(&self) -> Option<(OpKind, Address)> {
        let peer = self.address()?;
        match self.life {
            DialerLife::Creating => Some((OpKind::Create, peer)),
            DialerLife::Binding => Some((OpKind::Bind, self.config.local?)),
            DialerLife::Connecting => Some((OpKind::Connect, peer)),
            _ => None,
        }
    }

    fn next_step(&mut self) -> Option<Op> {
        let (kind, address) = self.step_in_turn()?;
        let options = self.config.options;
        let attempt = self.attempt.as_mut().filter(|attempt| attempt.flight.is_idle())?;
        let id = self.stamps.mint(attempt.slot, kind);
        attempt.flight.submit(id);
        attempt.kind = kind;
        Some(match kind {
            OpKind::Create => Op::Create(CreateOp { id, socket: Box::new(NewSocket { address, options }) }),
            OpKind::Bind => Op::Bind(BindOp { id, address }),
            _ => Op::Connect(ConnectOp { id, address }),
        })
    }

    fn next_cancel(&mut self) -> Option<Op> {
        let attempt = self.attempt.as_mut()?;
        let target = attempt.flight.cancel(attempt.slot, attempt.kind)?;
        Some(Op::Cancel(CancelOp { id: self.stamps.mint(attempt.slot, OpKind::Cancel), target }))
    }

    fn next_close(&mut self) -> Option<Op> {
        let attempt = self.attempt.as_mut().filter(|attempt| attempt.exists && attempt.flight.is_idle())?;
        self.life.step(Step::Join);
        let id = self.stamps.mint(attempt.slot, OpKind::Close);
        attempt.flight.submit(id);
        attempt.kind = OpKind::Close;
        Some(Op::Close(CloseOp { id, abortive: attempt.established }))
    }
}
