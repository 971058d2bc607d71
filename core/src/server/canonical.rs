//! The canonical encoding of a server.

use alloc::vec::Vec;

use super::{Server, ServerEvent};
use crate::state::{ListenerLife, SupervisorLife, Table};
use crate::{Canonical, Handler, Listener, Order, Service, Timestamp, encode};

/// Life, the events that wait (their kinds, and which listener, place and order they are about), and unless it has stopped: socket
/// runtime, listeners and whose turn it is, places, the drain's deadline relative to `now`. The service is left out: it decides what
/// handlers do, which is not the server's behaviour.
impl<S: Service> Canonical for Server<S> {
    fn canonical(&self, now: Timestamp, out: &mut Vec<u8>) {
        let now = now.max(self.now);
        encode::byte(out, self.life.index());
        encode::length(out, self.events.len());
        for event in &self.events {
            encode_event(out, event, now);
        }
        if self.life == SupervisorLife::Stopped {
            return;
        }
        self.runtime.encode(out);
        encode::flag(out, self.announced && !self.listeners_are_closed());
        encode::length(out, self.whose_turn());
        for listener in &self.listeners {
            listener.canonical(now, out);
        }
        self.places.encode(out);
        encode::deadline(out, self.drain_deadline, now);
    }
}

impl<S: Service> Server<S> {
    /// The next listener that may get a place; those that will never accept again are passed over.
    fn whose_turn(&self) -> usize {
        let accepts = |index: &usize| {
            let life = self.listeners.get(*index).map(Listener::life);
            matches!(life, Some(ListenerLife::Listening | ListenerLife::Sweeping))
        };
        let behind = self.turn..self.listeners.len();
        behind.chain(0..self.turn).find(accepts).unwrap_or(0)
    }
}

fn encode_event<H: Handler>(out: &mut Vec<u8>, event: &ServerEvent<H>, now: Timestamp) {
    let mut about = |kind, index| {
        encode::byte(out, kind);
        encode::length(out, index);
    };
    match event {
        ServerEvent::Listening { listener, .. } => about(0, *listener),
        ServerEvent::OptionsRefused { listener, .. } => about(1, *listener),
        ServerEvent::Exhausted { listener, .. } => about(2, *listener),
        ServerEvent::Recovered { listener, .. } => about(3, *listener),
        ServerEvent::ListenerLost { listener, .. } => about(4, *listener),
        ServerEvent::Opened { socket, .. } => {
            encode::byte(out, 5);
            encode::slot(out, *socket);
        }
        ServerEvent::Order { socket, order: Order::Drain(deadline) } => {
            encode::byte(out, 6);
            encode::slot(out, *socket);
            encode::deadline(out, *deadline, now);
        }
        ServerEvent::Order { socket, order: Order::Abort } => {
            encode::byte(out, 7);
            encode::slot(out, *socket);
        }
        ServerEvent::Stopped(_) => encode::byte(out, 8),
    }
}
