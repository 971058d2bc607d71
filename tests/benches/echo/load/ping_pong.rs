//! A small message to and fro.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};

use rustix::event::epoll::{self, EventData, EventFlags};

use super::{Limit, Load, Poller, connect};

const MESSAGE: [u8; 64] = [b'm'; 64];
/// Connecting more at once could overflow the backlog of a server that is slow.
const BATCH: usize = 256;

pub(crate) struct PingPong {
    poller: Poller,
    connections: Vec<(TcpStream, usize)>,
}

impl PingPong {
    /// Connects; each connection has made a round trip when this returns.
    pub(crate) fn connect(server: SocketAddr, count: usize) -> io::Result<Self> {
        let mut load = Self { poller: Poller::new()?, connections: Vec::with_capacity(count) };
        load.grow(server, count)?;
        Ok(load)
    }

    pub(crate) fn grow(&mut self, server: SocketAddr, count: usize) -> io::Result<()> {
        while self.connections.len() < count {
            let from = self.connections.len();
            for token in from..count.min(from + BATCH) {
                let stream = connect(server)?;
                epoll::add(&self.poller.epoll, &stream, EventData::new_u64(token as u64), EventFlags::IN)?;
                self.connections.push((stream, 0));
            }
            self.run_on(from, Limit::Operations(0))?;
        }
        Ok(())
    }

    fn run_on(&mut self, from: usize, limit: Limit) -> io::Result<u64> {
        let mut begun = 0;
        for (stream, _) in &mut self.connections[from..] {
            stream.write_all(&MESSAGE)?;
            begun += 1;
        }
        let mut ended = 0;
        while ended < begun {
            let more = !limit.is_reached(begun);
            for token in self.poller.wait()? {
                let (stream, got) = &mut self.connections[token];
                *got += read_some(stream, &mut [0; MESSAGE.len()])?;
                if *got >= MESSAGE.len() {
                    *got = 0;
                    ended += 1;
                    if more {
                        stream.write_all(&MESSAGE)?;
                        begun += 1;
                    }
                }
            }
        }
        Ok(ended)
    }
}

impl Load for PingPong {
    fn run(&mut self, limit: Limit) -> io::Result<u64> {
        self.run_on(0, limit)
    }
}

fn read_some(stream: &mut TcpStream, buffer: &mut [u8]) -> io::Result<usize> {
    match stream.read(buffer) {
        Ok(0) => Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the server has ended a connection")),
        result => result,
    }
}
