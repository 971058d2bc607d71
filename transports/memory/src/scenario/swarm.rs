//! Scenarios from chance.

use std::time::Duration;

use sansock::{FaultKind, OpKind};

use super::{Event, Fault, Line, Names, OPERATIONS, Outcome, Quality, Resolution, Route, Scenario, Which};
use crate::chance::Chance;

/// A source of choices: a seeded generator, or bytes.
pub(super) trait Choices {
    /// A number below `limit`; zero if there is none.
    fn below(&mut self, limit: u64) -> u64;

    fn index(&mut self, length: usize) -> usize {
        usize::try_from(self.below(length as u64)).unwrap_or(0)
    }

    fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }

    /// Small numbers more often than large ones.
    fn small(&mut self, most: u32) -> u32 {
        let most = 1 + self.below(u64::from(most.max(1)));
        u32::try_from(1 + self.below(most)).unwrap_or(1)
    }
}

impl Choices for Chance {
    fn below(&mut self, limit: u64) -> u64 {
        Chance::below(self, limit)
    }
}

/// The kinds of lines.
#[derive(Clone, Copy)]
enum Kind {
    Quality,
    Partition,
    Hold,
    Crash,
    Clock,
    Descriptors,
    Resolve,
    Short,
    WouldBlock,
    Delay,
    Error,
    Reset,
}

const KINDS: [Kind; 12] = [
    Kind::Quality,
    Kind::Partition,
    Kind::Hold,
    Kind::Crash,
    Kind::Clock,
    Kind::Descriptors,
    Kind::Resolve,
    Kind::Short,
    Kind::WouldBlock,
    Kind::Delay,
    Kind::Error,
    Kind::Reset,
];

impl Scenario {
    /// A scenario for these hosts, as the seed decides: up to `most` lines of a random subset of all kinds, each kind with a random weight.
    ///
    /// Subsets find what a little of everything hides: a run with nothing but short sends gets deeper than one that is reset at once.
    #[must_use]
    pub fn swarm(seed: u64, span: Duration, hosts: &[&str], most: usize) -> Self {
        let mut chance = Chance::new(seed ^ 0x5ca1_ab1e_0000_0001);
        let lines = draw(&mut chance, span, hosts, most);
        Self { span, lines, ..Self::new(seed) }
    }
}

pub(super) fn draw(choices: &mut impl Choices, span: Duration, hosts: &[&str], most: usize) -> Vec<Line> {
    let mut weighted = Vec::new();
    for kind in KINDS {
        if choices.one_in(2) {
            let weight = 1 + choices.index(4);
            weighted.extend(std::iter::repeat_n(kind, weight));
        }
    }
    if weighted.is_empty() || hosts.is_empty() {
        return Vec::new();
    }
    let count = choices.index(most + 1);
    let mut lines = Vec::new();
    for _ in 0..count {
        let kind = weighted[choices.index(weighted.len())];
        add(choices, &mut lines, kind, span, hosts);
    }
    lines
}

fn add(choices: &mut impl Choices, lines: &mut Vec<Line>, kind: Kind, span: Duration, hosts: &[&str]) {
    let at = time(choices, span);
    let later = at + time(choices, span.saturating_sub(at));
    match kind {
        Kind::Quality => {
            let line = Line::Link(route(choices, hosts), quality(choices));
            lines.push(line);
        }
        Kind::Partition => {
            lines.push(Line::At(at, Event::Partition(route(choices, hosts))));
            lines.push(Line::At(later, Event::Heal));
        }
        Kind::Hold => {
            let route = route(choices, hosts);
            lines.push(Line::At(at, Event::Hold(route.clone())));
            lines.push(Line::At(later, Event::Release(route)));
        }
        Kind::Crash => {
            let host = name(choices, hosts);
            lines.push(Line::At(at, Event::Crash(host.clone())));
            lines.push(Line::At(later, Event::Restart(host)));
        }
        Kind::Clock if choices.one_in(2) => lines.push(Line::At(at, Event::ClockJump(name(choices, hosts), later - at))),
        Kind::Clock => {
            let millionths = i32::try_from(choices.below(100_000)).unwrap_or(0) - 50_000;
            lines.push(Line::At(at, Event::ClockDrift(name(choices, hosts), millionths)));
        }
        Kind::Descriptors => {
            let host = name(choices, hosts);
            let limit = 1 + choices.index(6);
            lines.push(Line::At(at, Event::Descriptors(host.clone(), Some(limit))));
            lines.push(Line::At(later, Event::Descriptors(host, None)));
        }
        Kind::Resolve => {
            let host = name(choices, hosts);
            let worse = if choices.one_in(2) { Resolution::Fails } else { Resolution::Delayed(millis(choices, 2_000)) };
            lines.push(Line::At(at, Event::Resolve(host.clone(), worse)));
            lines.push(Line::At(later, Event::Resolve(host, Resolution::Prompt)));
        }
        Kind::Short | Kind::WouldBlock | Kind::Delay | Kind::Error | Kind::Reset => {
            lines.push(Line::Fault(fault(choices, kind, hosts)));
        }
    }
}

fn fault(choices: &mut impl Choices, kind: Kind, hosts: &[&str]) -> Fault {
    let transfers = [OpKind::Recv, OpKind::Send];
    let operation = match kind {
        Kind::Delay => OPERATIONS.0[choices.index(OPERATIONS.0.len())],
        // Without the last one, close.
        Kind::Error => OPERATIONS.0[choices.index(OPERATIONS.0.len() - 1)],
        _ => transfers[choices.index(2)],
    };
    let outcome = match kind {
        Kind::Short => Outcome::Short(1 + choices.index(8)),
        Kind::WouldBlock => Outcome::WouldBlock(millis(choices, 2_000)),
        Kind::Delay => Outcome::Delay(millis(choices, 2_000)),
        Kind::Error => Outcome::Error(FaultKind::ALL[choices.index(FaultKind::ALL.len())]),
        _ => Outcome::Reset,
    };
    // What ends a connection happens once; what only slows it down may happen again and again.
    let again = matches!(kind, Kind::Short | Kind::WouldBlock | Kind::Delay);
    let (connection, nth) = match choices.below(3) {
        0 if again => (Which::Any, Which::Every(choices.small(8))),
        1 => (Which::Any, Which::Nth(choices.small(12))),
        _ => (Which::Nth(choices.small(6)), Which::Nth(choices.small(12))),
    };
    Fault { hosts: name(choices, hosts), connection, operation, nth, outcome }
}

fn quality(choices: &mut impl Choices) -> Quality {
    let mut quality = Quality::default();
    if choices.one_in(2) {
        quality.latency = Some(millis(choices, 300));
    }
    if choices.one_in(2) {
        quality.jitter = Some(millis(choices, 100));
    }
    if choices.one_in(4) {
        quality.bandwidth = Some(1_000 + choices.below(1_000_000));
    }
    if choices.one_in(3) {
        quality.loss = Some(choices.small(100) + 1);
    }
    quality
}

fn route(choices: &mut impl Choices, hosts: &[&str]) -> Route {
    Route { from: name(choices, hosts), to: name(choices, hosts), both: choices.one_in(2) }
}

fn name(choices: &mut impl Choices, hosts: &[&str]) -> Names {
    match choices.index(hosts.len() + 1) {
        index if index < hosts.len() => hosts[index].into(),
        _ => Names::any(),
    }
}

/// A whole number of milliseconds within the span.
fn time(choices: &mut impl Choices, span: Duration) -> Duration {
    Duration::from_millis(choices.below(u64::try_from(span.as_millis()).unwrap_or(u64::MAX)))
}

fn millis(choices: &mut impl Choices, most: u64) -> Duration {
    Duration::from_millis(1 + choices.below(most))
}
