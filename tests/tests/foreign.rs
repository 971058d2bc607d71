//! Real programs at the other end: Python's `socket`, OpenBSD's `nc`, `socat`.

use std::convert::Infallible;
use std::io::Write;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use sansock::{CloseReport, ConnectionConfig, Context, Ending, Handler, NodeEvent, Peer, ServerConfig, ServerReport, Verdict};
use sansock_blocking::Notice;
use sansock_tests::program::{Program, Signal, required};

const TRANSPORTS: [&str; 2] = ["blocking", "smol"];

fn python(script: &str, args: &[&str]) -> Program {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/foreign").join(script);
    Program::start(required("python3", "python3").arg(path).args(args))
}

/// OpenBSD's, which alone has `-N`.
fn nc() -> Command {
    let help = required("nc", "netcat-openbsd").arg("-h").output().unwrap();
    let help = String::from_utf8_lossy(&help.stderr).into_owned();
    assert!(help.contains("OpenBSD"), "this test needs OpenBSD's nc: `apt-get install netcat-openbsd`; this is {help}");
    Command::new("nc")
}

fn socat() -> Command {
    let mut socat = required("socat", "socat");
    // After one direction has ended, wait for the other as long as the watchdog lets it.
    socat.args(["-t", "60"]);
    socat
}

/// Our server, and where it listens.
fn serve(transport: &str) -> (Program, SocketAddr) {
    let mut server = Program::echo(&["serve", "--transport", transport]);
    let address = after(&server.line(), "listening on ");
    (server, address)
}

/// Our server has served one client well.
fn served(server: Program, bytes: usize) {
    server.signal(Signal::TERM);
    let ended = server.finish();
    let report = format!("accepted 1: 1 confirmed, 0 unconfirmed, 0 aborted; received {bytes}, sent {bytes}\n");
    assert_eq!((ended.code(), ended.text()), (Some(0), report));
}

/// Our client, which is to send this.
fn connect(transport: &str, to: SocketAddr, input: &[u8]) -> Program {
    feed(Program::echo(&["connect", "--transport", transport, &to.to_string()]), input)
}

/// Gives the program its input, and no more.
fn feed(mut program: Program, input: &[u8]) -> Program {
    let (mut pipe, input) = (program.input(), input.to_vec());
    thread::spawn(move || pipe.write_all(&input));
    program
}

/// It ends well and has received this.
fn receives(program: Program, output: &[u8]) {
    let ended = program.finish();
    assert_eq!(ended.code(), Some(0), "{}", ended.err);
    assert!(ended.out == output, "{} bytes and not the right ones; {}", ended.out.len(), ended.err);
}

/// The address behind these words.
fn after(line: &str, words: &str) -> SocketAddr {
    let place = line.find(words).unwrap_or_else(|| panic!("{words}: not in {line}")) + words.len();
    let address = line[place..].trim().replace(' ', ":");
    address.parse().unwrap_or_else(|_| panic!("no address: {line}"))
}

fn text(host: SocketAddr) -> [String; 2] {
    [host.ip().to_string(), host.port().to_string()]
}

fn mebibyte() -> Vec<u8> {
    (0..1 << 20).map(|place: u32| (place % 251) as u8).collect()
}

// X106, A5: the conversation of the tutorial.
#[test]
fn x106_the_tutorials_client_in_python_is_served() {
    for transport in TRANSPORTS {
        let (server, address) = serve(transport);
        let [host, port] = text(address);
        receives(python("tutorial_client.py", &[&host, &port]), b"this is a test");
        served(server, 14);
    }
}

#[test]
fn the_tutorials_server_in_python_serves_our_client() {
    for transport in TRANSPORTS {
        let mut server = python("tutorial_server.py", &[]);
        let address = after(&server.line(), "listening on ");
        receives(connect(transport, address, b"this is a test"), b"this is a test");
        assert_eq!(server.line(), "received 14");
        receives(server, b"");
    }
}

#[test]
fn nc_is_served() {
    for transport in TRANSPORTS {
        let (server, address) = serve(transport);
        let client = Program::start(nc().arg("-N").args(text(address)));
        receives(feed(client, &mebibyte()), &mebibyte());
        served(server, 1 << 20);
    }
}

#[test]
fn nc_serves_our_client() {
    for transport in TRANSPORTS {
        let mut server = Program::start(nc().args(["-n", "-v", "-N", "-l", "127.0.0.1", "0"]));
        let address = after(&server.error_line(), "Listening on ");
        let server = feed(server, b"from nc");
        receives(connect(transport, address, &mebibyte()), b"from nc");
        receives(server, &mebibyte());
    }
}

#[test]
fn socat_is_served() {
    for transport in TRANSPORTS {
        let (server, address) = serve(transport);
        let client = Program::start(socat().args(["-", &format!("TCP:{address}")]));
        receives(feed(client, &mebibyte()), &mebibyte());
        served(server, 1 << 20);
    }
}

#[test]
fn socat_serves_our_client() {
    for transport in TRANSPORTS {
        let mut server = Program::start(socat().args(["-d", "-d", "TCP-LISTEN:0,bind=127.0.0.1", "EXEC:cat"]));
        let address = after(&server.error_line(), "listening on AF=2 ");
        receives(connect(transport, address, &mebibyte()), &mebibyte());
        receives(server, b"");
    }
}

/// What both servers reply with.
const REPLY: usize = 150_000;

/// Replies to the first 100 bytes and finishes, although more has come and more will.
struct Reply {
    received: usize,
    finished: Sender<Result<(), CloseReport>>,
}

impl Handler for Reply {
    type Message = Infallible;

    fn on_data(&mut self, cx: &mut Context<'_, Infallible>, data: Bytes) {
        self.received += data.len();
        if self.received >= 100 {
            cx.send(vec![b'r'; REPLY]).unwrap();
            cx.finish();
            self.finished.send(Ok(())).unwrap();
        }
    }

    fn on_closed(&mut self, report: &CloseReport) {
        self.finished.send(Err(*report)).unwrap();
    }
}

/// What a client of this server received, if that ends once it was told to go on.
fn late_client(address: SocketAddr, wait: impl FnOnce()) -> Vec<u8> {
    let [host, port] = text(address);
    let mut client = python("late_client.py", &[&host, &port]);
    wait();
    client.input().write_all(b"go on\n").unwrap();
    let ended = client.finish();
    assert_eq!(ended.code(), Some(0), "{ended:?}");
    eprintln!("{} bytes; {:?}", ended.out.len(), ended.err);
    ended.out
}

type Finished = Receiver<Result<(), CloseReport>>;

/// Runs our server of [`Reply`]s for one client: the client's bytes, the connection's end and the server's account.
fn reply_on(transport: &str, run: impl FnOnce(SocketAddr, &Finished) -> Vec<u8>) -> (Vec<u8>, CloseReport, ServerReport) {
    let (finish, finished) = mpsc::channel();
    let service = move |_: &Peer| Verdict::Accept(Reply { received: 0, finished: finish.clone() });
    // The whole reply fits the queue.
    let limits = ConnectionConfig::default().send_queue(1, 2 * REPLY).unwrap();
    let config = ServerConfig::new(SocketAddr::from(([127, 0, 0, 1], 0))).connection(limits);
    let (listening, address) = mpsc::channel();
    let drain = Duration::from_secs(10);
    let client = |address: Receiver<_>| {
        let address: Option<sansock::Address> = address.recv().unwrap();
        let output = run(address.unwrap().to_string().parse().unwrap(), &finished);
        (output, finished.recv().unwrap().unwrap_err())
    };
    if transport == "blocking" {
        let server = sansock_blocking::serve(config, service, move |notice| {
            if let Notice::Listening { local, .. } = notice {
                listening.send(local).unwrap();
            }
        });
        let server = server.unwrap();
        let (output, report) = client(address);
        server.drain(drain);
        return (output, report, server.join());
    }
    let mut driver = sansock_smol::Driver::new();
    driver.serve(config, service).unwrap();
    let remote = driver.remote();
    let server = thread::spawn(move || {
        let mut account = None;
        smol::block_on(driver.run(|event| match event {
            NodeEvent::Listening { local, .. } => listening.send(local).unwrap(),
            NodeEvent::ServerStopped { report, .. } => account = Some(report),
            _ => {}
        }));
        account.unwrap()
    });
    let (output, report) = client(address);
    remote.drain(drain);
    (output, report, *server.join().unwrap())
}

// A6, X101: our server reads what nobody wants until the client has ended, so nothing of the reply is lost. A plain close loses it.
#[test]
fn x101_the_whole_reply_arrives_where_a_plain_close_loses_it() {
    let mut plain = python("plain_close_server.py", &[]);
    let address = after(&plain.line(), "listening on ");
    let output = late_client(address, || assert_eq!(plain.line(), "closed"));
    assert!(output.len() < REPLY, "a plain close loses the end of the reply");
    receives(plain, b"");
    for transport in TRANSPORTS {
        let run = |address, finished: &Finished| late_client(address, || assert_eq!(finished.recv().unwrap(), Ok(())));
        let (output, closed, account) = reply_on(transport, run);
        assert!(output == vec![b'r'; REPLY], "{transport}: {} bytes of {REPLY}", output.len());
        assert_eq!((closed.ending, closed.sent, closed.unsent), (Ending::Confirmed, REPLY as u64, 0), "{transport}: {closed}");
        assert_eq!(closed.received + closed.undelivered, 100_200, "{transport}: {closed}");
        assert_eq!((account.accepted, account.confirmed), (1, 1), "{transport}: {account}");
    }
}
