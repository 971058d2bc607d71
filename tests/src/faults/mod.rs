//! Errors that the system calls of real programs come to, injected by strace under load.
//!
//! A [`Cell`] is a program, a system call, an error and the calls that come to it. [`Cell::run`] starts the program, lets strace inject the
//! error, puts it under load, takes the injection away, and looks: nothing hangs, nothing spins, nothing is left open, who was not hit was
//! served, and the program goes on as if nothing had been. `tests/faults.sh` runs cells.
//!
//! strace skips the call that it injects an error into. So a connection stays in the queue of an accept that fails, as it does in reality, and
//! what a close that fails should have closed stays open, which it does not in reality: that much is allowed for.

mod cell;
mod client;
mod load;
mod server;
mod strace;

use std::fmt;

pub use cell::{Call, Cell, Program as Subject, When};

/// What came of a cell.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// The error was injected so often, and the program did what it should. In a few words: what that was.
    Passed(usize, String),
    /// The program never came to make the call, or not so often.
    NotReached,
    /// It did something else.
    Failed(String),
    /// It did something else for a reason that lies beyond this project, which follows.
    Excused(String, &'static str),
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Passed(hits, what) => write!(f, "ok      {hits:3} injected; {what}"),
            Self::NotReached => f.write_str("-       never called so often"),
            Self::Failed(why) => write!(f, "FAILED  {why}"),
            Self::Excused(why, excuse) => write!(f, "excused {why}: {excuse}"),
        }
    }
}

/// What a look at a program under injection finds.
type Found<T = ()> = Result<T, String>;
