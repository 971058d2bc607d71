//! Two applications to simulate: a [chat] and a [replicated register](register).
//!
//! Each runs, as the same types, on simulated sockets and on real ones. Each comes with rules, which are plain functions over what the
//! application has written down, and with one planted bug behind a switch, so that a simulation has something to find.
//!
//! What they show about writing an application:
//!
//! - **Several kinds of connections in one node**: a [`Node`](sansock::Node) has one type of service, so the kinds are an enum, and each
//!   callback is passed on to the kind that it is for.
//! - **State of a host**, shared by its connections, is a [`Shared`] value that their services hold. What is captured from outside of the code
//!   that starts a host survives a crash, as a disk does; what that code creates is lost.
//! - **A client that has stopped is dialled again by whoever runs the node**; whether and when, the application says ([`Redial`]).
//! - **Posting wakes, it does not carry**: what has to be told is kept in the shared state, and a message only says that there is something.
//!   Then nothing is lost when a message comes back.

pub mod chat;
pub mod lines;
pub mod register;
pub mod worlds;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sansock::{ClientReport, Service};

/// State that the connections of a host share, and the rules look at.
///
/// On the blocking transport each connection has a thread, so it is behind a lock. Nobody holds one for longer than a callback, and no
/// callback waits for anything while it does.
#[derive(Debug, Default)]
pub struct Shared<T>(Arc<Mutex<T>>);

impl<T> Shared<T> {
    /// Something to share.
    #[must_use]
    pub fn new(value: T) -> Self {
        Self(Arc::new(Mutex::new(value)))
    }

    /// Access, for as long as the guard lives. A panic of somebody who had it does not matter: each change is one call.
    pub fn lock(&self) -> MutexGuard<'_, T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Clone for Shared<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

/// A client's service that says whether to dial again.
///
/// Whoever runs the node keeps the configuration and the service of each client that it starts. When a client has stopped it asks here, and
/// after that time it starts a client with the same configuration and a clone of the service. In a simulation the time is virtual.
pub trait Redial: Service + Clone {
    /// The client with this service has stopped: after what time is it to be started again, if at all?
    fn redial(&self, report: &ClientReport) -> Option<Duration>;
}
