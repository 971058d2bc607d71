//! [`Dialer`], alone, with several addresses: its owner offers places.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use sansock::state::{DialerLife, Table};
use sansock::{Address, Dialer, DialerConfig, DialerEvent, OpKind, Setting, SlotRange, Slots, SocketId, SocketOptions};
use sansock_memory::closure::{Behaviour, Check, Input, Promise, Subject, Told, World};

use super::refused;

/// A dialer with so many addresses.
#[derive(Clone, Copy, Debug)]
pub struct DialerSubject {
    /// The number of addresses.
    pub addresses: u16,
    /// It binds to a local address first.
    pub binds: bool,
}

/// What the owner calls.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DialerCall {
    /// `start`
    Start,
    /// `offer`, a fresh name.
    Offer,
    /// `cancel`
    Cancel,
}

/// What the owner remembers.
#[derive(Clone, Debug)]
pub struct Places {
    slots: Slots,
    /// The names that the dialer has.
    offered: Vec<SocketId>,
    ended: bool,
}

impl DialerSubject {
    fn config(self) -> DialerConfig {
        let address = |port| Address::from(SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
        let options = SocketOptions { no_delay: Setting::Required(true), ..SocketOptions::default() };
        let config = DialerConfig::new((1..=self.addresses).map(address).collect()).expect("there are addresses");
        let config =
            config.attempt(Some(Duration::from_nanos(1))).and_then(|config| config.overall(Some(Duration::from_nanos(3))));
        let config = config.expect("no time-out is zero").options(options).retries(1);
        if self.binds { config.local(address(0)) } else { config }
    }

    /// A place comes back, or is kept.
    fn answer(world: &mut World<Self>, slot: SocketId) -> Check {
        let place = world.owner.offered.iter().position(|offered| *offered == slot);
        let place = place.ok_or_else(|| format!("A8: {slot} was answered, and was not offered"))?;
        world.owner.offered.remove(place);
        world.owner.slots.release(slot);
        Ok(())
    }
}

impl Subject for DialerSubject {
    type Machine = Dialer;
    type Owner = Places;
    type Call = DialerCall;

    fn name(&self) -> String {
        format!("dialer: {} addresses{}", self.addresses, if self.binds { ", bound" } else { "" })
    }

    fn begin(&self) -> (Dialer, Places) {
        let slots = Slots::new(SlotRange::new(0, u32::from(self.addresses)).expect("slots are in range"));
        (Dialer::new(Arc::new(self.config())), Places { slots, offered: Vec::new(), ended: false })
    }

    fn calls(&self, _: &World<Self>, calls: &mut Vec<DialerCall>) {
        calls.extend([DialerCall::Start, DialerCall::Offer, DialerCall::Cancel]);
    }

    // D13
    fn call(&self, world: &mut World<Self>, call: DialerCall) -> Check {
        let now = world.now();
        match call {
            DialerCall::Start if world.machine.life() != DialerLife::New => {
                return refused(&mut world.machine, now, |dialer, later| dialer.start(later).is_err());
            }
            DialerCall::Start => {
                let started = world.machine.start(now);
                ensure!(started.is_ok(), "it cannot start: {started:?}");
            }
            DialerCall::Offer => return offer(world),
            DialerCall::Cancel => world.machine.cancel(now),
        }
        Ok(())
    }

    /// The owner of a dialer that was started offers it places.
    fn is_duty(&self, _: &World<Self>, call: DialerCall) -> bool {
        call == DialerCall::Offer
    }

    // A11
    fn event(&self, world: &mut World<Self>, event: DialerEvent, told: &mut Told) -> Check<&'static str> {
        Ok(match event {
            DialerEvent::Connected { slot, address, .. } => {
                ensure!(address < usize::from(self.addresses), "A11: address {address} was reached");
                told.behaviour.push(u8::try_from(address).expect("there are few addresses"));
                Self::answer(world, slot)?;
                world.transport.give_away(slot)?;
                world.owner.ended = true;
                "event: connected"
            }
            DialerEvent::Returned { slot } => {
                Self::answer(world, slot)?;
                "event: returned"
            }
            DialerEvent::Failed(error) => {
                ensure!(world.owner.offered.is_empty(), "A8: it has failed and not given back {:?}", world.owner.offered);
                told.account.extend_from_slice(format!("{:?}", error.failure).as_bytes());
                let most = 2 * usize::from(self.addresses);
                ensure!(error.attempts.len() <= most, "B9: {} attempts", error.attempts.len());
                world.owner.ended = true;
                "event: failed"
            }
        })
    }

    // B9
    fn check(&self, _: &World<Self>, after: &mut World<Self>, input: &Input<DialerCall>) -> Check {
        let connects = after.transport.flights().iter().filter(|flight| flight.id.kind() == OpKind::Connect).count();
        ensure!(connects <= usize::from(self.addresses), "B9: {connects} connects are in flight");
        // D14: here, and not at the event, which two ways that encode alike share.
        if let Input::Complete { outcome: sansock::Outcome::Connected(connected), .. } = input {
            let itself = connected.local.is_some() && connected.local == connected.peer;
            ensure!(!itself || after.machine.life() != DialerLife::Connected, "D14: connected to itself");
        }
        if matches!(input, Input::Call(DialerCall::Cancel)) {
            ensure!(!after.machine.wants_slot(), "X63: it was cancelled and wants another place");
        }
        Ok(())
    }

    fn encode(&self, world: &World<Self>, out: &mut Vec<u8>) {
        out.extend(world.owner.offered.iter().map(|slot| u8::try_from(slot.slot()).expect("there are few slots")));
        out.push(u8::from(world.owner.ended));
    }

    fn ended(&self, world: &World<Self>) -> bool {
        world.owner.ended
    }

    /// Before it starts, and as long as nobody offers a place.
    fn waits(&self, world: &World<Self>) -> bool {
        world.machine.life() == DialerLife::New || world.machine.wants_slot()
    }

    fn class(&self, world: &World<Self>) -> &'static str {
        world.machine.life().name()
    }

    /// A cancel and a close, the answers, and the end.
    fn most_outputs(&self) -> usize {
        6
    }

    fn promises(&self) -> Vec<Promise<DialerCall>> {
        vec![
            Promise { first: Some(DialerCall::Cancel), transport: Behaviour::Dead, may_wait: false },
            Promise { first: Some(DialerCall::Cancel), transport: Behaviour::Fair, may_wait: false },
            // C10
            Promise { first: None, transport: Behaviour::Dead, may_wait: true },
            Promise { first: None, transport: Behaviour::Fair, may_wait: true },
        ]
    }
}

fn offer(world: &mut World<DialerSubject>) -> Check {
    let now = world.now();
    let wanted = world.machine.wants_slot();
    // A place may be in an answer that was not polled yet.
    let Some(slot) = world.owner.slots.reserve() else { return Ok(()) };
    if !wanted {
        world.owner.slots.release(slot);
        return refused(&mut world.machine, now, |dialer, later| dialer.offer(later, slot).is_err());
    }
    let taken = world.machine.offer(now, slot);
    ensure!(taken.is_ok(), "D13: it wants a place and refuses one: {taken:?}");
    world.owner.offered.push(slot);
    Ok(())
}
