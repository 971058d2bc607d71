//! A dialer, its clock and its places: what the tests of a dialer share.

use std::time::Duration;

use sansock::{
    Address, AttemptError, CloseOp, Completion, ConnectOp, Connected, DialError, Dialer, DialerConfig, DialerEvent, FaultKind,
    Machine, Op, OpKind, Output, RefusedOptions, SlotRange, Slots, Timestamp,
};

/// The address with this port on the loopback interface.
pub(crate) fn address(port: u16) -> Address {
    Address::Ip(([127, 0, 0, 1], port).into())
}

/// A connection from port 50,000 to `peer`.
pub(crate) fn connected_to(peer: Address) -> Connected {
    Connected { peer: Some(peer), local: Some(address(50_000)), ..Connected::default() }
}

pub(crate) const fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

pub(crate) struct Desk {
    pub(crate) dialer: Dialer,
    pub(crate) now: Timestamp,
    slots: Slots,
    /// What the dialer has said; places that came back are not kept.
    pub(crate) events: Vec<DialerEvent>,
    pub(crate) offered: usize,
    pub(crate) returned: usize,
}

impl Desk {
    /// A dialer at work on these ports of the loopback interface, with the default limits.
    pub(crate) fn dial(ports: &[u16]) -> Self {
        Self::with(config(ports))
    }

    pub(crate) fn with(config: DialerConfig) -> Self {
        Self::at(Timestamp::ZERO, config)
    }

    pub(crate) fn at(now: Timestamp, config: DialerConfig) -> Self {
        let dialer = Dialer::new(config.into());
        let slots = Slots::new(SlotRange::ALL);
        let mut desk = Self { dialer, now, slots, events: Vec::new(), offered: 0, returned: 0 };
        desk.dialer.start(desk.now).unwrap();
        desk
    }

    /// The next operation, if there is one. A place is offered whenever one is wanted.
    pub(crate) fn next(&mut self) -> Option<Op> {
        loop {
            match self.dialer.poll() {
                Some(Output::Submit(op)) => return Some(op),
                Some(Output::Event(DialerEvent::Returned { slot })) => {
                    assert!(self.slots.release(slot), "{slot} came back and was not out");
                    self.returned += 1;
                }
                Some(Output::Event(event)) => self.events.push(event),
                None if self.dialer.wants_slot() => {
                    self.dialer.offer(self.now, self.slots.reserve().unwrap()).unwrap();
                    self.offered += 1;
                }
                None => return None,
            }
        }
    }

    pub(crate) fn done(&mut self, done: Completion) {
        self.dialer.complete(self.now, done).unwrap();
    }

    /// The operation succeeds.
    pub(crate) fn succeed(&mut self, op: Op) {
        match op {
            Op::Create(op) => self.done(op.created(RefusedOptions::NONE)),
            Op::Bind(op) => self.done(op.bound(None)),
            op => panic!("{op:?} is no step on the way to a connect"),
        }
    }

    /// Goes along until the next connect is in flight.
    pub(crate) fn connect(&mut self) -> ConnectOp {
        loop {
            match self.next().expect("another attempt") {
                Op::Connect(op) => return op,
                op => self.succeed(op),
            }
        }
    }

    /// The next connect fails, and its socket is closed.
    pub(crate) fn refuse(&mut self, kind: FaultKind) -> Address {
        let op = self.connect();
        let address = op.address();
        self.done(op.failed(kind.into()));
        self.close();
        address
    }

    /// The dialer closes its socket; true if with a reset.
    pub(crate) fn close(&mut self) -> bool {
        let op = self.closing();
        let abortive = op.abortive();
        self.done(op.done());
        abortive
    }

    /// Cancels what is in flight, if anything is, as a transport does that has nothing better to say; then comes the close.
    pub(crate) fn closing(&mut self) -> CloseOp {
        loop {
            match self.next().expect("a close") {
                Op::Close(op) => return op,
                Op::Cancel(op) => self.done(Completion::from_raw(op.target(), failed(FaultKind::Cancelled))),
                op => panic!("{op:?} instead of a close"),
            }
        }
    }

    /// Time goes by, and what is due fires.
    pub(crate) fn wait(&mut self, span: Duration) {
        self.now = self.now + span;
        self.dialer.handle_timeout(self.now);
    }

    /// The dialer has given up, and nothing is left of it.
    pub(crate) fn failure(&mut self) -> DialError {
        assert!(self.next().is_none(), "it goes on");
        assert_eq!(self.offered, self.returned, "a place is still out");
        assert_eq!((self.dialer.in_flight(), self.dialer.deadline()), (0, None), "something is still awaited");
        match &self.events[..] {
            [DialerEvent::Failed(error)] => error.clone(),
            events => panic!("{events:?} instead of one failure"),
        }
    }
}

pub(crate) fn config(ports: &[u16]) -> DialerConfig {
    DialerConfig::new(ports.iter().copied().map(address).collect()).unwrap()
}

pub(crate) fn failed(kind: FaultKind) -> sansock::Outcome {
    sansock::Outcome::Failed(kind.into())
}

/// What matters of each attempt.
pub(crate) fn summary(error: &DialError) -> Vec<(Address, OpKind, FaultKind, Duration)> {
    let of = |attempt: &AttemptError| (attempt.address, attempt.operation, attempt.fault.kind(), attempt.elapsed);
    error.attempts.iter().map(of).collect()
}
