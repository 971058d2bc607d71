//! What a host's TCP does with what arrives (RFC 9293, section 3.10.7), which comes in order, and once.

use bytes::Bytes;
use sansock::FaultKind;

use crate::addresses::Name;
use crate::names::{Connection, Hold};
use crate::network::{Descriptor, HostId, Network};
use crate::output::Route;
use crate::recovery::is_reassured;
use crate::segment::{Arrival, Segment};
use crate::socket::{Holder, Socket, State, Stream};

impl Network {
    pub(crate) fn arrive(&mut self, arrival: Arrival) {
        let Arrival { from, to, host, window, acknowledged, segment, .. } = arrival;
        let limit = acknowledged.saturating_add(u64::from(window));
        match segment {
            Segment::Syn { number } => self.on_syn(from, host, number),
            Segment::Refused { number } => {
                if self.is_connecting(to, number) {
                    self.fail(to, FaultKind::ConnectionRefused);
                }
            }
            Segment::SynUnanswered { number } => self.on_syn_unanswered(to, number),
            Segment::SynAck => self.on_syn_ack(to, from, host, limit),
            Segment::Reset => self.on_reset(to, from),
            Segment::Unanswered { number } => self.on_unanswered(to, number),
            Segment::Silence { number } => self.on_silence(to, number),
            Segment::NobodyThere { number } => {
                if self.is_connecting(to, number) {
                    self.hits.unreachable += 1;
                    self.fail(to, FaultKind::HostUnreachable);
                }
            }
            Segment::Probe if !self.is_connection(to, from) => self.answer_for(host, to, from),
            _ if !self.is_connection(to, from) => self.reject(host, to, from),
            Segment::Ack => self.on_ack(to, acknowledged, limit),
            Segment::Data { sequence, data } => {
                let is_next = self.is_next(to, from, sequence);
                self.on_ack(to, acknowledged, limit);
                if is_next {
                    self.on_data(to, data);
                }
            }
            Segment::Fin { sequence } => {
                let is_next = self.is_next(to, from, sequence);
                self.on_ack(to, acknowledged, limit);
                if is_next {
                    self.on_fin(to);
                }
            }
            Segment::Probe => {
                self.on_ack(to, acknowledged, limit);
                self.owe(to);
            }
        }
    }

    /// True if these two have a connection, as far as `to` knows.
    fn is_connection(&self, to: Descriptor, from: Descriptor) -> bool {
        self.socket(to).is_some_and(|socket| {
            socket.stream.peer == Some(from) && !matches!(socket.state, State::Closed | State::Listen | State::SynSent)
        })
    }

    /// True if the segment goes on where its stream has got to. If one before it is lost, it waits for that, but not if its sender is gone and
    /// it was held on its way: nobody sends the lost one again then, and what comes behind the gap is of no use.
    fn is_next(&self, to: Descriptor, from: Descriptor, sequence: u32) -> bool {
        let is_next = self.socket(to).is_some_and(|socket| socket.stream.received as u32 == sequence);
        debug_assert!(is_next || self.socket(from).is_none(), "nothing overtakes, and nothing comes twice");
        is_next
    }

    fn is_connecting(&self, client: Descriptor, number: u32) -> bool {
        self.socket(client).is_some_and(|socket| socket.state == State::SynSent && socket.stream.syns == number)
    }

    /// A SYN of this client has come to the host. A client that has given up meanwhile would answer with a reset; nobody would notice.
    fn on_syn(&mut self, client: Descriptor, host: HostId, number: u32) {
        if !self.is_connecting(client, number) {
            return;
        }
        let Some(Socket { local: Some(from), remote: Some(to), host: there, .. }) = self.socket(client) else { return };
        let (from, to, there) = (*from, *to, *there);
        self.end_rests();
        if let Some(Connection::Socket(other)) = self.names(host).connection(to, from) {
            return self.on_syn_of_peer(other, client);
        }
        let Some(listener) = self.names(host).listener(to) else {
            let route = Route { from: Descriptor::none(), here: host, to: client, there };
            self.transmit(route, Segment::Refused { number });
            return;
        };
        if !self.has_room(listener) {
            self.hits.dropped_syns += 1;
            return self.lose_syn(client);
        }
        let server = self.welcome(listener, host, to, from);
        if let Some(socket) = self.socket_mut(server) {
            socket.stream.peer = Some(client);
            socket.stream.there = there;
        }
        self.answer_syn(server);
    }

    /// Both ends connect to each other at once, or a socket connects to itself.
    fn on_syn_of_peer(&mut self, own: Descriptor, client: Descriptor) {
        match self.socket_mut(own) {
            Some(socket) if socket.state == State::SynSent => {
                socket.state = State::SynReceived;
                socket.stream.peer = Some(client);
                self.answer_syn(own);
            }
            // Its answer was lost.
            Some(socket) if socket.state == State::SynReceived && socket.stream.peer == Some(client) => self.answer_syn(own),
            // An old connection of these names has not ended here. If its other end is gone, this is how it is found out (RFC 9293, 3.5.1).
            other => {
                let peer = other.and_then(|socket| socket.stream.peer);
                if peer.is_none_or(|peer| self.socket(peer).is_none()) {
                    self.reset(own);
                }
                self.lose_syn(client);
            }
        }
    }

    /// True if the SYN of this client will be dropped, because the backlog is full.
    pub(crate) fn finds_no_room(&mut self, client: Descriptor, host: HostId, number: u32) -> bool {
        if !self.is_connecting(client, number) {
            return false;
        }
        let Some(Socket { local: Some(from), remote: Some(to), .. }) = self.socket(client) else { return false };
        let (from, to) = (*from, *to);
        self.end_rests();
        let names = self.names(host);
        let known = matches!(names.connection(to, from), Some(Connection::Socket(_)));
        names.listener(to).is_some_and(|listener| !known && !self.has_room(listener))
    }

    fn has_room(&self, listener: Descriptor) -> bool {
        self.socket(listener)
            .and_then(|socket| socket.listener.as_ref())
            .is_some_and(|listener| listener.queue.len() + listener.pending.len() <= listener.backlog)
    }

    /// Makes the listener's end of a connection that is not established yet.
    fn welcome(&mut self, listener: Descriptor, host: HostId, local: Name, remote: Name) -> Descriptor {
        let mut socket = Socket::new(host, local.address.family(), Stream::new(0, 0));
        if let Some(parent) = self.socket(listener) {
            socket.reuse_address = parent.reuse_address;
            socket.keeps_address = parent.keeps_address;
            (socket.receive_shut, socket.send_shut) = (parent.receive_shut, parent.send_shut);
            socket.stream = Stream::new(parent.stream.send_capacity(), parent.stream.receive_capacity());
            socket.stream.keep_alive.clone_from(&parent.stream.keep_alive);
        }
        let hold = Hold { exclusive: !socket.reuse_address, listening: false, bound: true };
        socket.state = State::SynReceived;
        socket.phase = crate::socket::Phase::Connected;
        (socket.local, socket.remote) = (Some(local), Some(remote));
        socket.hold = Some((local, hold));
        socket.holder = Holder::Listener(listener);
        let server = Descriptor(self.sockets.insert(socket));
        let names = self.names(host);
        names.hold(local, hold);
        names.connect(local, remote, server);
        if let Some(listener) = self.socket_mut(listener).and_then(|socket| socket.listener.as_mut()) {
            listener.pending.push_back(server);
        }
        server
    }

    fn answer_syn(&mut self, from: Descriptor) {
        self.transmit_to_peer(from, Segment::SynAck);
    }

    fn on_syn_unanswered(&mut self, client: Descriptor, number: u32) {
        if !self.is_connecting(client, number) {
            return;
        }
        let retries = self.config.syn_retries.saturating_add(self.config.syn_linear_retries);
        let Some(socket) = self.socket_mut(client) else { return };
        if socket.stream.retries >= retries {
            self.hits.connect_timeouts += 1;
            return self.fail(client, FaultKind::TimedOut);
        }
        socket.stream.retries += 1;
        self.send_syn(client);
    }

    fn on_syn_ack(&mut self, client: Descriptor, peer: Descriptor, host: HostId, limit: u64) {
        let names = |socket: &Socket| (socket.local, socket.remote);
        let theirs = self.socket(peer).map(names);
        let known = self.is_connection(client, peer);
        match self.socket_mut(client) {
            Some(socket) if is_opening(socket) && theirs == Some((socket.remote, socket.local)) => {
                let both = socket.state == State::SynReceived;
                socket.state = State::Established;
                socket.stream.peer = Some(peer);
                socket.stream.raise_limit(limit);
                self.changes(client);
                self.transmit_to_peer(client, Segment::Ack);
                self.keep_watch(client);
                if both {
                    self.finish_early(client);
                }
            }
            // It was answered, and that was lost.
            _ if known => self.transmit_to_peer(client, Segment::Ack),
            // The client has gone, or is somebody else by now.
            _ => self.reject(host, client, peer),
        }
    }

    /// Linux: a shutdown of a socket before it was connected, or of a listener before it listened, takes effect now; a client's does not.
    fn finish_early(&mut self, descriptor: Descriptor) {
        if self.socket(descriptor).is_some_and(|socket| socket.send_shut) {
            self.send_fin(descriptor);
        }
    }

    fn on_ack(&mut self, to: Descriptor, acknowledged: u64, limit: u64) {
        let Some(socket) = self.socket_mut(to) else { return };
        let stream = &mut socket.stream;
        let reassured = is_reassured(stream, acknowledged, limit);
        stream.acknowledged = stream.acknowledged.max(acknowledged);
        stream.raise_limit(limit);
        let writable = stream.blocked && stream.is_writable();
        if writable {
            stream.blocked = false;
        }
        let (state, over, waits) = (socket.state, stream.fin_is_acknowledged(), stream.has_queued());
        if writable {
            self.changes(to);
        }
        if reassured {
            self.reassure(to);
        }
        match state {
            State::SynReceived => self.establish(to),
            State::FinWait1 if over => self.begin_second_wait(to),
            State::Closing if over => self.finish_in_time_wait(to),
            State::LastAck if over => self.finish(to),
            _ if waits => self.flush(to),
            _ => {}
        }
    }

    /// The client has answered: the connection can be accepted.
    fn establish(&mut self, server: Descriptor) {
        let Some(socket) = self.socket_mut(server) else { return };
        socket.state = State::Established;
        let Some(parent) = socket.parent() else { return };
        socket.holder = Holder::Nobody;
        if let Some(listener) = self.socket_mut(parent).and_then(|socket| socket.listener.as_mut()) {
            if let Some(place) = listener.pending.iter().position(|pending| *pending == server) {
                listener.pending.remove(place);
            }
            listener.queue.push_back(server);
            self.changes(parent);
        }
        self.reassure(server);
        self.keep_watch(server);
        self.finish_early(server);
    }

    fn begin_second_wait(&mut self, descriptor: Descriptor) {
        let Some(socket) = self.socket_mut(descriptor) else { return };
        socket.state = State::FinWait2;
        if socket.orphan {
            socket.rests = true;
            self.rest_socket(descriptor);
        }
    }

    fn on_data(&mut self, to: Descriptor, data: Bytes) {
        let Some(socket) = self.sockets.get_mut(to.0) else { return };
        // Linux: after our FIN, what nobody will read is answered by a reset.
        if socket.state != State::Established && (socket.orphan || socket.receive_shut) {
            self.transmit_to_peer(to, Segment::Reset);
            return self.fail(to, FaultKind::ConnectionReset);
        }
        socket.stream.take_arrived(&mut self.store, data);
        self.changes(to);
        self.owe(to);
    }

    fn on_fin(&mut self, to: Descriptor) {
        let Some(socket) = self.socket_mut(to) else { return };
        socket.finished = true;
        socket.receive_shut = true;
        let state = socket.state;
        socket.state = match state {
            State::Established => State::CloseWait,
            State::FinWait1 => State::Closing,
            other => other,
        };
        self.changes(to);
        if state == State::FinWait2 {
            self.transmit_to_peer(to, Segment::Ack);
            self.finish_in_time_wait(to);
        } else {
            self.owe(to);
        }
    }

    fn on_reset(&mut self, to: Descriptor, from: Descriptor) {
        if self.is_connection(to, from) {
            self.reset(to);
        }
    }

    /// The peer has ended the connection at once.
    pub(crate) fn reset(&mut self, descriptor: Descriptor) {
        match self.socket(descriptor) {
            // Nobody has seen it yet.
            Some(socket) if socket.parent().is_some() => self.forget_pending(descriptor),
            Some(socket) if socket.state == State::CloseWait => self.fail(descriptor, FaultKind::BrokenPipe),
            _ => self.fail(descriptor, FaultKind::ConnectionReset),
        }
    }

    pub(crate) fn forget_pending(&mut self, server: Descriptor) {
        let parent = self.socket(server).and_then(|socket| socket.parent());
        if let Some(listener) = parent.and_then(|parent| self.socket_mut(parent)).and_then(|socket| socket.listener.as_mut()) {
            listener.pending.retain(|pending| *pending != server);
        }
        self.remove(server);
    }
}

/// It has sent a SYN that nobody has answered.
fn is_opening(socket: &Socket) -> bool {
    socket.state == State::SynSent || (socket.state == State::SynReceived && socket.parent().is_none())
}
