//! A listener in the hands of a test, which offers it places.

use std::sync::Arc;

use sansock::{Listener, ListenerConfig, SocketId};

use super::{Drive, name};

impl Drive<Listener> {
    /// A listener that has not started. Its socket is called 0.0.
    pub fn listener(config: ListenerConfig) -> Self {
        Self::new(Listener::new(name(0), Arc::new(config)))
    }

    /// The same, started.
    pub fn started(config: ListenerConfig) -> Self {
        let mut drive = Self::listener(config);
        drive.call(|listener, now| listener.start(now).expect("not started before"));
        drive
    }

    /// The same, and it listens.
    pub fn listens(config: ListenerConfig) -> Self {
        let mut drive = Self::started(config);
        drive.wind_up();
        drive.events();
        drive
    }

    /// Offers a place in this slot; its name.
    pub fn offer(&mut self, slot: u32) -> SocketId {
        self.call(|listener, now| listener.offer(now, name(slot)).expect("it wants a place"));
        name(slot)
    }
}
