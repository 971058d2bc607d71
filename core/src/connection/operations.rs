//! The next operation, derived from the state.

use core::num::NonZeroUsize;

use super::Connection;
use crate::flight::Flight;
use crate::state::{Life, LifeEvent, ReceiveHalf, SendEvent, SendHalf, Table};
use crate::timers::Timeout;
use crate::{CancelOp, CloseOp, Op, OpKind, RecvOp, SendOp, ShutdownOp};

impl Connection {
    #[inline]
    pub(crate) fn next_operation(&mut self) -> Option<Op> {
        match self.life {
            Life::Open | Life::Lingering | Life::Flushing => {
                if !self.queue.is_empty() {
                    if self.may_submit_send() {
                        return Some(self.next_send());
                    }
                } else if self.send == SendHalf::Finishing {
                    return Some(self.next_shutdown());
                }
                if self.recv.is_idle() { self.next_receive() } else { None }
            }
            Life::Ending => self.next_of_the_end(),
            Life::Closing | Life::Closed => None,
        }
    }

    #[inline]
    fn may_submit_send(&self) -> bool {
        let sends = matches!(self.send, SendHalf::Open | SendHalf::Finishing);
        self.sending.is_idle() && sends && !self.timers.is_armed(Timeout::RetrySend)
    }

    #[inline]
    fn next_send(&mut self) -> Op {
        let chunks = self.queue.prepare();
        let id = self.stamps.mint(self.socket, OpKind::Send);
        self.sending.submit(id);
        Op::Send(SendOp { id, chunks })
    }

    /// Our FIN comes after everything that was queued.
    #[inline(never)]
    fn next_shutdown(&mut self) -> Op {
        self.send.step(SendEvent::Shutdown);
        let id = self.stamps.mint(self.socket, OpKind::Shutdown);
        self.shutdown.submit(id);
        Op::Shutdown(ShutdownOp { id })
    }

    #[inline]
    fn next_receive(&mut self) -> Option<Op> {
        if self.timers.is_armed(Timeout::RetryReceive) {
            return None;
        }
        let max = match self.receive {
            // What a pause holds back must be delivered before more is asked for.
            ReceiveHalf::Reading if !self.has_data() => self.credit.receive_size(self.config.receive_size),
            ReceiveHalf::Discarding => self.config.receive_size,
            _ => 0,
        };
        let max = NonZeroUsize::new(max)?;
        self.receive_size = max.get();
        let id = self.stamps.mint(self.socket, OpKind::Recv);
        self.recv.submit(id);
        Some(Op::Recv(RecvOp { id, max }))
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
