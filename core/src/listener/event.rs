//! What a listener has to say.

use core::fmt;

use crate::{Address, Connected, Fault, OpKind, RefusedOptions, SocketId};

/// What happens at a listener.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ListenerEvent {
    /// It listens; the address has its real port.
    Listening {
        /// The address as the system reports it.
        local: Option<Address>,
    },
    /// Not every option could be had; it goes on without.
    OptionsRefused {
        /// The options, none of which was required.
        refused: RefusedOptions,
    },
    /// A connection was accepted under the name that was offered. The owner has it now.
    Accepted {
        /// The name that was offered.
        slot: SocketId,
        /// What is known of the connection.
        connected: Connected,
    },
    /// A connection was accepted that cannot be used: it came after the stop, or a required option was refused. The owner closes it.
    Unwanted {
        /// The name that was offered.
        slot: SocketId,
    },
    /// An offer is given back: there is no socket under this name.
    Returned {
        /// The name that was offered.
        slot: SocketId,
    },
    /// Accepting has begun to fail: something has run out. It is tried again with growing delays. Said once, until it recovers.
    Exhausted {
        /// What went wrong first.
        fault: Fault,
    },
    /// Accepting works again.
    Recovered {
        /// How many accepts had failed in between.
        failures: u64,
    },
    /// The socket is gone, or never was. Always the last event.
    Closed(ListenerReport),
}

/// What became of a listener.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ListenerReport {
    /// Where it listened, if it did.
    pub local: Option<Address>,
    /// Why it could not listen, or ceased to.
    pub error: Option<ListenError>,
    /// The options of the listening socket that the system refused.
    pub refused: RefusedOptions,
    /// Connections that were accepted.
    pub accepted: u64,
    /// Accepts that failed because of the connection.
    pub transient_faults: u64,
    /// Accepts that failed because something had run out, and reports that the socket is broken for now.
    pub exhausted_faults: u64,
    /// Completions that were refused with a [`Misuse`](crate::Misuse).
    pub refused_completions: u64,
}

impl ListenerReport {
    /// Both kinds of faults. The one that ended the listener is not among them, but its error.
    #[must_use]
    pub const fn accept_faults(&self) -> u64 {
        self.transient_faults.saturating_add(self.exhausted_faults)
    }
}

/// A listener could not start, or broke.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct ListenError {
    /// The operation that failed.
    pub operation: OpKind,
    /// The address to listen on.
    pub address: Address,
    /// What went wrong.
    pub fault: Fault,
}

/// `cannot bind 127.0.0.1:80: permission denied (os error 13)`
impl fmt::Display for ListenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let operation = match self.operation {
            OpKind::Create => "create a socket for",
            OpKind::Listen => "listen on",
            OpKind::Accept => "accept on",
            _ => "bind",
        };
        write!(f, "cannot {operation} {}: {}", self.address, self.fault)
    }
}

impl core::error::Error for ListenError {}
