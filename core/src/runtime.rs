//! The socket runtime, as a supervisor sees it: initialised before the first socket, released after the last.

use alloc::vec::Vec;

use crate::flight::{Flight, Stamps};
use crate::state::{SupervisorLife, Table};
use crate::{CancelOp, CleanupOp, Fault, FaultKind, Misuse, MisuseKind, Op, OpId, OpKind, Outcome, SocketId, StartupOp, encode};

/// `WSAStartup` and `WSACleanup`. Systems that have no such thing complete both at once.
#[derive(Clone, Debug)]
pub(crate) struct Runtime {
    /// The name under which the supervisor itself submits operations. There is no socket behind it.
    control: SocketId,
    /// The startup; the cleanup once the runtime is there.
    flight: Flight,
    ready: bool,
    stamps: Stamps,
}

/// What a completion has brought about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum RuntimeEvent {
    Started,
    /// Why there is none; nothing if the startup was cancelled.
    NotStarted(Option<Fault>),
    Released,
}

impl Runtime {
    pub(crate) const fn new(control: SocketId) -> Self {
        Self { control, flight: Flight::Idle, ready: false, stamps: Stamps::new() }
    }

    pub(crate) const fn control(&self) -> SocketId {
        self.control
    }

    /// True if the operation is one of the supervisor's own.
    pub(crate) fn owns(&self, id: OpId) -> bool {
        id.socket() == self.control
    }

    /// True if it has to be released.
    pub(crate) const fn is_ready(&self) -> bool {
        self.ready
    }

    pub(crate) fn in_flight(&self) -> usize {
        self.flight.count()
    }

    pub(crate) fn next_operation(&mut self, life: SupervisorLife) -> Option<Op> {
        match life {
            SupervisorLife::Starting | SupervisorLife::CleaningUp => self.next_own(),
            // A startup that nobody waits for any more.
            SupervisorLife::Stopping => self.next_cancel(),
            SupervisorLife::New | SupervisorLife::Running | SupervisorLife::Draining | SupervisorLife::Stopped => None,
        }
    }

    /// A cleanup that fails counts as one that does not: nothing can be done about it.
    pub(crate) fn complete(&mut self, life: SupervisorLife, id: OpId, outcome: &Outcome) -> Result<RuntimeEvent, Misuse> {
        if id.kind() != self.kind() || !self.flight.expects(id) {
            return Err(Misuse::completion(MisuseKind::NotInFlight, id, life.name()));
        }
        let fault = match outcome {
            Outcome::Done => None,
            Outcome::Failed(fault) => Some(*fault),
            _ => return Err(Misuse::completion(MisuseKind::WrongOutcome, id, life.name())),
        };
        let cancelled = self.flight.is_cancelled();
        self.flight.land();
        Ok(match (self.ready, fault) {
            (true, _) => {
                self.ready = false;
                RuntimeEvent::Released
            }
            (false, None) => {
                self.ready = true;
                RuntimeEvent::Started
            }
            (false, Some(fault)) => {
                RuntimeEvent::NotStarted(Some(fault).filter(|fault| !cancelled || fault.kind() != FaultKind::Cancelled))
            }
        })
    }

    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        encode::byte(out, self.flight.code());
        encode::flag(out, self.ready);
    }

    const fn kind(&self) -> OpKind {
        if self.ready { OpKind::Cleanup } else { OpKind::Startup }
    }

    fn next_own(&mut self) -> Option<Op> {
        if !self.flight.is_idle() {
            return None;
        }
        let id = self.stamps.mint(self.control, self.kind());
        self.flight.submit(id);
        Some(if self.ready { Op::Cleanup(CleanupOp { id }) } else { Op::Startup(StartupOp { id }) })
    }

    fn next_cancel(&mut self) -> Option<Op> {
        let target = self.flight.cancel(self.control, self.kind())?;
        Some(Op::Cancel(CancelOp { id: self.stamps.mint(self.control, OpKind::Cancel), target }))
    }
}
