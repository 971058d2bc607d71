//! Talking to a thread that waits for its sockets.

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;

use rustix::io::Errno;
use rustix::pipe::{PipeFlags, pipe_with};

use crate::driver::PAUSE;

/// A queue whose owner can wait for it together with its sockets: each entry makes a pipe readable.
#[derive(Debug)]
pub(crate) struct Mailbox<T> {
    state: Mutex<State<T>>,
    limit: usize,
    reader: OwnedFd,
    writer: OwnedFd,
}

#[derive(Debug)]
struct State<T> {
    queue: VecDeque<T>,
    /// Nobody looks into it any more.
    closed: bool,
}

impl<T> Mailbox<T> {
    /// An empty queue that [`offer`](Mailbox::offer) fills up to `limit` entries.
    pub(crate) fn new(limit: usize) -> io::Result<Self> {
        let (reader, writer) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)?;
        Ok(Self { state: Mutex::new(State { queue: VecDeque::new(), closed: false }), limit, reader, writer })
    }

    /// The same queue with another limit.
    pub(crate) fn with_limit(self, limit: usize) -> Self {
        Self { limit, ..self }
    }

    /// Adds an entry, whatever is there already. Once the owner has closed the mailbox, the entry is dropped.
    pub(crate) fn put(&self, entry: T) {
        let mut state = self.lock();
        if !state.closed {
            state.queue.push_back(entry);
            drop(state);
            self.wake();
        }
    }

    /// Adds an entry, unless there are as many as may be or the owner has closed the mailbox; then it comes back.
    pub(crate) fn offer(&self, entry: T) -> Result<(), T> {
        let mut state = self.lock();
        if state.closed || state.queue.len() >= self.limit {
            return Err(entry);
        }
        state.queue.push_back(entry);
        drop(state);
        self.wake();
        Ok(())
    }

    /// Moves what is there to the end of `into`, and no more: somebody who adds without a pause must not keep the owner here.
    pub(crate) fn take_all(&self, into: &mut VecDeque<T>) {
        // The pipe first: an entry that comes behind makes it readable again.
        let mut bytes = [0; 64];
        while rustix::io::read(&self.reader, &mut bytes).is_ok_and(|count| count == bytes.len()) {}
        into.append(&mut self.lock().queue);
    }

    /// Takes no more entries; gives what nobody has looked at.
    pub(crate) fn close(&self) -> VecDeque<T> {
        let mut state = self.lock();
        state.closed = true;
        std::mem::take(&mut state.queue)
    }

    /// What becomes readable.
    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        self.reader.as_fd()
    }

    /// Makes the mailbox readable, without an entry too. The owner must hear of it, or an entry may wait for ever: so this goes on until the
    /// pipe is readable.
    pub(crate) fn wake(&self) {
        loop {
            match rustix::io::write(&self.writer, &[1]) {
                Ok(_) => return,
                // A full pipe is readable already.
                Err(Errno::AGAIN) => return,
                Err(Errno::INTR) => {}
                // The system has no memory for it.
                Err(_) => thread::sleep(PAUSE),
            }
        }
    }

    /// The state is whole between any two of its uses, so a panic elsewhere does not spoil it.
    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::event::{PollFd, PollFlags, Timespec, poll};

    fn is_readable(mailbox: &Mailbox<u32>) -> bool {
        let mut fds = [PollFd::from_borrowed_fd(mailbox.fd(), PollFlags::IN)];
        poll(&mut fds, Some(&Timespec { tv_sec: 0, tv_nsec: 0 })).unwrap() > 0
    }

    // B1: also beyond what the pipe holds, which is 64 KiB.
    #[test]
    fn what_was_put_is_readable_until_it_is_taken_however_much_it_is() {
        let mailbox = Mailbox::new(1).unwrap();
        assert!(!is_readable(&mailbox));
        for entry in 0..100_000 {
            mailbox.put(entry);
        }
        assert!(is_readable(&mailbox));
        let mut taken = VecDeque::new();
        mailbox.take_all(&mut taken);
        assert!(taken.into_iter().eq(0..100_000) && !is_readable(&mailbox));
        mailbox.put(7);
        assert!(is_readable(&mailbox));
    }

    #[test]
    fn an_offer_comes_back_when_the_mailbox_is_full_or_closed() {
        let mailbox = Mailbox::new(2).unwrap();
        assert_eq!([mailbox.offer(1), mailbox.offer(2), mailbox.offer(3)], [Ok(()), Ok(()), Err(3)]);
        mailbox.take_all(&mut VecDeque::new());
        assert_eq!(mailbox.offer(4), Ok(()));
        assert_eq!(mailbox.close(), [4]);
        assert_eq!(mailbox.offer(5), Err(5));
        mailbox.put(6);
        assert_eq!(mailbox.close(), [0; 0]);
    }
}
