//! Scripted handlers: a script for each end of a connection, the same on every transport.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::LazyLock;
use std::time::Duration;

use bytes::Bytes;
use sansock::{Context, Handler, TimerId};

use crate::history::{Recorded, Recorder};
use crate::run::{Cast, Side};

/// What an end does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Act {
    /// Send the next so many bytes of the pattern.
    Send(usize),
    /// Stop receiving for so long.
    PauseFor(Duration),
    /// Stop receiving for good.
    Pause,
    /// Call for the supervisor: see [`Recorder::call`].
    Call,
    /// End our direction.
    HalfClose,
    /// End gracefully.
    Finish,
    /// End once everything was sent.
    CloseAfterFlush,
    /// End with a reset.
    Abort,
    /// Panic.
    Panic,
}

/// When an end does something.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum When {
    /// As soon as the connection is there.
    Open,
    /// Once so many bytes were received in all.
    Received(usize),
    /// Once the peer has finished.
    PeerFinished,
}

/// What one end does, and when. What it was told to send is handed over completely before what comes after is done.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Part {
    /// Each is done once, in this order if several are due.
    pub rules: Vec<(When, Vec<Act>)>,
    /// Send back whatever comes, beside the rules.
    pub echo: bool,
}

impl Part {
    /// These rules and no echo.
    #[must_use]
    pub fn new(rules: impl Into<Vec<(When, Vec<Act>)>>) -> Self {
        Self { rules: rules.into(), echo: false }
    }

    /// Send back whatever comes, and finish when the peer has.
    #[must_use]
    pub fn echo() -> Self {
        Self { rules: vec![(When::PeerFinished, vec![Act::Finish])], echo: true }
    }
}

/// The parts of both ends.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Play {
    /// Who dials.
    pub client: Part,
    /// Who accepts.
    pub server: Part,
}

impl Cast for Play {
    type Handler = Recorded<Player>;

    fn handler(&self, side: Side, recorder: Recorder) -> Recorded<Player> {
        let part = match side {
            Side::Client => self.client.clone(),
            Side::Server => self.server.clone(),
        };
        Recorded::new(Player::calling(part, recorder.clone()), recorder, PATTERN.clone())
    }
}

const PERIOD: usize = 251;

/// What is sent: the byte at place `n` of a direction is `n` modulo 251, a prime, so that a cut of a power of two never repeats it.
static PATTERN: LazyLock<Bytes> = LazyLock::new(|| (0..PERIOD * 300).map(|place| (place % PERIOD) as u8).collect());

/// Plays a part.
#[derive(Clone, Debug)]
pub struct Player {
    part: Part,
    recorder: Recorder,
    done: Vec<bool>,
    acts: VecDeque<Act>,
    held: Bytes,
    sent: usize,
    received: usize,
    peer_finished: bool,
}

impl Player {
    /// A handler that plays `part`. Nobody hears its calls.
    #[must_use]
    pub fn new(part: Part) -> Self {
        Self::calling(part, Recorder::default())
    }

    /// A handler that plays `part`, and calls through `recorder`.
    #[must_use]
    pub fn calling(part: Part, recorder: Recorder) -> Self {
        let done = vec![false; part.rules.len()];
        Self { part, recorder, done, acts: VecDeque::new(), held: Bytes::new(), sent: 0, received: 0, peer_finished: false }
    }

    /// Does what has become due, as far as the send queue lets it.
    fn go_on(&mut self, cx: &mut Context<'_, Infallible>) {
        for (index, (when, acts)) in self.part.rules.iter().enumerate() {
            let due = match when {
                When::Open => true,
                When::Received(bytes) => self.received >= *bytes,
                When::PeerFinished => self.peer_finished,
            };
            if due && !std::mem::replace(&mut self.done[index], true) {
                self.acts.extend(acts);
            }
        }
        while self.held.is_empty()
            && let Some(act) = self.acts.pop_front()
        {
            self.act(cx, act);
        }
    }

    fn act(&mut self, cx: &mut Context<'_, Infallible>, act: Act) {
        match act {
            Act::Send(0) => {}
            Act::Send(count) => {
                let start = self.sent % PERIOD;
                let size = count.min(PATTERN.len() - start);
                self.sent += size;
                self.acts.push_front(Act::Send(count - size));
                self.hand_over(cx, PATTERN.slice(start..start + size));
            }
            Act::PauseFor(span) => {
                cx.pause();
                cx.set_timer(TimerId::A, span);
            }
            Act::Pause => cx.pause(),
            Act::Call => self.recorder.call(),
            Act::HalfClose => cx.half_close(),
            Act::Finish => cx.finish(),
            Act::CloseAfterFlush => cx.close_after_flush(),
            Act::Abort => cx.abort(),
            Act::Panic => panic!("the script says so"),
        }
    }

    fn hand_over(&mut self, cx: &mut Context<'_, Infallible>, data: Bytes) {
        if let Err(unsent) = cx.send(data) {
            self.held = unsent.data;
            if self.part.echo {
                cx.pause();
            }
        }
    }
}

impl Handler for Player {
    type Message = Infallible;

    fn on_open(&mut self, cx: &mut Context<'_, Infallible>) {
        self.go_on(cx);
    }

    fn on_data(&mut self, cx: &mut Context<'_, Infallible>, data: Bytes) {
        self.received += data.len();
        if self.part.echo {
            self.sent += data.len();
            self.hand_over(cx, data);
        }
        self.go_on(cx);
    }

    fn on_peer_finished(&mut self, cx: &mut Context<'_, Infallible>) {
        self.peer_finished = true;
        self.go_on(cx);
    }

    fn on_writable(&mut self, cx: &mut Context<'_, Infallible>) {
        let held = std::mem::take(&mut self.held);
        self.hand_over(cx, held);
        if self.part.echo && self.held.is_empty() {
            cx.resume();
        }
        self.go_on(cx);
    }

    fn on_timer(&mut self, cx: &mut Context<'_, Infallible>, _: TimerId) {
        cx.resume();
    }
}
