//! When each operation began and ended, whether one register could have given these answers, and what else must hold.

use std::collections::BTreeMap;
use std::fmt::{self, Display};

use super::user::Session;
use crate::apps::Shared;

/// What an operation does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Action {
    /// It asks for the value.
    Read,
    /// It gives the register another value.
    Write,
}

/// One operation of a user.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Operation {
    user: String,
    action: Action,
    /// What a write writes, from the beginning; what a read has read, at its end.
    value: Option<u64>,
}

impl Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verb = if self.action == Action::Read { "read" } else { "write" };
        match self.value {
            Some(value) => write!(f, "{}'s {verb} of {value}", self.user),
            None => write!(f, "{}'s {verb}", self.user),
        }
    }
}

/// All operations of all users.
///
/// A moment is a count of all beginnings and ends, so it orders them however the clocks of the hosts go.
#[derive(Clone, Debug)]
pub struct History {
    operations: Vec<Operation>,
    moment: u64,
    /// When each operation began.
    begun: Vec<u64>,
    /// Those that have ended, in that order, and when.
    ended: Vec<(usize, u64)>,
    values: BTreeMap<u64, Span>,
    /// So many of those that have ended are in `values`.
    checked: usize,
}

/// The operations that have to do with one value: the write of it, and the reads that it came of.
#[derive(Clone, Copy, Debug)]
struct Span {
    /// When the first of them ended, and which. Before that, what comes of them need not have happened.
    first_end: (u64, usize),
    /// When the last of them began, and which.
    last_begin: (u64, usize),
}

impl Default for History {
    /// Nothing happened; the value is 0.
    fn default() -> Self {
        let before_all = Operation { user: "nobody".into(), action: Action::Write, value: Some(0) };
        let initial = Span { first_end: (0, 0), last_begin: (0, 0) };
        Self {
            operations: vec![before_all],
            moment: 0,
            begun: vec![0],
            ended: Vec::new(),
            values: BTreeMap::from([(0, initial)]),
            checked: 0,
        }
    }
}

/// An end that does not go with the operation: a read without a value, a write with one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Misfit;

impl History {
    /// An operation begins; its place in the history. A write writes what nobody has written before.
    pub fn begin(&mut self, user: &str, action: Action) -> usize {
        let place = self.operations.len();
        self.moment += 1;
        self.begun.push(self.moment);
        let value = (action == Action::Write).then_some(place as u64);
        self.operations.push(Operation { user: user.to_owned(), action, value });
        if let Some(value) = value {
            // It may have happened from now on, whether or not it ever ends.
            self.values.insert(value, Span { first_end: (u64::MAX, place), last_begin: (self.moment, place) });
        }
        place
    }

    /// What the operation at this place writes.
    #[must_use]
    pub fn written(&self, place: usize) -> Option<u64> {
        let operation = &self.operations[place];
        operation.value.filter(|_| operation.action == Action::Write)
    }

    /// The operation at this place ends; a read with a value.
    ///
    /// # Errors
    /// A read without a value, or a write with one.
    pub fn end(&mut self, place: usize, value: Option<u64>) -> Result<(), Misfit> {
        let operation = &mut self.operations[place];
        match (operation.action, value) {
            (Action::Write, None) => {}
            (Action::Read, Some(_)) => operation.value = value,
            _ => return Err(Misfit),
        }
        self.moment += 1;
        self.ended.push((place, self.moment));
        Ok(())
    }

    /// How many operations have ended.
    #[must_use]
    pub const fn ended(&self) -> usize {
        self.ended.len()
    }

    /// Checks what has ended since the last time.
    ///
    /// If anything that has to do with value `a` ended before anything that has to do with `b` began, `a` was there before `b`. A register
    /// whose every value was written once could have given these answers exactly if that is never so both ways (Gibbons and Korach,
    /// "Testing shared memories", 1997), and nothing was read that was not written.
    fn check(&mut self) -> Result<(), String> {
        while let Some((place, end)) = self.ended.get(self.checked).copied() {
            self.checked += 1;
            let Some(value) = self.operations[place].value else { continue };
            let Some(span) = self.values.get_mut(&value) else {
                return Err(format!("{}, which nobody had written", self.operations[place]));
            };
            span.first_end = span.first_end.min((end, place));
            span.last_begin = span.last_begin.max((self.begun[place], place));
            let span = *span;
            let mut others = self.values.iter().filter(|(other, _)| **other != value);
            if let Some((_, other)) = others.find(|(_, other)| span.is_before(other) && other.is_before(&span)) {
                return Err(self.explain(&span, other));
            }
        }
        Ok(())
    }

    fn explain(&self, one: &Span, other: &Span) -> String {
        let name = |(moment, place): (u64, usize), what| format!("{} ({what} at moment {moment})", self.operations[place]);
        let before = |a: &Span, b: &Span| format!("{} before {}", name(a.first_end, "ended"), name(b.last_begin, "began"));
        format!("{}, but {}: no register does that", before(one, other), before(other, one))
    }
}

impl Span {
    const fn is_before(&self, other: &Self) -> bool {
        self.first_end.0 < other.last_begin.0
    }
}

/// *Always*: one register, which does one operation after another, each at some moment between its beginning and its end, could have given
/// all these answers.
///
/// # Errors
/// Which operations contradict each other.
pub fn is_linearizable(history: &Shared<History>) -> Result<(), String> {
    history.lock().check()
}

/// *Eventually*: every user has done all that was planned, and got an answer to each read and an acknowledgement of each write.
///
/// # Errors
/// Who waits.
pub fn everything_is_answered(sessions: &[Shared<Session>]) -> Result<(), String> {
    match sessions.iter().find(|session| !session.lock().is_done()) {
        None => Ok(()),
        Some(session) => Err(session.lock().to_string()),
    }
}

#[cfg(test)]
#[path = "history_tests.rs"]
mod tests;
