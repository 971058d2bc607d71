//! Lines of two sides in an order that makes sense: what causes something comes before it.
//!
//! The sides run in threads of their own. A receive can return before the send that caused it has, since the system hands the bytes on
//! first. So a line that takes something waits until the other side's line that gave it was shown. Apart from that, lines come as they
//! happen.

use std::collections::VecDeque;

use sansock_tests::run::Side;

/// What one side can give and the other take.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Thing {
    /// A connect gives it, an accept takes it.
    Connection,
    /// Sends give them, receives take them.
    Bytes,
    /// A shutdown gives it, a receive takes it.
    End,
}

/// What a line tells, as far as the other side is concerned.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Deed {
    /// The other side may take so much of it.
    Gives(Thing, usize),
    /// The other side has given so much of it.
    Takes(Thing, usize),
    /// The other side has no part in it.
    Private,
}

/// The lines of both sides that wait for each other.
#[derive(Debug)]
pub(crate) struct Causality<L> {
    server: Teller<L>,
    client: Teller<L>,
}

/// One side: its lines that wait, and what the lines that were shown have given and taken of each thing.
#[derive(Debug)]
struct Teller<L> {
    waiting: VecDeque<(Deed, L)>,
    given: [usize; 3],
    taken: [usize; 3],
}

impl<L> Causality<L> {
    pub(crate) fn new() -> Self {
        let teller = || Teller { waiting: VecDeque::new(), given: [0; 3], taken: [0; 3] };
        Self { server: teller(), client: teller() }
    }

    /// Adds a line of this side. Gives the lines to show now: this one, unless it waits, and those that have waited for it.
    pub(crate) fn tell(&mut self, side: Side, deed: Deed, line: L) -> Vec<(Side, L)> {
        let Self { server, client } = self;
        match side {
            Side::Server => server.waiting.push_back((deed, line)),
            Side::Client => client.waiting.push_back((deed, line)),
        }
        let mut ready = Vec::new();
        loop {
            if let Some(line) = server.next(&client.given) {
                ready.push((Side::Server, line));
            } else if let Some(line) = client.next(&server.given) {
                ready.push((Side::Client, line));
            } else {
                return ready;
            }
        }
    }

    /// The lines that have waited for what never came: the other side broke.
    pub(crate) fn rest(&mut self) -> Vec<(Side, L)> {
        let server = self.server.waiting.drain(..).map(|(_, line)| (Side::Server, line));
        let client = self.client.waiting.drain(..).map(|(_, line)| (Side::Client, line));
        server.chain(client).collect()
    }
}

impl<L> Teller<L> {
    /// Takes the next line out, unless it waits for something that the other side has not given yet.
    fn next(&mut self, given: &[usize; 3]) -> Option<L> {
        match self.waiting.front()?.0 {
            Deed::Takes(thing, count) if given[thing as usize] < self.taken[thing as usize] + count => return None,
            Deed::Takes(thing, count) => self.taken[thing as usize] += count,
            Deed::Gives(thing, count) => self.given[thing as usize] += count,
            Deed::Private => {}
        }
        self.waiting.pop_front().map(|(_, line)| line)
    }
}
