//! The next operation, derived from the state.

use alloc::boxed::Box;
use alloc::sync::Arc;

use super::{Listener, Offer};
use crate::op::NewSocket;
use crate::state::{ListenerLife, ListenerLifeEvent as Step, Table};
use crate::{AcceptOp, BindOp, CancelOp, CloseOp, CreateOp, ListenOp, Op, OpId, OpKind};

impl Listener {
    pub(crate) fn next_operation(&mut self) -> Option<Op> {
        match self.life {
            ListenerLife::Creating | ListenerLife::Binding | ListenerLife::Starting => self.next_step(),
            ListenerLife::Listening if self.is_backing_off() => self.next_cancelled_accept(|_| true),
            ListenerLife::Listening => self.next_accept(),
            // A sweep must not wait.
            ListenerLife::Sweeping => self.next_cancelled_accept(|offer| offer.waits).or_else(|| self.next_accept()),
            ListenerLife::Ending => self.next_cancel().or_else(|| self.next_close()),
            ListenerLife::New | ListenerLife::Closing | ListenerLife::Closed => None,
        }
    }

    fn next_step(&mut self) -> Option<Op> {
        if !self.step.is_idle() {
            return None;
        }
        let config = Arc::clone(&self.config);
        let (id, op) = match self.life {
            ListenerLife::Creating => {
                let id = self.mint(OpKind::Create);
                (
                    id,
                    Op::Create(CreateOp { id, socket: Box::new(NewSocket { address: config.address, options: config.options }) }),
                )
            }
            ListenerLife::Binding => {
                let id = self.mint(OpKind::Bind);
                (id, Op::Bind(BindOp { id, address: config.address }))
            }
            _ => {
                let id = self.mint(OpKind::Listen);
                (id, Op::Listen(ListenOp { id, backlog: config.backlog }))
            }
        };
        self.step.submit(id);
        self.step_kind = id.kind();
        Some(op)
    }

    fn next_accept(&mut self) -> Option<Op> {
        let offer = self.offers.iter_mut().find(|offer| offer.flight.is_idle())?;
        let id = self.stamps.mint(offer.slot, OpKind::Accept);
        offer.flight.submit(id);
        offer.waits = self.life == ListenerLife::Listening;
        Some(Op::Accept(AcceptOp { id, listener: self.socket, wait: offer.waits, config: Arc::clone(&self.config) }))
    }

    fn next_cancel(&mut self) -> Option<Op> {
        let step = self.step.cancel(self.socket, self.step_kind);
        step.map(|target| self.cancel(target)).or_else(|| self.next_cancelled_accept(|_| true))
    }

    fn next_cancelled_accept(&mut self, which: impl Fn(&Offer) -> bool) -> Option<Op> {
        let mut offers = self.offers.iter_mut().filter(|offer| which(offer));
        let target = offers.find_map(|offer| offer.flight.cancel(offer.slot, OpKind::Accept))?;
        Some(self.cancel(target))
    }

    fn cancel(&mut self, target: OpId) -> Op {
        Op::Cancel(CancelOp { id: self.mint(OpKind::Cancel), target })
    }

    fn next_close(&mut self) -> Option<Op> {
        if !self.exists || !self.step.is_idle() || !self.offers.is_empty() {
            return None;
        }
        self.life.step(Step::Join);
        let id = self.mint(OpKind::Close);
        self.close.submit(id);
        Some(Op::Close(CloseOp { id, abortive: false }))
    }

    fn mint(&mut self, kind: OpKind) -> OpId {
        self.stamps.mint(self.socket, kind)
    }
}
