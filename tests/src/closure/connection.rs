//! [`Connection`], alone.

use std::iter;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use sansock::state::{Life, ReceiveHalf, SendHalf, Table};
use sansock::{
    Connection, ConnectionConfig, ConnectionEvent, Machine, OpKind, Outcome, Output, SocketId, Stream, TransferClass,
    UnsentReason,
};
use sansock_memory::closure::{Behaviour, Check, Flight, Input, Promise, Subject, Told, World};

use super::account::Account;

/// A connection with small limits.
#[derive(Clone, Debug)]
pub struct ConnectionSubject {
    /// What the report is headed with.
    pub name: &'static str,
    /// The limits.
    pub config: ConnectionConfig,
    /// The low watermark of the send queue.
    pub low: usize,
    /// The most that the send queue holds.
    pub queue: usize,
    /// The credit to begin with, if there is a limit; the application grants more, up to this.
    pub credit: Option<u64>,
    /// The calls that the application makes.
    pub calls: Vec<ConnectionCall>,
    /// Every state has a deadline or ends, so that the deadlines alone bring the end.
    pub deadlines_suffice: bool,
}

/// What the application calls.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ConnectionCall {
    /// `send`, this many bytes.
    Send(usize),
    /// `pause`
    Pause,
    /// `resume`
    Resume,
    /// `grant`, this many bytes.
    Grant(u64),
    /// `half_close`
    HalfClose,
    /// `finish`
    Finish,
    /// `close_after_flush`
    CloseAfterFlush,
    /// `abort`
    Abort,
    /// `drain_by`, a deadline so many nanoseconds from now.
    DrainBy(u64),
    /// `drain_by`, a deadline that was over at the beginning.
    DrainByThePast,
}

/// What the application and the transport know of the connection.
#[derive(Clone, Debug, Default)]
pub struct Knowledge {
    account: Account,
    /// Credit that is left; counted only if there is a limit.
    credit: u64,
    /// The application wants nothing for now. The connection encodes it.
    paused: bool,
    /// The application was told of the peer's FIN.
    told_eof: bool,
    /// The application has ended the connection: it hears of nothing but the end.
    silent: bool,
    /// The queue was full, and has not fallen to its low watermark since.
    blocked: bool,
    /// It has, and the application was not told yet.
    writable: bool,
    ended: bool,
}

impl ConnectionSubject {
    /// A one-byte queue, all time-outs on, no limit of credit.
    #[must_use]
    pub fn small() -> Self {
        let config = ConnectionConfig::default().send_queue(0, 1).expect("0 is below 1").receive_size(1).expect("1 is not 0");
        let config = timeouts(config, [2, 2, 2, 2]);
        Self { name: "connection: queue of 1 byte, all time-outs", config, low: 0, queue: 1, ..Self::base() }
    }

    /// A two-byte queue with a watermark, receives of two bytes, a limit of credit, and the time-outs that these need.
    #[must_use]
    pub fn with_credit() -> Self {
        let config = ConnectionConfig::default().send_queue(1, 2).expect("1 is below 2").receive_size(2).expect("2 is not 0");
        let config = timeouts(config, [1, 1, 1, 1]).receive_credit(2);
        let mut calls = Self::base().calls;
        calls.extend([ConnectionCall::Send(3), ConnectionCall::Grant(1), ConnectionCall::Grant(0)]);
        Self {
            name: "connection: queue of 2 bytes, credit of 2",
            config,
            low: 1,
            queue: 2,
            credit: Some(2),
            calls,
            ..Self::base()
        }
    }

    fn base() -> Self {
        use ConnectionCall as Call;
        Self {
            name: "",
            config: ConnectionConfig::default(),
            low: 0,
            queue: 0,
            credit: None,
            calls: vec![
                Call::Send(0),
                Call::Send(1),
                Call::Send(2),
                Call::Pause,
                Call::Resume,
                Call::HalfClose,
                Call::Finish,
                Call::CloseAfterFlush,
                Call::Abort,
                Call::DrainBy(1),
                Call::DrainByThePast,
            ],
            deadlines_suffice: true,
        }
    }

    fn socket() -> SocketId {
        SocketId::new(3, 5).expect("slot 3 is in range")
    }

    // A1, B1, D13
    fn send(&self, world: &mut World<Self>, length: usize) -> Check {
        let (now, queued, room) = (world.now(), world.machine.queued(), world.machine.room());
        let may_send = world.machine.life() == Life::Open && world.machine.send_half() == SendHalf::Open;
        ensure!(room == if may_send { self.queue - queued } else { 0 }, "B1: room for {room} bytes with {queued} queued");
        let answer = world.machine.send(now, Bytes::from_static(&[b'x'; 8][..length]));
        let left = answer.as_ref().map_or_else(|unsent| unsent.data.len(), |()| 0);
        let taken = length - left;
        ensure!(length == 0 || taken == length.min(room), "B1: {taken} of {length} bytes were taken with room for {room}");
        let reason = answer.err().map(|unsent| unsent.reason);
        let expected = match (length == 0 || taken == length, may_send) {
            (true, _) => None,
            (false, true) => Some(UnsentReason::Full),
            (false, false) => Some(UnsentReason::Ended),
        };
        ensure!(reason == expected, "D13: send gave {reason:?}, not {expected:?}");
        ensure!(
            world.machine.queued() == queued + taken,
            "A1: {taken} bytes were taken and {} are queued",
            world.machine.queued()
        );
        world.owner.account.accepted += taken as u64;
        Self::audit(world)?;
        world.owner.blocked |= world.machine.queued() == self.queue && may_send && length > 0;
        Ok(())
    }

    fn audit(world: &World<Self>) -> Check {
        if world.owner.ended {
            return Ok(());
        }
        world.owner.account.audit(&world.machine, world.now(), world.transport.flights())
    }

    // B2, C6
    fn on_poll(&self, before: &World<Self>, after: &World<Self>) -> Check {
        let owner = &after.owner;
        let waits = !owner.writable || after.machine.clone().poll().is_some();
        ensure!(waits, "C6: the queue has fallen to its low watermark, and nobody is told");
        let receive =
            |world: &World<Self>| world.transport.flights().iter().copied().find(|flight| flight.id.kind() == OpKind::Recv);
        // An ending connection reads what is left, and keeps none of it.
        if let (None, Some(new), Life::Open) = (receive(before), receive(after), after.machine.life()) {
            ensure!(!owner.paused, "B2: the application has paused, and {} bytes more are asked for", new.size);
            let most = self.credit.map_or(u64::MAX, |_| owner.credit);
            ensure!(new.size as u64 <= most, "B2: {} bytes are asked for, with credit for {most}", new.size);
        }
        Ok(())
    }

    // A1, A3
    fn on_completion(before: &World<Self>, after: &mut World<Self>, flight: &Flight, outcome: &Outcome) -> Check {
        let (was, is) = (before.machine.queued(), after.machine.queued());
        let mut left = was;
        after.owner.account.complete(flight, outcome);
        match outcome {
            Outcome::Sent(count) if (1..=flight.size).contains(count) => left -= count,
            Outcome::Data(data) if before.machine.receive_half() == ReceiveHalf::Reading => {
                after.owner.credit = after.owner.credit.saturating_sub(data.len() as u64);
            }
            _ => {}
        }
        if matches!(outcome, Outcome::Sent(_) | Outcome::Data(_)) {
            Self::audit(after)?;
        }
        ensure!(is == left, "A1: {was} bytes were queued, {left} should be left, and {is} are");
        // A fault that passes ends nothing, and one that does not, everything.
        if let Outcome::Failed(fault) = outcome {
            let transfer = matches!(flight.id.kind(), OpKind::Recv | OpKind::Send);
            let passes = transfer && fault.kind().transfer_class() == TransferClass::Exhausted;
            let life = after.machine.life();
            ensure!(!passes || life == before.machine.life(), "X79: a fault that passes led to {life:?}");
            ensure!(passes || life >= Life::Ending, "D10: a fault that does not pass left the connection {life:?}");
            // C8
            let kind = flight.id.kind();
            let again = submits(&after.machine, kind);
            ensure!(!passes || !again, "C8: {kind:?} has run out of something, and is asked for again at once");
        }
        Ok(())
    }
}

/// True if an operation of this kind would be submitted now.
fn submits(machine: &Connection, kind: OpKind) -> bool {
    let mut copy = machine.clone();
    iter::from_fn(|| copy.poll()).any(|output| matches!(output, Output::Submit(op) if op.id().kind() == kind))
}

/// Time-outs of so many nanoseconds: reading, sending, half-closed, paused. The total time for closing is 2, the gap 1, the delays of
/// retries 1 and 2, and one byte may be drained.
fn timeouts(config: ConnectionConfig, nanos: [u64; 4]) -> ConnectionConfig {
    let [read, write, half, paused] = nanos.map(|nanos| Some(Duration::from_nanos(nanos)));
    let [one, two] = [1, 2].map(Duration::from_nanos);
    let config = config.read_idle(read).and_then(|config| config.write_stall(write));
    let config = config.and_then(|config| config.half_closed(half)).and_then(|config| config.paused(paused));
    let config = config.and_then(|config| config.closing(two, one, 1)).and_then(|config| config.retry(one, two));
    config.expect("no time-out is zero")
}

impl Subject for ConnectionSubject {
    type Machine = Connection;
    type Owner = Knowledge;
    type Call = ConnectionCall;

    fn name(&self) -> String {
        self.name.to_owned()
    }

    fn begin(&self) -> (Connection, Knowledge) {
        let connection = Connection::new(sansock::Timestamp::ZERO, Self::socket(), Arc::new(self.config));
        (connection, Knowledge { credit: self.credit.unwrap_or(0), ..Knowledge::default() })
    }

    fn sockets(&self) -> Vec<SocketId> {
        vec![Self::socket()]
    }

    fn calls(&self, world: &World<Self>, calls: &mut Vec<ConnectionCall>) {
        let most = self.credit.unwrap_or(0);
        calls.extend(self.calls.iter().filter(|call| match call {
            ConnectionCall::Grant(bytes) => world.owner.credit + bytes <= most,
            _ => true,
        }));
    }

    fn call(&self, world: &mut World<Self>, call: ConnectionCall) -> Check {
        let now = world.now();
        let later = |nanos| now + Duration::from_nanos(nanos);
        let (machine, owner) = (&mut world.machine, &mut world.owner);
        match call {
            ConnectionCall::Send(length) => self.send(world, length)?,
            ConnectionCall::Pause => {
                machine.pause(now);
                owner.paused = true;
            }
            ConnectionCall::Resume => {
                machine.resume(now);
                owner.paused = false;
            }
            ConnectionCall::Grant(bytes) => {
                machine.grant(now, bytes);
                if machine.life() == Life::Open {
                    owner.credit += bytes;
                }
            }
            ConnectionCall::HalfClose => machine.half_close(now),
            ConnectionCall::Finish => machine.finish(now),
            ConnectionCall::CloseAfterFlush => machine.close_after_flush(now),
            ConnectionCall::Abort => machine.abort(now),
            ConnectionCall::DrainBy(nanos) => machine.drain_by(now, later(nanos)),
            ConnectionCall::DrainByThePast => machine.drain_by(now, sansock::Timestamp::ZERO),
        }
        let ends = [ConnectionCall::Finish, ConnectionCall::CloseAfterFlush, ConnectionCall::Abort];
        world.owner.silent |= ends.contains(&call) && !world.owner.ended;
        Ok(())
    }

    fn event(&self, world: &mut World<Self>, event: ConnectionEvent, told: &mut Told) -> Check<&'static str> {
        if let ConnectionEvent::Closed(report) = &event {
            let name = world.owner.account.agrees(report)?;
            Account::encode(report, &mut told.account);
            world.owner.ended = true;
            return Ok(name);
        }
        let owner = &mut world.owner;
        ensure!(!owner.silent, "A3: {event:?} after the application had ended the connection");
        match event {
            ConnectionEvent::Data(data) => {
                ensure!(!owner.told_eof, "A13: data after the peer's end");
                ensure!(!data.is_empty(), "B7: no data was delivered");
                told.behaviour.push(u8::try_from(data.len()).expect("limits are small"));
                let account = &mut owner.account;
                account.delivered += data.len() as u64;
                ensure!(account.delivered <= account.incoming, "A3: more was delivered than has come in");
                Self::audit(world)?;
                Ok("event: data")
            }
            ConnectionEvent::PeerFinished => {
                ensure!(
                    owner.account.eof && !owner.told_eof,
                    "A13: the peer's end was told, and it was told before or has not come"
                );
                let rest = owner.account.incoming - owner.account.delivered;
                ensure!(rest == 0, "A13: the peer's end was told before the last {rest} bytes");
                owner.told_eof = true;
                Ok("event: peer finished")
            }
            // C6
            ConnectionEvent::Writable => {
                ensure!(owner.writable, "C6: writable, and the queue has not fallen from full to its low watermark");
                owner.writable = false;
                Ok("event: writable")
            }
            ConnectionEvent::Closed(_) => unreachable!("handled above"),
        }
    }

    fn check(&self, before: &World<Self>, after: &mut World<Self>, input: &Input<ConnectionCall>) -> Check {
        let (was, is) = (before.machine.life(), after.machine.life());
        ensure!(was <= is, "the life went back from {was:?} to {is:?}");
        ensure!(after.machine.queued() <= self.queue, "B1: {} bytes are queued", after.machine.queued());
        match input {
            Input::Poll => self.on_poll(before, after)?,
            Input::Complete { flight, outcome } => Self::on_completion(before, after, flight, outcome)?,
            Input::Call(ConnectionCall::Send(_)) => {}
            _ => ensure!(before.machine.queued() == after.machine.queued(), "A1: {input} has changed what is queued"),
        }
        // C1: what the application was told, and what is out.
        let both = after.owner.told_eof && after.owner.account.fin;
        ensure!(!both || is >= Life::Ending, "C1: both have finished, and the connection is {is:?}");
        // Nobody waits for room who may not send any more.
        let may_send = is == Life::Open && after.machine.send_half() == SendHalf::Open;
        let fell = after.owner.blocked && after.machine.queued() <= self.low;
        after.owner.writable |= fell;
        after.owner.writable &= may_send;
        after.owner.blocked &= may_send && !fell;
        // C2: nothing but the close is left to wait for after an abort.
        if matches!(input, Input::Call(ConnectionCall::Abort)) {
            ensure!(is >= Life::Ending, "an abort left the connection {is:?}");
        }
        Ok(())
    }

    fn encode(&self, world: &World<Self>, out: &mut Vec<u8>) {
        let owner = &world.owner;
        let flags =
            [owner.account.eof, owner.told_eof, owner.account.fin, owner.silent, owner.blocked, owner.writable, owner.ended];
        out.extend(flags.map(u8::from));
        out.push(u8::try_from(owner.credit).expect("limits are small"));
    }

    fn ended(&self, world: &World<Self>) -> bool {
        world.owner.ended
    }

    fn class(&self, world: &World<Self>) -> &'static str {
        world.machine.life().name()
    }

    /// Two cancels, two events and a close are the most; three events, a receive, a send and a shutdown are fewer.
    fn most_outputs(&self) -> usize {
        6
    }

    fn promises(&self) -> Vec<Promise<ConnectionCall>> {
        use ConnectionCall as Call;
        let dead = |first| Promise { first: Some(first), transport: Behaviour::Dead, may_wait: false };
        let fair = |first| Promise { first: Some(first), transport: Behaviour::Fair, may_wait: false };
        let mut promises: Vec<_> = [Call::Abort, Call::Finish, Call::CloseAfterFlush, Call::DrainBy(1)].map(dead).into();
        promises.extend([Call::Finish, Call::CloseAfterFlush].map(fair));
        if self.deadlines_suffice {
            let alone = |transport| Promise { first: None, transport, may_wait: false };
            promises.extend([Behaviour::Dead, Behaviour::Fair].map(alone));
        }
        promises
    }
}
