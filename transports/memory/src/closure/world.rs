//! One state: the machine, what its owner remembers, what the transport has, and the time.

use std::fmt::Debug;

use sansock::{Canonical, Completion, Machine, Op, Outcome, Output, Timestamp};

use super::alphabet::Input;
use super::transport::{Flight, Transport};
use super::{Check, Subject};

/// How far a leap goes: beyond every time-out.
const LEAP: u64 = 1_000_000;

/// A machine with its surroundings.
#[derive(Debug)]
pub struct World<S: Subject> {
    /// The machine.
    pub machine: S::Machine,
    /// What the owner of the machine remembers.
    pub owner: S::Owner,
    /// What the transport has.
    pub transport: Transport,
    now: Timestamp,
    /// The latest time that the machine was told.
    heard: Timestamp,
}

impl<S: Subject> Clone for World<S> {
    fn clone(&self) -> Self {
        Self {
            machine: self.machine.clone(),
            owner: self.owner.clone(),
            transport: self.transport.clone(),
            now: self.now,
            heard: self.heard,
        }
    }
}

impl<S: Subject> World<S> {
    pub(super) fn new(subject: &S) -> Self {
        let (machine, owner) = subject.begin();
        let transport = Transport::new(subject.sockets());
        Self { machine, owner, transport, now: Timestamp::ZERO, heard: Timestamp::ZERO }
    }

    /// The time.
    #[must_use]
    pub const fn now(&self) -> Timestamp {
        self.now
    }

    /// The latest time that the machine was told; it may be behind [`World::now`].
    pub(super) const fn heard(&self) -> Timestamp {
        self.heard
    }

    /// True if something is due that has not fired.
    #[must_use]
    pub fn is_due(&self) -> bool {
        self.machine.deadline().is_some_and(|deadline| deadline.is_due(self.now))
    }

    /// The encoding by which states are compared: the machine's own, the owner's, the transport's.
    pub(super) fn encode(&self, subject: &S, out: &mut Vec<u8>) {
        self.machine.canonical(self.now, out);
        subject.encode(self, out);
        self.transport.encode(out);
    }

    /// Does what the input says.
    pub(super) fn apply(&mut self, subject: &S, input: &Input<S::Call>, trace: &mut Trace) -> Check {
        match input {
            Input::Poll => {
                self.poll(subject, trace)?;
                return Ok(());
            }
            Input::Tick => self.now = Timestamp::from_nanos(self.now.as_nanos() + 1),
            Input::Leap => self.now = Timestamp::from_nanos(self.now.as_nanos() + LEAP),
            Input::Timeout => self.machine.handle_timeout(self.now),
            Input::Broken { socket, fault } => self.machine.broken(self.now, *socket, (*fault).into()),
            Input::Complete { flight, outcome } => self.complete(flight, outcome)?,
            Input::Call(call) => subject.call(self, *call)?,
        }
        if !matches!(input, Input::Tick | Input::Leap) {
            self.heard = self.now;
        }
        Ok(())
    }

    fn complete(&mut self, flight: &Flight, outcome: &Outcome) -> Check {
        let done = Completion::from_raw(flight.id, outcome.clone());
        if let Err(misuse) = self.machine.complete(self.now, done) {
            return Err(format!("a completion of an operation in flight was refused: {misuse}"));
        }
        self.transport.complete(flight, outcome);
        Ok(())
    }

    /// Takes one output; false if there is none.
    pub(super) fn poll(&mut self, subject: &S, trace: &mut Trace) -> Check<bool> {
        match self.machine.poll() {
            None => return Ok(false),
            Some(Output::Submit(op)) => {
                trace.operation(&op);
                self.transport.submit(&op)?;
            }
            Some(Output::Event(event)) => {
                ensure!(!subject.ended(self), "A10: an event after the last one: {event:?}");
                trace.say(&event);
                let name = subject.event(self, event, &mut trace.told)?;
                trace.note(name);
            }
        }
        Ok(true)
    }
}

/// What an event says, in bytes.
#[derive(Debug, Default)]
pub struct Told {
    /// What decides how things go on, or could: it must be the same in every state that encodes alike. No absolute times, no generations.
    pub behaviour: Vec<u8>,
    /// What is only told: reasons and counts. It is part of the hash of a search.
    pub account: Vec<u8>,
}

/// What came out of a machine at one input.
#[derive(Debug, Default)]
pub(super) struct Trace {
    /// The outputs in bytes.
    pub(super) told: Told,
    /// Their names, for counting.
    pub(super) names: Vec<&'static str>,
    /// The outputs for people, if anybody wants to read them.
    pub(super) text: Option<Vec<String>>,
}

impl Trace {
    /// A trace that keeps a text.
    pub(super) fn with_text() -> Self {
        Self { text: Some(Vec::new()), ..Self::default() }
    }

    pub(super) fn clear(&mut self) {
        self.told.behaviour.clear();
        self.told.account.clear();
        self.names.clear();
    }

    fn note(&mut self, name: &'static str) {
        self.told.behaviour.extend_from_slice(name.as_bytes());
        self.names.push(name);
    }

    fn say(&mut self, event: &impl Debug) {
        if let Some(text) = &mut self.text {
            text.push(format!("{event:?}"));
        }
    }

    fn operation(&mut self, op: &Op) {
        let id = op.id();
        self.note(id.kind().name());
        self.told.behaviour.extend_from_slice(&id.socket().slot().to_le_bytes());
        let number = match op {
            Op::Recv(op) => op.max(),
            Op::Send(op) => op.asked(),
            Op::Accept(op) => usize::from(op.wait()),
            Op::Close(op) => usize::from(op.abortive()),
            Op::Cancel(op) => op.target().kind() as usize,
            _ => 0,
        };
        self.told.behaviour.extend_from_slice(&number.to_le_bytes());
        if let Some(text) = &mut self.text {
            text.push(describe(op));
        }
    }
}

/// An operation in few words.
fn describe(op: &Op) -> String {
    let id = op.id();
    match op {
        Op::Recv(op) => format!("submit {id}, at most {} bytes", op.max()),
        Op::Send(op) => format!("submit {id}, {} bytes", op.asked()),
        Op::Accept(op) if !op.wait() => format!("submit {id} without waiting"),
        Op::Close(op) if op.abortive() => format!("submit {id} with a reset"),
        Op::Cancel(op) => format!("submit cancel of {}", op.target()),
        _ => format!("submit {id}"),
    }
}
