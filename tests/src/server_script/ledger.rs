//! What has happened to a server, as an account that knows nothing of how it works.

use std::collections::{BTreeMap, BTreeSet};

use sansock::state::SupervisorLife;
use sansock::{
    AcceptClass, Ending, FaultKind, Op, OpId, OpKind, Order, Outcome, Server, ServerEvent, ServerReport, SocketId, Timestamp,
};

use crate::drive::{Drive, Quiet, Verdicts};

#[derive(Clone, Debug, Default)]
pub(super) struct Ledger {
    listeners: usize,
    places: usize,
    accepted: u64,
    endings: BTreeMap<Ending, u64>,
    pub(super) refused: u64,
    /// Listeners whose accept said that they are none any more, or that were reported so.
    lost: BTreeSet<SocketId>,
    /// Accepts that failed, and reports of broken listeners.
    faults: u64,
    said_lost: BTreeSet<usize>,
    announced: usize,
    /// The latest time that the server was told.
    now: Timestamp,
    /// The earliest deadline of all drains; of those that are over, the first.
    pub(super) drain: Option<Timestamp>,
    stopped: bool,
    forced: bool,
    /// The last order that each session has got.
    orders: BTreeMap<SocketId, Order>,
    pub(super) report: Option<ServerReport>,
    pub(super) seen: BTreeSet<&'static str>,
}

impl Ledger {
    pub(super) fn new(listeners: usize, places: usize) -> Self {
        Self { listeners, places, ..Self::default() }
    }

    /// A completion was taken.
    pub(super) fn completed(&mut self, id: OpId, listener: Option<SocketId>, outcome: &Outcome, life: SupervisorLife) {
        let accepting = matches!(life, SupervisorLife::Running | SupervisorLife::Draining);
        match (id.kind(), outcome, listener) {
            (OpKind::Accept, Outcome::Connected(_), _) => self.accepted += 1,
            (OpKind::Accept, Outcome::Failed(fault), Some(listener)) if accepting => self.failed(listener, fault.kind()),
            (OpKind::Accept, Outcome::NoneWaiting, _) => self.faults += 1,
            _ => {}
        }
    }

    /// An accept of this listener has failed, or it was reported as broken.
    pub(super) fn failed(&mut self, listener: SocketId, kind: FaultKind) {
        self.seen.insert(match kind.accept_class() {
            AcceptClass::Lost => "lost",
            AcceptClass::Exhausted => "exhausted",
            AcceptClass::Transient => "transient",
        });
        self.faults += 1;
        if kind.accept_class() == AcceptClass::Lost {
            self.lost.insert(listener);
        }
    }

    /// The server is told the time.
    pub(super) fn hear(&mut self, now: Timestamp) {
        self.now = self.now.max(now);
    }

    // X127
    /// The server was drained.
    pub(super) fn drained(&mut self, deadline: Timestamp) {
        if self.drain.is_none_or(|earlier| deadline.max(self.now) < earlier) {
            self.drain = Some(deadline);
        }
    }

    pub(super) fn gone(&mut self, socket: SocketId, ending: Ending) {
        self.orders.remove(&socket);
        *self.endings.entry(ending).or_default() += 1;
    }

    /// The server was told to drain, to stop, or the time. `life` and `live` are from before.
    pub(super) fn told(&mut self, life: SupervisorLife, live: usize, now: SupervisorLife) {
        if life != SupervisorLife::Stopping && now == SupervisorLife::Stopping {
            self.stopped = true;
            self.forced |= live > 0;
            self.seen.insert(if life == SupervisorLife::Draining { "stopped while draining" } else { "stopped" });
        }
        if life != SupervisorLife::Draining && now == SupervisorLife::Draining {
            self.seen.insert("drained");
        }
    }

    pub(super) fn event(&mut self, event: &ServerEvent<Quiet>) {
        match event {
            ServerEvent::Listening { listener, .. } => {
                assert_eq!(*listener, self.announced, "X7: listeners are announced in order, each once");
                self.announced += 1;
            }
            ServerEvent::Order { socket, order } => drop(self.orders.insert(*socket, *order)),
            ServerEvent::ListenerLost { listener, .. } => {
                assert!(self.said_lost.insert(*listener), "B12: listener {listener} was lost twice");
                assert!(self.said_lost.len() <= self.lost.len(), "C4, D11: a listener was lost that nothing had happened to");
            }
            ServerEvent::Stopped(report) => self.report = Some((**report).clone()),
            ServerEvent::Recovered { .. } => drop(self.seen.insert("recovered")),
            ServerEvent::Opened { .. } | ServerEvent::OptionsRefused { .. } | ServerEvent::Exhausted { .. } => {}
        }
    }

    /// The last order that this session has got.
    pub(super) fn order(&self, socket: SocketId) -> Option<Order> {
        self.orders.get(&socket).copied()
    }

    /// True after every step.
    pub(super) fn holds(&self, drive: &Drive<Server<Verdicts>>) {
        let server = drive.machine();
        self.adds_up(server.report(), server.live());
        // B4, X30
        assert!(server.places_used() <= self.places, "B4: {} of {} places in use", server.places_used(), self.places);
        assert!(server.places_used() >= drive.contract().occupied(), "B4: places are in use that the server does not count");
        if drive.is_settled() {
            self.is_settled(drive);
        }
    }

    // A13
    fn adds_up(&self, report: &ServerReport, live: usize) {
        let ended = |ending| self.endings.get(&ending).copied().unwrap_or_default();
        assert_eq!(report.accepted, self.accepted, "A13: accepted");
        assert_eq!(report.confirmed, ended(Ending::Confirmed), "A13: confirmed");
        assert_eq!(report.unconfirmed, ended(Ending::Unconfirmed), "A13: unconfirmed");
        assert_eq!(report.aborted, ended(Ending::Aborted), "A13: aborted");
        assert_eq!(report.finished(), self.endings.values().sum(), "A13: finished");
        assert_eq!(report.received, 3 * report.finished(), "A13: received");
        assert_eq!(report.sent, 5 * report.finished(), "A13: sent");
        assert_eq!(report.accepted, report.rejected + report.finished() + live as u64, "A13: {report}; live {live}");
        assert!(report.accept_faults <= self.faults, "A13: {} accept faults, at most {}", report.accept_faults, self.faults);
        assert_eq!(report.refused_completions, self.refused, "D1 to D5: refused completions");
        assert_eq!(report.forced, self.forced, "forced");
    }

    /// True once there is nothing more to poll.
    fn is_settled(&self, drive: &Drive<Server<Verdicts>>) {
        let server = drive.machine();
        let out: Vec<_> = drive.contract().out().collect();
        assert_eq!(server.places_used(), drive.contract().occupied(), "B4: places in use");
        assert_eq!(server.live(), out.len(), "A8: sessions that are out");
        let waits_for_a_start = matches!(server.life(), SupervisorLife::New | SupervisorLife::Stopped);
        let quiet = drive.contract().in_flight() == 0 && sansock::Machine::deadline(server).is_none();
        assert!(!quiet || waits_for_a_start || !out.is_empty(), "C7: nothing is in flight, and nothing is waited for");
        match server.life() {
            SupervisorLife::Running if self.announced > 0 => self.accepts(drive),
            SupervisorLife::Draining => {
                let drain = Order::Drain(self.drain.expect("it was drained"));
                self.every_session_has(&out, drain);
            }
            SupervisorLife::Stopping => self.every_session_has(&out, Order::Abort),
            _ => {}
        }
        if self.announced > 0 && self.drain.is_none() && !self.stopped && self.lost.len() < self.listeners {
            assert_eq!(server.life(), SupervisorLife::Running, "C4: nobody has ended it");
        }
    }

    // C4, C5: whoever can accept does, or has a time at which it will try again.
    fn accepts(&self, drive: &Drive<Server<Verdicts>>) {
        let full = drive.contract().occupied() == self.places;
        let of_a_listener = |id: &OpId| matches!(drive.op(*id), Op::Accept(accept) if !self.lost.contains(&accept.listener()));
        let accepts = drive.all(OpKind::Accept).iter().filter(|id| of_a_listener(id)).count();
        let all = accepts == self.listeners - self.lost.len();
        assert!(full || all || sansock::Machine::deadline(drive.machine()).is_some(), "C4, C5: only {accepts} accepts in flight");
        assert_eq!(self.announced, self.listeners, "X7: only some of the listeners were announced");
    }

    // X127, X38
    fn every_session_has(&self, out: &[SocketId], order: Order) {
        for socket in out {
            assert_eq!(self.orders.get(socket), Some(&order), "X38, X127: the order of {socket}");
        }
    }
}
