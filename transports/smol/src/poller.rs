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
use sansock::SocketId;
use sansock_system::{Handle, Interest, Ready};

use crate::shared::Bell;

/// So many reports are taken in one go.
const REPORTS: usize = 256;

/// The registrations, by slot.
pub(crate) struct Watches {
    /// There is one for as long as anything is watched.
    epoll: Option<Async<OwnedFd>>,
    count: usize,
    /// Which socket is registered.
    watched: Vec<Option<SocketId>>,
    /// The reactor will wake us.
    armed: bool,
}

impl Watches {
    /// A socket that was reported is reported again without being asked for.
    pub(crate) const REARMS: bool = false;

    pub(crate) fn new(_: Arc<Bell>) -> Self {
        Self { epoll: None, count: 0, watched: Vec::new(), armed: false }
    }

    /// Makes sure that we are woken for what happens on the socket. An error means that we never would be.
    pub(crate) fn arm(&mut self, socket: SocketId, handle: &Handle, _: Interest) -> io::Result<()> {
        let slot = socket.slot() as usize;
        if self.watched.len() <= slot {
            self.watched.resize(slot + 1, None);
        }
        if self.watched[slot] == Some(socket) {
            return Ok(());
        }
        if self.epoll.is_none() {
            self.epoll = Some(Async::new_nonblocking(epoll::create(CreateFlags::CLOEXEC)?)?);
            self.armed = false;
        }
        let Some(source) = &self.epoll else { return Ok(()) };
        let flags = EventFlags::IN | EventFlags::OUT | EventFlags::RDHUP | EventFlags::ET;
        let name = u64::from(socket.slot()) << 32 | u64::from(socket.generation());
        let added = epoll::add(source.get_ref(), &**handle, EventData::new_u64(name), flags);
        if added.is_ok() {
            self.watched[slot] = Some(socket);
            self.count += 1;
        }
        self.keep_if_used();
        Ok(added?)
    }

    /// The socket is about to be closed.
    pub(crate) fn forget(&mut self, socket: SocketId, handle: Option<&Handle>) {
        if let Some(watched) = self.watched.get_mut(socket.slot() as usize)
            && watched.take_if(|watched| *watched == socket).is_some()
        {
            if let (Some(source), Some(handle)) = (&self.epoll, handle) {
                // There is nothing else that could be done.
                let _ = epoll::delete(source.get_ref(), &**handle);
            }
            self.count -= 1;
            self.keep_if_used();
        }
    }

    fn keep_if_used(&mut self) {
        if self.count == 0 {
            self.epoll = None;
        }
    }

    /// What has happened.
    pub(crate) fn take(&mut self, cx: &mut Context<'_>, ready: &mut Vec<(SocketId, Ready)>) {
        let Some(source) = &self.epoll else { return };
        self.armed = source.poll_readable(cx).is_pending();
        if self.armed {
            return;
        }
        let mut events = [const { MaybeUninit::uninit() }; REPORTS];
        // Nothing can go wrong with this that another look would not show.
        if let Ok((events, _)) = epoll::wait(source.get_ref(), &mut events, Some(&Timespec::default())) {
            ready.extend(events.iter().flat_map(directions));
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

    /// Registers the socket under another name until what is returned is dropped.
    #[cfg(test)]
    pub(crate) fn stand_in_the_way(&mut self, handle: &Handle) -> impl Drop + use<> {
        struct Registered(OwnedFd, Handle);
        impl Drop for Registered {
            fn drop(&mut self) {
                epoll::delete(&self.0, &*self.1).unwrap();
            }
        }
        let create = || Async::new_nonblocking(epoll::create(CreateFlags::CLOEXEC).unwrap()).unwrap();
        let epoll = self.epoll.get_or_insert_with(create).get_ref().try_clone().unwrap();
        epoll::add(&epoll, &**handle, EventData::new_u64(u64::MAX), EventFlags::empty()).unwrap();
        Registered(epoll, Arc::clone(handle))
    }
}

fn directions(event: &Event) -> impl Iterator<Item = (SocketId, Ready)> + use<> {
    let (name, flags) = (event.data.u64(), event.flags);
    let socket = SocketId::new((name >> 32) as u32, name as u32);
    let ended = flags.intersects(EventFlags::HUP | EventFlags::ERR | EventFlags::RDHUP);
    let parts = [
        (ended, Ready::Ended),
        (!ended && flags.contains(EventFlags::IN), Ready::Readable),
        (!ended && flags.contains(EventFlags::OUT), Ready::Writable),
    ];
    parts.into_iter().filter_map(move |(is, ready)| socket.filter(|_| is).map(|socket| (socket, ready)))
}
