//! Draining one listener: what is queued already is accepted before it closes, since a close would reset it.

use std::time::Duration;

use sansock::state::ListenerLife;
use sansock::{Connected, Fault, FaultKind, Listener, ListenerConfig, ListenerEvent, Op, OpId, OpKind, Outcome};
use sansock_tests::drive::{Drive, listener_at, name};

fn connected() -> Outcome {
    Outcome::Connected(Connected::default().into())
}

/// A listener that sweeps, with a place to accept into.
fn sweeping(config: ListenerConfig) -> (Drive<Listener>, OpId) {
    let mut drive = Drive::listens(config);
    drive.call(|listener, now| listener.sweep(now));
    drive.offer(1);
    let accept = drive.the(OpKind::Accept);
    (drive, accept)
}

fn waits(drive: &Drive<Listener>, id: OpId) -> bool {
    matches!(drive.op(id), Op::Accept(accept) if accept.wait())
}

// X18
#[test]
fn x018_a_sweep_accepts_without_waiting_until_nobody_is_queued() {
    let (mut drive, _) = sweeping(listener_at(80));
    for slot in 2..5 {
        let accept = drive.the(OpKind::Accept);
        assert!(!waits(&drive, accept));
        drive.complete(accept, connected());
        assert!(matches!(drive.events()[..], [ListenerEvent::Accepted { .. }]));
        drive.offer(slot);
    }
    drive.complete(drive.the(OpKind::Accept), Outcome::NoneWaiting);
    assert_eq!(drive.events(), [ListenerEvent::Returned { slot: name(4) }]);
    assert_eq!(drive.in_flight(), [OpKind::Close]);
}

// X18: a new client a millisecond must not keep a drain from ending.
#[test]
fn x018_a_sweep_ends_after_so_many_connections() {
    let (mut drive, accept) = sweeping(listener_at(80).sweep(2));
    drive.complete(accept, connected());
    drive.offer(2);
    drive.complete(drive.the(OpKind::Accept), connected());
    assert!(matches!(drive.events()[..], [ListenerEvent::Accepted { .. }, ListenerEvent::Accepted { .. }]));
    assert_eq!(drive.in_flight(), [OpKind::Close]);
}

#[test]
fn x018_a_sweep_of_none_closes_at_once() {
    let mut drive = Drive::listens(listener_at(80).sweep(0));
    drive.call(|listener, now| listener.sweep(now));
    assert_eq!(drive.in_flight(), [OpKind::Close]);
}

// X18, X37: the accept that waits is in the way, and may still bring somebody.
#[test]
fn x018_the_accept_that_waits_is_cancelled_and_a_late_success_is_served() {
    for late_success in [true, false] {
        let mut drive = Drive::listens(listener_at(80));
        let slot = drive.offer(1);
        let accept = drive.the(OpKind::Accept);
        drive.call(|listener, now| listener.sweep(now));
        assert!(drive.is_cancelled(accept) && !drive.machine().wants_slot());
        if late_success {
            drive.complete(accept, connected());
            assert_eq!(drive.events(), [ListenerEvent::Accepted { slot, connected: Connected::default() }]);
        } else {
            drive.fail(accept, FaultKind::Cancelled);
            assert_eq!(drive.events(), [ListenerEvent::Returned { slot }]);
        }
        assert!(drive.machine().wants_slot());
        drive.offer(2);
        assert!(!waits(&drive, drive.the(OpKind::Accept)));
    }
}

// X18: asked not to wait any more, a transport may look once more and find nobody. Somebody may have come since.
#[test]
fn x018_a_cancelled_accept_that_finds_nobody_does_not_end_the_sweep() {
    let mut drive = Drive::listens(listener_at(80));
    let slot = drive.offer(1);
    drive.call(|listener, now| listener.sweep(now));
    drive.complete(drive.the(OpKind::Accept), Outcome::NoneWaiting);
    assert_eq!(drive.events(), [ListenerEvent::Returned { slot }]);
    assert!(drive.machine().wants_slot());
}

#[test]
fn an_offer_that_was_not_used_yet_is_used_without_waiting() {
    let mut drive = Drive::listens(listener_at(80));
    drive.call(|listener, now| {
        listener.offer(now, name(1)).unwrap();
        listener.sweep(now);
    });
    let accept = drive.the(OpKind::Accept);
    assert!(!waits(&drive, accept) && !drive.is_cancelled(accept));
}

// X29: nobody can be served any more.
#[test]
fn x029_the_owner_ends_the_sweep_when_it_has_no_place_left() {
    let (mut drive, accept) = sweeping(listener_at(80));
    drive.complete(accept, connected());
    drive.call(|listener, now| listener.end_sweep(now));
    assert_eq!(drive.in_flight(), [OpKind::Close]);
    // It means nothing otherwise.
    let mut drive = Drive::listens(listener_at(80));
    drive.call(|listener, now| listener.end_sweep(now));
    assert_eq!(drive.machine().life(), ListenerLife::Listening);
}

// X20: one connection's trouble does not end it.
#[test]
fn x020_a_sweep_goes_on_after_a_fault_of_one_connection() {
    let (mut drive, accept) = sweeping(listener_at(80));
    drive.fail(accept, FaultKind::ConnectionAborted);
    assert!(drive.machine().wants_slot());
    assert_eq!(drive.machine().life(), ListenerLife::Sweeping);
}

// X17, X128: a sweep does not wait for something to be free again.
#[test]
fn x017_a_sweep_ends_when_something_has_run_out() {
    let (mut drive, accept) = sweeping(listener_at(80));
    let fault = Fault::new(FaultKind::DescriptorLimit);
    drive.complete(accept, Outcome::Failed(fault));
    assert_eq!(drive.events(), [ListenerEvent::Returned { slot: name(1) }, ListenerEvent::Exhausted { fault }]);
    assert_eq!((drive.in_flight(), drive.until_deadline()), (vec![OpKind::Close], None));
}

#[test]
fn x016_a_sweep_of_what_is_no_listener_any_more_ends_with_an_error() {
    let (mut drive, accept) = sweeping(listener_at(80));
    drive.fail(accept, FaultKind::BadDescriptor);
    drive.wind_up();
    assert!(drive.machine().report().error.is_some());
}

// X128, X134: back-off is no reason to wait with the sweep.
#[test]
fn x128_a_sweep_during_a_back_off_begins_at_once() {
    let mut drive = Drive::listens(listener_at(80));
    drive.offer(1);
    drive.fail(drive.the(OpKind::Accept), FaultKind::DescriptorLimit);
    drive.call(|listener, now| listener.sweep(now));
    assert!(drive.machine().wants_slot() && drive.until_deadline().is_none());
}

#[test]
fn x134_a_stop_during_a_back_off_ends_at_once() {
    let mut drive = Drive::listens(listener_at(80));
    drive.offer(1);
    drive.fail(drive.the(OpKind::Accept), FaultKind::DescriptorLimit);
    drive.call(|listener, now| listener.stop(now));
    assert_eq!((drive.in_flight(), drive.until_deadline()), (vec![OpKind::Close], None));
    drive.wind_up();
    assert!(drive.has_ended());
}

// X127
#[test]
fn x127_a_second_sweep_and_a_stop_after_the_end_change_nothing() {
    let (mut drive, accept) = sweeping(listener_at(80));
    let before = drive.canonical();
    drive.call(|listener, now| listener.sweep(now));
    assert_eq!(drive.canonical(), before);
    drive.complete(accept, Outcome::NoneWaiting);
    for _ in 0..3 {
        let before = drive.canonical();
        drive.call(|listener, now| listener.sweep(now));
        drive.call(|listener, now| listener.stop(now));
        drive.pass(Duration::from_secs(1));
        drive.tick();
        assert_eq!(drive.canonical(), before);
        drive.wind_up();
    }
    assert!(drive.has_ended());
}

#[test]
fn a_stop_during_a_sweep_takes_nobody_any_more() {
    let (mut drive, accept) = sweeping(listener_at(80));
    drive.call(|listener, now| listener.stop(now));
    assert!(drive.is_cancelled(accept));
    drive.complete(accept, connected());
    assert_eq!(drive.events(), [ListenerEvent::Unwanted { slot: name(1) }]);
    assert_eq!(drive.in_flight(), [OpKind::Close]);
}
