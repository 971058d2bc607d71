//! Watching a transport at work.

use std::fmt::{self, Debug, Formatter};
use std::sync::Arc;

use sansock::{Completion, Op, Timestamp};

/// Sees every operation that a transport starts and every completion that it hands in, on whatever thread that happens. For logs and
/// traces; it can change nothing.
pub trait Observer: Send + Sync {
    /// An operation is about to be started.
    fn submitted(&self, now: Timestamp, op: &Op);

    /// A completion is about to be handed in.
    fn completed(&self, now: Timestamp, done: &Completion);
}

/// Whoever sees a transport at work; most of the time that is nobody.
#[derive(Clone, Default)]
pub(crate) struct Observers(Option<Arc<dyn Observer>>);

impl Observers {
    #[inline]
    pub(crate) fn submitted(&self, now: Timestamp, op: &Op) {
        if let Some(observer) = &self.0 {
            observer.submitted(now, op);
        }
    }

    #[inline]
    pub(crate) fn completed(&self, now: Timestamp, done: &Completion) {
        if let Some(observer) = &self.0 {
            observer.completed(now, done);
        }
    }
}

impl From<Arc<dyn Observer>> for Observers {
    fn from(observer: Arc<dyn Observer>) -> Self {
        Self(Some(observer))
    }
}

impl Debug for Observers {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "observed" } else { "not observed" })
    }
}
