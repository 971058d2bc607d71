//! [`Client`], alone: its session is handed out and ends whenever it likes.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use sansock::state::{SupervisorLife, Table};
use sansock::{
    Address, Client, ClientConfig, ClientEvent, CloseReport, DialerConfig, Machine, Order, Setting, SlotRange, SocketId,
    SocketOptions, Timestamp,
};
use sansock_memory::closure::{Behaviour, Check, Input, Promise, Subject, Told, World};

use super::puppet::{Puppet, Shy};
use super::refused;

/// A client with so many addresses.
#[derive(Clone, Copy, Debug)]
pub struct ClientSubject {
    /// The number of addresses.
    pub addresses: u16,
}

/// What the owner calls.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ClientCall {
    /// `start`
    Start,
    /// `drain`, with a deadline so many nanoseconds from now.
    Drain(u64),
    /// `drain`, with a deadline that was over at the beginning.
    DrainByThePast,
    /// `stop`
    Stop,
    /// `gone`: the session has ended.
    Gone,
}

/// What the owner remembers.
#[derive(Clone, Copy, Debug, Default)]
pub struct Session {
    /// The session that is out.
    live: Option<SocketId>,
    opened: bool,
    aborted: bool,
    ended: bool,
}

impl ClientSubject {
    fn config(self) -> ClientConfig {
        let address = |port| Address::from(SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
        let options = SocketOptions { no_delay: Setting::Required(true), ..SocketOptions::default() };
        let dialer = DialerConfig::new((1..=self.addresses).map(address).collect()).expect("there are addresses");
        let dialer =
            dialer.attempt(Some(Duration::from_nanos(1))).and_then(|dialer| dialer.overall(Some(Duration::from_nanos(2))));
        let dialer = dialer.expect("no time-out is zero").options(options).retries(1);
        ClientConfig::new(vec![address(1)]).expect("there is an address").dialer(dialer)
    }

    // A7, D3
    fn gone(world: &mut World<Self>) -> Check {
        let now = world.now();
        let Some(socket) = world.owner.live.take() else {
            let nobody = SocketId::new(500, 0).expect("slot 500 is in range");
            return refused(&mut world.machine, now, |client, later| client.gone(later, nobody, &CloseReport::LOST).is_err());
        };
        let taken = world.machine.gone(now, socket, &CloseReport::LOST);
        ensure!(taken.is_ok(), "A7: the end of session {socket} was refused: {taken:?}");
        refused(&mut world.machine, now, |client, later| client.gone(later, socket, &CloseReport::LOST).is_err())
    }
}

impl Subject for ClientSubject {
    type Machine = Client<Shy>;
    type Owner = Session;
    type Call = ClientCall;

    fn name(&self) -> String {
        format!("client: {} addresses", self.addresses)
    }

    fn begin(&self) -> (Client<Shy>, Session) {
        (Client::new(self.config(), Shy, SlotRange::ALL).expect("there are enough slots"), Session::default())
    }

    fn calls(&self, _: &World<Self>, calls: &mut Vec<ClientCall>) {
        use ClientCall as Call;
        calls.extend([Call::Start, Call::Drain(2), Call::Drain(1), Call::DrainByThePast, Call::Stop, Call::Gone]);
    }

    // D13
    fn call(&self, world: &mut World<Self>, call: ClientCall) -> Check {
        let now = world.now();
        match call {
            ClientCall::Start if world.machine.life() != SupervisorLife::New => {
                return refused(&mut world.machine, now, |client, later| client.start(later).is_err());
            }
            ClientCall::Start => {
                let started = world.machine.start(now);
                ensure!(started.is_ok(), "it cannot start: {started:?}");
            }
            ClientCall::Drain(nanos) => world.machine.drain(now, now + Duration::from_nanos(nanos)),
            ClientCall::DrainByThePast => world.machine.drain(now, Timestamp::ZERO),
            ClientCall::Stop => world.machine.stop(now),
            ClientCall::Gone => return Self::gone(world),
        }
        Ok(())
    }

    /// The session ends: on a dead transport too, for it is told to abort, or has deadlines of its own.
    fn is_duty(&self, _: &World<Self>, call: ClientCall) -> bool {
        call == ClientCall::Gone
    }

    fn event(&self, world: &mut World<Self>, event: ClientEvent<Puppet>, told: &mut Told) -> Check<&'static str> {
        let now = world.now();
        let owner = &mut world.owner;
        Ok(match event {
            ClientEvent::Opened { socket, session, .. } => {
                ensure!(session.socket() == socket, "A7: session {} was handed out as {socket}", session.socket());
                ensure!(!owner.opened, "A11: a second session was handed out");
                owner.opened = true;
                owner.live = Some(socket);
                world.transport.give_away(socket)?;
                "event: opened"
            }
            ClientEvent::Order { order: Order::Drain(deadline), .. } => {
                told.behaviour.extend_from_slice(&deadline.saturating_since(now).as_nanos().to_le_bytes());
                "event: drain"
            }
            ClientEvent::Order { order: Order::Abort, .. } => {
                owner.aborted = true;
                "event: abort"
            }
            ClientEvent::Stopped(report) => {
                ensure!(owner.live.is_none(), "A7: it has stopped, and {:?} is out", owner.live);
                let closed = report.closed.is_some();
                ensure!(closed == owner.opened, "A13: a session was handed out: {}; one has ended: {closed}", owner.opened);
                owner.ended = true;
                "event: stopped"
            }
        })
    }

    fn check(&self, before: &World<Self>, after: &mut World<Self>, input: &Input<ClientCall>) -> Check {
        let (was, is) = (before.machine.life(), after.machine.life());
        ensure!(was <= is, "the life went back from {was:?} to {is:?}");
        // X127
        let drains = matches!(input, Input::Call(ClientCall::Drain(_) | ClientCall::DrainByThePast));
        if drains && was == SupervisorLife::Draining {
            let [old, new] = [before, &*after].map(|world| world.machine.deadline().unwrap_or(Timestamp::NEVER));
            ensure!(new <= old, "X127: a second drain has put the deadline off, from {old} to {new}");
        }
        Ok(())
    }

    fn encode(&self, world: &World<Self>, out: &mut Vec<u8>) {
        let owner = &world.owner;
        out.extend([owner.live.is_some(), owner.opened, owner.aborted, owner.ended].map(u8::from));
    }

    fn ended(&self, world: &World<Self>) -> bool {
        world.owner.ended
    }

    /// Before it starts, and for its session.
    fn waits(&self, world: &World<Self>) -> bool {
        world.machine.life() == SupervisorLife::New || world.owner.live.is_some()
    }

    fn class(&self, world: &World<Self>) -> &'static str {
        world.machine.life().name()
    }

    /// Two orders, the session, a cancel, a close, the next address, and the end.
    fn most_outputs(&self) -> usize {
        8
    }

    fn promises(&self) -> Vec<Promise<ClientCall>> {
        let promise = |first, transport| Promise { first: Some(first), transport, may_wait: false };
        vec![
            promise(ClientCall::Stop, Behaviour::Dead),
            promise(ClientCall::Drain(1), Behaviour::Dead),
            promise(ClientCall::Drain(1), Behaviour::Fair),
            // It ends by itself. Over a dead transport not even the startup would.
            Promise { first: None, transport: Behaviour::Fair, may_wait: true },
        ]
    }
}
