//! The reference: epoll itself, level-triggered, one registration per connection.

use std::io;
use std::net::TcpListener;
use std::os::fd::OwnedFd;

use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::net::{RecvFlags, SendFlags, SocketFlags, accept_with, recv, send, sockopt};

use super::{Backlog, RECEIVE, echo, listen, uninterrupted};

const LISTENER: u64 = u64::MAX;

struct Connection {
    socket: OwnedFd,
    backlog: Backlog,
    /// Watched for room to send instead of for data.
    stalled: bool,
}

pub(crate) fn serve() -> io::Result<()> {
    let listener = listen()?;
    listener.set_nonblocking(true)?;
    let epoll = epoll::create(CreateFlags::CLOEXEC)?;
    epoll::add(&epoll, &listener, EventData::new_u64(LISTENER), EventFlags::IN)?;
    let mut connections: Vec<Option<Box<Connection>>> = Vec::new();
    let mut free = Vec::new();
    let mut events: Vec<Event> = Vec::with_capacity(1024);
    let mut buffer = vec![0; RECEIVE];
    loop {
        events.clear();
        uninterrupted(epoll::wait(&epoll, spare_capacity(&mut events), None).map_err(io::Error::from))?;
        for event in &events {
            match event.data.u64() {
                LISTENER => accept(&listener, &epoll, &mut connections, &mut free)?,
                token => {
                    let place = &mut connections[token as usize];
                    let Some(connection) = place else { continue };
                    if !turn(connection, &epoll, token, &mut buffer) {
                        // Closing it takes it out of the epoll set.
                        *place = None;
                        free.push(token as usize);
                    }
                }
            }
        }
    }
}

/// False if the connection has ended.
fn turn(connection: &mut Connection, epoll: &OwnedFd, token: u64, buffer: &mut [u8]) -> bool {
    let Connection { socket, backlog, stalled } = connection;
    let goes_on = echo(
        backlog,
        buffer,
        true,
        |room| Ok(recv(&*socket, room, RecvFlags::empty())?.0),
        |bytes| Ok(send(&*socket, bytes, SendFlags::NOSIGNAL)?),
    );
    if backlog.is_empty() == *stalled {
        *stalled = !*stalled;
        let flags = if *stalled { EventFlags::OUT } else { EventFlags::IN };
        if epoll::modify(epoll, &*socket, EventData::new_u64(token), flags).is_err() {
            return false;
        }
    }
    goes_on.unwrap_or(false)
}

fn accept(
    listener: &TcpListener,
    epoll: &OwnedFd,
    connections: &mut Vec<Option<Box<Connection>>>,
    free: &mut Vec<usize>,
) -> io::Result<()> {
    // Until none is left.
    while let Ok(socket) = accept_with(listener, SocketFlags::NONBLOCK | SocketFlags::CLOEXEC) {
        sockopt::set_tcp_nodelay(&socket, true)?;
        let place = free.pop().unwrap_or_else(|| {
            connections.push(None);
            connections.len() - 1
        });
        epoll::add(epoll, &socket, EventData::new_u64(place as u64), EventFlags::IN)?;
        connections[place] = Some(Box::new(Connection { socket, backlog: Backlog::default(), stalled: false }));
    }
    Ok(())
}
