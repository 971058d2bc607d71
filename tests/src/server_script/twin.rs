//! Servers that encode alike behave alike.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use sansock::{
    Canonical, Completion, Ending, Fault, Machine, Op, OpId, OpKind, Order, Outcome, Output, Server, ServerEvent, SocketId,
    Timestamp,
};

use super::run::Run;
use super::step::{fault, pick};
use crate::drive::{Quiet, Verdicts, connected, ordinary, report};

/// The first server that was seen of each encoding.
#[derive(Default)]
pub struct Twins(BTreeMap<Vec<u8>, Twin>);

/// A server, without the account of its past.
#[derive(Clone)]
struct Twin {
    server: Server<Verdicts>,
    now: Timestamp,
    /// Operations in flight, with an outcome that each can come to, in the order of their slots and kinds.
    flights: BTreeMap<(u32, OpKind), (OpId, Outcome)>,
    out: BTreeMap<u32, SocketId>,
}

impl Twins {
    /// How many encodings were seen.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// True if none was seen.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// If a server with this encoding was seen before, both get these inputs and must do the same; true if so. The inputs name what they are
    /// about by its place, and times from now on.
    ///
    /// # Panics
    /// If the two differ.
    pub fn compare(&mut self, run: &Run, inputs: &[(u8, u8)]) -> bool {
        let drive = run.drive();
        let mut twin = Twin::new(run);
        let Some(mut other) = self.0.get(&drive.canonical()).cloned() else {
            self.0.insert(drive.canonical(), twin);
            return false;
        };
        let mut said = String::new();
        let mut first = true;
        for (what, which) in inputs {
            // Neither may have been polled to the end when it was seen.
            let answer = |twin: &mut Twin| if first { twin.poll() } else { twin.input(*what, *which) };
            let (one, two) = (answer(&mut twin), answer(&mut other));
            let _ = writeln!(said, "{what} {which}: {one}");
            first = false;
            assert_eq!(one, two, "two servers that encode alike part company after\n{said}");
            assert_eq!(twin.canonical(), other.canonical(), "two servers do the same and encode differently after\n{said}");
        }
        true
    }
}

impl Twin {
    fn new(run: &Run) -> Self {
        let drive = run.drive();
        let flight = |id: OpId| ((id.socket().slot(), id.kind()), (id, possible(drive.op(id))));
        Self {
            server: drive.machine().clone(),
            now: drive.now(),
            flights: run.in_flight().into_iter().map(flight).collect(),
            out: drive.contract().out().map(|socket| (socket.slot(), socket)).collect(),
        }
    }

    fn canonical(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.server.canonical(self.now, &mut out);
        out
    }

    /// One input, and what comes of it: without generations, stamps and absolute times.
    fn input(&mut self, what: u8, which: u8) -> String {
        let now = self.now;
        match what % 8 {
            0 => self.server.drain(now, now + Duration::from_millis(which.into())),
            1 if which < 20 => self.server.stop(now),
            2 => {
                let span = self.server.deadline().map_or(Duration::ZERO, |deadline| deadline.saturating_since(now));
                self.now = now + span;
                self.server.handle_timeout(self.now);
            }
            3 => {
                let out: Vec<_> = self.out.values().copied().collect();
                if let Some(socket) = pick(&out, which) {
                    self.out.remove(&socket.slot());
                    self.server.gone(now, socket, &report(Ending::Confirmed)).expect("it is out");
                }
            }
            4 => drop(self.server.start(now)),
            5 => self.complete(which, |_, _| Outcome::Failed(Fault::new(fault(which)))),
            6 => self.complete(
                which,
                |id, ordinary| {
                    if id.kind() == OpKind::Accept { connected(u16::from(which % 8)) } else { ordinary }
                },
            ),
            _ => self.complete(which, |_, ordinary| ordinary),
        }
        self.poll()
    }

    fn complete(&mut self, which: u8, outcome: impl FnOnce(OpId, Outcome) -> Outcome) {
        let flights: Vec<_> = self.flights.keys().copied().collect();
        if let Some((id, possible)) = pick(&flights, which).and_then(|flight| self.flights.remove(&flight)) {
            let done = Completion::from_raw(id, outcome(id, possible));
            self.server.complete(self.now, done).expect("it is in flight");
        }
    }

    fn poll(&mut self) -> String {
        let mut said = String::new();
        while let Some(output) = self.server.poll() {
            let words = match output {
                Output::Submit(op) => self.submitted(&op),
                Output::Event(event) => self.event(&event),
            };
            let _ = write!(said, "{words}; ");
        }
        let _ = write!(said, "{:?}", self.until(self.server.deadline().unwrap_or(Timestamp::NEVER)));
        said
    }

    fn until(&self, deadline: Timestamp) -> Option<Duration> {
        deadline.as_deadline().map(|deadline| deadline.saturating_since(self.now))
    }

    fn submitted(&mut self, op: &Op) -> String {
        let place = |id: OpId| (id.socket().slot(), id.kind());
        let words = match op {
            Op::Cancel(cancel) => return format!("cancel {:?}", place(cancel.target())),
            Op::Accept(accept) => format!("from {} waiting {}", accept.listener().slot(), accept.wait()),
            Op::Close(close) => format!("abortive {}", close.abortive()),
            _ => String::new(),
        };
        self.flights.insert(place(op.id()), (op.id(), possible(op)));
        format!("{:?} {words}", place(op.id()))
    }

    fn event(&mut self, event: &ServerEvent<Quiet>) -> String {
        match event {
            ServerEvent::Opened { socket, .. } => {
                self.out.insert(socket.slot(), *socket);
                format!("opened {}", socket.slot())
            }
            ServerEvent::Order { socket, order: Order::Drain(deadline) } => {
                format!("drain {} in {:?}", socket.slot(), self.until(*deadline))
            }
            ServerEvent::Order { socket, order: Order::Abort } => format!("abort {}", socket.slot()),
            ServerEvent::Listening { listener, .. } => format!("listening {listener}"),
            ServerEvent::OptionsRefused { listener, .. } => format!("refused {listener}"),
            ServerEvent::Exhausted { listener, .. } => format!("exhausted {listener}"),
            ServerEvent::Recovered { listener, .. } => format!("recovered {listener}"),
            ServerEvent::ListenerLost { listener, .. } => format!("lost {listener}"),
            ServerEvent::Stopped(_) => "stopped".to_owned(),
        }
    }
}

/// Whether an accept waits is not seen any more when it comes back to a listener that ends, so the outcome does not depend on it.
fn possible(op: &Op) -> Outcome {
    if op.kind() == OpKind::Accept { Outcome::NoneWaiting } else { ordinary(op) }
}
