//! One operation, one attempt: the system calls behind each, none of which blocks.

use std::io::{self, IoSlice};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

use bytes::Bytes;
use rustix::buffer::spare_capacity;
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags};
use sansock::{
    AcceptOp, Address, BindOp, CloseOp, Completion, ConnectOp, Connected, CreateOp, Fault, FaultKind, ListenOp, OpKind,
    OptionName, RecvOp, RefusedOptions, SendOp, ShutdownOp, SocketOptions,
};
use socket2::{Domain, Protocol, SockAddr, SockRef, Socket, TcpKeepalive, Type};

use crate::buffer::ReceiveBuffer;
use crate::fault::{errno, fault_of};

/// What came of an attempt.
pub(crate) enum Attempt<O> {
    Done(Completion),
    /// It would block: try again when the socket is ready.
    Again(O),
}

pub(crate) fn create(op: CreateOp) -> (Option<TcpStream>, Completion) {
    let domain = match op.address() {
        Address::Ip(SocketAddr::V4(_)) => Domain::IPV4,
        Address::Ip(SocketAddr::V6(_)) => Domain::IPV6,
        _ => return (None, op.failed(FaultKind::Unsupported.into())),
    };
    let socket = Socket::new(domain, Type::STREAM, Some(Protocol::TCP)).and_then(|socket| {
        socket.set_nonblocking(true)?;
        Ok(socket)
    });
    match socket {
        Ok(socket) => {
            let refused = set_options(&socket, op.options(), domain == Domain::IPV6);
            (Some(socket.into()), op.created(refused))
        }
        Err(error) => (None, op.failed(fault_of(&error, OpKind::Create))),
    }
}

pub(crate) fn bind(socket: &Socket, op: BindOp) -> Completion {
    let address = match socket_address(op.address()) {
        Ok(address) => address,
        Err(fault) => return op.failed(fault),
    };
    match socket.bind(&address) {
        Ok(()) => op.bound(local(socket)),
        Err(error) => op.failed(fault_of(&error, OpKind::Bind)),
    }
}

pub(crate) fn listen(socket: &Socket, op: ListenOp) -> Completion {
    let backlog = i32::try_from(op.backlog()).unwrap_or(i32::MAX);
    match socket.listen(backlog) {
        Ok(()) => op.listening(local(socket)),
        Err(error) => op.failed(fault_of(&error, OpKind::Listen)),
    }
}

/// An accept; the socket that it made, if it did. `at` is where the listener listens, if that is known.
pub(crate) fn accept(listener: &Socket, at: Option<SocketAddr>, op: AcceptOp) -> (Option<TcpStream>, Attempt<AcceptOp>) {
    match retrying(|| accept_nonblocking(listener)) {
        Ok((socket, peer)) => {
            let connected = accepted(&SockRef::from(&socket), peer, at, op.options());
            (Some(socket), Attempt::Done(op.accepted(connected)))
        }
        Err(error) if error.kind() == io::ErrorKind::WouldBlock && op.wait() => (None, Attempt::Again(op)),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => (None, Attempt::Done(op.none())),
        Err(error) => (None, Attempt::Done(op.failed(fault_of(&error, OpKind::Accept)))),
    }
}

/// One call where the system has it.
#[cfg(any(target_os = "linux", target_os = "android", target_os = "freebsd", target_os = "netbsd", target_os = "openbsd"))]
fn accept_nonblocking(listener: &Socket) -> io::Result<(TcpStream, Option<SocketAddr>)> {
    use rustix::net::{SocketFlags, acceptfrom_with};
    let (socket, peer) = acceptfrom_with(listener, SocketFlags::NONBLOCK | SocketFlags::CLOEXEC)?;
    Ok((socket.into(), peer.and_then(|peer| peer.try_into().ok())))
}

#[cfg(not(any(target_os = "linux", target_os = "android", target_os = "freebsd", target_os = "netbsd", target_os = "openbsd")))]
fn accept_nonblocking(listener: &Socket) -> io::Result<(TcpStream, Option<SocketAddr>)> {
    let (socket, peer) = listener.accept()?;
    socket.set_nonblocking(true)?;
    Ok((socket.into(), peer.as_socket()))
}

/// Sets the options of an accepted socket, and says what is known of it. The system is asked for the local address only if the listener
/// takes connections for several.
pub(crate) fn accepted(socket: &Socket, peer: Option<SocketAddr>, at: Option<SocketAddr>, options: &SocketOptions) -> Connected {
    let at = at.filter(|at| !at.ip().is_unspecified()).map(Address::Ip);
    Connected {
        peer: peer.map(Address::Ip),
        local: at.or_else(|| local(socket)),
        refused: set_options(socket, options, peer.is_some_and(|peer| peer.is_ipv6())),
    }
}

/// The first attempt of a connect. It is never called again for the same socket: what follows is [`check_connect`].
pub(crate) fn connect(socket: &Socket, op: ConnectOp) -> Attempt<ConnectOp> {
    let address = match op.address() {
        Address::Ip(address) => destination(address, cfg!(not(windows))).into(),
        _ => return Attempt::Done(op.failed(FaultKind::Unsupported.into())),
    };
    match socket.connect(&address) {
        Ok(()) => Attempt::Done(op.connected(connected(socket))),
        Err(error) => match connect_progress(&error) {
            Progress::UnderWay => Attempt::Again(op),
            Progress::Done => Attempt::Done(op.connected(connected(socket))),
            Progress::Failed => Attempt::Done(op.failed(fault_of(&error, OpKind::Connect))),
        },
    }
}

/// The socket is writable, or broken, or woke us for nothing.
pub(crate) fn check_connect(socket: &Socket, op: ConnectOp) -> Attempt<ConnectOp> {
    match socket.take_error() {
        Ok(Some(error)) | Err(error) => Attempt::Done(op.failed(fault_of(&error, OpKind::Connect))),
        // Only a connected socket has a peer: anything else was a spurious wake-up.
        Ok(None) if socket.peer_addr().is_ok() => Attempt::Done(op.connected(connected(socket))),
        // The error may have been told to somebody else. To wait on would be to be woken without end.
        Ok(None) if is_hung_up(socket) => Attempt::Done(op.failed(FaultKind::NotConnected.into())),
        Ok(None) => Attempt::Again(op),
    }
}

/// True for a socket that neither is connected nor connects.
#[cfg(target_os = "linux")]
fn is_hung_up(socket: &Socket) -> bool {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    let mut fds = [PollFd::new(socket, PollFlags::OUT)];
    let looked = poll(&mut fds, Some(&Timespec { tv_sec: 0, tv_nsec: 0 }));
    looked.is_ok() && fds[0].revents().contains(PollFlags::HUP)
}

/// Elsewhere what a poll says of such a socket was not tried.
#[cfg(not(target_os = "linux"))]
const fn is_hung_up(_: &Socket) -> bool {
    false
}

/// Where a connect to this address goes. To connect to the unspecified address means this host on most systems, and is an error on Windows.
fn destination(address: SocketAddr, unspecified_is_here: bool) -> SocketAddr {
    let here: IpAddr = match address.ip() {
        _ if unspecified_is_here => return address,
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        _ => return address,
    };
    SocketAddr::new(here, address.port())
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Progress {
    UnderWay,
    Done,
    Failed,
}

fn connect_progress(error: &io::Error) -> Progress {
    match error.raw_os_error() {
        Some(code) if cfg!(windows) => winsock_progress(code),
        Some(code) => errno_progress(code),
        None => Progress::Failed,
    }
}

/// An interrupted connect goes on by itself; calling it again would only say that. Android has been seen to fail with no error at all:
/// then the check that follows tells what it is.
fn errno_progress(code: i32) -> Progress {
    match errno(code) {
        Some(Errno::INPROGRESS | Errno::INTR | Errno::ALREADY) => Progress::UnderWay,
        Some(Errno::ISCONN) => Progress::Done,
        None if code == 0 => Progress::UnderWay,
        _ => Progress::Failed,
    }
}

fn winsock_progress(code: i32) -> Progress {
    match code {
        // WSAEINTR, WSAEWOULDBLOCK, WSAEINPROGRESS, WSAEALREADY
        10004 | 10035..=10037 => Progress::UnderWay,
        // WSAEISCONN
        10056 => Progress::Done,
        _ => Progress::Failed,
    }
}

/// Straight to the system where there is a way: the C library's calls are points of cancellation, which costs more than all the rest of a
/// small message here.
#[inline]
pub(crate) fn recv(socket: &TcpStream, op: RecvOp, buffer: &mut ReceiveBuffer) -> Attempt<RecvOp> {
    match retrying(|| buffer.receive(op.max(), |room| Ok(rustix::net::recv(socket, spare_capacity(room), RecvFlags::empty())?.0)))
    {
        Ok(data) if data.is_empty() => Attempt::Done(op.eof()),
        Ok(data) => Attempt::Done(op.data(data)),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Attempt::Again(op),
        Err(error) => Attempt::Done(op.failed(fault_of(&error, OpKind::Recv))),
    }
}

#[inline]
pub(crate) fn send(socket: &TcpStream, op: SendOp) -> Attempt<SendOp> {
    let result = match op.chunks() {
        [chunk] => retrying(|| Ok(rustix::net::send(socket, chunk, NO_SIGNAL)?)),
        chunks => send_several(socket, chunks),
    };
    match result {
        Ok(count) => Attempt::Done(op.sent(count)),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Attempt::Again(op),
        Err(error) => Attempt::Done(op.failed(fault_of(&error, OpKind::Send))),
    }
}

#[inline(never)]
fn send_several(socket: &TcpStream, chunks: &[Bytes]) -> io::Result<usize> {
    let mut slices = [IoSlice::new(&[]); sansock::MAX_CHUNKS];
    for (slice, chunk) in slices.iter_mut().zip(chunks) {
        *slice = IoSlice::new(chunk);
    }
    // One bit, the same in both crates.
    let flags = NO_SIGNAL.bits().cast_signed();
    retrying(|| SockRef::from(socket).send_vectored_with_flags(&slices[..chunks.len()], flags))
}

/// Where it exists, no signal: a peer that is gone is an error like any other.
#[cfg(any(target_os = "linux", target_os = "android", target_os = "freebsd"))]
const NO_SIGNAL: SendFlags = SendFlags::NOSIGNAL;
#[cfg(not(any(target_os = "linux", target_os = "android", target_os = "freebsd")))]
const NO_SIGNAL: SendFlags = SendFlags::empty();

pub(crate) fn shutdown(socket: &Socket, op: ShutdownOp) -> Completion {
    match socket.shutdown(Shutdown::Write) {
        Ok(()) => op.done(),
        Err(error) => op.failed(fault_of(&error, OpKind::Shutdown)),
    }
}

/// Closes by dropping. That is called once, whatever comes of it: on Linux a close that was interrupted has closed.
pub(crate) fn close(socket: Option<std::sync::Arc<TcpStream>>, op: CloseOp) -> Completion {
    if let Some(socket) = &socket
        && op.abortive()
    {
        // Some systems refuse this after a shutdown; then the close is a plain one.
        let _ = SockRef::from(&**socket).set_linger(Some(Duration::ZERO));
    }
    drop(socket);
    op.done()
}

/// Sets the options and says which were refused. What that means is not ours to decide.
fn set_options(socket: &Socket, options: &SocketOptions, is_v6: bool) -> RefusedOptions {
    let wanted: [(OptionName, Option<io::Result<()>>); 6] = [
        // On Windows this option would let another process take the port over.
        (OptionName::ReuseAddress, options.reuse_address.value().filter(|_| cfg!(unix)).map(|on| socket.set_reuse_address(on))),
        (OptionName::OnlyV6, options.only_v6.value().filter(|_| is_v6).map(|on| socket.set_only_v6(on))),
        (OptionName::NoDelay, options.no_delay.value().map(|on| socket.set_tcp_nodelay(on))),
        (
            OptionName::KeepAlive,
            options.keep_alive.value().map(|idle| socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(idle))),
        ),
        (OptionName::SendBuffer, options.send_buffer.value().map(|size| socket.set_send_buffer_size(size as usize))),
        (OptionName::ReceiveBuffer, options.receive_buffer.value().map(|size| socket.set_recv_buffer_size(size as usize))),
    ];
    wanted
        .into_iter()
        .filter(|(_, result)| matches!(result, Some(Err(_))))
        .fold(RefusedOptions::NONE, |refused, (name, _)| refused.with(name))
}

fn connected(socket: &Socket) -> Connected {
    let peer = socket.peer_addr().ok().and_then(|address| address.as_socket()).map(Address::Ip);
    Connected { peer, local: local(socket), refused: RefusedOptions::NONE }
}

fn local(socket: &Socket) -> Option<Address> {
    socket.local_addr().ok().and_then(|address| address.as_socket()).map(Address::Ip)
}

fn socket_address(address: Address) -> Result<SockAddr, Fault> {
    match address {
        Address::Ip(address) => Ok(address.into()),
        _ => Err(FaultKind::Unsupported.into()),
    }
}

/// A signal is no news for a call that does not wait.
#[inline]
fn retrying<T>(mut call: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match call() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // X55, X56, X57: a connect is called once; what it says then decides whether to wait.
    #[test]
    fn x055_a_connect_that_is_under_way_is_waited_for() {
        for errno in [Errno::INPROGRESS, Errno::INTR, Errno::ALREADY] {
            assert_eq!(errno_progress(errno.raw_os_error()), Progress::UnderWay, "{errno:?}");
        }
        assert_eq!(errno_progress(Errno::ISCONN.raw_os_error()), Progress::Done);
        // X58
        assert_eq!((errno_progress(0), errno_progress(5000)), (Progress::UnderWay, Progress::Failed));
        // No free local port, for one.
        for errno in [Errno::AGAIN, Errno::CONNREFUSED, Errno::NETUNREACH, Errno::ADDRNOTAVAIL] {
            assert_eq!(errno_progress(errno.raw_os_error()), Progress::Failed, "{errno:?}");
        }
        for (code, progress) in [(10004, Progress::UnderWay), (10035, Progress::UnderWay), (10037, Progress::UnderWay)] {
            assert_eq!(winsock_progress(code), progress);
        }
        assert_eq!((winsock_progress(10056), winsock_progress(10061)), (Progress::Done, Progress::Failed));
        assert_eq!(connect_progress(&io::Error::other("?")), Progress::Failed);
    }

    #[test]
    fn x061_the_unspecified_address_is_this_host_where_the_system_does_not_say_so() {
        let address = |text: &str| text.parse::<SocketAddr>().unwrap();
        for (from, to) in
            [("0.0.0.0:80", "127.0.0.1:80"), ("[::]:80", "[::1]:80"), ("127.0.0.2:80", "127.0.0.2:80"), ("[::2]:80", "[::2]:80")]
        {
            assert_eq!(destination(address(from), false), address(to));
            assert_eq!(destination(address(from), true), address(from));
        }
    }

    #[test]
    fn x024_a_call_that_a_signal_interrupts_is_made_again() {
        let mut results = [
            Err(io::Error::from_raw_os_error(Errno::INTR.raw_os_error())),
            Err(io::Error::from_raw_os_error(Errno::INTR.raw_os_error())),
            Ok(7),
        ]
        .into_iter();
        assert_eq!(retrying(|| results.next().unwrap()).unwrap(), 7);
    }
}
