//! Every reachable state of the core's machines, with small limits: all that can happen, hostile transports included, to the fixed point.
//!
//! What is searched, and what is checked at every state and edge, is in `sansock_memory::closure` and `sansock_tests::closure`. Counts and
//! hashes are in `tests/golden/closure`; `UPDATE_GOLDEN=1 cargo test -p sansock-tests --test closure` writes them anew. The server with two
//! connections and their sessions is too large for here: `cargo run --release -p sansock-tests --bin closure -- --connections 2`.

use sansock_memory::closure::{Faults, Options, Report};
use sansock_tests::closure::suite::{SMALL, named, path};
use sansock_tests::golden;

fn run(name: &str, options: Options) -> Report {
    let (_, closure) = named(name);
    closure(options).unwrap_or_else(|violation| panic!("{violation}"))
}

/// Runs a closure to the end, compares it with what was committed, and sees that these outputs have been there.
fn close(name: &str, seen: &[&str]) {
    let report = run(name, Options::default());
    println!("{}", report.row());
    assert!(report.twins > 0, "no state was reached by a second way");
    for output in seen {
        assert!(report.outputs(output) > 0, "{output} was never seen");
    }
    golden::check(&path(name), &report.golden(), "closure");
}

// A1, A3, A4, A5, A7, A9, A10, A12, A13, B1, B2, B5, B6, B7, C1, C2, C6, C7, C8
// D1, D2, D3, D4, D5, D6, D7, D9, D10, D12, D13, E1, E4, F1, F4, F6, F9, F10, H1, H7
#[test]
fn every_state_of_a_connection_with_a_queue_of_one_byte_and_all_timeouts() {
    let events = ["closed, confirmed", "closed, unconfirmed", "closed, aborted", "data", "peer finished", "writable"];
    close("connection", &events.map(|event| format!("event: {event}")).each_ref().map(String::as_str));
}

// B1, C6, X80
#[test]
fn every_state_of_a_connection_with_watermarks_and_credit() {
    close("connection_credit", &["event: writable", "event: data"]);
}

// A8, A9, A10, B4, B5, B10, B12, C4, C7, C8, D1, D2, D3, D4, D9, D11, D13
#[test]
fn every_state_of_a_listener() {
    let events = ["accepted", "unwanted", "returned", "exhausted", "recovered", "listening", "closed"];
    close("listener", &events.map(|event| format!("event: {event}")).each_ref().map(String::as_str));
}

// A8, A11, B9, C10, D8, D14
#[test]
fn every_state_of_a_dialer_with_three_addresses() {
    close("dialer", &["event: connected", "event: returned", "event: failed", "cancel", "close"]);
}

// A8, B9
#[test]
fn every_state_of_a_dialer_that_binds() {
    close("dialer_bound", &["bind", "event: connected", "event: failed"]);
}

// A7, A8, A13, C1, C2, C3, X63
#[test]
fn every_state_of_a_client() {
    close("client", &["startup", "cleanup", "event: opened", "event: drain", "event: abort", "event: stopped"]);
}

// A7, A8, A13, B4, B12, C3, C4, C5, X29, X30, X37, X38, X126, X127
#[test]
fn every_state_of_a_server_with_one_connection() {
    let events = ["opened", "drain", "abort", "exhausted", "recovered", "listener lost", "listening", "stopped"];
    close("server", &events.map(|event| format!("event: {event}")).each_ref().map(String::as_str));
}

// C11, X7, X130
#[test]
fn every_state_of_a_server_with_two_listeners_that_share_one_place() {
    close("server_listeners", &["event: opened", "event: listener lost", "event: stopped"]);
}

// B4, X30
#[test]
fn every_state_of_a_server_with_two_connections() {
    close("server_connections", &["event: opened", "event: stopped"]);
}

// A1, A4, A7, A13, B4, C1, C2, C3, G1, G2
#[test]
fn every_state_of_a_server_and_its_session() {
    let ends = ["event: closed, confirmed", "event: closed, unconfirmed", "event: closed, aborted", "event: stopped"];
    close("house", &ends);
}

/// The classes of faults that the other tests choose from are those that the core tells apart.
#[test]
fn every_fault_there_is_leads_to_the_states_that_one_of_each_class_leads_to() {
    for name in ["connection", "listener", "dialer", "client", "server"] {
        let one = run(name, Options::default());
        let all = run(name, Options { faults: Faults::All, twins: 0, ..Options::default() });
        assert_eq!((all.states, all.depth), (one.states, one.depth), "{name}");
        assert!(all.edges > one.edges, "{name}");
    }
}

// E1
#[test]
fn a_closure_is_the_same_with_any_number_of_threads_and_however_little_is_kept() {
    let one = run("server", Options::default());
    for (threads, most_worlds) in [(1, 100_000), (3, 100_000), (2, 1)] {
        let other = run("server", Options { threads, most_worlds, ..Options::default() });
        assert_eq!(other.golden(), one.golden(), "{threads} threads, {most_worlds} worlds");
    }
    assert!(SMALL.iter().all(|(name, _)| named(name).0 == *name));
}
