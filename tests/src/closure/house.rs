//! A server with its sessions: everything that can happen to both at once.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use sansock::state::{Life, SupervisorLife, Table};
use sansock::{ConnectionConfig, ListenerConfig, Machine, OpKind, Outcome, Server, ServerConfig, SlotRange, SocketOptions};
use sansock_memory::closure::{Behaviour, Check, EventOf, Input, Promise, Subject, Told, World};

use super::account::Account;
use super::household::{Household, HouseholdEvent};
use super::puppet::{Command, Shy};
use super::refused;

/// A server and its sessions with small limits.
#[derive(Clone, Debug)]
pub struct HouseSubject {
    /// The most connections.
    pub connections: usize,
    /// The limits of each connection.
    pub config: ConnectionConfig,
    /// What the handlers are told to do.
    pub commands: Vec<Command>,
}

/// What the owner calls.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum HouseCall {
    /// `start`
    Start,
    /// `drain`, with a deadline one nanosecond from now.
    Drain,
    /// `stop`
    Stop,
    /// The handler in this slot is told to do this.
    Tell(u32, Command),
}

/// What is known of the sessions.
#[derive(Clone, Debug, Default)]
pub struct Residents {
    /// What is known of each session that is in.
    accounts: Vec<(u32, Account)>,
    /// How many accepts have succeeded, sessions have moved in, and have ended.
    accepted: u64,
    opened: u64,
    closed: u64,
    listening: bool,
    ended: bool,
}

impl HouseSubject {
    /// One connection, with every time-out, and handlers that do everything.
    #[must_use]
    pub fn one() -> Self {
        use Command as C;
        let nano = Some(Duration::from_nanos(1));
        let config = small().read_idle(nano).and_then(|config| config.write_stall(nano));
        let config = config.and_then(|config| config.half_closed(nano)).and_then(|config| config.paused(nano));
        let commands = vec![C::Send, C::Pause, C::Resume, C::HalfClose, C::Finish, C::CloseAfterFlush, C::Abort, C::SetTimer];
        Self { connections: 1, config: config.expect("no time-out is zero"), commands }
    }

    /// Two connections, with time-outs for receiving and sending, and handlers that send and end in every way.
    #[must_use]
    pub fn two() -> Self {
        use Command as C;
        let nano = Some(Duration::from_nanos(1));
        let config = small().read_idle(nano).and_then(|config| config.write_stall(nano));
        let config = config.and_then(|config| config.half_closed(None)).and_then(|config| config.paused(None));
        let commands = vec![C::Send, C::HalfClose, C::Finish, C::CloseAfterFlush, C::Abort];
        Self { connections: 2, config: config.expect("no time-out is zero"), commands }
    }

    fn config(&self) -> ServerConfig {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 1));
        let nano = Duration::from_nanos(1);
        let listener = ListenerConfig::new(address).options(SocketOptions::default()).accepted_options(SocketOptions::default());
        let listener = listener.retry(nano, nano).expect("no delay is zero").sweep(1);
        let config = ServerConfig::new(address).listeners(vec![listener]).expect("there is a listener");
        config.max_connections(self.connections).expect("there are connections").connection(self.config)
    }

    fn on_closed(
        world: &mut World<Self>,
        slot: u32,
        puppet: super::puppet::Puppet,
        report: &sansock::CloseReport,
    ) -> Check<&'static str> {
        let place = world.owner.accounts.iter().position(|(other, _)| *other == slot);
        let place = place.ok_or_else(|| format!("A7: a session in slot {slot} has ended that never began"))?;
        let (_, mut account) = world.owner.accounts.remove(place);
        account.accepted = puppet.sent;
        account.delivered = puppet.given;
        world.owner.closed += 1;
        account.agrees(report)
    }
}

/// A queue of one byte, receives of one, and one nanosecond for everything that cannot be switched off.
fn small() -> ConnectionConfig {
    let nano = Duration::from_nanos(1);
    let config = ConnectionConfig::default().send_queue(0, 1).and_then(|config| config.receive_size(1));
    let config = config.and_then(|config| config.closing(nano, nano, 0)).and_then(|config| config.retry(nano, nano));
    config.expect("no limit is zero")
}

impl Subject for HouseSubject {
    type Machine = Household;
    type Owner = Residents;
    type Call = HouseCall;

    fn name(&self) -> String {
        format!("server and sessions: {} connection(s)", self.connections)
    }

    fn begin(&self) -> (Household, Residents) {
        let server = Server::new(self.config(), Shy, SlotRange::ALL).expect("there are enough slots");
        (Household::new(server), Residents::default())
    }

    fn calls(&self, world: &World<Self>, calls: &mut Vec<HouseCall>) {
        calls.extend([HouseCall::Start, HouseCall::Drain, HouseCall::Stop]);
        for (slot, _) in &world.owner.accounts {
            calls.extend(self.commands.iter().map(|command| HouseCall::Tell(*slot, *command)));
        }
    }

    // D13
    fn call(&self, world: &mut World<Self>, call: HouseCall) -> Check {
        let now = world.now();
        match call {
            HouseCall::Start if world.machine.server().life() != SupervisorLife::New => {
                return refused(&mut world.machine, now, |house, later| {
                    house.supervise(later, |server| server.start(later).is_err())
                });
            }
            HouseCall::Start => {
                let started = world.machine.supervise(now, |server| server.start(now));
                ensure!(started.is_ok(), "it cannot start: {started:?}");
            }
            HouseCall::Drain => world.machine.supervise(now, |server| server.drain(now, now + Duration::from_nanos(1))),
            HouseCall::Stop => world.machine.supervise(now, |server| server.stop(now)),
            HouseCall::Tell(slot, command) => {
                let told = world.machine.tell(now, slot, command);
                ensure!(told, "A7: there is no session in slot {slot} any more, and its end was not reported");
            }
        }
        Ok(())
    }

    fn event(&self, world: &mut World<Self>, event: EventOf<Self>, told: &mut Told) -> Check<&'static str> {
        Ok(match event {
            HouseholdEvent::Opened(socket) => {
                world.owner.opened += 1;
                let place = world.owner.accounts.partition_point(|(slot, _)| *slot < socket.slot());
                world.owner.accounts.insert(place, (socket.slot(), Account::default()));
                told.behaviour.extend_from_slice(&socket.slot().to_le_bytes());
                "event: opened"
            }
            HouseholdEvent::Closed(socket, report, puppet) => {
                told.behaviour.extend_from_slice(&socket.slot().to_le_bytes());
                Account::encode(&report, &mut told.account);
                Self::on_closed(world, socket.slot(), puppet, &report)?
            }
            HouseholdEvent::Said(name) => {
                world.owner.listening |= name == "event: listening";
                world.owner.listening &= name != "event: listener lost";
                name
            }
            // A13
            HouseholdEvent::Stopped(report) => {
                let owner = &mut world.owner;
                ensure!(owner.accounts.is_empty(), "A7: it has stopped, and sessions are in: {:?}", owner.accounts);
                let known = [owner.accepted, owner.closed];
                let counted = [report.accepted, report.finished()];
                ensure!(counted == known, "A13: accepted and finished are {known:?}, and the report says {counted:?}");
                ensure!(owner.opened == owner.closed, "A7: {} have moved in, and {} have ended", owner.opened, owner.closed);
                ensure!(report.accepted == report.rejected + report.finished(), "A13: {report}");
                owner.ended = true;
                "event: stopped"
            }
        })
    }

    fn check(&self, before: &World<Self>, after: &mut World<Self>, input: &Input<HouseCall>) -> Check {
        if let Input::Complete { flight, outcome } = input {
            after.owner.accepted += u64::from(matches!(outcome, Outcome::Connected(_)));
            let slot = flight.id.socket().slot();
            if let Some((_, account)) = after.owner.accounts.iter_mut().find(|(other, _)| *other == slot) {
                account.complete(flight, outcome);
            }
            self.isolated(before, after, slot)?;
        }
        let accepts = after.transport.flights().iter().filter(|flight| flight.id.kind() == OpKind::Accept).count();
        let used = after.owner.accounts.len() + accepts;
        ensure!(used <= self.connections, "X30: {used} places are used");
        Ok(())
    }

    fn encode(&self, world: &World<Self>, out: &mut Vec<u8>) {
        out.extend(world.owner.accounts.iter().flat_map(|(slot, account)| {
            [u8::try_from(*slot).expect("there are few slots"), u8::from(account.eof), u8::from(account.fin)]
        }));
        out.extend([world.owner.listening, world.owner.ended].map(u8::from));
    }

    fn ended(&self, world: &World<Self>) -> bool {
        world.owner.ended
    }

    /// Before it starts; and for its handlers, if no place is free or nobody listens any more.
    fn waits(&self, world: &World<Self>) -> bool {
        let running = world.machine.server().life() == SupervisorLife::Running;
        let inside = world.owner.accounts.len();
        let listens = world.transport.flights().iter().any(|flight| flight.id.kind() == OpKind::Accept);
        world.machine.server().life() == SupervisorLife::New
            || inside == self.connections
            || (inside > 0 && (!running || listens || !world.owner.listening))
    }

    fn class(&self, world: &World<Self>) -> &'static str {
        match world.machine.sessions().map(|session| session.connection().life()).max() {
            None => world.machine.server().life().name(),
            Some(Life::Open) => "sessions open",
            Some(_) => "sessions ending",
        }
    }

    /// Two cancels, a close, an order and an end for each session, and what the server has to say.
    fn most_outputs(&self) -> usize {
        12 + 6 * self.connections
    }

    fn polling_acts(&self) -> bool {
        true
    }

    fn promises(&self) -> Vec<Promise<HouseCall>> {
        let promise = |first, transport| Promise { first: Some(first), transport, may_wait: false };
        vec![
            promise(HouseCall::Stop, Behaviour::Dead),
            promise(HouseCall::Drain, Behaviour::Dead),
            promise(HouseCall::Drain, Behaviour::Fair),
        ]
    }
}

impl HouseSubject {
    // G1
    /// What happens to one session leaves the others as they were, except that time goes on.
    fn isolated(&self, before: &World<Self>, after: &World<Self>, slot: u32) -> Check {
        let others = |world: &World<Self>| {
            let mut out = Vec::new();
            for session in world.machine.sessions().filter(|session| session.socket().slot() != slot) {
                sansock::Canonical::canonical(session, after.now(), &mut out);
                out.push(u8::try_from(session.in_flight()).expect("few operations are in flight"));
            }
            out
        };
        ensure!(others(before) == others(after), "G1: the sessions beside slot {slot} have changed");
        Ok(())
    }
}
