//! Names for sockets and operations.
//!
//! The core names a socket before it exists and never sees a descriptor. A transport keeps a table from [`SocketId::slot`] to
//! whatever it has.

use core::fmt;

/// Bits of an [`OpId`] that hold the slot: 2^20 sockets a process is above every default descriptor limit.
pub(crate) const SLOT_BITS: u32 = 20;
/// The number of slots that an [`OpId`] can tell apart.
pub const MAX_SLOTS: u32 = 1 << SLOT_BITS;

/// The name of one socket: a slot, and the generation of its use.
///
/// A slot is used again after its socket is gone, each time under a later generation; when the generations of a slot are
/// used up the slot retires. No two sockets of one slot range ever share a `SocketId`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SocketId(u64);

/// Where an [`OpId`] has the name of its socket: above the stamp and the kind.
const SOCKET_SHIFT: u32 = 12;
const KIND_SHIFT: u32 = 8;
const KIND_BITS: u64 = 0xf;

impl SocketId {
    /// The name with this slot and generation. Slots of [`MAX_SLOTS`] or above do not fit an [`OpId`] and give `None`.
    #[must_use]
    #[inline]
    pub const fn new(slot: u32, generation: u32) -> Option<Self> {
        let ([a, b, c, d], [e, f, g, h]) = (slot.to_be_bytes(), generation.to_be_bytes());
        if slot < MAX_SLOTS { Some(Self(u64::from_be_bytes([a, b, c, d, e, f, g, h]))) } else { None }
    }

    /// The name of the next socket in the slot; `None` if its names are used up.
    #[must_use]
    pub(crate) const fn successor(self) -> Option<Self> {
        match self.generation().checked_add(1) {
            Some(generation) => Self::new(self.slot(), generation),
            None => None,
        }
    }

    /// The index of the socket in a transport's table.
    #[must_use]
    #[inline]
    pub const fn slot(self) -> u32 {
        let [a, b, c, d, ..] = self.0.to_be_bytes();
        u32::from_be_bytes([a, b, c, d])
    }

    /// Greater than that of any socket that had this slot before.
    #[must_use]
    #[inline]
    pub const fn generation(self) -> u32 {
        let [.., a, b, c, d] = self.0.to_be_bytes();
        u32::from_be_bytes([a, b, c, d])
    }
}

impl fmt::Debug for SocketId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// `slot.generation`, as in `12.3`.
impl fmt::Display for SocketId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.slot(), self.generation())
    }
}

/// What an operation does.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[repr(u8)]
pub enum OpKind {
    /// Initialise the socket runtime (`WSAStartup`; nothing on Unix).
    Startup = 0,
    /// Create a socket.
    Create = 1,
    /// Give a socket a local address.
    Bind = 2,
    /// Start to listen.
    Listen = 3,
    /// Take one connection from a listener.
    Accept = 4,
    /// Connect to a peer.
    Connect = 5,
    /// Receive bytes.
    Recv = 6,
    /// Send bytes.
    Send = 7,
    /// Shut down sending: our FIN.
    Shutdown = 8,
    /// Close the socket.
    Close = 9,
    /// Ask for another operation to be completed promptly.
    Cancel = 10,
    /// Release the socket runtime (`WSACleanup`; nothing on Unix).
    Cleanup = 11,
}

impl OpKind {
    /// Every kind, in the order of a life.
    pub const ALL: [Self; 12] = [
        Self::Startup,
        Self::Create,
        Self::Bind,
        Self::Listen,
        Self::Accept,
        Self::Connect,
        Self::Recv,
        Self::Send,
        Self::Shutdown,
        Self::Close,
        Self::Cancel,
        Self::Cleanup,
    ];

    /// The kind's name, in lower case: `"recv"`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Startup => "startup",
            Self::Create => "create",
            Self::Bind => "bind",
            Self::Listen => "listen",
            Self::Accept => "accept",
            Self::Connect => "connect",
            Self::Recv => "recv",
            Self::Send => "send",
            Self::Shutdown => "shutdown",
            Self::Close => "close",
            Self::Cancel => "cancel",
            Self::Cleanup => "cleanup",
        }
    }

    #[inline]
    const fn from_code(code: u64) -> Option<Self> {
        Some(match code {
            0 => Self::Startup,
            1 => Self::Create,
            2 => Self::Bind,
            3 => Self::Listen,
            4 => Self::Accept,
            5 => Self::Connect,
            6 => Self::Recv,
            7 => Self::Send,
            8 => Self::Shutdown,
            9 => Self::Close,
            10 => Self::Cancel,
            11 => Self::Cleanup,
            _ => return None,
        })
    }

    // `as` on a fieldless enum is the only conversion that the language offers; the value is 0 to 11.
    #[allow(clippy::as_conversions)]
    #[inline]
    pub(crate) const fn code(self) -> u8 {
        self as u8
    }
}

/// The name of one operation: socket, kind, and a stamp that tells an operation from the one before it of the same kind.
///
/// It packs into a `u64`, so it fits the `user_data` of io_uring and the key of a completion port:
/// slot 20 bits, generation 32, kind 4, stamp 8.
///
/// ```
/// use sansock::{OpId, OpKind, SocketId};
///
/// let socket = SocketId::new(7, 3).expect("slot 7 is in range");
/// let id = OpId::new(socket, OpKind::Recv, 255);
/// assert_eq!(OpId::from_u64(id.as_u64()), Some(id));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OpId(u64);

impl OpId {
    /// The name made of these parts.
    #[must_use]
    #[inline]
    pub const fn new(socket: SocketId, kind: OpKind, stamp: u8) -> Self {
        Self(socket.0 << SOCKET_SHIFT | u64::from_le_bytes([stamp, kind.code(), 0, 0, 0, 0, 0, 0]))
    }

    /// The socket that the operation is about. For an accept it is the socket that the new connection will have.
    #[must_use]
    #[inline]
    pub const fn socket(self) -> SocketId {
        SocketId(self.0 >> SOCKET_SHIFT)
    }

    /// What the operation does.
    #[must_use]
    #[inline]
    pub const fn kind(self) -> OpKind {
        match OpKind::from_code(self.0 >> KIND_SHIFT & KIND_BITS) {
            Some(kind) => kind,
            // There is no name without a kind.
            None => OpKind::Cleanup,
        }
    }

    /// The stamp: it counts the operations of one socket, modulo 256.
    #[must_use]
    #[inline]
    pub const fn stamp(self) -> u8 {
        let [stamp, ..] = self.0.to_le_bytes();
        stamp
    }

    /// All of it in 64 bits.
    #[must_use]
    #[inline]
    pub const fn as_u64(self) -> u64 {
        self.0
    }

    /// The reverse of [`OpId::as_u64`]; `None` if the four bits of the kind name none.
    #[must_use]
    #[inline]
    pub const fn from_u64(packed: u64) -> Option<Self> {
        match OpKind::from_code(packed >> KIND_SHIFT & KIND_BITS) {
            Some(_) => Some(Self(packed)),
            None => None,
        }
    }
}

impl fmt::Debug for OpId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// `kind socket #stamp`, as in `recv 12.3 #7`.
impl fmt::Display for OpId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} #{}", self.kind().name(), self.socket(), self.stamp())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_op_id_survives_packing_at_the_edges_of_every_field() {
        for slot in [0, 1, MAX_SLOTS - 1] {
            for generation in [0, 1, u32::MAX] {
                for kind in OpKind::ALL {
                    for stamp in [0, 1, u8::MAX] {
                        let id = OpId::new(SocketId::new(slot, generation).unwrap(), kind, stamp);
                        assert_eq!(OpId::from_u64(id.as_u64()), Some(id));
                    }
                }
            }
        }
    }

    #[test]
    fn a_slot_that_does_not_fit_and_a_kind_that_is_none_are_refused() {
        assert_eq!(SocketId::new(MAX_SLOTS, 0), None);
        for code in 12..16 {
            assert_eq!(OpId::from_u64(code << 8), None);
        }
    }
}
