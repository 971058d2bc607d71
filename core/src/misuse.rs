//! Errors that are the caller's: a transport or an application that breaks the contract.

use core::fmt;

use crate::OpId;

/// The caller did what the contract forbids. Nothing has changed; whatever was passed in by value comes back where the
/// method says so.
///
/// This is never the fault of a peer or of the operating system: those are [`Fault`](crate::Fault)s and end at most one
/// connection.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Misuse {
    kind: MisuseKind,
    operation: &'static str,
    id: Option<OpId>,
    state: &'static str,
}

/// In which way the contract was broken.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[non_exhaustive]
pub enum MisuseKind {
    /// The completion names a socket that this machine does not have, or no longer has.
    UnknownSocket,
    /// The completion names an operation that is not in flight: it never was, or was completed before.
    NotInFlight,
    /// The operation cannot come to this outcome.
    WrongOutcome,
    /// The call makes no sense in this state.
    WrongState,
    /// The slot range is used up or overlaps another.
    Slots,
}

impl Misuse {
    pub(crate) const fn completion(kind: MisuseKind, id: OpId, state: &'static str) -> Self {
        Self { kind, operation: id.kind().name(), id: Some(id), state }
    }

    pub(crate) const fn call(kind: MisuseKind, operation: &'static str, state: &'static str) -> Self {
        Self { kind, operation, id: None, state }
    }

    /// In which way the contract was broken.
    #[must_use]
    pub const fn kind(&self) -> MisuseKind {
        self.kind
    }

    /// What was called, or the kind of operation that was completed.
    #[must_use]
    pub const fn operation(&self) -> &'static str {
        self.operation
    }

    /// The operation that was completed, if it was a completion.
    #[must_use]
    pub const fn id(&self) -> Option<OpId> {
        self.id
    }

    /// The state that the machine was in, and still is.
    #[must_use]
    pub const fn state(&self) -> &'static str {
        self.state
    }
}

impl fmt::Display for Misuse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.id {
            Some(id) => write!(f, "completion of {id}")?,
            None => write!(f, "{}", self.operation)?,
        }
        write!(f, " in state {}: ", self.state)?;
        f.write_str(match self.kind {
            MisuseKind::UnknownSocket => "this machine has no such socket (any more); complete each operation on the machine that submitted it, once",
            MisuseKind::NotInFlight => "no such operation is in flight; complete each operation once",
            MisuseKind::WrongOutcome => "this kind of operation cannot come to that outcome; use the methods of the operation token",
            MisuseKind::WrongState => "the call is not possible in this state",
            MisuseKind::Slots => "the slot range is too small or overlaps another; give each machine a range of its own, as large as its `slots_needed()`",
        })
    }
}

impl core::error::Error for Misuse {}
