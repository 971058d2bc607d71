//! Waiting for sockets with the reactor, where a poller of our own cannot be had.

use std::io;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};

use async_io::Async;
use sansock_system::{Handle, Interest, Ready, Registry, Trigger};

use crate::shared::{Bell, lock};

/// The reactor's registrations, by token. One is made when something waits for a socket for the first time, and goes before the socket is
/// closed.
pub(crate) struct Watches {
    bell: Arc<Bell>,
    ready: Arc<Mutex<Reports>>,
    watches: Vec<Option<Watch>>,
}

/// Sockets that are ready.
type Reports = Vec<(usize, Ready)>;

/// Wakes the driver for one socket and direction, and says which.
struct SocketWaker {
    token: usize,
    direction: Ready,
    ready: Arc<Mutex<Reports>>,
    bell: Arc<Bell>,
}

impl Wake for SocketWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        lock(&self.ready).push((self.token, self.direction));
        self.bell.ring();
    }
}

struct Watch {
    source: Async<Handle>,
    readable: Direction,
    writable: Direction,
}

struct Direction {
    waker: Waker,
    /// The reactor will wake us.
    armed: bool,
}

impl Watches {
    pub(crate) fn new(bell: Arc<Bell>) -> Self {
        Self { bell, ready: Arc::default(), watches: Vec::new() }
    }

    /// What has happened.
    pub(crate) fn take(&mut self, _: &mut Context<'_>, ready: &mut Vec<(usize, Ready)>) {
        ready.append(&mut lock(&self.ready));
        for (token, direction) in ready {
            if let Some(Some(watch)) = self.watches.get_mut(*token) {
                watch.woken(*direction);
            }
        }
    }

    /// The wakers of what is armed wake us.
    pub(crate) fn rest(&mut self, _: &mut Context<'_>) -> bool {
        true
    }
}

impl Registry for Watches {
    fn trigger(&self) -> Trigger {
        Trigger::Oneshot
    }

    fn add(&mut self, handle: &Handle, token: usize, interest: Interest) -> io::Result<()> {
        if self.watches.len() <= token {
            self.watches.resize_with(token + 1, || None);
        }
        let (ready, bell) = (&self.ready, &self.bell);
        let waker = |direction| SocketWaker { token, direction, ready: Arc::clone(ready), bell: Arc::clone(bell) };
        let result = self.watches[token].insert(Watch::new(handle, waker)?).arm(interest);
        if result.is_err() {
            self.watches[token] = None;
        }
        result
    }

    fn modify(&mut self, _: &Handle, token: usize, interest: Interest) -> io::Result<()> {
        match self.watches.get_mut(token) {
            Some(Some(watch)) => watch.arm(interest),
            _ => Err(io::ErrorKind::NotFound.into()),
        }
    }

    fn remove(&mut self, _: &Handle, token: usize) -> io::Result<()> {
        if let Some(watch) = self.watches.get_mut(token) {
            *watch = None;
        }
        Ok(())
    }
}

impl Watch {
    fn new(handle: &Handle, waker: impl Fn(Ready) -> SocketWaker) -> io::Result<Self> {
        let direction = |ready| Direction { waker: Arc::new(waker(ready)).into(), armed: false };
        Ok(Self {
            source: Async::new_nonblocking(Arc::clone(handle))?,
            readable: direction(Ready::Readable),
            writable: direction(Ready::Writable),
        })
    }

    /// Makes sure that we are woken for what the socket is waited for. An error means that we never would be.
    fn arm(&mut self, interest: Interest) -> io::Result<()> {
        if interest.readable && self.readable.begin() {
            let poll = self.source.poll_readable(&mut Context::from_waker(&self.readable.waker));
            self.readable.note(poll)?;
        }
        if interest.writable && self.writable.begin() {
            let poll = self.source.poll_writable(&mut Context::from_waker(&self.writable.waker));
            self.writable.note(poll)?;
        }
        Ok(())
    }

    /// The reactor has woken us for this.
    fn woken(&mut self, ready: Ready) {
        let directions = ready.directions();
        self.readable.armed &= !directions.readable;
        self.writable.armed &= !directions.writable;
    }
}

impl Direction {
    /// True if the reactor has to be asked.
    fn begin(&mut self) -> bool {
        !std::mem::replace(&mut self.armed, true)
    }

    /// The reactor may know already that the socket is ready: then it will not wake us, so we do.
    fn note(&self, poll: Poll<io::Result<()>>) -> io::Result<()> {
        match poll {
            Poll::Pending => Ok(()),
            Poll::Ready(Ok(())) => {
                self.waker.wake_by_ref();
                Ok(())
            }
            Poll::Ready(Err(error)) => Err(error),
        }
    }
}
