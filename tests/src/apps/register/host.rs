//! What a host holds, and its side of the connections that it has accepted.

use std::collections::BTreeMap;
use std::fmt::{self, Display};
use std::str::FromStr;
use std::time::Duration;

use bytes::Bytes;
use sansock::{Context, Handler, SocketId, TimerId};

use super::quorum::{Progress, Quorum, Request};
use super::{Answer, Ask, HOSTS, Letter, number};
use crate::apps::Shared;
use crate::apps::lines::{Garbled, Lines, Obey};

/// Time to ask again those who have not answered.
const ASK_AGAIN: TimerId = TimerId::A;
const ASK_AGAIN_AFTER: Duration = Duration::from_millis(200);

/// Versions are totally ordered: first by how many came before, then by the host that gave it out.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub struct Version {
    /// One more than in all versions that were known when this was given out.
    pub counter: u64,
    /// By whom.
    pub host: usize,
}

/// A value and its version: `3.1 42`. At first it is 0 in version 0.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub struct Versioned {
    /// The version.
    pub version: Version,
    /// The value.
    pub value: u64,
}

impl Display for Versioned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{} {}", self.version.counter, self.version.host, self.value)
    }
}

impl FromStr for Versioned {
    type Err = Garbled;

    fn from_str(text: &str) -> Result<Self, Garbled> {
        let (version, value) = text.split_once(' ').ok_or(Garbled)?;
        let (counter, host) = version.split_once('.').ok_or(Garbled)?;
        let host = number(host)? as usize;
        Ok(Self { version: Version { counter: number(counter)?, host }, value: number(value)? })
    }
}

/// What a host does not forget when it crashes.
#[derive(Clone, Debug)]
pub struct Disk {
    pub(super) host: usize,
    held: Versioned,
    /// The highest counter that it has given out.
    pub(super) issued: u64,
    /// The last write of each user, and its version.
    pub(super) writes: BTreeMap<String, (u64, Version)>,
    write_backs: u64,
    hasty: bool,
}

impl Disk {
    /// The empty disk of the host with this number, from 0.
    #[must_use]
    pub const fn new(host: usize) -> Self {
        let held = Versioned { version: Version { counter: 0, host: 0 }, value: 0 };
        Self { host, held, issued: 0, writes: BTreeMap::new(), write_backs: 0, hasty: false }
    }

    /// The same, but a write through this host is acknowledged once the others have been told, not once a majority holds it.
    #[must_use]
    pub const fn with_planted_bug(mut self) -> Self {
        self.hasty = true;
        self
    }

    /// Answers a host.
    pub fn answer(&mut self, ask: Ask) -> Answer {
        match ask {
            Ask::Query => Answer::Holds(self.held),
            Ask::Store(value) => {
                self.held = self.held.max(value);
                Answer::Stored
            }
        }
    }

    /// How often a read had to write back what it had found: no majority held it.
    #[must_use]
    pub const fn write_backs(&self) -> u64 {
        self.write_backs
    }

    pub(super) const fn note_write_back(&mut self) {
        self.write_backs += 1;
    }

    pub(super) const fn is_hasty(&self) -> bool {
        self.hasty
    }
}

/// A host that runs: its disk, and its connections to the others. To be made anew whenever the host starts.
#[derive(Clone, Debug)]
pub struct Host {
    number: usize,
    pub(super) disk: Shared<Disk>,
    pub(super) links: Shared<[Option<SocketId>; HOSTS]>,
}

impl Host {
    /// The host starts with this disk, and without connections.
    #[must_use]
    pub fn start(disk: &Shared<Disk>) -> Self {
        Self { number: disk.lock().host, disk: disk.clone(), links: Shared::default() }
    }
}

/// The host's side of a connection that it has accepted: answers other hosts, and carries out what a user wants, one operation at a time.
#[derive(Debug)]
pub struct Replica {
    host: Host,
    lines: Lines,
    operation: Option<(u64, Quorum)>,
    /// Counts the questions, so that late answers to an earlier one are known as such.
    tag: u64,
}

impl Replica {
    /// A connection on which nothing was said.
    #[must_use]
    pub fn new(host: Host) -> Self {
        Self { host, lines: Lines::default(), operation: None, tag: 0 }
    }

    fn begin(&mut self, cx: &mut Context<'_, Letter>, number: u64, request: Request) -> Result<(), Garbled> {
        if self.operation.is_some() {
            return Err(Garbled);
        }
        self.operation = Some((number, Quorum::new(request)));
        self.ask(cx);
        Ok(())
    }

    /// Asks everybody the question of the operation under way; this host answers at once.
    fn ask(&mut self, cx: &mut Context<'_, Letter>) {
        self.tag += 1;
        self.ask_others(cx);
        let Some((_, quorum)) = &self.operation else { return };
        let answer = self.host.disk.lock().answer(quorum.ask());
        self.take(cx, self.host.number, answer);
    }

    /// Asks every host that has not answered and that there is a connection to. What gets lost is asked again.
    fn ask_others(&self, cx: &mut Context<'_, Letter>) {
        let Some((_, quorum)) = &self.operation else { return };
        let links = *self.host.links.lock();
        for link in quorum.missing().filter_map(|host| links[host]) {
            let _ = cx.post(link, Letter::Ask { from: cx.socket(), tag: self.tag, ask: quorum.ask() });
        }
        cx.set_timer(ASK_AGAIN, ASK_AGAIN_AFTER);
    }

    fn take(&mut self, cx: &mut Context<'_, Letter>, host: usize, answer: Answer) {
        let Some((number, quorum)) = &mut self.operation else { return };
        let progress = quorum.take(host, answer, &mut self.host.disk.lock());
        match progress {
            Progress::Wait => return,
            Progress::AskNext => return self.ask(cx),
            Progress::Read(value) => self.lines.send(cx, format_args!("value {number} {value}")),
            Progress::Written => self.lines.send(cx, format_args!("written {number}")),
            Progress::Superseded => {}
        }
        self.operation = None;
        cx.clear_timer(ASK_AGAIN);
    }
}

impl Obey for Replica {
    type Message = Letter;

    fn lines(&mut self) -> &mut Lines {
        &mut self.lines
    }

    fn obey(&mut self, cx: &mut Context<'_, Letter>, line: &str) -> Result<(), Garbled> {
        let words: Vec<&str> = line.splitn(4, ' ').collect();
        match words[..] {
            ["query", tag] => {
                let Answer::Holds(held) = self.host.disk.lock().answer(Ask::Query) else { return Ok(()) };
                self.lines.send(cx, format_args!("holds {} {held}", number(tag)?));
            }
            ["store", tag, version, value] => {
                let value = format!("{version} {value}").parse()?;
                self.host.disk.lock().answer(Ask::Store(value));
                self.lines.send(cx, format_args!("stored {}", number(tag)?));
            }
            ["read", operation] => return self.begin(cx, number(operation)?, Request::Read),
            ["write", name, operation, value] => {
                let (operation, value) = (number(operation)?, number(value)?);
                return self.begin(cx, operation, Request::Write { name: name.to_owned(), number: operation, value });
            }
            ["ping"] => self.lines.send(cx, "pong"),
            _ => return Err(Garbled),
        }
        Ok(())
    }
}

impl Handler for Replica {
    type Message = Letter;

    fn on_data(&mut self, cx: &mut Context<'_, Letter>, data: Bytes) {
        self.lines.receive(&data);
        self.obey_while_ready(cx);
    }

    fn on_writable(&mut self, cx: &mut Context<'_, Letter>) {
        self.lines.flush(cx);
        self.obey_while_ready(cx);
    }

    fn on_message(&mut self, cx: &mut Context<'_, Letter>, message: Letter) {
        if let Letter::Answer { host, tag, answer } = message
            && tag == self.tag
        {
            self.take(cx, host, answer);
        }
    }

    fn on_timer(&mut self, cx: &mut Context<'_, Letter>, _: TimerId) {
        self.ask_others(cx);
    }
}
