//! What travels, and what comes due.

use bytes::Bytes;

use crate::network::{Descriptor, HostId};
use crate::recording::SegmentId;

/// Something that comes to a socket.
#[derive(Clone, Debug)]
pub(crate) struct Arrival {
    pub(crate) from: Descriptor,
    pub(crate) to: Descriptor,
    /// Where it comes to, also if the socket is gone.
    pub(crate) host: HostId,
    pub(crate) window: u32,
    /// So many bytes of the other direction have arrived, and the FIN counts as one. There is room for `window` bytes more.
    pub(crate) acknowledged: u64,
    /// Its name in the recording, if there is one.
    pub(crate) recorded: Option<SegmentId>,
    pub(crate) segment: Segment,
}

#[derive(Clone, Debug)]
pub(crate) enum Segment {
    /// Comes to whoever listens where the client wants to; `to` is the client itself.
    Syn {
        number: u32,
    },
    /// Nobody listens there.
    Refused {
        number: u32,
    },
    SynAck,
    /// Nothing but the acknowledgement that every segment of a connection carries.
    Ack,
    /// `sequence` is the place of the first byte in the stream, modulo 2^32.
    Data {
        sequence: u32,
        data: Bytes,
    },
    Fin {
        sequence: u32,
    },
    Reset,
    /// Asks what has arrived.
    Probe,
    /// A timer: the SYN of this number was not answered.
    SynUnanswered {
        number: u32,
    },
    /// A timer: what was lost is sent again.
    Unanswered {
        number: u32,
    },
    /// A timer: nothing was heard for long.
    Silence {
        number: u32,
    },
    /// A timer: no host has the address of the SYN of this number.
    NobodyThere {
        number: u32,
    },
}

impl Segment {
    /// It does not travel: a socket has set it for itself.
    pub(crate) const fn is_timer(&self) -> bool {
        matches!(self, Self::SynUnanswered { .. } | Self::Unanswered { .. } | Self::Silence { .. } | Self::NobodyThere { .. })
    }

    /// Where in the stream it begins, if it is a part of it.
    pub(crate) const fn sequence(&self) -> Option<u32> {
        match self {
            Self::Data { sequence, .. } | Self::Fin { sequence } => Some(*sequence),
            _ => None,
        }
    }

    /// The bytes of data that it carries.
    pub(crate) const fn size(&self) -> usize {
        match self {
            Self::Data { data, .. } => data.len(),
            _ => 0,
        }
    }
}

impl Arrival {
    /// Its kind, its numbers and its bytes, for the trace.
    pub(crate) fn words(&self) -> (u8, [u64; 3], &[u8]) {
        let (kind, number, bytes): (_, _, &[u8]) = match &self.segment {
            Segment::Syn { number } => (0, u64::from(*number), &[]),
            Segment::Refused { number } => (1, u64::from(*number), &[]),
            Segment::SynAck => (2, 0, &[]),
            Segment::Ack => (3, 0, &[]),
            Segment::Data { data, .. } => (4, 0, data),
            Segment::Fin { .. } => (5, 0, &[]),
            Segment::Reset => (6, 0, &[]),
            Segment::SynUnanswered { number } => (7, u64::from(*number), &[]),
            Segment::Probe => (8, 0, &[]),
            Segment::Unanswered { number } => (9, u64::from(*number), &[]),
            Segment::Silence { number } => (10, u64::from(*number), &[]),
            Segment::NobodyThere { number } => (11, u64::from(*number), &[]),
        };
        (kind, [self.to.number(), self.acknowledged, u64::from(self.window) | number << 32], bytes)
    }
}
