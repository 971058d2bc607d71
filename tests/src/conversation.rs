//! Random conversations whose histories do not depend on chance.
//!
//! Two ends take turns, or talk at once, and what each does next waits for bytes alone: an end goes on once it has received all that the
//! other sends before. Then one of them brings it to an end. Where an end would make it chance what the other still sees, such as a reset, a
//! barrier comes first: each tells the other with one byte that it has received everything, so that both are quiet.

use std::fmt;
use std::time::Duration;

use sansock::{ConfigError, ConnectionConfig, Ending};

use crate::history::Seen;
use crate::play::{Act, Part, Play, When};
use crate::run::{Command, Outcome, Side, Terms};

/// What is said, and how it ends.
#[derive(Clone, PartialEq, Eq)]
pub struct Conversation {
    /// The client's limits.
    pub client: Limits,
    /// The server's limits.
    pub server: Limits,
    /// The server sends back what comes, in place of its own part of the turns. It does not if the client is not to hear it: see
    /// [`End::Flush`].
    pub echo: bool,
    /// What is said.
    pub turns: Vec<Turn>,
    /// Who brings it to an end. With an echo that is the client.
    pub by: Side,
    /// How.
    pub end: End,
}

/// One line a turn.
impl fmt::Debug for Conversation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "client {:?}", self.client)?;
        writeln!(f, "server {:?}{}", self.server, if self.echo() { ", an echo" } else { "" })?;
        for turn in &self.turns {
            writeln!(f, "  client {:?}, server {:?}", turn.client, turn.server)?;
        }
        write!(f, "  the {:?} ends it: {:?}", self.by(), self.end)
    }
}

/// The limits of one end that make no difference to what is seen.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// The send queue's low watermark.
    pub low: usize,
    /// How far the high watermark is above it; 0 counts as 1.
    pub above: usize,
    /// The most that one receive asks for; 0 counts as 1.
    pub receive: usize,
}

/// What both ends say at the same time.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Turn {
    /// The client's pieces.
    pub client: Vec<Piece>,
    /// The server's.
    pub server: Vec<Piece>,
}

/// A piece of a turn.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Piece {
    /// So many bytes.
    Bytes(usize),
    /// A pause of so many milliseconds in receiving. There is none if a pause is to be the end.
    Pause(u8),
}

/// How it is brought to an end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum End {
    /// By a half-close. The other end still says so much, and finishes in one way or another.
    HalfClose(usize, Last),
    /// By finishing. What the other end still says is dropped.
    Finish(usize),
    /// Both finish, each when it has received everything.
    FinishBoth,
    /// After the barrier, so much is said, and then the connection is closed without waiting for the other end.
    Flush(usize),
    /// After the barrier, so much is said, and then reset.
    Abort(usize),
    /// After the barrier, the supervisor is told to drain. What the other end still says is dropped.
    Drain(usize),
    /// After the barrier, the supervisor is told to stop.
    Stop,
    /// After the barrier, a pause that lasts too long.
    PauseTooLong,
    /// After the barrier, the other end half-closes, and gets no answer for too long.
    HalfClosedTooLong,
    /// Nobody has anything to say, and one end waits no longer. There are no turns.
    Idle,
}

/// How the end that was left alone finishes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Last {
    /// `half_close()`
    HalfClose,
    /// `finish()`
    Finish,
    /// `close_after_flush()`
    CloseAfterFlush,
}

/// A limit that an end is to run into. The other end never does: its limits are those of a default connection.
const SOON: Duration = Duration::from_millis(4);

impl Conversation {
    /// The parts of both ends.
    #[must_use]
    pub fn play(&self) -> Play {
        self.stage().play()
    }

    fn by(&self) -> Side {
        if self.echo() { Side::Client } else { self.by }
    }

    const fn echo(&self) -> bool {
        self.echo && !matches!(self.end, End::Flush(_))
    }

    fn stage(&self) -> Stage {
        let mut stage = Stage {
            by: self.by(),
            echo: self.echo(),
            pauses: self.end != End::PauseTooLong,
            client: Lines::default(),
            server: Lines::default(),
        };
        if self.end != End::Idle {
            self.turns.iter().for_each(|turn| stage.turn(turn));
        }
        stage.end(self.end);
        stage
    }

    /// The limits of both ends, and the command that their supervisor gets.
    ///
    /// # Errors
    /// Never: what makes no sense is moved to the nearest that does.
    pub fn terms(&self) -> Result<Terms, ConfigError> {
        let (mut client, mut server) = (self.client.config()?, self.server.config()?);
        let impatient = if self.by() == Side::Client { &mut client } else { &mut server };
        *impatient = match self.end {
            End::PauseTooLong => impatient.paused(Some(SOON))?,
            End::HalfClosedTooLong => impatient.half_closed(Some(SOON))?,
            End::Idle => impatient.read_idle(Some(SOON))?,
            _ => *impatient,
        };
        let command = match self.end {
            End::Drain(_) => Some((self.by(), Command::Drain)),
            End::Stop => Some((self.by(), Command::Stop)),
            _ => None,
        };
        Ok(Terms { client, server, command })
    }

    /// Checks that the conversation went as it is written here, whatever the transport.
    ///
    /// # Errors
    /// What went otherwise.
    pub fn judge(&self, outcome: &Outcome) -> Result<(), String> {
        let (first, second) = match self.by() {
            Side::Client => (&outcome.client, &outcome.server),
            Side::Server => (&outcome.server, &outcome.client),
        };
        let expected = self.end.endings();
        for (who, history, expected) in [("who ends it", first, expected.0), ("the other end", second, expected.1)] {
            let Some(Seen::Closed { ending, reason }) = history.0.last() else {
                return Err(format!("{who} saw no end: {history}"));
            };
            if (*ending, *reason) != expected || !history.is_intact() {
                return Err(format!("{who} saw {history} ({reason}), not {expected:?}"));
            }
        }
        self.delivered_everything(outcome)
    }

    /// A2, A3: an end that was not reset has everything that was said to it, and one that was has all that came before the barrier.
    fn delivered_everything(&self, outcome: &Outcome) -> Result<(), String> {
        let stage = self.stage();
        for (who, got, sent) in [
            ("client", outcome.client.delivered(), stage.said(Side::Server)),
            ("server", outcome.server.delivered(), stage.said(Side::Client)),
        ] {
            if !sent.contains(&got) {
                return Err(format!("the {who} got {got} bytes of {sent:?}"));
            }
        }
        Ok(())
    }
}

impl Limits {
    fn config(self) -> Result<ConnectionConfig, ConfigError> {
        ConnectionConfig::default().send_queue(self.low, self.low + self.above.max(1))?.receive_size(self.receive.max(1))
    }
}

impl End {
    /// How it ends for who ends it, and for the other end.
    const fn endings(self) -> ((Ending, &'static str), (Ending, &'static str)) {
        use Ending::{Aborted, Confirmed, Unconfirmed};
        const FINISHED: (Ending, &str) = (Confirmed, "finished");
        const RESET: (Ending, &str) = (Aborted, "fault");
        match self {
            Self::HalfClose(_, Last::CloseAfterFlush) => (FINISHED, (Confirmed, "closed after flush")),
            Self::HalfClose(..) | Self::Finish(_) | Self::FinishBoth | Self::Drain(_) => (FINISHED, FINISHED),
            Self::Flush(_) => ((Unconfirmed, "closed after flush"), FINISHED),
            Self::Abort(_) => ((Aborted, "aborted"), RESET),
            Self::Stop => ((Aborted, "ordered"), RESET),
            Self::PauseTooLong => ((Aborted, "paused"), RESET),
            Self::HalfClosedTooLong => ((Confirmed, "half-closed"), FINISHED),
            Self::Idle => ((Confirmed, "read idle"), FINISHED),
        }
    }
}

/// The conversation while it is written down.
struct Stage {
    by: Side,
    echo: bool,
    pauses: bool,
    client: Lines,
    server: Lines,
}

/// What one end does, and how much it has said.
#[derive(Default)]
struct Lines {
    rules: Vec<(When, Vec<Act>)>,
    said: usize,
    /// Said right before a reset: it may not arrive.
    last_words: usize,
}

impl Stage {
    fn of(&mut self, side: Side) -> &mut Lines {
        if side == Side::Client { &mut self.client } else { &mut self.server }
    }

    fn other(&self) -> Side {
        if self.by == Side::Client { Side::Server } else { Side::Client }
    }

    fn turn(&mut self, turn: &Turn) {
        let (to_client, to_server) = (self.server.said, self.client.said);
        self.client.say(to_client, &turn.client, self.pauses);
        if self.echo {
            self.server.said = self.client.said;
        } else {
            self.server.say(to_server, &turn.server, self.pauses);
        }
    }

    /// Who ends it does this once it has received everything.
    fn act(&mut self, acts: impl IntoIterator<Item = Act>) {
        let heard = self.heard_by(self.by);
        let by = self.by;
        self.of(by).add(When::Received(heard), acts);
    }

    fn heard_by(&self, side: Side) -> usize {
        if side == Side::Client { self.server.said } else { self.client.said }
    }

    /// Who does not end it does this once the other has finished.
    fn answer(&mut self, acts: impl IntoIterator<Item = Act>) {
        let other = self.other();
        self.of(other).add(When::PeerFinished, acts);
    }

    /// Each end knows that the other has received everything: a byte there, and a byte back.
    fn barrier(&mut self) {
        let (by, other) = (self.by, self.other());
        for side in [by, other] {
            if self.echo && side == Side::Server {
                self.server.said = self.client.said;
            } else {
                let heard = self.heard_by(side);
                self.of(side).say(heard, &[Piece::Bytes(1)], false);
            }
        }
    }

    fn end(&mut self, end: End) {
        match end {
            End::HalfClose(reply, last) => {
                self.act([Act::HalfClose]);
                let last = match last {
                    Last::HalfClose => Act::HalfClose,
                    Last::Finish => Act::Finish,
                    Last::CloseAfterFlush => Act::CloseAfterFlush,
                };
                self.answer([Act::Send(reply), last]);
                let other = self.other();
                self.of(other).said += reply;
            }
            End::Finish(reply) => {
                self.act([Act::Finish]);
                self.drop_answer(reply);
            }
            End::FinishBoth => {
                for side in [Side::Client, Side::Server] {
                    let heard = self.heard_by(side);
                    self.of(side).add(When::Received(heard), [Act::Finish]);
                }
            }
            End::Flush(size) => {
                self.barrier();
                self.act([Act::Send(size), Act::CloseAfterFlush]);
                let by = self.by;
                self.of(by).said += size;
                self.answer([Act::Finish]);
            }
            End::Abort(size) => {
                self.barrier();
                self.act([Act::Send(size), Act::Abort]);
                let by = self.by;
                self.of(by).last_words = size;
                if self.echo {
                    self.server.last_words = size;
                }
            }
            End::Drain(reply) => {
                self.barrier();
                self.act([Act::Call]);
                self.drop_answer(reply);
            }
            End::Stop => {
                self.barrier();
                self.act([Act::Call]);
            }
            End::PauseTooLong => {
                self.barrier();
                self.act([Act::Pause]);
            }
            End::HalfClosedTooLong => {
                self.barrier();
                let other = self.other();
                let heard = self.heard_by(other);
                self.of(other).add(When::Received(heard), [Act::HalfClose]);
            }
            End::Idle => self.answer([Act::Finish]),
        }
    }

    fn drop_answer(&mut self, reply: usize) {
        self.answer([Act::Send(reply), Act::Finish]);
    }

    /// How much of what this end says arrives.
    fn said(&self, side: Side) -> std::ops::RangeInclusive<usize> {
        let lines = if side == Side::Client { &self.client } else { &self.server };
        lines.said..=lines.said + lines.last_words
    }

    fn play(self) -> Play {
        let part = |lines: Lines, echo| Part { rules: lines.rules, echo };
        Play { client: part(self.client, false), server: part(self.server, self.echo) }
    }
}

impl Lines {
    /// Once so much was heard, these pieces.
    fn say(&mut self, heard: usize, pieces: &[Piece], pauses: bool) {
        let act = |piece: &Piece| match piece {
            Piece::Bytes(size) => Some(Act::Send(*size)),
            Piece::Pause(millis) => pauses.then(|| Act::PauseFor(Duration::from_millis((*millis).into()))),
        };
        self.add(When::Received(heard), pieces.iter().filter_map(act));
        self.said += pieces.iter().map(|piece| if let Piece::Bytes(size) = piece { *size } else { 0 }).sum::<usize>();
    }

    fn add(&mut self, when: When, acts: impl IntoIterator<Item = Act>) {
        let when = if when == When::Received(0) { When::Open } else { when };
        self.rules.push((when, acts.into_iter().collect()));
    }
}
