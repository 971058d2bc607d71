//! What a poll says.

use sansock::FaultKind;

use crate::network::{Descriptor, Network};
use crate::socket::State;

/// What poll(2) says of a socket that is asked for everything.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct Readiness {
    /// A receive, or an accept, would not have to wait: there is data, a connection, an end or an error. (POLLIN)
    pub readable: bool,
    /// A send would not have to wait: a third of the send buffer is free, or the send would fail. (POLLOUT)
    pub writable: bool,
    /// Nothing more will come: the peer has finished, or receiving was shut down. (POLLRDHUP)
    pub receive_ended: bool,
    /// Both directions have ended, or the socket was never connected. (POLLHUP)
    pub hung_up: bool,
    /// An error waits to be told. (POLLERR)
    pub failed: bool,
}

impl Network {
    /// What a poll says of the socket now.
    ///
    /// # Errors
    /// [`FaultKind::BadDescriptor`].
    pub fn readiness(&self, descriptor: Descriptor) -> Result<Readiness, FaultKind> {
        let socket = self.socket(descriptor).filter(|socket| socket.open).ok_or(FaultKind::BadDescriptor)?;
        if let Some(listener) = &socket.listener {
            return Ok(Readiness { readable: !listener.queue.is_empty(), ..Readiness::default() });
        }
        let connecting = matches!(socket.state, State::SynSent | State::SynReceived);
        Ok(Readiness {
            readable: socket.receive_shut || (!connecting && !socket.stream.incoming.is_empty()),
            writable: !connecting && (socket.send_shut || socket.stream.is_writable()),
            receive_ended: socket.receive_shut,
            hung_up: (socket.receive_shut && socket.send_shut) || socket.state == State::Closed,
            failed: socket.error.is_some(),
        })
    }

    /// The error that waits to be told, which is told hereby (`SO_ERROR`).
    ///
    /// # Errors
    /// [`FaultKind::BadDescriptor`].
    pub fn take_error(&mut self, descriptor: Descriptor) -> Result<Option<FaultKind>, FaultKind> {
        Ok(self.open_socket(descriptor)?.error.take())
    }
}
