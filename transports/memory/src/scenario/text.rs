//! Scenarios as text.

use std::fmt;
use std::time::Duration;

use super::{Event, Fault, Line, Outcome, Quality, Resolution, Route, Scenario, Which};

/// The first line of version 1.
pub(super) const HEADER: &str = "sansock scenario 1";

/// The text that [`Scenario::parse`] reads.
impl fmt::Display for Scenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{HEADER}\nseed {}\nfor {}", self.seed, Span(self.span))?;
        if !self.world.is_empty() {
            writeln!(f, "world {}", self.world)?;
        }
        self.lines.iter().try_for_each(|line| writeln!(f, "{line}"))
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Link(route, quality) => write!(f, "link {route}:{quality}"),
            Self::At(at, event) => write!(f, "at {}: {event}", Span(*at)),
            Self::Fault(fault) => write!(f, "fault {fault}"),
        }
    }
}

impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let arrow = if self.both { "<->" } else { "->" };
        write!(f, "{} {arrow} {}", self.from, self.to)
    }
}

impl fmt::Display for Quality {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, span) in [("latency", self.latency), ("jitter", self.jitter)] {
            if let Some(span) = span {
                write!(f, " {name} {}", Span(span))?;
            }
        }
        if let Some(bandwidth) = self.bandwidth {
            write!(f, " bandwidth {bandwidth}")?;
        }
        self.loss.map_or(Ok(()), |loss| write!(f, " loss {loss}"))
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Partition(route) => write!(f, "partition {route}"),
            Self::Hold(route) => write!(f, "hold {route}"),
            Self::Release(route) => write!(f, "release {route}"),
            Self::Heal => f.write_str("heal"),
            Self::Crash(hosts) => write!(f, "crash {hosts}"),
            Self::Restart(hosts) => write!(f, "restart {hosts}"),
            Self::ClockJump(hosts, by) => write!(f, "clock {hosts} jump {}", Span(*by)),
            Self::ClockDrift(hosts, millionths) => write!(f, "clock {hosts} drift {millionths}"),
            Self::Descriptors(hosts, Some(limit)) => write!(f, "descriptors {hosts} {limit}"),
            Self::Descriptors(hosts, None) => write!(f, "descriptors {hosts} any"),
            Self::Resolve(hosts, Resolution::Prompt) => write!(f, "resolve {hosts} prompt"),
            Self::Resolve(hosts, Resolution::Delayed(span)) => write!(f, "resolve {hosts} delay {}", Span(*span)),
            Self::Resolve(hosts, Resolution::Fails) => write!(f, "resolve {hosts} fail"),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { hosts, connection, operation, nth, outcome } = self;
        write!(f, "{hosts} connection {connection} {} {nth}: {outcome}", operation.name())
    }
}

impl fmt::Display for Which {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nth(nth) => write!(f, "{nth}"),
            Self::Every(step) => write!(f, "every {step}"),
            Self::Any => f.write_str("any"),
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Short(most) => write!(f, "short {most}"),
            Self::WouldBlock(span) => write!(f, "would-block {}", Span(*span)),
            Self::Delay(span) => write!(f, "delay {}", Span(*span)),
            Self::Error(kind) => write!(f, "error {kind:?}"),
            Self::Reset => f.write_str("reset"),
        }
    }
}

/// A span in the largest unit of s, ms, us and ns that leaves at most three decimals.
pub(super) struct Span(pub(super) Duration);

pub(super) const UNITS: [(&str, u128); 4] = [("s", 1_000_000_000), ("ms", 1_000_000), ("us", 1_000), ("ns", 1)];

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nanos = self.0.as_nanos();
        let fits = |(_, unit): &&(&str, u128)| nanos >= *unit && (nanos * 1000).is_multiple_of(*unit);
        let (name, unit) = UNITS.iter().find(fits).unwrap_or(&("s", 1_000_000_000));
        let (whole, thousandths) = (nanos / unit, nanos % unit * 1000 / unit);
        write!(f, "{whole}")?;
        if thousandths > 0 {
            write!(f, ".{}", format!("{thousandths:03}").trim_end_matches('0'))?;
        }
        f.write_str(name)
    }
}
