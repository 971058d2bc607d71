//! Echo servers as an expert would write them by hand, one for each way to do it on Linux.
//!
//! They share what does not matter to the measurement: a listener with the same backlog, `TCP_NODELAY`, the same size of a receive.
//! None has limits, time-outs or a drain.

pub(crate) mod epoll;
#[cfg(target_os = "linux")]
pub(crate) mod io_uring;
pub(crate) mod mio;
pub(crate) mod polling;
pub(crate) mod smol;
pub(crate) mod threads;
pub(crate) mod tokio;

use std::io;
use std::net::{SocketAddr, TcpListener};

use socket2::{Domain, Socket, Type};

/// The size of a receive. Measured: with 64 KiB in flight on 16 connections, larger is two to three times better than 16 KiB.
pub(crate) const RECEIVE: usize = 64 * 1024;

/// A listener like those of the core: the same backlog.
pub(crate) fn listen() -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    socket.set_reuse_address(true)?;
    socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into())?;
    socket.listen(1024)?;
    let listener = TcpListener::from(socket);
    println!("listening on {}", listener.local_addr()?);
    Ok(listener)
}

/// A wait that a signal, or a debugger, has interrupted is no failure.
pub(crate) fn uninterrupted<T: Default>(result: io::Result<T>) -> io::Result<T> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(T::default()),
        result => result,
    }
}

/// What could not be sent at once, for the servers that must not block.
#[derive(Default)]
pub(crate) struct Backlog {
    bytes: Vec<u8>,
    sent: usize,
}

impl Backlog {
    pub(crate) fn is_empty(&self) -> bool {
        self.sent == self.bytes.len()
    }

    pub(crate) fn put(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// Sends what there is. False if the socket takes no more for now.
    pub(crate) fn flush(&mut self, mut send: impl FnMut(&[u8]) -> io::Result<usize>) -> io::Result<bool> {
        while !self.is_empty() {
            match send(&self.bytes[self.sent..]) {
                Ok(count) => self.sent += count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(error) => return Err(error),
            }
        }
        self.bytes.clear();
        self.sent = 0;
        Ok(true)
    }
}

/// One readiness of a connection: sends what waits, then receives and sends until the socket has no more. `Ok(false)` is the peer's end.
///
/// `drained` says that less than asked for means empty, which is true unless the peer's end was announced.
pub(crate) fn echo(
    backlog: &mut Backlog,
    buffer: &mut [u8],
    drained: bool,
    mut recv: impl FnMut(&mut [u8]) -> io::Result<usize>,
    mut send: impl FnMut(&[u8]) -> io::Result<usize>,
) -> io::Result<bool> {
    loop {
        // While something waits to be sent, nothing is received.
        if !backlog.is_empty() && !backlog.flush(&mut send)? {
            return Ok(true);
        }
        let count = match recv(buffer) {
            Ok(0) => return Ok(false),
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(true),
            Err(error) => return Err(error),
        };
        let sent = match send(&buffer[..count]) {
            Ok(sent) => sent,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => 0,
            Err(error) => return Err(error),
        };
        if sent < count {
            backlog.put(&buffer[sent..count]);
        }
        if drained && count < buffer.len() && backlog.is_empty() {
            return Ok(true);
        }
    }
}
