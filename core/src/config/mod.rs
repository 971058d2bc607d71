//! Limits. A value of these types is valid: the setters refuse what makes no sense.

mod client;
mod connection;
mod server;

use core::fmt;
use core::time::Duration;

pub use client::{ClientConfig, DialerConfig};
pub use connection::ConnectionConfig;
pub use server::{ListenerConfig, ServerConfig};

/// A limit that makes no sense.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct ConfigError {
    field: &'static str,
    problem: &'static str,
}

impl ConfigError {
    pub(crate) const fn new(field: &'static str, problem: &'static str) -> Self {
        Self { field, problem }
    }

    /// The name of the setter that refused.
    #[must_use]
    pub const fn field(&self) -> &'static str {
        self.field
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.field, self.problem)
    }
}

impl core::error::Error for ConfigError {}

/// A time-out is `None` for "never" or longer than zero; zero has no sensible meaning and is refused.
pub(crate) const fn timeout(field: &'static str, span: Option<Duration>) -> Result<Option<Duration>, ConfigError> {
    match span {
        Some(Duration::ZERO) => Err(ConfigError::new(field, "zero is no time-out; use None to switch it off")),
        span => Ok(span),
    }
}

pub(crate) const fn span(field: &'static str, span: Duration) -> Result<Duration, ConfigError> {
    if span.is_zero() { Err(ConfigError::new(field, "must be longer than zero")) } else { Ok(span) }
}

pub(crate) const fn at_least_one(field: &'static str, value: usize) -> Result<usize, ConfigError> {
    if value == 0 { Err(ConfigError::new(field, "must be at least 1")) } else { Ok(value) }
}
