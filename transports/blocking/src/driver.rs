//! One thread, one machine: the loop.

use std::io;
use std::os::fd::BorrowedFd;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use sansock::{Completion, Machine, Op, OpKind, Output, SocketId, Timestamp};
use sansock_system::fault::fault_of;
use sansock_system::{Clock, Interest, Observer, Ready, Sockets};

/// So many outputs are handled before the mailbox and the clock are looked at again: a peer that sends without a pause must not keep
/// everything else waiting.
const OUTPUTS_PER_TURN: usize = 64;

/// How long to leave the system alone when it cannot even wait, or be woken.
pub(crate) const PAUSE: Duration = Duration::from_millis(1);

/// How long a wait lasts if nothing happens.
#[derive(Clone, Copy)]
pub(crate) enum Until {
    /// It only looks.
    Now,
    Time(Timestamp),
    /// For ever: whoever waits so is woken through the mailbox.
    Woken,
}

/// Drives machines over real sockets, blocking in `poll(2)` and nowhere else.
pub(crate) struct Driver {
    pub(crate) sockets: Sockets,
    pub(crate) clock: Clock,
    /// The time of the last wait's end: what takes long here is the waiting.
    now: Timestamp,
    observer: Option<Arc<dyn Observer>>,
    /// Empty between two waits, as is the next; they keep their memory.
    ready: Vec<(SocketId, Ready)>,
    descriptors: Vec<PollFd<'static>>,
}

impl Driver {
    pub(crate) fn new(sockets: Sockets, clock: Clock, observer: Option<Arc<dyn Observer>>) -> Self {
        Self { sockets, clock, now: clock.now(), observer, ready: Vec::new(), descriptors: Vec::new() }
    }

    /// Does what the machine wants, up to the limit of a turn. True if it has nothing more to do. Before a connection can come about,
    /// `prepare` is told how many operations are in flight, which is at least the number of connections that can; if it fails, so does
    /// the operation.
    pub(crate) fn turn<M: Machine>(
        &mut self,
        machine: &mut M,
        prepare: impl Fn(usize) -> io::Result<()>,
        mut on_event: impl FnMut(&mut Self, M::Event),
    ) -> bool {
        for _ in 0..OUTPUTS_PER_TURN {
            match machine.poll() {
                None => return true,
                Some(Output::Event(event)) => on_event(self, event),
                Some(Output::Submit(op)) => {
                    if let Some(observer) = &self.observer {
                        observer.submitted(self.now, &op);
                    }
                    let unprepared = |kind| prepare(machine.in_flight()).err().map(|error| fault_of(&error, kind));
                    let done = match op {
                        Op::Accept(op) => match unprepared(OpKind::Accept) {
                            Some(fault) => Some(op.failed(fault)),
                            None => self.sockets.submit(Op::Accept(op)),
                        },
                        Op::Connect(op) => match unprepared(OpKind::Connect) {
                            Some(fault) => Some(op.failed(fault)),
                            None => self.sockets.submit(Op::Connect(op)),
                        },
                        op => self.sockets.submit(op),
                    };
                    if let Some(done) = done {
                        self.complete(machine, done);
                    }
                }
            }
        }
        false
    }

    /// Waits until a socket is ready, `mailbox` is readable or the time of `until` has come. Then hands in what has completed, and after that
    /// the time-outs. True if there is mail.
    pub(crate) fn wait<M: Machine>(&mut self, machine: &mut M, mailbox: BorrowedFd<'_>, until: Until) -> bool {
        let mail = self.poll(mailbox, until);
        self.now = self.clock.now();
        let mut ready = std::mem::take(&mut self.ready);
        for (socket, direction) in ready.drain(..) {
            self.sockets.note(socket, direction);
            while let Some(done) = self.sockets.retry(socket) {
                self.complete(machine, done);
            }
        }
        self.ready = ready;
        if machine.deadline().is_some_and(|deadline| deadline.is_due(self.now)) {
            machine.handle_timeout(self.now);
        }
        mail
    }

    /// Notes which sockets are ready; true if the mailbox is.
    fn poll(&mut self, mailbox: BorrowedFd<'_>, until: Until) -> bool {
        let mut fds: Vec<PollFd<'_>> = std::mem::take(&mut self.descriptors);
        fds.push(PollFd::from_borrowed_fd(mailbox, PollFlags::IN));
        fds.extend(self.sockets.waiting().map(|(_, handle, interest)| PollFd::new(&**handle, flags(interest))));
        let span = match until {
            Until::Now => Some(Duration::ZERO),
            Until::Time(time) => Some(self.clock.until(time)),
            Until::Woken => None,
        };
        let timeout = span.map(|span| Timespec {
            tv_sec: i64::try_from(span.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: i64::from(span.subsec_nanos()),
        });
        match poll(&mut fds, timeout.as_ref()) {
            Ok(_) => {}
            // A signal, like any other reason to wake early, leads to another look.
            Err(Errno::INTR) => fds.clear(),
            // The system has no memory for it: it will not have any sooner for being asked without a pause.
            Err(_) => {
                thread::sleep(PAUSE);
                fds.clear();
            }
        }
        for (fd, (socket, _, interest)) in fds.iter().skip(1).zip(self.sockets.waiting()) {
            let events = fd.revents();
            let broken = events.intersects(PollFlags::ERR | PollFlags::HUP | PollFlags::NVAL);
            if interest.readable && (broken || events.contains(PollFlags::IN)) {
                self.ready.push((socket, Ready::Readable));
            }
            if interest.writable && (broken || events.contains(PollFlags::OUT)) {
                self.ready.push((socket, Ready::Writable));
            }
        }
        let mail = fds.first().is_some_and(|fd| !fd.revents().is_empty());
        self.descriptors = emptied(fds);
        mail
    }

    fn complete<M: Machine>(&self, machine: &mut M, done: Completion) {
        let now = self.now;
        if let Some(observer) = &self.observer {
            observer.completed(now, &done);
        }
        let result = machine.complete(now, done);
        debug_assert!(result.is_ok(), "the table completes what was submitted, once: {result:?}");
    }
}

/// The same memory for descriptors that are borrowed for another time.
fn emptied(mut fds: Vec<PollFd<'_>>) -> Vec<PollFd<'static>> {
    fds.clear();
    fds.into_iter().map_while(|_| None).collect()
}

fn flags(interest: Interest) -> PollFlags {
    let mut flags = PollFlags::empty();
    flags.set(PollFlags::IN, interest.readable);
    flags.set(PollFlags::OUT, interest.writable);
    flags
}
