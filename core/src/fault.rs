//! What can go wrong in the operating system, sorted by what it means for us.
//!
//! A transport turns an errno or a Winsock code into a [`FaultKind`]; what follows from it is decided here, once, by the
//! classes below. An error nobody has listed becomes [`FaultKind::Other`] and takes the careful arm everywhere.

use core::fmt;

/// A failure that a transport reports for an operation.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Fault {
    kind: FaultKind,
    code: Option<i32>,
}

impl Fault {
    /// A fault without an operating system's code: a simulated one, or one that the transport found itself.
    #[must_use]
    pub const fn new(kind: FaultKind) -> Self {
        Self { kind, code: None }
    }

    /// A fault with the operating system's own number, kept for people to read; the core never looks at it.
    #[must_use]
    pub const fn with_code(kind: FaultKind, code: i32) -> Self {
        Self { kind, code: Some(code) }
    }

    /// What went wrong.
    #[must_use]
    pub const fn kind(self) -> FaultKind {
        self.kind
    }

    /// The errno or Winsock code, if the transport had one.
    #[must_use]
    pub const fn code(self) -> Option<i32> {
        self.code
    }
}

impl From<FaultKind> for Fault {
    fn from(kind: FaultKind) -> Self {
        Self::new(kind)
    }
}

/// The sentence of the kind, with the operating system's code behind it: `connection refused (os error 111)`.
impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind.sentence())?;
        match self.code {
            Some(code) => write!(f, " (os error {code})"),
            None => Ok(()),
        }
    }
}

impl core::error::Error for Fault {}

macro_rules! fault_kinds {
    ($($(#[$doc:meta])* $kind:ident => $sentence:literal,)*) => {
        /// What went wrong. The comments name the POSIX error and the Winsock code that mean it.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        #[non_exhaustive]
        pub enum FaultKind { $($(#[$doc])* $kind,)* }

        impl FaultKind {
            /// Every kind, for tables and tests.
            pub const ALL: &'static [Self] = &[$(Self::$kind,)*];

            /// One plain clause that says what happened.
            #[must_use]
            pub const fn sentence(self) -> &'static str {
                match self { $(Self::$kind => $sentence,)* }
            }
        }
    };
}

fault_kinds! {
    /// The operation was ended by [`Op::Cancel`](crate::Op::Cancel). (ECANCELED, WSA_OPERATION_ABORTED)
    Cancelled => "cancelled",
    /// Nobody listens there. (ECONNREFUSED)
    ConnectionRefused => "connection refused",
    /// The peer reset the connection. (ECONNRESET)
    ConnectionReset => "connection reset by peer",
    /// The connection was given up before it was accepted, or by our own system. (ECONNABORTED)
    ConnectionAborted => "connection aborted",
    /// We sent after the connection was gone. (EPIPE, ESHUTDOWN)
    BrokenPipe => "broken pipe",
    /// No answer for so long that the system gave up. (ETIMEDOUT, WSAENETRESET)
    TimedOut => "timed out",
    /// The connection is not, or no longer, there. (ENOTCONN)
    NotConnected => "not connected",
    /// No route to the host. (EHOSTUNREACH, EHOSTDOWN, ENONET)
    HostUnreachable => "host unreachable",
    /// No route to the network. (ENETUNREACH)
    NetworkUnreachable => "network unreachable",
    /// The network interface is down. (ENETDOWN)
    NetworkDown => "network down",
    /// The other side or a layer below broke the protocol. (EPROTO, ENOPROTOOPT)
    Protocol => "protocol error",
    /// A firewall on this host refused. (EPERM)
    FirewallRefused => "refused by a firewall of this host",
    /// The address is in use. (EADDRINUSE)
    AddressInUse => "address in use",
    /// Port 0 was asked for and no port is free. (EADDRINUSE with port 0)
    NoFreePort => "no free port",
    /// The address is not ours, or there is no free local port to connect from. (EADDRNOTAVAIL; EAGAIN from connect)
    AddressNotAvailable => "address not available",
    /// Not allowed, as with a port below 1024. (EACCES)
    PermissionDenied => "permission denied",
    /// The address family or the socket type is not there. (EAFNOSUPPORT, EPROTONOSUPPORT, EOPNOTSUPP on create)
    Unsupported => "not supported by this system",
    /// The process has no descriptor left. (EMFILE)
    DescriptorLimit => "no file descriptor left in this process",
    /// The system has no descriptor left. (ENFILE)
    SystemDescriptorLimit => "no file descriptor left in this system",
    /// The network stack has no buffer left. (ENOBUFS)
    NoBuffers => "no buffer space left",
    /// No memory is left. (ENOMEM)
    NoMemory => "out of memory",
    /// The descriptor is not open: somebody else closed it. (EBADF)
    BadDescriptor => "bad file descriptor",
    /// The call makes no sense on this socket, as accept on one that does not listen. (EINVAL)
    InvalidArgument => "invalid argument",
    /// The descriptor is no socket. (ENOTSOCK)
    NotASocket => "not a socket",
    /// The socket runtime is not there. (WSANOTINITIALISED, WSASYSNOTREADY, WSAVERNOTSUPPORTED, WSAEPROCLIM)
    RuntimeUnavailable => "socket runtime not available",
    /// A required socket option was refused.
    OptionRefused => "a required socket option was refused",
    /// A link-local IPv6 address names a host on one interface, and no interface was given.
    NoScope => "a link-local address needs its interface, as in [fe80::1%2]:80",
    /// The connection's two ends are the same socket.
    SelfConnected => "connected to itself",
    /// Anything else.
    Other => "unknown error",
}

/// What a failed accept means for the listener.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum AcceptClass {
    /// The trouble of one connection that never came to us: accept the next one at once.
    Transient,
    /// Something has run out, or the error is unknown: try again after a back-off, for ever.
    Exhausted,
    /// This is no longer a listening socket: the listener ends.
    Lost,
}

/// What a failed receive or send means for the connection.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum TransferClass {
    /// Something has run out on this host: the same operation is tried again after a short back-off.
    Exhausted,
    /// The connection is over.
    Final,
}

impl FaultKind {
    /// What this means when an accept reports it.
    ///
    /// accept(2) passes on errors that are already pending on the new socket and asks to treat them as "try again"; resource
    /// limits and unknown errors back off; EBADF, EINVAL and ENOTSOCK say that there is nothing left to accept from.
    #[must_use]
    pub const fn accept_class(self) -> AcceptClass {
        match self {
            Self::BadDescriptor | Self::InvalidArgument | Self::NotASocket => AcceptClass::Lost,
            Self::ConnectionAborted
            | Self::ConnectionReset
            | Self::ConnectionRefused
            | Self::BrokenPipe
            | Self::TimedOut
            | Self::NotConnected
            | Self::HostUnreachable
            | Self::NetworkUnreachable
            | Self::NetworkDown
            | Self::Protocol
            | Self::FirewallRefused
            | Self::Unsupported
            | Self::OptionRefused
            | Self::Cancelled => AcceptClass::Transient,
            Self::DescriptorLimit
            | Self::SystemDescriptorLimit
            | Self::NoBuffers
            | Self::NoMemory
            | Self::AddressInUse
            | Self::NoFreePort
            | Self::AddressNotAvailable
            | Self::PermissionDenied
            | Self::RuntimeUnavailable
            | Self::SelfConnected
            | Self::NoScope
            | Self::Other => AcceptClass::Exhausted,
        }
    }

    /// What this means when a receive or a send reports it.
    #[must_use]
    pub const fn transfer_class(self) -> TransferClass {
        match self {
            Self::NoBuffers | Self::NoMemory => TransferClass::Exhausted,
            _ => TransferClass::Final,
        }
    }

    /// True if a failed connect says something about this host and nothing about the peer.
    #[must_use]
    pub const fn is_local(self) -> bool {
        matches!(
            self,
            Self::AddressNotAvailable
                | Self::AddressInUse
                | Self::NoFreePort
                | Self::DescriptorLimit
                | Self::SystemDescriptorLimit
                | Self::NoBuffers
                | Self::NoMemory
                | Self::SelfConnected
                | Self::NoScope
                | Self::RuntimeUnavailable
        )
    }
}
