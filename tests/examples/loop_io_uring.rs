//! An echo server in an event loop of your own, over io_uring: `cargo run --release --example loop_io_uring -- --addr 127.0.0.1:0`.
//!
//! It prints `listening on ...` first. SIGINT or SIGTERM drains, a second one aborts. An error, or a kernel without io_uring, is one line and
//! exit status 2.
#![cfg(target_os = "linux")]
#![allow(unsafe_code, reason = "what the kernel reads and writes must outlive its operation, and only we can say that it does")]

use std::io::{self, Read};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::process::ExitCode;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use bytes::BytesMut;
use io_uring::types::{BufRingEntry, Fd, SubmitArgs, Timespec};
use io_uring::{IoUring, cqueue, opcode, squeue};
use sansock::{
    AcceptOp, Completion, Machine, Node, NodeEvent, Op, OpId, OpKind, Outcome, Output, Peer, RecvOp, SendOp, ServerConfig,
    ServerReport, SlotRange, SocketId, Verdict,
};
use sansock_system::{CatchPanics, Clock, Sockets, fault};
use sansock_tests::echo::Echo;

/// How long a drain may take.
const DRAIN: Duration = Duration::from_secs(10);
/// No operation has this name: its four bits of a kind name none.
const SIGNAL: u64 = u64::MAX;

/// The benchmark calls it too.
pub(crate) fn main() -> ExitCode {
    match options().and_then(|(address, limit)| serve(address, limit).map_err(|error| error.to_string())) {
        Ok(report) if report.listen_errors.is_empty() => ExitCode::SUCCESS,
        Ok(report) => fail(&report.listen_errors[0]),
        Err(error) => fail(&error),
    }
}

fn fail(error: &dyn std::fmt::Display) -> ExitCode {
    eprintln!("error: {error}");
    ExitCode::from(2)
}

fn options() -> Result<(SocketAddr, usize), String> {
    use lexopt::{Arg::Long, Parser, ValueExt};
    let (mut address, mut limit) = (SocketAddr::from(([127, 0, 0, 1], 0)), 1024);
    let mut arguments = Parser::from_env();
    while let Some(argument) = arguments.next().map_err(|error| error.to_string())? {
        match argument {
            Long("addr") => address = arguments.value().and_then(|value| value.parse()).map_err(|error| error.to_string())?,
            Long("max-connections") => {
                limit = arguments.value().and_then(|value| value.parse()).map_err(|error| error.to_string())?;
            }
            other => return Err(other.unexpected().to_string()),
        }
    }
    Ok((address, limit))
}

fn serve(address: SocketAddr, limit: usize) -> io::Result<ServerReport> {
    let mut ring = Ring::new().map_err(|error| io::Error::other(format!("this kernel has no io_uring to use: {error}")))?;
    let mut signals = signals()?;
    let clock = Clock::new();
    let mut node = Node::new(SlotRange::ALL);
    let config = ServerConfig::new(address).max_connections(limit).map_err(io::Error::other)?;
    let echo = CatchPanics::new(|_: &Peer| Verdict::Accept(Echo::default()));
    node.serve(clock.now(), config, echo).map_err(io::Error::other)?;
    let readable = rustix::event::PollFlags::IN.bits().into();
    ring.push(&opcode::PollAdd::new(Fd(signals.as_raw_fd()), readable).multi(true).build().user_data(SIGNAL))?;
    let mut draining = false;
    loop {
        while let Some(output) = node.poll() {
            match output {
                Output::Submit(op) => {
                    if let Some(done) = ring.submit(op)? {
                        node.complete(clock.now(), done).map_err(io::Error::other)?;
                    }
                }
                Output::Event(NodeEvent::Listening { local: Some(local), .. }) => println!("listening on {local}"),
                Output::Event(NodeEvent::ServerStopped { report, .. }) => return Ok(report),
                Output::Event(_) => {}
            }
        }
        // The deadline is read again each time: any call may have moved it.
        ring.wait(node.deadline().map(|deadline| clock.until(deadline)))?;
        let now = clock.now();
        while let Some(entry) = ring.next() {
            if entry.user_data() == SIGNAL {
                while matches!(signals.read(&mut [0; 1]), Ok(1..)) {
                    if draining {
                        node.stop(now)
                    } else {
                        node.drain(now, now + DRAIN)
                    }
                    draining = true;
                }
            } else if let Some(done) = ring.complete(&entry)? {
                node.complete(now, done).map_err(io::Error::other)?;
            }
        }
        node.handle_timeout(now);
    }
}

/// A stream that receives a byte for each SIGINT or SIGTERM.
fn signals() -> io::Result<UnixStream> {
    let (receiver, sender) = UnixStream::pair()?;
    receiver.set_nonblocking(true)?;
    for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
        signal_hook::low_level::pipe::register(signal, sender.try_clone()?)?;
    }
    Ok(receiver)
}

/// The ring, and what the kernel uses while an operation is in flight. Fields are dropped in this order: the ring first.
struct Ring {
    ring: IoUring,
    sockets: Sockets,
    buffers: Buffers,
    /// What is being sent, by slot: the bytes belong to the operation until it completes.
    sends: Vec<Option<SendOp>>,
    accepts: Vec<AcceptOp>,
}

impl Ring {
    fn new() -> io::Result<Self> {
        // One thread, and completions when we ask for them: the kernel need not interrupt us.
        let ring = IoUring::builder().setup_single_issuer().setup_defer_taskrun().setup_cqsize(4096).build(1024)?;
        let buffers = Buffers::new(&ring)?;
        Ok(Self { ring, sockets: Sockets::new(), buffers, sends: Vec::new(), accepts: Vec::new() })
    }

    /// Starts an operation. `Some` is its completion; otherwise it is in the ring.
    fn submit(&mut self, op: Op) -> io::Result<Option<Completion>> {
        let id = op.id();
        let entry = match op {
            Op::Recv(op) => self.recv(&op),
            Op::Send(op) => self.send(op),
            Op::Accept(op) if op.wait() => self.accept(op),
            Op::Cancel(op) => opcode::AsyncCancel::new(op.target().as_u64()).build(),
            // The rest is rare, or does not wait. In the ring, a socket that does not block would fail instead of waiting.
            Op::Accept(op) => {
                let (listener, slot) = (op.listener(), op.slot());
                self.set_nonblocking(listener, true)?;
                let done = self.sockets.submit(Op::Accept(op));
                self.set_nonblocking(slot, false)?;
                return Ok(done);
            }
            op => {
                let done = self.sockets.submit(op);
                if id.kind() == OpKind::Create {
                    self.set_nonblocking(id.socket(), false)?;
                }
                return Ok(done);
            }
        };
        self.push(&entry.user_data(id.as_u64()))?;
        Ok(None)
    }

    fn next(&mut self) -> Option<cqueue::Entry> {
        self.ring.completion().next()
    }

    /// What came of an operation; `None` for a cancel, which has no completion.
    fn complete(&mut self, entry: &cqueue::Entry) -> io::Result<Option<Completion>> {
        let id = OpId::from_u64(entry.user_data()).ok_or_else(|| io::Error::other("the kernel returned a name we never gave"))?;
        let data = cqueue::buffer_select(entry.flags()).map(|buffer| self.buffers.take(buffer, entry.result()));
        let outcome = match (id.kind(), u32::try_from(entry.result())) {
            (OpKind::Cancel, _) => return Ok(None),
            (OpKind::Accept, Ok(_)) => return Ok(self.accepted(id, entry.result())),
            (OpKind::Recv, Ok(1..)) => Outcome::Data(data.unwrap_or_default()),
            (OpKind::Recv, Ok(0)) => Outcome::Eof,
            (OpKind::Send, Ok(count)) => Outcome::Sent(count as usize),
            (kind, _) => Outcome::Failed(fault::from_errno(-entry.result(), kind)),
        };
        match id.kind() {
            OpKind::Send => self.sends[id.socket().slot() as usize] = None,
            OpKind::Accept => self.accepts.retain(|op| op.id() != id),
            _ => {}
        }
        Ok(Some(Completion::from_raw(id, outcome)))
    }

    /// The kernel chooses one of our buffers when there is something to put into it, so an idle connection needs none.
    fn recv(&self, op: &RecvOp) -> squeue::Entry {
        let length = op.max().min(BUFFER) as u32;
        let entry = opcode::Recv::new(self.fd(op.socket()), std::ptr::null_mut(), length).ioprio(POLL_FIRST).buf_group(GROUP);
        entry.build().flags(squeue::Flags::BUFFER_SELECT)
    }

    /// The first chunk is enough: what is left comes with the next operation.
    fn send(&mut self, op: SendOp) -> squeue::Entry {
        let chunk = &op.chunks()[0];
        let length = u32::try_from(chunk.len()).unwrap_or(u32::MAX);
        let entry = opcode::Send::new(self.fd(op.socket()), chunk.as_ptr(), length).flags(NO_SIGNAL).build();
        let slot = op.socket().slot() as usize;
        if self.sends.len() <= slot {
            self.sends.resize_with(slot + 1, || None);
        }
        self.sends[slot] = Some(op);
        entry
    }

    fn accept(&mut self, op: AcceptOp) -> squeue::Entry {
        let entry = opcode::Accept::new(self.fd(op.listener()), std::ptr::null_mut(), std::ptr::null_mut());
        self.accepts.push(op);
        entry.flags(rustix::net::SocketFlags::CLOEXEC.bits().cast_signed()).build()
    }

    fn accepted(&mut self, id: OpId, fd: i32) -> Option<Completion> {
        // SAFETY: the kernel made this descriptor for us.
        let stream = TcpStream::from(unsafe { OwnedFd::from_raw_fd(fd) });
        let place = self.accepts.iter().position(|op| op.id() == id)?;
        let peer = stream.peer_addr().ok();
        Some(self.sockets.insert_accepted(self.accepts.swap_remove(place), stream, peer))
    }

    fn fd(&self, socket: SocketId) -> Fd {
        Fd(self.sockets.handle(socket).map_or(-1, |handle| handle.as_raw_fd()))
    }

    fn set_nonblocking(&self, socket: SocketId, on: bool) -> io::Result<()> {
        self.sockets.handle(socket).map_or(Ok(()), |handle| handle.set_nonblocking(on))
    }

    fn push(&mut self, entry: &squeue::Entry) -> io::Result<()> {
        // SAFETY: `sends` and `buffers` keep what the entry points to until its completion was seen, and outlive the ring.
        while unsafe { self.ring.submission().push(entry) }.is_err() {
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
        match result.map_err(|error| (error.kind(), error)) {
            Ok(_) | Err((io::ErrorKind::Interrupted, _)) => Ok(()),
            Err((_, error)) if error.raw_os_error() == Some(rustix::io::Errno::TIME.raw_os_error()) => Ok(()),
            Err((_, error)) => Err(error),
        }
    }
}

const NO_SIGNAL: i32 = rustix::net::SendFlags::NOSIGNAL.bits().cast_signed();
/// `IORING_RECVSEND_POLL_FIRST`: most receives are asked for when nothing is there yet.
const POLL_FIRST: u16 = 1;
const GROUP: u16 = 0;
/// As many buffers as fit one page of the ring that lends them, each as large as a receive.
const BUFFERS: u16 = 256;
const BUFFER: usize = 64 * 1024;

/// Buffers that are lent to the kernel. Where one is filled, that part is handed out, and the rest is lent again.
struct Buffers {
    page: Box<Page>,
    blocks: Vec<BytesMut>,
    tail: u16,
}

#[repr(C, align(4096))]
struct Page([[u64; 2]; BUFFERS as usize]);

impl Buffers {
    fn new(ring: &IoUring) -> io::Result<Self> {
        let blocks = (0..BUFFERS).map(|_| BytesMut::with_capacity(BUFFER)).collect();
        let mut buffers = Self { page: Box::new(Page([[0; 2]; BUFFERS as usize])), blocks, tail: 0 };
        let address = std::ptr::from_mut(&mut *buffers.page) as u64;
        // SAFETY: the page is as large as said, aligned, never moves, and outlives the ring.
        unsafe { ring.submitter().register_buf_ring_with_flags(address, BUFFERS, GROUP, 0)? };
        (0..BUFFERS).for_each(|buffer| buffers.lend(buffer));
        Ok(buffers)
    }

    fn lend(&mut self, buffer: u16) {
        let block = &mut self.blocks[usize::from(buffer)];
        let space = block.spare_capacity_mut();
        let base = self.page.0.as_mut_ptr().cast::<BufRingEntry>();
        // SAFETY: the place is in the page, and the kernel reads it only once the tail has passed it. The tail is the last field of the
        // first entry, which the setters leave alone.
        unsafe {
            let entry = &mut *base.add(usize::from(self.tail % BUFFERS));
            entry.set_addr(space.as_mut_ptr() as u64);
            entry.set_len(space.len().min(BUFFER) as u32);
            entry.set_bid(buffer);
            self.tail = self.tail.wrapping_add(1);
            AtomicU16::from_ptr(BufRingEntry::tail(base).cast_mut()).store(self.tail, Ordering::Release);
        }
    }

    /// Takes what the kernel has put into the buffer, and lends it again.
    fn take(&mut self, buffer: u16, count: i32) -> bytes::Bytes {
        let block = &mut self.blocks[usize::from(buffer)];
        // SAFETY: the kernel has written so many bytes into the spare capacity.
        unsafe { block.set_len(usize::try_from(count).unwrap_or(0)) };
        let data = block.split().freeze();
        if block.capacity() < BUFFER / 4 {
            // The same memory again, if nobody holds a part of it any more.
            block.reserve(BUFFER);
        }
        self.lend(buffer);
        data
    }
}
