//! Why there is no connection.

use alloc::vec::Vec;
use core::fmt;
use core::time::Duration;

use crate::{Address, Fault, FaultKind, OpKind};

/// There is no connection: why, and what happened at each address.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DialError {
    /// Why no further address was tried.
    pub failure: DialFailure,
    /// Each attempt, in order. An address that was tried again has several.
    pub attempts: Vec<AttemptError>,
}

impl DialError {
    /// The attempt that says most about the peer: one that it answered, before one that nobody answered, before one that did not reach it,
    /// before one that failed for a reason of our own. Among equals it is the first.
    #[must_use]
    pub fn primary(&self) -> Option<&AttemptError> {
        self.attempts.iter().min_by_key(|attempt| distance(attempt.fault.kind()))
    }
}

/// How far an attempt came: the less, the farther.
const fn distance(kind: FaultKind) -> u8 {
    match kind {
        FaultKind::ConnectionRefused | FaultKind::ConnectionReset | FaultKind::ConnectionAborted | FaultKind::Protocol => 0,
        FaultKind::TimedOut => 1,
        FaultKind::HostUnreachable | FaultKind::NetworkUnreachable | FaultKind::NetworkDown | FaultKind::FirewallRefused => 2,
        // That we gave up says less than anything that went wrong.
        FaultKind::Cancelled => 4,
        _ => 3,
    }
}

/// Each address and its error: `127.0.0.1:1: connection refused (os error 111); [::1]:1: timed out after 2.0s`
impl fmt::Display for DialError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = match self.failure {
            DialFailure::AllFailed => "",
            DialFailure::Deadline => "out of time: ",
            DialFailure::Cancelled => "cancelled: ",
        };
        if self.attempts.is_empty() {
            return f.write_str(separator.trim_end_matches(": "));
        }
        for attempt in &self.attempts {
            write!(f, "{separator}{attempt}")?;
            separator = "; ";
        }
        Ok(())
    }
}

impl core::error::Error for DialError {}

/// Why no further address was tried.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum DialFailure {
    /// Every address has failed.
    AllFailed,
    /// The overall time was over.
    Deadline,
    /// The owner gave up.
    Cancelled,
}

impl DialFailure {
    pub(super) const fn code(self) -> u8 {
        match self {
            Self::AllFailed => 1,
            Self::Deadline => 2,
            Self::Cancelled => 3,
        }
    }
}

/// What happened at one address.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct AttemptError {
    /// The address.
    pub address: Address,
    /// The step that failed, or that was reached when the time was over.
    pub operation: OpKind,
    /// What went wrong.
    pub fault: Fault,
    /// How long the attempt took.
    pub elapsed: Duration,
}

/// `127.0.0.1:1: connection refused (os error 111)`; the operation is named if it is not the connect.
impl fmt::Display for AttemptError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.address)?;
        match self.operation {
            OpKind::Create => f.write_str("creating a socket: ")?,
            OpKind::Bind => f.write_str("binding: ")?,
            _ => {}
        }
        write!(f, "{}", self.fault)?;
        if self.fault.kind() == FaultKind::TimedOut {
            write!(f, " after {:.1}s", self.elapsed.as_secs_f32())?;
        }
        Ok(())
    }
}
