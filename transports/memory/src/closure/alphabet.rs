//! Everything that can happen to a machine: the whole input alphabet.

use std::collections::BTreeSet;
use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};

use bytes::Bytes;
use sansock::{Address, Connected, Fault, FaultKind, OpId, OpKind, OptionName, Outcome, RefusedOptions, SocketId};

use super::transport::Flight;

/// One thing that happens. `C` is a call of the application.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Input<C> {
    /// One output is polled.
    Poll,
    /// An operation completes.
    Complete {
        /// The operation.
        flight: Flight,
        /// What came of it; it may be an impossible value, such as more bytes than were asked for.
        outcome: Outcome,
    },
    /// The transport reports a socket as broken.
    Broken {
        /// The socket.
        socket: SocketId,
        /// What went wrong.
        fault: FaultKind,
    },
    /// What is due fires.
    Timeout,
    /// One nanosecond passes, and nobody looks at the time-outs.
    Tick,
    /// So much time passes that everything is due, and nobody looks at the time-outs.
    Leap,
    /// The application calls.
    Call(C),
}

impl<C> Input<C> {
    /// A name for counting.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Poll => "poll",
            Self::Complete { .. } => "completion",
            Self::Broken { .. } => "broken",
            Self::Timeout => "time-out",
            Self::Tick => "tick",
            Self::Leap => "leap",
            Self::Call(_) => "call",
        }
    }
}

impl<C: fmt::Debug> fmt::Display for Input<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Poll => f.write_str("poll"),
            Self::Complete { flight, outcome } => {
                let cancelled = if flight.cancelled { " (cancelled)" } else { "" };
                write!(f, "complete {}{cancelled}: {}", flight.id, Told(outcome))
            }
            Self::Broken { socket, fault } => write!(f, "broken {socket}: {}", fault.sentence()),
            Self::Timeout => f.write_str("handle the time-outs that are due"),
            Self::Tick => f.write_str("one nanosecond passes"),
            Self::Leap => f.write_str("much time passes"),
            Self::Call(call) => write!(f, "call {call:?}"),
        }
    }
}

/// An outcome in few words; bytes are abstracted to their number.
struct Told<'a>(&'a Outcome);

impl fmt::Display for Told<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Outcome::Data(data) => write!(f, "{} bytes", data.len()),
            Outcome::Sent(count) => write!(f, "{count} bytes sent"),
            Outcome::Failed(fault) => write!(f, "failed, {fault}"),
            Outcome::Connected(connected) if connected.refused != RefusedOptions::NONE => {
                f.write_str("connected, options refused")
            }
            Outcome::Connected(connected) if connected.local.is_some() => f.write_str("connected to itself"),
            Outcome::Connected(connected) if connected.peer.is_some() => f.write_str("connected, a known peer"),
            Outcome::Created(refused) if *refused != RefusedOptions::NONE => f.write_str("created, options refused"),
            outcome => f.write_str(outcome.name()),
        }
    }
}

/// Which faults an operation is completed with.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Faults {
    /// One of each class that the core tells apart.
    #[default]
    Classes,
    /// Every one there is.
    All,
}

/// The outcomes of every kind of operation.
#[derive(Clone, Debug)]
pub(crate) struct Alphabet {
    faults: Vec<Vec<FaultKind>>,
}

impl Alphabet {
    pub(crate) fn new(faults: Faults) -> Self {
        let of = |kind: &OpKind| match faults {
            Faults::All => FaultKind::ALL.to_vec(),
            Faults::Classes => classes(*kind),
        };
        Self { faults: OpKind::ALL.iter().map(of).collect() }
    }

    pub(super) fn faults(&self, kind: OpKind) -> &[FaultKind] {
        &self.faults[kind as usize]
    }

    /// Everything that an operation in flight can come to, impossible values included.
    pub(crate) fn outcomes(&self, flight: &Flight, out: &mut Vec<Outcome>) {
        let kind = flight.id.kind();
        out.extend(natural(flight));
        match kind {
            OpKind::Recv => {
                out.extend(
                    [1, flight.size].into_iter().filter(|size| *size == 1 || *size == flight.size && flight.size > 1).map(data),
                );
                out.extend([data(0), data(flight.size + 1)]);
            }
            OpKind::Send => {
                out.extend((1..flight.size).map(Outcome::Sent));
                out.extend([0, flight.size + 1, usize::MAX].map(Outcome::Sent));
            }
            OpKind::Create => out.push(Outcome::Created(all_refused())),
            OpKind::Accept => {
                let plain = Connected::default();
                out.push(connected(plain));
                out.push(connected(Connected { peer: someone(), ..plain }));
                out.push(connected(Connected { refused: all_refused(), ..plain }));
                // A waiting accept that comes to nothing: legal for the kind, though not for this one.
                out.extend(flight.wait.then_some(Outcome::NoneWaiting));
            }
            OpKind::Connect => {
                let peer = someone();
                out.push(connected(Connected { peer, ..Connected::default() }));
                out.push(connected(Connected { peer, local: peer, ..Connected::default() }));
            }
            _ => {}
        }
        out.extend(self.faults(kind).iter().map(|fault| Outcome::Failed(Fault::new(*fault))));
    }
}

fn connected(connected: Connected) -> Outcome {
    Outcome::Connected(Box::new(connected))
}

/// A peer whose address is known: a service may tell it from one whose address is not.
fn someone() -> Option<Address> {
    Some(SocketAddr::from((Ipv4Addr::LOCALHOST, 9)).into())
}

fn all_refused() -> RefusedOptions {
    OptionName::ALL.into_iter().fold(RefusedOptions::NONE, RefusedOptions::with)
}

/// What a prompt and friendly transport does; a waiting accept finds nobody.
pub(crate) fn natural(flight: &Flight) -> Option<Outcome> {
    Some(match flight.id.kind() {
        OpKind::Recv => Outcome::Eof,
        OpKind::Send => Outcome::Sent(flight.size),
        OpKind::Accept if flight.wait => return None,
        kind => sample(kind),
    })
}

/// An outcome that operations of this kind come to.
pub(crate) fn sample(kind: OpKind) -> Outcome {
    match kind {
        OpKind::Recv => data(1),
        OpKind::Send => Outcome::Sent(1),
        OpKind::Create => Outcome::Created(RefusedOptions::NONE),
        OpKind::Bind | OpKind::Listen => Outcome::Local(None),
        OpKind::Accept => Outcome::NoneWaiting,
        OpKind::Connect => connected(Connected::default()),
        OpKind::Startup | OpKind::Shutdown | OpKind::Close | OpKind::Cancel | OpKind::Cleanup => Outcome::Done,
    }
}

/// An outcome of each sort.
pub(crate) fn sorts() -> [Outcome; 9] {
    [
        Outcome::Done,
        Outcome::Created(RefusedOptions::NONE),
        Outcome::Local(None),
        connected(Connected::default()),
        Outcome::NoneWaiting,
        data(1),
        Outcome::Eof,
        Outcome::Sent(1),
        Outcome::Failed(Fault::new(FaultKind::Other)),
    ]
}

/// True if an operation of this kind can come to an outcome of this sort.
pub(crate) const fn fits(kind: OpKind, outcome: &Outcome) -> bool {
    match outcome {
        Outcome::Failed(_) => !matches!(kind, OpKind::Cancel),
        Outcome::Done => matches!(kind, OpKind::Startup | OpKind::Shutdown | OpKind::Close | OpKind::Cleanup),
        Outcome::Created(_) => matches!(kind, OpKind::Create),
        Outcome::Local(_) => matches!(kind, OpKind::Bind | OpKind::Listen),
        Outcome::Connected(_) => matches!(kind, OpKind::Accept | OpKind::Connect),
        Outcome::NoneWaiting => matches!(kind, OpKind::Accept),
        Outcome::Data(_) | Outcome::Eof => matches!(kind, OpKind::Recv),
        Outcome::Sent(_) => matches!(kind, OpKind::Send),
    }
}

/// True if a transport that keeps the contract may give this outcome.
pub(crate) fn is_legal(flight: &Flight, outcome: &Outcome) -> bool {
    match outcome {
        Outcome::Data(data) => (1..=flight.size).contains(&data.len()),
        Outcome::Sent(count) => (1..=flight.size).contains(count),
        Outcome::NoneWaiting => !flight.wait,
        _ => fits(flight.id.kind(), outcome),
    }
}

/// Bytes are abstracted to their number: what they are decides nothing in the core.
pub(super) fn data(length: usize) -> Outcome {
    static BYTES: [u8; 64] = [b'x'; 64];
    Outcome::Data(BYTES.get(..length).map_or_else(|| vec![b'x'; length].into(), Bytes::from_static))
}

/// One fault of each class that the core tells apart for this kind of operation. What fails before there is a connection may be told
/// apart fault by fault.
fn classes(kind: OpKind) -> Vec<FaultKind> {
    let mut seen = BTreeSet::new();
    let class = |fault: &FaultKind| {
        let class = match kind {
            OpKind::Accept => format!("{:?}", fault.accept_class()),
            OpKind::Recv | OpKind::Send => format!("{:?}", fault.transfer_class()),
            OpKind::Create | OpKind::Bind | OpKind::Listen | OpKind::Connect => format!("{fault:?}"),
            _ => String::new(),
        };
        (class, *fault == FaultKind::Cancelled)
    };
    FaultKind::ALL.iter().copied().filter(|fault| seen.insert(class(fault))).collect()
}

/// Names that no operation in flight has: another stamp, another generation, another slot.
pub(crate) fn strangers(id: OpId) -> impl Iterator<Item = OpId> {
    let socket = id.socket();
    let names = [
        Some(OpId::new(socket, id.kind(), id.stamp().wrapping_add(1))),
        SocketId::new(socket.slot(), socket.generation().wrapping_add(1)).map(|socket| OpId::new(socket, id.kind(), id.stamp())),
        SocketId::new(socket.slot(), socket.generation().wrapping_sub(1)).map(|socket| OpId::new(socket, id.kind(), id.stamp())),
        SocketId::new(socket.slot() + 100, socket.generation()).map(|socket| OpId::new(socket, id.kind(), id.stamp())),
    ];
    names.into_iter().flatten()
}
