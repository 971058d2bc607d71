//! Accepting: places, and what each kind of failure does.

use std::time::Duration;

use sansock::state::ListenerLife;
use sansock::{
    AcceptClass, Connected, Fault, FaultKind, Listener, ListenerEvent, MisuseKind, Op, OpId, OpKind, OptionName, Outcome,
    RefusedOptions, Setting, SocketOptions,
};
use sansock_tests::drive::{Drive, connected, listener_at, name};

const CONNECTED: Connected = Connected { peer: None, local: None, refused: RefusedOptions::NONE };

/// A listener with an accept in flight, whose back-off goes from 5 ms to 20 ms.
fn accepting() -> (Drive<Listener>, OpId) {
    let config = listener_at(80).retry(Duration::from_millis(5), Duration::from_millis(20)).unwrap();
    let mut drive = Drive::listens(config);
    drive.offer(1);
    let accept = drive.the(OpKind::Accept);
    (drive, accept)
}

fn kinds(class: AcceptClass) -> impl Iterator<Item = FaultKind> {
    FaultKind::ALL.iter().copied().filter(move |kind| kind.accept_class() == class)
}

fn refused(kind: FaultKind) -> Outcome {
    Outcome::Failed(Fault::new(kind))
}

#[test]
fn an_accept_waits_and_names_the_place_it_was_offered() {
    let (drive, id) = accepting();
    let Op::Accept(accept) = drive.op(id) else { panic!() };
    assert_eq!((accept.slot(), accept.listener(), accept.wait()), (name(1), name(0), true));
    assert!(!drive.machine().wants_slot());
}

#[test]
fn as_many_accepts_are_in_flight_as_the_configuration_says_and_a_sweep_has_one() {
    let mut drive = Drive::listens(listener_at(80).accepts(3).unwrap());
    for slot in 1..=3 {
        assert!(drive.machine().wants_slot());
        drive.offer(slot);
    }
    assert!(!drive.machine().wants_slot());
    let accepts: Vec<_> = drive.all(OpKind::Accept);
    assert_eq!(accepts.len(), 3);
    drive.complete(accepts[1], Outcome::Connected(CONNECTED.into()));
    assert_eq!(drive.events(), [ListenerEvent::Accepted { slot: name(2), connected: CONNECTED }]);
    assert!(drive.machine().wants_slot());
    // Those that wait are cancelled first, and give their places back.
    drive.call(|listener, now| listener.sweep(now));
    for accept in [accepts[0], accepts[2]] {
        drive.complete(accept, refused(FaultKind::Cancelled));
    }
    assert!(drive.machine().wants_slot());
    drive.offer(4);
    assert!(!drive.machine().wants_slot());
    assert_eq!(listener_at(80).accepts(0).unwrap_err().field(), "accepts");
}

// X35: a peer that has gone again has no address.
#[test]
fn x035_a_connection_whose_peer_is_not_known_is_accepted() {
    let (mut drive, accept) = accepting();
    drive.complete(accept, Outcome::Connected(CONNECTED.into()));
    assert_eq!(drive.events(), [ListenerEvent::Accepted { slot: name(1), connected: CONNECTED }]);
    assert!(drive.machine().wants_slot());
}

#[test]
fn a_connection_without_a_required_option_is_not_wanted() {
    let options = SocketOptions { no_delay: Setting::Required(true), ..SocketOptions::default() };
    let refused = RefusedOptions::NONE.with(OptionName::NoDelay);
    for (options, wanted) in [(options, false), (SocketOptions::CONNECTION, true)] {
        let mut drive = Drive::listens(listener_at(80).accepted_options(options));
        let slot = drive.offer(1);
        let connected = Connected { refused, ..CONNECTED };
        drive.complete(drive.the(OpKind::Accept), Outcome::Connected(connected.into()));
        let expected = if wanted { ListenerEvent::Accepted { slot, connected } } else { ListenerEvent::Unwanted { slot } };
        assert_eq!(drive.events(), [expected]);
        assert_eq!(drive.machine().report().accepted, 1);
    }
}

// X20, X21, X22, X40, D11: the trouble of one connection that never came to us.
#[test]
fn x020_a_fault_of_one_connection_is_counted_and_accepting_goes_on_at_once() {
    for kind in kinds(AcceptClass::Transient) {
        let (mut drive, accept) = accepting();
        drive.fail(accept, kind);
        assert_eq!(drive.events(), [ListenerEvent::Returned { slot: name(1) }], "{kind:?}");
        assert!(drive.machine().wants_slot() && drive.until_deadline().is_none(), "{kind:?}");
        assert_eq!(drive.machine().report().transient_faults, 1);
    }
}

// X20, B10: at once is fair for one connection, and a spin if every accept fails.
#[test]
fn x020_sixteen_such_faults_in_a_row_count_as_one_of_the_other_kind() {
    let (mut drive, _) = accepting();
    for number in 1..=16 {
        assert_eq!(drive.until_deadline(), None, "after {}", number - 1);
        drive.fail(drive.the(OpKind::Accept), FaultKind::ConnectionAborted);
        if number < 16 {
            drive.offer(number + 1);
        }
    }
    assert_eq!(drive.until_deadline(), Some(Duration::from_millis(5)));
    let fault = Fault::new(FaultKind::ConnectionAborted);
    assert_eq!(drive.events().pop(), Some(ListenerEvent::Exhausted { fault }));
    let report = drive.machine().report();
    assert_eq!((report.transient_faults, report.exhausted_faults, report.accept_faults()), (16, 0, 16));
    // Each counts once. The next sixteen are tried at once again.
    drive.tick_at_deadline();
    drive.offer(20);
    drive.fail(drive.the(OpKind::Accept), FaultKind::ConnectionAborted);
    assert!(drive.machine().wants_slot());
}

#[test]
fn a_success_between_such_faults_begins_a_new_count() {
    let (mut drive, _) = accepting();
    for number in 1..=40 {
        let accept = drive.the(OpKind::Accept);
        if number % 10 == 0 {
            drive.complete(accept, Outcome::Connected(CONNECTED.into()));
        } else {
            drive.fail(accept, FaultKind::ConnectionAborted);
        }
        assert_eq!(drive.until_deadline(), None, "after {number}");
        drive.offer(number + 1);
    }
}

// X17, X23, X26, C4: for ever, and never a spin. An error that nobody listed takes this arm too.
#[test]
fn x017_what_has_run_out_is_tried_again_with_doubling_delays() {
    for kind in kinds(AcceptClass::Exhausted) {
        let (mut drive, _) = accepting();
        for (slot, millis) in (1..).zip([5, 10, 20, 20, 20]) {
            drive.fail(drive.the(OpKind::Accept), kind);
            assert_eq!(drive.until_deadline(), Some(Duration::from_millis(millis)), "{kind:?}");
            assert!(!drive.machine().wants_slot());
            drive.tick_at_deadline();
            drive.offer(slot + 1);
        }
        assert_eq!(drive.machine().report().exhausted_faults, 5);
    }
}

// X17, B12: one event an episode.
#[test]
fn x017_an_episode_is_said_once_and_its_end_once() {
    let (mut drive, _) = accepting();
    let fault = Fault::new(FaultKind::DescriptorLimit);
    for slot in 1..=3 {
        drive.complete(drive.the(OpKind::Accept), Outcome::Failed(fault));
        drive.tick_at_deadline();
        drive.offer(slot + 1);
    }
    drive.complete(drive.the(OpKind::Accept), Outcome::Connected(CONNECTED.into()));
    let returned = |slot| ListenerEvent::Returned { slot: name(slot) };
    assert_eq!(
        drive.events(),
        [
            returned(1),
            ListenerEvent::Exhausted { fault },
            returned(2),
            returned(3),
            ListenerEvent::Recovered { failures: 3 },
            ListenerEvent::Accepted { slot: name(4), connected: CONNECTED },
        ]
    );
    // The next episode begins anew, with the first delay.
    drive.offer(5);
    drive.complete(drive.the(OpKind::Accept), Outcome::Failed(fault));
    assert_eq!(drive.until_deadline(), Some(Duration::from_millis(5)));
    assert_eq!(drive.events(), [returned(5), ListenerEvent::Exhausted { fault }]);
}

// X17, F4, F6
#[test]
fn x017_the_delay_ends_exactly_at_its_time() {
    let (mut drive, accept) = accepting();
    drive.fail(accept, FaultKind::DescriptorLimit);
    drive.pass(Duration::from_nanos(4_999_999));
    drive.tick();
    assert!(!drive.machine().wants_slot());
    drive.pass(Duration::from_nanos(1));
    drive.tick();
    assert!(drive.machine().wants_slot());
}

// X17: a socket of ours is gone, so something is free again. The delays go on doubling if it was not enough.
#[test]
fn x017_the_owner_can_end_the_delay_early() {
    let (mut drive, accept) = accepting();
    drive.fail(accept, FaultKind::DescriptorLimit);
    drive.call(|listener, now| listener.wake(now));
    assert!(drive.machine().wants_slot() && drive.until_deadline().is_none());
    drive.offer(2);
    drive.fail(drive.the(OpKind::Accept), FaultKind::DescriptorLimit);
    assert_eq!(drive.until_deadline(), Some(Duration::from_millis(10)));
}

// X24: transports repeat a call that a signal interrupted. One that does not has this error reported as one that nobody knows.
#[test]
fn x024_an_interrupted_accept_that_reaches_the_core_is_tried_again() {
    let (mut drive, accept) = accepting();
    drive.complete(accept, Outcome::Failed(Fault::with_code(FaultKind::Other, 4)));
    drive.tick_at_deadline();
    assert!(drive.machine().wants_slot());
}

// X16, X25, D10: there is nothing left to accept from, and nothing but a close follows.
#[test]
fn x016_what_is_no_listening_socket_ends_the_listener_with_a_typed_error() {
    for kind in kinds(AcceptClass::Lost) {
        let (mut drive, accept) = accepting();
        drive.fail(accept, kind);
        assert_eq!(drive.in_flight(), [OpKind::Close]);
        drive.wind_up();
        let Some(ListenerEvent::Closed(report)) = drive.events().pop() else { panic!() };
        let error = report.error.unwrap();
        assert_eq!((error.operation, error.fault.kind()), (OpKind::Accept, kind));
        assert_eq!(error.to_string(), format!("cannot accept on 127.0.0.1:80: {}", kind.sentence()));
    }
}

// X25: while the listener ends anyway, that is the normal end.
#[test]
fn x025_the_same_faults_are_no_news_once_the_listener_is_stopped() {
    for kind in FaultKind::ALL {
        let (mut drive, accept) = accepting();
        drive.call(|listener, now| listener.stop(now));
        drive.fail(accept, *kind);
        drive.wind_up();
        let report = *drive.machine().report();
        assert_eq!((report.error, report.accept_faults()), (None, 0), "{kind:?}");
        assert_eq!(drive.events(), [ListenerEvent::Returned { slot: name(1) }, ListenerEvent::Closed(report)]);
    }
}

// X27: a transport waits again by itself. One that reports it all the same cannot make us spin.
#[test]
fn x027_a_waiting_accept_that_finds_nobody_is_a_failure_of_the_transport() {
    let (mut drive, accept) = accepting();
    drive.complete(accept, Outcome::NoneWaiting);
    assert_eq!(drive.until_deadline(), Some(Duration::from_millis(5)));
}

// X37, A8
#[test]
fn x037_a_connection_that_comes_after_the_stop_is_not_wanted() {
    let (mut drive, accept) = accepting();
    drive.call(|listener, now| listener.stop(now));
    drive.complete(accept, Outcome::Connected(CONNECTED.into()));
    assert_eq!(drive.events(), [ListenerEvent::Unwanted { slot: name(1) }]);
    assert_eq!(drive.machine().report().accepted, 1);
    drive.wind_up();
    assert!(drive.has_ended());
}

// X42: a hang-up that does not go away. A loop that sees it again and again is not kept busy by an accept that waits.
#[test]
fn x042_a_listener_that_is_reported_broken_pauses_and_cancels_its_accept() {
    let (mut drive, accept) = accepting();
    let fault = Fault::new(FaultKind::Other);
    for _ in 0..3 {
        drive.call(|listener, now| sansock::Machine::broken(listener, now, name(0), fault));
        assert!(drive.is_cancelled(accept));
        assert_eq!(drive.until_deadline(), Some(Duration::from_millis(5)));
    }
    assert_eq!(drive.machine().report().exhausted_faults, 1);
    drive.fail(accept, FaultKind::Cancelled);
    assert!(!drive.machine().wants_slot());
    drive.tick_at_deadline();
    drive.offer(2);
    assert!(matches!(drive.op(drive.the(OpKind::Accept)), Op::Accept(accept) if accept.wait()));
}

// X42: the accept that was to be cancelled succeeds: it works after all.
#[test]
fn x042_a_late_success_ends_the_pause() {
    let (mut drive, accept) = accepting();
    drive.call(|listener, now| sansock::Machine::broken(listener, now, name(0), FaultKind::Other.into()));
    drive.complete(accept, Outcome::Connected(CONNECTED.into()));
    assert!(drive.machine().wants_slot() && drive.until_deadline().is_none());
}

#[test]
fn x042_a_broken_listener_gives_back_the_place_it_has_not_used() {
    let (mut drive, accept) = accepting();
    drive.complete(accept, Outcome::Connected(CONNECTED.into()));
    drive.call(|listener, now| {
        listener.offer(now, name(2)).unwrap();
        sansock::Machine::broken(listener, now, name(0), FaultKind::NoMemory.into());
    });
    assert_eq!(drive.events().pop(), Some(ListenerEvent::Returned { slot: name(2) }));
    assert_eq!(drive.in_flight(), []);
}

#[test]
fn a_listener_that_is_reported_lost_ends_and_the_name_of_another_socket_means_nothing() {
    let (mut drive, accept) = accepting();
    drive.call(|listener, now| sansock::Machine::broken(listener, now, name(1), FaultKind::BadDescriptor.into()));
    assert_eq!(drive.machine().life(), ListenerLife::Listening);
    drive.call(|listener, now| sansock::Machine::broken(listener, now, name(0), FaultKind::BadDescriptor.into()));
    drive.fail(accept, FaultKind::Cancelled);
    drive.wind_up();
    assert_eq!(drive.machine().report().error.unwrap().fault.kind(), FaultKind::BadDescriptor);
    drive.call(|listener, now| sansock::Machine::broken(listener, now, name(0), FaultKind::Other.into()));
    assert_eq!(drive.events().len(), 2);
}

// D1, D2, D3, D4, D5, D9: refused, counted, and nothing changes.
#[test]
fn hostile_completions_are_refused_and_counted() {
    let (mut drive, accept) = accepting();
    let old = accept;
    drive.fail(accept, FaultKind::DescriptorLimit);
    drive.tick_at_deadline();
    drive.offer(1);
    let accept = drive.the(OpKind::Accept);
    let unknown = OpId::new(name(9), OpKind::Accept, 0);
    assert_eq!(drive.refuse(unknown, connected(1)).kind(), MisuseKind::UnknownSocket);
    assert_eq!(drive.refuse(old, connected(1)).kind(), MisuseKind::NotInFlight);
    let wrong_kind = OpId::new(accept.socket(), OpKind::Recv, accept.stamp());
    assert_eq!(drive.refuse(wrong_kind, Outcome::Eof).kind(), MisuseKind::UnknownSocket);
    for kind in OpKind::ALL {
        if kind != OpKind::Accept {
            drive.refuse(OpId::new(name(0), kind, accept.stamp()), refused(FaultKind::Other));
        }
    }
    for outcome in [Outcome::Done, Outcome::Eof, Outcome::Sent(1), Outcome::Created(RefusedOptions::NONE), Outcome::Local(None)] {
        assert_eq!(drive.refuse(accept, outcome).kind(), MisuseKind::WrongOutcome);
    }
    assert_eq!(drive.machine().report().refused_completions, 3 + 11 + 5);
    drive.call(|listener, now| listener.stop(now));
    drive.wind_up();
    drive.refuse(accept, connected(1));
}

// D4: each step takes only its own outcome.
#[test]
fn a_step_cannot_come_to_the_outcome_of_another() {
    let mut drive = Drive::started(listener_at(80));
    for step in [OpKind::Create, OpKind::Bind, OpKind::Listen] {
        let id = drive.the(step);
        let wrong = if step == OpKind::Create { Outcome::Local(None) } else { Outcome::Created(RefusedOptions::NONE) };
        assert_eq!(drive.refuse(id, wrong).kind(), MisuseKind::WrongOutcome);
        assert_eq!(drive.refuse(id, Outcome::Done).kind(), MisuseKind::WrongOutcome);
        drive.finish(step);
        assert_eq!(drive.refuse(id, Outcome::Done).kind(), MisuseKind::NotInFlight);
    }
    drive.call(|listener, now| listener.stop(now));
    assert_eq!(drive.refuse(drive.the(OpKind::Close), Outcome::Eof).kind(), MisuseKind::WrongOutcome);
}

// D13
#[test]
fn a_place_that_is_not_wanted_stays_with_its_owner() {
    let (mut drive, _) = accepting();
    drive.refuse_call(|listener, now| listener.offer(now, name(2)));
    let mut drive = Drive::started(listener_at(80));
    let misuse = drive.refuse_call(|listener, now| listener.offer(now, name(2)));
    assert_eq!(misuse.to_string(), "offer a slot in state Creating: the call is not possible in this state");
}
