//! How connections and sockets end.

use std::net::Shutdown;

use sansock::FaultKind;

use crate::names::{Connection, Hold};
use crate::network::{Descriptor, Network};
use crate::segment::Segment;
use crate::socket::{Fin, Holder, Phase, State};

impl Network {
    /// Shuts down a direction, or both. Sending: the FIN follows what is queued. Receiving: what has arrived can still be read, then comes
    /// end of file; the peer is not told, and what it sends then is read as ever, except that after our own FIN it is answered by a reset. A second
    /// call does nothing.
    ///
    /// Of a listener, shutting down receiving ends the listening, and what is queued is reset. Of a socket that is connecting, any shutdown gives
    /// the connect up.
    ///
    /// # Errors
    /// [`FaultKind::NotConnected`], also once the connection is over in both directions or was reset; [`FaultKind::BadDescriptor`].
    pub fn shutdown(&mut self, descriptor: Descriptor, how: Shutdown) -> Result<(), FaultKind> {
        let socket = self.open_socket(descriptor)?;
        if socket.phase == Phase::Connecting {
            let over = matches!(socket.state, State::SynSent | State::SynReceived | State::Closed);
            socket.phase = if over { Phase::Disconnecting } else { Phase::Connected };
        }
        let (receiving, sending) = (how != Shutdown::Write, how != Shutdown::Read);
        let state = socket.state;
        match state {
            State::Listen if !receiving => return Ok(()),
            State::Listen | State::SynSent => {
                self.disconnect(descriptor);
                if let Some(socket) = self.socket_mut(descriptor) {
                    socket.phase = Phase::Unconnected;
                }
            }
            _ => {
                socket.receive_shut |= receiving;
                socket.send_shut |= sending;
                if sending && state != State::SynReceived {
                    self.send_fin(descriptor);
                }
            }
        }
        self.changes(descriptor);
        if state == State::Closed { Err(FaultKind::NotConnected) } else { Ok(()) }
    }

    /// Closes a socket. With `abortive` (`SO_LINGER` of zero), or with unread data, the peer sees a reset; otherwise what is queued is still
    /// sent, then the FIN. Closing a listener resets what is queued. A descriptor that is not open is none of our business.
    pub fn close(&mut self, descriptor: Descriptor, abortive: bool) {
        let Ok(socket) = self.open_socket(descriptor) else { return };
        let host = socket.host;
        (socket.open, socket.orphan) = (false, true);
        (socket.receive_shut, socket.send_shut) = (true, true);
        (socket.holder, socket.receive) = (Holder::Nobody, None);
        socket.rests = socket.state == State::FinWait2;
        let (state, unread) = (socket.state, !socket.stream.incoming.is_empty());
        match state {
            State::Closed | State::SynSent => self.remove(descriptor),
            State::Listen => {
                self.stop_listening(descriptor);
                self.remove(descriptor);
            }
            _ if unread || (abortive && self.needs_reset(descriptor, state)) => {
                self.transmit_to_peer(descriptor, Segment::Reset);
                self.remove(descriptor);
            }
            _ if abortive => self.remove(descriptor),
            State::FinWait2 => self.rest_socket(descriptor),
            _ => self.send_fin(descriptor),
        }
        self.hosts[host.index()].open -= 1;
    }

    /// An abortive end takes a reset unless both FINs are out; and then too if something is left to send before ours.
    fn needs_reset(&self, descriptor: Descriptor, state: State) -> bool {
        state.needs_reset() || self.socket(descriptor).is_some_and(|socket| socket.stream.fin == Fin::Queued)
    }

    /// Our own FIN, unless it was sent.
    pub(crate) fn send_fin(&mut self, descriptor: Descriptor) {
        let Some(socket) = self.socket_mut(descriptor) else { return };
        socket.state = match socket.state {
            State::SynReceived | State::Established => State::FinWait1,
            State::CloseWait => State::LastAck,
            _ => return,
        };
        socket.stream.fin = Fin::Queued;
        self.flush(descriptor);
    }

    /// Takes the socket back to where it can connect or listen: Linux's `tcp_disconnect`.
    pub(crate) fn disconnect(&mut self, descriptor: Descriptor) {
        let Some(socket) = self.socket(descriptor) else { return };
        let state = socket.state;
        match state {
            State::Listen => self.stop_listening(descriptor),
            state if self.needs_reset(descriptor, state) => self.transmit_to_peer(descriptor, Segment::Reset),
            _ => {}
        }
        if state != State::Closed {
            self.forget_connection(descriptor);
        }
        let Some(socket) = self.sockets.get_mut(descriptor.0) else { return };
        if state == State::SynSent || state.needs_reset() {
            socket.error = Some(FaultKind::ConnectionReset);
        }
        socket.remote = None;
        if !socket.keeps_address {
            socket.forget_address();
        }
        (socket.receive_shut, socket.send_shut, socket.finished) = (false, false, false);
        socket.stream.restart(&mut self.store);
    }

    /// Ends the listening: what is queued is reset, and who has not answered yet will be.
    pub(crate) fn stop_listening(&mut self, descriptor: Descriptor) {
        let Some(socket) = self.socket_mut(descriptor) else { return };
        socket.state = State::Closed;
        let (host, local, listener) = (socket.host, socket.local, socket.listener.take());
        if let Some(local) = local {
            self.names(host).stop_listening(local);
        }
        self.hold_again(descriptor);
        let listener = listener.unwrap_or_default();
        for queued in listener.queue {
            if self.socket(queued).is_some_and(|socket| socket.state.needs_reset()) {
                self.transmit_to_peer(queued, Segment::Reset);
            }
            self.remove(queued);
        }
        for pending in listener.pending {
            self.remove(pending);
        }
    }

    /// The connection, or the attempt to make one, has failed; the next call is told so.
    pub(crate) fn fail(&mut self, descriptor: Descriptor, error: FaultKind) {
        if let Some(socket) = self.sockets.get_mut(descriptor.0) {
            socket.error = Some(error);
            socket.stream.unsent.clear(&mut self.store);
        }
        self.finish(descriptor);
    }

    /// Somebody between the two ends resets their connection: this end is told at once, the other when the reset gets there. Of a socket
    /// without a connection, nothing.
    pub(crate) fn reset_on_the_way(&mut self, descriptor: Descriptor) {
        if self.socket(descriptor).is_some_and(|socket| socket.stream.peer.is_some() && socket.state != State::Closed) {
            self.transmit_to_peer(descriptor, Segment::Reset);
            self.reset(descriptor);
        }
    }

    /// The connection is over, and this end closed first: its names rest.
    pub(crate) fn finish_in_time_wait(&mut self, descriptor: Descriptor) {
        if !self.config.time_wait.is_zero() {
            self.rest_names(descriptor);
        }
        self.finish(descriptor);
    }

    /// The connection is over.
    pub(crate) fn finish(&mut self, descriptor: Descriptor) {
        let Some(socket) = self.socket_mut(descriptor) else { return };
        (socket.receive_shut, socket.send_shut) = (true, true);
        if socket.orphan {
            return self.remove(descriptor);
        }
        self.forget_connection(descriptor);
        self.changes(descriptor);
    }

    /// A socket that nobody has open any more has waited long enough for its peer's FIN.
    pub(crate) fn abandon(&mut self, descriptor: Descriptor) {
        if self.socket(descriptor).is_some_and(|socket| socket.orphan && socket.state == State::FinWait2) {
            self.remove(descriptor);
        }
    }

    /// The socket is gone.
    pub(crate) fn remove(&mut self, descriptor: Descriptor) {
        self.forget_connection(descriptor);
        let Some(socket) = self.sockets.get_mut(descriptor.0) else { return };
        let (host, hold) = (socket.host, socket.hold);
        socket.stream.clear(&mut self.store);
        self.sockets.remove(descriptor.0);
        if let Some((name, hold)) = hold {
            self.names(host).release(name, hold);
        }
    }

    /// The socket is closed: its connection is no longer among those of the host, and neither is its port, unless the application chose it.
    fn forget_connection(&mut self, descriptor: Descriptor) {
        let Some(socket) = self.socket_mut(descriptor) else { return };
        let before = std::mem::replace(&mut socket.state, State::Closed);
        socket.stream.recovery = None;
        let (host, names) = (socket.host, socket.local.zip(socket.remote));
        let released = if socket.keeps_port { None } else { socket.hold.take() };
        if let Some((own, remote)) = names.filter(|_| before != State::Closed) {
            self.names(host).disconnect(own, remote, Connection::Socket(descriptor));
        }
        if let Some((name, hold)) = released {
            self.names(host).release(name, hold);
        }
    }

    /// Holds the socket's name as its state and options now are.
    pub(crate) fn hold_again(&mut self, descriptor: Descriptor) {
        let Some(socket) = self.socket_mut(descriptor) else { return };
        let (Some(local), Some((name, old))) = (socket.local, socket.hold) else { return };
        let new = Hold { exclusive: !socket.reuse_address, listening: socket.state == State::Listen, bound: old.bound };
        socket.hold = Some((local, new));
        let host = socket.host;
        self.names(host).release(name, old);
        self.names(host).hold(local, new);
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;
    use std::time::Duration;

    use bytes::Bytes;
    use sansock::Timestamp;

    use crate::{CallError, Descriptor, Family, HostId, Network, NetworkConfig};

    const PORT: u16 = 7;

    /// Two hosts; a client of the first has connected to the second, and each end has both unread bytes and bytes that are not sent yet.
    fn filled() -> (Network, [HostId; 2], [Descriptor; 2]) {
        let config = NetworkConfig { send_buffer: 100, receive_buffer: 100, segment: 10, ..NetworkConfig::default() };
        let mut network = Network::new(config, 1);
        let hosts = [1, 2].map(|last| network.add_host([[10, 0, 0, last].into()]));
        let address = SocketAddr::from(([10, 0, 0, 2], PORT));
        let listener = network.create(hosts[1], Family::V4).unwrap();
        network.bind(listener, address).unwrap();
        network.listen(listener, 1).unwrap();
        let client = network.create(hosts[0], Family::V4).unwrap();
        assert_eq!(network.connect(client, address), Err(CallError::WouldBlock));
        pass(&mut network);
        network.connect(client, address).unwrap();
        let (server, _) = network.accept(listener).unwrap();
        network.close(listener, false);
        for end in [client, server] {
            for _ in 0..2 {
                assert_eq!(network.send(end, &Bytes::from_static(&[7; 100])), Ok(100));
                pass(&mut network);
            }
            let stream = &network.socket(end).unwrap().stream;
            assert!(!stream.unsent.is_empty());
        }
        assert!(network.store.used() > 2);
        (network, hosts, [client, server])
    }

    fn pass(network: &mut Network) {
        let until = network.now() + Duration::from_secs(1);
        network.advance(until);
    }

    #[test]
    fn whatever_ends_a_connection_nothing_that_it_had_queued_stays() {
        type End = fn(&mut Network, [HostId; 2], [Descriptor; 2]);
        let ways: [(&str, End); 5] = [
            ("closed with unread bytes", |network, _, [client, _]| network.close(client, false)),
            ("closed abortively", |network, _, [client, _]| network.close(client, true)),
            ("reset on the way", |network, _, [client, _]| network.reset_on_the_way(client)),
            ("crashed", |network, [host, _], _| network.crash(host)),
            ("given up by a shutdown and connected anew", |network, _, [client, _]| network.disconnect(client)),
        ];
        for (way, end) in ways {
            let (mut network, hosts, ends) = filled();
            end(&mut network, hosts, ends);
            // A peer that nobody tells finds out after a quarter of an hour.
            network.advance(Timestamp::from_secs(2000));
            for descriptor in ends {
                network.close(descriptor, false);
            }
            network.advance(Timestamp::from_secs(4000));
            assert!(network.sockets.is_empty(), "{way}");
            assert_eq!(network.store.used(), 0, "{way}");
        }
    }
}
