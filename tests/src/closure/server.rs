//! [`Server`], alone: sessions are handed out and end whenever they like.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use sansock::state::{SupervisorLife, Table};
use sansock::{
    CloseReport, ConnectionConfig, Ending, ListenerConfig, Machine, OpKind, Order, Outcome, Server, ServerConfig, ServerEvent,
    ServerReport, Setting, SlotRange, SocketId, SocketOptions, Timestamp,
};
use sansock_memory::closure::{Behaviour, Check, Flight, Input, Promise, Subject, Told, World};

use super::puppet::{Puppet, Shy};
use super::refused;

/// A server with small limits.
#[derive(Clone, Copy, Debug)]
pub struct ServerSubject {
    /// The number of listeners.
    pub listeners: u16,
    /// The most connections.
    pub connections: usize,
}

/// What the owner calls.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ServerCall {
    /// `start`
    Start,
    /// `drain`, with a deadline so many nanoseconds from now.
    Drain(u64),
    /// `drain`, with a deadline that was over at the beginning.
    DrainByThePast,
    /// `stop`
    Stop,
    /// `gone`: the session in this slot has ended so.
    Gone(u32, Ending),
    /// `gone`, for a session that is not out.
    GoneTwice,
}

/// What the owner remembers.
#[derive(Clone, Debug, Default)]
pub struct Sessions {
    /// The sessions that are out, in the order of their slots.
    live: Vec<SocketId>,
    /// How many accepts have succeeded.
    accepted: u64,
    /// How many sessions were handed out.
    opened: u64,
    /// Listeners that have said that they listen, and not been lost since.
    listening: u16,
    /// By listener: it has said that accepting fails, and not yet that it works again.
    exhausted: Vec<bool>,
    /// The sessions were told to abort.
    aborted: bool,
    ended: bool,
}

impl ServerSubject {
    fn config(self) -> ServerConfig {
        let accepted = SocketOptions { no_delay: Setting::Required(true), ..SocketOptions::default() };
        let listener = |port| {
            ListenerConfig::new(SocketAddr::from((Ipv4Addr::LOCALHOST, port)))
                .options(SocketOptions::default())
                .accepted_options(accepted)
                .retry(Duration::from_nanos(1), Duration::from_nanos(2))
                .expect("no delay is zero")
                .sweep(1)
        };
        let config = ServerConfig::new(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)));
        let config = config.listeners((1..=self.listeners).map(listener).collect()).expect("there are listeners");
        let config = config.max_connections(self.connections).expect("there are connections");
        config.connection(ConnectionConfig::default())
    }

    // A7
    fn gone(world: &mut World<Self>, slot: u32, ending: Ending) -> Check {
        let now = world.now();
        let place = world.owner.live.iter().position(|socket| socket.slot() == slot).expect("only live ones are offered");
        let socket = world.owner.live.remove(place);
        let report = CloseReport { ending, ..CloseReport::LOST };
        let taken = world.machine.gone(now, socket, &report);
        ensure!(taken.is_ok(), "A7: the end of session {socket} was refused: {taken:?}");
        // D3
        refused(&mut world.machine, now, |server, later| server.gone(later, socket, &report).is_err())
    }

    // A13
    fn on_stopped(world: &World<Self>, report: &ServerReport) -> Check {
        let owner = &world.owner;
        ensure!(owner.live.is_empty(), "A7: it has stopped, and {:?} are out", owner.live);
        let (accepted, finished) = (report.accepted, report.finished());
        ensure!(accepted == owner.accepted, "A13: {} were accepted, and the report says {accepted}", owner.accepted);
        ensure!(finished == owner.opened, "A13: {} were handed out, and {finished} have finished", owner.opened);
        ensure!(accepted == report.rejected + finished, "A13: {report}");
        Ok(())
    }
}

impl Subject for ServerSubject {
    type Machine = Server<Shy>;
    type Owner = Sessions;
    type Call = ServerCall;

    fn name(&self) -> String {
        format!("server: {} listener(s), {} connection(s)", self.listeners, self.connections)
    }

    fn begin(&self) -> (Server<Shy>, Sessions) {
        let server = Server::new(self.config(), Shy, SlotRange::ALL).expect("there are enough slots");
        (server, Sessions { exhausted: vec![false; usize::from(self.listeners)], ..Sessions::default() })
    }

    fn calls(&self, world: &World<Self>, calls: &mut Vec<ServerCall>) {
        use ServerCall as Call;
        calls.extend([Call::Start, Call::Drain(2), Call::Drain(1), Call::DrainByThePast, Call::Stop, Call::GoneTwice]);
        calls.extend(world.owner.live.iter().map(|socket| Call::Gone(socket.slot(), Ending::Aborted)));
    }

    // D13
    fn call(&self, world: &mut World<Self>, call: ServerCall) -> Check {
        let now = world.now();
        match call {
            ServerCall::Start if world.machine.life() != SupervisorLife::New => {
                return refused(&mut world.machine, now, |server, later| server.start(later).is_err());
            }
            ServerCall::Start => {
                let started = world.machine.start(now);
                ensure!(started.is_ok(), "it cannot start: {started:?}");
            }
            ServerCall::Drain(nanos) => world.machine.drain(now, now + Duration::from_nanos(nanos)),
            ServerCall::DrainByThePast => world.machine.drain(now, Timestamp::ZERO),
            ServerCall::Stop => world.machine.stop(now),
            ServerCall::Gone(slot, ending) => return Self::gone(world, slot, ending),
            ServerCall::GoneTwice => {
                let nobody = SocketId::new(500, 0).expect("slot 500 is in range");
                return refused(&mut world.machine, now, |server, later| server.gone(later, nobody, &CloseReport::LOST).is_err());
            }
        }
        Ok(())
    }

    /// Sessions end: on a dead transport too, for they are told to abort, or have deadlines of their own.
    fn is_duty(&self, _: &World<Self>, call: ServerCall) -> bool {
        matches!(call, ServerCall::Gone(..))
    }

    fn event(&self, world: &mut World<Self>, event: ServerEvent<Puppet>, told: &mut Told) -> Check<&'static str> {
        let now = world.now();
        let owner = &mut world.owner;
        Ok(match event {
            ServerEvent::Listening { .. } => {
                owner.listening += 1;
                ensure!(owner.listening <= self.listeners, "A13: it listens more often than it has listeners");
                "event: listening"
            }
            ServerEvent::OptionsRefused { .. } => "event: options refused",
            ServerEvent::Opened { socket, session, .. } => {
                ensure!(session.socket() == socket, "A7: session {} was handed out as {socket}", session.socket());
                ensure!(owner.listening > 0, "X7: it has accepted and not said that it listens");
                let place = owner.live.partition_point(|live| live.slot() < socket.slot());
                owner.live.insert(place, socket);
                owner.opened += 1;
                told.behaviour.extend_from_slice(&socket.slot().to_le_bytes());
                world.transport.give_away(socket)?;
                "event: opened"
            }
            ServerEvent::Order { socket, order } => {
                told.behaviour.extend_from_slice(&socket.slot().to_le_bytes());
                match order {
                    Order::Drain(deadline) => {
                        told.behaviour.extend_from_slice(&deadline.saturating_since(now).as_nanos().to_le_bytes());
                        "event: drain"
                    }
                    Order::Abort => {
                        owner.aborted = true;
                        "event: abort"
                    }
                }
            }
            ServerEvent::Exhausted { listener, .. } => {
                ensure!(!owner.exhausted[listener], "B12: listener {listener} is exhausted, and that was said before");
                owner.exhausted[listener] = true;
                "event: exhausted"
            }
            ServerEvent::Recovered { listener, failures } => {
                ensure!(owner.exhausted[listener] && failures > 0, "B12: listener {listener} has recovered from nothing");
                owner.exhausted[listener] = false;
                "event: recovered"
            }
            ServerEvent::ListenerLost { .. } => {
                ensure!(owner.listening > 0, "C4: more listeners were lost than listened");
                owner.listening -= 1;
                "event: listener lost"
            }
            ServerEvent::Stopped(report) => {
                Self::on_stopped(world, &report)?;
                world.owner.ended = true;
                "event: stopped"
            }
        })
    }

    fn check(&self, before: &World<Self>, after: &mut World<Self>, input: &Input<ServerCall>) -> Check {
        let (was, is) = (before.machine.life(), after.machine.life());
        ensure!(was <= is, "the life went back from {was:?} to {is:?}");
        // X127
        let drains = matches!(input, Input::Call(ServerCall::Drain(_) | ServerCall::DrainByThePast));
        if drains && was == SupervisorLife::Draining {
            let [old, new] = [before, &*after].map(|world| world.machine.deadline().unwrap_or(Timestamp::NEVER));
            ensure!(new <= old, "X127: a second drain has put the deadline off, from {old} to {new}");
        }
        if let Input::Complete { flight, outcome: Outcome::Connected(_) } = input {
            ensure!(flight.listener.is_some(), "D8: a server has connected");
            after.owner.accepted += 1;
        }
        // B4, X30: a place is taken for each accept that is in flight.
        let accepts = after.transport.flights().iter().filter(|flight: &&Flight| flight.id.kind() == OpKind::Accept).count();
        let used = after.owner.live.len() + accepts;
        ensure!(used <= self.connections, "X30: {used} places are used");
        ensure!(after.machine.places_used() <= self.connections, "B4: it says that {} are", after.machine.places_used());
        // A13: at every step, for few ways to the last one are taken.
        let (report, accepted) = (after.machine.report(), after.owner.accepted);
        ensure!(report.accepted == accepted, "A13: {accepted} were accepted, and it counts {}", report.accepted);
        let known = report.rejected + report.finished() + after.machine.live() as u64;
        ensure!(known == accepted, "A13: {accepted} were accepted, and it accounts for {known}: {report}");
        // X38
        let live = after.machine.live();
        ensure!(live >= after.owner.live.len(), "A7: {live} sessions count, and {} are out", after.owner.live.len());
        Ok(())
    }

    fn encode(&self, world: &World<Self>, out: &mut Vec<u8>) {
        let owner = &world.owner;
        out.push(u8::try_from(owner.live.len()).expect("there are few sessions"));
        out.extend(owner.live.iter().map(|socket| u8::try_from(socket.slot()).expect("there are few slots")));
        out.extend(owner.listening.to_le_bytes());
        out.extend(owner.exhausted.iter().chain([&owner.aborted, &owner.ended]).map(|flag| u8::from(*flag)));
    }

    fn ended(&self, world: &World<Self>) -> bool {
        world.owner.ended
    }

    /// Before it starts; and for its sessions, if no place is free or nobody listens any more.
    fn waits(&self, world: &World<Self>) -> bool {
        let owner = &world.owner;
        let accepts = world.machine.life() == SupervisorLife::Running && owner.listening > 0;
        let full = owner.live.len() == self.connections;
        world.machine.life() == SupervisorLife::New || full || (!owner.live.is_empty() && !accepts)
    }

    fn class(&self, world: &World<Self>) -> &'static str {
        world.machine.life().name()
    }

    /// An order for each session and a cancel and a close for each listener, and the rest.
    fn most_outputs(&self) -> usize {
        4 + 3 * self.connections + 4 * usize::from(self.listeners)
    }

    fn promises(&self) -> Vec<Promise<ServerCall>> {
        let promise = |first, transport| Promise { first: Some(first), transport, may_wait: false };
        vec![
            promise(ServerCall::Stop, Behaviour::Dead),
            promise(ServerCall::Drain(1), Behaviour::Dead),
            promise(ServerCall::Drain(1), Behaviour::Fair),
        ]
    }
}
