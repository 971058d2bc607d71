//! A host's side of its connection to another host: asks there what the host's other connections want to know.

use std::collections::BTreeMap;

use bytes::Bytes;
use sansock::{Context, Handler, SocketId, TimerId};

use super::{Answer, Ask, Host, Letter, number};
use crate::apps::lines::{Garbled, Lines, Obey, PING_EVERY};

const PING: TimerId = TimerId::A;
/// So many questions may wait for their answers. Who asks more is not heard, and asks again.
const MOST_QUESTIONS: usize = 64;

/// The connection to another host.
#[derive(Debug)]
pub struct Link {
    host: Host,
    other: usize,
    lines: Lines,
    /// Who has asked, and with what tag, by the tag that the other host knows.
    questions: BTreeMap<u64, (SocketId, u64)>,
    asked: u64,
}

impl Link {
    /// The connection of a host to that with the number `other`.
    #[must_use]
    pub fn new(host: Host, other: usize) -> Self {
        Self { host, other, lines: Lines::default(), questions: BTreeMap::new(), asked: 0 }
    }

    fn ask(&mut self, cx: &mut Context<'_, Letter>, from: SocketId, tag: u64, ask: Ask) {
        if !self.lines.is_ready() || self.questions.len() >= MOST_QUESTIONS {
            return;
        }
        self.asked += 1;
        self.questions.insert(self.asked, (from, tag));
        match ask {
            Ask::Query => self.lines.send(cx, format_args!("query {}", self.asked)),
            Ask::Store(value) => self.lines.send(cx, format_args!("store {} {value}", self.asked)),
        }
    }
}

impl Obey for Link {
    type Message = Letter;

    fn lines(&mut self) -> &mut Lines {
        &mut self.lines
    }

    fn obey(&mut self, cx: &mut Context<'_, Letter>, line: &str) -> Result<(), Garbled> {
        let words: Vec<&str> = line.splitn(3, ' ').collect();
        let (asked, answer) = match words[..] {
            ["holds", asked, value] => (asked, Answer::Holds(value.parse()?)),
            ["stored", asked] => (asked, Answer::Stored),
            ["pong"] => return Ok(()),
            _ => return Err(Garbled),
        };
        let (from, tag) = self.questions.remove(&number(asked)?).ok_or(Garbled)?;
        // If this fails, whoever has asked asks again.
        let _ = cx.post(from, Letter::Answer { host: self.other, tag, answer });
        Ok(())
    }
}

impl Handler for Link {
    type Message = Letter;

    fn on_open(&mut self, cx: &mut Context<'_, Letter>) {
        // It stays there when it is gone: what is posted to nobody is lost, as much else may be, and asked again.
        self.host.links.lock()[self.other] = Some(cx.socket());
        cx.set_timer(PING, PING_EVERY);
    }

    fn on_data(&mut self, cx: &mut Context<'_, Letter>, data: Bytes) {
        self.lines.receive(&data);
        self.obey_all(cx);
    }

    fn on_writable(&mut self, cx: &mut Context<'_, Letter>) {
        self.lines.flush(cx);
    }

    fn on_message(&mut self, cx: &mut Context<'_, Letter>, message: Letter) {
        if let Letter::Ask { from, tag, ask } = message {
            self.ask(cx, from, tag, ask);
        }
    }

    fn on_timer(&mut self, cx: &mut Context<'_, Letter>, _: TimerId) {
        cx.set_timer(PING, PING_EVERY);
        self.lines.ping(cx);
    }
}
