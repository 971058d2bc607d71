//! An echo server in an event loop of your own, over io_uring: `cargo run --release --example loop_io_uring -- --addr 127.0.0.1:0`.
//!
//! It prints `listening on ...` first. SIGINT or SIGTERM drains, a second one aborts. An error, or a kernel without io_uring, is one line and
//! exit status 2.
#![cfg(target_os = "linux")]
#![allow(unsafe_code, reason = "what the kernel reads and writes must outlive its operation, and only we can say that it does")]

use std::io::{self, Read};
use std::net::SocketAddr;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::process::ExitCode;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use bytes::Bytes;
use io_uring::types::{BufRingEntry, CancelBuilder, Fd, SubmitArgs, Timespec};
use io_uring::{IoUring, cqueue, opcode, squeue};
use rustix::event::PollFlags;
use rustix::io::Errno;
use sansock::{ListenerConfig, Node, NodeEvent, OpId, OpKind, Peer, SendOp, ServerConfig, ServerReport, SlotRange, Verdict};
use sansock_system::{BufferPool, CatchPanics, Finished, Handle, Proactor, Queue};
use sansock_tests::echo::Echo;
use sansock_tests::loops;

/// How long a drain may take.
const DRAIN: Duration = Duration::from_secs(10);
/// No operation has these names: their four bits of a kind name none.
const SIGNAL: u64 = u64::MAX;
const CANCEL: u64 = u64::MAX - 1;
/// So many accepts are in flight: connections that come at once need one turn of the loop.
const ACCEPTS: usize = 16;

/// The benchmark calls it too.
pub(crate) fn main() -> ExitCode {
    loops::run(serve)
}

fn serve(address: SocketAddr, limit: usize) -> io::Result<Box<ServerReport>> {
    let mut ring = Ring::new().map_err(|error| io::Error::other(format!("this kernel has no io_uring to use: {error}")))?;
    let mut signals = loops::signals()?;
    let readable = PollFlags::IN.bits().into();
    ring.push(opcode::PollAdd::new(Fd(signals.as_raw_fd()), readable).multi(true).build(), SIGNAL)?;
    let mut proactor = Proactor::new(Node::new(SlotRange::ALL), ring);
    let listener = ListenerConfig::new(address).accepts(ACCEPTS).map_err(io::Error::other)?;
    let config = ServerConfig::new(address).listeners(vec![listener]).and_then(|config| config.max_connections(limit));
    let echo = CatchPanics::new(|_: &Peer| Verdict::Accept(Echo::default()));
    proactor.call(|node, now| node.serve(now, config.map_err(io::Error::other)?, echo).map_err(io::Error::other))?;
    let mut draining = false;
    loop {
        while let Some(event) = proactor.next_event() {
            match event {
                NodeEvent::Listening { local: Some(local), .. } => println!("listening on {local}"),
                NodeEvent::ServerStopped { report, .. } => return Ok(report),
                _ => {}
            }
        }
        let timeout = proactor.timeout();
        proactor.queue().wait(timeout)?;
        while let Some(entry) = proactor.queue().next() {
            if entry.user_data() == SIGNAL {
                while matches!(signals.read(&mut [0; 1]), Ok(1..)) {
                    proactor.call(|node, now| if draining { node.stop(now) } else { node.drain(now, now + DRAIN) });
                    draining = true;
                }
            } else {
                let finished = proactor.queue().finished(&entry);
                proactor.finished(entry.user_data(), finished);
            }
        }
    }
}

/// The ring, and the memory that the kernel receives into.
struct Ring {
    ring: IoUring,
    buffers: Buffers,
}

impl Ring {
    fn new() -> io::Result<Self> {
        // One thread, and completions when we ask for them: the kernel need not interrupt us.
        let ring = IoUring::builder().setup_single_issuer().setup_defer_taskrun().setup_cqsize(4096).build(1024)?;
        let buffers = Buffers::new(&ring)?;
        Ok(Self { ring, buffers })
    }

    fn push(&mut self, entry: squeue::Entry, name: u64) -> io::Result<()> {
        let entry = entry.user_data(name);
        // SAFETY: what the entry points to is in `buffers`, or in a `SendOp` that the proactor keeps until its completion was seen. All is
        // cancelled before either is dropped.
        while unsafe { self.ring.submission().push(&entry) }.is_err() {
            self.ring.submit()?;
        }
        Ok(())
    }

    /// Submits what was pushed, and waits for a completion.
    fn wait(&self, timeout: Option<Duration>) -> io::Result<()> {
        let span = timeout.map(Timespec::from);
        let result = match &span {
            Some(span) => self.ring.submitter().submit_with_args(1, &SubmitArgs::new().timespec(span)),
            None => self.ring.submit_and_wait(1),
        };
        let nothing_yet = |error: &io::Error| matches!(Errno::from_io_error(error), Some(Errno::INTR | Errno::TIME));
        result.map(|_| ()).or_else(|error| if nothing_yet(&error) { Ok(()) } else { Err(error) })
    }

    fn next(&mut self) -> Option<cqueue::Entry> {
        self.ring.completion().next()
    }

    fn finished(&mut self, entry: &cqueue::Entry) -> Finished {
        let data = cqueue::buffer_select(entry.flags()).map(|buffer| self.buffers.take(buffer, entry.result()));
        match (OpId::from_u64(entry.user_data()).map(OpId::kind), entry.result()) {
            (Some(OpKind::Recv), 1..) => Finished::Received { data: data.unwrap_or_default(), more: cqueue::more(entry.flags()) },
            (Some(OpKind::Recv), 0) => Finished::Ended,
            (Some(OpKind::Recv), NO_BUFFER) => Finished::Starved,
            (Some(OpKind::Send), count @ 0..) => Finished::Sent(count as usize),
            // SAFETY: the kernel made this descriptor for us.
            (Some(OpKind::Accept), fd @ 0..) => Finished::Accepted(unsafe { OwnedFd::from_raw_fd(fd) }.into()),
            (_, 0..) => Finished::Done,
            (_, error) => Finished::Failed(-error),
        }
    }
}

impl Queue for Ring {
    /// The kernel chooses one of our buffers when there is something to put into it, so an idle connection needs none.
    fn receive(&mut self, handle: &Handle, name: u64) -> io::Result<()> {
        self.push(opcode::RecvMulti::new(fd(handle), GROUP).build(), name)
    }

    /// The first chunk is enough: what is left comes with the next operation.
    fn send(&mut self, handle: &Handle, op: &SendOp, name: u64) -> io::Result<()> {
        let chunk = &op.chunks()[0];
        let length = u32::try_from(chunk.len()).unwrap_or(u32::MAX);
        self.push(opcode::Send::new(fd(handle), chunk.as_ptr(), length).flags(NO_SIGNAL).build(), name)
    }

    fn accept(&mut self, listener: &Handle, name: u64) -> io::Result<()> {
        let entry = opcode::Accept::new(fd(listener), std::ptr::null_mut(), std::ptr::null_mut());
        self.push(entry.flags(rustix::net::SocketFlags::CLOEXEC.bits().cast_signed()).build(), name)
    }

    fn writable(&mut self, handle: &Handle, name: u64) -> io::Result<()> {
        self.push(opcode::PollAdd::new(fd(handle), PollFlags::OUT.bits().into()).build(), name)
    }

    fn cancel(&mut self, name: u64) -> io::Result<()> {
        self.push(opcode::AsyncCancel::new(name).build(), CANCEL)
    }
}

impl Drop for Ring {
    fn drop(&mut self) {
        // The kernel must not write into memory that is gone; if there is nothing to cancel, that is an error.
        let _ = self.ring.submitter().register_sync_cancel(None, CancelBuilder::any().all());
    }
}

fn fd(handle: &Handle) -> Fd {
    Fd(handle.as_raw_fd())
}

const NO_SIGNAL: i32 = rustix::net::SendFlags::NOSIGNAL.bits().cast_signed();
const NO_BUFFER: i32 = -Errno::NOBUFS.raw_os_error();
const GROUP: u16 = 0;
/// So much may be received before we look at it; more would not stay in the cache.
const BUFFERS: u16 = 64;
const BUFFER: usize = 64 * 1024;

/// Buffers that are lent to the kernel. It chooses one for each receive; once that is handed out, the buffer, or another in its place, is
/// lent again.
struct Buffers {
    page: Box<Page>,
    buffers: Vec<Vec<u8>>,
    pool: BufferPool,
    tail: u16,
}

#[repr(C, align(4096))]
struct Page([[u64; 2]; BUFFERS as usize]);

impl Buffers {
    fn new(ring: &IoUring) -> io::Result<Self> {
        let buffers = (0..BUFFERS).map(|_| Vec::with_capacity(BUFFER)).collect();
        let mut buffers = Self { page: Box::new(Page([[0; 2]; BUFFERS as usize])), buffers, pool: BufferPool::new(), tail: 0 };
        let address = std::ptr::from_mut(&mut *buffers.page) as u64;
        // SAFETY: the page is as large as said, aligned, never moves, and outlives the ring.
        unsafe { ring.submitter().register_buf_ring_with_flags(address, BUFFERS, GROUP, 0)? };
        (0..BUFFERS).for_each(|buffer| buffers.lend(buffer));
        Ok(buffers)
    }

    fn lend(&mut self, buffer: u16) {
        let base = self.page.0.as_mut_ptr().cast::<BufRingEntry>();
        // SAFETY: the place is in the page, and the kernel reads it only once the tail has passed it. The tail is the last field of the
        // first entry, which the setters leave alone.
        unsafe {
            let entry = &mut *base.add(usize::from(self.tail % BUFFERS));
            entry.set_addr(self.buffers[usize::from(buffer)].as_mut_ptr() as u64);
            entry.set_len(BUFFER as u32);
            entry.set_bid(buffer);
            self.tail = self.tail.wrapping_add(1);
            AtomicU16::from_ptr(BufRingEntry::tail(base).cast_mut()).store(self.tail, Ordering::Release);
        }
    }

    /// Hands out what the kernel has put into the buffer, and lends it again.
    fn take(&mut self, buffer: u16, count: i32) -> Bytes {
        let filled = &mut self.buffers[usize::from(buffer)];
        // SAFETY: the kernel has written so many bytes into it.
        unsafe { filled.set_len(usize::try_from(count).unwrap_or(0)) };
        let data = self.pool.hand_out(filled);
        if filled.capacity() < BUFFER {
            *filled = self.pool.buffer(BUFFER);
        }
        self.lend(buffer);
        data
    }
}
