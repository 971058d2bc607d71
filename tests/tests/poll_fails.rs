//! What a thread does that cannot even wait. In a process of its own: its limit of descriptors is the process's.

use std::fs::File;
use std::io::{Read, Seek, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::thread;
use std::time::Instant;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use sansock::ServerConfig;
use sansock_tests::echo::Echo;
use sansock_tests::serve::{Serving, Transport, WATCHDOG};

fn connect(server: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(server).unwrap();
    stream.set_read_timeout(Some(WATCHDOG)).unwrap();
    stream
}

fn exchange(peer: &mut TcpStream) {
    peer.write_all(b"ping").unwrap();
    let mut pong = [0; 4];
    peer.read_exact(&mut pong).unwrap();
    assert_eq!(&pong, b"ping");
}

/// What the system knows of the session's thread. It is opened before there are no descriptors left.
fn session_thread() -> File {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap().map(|task| task.unwrap().path());
    let is_session = |task: &PathBuf| std::fs::read_to_string(task.join("comm")).is_ok_and(|name| name.starts_with("session"));
    let mut sessions = tasks.filter(is_session);
    File::open(sessions.next().expect("a session's thread").join("status")).unwrap()
}

/// Waits until the session's thread has tried to wait, and slept instead, a few times.
fn goes_round(session: &mut File) {
    let start = Instant::now();
    let mut rounds = || {
        let mut text = String::new();
        session.rewind().unwrap();
        session.read_to_string(&mut text).unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:")).unwrap();
        line.trim().parse::<u64>().unwrap()
    };
    let before = rounds();
    while rounds() < before + 5 {
        assert!(start.elapsed() < WATCHDOG, "the session's thread does not go round");
        thread::yield_now();
    }
}

// C1, C4: what comes while it cannot wait is served afterwards, and so is who comes then.
#[test]
fn a_poll_that_fails_for_a_while_loses_nothing() {
    let config = ServerConfig::new(SocketAddr::from(([127, 0, 0, 1], 0)));
    let server = Serving::start(Transport::Blocking, config, Echo::default, || {});
    let mut peer = connect(server.address());
    exchange(&mut peer);
    let address = peer.peer_addr().unwrap();
    let mut session = session_thread();
    // `poll` refuses more descriptors than the process may have: neither the supervisor's thread nor a session's can wait.
    let usual = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: Some(1), maximum: usual.maximum }).unwrap();
    let mut two = [(); 2].map(|()| PollFd::new(&peer, PollFlags::IN));
    assert_eq!(poll(&mut two, None), Err(Errno::INVAL));
    // It may be waiting still: then this ends the last wait that works.
    peer.write_all(b"wait").unwrap();
    goes_round(&mut session);
    setrlimit(Resource::Nofile, usual).unwrap();
    let mut pong = [0; 4];
    peer.read_exact(&mut pong).unwrap();
    assert_eq!(&pong, b"wait");
    exchange(&mut connect(address));
    drop(peer);
    server.drain(WATCHDOG);
    let report = server.join();
    assert_eq!((report.accepted, report.forced), (2, false), "{report}");
}
