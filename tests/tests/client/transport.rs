//! A transport that keeps accounts: which operations are in flight, which sockets are open, and what nobody must do to either. It answers
//! as a script tells it, late, wrongly or not at all.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;

use sansock::{
    Address, Canonical, Completion, Connected, FaultKind, Machine, Misuse, Op, OpId, OpKind, OptionName, Outcome, RefusedOptions,
    SocketId, Timestamp,
};

/// How an operation is answered. What makes no sense for its kind is a success.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Answer {
    Success,
    Failure(FaultKind),
    /// Connected, to itself.
    Itself,
    /// Created, without an option that was required.
    OptionRefused,
}

/// A completion that has to be refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Hostile {
    UnknownSocket,
    StaleSocket,
    WrongStamp,
    WrongKind,
    WrongOutcome,
    /// What has been completed already, once more.
    Again,
}

#[derive(Clone, Copy, Debug)]
struct Flying {
    address: Option<Address>,
    cancelled: bool,
    abortive: bool,
}

#[derive(Default)]
pub(crate) struct Transport {
    flying: BTreeMap<OpId, Flying>,
    /// True for those that are connected.
    pub(crate) open: BTreeMap<SocketId, bool>,
    past: Vec<OpId>,
    started_up: bool,
    cleaned_up: bool,
    /// Sockets that were connected and then reset.
    pub(crate) resets: usize,
    pub(crate) refused: u64,
}

impl Transport {
    /// A10 and the contract of operations: what may be asked for, and when.
    pub(crate) fn submitted(&mut self, op: &Op) {
        let (id, socket) = (op.id(), op.socket());
        assert!(!self.cleaned_up, "{id} after the cleanup");
        let mut flying = Flying { address: None, cancelled: false, abortive: false };
        match op {
            Op::Cancel(op) => {
                let target = self.flying.get_mut(&op.target()).unwrap_or_else(|| panic!("{} is not in flight", op.target()));
                assert!(!std::mem::replace(&mut target.cancelled, true), "{} is cancelled twice", op.target());
                return;
            }
            Op::Startup(_) => assert!(!std::mem::replace(&mut self.started_up, true), "a second startup"),
            Op::Create(op) => {
                assert!(!self.open.contains_key(&socket), "{socket} exists");
                flying.address = Some(op.address());
            }
            Op::Cleanup(_) => {
                assert!(self.open.is_empty() && self.flying.is_empty(), "a cleanup with sockets: {:?}", self.open);
                self.cleaned_up = true;
            }
            Op::Connect(op) => flying.address = Some(op.address()),
            Op::Close(op) => {
                // A8: a connection that nobody wants is reset; a socket that is none is just closed.
                assert_eq!(Some(&op.abortive()), self.open.get(&socket), "{id}");
                flying.abortive = op.abortive();
            }
            Op::Bind(_) => {}
            op => panic!("{op:?} is none of a dialer's or a client's"),
        }
        if !matches!(op, Op::Startup(_) | Op::Cleanup(_) | Op::Create(_)) {
            assert!(self.open.contains_key(&socket), "{id}: there is no such socket");
        }
        // A9, and that a close is a join.
        assert!(self.flying.keys().all(|other| other.socket() != socket), "{id} beside another: {:?}", self.flying);
        self.flying.insert(id, flying);
    }

    /// One of those in flight, `which` of them, is answered; false if nothing is in flight.
    pub(crate) fn answer<M: Machine>(&mut self, machine: &mut M, now: Timestamp, which: usize, answer: Answer) -> bool {
        let Some(id) = pick(&self.flying, which) else { return false };
        let outcome = self.outcome(id, answer);
        self.land(id, &outcome);
        machine.complete(now, Completion::from_raw(id, outcome)).expect("a legal completion");
        true
    }

    /// Answers as a dead transport does: only what was cancelled, and closes and cleanups. False if nothing of that kind is in flight.
    pub(crate) fn answer_as_if_dead<M: Machine>(&mut self, machine: &mut M, now: Timestamp) -> bool {
        let dead = |(id, flying): &(&OpId, &Flying)| flying.cancelled || matches!(id.kind(), OpKind::Close | OpKind::Cleanup);
        let Some(id) = self.flying.iter().find(dead).map(|(id, _)| *id) else { return false };
        let outcome = self.outcome(id, Answer::Failure(FaultKind::Cancelled));
        self.land(id, &outcome);
        machine.complete(now, Completion::from_raw(id, outcome)).expect("a legal completion");
        true
    }

    fn outcome(&self, id: OpId, answer: Answer) -> Outcome {
        let local = Some(Address::Ip(([127, 0, 0, 1], 50_000).into()));
        match (id.kind(), answer) {
            (_, Answer::Failure(kind)) => Outcome::Failed(kind.into()),
            (OpKind::Create, Answer::OptionRefused) => Outcome::Created(RefusedOptions::NONE.with(OptionName::NoDelay)),
            (OpKind::Create, _) => Outcome::Created(RefusedOptions::NONE),
            (OpKind::Bind, _) => Outcome::Local(local),
            (OpKind::Connect, answer) => {
                let peer = if answer == Answer::Itself { local } else { self.flying.get(&id).and_then(|flying| flying.address) };
                Outcome::Connected(Connected { peer, local, ..Connected::default() }.into())
            }
            _ => Outcome::Done,
        }
    }

    fn land(&mut self, id: OpId, outcome: &Outcome) {
        let flying = self.flying.remove(&id).expect("it is in flight");
        self.past.push(id);
        match (id.kind(), outcome) {
            (OpKind::Create, Outcome::Created(_)) => drop(self.open.insert(id.socket(), false)),
            (OpKind::Connect, Outcome::Connected(_)) => drop(self.open.insert(id.socket(), true)),
            (OpKind::Close, _) => {
                self.open.remove(&id.socket());
                self.resets += usize::from(flying.abortive);
            }
            _ => {}
        }
    }

    /// D1, D2, D3, D4, D9: a completion that cannot be is refused, and nothing changes.
    pub(crate) fn attack<M>(&mut self, machine: &mut M, now: Timestamp, which: usize, hostile: Hostile) -> Option<Misuse>
    where
        M: Machine + Canonical,
    {
        let id = pick(&self.flying, which);
        let past = self.past.get(which % self.past.len().max(1)).copied();
        let (socket, kind, stamp) = id.or(past).map(|id| (id.socket(), id.kind(), id.stamp()))?;
        let bad = match hostile {
            Hostile::UnknownSocket => OpId::new(SocketId::new(socket.slot() + 100, socket.generation())?, kind, stamp),
            Hostile::StaleSocket => OpId::new(SocketId::new(socket.slot(), socket.generation() + 100)?, kind, stamp),
            Hostile::WrongStamp => OpId::new(socket, kind, stamp.wrapping_add(100)),
            Hostile::WrongKind => OpId::new(socket, OpKind::ALL[(kind as usize + 1 + which % 11) % 12], stamp),
            Hostile::WrongOutcome => id?,
            Hostile::Again => past?,
        };
        let outcome = match (hostile, bad.kind()) {
            (Hostile::WrongOutcome, _) => [Outcome::Eof, Outcome::Sent(1), Outcome::NoneWaiting][which % 3].clone(),
            _ => self.outcome(bad, Answer::Success),
        };
        let before = encoding(machine, now);
        let error = machine.complete(now, Completion::from_raw(bad, outcome)).expect_err("an impossible completion");
        assert_eq!(encoding(machine, now), before, "{error} changed something");
        self.refused += 1;
        Some(error)
    }

    pub(crate) fn in_flight(&self) -> usize {
        self.flying.len()
    }

    /// Something that is open or in flight.
    pub(crate) fn some_socket(&self, which: usize) -> Option<SocketId> {
        let sockets: BTreeSet<_> = self.open.keys().copied().chain(self.flying.keys().map(|id| id.socket())).collect();
        sockets.iter().nth(which % sockets.len().max(1)).copied()
    }
}

fn pick(flying: &BTreeMap<OpId, Flying>, which: usize) -> Option<OpId> {
    flying.keys().nth(which % flying.len().max(1)).copied()
}

pub(crate) fn encoding<M: Canonical>(machine: &M, now: Timestamp) -> Vec<u8> {
    let mut out = Vec::new();
    machine.canonical(now, &mut out);
    out
}
