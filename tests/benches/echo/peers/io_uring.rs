//! io_uring: multishot accept, multishot receive into provided buffers, sends straight out of them; completions when asked for.
#![allow(unsafe_code, reason = "what the kernel reads and writes must outlive its operation, and only we can say that it does")]

use std::collections::VecDeque;
use std::io;
use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicU16, Ordering};

use io_uring::types::{BufRingEntry, Fd};
use io_uring::{IoUring, cqueue, opcode, squeue};
use rustix::fd::BorrowedFd;
use rustix::net::{SendFlags, SocketFlags, sockopt};

use super::{RECEIVE, listen, uninterrupted};

const ACCEPT: u64 = 0;
const RECV: u64 = 1;
const SEND: u64 = 2;
const CLOSE: u64 = 3;
/// More would not stay in the cache.
const BUFFERS: u16 = 32;

/// What is kept of a connection, by descriptor.
#[derive(Default)]
struct Connection {
    /// Received and not sent yet: buffer, from, to. The first is being sent.
    queue: VecDeque<(u16, u32, u32)>,
    ended: bool,
}

#[repr(C, align(4096))]
struct Page([[u64; 2]; BUFFERS as usize]);

struct Server {
    ring: IoUring,
    page: Box<Page>,
    memory: Vec<u8>,
    tail: u16,
    connections: Vec<Connection>,
    /// Connections whose receive ended because no buffer was left.
    starved: Vec<i32>,
}

pub(crate) fn serve() -> io::Result<()> {
    let listener = listen()?;
    let ring = IoUring::builder().setup_single_issuer().setup_defer_taskrun().setup_cqsize(4096).build(1024)?;
    let mut server = Server {
        ring,
        page: Box::new(Page([[0; 2]; BUFFERS as usize])),
        memory: vec![0; usize::from(BUFFERS) * RECEIVE],
        tail: 0,
        connections: Vec::new(),
        starved: Vec::new(),
    };
    let address = std::ptr::from_mut(&mut *server.page) as u64;
    // SAFETY: the page is as large as said, aligned, and never moves.
    unsafe { server.ring.submitter().register_buf_ring_with_flags(address, BUFFERS, 0, 0)? };
    (0..BUFFERS).for_each(|buffer| server.lend(buffer));
    let flags = SocketFlags::CLOEXEC.bits().cast_signed();
    let accept = opcode::AcceptMulti::new(Fd(listener.as_raw_fd())).flags(flags).build();
    server.push(&accept.user_data(ACCEPT))?;
    loop {
        uninterrupted(server.ring.submit_and_wait(1))?;
        while let Some(entry) = server.next() {
            server.handle(&entry)?;
        }
    }
}

impl Server {
    fn next(&mut self) -> Option<cqueue::Entry> {
        self.ring.completion().next()
    }

    fn handle(&mut self, entry: &cqueue::Entry) -> io::Result<()> {
        let fd = (entry.user_data() >> 8) as i32;
        match entry.user_data() & 0xff {
            ACCEPT => {
                let fd = entry.result();
                // SAFETY: the kernel made this descriptor for us.
                sockopt::set_tcp_nodelay(unsafe { BorrowedFd::borrow_raw(fd) }, true)?;
                let place = fd as usize;
                if self.connections.len() <= place {
                    self.connections.resize_with(place + 1, Connection::default);
                }
                self.connections[place] = Connection::default();
                self.receive(fd)
            }
            RECV => self.received(fd, entry),
            SEND => self.sent(fd, entry.result()),
            _ => Ok(()),
        }
    }

    fn received(&mut self, fd: i32, entry: &cqueue::Entry) -> io::Result<()> {
        const NO_BUFFER: i32 = -rustix::io::Errno::NOBUFS.raw_os_error();
        match (entry.result(), cqueue::buffer_select(entry.flags())) {
            (count @ 1.., Some(buffer)) => {
                let queue = &mut self.connections[fd as usize].queue;
                queue.push_back((buffer, 0, count as u32));
                if queue.len() == 1 {
                    self.send(fd, buffer, 0, count as u32)?;
                }
                if !cqueue::more(entry.flags()) {
                    self.receive(fd)?;
                }
                return Ok(());
            }
            (NO_BUFFER, _) => self.starved.push(fd),
            _ => {
                self.connections[fd as usize].ended = true;
                if self.connections[fd as usize].queue.is_empty() {
                    self.close(fd)?;
                }
            }
        }
        Ok(())
    }

    fn sent(&mut self, fd: i32, result: i32) -> io::Result<()> {
        let connection = &mut self.connections[fd as usize];
        let Some((buffer, from, to)) = connection.queue.front_mut() else { return Ok(()) };
        *from = if result < 0 { *to } else { *from + result as u32 };
        if from < to {
            let (buffer, from, to) = (*buffer, *from, *to);
            return self.send(fd, buffer, from, to);
        }
        let buffer = *buffer;
        connection.queue.pop_front();
        let (next, ended) = (connection.queue.front().copied(), connection.ended);
        self.lend(buffer);
        if let Some((buffer, from, to)) = next {
            self.send(fd, buffer, from, to)?;
        } else if ended {
            self.close(fd)?;
        }
        match self.starved.pop() {
            Some(fd) => self.receive(fd),
            None => Ok(()),
        }
    }

    fn receive(&mut self, fd: i32) -> io::Result<()> {
        self.push(&opcode::RecvMulti::new(Fd(fd), 0).build().user_data((fd as u64) << 8 | RECV))
    }

    fn send(&mut self, fd: i32, buffer: u16, from: u32, to: u32) -> io::Result<()> {
        let start = usize::from(buffer) * RECEIVE + from as usize;
        let send = opcode::Send::new(Fd(fd), self.memory[start..].as_ptr(), to - from);
        let flags = SendFlags::NOSIGNAL.bits().cast_signed();
        self.push(&send.flags(flags).build().user_data((fd as u64) << 8 | SEND))
    }

    fn close(&mut self, fd: i32) -> io::Result<()> {
        self.push(&opcode::Close::new(Fd(fd)).build().user_data(CLOSE))
    }

    fn push(&mut self, entry: &squeue::Entry) -> io::Result<()> {
        // SAFETY: `memory` is never moved, and a buffer is not lent again before it was sent.
        while unsafe { self.ring.submission().push(entry) }.is_err() {
            self.ring.submit()?;
        }
        Ok(())
    }

    fn lend(&mut self, buffer: u16) {
        let base = self.page.0.as_mut_ptr().cast::<BufRingEntry>();
        let address = self.memory[usize::from(buffer) * RECEIVE..].as_mut_ptr() as u64;
        // SAFETY: the place is in the page, and the kernel reads it only once the tail has passed it.
        unsafe {
            let entry = &mut *base.add(usize::from(self.tail % BUFFERS));
            entry.set_addr(address);
            entry.set_len(RECEIVE as u32);
            entry.set_bid(buffer);
            self.tail = self.tail.wrapping_add(1);
            AtomicU16::from_ptr(BufRingEntry::tail(base).cast_mut()).store(self.tail, Ordering::Release);
        }
    }
}
