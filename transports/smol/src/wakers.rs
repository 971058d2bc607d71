//! Waiting for sockets with the reactor, where a poller of our own cannot be had.

use std::io;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};

use async_io::Async;
use sansock::SocketId;
use sansock_system::{Handle, Interest, Ready};

use crate::shared::{Bell, lock};

/// The reactor's registrations, by slot. One is made when something waits for a socket for the first time, and goes before the socket is
/// closed.
pub(crate) struct Watches {
    bell: Arc<Bell>,
    ready: Arc<Mutex<Reports>>,
    watches: Vec<Option<Watch>>,
}

/// Sockets that are ready.
type Reports = Vec<(SocketId, Ready)>;

/// Wakes the driver for one socket and direction, and says which.
struct SocketWaker {
    socket: SocketId,
    direction: Ready,
    ready: Arc<Mutex<Reports>>,
    bell: Arc<Bell>,
}

impl Wake for SocketWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        lock(&self.ready).push((self.socket, self.direction));
        self.bell.ring();
    }
}

struct Watch {
    socket: SocketId,
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
    /// A socket that was reported has to be asked for again.
    pub(crate) const REARMS: bool = true;

    pub(crate) fn new(bell: Arc<Bell>) -> Self {
        Self { bell, ready: Arc::default(), watches: Vec::new() }
    }

    /// Makes sure that we are woken for what the socket is waited for. An error means that we never would be.
    pub(crate) fn arm(&mut self, socket: SocketId, handle: &Handle, interest: Interest) -> io::Result<()> {
        let index = socket.slot() as usize;
        while self.watches.len() <= index {
            self.watches.push(None);
        }
        if self.watches[index].as_ref().is_none_or(|watch| watch.socket != socket) {
            // The old registration first: the descriptor may have the same number.
            self.watches[index] = None;
            self.watches[index] = Some(Watch::new(socket, handle, |direction| SocketWaker {
                socket,
                direction,
                ready: Arc::clone(&self.ready),
                bell: Arc::clone(&self.bell),
            })?);
        }
        if let Some(watch) = &mut self.watches[index] {
            if interest.readable && watch.readable.begin() {
                let poll = watch.source.poll_readable(&mut Context::from_waker(&watch.readable.waker));
                watch.readable.note(poll)?;
            }
            if interest.writable && watch.writable.begin() {
                let poll = watch.source.poll_writable(&mut Context::from_waker(&watch.writable.waker));
                watch.writable.note(poll)?;
            }
        }
        Ok(())
    }

    /// The reactor has woken us for this.
    fn woken(&mut self, socket: SocketId, ready: Ready) {
        if let Some(Some(watch)) = self.watches.get_mut(socket.slot() as usize)
            && watch.socket == socket
        {
            match ready {
                Ready::Readable => watch.readable.armed = false,
                Ready::Writable => watch.writable.armed = false,
                Ready::Ended => (watch.readable.armed, watch.writable.armed) = (false, false),
            }
        }
    }

    /// What has happened.
    pub(crate) fn take(&mut self, _: &mut Context<'_>, ready: &mut Vec<(SocketId, Ready)>) {
        ready.append(&mut lock(&self.ready));
        for (socket, direction) in ready {
            self.woken(*socket, *direction);
        }
    }

    /// The wakers of what is armed wake us.
    pub(crate) fn rest(&mut self, _: &mut Context<'_>) -> bool {
        true
    }

    /// The socket is about to be closed.
    pub(crate) fn forget(&mut self, socket: SocketId, _: Option<&Handle>) {
        if let Some(watch) = self.watches.get_mut(socket.slot() as usize)
            && watch.as_ref().is_some_and(|watch| watch.socket == socket)
        {
            *watch = None;
        }
    }
}

impl Watch {
    fn new(socket: SocketId, handle: &Handle, waker: impl Fn(Ready) -> SocketWaker) -> io::Result<Self> {
        let direction = |ready| Direction { waker: Arc::new(waker(ready)).into(), armed: false };
        Ok(Self {
            socket,
            source: Async::new_nonblocking(Arc::clone(handle))?,
            readable: direction(Ready::Readable),
            writable: direction(Ready::Writable),
        })
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
