//! The server's side of a connection: one member of the room.

use std::time::Duration;

use bytes::Bytes;
use sansock::{CloseReport, Context, Handler, SocketId, TimerId};

use super::room::{News, Reading, Room};
use crate::apps::Shared;
use crate::apps::lines::{Garbled, Lines, Obey};

/// There are others who have not been told yet that there is news: as many as the mailbox holds at a time.
const GO_ON_TELLING: TimerId = TimerId::A;
/// Nobody can post anything when a connection has been reset, so each member looks at the room now and then.
const LOOK: TimerId = TimerId::B;
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// One member of the room: takes what its person says, and tells what happens, at the pace at which it is taken.
#[derive(Debug)]
pub struct Member {
    room: Shared<Room>,
    lines: Lines,
    /// Who it is, once that is said.
    seat: Option<(String, SocketId)>,
    /// The number of what it tells next.
    next: usize,
}

impl Member {
    /// Somebody who has not said yet who it is.
    #[must_use]
    pub fn new(room: Shared<Room>) -> Self {
        Self { room, lines: Lines::default(), seat: None, next: 0 }
    }

    fn join(&mut self, cx: &mut Context<'_, News>, name: &str, next: usize) -> Result<(), Garbled> {
        let replaced = self.room.lock().join(name, next, cx.socket())?;
        self.seat = Some((name.to_owned(), cx.socket()));
        self.next = next;
        cx.set_timer(LOOK, LOOK_EVERY);
        if let Some(old) = replaced {
            // It looks, and finds that it has been replaced. If this fails it does so a second later.
            let _ = cx.post(old, News);
        }
        Ok(())
    }

    /// Does all that can be done now.
    fn go_on(&mut self, cx: &mut Context<'_, News>) {
        self.obey_while_ready(cx);
        self.tell(cx);
        self.tell_others(cx);
    }

    /// Tells its own person what is new, as far as the send queue takes it.
    fn tell(&mut self, cx: &mut Context<'_, News>) {
        let Some((name, socket)) = &self.seat else { return };
        if !self.room.lock().is_seated(name, *socket) {
            return cx.abort();
        }
        while self.lines.is_ready() {
            let reading = self.room.lock().read(name, self.next);
            match reading {
                Reading::Nothing => return,
                Reading::Missed { next, said } => {
                    self.lines.send(cx, format_args!("missed {next} {said}"));
                    self.next = next;
                }
                Reading::Entry(entry) => {
                    self.lines.send(cx, format_args!("hear {} {entry}", self.next));
                    self.next += 1;
                }
            }
        }
        self.next = self.room.lock().lag(self.next);
    }

    /// Tells the other connections that there is something to tell. One whose mailbox is full has been told often enough.
    fn tell_others(&self, cx: &mut Context<'_, News>) {
        loop {
            let other = self.room.lock().uninformed(cx.socket());
            let Some(other) = other else { return };
            if cx.post(other, News).is_err() {
                return cx.set_timer(GO_ON_TELLING, Duration::ZERO);
            }
            self.room.lock().inform(other);
        }
    }
}

impl Obey for Member {
    type Message = News;

    fn lines(&mut self) -> &mut Lines {
        &mut self.lines
    }

    fn obey(&mut self, cx: &mut Context<'_, News>, line: &str) -> Result<(), Garbled> {
        let (verb, rest) = line.split_once(' ').unwrap_or((line, ""));
        match (verb, &self.seat) {
            ("join", None) => {
                let (name, next) = rest.split_once(' ').ok_or(Garbled)?;
                self.join(cx, name, next.parse().map_err(|_| Garbled)?)
            }
            ("say", Some((name, _))) => {
                let (number, text) = rest.split_once(' ').ok_or(Garbled)?;
                self.room.lock().say(name, number.parse().map_err(|_| Garbled)?, text)
            }
            ("ping", Some(_)) => {
                self.lines.send(cx, "pong");
                Ok(())
            }
            _ => Err(Garbled),
        }
    }
}

impl Handler for Member {
    type Message = News;

    fn on_data(&mut self, cx: &mut Context<'_, News>, data: Bytes) {
        self.lines.receive(&data);
        self.go_on(cx);
    }

    fn on_writable(&mut self, cx: &mut Context<'_, News>) {
        self.lines.flush(cx);
        self.go_on(cx);
    }

    fn on_message(&mut self, cx: &mut Context<'_, News>, _: News) {
        self.tell(cx);
    }

    fn on_timer(&mut self, cx: &mut Context<'_, News>, timer: TimerId) {
        if timer == LOOK {
            cx.set_timer(LOOK, LOOK_EVERY);
            self.tell(cx);
        }
        self.tell_others(cx);
    }

    fn on_peer_finished(&mut self, cx: &mut Context<'_, News>) {
        // News that is under way to this connection is for nobody any more.
        if let Some((name, socket)) = self.seat.take() {
            self.room.lock().leave(&name, socket);
        }
        self.tell_others(cx);
        cx.finish();
    }

    fn on_closed(&mut self, _: &CloseReport) {
        if let Some((name, socket)) = &self.seat {
            self.room.lock().leave(name, *socket);
        }
    }
}
