//! [`Listener`], alone: its owner offers places and takes what is accepted.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use sansock::state::{ListenerLife, Table};
use sansock::{Listener, ListenerConfig, ListenerEvent, Machine, Setting, SlotRange, Slots, SocketId, SocketOptions, Timestamp};
use sansock_memory::closure::{Behaviour, Check, Input, Promise, Subject, Told, World};

use super::refused;

/// A listener with small limits, and an owner with one place.
#[derive(Clone, Copy, Debug, Default)]
pub struct ListenerSubject;

/// What the owner calls.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ListenerCall {
    /// `start`
    Start,
    /// `offer`, a fresh name.
    Offer,
    /// `wake`
    Wake,
    /// `sweep`
    Sweep,
    /// `end_sweep`
    EndSweep,
    /// `stop`
    Stop,
}

/// What the owner remembers.
#[derive(Clone, Debug)]
pub struct Places {
    slots: Slots,
    /// The name that the listener has.
    offered: Option<SocketId>,
    /// The listener has said that accepting fails, and not yet that it works again.
    exhausted: bool,
    listening: bool,
    ended: bool,
}

impl ListenerSubject {
    fn config() -> ListenerConfig {
        let accepted = SocketOptions { no_delay: Setting::Required(true), ..SocketOptions::default() };
        let options = SocketOptions { only_v6: Setting::Required(true), ..SocketOptions::default() };
        ListenerConfig::new(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))
            .options(options)
            .accepted_options(accepted)
            .retry(Duration::from_nanos(1), Duration::from_nanos(3))
            .expect("no delay is zero")
            .sweep(2)
    }

    /// The answer to an offer.
    fn answer(world: &mut World<Self>, slot: SocketId, exists: bool) -> Check {
        let offered = world.owner.offered.take();
        ensure!(offered == Some(slot), "A8: {slot} was answered, and {offered:?} was offered");
        world.owner.slots.release(slot);
        if exists { world.transport.give_away(slot) } else { Ok(()) }
    }
}

impl Subject for ListenerSubject {
    type Machine = Listener;
    type Owner = Places;
    type Call = ListenerCall;

    fn name(&self) -> String {
        "listener: one place, sweeps of 2".to_owned()
    }

    fn begin(&self) -> (Listener, Places) {
        let socket = SocketId::new(0, 0).expect("slot 0 is in range");
        let slots = Slots::new(SlotRange::new(1, 1).expect("slot 1 is in range"));
        let places = Places { slots, offered: None, exhausted: false, listening: false, ended: false };
        (Listener::new(socket, Arc::new(Self::config())), places)
    }

    fn calls(&self, _: &World<Self>, calls: &mut Vec<ListenerCall>) {
        use ListenerCall as Call;
        calls.extend([Call::Start, Call::Offer, Call::Wake, Call::Sweep, Call::EndSweep, Call::Stop]);
    }

    // D13
    fn call(&self, world: &mut World<Self>, call: ListenerCall) -> Check {
        let now = world.now();
        let life = world.machine.life();
        match call {
            ListenerCall::Start if life != ListenerLife::New => {
                return refused(&mut world.machine, now, |listener, later| listener.start(later).is_err());
            }
            ListenerCall::Start => {
                let started = world.machine.start(now);
                ensure!(started.is_ok(), "it cannot start: {started:?}");
            }
            ListenerCall::Offer => return offer(world),
            ListenerCall::Wake => world.machine.wake(now),
            ListenerCall::Sweep => world.machine.sweep(now),
            ListenerCall::EndSweep => world.machine.end_sweep(now),
            ListenerCall::Stop => world.machine.stop(now),
        }
        Ok(())
    }

    /// The owner of a sweeping listener goes on offering places, or ends the sweep.
    fn is_duty(&self, world: &World<Self>, call: ListenerCall) -> bool {
        world.machine.life() == ListenerLife::Sweeping && matches!(call, ListenerCall::Offer | ListenerCall::EndSweep)
    }

    fn event(&self, world: &mut World<Self>, event: ListenerEvent, told: &mut Told) -> Check<&'static str> {
        Ok(match event {
            ListenerEvent::Listening { .. } => {
                ensure!(!world.owner.listening, "A13: it listens, and that was said before");
                world.owner.listening = true;
                "event: listening"
            }
            ListenerEvent::OptionsRefused { .. } => "event: options refused",
            ListenerEvent::Accepted { slot, connected } => {
                ensure!(world.owner.listening, "A13: it has accepted and not said that it listens");
                ensure!(connected.refused == sansock::RefusedOptions::NONE, "X14: a required option was refused");
                Self::answer(world, slot, true)?;
                "event: accepted"
            }
            ListenerEvent::Unwanted { slot } => {
                Self::answer(world, slot, true)?;
                "event: unwanted"
            }
            ListenerEvent::Returned { slot } => {
                Self::answer(world, slot, false)?;
                "event: returned"
            }
            // B12
            ListenerEvent::Exhausted { .. } => {
                ensure!(!world.owner.exhausted, "B12: it is exhausted, and that was said before");
                world.owner.exhausted = true;
                "event: exhausted"
            }
            ListenerEvent::Recovered { failures } => {
                ensure!(world.owner.exhausted && failures > 0, "B12: it has recovered from nothing");
                world.owner.exhausted = false;
                "event: recovered"
            }
            ListenerEvent::Closed(report) => {
                let offered = world.owner.offered;
                ensure!(offered.is_none(), "A8: it has closed and not answered the offer of {offered:?}");
                told.account.push(u8::from(report.error.is_some()));
                world.owner.ended = true;
                "event: closed"
            }
        })
    }

    fn check(&self, before: &World<Self>, after: &mut World<Self>, input: &Input<ListenerCall>) -> Check {
        let (was, is) = (before.machine.life(), after.machine.life());
        ensure!(was <= is, "the life went back from {was:?} to {is:?}");
        // C4: no time ends it.
        let passes = matches!(input, Input::Timeout | Input::Tick | Input::Leap);
        ensure!(was == is || !passes, "C4: {input} led from {was:?} to {is:?}");
        // C4, D11
        if let Input::Complete { flight, outcome } = input
            && flight.listener.is_some()
            && was == ListenerLife::Listening
        {
            let lost =
                matches!(outcome, sansock::Outcome::Failed(fault) if fault.kind().accept_class() == sansock::AcceptClass::Lost);
            ensure!((is > was) == lost, "C4: {input} led from {was:?} to {is:?}");
            // B10: what has run out is not asked for again at once.
            let exhausted = matches!(outcome, sansock::Outcome::Failed(fault) if fault.kind().accept_class() == sansock::AcceptClass::Exhausted);
            let waits = !after.machine.wants_slot() && after.machine.deadline().is_some();
            ensure!(!exhausted || waits, "B10: {input}, and the next accept does not wait");
        }
        Ok(())
    }

    fn encode(&self, world: &World<Self>, out: &mut Vec<u8>) {
        let owner = &world.owner;
        out.extend([owner.offered.is_some(), owner.exhausted, owner.listening, owner.ended].map(u8::from));
    }

    fn ended(&self, world: &World<Self>) -> bool {
        world.owner.ended
    }

    /// Before it starts, and as long as nobody offers a place.
    fn waits(&self, world: &World<Self>) -> bool {
        let asks = world.machine.wants_slot();
        world.machine.life() == ListenerLife::New || asks
    }

    fn class(&self, world: &World<Self>) -> &'static str {
        world.machine.life().name()
    }

    /// An answer, a recovery, the end of the sweep, a cancel and a close.
    fn most_outputs(&self) -> usize {
        6
    }

    fn promises(&self) -> Vec<Promise<ListenerCall>> {
        let promise = |first, transport, may_wait| Promise { first: Some(first), transport, may_wait };
        vec![
            promise(ListenerCall::Stop, Behaviour::Dead, false),
            promise(ListenerCall::Sweep, Behaviour::Dead, false),
            promise(ListenerCall::Stop, Behaviour::Fair, false),
            promise(ListenerCall::Sweep, Behaviour::Fair, false),
        ]
    }
}

fn offer(world: &mut World<ListenerSubject>) -> Check {
    let now: Timestamp = world.now();
    let wanted = world.machine.wants_slot();
    // The only place may be in an answer that was not polled yet.
    let Some(slot) = world.owner.slots.reserve() else { return Ok(()) };
    if !wanted {
        world.owner.slots.release(slot);
        return refused(&mut world.machine, now, |listener, later| listener.offer(later, slot).is_err());
    }
    let taken = world.machine.offer(now, slot);
    ensure!(taken.is_ok(), "D13: it wants a place and refuses one: {taken:?}");
    world.owner.offered = Some(slot);
    Ok(())
}
