//! The client's side of a connection: a person who says things, and keeps a diary of what was heard.

use std::time::Duration;

use bytes::Bytes;
use sansock::{CloseReport, Context, Ending, Handler, TimerId};

use super::room::{Entry, News};
use crate::apps::Shared;
use crate::apps::lines::{Garbled, Lines, Obey, PING_EVERY};

/// Time to say something.
const SPEAK: TimerId = TimerId::A;
/// Time to wake up.
const WAKE: TimerId = TimerId::B;
/// Time to say that we are here.
const PING: TimerId = TimerId::C;

/// What a person is going to do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Plan {
    /// How many sentences to say.
    pub sentences: u64,
    /// How long to think before each.
    pub pace: Duration,
    /// When to sleep.
    pub nap: Option<Nap>,
    /// Leave once all of one's own sentences have been heard; otherwise stay and listen.
    pub leaves: bool,
}

/// Not reading for a while.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Nap {
    /// Once so many things have been heard.
    pub after: usize,
    /// For so long.
    pub span: Duration,
}

/// What a person has heard.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Heard {
    /// This, under this number.
    Entry(usize, Entry),
    /// That something was missed.
    Missed {
        /// The number of what comes next.
        next: usize,
        /// How many of one's own sentences were heard in the room.
        said: u64,
    },
}

/// What a person remembers from one connection to the next, and the rules look at.
#[derive(Clone, Debug)]
pub struct Diary {
    name: String,
    plan: Plan,
    /// Sentences that were thought of, and how many of those were heard in the room.
    said: u64,
    confirmed: u64,
    heard: Vec<Heard>,
    left: bool,
    resets: u64,
    pub(super) audit: super::rules::Audit,
}

impl Diary {
    /// An empty diary. A name has no spaces and 32 bytes at most.
    #[must_use]
    pub fn new(name: &str, plan: Plan) -> Self {
        let audit = super::rules::Audit::default();
        Self { name: name.to_owned(), plan, said: 0, confirmed: 0, heard: Vec::new(), left: false, resets: 0, audit }
    }

    /// Whose it is.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// All that was heard, in this order.
    #[must_use]
    pub fn heard(&self) -> &[Heard] {
        &self.heard
    }

    /// The number of what is to be heard next.
    #[must_use]
    pub fn next(&self) -> usize {
        match self.heard.last() {
            Some(Heard::Entry(number, _)) => number + 1,
            Some(Heard::Missed { next, .. }) => *next,
            None => 0,
        }
    }

    /// Everything that was to be said has been heard in the room.
    #[must_use]
    pub const fn has_said_all(&self) -> bool {
        self.confirmed == self.plan.sentences
    }

    /// It was all said, and there was nothing to stay for.
    #[must_use]
    pub const fn has_left(&self) -> bool {
        self.left
    }

    /// How many connections were broken.
    #[must_use]
    pub const fn resets(&self) -> u64 {
        self.resets
    }

    fn note(&mut self, heard: Heard) {
        match &heard {
            Heard::Entry(_, Entry::Said { name, number, .. }) if *name == self.name => {
                self.confirmed = self.confirmed.max(*number)
            }
            Heard::Missed { said, .. } => self.confirmed = self.confirmed.max(*said),
            Heard::Entry(..) => {}
        }
        self.heard.push(heard);
    }

    /// A sentence: short ones and long ones.
    fn sentence(&self, number: u64) -> String {
        let long = number.wrapping_mul(37) % 30;
        format!("{} has {} things to say, this is one{}", self.name, self.plan.sentences, ", and so on".repeat(long as usize))
    }
}

/// A person at the other end.
#[derive(Debug)]
pub struct Speaker {
    diary: Shared<Diary>,
    lines: Lines,
    /// How many sentences are sent, or known to be heard, on this connection.
    sent: u64,
}

impl Speaker {
    /// The person with this diary.
    #[must_use]
    pub fn new(diary: Shared<Diary>) -> Self {
        Self { diary, lines: Lines::default(), sent: 0 }
    }

    /// Says what has been thought of and is not said, as far as the send queue takes it; leaves when there is nothing to stay for.
    fn go_on(&mut self, cx: &mut Context<'_, News>) {
        let mut diary = self.diary.lock();
        if diary.plan.leaves && diary.has_said_all() {
            diary.left = true;
            return cx.finish();
        }
        while self.lines.is_ready() && self.sent < diary.said {
            self.sent += 1;
            self.lines.send(cx, format_args!("say {} {}", self.sent, diary.sentence(self.sent)));
        }
    }
}

impl Obey for Speaker {
    type Message = News;

    fn lines(&mut self) -> &mut Lines {
        &mut self.lines
    }

    fn obey(&mut self, cx: &mut Context<'_, News>, line: &str) -> Result<(), Garbled> {
        let (verb, rest) = line.split_once(' ').unwrap_or((line, ""));
        let heard = match verb {
            "hear" => {
                let (number, entry) = rest.split_once(' ').ok_or(Garbled)?;
                Heard::Entry(number.parse().map_err(|_| Garbled)?, entry.parse()?)
            }
            "missed" => {
                let (next, said) = rest.split_once(' ').ok_or(Garbled)?;
                Heard::Missed { next: next.parse().map_err(|_| Garbled)?, said: said.parse().map_err(|_| Garbled)? }
            }
            "pong" => return Ok(()),
            _ => return Err(Garbled),
        };
        let mut diary = self.diary.lock();
        diary.note(heard);
        if let Some(nap) = diary.plan.nap
            && diary.heard.len() == nap.after
        {
            cx.pause();
            cx.set_timer(WAKE, nap.span);
        }
        Ok(())
    }
}

impl Handler for Speaker {
    type Message = News;

    fn on_open(&mut self, cx: &mut Context<'_, News>) {
        let diary = self.diary.lock();
        self.sent = diary.confirmed;
        self.lines.send(cx, format_args!("join {} {}", diary.name, diary.next()));
        cx.set_timer(SPEAK, diary.plan.pace);
        cx.set_timer(PING, PING_EVERY);
        drop(diary);
        self.go_on(cx);
    }

    fn on_data(&mut self, cx: &mut Context<'_, News>, data: Bytes) {
        self.lines.receive(&data);
        self.obey_all(cx);
        self.go_on(cx);
    }

    fn on_writable(&mut self, cx: &mut Context<'_, News>) {
        self.lines.flush(cx);
        self.go_on(cx);
    }

    fn on_timer(&mut self, cx: &mut Context<'_, News>, timer: TimerId) {
        match timer {
            WAKE => cx.resume(),
            PING => {
                cx.set_timer(PING, PING_EVERY);
                self.lines.ping(cx);
            }
            _ => {
                let mut diary = self.diary.lock();
                if diary.said < diary.plan.sentences {
                    diary.said += 1;
                    cx.set_timer(SPEAK, diary.plan.pace);
                }
                drop(diary);
                self.go_on(cx);
            }
        }
    }

    fn on_closed(&mut self, report: &CloseReport) {
        if report.ending == Ending::Aborted {
            self.diary.lock().resets += 1;
        }
    }
}
