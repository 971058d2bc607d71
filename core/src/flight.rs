//! Which operations are in flight.

use crate::{OpId, OpKind, SocketId};

/// One operation that may be in flight: at most one of each kind is, per socket.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) enum Flight {
    #[default]
    Idle,
    Submitted {
        stamp: u8,
        cancelled: bool,
    },
}

impl Flight {
    #[inline]
    pub(crate) fn submit(&mut self, id: OpId) {
        debug_assert!(self.is_idle(), "{id}: one of this kind is in flight already");
        *self = Self::Submitted { stamp: id.stamp(), cancelled: false };
    }

    #[inline]
    pub(crate) fn is_idle(self) -> bool {
        matches!(self, Self::Idle)
    }

    /// True if the completion of `id` is the one that is being waited for. The caller has compared socket and kind.
    #[inline]
    pub(crate) fn expects(self, id: OpId) -> bool {
        matches!(self, Self::Submitted { stamp, .. } if stamp == id.stamp())
    }

    /// The same for an operation of this kind of this socket: all three are compared at once.
    #[inline]
    pub(crate) fn expects_of(self, socket: SocketId, kind: OpKind, id: OpId) -> bool {
        matches!(self, Self::Submitted { stamp, .. } if id == OpId::new(socket, kind, stamp))
    }

    pub(crate) fn is_cancelled(self) -> bool {
        matches!(self, Self::Submitted { cancelled: true, .. })
    }

    #[inline]
    pub(crate) fn land(&mut self) {
        *self = Self::Idle;
    }

    /// The operation to cancel, once: `None` if nothing is in flight or the cancel was given out before.
    pub(crate) fn cancel(&mut self, socket: SocketId, kind: OpKind) -> Option<OpId> {
        match self {
            Self::Submitted { stamp, cancelled: cancelled @ false } => {
                *cancelled = true;
                Some(OpId::new(socket, kind, *stamp))
            }
            _ => None,
        }
    }

    pub(crate) fn count(self) -> usize {
        usize::from(!self.is_idle())
    }

    /// Its byte in a canonical encoding.
    pub(crate) fn code(self) -> u8 {
        match self {
            Self::Idle => 0,
            Self::Submitted { cancelled: false, .. } => 1,
            Self::Submitted { cancelled: true, .. } => 2,
        }
    }
}

/// Gives out the stamps of one socket's operations. They wrap: a completion that is 256 operations late cannot be told from a
/// fresh one, but the socket's generation and the rule of one operation in flight per kind stand before that.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Stamps(u8);

impl Stamps {
    pub(crate) const fn new() -> Self {
        Self(0)
    }

    #[inline]
    pub(crate) fn mint(&mut self, socket: SocketId, kind: OpKind) -> OpId {
        let id = OpId::new(socket, kind, self.0);
        self.0 = self.0.wrapping_add(1);
        id
    }
}
