//! Talking to a thread that waits for its sockets.

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustix::pipe::{PipeFlags, pipe_with};

/// A queue whose owner can wait for it together with its sockets: each entry makes a pipe readable.
#[derive(Debug)]
pub(crate) struct Mailbox<T> {
    queue: Mutex<VecDeque<T>>,
    limit: usize,
    reader: OwnedFd,
    writer: OwnedFd,
}

impl<T> Mailbox<T> {
    /// An empty queue that [`offer`](Mailbox::offer) fills up to `limit` entries.
    pub(crate) fn new(limit: usize) -> io::Result<Self> {
        let (reader, writer) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)?;
        Ok(Self { queue: Mutex::new(VecDeque::new()), limit, reader, writer })
    }

    /// Adds an entry, whatever is there already.
    pub(crate) fn put(&self, entry: T) {
        self.lock().push_back(entry);
        self.wake();
    }

    /// Adds an entry unless there are as many as may be; then it comes back.
    pub(crate) fn offer(&self, entry: T) -> Result<(), T> {
        let mut queue = self.lock();
        if queue.len() >= self.limit {
            return Err(entry);
        }
        queue.push_back(entry);
        drop(queue);
        self.wake();
        Ok(())
    }

    pub(crate) fn take(&self) -> Option<T> {
        self.lock().pop_front()
    }

    /// Forgets what has made the pipe readable. Entries are looked at after this, so none is missed.
    pub(crate) fn hush(&self) {
        let mut bytes = [0; 64];
        while rustix::io::read(&self.reader, &mut bytes).is_ok_and(|count| count == bytes.len()) {}
    }

    /// What becomes readable.
    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        self.reader.as_fd()
    }

    fn wake(&self) {
        // A full pipe is readable already.
        let _ = rustix::io::write(&self.writer, &[1]);
    }

    /// A queue is whole between any two of its calls, so a panic elsewhere does not spoil it.
    fn lock(&self) -> MutexGuard<'_, VecDeque<T>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
