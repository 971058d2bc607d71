//! What a scenario does to a world.

use std::collections::VecDeque;

use sansock::{Node, Service, Timestamp};

use super::host::Resident;
use crate::faults::InjectionId;
use crate::links::Link;
use crate::network::HostId;
use crate::recording::Happening;
use crate::scenario::{Event, Fault, Line, Names, Quality, Resolution, Route, Scenario};
use crate::simulation::Simulation;

/// A scenario that is being carried out.
pub(super) struct Script {
    scenario: Scenario,
    /// What links were before each change, in the order of the changes.
    links: Vec<(HostId, HostId, Link)>,
    /// How many sockets each host may have open without the scenario, in the order of the hosts.
    descriptors: Vec<usize>,
    /// Lines that happen at a time, in order.
    agenda: VecDeque<(Timestamp, usize)>,
    /// How often each line has done something, but for faults of operations.
    hits: Vec<u64>,
    /// What became of each line that is a fault of operations.
    injections: Vec<(usize, InjectionId)>,
    /// How those fare who ask for addresses: of several that match a name, the last one counts.
    resolutions: Vec<(Names, Resolution)>,
    /// Hosts that an event has started, and that have not been told so.
    started: VecDeque<usize>,
}

impl Script {
    pub(super) fn new(scenario: &Scenario) -> Self {
        let times = scenario.lines.iter().enumerate();
        let times = times.filter_map(|(index, line)| match line {
            Line::At(at, _) if *at < scenario.span => Some((Timestamp::ZERO + *at, index)),
            _ => None,
        });
        let mut agenda: Vec<_> = times.collect();
        agenda.sort_by_key(|(at, _)| *at);
        Self {
            scenario: scenario.clone(),
            links: Vec::new(),
            descriptors: Vec::new(),
            agenda: agenda.into(),
            hits: vec![0; scenario.lines.len()],
            injections: Vec::new(),
            resolutions: Vec::new(),
            started: VecDeque::new(),
        }
    }

    pub(super) fn span(&self) -> Timestamp {
        Timestamp::ZERO + self.scenario.span
    }

    /// When something happens next.
    pub(super) fn next_time(&self) -> Option<Timestamp> {
        self.agenda.front().map(|(at, _)| *at)
    }

    /// How somebody fares now who asks for the addresses of this host.
    pub(super) fn resolution(&self, host: &str) -> Resolution {
        let matching = self.resolutions.iter().rev().find(|(names, _)| names.matches(host));
        matching.map_or_else(Resolution::default, |(_, resolution)| *resolution)
    }

    /// What holds from the beginning.
    pub(super) fn begin<S: Service>(&mut self, simulation: &mut Simulation<Node<S>>, residents: &[Resident<S>]) {
        let network = simulation.network();
        self.descriptors = residents.iter().map(|resident| network.hosts[resident.id.index()].descriptor_limit).collect();
        for (index, line) in self.scenario.lines.iter().enumerate() {
            match line {
                Line::Link(route, quality) => {
                    let links = &mut self.links;
                    self.hits[index] += each_direction(residents, route, |from, to| {
                        let network = simulation.network();
                        let before = network.link(from.id, to.id);
                        links.push((from.id, to.id, before));
                        network.set_link(from.id, to.id, with(before, quality));
                    });
                }
                Line::Fault(fault) => {
                    for resident in residents.iter().filter(|resident| fault.hosts.matches(&resident.name)) {
                        self.injections.push((index, simulation.inject(resident.machine, Fault::clone(fault))));
                    }
                }
                Line::At(..) => {}
            }
        }
    }

    /// Does one thing that is due; then gives a host that is to start, if that is what it did.
    pub(super) fn next_due<S: Service>(
        &mut self,
        now: Timestamp,
        simulation: &mut Simulation<Node<S>>,
        residents: &mut [Resident<S>],
    ) -> Option<usize> {
        while self.started.is_empty() {
            let (_, index) = self.agenda.pop_front_if(|(at, _)| *at <= now)?;
            if let Line::At(_, event) = self.scenario.lines[index].clone() {
                self.hits[index] += self.carry_out(&event, simulation, residents);
            }
        }
        self.started.pop_front()
    }

    /// The end of all faults; gives the hosts that are to start.
    pub(super) fn end<S: Service>(&mut self, simulation: &mut Simulation<Node<S>>, residents: &mut [Resident<S>]) -> Vec<usize> {
        self.agenda.clear();
        let any = Names::any();
        self.carry_out(&Event::Heal, simulation, residents);
        self.carry_out(&Event::ClockDrift(any.clone(), 0), simulation, residents);
        self.carry_out(&Event::Restart(any.clone()), simulation, residents);
        self.carry_out(&Event::Descriptors(any, None), simulation, residents);
        self.resolutions.clear();
        for (from, to, before) in self.links.drain(..).rev() {
            simulation.network().set_link(from, to, before);
        }
        simulation.end_faults();
        self.started.drain(..).collect()
    }

    /// How often each line has done something.
    pub(super) fn hits<S: Service>(&self, simulation: &Simulation<Node<S>>) -> Vec<u64> {
        let mut hits = self.hits.clone();
        for (index, injection) in &self.injections {
            hits[*index] += simulation.injected(*injection);
        }
        hits
    }

    /// Carries out an event; how many hosts or directions it concerned.
    fn carry_out<S: Service>(
        &mut self,
        event: &Event,
        simulation: &mut Simulation<Node<S>>,
        residents: &mut [Resident<S>],
    ) -> u64 {
        if simulation.network().recording().is_some() {
            simulation.network().note(Happening::Fault { host: None, text: event.to_string() });
        }
        match event {
            Event::Partition(route) => {
                each_direction(residents, route, |from, to| simulation.network().partition(from.id, to.id))
            }
            Event::Hold(route) => each_direction(residents, route, |from, to| simulation.network().hold(from.id, to.id)),
            Event::Release(route) => each_direction(residents, route, |from, to| simulation.network().release(from.id, to.id)),
            Event::Heal => {
                simulation.network().heal();
                1
            }
            Event::Crash(names) => each_host(residents, names, |_, resident| {
                let up = !simulation.network().is_down(resident.id);
                if up {
                    simulation.crash(resident.id);
                    resident.life.end();
                }
                up
            }),
            Event::Restart(names) => each_host(residents, names, |index, resident| {
                let down = simulation.network().is_down(resident.id);
                if down {
                    simulation.restart(resident.machine, Node::default());
                    self.started.push_back(index);
                }
                down
            }),
            Event::ClockJump(names, by) => each_host(residents, names, |_, resident| {
                simulation.jump_clock(resident.machine, *by);
                true
            }),
            Event::ClockDrift(names, millionths) => each_host(residents, names, |_, resident| {
                simulation.drift_clock(resident.machine, *millionths);
                true
            }),
            Event::Resolve(names, resolution) => {
                self.resolutions.push((names.clone(), *resolution));
                each_host(residents, names, |_, _| true)
            }
            Event::Descriptors(names, limit) => each_host(residents, names, |index, resident| {
                simulation.network().limit_descriptors(resident.id, limit.unwrap_or(self.descriptors[index]));
                true
            }),
        }
    }
}

fn each_host<S: Service>(
    residents: &mut [Resident<S>],
    names: &Names,
    mut call: impl FnMut(usize, &mut Resident<S>) -> bool,
) -> u64 {
    let named = residents.iter_mut().enumerate().filter(|(_, resident)| names.matches(&resident.name));
    named.map(|(index, resident)| u64::from(call(index, resident))).sum()
}

/// Every direction of the route.
fn each_direction<S: Service>(residents: &[Resident<S>], route: &Route, mut call: impl FnMut(&Resident<S>, &Resident<S>)) -> u64 {
    let pairs = residents.iter().flat_map(|from| residents.iter().map(move |to| (from, to)));
    let covered = pairs.filter(|(from, to)| route.covers(&from.name, &to.name));
    covered.map(|(from, to)| call(from, to)).count() as u64
}

fn with(link: Link, quality: &Quality) -> Link {
    Link {
        latency: quality.latency.unwrap_or(link.latency),
        jitter: quality.jitter.unwrap_or(link.jitter),
        bandwidth: quality.bandwidth.or(link.bandwidth),
        loss_in: quality.loss.unwrap_or(link.loss_in),
    }
}
