//! Drives the connection and its ledger through the steps of a script.

use std::fmt::Debug;
use std::time::Duration;

use bytes::Bytes;
use sansock::{Canonical, Completion, Connection, Fault, Machine, Outcome, SocketId, Stream, Timestamp};

use super::model::Model;
use super::outputs::same;
use super::step::fault;
use super::{Check, Pattern, Script, Seen, Step, Target};

/// More outputs than one input can cause. (B5)
const MOST_OUTPUTS: usize = 16;

/// A connection, its ledger, and a clone that must behave alike.
pub struct Run {
    pub(crate) machine: Connection,
    /// Cloned before every step; gets the same inputs. (E4)
    twin: Connection,
    pub(crate) model: Model,
    /// What is handed in as `now`. It may run backwards.
    pub(crate) clock: Timestamp,
    lazy: bool,
}

impl Run {
    /// The connection of this script, before its first step.
    ///
    /// # Panics
    /// Never: the slot is in range.
    #[must_use]
    pub fn new(script: &Script) -> Self {
        let socket = SocketId::new(7, 3).expect("slot 7 is in range");
        let clock = script.epoch.start();
        let machine = Connection::new(clock, socket, script.limits.config());
        let model = Model::new(script.limits, socket, clock);
        Self { twin: machine.clone(), machine, model, clock, lazy: script.lazy }
    }

    /// What the script has reached.
    pub(crate) fn seen(self) -> Seen {
        self.model.seen
    }

    pub(crate) fn step(&mut self, step: &Step) -> Check {
        self.twin = self.machine.clone();
        self.apply(*step)?;
        self.agree()?;
        if self.lazy { Ok(()) } else { self.settle() }
    }

    fn apply(&mut self, step: Step) -> Check {
        match step {
            Step::Send(length) => self.send(usize::from(length)),
            Step::Pause => self.pause(),
            Step::Resume => self.resume(),
            Step::Grant(bytes) => self.grant(u64::from(bytes)),
            Step::HalfClose => self.half_close(),
            Step::Finish => self.finish(),
            Step::CloseAfterFlush => self.close_after_flush(),
            Step::Abort => self.abort(),
            Step::DrainBy(nanos) => {
                let distance = u64::from(nanos.unsigned_abs());
                let now = self.clock.as_nanos();
                let deadline = if nanos < 0 { now.saturating_sub(distance) } else { now.saturating_add(distance) };
                self.drain_by(Timestamp::from_nanos(deadline))
            }
            Step::Receive(length) => self.receive(|most| 1 + usize::from(length) % most),
            Step::ReceiveFull => self.receive(|most| most),
            Step::Eof => self.complete_if_in_flight(Target::Recv, |_| Outcome::Eof),
            Step::Sent(count) => self.complete_if_in_flight(Target::Send, |asked| Outcome::Sent(1 + usize::from(count) % asked)),
            Step::SentAll => self.complete_if_in_flight(Target::Send, Outcome::Sent),
            Step::Done(target @ (Target::Shutdown | Target::Close)) => self.complete_if_in_flight(target, |_| Outcome::Done),
            Step::Done(Target::Recv | Target::Send) => Ok(()),
            Step::Fail(target, number) => {
                self.complete_if_in_flight(target, |_| Outcome::Failed(Fault::with_code(fault(number), i32::from(number))))
            }
            Step::Cancelled => self.complete_cancelled(),
            Step::Broken(ours, number) => {
                let socket = if ours { self.model.socket } else { SocketId::new(7, 2).expect("slot 7 is in range") };
                self.broken(socket, Fault::new(fault(number)))
            }
            Step::Hostile(hostile) => self.hostile(hostile),
            Step::Wait(nanos) => {
                self.pass(Duration::from_nanos(nanos.into()));
                Ok(())
            }
            Step::Tick(nanos) => {
                self.pass(Duration::from_nanos(nanos.into()));
                self.handle_timeout()
            }
            Step::Deadline => self.handle_deadline().map(drop),
            Step::AlmostDeadline => self.handle_almost_deadline(),
            Step::Jump(hours) => {
                self.pass(Duration::from_secs(u64::from(hours) * 3_600));
                self.handle_timeout()
            }
            Step::Back(nanos) => {
                self.clock = Timestamp::from_nanos(self.clock.as_nanos().saturating_sub(nanos.into()));
                Ok(())
            }
            Step::Poll(most) => self.poll(usize::from(most)),
        }
    }

    fn pass(&mut self, time: Duration) {
        self.clock = self.clock + time;
    }

    /// The time as the machine is about to see it.
    pub(crate) fn tick(&mut self) {
        self.model.tick(self.clock);
    }

    /// A `now` for inputs that must not change even the time.
    pub(crate) fn much_later(&self) -> Timestamp {
        self.clock + Duration::from_secs(3_600)
    }

    fn receive(&mut self, length: impl Fn(usize) -> usize) -> Check {
        let from = self.model.wire;
        self.complete_if_in_flight(Target::Recv, |most| Outcome::Data(Pattern::THEIRS.bytes(from, length(most))))
    }

    pub(crate) fn complete_if_in_flight(&mut self, target: Target, outcome: impl FnOnce(usize) -> Outcome) -> Check {
        match self.model.flight(target) {
            Some(flight) => self.complete(target, &outcome(flight.size)),
            None => Ok(()),
        }
    }

    pub(crate) fn complete(&mut self, target: Target, outcome: &Outcome) -> Check {
        let Some(flight) = self.model.flight(target) else { return Ok(()) };
        self.tick();
        let (now, id) = (self.clock, flight.id);
        let answer = self.call(false, |machine| machine.complete(now, Completion::from_raw(id, outcome.clone())))?;
        ensure!(answer.is_ok(), "a legal completion was refused: {answer:?}");
        self.model.completed(target, outcome)
    }

    pub(crate) fn complete_cancelled(&mut self) -> Check {
        for target in Target::ALL {
            if self.model.flight(target).is_some_and(|flight| flight.cancelled) {
                self.complete(target, &Outcome::Failed(Fault::new(sansock::FaultKind::Cancelled)))?;
            }
        }
        Ok(())
    }

    /// Advances to the deadline and handles it; false if there is none.
    pub(crate) fn handle_deadline(&mut self) -> Check<bool> {
        let Some(deadline) = self.machine.deadline() else { return Ok(false) };
        self.clock = self.clock.max(deadline);
        self.handle_timeout()?;
        Ok(true)
    }

    // F6, D12
    fn handle_almost_deadline(&mut self) -> Check {
        let Some(deadline) = self.machine.deadline() else { return Ok(()) };
        self.clock = self.clock.max(Timestamp::from_nanos(deadline.as_nanos().saturating_sub(1)));
        self.handle_timeout()
    }

    // D12, F4, F6, F8
    pub(crate) fn handle_timeout(&mut self) -> Check {
        self.tick();
        let now = self.clock;
        let due = self.machine.deadline().is_some_and(|deadline| deadline.is_due(self.model.now));
        self.call(!due, |machine| machine.handle_timeout(now))?;
        self.model.timed_out();
        let still_due = self.machine.deadline().filter(|deadline| deadline.is_due(self.model.now));
        ensure!(still_due.is_none(), "F8: still due after it was handled: {still_due:?} at {}", self.model.now);
        Ok(())
    }

    /// The same call on the connection and its twin. If nothing is to change, nothing does.
    pub(crate) fn call<R: PartialEq + Debug>(&mut self, nothing_changes: bool, call: impl Fn(&mut Connection) -> R) -> Check<R> {
        let before = nothing_changes.then(|| self.picture());
        let (answer, twins) = (call(&mut self.machine), call(&mut self.twin));
        ensure!(answer == twins, "E4: a clone answers {twins:?}, not {answer:?}");
        if let Some(before) = before {
            let after = self.picture();
            ensure!(before == after, "B7, D9, D12, D13: this must change nothing: {before:?} became {after:?}");
        }
        Ok(answer)
    }

    /// What decides the connection's behaviour, and what can be seen of it.
    fn picture(&self) -> impl PartialEq + Debug + use<> {
        let mut canonical = Vec::new();
        self.machine.canonical(self.model.now, &mut canonical);
        (
            canonical,
            self.machine.deadline(),
            self.machine.queued(),
            self.machine.room(),
            self.machine.in_flight(),
            self.machine.life(),
        )
    }

    fn agree(&self) -> Check {
        self.model.agrees_with(&self.machine)?;
        ensure!(self.machine.room() == self.model.room(), "room is {}, ledger: {}", self.machine.room(), self.model.room());
        let (mut ours, mut twins) = (Vec::new(), Vec::new());
        self.machine.canonical(self.model.now, &mut ours);
        self.twin.canonical(self.model.now, &mut twins);
        ensure!(ours == twins, "E4: a clone with the same inputs differs");
        Ok(())
    }

    /// Polls until there is nothing more.
    pub(crate) fn settle(&mut self) -> Check {
        self.poll(usize::MAX)
    }

    // B5, C7, C8, E4
    fn poll(&mut self, most: usize) -> Check {
        for count in 0..most {
            ensure!(count < MOST_OUTPUTS, "C8: more than {MOST_OUTPUTS} outputs without an input");
            let deadline = self.machine.deadline();
            let output = self.machine.poll();
            ensure!(same(output.as_ref(), self.twin.poll().as_ref()), "E4: a clone does not give {output:?}");
            ensure!(deadline == self.machine.deadline(), "F10: polling changed the deadline");
            match output {
                Some(output) => self.model.polled(&output)?,
                None => {
                    self.model.quiescent()?;
                    let waits = self.model.in_flight() > 0 || deadline.is_some();
                    ensure!(waits || self.model.may_wait_for_ever(), "C7: nothing in flight, no deadline: {:?}", self.model);
                    ensure!(self.machine.poll().is_none(), "C8: poll gives more after it has given nothing");
                    break;
                }
            }
            self.agree()?;
        }
        self.never_spins()
    }

    // C8: a deadline that is due makes progress, and goes away.
    fn never_spins(&self) -> Check {
        let now = self.model.now;
        if self.machine.deadline().is_some_and(|deadline| deadline.is_due(now)) {
            let (mut before, mut after) = (Vec::new(), Vec::new());
            self.machine.canonical(now, &mut before);
            let mut next = self.machine.clone();
            next.handle_timeout(now);
            next.canonical(now, &mut after);
            ensure!(before != after, "C8: a deadline is due, and handling it does nothing");
        }
        Ok(())
    }

    pub(crate) fn nothing() -> Bytes {
        Bytes::new()
    }
}
