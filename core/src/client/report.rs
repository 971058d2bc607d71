//! What a client has to say at the end.

use core::fmt;

use crate::{CloseReport, DialError, Ending, Fault, Peer};

/// The account of a client's life.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ClientReport {
    /// Who was at the other end.
    pub peer: Option<Peer>,
    /// How the connection ended, if a session was handed out.
    pub closed: Option<CloseReport>,
    /// True if there was a connection and the service turned it away.
    pub rejected: bool,
    /// Why there was no connection.
    pub dial_error: Option<DialError>,
    /// Why the socket runtime could not be initialised.
    pub startup_error: Option<Fault>,
    /// Completions that were refused with a [`Misuse`](crate::Misuse).
    pub refused_completions: u64,
}

impl ClientReport {
    /// True if there was a connection and the peer confirmed its end: everything was sent, and after our FIN came the peer's.
    /// It is the only outcome that says that nothing was lost.
    #[must_use]
    pub fn is_confirmed(&self) -> bool {
        self.closed.is_some_and(|closed| closed.ending == Ending::Confirmed)
    }
}

/// `127.0.0.1:80: confirmed: finished; received 14, sent 14`, or why there was no connection.
impl fmt::Display for ClientReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(fault) = self.startup_error {
            return write!(f, "cannot start: {fault}");
        }
        if let Some(error) = &self.dial_error {
            return write!(f, "no connection: {error}");
        }
        let Some(peer) = self.peer else { return f.write_str("stopped before it started") };
        match peer.address {
            Some(address) => write!(f, "{address}: ")?,
            None => f.write_str("unknown peer: ")?,
        }
        match self.closed {
            Some(closed) => write!(f, "{closed}"),
            None => f.write_str("turned away by the service"),
        }
    }
}
