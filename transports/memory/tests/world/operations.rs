//! What can befall an operation.

use std::time::Duration;

use sansock::{CloseReason, FaultKind, Machine, NodeEvent, OpKind, Outcome as Completed, Timestamp};
use sansock_memory::Step;
use sansock_memory::scenario::{Fault, Outcome, Which};

use super::talk::{Shared, completions, simulation};

fn fault(operation: OpKind, nth: u32, outcome: Outcome) -> Fault {
    Fault { hosts: "*".into(), connection: Which::Nth(1), operation, nth: Which::Nth(nth), outcome }
}

#[test]
fn without_a_fault() {
    let diary = Shared::default();
    let (mut simulation, _, client) = simulation(&diary, 2);
    let seen = completions(&mut simulation, 1_000);
    let sends: Vec<_> = seen.iter().filter(|line| line.contains("1 send")).collect();
    assert_eq!(sends, ["2 1 send sent", "102 1 send sent"]);
    assert_eq!(diary.borrow().heard, [1, 0]);
    assert_eq!(diary.borrow().closed, [CloseReason::Finished; 2]);
    assert!(simulation.machine(client).is_stopped());
}

/// While the first send waits, two more bytes are said, which then go together.
#[test]
fn short() {
    let moved = |faults: &[(bool, Fault)]| {
        let diary = Shared::default();
        let (mut simulation, server, client) = simulation(&diary, 3);
        simulation.inject(client, fault(OpKind::Send, 1, Outcome::WouldBlock(Duration::from_millis(250))));
        for (of_server, fault) in faults {
            let injection = simulation.inject(if *of_server { server } else { client }, fault.clone());
            assert_eq!(simulation.injected(injection), 0);
        }
        let (mut sent, mut received) = (Vec::new(), Vec::new());
        let see = |_, machine, step: Step<'_, NodeEvent>| {
            if let Step::Completed(done) = step {
                match done.outcome() {
                    Completed::Data(data) if machine == server => received.push(data.len()),
                    Completed::Sent(count) if machine == client => sent.push(*count),
                    _ => {}
                }
            }
        };
        simulation.run_until(Timestamp::from_secs(1), see).unwrap();
        assert_eq!(diary.borrow().heard, [2, 1, 0]);
        (sent, received)
    };
    let (send, recv) = (fault(OpKind::Send, 2, Outcome::Short(1)), fault(OpKind::Recv, 1, Outcome::Short(1)));
    assert_eq!(moved(&[]), (vec![1, 2], vec![3]));
    assert_eq!(moved(&[(false, send)]).0, [1, 1, 1]);
    let none = fault(OpKind::Send, 2, Outcome::Short(0));
    assert_eq!(moved(&[(false, none)]).0, [1, 1, 1], "one byte at least");
    assert_eq!(moved(&[(true, recv)]), (vec![1, 2], vec![1, 2]));
}

#[test]
fn would_block() {
    let diary = Shared::default();
    let (mut simulation, _, client) = simulation(&diary, 2);
    let injection = simulation.inject(client, fault(OpKind::Send, 1, Outcome::WouldBlock(Duration::from_millis(500))));
    let seen = completions(&mut simulation, 1_000);
    let sends: Vec<_> = seen.iter().filter(|line| line.contains("1 send")).collect();
    // The second byte joins the queue, and goes with the next send.
    assert_eq!(sends[0], "502 1 send sent");
    assert_eq!(simulation.injected(injection), 1);
    assert_eq!(diary.borrow().heard, [1, 0]);
}

/// An operation that is kept from starting can be cancelled like any other.
#[test]
fn would_block_and_then_cancelled() {
    let diary = Shared::default();
    let (mut simulation, _, client) = simulation(&diary, 2);
    simulation.inject(client, fault(OpKind::Recv, 1, Outcome::WouldBlock(Duration::from_secs(1_000))));
    completions(&mut simulation, 50);
    simulation.with(client, |node, now| node.stop(now));
    let seen = completions(&mut simulation, 60);
    assert!(seen.contains(&"50 1 recv failed".to_owned()), "{seen:?}");
    assert!(simulation.machine(client).is_stopped());
    assert_eq!(simulation.machine(client).in_flight(), 0);
    completions(&mut simulation, 2_000_000);
}

#[test]
fn delay() {
    let diary = Shared::default();
    let (mut simulation, _, client) = simulation(&diary, 1);
    let injection = simulation.inject(client, fault(OpKind::Connect, 1, Outcome::Delay(Duration::from_millis(300))));
    let seen = completions(&mut simulation, 1_000);
    assert!(seen.contains(&"302 1 connect connected".to_owned()), "{seen:?}");
    assert!(seen.iter().any(|line| line.ends_with("0 accept connected") && line.starts_with("3 ")), "{seen:?}");
    assert_eq!(simulation.injected(injection), 1);
}

/// What was put off came about earlier than what comes about when it is handed in.
#[test]
fn delay_to_when_something_else_completes() {
    let (mut simulation, _, client) = simulation(&Shared::default(), 1);
    simulation.inject(client, fault(OpKind::Connect, 1, Outcome::Delay(Duration::from_millis(1))));
    let seen = completions(&mut simulation, 1_000);
    let then: Vec<_> = seen.iter().filter(|line| line.starts_with("3 ") && line.ends_with("connected")).collect();
    assert_eq!(then, ["3 1 connect connected", "3 0 accept connected"]);
}

#[test]
fn error() {
    for (operation, name) in [(OpKind::Recv, "recv"), (OpKind::Send, "send")] {
        let diary = Shared::default();
        let (mut simulation, _, client) = simulation(&diary, 1);
        let injection = simulation.inject(client, fault(operation, 1, Outcome::Error(FaultKind::ConnectionReset)));
        completions(&mut simulation, 1_000);
        assert_eq!(simulation.injected(injection), 1, "{name}");
        assert!(diary.borrow().heard.is_empty());
        let reason = CloseReason::Fault { operation, fault: FaultKind::ConnectionReset.into() };
        assert!(diary.borrow().closed.contains(&reason), "{:?}", diary.borrow().closed);
    }
}

/// The socket is not to be had, but nothing happens on the network.
#[test]
fn error_of_an_accept_leaves_the_connection_where_it_is() {
    let diary = Shared::default();
    let (mut simulation, server, _) = simulation(&diary, 1);
    let injection = simulation.inject(server, fault(OpKind::Accept, 1, Outcome::Error(FaultKind::DescriptorLimit)));
    let seen = completions(&mut simulation, 2_000);
    assert!(seen[..7].contains(&"0 0 accept failed".to_owned()), "{seen:?}");
    assert_eq!(simulation.injected(injection), 1);
    assert_eq!(diary.borrow().heard, [0], "the listener asks again");
}

/// Both ends are told, this one at once, and the other when the reset gets there.
#[test]
fn reset() {
    let diary = Shared::default();
    let (mut simulation, _, client) = simulation(&diary, 3);
    let injection = simulation.inject(client, fault(OpKind::Send, 2, Outcome::Reset));
    let seen = completions(&mut simulation, 1_000);
    assert_eq!(simulation.injected(injection), 1);
    let failed: Vec<_> = seen.iter().filter(|line| line.ends_with("failed")).collect();
    assert!(failed.iter().any(|line| line.starts_with("102 1 ")), "{failed:?}");
    assert!(failed.contains(&&"103 0 recv failed".to_owned()), "{failed:?}");
    assert_eq!(diary.borrow().heard, [2]);
    assert_eq!(simulation.hits().resets, 1);
}

#[test]
fn no_fault_fires_any_more_once_they_have_ended() {
    let diary = Shared::default();
    let (mut simulation, _, client) = simulation(&diary, 4);
    let every = Fault { nth: Which::Any, ..fault(OpKind::Send, 1, Outcome::WouldBlock(Duration::from_millis(10))) };
    let injection = simulation.inject(client, every);
    completions(&mut simulation, 150);
    simulation.end_faults();
    completions(&mut simulation, 1_000);
    assert_eq!(simulation.injected(injection), 2);
    assert_eq!(diary.borrow().heard, [3, 2, 1, 0]);
}

/// What a machine asks of its sockets is had: here, to notice a peer that is gone.
#[test]
fn keep_alive_is_an_option_like_others() {
    use sansock::{ClientConfig, DialerConfig, ServerConfig, Setting, SocketOptions};
    use sansock_memory::scenario::{Event, Scenario};
    use sansock_memory::world::World;

    let diary = Shared::default();
    let crash = Scenario::new(1).at(Duration::from_millis(500), Event::Crash("server".into()));
    let mut world = World::new(&crash.lasting(Duration::from_secs(3_600)));
    let serving = diary.clone();
    world.host("server", ["10.0.0.1".parse().unwrap()], move |host| {
        let address = host.address_of("server", 7)?;
        if host.starts() == 1 {
            host.serve(ServerConfig::new(address), super::talk::Talk::server(&serving))?;
        }
        Ok(())
    });
    let talking = diary.clone();
    world.host("client", ["10.0.0.2".parse().unwrap()], move |host| {
        let server = host.address_of("server", 7)?;
        let keep_alive = Setting::Required(Duration::from_secs(10));
        let options = SocketOptions { keep_alive, ..SocketOptions::CONNECTION };
        let config = ClientConfig::new(vec![server.into()])?;
        let config = config.dialer(DialerConfig::new(vec![server.into()])?.options(options));
        let patient = sansock::ConnectionConfig::default().read_idle(None)?.half_closed(None)?;
        // Neither side says anything.
        host.connect(config.connection(patient), super::talk::Talk::server(&talking))?;
        Ok(())
    });
    let hits = world.run().hits;
    assert_eq!(hits.keep_alive_probes, 9);
    let gone = CloseReason::Fault { operation: OpKind::Recv, fault: FaultKind::TimedOut.into() };
    assert_eq!(diary.borrow().closed, [gone]);
}
