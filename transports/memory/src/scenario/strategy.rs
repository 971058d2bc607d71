//! Scenarios for property tests.

use std::time::Duration;

use proptest::prelude::*;
use proptest::sample::select;
use sansock::{FaultKind, OpKind};

use super::{Event, Fault, Line, Names, OPERATIONS, Outcome, Quality, Resolution, Route, Scenario, Which};

impl Scenario {
    /// Scenarios for these hosts, of at most `most` lines. They shrink to fewer lines, earlier times and smaller numbers.
    pub fn strategy(span: Duration, hosts: &[&str], most: usize) -> impl Strategy<Value = Self> + use<> {
        let hosts = names(hosts);
        let lines = prop::collection::vec(line(span, hosts), 0..=most);
        (any::<u64>(), lines).prop_map(move |(seed, lines)| Self { span, lines, ..Self::new(seed) })
    }
}

fn names(hosts: &[&str]) -> BoxedStrategy<Names> {
    let hosts: Vec<Names> = hosts.iter().copied().map(Names::from).chain([Names::any()]).collect();
    select(hosts).boxed()
}

fn line(span: Duration, hosts: BoxedStrategy<Names>) -> impl Strategy<Value = Line> {
    let at = (0..u64::try_from(span.as_millis()).unwrap_or(u64::MAX).max(1)).prop_map(Duration::from_millis);
    prop_oneof![
        1 => (route(&hosts), quality()).prop_map(|(route, quality)| Line::Link(route, quality)),
        3 => (at, event(&hosts)).prop_map(|(at, event)| Line::At(at, event)),
        4 => fault(&hosts).prop_map(Line::Fault),
    ]
}

fn route(hosts: &BoxedStrategy<Names>) -> impl Strategy<Value = Route> + use<> {
    (hosts.clone(), hosts.clone(), any::<bool>()).prop_map(|(from, to, both)| Route { from, to, both })
}

fn millis(most: u64) -> impl Strategy<Value = Duration> {
    (1..=most).prop_map(Duration::from_millis)
}

fn quality() -> impl Strategy<Value = Quality> {
    let option = prop::option::of::<std::ops::Range<u64>>;
    (prop::option::of(millis(300)), prop::option::of(millis(100)), option(1_000..1_000_000), prop::option::of(2_u32..100))
        .prop_map(|(latency, jitter, bandwidth, loss)| Quality { latency, jitter, bandwidth, loss })
}

fn event(hosts: &BoxedStrategy<Names>) -> impl Strategy<Value = Event> + use<> {
    let resolution = prop_oneof![Just(Resolution::Prompt), Just(Resolution::Fails), millis(2_000).prop_map(Resolution::Delayed)];
    prop_oneof![
        route(hosts).prop_map(Event::Partition),
        route(hosts).prop_map(Event::Hold),
        route(hosts).prop_map(Event::Release),
        Just(Event::Heal),
        hosts.clone().prop_map(Event::Crash),
        hosts.clone().prop_map(Event::Restart),
        (hosts.clone(), millis(10_000)).prop_map(|(hosts, by)| Event::ClockJump(hosts, by)),
        (hosts.clone(), -50_000..50_000_i32).prop_map(|(hosts, drift)| Event::ClockDrift(hosts, drift)),
        (hosts.clone(), prop::option::of(1..8_usize)).prop_map(|(hosts, limit)| Event::Descriptors(hosts, limit)),
        (hosts.clone(), resolution).prop_map(|(hosts, resolution)| Event::Resolve(hosts, resolution)),
    ]
}

fn fault(hosts: &BoxedStrategy<Names>) -> impl Strategy<Value = Fault> + use<> {
    let transfer = || select(vec![OpKind::Recv, OpKind::Send]);
    let fallible = select(OPERATIONS.0[..8].to_vec());
    let effect = prop_oneof![
        (transfer(), (1..9_usize).prop_map(Outcome::Short)),
        (transfer(), millis(2_000).prop_map(Outcome::WouldBlock)),
        (select(OPERATIONS.0.to_vec()), millis(2_000).prop_map(Outcome::Delay)),
        (fallible, select(FaultKind::ALL.to_vec()).prop_map(Outcome::Error)),
        (transfer(), Just(Outcome::Reset)),
    ];
    (hosts.clone(), which(6), effect, which(12)).prop_map(|(hosts, connection, (operation, outcome), nth)| Fault {
        hosts,
        connection,
        operation,
        nth,
        outcome,
    })
}

fn which(most: u32) -> impl Strategy<Value = Which> {
    prop_oneof![3 => (1..=most).prop_map(Which::Nth), 1 => (1..=most).prop_map(Which::Every), 1 => Just(Which::Any)]
}
