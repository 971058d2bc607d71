//! A machine whose transport, peers, clock and owner do what bytes say.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use sansock::{Completion, Fault, FaultKind, Machine, Op, OpId, OpKind, Outcome, Output, SocketId, Timestamp};

use super::witness::Notes;
use super::{Choices, Mischief, Traffic, Violation};
use crate::closure::{Check, Flight, Transport, natural};

/// More outputs than any input leads to, handlers that post and machines of many connections included.
const MOST_OUTPUTS: usize = 10_000;
/// A handler may set a timer to the present again and again. If it never ends, it spins.
const MOST_TIMEOUTS: usize = 100;
/// How long a drain may take at the end.
const DRAIN: Duration = Duration::from_secs(1);
/// What each step of a fair transport takes at the end: so that a handler that always has something to send meets the drain's deadline.
const STEP: Duration = Duration::from_millis(1);
/// More steps than the end takes.
const LAST_STEPS: usize = 100_000;

/// What is fuzzed: a machine and its owner.
pub(super) trait Subject {
    type Machine: Machine;

    fn machine(&mut self) -> &mut Self::Machine;
    /// Takes an event; gives it in words.
    fn event(
        &mut self,
        now: Timestamp,
        event: <Self::Machine as Machine>::Event,
        choices: &mut Choices<'_>,
        surroundings: &Surroundings,
    ) -> Check<String>;
    /// The owner does something; gives it in words.
    fn call(&mut self, now: Timestamp, choices: &mut Choices<'_>) -> String;
    /// The owner wants it to have ended by then.
    fn drain(&mut self, now: Timestamp, deadline: Timestamp);
    /// The last event was taken.
    fn has_ended(&self) -> bool;
}

/// What the driver knows and the subject compares.
#[derive(Default)]
pub(super) struct Surroundings {
    pub(super) traffic: BTreeMap<SocketId, Traffic>,
    pub(super) notes: Notes,
    pub(super) mischief: Mischief,
}

impl Surroundings {
    /// Everything that has passed can be.
    pub(super) fn check(&self) -> Check {
        let nothing = Traffic::default();
        self.notes.borrow().iter().try_for_each(|(socket, note)| {
            note.check(self.traffic.get(socket).unwrap_or(&nothing)).map_err(|rule| format!("{socket}: {rule}"))
        })
    }
}

pub(super) struct Driver<'a, S: Subject> {
    pub(super) subject: S,
    pub(super) surroundings: Surroundings,
    pub(super) choices: Choices<'a>,
    pub(super) transport: Transport,
    pub(super) now: Timestamp,
    /// The bytes of sends in flight.
    sending: BTreeMap<OpId, Vec<u8>>,
    /// Outputs are taken one by one, as the bytes say.
    lazy: bool,
    log: Vec<String>,
}

impl<'a, S: Subject> Driver<'a, S> {
    pub(super) fn new(subject: S, choices: Choices<'a>, connected: Vec<SocketId>, notes: &Notes) -> Self {
        let surroundings = Surroundings { notes: Rc::clone(notes), ..Surroundings::default() };
        let transport = Transport::new(connected);
        let (sending, log) = (BTreeMap::new(), Vec::new());
        Self { subject, surroundings, choices, transport, now: Timestamp::ZERO, sending, lazy: false, log }
    }

    /// Does what the bytes say, and then brings it to its end.
    pub(super) fn run(mut self) -> Result<(S, Surroundings), Box<Violation>> {
        match self.script().and_then(|()| self.finale()) {
            Ok(()) => Ok((self.subject, self.surroundings)),
            Err(rule) => Err(self.violation(rule)),
        }
    }

    pub(super) fn violation(self, rule: String) -> Box<Violation> {
        Box::new(Violation { rule, script: self.log })
    }

    pub(super) fn has_deadline(&mut self) -> bool {
        self.subject.machine().deadline().is_some()
    }

    fn script(&mut self) -> Check {
        self.lazy = self.choices.byte() % 4 == 1;
        self.poll_all()?;
        while !self.choices.are_over() {
            self.step()?;
            if !self.lazy {
                self.poll_all()?;
            }
            self.surroundings.check()?;
        }
        Ok(())
    }

    fn step(&mut self) -> Check {
        match self.choices.below(20) {
            0..=8 => self.succeed(),
            9 => self.fail(),
            10 => self.lie(),
            11 => self.pester(),
            12 => self.complete_cancelled(),
            13 => self.break_socket(),
            14 => self.wait_for_deadline(),
            15 => self.pass(),
            16 => self.turn_back(),
            17 => self.call(),
            _ => self.poll_one().map(|_| ()),
        }
    }

    pub(super) fn note(&mut self, what: impl FnOnce() -> String) {
        let now = self.now;
        self.log.push(format!("{now}: {}", what()));
    }

    fn call(&mut self) -> Check {
        // Most calls end everything.
        if self.choices.below(4) == 0 {
            let what = self.subject.call(self.now, &mut self.choices);
            self.note(|| what);
        }
        Ok(())
    }

    fn break_socket(&mut self) -> Check {
        let sockets: Vec<_> = self.transport.sockets().collect();
        let nobody = SocketId::new(1_000, 7).filter(|_| self.choices.below(2) == 0);
        let socket = nobody.or_else(|| self.choices.of(&sockets).copied());
        let fault = self.fault();
        if let Some(socket) = socket {
            self.note(|| format!("{socket} is broken: {fault}"));
            self.surroundings.mischief.broken += u64::from(nobody.is_none());
            self.subject.machine().broken(self.now, socket, fault);
        }
        Ok(())
    }

    pub(super) fn fault(&mut self) -> Fault {
        Fault::new(self.choices.of(FaultKind::ALL).copied().unwrap_or(FaultKind::Other))
    }

    pub(super) fn wait_for_deadline(&mut self) -> Check {
        if let Some(deadline) = self.subject.machine().deadline() {
            self.now = self.now.max(deadline);
            self.time_out()?;
        }
        Ok(())
    }

    /// Some time, with or without that anybody looks.
    fn pass(&mut self) -> Check {
        let look = self.choices.below(2) == 0;
        let millis = self.choices.below(65_536) as u64;
        self.now = self.now + Duration::from_millis(millis);
        if look { self.time_out() } else { Ok(()) }
    }

    /// A clock that was set back is no earlier.
    fn turn_back(&mut self) -> Check {
        let deadline = self.subject.machine().deadline();
        self.note(|| "the clock is set back".into());
        if !deadline.is_some_and(|deadline| deadline.is_due(self.now)) {
            self.subject.machine().handle_timeout(Timestamp::ZERO);
            ensure!(self.subject.machine().deadline() == deadline, "F1: a clock that was set back moved the deadline");
        }
        Ok(())
    }

    fn time_out(&mut self) -> Check {
        self.note(|| "time-outs".into());
        for _ in 0..MOST_TIMEOUTS {
            self.subject.machine().handle_timeout(self.now);
            let now = self.now;
            if !self.subject.machine().deadline().is_some_and(|deadline| deadline.is_due(now)) {
                return Ok(());
            }
            self.poll_all()?;
        }
        Err(format!("C8: it spins: something is due at {} however often time-outs are handled", self.now))
    }

    /// Hands in what came of an operation in flight.
    pub(super) fn complete(&mut self, flight: &Flight, outcome: Outcome) -> Check {
        let id = flight.id;
        self.note(|| format!("{id} comes to {}", words(&outcome)));
        let sending = self.sending.remove(&id);
        match &outcome {
            Outcome::Data(data) if (1..=flight.size).contains(&data.len()) => {
                self.surroundings.traffic.entry(id.socket()).or_default().received.extend_from_slice(data);
            }
            Outcome::Sent(count) => {
                let traffic = self.surroundings.traffic.entry(id.socket()).or_default();
                let bytes = sending.unwrap_or_default();
                traffic.sent.extend_from_slice(bytes.get(..*count).unwrap_or_default());
            }
            _ => {}
        }
        let done = Completion::from_raw(id, outcome.clone());
        let taken = self.subject.machine().complete(self.now, done);
        taken.map_err(|misuse| format!("a completion of an operation in flight was refused: {misuse}"))?;
        self.transport.complete(flight, &outcome);
        Ok(())
    }

    pub(super) fn complete_cancelled(&mut self) -> Check {
        let cancelled = self.transport.flights().iter().find(|flight| flight.cancelled).copied();
        cancelled.map_or(Ok(()), |flight| self.complete(&flight, Outcome::Failed(FaultKind::Cancelled.into())))
    }

    /// Takes everything that the machine wants.
    pub(super) fn poll_all(&mut self) -> Check {
        for _ in 0..MOST_OUTPUTS {
            if !self.poll_one()? {
                return Ok(());
            }
        }
        Err(format!("B5, C8: it spins: more than {MOST_OUTPUTS} outputs without an input"))
    }

    fn poll_one(&mut self) -> Check<bool> {
        let Some(output) = self.subject.machine().poll() else { return Ok(false) };
        ensure!(!self.subject.has_ended(), "A10: something after the last event");
        match output {
            Output::Submit(op) => {
                let id = op.id();
                self.note(|| format!("  submits {id}"));
                self.transport.submit(&op)?;
                if let Op::Send(op) = &op {
                    self.sending.insert(id, op.chunks().concat());
                }
            }
            Output::Event(event) => {
                let told = self.subject.event(self.now, event, &mut self.choices, &self.surroundings)?;
                self.note(|| format!("  says {told}"));
                if self.subject.has_ended() {
                    ensure!(self.transport.flights().is_empty(), "A9: the last event while an operation is in flight");
                    ensure!(self.transport.sockets().next().is_none(), "A8: the last event while a socket is open");
                }
            }
        }
        let (here, there) = (self.transport.flights().len(), self.subject.machine().in_flight());
        ensure!(here == there, "A9: {here} operations are in flight, not {there}");
        Ok(true)
    }

    /// A drain ends it by its deadline, over a fair transport or a dead one.
    fn finale(&mut self) -> Check {
        let deadline = self.now + DRAIN;
        // The bytes are over, so what is left of them cannot decide.
        let fair = self.log.len().is_multiple_of(2);
        self.note(|| format!("the end: a drain, and a {} transport", if fair { "fair" } else { "dead" }));
        self.subject.drain(self.now, deadline);
        for _ in 0..LAST_STEPS {
            self.poll_all()?;
            self.surroundings.check()?;
            if self.subject.has_ended() {
                return Ok(());
            }
            ensure!(self.now <= deadline, "C3: it lives longer than its drain");
            if !self.last_completion(fair)? {
                let next = self.subject.machine().deadline();
                let next = next.ok_or("C7: nothing is in flight that completes, no deadline is armed, and it has not ended")?;
                self.now = self.now.max(next);
                self.time_out()?;
            }
        }
        Err(format!("C3: it has not ended after {LAST_STEPS} steps"))
    }

    /// Completes one operation; false if there is none that a dead transport, or a fair one, completes.
    fn last_completion(&mut self, fair: bool) -> Check<bool> {
        let closes = |flight: &Flight| matches!(flight.id.kind(), OpKind::Close | OpKind::Cleanup);
        // A dead transport still starts up: no machine can end before it has begun.
        let always = |flight: &Flight| closes(flight) || flight.cancelled || flight.id.kind() == OpKind::Startup;
        let found = self.transport.flights().iter().copied().find(always);
        if let Some(flight) = found {
            let outcome = if flight.cancelled { Outcome::Failed(FaultKind::Cancelled.into()) } else { Outcome::Done };
            return self.complete(&flight, outcome).map(|()| true);
        }
        let naturally = |flight: &Flight| natural(flight).map(|outcome| (*flight, outcome));
        let Some((flight, outcome)) = self.transport.flights().iter().find_map(naturally).filter(|_| fair) else {
            return Ok(false);
        };
        self.now = self.now + STEP;
        self.complete(&flight, outcome)?;
        // The same instant: a deadline that is passed is not left behind.
        let now = self.now;
        if self.subject.machine().deadline().is_some_and(|deadline| deadline.is_due(now)) {
            self.time_out()?;
        }
        Ok(true)
    }
}

fn words(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Data(data) => format!("{} bytes: \"{}\"", data.len(), data.escape_ascii()),
        Outcome::Sent(count) => format!("{count} bytes sent"),
        Outcome::Failed(fault) => format!("a failure, {fault}"),
        other => other.name().into(),
    }
}
