//! strace, and what the system knows of a process.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use super::{Cell, Found};
use crate::program::{Program, Signal};

/// Nothing here takes so long, unless it hangs.
pub(super) const LONG: Duration = Duration::from_secs(10);

/// Where strace writes what it has injected. The file is gone with it.
pub(super) struct Trace(PathBuf);

impl Trace {
    pub(super) fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        Self(std::env::temp_dir().join(format!("sansock-faults-{}-{number}", std::process::id())))
    }

    /// strace with what the cell wants injected.
    pub(super) fn command(&self, cell: &Cell) -> Command {
        let mut strace = Command::new("strace");
        let calls = cell.call.calls;
        strace.arg("-f").arg("-o").arg(&self.0).arg("-e").arg(format!("trace={calls}"));
        strace.arg("-e").arg(format!("inject={calls}:error={}:when={}", cell.error, cell.when.words()));
        // Signals are none of its business.
        strace.args(["-e", "signal=none"]);
        strace
    }

    /// How often the error was injected so far.
    pub(super) fn hits(&self) -> usize {
        fs::read_to_string(&self.0).map_or(0, |text| text.matches("(INJECTED)").count())
    }
}

impl Drop for Trace {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

/// Attaches strace to a process; returns once it is.
pub(super) fn attach(trace: &Trace, cell: &Cell, process: u32) -> Program {
    let mut strace = Program::start(trace.command(cell).arg("-p").arg(process.to_string()));
    while !strace.error_line().contains("attached") {}
    strace
}

/// Detaches strace: the process goes on without it.
pub(super) fn detach(strace: Program) {
    strace.signal(Signal::TERM);
    let _ = strace.finish();
}

/// The processor time that a process has used so far.
pub(super) fn processor_time(process: u32) -> Found<Duration> {
    let path = format!("/proc/{process}/stat");
    let text = fs::read_to_string(&path).map_err(|error| format!("{path}: {error}"))?;
    // The name is in parentheses and may hold anything; user and system time are the 14th and 15th field.
    let fields: Vec<_> = text.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks: u64 = fields.iter().skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum();
    // The unit of these fields is a hundredth of a second on every architecture that Linux still runs on.
    Ok(Duration::from_millis(ticks * 10))
}

/// How many descriptors and threads a process has.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Holds {
    pub(super) descriptors: usize,
    pub(super) threads: usize,
}

impl Holds {
    pub(super) fn of(process: u32) -> Self {
        let count = |what| Path::new("/proc").join(process.to_string()).join(what).read_dir().map_or(0, Iterator::count);
        Self { descriptors: count("fd"), threads: count("task") }
    }
}

/// Looks until it is so; false if it is not for long.
pub(super) fn eventually(mut is_so: impl FnMut() -> bool) -> bool {
    let start = Instant::now();
    while !is_so() {
        if start.elapsed() > LONG {
            return false;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    true
}
