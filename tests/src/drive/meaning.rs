//! What the events of the machines mean for the sockets they are about.

use sansock::{
    ClientEvent, ConnectionEvent, DialerEvent, Handler, ListenerEvent, NodeEvent, ServerEvent, SessionEvent, SocketId,
};

/// What an event means for whoever keeps account of sockets.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Meaning {
    /// This socket is somebody else's from now on.
    HandsOut(SocketId),
    /// There is no socket under this name.
    GivesBack(SocketId),
    /// It is about a socket that was handed out.
    Orders(SocketId),
    /// Nothing comes after it.
    Last,
    /// Anything else.
    Tells,
}

/// An event of a machine.
pub trait Meaningful {
    /// What it means.
    fn meaning(&self) -> Meaning;
}

impl Meaningful for ListenerEvent {
    fn meaning(&self) -> Meaning {
        match self {
            Self::Accepted { slot, .. } | Self::Unwanted { slot } => Meaning::HandsOut(*slot),
            Self::Returned { slot } => Meaning::GivesBack(*slot),
            Self::Closed(_) => Meaning::Last,
            Self::Listening { .. } | Self::OptionsRefused { .. } | Self::Exhausted { .. } | Self::Recovered { .. } => {
                Meaning::Tells
            }
        }
    }
}

impl Meaningful for DialerEvent {
    fn meaning(&self) -> Meaning {
        match self {
            Self::Connected { slot, .. } => Meaning::HandsOut(*slot),
            Self::Returned { slot } => Meaning::GivesBack(*slot),
            Self::Failed(_) => Meaning::Last,
        }
    }
}

impl Meaningful for ConnectionEvent {
    fn meaning(&self) -> Meaning {
        if matches!(self, Self::Closed(_)) { Meaning::Last } else { Meaning::Tells }
    }
}

impl<T> Meaningful for SessionEvent<T> {
    fn meaning(&self) -> Meaning {
        if matches!(self, Self::Closed(_)) { Meaning::Last } else { Meaning::Tells }
    }
}

impl<H: Handler> Meaningful for ServerEvent<H> {
    fn meaning(&self) -> Meaning {
        match self {
            Self::Opened { socket, .. } => Meaning::HandsOut(*socket),
            Self::Order { socket, .. } => Meaning::Orders(*socket),
            Self::Stopped(_) => Meaning::Last,
            Self::Listening { .. }
            | Self::OptionsRefused { .. }
            | Self::Exhausted { .. }
            | Self::Recovered { .. }
            | Self::ListenerLost { .. } => Meaning::Tells,
        }
    }
}

/// A node owns its sessions, and may get another server after the last has stopped.
impl Meaningful for NodeEvent {
    fn meaning(&self) -> Meaning {
        Meaning::Tells
    }
}

impl<H: Handler> Meaningful for ClientEvent<H> {
    fn meaning(&self) -> Meaning {
        match self {
            Self::Opened { socket, .. } => Meaning::HandsOut(*socket),
            Self::Order { socket, .. } => Meaning::Orders(*socket),
            Self::Stopped(_) => Meaning::Last,
        }
    }
}
