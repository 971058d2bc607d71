//! What happens to a system from outside: faults, in words that a person can read and write.
//!
//! A [`Scenario`] is a seed and a list of lines. It says nothing about the application, only what befalls its hosts, its links and its
//! socket calls, so one scenario fits many applications. It comes from a builder, from text ([`Scenario::parse`]), from chance
//! ([`Scenario::swarm`]), from proptest (feature `proptest`) or from bytes (feature `arbitrary`), and it is always explicit: what chance has chosen
//! stands in it, so it can be saved, read, cut down and replayed.
//!
//! A [`World`](crate::world::World) carries one out. What drives a [`Simulation`](crate::Simulation) of its own can inject its
//! [faults](crate::Simulation::inject), and look up in it what else to do.
//!
//! ```
//! use sansock_memory::scenario::Scenario;
//!
//! let text = "\
//! sansock scenario 1
//! seed 42
//! for 20s
//! link server <-> client*: latency 5ms jitter 1ms
//! at 1.5s: partition server -> client1
//! at 2s: heal
//! fault server connection 3 send 2: reset
//! fault client* connection any recv every 7: short 1
//! fault server connection any accept 1: error DescriptorLimit
//! ";
//! let scenario = Scenario::parse(text)?;
//! assert_eq!(scenario.lines.len(), 6);
//! assert_eq!(scenario.to_string(), text);
//! # Ok::<(), sansock_memory::scenario::ParseError>(())
//! ```

#[cfg(feature = "arbitrary")]
mod arbitrary;
mod glob;
mod parse;
#[cfg(feature = "proptest")]
mod strategy;
mod swarm;
mod text;

use std::time::Duration;

use sansock::{FaultKind, OpKind};

pub use glob::Names;
pub use parse::ParseError;

/// A seed, and what happens.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Scenario {
    /// Decides everything that is left to chance: jitter, loss, short transfers and late completions.
    pub seed: u64,
    /// How long faults last. After that the network heals and links are what they are without a scenario, hosts that are down are restarted,
    /// clocks run right, no fault of an operation fires any more, and what a rule says must happen eventually gets its time.
    pub span: Duration,
    /// The world that it was made for, in words that whoever replays it understands. Empty if there is only one.
    pub world: String,
    /// What happens. The order of lines decides where several match: of faults of the same operation the first one fires; what happens at
    /// the same time happens in order; of links, and of how names are resolved, the last line counts.
    pub lines: Vec<Line>,
}

/// One line of a scenario.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Line {
    /// What a link is like, from the beginning.
    Link(Route, Quality),
    /// Something that happens at a time. If that is not before the end of the [span](Scenario::span), it does not happen.
    At(Duration, Event),
    /// Something that happens to an operation.
    Fault(Fault),
}

/// One direction or both between two sets of hosts. A host's link to itself belongs to it only if both sets name the host.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Route {
    /// The hosts that send.
    pub from: Names,
    /// The hosts that receive.
    pub to: Names,
    /// Also the other direction.
    pub both: bool,
}

/// What a link is like. What is `None` stays as the network's configuration has it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Quality {
    /// How long a segment travels.
    pub latency: Option<Duration>,
    /// Up to this much is added to the latency, by chance.
    pub jitter: Option<Duration>,
    /// Bytes per second.
    pub bandwidth: Option<u64>,
    /// One in so many segments is lost and sent again, which is seen as delay: 200 ms and more; see [`Link::loss_in`](crate::Link::loss_in).
    pub loss: Option<u32>,
}

/// What happens at a time.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Event {
    /// Nothing gets through; what is sent is sent again after the partition, as TCP does.
    Partition(Route),
    /// What is sent waits for a [`Event::Release`].
    Hold(Route),
    /// What was held travels on.
    Release(Route),
    /// Every partition and hold ends.
    Heal,
    /// The hosts lose their sockets and all that was not on their disks. Peers learn of it when they send.
    Crash(Names),
    /// The hosts that are down are up again.
    Restart(Names),
    /// The hosts' clocks jump ahead.
    ClockJump(Names, Duration),
    /// The hosts' clocks run too fast (or too slow, if negative), by so many millionths.
    ClockDrift(Names, i32),
    /// The hosts may have so many sockets open; `None`: as many as without the scenario, which is any number unless the world says otherwise.
    Descriptors(Names, Option<usize>),
    /// How those fare from now on who ask for the addresses of these hosts.
    Resolve(Names, Resolution),
}

/// How somebody fares who asks for the addresses of a host.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Resolution {
    /// There is an answer at once.
    #[default]
    Prompt,
    /// There is an answer after so long.
    Delayed(Duration),
    /// Nobody answers, and that is given up after a while.
    Fails,
}

/// A fault addressed by meaning: which operation, of which connection, of which host.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Fault {
    /// The hosts.
    pub hosts: Names,
    /// Which of the host's connections, counted in the order in which the host accepted or dialled them, over all its lives. What comes
    /// before a connection has its number belongs to every connection: each create, bind, listen and accept.
    pub connection: Which,
    /// The operation.
    pub operation: OpKind,
    /// Which of the connection's operations of this kind; of those that belong to every connection, which of the host's.
    pub nth: Which,
    /// What comes of it.
    pub outcome: Outcome,
}

/// Which one of a sequence, counted from 1.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Which {
    /// This one.
    Nth(u32),
    /// Each that this divides.
    Every(u32),
    /// Each.
    Any,
}

/// What comes of an operation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// A receive or send moves at most so many bytes; zero counts as one.
    Short(usize),
    /// The socket is not ready for so long.
    WouldBlock(Duration),
    /// The completion comes so much later than it came about.
    Delay(Duration),
    /// It fails.
    Error(FaultKind),
    /// The peer resets the connection just before.
    Reset,
}

impl Scenario {
    /// Nothing happens, for 30 s.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self { seed, span: Duration::from_secs(30), world: String::new(), lines: Vec::new() }
    }

    /// How long faults last.
    #[must_use]
    pub fn lasting(mut self, span: Duration) -> Self {
        self.span = span;
        self
    }

    /// The world that it is made for: a few words. As in a text, colons at their ends and what stands behind a `#` count for nothing.
    #[must_use]
    pub fn of_world(mut self, world: &str) -> Self {
        self.world = parse::words(world);
        self
    }

    /// What the link from one set of hosts to another is like, both ways.
    #[must_use]
    pub fn link(self, from: impl Into<Names>, to: impl Into<Names>, quality: Quality) -> Self {
        self.line(Line::Link(Route::both(from, to), quality))
    }

    /// Something happens at a time.
    #[must_use]
    pub fn at(self, at: Duration, event: Event) -> Self {
        self.line(Line::At(at, event))
    }

    /// Something happens to an operation: the `nth` one of this kind of the host's `connection`.
    #[must_use]
    pub fn fault(
        self,
        hosts: impl Into<Names>,
        connection: impl Into<Which>,
        operation: OpKind,
        nth: impl Into<Which>,
        outcome: Outcome,
    ) -> Self {
        let (hosts, connection, nth) = (hosts.into(), connection.into(), nth.into());
        self.line(Line::Fault(Fault { hosts, connection, operation, nth, outcome }))
    }

    /// One more line.
    #[must_use]
    pub fn line(mut self, line: Line) -> Self {
        self.lines.push(line);
        self
    }
}

impl Line {
    /// The kind of what it does, in a word or two: `partition`, `reset`.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Link(..) => "link",
            Self::At(_, event) => match event {
                Event::Partition(_) => "partition",
                Event::Hold(_) => "hold",
                Event::Release(_) => "release",
                Event::Heal => "heal",
                Event::Crash(_) => "crash",
                Event::Restart(_) => "restart",
                Event::ClockJump(..) => "clock jump",
                Event::ClockDrift(..) => "clock drift",
                Event::Descriptors(..) => "descriptors",
                Event::Resolve(..) => "resolve",
            },
            Self::Fault(fault) => match fault.outcome {
                Outcome::Short(_) => "short",
                Outcome::WouldBlock(_) => "would-block",
                Outcome::Delay(_) => "delay",
                Outcome::Error(_) => "error",
                Outcome::Reset => "reset",
            },
        }
    }
}

impl Route {
    /// From here to there.
    pub fn one_way(from: impl Into<Names>, to: impl Into<Names>) -> Self {
        Self { from: from.into(), to: to.into(), both: false }
    }

    /// Both ways.
    pub fn both(from: impl Into<Names>, to: impl Into<Names>) -> Self {
        Self { both: true, ..Self::one_way(from, to) }
    }

    /// True if the direction between these hosts belongs to it.
    #[must_use]
    pub fn covers(&self, from: &str, to: &str) -> bool {
        (self.from.matches(from) && self.to.matches(to)) || (self.both && self.from.matches(to) && self.to.matches(from))
    }
}

impl Which {
    /// True if it means this one.
    #[must_use]
    pub fn matches(self, number: u32) -> bool {
        match self {
            Self::Nth(nth) => nth == number,
            Self::Every(step) => number.checked_rem(step) == Some(0),
            Self::Any => true,
        }
    }
}

impl From<u32> for Which {
    fn from(nth: u32) -> Self {
        Self::Nth(nth)
    }
}

impl Outcome {
    /// True if this can come of that operation.
    #[must_use]
    pub const fn fits(self, operation: OpKind) -> bool {
        match self {
            Self::Short(_) | Self::WouldBlock(_) | Self::Reset => matches!(operation, OpKind::Recv | OpKind::Send),
            Self::Error(_) => OPERATIONS.contains_fallible(operation),
            Self::Delay(_) => OPERATIONS.contains(operation),
        }
    }
}

/// The operations that a fault can be about.
pub(crate) const OPERATIONS: Operations = Operations([
    OpKind::Create,
    OpKind::Bind,
    OpKind::Listen,
    OpKind::Accept,
    OpKind::Connect,
    OpKind::Recv,
    OpKind::Send,
    OpKind::Shutdown,
    OpKind::Close,
]);

pub(crate) struct Operations(pub(crate) [OpKind; 9]);

impl Operations {
    const fn contains(&self, operation: OpKind) -> bool {
        !matches!(operation, OpKind::Startup | OpKind::Cleanup | OpKind::Cancel)
    }

    /// A close that fails counts as closed, so a fault of it would change nothing.
    const fn contains_fallible(&self, operation: OpKind) -> bool {
        self.contains(operation) && !matches!(operation, OpKind::Close)
    }
}
