//! A server in the hands of a test.

use std::convert::Infallible;
use std::net::SocketAddr;

use bytes::Bytes;
use sansock::{
    Address, CloseReason, CloseReport, Connected, Context, Ending, Handler, ListenerConfig, OpKind, Outcome, Peer,
    RefusedOptions, Server, ServerConfig, ServerEvent, ServerReport, Service, SlotRange, SocketId, Verdict,
};

use super::{Contract, Drive};

/// A handler that does nothing but what the defaults do.
#[derive(Clone, Debug)]
pub struct Quiet;

impl Handler for Quiet {
    type Message = Infallible;

    fn on_data(&mut self, _: &mut Context<'_, Infallible>, _: Bytes) {}
}

/// A service that accepts, or turns away, by the port of the peer.
#[derive(Clone, Debug, Default)]
pub struct Verdicts {
    /// Peers with these ports are turned away.
    pub rejected: Vec<u16>,
    /// Whom it was asked about.
    pub asked: Vec<Peer>,
}

impl Service for Verdicts {
    type Handler = Quiet;

    fn accept(&mut self, peer: &Peer) -> Verdict<Quiet> {
        self.asked.push(*peer);
        let port = peer.address.and_then(Address::port);
        if port.is_some_and(|port| self.rejected.contains(&port)) { Verdict::Reject } else { Verdict::Accept(Quiet) }
    }
}

/// `127.0.0.1:port`
#[must_use]
pub fn address(port: u16) -> Address {
    SocketAddr::from(([127, 0, 0, 1], port)).into()
}

/// A listener on [`address`].
pub fn listener_at(port: u16) -> ListenerConfig {
    ListenerConfig::new(address(port))
}

/// A connection from the peer with this port.
#[must_use]
pub fn connected(port: u16) -> Outcome {
    Outcome::Connected(Connected { peer: Some(address(port)), local: Some(address(80)), refused: RefusedOptions::NONE }.into())
}

/// The report of a session that has ended like this, after it has received three bytes and sent five.
#[must_use]
pub const fn report(ending: Ending) -> CloseReport {
    CloseReport { ending, reason: CloseReason::Finished, received: 3, sent: 5, ..CloseReport::LOST }
}

impl Drive<Server<Verdicts>> {
    /// A server with these listeners and this many places, not started.
    pub fn server(listeners: &[ListenerConfig], places: usize, service: Verdicts) -> Self {
        let config = ServerConfig::new(address(80)).listeners(listeners.to_vec()).expect("a listener");
        let config = config.max_connections(places).expect("a place");
        let mut contract = Contract::default();
        contract.limit(places);
        let server = Server::new(config, service, SlotRange::ALL).expect("slots enough");
        Self::with_contract(server, contract)
    }

    /// A server that listens on ports 80, 81, ... and has this many places.
    pub fn listening(listeners: u16, places: usize) -> Self {
        Self::listening_with(listeners, places, Verdicts::default())
    }

    /// The same, with a service of one's own.
    pub fn listening_with(listeners: u16, places: usize, service: Verdicts) -> Self {
        let configs: Vec<_> = (0..listeners).map(|number| listener_at(80 + number)).collect();
        let mut drive = Self::server(&configs, places, service);
        drive.start();
        drive.wind_up();
        drive
    }

    /// Starts it.
    pub fn start(&mut self) {
        self.call(|server, now| server.start(now).expect("not started before"));
    }

    /// The peer with this port connects, to the first listener that accepts; the name of the connection.
    pub fn connect(&mut self, port: u16) -> SocketId {
        let accept = *self.all(OpKind::Accept).first().expect("a listener accepts");
        self.complete(accept, connected(port));
        accept.socket()
    }

    /// The session has ended.
    pub fn gone(&mut self, socket: SocketId, ending: Ending) {
        self.contract_mut().gone(socket);
        self.call(|server, now| server.gone(now, socket, &report(ending)).expect("it is out"));
    }

    /// What the server says at its end.
    pub fn stopped(&mut self) -> ServerReport {
        match self.events().pop() {
            Some(ServerEvent::Stopped(report)) => {
                assert_eq!(self.contract().open(), 0, "A8: a socket is open");
                *report
            }
            other => panic!("the server has not stopped, but said {other:?}; in flight: {:?}", self.in_flight()),
        }
    }

    /// Every session that is out ends at once.
    pub fn all_gone(&mut self) {
        let out: Vec<_> = self.contract().out().collect();
        for socket in out {
            self.gone(socket, Ending::Aborted);
        }
    }
}
