//! What befalls machines from outside: faults of their operations, crashes, clocks that are wrong.

use std::time::Duration;

use sansock::{Machine, Timestamp};

use super::{MachineId, Simulation};
use crate::clock::Clock;
use crate::faults::InjectionId;
use crate::network::HostId;
use crate::scenario::Fault;
use crate::sockets::Sockets;

impl<M: Machine> Simulation<M> {
    /// From now on this happens to the machine's operations, unless a fault that was injected before it matches the same operation.
    /// Connections and operations count from the first fault's injection on.
    pub fn inject(&mut self, id: MachineId, fault: Fault) -> InjectionId {
        let injection = InjectionId::new(self.operations.fault_hits.len());
        self.operations.fault_hits.push(0);
        self.seats[id.0 as usize].faults.get_or_insert_default().add(injection, fault);
        injection
    }

    /// How often an injected fault has hit.
    #[must_use]
    pub fn injected(&self, id: InjectionId) -> u64 {
        self.operations.fault_hits[id.index()]
    }

    /// No injected fault hits an operation any more. What was put off stays so.
    pub fn end_faults(&mut self) {
        for seat in &mut self.seats {
            seat.faults = None;
        }
    }

    /// A host crashes: its machines and its sockets are gone, and nobody is told; see [`Network::crash`](crate::Network::crash). What its operations would have come to
    /// is lost. A machine can still be looked at, as it was, but nothing calls it.
    pub fn crash(&mut self, host: HostId) {
        self.network.crash(host);
        for (number, seat) in (0..).zip(&mut self.seats).filter(|(_, seat)| seat.host == host) {
            seat.down = true;
            seat.called = false;
            seat.sockets = Sockets::of_machine(host, number);
            seat.delayed.clear();
            if let Some(faults) = &mut seat.faults {
                faults.forget_connections();
            }
        }
        let seats = &self.seats;
        let is_up = |number: u32| !seats[number as usize].down;
        self.called.retain(|number| is_up(*number));
        self.operations.retain(is_up);
    }

    /// This machine runs in place of that one, which crashed; its host is up again, see [`Network::restart`](crate::Network::restart). Injected faults count
    /// on: its first connection has the number behind those of the other one. If the machine has not crashed, it does now.
    pub fn restart(&mut self, id: MachineId, machine: M) {
        let host = self.seats[id.0 as usize].host;
        if !self.network.is_down(host) && !self.seats[id.0 as usize].down {
            self.crash(host);
        }
        self.network.restart(host);
        let seat = &mut self.seats[id.0 as usize];
        seat.machine = machine;
        seat.down = false;
        self.was_called(id.0);
    }

    /// The machine's clock jumps ahead.
    pub fn jump_clock(&mut self, id: MachineId, by: Duration) {
        self.set_clock(id, |clock, now| clock.jump(now, by));
    }

    /// The machine's clock runs too fast by so many millionths from now on, or too slow; 0 is right. At least -999,999: no clock stands
    /// still.
    pub fn drift_clock(&mut self, id: MachineId, millionths: i32) {
        self.set_clock(id, |clock, now| clock.drift(now, millionths));
    }

    fn set_clock(&mut self, id: MachineId, set: impl FnOnce(&mut Clock, Timestamp)) {
        let seat = &mut self.seats[id.0 as usize];
        set(&mut seat.clock, self.network.now());
        self.deadlines.set(id.0, seat.deadline());
    }
}
