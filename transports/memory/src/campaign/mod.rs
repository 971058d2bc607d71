//! Many runs of a world, one for each seed: what they have seen, and the first failure, made small.
//!
//! ```
//! use std::time::Duration;
//!
//! use sansock_memory::campaign::Campaign;
//! use sansock_memory::scenario::Scenario;
//! # use std::cell::Cell;
//! # use std::convert::Infallible;
//! # use std::rc::Rc;
//! # use bytes::Bytes;
//! # use sansock::{ClientConfig, Context, Handler, Peer, ServerConfig, Service, Verdict};
//! # use sansock_memory::world::World;
//! # #[derive(Clone)]
//! # enum Hello { Server, Client(Rc<Cell<usize>>) }
//! # impl Handler for Hello {
//! #     type Message = Infallible;
//! #     fn on_open(&mut self, cx: &mut Context<'_, Infallible>) {
//! #         if let Self::Client(_) = self { cx.send(Bytes::from_static(b"hello")).expect("there is room"); }
//! #     }
//! #     fn on_data(&mut self, cx: &mut Context<'_, Infallible>, data: Bytes) {
//! #         match self {
//! #             Self::Server => drop(cx.send(data)),
//! #             Self::Client(heard) => heard.set(heard.get() + data.len()),
//! #         }
//! #     }
//! # }
//! # impl Service for Hello {
//! #     type Handler = Self;
//! #     fn accept(&mut self, _: &Peer) -> Verdict<Self> { Verdict::Accept(self.clone()) }
//! # }
//! # fn world(scenario: &Scenario) -> World<Hello> {
//! #     let heard = Rc::new(Cell::new(0));
//! #     let mut world = World::new(scenario);
//! #     world.host("server", ["10.0.0.1".parse().unwrap()], |host| {
//! #         let address = host.address_of("server", 7)?;
//! #         host.serve(ServerConfig::new(address), Hello::Server)?;
//! #         Ok(())
//! #     });
//! #     let service = Hello::Client(heard.clone());
//! #     world.host("client", ["10.0.0.2".parse().unwrap()], move |host| {
//! #         let server = host.address_of("server", 7)?;
//! #         host.connect(ClientConfig::new(vec![server.into()])?, service.clone())?;
//! #         Ok(())
//! #     });
//! #     world.eventually("everything comes back", Duration::from_secs(10), move || match heard.get() {
//! #         0..5 => Err(format!("{} bytes of 5", heard.get())),
//! #         _ => Ok(()),
//! #     });
//! #     world
//! # }
//!
//! // A client that says hello once and never dials again: any fault that ends its connection, or keeps it from coming about, is too much.
//! let scenario = |seed| Scenario::swarm(seed, Duration::from_secs(5), &["server", "client"], 10);
//! let campaign = Campaign::new(scenario, world);
//! let tally = campaign.run(0..1_000, |_| {});
//! let failure = tally.failure.expect("a reset, for one");
//! let small = campaign.shrink(&failure);
//! assert_eq!(small.outcome.violation.unwrap().rule, "everything comes back");
//! assert_eq!(small.scenario.lines.len(), 1, "one fault is enough: {}", small.scenario);
//! ```

mod report;
mod shrink;
mod tally;

use std::ops::Range;

use sansock::Service;

use crate::scenario::Scenario;
use crate::world::{Outcome, Witness, World};

pub use report::{Saved, hash_in};
pub use tally::Tally;

type Build<S> = Box<dyn Fn(&Scenario) -> World<S>>;

/// How to make a scenario of a seed, and a world of a scenario.
pub struct Campaign<S: Service> {
    scenario: Box<dyn Fn(u64) -> Scenario>,
    world: Build<S>,
    repeat_one_in: u64,
}

/// A scenario that led to the violation of a rule.
#[derive(Clone, Debug)]
pub struct Failure {
    /// The scenario.
    pub scenario: Scenario,
    /// What came of it, with a violation.
    pub outcome: Outcome,
    /// How many runs it took to get here: one, or those that shrinking took.
    pub runs: u64,
}

impl<S: Service + 'static> Campaign<S> {
    /// Each run is the world that `world` makes of the scenario that `scenario` makes of a seed, for example by [`Scenario::swarm`]. Nothing but
    /// the scenario may decide what the world is: what two runs share makes one depend on the other.
    pub fn new(scenario: impl Fn(u64) -> Scenario + 'static, world: impl Fn(&Scenario) -> World<S> + 'static) -> Self {
        Self { scenario: Box::new(scenario), world: Box::new(world), repeat_one_in: 64 }
    }

    /// One in so many runs is run again, and must be the same event by event; see [`Witness`]. 1 is every run, 0 is none. Default 64.
    #[must_use]
    pub fn repeating_one_in(mut self, runs: u64) -> Self {
        self.repeat_one_in = runs;
        self
    }

    /// One run for each seed, until a rule is violated. `progress` is told after each run.
    pub fn run(&self, seeds: Range<u64>, mut progress: impl FnMut(&Tally)) -> Tally {
        let mut tally = Tally::default();
        for seed in seeds {
            let scenario = (self.scenario)(seed);
            // Which runs are repeated does not depend on where a campaign is split.
            let repeat = seed.checked_rem(self.repeat_one_in) == Some(0);
            let outcome = if repeat { self.play_twice(&scenario) } else { self.play(&scenario) };
            tally.count(&scenario, &outcome, repeat);
            if outcome.violation.is_some() {
                tally.failure = Some(Failure { scenario, outcome, runs: 1 });
            }
            progress(&tally);
            if tally.failure.is_some() {
                break;
            }
        }
        tally
    }

    /// Runs one scenario.
    #[must_use]
    pub fn play(&self, scenario: &Scenario) -> Outcome {
        (self.world)(scenario).run()
    }

    /// Runs one scenario and keeps a [`Recording`](crate::recording::Recording) of it. Of its outcome, a [`Failure`] takes the recording
    /// alone: if what was violated is that a run is [the same again](crate::world::SAME_RUN), one run does not show it.
    #[must_use]
    pub fn record(&self, scenario: &Scenario) -> Outcome {
        let mut world = (self.world)(scenario);
        world.record();
        world.run()
    }

    /// Runs one scenario, and, unless a rule is violated, again; then the second run must be as the first one.
    #[must_use]
    pub fn play_twice(&self, scenario: &Scenario) -> Outcome {
        let mut world = (self.world)(scenario);
        world.witness(Witness::keeping());
        let first = world.run();
        if first.violation.is_some() {
            return first;
        }
        let mut world = (self.world)(scenario);
        world.witness(Witness::comparing(first.witness));
        world.run()
    }

    /// Makes the scenario of a failure small, as long as it violates the same rule: leaves out what never fired, then lines, as many at once as
    /// possible, then makes numbers and times small. It ends after at most 2,000 runs; what is left then may not be the smallest.
    #[must_use]
    pub fn shrink(&self, failure: &Failure) -> Failure {
        shrink::shrink(failure, |scenario| self.play_twice_if_needed(scenario, failure))
    }

    fn play_twice_if_needed(&self, scenario: &Scenario, failure: &Failure) -> Outcome {
        let rule = failure.outcome.violation.as_ref().map(|violation| violation.rule.as_str());
        if rule == Some(crate::world::SAME_RUN) { self.play_twice(scenario) } else { self.play(scenario) }
    }
}
