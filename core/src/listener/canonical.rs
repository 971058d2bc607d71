//! The canonical encoding of a listener.

use alloc::vec::Vec;

use super::{Listener, ListenerEvent};
use crate::state::{ListenerLife, Table};
use crate::{Canonical, Timestamp, encode};

/// Life, what is in flight, the offers and the slots they name, the retry relative to `now`, whether an error will be reported, and the
/// kinds of the events that wait. What only an accepting listener looks at is left out of all others.
impl Canonical for Listener {
    fn canonical(&self, now: Timestamp, out: &mut Vec<u8>) {
        encode::byte(out, self.life.index());
        encode::byte(out, self.step.code());
        if !self.step.is_idle() {
            encode::byte(out, self.step_kind.code());
        }
        encode::byte(out, self.close.code());
        encode::flag(out, self.exists);
        encode::length(out, self.offers.len());
        for offer in &self.offers {
            encode::slot(out, offer.slot);
            encode::byte(out, offer.flight.code());
            encode::flag(out, offer.waits && self.is_accepting());
        }
        if self.is_accepting() {
            self.backoff.encode(out);
            encode::deadline(out, self.retry, now.max(self.now));
            encode::byte(out, self.streak);
        }
        if self.life == ListenerLife::Sweeping {
            encode::length(out, self.sweep_left);
        }
        encode::flag(out, self.report.error.is_some() && self.life != ListenerLife::Closed);
        encode::length(out, self.events.len());
        for event in &self.events {
            encode_event(out, event);
        }
    }
}

fn encode_event(out: &mut Vec<u8>, event: &ListenerEvent) {
    match event {
        ListenerEvent::Listening { .. } => encode::byte(out, 0),
        ListenerEvent::OptionsRefused { .. } => encode::byte(out, 1),
        ListenerEvent::Accepted { slot, .. } => {
            encode::byte(out, 2);
            encode::slot(out, *slot);
        }
        ListenerEvent::Unwanted { slot } => {
            encode::byte(out, 3);
            encode::slot(out, *slot);
        }
        ListenerEvent::Returned { slot } => {
            encode::byte(out, 4);
            encode::slot(out, *slot);
        }
        ListenerEvent::Exhausted { .. } => encode::byte(out, 5),
        ListenerEvent::Recovered { .. } => encode::byte(out, 6),
        ListenerEvent::Closed(report) => {
            encode::byte(out, 7);
            encode::flag(out, report.error.is_some());
        }
    }
}
