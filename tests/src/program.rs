//! Programs as their users run them: arguments, lines, signals, exit status. None outlives its test.

use std::ffi::OsStr;
use std::fmt;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};
use std::time::Duration;

pub use rustix::process::Signal;
use rustix::process::{Pid, kill_process};

/// A program that takes longer is killed, and its test fails.
const LIMIT: Duration = Duration::from_secs(30);

/// A program at work.
pub struct Program {
    name: String,
    child: Child,
    out: Stream,
    err: Stream,
    watchdog: Option<(Sender<()>, JoinHandle<bool>)>,
}

/// What a program leaves behind.
pub struct Ended {
    /// How it ended.
    pub status: ExitStatus,
    /// What it wrote to standard output that was not read before.
    pub out: Vec<u8>,
    /// What it wrote to standard error that was not read before.
    pub err: String,
}

impl Ended {
    /// The exit status, if it was not a signal.
    #[must_use]
    pub fn code(&self) -> Option<i32> {
        self.status.code()
    }

    /// Standard output as text.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.out).into_owned()
    }
}

/// What it wrote as text: a failed test is read by people.
impl fmt::Debug for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; standard output: {:?}; standard error: {:?}", self.status, self.text(), self.err)
    }
}

impl Program {
    /// Starts the echo example with these arguments.
    ///
    /// # Panics
    /// It was not built, or it is older than its source.
    #[must_use]
    pub fn echo(args: &[&str]) -> Self {
        Self::start(Command::new(echo_example()).args(args))
    }

    /// Starts a program. Its standard streams are pipes.
    ///
    /// # Panics
    /// It does not start.
    pub fn start(command: &mut Command) -> Self {
        let name = format!("{command:?}");
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{name} does not start: {error}"));
        let out = Stream::new(child.stdout.take().expect("it is piped"));
        let err = Stream::new(child.stderr.take().expect("it is piped"));
        let watchdog = Some(watch(Pid::from_child(&child)));
        Self { name, child, out, err, watchdog }
    }

    /// The process's number.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Standard input. Without this call it stays open until [`Program::finish`].
    ///
    /// # Panics
    /// It was taken before.
    pub fn input(&mut self) -> ChildStdin {
        self.child.stdin.take().expect("it is taken once")
    }

    /// Waits for the next line of standard output.
    ///
    /// # Panics
    /// It ends before a line does.
    pub fn line(&mut self) -> String {
        let line = self.try_line();
        line.unwrap_or_else(|| panic!("{}: no further line; on standard error: {}", self.name, self.err.rest_as_text()))
    }

    /// Waits for the next line of standard output; `None` if it ends before.
    pub fn try_line(&mut self) -> Option<String> {
        self.out.line()
    }

    /// Waits for the next line of standard error.
    ///
    /// # Panics
    /// It ends before a line does.
    pub fn error_line(&mut self) -> String {
        self.err.line().unwrap_or_else(|| panic!("{}: no further line on standard error", self.name))
    }

    /// Waits for so many bytes of standard output.
    ///
    /// # Panics
    /// It ends before.
    pub fn bytes(&mut self, count: usize) -> Vec<u8> {
        while self.out.seen.len() < count {
            assert!(self.out.more(), "{}: no further output; on standard error: {}", self.name, self.err.rest_as_text());
        }
        self.out.seen.drain(..count).collect()
    }

    /// Sends a signal.
    ///
    /// # Panics
    /// The process is gone.
    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).expect("it is still there");
    }

    /// Closes standard input, unless it was taken, and waits for the end.
    ///
    /// # Panics
    /// The watchdog had to end it.
    #[must_use]
    pub fn finish(mut self) -> Ended {
        drop(self.child.stdin.take());
        // Both streams end when the program does: after that it is about to be gone, and the watchdog can go, too.
        let (out, err) = (self.out.rest(), self.err.rest_as_text());
        assert!(!self.call_off(), "{}: killed after {LIMIT:?}; on standard error: {err}", self.name);
        let status = self.child.wait().expect("a child can be waited for");
        Ended { status, out, err }
    }

    /// True if the watchdog has ended the program.
    fn call_off(&mut self) -> bool {
        self.watchdog.take().is_some_and(|(waiting, watchdog)| {
            drop(waiting);
            watchdog.join().expect("the watchdog does not panic")
        })
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.call_off();
        // It may have ended, and been waited for, already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Kills the process unless it is called off in time. The process must not be waited for before.
fn watch(process: Pid) -> (Sender<()>, JoinHandle<bool>) {
    let (waiting, called_off) = mpsc::channel();
    let watchdog = thread::spawn(move || {
        let fired = called_off.recv_timeout(LIMIT) == Err(RecvTimeoutError::Timeout);
        if fired {
            let _ = kill_process(process, Signal::KILL);
        }
        fired
    });
    (waiting, watchdog)
}

/// What comes out of a program, read by a thread, so that the program never waits for its test.
struct Stream {
    chunks: Receiver<Vec<u8>>,
    seen: Vec<u8>,
}

impl Stream {
    fn new(mut pipe: impl Read + Send + 'static) -> Self {
        let (chunk, chunks) = mpsc::channel();
        thread::spawn(move || {
            let mut buffer = vec![0; 64 * 1024];
            while let Ok(count @ 1..) = pipe.read(&mut buffer) {
                if chunk.send(buffer[..count].to_vec()).is_err() {
                    return;
                }
            }
        });
        Self { chunks, seen: Vec::new() }
    }

    /// Waits for more; false at the end.
    fn more(&mut self) -> bool {
        self.chunks.recv().map(|chunk| self.seen.extend(chunk)).is_ok()
    }

    fn line(&mut self) -> Option<String> {
        loop {
            if let Some(end) = self.seen.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.seen.drain(..=end).collect();
                return Some(String::from_utf8_lossy(&line[..end]).into_owned());
            }
            if !self.more() {
                return None;
            }
        }
    }

    fn rest(&mut self) -> Vec<u8> {
        while self.more() {}
        std::mem::take(&mut self.seen)
    }

    fn rest_as_text(&mut self) -> String {
        String::from_utf8_lossy(&self.rest()).into_owned()
    }
}

/// The echo example.
///
/// # Panics
/// See [`example`].
#[must_use]
pub fn echo_example() -> PathBuf {
    example("echo")
}

/// An example. Cargo builds it beside the tests and the binaries, in a directory of the profile's.
///
/// # Panics
/// It was not built, or it is older than its source.
#[must_use]
pub fn example(name: &str) -> PathBuf {
    let own = std::env::current_exe().expect("a process knows its executable");
    // PROFILE/deps/TEST-HASH, or PROFILE/BINARY
    let mut profiles = own.ancestors().skip(1).take(2);
    let profile = profiles.find(|directory| !directory.ends_with("deps")).expect("it is in a directory");
    let example = profile.join("examples").join(name);
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples").join(name);
    let changed = |path: &Path| path.metadata().and_then(|data| data.modified()).ok();
    let newest = match source.read_dir() {
        Ok(files) => files.filter_map(|file| changed(&file.ok()?.path())).max(),
        Err(_) => changed(&source.with_extension("rs")),
    };
    let hint = format!(
        "`cargo test --test` builds only what is named; `cargo build -p sansock-tests --example {name}` builds it (in this profile)"
    );
    assert!(example.exists(), "{} is not there: {hint}", example.display());
    assert!(changed(&example) >= newest, "{} is older than its source: {hint}", example.display());
    example
}

/// A program that must be installed.
///
/// # Panics
/// It is not.
#[must_use]
pub fn required(program: &str, package: &str) -> Command {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).any(|directory| directory.join(program).is_file());
    assert!(found, "this test needs {program}: `apt-get install {package}`");
    Command::new(OsStr::new(program))
}
