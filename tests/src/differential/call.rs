//! The calls of a script, and what can come of them.

use std::fmt;
use std::net::Shutdown;

use sansock::FaultKind;
use sansock_memory::Family;

/// The place of the latest of the sockets that are open.
pub const LATEST: usize = usize::MAX;

/// A call of a script. Sockets are named by their place among those that are open when the call is made, counted round: so every number
/// names one, and a script stays meaningful when a part of it is cut out.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Call {
    /// socket(2).
    Create {
        /// The family of its addresses.
        family: Family,
        /// `SO_REUSEADDR`.
        reuse: bool,
    },
    /// `SO_REUSEADDR` later on.
    Reuse {
        /// Whose.
        socket: usize,
        /// On or off.
        on: bool,
    },
    /// bind(2).
    Bind {
        /// What is bound.
        socket: usize,
        /// To what.
        to: Name,
    },
    /// listen(2).
    Listen {
        /// What listens.
        socket: usize,
        /// With how many places.
        backlog: u32,
    },
    /// connect(2).
    Connect {
        /// What connects.
        socket: usize,
        /// To the name of this socket, whatever that one does.
        to: usize,
    },
    /// accept(2).
    Accept {
        /// The listener.
        socket: usize,
    },
    /// send(2).
    Send {
        /// The sender.
        socket: usize,
        /// How many bytes.
        size: usize,
    },
    /// Sends until there is no room at all.
    Fill {
        /// The sender.
        socket: usize,
    },
    /// recv(2).
    Receive {
        /// The receiver.
        socket: usize,
        /// How many bytes at most.
        most: usize,
    },
    /// Receives until nothing more comes.
    Drain {
        /// The receiver.
        socket: usize,
    },
    /// shutdown(2).
    Shutdown {
        /// What is shut down.
        socket: usize,
        /// Which directions.
        how: Shutdown,
    },
    /// `SO_ERROR`.
    TakeError {
        /// Whose.
        socket: usize,
    },
    /// close(2).
    Close {
        /// What is closed.
        socket: usize,
        /// With `SO_LINGER` of zero.
        abortive: bool,
    },
}

/// What a socket is bound to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Name {
    /// Any port of the script's loopback address.
    Free,
    /// Any port of every address.
    FreeEverywhere,
    /// The script's own port, on its loopback address.
    Own,
    /// The script's own port, on every address.
    OwnEverywhere,
    /// The name of another socket.
    Of(usize),
    /// The port of another socket, on every address.
    PortOf(usize),
    /// An address that the host does not have.
    Foreign,
}

/// What comes of a call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Answer {
    /// It is done.
    Done,
    /// So many bytes were sent.
    Sent(usize),
    /// Bytes were received.
    Received {
        /// How many.
        count: usize,
        /// All of them were the right ones.
        intact: bool,
    },
    /// End of file.
    Eof,
    /// It would have to wait.
    WouldBlock,
    /// There is a connection.
    AlreadyConnected,
    /// It failed.
    Fault(FaultKind),
    /// Of [`Call::Fill`].
    Filled {
        /// There was room for something.
        anything: bool,
        /// How it ended.
        then: Last,
    },
    /// Of [`Call::Drain`].
    Drained {
        /// All that the peer has sent has come.
        everything: bool,
        /// All of it was right.
        intact: bool,
        /// How it ended.
        then: Last,
    },
    /// Of [`Call::TakeError`].
    Error(Option<FaultKind>),
}

/// How a series of sends or receives ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Last {
    /// There was no more room, or nothing more to read.
    WouldBlock,
    /// End of file.
    Eof,
    /// It failed.
    Fault(FaultKind),
}

impl Call {
    /// The call's name.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Create { .. } => "create",
            Self::Reuse { .. } => "reuse",
            Self::Bind { .. } => "bind",
            Self::Listen { .. } => "listen",
            Self::Connect { .. } => "connect",
            Self::Accept { .. } => "accept",
            Self::Send { .. } => "send",
            Self::Fill { .. } => "fill",
            Self::Receive { .. } => "receive",
            Self::Drain { .. } => "drain",
            Self::Shutdown { how: Shutdown::Read, .. } => "shutdown read",
            Self::Shutdown { how: Shutdown::Write, .. } => "shutdown write",
            Self::Shutdown { how: Shutdown::Both, .. } => "shutdown both",
            Self::TakeError { .. } => "take error",
            Self::Close { abortive: false, .. } => "close",
            Self::Close { abortive: true, .. } => "abort",
        }
    }

    /// The same call on the sockets with these numbers, instead of their places among those that are open.
    #[must_use]
    pub fn resolved(mut self, open: &[usize]) -> Option<Self> {
        let number = |place: &mut usize| {
            let index = if *place == LATEST { open.len().checked_sub(1)? } else { place.checked_rem(open.len())? };
            *place = *open.get(index)?;
            Some(())
        };
        match &mut self {
            Self::Create { .. } => {}
            Self::Bind { socket, to } => {
                number(socket)?;
                if let Name::Of(other) | Name::PortOf(other) = to {
                    number(other)?;
                }
            }
            Self::Connect { socket, to } => {
                number(socket)?;
                number(to)?;
            }
            Self::Reuse { socket, .. }
            | Self::Listen { socket, .. }
            | Self::Accept { socket }
            | Self::Send { socket, .. }
            | Self::Fill { socket }
            | Self::Receive { socket, .. }
            | Self::Drain { socket }
            | Self::Shutdown { socket, .. }
            | Self::TakeError { socket }
            | Self::Close { socket, .. } => number(socket)?,
        }
        Some(self)
    }
}

/// `s1.connect(name of s0)`
impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Create { family, reuse } => write!(f, "create({family:?}{})", if *reuse { ", reuse" } else { "" }),
            Self::Reuse { socket, on } => write!(f, "s{socket}.reuse({on})"),
            Self::Bind { socket, to: Name::Free } => write!(f, "s{socket}.bind(port 0)"),
            Self::Bind { socket, to: Name::FreeEverywhere } => write!(f, "s{socket}.bind(any address, port 0)"),
            Self::Bind { socket, to: Name::Own } => write!(f, "s{socket}.bind(own port)"),
            Self::Bind { socket, to: Name::OwnEverywhere } => write!(f, "s{socket}.bind(any address, own port)"),
            Self::Bind { socket, to: Name::Of(other) } => write!(f, "s{socket}.bind(name of s{other})"),
            Self::Bind { socket, to: Name::PortOf(other) } => write!(f, "s{socket}.bind(any address, port of s{other})"),
            Self::Bind { socket, to: Name::Foreign } => write!(f, "s{socket}.bind(foreign address)"),
            Self::Listen { socket, backlog } => write!(f, "s{socket}.listen({backlog})"),
            Self::Connect { socket, to } => write!(f, "s{socket}.connect(name of s{to})"),
            Self::Send { socket, size } => write!(f, "s{socket}.send({size})"),
            Self::Receive { socket, most } => write!(f, "s{socket}.receive({most})"),
            Self::Accept { socket }
            | Self::Fill { socket }
            | Self::Drain { socket }
            | Self::Shutdown { socket, .. }
            | Self::TakeError { socket }
            | Self::Close { socket, .. } => write!(f, "s{socket}.{}", self.name()),
        }
    }
}

impl Answer {
    /// The answer's class: what a random test counts.
    #[must_use]
    pub fn class(&self) -> String {
        match self {
            Self::Done => "done".into(),
            Self::Sent(_) => "sent".into(),
            Self::Received { .. } => "data".into(),
            Self::Eof => "end of file".into(),
            Self::WouldBlock => "would block".into(),
            Self::AlreadyConnected => "already connected".into(),
            Self::Fault(kind) | Self::Error(Some(kind)) => kind.sentence().into(),
            Self::Error(None) => "no error".into(),
            Self::Filled { anything, then } => format!("{}, then {}", if *anything { "room" } else { "no room" }, then.class()),
            Self::Drained { everything, then, .. } => {
                format!("{}, then {}", if *everything { "everything" } else { "less" }, then.class())
            }
        }
    }
}

impl Last {
    fn class(self) -> &'static str {
        match self {
            Self::WouldBlock => "would block",
            Self::Eof => "end of file",
            Self::Fault(kind) => kind.sentence(),
        }
    }
}
