//! An event loop without its poller.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use sansock::{Completion, Machine, Op, Output, SocketId, Timestamp};

use crate::observer::Observers;
use crate::{Clock, Handle, Interest, Observer, Ready, Sockets};

/// So many outputs are handled for one wake-up before the next is looked at: a peer that sends without a pause must not keep everybody
/// else waiting.
const OUTPUTS_PER_TURN: usize = 64;

/// Where sockets are registered with a poller: what differs from one to the next.
///
/// A socket's token is the slot of its name, so tokens from [`sansock::MAX_SLOTS`] on are free for the loop's own purposes.
pub trait Registry {
    /// How the poller reports what it sees.
    fn trigger(&self) -> Trigger;

    /// Starts to watch a socket. With [`Trigger::Edge`] the interest is always in both directions.
    ///
    /// # Errors
    /// Those of the poller. They reach the core as the result of the operation that waits for the socket.
    fn add(&mut self, handle: &Handle, token: usize, interest: Interest) -> io::Result<()>;

    /// Watches a socket for something else, or, with [`Trigger::Oneshot`], once more. Never called with [`Trigger::Edge`].
    ///
    /// # Errors
    /// As for [`Registry::add`].
    fn modify(&mut self, handle: &Handle, token: usize, interest: Interest) -> io::Result<()>;

    /// Ceases to watch a socket: it is about to be closed, or nothing waits for it.
    ///
    /// # Errors
    /// Those of the poller. Nothing can be done about them.
    fn remove(&mut self, handle: &Handle, token: usize) -> io::Result<()>;
}

/// How a poller reports a socket that is ready.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Trigger {
    /// When something has happened since the last report (`EPOLLET`, `EV_CLEAR`). A socket is registered once, and left alone until it is
    /// closed. The poller must tell the peer's end: [`Ready::Ended`].
    Edge,
    /// In each wait for as long as it is ready. What is reported but not wanted is no longer watched until it is wanted.
    Level,
    /// Once; then it has to be asked again.
    Oneshot,
}

/// Drives a machine over real sockets from an event loop of your own: everything about such a loop but its poller.
///
/// The loop is always the same:
///
/// 1. [`next_event`](Reactor::next_event) until it gives `None`;
/// 2. wait with the poller, for no longer than [`timeout`](Reactor::timeout) says;
/// 3. hand in each socket that is ready with [`ready`](Reactor::ready); go to 1.
///
/// Registrations are made when an operation waits for a socket for the first time, and are changed only if they must be: in the steady
/// state a message costs no call of the poller beside the wait. Dropping the reactor removes all registrations and closes all sockets.
///
/// Time is read once after each wait. A deadline that is set later in the same turn counts from then, so it can be early by as long as the turn
/// has taken.
#[derive(Debug)]
pub struct Reactor<M: Machine, R: Registry> {
    machine: M,
    sockets: Sockets,
    registry: R,
    trigger: Trigger,
    observers: Observers,
    events: VecDeque<M::Event>,
    clock: Clock,
    now: Timestamp,
    /// The time is to be read again.
    stale: bool,
    /// The machine had more to do when its turn was over.
    busy: bool,
}

impl<M: Machine, R: Registry> Reactor<M, R> {
    /// A reactor for this machine. Its clock starts now.
    pub fn new(machine: M, registry: R) -> Self {
        let clock = Clock::new();
        let trigger = registry.trigger();
        Self {
            machine,
            sockets: Sockets::new(),
            registry,
            trigger,
            observers: Observers::default(),
            events: VecDeque::new(),
            clock,
            now: clock.now(),
            stale: false,
            busy: true,
        }
    }

    /// The same with somebody who sees every operation and completion.
    #[must_use]
    pub fn observed(mut self, observer: Arc<dyn Observer>) -> Self {
        self.observers = Observers::from(observer);
        self
    }

    /// The machine.
    #[must_use]
    pub const fn machine(&self) -> &M {
        &self.machine
    }

    /// Calls the machine: to start, to drain, to stop. What that leads to, the next [`next_event`](Reactor::next_event) carries out.
    pub fn call<T>(&mut self, call: impl FnOnce(&mut M, Timestamp) -> T) -> T {
        self.busy = true;
        let now = self.now();
        call(&mut self.machine, now)
    }

    /// The sockets.
    #[must_use]
    pub const fn sockets(&self) -> &Sockets {
        &self.sockets
    }

    /// The registry.
    #[must_use]
    pub const fn registry(&self) -> &R {
        &self.registry
    }

    /// The registry, for what else it can do.
    pub const fn registry_mut(&mut self) -> &mut R {
        &mut self.registry
    }

    /// The clock that the machine's time comes from.
    #[must_use]
    pub const fn clock(&self) -> Clock {
        self.clock
    }

    /// Works until there is an event to tell; `None` when everything is done that can be done before the next wait.
    pub fn next_event(&mut self) -> Option<M::Event> {
        if self.events.is_empty() {
            self.fire_due();
            if self.busy {
                self.turn();
            }
        }
        self.events.pop_front()
    }

    /// Time has passed: it is read again before the machine is told the next thing. This is for whoever comes back to the reactor after
    /// doing something else; [`timeout`](Reactor::timeout) says so for the wait that follows.
    pub const fn time_has_passed(&mut self) {
        self.stale = true;
    }

    /// How long to wait: `None` until a socket is ready. Call it directly before each wait: any call may have moved the deadline.
    pub fn timeout(&mut self) -> Option<Duration> {
        self.time_has_passed();
        if self.busy || !self.events.is_empty() {
            return Some(Duration::ZERO);
        }
        self.machine.deadline().map(|deadline| self.clock.until(deadline))
    }

    /// The poller reports the socket with this token. A report for a socket that is gone does nothing; one that has come to another socket
    /// of the same slot costs a system call at most.
    pub fn ready(&mut self, token: usize, ready: Ready) {
        let Some(entry) = u32::try_from(token).ok().and_then(|slot| self.sockets.entry_at(slot)) else { return };
        let socket = entry.id;
        let unwanted = match self.trigger {
            Trigger::Level => ready.directions().without(entry.interest()),
            Trigger::Edge => Interest::NONE,
            Trigger::Oneshot => {
                entry.watched = Interest::NONE;
                Interest::NONE
            }
        };
        entry.note(ready);
        while let Some(done) = self.sockets.retry(socket) {
            self.complete(done);
            self.turn();
        }
        match self.trigger {
            Trigger::Edge => {}
            Trigger::Level => self.narrow(socket, unwanted),
            Trigger::Oneshot => self.watch(socket),
        }
    }

    /// Hands the machine what is due.
    fn fire_due(&mut self) {
        let now = self.now();
        if self.machine.deadline().is_some_and(|deadline| deadline.is_due(now)) {
            self.machine.handle_timeout(now);
            self.busy = true;
        }
    }

    /// Does what the machine wants, up to the limit of a turn.
    fn turn(&mut self) {
        for _ in 0..OUTPUTS_PER_TURN {
            match self.machine.poll() {
                Some(Output::Submit(op)) => self.submit(op),
                Some(Output::Event(event)) => self.events.push_back(event),
                None => {
                    self.busy = false;
                    return;
                }
            }
        }
        self.busy = true;
    }

    fn submit(&mut self, op: Op) {
        self.observers.submitted(self.now, &op);
        // Where an operation that waits will wait.
        let socket = match &op {
            Op::Recv(op) => op.socket(),
            Op::Send(op) => op.socket(),
            Op::Accept(op) => op.listener(),
            Op::Close(op) => {
                self.forget(op.socket());
                op.socket()
            }
            op => op.socket(),
        };
        match self.sockets.submit(op) {
            Some(done) => self.complete(done),
            None => self.watch(socket),
        }
    }

    fn complete(&mut self, done: Completion) {
        let now = self.now();
        self.observers.completed(now, &done);
        self.busy = true;
        let result = self.machine.complete(now, done);
        debug_assert!(result.is_ok(), "the table completes what was submitted, once: {result:?}");
    }

    /// Makes sure that the socket is watched for what waits for it.
    fn watch(&mut self, socket: SocketId) {
        let Some(entry) = self.sockets.entry(socket) else { return };
        let (wanted, was) = (entry.interest(), entry.watched);
        if wanted.without(was).is_none() {
            return;
        }
        entry.watched = if self.trigger == Trigger::Edge { Interest::BOTH } else { was.and(wanted) };
        let token = socket.slot() as usize;
        let known = entry.registered;
        let result = if known {
            self.registry.modify(&entry.handle, token, entry.watched)
        } else {
            self.registry.add(&entry.handle, token, entry.watched)
        };
        entry.registered = known || result.is_ok();
        if let Err(error) = result {
            // Whatever the poller knows, it is not what is needed.
            entry.watched = Interest::NONE;
            self.forget(socket);
            // What waits fails, and the core decides what that means.
            while let Some(done) = self.sockets.fail(socket, &error) {
                self.complete(done);
            }
        }
    }

    /// These directions were reported and nobody waited: they are no longer watched, unless somebody waits by now.
    fn narrow(&mut self, socket: SocketId, unwanted: Interest) {
        if unwanted.is_none() {
            return;
        }
        let Some(entry) = self.sockets.entry(socket) else { return };
        let unwanted = unwanted.without(entry.interest());
        let left = entry.watched.without(unwanted);
        if !entry.registered || unwanted.is_none() || (left == entry.watched && !left.is_none()) {
            return;
        }
        entry.watched = left;
        // A hang-up is reported even to those who ask for nothing, so nothing is asked for by not being there.
        if left.is_none() {
            self.forget(socket);
        } else if self.registry.modify(&entry.handle, socket.slot() as usize, left).is_err() {
            self.forget(socket);
            self.watch(socket);
        }
    }

    /// The poller is to know nothing of the socket.
    fn forget(&mut self, socket: SocketId) {
        if let Some(entry) = self.sockets.entry(socket)
            && std::mem::take(&mut entry.registered)
        {
            entry.watched = Interest::NONE;
            // There is nothing else that could be done.
            let _ = self.registry.remove(&entry.handle, entry.id.slot() as usize);
        }
    }

    fn now(&mut self) -> Timestamp {
        if std::mem::take(&mut self.stale) {
            self.now = self.clock.now();
        }
        self.now
    }
}

impl<M: Machine, R: Registry> Drop for Reactor<M, R> {
    fn drop(&mut self) {
        for entry in self.sockets.entries_mut() {
            if std::mem::take(&mut entry.registered) {
                let _ = self.registry.remove(&entry.handle, entry.id.slot() as usize);
            }
        }
    }
}
