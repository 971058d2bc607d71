//! What a server has to say at the end.

use alloc::vec::Vec;
use core::fmt;

use crate::{CloseReport, Ending, Fault, ListenError};

/// The account of a server's life. Accepted = rejected + finished, and finished = confirmed + unconfirmed + aborted.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ServerReport {
    /// Connections that were accepted.
    pub accepted: u64,
    /// Of these: turned away by the service, too late, or without a required option.
    pub rejected: u64,
    /// Sessions that ended [confirmed](Ending::Confirmed).
    pub confirmed: u64,
    /// Sessions that ended [unconfirmed](Ending::Unconfirmed).
    pub unconfirmed: u64,
    /// Sessions that ended [aborted](Ending::Aborted).
    pub aborted: u64,
    /// Accepts that failed, because of the connection or because something had run out.
    pub accept_faults: u64,
    /// Bytes that sessions delivered to their handlers.
    pub received: u64,
    /// Bytes that the transport took from sessions.
    pub sent: u64,
    /// True if a drain's deadline came, or the server was stopped, while sessions were out.
    pub forced: bool,
    /// Why the socket runtime could not be initialised.
    pub startup_error: Option<Fault>,
    /// Why listeners could not start, or ceased to listen.
    pub listen_errors: Vec<ListenError>,
    /// Completions that were refused with a [`Misuse`](crate::Misuse).
    pub refused_completions: u64,
}

impl ServerReport {
    /// Sessions that have ended.
    #[must_use]
    pub const fn finished(&self) -> u64 {
        self.confirmed.saturating_add(self.unconfirmed).saturating_add(self.aborted)
    }

    pub(super) const fn count(&mut self, report: &CloseReport) {
        let counter = match report.ending {
            Ending::Confirmed => &mut self.confirmed,
            Ending::Unconfirmed => &mut self.unconfirmed,
            Ending::Aborted => &mut self.aborted,
        };
        *counter = counter.saturating_add(1);
        self.received = self.received.saturating_add(report.received);
        self.sent = self.sent.saturating_add(report.sent);
    }
}

/// `accepted 3: 2 confirmed, 0 unconfirmed, 1 aborted; received 42, sent 42`
impl fmt::Display for ServerReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "accepted {}: {} confirmed, {} unconfirmed, {} aborted",
            self.accepted, self.confirmed, self.unconfirmed, self.aborted
        )?;
        if self.rejected > 0 {
            write!(f, ", {} rejected", self.rejected)?;
        }
        write!(f, "; received {}, sent {}", self.received, self.sent)?;
        if self.accept_faults > 0 {
            write!(f, "; {} accepts failed", self.accept_faults)?;
        }
        if self.forced {
            f.write_str("; forced")?;
        }
        if let Some(fault) = self.startup_error {
            write!(f, "; cannot start: {fault}")?;
        }
        for error in &self.listen_errors {
            write!(f, "; {error}")?;
        }
        Ok(())
    }
}
