//! The canonical encoding of a server.

use alloc::vec::Vec;

use super::{Server, ServerEvent};
use crate::state::Table;
use crate::{Canonical, Service, Timestamp, encode};

/// Life, flights, listeners, places, the drain's deadline relative to `now`, and the kinds of the events that wait. The service is left
/// out: it decides what handlers do, which is not the server's behaviour.
impl<S: Service> Canonical for Server<S> {
    fn canonical(&self, now: Timestamp, out: &mut Vec<u8>) {
        let now = now.max(self.now);
        encode::byte(out, self.life.index());
        encode::byte(out, self.flight.code());
        encode::flag(out, self.initialised);
        encode::flag(out, self.announced);
        encode::length(out, self.turn);
        for listener in &self.listeners {
            listener.canonical(now, out);
        }
        self.places.encode(out);
        encode::deadline(out, self.drain_deadline, now);
        encode::length(out, self.events.len());
        for event in &self.events {
            encode::byte(
                out,
                match event {
                    ServerEvent::Listening { .. } => 0,
                    ServerEvent::Opened { .. } => 1,
                    ServerEvent::Order { .. } => 2,
                    ServerEvent::Exhausted { .. } => 3,
                    ServerEvent::Recovered { .. } => 4,
                    ServerEvent::ListenerLost { .. } => 5,
                    ServerEvent::Stopped(_) => 6,
                },
            );
        }
    }
}
