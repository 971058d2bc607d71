//! polling: level-triggered, so that a message costs no change of a registration.

use std::io::{self, Read, Write};
use std::net::TcpStream;

use polling::{Event, Events, PollMode, Poller};

use super::{Backlog, RECEIVE, echo, listen, uninterrupted};

const LISTENER: usize = usize::MAX - 1;

struct Connection {
    stream: TcpStream,
    backlog: Backlog,
    stalled: bool,
}

#[allow(unsafe_code, reason = "the crate `polling` has no other way to add a source")]
pub(crate) fn serve() -> io::Result<()> {
    let listener = listen()?;
    listener.set_nonblocking(true)?;
    let poller = Poller::new()?;
    // SAFETY: it is open for as long as the process runs.
    unsafe { poller.add_with_mode(&listener, Event::readable(LISTENER), PollMode::Level)? };
    let mut connections: Vec<Option<Box<Connection>>> = Vec::new();
    let mut free = Vec::new();
    let mut events = Events::new();
    let mut buffer = vec![0; RECEIVE];
    loop {
        events.clear();
        uninterrupted(poller.wait(&mut events, None))?;
        for event in events.iter() {
            if event.key == LISTENER {
                while let Ok((stream, _)) = listener.accept() {
                    stream.set_nonblocking(true)?;
                    stream.set_nodelay(true)?;
                    let place = free.pop().unwrap_or_else(|| {
                        connections.push(None);
                        connections.len() - 1
                    });
                    // SAFETY: it is deleted before it is closed.
                    unsafe { poller.add_with_mode(&stream, Event::readable(place), PollMode::Level)? };
                    connections[place] = Some(Box::new(Connection { stream, backlog: Backlog::default(), stalled: false }));
                }
                continue;
            }
            let Some(connection) = &mut connections[event.key] else { continue };
            if !turn(connection, &poller, event.key, &mut buffer) {
                let _ = poller.delete(&connection.stream);
                connections[event.key] = None;
                free.push(event.key);
            }
        }
    }
}

fn turn(connection: &mut Connection, poller: &Poller, key: usize, buffer: &mut [u8]) -> bool {
    let Connection { stream, backlog, stalled } = connection;
    let goes_on = echo(backlog, buffer, true, |room| (&*stream).read(room), |bytes| (&*stream).write(bytes));
    if backlog.is_empty() == *stalled {
        *stalled = !*stalled;
        let interest = if *stalled { Event::writable(key) } else { Event::readable(key) };
        if poller.modify_with_mode(&*stream, interest, PollMode::Level).is_err() {
            return false;
        }
    }
    goes_on.unwrap_or(false)
}
