//! As much under way as the server can take, up to 64 KiB a connection.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};

use rustix::event::epoll::{self, EventData, EventFlags};

use super::{Limit, Load, Poller, connect};

const IN_FLIGHT: usize = 64 * 1024;

pub(crate) struct Stream {
    poller: Poller,
    connections: Vec<Connection>,
    data: Vec<u8>,
    buffer: Vec<u8>,
}

struct Connection {
    stream: TcpStream,
    /// To be sent.
    owed: usize,
    /// Sent and not back yet, or to be sent.
    open: usize,
}

impl Stream {
    pub(crate) fn connect(server: SocketAddr, count: usize) -> io::Result<Self> {
        let poller = Poller::new()?;
        let mut connections = Vec::with_capacity(count);
        for token in 0..count {
            let stream = connect(server)?;
            let flags = EventFlags::IN | EventFlags::OUT | EventFlags::ET;
            epoll::add(&poller.epoll, &stream, EventData::new_u64(token as u64), flags)?;
            connections.push(Connection { stream, owed: 0, open: 0 });
        }
        Ok(Self { poller, connections, data: vec![b'd'; IN_FLIGHT], buffer: vec![0; IN_FLIGHT] })
    }
}

impl Load for Stream {
    fn run(&mut self, limit: Limit) -> io::Result<u64> {
        let mut begun = 0;
        for connection in &mut self.connections {
            connection.owed = IN_FLIGHT;
            connection.open = IN_FLIGHT;
            begun += IN_FLIGHT;
            connection.send(&self.data)?;
        }
        let mut back = 0;
        while back < begun {
            let more = !limit.is_reached((begun / IN_FLIGHT) as u64);
            for token in self.poller.wait()? {
                let connection = &mut self.connections[token];
                let count = connection.receive(&mut self.buffer)?;
                back += count;
                connection.open -= count;
                if more {
                    connection.owed += count;
                    connection.open += count;
                    begun += count;
                }
                connection.send(&self.data)?;
            }
        }
        Ok((back / IN_FLIGHT) as u64)
    }
}

impl Connection {
    fn send(&mut self, data: &[u8]) -> io::Result<()> {
        while self.owed > 0 {
            match self.stream.write(&data[..self.owed.min(data.len())]) {
                Ok(count) => self.owed -= count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// All that is there.
    fn receive(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut total = 0;
        loop {
            match self.stream.read(buffer) {
                Ok(0) => return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the server has ended a connection")),
                Ok(count) => {
                    total += count;
                    if count < buffer.len() {
                        return Ok(total);
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(total),
                Err(error) => return Err(error),
            }
        }
    }
}
