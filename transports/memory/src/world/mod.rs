//! Whole systems under a scenario: hosts that start, crash and start again, rules that must hold, one run in virtual time.
//!
//! A [`World`] is built for one run of one [`Scenario`]: hosts by name, each with what it starts; then the rules. [`World::run`] carries the scenario
//! out and says what came of it. The handlers, services and configurations are those that run on real sockets.
//!
//! ```
//! use std::cell::Cell;
//! use std::convert::Infallible;
//! use std::rc::Rc;
//! use std::time::Duration;
//!
//! use bytes::Bytes;
//! use sansock::{ClientConfig, Context, Handler, OpKind, Peer, ServerConfig, Service, Verdict};
//! use sansock_memory::scenario::{Outcome, Scenario};
//! use sansock_memory::world::World;
//!
//! /// The server sends back what it gets; a client says hello and counts what comes back.
//! #[derive(Clone)]
//! enum Hello {
//!     Server,
//!     Client(Rc<Cell<usize>>),
//! }
//!
//! impl Handler for Hello {
//!     type Message = Infallible;
//!
//!     fn on_open(&mut self, cx: &mut Context<'_, Infallible>) {
//!         if let Self::Client(_) = self {
//!             cx.send(Bytes::from_static(b"hello")).expect("there is room");
//!         }
//!     }
//!
//!     fn on_data(&mut self, cx: &mut Context<'_, Infallible>, data: Bytes) {
//!         match self {
//!             Self::Server => cx.send(data).expect("there is room"),
//!             Self::Client(heard) => heard.set(heard.get() + data.len()),
//!         }
//!     }
//! }
//!
//! impl Service for Hello {
//!     type Handler = Self;
//!
//!     fn accept(&mut self, _: &Peer) -> Verdict<Self> {
//!         Verdict::Accept(self.clone())
//!     }
//! }
//!
//! fn world(scenario: &Scenario) -> World<Hello> {
//!     let heard = Rc::new(Cell::new(0));
//!     let mut world = World::new(scenario);
//!     world.host("server", ["10.0.0.1".parse().unwrap()], |host| {
//!         let address = host.address_of("server", 7)?;
//!         host.serve(ServerConfig::new(address), Hello::Server)?;
//!         Ok(())
//!     });
//!     let service = Hello::Client(heard.clone());
//!     world.host("client", ["10.0.0.2".parse().unwrap()], move |host| {
//!         let server = host.address_of("server", 7)?;
//!         host.connect(ClientConfig::new(vec![server.into()])?, service.clone())?;
//!         Ok(())
//!     });
//!     world.eventually("everything comes back", Duration::from_secs(10), move || match heard.get() {
//!         0..5 => Err(format!("{} bytes of 5", heard.get())),
//!         _ => Ok(()),
//!     });
//!     world
//! }
//!
//! let calm = Scenario::new(1);
//! assert!(world(&calm).run().violation.is_none());
//!
//! let rough = Scenario::new(1).fault("server", 1, OpKind::Send, 1, Outcome::Reset);
//! let outcome = world(&rough).run();
//! assert_eq!(outcome.lines, [1], "the line has fired once");
//! assert_eq!(outcome.violation.unwrap().to_string(), "'everything comes back' is violated at 40.000000000s: 0 bytes of 5");
//! ```
//!
//! # Phases
//!
//! First the hosts start, in the order in which they were added. Until [`Scenario::span`] the scenario's lines do what they say. Then the network
//! heals: partitions and holds end, links and limits of descriptors are what they were before the scenario, hosts that are down start again,
//! clocks run right (jumps stay), no fault hits an operation, and names are resolved at once. Then everything that must happen eventually has
//! its time, and when it has happened the run ends. Without such a rule it ends with the span.
//!
//! At one instant comes first what the network and the hosts' machines do, then the scenario's lines in their order, then one by one what hosts
//! have [put off](Host::after).
//!
//! # What survives a crash
//!
//! What the code that starts a host creates is lost with the host's sockets, its servers and its clients. What that code has captured from outside
//! survives, as a disk does.
//!
//! # Panics of the application
//!
//! A panic while the world runs is caught and ends the run as a violation of the rule [`NO_PANIC`]. An application that gives outputs without end
//! while no time passes, or puts off more and more for one instant, violates [`NO_SPIN`]. A host whose start fails violates [`STARTS`].

mod host;
mod outcome;
mod rules;
mod script;
mod witness;
mod words;

use std::any::Any;
use std::error::Error;
use std::net::IpAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use rustc_hash::FxHashSet;
use sansock::{Node, NodeEvent, Service, SlotRange, Timestamp};

use crate::agenda::Agenda;
use crate::config::NetworkConfig;
use crate::network::HostId;
use crate::recording::Happening;
use crate::scenario::Scenario;
use crate::simulation::{Progress, Simulation, Step};

use host::{Errand, Life, Resident};
use rules::{Always, Eventually, Rules, Sometimes};
use script::Script;

pub use host::{Host, ResolveError, UnknownHost};
pub use outcome::{Divergence, Outcome, Violation};
pub use witness::{Footprint, Witness};

/// The rule that the application does not panic.
pub const NO_PANIC: &str = "no panic";
/// The rule that outputs at one instant end; see [`Spin`](crate::Spin).
pub const NO_SPIN: &str = "no spin";
/// The rule that a host's start does not fail.
pub const STARTS: &str = "every host starts";
/// The rule that the same scenario leads to the same run; see [`Witness`].
pub const SAME_RUN: &str = "the same run again";

/// Hosts, what they run, and rules, for one run of one scenario.
pub struct World<S: Service> {
    simulation: Simulation<Node<S>>,
    residents: Vec<Resident<S>>,
    /// Theirs.
    names: FxHashSet<String>,
    /// What hosts want to do later: which host, in which of its lives.
    errands: Agenda<(usize, u32, Errand<S>)>,
    script: Script,
    rules: Rules,
    witness: Witness,
    records: bool,
    /// Reused.
    events: Vec<(usize, NodeEvent)>,
}

impl<S: Service + 'static> World<S> {
    /// No hosts yet, on a network that is as [`NetworkConfig::default`] says until the scenario says otherwise.
    #[must_use]
    pub fn new(scenario: &Scenario) -> Self {
        Self::on(NetworkConfig::default(), scenario)
    }

    /// No hosts yet, on this network.
    #[must_use]
    pub fn on(network: NetworkConfig, scenario: &Scenario) -> Self {
        Self {
            simulation: Simulation::new(network, scenario.seed),
            residents: Vec::new(),
            names: FxHashSet::default(),
            errands: Agenda::default(),
            script: Script::new(scenario),
            rules: Rules::default(),
            witness: Witness::default(),
            records: false,
            events: Vec::new(),
        }
    }

    /// Adds a host. `start` runs when the world does, and again whenever the host comes up after a crash; see the
    /// [module](self#what-survives-a-crash). What it gives names the host to [`network`](World::network).
    ///
    /// # Panics
    /// If the name is not one that a scenario can say, which is one word without `*` and `#`, and with no colon at its end; if another host
    /// has it; or if another host has one of the addresses.
    pub fn host(
        &mut self,
        name: impl Into<String>,
        addresses: impl IntoIterator<Item = IpAddr>,
        start: impl FnMut(&mut Host<'_, S>) -> Result<(), Box<dyn Error>> + 'static,
    ) -> HostId {
        let addresses: Vec<_> = addresses.into_iter().collect();
        let name = name.into();
        self.check_names(&name, &addresses);
        let id = self.simulation.network().add_host_named(&name, addresses.iter().copied());
        let machine = self.simulation.add(id, Node::new(SlotRange::ALL));
        self.residents.push(Resident { name, addresses, id, machine, start: Some(Box::new(start)), life: Life::default() });
        id
    }

    fn check_names(&mut self, name: &str, addresses: &[IpAddr]) {
        let is_word =
            !name.is_empty() && !name.ends_with(':') && !name.contains(|c: char| c.is_whitespace() || c == '*' || c == '#');
        let right = "a name is one word without '*' and '#', and with no colon at its end";
        assert!(is_word, "'{name}' is no name of a host; {right}");
        assert!(self.names.insert(name.to_owned()), "two hosts are called '{name}'");
        let network = self.simulation.network();
        for address in addresses {
            let Some(owner) = network.owner(*address) else { continue };
            panic!("both '{}' and '{name}' have the address {address}", network.host_name(owner));
        }
    }

    /// The network, to set what a scenario does not.
    pub const fn network(&mut self) -> &mut crate::Network {
        self.simulation.network()
    }

    /// What must hold whenever code of the application has run: after every call of a machine, after each start of a host, and after each
    /// thing that a host has [put off](Host::after) or [watches](Host::on_event). It is asked very often, so it should look only at what is
    /// new.
    pub fn always(&mut self, name: impl Into<String>, holds: impl FnMut() -> Result<(), String> + 'static) {
        self.rules.always.push(Always { name: name.into(), holds: Box::new(holds) });
    }

    /// What should be seen in some run of many, or the runs do not test what they are meant to; see
    /// [`Tally::sometimes`](crate::campaign::Tally::sometimes).
    pub fn sometimes(&mut self, name: impl Into<String>, seen: impl FnMut() -> bool + 'static) {
        self.rules.sometimes.push(Sometimes { name: name.into(), see: Box::new(seen), seen: false });
    }

    /// What must come about within this time after the scenario's span, its last instant included. Once is enough. It counts from the span's
    /// end on, not before.
    pub fn eventually(&mut self, name: impl Into<String>, within: Duration, holds: impl FnMut() -> Result<(), String> + 'static) {
        self.rules.eventually.push(Eventually { name: name.into(), within, holds: Box::new(holds), happened: false });
    }

    /// Whoever sees every event, to keep it or to compare it with an earlier run.
    pub fn witness(&mut self, witness: Witness) {
        self.witness = witness;
    }

    /// Keeps a recording of the run; see [`Outcome::recording`]. Without it a run is faster and takes less memory, and is the same.
    pub fn record(&mut self) {
        self.records = true;
    }

    /// Runs the world to its end, or to the first violation of a rule.
    #[must_use]
    pub fn run(mut self) -> Outcome {
        let played = catch_unwind(AssertUnwindSafe(|| self.play()));
        let at = self.simulation.now();
        let violation = match played {
            Ok(Ok(())) => None,
            Ok(Err(violation)) => Some(violation),
            Err(panic) => Some(Violation::new(NO_PANIC, words_of(panic.as_ref()), at)),
        };
        if let Some(violation) = &violation {
            let (rule, text) = (violation.rule.clone(), violation.problem.clone());
            self.simulation.network().note(Happening::Violated { rule, text });
        }
        Outcome {
            hash: self.simulation.trace_hash(),
            simulated: at.saturating_since(Timestamp::ZERO),
            violation,
            hits: self.simulation.hits(),
            lines: self.script.hits(&self.simulation),
            sometimes: self.rules.sometimes.into_iter().map(|sometimes| (sometimes.name, sometimes.seen)).collect(),
            witness: self.witness,
            recording: self.simulation.network().take_recording(),
        }
    }

    fn play(&mut self) -> Result<(), Violation> {
        if self.records {
            self.simulation.network().start_recording();
        }
        self.script.begin(&mut self.simulation, &self.residents);
        for host in 0..self.residents.len() {
            self.start(host)?;
        }
        // Also if there is no host.
        self.check()?;
        let span = self.script.span();
        self.run_to(span)?;
        self.simulation.network().advance(span);
        self.calm_down()?;
        while let Some(limit) = self.rules.next_limit() {
            let finished = self.run_to(limit)?;
            self.rules.end_of_time(self.simulation.now(), finished)?;
        }
        let now = self.simulation.now();
        self.witness.end().map_err(|divergence| Violation::new(SAME_RUN, divergence.to_string(), now))
    }

    /// Runs until then; in the last phase, until everything has happened that must. True if nothing can happen any more.
    fn run_to(&mut self, end: Timestamp) -> Result<bool, Violation> {
        while !self.rules.are_over() {
            let planned = [self.script.next_time(), self.errands.next_time()].into_iter().flatten().min();
            let appointment = planned.filter(|at| *at <= end);
            match self.step(appointment.unwrap_or(end))? {
                Progress::Called(_) => self.check()?,
                Progress::Spoke | Progress::Advanced => {}
                Progress::Finished if planned.is_none() => return Ok(true),
                Progress::Reached | Progress::Finished => {
                    self.simulation.network().advance(appointment.unwrap_or(end));
                    if appointment.is_none() {
                        return Ok(false);
                    }
                    self.keep_appointments()?;
                }
            }
        }
        Ok(false)
    }

    /// Looks at the rules: to be done whenever code of the application has run.
    fn check(&mut self) -> Result<(), Violation> {
        self.rules.check(self.simulation.now())
    }

    /// One step of the simulation, and what the hosts do about its events.
    fn step(&mut self, limit: Timestamp) -> Result<Progress, Violation> {
        let Self { simulation, witness, events, .. } = self;
        let mut last = None;
        let progress = simulation.step(limit, |at, machine, step| {
            if witness.is_on() {
                last = Some(Footprint::of(at, machine, &step));
            }
            if let Step::Event(event) = step {
                events.push((machine.index(), event));
            }
        });
        let progress = progress.map_err(|spin| Violation::new(NO_SPIN, spin.to_string(), spin.at))?;
        if let Some(footprint) = last {
            let footprint = footprint.hashed(simulation.trace_hash());
            witness.see(footprint).map_err(|divergence| Violation::new(SAME_RUN, divergence.to_string(), simulation.now()))?;
        }
        if !self.events.is_empty() {
            let mut events = std::mem::take(&mut self.events);
            for (host, event) in events.drain(..) {
                self.tell(host, &event);
                self.check()?;
            }
            self.events = events;
        }
        Ok(progress)
    }

    /// What the scenario has planned for now, then one thing that a host has: what that leads to at this instant comes before the next.
    fn keep_appointments(&mut self) -> Result<(), Violation> {
        let now = self.simulation.now();
        while let Some(host) = self.script.next_due(now, &mut self.simulation, &mut self.residents) {
            self.start(host)?;
        }
        let Some((host, life, errand)) = self.errands.take_due(now) else { return Ok(()) };
        let Resident { name, machine, life: present, .. } = &self.residents[host];
        if !present.is(life) {
            return Ok(());
        }
        self.simulation.count_output(*machine, None).map_err(|spin| {
            let problem = format!("{name}: what it has put off for {} puts off more for the same instant, without end", spin.at);
            Violation::new(NO_SPIN, problem, spin.at)
        })?;
        self.with_host(host, errand);
        self.check()
    }

    /// The end of all faults.
    fn calm_down(&mut self) -> Result<(), Violation> {
        for host in self.script.end(&mut self.simulation, &mut self.residents) {
            self.start(host)?;
        }
        self.rules.begin_last_phase(self.simulation.now());
        self.check()
    }

    fn start(&mut self, host: usize) -> Result<(), Violation> {
        let Some(mut start) = self.residents[host].start.take() else { return Ok(()) };
        self.residents[host].life.begin();
        let started = self.with_host(host, |host| start(host));
        self.residents[host].start = Some(start);
        let name = &self.residents[host].name;
        started.map_err(|error| Violation::new(STARTS, format!("{name}: {error}"), self.simulation.now()))?;
        self.check()
    }

    fn tell(&mut self, host: usize, event: &NodeEvent) {
        if self.records {
            let text = words::of(event);
            self.simulation.network().note(Happening::Said { host, text });
        }
        let mut watchers = std::mem::take(&mut self.residents[host].life.watchers);
        self.with_host(host, |host| {
            host.start_again(event);
            for watcher in &mut watchers {
                watcher(host, event);
            }
        });
        // Those that were added meanwhile come behind.
        let life = &mut self.residents[host].life;
        watchers.append(&mut life.watchers);
        life.watchers = watchers;
    }

    fn with_host<R>(&mut self, host: usize, call: impl FnOnce(&mut Host<'_, S>) -> R) -> R {
        let mut life = std::mem::take(&mut self.residents[host].life);
        let result = call(&mut Host {
            index: host,
            residents: &self.residents,
            simulation: &mut self.simulation,
            script: &self.script,
            errands: &mut self.errands,
            life: &mut life,
        });
        self.residents[host].life = life;
        result
    }
}

fn words_of(panic: &(dyn Any + Send)) -> String {
    let words = panic.downcast_ref::<&str>().map(|words| (*words).to_owned());
    words.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "a panic without words".into())
}
