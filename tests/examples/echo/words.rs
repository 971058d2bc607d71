//! Operations and what came of them, in words.

use bytes::Bytes;
use sansock::{Completion, Op, OpKind, Outcome};
use sansock_tests::run::Side;

use crate::causality::{Deed, Thing};

/// The steps of a life, as Microsoft's "About Servers and Clients" counts them.
pub(crate) const SERVER_STEPS: [&str; 7] = ["initialise", "create", "bind", "listen", "accept", "receive and send", "disconnect"];
/// A client has five.
pub(crate) const CLIENT_STEPS: [&str; 5] = ["initialise", "create", "connect", "send and receive", "disconnect"];

/// The number of the step that an operation belongs to.
pub(crate) fn step(side: Side, operation: OpKind) -> usize {
    let step = match operation {
        OpKind::Startup => "initialise",
        OpKind::Create => "create",
        OpKind::Bind if side == Side::Server => "bind",
        // A client that wants a certain local address; the steps do not list it.
        OpKind::Bind => "create",
        OpKind::Listen => "listen",
        OpKind::Accept => "accept",
        OpKind::Connect => "connect",
        OpKind::Recv | OpKind::Send if side == Side::Server => "receive and send",
        OpKind::Recv | OpKind::Send => "send and receive",
        OpKind::Shutdown | OpKind::Close | OpKind::Cancel | OpKind::Cleanup => "disconnect",
    };
    let steps: &[&str] = if side == Side::Server { &SERVER_STEPS } else { &CLIENT_STEPS };
    steps.iter().position(|name| *name == step).map_or(0, |place| place + 1)
}

/// What is asked for. Nothing if it is answered under another operation's name.
pub(crate) fn asked(op: &Op, of_listener: bool) -> Option<String> {
    let name = op.kind().name();
    Some(match op {
        Op::Bind(op) => format!("{name} {}", op.address()),
        Op::Listen(op) => format!("{name}, backlog {}", op.backlog()),
        Op::Accept(op) if !op.wait() => format!("{name} what is queued"),
        Op::Connect(op) => format!("{name} {}", op.address()),
        Op::Send(op) => format!("{name} {}", quote(op.chunks())),
        Op::Close(op) if op.abortive() => format!("{name} with a reset"),
        Op::Close(_) if of_listener => format!("{name} the listener"),
        Op::Cancel(_) => return None,
        _ => name.into(),
    })
}

/// What came of it.
pub(crate) fn came(done: &Completion) -> String {
    match (done.id().kind(), done.outcome()) {
        (OpKind::Listen, Outcome::Local(_)) => "listening".into(),
        (_, Outcome::Local(Some(address))) => address.to_string(),
        (OpKind::Accept, Outcome::Connected(connected)) => match connected.peer {
            Some(peer) => peer.to_string(),
            None => "a peer that is gone".into(),
        },
        (_, Outcome::NoneWaiting) => "none".into(),
        (_, Outcome::Data(data)) => quote(std::slice::from_ref(data)),
        (_, Outcome::Eof) => "end".into(),
        (_, Outcome::Sent(count)) => format!("{count} bytes"),
        (_, Outcome::Failed(fault)) => fault.to_string(),
        (_, outcome) => outcome.name().into(),
    }
}

/// What the other side has to do with it.
pub(crate) fn deed(done: &Completion) -> Deed {
    match (done.id().kind(), done.outcome()) {
        (OpKind::Connect, Outcome::Connected(_)) => Deed::Gives(Thing::Connection, 1),
        (OpKind::Accept, Outcome::Connected(_)) => Deed::Takes(Thing::Connection, 1),
        (_, Outcome::Sent(count)) => Deed::Gives(Thing::Bytes, *count),
        (_, Outcome::Data(data)) => Deed::Takes(Thing::Bytes, data.len()),
        (OpKind::Shutdown, Outcome::Done) => Deed::Gives(Thing::End, 1),
        (_, Outcome::Eof) => Deed::Takes(Thing::End, 1),
        _ => Deed::Private,
    }
}

fn quote(chunks: &[Bytes]) -> String {
    format!("{:?}", String::from_utf8_lossy(&chunks.concat()))
}
