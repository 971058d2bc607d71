//! Sending and receiving.

use bytes::Bytes;
use sansock::FaultKind;

use crate::calls::{CallError, Received};
use crate::network::{Descriptor, Network};
use crate::output::is_to_tell_window;
use crate::socket::State;

impl Network {
    /// Sends as much of `data` as there is room for, and says how much.
    ///
    /// # Errors
    /// [`CallError::WouldBlock`]; what went wrong with the connection, once ([`FaultKind::ConnectionReset`],
    /// [`FaultKind::ConnectionRefused`]...), then [`FaultKind::BrokenPipe`], as after a shutdown or without a connection;
    /// [`FaultKind::BadDescriptor`].
    pub fn send(&mut self, descriptor: Descriptor, data: &Bytes) -> Result<usize, CallError> {
        let short_in = self.config.short_in;
        let socket = self.open_socket(descriptor)?;
        if let Some(error) = socket.error.take() {
            return Err(error.into());
        }
        match socket.state {
            State::SynSent | State::SynReceived => return Err(CallError::WouldBlock),
            state if !state.may_send() || socket.send_shut => return Err(FaultKind::BrokenPipe.into()),
            _ => {}
        }
        // Nothing is sent: an empty segment would be one of its own.
        if data.is_empty() {
            return Ok(0);
        }
        let (host, stream) = (socket.host, &mut socket.stream);
        let room = stream.send_capacity().saturating_sub(stream.buffered());
        if room == 0 {
            stream.blocked = true;
            self.hits.full_buffers += 1;
            return Err(CallError::WouldBlock);
        }
        let most = data.len().min(room);
        stream.blocked |= most < data.len();
        let shortness = &mut self.hosts[host.index()].shortness;
        let count = if most > 1 && shortness.one_in(short_in) { shortness.length(most - 1) } else { most };
        self.hits.short_sends += u64::from(count < data.len());
        self.put_out(descriptor, data.slice(..count));
        Ok(count)
    }

    /// Receives up to `most` bytes. What has arrived is given before an error is, and an error is given once.
    ///
    /// # Errors
    /// [`CallError::WouldBlock`]; what went wrong with the connection, once, unless the peer's FIN came before it
    /// ([`FaultKind::ConnectionReset`], [`FaultKind::ConnectionRefused`]...); [`FaultKind::NotConnected`]; [`FaultKind::BadDescriptor`].
    pub fn recv(&mut self, descriptor: Descriptor, most: usize) -> Result<Received, CallError> {
        let short_in = self.config.short_in;
        let socket = self.open_socket(descriptor)?;
        if socket.state == State::Listen {
            return Err(FaultKind::NotConnected.into());
        }
        let available = socket.stream.incoming.len().min(most);
        if available == 0 {
            return if socket.finished {
                Ok(Received::Eof)
            } else if let Some(error) = socket.error.take() {
                Err(error.into())
            } else if socket.receive_shut {
                Ok(Received::Eof)
            } else if socket.state == State::Closed {
                Err(FaultKind::NotConnected.into())
            } else {
                Err(CallError::WouldBlock)
            };
        }
        let host = socket.host;
        let shortness = &mut self.hosts[host.index()].shortness;
        let short = available > 1 && shortness.one_in(short_in);
        let count = if short { shortness.length(available - 1) } else { available };
        self.hits.short_receives += u64::from(short);
        let Some(socket) = self.sockets.get_mut(descriptor.0) else { return Err(FaultKind::BadDescriptor.into()) };
        let data = socket.stream.incoming.pop(&mut self.store, count);
        if is_to_tell_window(socket) {
            self.owe(descriptor);
        }
        Ok(Received::Data(data))
    }
}
