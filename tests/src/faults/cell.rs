//! The cells of the table.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::{Verdict, client, server};

/// A program that uses a real transport.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Program {
    /// `echo serve --transport blocking`
    ServeBlocking,
    /// `echo serve --transport smol`
    ServeSmol,
    /// `loop_mio`
    LoopMio,
    /// `echo connect --transport blocking`
    ConnectBlocking,
    /// `echo connect --transport smol`
    ConnectSmol,
}

impl Program {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::ServeBlocking, Self::ServeSmol, Self::LoopMio, Self::ConnectBlocking, Self::ConnectSmol];

    /// True for a client.
    #[must_use]
    pub const fn connects(self) -> bool {
        matches!(self, Self::ConnectBlocking | Self::ConnectSmol)
    }

    const fn name(self) -> &'static str {
        match self {
            Self::ServeBlocking => "serve-blocking",
            Self::ServeSmol => "serve-smol",
            Self::LoopMio => "loop-mio",
            Self::ConnectBlocking => "connect-blocking",
            Self::ConnectSmol => "connect-smol",
        }
    }
}

/// A system call, or several that do the same.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Call {
    /// What it is called here.
    pub name: &'static str,
    /// What strace is told.
    pub(super) calls: &'static str,
    /// From the program's first step on, rather than once it listens. Then calls of the loader and of the standard library must not be hit.
    pub(super) at_start: bool,
}

impl Call {
    /// What a server calls.
    pub const OF_SERVERS: [Self; 11] = [
        Self { name: "socket", calls: "socket", at_start: true },
        Self { name: "accept4", calls: "accept4", at_start: false },
        Self { name: "recvfrom", calls: "recvfrom", at_start: false },
        // Of a pipe or an eventfd: how threads wake each other.
        Self { name: "read", calls: "read", at_start: false },
        Self { name: "sendto", calls: "sendto,sendmsg", at_start: false },
        Self { name: "write", calls: "write", at_start: false },
        Self { name: "shutdown", calls: "shutdown", at_start: false },
        Self { name: "close", calls: "close", at_start: false },
        Self { name: "wait", calls: "epoll_wait,epoll_pwait,epoll_pwait2,ppoll", at_start: false },
        Self { name: "epoll_ctl", calls: "epoll_ctl", at_start: false },
        Self { name: "epoll_ctl-at-start", calls: "epoll_ctl", at_start: true },
    ];
    /// What a client calls.
    pub const OF_CLIENTS: [Self; 8] = [
        Self { name: "socket", calls: "socket", at_start: true },
        Self { name: "connect", calls: "connect", at_start: true },
        Self { name: "getsockopt", calls: "getsockopt", at_start: true },
        Self { name: "recvfrom", calls: "recvfrom", at_start: true },
        Self { name: "sendto", calls: "sendto,sendmsg", at_start: true },
        Self { name: "shutdown", calls: "shutdown", at_start: true },
        Self { name: "wait", calls: "epoll_wait,epoll_pwait,epoll_pwait2,ppoll", at_start: true },
        Self { name: "epoll_ctl", calls: "epoll_ctl", at_start: true },
    ];
}

/// Which calls of a thread come to the error.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum When {
    /// The first.
    First,
    /// The second and the third.
    SecondAndThird,
    /// The third, and every fifth after it.
    EveryFifth,
}

impl When {
    /// All three.
    pub const ALL: [Self; 3] = [Self::First, Self::SecondAndThird, Self::EveryFifth];

    /// In strace's words.
    pub(super) const fn words(self) -> &'static str {
        match self {
            Self::First => "1",
            Self::SecondAndThird => "2..3",
            Self::EveryFifth => "3+5",
        }
    }
}

/// The errors.
const ERRORS: [&str; 10] =
    ["EINTR", "EAGAIN", "ECONNRESET", "EPIPE", "ECONNABORTED", "EMFILE", "ENFILE", "ENOBUFS", "ENOMEM", "ETIMEDOUT"];

/// A program, a call, an error, and when.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Cell {
    /// The program.
    pub program: Program,
    /// The call.
    pub call: Call,
    /// The error's name.
    pub error: &'static str,
    /// When.
    pub when: When,
}

/// `serve-smol accept4 EMFILE 2..3`: what `tests/faults.sh` takes, too.
impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {} {}", self.program.name(), self.call.name, self.error, self.when.words())
    }
}

impl Cell {
    /// Every cell there is.
    pub fn all() -> impl Iterator<Item = Self> {
        Program::ALL.into_iter().flat_map(|program| {
            let calls: &[Call] = if program.connects() { &Call::OF_CLIENTS } else { &Call::OF_SERVERS };
            let cells = calls.iter().flat_map(move |call| {
                ERRORS.into_iter().flat_map(move |error| When::ALL.map(|when| Self { program, call: *call, error, when }))
            });
            cells.filter(|cell| cell.is_possible())
        })
    }

    /// The cell of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::all().find(|cell| cell.to_string() == name)
    }

    /// A poller that is edge-triggered says once that there is something; who is told then that there is nothing waits for ever. And a pipe or
    /// an eventfd says `EAGAIN` to a writer when it is full, that is, readable. The kernel does not lie so, so neither does a test.
    fn is_possible(&self) -> bool {
        let transfers = matches!(self.call.name, "accept4" | "recvfrom" | "sendto");
        let edges = matches!(self.program, Program::LoopMio | Program::ServeSmol | Program::ConnectSmol);
        let would_block = edges && transfers || self.call.name == "write";
        !(self.error == "EAGAIN" && would_block)
    }

    /// Why nothing can be done here about a failure of this cell.
    #[must_use]
    pub(super) fn excuse(&self) -> Option<&'static str> {
        let on_async_io = matches!(self.program, Program::ServeSmol | Program::ConnectSmol);
        match self.call.name {
            "epoll_ctl-at-start" if on_async_io => Some("async-io panics when it cannot make its reactor"),
            // The kernel has no such error for EPOLL_CTL_MOD, which is what nearly all of these calls are.
            "epoll_ctl" if on_async_io => Some("async-io drops events when it cannot watch again what it watched before"),
            // Nor for a write to an eventfd.
            "write" if on_async_io => Some("the poller of async-io takes it that a write to its eventfd works"),
            _ => None,
        }
    }

    /// True if nobody may notice: the call is made again, sooner or later, or its result makes no difference.
    #[must_use]
    pub(super) fn is_transparent(&self) -> bool {
        match self.call.name {
            "accept4" | "read" | "write" | "close" | "wait" => true,
            "recvfrom" | "sendto" => matches!(self.error, "EINTR" | "EAGAIN" | "ENOBUFS" | "ENOMEM"),
            _ => false,
        }
    }

    /// Runs the cell. No program is left behind.
    #[must_use]
    pub fn run(&self) -> Verdict {
        let run = if self.program.connects() { client::run } else { server::run };
        // Whatever of it panics has said why.
        let found = catch_unwind(AssertUnwindSafe(|| run(self))).unwrap_or_else(|_| Err("a panic: see above".into()));
        match found {
            Ok((0, _)) => Verdict::NotReached,
            Ok((hits, what)) => Verdict::Passed(hits, what),
            Err(why) => match self.excuse() {
                Some(excuse) => Verdict::Excused(why, excuse),
                None => Verdict::Failed(why),
            },
        }
    }
}
