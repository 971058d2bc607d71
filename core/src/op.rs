//! The operations that a machine asks its driver for.
//!
//! Each is a token that is used up by completing it, so it cannot be completed twice, nor as something else.

use alloc::boxed::Box;
use alloc::sync::Arc;
use core::num::NonZeroUsize;

use bytes::Bytes;

use crate::{
    Address, Completion, Connected, Fault, ListenerConfig, OpId, OpKind, Outcome, RefusedOptions, SocketId, SocketOptions,
};

/// An operation to start.
///
/// The enum is exhaustive on purpose: a new operation must break the build of every transport.
#[derive(Debug)]
#[must_use = "an operation that is dropped never completes, and its socket never closes"]
pub enum Op {
    /// Step 1 of a server and of a client.
    Startup(StartupOp),
    /// Step 2: create a socket.
    Create(CreateOp),
    /// Step 3: bind it.
    Bind(BindOp),
    /// A server's step 4.
    Listen(ListenOp),
    /// A server's step 5.
    Accept(AcceptOp),
    /// A client's step after creating (and perhaps binding) the socket.
    Connect(ConnectOp),
    /// Receive.
    Recv(RecvOp),
    /// Send.
    Send(SendOp),
    /// Shut down sending.
    Shutdown(ShutdownOp),
    /// Close the socket.
    Close(CloseOp),
    /// Complete another operation promptly. Has no completion of its own.
    Cancel(CancelOp),
    /// The last operation of all.
    Cleanup(CleanupOp),
}

impl Op {
    /// The operation's name.
    #[must_use]
    #[inline]
    pub const fn id(&self) -> OpId {
        match self {
            Self::Startup(op) => op.id,
            Self::Create(op) => op.id,
            Self::Bind(op) => op.id,
            Self::Listen(op) => op.id,
            Self::Accept(op) => op.id,
            Self::Connect(op) => op.id,
            Self::Recv(op) => op.id,
            Self::Send(op) => op.id,
            Self::Shutdown(op) => op.id,
            Self::Close(op) => op.id,
            Self::Cancel(op) => op.id,
            Self::Cleanup(op) => op.id,
        }
    }

    /// What the operation does.
    #[must_use]
    pub const fn kind(&self) -> OpKind {
        self.id().kind()
    }

    /// The socket that it is about.
    #[must_use]
    #[inline]
    pub const fn socket(&self) -> SocketId {
        self.id().socket()
    }
}

/// What every token has: its name, and the way to fail.
macro_rules! token {
    ($($name:ident)*) => {$(
        impl $name {
            /// The operation's name.
            #[must_use]
            #[inline]
            pub const fn id(&self) -> OpId {
                self.id
            }

            /// The socket that it is about.
            #[must_use]
            #[inline]
            pub const fn socket(&self) -> SocketId {
                self.id.socket()
            }

            /// It failed.
            #[must_use]
            pub fn failed(self, fault: Fault) -> Completion {
                Completion::from_raw(self.id, Outcome::Failed(fault))
            }
        }
    )*};
}

token!(StartupOp CreateOp BindOp ListenOp AcceptOp ConnectOp RecvOp SendOp ShutdownOp CloseOp CleanupOp);

/// Initialise the socket runtime. The first operation of a server, a client or a node; its socket is a name without a socket.
#[derive(Debug)]
#[must_use]
pub struct StartupOp {
    pub(crate) id: OpId,
}

impl StartupOp {
    /// The runtime is there.
    #[must_use]
    pub fn done(self) -> Completion {
        Completion::from_raw(self.id, Outcome::Done)
    }
}

/// Create a stream socket that suits `address` under the name [`CreateOp::socket`], without blocking mode if the transport has
/// such a thing, and set its options.
#[derive(Debug)]
#[must_use]
pub struct CreateOp {
    pub(crate) id: OpId,
    /// Boxed: every operation is as large as the largest, and this one is rare.
    pub(crate) socket: Box<NewSocket>,
}

/// What a socket is to be.
#[derive(Debug)]
pub(crate) struct NewSocket {
    pub(crate) address: Address,
    pub(crate) options: SocketOptions,
}

impl CreateOp {
    /// An address of the family that the socket must have: the one it will be bound or connected to.
    #[must_use]
    pub fn address(&self) -> Address {
        self.socket.address
    }

    /// The options to set. One that is refused does not fail the operation: report it, the core decides.
    #[must_use]
    pub fn options(&self) -> &SocketOptions {
        &self.socket.options
    }

    /// The socket is there, except for these options.
    #[must_use]
    pub fn created(self, refused: RefusedOptions) -> Completion {
        Completion::from_raw(self.id, Outcome::Created(refused))
    }
}

/// Bind the socket.
#[derive(Debug)]
#[must_use]
pub struct BindOp {
    pub(crate) id: OpId,
    pub(crate) address: Address,
}

impl BindOp {
    /// The local address; port 0 asks for any free port.
    #[must_use]
    pub const fn address(&self) -> Address {
        self.address
    }

    /// Bound; `local` is the address as the system now reports it.
    #[must_use]
    pub fn bound(self, local: Option<Address>) -> Completion {
        Completion::from_raw(self.id, Outcome::Local(local))
    }
}

/// Start to listen.
#[derive(Debug)]
#[must_use]
pub struct ListenOp {
    pub(crate) id: OpId,
    pub(crate) backlog: u32,
}

impl ListenOp {
    /// How many connections the system may queue before they are accepted. Systems cap it without saying so (Linux:
    /// `net.core.somaxconn`).
    #[must_use]
    pub const fn backlog(&self) -> u32 {
        self.backlog
    }

    /// Listening; `local` is the address as the system now reports it.
    #[must_use]
    pub fn listening(self, local: Option<Address>) -> Completion {
        Completion::from_raw(self.id, Outcome::Local(local))
    }
}

/// Take one connection from a listener and keep it under the name [`AcceptOp::slot`].
#[derive(Debug)]
#[must_use]
pub struct AcceptOp {
    pub(crate) id: OpId,
    pub(crate) listener: SocketId,
    pub(crate) wait: bool,
    pub(crate) config: Arc<ListenerConfig>,
}

impl AcceptOp {
    /// The listening socket.
    #[must_use]
    pub const fn listener(&self) -> SocketId {
        self.listener
    }

    /// The name that the new connection gets: the place that was reserved for it.
    #[must_use]
    pub const fn slot(&self) -> SocketId {
        self.id.socket()
    }

    /// Whether to wait for a connection. If false and none is queued, complete with [`AcceptOp::none`] at once.
    #[must_use]
    pub const fn wait(&self) -> bool {
        self.wait
    }

    /// The options to set on the accepted socket. One that is refused does not fail the operation: report it, the core decides.
    #[must_use]
    pub fn options(&self) -> &SocketOptions {
        // Its `options` are those of the listening socket.
        let ListenerConfig { accepted, .. } = &*self.config;
        accepted
    }

    /// There is a connection, under the name [`AcceptOp::slot`].
    #[must_use]
    pub fn accepted(self, connected: Connected) -> Completion {
        Completion::from_raw(self.id, Outcome::Connected(connected.into()))
    }

    /// None is queued; only if [`AcceptOp::wait`] is false.
    #[must_use]
    pub fn none(self) -> Completion {
        Completion::from_raw(self.id, Outcome::NoneWaiting)
    }
}

/// Connect the socket.
#[derive(Debug)]
#[must_use]
pub struct ConnectOp {
    pub(crate) id: OpId,
    pub(crate) address: Address,
}

impl ConnectOp {
    /// The peer's address.
    #[must_use]
    pub const fn address(&self) -> Address {
        self.address
    }

    /// There is a connection.
    #[must_use]
    pub fn connected(self, connected: Connected) -> Completion {
        Completion::from_raw(self.id, Outcome::Connected(connected.into()))
    }
}

/// Receive bytes.
#[derive(Debug)]
#[must_use]
pub struct RecvOp {
    pub(crate) id: OpId,
    /// Not zero, so that one that may wait is no larger than one that does.
    pub(crate) max: NonZeroUsize,
}

impl RecvOp {
    /// The most bytes that may come back; one at least.
    #[must_use]
    #[inline]
    pub const fn max(&self) -> usize {
        self.max.get()
    }

    /// These bytes: at least one, at most [`RecvOp::max`]. The transport chooses the memory.
    #[must_use]
    #[inline]
    pub fn data(self, data: Bytes) -> Completion {
        Completion::from_raw(self.id, Outcome::Data(data))
    }

    /// The peer's FIN.
    #[must_use]
    pub fn eof(self) -> Completion {
        Completion::from_raw(self.id, Outcome::Eof)
    }
}

/// The most pieces that one [`SendOp`] carries.
pub const MAX_CHUNKS: usize = 4;

/// Send bytes. The token owns what it sends until it is completed.
#[derive(Debug)]
#[must_use]
pub struct SendOp {
    pub(crate) id: OpId,
    pub(crate) chunks: Chunks,
}

/// What a send carries.
#[derive(Clone, Debug)]
pub(crate) enum Chunks {
    /// So it is with most, and a token is moved more often than it is read.
    One(Bytes),
    /// The first `used` of a list that the send queue fills again for its next send.
    Several { list: Arc<[Bytes; MAX_CHUNKS]>, used: usize },
}

impl Chunks {
    #[inline]
    pub(crate) fn as_slice(&self) -> &[Bytes] {
        match self {
            Self::One(chunk) => core::slice::from_ref(chunk),
            Self::Several { list, used } => list.get(..*used).unwrap_or(&**list),
        }
    }
}

impl SendOp {
    /// The bytes to send, in order: one to [`MAX_CHUNKS`] pieces, none of them empty.
    #[must_use]
    #[inline]
    pub fn chunks(&self) -> &[Bytes] {
        self.chunks.as_slice()
    }

    /// The number of bytes in all chunks.
    #[must_use]
    #[inline]
    pub fn asked(&self) -> usize {
        self.chunks().iter().map(Bytes::len).fold(0, usize::saturating_add)
    }

    /// The transport took the first `count` bytes: at least one, at most [`SendOp::asked`]. Fewer than asked is no error: the
    /// next send starts exactly behind them.
    #[must_use]
    #[inline]
    pub fn sent(self, count: usize) -> Completion {
        Completion::from_raw(self.id, Outcome::Sent(count))
    }
}

/// Shut down sending: our FIN.
#[derive(Debug)]
#[must_use]
pub struct ShutdownOp {
    pub(crate) id: OpId,
}

impl ShutdownOp {
    /// Done.
    #[must_use]
    pub fn done(self) -> Completion {
        Completion::from_raw(self.id, Outcome::Done)
    }
}

/// Close the socket. Nothing else of this socket is in flight, and nothing else will be submitted for it.
#[derive(Debug)]
#[must_use]
pub struct CloseOp {
    pub(crate) id: OpId,
    pub(crate) abortive: bool,
}

impl CloseOp {
    /// True for an abort: the peer shall see a reset (on Berkeley sockets: linger with time 0, then close). If the system
    /// refuses that, close all the same.
    #[must_use]
    pub const fn abortive(&self) -> bool {
        self.abortive
    }

    /// Closed.
    #[must_use]
    pub fn done(self) -> Completion {
        Completion::from_raw(self.id, Outcome::Done)
    }
}

/// Complete the operation [`CancelOp::target`] promptly, with any result that is legal for it: its real one, or
/// [`FaultKind::Cancelled`](crate::FaultKind::Cancelled). If it has completed already there is nothing to do.
#[derive(Debug)]
#[must_use]
pub struct CancelOp {
    pub(crate) id: OpId,
    pub(crate) target: OpId,
}

impl CancelOp {
    /// The operation's own name; nothing is completed under it.
    #[must_use]
    #[inline]
    pub const fn id(&self) -> OpId {
        self.id
    }

    /// The operation to complete.
    #[must_use]
    pub const fn target(&self) -> OpId {
        self.target
    }
}

/// Release the socket runtime. Comes after the last socket is gone.
#[derive(Debug)]
#[must_use]
pub struct CleanupOp {
    pub(crate) id: OpId,
}

impl CleanupOp {
    /// Done.
    #[must_use]
    pub fn done(self) -> Completion {
        Completion::from_raw(self.id, Outcome::Done)
    }
}
