//! The parts of the echo example that can be tested without running it.

#[path = "../examples/echo/args.rs"]
mod args;
#[path = "../examples/echo/causality.rs"]
mod causality;
#[path = "../examples/echo/relay.rs"]
mod relay;

use std::ffi::OsString;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver};
use std::time::Duration;

use args::{Command, Connect, Serve, Transport, USAGE, parse};
use bytes::Bytes;
use causality::{Causality, Deed, Thing};
use relay::{Message, Relay, Trouble};
use sansock::state::Life;
use sansock::{ConnectionConfig, Machine, Op, Origin, Output, Peer, RecvOp, SendOp, Session, SocketId, Timestamp};
use sansock_tests::run::Side::{Client, Server};

fn parsed(line: &str) -> Result<Command, String> {
    parse(line.split_whitespace().map(OsString::from))
}

fn defaults() -> Serve {
    Serve {
        transport: Transport::Blocking,
        addresses: vec!["127.0.0.1:0".parse().unwrap()],
        max_connections: 1024,
        drain: Duration::from_secs(10),
        idle: Duration::from_secs(60),
    }
}

#[test]
fn every_option_is_understood() {
    assert_eq!(parsed(""), Ok(Command::Lives));
    for help in ["--help", "-h", "serve --help", "serve --drain 1 -h", "connect --help"] {
        assert_eq!(parsed(help), Ok(Command::Help), "{help}");
    }
    assert_eq!(parsed("serve"), Ok(Command::Serve(defaults())));
    let all = "serve --transport smol --addr 127.0.0.1:7 --addr=[::1]:0 --max-connections 3 --drain 0 --idle=0.5";
    let expected = Serve {
        transport: Transport::Smol,
        addresses: vec!["127.0.0.1:7".parse().unwrap(), "[::1]:0".parse().unwrap()],
        max_connections: 3,
        drain: Duration::ZERO,
        idle: Duration::from_millis(500),
    };
    assert_eq!(parsed(all), Ok(Command::Serve(expected)));
    let to = |transport, addresses: &[&str]| {
        Ok(Command::Connect(Connect { transport, addresses: addresses.iter().map(|address| address.parse().unwrap()).collect() }))
    };
    assert_eq!(parsed("connect 127.0.0.1:7"), to(Transport::Blocking, &["127.0.0.1:7"]));
    assert_eq!(parsed("connect [::1]:1 --transport smol 127.0.0.1:2"), to(Transport::Smol, &["[::1]:1", "127.0.0.1:2"]));
}

#[test]
fn what_is_wrong_is_named_and_what_is_right_is_said() {
    for (line, names, says) in [
        ("serv", "serv:", "serve, connect"),
        ("--addr 127.0.0.1:0", "--addr:", "serve or connect"),
        ("serve --adress 127.0.0.1:0", "--adress:", "--addr"),
        ("serve -x", "-x:", "--idle"),
        ("serve 127.0.0.1:7", "127.0.0.1:7:", "--addr 127.0.0.1:7"),
        ("serve 7", "7:", "--addr"),
        ("serve --addr", "--addr:", "missing"),
        ("serve --addr localhost:7", "--addr localhost:7:", "127.0.0.1:7"),
        ("serve --addr 127.0.0.1", "--addr 127.0.0.1:", "127.0.0.1:7"),
        ("serve --addr 127.0.0.1:65536", "--addr 127.0.0.1:65536:", "127.0.0.1:7"),
        ("serve --transport memory", "--transport memory:", "blocking and smol"),
        ("serve --max-connections 0", "--max-connections 0:", "1 to 1000000"),
        ("serve --max-connections 1000001", "--max-connections 1000001:", "1 to 1000000"),
        ("serve --max-connections many", "--max-connections many:", "1 to 1000000"),
        ("serve --drain -1", "--drain -1:", "10 or 0.5"),
        ("serve --drain inf", "--drain inf:", "10 or 0.5"),
        ("serve --drain nan", "--drain nan:", "10 or 0.5"),
        ("serve --drain 1e300", "--drain 1e300:", "10 or 0.5"),
        ("serve --idle 0", "--idle 0:", "longer than zero"),
        ("serve --idle 1e-12", "--idle 1e-12:", "longer than zero"),
        ("connect", "connect:", "IP:PORT"),
        ("connect 127.0.0.1", "connect 127.0.0.1:", "127.0.0.1:7"),
        ("connect --drain 1 127.0.0.1:7", "--drain:", "--transport"),
        ("connect --transport", "--transport:", "missing"),
    ] {
        let problem = parsed(line).expect_err(line);
        assert!(problem.contains(names) && problem.contains(says) && problem.lines().count() == 1, "{line}: {problem}");
    }
}

#[test]
fn the_usage_fits_a_terminal_and_names_every_option() {
    assert!(USAGE.lines().all(|line| line.chars().count() <= 80));
    for option in ["--transport", "--addr", "--max-connections", "--drain", "--idle"] {
        assert!(USAGE.contains(option), "{option}");
        let problem = parsed("serve --nonsense").unwrap_err();
        assert!(problem.contains(option), "{option}");
    }
}

#[test]
fn an_effect_waits_for_its_cause() {
    let mut lines = Causality::new();
    assert_eq!(lines.tell(Server, Deed::Takes(Thing::Connection, 1), "accept"), []);
    assert_eq!(lines.tell(Server, Deed::Private, "behind it"), []);
    assert_eq!(lines.tell(Client, Deed::Private, "create"), [(Client, "create")]);
    let connected = lines.tell(Client, Deed::Gives(Thing::Connection, 1), "connect");
    assert_eq!(connected, [(Client, "connect"), (Server, "accept"), (Server, "behind it")]);
}

#[test]
fn bytes_are_counted() {
    let mut lines = Causality::new();
    assert_eq!(lines.tell(Client, Deed::Gives(Thing::Bytes, 5), "send 5"), [(Client, "send 5")]);
    assert_eq!(lines.tell(Server, Deed::Takes(Thing::Bytes, 3), "recv 3"), [(Server, "recv 3")]);
    assert_eq!(lines.tell(Server, Deed::Takes(Thing::Bytes, 3), "recv 3 more"), []);
    assert_eq!(lines.tell(Client, Deed::Gives(Thing::End, 1), "shutdown"), [(Client, "shutdown")]);
    assert_eq!(
        lines.tell(Client, Deed::Gives(Thing::Bytes, 1), "send 1"),
        [(Client, "send 1"), (Server, "recv 3 more")],
        "an end is no byte"
    );
}

#[test]
fn a_chain_of_causes_is_followed_to_its_end() {
    let mut lines = Causality::new();
    assert_eq!(lines.tell(Client, Deed::Takes(Thing::Bytes, 1), "client recv"), []);
    assert_eq!(lines.tell(Server, Deed::Takes(Thing::End, 1), "server end"), []);
    assert_eq!(lines.tell(Server, Deed::Gives(Thing::Bytes, 1), "server send"), []);
    assert_eq!(lines.tell(Client, Deed::Gives(Thing::End, 1), "client end"), []);
    assert_eq!(lines.rest(), [(Server, "server end"), (Server, "server send"), (Client, "client recv"), (Client, "client end")]);
    assert_eq!(lines.rest(), []);
}

/// What the relay prints in the example.
fn warn(line: impl std::fmt::Display) {
    eprintln!("{line}");
}

/// A relay without its threads: the test is both of them, and the transport.
struct Bench {
    session: Session<Relay>,
    wanted: Receiver<SocketId>,
    given: Receiver<(SocketId, Bytes)>,
    trouble: Trouble,
}

const SOCKET: SocketId = SocketId::new(1, 0).unwrap();
const NOW: Timestamp = Timestamp::ZERO;

impl Bench {
    fn new() -> Self {
        let ((want, wanted), (write, given)) = (mpsc::channel(), mpsc::channel());
        let trouble = Trouble::default();
        let relay = Relay::new(want, write, trouble.clone());
        let peer = Peer { address: None, local: None, origin: Origin::Dialled { address: 0 } };
        let config = ConnectionConfig::default().send_queue(50, 100).unwrap();
        let mut session = Session::new(NOW, SOCKET, peer, Arc::new(config), relay);
        session.open(NOW);
        Self { session, wanted, given, trouble }
    }

    /// How often input was asked for since the last time.
    fn asked(&self) -> usize {
        self.wanted.try_iter().count()
    }

    fn read(&mut self, count: usize) {
        self.session.deliver(NOW, Message::Read(vec![7; count].into())).unwrap();
    }

    /// The receive and the send that the session wants now.
    fn operations(&mut self) -> (Option<RecvOp>, Option<SendOp>) {
        let (mut recv, mut send) = (None, None);
        while let Some(output) = self.session.poll() {
            match output {
                Output::Submit(Op::Recv(op)) => recv = Some(op),
                Output::Submit(Op::Send(op)) => send = Some(op),
                output => panic!("{output:?}"),
            }
        }
        (recv, send)
    }

    fn take(&mut self, send: SendOp, count: usize) {
        self.session.complete(NOW, send.sent(count)).unwrap();
    }
}

// C6: one piece of input is wanted at a time, and the next once the last was handed over completely.
#[test]
fn no_more_input_is_read_than_the_peer_takes() {
    let mut bench = Bench::new();
    assert_eq!(bench.asked(), 1, "at the beginning");
    bench.read(30);
    assert_eq!(bench.asked(), 1, "the queue had room");
    bench.read(120);
    assert_eq!(bench.asked(), 0, "50 bytes are left over");
    let (_, send) = bench.operations();
    bench.take(send.unwrap(), 30);
    assert_eq!(bench.asked(), 0, "the queue is above its low watermark");
    let (_, send) = bench.operations();
    bench.take(send.unwrap(), 20);
    assert_eq!(bench.asked(), 1, "what was left over is in the queue");
}

// C6
#[test]
fn a_queue_that_is_full_to_the_last_byte_asks_for_input_once() {
    let mut bench = Bench::new();
    assert_eq!(bench.asked(), 1);
    bench.read(100);
    assert_eq!(bench.asked(), 1, "nothing is left over");
    let (_, send) = bench.operations();
    bench.take(send.unwrap(), 100);
    assert_eq!(bench.asked(), 0, "it was asked for already");
    bench.read(1);
    assert_eq!(bench.asked(), 1);
}

// X80, B2
#[test]
fn x080_nothing_is_received_before_the_last_was_written() {
    let mut bench = Bench::new();
    let (recv, _) = bench.operations();
    bench.session.complete(NOW, recv.unwrap().data(Bytes::from_static(b"hello"))).unwrap();
    assert!(bench.operations().0.is_none(), "the output is not written yet");
    assert_eq!(bench.given.try_iter().collect::<Vec<_>>(), [(SOCKET, Bytes::from_static(b"hello"))]);
    bench.session.deliver(NOW, Message::Written).unwrap();
    assert!(bench.operations().0.is_some());
}

#[test]
fn a_failure_of_standard_input_or_output_aborts_the_connection() {
    let mut bench = Bench::new();
    bench.session.deliver(NOW, Message::Failed("no space".into())).unwrap();
    assert_eq!(bench.trouble.get().map(String::as_str), Some("no space"));
    assert_eq!(bench.session.connection().life(), Life::Ending);
}
