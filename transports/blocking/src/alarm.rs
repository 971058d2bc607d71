//! Deadlines of threads that wait without a time-out.
//!
//! A wait with a time-out sets a timer of the system and takes it back, with each message. Measured with 64 connections, that was 4 to 10 % of
//! the CPU of a round trip, the more the less the rest cost. So the threads of connections wait until they are woken, and one thread for
//! all of them, the timekeeper, wakes each when its deadline is due.
//!
//! No deadline is missed:
//!
//! - A thread sets its [`Alarm`] before each wait. From then on [`Alarms`] holds, for it, an entry that is due no later than its deadline,
//!   or the timekeeper has taken that out and is about to wake the thread, or has woken it since it last looked into its mailbox, and then its
//!   wait ends at once.
//! - The timekeeper sleeps no longer than until the first entry is due. It looks at the entries and falls asleep under one lock, and whoever
//!   makes an entry that is due before it would look again wakes it, so it cannot sleep over that.
//! - It takes an entry out before it wakes the thread. A thread that reads its mailbox may have been woken by it, so it does not count on
//!   an entry of before that: [`Alarm::may_have_rung`].
//!
//! Deadlines that are put off, as an idle time-out is by each message, cost a comparison: the entry stays, the thread is woken too early,
//! once, and sets its alarm anew.

use std::collections::BTreeSet;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

use sansock::{SocketId, Timestamp};
use sansock_system::Clock;

/// When to wake whom.
#[derive(Debug)]
pub(crate) struct Alarms {
    clock: Clock,
    state: Mutex<State>,
    /// The timekeeper must look again before it would do so by itself.
    changed: Condvar,
}

#[derive(Debug)]
struct State {
    /// One for each thread at most.
    entries: BTreeSet<(Timestamp, SocketId)>,
    /// When the timekeeper will look at the entries by itself. While it is awake it is about to do so.
    looks_at: Timestamp,
    ended: bool,
    /// How often a thread came to set its alarm.
    #[cfg(test)]
    came: usize,
}

impl Alarms {
    pub(crate) fn new(clock: Clock) -> Self {
        let state = State {
            entries: BTreeSet::new(),
            looks_at: Timestamp::ZERO,
            ended: false,
            #[cfg(test)]
            came: 0,
        };
        Self { clock, state: Mutex::new(state), changed: Condvar::new() }
    }

    /// Sees to it that `socket` has an entry that is due at `deadline` or before, and tells when it is. `before` is what this told last.
    fn set(&self, socket: SocketId, before: Option<Timestamp>, deadline: Timestamp) -> Timestamp {
        let mut state = self.lock();
        #[cfg(test)]
        {
            state.came += 1;
        }
        if let Some(before) = before {
            if before <= deadline && state.entries.contains(&(before, socket)) {
                return before;
            }
            state.entries.remove(&(before, socket));
        }
        state.entries.insert((deadline, socket));
        if deadline < state.looks_at {
            self.changed.notify_one();
        }
        deadline
    }

    fn forget(&self, socket: SocketId, at: Timestamp) {
        self.lock().entries.remove(&(at, socket));
    }

    /// Waits until an entry is due, and takes it out. `None` once the timekeeper is to end.
    fn next(&self) -> Option<SocketId> {
        let mut state = self.lock();
        while !state.ended {
            let first = state.entries.first().copied();
            if let Some((at, socket)) = first
                && at.is_due(self.clock.now())
            {
                state.entries.pop_first();
                state.looks_at = Timestamp::ZERO;
                return Some(socket);
            }
            state.looks_at = first.map_or(Timestamp::NEVER, |(at, _)| at);
            // Waking too early, for whatever reason, leads to another look.
            let span = self.clock.until(state.looks_at);
            let slept = self.changed.wait_timeout(state, span);
            state = slept.unwrap_or_else(PoisonError::into_inner).0;
        }
        None
    }

    fn end(&self) {
        self.lock().ended = true;
        self.changed.notify_one();
    }

    /// The entries are whole between any two of their uses, so a panic elsewhere does not spoil them.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The alarm of one thread. The timekeeper forgets it when it is dropped.
pub(crate) struct Alarm<'a> {
    alarms: &'a Alarms,
    socket: SocketId,
    /// When the entry is due that was made last.
    at: Option<Timestamp>,
    /// That entry is still there, or the mailbox is readable or about to be.
    is_set: bool,
}

impl<'a> Alarm<'a> {
    pub(crate) fn new(alarms: &'a Alarms, socket: SocketId) -> Self {
        Self { alarms, socket, at: None, is_set: false }
    }

    /// To be called before each wait without a time-out: that will end at `deadline`, or before. Only a deadline that is earlier than what
    /// is set, or the first one after [`may_have_rung`](Alarm::may_have_rung), costs more than a comparison.
    pub(crate) fn set(&mut self, deadline: Option<Timestamp>) {
        let Some(deadline) = deadline else { return };
        if !self.is_set || self.at.is_none_or(|at| deadline < at) {
            self.at = Some(self.alarms.set(self.socket, self.at, deadline));
            self.is_set = true;
        }
    }

    /// To be called whenever the mailbox has been emptied: with the rest, what the timekeeper had put there may be gone.
    pub(crate) fn may_have_rung(&mut self) {
        self.is_set = false;
    }
}

impl Drop for Alarm<'_> {
    fn drop(&mut self) {
        if let Some(at) = self.at {
            self.alarms.forget(self.socket, at);
        }
    }
}

/// The thread that wakes the others. It ends when this is dropped, so this has to outlive them.
pub(crate) struct Timekeeper {
    alarms: Arc<Alarms>,
    thread: Option<JoinHandle<()>>,
}

impl Timekeeper {
    /// `wake` makes the mailbox of a thread readable, if that is still there. It must not wait for a thread, or all others would wait too.
    pub(crate) fn start(alarms: Arc<Alarms>, wake: impl Fn(SocketId) + Send + 'static) -> io::Result<Self> {
        let own = Arc::clone(&alarms);
        let work = move || {
            while let Some(socket) = own.next() {
                wake(socket);
            }
        };
        let thread = thread::Builder::new().name("timekeeper".into()).spawn(work)?;
        Ok(Self { alarms, thread: Some(thread) })
    }
}

impl Drop for Timekeeper {
    fn drop(&mut self) {
        self.alarms.end();
        if let Some(thread) = self.thread.take() {
            // It runs nobody else's code; a panic of its own was reported by the hook.
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, channel};
    use std::time::{Duration, Instant};

    use super::*;

    /// Longer than any test takes.
    const HOUR: Duration = Duration::from_secs(3600);
    const WATCHDOG: Duration = Duration::from_secs(60);

    fn id(slot: u32) -> SocketId {
        SocketId::new(slot, 1).unwrap()
    }

    fn entries(alarms: &Alarms) -> Vec<(Timestamp, SocketId)> {
        alarms.lock().entries.iter().copied().collect()
    }

    fn timekeeper() -> (Timekeeper, Arc<Alarms>, Receiver<SocketId>) {
        let (tell, told) = channel();
        let alarms = Arc::new(Alarms::new(Clock::new()));
        let wake = move |socket| tell.send(socket).unwrap();
        (Timekeeper::start(Arc::clone(&alarms), wake).unwrap(), alarms, told)
    }

    /// Until the timekeeper sleeps, and will do so until this time.
    fn wait_for_sleep(alarms: &Alarms, until: Timestamp) {
        let begin = Instant::now();
        while alarms.lock().looks_at != until {
            assert!(begin.elapsed() < WATCHDOG, "the timekeeper does not sleep until {until:?}");
            thread::yield_now();
        }
    }

    // F5
    #[test]
    fn a_deadline_that_is_earlier_than_all_others_shortens_the_timekeepers_sleep() {
        let (_timekeeper, alarms, woken) = timekeeper();
        let late = alarms.clock.now() + HOUR;
        wait_for_sleep(&alarms, Timestamp::NEVER);
        let (mut one, mut other) = (Alarm::new(&alarms, id(1)), Alarm::new(&alarms, id(2)));
        one.set(Some(late));
        wait_for_sleep(&alarms, late);
        other.set(Some(alarms.clock.now()));
        assert_eq!(woken.recv_timeout(WATCHDOG), Ok(id(2)));
        wait_for_sleep(&alarms, late);
        // The same thread, which had a later one.
        one.set(Some(alarms.clock.now()));
        assert_eq!(woken.recv_timeout(WATCHDOG), Ok(id(1)));
        wait_for_sleep(&alarms, Timestamp::NEVER);
        assert_eq!(entries(&alarms), []);
    }

    #[test]
    fn a_deadline_that_is_put_off_costs_nothing_until_the_thread_is_woken() {
        let alarms = Alarms::new(Clock::new());
        let at = |seconds| Timestamp::from_secs(seconds);
        let came = || alarms.lock().came;
        let mut alarm = Alarm::new(&alarms, id(1));
        alarm.set(None);
        assert_eq!((came(), entries(&alarms)), (0, vec![]));
        for seconds in 3600..4600 {
            alarm.set(Some(at(seconds)));
        }
        alarm.set(None);
        assert_eq!((came(), entries(&alarms)), (1, vec![(at(3600), id(1))]));
        // A letter, and the alarm has not rung.
        alarm.may_have_rung();
        for seconds in 4600..5600 {
            alarm.set(Some(at(seconds)));
        }
        assert_eq!((came(), entries(&alarms)), (2, vec![(at(3600), id(1))]));
        alarm.set(Some(at(3599)));
        assert_eq!((came(), entries(&alarms)), (3, vec![(at(3599), id(1))]));
    }

    #[test]
    fn an_alarm_that_rang_while_the_mailbox_was_emptied_is_set_again() {
        let alarms = Alarms::new(Clock::new());
        let late = alarms.clock.now() + HOUR;
        let mut alarm = Alarm::new(&alarms, id(1));
        for _ in 0..3 {
            alarm.set(Some(alarms.clock.now()));
            assert_eq!(alarms.next(), Some(id(1)));
            // What ends the next wait is in the mailbox by now, so nothing need be set.
            alarm.set(Some(late));
            assert_eq!(entries(&alarms), []);
            alarm.may_have_rung();
            alarm.set(Some(late));
            assert_eq!(entries(&alarms), [(late, id(1))]);
        }
    }

    #[test]
    fn a_thread_that_ends_is_forgotten() {
        let alarms = Alarms::new(Clock::new());
        let late = alarms.clock.now() + HOUR;
        let mut lasting = Alarm::new(&alarms, id(1));
        lasting.set(Some(late));
        for is_woken in [false, true] {
            let mut alarm = Alarm::new(&alarms, id(2));
            alarm.set(Some(late));
            if is_woken {
                alarm.may_have_rung();
            }
            drop(alarm);
            assert_eq!(entries(&alarms), [(late, id(1))]);
        }
    }

    #[test]
    fn the_timekeeper_ends_at_once_whatever_it_sleeps_for() {
        for is_set in [false, true] {
            let (timekeeper, alarms, _woken) = timekeeper();
            let late = alarms.clock.now() + HOUR;
            let mut alarm = Alarm::new(&alarms, id(1));
            alarm.set(is_set.then_some(late));
            wait_for_sleep(&alarms, if is_set { late } else { Timestamp::NEVER });
            let (tell, told) = channel();
            thread::spawn(move || {
                drop(timekeeper);
                tell.send(()).unwrap();
            });
            assert_eq!(told.recv_timeout(WATCHDOG), Ok(()));
        }
    }
}
