//! What came of an operation.

use alloc::boxed::Box;

use bytes::Bytes;

use crate::{Address, Fault, OpId, RefusedOptions};

/// The result of one operation, handed to [`Machine::complete`](crate::Machine::complete).
///
/// The methods of the operation tokens make completions that cannot name the wrong operation or the wrong kind of result.
/// A transport that can keep no more than a number (io_uring, a completion port) makes one with [`Completion::from_raw`],
/// which is checked when the machine takes it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Completion {
    id: OpId,
    outcome: Outcome,
}

impl Completion {
    /// The completion of the operation `id`, unchecked until a machine takes it: an unknown, stale, repeated or wrong-kind
    /// completion is then refused with a [`Misuse`](crate::Misuse) and changes nothing.
    #[must_use]
    #[inline]
    pub const fn from_raw(id: OpId, outcome: Outcome) -> Self {
        Self { id, outcome }
    }

    /// The operation that this completes.
    #[must_use]
    #[inline]
    pub const fn id(&self) -> OpId {
        self.id
    }

    /// What came of it.
    #[must_use]
    #[inline]
    pub const fn outcome(&self) -> &Outcome {
        &self.outcome
    }

    #[inline]
    pub(crate) fn into_parts(self) -> (OpId, Outcome) {
        (self.id, self.outcome)
    }
}

/// What an operation can come to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// Startup, Shutdown, Close, Cleanup: done.
    Done,
    /// Create: the socket is there, except for these options.
    Created(RefusedOptions),
    /// Bind, Listen: done; the local address as the system reports it, with port 0 resolved.
    Local(Option<Address>),
    /// Accept, Connect: there is a connection. Boxed, since every outcome is as large as the largest, and this one is rare.
    Connected(Box<Connected>),
    /// Accept with `wait: false`: nothing is queued.
    NoneWaiting,
    /// Recv: these bytes, one at least.
    Data(Bytes),
    /// Recv: the peer's FIN; nothing more will come.
    Eof,
    /// Send: the transport took this many bytes, one at least.
    Sent(usize),
    /// Any of them: this went wrong. A close that failed counts as closed.
    Failed(Fault),
}

impl Outcome {
    /// The name of the outcome, in lower case: `"data"`.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Created(_) => "created",
            Self::Local(_) => "local address",
            Self::Connected(_) => "connected",
            Self::NoneWaiting => "none waiting",
            Self::Data(_) => "data",
            Self::Eof => "eof",
            Self::Sent(_) => "sent",
            Self::Failed(_) => "failed",
        }
    }
}

/// What a transport knows of a connection that it has just made or accepted.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct Connected {
    /// The other end, if it can be told: a peer may be gone already.
    pub peer: Option<Address>,
    /// Our end, if it can be told.
    pub local: Option<Address>,
    /// The options of the operation that the system refused.
    pub refused: RefusedOptions,
}
