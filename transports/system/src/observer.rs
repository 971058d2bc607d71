//! Watching a transport at work.

use sansock::{Completion, Op, Timestamp};

/// Sees every operation that a transport starts and every completion that it hands in, on whatever thread that happens. For logs and
/// traces; it can change nothing.
pub trait Observer: Send + Sync {
    /// An operation is about to be started.
    fn submitted(&self, now: Timestamp, op: &Op);

    /// A completion is about to be handed in.
    fn completed(&self, now: Timestamp, done: &Completion);
}
