//! Whole lives, one after another.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};

use rustix::event::epoll::{self, EventData, EventFlags};
use socket2::{Domain, Socket, Type};

use super::{Limit, Load, Poller};

const MESSAGE: [u8; 64] = [b'm'; 64];
/// So many live at the same time.
const LIVES: usize = 16;
/// Ports are not used again for a second, so the lives are spread over this many addresses of the loopback network.
const ADDRESSES: u64 = 200;

pub(crate) struct Churn {
    server: SocketAddr,
    poller: Poller,
    lives: Vec<Option<(TcpStream, usize)>>,
    born: u64,
}

impl Churn {
    pub(crate) fn new(server: SocketAddr) -> io::Result<Self> {
        Ok(Self { server, poller: Poller::new()?, lives: (0..LIVES).map(|_| None).collect(), born: 0 })
    }

    fn begin(&mut self, token: usize) -> io::Result<()> {
        let host = u8::try_from(self.born % ADDRESSES).unwrap_or(0) + 2;
        self.born += 1;
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
        socket.bind(&SocketAddr::from(([127, 0, 0, host], 0)).into())?;
        socket.connect(&self.server.into())?;
        socket.set_nonblocking(true)?;
        let mut stream = TcpStream::from(socket);
        stream.write_all(&MESSAGE)?;
        epoll::add(&self.poller.epoll, &stream, EventData::new_u64(token as u64), EventFlags::IN)?;
        self.lives[token] = Some((stream, 0));
        Ok(())
    }

    /// True if this life is over.
    fn go_on(&mut self, token: usize) -> io::Result<bool> {
        let Some((stream, got)) = &mut self.lives[token] else { return Ok(false) };
        match stream.read(&mut [0; 2 * MESSAGE.len()])? {
            0 if *got == MESSAGE.len() => {
                self.lives[token] = None;
                Ok(true)
            }
            0 => Err(io::Error::new(io::ErrorKind::UnexpectedEof, "a life ended before its answer")),
            count => {
                *got += count;
                if *got == MESSAGE.len() {
                    stream.shutdown(Shutdown::Write)?;
                }
                Ok(false)
            }
        }
    }
}

impl Load for Churn {
    fn run(&mut self, limit: Limit) -> io::Result<u64> {
        let mut begun = 0;
        for token in 0..LIVES {
            self.begin(token)?;
            begun += 1;
        }
        let mut ended = 0;
        while ended < begun {
            let more = !limit.is_reached(begun);
            for token in self.poller.wait()? {
                if self.go_on(token)? {
                    ended += 1;
                    if more {
                        self.begin(token)?;
                        begun += 1;
                    }
                }
            }
        }
        Ok(ended)
    }
}
