//! The echo example as its users run it.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::thread;

use rustix::net::{AddressFamily, SocketType, bind, getsockname, socket};
use sansock_tests::program::{Ended, Program, Signal, echo_example, required};

const TRANSPORTS: [&str; 2] = ["blocking", "smol"];

/// Starts a server on a free port of 127.0.0.1.
fn serve(transport: &str, options: &[&str]) -> (Program, SocketAddr) {
    let mut server = Program::echo(&[&["serve", "--transport", transport], options].concat());
    let address = listening(&mut server);
    (server, address)
}

/// Reads the line that says where it listens.
fn listening(server: &mut Program) -> SocketAddr {
    let line = server.line();
    let address = line.strip_prefix("listening on ").unwrap_or_else(|| panic!("{line}"));
    address.parse().unwrap_or_else(|_| panic!("{line}"))
}

fn connect(transport: &str, to: &[SocketAddr]) -> Program {
    let to: Vec<_> = to.iter().map(ToString::to_string).collect();
    let mut args = vec!["connect", "--transport", transport];
    args.extend(to.iter().map(String::as_str));
    Program::echo(&args)
}

/// Drains the server and gives its report; it must end well.
fn drained(server: Program) -> String {
    server.signal(Signal::TERM);
    let ended = server.finish();
    assert_eq!(ended.code(), Some(0), "{ended:?}");
    ended.text()
}

/// The one line of standard error of a program that failed with this status and said nothing else.
fn complaint(ended: &Ended, status: i32) -> String {
    assert_eq!(ended.code(), Some(status), "{ended:?}");
    assert_eq!((ended.text().as_str(), ended.err.lines().count()), ("", 1), "{ended:?}");
    ended.err.strip_prefix("echo: ").unwrap_or_else(|| panic!("{ended:?}")).trim_end().to_owned()
}

/// An address that refuses connections for as long as the socket is there: bound, not listening.
fn refusing() -> (impl Sized, SocketAddr) {
    let socket = socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
    bind(&socket, &SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
    let address = getsockname(&socket).unwrap().try_into().unwrap();
    (socket, address)
}

/// Operations in one column, without addresses.
fn operations(lines: &[&str], server: bool) -> Vec<String> {
    let cell = |line: &&str| match line.get(41..) {
        Some(right) if line[..41].trim().is_empty() => (!server).then(|| right.to_owned()),
        _ => server.then(|| (*line).to_owned()),
    };
    let cells = lines.iter().filter_map(cell).filter(|cell| cell.starts_with(|first: char| first.is_ascii_digit()));
    cells.map(|cell| cell.split_inclusive(' ').filter(|word| !word.starts_with("127.0.0.1:")).collect()).collect()
}

#[test]
fn the_lives_are_shown_step_by_step_and_are_the_same_everywhere() {
    let ended = Program::echo(&[]).finish();
    assert_eq!((ended.code(), ended.err.as_str()), (Some(0), ""));
    let text = ended.text();
    assert!(!text.contains('\x1b'), "no colour: this is no terminal");
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    assert_eq!(text.lines().last(), Some("same history on memory, blocking, smol: yes"));
    let lines: Vec<_> = text.lines().collect();
    for transport in ["memory: ", "blocking: ", "smol: "] {
        let start = lines.iter().position(|line| line.starts_with(transport)).unwrap();
        let life: Vec<_> = lines[start..].iter().copied().take_while(|line| !line.is_empty()).collect();
        let saw = "saw open, 14 bytes, end, confirmed";
        assert_eq!(life.last(), Some(&format!("{saw:41}{saw}").as_str()));
        let server = [
            "1 startup -> done",
            "2 create -> created",
            "3 bind -> ",
            "4 listen, backlog 1024 -> listening",
            "5 accept -> ",
            "6 recv -> \"this is a test\"",
            "6 send \"this is a test\" -> 14 bytes",
            "6 recv -> end",
            "7 shutdown -> done",
            "7 close -> done",
            "5 accept -> cancelled",
            "5 accept what is queued -> none",
            "7 close the listener -> done",
            "7 cleanup -> done",
        ];
        assert_eq!(operations(&life, true), server, "{transport}");
        let client = [
            "1 startup -> done",
            "2 create -> created",
            "3 connect -> connected",
            "4 send \"this is a test\" -> 14 bytes",
            "5 shutdown -> done",
            "4 recv -> \"this is a test\"",
            "4 recv -> end",
            "5 close -> done",
            "5 cleanup -> done",
        ];
        assert_eq!(operations(&life, false), client, "{transport}");
    }
}

/// On a pseudo-terminal.
fn on_a_terminal(variable: &str, value: &str) -> String {
    let command = format!("exec '{}'", echo_example().display());
    let mut script = required("script", "bsdutils");
    script.args(["--quiet", "--return", "--command", &command, "/dev/null"]).env_remove("NO_COLOR").env("TERM", "xterm");
    let ended = Program::start(script.env(variable, value)).finish();
    assert_eq!(ended.code(), Some(0), "{ended:?}");
    ended.text().replace('\r', "")
}

#[test]
fn there_is_colour_on_a_terminal_unless_it_is_not_wanted() {
    let coloured = on_a_terminal("NO_COLOR", "");
    assert!(coloured.contains("smol: \x1b[1;32myes\x1b[0m"), "{coloured}");
    for (variable, value) in [("NO_COLOR", "1"), ("TERM", "dumb")] {
        let plain = on_a_terminal(variable, value);
        assert!(plain.ends_with("smol: yes\n") && !plain.contains('\x1b'), "{variable}: {plain}");
    }
}

#[test]
fn help_is_no_error() {
    for args in [&["--help"][..], &["serve", "--help"], &["connect", "-h"]] {
        let ended = Program::echo(args).finish();
        assert_eq!((ended.code(), ended.err.as_str()), (Some(0), ""));
        assert!(ended.text().contains("echo serve"));
    }
}

// X106, A5, C3
#[test]
fn x106_serve_answers_a_client_that_has_half_closed_and_drains_when_told_to() {
    for transport in TRANSPORTS {
        for signal in [Signal::TERM, Signal::INT] {
            let (server, address) = serve(transport, &[]);
            let mut client = TcpStream::connect(address).unwrap();
            client.write_all(b"this is a test").unwrap();
            client.shutdown(Shutdown::Write).unwrap();
            let mut answer = Vec::new();
            client.read_to_end(&mut answer).unwrap();
            assert_eq!(answer, b"this is a test");
            server.signal(signal);
            let ended = server.finish();
            assert_eq!(ended.code(), Some(0), "{ended:?}");
            assert_eq!(ended.text(), "accepted 1: 1 confirmed, 0 unconfirmed, 0 aborted; received 14, sent 14\n");
            assert_eq!(ended.err, "echo: draining for up to 10 s; another signal aborts what is left\n");
        }
    }
}

// X124: the drain finishes a connection that is open and idle; the client may still read what it was sent.
#[test]
fn x124_an_idle_connection_does_not_keep_a_drained_server_up() {
    for transport in TRANSPORTS {
        let (server, address) = serve(transport, &[]);
        let mut client = TcpStream::connect(address).unwrap();
        client.write_all(b"x").unwrap();
        client.read_exact(&mut [0]).unwrap();
        server.signal(Signal::TERM);
        assert_eq!(client.read(&mut [0]).unwrap(), 0, "the server finishes");
        drop(client);
        let ended = server.finish();
        assert_eq!(ended.text(), "accepted 1: 1 confirmed, 0 unconfirmed, 0 aborted; received 1, sent 1\n");
        assert_eq!(ended.code(), Some(0));
    }
}

// C3
#[test]
fn a_second_signal_aborts_a_connection_that_would_not_end() {
    for transport in TRANSPORTS {
        let (mut server, address) = serve(transport, &["--drain", "3600", "--idle", "3600"]);
        let mut client = TcpStream::connect(address).unwrap();
        client.write_all(b"x").unwrap();
        client.read_exact(&mut [0]).unwrap();
        // Reads nothing more: soon all buffers are full, and the server can neither send nor finish.
        client.set_nonblocking(true).unwrap();
        while client.write(&[0; 64 * 1024]).is_ok() {}
        client.set_nonblocking(false).unwrap();
        server.signal(Signal::TERM);
        assert!(server.error_line().contains("draining for up to 3600 s"));
        server.signal(Signal::TERM);
        let ended = server.finish();
        assert_eq!(ended.code(), Some(1), "{ended:?}");
        assert!(ended.text().starts_with("accepted 1: 0 confirmed, 0 unconfirmed, 1 aborted;"), "{ended:?}");
        assert!(ended.text().ends_with("; forced\n"), "{ended:?}");
        assert_eq!(ended.err, "echo: connections were left that had to be aborted\n");
    }
}

#[test]
fn several_addresses_are_several_listeners() {
    for transport in TRANSPORTS {
        let (mut server, first) = serve(transport, &["--addr", "127.0.0.1:0", "--addr", "127.0.0.2:0"]);
        let second = listening(&mut server);
        assert_eq!((first.ip(), second.ip()), ([127, 0, 0, 1].into(), [127, 0, 0, 2].into()));
        for address in [first, second] {
            let mut client = connect(transport, &[address]);
            client.input().write_all(b"hello").unwrap();
            assert_eq!(client.finish().text(), "hello");
        }
        assert_eq!(drained(server), "accepted 2: 2 confirmed, 0 unconfirmed, 0 aborted; received 10, sent 10\n");
    }
}

// X29, C5
#[test]
fn x029_at_the_limit_the_next_connection_waits_for_the_first_to_end() {
    for transport in TRANSPORTS {
        let (server, address) = serve(transport, &["--max-connections", "1"]);
        let mut first = TcpStream::connect(address).unwrap();
        let mut second = TcpStream::connect(address).unwrap();
        second.write_all(b"2").unwrap();
        for _ in 0..10 {
            first.write_all(b"1").unwrap();
            first.read_exact(&mut [0]).unwrap();
        }
        second.set_nonblocking(true).unwrap();
        assert!(second.read(&mut [0]).is_err(), "it is not its turn");
        second.set_nonblocking(false).unwrap();
        drop(first);
        second.read_exact(&mut [0]).unwrap();
        drop(second);
        assert!(drained(server).starts_with("accepted 2: 2 confirmed"));
    }
}

#[test]
fn an_idle_connection_is_finished() {
    for transport in TRANSPORTS {
        let (server, address) = serve(transport, &["--idle", "0.05"]);
        let mut silent = TcpStream::connect(address).unwrap();
        assert_eq!(silent.read(&mut [0]).unwrap(), 0);
        drop(silent);
        assert!(drained(server).starts_with("accepted 1: 1 confirmed"));
    }
}

#[test]
fn what_cannot_be_understood_is_refused_with_one_line() {
    for args in [
        &["serve", "--adr", "127.0.0.1:0"][..],
        &["serve", "--drain", "soon"],
        &["connect", "127.0.0.1"],
        &["conect", "127.0.0.1:7"],
    ] {
        let problem = complaint(&Program::echo(args).finish(), 2);
        assert!(args.iter().any(|word| problem.starts_with(word)), "{args:?}: {problem}");
    }
}

// X2, X7
#[test]
fn x002_an_address_in_use_is_named_and_nothing_is_served() {
    let occupied = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = occupied.local_addr().unwrap().to_string();
    for transport in TRANSPORTS {
        let server = Program::echo(&["serve", "--transport", transport, "--addr", "127.0.0.1:0", "--addr", &address]);
        assert_eq!(complaint(&server.finish(), 2), format!("cannot bind {address}: address in use (os error 98)"));
    }
}

// X4
#[test]
fn x004_a_privileged_port_is_named() {
    let first = std::fs::read_to_string("/proc/sys/net/ipv4/ip_unprivileged_port_start").unwrap();
    if first.trim() == "0" {
        eprintln!("no port is privileged on this system");
        return;
    }
    for transport in TRANSPORTS {
        // Without the capability that root has.
        let mut server = required("setpriv", "util-linux");
        server.args(["--bounding-set", "-net_bind_service"]).arg(echo_example());
        server.args(["serve", "--transport", transport, "--addr", "127.0.0.1:1"]);
        let ended = Program::start(&mut server).finish();
        assert_eq!(complaint(&ended, 2), "cannot bind 127.0.0.1:1: permission denied (os error 13)");
    }
}

#[test]
fn connect_brings_back_what_it_was_given() {
    let data: Vec<u8> = (0..8 << 20).map(|place: u32| (place % 251) as u8).collect();
    for (server, client) in [("blocking", "smol"), ("smol", "blocking")] {
        let (server, address) = serve(server, &[]);
        let mut client = connect(client, &[address]);
        let (mut input, given) = (client.input(), data.clone());
        let writer = thread::spawn(move || input.write_all(&given).unwrap());
        let ended = client.finish();
        writer.join().unwrap();
        assert_eq!((ended.code(), ended.err.as_str()), (Some(0), ""));
        assert!(ended.out == data, "{} bytes came back, and not the right ones", ended.out.len());
        assert_eq!(drained(server), "accepted 1: 1 confirmed, 0 unconfirmed, 0 aborted; received 8388608, sent 8388608\n");
    }
}

#[test]
fn an_empty_input_is_an_empty_conversation() {
    for transport in TRANSPORTS {
        let (server, address) = serve(transport, &[]);
        let ended = connect(transport, &[address]).finish();
        assert_eq!((ended.code(), ended.text().as_str(), ended.err.as_str()), (Some(0), "", ""));
        assert_eq!(drained(server), "accepted 1: 1 confirmed, 0 unconfirmed, 0 aborted; received 0, sent 0\n");
    }
}

// B1, B2: while both ends stay open, so that what is held is held.
#[test]
fn connect_holds_no_more_than_its_buffers_however_much_goes_through() {
    const SIZE: usize = 64 << 20;
    for transport in TRANSPORTS {
        let (server, address) = serve(transport, &[]);
        let mut client = connect(transport, &[address]);
        let mut input = client.input();
        let writer = thread::spawn(move || {
            (0..SIZE / 65536).for_each(|_| input.write_all(&[7; 65536]).unwrap());
            input
        });
        for _ in 0..SIZE / 65536 {
            assert_eq!(client.bytes(65536), [7; 65536]);
        }
        let status = std::fs::read_to_string(format!("/proc/{}/status", client.id())).unwrap();
        let peak =
            status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB")?.trim().parse::<usize>().ok());
        assert!(peak.unwrap() < 32 * 1024, "{peak:?} KiB");
        drop(writer.join().unwrap());
        assert_eq!(client.finish().code(), Some(0));
        drained(server);
    }
}

// X105, X104: the peer finishes first, and still reads.
#[test]
fn x104_a_peer_that_has_finished_still_gets_the_rest_of_the_input() {
    for transport in TRANSPORTS {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut client = connect(transport, &[listener.local_addr().unwrap()]);
        let (mut peer, _) = listener.accept().unwrap();
        peer.write_all(b"no more\n").unwrap();
        peer.shutdown(Shutdown::Write).unwrap();
        assert_eq!(client.line(), "no more");
        let mut input = client.input();
        let writer = thread::spawn(move || input.write_all(&[7; 1 << 20]).unwrap());
        let mut rest = Vec::new();
        peer.read_to_end(&mut rest).unwrap();
        writer.join().unwrap();
        assert_eq!(rest.len(), 1 << 20);
        let ended = client.finish();
        assert_eq!((ended.code(), ended.err.as_str()), (Some(0), ""));
    }
}

// X48
#[test]
fn x048_a_refusal_names_each_address() {
    for transport in TRANSPORTS {
        let ((_one, first), (_two, second)) = (refusing(), refusing());
        let problem = complaint(&connect(transport, &[first, second]).finish(), 1);
        let each = |address| format!("{address}: connection refused (os error 111)");
        assert_eq!(problem, format!("cannot connect to {}; {}", each(first), each(second)));
    }
}

// X43
#[test]
fn x043_the_second_address_is_tried_when_the_first_refuses() {
    for transport in TRANSPORTS {
        let (_refusing, first) = refusing();
        let (server, second) = serve(transport, &[]);
        let mut client = connect(transport, &[first, second]);
        client.input().write_all(b"hello").unwrap();
        let ended = client.finish();
        assert_eq!((ended.code(), ended.text().as_str(), ended.err.as_str()), (Some(0), "hello", ""));
        drained(server);
    }
}

// X89, A4: the last words come out, then the error.
#[test]
fn x089_a_reset_is_no_success() {
    for transport in TRANSPORTS {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let mut client = connect(transport, &[address]);
        let mut input = client.input();
        input.write_all(b"hello").unwrap();
        let (mut peer, _) = listener.accept().unwrap();
        peer.write_all(b"the last words\n").unwrap();
        assert_eq!(client.line(), "the last words");
        // A close with unread data is a reset.
        peer.peek(&mut [0]).unwrap();
        drop(peer);
        let problem = complaint(&client.finish(), 1);
        let reset = "aborted: recv failed: connection reset by peer (os error 104); received 15, sent 5";
        assert_eq!(problem, format!("{address}: {reset}"));
    }
}

#[test]
fn an_output_that_nobody_takes_ends_the_connection() {
    for transport in TRANSPORTS {
        let (server, address) = serve(transport, &[]);
        let (output, closed) = std::io::pipe().unwrap();
        drop(output);
        let mut client = Command::new(echo_example());
        client.args(["connect", "--transport", transport, &address.to_string()]).stdin(Stdio::piped()).stdout(closed);
        let mut client = client.stderr(Stdio::piped()).spawn().unwrap();
        let mut input = client.stdin.take().unwrap();
        input.write_all(b"hello").unwrap();
        let ended = client.wait_with_output().unwrap();
        assert_eq!(ended.status.code(), Some(1));
        assert_eq!(String::from_utf8_lossy(&ended.stderr), "echo: cannot write to standard output: Broken pipe (os error 32)\n");
        assert!(drained(server).starts_with("accepted 1: 0 confirmed, 0 unconfirmed, 1 aborted"));
    }
}
