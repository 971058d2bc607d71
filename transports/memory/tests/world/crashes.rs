//! Machines that crash, at any moment, with something on its way to them.

use std::net::SocketAddr;
use std::time::Duration;

use sansock::{ClientConfig, Node, OpKind, Timestamp};
use sansock_memory::scenario::{Fault, Outcome, Which};
use sansock_memory::{MachineId, Progress, Simulation, Step};

use super::talk::{Shared, Talk, completions, simulation};

/// The next life of a client, which dials the same server and says as many bytes.
fn restart(simulation: &mut Simulation<Node<Talk>>, client: MachineId, diary: &Shared, bytes: u8) {
    simulation.restart(client, Node::default());
    let server = SocketAddr::from(([10, 0, 0, 1], 7));
    let config = ClientConfig::new(vec![server.into()]).unwrap();
    simulation.with(client, |node, now| node.connect(now, config, Talk::client(diary, bytes))).unwrap();
}

fn crash(simulation: &mut Simulation<Node<Talk>>, client: MachineId) {
    let host = simulation.host(client);
    simulation.crash(host);
}

fn fault(connection: u32, operation: OpKind, outcome: Outcome) -> Fault {
    Fault { hosts: "*".into(), connection: Which::Nth(connection), operation, nth: Which::Nth(1), outcome }
}

/// The first life's send would start at 252 ms. The second life's has the same name, and starts when its own time has come.
#[test]
fn what_a_fault_keeps_from_starting_is_forgotten() {
    let diary = Shared::default();
    let (mut simulation, _, client) = simulation(&diary, 1);
    for connection in [1, 2] {
        simulation.inject(client, fault(connection, OpKind::Send, Outcome::WouldBlock(Duration::from_millis(250))));
    }
    completions(&mut simulation, 100);
    crash(&mut simulation, client);
    restart(&mut simulation, client, &diary, 1);
    let seen = completions(&mut simulation, 1_000);
    let sends: Vec<_> = seen.iter().filter(|line| line.contains("1 send")).collect();
    assert_eq!(sends, ["352 1 send sent"]);
}

#[test]
fn what_a_fault_delays_is_forgotten() {
    let diary = Shared::default();
    let (mut simulation, _, client) = simulation(&diary, 1);
    // Either the crash comes before the connection, or the connection is there and the machine is not told yet.
    for (crash_at, delay) in [(1, 500), (100, 500)] {
        let mut fault = fault(1, OpKind::Connect, Outcome::Delay(Duration::from_millis(delay)));
        fault.connection = Which::Any;
        simulation.inject(client, fault);
        let start = simulation.now().as_nanos() / 1_000_000;
        completions(&mut simulation, start + crash_at);
        crash(&mut simulation, client);
        simulation.end_faults();
        restart(&mut simulation, client, &diary, 1);
        let connected = format!("{} 1 connect connected", start + crash_at + 2);
        let seen = completions(&mut simulation, start + 1_000);
        let connects: Vec<_> = seen.iter().filter(|line| line.contains("1 connect")).collect();
        assert_eq!(connects, [&connected]);
        crash(&mut simulation, client);
        restart(&mut simulation, client, &diary, 1);
    }
}

/// Whatever was just about to be done to a machine, or by it, is not done any more: at each step of a run it may crash.
#[test]
fn a_crash_between_any_two_steps() {
    for steps in 0.. {
        let diary = Shared::default();
        let (mut simulation, _, client) = simulation(&diary, 3);
        let mut finished = false;
        for _ in 0..steps {
            let progress = simulation.step(Timestamp::from_secs(1), |_, _, _| {}).unwrap();
            // What is left is the end of TIME_WAIT.
            finished |= matches!(progress, Progress::Reached | Progress::Finished);
        }
        crash(&mut simulation, client);
        let of_the_client = |_, machine, step: Step<'_, _>| assert_ne!(machine, client, "after {steps} steps: {step:?}");
        simulation.run_until(simulation.now() + Duration::from_millis(300), of_the_client).unwrap();
        let heard = diary.borrow().heard.len();
        restart(&mut simulation, client, &diary, 3);
        simulation.run_until(Timestamp::from_secs(100), |_, _, _| {}).unwrap();
        assert_eq!(diary.borrow().heard[heard..], [2, 1, 0], "after {steps} steps");
        assert!(simulation.machine(client).is_stopped());
        if finished {
            return assert!(steps > 20);
        }
    }
}

#[test]
fn a_machine_that_is_replaced_while_it_runs_has_crashed() {
    let diary = Shared::default();
    let (mut simulation, _, client) = simulation(&diary, 10);
    completions(&mut simulation, 150);
    let host = simulation.host(client);
    assert!(simulation.network().open_sockets(host) > 0);
    simulation.restart(client, Node::default());
    assert_eq!(simulation.network().open_sockets(host), 0);
    assert_eq!((simulation.hits().crashes, simulation.hits().restarts), (1, 1));
    assert!(!simulation.network().is_down(host));
}
