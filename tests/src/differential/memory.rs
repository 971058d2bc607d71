//! The calls on simulated sockets.

use std::net::SocketAddr;
use std::time::Duration;

use sansock_memory::{CallError, Descriptor, Family, HostId, Network, NetworkConfig, Received};

use super::call::{Answer, Call, Last};
use super::world::{Look, Meter, Place, matches, pattern};

/// In this time everything arrives that travels. A thousand such steps are shorter than the shortest timer of TCP that a script must not
/// meet: a second.
const SETTLE: Duration = Duration::from_micros(100);

pub(super) struct Memory {
    network: Network,
    host: HostId,
    place: Place,
    /// By number; closed ones stay in their places.
    sockets: Vec<Simulated>,
}

struct Simulated {
    descriptor: Descriptor,
    family: Family,
    open: bool,
    meter: Meter,
    /// Who is at the other end, once it was accepted.
    partner: Option<usize>,
    local: Option<SocketAddr>,
    /// Who it was connected to last.
    peer: Option<SocketAddr>,
}

impl Memory {
    pub(super) fn new(place: Place) -> Self {
        let config = NetworkConfig { latency: Duration::from_micros(1), ..NetworkConfig::default() };
        let mut network = Network::new(config, 1);
        let host = network.add_host([]);
        Self { network, host, place, sockets: Vec::new() }
    }

    /// Makes the call and lets everything arrive.
    pub(super) fn call(&mut self, call: &Call) -> Answer {
        let answer = self.make(call);
        self.settle();
        for number in 0..self.sockets.len() {
            let (local, peer) = self.network.addresses(self.sockets[number].descriptor);
            let socket = &mut self.sockets[number];
            socket.local = local.or(socket.local);
            socket.peer = peer.or(socket.peer);
            if peer.is_some() && peer == local {
                socket.partner = Some(number);
            }
        }
        answer
    }

    pub(super) fn look(&self, number: usize) -> Look {
        let descriptor = self.sockets[number].descriptor;
        let (local, peer) = self.network.addresses(descriptor);
        Look { readiness: self.network.readiness(descriptor).unwrap_or_default(), local, peer }
    }

    /// The numbers of the sockets that are open.
    pub(super) fn open(&self) -> Vec<usize> {
        (0..self.sockets.len()).filter(|number| self.sockets[*number].open).collect()
    }

    fn family(&self, number: usize) -> Family {
        self.sockets[number].family
    }

    pub(super) fn partner(&self, number: usize) -> Option<usize> {
        self.sockets[number].partner
    }

    pub(super) fn meter(&self, number: usize) -> Meter {
        self.sockets[number].meter
    }

    /// True if nobody outside the script uses the socket's name, or its port on any address.
    pub(super) fn is_own(&self, number: usize, everywhere: bool) -> bool {
        self.sockets[number].local.is_some_and(|local| {
            local.port() == self.place.port || (!everywhere && local.ip() == std::net::IpAddr::from(self.place.address))
        })
    }

    /// True if there was a connection of these names, and only the end that would connect again was closed.
    pub(super) fn is_left_over(&self, number: usize, to: usize) -> bool {
        let ports = |local: Option<SocketAddr>, peer: Option<SocketAddr>| Some((local?.port(), peer?.port()));
        let wanted = ports(self.sockets[number].local, self.sockets[to].local);
        self.sockets.iter().any(|old| {
            let partner_is_open = old.partner.is_none_or(|partner| self.sockets[partner].open);
            !old.open && ports(old.local, old.peer) == wanted && partner_is_open
        })
    }

    fn settle(&mut self) {
        self.network.advance(self.network.now() + SETTLE);
    }

    fn make(&mut self, call: &Call) -> Answer {
        let at = |number: usize| self.sockets[number].descriptor;
        match *call {
            Call::Create { family, reuse } => match self.network.create(self.host, family) {
                Ok(descriptor) => {
                    let _ = self.network.reuse_address(descriptor, reuse);
                    self.add(descriptor, family);
                    Answer::Done
                }
                Err(kind) => Answer::Fault(kind),
            },
            Call::Reuse { socket, on } => done(self.network.reuse_address(at(socket), on)),
            Call::Bind { socket, to } => {
                let name = self.place.name(self.family(socket), to, |other| self.sockets[other].local);
                match name {
                    Some(name) => done(self.network.bind(at(socket), name)),
                    None => Answer::Done,
                }
            }
            Call::Listen { socket, backlog } => done(self.network.listen(at(socket), backlog)),
            Call::Connect { socket, to } => self.connect(socket, to),
            Call::Accept { socket } => self.accept(socket),
            Call::Send { socket, size } => self.send(socket, size),
            Call::Fill { socket } => self.fill(socket),
            Call::Receive { socket, most } => self.receive(socket, most),
            Call::Drain { socket } => self.drain(socket),
            Call::Shutdown { socket, how } => done(self.network.shutdown(at(socket), how)),
            Call::TakeError { socket } => match self.network.take_error(at(socket)) {
                Ok(error) => Answer::Error(error),
                Err(kind) => Answer::Fault(kind),
            },
            Call::Close { socket, abortive } => {
                self.network.close(at(socket), abortive);
                self.sockets[socket].open = false;
                Answer::Done
            }
        }
    }

    fn add(&mut self, descriptor: Descriptor, family: Family) {
        let simulated =
            Simulated { descriptor, family, open: true, meter: Meter::default(), partner: None, local: None, peer: None };
        self.sockets.push(simulated);
    }

    fn connect(&mut self, number: usize, to: usize) -> Answer {
        let Some(name) = self.sockets[to].local else { return Answer::Done };
        let answer = match self.network.connect(self.sockets[number].descriptor, name) {
            Ok(()) => Answer::Done,
            Err(error) => failed(error),
        };
        if answer == Answer::WouldBlock {
            let socket = &mut self.sockets[number];
            socket.meter = Meter::default();
            socket.partner = None;
        }
        answer
    }

    fn accept(&mut self, number: usize) -> Answer {
        match self.network.accept(self.sockets[number].descriptor) {
            Ok((descriptor, peer)) => {
                let accepted = self.sockets.len();
                self.add(descriptor, self.sockets[number].family);
                // The latest one of that name, if an earlier one was closed.
                let partner = self.sockets.iter().rposition(|socket| socket.local == Some(peer));
                self.sockets[accepted].partner = partner;
                if let Some(partner) = partner {
                    self.sockets[partner].partner = Some(accepted);
                }
                Answer::Done
            }
            Err(error) => failed(error),
        }
    }

    fn send(&mut self, number: usize, size: usize) -> Answer {
        let socket = &mut self.sockets[number];
        match self.network.send(socket.descriptor, &pattern(socket.meter.sent, size)) {
            Ok(count) => {
                socket.meter.sent += count;
                Answer::Sent(count)
            }
            Err(error) => failed(error),
        }
    }

    fn fill(&mut self, number: usize) -> Answer {
        let mut anything = false;
        loop {
            match self.send(number, 8192) {
                Answer::Sent(_) => anything = true,
                Answer::WouldBlock => {
                    self.settle();
                    match self.send(number, 8192) {
                        Answer::Sent(_) => anything = true,
                        answer => return Answer::Filled { anything, then: last(answer) },
                    }
                }
                answer => return Answer::Filled { anything, then: last(answer) },
            }
        }
    }

    fn receive(&mut self, number: usize, most: usize) -> Answer {
        let socket = &mut self.sockets[number];
        match self.network.recv(socket.descriptor, most) {
            Ok(Received::Data(data)) => {
                let intact = matches(socket.meter.received, &data);
                socket.meter.received += data.len();
                Answer::Received { count: data.len(), intact }
            }
            Ok(Received::Eof) => Answer::Eof,
            Err(error) => failed(error),
        }
    }

    /// After receiving was shut down, an end of file does not mean that nothing more comes.
    fn drain(&mut self, number: usize) -> Answer {
        let (mut all_intact, mut settled) = (true, false);
        let sent = self.partner(number).map_or(0, |partner| self.meter(partner).sent);
        let then = loop {
            match self.receive(number, 65536) {
                Answer::Received { intact, .. } => {
                    all_intact &= intact;
                    settled = false;
                }
                Answer::WouldBlock | Answer::Eof if !settled => {
                    self.settle();
                    settled = true;
                }
                answer => break last(answer),
            }
        };
        Answer::Drained { everything: self.meter(number).received == sent, intact: all_intact, then }
    }
}

fn done<T>(result: Result<T, sansock::FaultKind>) -> Answer {
    match result {
        Ok(_) => Answer::Done,
        Err(kind) => Answer::Fault(kind),
    }
}

fn failed(error: CallError) -> Answer {
    match error {
        CallError::WouldBlock => Answer::WouldBlock,
        CallError::AlreadyConnected => Answer::AlreadyConnected,
        CallError::Fault(kind) => Answer::Fault(kind),
    }
}

pub(super) fn last(answer: Answer) -> Last {
    match answer {
        Answer::WouldBlock => Last::WouldBlock,
        Answer::Fault(kind) => Last::Fault(kind),
        _ => Last::Eof,
    }
}
