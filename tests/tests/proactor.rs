//! The loop over a kernel that carries operations out: here a test carries them out by hand, so every order of results can be had.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::thread;

use bytes::Bytes;
use sansock::{
    Address, ClientConfig, Context, Ending, Handler, Node, NodeEvent, OpId, OpKind, Peer, SendOp, ServerConfig, Service,
    SlotRange, Verdict,
};
use sansock_system::{Finished, Handle, Proactor, Queue};
use sansock_tests::echo::Echo;

/// What the proactor has put into the queue since the test looked last.
#[derive(Default)]
struct ByHand {
    asked: Vec<Asked>,
    /// The next receive cannot be put there.
    refuses: bool,
}

struct Asked {
    what: What,
    name: u64,
    handle: Option<Handle>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
enum What {
    Receive,
    Send(Vec<u8>),
    Accept,
    Writable,
    Cancel,
}

impl ByHand {
    fn ask(&mut self, what: What, name: u64, handle: Option<&Handle>) -> io::Result<()> {
        self.asked.push(Asked { what, name, handle: handle.cloned() });
        Ok(())
    }
}

impl Queue for ByHand {
    fn receive(&mut self, handle: &Handle, name: u64) -> io::Result<()> {
        if std::mem::take(&mut self.refuses) {
            return Err(io::Error::from_raw_os_error(rustix::io::Errno::NOMEM.raw_os_error()));
        }
        self.ask(What::Receive, name, Some(handle))
    }

    fn send(&mut self, handle: &Handle, op: &SendOp, name: u64) -> io::Result<()> {
        self.ask(What::Send(op.chunks().concat()), name, Some(handle))
    }

    fn accept(&mut self, listener: &Handle, name: u64) -> io::Result<()> {
        self.ask(What::Accept, name, Some(listener))
    }

    fn writable(&mut self, handle: &Handle, name: u64) -> io::Result<()> {
        self.ask(What::Writable, name, Some(handle))
    }

    fn cancel(&mut self, name: u64) -> io::Result<()> {
        self.ask(What::Cancel, name, None)
    }
}

/// A node with a server or a client, and what has happened.
struct Bench<S: Service> {
    proactor: Proactor<Node<S>, ByHand>,
    events: Vec<NodeEvent>,
}

impl<S: Service> Bench<S> {
    fn new() -> Self {
        Self { proactor: Proactor::new(Node::new(SlotRange::ALL), ByHand::default()), events: Vec::new() }
    }

    /// A server with a connection; its other end, and the name of its receive.
    fn connected(service: S) -> (Self, TcpStream, u64) {
        let mut bench = Self::new();
        let config = ServerConfig::new(SocketAddr::from(([127, 0, 0, 1], 0)));
        bench.proactor.call(|node, now| node.serve(now, config, service)).unwrap();
        let accept = bench.the(What::Accept);
        let Some(NodeEvent::Listening { local: Some(Address::Ip(address)), .. }) = bench.events.pop() else {
            panic!("it listens")
        };
        let peer = TcpStream::connect(address).unwrap();
        let socket = rustix::net::accept(accept.handle.unwrap().as_fd()).unwrap();
        bench.proactor.finished(accept.name, Finished::Accepted(socket.into()));
        let asked = bench.work();
        let receive = asked.iter().find(|asked| asked.what == What::Receive).expect("a receive");
        (bench, peer, receive.name)
    }

    /// What is asked for now.
    fn work(&mut self) -> Vec<Asked> {
        while let Some(event) = self.proactor.next_event() {
            self.events.push(event);
        }
        std::mem::take(&mut self.proactor.queue().asked)
    }

    /// The same, where it must be one.
    fn the(&mut self, what: What) -> Asked {
        let mut asked = self.work();
        assert_eq!(asked.iter().map(|asked| asked.what.clone()).collect::<Vec<_>>(), [what]);
        asked.remove(0)
    }

    fn whats(&mut self) -> Vec<What> {
        self.work().into_iter().map(|asked| asked.what).collect()
    }

    fn received(&mut self, name: u64, data: impl Into<Bytes>, more: bool) {
        self.proactor.finished(name, Finished::Received { data: data.into(), more });
    }
}

fn echo(_: &Peer) -> Verdict<Echo> {
    Verdict::Accept(Echo::default())
}

#[test]
fn one_receive_in_the_queue_serves_many_messages() {
    let (mut bench, _peer, receive) = Bench::connected(echo);
    for message in ["one", "two", "three"] {
        bench.received(receive, message, true);
        let send = bench.the(What::Send(message.into()));
        bench.proactor.finished(send.name, Finished::Sent(message.len()));
        assert_eq!(bench.whats(), []);
    }
    // X23: a send that took less than it was given goes on where it stopped.
    bench.received(receive, "four", true);
    let send = bench.the(What::Send("four".into()));
    bench.proactor.finished(send.name, Finished::Sent(1));
    bench.the(What::Send("our".into()));
}

#[test]
fn a_receive_that_is_over_is_put_there_again_when_the_next_is_asked_for() {
    let (mut bench, _peer, receive) = Bench::connected(echo);
    bench.proactor.finished(receive, Finished::Starved);
    let again = bench.the(What::Receive);
    assert_eq!(again.name, receive);
    bench.received(receive, "last", false);
    assert_eq!(bench.whats(), [What::Send("last".into()), What::Receive]);
}

/// Takes one piece, and the next when it is told to.
struct Late(Vec<u8>);

impl Handler for Late {
    type Message = bool;
    fn on_data(&mut self, cx: &mut Context<'_, bool>, data: Bytes) {
        self.0.extend(data);
        cx.pause();
    }
    fn on_message(&mut self, cx: &mut Context<'_, bool>, _: bool) {
        cx.resume();
    }
}

#[test]
fn what_comes_before_it_is_asked_for_is_kept_in_order_and_bounded() {
    let (mut bench, _peer, receive) = Bench::connected(|_: &Peer| Verdict::Accept(Late(Vec::new())));
    let socket = OpId::from_u64(receive).unwrap().socket();
    bench.received(receive, "first", true);
    bench.received(receive, "second", true);
    assert_eq!(bench.whats(), []);
    bench.received(receive, vec![7; 64 * 1024], true);
    assert_eq!(bench.the(What::Cancel).name, receive);
    bench.proactor.finished(receive, Finished::Failed(rustix::io::Errno::CANCELED.raw_os_error()));
    assert_eq!(bench.whats(), []);
    // A piece for each time that something was asked for; when all is gone, the kernel receives again.
    for length in [5, 11, 11 + 64 * 1024] {
        assert_eq!(bench.proactor.machine().session(socket).unwrap().handler().0.len(), length);
        bench.proactor.call(|node, now| node.post(now, socket, true)).unwrap();
        let expected = if length > 11 { vec![What::Receive] } else { vec![] };
        assert_eq!(bench.whats(), expected);
    }
}

#[test]
fn more_than_was_asked_for_is_handed_out_in_parts_and_the_end_comes_behind_it() {
    let (mut bench, _peer, receive) = Bench::connected(echo);
    let size = 64 * 1024;
    bench.received(receive, vec![1; size + 1], true);
    bench.proactor.finished(receive, Finished::Ended);
    let Asked { what: What::Send(first), name, .. } = bench.work().remove(0) else { panic!("an answer") };
    assert_eq!(first.len(), size);
    bench.proactor.finished(name, Finished::Sent(size));
    let send = bench.the(What::Send(vec![1]));
    bench.proactor.finished(send.name, Finished::Sent(1));
    assert_eq!(bench.whats(), []);
    let closed = bench.events.iter().find_map(|event| match event {
        NodeEvent::Closed { report, .. } => Some(report),
        _ => None,
    });
    let report = closed.expect("it has ended");
    assert_eq!((report.ending, report.received, report.unsent), (Ending::Confirmed, 64 * 1024 + 1, 0));
}

#[test]
fn a_receive_that_the_queue_does_not_take_is_tried_again_and_a_close_empties_the_queue() {
    let (mut bench, _peer, receive) = Bench::connected(echo);
    bench.proactor.queue().refuses = true;
    bench.proactor.finished(receive, Finished::Starved);
    // Nothing has run out for good: the core tries again later. An end at once takes the receive out of the queue.
    assert_eq!(bench.whats(), []);
    let (mut bench, _peer, receive) = Bench::connected(echo);
    bench.proactor.call(|node, now| node.stop(now));
    let cancelled: Vec<_> = bench.work().into_iter().filter(|asked| asked.what == What::Cancel).map(|asked| asked.name).collect();
    assert!(cancelled.contains(&receive), "{cancelled:?}");
    // Results of a socket that is gone do nothing.
    bench.proactor.finished(receive, Finished::Failed(rustix::io::Errno::CANCELED.raw_os_error()));
    bench.received(receive, "late", true);
    assert!(
        bench.events.iter().any(|event| matches!(event, NodeEvent::Closed { report, .. } if report.ending == Ending::Aborted))
    );
}

/// Says something and waits for the answer.
struct Ask(Vec<u8>);

impl Handler for Ask {
    type Message = std::convert::Infallible;
    fn on_open(&mut self, cx: &mut Context<'_, Self::Message>) {
        cx.send(Bytes::from_static(b"ping")).unwrap();
    }
    fn on_data(&mut self, _: &mut Context<'_, Self::Message>, data: Bytes) {
        self.0.extend(data);
    }
}

fn dial(address: SocketAddr) -> Bench<impl Service<Handler = Ask>> {
    let mut bench = Bench::new();
    let service = |_: &Peer| Verdict::Accept(Ask(Vec::new()));
    bench.proactor.call(|node, now| node.connect(now, ClientConfig::new(vec![address.into()]).unwrap(), service)).unwrap();
    bench
}

#[test]
fn a_connect_is_begun_and_the_queue_says_when_it_is_over() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let answering = thread::spawn(move || {
        let mut peer = listener.accept().unwrap().0;
        let mut heard = [0; 4];
        peer.read_exact(&mut heard).unwrap();
        heard
    });
    let mut bench = dial(address);
    let writable = bench.the(What::Writable);
    assert_eq!(OpId::from_u64(writable.name).unwrap().kind(), OpKind::Connect);
    bench.proactor.finished(writable.name, Finished::Done);
    let mut asked = bench.work();
    let send = asked.iter_mut().find(|asked| asked.what == What::Send("ping".into())).expect("what it says first");
    // From here on nothing must fail for want of waiting.
    let handle = send.handle.take().unwrap();
    assert!(!rustix::fs::fcntl_getfl(&*handle).unwrap().contains(rustix::fs::OFlags::NONBLOCK));
    (&*handle).write_all(b"ping").unwrap();
    assert_eq!(&answering.join().unwrap(), b"ping");
}

#[test]
fn a_connect_that_is_cancelled_leaves_the_queue() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut bench = dial(listener.local_addr().unwrap());
    let writable = bench.the(What::Writable);
    bench.proactor.call(|node, now| node.stop(now));
    assert_eq!(bench.the(What::Cancel).name, writable.name);
    bench.proactor.finished(writable.name, Finished::Failed(rustix::io::Errno::CANCELED.raw_os_error()));
    assert_eq!(bench.whats(), []);
    assert!(matches!(bench.events[..], [NodeEvent::ClientStopped { .. }]));
}
