//! What this process holds of the system: descriptors and threads.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

static EXCLUSIVE: Mutex<()> = Mutex::new(());

/// Tests of one process that count descriptors or threads run one at a time.
pub fn exclusive() -> MutexGuard<'static, ()> {
    EXCLUSIVE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Descriptors by what they refer to, and threads by name.
pub type Holdings = (Vec<String>, Vec<String>);

/// What this process holds. Sockets and pipes differ by number, so those are counted by kind. Of the threads, those of a transport count:
/// the test harness has its own, which come and go, and async-io's reactor one that stays.
///
/// # Panics
/// Without `/proc`.
#[must_use]
pub fn holdings() -> Holdings {
    let mut descriptors: Vec<_> = std::fs::read_dir("/proc/self/fd")
        .expect("/proc is there")
        .filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok())
        .map(|target| target.to_string_lossy().split(':').next().unwrap_or_default().to_owned())
        .filter(|target| !target.starts_with("/proc"))
        .collect();
    let mut threads: Vec<_> = std::fs::read_dir("/proc/self/task")
        .expect("/proc is there")
        .filter_map(|entry| std::fs::read_to_string(entry.ok()?.path().join("comm")).ok())
        .filter(|name| ["supervisor", "session"].iter().any(|known| name.starts_with(known)))
        .collect();
    descriptors.sort();
    threads.sort();
    (descriptors, threads)
}

/// Checks that this process holds what it held before. A thread that was joined is in `/proc` for a moment longer, so it looks until it
/// finds that, or has looked for ten seconds.
///
/// # Panics
/// It holds something else.
pub fn assert_nothing_is_left(before: &Holdings) {
    let start = Instant::now();
    while holdings() != *before && start.elapsed() < Duration::from_secs(10) {
        std::thread::yield_now();
    }
    assert_eq!(holdings(), *before, "what is left, and what was there before");
}
