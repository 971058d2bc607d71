//! Every reachable state of a machine, not a sample.
//!
//! A [`Subject`] says which machine is searched, what its application can call, and what the surroundings remember. [`search`] then
//! starts from the first state and does *everything that can happen* in it, then everything that can happen in the states which that
//! leads to, until no new state is found. What can happen is: each output is polled, or not yet; each operation in flight completes with
//! each outcome, impossible ones included; each socket is reported as broken; time passes up to the deadlines, with and without anybody
//! looking; the application calls whatever it can call.
//!
//! Two states are the same if they encode alike ([`Canonical`]): deadlines count from the present, bytes by their
//! number, the past not at all. So the number of states is finite if the limits are small: queues of one or two bytes, time-outs of one
//! to three nanoseconds (time moves by single nanoseconds while something is armed, so that every deadline is met early, on time and
//! late). A machine whose state does not stay finite is told so, with [`Options::most_states`].
//!
//! # What is checked
//!
//! - At every edge: the contract of [`Machine`]. Operations name sockets that exist; one of a kind is in flight; a close
//!   comes when nothing else is, and nothing comes after it; nothing is asked of a socket that has failed; the last event is the last,
//!   and every socket is closed by then; handling a time-out makes progress; nothing panics, and every call comes
//!   back. And what the subject checks.
//! - In every state: polling ends after a constant number of outputs and does not move the deadline; a completion that nobody waits for
//!   (repeated, stale, unknown, of the wrong kind or outcome) is refused and changes nothing; so does a time-out that is not due; a clock
//!   that was set back is no earlier; if nothing is in flight and no deadline is armed, the machine has ended or waits for its application.
//! - From every state: the subject's [`Promise`]s.
//! - Of a sample of states: another way that leads there leads to the same state, and everything that happens then is the same.
//!   This is what shows that the encoding leaves nothing out.
//!
//! The first rule that is broken ends the search with a [`Violation`], which prints a shortest way there.
//!
//! # Example
//!
//! Every state of a session with a handler of one's own:
//!
//! ```
//! use std::convert::Infallible;
//! use std::sync::Arc;
//! use std::time::Duration;
//!
//! use bytes::Bytes;
//! use sansock::state::Table;
//! use sansock::{
//!     Canonical, ConnectionConfig, Context, Handler, Order, Origin, Peer, Session, SessionEvent, SocketId, Timestamp,
//! };
//! use sansock_memory::closure::{Behaviour, Check, EventOf, Options, Promise, Subject, Told, World, search};
//!
//! /// Answers the first bytes with one byte, and finishes.
//! #[derive(Clone, Debug)]
//! struct Greeter;
//!
//! impl Handler for Greeter {
//!     type Message = Infallible;
//!
//!     fn on_data(&mut self, cx: &mut Context<'_, Infallible>, _: Bytes) {
//!         let _ = cx.send("!");
//!         cx.finish();
//!     }
//! }
//!
//! impl Canonical for Greeter {
//!     fn canonical(&self, _: Timestamp, _: &mut Vec<u8>) {}
//! }
//!
//! #[derive(Clone)]
//! struct Greeting;
//!
//! impl Greeting {
//!     fn socket() -> SocketId {
//!         SocketId::new(0, 0).expect("slot 0 is in range")
//!     }
//! }
//!
//! impl Subject for Greeting {
//!     type Machine = Session<Greeter>;
//!     /// The session has ended.
//!     type Owner = bool;
//!     type Call = Order;
//!
//!     fn name(&self) -> String {
//!         "greeter".into()
//!     }
//!
//!     fn begin(&self) -> (Session<Greeter>, bool) {
//!         let nano = Duration::from_nanos(1);
//!         let config = ConnectionConfig::default().send_queue(0, 1).and_then(|config| config.receive_size(1));
//!         let config = config.and_then(|config| config.read_idle(Some(nano))).and_then(|config| config.write_stall(Some(nano)));
//!         let config = config.and_then(|config| config.closing(nano, nano, 1)).and_then(|config| config.retry(nano, nano));
//!         let peer = Peer { address: None, local: None, origin: Origin::Accepted { listener: 0 } };
//!         let config = Arc::new(config.expect("no limit is zero"));
//!         let mut session = Session::new(Timestamp::ZERO, Self::socket(), peer, config, Greeter);
//!         session.open(Timestamp::ZERO);
//!         (session, false)
//!     }
//!
//!     fn sockets(&self) -> Vec<SocketId> {
//!         vec![Self::socket()]
//!     }
//!
//!     fn calls(&self, _: &World<Self>, calls: &mut Vec<Order>) {
//!         calls.push(Order::Abort);
//!     }
//!
//!     fn call(&self, world: &mut World<Self>, order: Order) -> Check {
//!         let now = world.now();
//!         world.machine.order(now, order);
//!         Ok(())
//!     }
//!
//!     fn event(&self, world: &mut World<Self>, event: EventOf<Self>, told: &mut Told) -> Check<&'static str> {
//!         let SessionEvent::Closed(report) = event else { return Err("it has no one to write to".into()) };
//!         told.behaviour.push(report.ending as u8);
//!         world.owner = true;
//!         Ok("closed")
//!     }
//!
//!     fn encode(&self, world: &World<Self>, out: &mut Vec<u8>) {
//!         out.push(u8::from(world.owner));
//!     }
//!
//!     fn ended(&self, world: &World<Self>) -> bool {
//!         world.owner
//!     }
//!
//!     fn class(&self, world: &World<Self>) -> &'static str {
//!         world.machine.connection().life().name()
//!     }
//!
//!     fn most_outputs(&self) -> usize {
//!         5
//!     }
//!
//!     fn promises(&self) -> Vec<Promise<Order>> {
//!         let dead = |first| Promise { first, transport: Behaviour::Dead, may_wait: false };
//!         vec![dead(Some(Order::Abort)), dead(None)]
//!     }
//! }
//!
//! let report = search(&Greeting, Options::default()).unwrap_or_else(|violation| panic!("{violation}"));
//! assert!(report.outputs("closed") > 0);
//! println!("{report}");
//! ```
//!
//! `tests/src/closure` in the repository has the machines of the core: connections, listeners, dialers, servers and clients, alone and
//! together.

mod alphabet;
mod expand;
mod graph;
mod liveness;
mod report;
mod rules;
mod script;
mod search;
mod transport;
mod twins;
mod watch;
mod world;

use std::fmt::Debug;
use std::time::Duration;

use sansock::{Canonical, Machine, SocketId};

pub(crate) use alphabet::{Alphabet, fits, is_legal, natural, sample, sorts, strangers};
pub use alphabet::{Faults, Input};
pub use liveness::{Behaviour, Promise};
pub use report::{Report, Violation};
pub use transport::{Flight, Transport};
pub use world::{Told, World};

/// `Err` says which rule was broken, and how.
pub type Check<T = ()> = Result<T, String>;

/// The event type of a subject's machine.
pub type EventOf<S> = <<S as Subject>::Machine as Machine>::Event;

/// What is searched: a machine and its surroundings.
pub trait Subject: Clone + Send + Sync + 'static {
    /// The machine.
    type Machine: Machine<Event: Debug> + Canonical + Clone + Debug + Send + Sync;
    /// What the owner of the machine remembers: which sessions are out, say, or how many bytes were handed over. What decides anything
    /// belongs into [`Subject::encode`]; counters that are only compared do not.
    type Owner: Clone + Debug + Send + Sync;
    /// A call that the application can make.
    type Call: Copy + PartialEq + Debug + Send + Sync;

    /// What the report is headed with.
    fn name(&self) -> String;

    /// The first state.
    fn begin(&self) -> (Self::Machine, Self::Owner);

    /// The sockets that are connected in the first state.
    fn sockets(&self) -> Vec<SocketId> {
        Vec::new()
    }

    /// What the application can call in this state, in any fixed order.
    fn calls(&self, world: &World<Self>, calls: &mut Vec<Self::Call>);

    /// Makes a call.
    ///
    /// # Errors
    /// A rule of the subject's own is broken.
    fn call(&self, world: &mut World<Self>, call: Self::Call) -> Check;

    /// True for a call that the owner of the machine owes it, such as saying that a session has ended: it may be made while a
    /// [`Promise`] is being kept.
    fn is_duty(&self, world: &World<Self>, call: Self::Call) -> bool {
        let _ = (world, call);
        false
    }

    /// Takes an event. Gives its name, and appends to `told` what it says.
    ///
    /// # Errors
    /// The event cannot be.
    fn event(&self, world: &mut World<Self>, event: EventOf<Self>, told: &mut Told) -> Check<&'static str>;

    /// Rules of the subject's own, after every input and before its outputs; the owner may take note of it.
    ///
    /// # Errors
    /// A rule is broken.
    fn check(&self, before: &World<Self>, after: &mut World<Self>, input: &Input<Self::Call>) -> Check {
        let _ = (before, after, input);
        Ok(())
    }

    /// Appends what the owner remembers and what decides anything.
    fn encode(&self, world: &World<Self>, out: &mut Vec<u8>);

    /// True once the last event was taken.
    fn ended(&self, world: &World<Self>) -> bool;

    /// True if the machine may rest in this state, with nothing in flight and no deadline, because the application is to go on.
    fn waits(&self, world: &World<Self>) -> bool {
        let _ = world;
        false
    }

    /// What sort of state this is, for the report.
    fn class(&self, world: &World<Self>) -> &'static str;

    /// No more outputs than this may follow one input.
    fn most_outputs(&self) -> usize;

    /// True if the machine is put together from several, and acts in `poll` on what its parts say: then polling may move the deadline.
    fn polling_acts(&self) -> bool {
        false
    }

    /// What holds from every state on.
    fn promises(&self) -> Vec<Promise<Self::Call>> {
        Vec::new()
    }
}

/// How a search is done.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Threads. The result does not depend on their number. Default 2.
    pub threads: usize,
    /// When outputs are taken. Default [`Polling::OneAtATime`].
    pub polling: Polling,
    /// Which faults operations fail with. Default [`Faults::Classes`].
    pub faults: Faults,
    /// More states than this end the search. Default 10 million.
    pub most_states: usize,
    /// At most so many states of one depth are kept as machines; the others are made anew from one that came before. Default 100,000.
    pub most_worlds: usize,
    /// One in so many states is reached by a second way and compared; zero for none. Default 64.
    pub twins: u64,
    /// A call that takes longer than this does not come back any more: a broken rule. Default 10 seconds, which is a million times what calls
    /// take; a debugger wants more. The thread that hangs in the call cannot be ended, and goes on until the process ends.
    pub patience: Duration,
    /// Called after each depth, with the depth, the number of states, and how many of them are new.
    pub progress: Option<fn(u32, usize, usize)>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            threads: 2,
            polling: Polling::OneAtATime,
            faults: Faults::Classes,
            most_states: 10_000_000,
            most_worlds: 100_000,
            twins: 64,
            patience: Duration::from_secs(10),
            progress: None,
        }
    }
}

/// When outputs are taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Polling {
    /// Taking one output is an input like any other: whatever can happen also happens while outputs wait.
    OneAtATime,
    /// All outputs are taken after each input. Far fewer states.
    AllAtOnce,
}

/// Finds every reachable state and checks every rule.
///
/// # Errors
/// The first rule that is broken.
pub fn search<S: Subject>(subject: &S, options: Options) -> Result<Report, Box<Violation>> {
    watch::run(subject, options).map_err(Box::new)
}
