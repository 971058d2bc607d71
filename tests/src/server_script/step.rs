//! What a script says.

use std::fmt;
use std::time::Duration;

use arbitrary::Arbitrary;
use sansock::{FaultKind, ListenerConfig, Setting, SocketOptions};

use crate::drive::listener_at;

/// A whole script: a server, what happens to it, and how it is brought to its end.
#[derive(Clone, Arbitrary)]
pub struct Script {
    /// One listener at least; values of 3 or more mean three.
    pub listeners: u8,
    /// One place at least; values of 5 or more mean five.
    pub places: u8,
    /// How many connections a drain takes.
    pub sweep: u8,
    /// Accepted sockets must have an option that some of them will not get.
    pub demanding: bool,
    /// Outputs are polled by [`Step::Poll`] alone, instead of after every step.
    pub lazy: bool,
    /// What happens. A step that makes no sense where it stands does nothing.
    pub steps: Vec<Step>,
    /// What happens after that.
    pub finale: Finale,
}

/// One line a step.
impl fmt::Debug for Script {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { listeners, places, sweep, demanding, lazy, .. } = self;
        writeln!(f, "script")?;
        writeln!(f, "  listeners {listeners}, places {places}, sweep {sweep}, demanding {demanding}, lazy {lazy}")?;
        for (index, step) in self.steps.iter().enumerate() {
            writeln!(f, "  {index:3} {step:?}")?;
        }
        write!(f, "  end {:?}", self.finale)
    }
}

/// One input. A `pick` chooses among what is there, modulo its number.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Arbitrary)]
pub enum Step {
    /// The application starts it, or tries to.
    Start,
    /// Drains it with a deadline so many milliseconds from now, which may be past.
    Drain(i16),
    /// Drains it without a deadline.
    DrainForEver,
    /// Stops it.
    Stop,
    /// An operation in flight comes to what it ordinarily comes to.
    Finish(u8),
    /// An accept succeeds; every fourth peer is turned away.
    Connect(u8, u8),
    /// An accept succeeds, without an option that was asked for.
    ConnectBare(u8),
    /// An accept says that nobody waits, asked or not.
    Nobody(u8),
    /// An operation in flight fails.
    Fail(u8, u8),
    /// The connections that so many accepts would have brought are gone again, one after the other.
    Aborted(u8),
    /// Everything that was cancelled comes back as cancelled.
    Cancelled,
    /// A session that is out ends.
    Gone(u8, u8),
    /// A session that is not out is said to have ended.
    NotOut(u8),
    /// A completion that nothing in flight can come to: see [`Run::hostile`](super::run::Run).
    Hostile(u8, u8),
    /// A socket is reported as broken: a listener, or another one.
    Broken(u8, u8),
    /// So many milliseconds pass.
    Pass(u16),
    /// The clock is turned back.
    Back(u16),
    /// The time is told.
    Tick,
    /// Time passes until the deadline, and is told.
    Deadline,
    /// So many outputs are polled.
    Poll(u8),
}

/// How it ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Arbitrary)]
pub enum Finale {
    /// A drain with a deadline, and a transport that completes only what was cancelled, and closes; sessions end when they are aborted.
    DeadTransport,
    /// A drain without a deadline, a transport that does its work, and sessions that obey.
    Fair,
    /// A stop, and a dead transport.
    Stop,
}

impl Script {
    pub(super) fn listeners(&self) -> Vec<ListenerConfig> {
        let demands = SocketOptions { no_delay: Setting::Required(true), ..SocketOptions::default() };
        let accepted = if self.demanding { demands } else { SocketOptions::CONNECTION };
        let config = |number| {
            let config = listener_at(80 + number).accepted_options(accepted).sweep(usize::from(self.sweep));
            config.retry(Duration::from_millis(2), Duration::from_millis(16)).expect("2 is below 16")
        };
        (0..u16::from(self.listeners.clamp(1, 3))).map(config).collect()
    }

    pub(super) fn places(&self) -> usize {
        usize::from(self.places.clamp(1, 5))
    }
}

/// One fault kind or another.
pub(super) fn fault(number: u8) -> FaultKind {
    FaultKind::ALL[usize::from(number) % FaultKind::ALL.len()]
}

/// One of these, or nothing if there is none.
pub(super) fn pick<T: Copy>(from: &[T], number: u8) -> Option<T> {
    let index = usize::from(number).checked_rem(from.len())?;
    from.get(index).copied()
}
