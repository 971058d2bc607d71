//! The example loops, run as a user would run them.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{OnceLock, mpsc};
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

/// Far longer than anything here takes: a test that hangs fails.
const WATCHDOG: Duration = Duration::from_secs(60);

#[test]
fn loop_mio_echoes_and_drains() {
    echoes_and_drains("loop_mio");
}

#[test]
fn loop_polling_echoes_and_drains() {
    echoes_and_drains("loop_polling");
}

#[cfg(target_os = "linux")]
#[test]
fn loop_io_uring_echoes_and_drains() {
    echoes_and_drains("loop_io_uring");
}

#[test]
fn a_second_signal_aborts_what_a_drain_waits_for() {
    for name in loops() {
        let mut server = Server::start(name);
        // A peer that neither reads nor ends keeps a drain waiting.
        let mut peer = server.connect();
        exchange_one_byte(&mut peer);
        fill(&mut peer);
        server.signal(Signal::TERM);
        // The drain has begun once no connection is taken any more.
        while TcpStream::connect(server.address).is_ok() {}
        server.signal(Signal::INT);
        assert_eq!(server.status(), Some(0), "{name}");
        peer.set_nonblocking(false).unwrap();
        let end = peer.read_to_end(&mut Vec::new());
        assert_eq!(end.unwrap_err().kind(), std::io::ErrorKind::ConnectionReset, "{name}");
    }
}

#[test]
fn an_error_is_one_line_and_exit_status_2() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    for name in loops() {
        for (arguments, problem) in [
            (vec!["--addr", &address], "address in use"),
            (vec!["--addr", "nowhere"], "nowhere"),
            (vec!["--max-connections", "0"], "max_connections"),
            (vec!["--bogus"], "--bogus"),
        ] {
            let output = Command::new(example(name)).args(&arguments).output().unwrap();
            let error = String::from_utf8(output.stderr).unwrap();
            assert_eq!(output.status.code(), Some(2), "{name} {arguments:?}: {error}");
            assert!(error.lines().count() == 1 && error.starts_with("error: ") && error.contains(problem), "{name}: {error}");
            assert_eq!(output.stdout, b"", "{name}");
        }
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_kernel_without_io_uring_is_an_error_like_any_other() {
    let program = example("loop_io_uring");
    let mut strace = Command::new("strace");
    strace.args(["-f", "-qq", "-o", "/dev/null", "-e", "trace=io_uring_setup", "-e", "inject=io_uring_setup:error=ENOSYS"]);
    let Ok(output) = strace.arg(program).args(["--addr", "127.0.0.1:0"]).output() else {
        println!("skipped: strace is not installed");
        return;
    };
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{error}");
    assert!(error.starts_with("error: this kernel has no io_uring") && error.lines().count() == 1, "{error}");
}

fn loops() -> &'static [&'static str] {
    if cfg!(target_os = "linux") { &["loop_mio", "loop_polling", "loop_io_uring"] } else { &["loop_mio", "loop_polling"] }
}

/// 1 MiB on each of several connections at once, the peers writing before they read; then a drain, with one connection that is idle and
/// others that have ended.
fn echoes_and_drains(name: &'static str) {
    let mut server = Server::start(name);
    let peers: Vec<_> = (0..5)
        .map(|seed| {
            let stream = server.connect();
            thread::spawn(move || exchange(stream, seed))
        })
        .collect();
    for peer in peers {
        peer.join().unwrap();
    }
    let mut idle = server.connect();
    exchange_one_byte(&mut idle);
    server.signal(Signal::TERM);
    // The drain finishes it, and waits for our end.
    assert_eq!(idle.read(&mut [0]).unwrap(), 0);
    drop(idle);
    assert_eq!(server.status(), Some(0), "{name}");
}

fn exchange(mut stream: TcpStream, seed: usize) {
    let data: Vec<u8> =
        (0..1 << 20).map(|place: usize| (place.wrapping_mul(31).wrapping_add(place >> 8).wrapping_add(seed)) as u8).collect();
    let mut writer = stream.try_clone().unwrap();
    let sent = data.clone();
    let writing = thread::spawn(move || {
        writer.write_all(&sent).unwrap();
        writer.shutdown(Shutdown::Write).unwrap();
    });
    let mut echo = Vec::new();
    stream.read_to_end(&mut echo).unwrap();
    writing.join().unwrap();
    assert!(echo == data, "{} bytes of {} came back, or others", echo.len(), data.len());
}

/// The server has accepted it by then.
fn exchange_one_byte(stream: &mut TcpStream) {
    stream.write_all(b"x").unwrap();
    stream.read_exact(&mut [0]).unwrap();
}

/// Writes until nothing more is taken.
fn fill(stream: &mut TcpStream) {
    stream.set_nonblocking(true).unwrap();
    let mut idle_turns = 0;
    // The server takes some more after it seems to take nothing.
    while idle_turns < 1000 {
        if stream.write(&[0; 64 * 1024]).is_ok_and(|count| count > 0) {
            idle_turns = 0;
        } else {
            idle_turns += 1;
            thread::yield_now();
        }
    }
}

struct Server {
    child: Child,
    address: SocketAddr,
}

impl Server {
    fn start(name: &str) -> Self {
        let mut child =
            Command::new(example(name)).args(["--addr", "127.0.0.1:0"]).stdout(Stdio::piped()).spawn().expect("it was built");
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.trim().strip_prefix("listening on ").expect("its first line").parse().unwrap();
        Self { child, address }
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(WATCHDOG)).unwrap();
        stream.set_write_timeout(Some(WATCHDOG)).unwrap();
        stream
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// How it ends by itself.
    fn status(&mut self) -> Option<i32> {
        let pid = Pid::from_child(&self.child);
        let (ended, watch) = mpsc::channel::<()>();
        let watchdog = thread::spawn(move || {
            if watch.recv_timeout(WATCHDOG) == Err(mpsc::RecvTimeoutError::Timeout) {
                // Not waited for yet, so the name is still its own.
                let _ = kill_process(pid, Signal::KILL);
            }
        });
        let status = self.child.wait().unwrap();
        drop(ended);
        watchdog.join().unwrap();
        status.code()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Builds the examples with the profile of this test, since a test of one name alone does not, and gives the path of one.
fn example(name: &str) -> PathBuf {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    let directory = BUILT.get_or_init(|| {
        let own = std::env::current_exe().unwrap();
        // target/PROFILE/deps/loops-HASH
        let profile = own.parent().and_then(|deps| deps.parent()).unwrap();
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args(["build", "--quiet", "--examples", "--manifest-path", concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml")]);
        if profile.ends_with("release") {
            cargo.arg("--release");
        }
        cargo.env("CARGO_TARGET_DIR", profile.parent().unwrap());
        assert!(cargo.status().unwrap().success(), "the examples do not build");
        profile.join("examples")
    });
    directory.join(name)
}
