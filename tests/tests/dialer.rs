//! A dialer, driven by hand: addresses one after another, each with a share of the time.

#[path = "dialer/desk.rs"]
mod desk;

use std::collections::BTreeSet;
use std::time::Duration;

use desk::{Desk, address, config, connected_to, failed, secs, summary};
use sansock::{
    Address, AttemptError, Canonical, Completion, Connected, DialError, DialFailure, Dialer, DialerConfig, DialerEvent, Fault,
    FaultKind, Machine, MisuseKind, Op, OpKind, OptionName, Outcome, RefusedOptions, Setting, SocketId, SocketOptions, Timestamp,
};

use FaultKind::{AddressNotAvailable, Cancelled, ConnectionRefused, NetworkUnreachable, SelfConnected, TimedOut, Unsupported};
use OpKind::{Bind, Connect, Create};

#[test]
fn x043_a_refused_address_is_followed_by_the_next_at_once() {
    let mut desk = Desk::dial(&[1, 2]);
    assert_eq!(desk.refuse(ConnectionRefused), address(1));
    let op = desk.connect();
    assert_eq!((op.address(), desk.now), (address(2), Timestamp::ZERO));
    desk.done(op.connected(connected_to(address(2))));
    assert!(desk.next().is_none());
    assert!(matches!(desk.events[..], [DialerEvent::Connected { address: 1, .. }]));
    assert_eq!((desk.offered, desk.returned), (2, 1), "the connection's place is the owner's now");
    assert_eq!(desk.dialer.deadline(), None);
}

// X44: the default limit of one attempt is 10 s, and its share of 30 s for three is the same.
#[test]
fn x044_an_address_that_does_not_answer_gives_way_to_the_next() {
    let mut desk = Desk::dial(&[1, 2, 3]);
    let _black_hole = desk.connect();
    desk.wait(Duration::from_millis(9_999));
    assert!(desk.next().is_none(), "too early");
    desk.wait(Duration::from_millis(1));
    assert!(!desk.close(), "nobody was there to be reset");
    assert_eq!(desk.connect().address(), address(2));
}

// X48: address, operation, fault and time of each, in order; the one that says most is found whatever its place.
#[test]
fn x048_when_all_fail_every_attempt_is_kept() {
    let mut desk = Desk::dial(&[1, 2, 3, 4]);
    desk.refuse(NetworkUnreachable);
    let _silent = desk.connect();
    desk.wait(secs(10));
    desk.close();
    let Some(Op::Create(op)) = desk.next() else { panic!("an attempt begins with a socket") };
    desk.done(op.failed(Fault::with_code(FaultKind::DescriptorLimit, 24)));
    let op = desk.connect();
    desk.wait(Duration::from_millis(1_500));
    desk.done(op.failed(Fault::with_code(ConnectionRefused, 111)));
    desk.close();

    let error = desk.failure();
    assert_eq!(error.failure, DialFailure::AllFailed);
    let expected = [
        (address(1), Connect, NetworkUnreachable, Duration::ZERO),
        (address(2), Connect, TimedOut, secs(10)),
        (address(3), Create, FaultKind::DescriptorLimit, Duration::ZERO),
        (address(4), Connect, ConnectionRefused, Duration::from_millis(1_500)),
    ];
    assert_eq!(summary(&error), expected);
    assert_eq!(error.primary().unwrap().address, address(4), "the only one that answered");
    let local = error.attempts.iter().map(|attempt| attempt.fault.kind().is_local()).collect::<Vec<_>>();
    assert_eq!(local, [false, false, true, false], "what says nothing about the peer");
    assert_eq!(
        error.to_string(),
        "127.0.0.1:1: network unreachable; 127.0.0.1:2: timed out after 10.0s; \
         127.0.0.1:3: creating a socket: no file descriptor left in this process (os error 24); \
         127.0.0.1:4: connection refused (os error 111)"
    );
}

#[test]
fn x048_the_attempt_that_came_farthest_says_most_and_among_equals_the_first() {
    let ranks = [ConnectionRefused, TimedOut, NetworkUnreachable, FaultKind::DescriptorLimit, Cancelled];
    let attempt =
        |kind: FaultKind| AttemptError { address: address(1), operation: Connect, fault: kind.into(), elapsed: secs(1) };
    for best in 0..ranks.len() {
        let attempts = ranks[best..].iter().rev().copied().map(attempt).collect();
        let error = DialError { failure: DialFailure::AllFailed, attempts };
        assert_eq!(error.primary().unwrap().fault.kind(), ranks[best], "of {error}");
    }
    let mut attempts = vec![attempt(ConnectionRefused), attempt(FaultKind::ConnectionReset)];
    attempts[1].address = address(2);
    let error = DialError { failure: DialFailure::AllFailed, attempts };
    assert_eq!(error.primary().unwrap().address, address(1));
}

#[test]
fn x051_a_family_without_sockets_costs_its_own_addresses_alone() {
    let v6 = Address::Ip(([0_u16, 0, 0, 0, 0, 0, 0, 1], 1).into());
    let mut desk = Desk::with(DialerConfig::new(vec![v6, address(2)]).unwrap());
    let Some(Op::Create(op)) = desk.next() else { panic!("an attempt begins with a socket") };
    assert_eq!(op.address(), v6, "the socket suits the address");
    desk.done(op.failed(Unsupported.into()));
    assert_eq!(desk.connect().address(), address(2));
    assert_eq!((desk.offered, desk.returned), (2, 1), "no socket, nothing to close");
}

// X52: as long as addresses come one after another, there is no preference for a family to remember.
#[test]
fn x052_an_unreachable_network_is_followed_by_the_next_address_at_once() {
    let mut desk = Desk::dial(&[1, 2]);
    desk.refuse(NetworkUnreachable);
    assert_eq!((desk.connect().address(), desk.now), (address(2), Timestamp::ZERO));
}

#[test]
fn x053_without_a_free_local_port_an_address_is_tried_three_times_and_the_peer_is_not_blamed() {
    let mut desk = Desk::dial(&[1, 2]);
    let tried: Vec<_> = (0..6).map(|_| desk.refuse(AddressNotAvailable)).collect();
    assert_eq!(tried, [1, 1, 1, 2, 2, 2].map(address));
    let error = desk.failure();
    assert_eq!(error.attempts.len(), 6);
    assert!(error.primary().unwrap().fault.kind().is_local());
}

// X54, D14
#[test]
fn x054_a_connection_to_itself_is_reset_and_the_address_tried_again() {
    let mut desk = Desk::dial(&[50_000, 2]);
    for _ in 0..3 {
        let op = desk.connect();
        assert_eq!(op.address(), address(50_000));
        desk.done(op.connected(connected_to(address(50_000))));
        assert!(desk.close(), "its other end, which is itself, is to see a reset");
    }
    assert_eq!(desk.connect().address(), address(2), "two retries, no more");
    assert!(desk.events.is_empty());
}

#[test]
fn x054_with_a_fixed_local_port_a_connection_to_itself_is_final_and_with_any_port_it_is_not() {
    for (local, attempts) in [(50_000, 1), (0, 3)] {
        let mut desk = Desk::with(config(&[50_000]).local(address(local)));
        for _ in 0..attempts {
            let op = desk.connect();
            desk.done(op.connected(connected_to(address(50_000))));
            desk.close();
        }
        assert!(desk.failure().attempts.iter().all(|attempt| attempt.fault.kind() == SelfConnected));
    }
}

// X59: nothing is said from within a call, so it does not matter whether a system answers at once or later.
#[test]
fn x059_an_answer_in_the_same_turn_is_like_one_that_comes_later() {
    let run = |pause: Duration| {
        let mut desk = Desk::with(config(&[1, 2]).attempt(None).unwrap());
        for kind in [ConnectionRefused, ConnectionRefused] {
            let op = desk.connect();
            desk.wait(pause);
            desk.done(op.failed(kind.into()));
            assert!(desk.events.is_empty());
            desk.close();
        }
        let error = desk.failure();
        error.attempts.iter().map(|attempt| (attempt.address, attempt.operation, attempt.fault)).collect::<Vec<_>>()
    };
    assert_eq!(run(Duration::ZERO), run(secs(1)));
}

// X62: the system would only say "invalid argument".
#[test]
fn x062_a_link_local_address_without_a_scope_fails_without_a_socket() {
    let link_local = |scope| Address::Ip(std::net::SocketAddrV6::new("fe80::1".parse().unwrap(), 1, 0, scope).into());
    let mut desk = Desk::with(DialerConfig::new(vec![link_local(0), link_local(2), link_local(0)]).unwrap());
    assert_eq!(desk.connect().address(), link_local(2));
    assert_eq!(desk.offered, 1, "the first needs no place");
    desk.wait(secs(15));
    desk.close();
    let error = desk.failure();
    assert_eq!(
        error.attempts.iter().map(|attempt| attempt.fault.kind()).collect::<Vec<_>>(),
        [FaultKind::NoScope, TimedOut, FaultKind::NoScope]
    );
    assert_eq!(error.failure, DialFailure::AllFailed);

    let mut desk = Desk::with(DialerConfig::new(vec![link_local(0)]).unwrap());
    assert_eq!(desk.failure().attempts.len(), 1, "none is usable: it is over as soon as it has started");
}

// X63, C3: create, bind, connect: cancelled before each of them is polled, while it is in flight, and when it has succeeded.
#[test]
fn x063_cancel_in_every_state_leaves_no_socket() {
    for (polled, answered) in [(0, 0), (1, 0), (1, 1), (2, 1), (2, 2), (3, 2)] {
        let mut desk = Desk::with(config(&[1]).local(address(0)));
        for place in 1..=polled {
            let op = desk.next().unwrap();
            if place <= answered {
                desk.succeed(op);
            }
        }
        desk.dialer.cancel(desk.now);
        desk.dialer.cancel(desk.now);
        if answered > 0 {
            desk.close();
        } else if let Some(Op::Cancel(op)) = desk.next() {
            desk.done(Completion::from_raw(op.target(), failed(Cancelled)));
        }
        let error = desk.failure();
        assert_eq!(error.failure, DialFailure::Cancelled);
        assert!(error.attempts.iter().all(|attempt| attempt.fault.kind() == Cancelled));
        assert!(error.to_string().starts_with("cancelled"), "{error}");
    }
}

#[test]
fn x063_a_dialer_that_is_cancelled_before_it_starts_does_not_start() {
    let mut dialer = Dialer::new(config(&[1]).into());
    dialer.cancel(Timestamp::ZERO);
    assert_eq!(dialer.start(Timestamp::ZERO).unwrap_err().kind(), MisuseKind::WrongState);
    assert!(matches!(dialer.poll(), Some(sansock::Output::Event(DialerEvent::Failed(_)))));
}

// X47, X63, A8, D8: cancel and answer cross each other.
#[test]
fn x047_a_connection_that_comes_after_the_cancel_is_reset() {
    let mut desk = Desk::dial(&[1]);
    let op = desk.connect();
    desk.dialer.cancel(desk.now);
    assert!(matches!(desk.next(), Some(Op::Cancel(cancel)) if cancel.target() == op.id()));
    desk.done(op.connected(connected_to(address(1))));
    assert!(desk.close());
    assert_eq!(desk.failure().failure, DialFailure::Cancelled);
}

// A8, D8
#[test]
fn x047_a_connection_that_comes_after_its_time_is_reset_and_the_next_address_tried() {
    let mut desk = Desk::dial(&[1, 2]);
    let op = desk.connect();
    desk.wait(secs(10));
    assert!(matches!(desk.next(), Some(Op::Cancel(_))));
    desk.done(op.connected(connected_to(address(1))));
    assert!(desk.close());
    assert_eq!(desk.connect().address(), address(2));
}

// A8: the socket came although its creation was cancelled.
#[test]
fn a_socket_that_comes_after_the_cancel_is_closed() {
    let mut desk = Desk::dial(&[1]);
    let Some(Op::Create(op)) = desk.next() else { panic!("an attempt begins with a socket") };
    desk.dialer.cancel(desk.now);
    assert!(matches!(desk.next(), Some(Op::Cancel(_))));
    desk.done(op.created(RefusedOptions::NONE));
    assert!(!desk.close(), "no connection, nothing to reset");
    desk.failure();
}

// X65, C10: Go's shares: 30 s for two addresses are 15 s each; one that fails early leaves its share to those behind it.
#[test]
fn x065_the_time_for_all_is_shared_equally_and_what_is_not_used_goes_to_those_behind() {
    let limits = |ports: &[u16], overall| config(ports).attempt(None).unwrap().overall(Some(overall)).unwrap();
    let share = |desk: &mut Desk| {
        let _ = desk.connect();
        desk.dialer.deadline().unwrap().saturating_since(desk.now)
    };
    let mut desk = Desk::with(limits(&[1, 2, 3], secs(30)));
    assert_eq!(share(&mut desk), secs(10));
    desk.wait(secs(10));
    desk.close();
    assert_eq!(share(&mut desk), secs(10));

    let mut desk = Desk::with(limits(&[1, 2, 3], secs(30)));
    desk.refuse(ConnectionRefused);
    assert_eq!(share(&mut desk), secs(15));
    desk.wait(secs(15));
    desk.close();
    assert_eq!(share(&mut desk), secs(15));

    // A share below 2 s would be of no use to anybody: the last ones go without.
    let mut desk = Desk::with(limits(&[1, 2, 3, 4], secs(5)));
    for expected in [2, 2, 1] {
        assert_eq!(share(&mut desk), secs(expected));
        desk.wait(secs(expected));
        desk.close();
    }
    let error = desk.failure();
    assert_eq!((error.failure, error.attempts.len()), (DialFailure::Deadline, 3));
    assert_eq!(
        error.to_string(),
        "out of time: 127.0.0.1:1: timed out after 2.0s; 127.0.0.1:2: timed out after 2.0s; 127.0.0.1:3: timed out after 1.0s"
    );
}

// X65: the limit of one attempt counts too, whichever is shorter.
#[test]
fn an_attempt_ends_at_its_own_limit_or_its_share_whichever_is_first() {
    let limits = config(&[1, 2]).attempt(Some(secs(3))).unwrap().overall(Some(secs(4))).unwrap();
    let mut desk = Desk::with(limits);
    let _ = desk.connect();
    assert_eq!(desk.dialer.deadline(), Some(Timestamp::from_secs(2)));
    desk.wait(secs(2));
    desk.close();
    let _ = desk.connect();
    assert_eq!(desk.dialer.deadline(), Some(Timestamp::from_secs(4)));

    let limits = config(&[1]).attempt(Some(secs(3))).unwrap().overall(None).unwrap();
    let mut desk = Desk::with(limits);
    let _ = desk.connect();
    assert_eq!(desk.dialer.deadline(), Some(Timestamp::from_secs(3)));
}

#[test]
fn a_deadline_that_is_over_before_the_first_address_ends_it_without_an_attempt() {
    let mut desk = Desk::dial(&[1]);
    desk.wait(secs(31));
    let error = desk.failure();
    assert_eq!((error.failure, error.attempts.len()), (DialFailure::Deadline, 0));
    assert_eq!(error.to_string(), "out of time");
}

// C2, C10: a close that hangs does not keep the time from running, and its completion is all that is waited for.
#[test]
fn the_time_may_run_out_while_a_failed_attempt_is_being_closed() {
    let mut desk = Desk::dial(&[1, 2]);
    let op = desk.connect();
    desk.done(op.failed(ConnectionRefused.into()));
    let op = desk.closing();
    desk.wait(secs(30));
    assert!(desk.next().is_none(), "the close is a join");
    desk.done(op.done());
    let error = desk.failure();
    assert_eq!((error.failure, error.attempts.len()), (DialFailure::Deadline, 1));
}

#[test]
fn a_cancel_after_the_last_address_has_failed_does_not_hide_that_all_have() {
    let mut desk = Desk::dial(&[1]);
    let op = desk.connect();
    desk.done(op.failed(ConnectionRefused.into()));
    let op = desk.closing();
    desk.dialer.cancel(desk.now);
    desk.done(op.done());
    assert_eq!(desk.failure().failure, DialFailure::AllFailed);
}

#[test]
fn a_close_that_fails_counts_as_closed() {
    let mut desk = Desk::dial(&[1]);
    let op = desk.connect();
    desk.done(op.failed(ConnectionRefused.into()));
    let op = desk.closing();
    desk.done(op.failed(FaultKind::Other.into()));
    desk.failure();
}

#[test]
fn a_bind_that_fails_costs_its_address_alone_and_is_not_tried_again() {
    let mut desk = Desk::with(config(&[1, 2]).local(address(0)));
    let Some(Op::Create(op)) = desk.next() else { panic!("an attempt begins with a socket") };
    desk.done(op.created(RefusedOptions::NONE));
    let Some(Op::Bind(op)) = desk.next() else { panic!("then it is bound") };
    assert_eq!(op.address(), address(0));
    desk.done(op.failed(AddressNotAvailable.into()));
    assert!(!desk.close());
    assert_eq!(desk.refuse(ConnectionRefused), address(2));
    let error = desk.failure();
    assert_eq!(error.attempts[0].operation, Bind);
    assert!(error.to_string().starts_with("127.0.0.1:1: binding: address not available; "), "{error}");
}

#[test]
fn a_required_option_that_is_refused_fails_the_attempt_and_a_wish_does_not() {
    for (setting, attempts) in [(Setting::Required(true), 1), (Setting::BestEffort(true), 0)] {
        let options = SocketOptions { no_delay: setting, ..SocketOptions::CONNECTION };
        let mut desk = Desk::with(config(&[1]).options(options));
        let Some(Op::Create(op)) = desk.next() else { panic!("an attempt begins with a socket") };
        desk.done(op.created(RefusedOptions::NONE.with(OptionName::NoDelay)));
        if attempts == 1 {
            desk.close();
            assert_eq!(summary(&desk.failure())[0].2, FaultKind::OptionRefused);
        } else {
            let _ = desk.connect();
        }
    }
}

#[test]
fn a_socket_that_breaks_without_an_operation_ends_its_attempt_once() {
    let mut desk = Desk::dial(&[1, 2]);
    let op = desk.connect();
    let stranger = SocketId::new(9, 9).unwrap();
    desk.dialer.broken(desk.now, stranger, ConnectionRefused.into());
    assert!(desk.next().is_none());
    desk.dialer.broken(desk.now, op.socket(), ConnectionRefused.into());
    desk.dialer.broken(desk.now, op.socket(), TimedOut.into());
    desk.close();
    assert_eq!(desk.refuse(ConnectionRefused), address(2));
    assert_eq!(desk.failure().attempts.len(), 2);
}

// D1, D2, D3, D4, D9: refused, counted, and nothing has changed.
#[test]
fn completions_that_cannot_be_are_refused() {
    let mut desk = Desk::dial(&[1]);
    let op = desk.connect();
    let (id, socket) = (op.id(), op.socket());
    let stale = SocketId::new(socket.slot(), socket.generation() + 1).unwrap();
    let unknown = SocketId::new(socket.slot() + 1, 0).unwrap();
    let connected = Outcome::Connected(Connected::default().into());
    let hostile = [
        (sansock::OpId::new(unknown, Connect, id.stamp()), connected.clone(), MisuseKind::UnknownSocket),
        (sansock::OpId::new(stale, Connect, id.stamp()), connected.clone(), MisuseKind::UnknownSocket),
        (sansock::OpId::new(socket, Connect, id.stamp() + 1), connected, MisuseKind::NotInFlight),
        (sansock::OpId::new(socket, OpKind::Close, id.stamp()), Outcome::Done, MisuseKind::NotInFlight),
        (id, Outcome::Done, MisuseKind::WrongOutcome),
        (id, Outcome::Data(bytes::Bytes::from_static(b"x")), MisuseKind::WrongOutcome),
    ];
    let before = encoding(&desk);
    for (id, outcome, kind) in hostile.clone() {
        let error = desk.dialer.complete(desk.now, Completion::from_raw(id, outcome)).unwrap_err();
        assert_eq!((error.kind(), error.id()), (kind, Some(id)));
    }
    assert_eq!(desk.dialer.refused_completions(), hostile.len() as u64);
    assert_eq!(encoding(&desk), before);
    desk.done(op.connected(connected_to(address(1))));
    let again = Completion::from_raw(id, Outcome::Connected(Connected::default().into()));
    assert_eq!(desk.dialer.complete(desk.now, again).unwrap_err().kind(), MisuseKind::UnknownSocket, "D8: the first wins");
    assert!(desk.next().is_none());
    assert_eq!(desk.events.len(), 1);
}

fn encoding(desk: &Desk) -> Vec<u8> {
    let mut out = Vec::new();
    desk.dialer.canonical(desk.now, &mut out);
    out
}

/// The encodings of a life that fails at both addresses, from one step to the next.
fn encodings(start: Timestamp) -> Vec<Vec<u8>> {
    let mut desk = Desk::at(start, config(&[1, 2]).local(address(0)));
    let mut all = vec![encoding(&desk)];
    while let Some(op) = desk.next() {
        all.push(encoding(&desk));
        match op {
            Op::Connect(op) => desk.done(op.connected(connected_to(address(50_000)))),
            Op::Close(op) => desk.done(op.done()),
            op => desk.succeed(op),
        }
        all.push(encoding(&desk));
    }
    all.push(encoding(&desk));
    all
}

// The encoding of what behaves alike is the same, whenever it happens; of what does not, it is not.
#[test]
fn the_encoding_tells_states_apart_and_nothing_else() {
    let early = encodings(Timestamp::ZERO);
    assert_eq!(early, encodings(Timestamp::from_secs(1_000_000)));
    assert_eq!(early.iter().collect::<BTreeSet<_>>().len(), early.len());
}

// Why it has been given up is told later, so it is part of the state: not at all, by the owner, by the time.
#[test]
fn the_encoding_tells_why_no_further_address_is_tried() {
    let closing = |cancel| {
        let mut desk = Desk::dial(&[1, 2]);
        let op = desk.connect();
        desk.done(op.failed(ConnectionRefused.into()));
        let _close = desk.closing();
        let going_on = encoding(&desk);
        if cancel {
            desk.dialer.cancel(desk.now);
            assert_ne!(encoding(&desk), going_on);
        }
        desk.wait(secs(30));
        encoding(&desk)
    };
    assert_ne!(closing(true), closing(false));
}

#[test]
fn a_place_that_is_not_wanted_stays_the_callers() {
    let mut desk = Desk::dial(&[1]);
    let _ = desk.connect();
    let place = SocketId::new(7, 0).unwrap();
    assert_eq!(desk.dialer.offer(desk.now, place).unwrap_err().kind(), MisuseKind::WrongState);
    assert_eq!(desk.dialer.start(desk.now).unwrap_err().kind(), MisuseKind::WrongState);
}

// B9
#[test]
fn a_list_of_addresses_has_one_at_least_and_no_more_than_the_limit() {
    assert_eq!(DialerConfig::new(Vec::new()).unwrap_err().field(), "addresses");
    let most = DialerConfig::MAX_ADDRESSES;
    assert!(DialerConfig::new(vec![address(1); most]).is_ok());
    let error = DialerConfig::new(vec![address(1); most + 1]).unwrap_err();
    assert!(error.to_string().contains("MAX_ADDRESSES"), "{error}");
}
