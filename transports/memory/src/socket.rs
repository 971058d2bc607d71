//! The state of one simulated socket.

use std::collections::VecDeque;
use std::net::SocketAddr;

use bytes::Bytes;
use sansock::{FaultKind, Timestamp};

use crate::network::{Descriptor, HostId};

#[derive(Clone, Debug)]
pub(crate) struct Socket {
    pub(crate) host: HostId,
    pub(crate) local: Option<SocketAddr>,
    pub(crate) state: State,
    /// The application has closed it; what is left to send is still sent.
    pub(crate) orphan: bool,
}

#[derive(Clone, Debug)]
pub(crate) enum State {
    Fresh,
    Listening {
        backlog: usize,
        queue: VecDeque<Descriptor>,
    },
    Connecting {
        remote: SocketAddr,
        attempt: u32,
    },
    /// A connect has failed, and the next call is told so.
    Refused {
        error: Option<FaultKind>,
    },
    Connected(Box<Stream>),
}

/// One end of a connection.
#[derive(Clone, Debug)]
pub(crate) struct Stream {
    pub(crate) remote: SocketAddr,
    pub(crate) peer: Descriptor,
    /// What the application has sent and no segment carries yet.
    pub(crate) outgoing: Pieces,
    /// How many bytes more the peer's receive buffer has room for.
    pub(crate) window: usize,
    /// The application has shut down sending.
    pub(crate) shut: bool,
    pub(crate) fin_sent: bool,
    /// What has arrived and was not read.
    pub(crate) incoming: Pieces,
    pub(crate) fin_received: bool,
    /// A reset was received or sent: the connection is over.
    pub(crate) reset: bool,
    /// What the next call is told.
    pub(crate) error: Option<FaultKind>,
    /// When the last segment of this direction arrives; none overtakes it.
    pub(crate) last_arrival: Timestamp,
}

impl Stream {
    pub(crate) fn new(remote: SocketAddr, peer: Descriptor, window: usize) -> Self {
        Self {
            remote,
            peer,
            outgoing: Pieces::default(),
            window,
            shut: false,
            fin_sent: false,
            incoming: Pieces::default(),
            fin_received: false,
            reset: false,
            error: None,
            last_arrival: Timestamp::ZERO,
        }
    }
}

/// A queue of bytes in pieces.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pieces {
    pieces: VecDeque<Bytes>,
    length: usize,
}

impl Pieces {
    pub(crate) fn len(&self) -> usize {
        self.length
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.length == 0
    }

    pub(crate) fn push(&mut self, piece: Bytes) {
        if !piece.is_empty() {
            self.length += piece.len();
            self.pieces.push_back(piece);
        }
    }

    /// Up to `most` bytes from the front, in one piece.
    pub(crate) fn pop(&mut self, most: usize) -> Bytes {
        let Some(front) = self.pieces.front_mut() else { return Bytes::new() };
        let taken = if front.len() > most {
            front.split_to(most)
        } else if front.len() == most || self.pieces.len() == 1 {
            self.pieces.pop_front().unwrap_or_default()
        } else {
            return self.gather(most);
        };
        self.length -= taken.len();
        taken
    }

    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }

    fn gather(&mut self, most: usize) -> Bytes {
        let mut gathered = Vec::with_capacity(most.min(self.length));
        while let Some(front) = self.pieces.front_mut()
            && gathered.len() < most
        {
            let piece = front.split_to(front.len().min(most - gathered.len()));
            gathered.extend_from_slice(&piece);
            if front.is_empty() {
                self.pieces.pop_front();
            }
        }
        self.length -= gathered.len();
        gathered.into()
    }
}
