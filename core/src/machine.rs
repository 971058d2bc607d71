//! The contract between a machine and whoever drives it.

use alloc::vec::Vec;

use crate::{Completion, Fault, Misuse, Op, SocketId, Timestamp};

/// A state machine: operations come out, completions go in. The [guide](crate::guide::contract) has the contract in full.
///
/// The driver's loop is always the same:
///
/// 1. call [`poll`](Machine::poll) until it gives `None`; start each operation that it submits, act on each event;
/// 2. wait until an operation has finished or [`deadline`](Machine::deadline) is reached, whichever is first;
/// 3. hand in what finished with [`complete`](Machine::complete), then, if the deadline is due, call
///    [`handle_timeout`](Machine::handle_timeout); go to 1.
///
/// **What the driver owes the machine.** Every operation but `Cancel` is completed exactly once. A cancelled operation is
/// completed promptly, with any result that is legal for it. `Close` and `Cleanup` always complete; a close that fails counts as closed.
/// Completions are handed in before `handle_timeout` when both are due at the same time.
///
/// **What the machine owes the driver.** Events come in order and before operations. Operations are derived from the state
/// at the moment of the `poll`; none is queued, so none can be stale. At most one `Recv` and one `Send` per socket is in flight,
/// `Shutdown` comes after everything was sent, and `Close` when nothing else of that socket is in flight. Nothing panics,
/// whatever is handed in.
pub trait Machine {
    /// What the machine tells its driver.
    type Event;

    /// The next event or operation; `None` when there is nothing to do before the next input. Constant work per call.
    fn poll(&mut self) -> Option<Output<Self::Event>>;

    /// Takes the result of an operation.
    ///
    /// # Errors
    /// [`Misuse`] if the operation is unknown, stale, was completed before, or cannot come to this outcome. The machine is as it
    /// was before. A right operation with an impossible value (more bytes sent than asked for, zero bytes) is no `Misuse`:
    /// it ends the connection with [`CloseReason::TransportFault`](crate::CloseReason::TransportFault).
    fn complete(&mut self, now: Timestamp, done: Completion) -> Result<(), Misuse>;

    /// Tells the machine that a socket is broken although no operation on it reported so. Optional; repeating it, or naming a
    /// socket that is gone, does nothing.
    fn broken(&mut self, now: Timestamp, socket: SocketId, fault: Fault);

    /// Fires whatever is due. A call before the deadline does nothing.
    fn handle_timeout(&mut self, now: Timestamp);

    /// When [`handle_timeout`](Machine::handle_timeout) should be called next. `poll` never changes it; every other call may.
    fn deadline(&self) -> Option<Timestamp>;

    /// How many operations were submitted and not yet completed.
    fn in_flight(&self) -> usize;
}

/// What [`Machine::poll`] gives.
#[derive(Debug)]
#[must_use]
pub enum Output<E> {
    /// Start this operation and complete it.
    Submit(Op),
    /// Something happened.
    Event(E),
}

/// A specified encoding of what decides a machine's behaviour.
///
/// Two machines that behave alike from now on encode alike, whatever their past: byte counters, generations, stamps and
/// absolute time are left out, deadlines are written relative to `now`. This is what makes the reachable states of a machine
/// countable.
///
/// The encoding: flags, enums and counters of eight bits as one byte (a state by its place in its [`Table`](crate::state::Table),
/// an enum that may be absent by 0 for that), other numbers and lengths as eight bytes little-endian, a deadline as the
/// nanoseconds until then (all ones for none), a sequence by its length first. It may change between versions of the crate.
pub trait Canonical {
    /// Appends the encoding to `out`.
    fn canonical(&self, now: Timestamp, out: &mut Vec<u8>);
}
