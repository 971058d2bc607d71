//! What this process holds of the system: descriptors and threads.

use std::sync::{Mutex, MutexGuard, PoisonError};

static EXCLUSIVE: Mutex<()> = Mutex::new(());

/// Tests of one process that count descriptors or threads run one at a time.
pub fn exclusive() -> MutexGuard<'static, ()> {
    EXCLUSIVE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What this process holds: descriptors by what they refer to, and how many threads. Sockets and pipes differ by number, so those are
/// counted by kind.
///
/// # Panics
/// Without `/proc`.
#[must_use]
pub fn holdings() -> (Vec<String>, usize) {
    let mut descriptors: Vec<_> = std::fs::read_dir("/proc/self/fd")
        .expect("/proc is there")
        .filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok())
        .map(|target| target.to_string_lossy().split(':').next().unwrap_or_default().to_owned())
        .filter(|target| !target.starts_with("/proc"))
        .collect();
    descriptors.sort();
    (descriptors, std::fs::read_dir("/proc/self/task").expect("/proc is there").count())
}
