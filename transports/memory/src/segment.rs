//! What travels, and what comes due.

use bytes::Bytes;
use sansock::Timestamp;

use crate::network::{Descriptor, HostId};

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
    pub(crate) segment: Segment,
}

#[derive(Clone, Debug)]
pub(crate) enum Segment {
    /// Comes to whoever listens where the client wants to; `to` is the client itself. It was sent then.
    Syn {
        number: u32,
        sent: Timestamp,
    },
    /// Nobody listens there.
    Refused {
        number: u32,
    },
    SynAck,
    /// Nothing but the acknowledgement that every segment of a connection carries.
    Ack,
    Data(Bytes),
    Fin,
    Reset,
    /// A timer: the SYN of this number was not answered.
    SynUnanswered {
        number: u32,
    },
}

impl Arrival {
    /// Its kind, its numbers and its bytes, for the trace.
    pub(crate) fn words(&self) -> (u8, [u64; 3], &[u8]) {
        let (kind, number, bytes): (_, _, &[u8]) = match &self.segment {
            Segment::Syn { number, .. } => (0, u64::from(*number), &[]),
            Segment::Refused { number } => (1, u64::from(*number), &[]),
            Segment::SynAck => (2, 0, &[]),
            Segment::Ack => (3, 0, &[]),
            Segment::Data(data) => (4, 0, data),
            Segment::Fin => (5, 0, &[]),
            Segment::Reset => (6, 0, &[]),
            Segment::SynUnanswered { number } => (7, u64::from(*number), &[]),
        };
        (kind, [self.to.number(), self.acknowledged, u64::from(self.window) | number << 32], bytes)
    }
}
