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
    /// The end that the listener made takes bytes up to this limit.
    SynAck {
        limit: u64,
    },
    /// So many bytes have arrived (one more, if the FIN has), and there is room up to this limit.
    Ack {
        acknowledged: u64,
        limit: u64,
    },
    Data(Bytes),
    Fin,
    Reset,
    /// A timer: the SYN of this number was not answered.
    SynUnanswered {
        number: u32,
    },
}

impl Segment {
    /// Its kind, its numbers and its bytes, for the trace.
    pub(crate) fn words(&self) -> (u8, [u64; 2], &[u8]) {
        match self {
            Self::Syn { number, sent } => (0, [u64::from(*number), sent.as_nanos()], &[]),
            Self::Refused { number } => (1, [u64::from(*number), 0], &[]),
            Self::SynAck { limit } => (2, [*limit, 0], &[]),
            Self::Ack { acknowledged, limit } => (3, [*acknowledged, *limit], &[]),
            Self::Data(data) => (4, [0, 0], data),
            Self::Fin => (5, [0, 0], &[]),
            Self::Reset => (6, [0, 0], &[]),
            Self::SynUnanswered { number } => (7, [u64::from(*number), 0], &[]),
        }
    }
}
