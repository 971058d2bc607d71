//! What the tests on real sockets share: peers that misbehave, handlers that tell what they see, and waits that give up.

use std::convert::Infallible;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use sansock::{CloseReport, Completion, ConnectionConfig, Context, Handler, Op, OpKind, Timestamp};
use sansock_system::Observer;

/// What takes longer than this never comes.
pub(crate) const WATCHDOG: Duration = Duration::from_secs(60);

pub(crate) fn loopback() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}

/// Waits for the next thing that somebody tells.
pub(crate) fn next<T>(told: &Receiver<T>) -> T {
    told.recv_timeout(WATCHDOG).expect("nothing was told for a minute")
}

/// Connects, with a watchdog for everything that is read.
pub(crate) fn dial(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).expect("somebody listens");
    stream.set_read_timeout(Some(WATCHDOG)).unwrap();
    stream
}

/// True if the peer sends this back.
pub(crate) fn echoes(stream: &mut TcpStream, text: &[u8]) -> bool {
    let mut answer = vec![0; text.len()];
    stream.write_all(text).is_ok() && stream.read_exact(&mut answer).is_ok() && answer == text
}

/// Reads to the end; how it ended.
pub(crate) fn last_words(stream: &mut TcpStream) -> Result<Vec<u8>, std::io::ErrorKind> {
    let mut words = Vec::new();
    stream.read_to_end(&mut words).map(|_| words).map_err(|error| error.kind())
}

/// A listener that does not accept and whose queue is full: whoever connects gets no answer.
pub(crate) struct BlackHole {
    pub(crate) address: SocketAddr,
    _listener: socket2::Socket,
    _queued: Vec<TcpStream>,
}

impl BlackHole {
    pub(crate) fn new() -> Self {
        let listener = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
        listener.bind(&loopback().into()).unwrap();
        listener.listen(0).unwrap();
        let address = listener.local_addr().unwrap().as_socket().unwrap();
        let mut queued = Vec::new();
        while let Ok(stream) = TcpStream::connect_timeout(&address, Duration::from_millis(200)) {
            queued.push(stream);
        }
        Self { address, _listener: listener, _queued: queued }
    }
}

/// A peer that is connected to and neither reads nor writes.
pub(crate) fn silent_peer() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind(loopback()).unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

/// Tells when a kind of operation is submitted.
pub(crate) struct Submitted(OpKind, Mutex<Sender<()>>);

impl Submitted {
    pub(crate) fn watch(kind: OpKind) -> (Arc<dyn Observer>, Receiver<()>) {
        let (tell, told) = channel();
        (Arc::new(Self(kind, Mutex::new(tell))), told)
    }
}

impl Observer for Submitted {
    fn submitted(&self, _: Timestamp, op: &Op) {
        if op.kind() == self.0 {
            let _ = self.1.lock().unwrap().send(());
        }
    }

    fn completed(&self, _: Timestamp, _: &Completion) {}
}

/// Sends without end, and tells the end.
pub(crate) struct Firehose(pub(crate) Sender<CloseReport>);

impl Firehose {
    fn spout(cx: &mut Context<'_, Infallible>) {
        while cx.send(vec![7; 65_536]).is_ok() {}
    }
}

impl Handler for Firehose {
    type Message = Infallible;

    fn on_open(&mut self, cx: &mut Context<'_, Infallible>) {
        Self::spout(cx);
    }

    fn on_data(&mut self, _: &mut Context<'_, Infallible>, _: Bytes) {}

    fn on_writable(&mut self, cx: &mut Context<'_, Infallible>) {
        Self::spout(cx);
    }

    fn on_closed(&mut self, report: &CloseReport) {
        let _ = self.0.send(*report);
    }
}

/// One byte a receive: whoever floods such a connection is always ahead of it.
pub(crate) fn byte_by_byte() -> ConnectionConfig {
    ConnectionConfig::default().receive_size(1).unwrap()
}

/// Waits until nothing has been told for a while: until whoever sends is stuck.
pub(crate) fn until_quiet(told: &Receiver<()>) {
    next(told);
    while told.recv_timeout(Duration::from_millis(100)).is_ok() {}
}

/// Fewer descriptors for this process, until it is dropped.
pub(crate) struct DescriptorLimit(Rlimit);

impl DescriptorLimit {
    /// As many more as this, beside those that are open.
    pub(crate) fn spare(spare: usize) -> Self {
        let before = getrlimit(Resource::Nofile);
        let open = |number: &u64| std::fs::symlink_metadata(format!("/proc/self/fd/{number}")).is_ok();
        // Numbers from the limit on are not given out.
        let limit = (0..).filter(|number| !open(number)).nth(spare).expect("numbers do not end");
        setrlimit(Resource::Nofile, Rlimit { current: Some(limit), maximum: before.maximum }).unwrap();
        Self(before)
    }
}

impl Drop for DescriptorLimit {
    fn drop(&mut self) {
        setrlimit(Resource::Nofile, self.0).unwrap();
    }
}
