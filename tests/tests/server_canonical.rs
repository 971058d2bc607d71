//! Which states of a listener and of a server encode alike: those that behave alike from now on, whatever their past.

use std::time::Duration;

use sansock::{Connected, Ending, FaultKind, Listener, ListenerConfig, OpKind, Outcome, Server, Timestamp};
use sansock_tests::drive::{Drive, Verdicts, connected, listener_at};

type Driven = Drive<Server<Verdicts>>;

#[track_caller]
fn alike(one: &Driven, other: &Driven) {
    assert_eq!(one.canonical(), other.canonical());
}

#[track_caller]
fn differ(one: &Driven, other: &Driven) {
    assert_ne!(one.canonical(), other.canonical());
}

fn backs_off(drive: &mut Driven) {
    drive.fail(drive.the(OpKind::Accept), FaultKind::DescriptorLimit);
}

/// Two sessions come and go, so that the accept is in the first place again.
fn some_history(drive: &mut Driven) {
    for _ in 0..2 {
        let socket = drive.connect(5000);
        drive.gone(socket, Ending::Aborted);
    }
}

// Counters, generations, stamps and absolute time are no part of it.
#[test]
fn a_server_that_has_served_is_like_a_new_one() {
    let fresh = Drive::listening(1, 3);
    let mut used = Drive::listening(1, 3);
    some_history(&mut used);
    used.pass(Duration::from_secs(77));
    used.tick();
    alike(&fresh, &used);
    // Nor is a back-off that is over.
    backs_off(&mut used);
    used.tick_at_deadline();
    used.fail(used.the(OpKind::Accept), FaultKind::ConnectionAborted);
    some_history(&mut used);
    alike(&fresh, &used);
}

#[test]
fn times_count_from_now() {
    let drained = |start| {
        let mut drive = Drive::listening(1, 3);
        drive.pass(Duration::from_secs(start));
        drive.tick();
        drive.call(|server, now| server.drain(now, now + Duration::from_secs(9)));
        drive
    };
    let mut early = drained(0);
    alike(&early, &drained(1000));
    early.pass(Duration::from_secs(1));
    differ(&early, &drained(1000));

    let mut early = Drive::listening(1, 3);
    backs_off(&mut early);
    let mut late = Drive::listening(1, 3);
    late.pass(Duration::from_secs(50));
    backs_off(&mut late);
    alike(&early, &late);
    late.pass(Duration::from_millis(1));
    differ(&early, &late);
}

#[test]
fn the_place_that_is_taken_counts() {
    let mut first = Drive::listening(1, 2);
    first.connect(1);
    let mut second = Drive::listening(1, 2);
    let socket = second.connect(1);
    second.connect(2);
    second.gone(socket, Ending::Confirmed);
    assert_eq!(first.machine().live(), second.machine().live());
    differ(&first, &second);
}

#[test]
fn whose_turn_it_is_counts_while_there_is_a_choice() {
    let served = |connections| {
        let mut drive = Drive::listening(2, 1);
        for port in 1..connections {
            let socket = drive.connect(port);
            drive.gone(socket, Ending::Confirmed);
        }
        drive.connect(connections);
        drive
    };
    differ(&served(1), &served(2));
    alike(&served(1), &served(3));
    // Without a listener nobody has a turn.
    let over = |connections| {
        let mut drive = served(connections);
        drive.call(|server, now| server.drain(now, Timestamp::NEVER));
        drive.wind_up();
        drive
    };
    alike(&over(1), &over(2));
}

// What decides about the next event is part of the state, although it only shows up in a report.
#[test]
fn an_error_that_will_be_reported_counts_until_it_is() {
    let lost = |kind| {
        let mut drive = Drive::listening(2, 8);
        let accept = drive.all(OpKind::Accept)[0];
        drive.fail(accept, kind);
        drive
    };
    let mut bad = lost(FaultKind::BadDescriptor);
    alike(&bad, &lost(FaultKind::NotASocket));
    // A listener that closes because it was swept, and one that closes because it was lost, in a server that drains.
    let drained = |lost: bool| {
        let mut drive = Drive::listening(1, 8);
        drive.connect(1);
        drive.call(|server, now| server.drain(now, Timestamp::NEVER));
        let accept = drive.the(OpKind::Accept);
        let end =
            if lost { Outcome::Failed(FaultKind::BadDescriptor.into()) } else { Outcome::Failed(FaultKind::NoMemory.into()) };
        drive.complete(accept, end);
        assert_eq!(drive.in_flight(), [OpKind::Close]);
        drive
    };
    let (mut swept, mut broken) = (drained(false), drained(true));
    differ(&swept, &broken);
    swept.finish(OpKind::Close);
    broken.finish(OpKind::Close);
    alike(&swept, &broken);
    bad.finish(OpKind::Close);
}

#[test]
fn a_server_that_has_stopped_has_no_past() {
    let mut never_started = Drive::server(&[listener_at(80)], 3, Verdicts::default());
    never_started.call(|server, now| server.stop(now));
    let mut no_runtime = Drive::server(&[listener_at(80)], 3, Verdicts::default());
    no_runtime.start();
    no_runtime.fail(no_runtime.the(OpKind::Startup), FaultKind::RuntimeUnavailable);
    let mut served = Drive::listening(1, 3);
    some_history(&mut served);
    served.call(|server, now| server.stop(now));
    served.wind_up();
    for mut drive in [never_started, no_runtime, served] {
        drive.stopped();
        assert_eq!(drive.canonical(), [6, 0, 0, 0, 0, 0, 0, 0, 0]);
    }
}

#[test]
fn what_waits_to_be_polled_counts() {
    let encoding = |first_deadline: u64, stop: bool| {
        let mut drive = Drive::listening(1, 3);
        drive.connect(1);
        let mut encoding = Vec::new();
        drive.call(|server, now| {
            server.drain(now, Timestamp::from_secs(first_deadline));
            server.drain(now, Timestamp::from_secs(1));
            if stop {
                server.stop(now);
            }
            encoding = encode(server, now);
        });
        encoding
    };
    assert_eq!(encoding(2, false), encoding(2, false));
    assert_ne!(encoding(2, false), encoding(3, false), "the first order names another deadline");
    assert_ne!(encoding(2, true), encoding(3, true));
}

fn encode(server: &Server<Verdicts>, now: Timestamp) -> Vec<u8> {
    let mut out = Vec::new();
    sansock::Canonical::canonical(server, now, &mut out);
    out
}

fn listener(config: ListenerConfig) -> Drive<Listener> {
    let mut drive = Drive::listens(config);
    drive.offer(1);
    drive
}

#[test]
fn a_cancel_counts_and_so_does_whether_the_accept_waits() {
    let mut sweeping = listener(listener_at(80));
    let waiting = sweeping.canonical();
    sweeping.call(|listener, now| listener.sweep(now));
    let cancelled = sweeping.canonical();
    sweeping.fail(sweeping.the(OpKind::Accept), FaultKind::Cancelled);
    sweeping.offer(1);
    let not_waiting = sweeping.canonical();
    assert!(waiting != cancelled && cancelled != not_waiting && waiting != not_waiting);
}

#[test]
fn a_streak_counts_while_it_can_become_a_back_off() {
    let failed = |times: u32| {
        let mut drive = listener(listener_at(80));
        for _ in 0..times {
            drive.fail(drive.the(OpKind::Accept), FaultKind::ConnectionAborted);
            drive.offer(1);
        }
        drive
    };
    let (mut once, mut twice) = (failed(1), failed(2));
    assert_ne!(once.canonical(), twice.canonical());
    for drive in [&mut once, &mut twice] {
        drive.call(|listener, now| listener.stop(now));
    }
    assert_eq!(once.canonical(), twice.canonical(), "a listener that ends looks at no streak");
}

#[test]
fn how_many_a_sweep_still_takes_counts_only_while_it_sweeps() {
    let swept = |connections: u32| {
        let mut drive = listener(listener_at(80));
        drive.call(|listener, now| listener.sweep(now));
        for _ in 0..connections {
            drive.complete(drive.the(OpKind::Accept), Outcome::Connected(Connected::default().into()));
            drive.offer(2);
        }
        drive.events();
        drive
    };
    // The names differ, so both accept into the same place again.
    let (mut one, mut two) = (swept(1), {
        let mut drive = swept(1);
        drive.complete(drive.the(OpKind::Accept), connected(1));
        drive.call(|listener, now| listener.offer(now, sansock::SocketId::new(2, 1).unwrap()).unwrap());
        drive
    });
    assert_ne!(one.canonical(), two.canonical());
    for drive in [&mut one, &mut two] {
        drive.complete(drive.the(OpKind::Accept), Outcome::NoneWaiting);
    }
    assert_eq!(one.canonical(), two.canonical());
}

// How an accept was asked is not looked at any more when it comes back to a listener that ends.
#[test]
fn whether_an_accept_waited_does_not_count_after_a_stop() {
    let mut waiting = listener(listener_at(80));
    let mut sweeping = listener(listener_at(80));
    sweeping.call(|listener, now| listener.sweep(now));
    sweeping.fail(sweeping.the(OpKind::Accept), FaultKind::Cancelled);
    sweeping.offer(1);
    for drive in [&mut waiting, &mut sweeping] {
        drive.call(|listener, now| listener.stop(now));
        drive.events();
    }
    assert_eq!(waiting.canonical(), sweeping.canonical());
}

#[test]
fn what_a_listener_has_not_said_yet_counts() {
    let unsaid = |outcome: Outcome, stopped_before: bool| {
        let mut drive = listener(listener_at(80));
        drive.lazily(true);
        if stopped_before {
            drive.call(|listener, now| listener.stop(now));
        }
        drive.complete(drive.the(OpKind::Accept), outcome);
        drive.call(|listener, now| listener.stop(now));
        drive.canonical()
    };
    let failed = |kind: FaultKind| unsaid(Outcome::Failed(kind.into()), false);
    let encodings = [
        unsaid(connected(1), false),
        unsaid(connected(1), true),
        failed(FaultKind::ConnectionAborted),
        failed(FaultKind::DescriptorLimit),
        failed(FaultKind::BadDescriptor),
    ];
    for (index, one) in encodings.iter().enumerate() {
        assert!(encodings[index + 1..].iter().all(|other| one != other), "{index}: {one:?}");
    }
}

// A step that is over leaves no trace.
#[test]
fn how_far_a_start_had_come_does_not_count_after_it_was_stopped() {
    let stopped = |steps: usize| {
        let mut drive = Drive::started(listener_at(80));
        for kind in [OpKind::Create, OpKind::Bind, OpKind::Listen].into_iter().take(steps) {
            drive.finish(kind);
        }
        drive.call(|listener, now| listener.stop(now));
        drive.events();
        if steps < 3 {
            let kind = drive.in_flight()[0];
            drive.finish(kind);
        }
        assert_eq!(drive.in_flight(), [OpKind::Close]);
        drive.canonical()
    };
    assert_eq!(stopped(0), stopped(1));
    assert_eq!(stopped(1), stopped(2));
    assert_eq!(stopped(2), stopped(3));
}
