//! mio: edge-triggered, both directions registered once.

use std::io::{self, Read, Write};

use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};

use super::{Backlog, RECEIVE, echo, listen, uninterrupted};

const LISTENER: Token = Token(usize::MAX);

pub(crate) fn serve() -> io::Result<()> {
    let listener = listen()?;
    listener.set_nonblocking(true)?;
    let mut listener = TcpListener::from_std(listener);
    let mut poll = Poll::new()?;
    poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
    let mut connections: Vec<Option<(TcpStream, Box<Backlog>)>> = Vec::new();
    let mut free = Vec::new();
    let mut events = Events::with_capacity(1024);
    let mut buffer = vec![0; RECEIVE];
    loop {
        uninterrupted(poll.poll(&mut events, None))?;
        for event in &events {
            if event.token() == LISTENER {
                while let Ok((mut stream, _)) = listener.accept() {
                    stream.set_nodelay(true)?;
                    let place = free.pop().unwrap_or_else(|| {
                        connections.push(None);
                        connections.len() - 1
                    });
                    poll.registry().register(&mut stream, Token(place), Interest::READABLE | Interest::WRITABLE)?;
                    connections[place] = Some((stream, Box::default()));
                }
                continue;
            }
            let Token(place) = event.token();
            let Some((stream, backlog)) = &mut connections[place] else { continue };
            if !event.is_readable() && !event.is_read_closed() && backlog.is_empty() {
                continue;
            }
            let drained = !event.is_read_closed();
            let goes_on = echo(backlog, &mut buffer, drained, |room| (&*stream).read(room), |bytes| (&*stream).write(bytes))
                .unwrap_or(false);
            if !goes_on {
                let _ = poll.registry().deregister(stream);
                connections[place] = None;
                free.push(place);
            }
        }
    }
}
