//! The next operation, derived from the state.

use super::Connection;
use crate::flight::Flight;
use crate::state::{Life, LifeEvent, ReceiveHalf, SendEvent, SendHalf, Table};
use crate::timers::Timeout;
use crate::{CancelOp, CloseOp, Op, OpKind, RecvOp, SendOp, ShutdownOp};

impl Connection {
    /// The next operation, as what `wrap` makes of it: made where it is wanted, so that nothing has to be moved.
    #[inline(always)]
    pub(crate) fn next_operation<T>(&mut self, wrap: impl Fn(Op) -> T) -> Option<T> {
        match self.life {
            Life::Open | Life::Lingering | Life::Flushing => {
                if self.queue.is_empty() {
                    if self.send == SendHalf::Finishing {
                        return Some(wrap(self.next_shutdown()));
                    }
                } else if self.may_submit_send()
                    && let Some(chunks) = self.queue.prepare()
                {
                    let id = self.stamps.mint(self.socket, OpKind::Send);
                    self.sending.submit(id);
                    return Some(wrap(Op::Send(SendOp { id, chunks })));
                }
                if !self.recv.is_idle() {
                    return None;
                }
                let max = self.credit.ask(self.next_receive())?;
                let id = self.stamps.mint(self.socket, OpKind::Recv);
                self.recv.submit(id);
                Some(wrap(Op::Recv(RecvOp { id, max })))
            }
            Life::Ending => self.next_of_the_end().map(wrap),
            Life::Closing | Life::Closed => None,
        }
    }

    #[inline]
    fn may_submit_send(&self) -> bool {
        let sends = matches!(self.send, SendHalf::Open | SendHalf::Finishing);
        self.sending.is_idle() && sends && !self.is_armed(Timeout::RetrySend)
    }

    /// Our FIN comes after everything that was queued.
    #[inline(never)]
    fn next_shutdown(&mut self) -> Op {
        self.send.step(SendEvent::Shutdown);
        let id = self.stamps.mint(self.socket, OpKind::Shutdown);
        self.shutdown.submit(id);
        Op::Shutdown(ShutdownOp { id })
    }

    /// How much the next receive may bring.
    #[inline]
    fn next_receive(&self) -> usize {
        match self.receive {
            _ if self.is_armed(Timeout::RetryReceive) => 0,
            // Nothing is held back here: while a pause does that, the size is 0, and after it whoever polls is given that first.
            ReceiveHalf::Reading => self.credit.receive_size(self.config.receive_size),
            ReceiveHalf::Discarding => self.config.receive_size,
            _ => 0,
        }
    }

    #[inline(never)]
    fn next_of_the_end(&mut self) -> Option<Op> {
        self.next_cancel().or_else(|| self.next_close())
    }

    fn next_cancel(&mut self) -> Option<Op> {
        let socket = self.socket;
        let target = None
            .or_else(|| self.recv.cancel(socket, OpKind::Recv))
            .or_else(|| self.sending.cancel(socket, OpKind::Send))
            .or_else(|| self.shutdown.cancel(socket, OpKind::Shutdown))?;
        let id = self.stamps.mint(socket, OpKind::Cancel);
        Some(Op::Cancel(CancelOp { id, target }))
    }

    /// Close is a join: it waits for everything that is in flight.
    fn next_close(&mut self) -> Option<Op> {
        if ![self.recv, self.sending, self.shutdown].into_iter().all(Flight::is_idle) {
            return None;
        }
        self.life.step(LifeEvent::Join);
        let id = self.stamps.mint(self.socket, OpKind::Close);
        self.close.submit(id);
        // The peer's end may have come while the join was waiting.
        Some(Op::Close(CloseOp { id, abortive: self.abortive && !self.is_confirmed() }))
    }
}
