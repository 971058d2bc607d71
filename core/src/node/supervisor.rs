//! A server or a client, as the node sees it.

use alloc::boxed::Box;
use alloc::vec::Vec;

use crate::state::SupervisorLife;
use crate::{
    Canonical, Client, ClientEvent, CloseReport, Completion, Fault, Machine, Misuse, Op, Server, ServerEvent, Service, SlotRange,
    SocketId, Timestamp,
};

/// A server or a client. Servers are few and large; without the box each client would take as much room as a server.
pub(super) enum Supervisor<S: Service> {
    Server(Box<Server<S>>),
    Client(Client<S>),
}

/// What either of them tells the node.
pub(super) enum SupervisorEvent<S: Service> {
    Server(ServerEvent<S::Handler>),
    Client(ClientEvent<S::Handler>),
}

impl<S: Service> Supervisor<S> {
    pub(super) fn drain(&mut self, now: Timestamp, deadline: Timestamp) {
        match self {
            Self::Server(server) => server.drain(now, deadline),
            Self::Client(client) => client.drain(now, deadline),
        }
    }

    pub(super) fn stop(&mut self, now: Timestamp) {
        match self {
            Self::Server(server) => server.stop(now),
            Self::Client(client) => client.stop(now),
        }
    }

    pub(super) fn gone(&mut self, now: Timestamp, socket: SocketId, report: &CloseReport) {
        // The node knows which sessions are out, so this is no misuse.
        let _ = match self {
            Self::Server(server) => server.gone(now, socket, report),
            Self::Client(client) => client.gone(now, socket, report),
        };
    }

    /// All that were given to it.
    pub(super) const fn slots(&self) -> SlotRange {
        match self {
            Self::Server(server) => server.slots(),
            Self::Client(client) => client.slots(),
        }
    }

    /// See [`Client::slots_after`].
    pub(super) fn slots_after(&self) -> Option<SlotRange> {
        match self {
            Self::Server(server) => server.slots_after(),
            Self::Client(client) => client.slots_after(),
        }
    }

    pub(super) fn is_stopped(&self) -> bool {
        let life = match self {
            Self::Server(server) => server.life(),
            Self::Client(client) => client.life(),
        };
        life == SupervisorLife::Stopped
    }

    pub(super) fn next_event(&mut self) -> Option<SupervisorEvent<S>> {
        match self {
            Self::Server(server) => server.next_event().map(SupervisorEvent::Server),
            Self::Client(client) => client.next_event().map(SupervisorEvent::Client),
        }
    }

    pub(super) fn next_operation(&mut self) -> Option<Op> {
        match self {
            Self::Server(server) => server.next_operation(),
            Self::Client(client) => client.next_operation(),
        }
    }

    pub(super) fn complete(&mut self, now: Timestamp, done: Completion) -> Result<(), Misuse> {
        match self {
            Self::Server(server) => server.complete(now, done),
            Self::Client(client) => client.complete(now, done),
        }
    }

    pub(super) fn broken(&mut self, now: Timestamp, socket: SocketId, fault: Fault) {
        match self {
            Self::Server(server) => server.broken(now, socket, fault),
            Self::Client(client) => client.broken(now, socket, fault),
        }
    }

    pub(super) fn handle_timeout(&mut self, now: Timestamp) {
        match self {
            Self::Server(server) => server.handle_timeout(now),
            Self::Client(client) => client.handle_timeout(now),
        }
    }

    pub(super) fn deadline(&self) -> Option<Timestamp> {
        match self {
            Self::Server(server) => server.deadline(),
            Self::Client(client) => client.deadline(),
        }
    }

    pub(super) fn in_flight(&self) -> usize {
        match self {
            Self::Server(server) => server.in_flight(),
            Self::Client(client) => client.in_flight(),
        }
    }

    pub(super) fn canonical(&self, now: Timestamp, out: &mut Vec<u8>) {
        match self {
            Self::Server(server) => server.canonical(now, out),
            Self::Client(client) => client.canonical(now, out),
        }
    }
}
