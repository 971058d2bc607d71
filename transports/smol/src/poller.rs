//! Waiting for sockets with a poller of our own, which the reactor watches as one.
//!
//! The reactor's registrations are for one report each, so a message would cost a change of one, and two allocations stay with each socket.
//! A socket is registered here once, until it is closed; what the reactor is asked again and again is whether anything at all has happened.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::task::Context;

use async_io::Async;
use rustix::event::Timespec;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use sansock_system::{Handle, Interest, Ready, Registry, Trigger};

use crate::shared::Bell;

/// So many reports are taken in one go.
const REPORTS: usize = 64;

/// The registrations.
pub(crate) struct Watches {
    /// There is one for as long as anything is watched.
    epoll: Option<Async<OwnedFd>>,
    /// How many sockets are watched.
    count: usize,
    /// The reactor will wake us.
    armed: bool,
    /// Whatever is to be registered is registered already.
    #[cfg(test)]
    pub(crate) obstructed: bool,
}

impl Watches {
    pub(crate) fn new(_: Arc<Bell>) -> Self {
        Self {
            epoll: None,
            count: 0,
            armed: false,
            #[cfg(test)]
            obstructed: false,
        }
    }

    /// What has happened.
    pub(crate) fn take(&mut self, cx: &mut Context<'_>, ready: &mut Vec<(usize, Ready)>) {
        let Some(source) = &self.epoll else { return };
        // Once the reactor has said that something has happened, that is ours to see until it is asked again.
        self.armed = self.armed && source.poll_readable(cx).is_pending();
        if self.armed {
            return;
        }
        let mut events = [const { MaybeUninit::uninit() }; REPORTS];
        // Nothing can go wrong with this that another look would not show.
        if let Ok((events, _)) = epoll::wait(source.get_ref(), &mut events, Some(&Timespec::default())) {
            ready.extend(events.iter().filter_map(report));
        }
    }

    /// Makes sure that we are woken when something happens; false if something has.
    pub(crate) fn rest(&mut self, cx: &mut Context<'_>) -> bool {
        if let Some(source) = &self.epoll
            && !self.armed
        {
            self.armed = source.poll_readable(cx).is_pending();
            return self.armed;
        }
        true
    }

    fn drop_if_unused(&mut self) {
        if self.count == 0 {
            self.epoll = None;
        }
    }
}

impl Registry for Watches {
    fn trigger(&self) -> Trigger {
        Trigger::Edge
    }

    fn add(&mut self, handle: &Handle, token: usize, _: Interest) -> io::Result<()> {
        if self.epoll.is_none() {
            self.epoll = Some(Async::new_nonblocking(epoll::create(CreateFlags::CLOEXEC)?)?);
            self.armed = false;
        }
        let Some(source) = &self.epoll else { return Ok(()) };
        let flags = EventFlags::IN | EventFlags::OUT | EventFlags::RDHUP | EventFlags::ET;
        #[cfg(test)]
        let _in_the_way = self.obstructed.then(|| obstacle::Obstacle::new(source.get_ref(), handle));
        let added = epoll::add(source.get_ref(), &**handle, EventData::new_u64(token as u64), flags);
        self.count += usize::from(added.is_ok());
        self.drop_if_unused();
        Ok(added?)
    }

    fn modify(&mut self, _: &Handle, _: usize, _: Interest) -> io::Result<()> {
        unreachable!("an edge-triggered registration is never changed")
    }

    fn remove(&mut self, handle: &Handle, _: usize) -> io::Result<()> {
        let result = self.epoll.as_ref().map_or(Ok(()), |source| epoll::delete(source.get_ref(), &**handle));
        self.count -= 1;
        self.drop_if_unused();
        Ok(result?)
    }
}

fn report(event: &Event) -> Option<(usize, Ready)> {
    let (token, flags) = (event.data.u64() as usize, event.flags);
    let ready = if flags.intersects(EventFlags::HUP | EventFlags::ERR | EventFlags::RDHUP) {
        Some(Ready::Ended)
    } else {
        Ready::of(flags.contains(EventFlags::IN), flags.contains(EventFlags::OUT))
    };
    ready.map(|ready| (token, ready))
}

#[cfg(test)]
mod obstacle {
    use super::*;

    /// A registration of the same descriptor, so that the poller refuses another one. Dropping it removes it.
    pub(super) struct Obstacle(OwnedFd, Handle);

    impl Obstacle {
        pub(super) fn new(epoll: &OwnedFd, handle: &Handle) -> Self {
            epoll::add(epoll, &**handle, EventData::new_u64(u64::MAX), EventFlags::empty()).unwrap();
            Self(epoll.try_clone().unwrap(), Arc::clone(handle))
        }
    }

    impl Drop for Obstacle {
        fn drop(&mut self) {
            epoll::delete(&self.0, &*self.1).unwrap();
        }
    }
}
