//! Making a scenario small.

use std::time::Duration;

use super::Failure;
use crate::scenario::{Event, Fault, Line, Outcome as OfOperation, Quality, Scenario, Which};
use crate::world::Outcome;

/// More runs than this are not worth the time.
const MOST_RUNS: u64 = 2_000;

/// Makes the scenario of a failure small, as long as running it violates the same rule.
pub(super) fn shrink(failure: &Failure, play: impl FnMut(&Scenario) -> Outcome) -> Failure {
    let Some(violation) = &failure.outcome.violation else { return failure.clone() };
    let mut shrinking = Shrinking { rule: violation.rule.clone(), best: failure.clone(), play };
    shrinking.best.runs = 0;
    // Each pass may make room for the others.
    loop {
        let before = shrinking.best.scenario.clone();
        shrinking.leave_out_what_never_fired();
        shrinking.leave_out_lines();
        shrinking.shorten_the_span();
        shrinking.renumber_connections();
        shrinking.simplify_lines();
        if shrinking.best.scenario == before || shrinking.is_over() {
            return shrinking.best;
        }
    }
}

struct Shrinking<P> {
    rule: String,
    best: Failure,
    play: P,
}

impl<P: FnMut(&Scenario) -> Outcome> Shrinking<P> {
    /// Takes the scenario if it violates the same rule.
    fn attempt(&mut self, scenario: Scenario) -> bool {
        if self.is_over() || scenario == self.best.scenario {
            return false;
        }
        self.best.runs += 1;
        let outcome = (self.play)(&scenario);
        let same = outcome.violation.as_ref().is_some_and(|violation| violation.rule == self.rule);
        if same {
            (self.best.scenario, self.best.outcome) = (scenario, outcome);
        }
        same
    }

    fn is_over(&self) -> bool {
        self.best.runs >= MOST_RUNS
    }

    fn leave_out_what_never_fired(&mut self) {
        let mut scenario = self.best.scenario.clone();
        let mut hits = self.best.outcome.lines.iter();
        scenario.lines.retain(|_| hits.next().is_none_or(|hits| *hits > 0));
        self.attempt(scenario);
    }

    /// Delta debugging: leaves out half of the lines, then quarters, and so on down to single ones.
    fn leave_out_lines(&mut self) {
        let mut size = self.best.scenario.lines.len().div_ceil(2);
        while size > 0 {
            let mut start = 0;
            while start < self.best.scenario.lines.len() {
                let mut scenario = self.best.scenario.clone();
                let end = scenario.lines.len().min(start + size);
                scenario.lines.drain(start..end);
                // If they are gone, others are in their place.
                if !self.attempt(scenario) {
                    start = end;
                }
            }
            size = if size == 1 { 0 } else { size.div_ceil(2) };
        }
    }

    fn shorten_the_span(&mut self) {
        for span in smaller(self.best.scenario.span) {
            if self.attempt(Scenario { span, ..self.best.scenario.clone() }) {
                break;
            }
        }
    }

    /// Without a connection before them, all later ones may have smaller numbers.
    fn renumber_connections(&mut self) {
        let mut first = 1;
        while let Some(lowest) = connections(&self.best.scenario).filter(|number| *number >= first).min() {
            let mut closer = self.best.scenario.clone();
            for line in &mut closer.lines {
                if let Line::Fault(Fault { connection: Which::Nth(number), .. }) = line
                    && *number >= lowest
                {
                    *number -= u32::from(*number > 1);
                }
            }
            if lowest == 1 || !self.attempt(closer) {
                first = lowest + 1;
            }
        }
    }

    fn simplify_lines(&mut self) {
        let mut index = 0;
        while index < self.best.scenario.lines.len() {
            while simpler(&self.best.scenario.lines[index]).into_iter().any(|line| {
                let mut scenario = self.best.scenario.clone();
                scenario.lines[index] = line;
                self.attempt(scenario)
            }) {}
            index += 1;
        }
    }
}

fn connections(scenario: &Scenario) -> impl Iterator<Item = u32> {
    scenario.lines.iter().filter_map(|line| match line {
        Line::Fault(Fault { connection: Which::Nth(number), .. }) => Some(*number),
        _ => None,
    })
}

/// What the line could be instead, the simplest first. Every chain of them ends.
fn simpler(line: &Line) -> Vec<Line> {
    match line {
        Line::Link(route, quality) => qualities(*quality).into_iter().map(|quality| Line::Link(route.clone(), quality)).collect(),
        Line::At(at, event) => {
            let earlier = smaller(*at).into_iter().map(|at| Line::At(at, event.clone()));
            earlier.chain(events(event).into_iter().map(|event| Line::At(*at, event))).collect()
        }
        Line::Fault(fault) => faults(fault).into_iter().map(Line::Fault).collect(),
    }
}

fn qualities(quality: Quality) -> Vec<Quality> {
    let mut simpler = Vec::new();
    let mut without = |changed: Quality| {
        if changed != quality && changed != Quality::default() {
            simpler.push(changed);
        }
    };
    without(Quality { latency: None, ..quality });
    without(Quality { jitter: None, ..quality });
    without(Quality { bandwidth: None, ..quality });
    without(Quality { loss: None, ..quality });
    for latency in quality.latency.into_iter().flat_map(smaller) {
        without(Quality { latency: Some(latency), ..quality });
    }
    for jitter in quality.jitter.into_iter().flat_map(smaller) {
        without(Quality { jitter: Some(jitter), ..quality });
    }
    simpler
}

fn events(event: &Event) -> Vec<Event> {
    match event {
        Event::ClockJump(names, by) => smaller(*by).into_iter().map(|by| Event::ClockJump(names.clone(), by)).collect(),
        Event::ClockDrift(names, millionths) => {
            [millionths / 2].into_iter().filter(|half| *half != 0).map(|half| Event::ClockDrift(names.clone(), half)).collect()
        }
        _ => Vec::new(),
    }
}

fn faults(fault: &Fault) -> Vec<Fault> {
    let outcomes = match fault.outcome {
        OfOperation::Short(most) => [1].into_iter().filter(|one| *one < most).map(OfOperation::Short).collect(),
        OfOperation::WouldBlock(span) => smaller(span).into_iter().map(OfOperation::WouldBlock).collect(),
        OfOperation::Delay(span) => smaller(span).into_iter().map(OfOperation::Delay).collect(),
        OfOperation::Error(_) | OfOperation::Reset => Vec::new(),
    };
    let mut simpler: Vec<_> = outcomes.into_iter().map(|outcome| Fault { outcome, ..fault.clone() }).collect();
    // Once is less than again and again.
    let once = if matches!(fault.nth, Which::Nth(_)) { Vec::new() } else { (1..=3).map(Which::Nth).collect() };
    let earlier = if let Which::Nth(nth) = fault.nth { (1..nth).map(Which::Nth).collect() } else { Vec::new() };
    simpler.extend(once.into_iter().chain(earlier).map(|nth| Fault { nth, ..fault.clone() }));
    let numbers = match fault.connection {
        Which::Nth(number) => 1..number,
        Which::Every(_) | Which::Any => 1..4,
    };
    simpler.extend(numbers.map(|number| Fault { connection: Which::Nth(number), ..fault.clone() }));
    simpler
}

/// Shorter spans that read well, the shortest first: 1, 2 and 5 times a power of ten.
fn smaller(span: Duration) -> Vec<Duration> {
    let mut spans = Vec::new();
    let mut unit = Duration::from_millis(1);
    while unit < span {
        spans.extend([1, 2, 5].map(|times| unit * times).into_iter().filter(|shorter| *shorter < span));
        unit *= 10;
    }
    spans
}

#[cfg(test)]
mod tests {
    use sansock::OpKind;

    use super::*;

    /// Whatever a step makes of a line, a chain of steps ends.
    #[test]
    fn every_chain_of_simpler_lines_ends() {
        let hosts = ["a", "b"];
        for seed in 0..200 {
            for line in Scenario::swarm(seed, Duration::from_secs(20), &hosts, 8).lines {
                let (mut now, mut steps) = (line.clone(), 0);
                while let Some(next) = simpler(&now).pop() {
                    assert_ne!(next, now);
                    (now, steps) = (next, steps + 1);
                    assert!(steps < 200, "{line}");
                }
            }
        }
    }

    #[test]
    fn connections_are_renumbered_together() {
        let scenario = Scenario::new(1).fault("a", 4, OpKind::Send, 2, OfOperation::Reset).fault(
            "a",
            6,
            OpKind::Recv,
            1,
            OfOperation::Reset,
        );
        // Fails as long as the second fault's connection comes two behind the first one's.
        let play = |scenario: &Scenario| {
            let numbers: Vec<_> = connections(scenario).collect();
            let fails = numbers.len() == 2 && numbers[1] == numbers[0] + 2;
            outcome(scenario, fails)
        };
        let failure = Failure { outcome: play(&scenario), scenario, runs: 1 };
        let small = shrink(&failure, play);
        assert_eq!(connections(&small.scenario).collect::<Vec<_>>(), [1, 3]);
    }

    /// All at once: it takes one run, and not one for each.
    #[test]
    fn what_never_fired_is_left_out_first() {
        let mut scenario = Scenario::new(1).lasting(Duration::from_millis(1));
        for connection in 1..=100 {
            scenario = scenario.fault("a", connection, OpKind::Send, 1, OfOperation::Reset);
        }
        // Only the fault of connection 1 fires, and it is needed.
        let play = |scenario: &Scenario| {
            let lines: Vec<u64> = connections(scenario).map(|number| u64::from(number == 1)).collect();
            Outcome { lines: lines.clone(), ..outcome(scenario, lines.contains(&1)) }
        };
        let failure = Failure { outcome: play(&scenario), scenario, runs: 1 };
        let small = shrink(&failure, play);
        assert_eq!(connections(&small.scenario).collect::<Vec<_>>(), [1]);
        // And one in each of two passes says that the last line cannot be left out.
        assert_eq!(small.runs, 3);
    }

    /// Hosts count their connections each on its own, so what one line means need not move with the others.
    #[test]
    fn connections_are_renumbered_alone_where_together_will_not_do() {
        let scenario = Scenario::new(1).fault("a", 4, OpKind::Send, 1, OfOperation::Reset).fault(
            "b",
            7,
            OpKind::Send,
            1,
            OfOperation::Reset,
        );
        let play = |scenario: &Scenario| outcome(scenario, connections(scenario).nth(1) == Some(7));
        let failure = Failure { outcome: play(&scenario), scenario: scenario.clone(), runs: 1 };
        // Without the first line it fails, too, so this is about the passes alone.
        let mut shrinking = Shrinking { rule: "planted".into(), best: failure, play };
        shrinking.renumber_connections();
        assert_eq!(shrinking.best.scenario, scenario);
        shrinking.simplify_lines();
        assert_eq!(connections(&shrinking.best.scenario).collect::<Vec<_>>(), [1, 7]);
    }

    #[test]
    fn of_many_lines_those_that_matter_are_left() {
        for seed in 0..50 {
            let scenario = Scenario::swarm(seed, Duration::from_secs(20), &["a", "b"], 40);
            if scenario.lines.len() < 4 {
                continue;
            }
            let needed = [scenario.lines[1].clone(), scenario.lines[scenario.lines.len() - 1].clone()];
            // Simpler lines do not fail.
            let play = |scenario: &Scenario| {
                let fails = needed.iter().all(|line| scenario.lines.contains(line));
                outcome(scenario, fails)
            };
            let failure = Failure { outcome: play(&scenario), scenario, runs: 1 };
            let small = shrink(&failure, play);
            let mut expected = needed.to_vec();
            expected.dedup();
            assert_eq!(small.scenario.lines, expected, "seed {seed}");
            assert_eq!(small.scenario.span, Duration::from_millis(1));
        }
    }

    fn outcome(scenario: &Scenario, fails: bool) -> Outcome {
        let violation = crate::world::Violation {
            rule: if fails { "planted".into() } else { "another".into() },
            problem: String::new(),
            at: sansock::Timestamp::ZERO,
        };
        Outcome {
            hash: 0,
            simulated: Duration::ZERO,
            violation: Some(violation),
            hits: crate::Hits::default(),
            lines: vec![1; scenario.lines.len()],
            sometimes: Vec::new(),
            witness: crate::world::Witness::default(),
            recording: None,
        }
    }
}
