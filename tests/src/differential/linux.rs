//! The calls on Linux's loopback.

use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::{Errno, ioctl_fionread};
use rustix::net::{self, AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, ipproto, sockopt};
use sansock::{FaultKind, OpKind};
use sansock_memory::{Family, Readiness};
use sansock_system::fault::from_errno;

use super::call::{Answer, Call, Last};
use super::memory::last;
use super::patience;
use super::world::{Look, Meter, Place, matches, pattern};

/// A send buffer that is filled quickly; Linux doubles it.
const SEND_BUFFER: usize = 32 * 1024;

pub(super) struct Linux {
    place: Place,
    sockets: Vec<Real>,
}

struct Real {
    /// None once it is closed.
    fd: Option<OwnedFd>,
    family: Family,
    meter: Meter,
    local: Option<SocketAddr>,
}

impl Linux {
    pub(super) const fn new(place: Place) -> Self {
        Self { place, sockets: Vec::new() }
    }

    /// Makes the call, when what it is expected to give can be there. `partner` is who is at the other end of its socket.
    pub(super) fn call(&mut self, call: &Call, partner: Option<usize>, expected: &Answer) -> Answer {
        match (call, expected) {
            (Call::Receive { socket, .. }, Answer::Received { count, .. }) => drop(self.await_bytes(*socket, *count)),
            (Call::Accept { socket }, Answer::Done) => drop(self.becomes_readable(*socket)),
            _ => {}
        }
        let answer = self.make(call, partner, expected);
        for socket in &mut self.sockets {
            if let Some(fd) = &socket.fd {
                socket.local = local_name(fd).or(socket.local);
            }
        }
        answer
    }

    pub(super) fn look(&self, number: usize) -> Look {
        let fd = self.fd(number);
        let peer = net::getpeername(fd).ok().flatten().and_then(|name| name.try_into().ok());
        Look { readiness: readiness(fd), local: local_name(fd), peer }
    }

    /// Waits until so many bytes can be received.
    fn await_bytes(&self, number: usize, count: usize) -> bool {
        until(patience(), || ioctl_fionread(self.fd(number)).unwrap_or(0) >= count as u64)
    }

    fn meter(&self, number: usize) -> Meter {
        self.sockets[number].meter
    }

    fn fd(&self, number: usize) -> &OwnedFd {
        self.sockets[number].fd.as_ref().expect("calls are made on open sockets")
    }

    fn make(&mut self, call: &Call, partner: Option<usize>, expected: &Answer) -> Answer {
        match *call {
            Call::Create { family, reuse } => self.create(family, reuse),
            Call::Reuse { socket, on } => done(sockopt::set_socket_reuseaddr(self.fd(socket), on), OpKind::Create),
            Call::Bind { socket, to } => {
                match self.place.name(self.sockets[socket].family, to, |other| self.sockets[other].local) {
                    Some(name) => done(net::bind(self.fd(socket), &name), OpKind::Bind),
                    None => Answer::Done,
                }
            }
            Call::Listen { socket, backlog } => {
                done(net::listen(self.fd(socket), i32::try_from(backlog).unwrap_or(i32::MAX)), OpKind::Listen)
            }
            Call::Connect { socket, to } => self.connect(socket, to),
            Call::Accept { socket } => self.accept(socket),
            Call::Send { socket, size } => self.send(socket, size),
            Call::Fill { socket } => self.fill(socket),
            Call::Receive { socket, most } => self.receive(socket, most),
            Call::Drain { socket } => self.drain(socket, partner, expected),
            Call::Shutdown { socket, how } => {
                let how = match how {
                    std::net::Shutdown::Read => net::Shutdown::Read,
                    std::net::Shutdown::Write => net::Shutdown::Write,
                    std::net::Shutdown::Both => net::Shutdown::Both,
                };
                done(net::shutdown(self.fd(socket), how), OpKind::Shutdown)
            }
            Call::TakeError { socket } => match sockopt::socket_error(self.fd(socket)) {
                Ok(Ok(())) => Answer::Error(None),
                Ok(Err(errno)) => Answer::Error(Some(kind(errno, OpKind::Connect))),
                Err(errno) => failed(errno, OpKind::Connect),
            },
            Call::Close { socket, abortive } => {
                if abortive {
                    sockopt::set_socket_linger(self.fd(socket), Some(Duration::ZERO)).expect("a socket has this option");
                }
                self.sockets[socket].fd = None;
                Answer::Done
            }
        }
    }

    fn create(&mut self, family: Family, reuse: bool) -> Answer {
        let domain = match family {
            Family::V4 => AddressFamily::INET,
            Family::V6 => AddressFamily::INET6,
        };
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        let fd = net::socket_with(domain, SocketType::STREAM, flags, Some(ipproto::TCP)).expect("a socket");
        if family == Family::V6 {
            sockopt::set_ipv6_v6only(&fd, true).expect("an IPv6 socket has this option");
        }
        sockopt::set_socket_reuseaddr(&fd, reuse).expect("a socket has this option");
        sockopt::set_socket_send_buffer_size(&fd, SEND_BUFFER).expect("a socket has this option");
        sockopt::set_tcp_nodelay(&fd, true).expect("a TCP socket has this option");
        self.add(fd, family);
        Answer::Done
    }

    fn add(&mut self, fd: OwnedFd, family: Family) {
        self.sockets.push(Real { fd: Some(fd), family, meter: Meter::default(), local: None });
    }

    fn connect(&mut self, number: usize, to: usize) -> Answer {
        let Some(name) = self.sockets[to].local else { return Answer::Done };
        let answer = match net::connect(self.fd(number), &name) {
            Ok(()) => Answer::Done,
            Err(Errno::INPROGRESS | Errno::ALREADY) => Answer::WouldBlock,
            Err(Errno::ISCONN) => Answer::AlreadyConnected,
            Err(errno) => Answer::Fault(kind(errno, OpKind::Connect)),
        };
        if answer == Answer::WouldBlock {
            self.sockets[number].meter = Meter::default();
        }
        answer
    }

    fn accept(&mut self, number: usize) -> Answer {
        match net::accept_with(self.fd(number), SocketFlags::NONBLOCK | SocketFlags::CLOEXEC) {
            Ok(fd) => {
                self.add(fd, self.sockets[number].family);
                Answer::Done
            }
            Err(errno) => failed(errno, OpKind::Accept),
        }
    }

    fn send(&mut self, number: usize, size: usize) -> Answer {
        let data = pattern(self.sockets[number].meter.sent, size);
        match net::send(self.fd(number), &data, SendFlags::NOSIGNAL) {
            Ok(count) => {
                self.sockets[number].meter.sent += count;
                Answer::Sent(count)
            }
            Err(errno) => failed(errno, OpKind::Send),
        }
    }

    /// Full is what stays full while the last acknowledgements come.
    fn fill(&mut self, number: usize) -> Answer {
        const ACKNOWLEDGEMENTS: Duration = Duration::from_millis(60);
        let (mut anything, mut waited) = (false, false);
        loop {
            match self.send(number, 8192) {
                Answer::Sent(_) => (anything, waited) = (true, false),
                Answer::WouldBlock if anything && !waited => {
                    until(ACKNOWLEDGEMENTS, || readiness(self.fd(number)).writable);
                    waited = true;
                }
                answer => return Answer::Filled { anything, then: last(answer) },
            }
        }
    }

    fn receive(&mut self, number: usize, most: usize) -> Answer {
        let mut buffer = vec![0; most];
        match net::recv(self.fd(number), &mut buffer[..], RecvFlags::empty()) {
            Ok((_, 0)) => Answer::Eof,
            Ok((_, count)) => {
                let meter = &mut self.sockets[number].meter;
                let intact = matches(meter.received, &buffer[..count]);
                meter.received += count;
                Answer::Received { count, intact }
            }
            Err(errno) => failed(errno, OpKind::Recv),
        }
    }

    /// Everything is what the partner has sent. What is expected is waited for.
    fn drain(&mut self, number: usize, partner: Option<usize>, expected: &Answer) -> Answer {
        let sent = partner.map_or(0, |partner| self.meter(partner).sent);
        let Answer::Drained { everything, then, .. } = *expected else { return Answer::WouldBlock };
        let mut all_intact = true;
        let then = loop {
            let received = self.meter(number).received;
            match self.receive(number, 65536) {
                Answer::Received { intact, .. } => all_intact &= intact,
                Answer::WouldBlock | Answer::Eof if everything && received < sent && self.await_bytes(number, 1) => {}
                Answer::WouldBlock if then != Last::WouldBlock && self.becomes_readable(number) => {}
                Answer::Eof if matches!(then, Last::Fault(_)) && until(patience(), || readiness(self.fd(number)).failed) => {}
                answer => break last(answer),
            }
        };
        Answer::Drained { everything: self.meter(number).received == sent, intact: all_intact, then }
    }

    fn becomes_readable(&self, number: usize) -> bool {
        until(patience(), || readiness(self.fd(number)).readable)
    }
}

/// Looks again and again, for some time: what is awaited happens in the kernel, now or when another thread of it gets its turn.
fn until(patience: Duration, mut happened: impl FnMut() -> bool) -> bool {
    let begin = Instant::now();
    while !happened() {
        if begin.elapsed() > patience {
            return false;
        }
        std::thread::yield_now();
    }
    true
}

fn local_name(fd: &OwnedFd) -> Option<SocketAddr> {
    net::getsockname(fd).ok().and_then(|name| SocketAddr::try_from(name).ok()).filter(|name| name.port() != 0)
}

fn readiness(fd: &OwnedFd) -> Readiness {
    let interest = PollFlags::IN | PollFlags::OUT | PollFlags::RDHUP;
    let mut fds = [PollFd::new(fd, interest)];
    let now = Timespec { tv_sec: 0, tv_nsec: 0 };
    poll(&mut fds, Some(&now)).expect("poll does not fail");
    let ready = fds[0].revents();
    Readiness {
        readable: ready.contains(PollFlags::IN),
        writable: ready.contains(PollFlags::OUT),
        receive_ended: ready.contains(PollFlags::RDHUP),
        hung_up: ready.contains(PollFlags::HUP),
        failed: ready.contains(PollFlags::ERR),
    }
}

fn done(result: Result<(), Errno>, operation: OpKind) -> Answer {
    match result {
        Ok(()) => Answer::Done,
        Err(errno) => failed(errno, operation),
    }
}

fn failed(errno: Errno, operation: OpKind) -> Answer {
    if errno == Errno::AGAIN { Answer::WouldBlock } else { Answer::Fault(kind(errno, operation)) }
}

fn kind(errno: Errno, operation: OpKind) -> FaultKind {
    from_errno(errno.raw_os_error(), operation).kind()
}
