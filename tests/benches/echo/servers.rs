//! The servers to compare, and starting one as a process of its own.

use std::io::{self, BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::{ours, peers};

/// So many connections every server takes.
pub(crate) const MAX_CONNECTIONS: usize = 6000;

/// One way to write the server.
pub(crate) struct Server {
    pub(crate) name: &'static str,
    /// The hand-written server that it is measured against beside the reference.
    pub(crate) rival: Option<&'static str>,
    run: fn() -> io::Result<()>,
}

/// The reference, and the same once more: what differs between the two is noise.
pub(crate) const REFERENCE: &str = "epoll";
pub(crate) const TWIN: &str = "epoll again";

pub(crate) const SERVERS: [Server; 13] = [
    Server { name: REFERENCE, rival: None, run: peers::epoll::serve },
    Server { name: TWIN, rival: None, run: peers::epoll::serve },
    Server { name: "mio", rival: None, run: peers::mio::serve },
    Server { name: "polling", rival: None, run: peers::polling::serve },
    Server { name: "io_uring", rival: None, run: peers::io_uring::serve },
    Server { name: "smol", rival: None, run: peers::smol::serve },
    Server { name: "tokio", rival: None, run: peers::tokio::serve },
    Server { name: "threads", rival: None, run: peers::threads::serve },
    Server { name: "loop_mio", rival: Some("mio"), run: || exited(ours::loop_mio::main()) },
    Server { name: "loop_polling", rival: Some("polling"), run: || exited(ours::loop_polling::main()) },
    Server { name: "loop_io_uring", rival: Some("io_uring"), run: || exited(ours::loop_io_uring::main()) },
    Server { name: "sansock-smol", rival: Some("smol"), run: ours::smol },
    Server { name: "sansock-blocking", rival: Some("threads"), run: ours::blocking },
];

/// An example's exit status says no more than that it is over; what went wrong it has printed.
fn exited(_: ExitCode) -> io::Result<()> {
    Ok(())
}

/// How long a server may take to end.
const PATIENCE: Duration = Duration::from_secs(3);

/// In this variable a child finds which server it is.
const ROLE: &str = "SANSOCK_BENCH_SERVER";

/// If this process was started as a server, it is one: it returns when the server is over.
pub(crate) fn serve_if_asked() -> Option<io::Result<()>> {
    let name = std::env::var(ROLE).ok()?;
    let server = SERVERS.iter().find(|server| server.name == name)?;
    Some(super::machine::settle(super::machine::SERVER_CPU).and_then(|()| {
        std::thread::spawn(answer);
        (server.run)()
    }))
}

/// Answers each line with the CPU time of this process in nanoseconds. The end of the input, which is also the parent's, ends the process.
fn answer() {
    for _ in io::stdin().lines() {
        println!("{}", super::machine::cpu_time());
    }
    std::process::exit(0);
}

/// A server that runs.
pub(crate) struct Running {
    child: Child,
    /// The end of it ends the server.
    commands: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
    pub(crate) address: SocketAddr,
}

impl Running {
    pub(crate) fn start(server: &Server) -> io::Result<Self> {
        Self::start_under(server, &[])
    }

    /// Starts it under a tool, such as valgrind.
    pub(crate) fn start_under(server: &Server, tool: &[&str]) -> io::Result<Self> {
        let own = std::env::current_exe()?;
        let mut command = match tool {
            [] => Command::new(&own),
            [program, arguments @ ..] => {
                let mut command = Command::new(program);
                command.args(arguments).arg(&own);
                command
            }
        };
        let limit = MAX_CONNECTIONS.to_string();
        let mut child = command
            .args(["--addr", "127.0.0.1:0", "--max-connections", &limit])
            .env(ROLE, server.name)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let commands = child.stdin.take();
        let mut answers = BufReader::new(child.stdout.take().ok_or_else(|| io::Error::other("no standard output"))?);
        let mut line = String::new();
        answers.read_line(&mut line)?;
        let address = line.trim().strip_prefix("listening on ").and_then(|address| address.parse().ok());
        match address {
            Some(address) => Ok(Self { child, commands, answers, address }),
            None => {
                let _ = child.kill();
                let _ = child.wait();
                Err(io::Error::other(format!("{} does not listen: {line:?}", server.name)))
            }
        }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The CPU time that the process has used, all its threads together, in nanoseconds.
    pub(crate) fn cpu_time(&mut self) -> io::Result<u64> {
        if let Some(commands) = &mut self.commands {
            commands.write_all(b"\n")?;
        }
        let mut line = String::new();
        self.answers.read_line(&mut line)?;
        line.trim().parse().map_err(|_| io::Error::other(format!("no CPU time: {line:?}")))
    }

    /// The memory that the process occupies, in bytes.
    pub(crate) fn resident(&self) -> io::Result<u64> {
        let text = std::fs::read_to_string(format!("/proc/{}/smaps_rollup", self.pid()))?;
        let line = text.lines().find_map(|line| line.strip_prefix("Rss:"));
        let kibibytes = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok());
        kibibytes.map(|count| count * 1024).ok_or_else(|| io::Error::other("no Rss in smaps_rollup"))
    }

    /// Ends the server and waits for that.
    pub(crate) fn stop(mut self) -> io::Result<()> {
        self.commands = None;
        if self.ends_within(PATIENCE)? {
            return Ok(());
        }
        // Under valgrind 3.19, a thread in `io_uring_enter` keeps all others from running, so the one that answers cannot, and signals wait:
        // a connection gets it out of there.
        let pid = i32::try_from(self.pid()).ok().and_then(Pid::from_raw).ok_or_else(|| io::Error::other("no process id"))?;
        kill_process(pid, Signal::TERM)?;
        let _ = TcpStream::connect(self.address);
        if self.ends_within(PATIENCE)? { Ok(()) } else { Err(io::Error::other("the server does not end")) }
    }

    fn ends_within(&mut self, span: Duration) -> io::Result<bool> {
        let end = Instant::now() + span;
        while self.child.try_wait()?.is_none() {
            if Instant::now() >= end {
                return Ok(false);
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        Ok(true)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended long ago.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
