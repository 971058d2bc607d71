//! Where the lives are shown as they happen: an observer of both sides.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use sansock::{Completion, Op, OpId, SocketId, Timestamp};
use sansock_tests::run::{Audience, Outcome, Side};

use crate::causality::Causality;
use crate::terminal::{Look, Piece, Terminal};
use crate::words;

/// Shows each operation when it has completed, in the column of its side.
pub(crate) struct Stage {
    terminal: Terminal,
    scene: Mutex<Scene>,
}

/// What is known of the pair that runs now.
struct Scene {
    causality: Causality<Line>,
    /// What the operations in flight are for.
    asked: HashMap<(Side, OpId), String>,
    listener: Option<SocketId>,
}

/// One operation.
struct Line {
    step: usize,
    asked: String,
    came: String,
}

impl Stage {
    pub(crate) fn new() -> Self {
        Self { terminal: Terminal::new(), scene: Mutex::new(Scene::new()) }
    }

    /// What is to be seen, and what the numbers mean.
    pub(crate) fn introduce(&self) {
        self.terminal.line(&[(Look::Plain, "An echo server and its client, from the first step of their lives to the last.")]);
        self.terminal.line(&[(Look::Plain, "Each line is an operation and what came of it; \"saw\" is what the handler saw.")]);
        self.terminal.line(&[]);
        self.name_the_columns();
        for row in 0..4 {
            let pair = |steps: &[&str]| {
                let cell = |step: usize| steps.get(step).map_or(String::new(), |name| format!("{} {name}", step + 1));
                format!("{:16}{}", cell(row), cell(row + 4))
            };
            let (left, right) = (pair(&words::SERVER_STEPS), pair(&words::CLIENT_STEPS));
            self.terminal.columns(&[(Look::Plain, &left)], &[(Look::Plain, right.trim_end())]);
        }
    }

    /// A new pair enters.
    pub(crate) fn begin(&self, name: &str, what: &str) {
        *self.scene() = Scene::new();
        self.terminal.line(&[]);
        self.terminal.line(&[(Look::Heading, name), (Look::Plain, ": "), (Look::Plain, what)]);
        self.name_the_columns();
    }

    /// The pair has ended: what its handlers saw.
    pub(crate) fn end(&self, outcome: &Outcome) {
        let rest = self.scene().causality.rest();
        self.show(rest);
        let (server, client) = (outcome.server.to_string(), outcome.client.to_string());
        self.terminal
            .columns(&[(Look::Server, "saw "), (Look::Plain, &server)], &[(Look::Client, "saw "), (Look::Plain, &client)]);
    }

    /// The last line.
    pub(crate) fn conclude(&self, same: bool) {
        self.terminal.line(&[]);
        let answer: Piece<'_> = if same { (Look::Good, "yes") } else { (Look::Bad, "no") };
        self.terminal.line(&[(Look::Plain, "same history on memory, blocking, smol: "), answer]);
    }

    fn name_the_columns(&self) {
        self.terminal.columns(&[(Look::Server, "server")], &[(Look::Client, "client")]);
    }

    fn show(&self, lines: Vec<(Side, Line)>) {
        for (side, Line { step, asked, came }) in lines {
            let number = format!("{step} ");
            let look = if side == Side::Server { Look::Server } else { Look::Client };
            let pieces = [(look, number.as_str()), (Look::Plain, &asked), (Look::Faint, " -> "), (Look::Plain, &came)];
            match side {
                Side::Server => self.terminal.columns(&pieces, &[]),
                Side::Client => self.terminal.columns(&[], &pieces),
            }
        }
    }

    /// A panic elsewhere leaves a scene that can still be shown.
    fn scene(&self) -> MutexGuard<'_, Scene> {
        self.scene.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Audience for Stage {
    fn submitted(&self, side: Side, _: Timestamp, op: &Op) {
        let mut scene = self.scene();
        if let Op::Listen(op) = op {
            scene.listener = Some(op.socket());
        }
        let of_listener = side == Side::Server && scene.listener == Some(op.socket());
        if let Some(asked) = words::asked(op, of_listener) {
            scene.asked.insert((side, op.id()), asked);
        }
    }

    fn completed(&self, side: Side, _: Timestamp, done: &Completion) {
        // Held until the lines are out, so that they come out in this order.
        let mut scene = self.scene();
        let asked = scene.asked.remove(&(side, done.id())).unwrap_or_default();
        let line = Line { step: words::step(side, done.id().kind()), asked, came: words::came(done) };
        let lines = scene.causality.tell(side, words::deed(done), line);
        self.show(lines);
    }
}

impl Scene {
    fn new() -> Self {
        Self { causality: Causality::new(), asked: HashMap::new(), listener: None }
    }
}
