//! Which operation a fault means.

use std::time::Duration;

use sansock::{FaultKind, OpKind};
use sansock_memory::scenario::{Event, Outcome, Scenario, Which};

use super::talk::{Shared, world};

const REFUSED: Outcome = Outcome::Error(FaultKind::ConnectionRefused);
const SLOW: Outcome = Outcome::Delay(Duration::from_millis(10));

/// How often each line fires in a world where a client says five bytes.
fn fired(scenario: Scenario) -> Vec<u64> {
    world(&scenario.lasting(Duration::from_secs(5)), &Shared::default(), 5).run().lines
}

#[test]
fn the_nth_operation_each_that_a_number_divides_and_each() {
    let send = |nth: Which| Scenario::new(1).fault("client", 1, OpKind::Send, nth, SLOW);
    assert_eq!(fired(send(Which::Nth(2))), [1]);
    assert_eq!(fired(send(Which::Nth(6))), [0], "there are five");
    assert_eq!(fired(send(Which::Every(2))), [2]);
    assert_eq!(fired(send(Which::Any)), [5]);
}

#[test]
fn the_hosts_by_a_pattern_for_their_names() {
    let send = |hosts: &str| Scenario::new(1).fault(hosts, 1, OpKind::Send, 1, SLOW);
    assert_eq!(fired(send("client")), [1]);
    assert_eq!(fired(send("*er")), [1]);
    assert_eq!(fired(send("*")), [2]);
    assert_eq!(fired(send("nobody")), [0]);
}

/// A connection that could not be made has a number, too.
#[test]
fn connections_are_numbered_as_they_are_dialled() {
    let refused_once = Scenario::new(1).fault("client", 1, OpKind::Connect, 1, REFUSED);
    assert_eq!(fired(refused_once.clone().fault("client", 2, OpKind::Send, 1, SLOW)), [1, 1]);
    assert_eq!(fired(refused_once.fault("client", 1, OpKind::Send, 1, SLOW)), [1, 0]);
}

#[test]
fn connections_are_numbered_as_they_are_accepted() {
    let reset = Scenario::new(1).fault("client", 1, OpKind::Send, 2, Outcome::Reset);
    let scenario = reset.fault("server", 1, OpKind::Recv, Which::Any, SLOW).fault("server", 2, OpKind::Recv, 1, SLOW);
    let fired = fired(scenario);
    assert_eq!((fired[0], fired[2]), (1, 1));
    assert!(fired[1] >= 2);
}

/// They are none of a connection's, so no number of a connection leaves them out.
#[test]
fn operations_of_listeners_belong_to_every_connection() {
    for (operation, outcome) in [(OpKind::Bind, SLOW), (OpKind::Listen, SLOW), (OpKind::Accept, SLOW)] {
        assert_eq!(fired(Scenario::new(1).fault("server", 7, operation, 1, outcome)), [1], "{operation:?}");
    }
}

#[test]
fn of_several_lines_that_mean_the_same_operation_the_first_one_fires() {
    let scenario = Scenario::new(1).fault("client", 1, OpKind::Send, 1, SLOW).fault("client", 1, OpKind::Send, Which::Any, SLOW);
    assert_eq!(fired(scenario), [1, 4]);
}

/// After a crash the names of sockets are given out anew. None of them has the number that its namesake had in an earlier life.
#[test]
fn connections_of_an_earlier_life_are_forgotten_and_their_numbers_are_not_used_again() {
    let (at, again) = (Duration::from_millis(150), Duration::from_millis(300));
    let crash = |host: &str| Scenario::new(1).at(at, Event::Crash(host.into())).at(again, Event::Restart(host.into()));
    // The client's first connection is that of its first life; what it does first in the second one is no send of that.
    let scenario = crash("client").fault("client", 1, OpKind::Send, 3, SLOW).fault("client", 2, OpKind::Send, 1, SLOW);
    assert_eq!(fired(scenario)[2..], [0, 1]);
    // Binds and listens belong to no connection, and count on.
    for operation in [OpKind::Create, OpKind::Bind, OpKind::Listen] {
        let scenario = crash("server").fault("server", 1, operation, 2, SLOW).fault("server", 9, operation, 3, SLOW);
        assert_eq!(fired(scenario)[2..], [1, 0], "{operation:?}");
    }
    // Nor does the creation of a socket, although the name was one of a connection.
    assert_eq!(fired(crash("client").fault("client", 9, OpKind::Create, 2, SLOW))[2..], [1]);
}

/// A builder does not stop anybody from asking for it; a text does.
#[test]
fn what_cannot_come_of_an_operation_does_not() {
    for (operation, outcome) in [
        (OpKind::Accept, Outcome::Short(1)),
        (OpKind::Connect, Outcome::WouldBlock(Duration::from_millis(1))),
        (OpKind::Close, REFUSED),
        (OpKind::Shutdown, Outcome::Reset),
    ] {
        let scenario = Scenario::new(1).fault("*", Which::Any, operation, Which::Any, outcome);
        assert_eq!(fired(scenario.clone()), [0], "{scenario}");
        assert!(Scenario::parse(&scenario.to_string()).is_err());
    }
}
