//! A connection with a mistake in it.

use sansock::state::Life;
use sansock::{
    Canonical, Completion, Connection, ConnectionEvent, Fault, FaultKind, Machine, Misuse, Op, OpId, OpKind, Outcome, Output,
    SocketId, Timestamp,
};

/// What is wrong with it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Mistake {
    /// Nothing.
    None,
    /// The end is told twice.
    EndsTwice,
    /// The close does not wait for the receive.
    ClosesEarly,
    /// A short send counts as a whole one.
    DropsTheRest,
    /// A deadline, once there, stays.
    DeadlineStays,
    /// A deadline moves when nobody did anything but poll.
    DeadlineMoves,
    /// A time-out fires one nanosecond early.
    FiresEarly,
    /// There is always one more event.
    Spins,
    /// A completion that nobody waits for is taken.
    TakesStrangers,
    /// A completion that is refused moves the clock.
    HeedsStrangers,
    /// A completion is taken and forgotten.
    LosesClose,
    /// An abort does nothing.
    IgnoresAbort,
    /// It panics when the socket breaks.
    Panics,
    /// It never comes back from a time-out that is due.
    HangsWhenDue,
    /// It never comes back from a completion that nobody waits for.
    HangsAtStrangers,
    /// After the second receive it behaves otherwise, and does not encode how many there were.
    Forgets,
    /// It encodes how often it was polled.
    Counts,
    /// It encodes whether it was polled an even number of times.
    Circles,
}

/// The connection, and what the mistake needs to know.
#[derive(Clone, Debug)]
pub(crate) struct Planted {
    pub(crate) inner: Connection,
    mistake: Mistake,
    recv: Option<OpId>,
    asked: usize,
    /// The first deadline that fired.
    fired: Option<Timestamp>,
    received: u8,
    polls: u64,
    again: Option<ConnectionEvent>,
}

impl Planted {
    pub(crate) fn new(inner: Connection, mistake: Mistake) -> Self {
        Self { inner, mistake, recv: None, asked: 0, fired: None, received: 0, polls: 0, again: None }
    }

    pub(crate) fn is(&self, mistake: Mistake) -> bool {
        self.mistake == mistake
    }

    fn watch(&mut self, output: &Output<ConnectionEvent>) {
        match output {
            Output::Submit(Op::Recv(op)) => self.recv = Some(op.id()),
            Output::Submit(Op::Send(op)) => self.asked = op.asked(),
            Output::Event(event @ ConnectionEvent::Closed(_)) if self.is(Mistake::EndsTwice) => self.again = Some(event.clone()),
            _ => {}
        }
    }
}

impl Machine for Planted {
    type Event = ConnectionEvent;

    fn poll(&mut self) -> Option<Output<ConnectionEvent>> {
        self.polls += u64::from(self.inner.life() != Life::Closed);
        if self.is(Mistake::ClosesEarly)
            && self.inner.life() == Life::Ending
            && let Some(id) = self.recv.take()
        {
            let gone = Completion::from_raw(id, Outcome::Failed(FaultKind::Cancelled.into()));
            let _ = self.inner.complete(Timestamp::ZERO, gone);
        }
        if self.is(Mistake::Spins) {
            return Some(Output::Event(ConnectionEvent::Writable));
        }
        if let Some(output) = self.inner.poll() {
            self.watch(&output);
            return Some(output);
        }
        self.again.take().map(Output::Event)
    }

    fn complete(&mut self, now: Timestamp, done: Completion) -> Result<(), Misuse> {
        let (id, outcome) = (done.id(), done.outcome().clone());
        let outcome = match outcome {
            Outcome::Sent(count) if self.is(Mistake::DropsTheRest) && (1..self.asked).contains(&count) => {
                Outcome::Sent(self.asked)
            }
            outcome => outcome,
        };
        if self.is(Mistake::LosesClose) && id.kind() == OpKind::Close {
            return self.inner.clone().complete(now, done);
        }
        let taken = self.inner.complete(now, Completion::from_raw(id, outcome));
        if taken.is_err() && self.is(Mistake::HangsAtStrangers) {
            hang();
        }
        match (&taken, self.mistake) {
            (Err(_), Mistake::TakesStrangers) => return Ok(()),
            (Err(_), Mistake::HeedsStrangers) => self.inner.handle_timeout(now),
            (Ok(()), Mistake::Forgets) if id.kind() == OpKind::Recv => {
                self.received += 1;
                if self.received == 2 {
                    self.inner.broken(now, id.socket(), FaultKind::Other.into());
                }
            }
            _ => {}
        }
        taken
    }

    fn broken(&mut self, now: Timestamp, socket: SocketId, fault: Fault) {
        assert!(!self.is(Mistake::Panics) || socket != self.inner.socket(), "the socket is broken");
        self.inner.broken(now, socket, fault);
    }

    fn handle_timeout(&mut self, now: Timestamp) {
        if self.is(Mistake::HangsWhenDue) && self.inner.deadline().is_some_and(|deadline| deadline.is_due(now)) {
            hang();
        }
        self.fired = self.fired.or(self.inner.deadline().filter(|deadline| deadline.is_due(now)));
        let early = Timestamp::from_nanos(now.as_nanos() + 1);
        self.inner.handle_timeout(if self.is(Mistake::FiresEarly) { early } else { now });
    }

    fn deadline(&self) -> Option<Timestamp> {
        let deadline = self.inner.deadline();
        match self.mistake {
            Mistake::DeadlineStays => self.fired.into_iter().chain(deadline).min(),
            Mistake::DeadlineMoves => deadline.map(|deadline| Timestamp::from_nanos(deadline.as_nanos() + self.polls)),
            _ => deadline,
        }
    }

    fn in_flight(&self) -> usize {
        self.inner.in_flight()
    }
}

/// What a loop without an end is to whoever waits for it; but it leaves the processor to the other tests.
fn hang() -> ! {
    loop {
        std::thread::park();
    }
}

impl Canonical for Planted {
    fn canonical(&self, now: Timestamp, out: &mut Vec<u8>) {
        self.inner.canonical(now, out);
        out.push(u8::from(self.again.is_some()));
        match self.mistake {
            Mistake::Counts => out.extend(self.polls.to_le_bytes()),
            Mistake::Circles => out.push(u8::from(self.polls.is_multiple_of(2))),
            _ => {}
        }
    }
}
