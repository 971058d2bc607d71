//! A user: reads and writes through one host, one operation at a time, and notes when.

use std::fmt::{self, Display};
use std::time::Duration;

use bytes::Bytes;
use sansock::{Context, Handler, TimerId};

use super::history::{Action, History};
use super::{Letter, number};
use crate::apps::Shared;
use crate::apps::lines::{Garbled, Lines, Obey, PING_EVERY};

const THINK: TimerId = TimerId::A;
const PING: TimerId = TimerId::B;

/// What a user is going to do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Plan {
    /// How many operations.
    pub operations: u64,
    /// One of so many is a write, the others are reads.
    pub write_one_in: u64,
    /// How long to think before each.
    pub think: Duration,
}

/// What a user remembers from one connection to the next.
#[derive(Clone, Debug)]
pub struct Session {
    name: String,
    plan: Plan,
    /// Operations that were begun, and the place in the history of the one that waits for its answer.
    begun: u64,
    waits: Option<usize>,
    asked_again: u64,
}

impl Session {
    /// A user with this name, without spaces.
    #[must_use]
    pub fn new(name: &str, plan: Plan) -> Self {
        Self { name: name.to_owned(), plan, begun: 0, waits: None, asked_again: 0 }
    }

    /// All that was planned is done and answered.
    #[must_use]
    pub const fn is_done(&self) -> bool {
        self.begun == self.plan.operations && self.waits.is_none()
    }

    /// Whether operation `number` is a write. They come in a fixed order, but not all users write at once.
    fn writes(&self, number: u64) -> bool {
        let shift = self.name.bytes().map(u64::from).sum::<u64>();
        (number + shift).is_multiple_of(self.plan.write_one_in)
    }
}

/// `eve has begun 7 of 20 operations and waits for the last of them`
impl Display for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} has begun {} of {} operations", self.name, self.begun, self.plan.operations)?;
        f.write_str(if self.waits.is_some() { " and waits for the last of them" } else { "" })
    }
}

/// *Sometimes*: an answer was lost with its connection, and the user asked again.
#[must_use]
pub fn somebody_asked_again(sessions: &[Shared<Session>]) -> bool {
    sessions.iter().any(|session| session.lock().asked_again > 0)
}

/// A user at the other end.
#[derive(Debug)]
pub struct User {
    session: Shared<Session>,
    history: Shared<History>,
    lines: Lines,
}

impl User {
    /// The user with this session, whose operations go into this history.
    #[must_use]
    pub fn new(session: Shared<Session>, history: Shared<History>) -> Self {
        Self { session, history, lines: Lines::default() }
    }

    /// Begins the next operation, if there is another.
    fn begin(&mut self, cx: &mut Context<'_, Letter>) {
        let mut session = self.session.lock();
        if session.waits.is_some() || session.begun == session.plan.operations {
            return;
        }
        session.begun += 1;
        let action = if session.writes(session.begun) { Action::Write } else { Action::Read };
        session.waits = Some(self.history.lock().begin(&session.name, action));
        drop(session);
        self.ask(cx);
    }

    /// Asks for the operation that waits for its answer.
    fn ask(&mut self, cx: &mut Context<'_, Letter>) {
        let session = self.session.lock();
        let Some(place) = session.waits else { return };
        let (name, begun) = (&session.name, session.begun);
        match self.history.lock().written(place) {
            None => self.lines.send(cx, format_args!("read {begun}")),
            Some(value) => self.lines.send(cx, format_args!("write {name} {begun} {value}")),
        }
    }
}

impl Obey for User {
    type Message = Letter;

    fn lines(&mut self) -> &mut Lines {
        &mut self.lines
    }

    fn obey(&mut self, cx: &mut Context<'_, Letter>, line: &str) -> Result<(), Garbled> {
        let words: Vec<&str> = line.split(' ').collect();
        let (operation, value) = match words[..] {
            ["value", operation, value] => (number(operation)?, Some(number(value)?)),
            ["written", operation] => (number(operation)?, None),
            ["pong"] => return Ok(()),
            _ => return Err(Garbled),
        };
        let mut session = self.session.lock();
        if operation != session.begun {
            return Err(Garbled);
        }
        let place = session.waits.take().ok_or(Garbled)?;
        self.history.lock().end(place, value).map_err(|_| Garbled)?;
        if session.is_done() {
            cx.finish();
        } else {
            cx.set_timer(THINK, session.plan.think);
        }
        Ok(())
    }
}

impl Handler for User {
    type Message = Letter;

    fn on_open(&mut self, cx: &mut Context<'_, Letter>) {
        cx.set_timer(PING, PING_EVERY);
        let mut session = self.session.lock();
        if session.waits.is_some() {
            session.asked_again += 1;
            drop(session);
            self.ask(cx);
        } else {
            cx.set_timer(THINK, session.plan.think);
        }
    }

    fn on_data(&mut self, cx: &mut Context<'_, Letter>, data: Bytes) {
        self.lines.receive(&data);
        self.obey_all(cx);
    }

    fn on_writable(&mut self, cx: &mut Context<'_, Letter>) {
        self.lines.flush(cx);
    }

    fn on_timer(&mut self, cx: &mut Context<'_, Letter>, timer: TimerId) {
        if timer == THINK {
            return self.begin(cx);
        }
        cx.set_timer(PING, PING_EVERY);
        self.lines.ping(cx);
    }
}
