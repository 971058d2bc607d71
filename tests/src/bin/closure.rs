//! Searches every reachable state of the core's machines, compares the counts with the committed ones, and prints the table.
//!
//! ```text
//! cargo run --release -p sansock-tests --bin closure -- [--connections 1|2] [--threads N]
//! ```
//!
//! With one connection (the default) it runs what `cargo test` runs; with two, a server and its two sessions.

use std::env;
use std::process::ExitCode;

use sansock_memory::closure::{Options, Report};
use sansock_tests::closure::suite::{BIG, Closure, SMALL, path};
use sansock_tests::golden;

fn main() -> ExitCode {
    let Some((connections, closures, options)) = arguments() else {
        eprintln!("usage: closure [--connections 1|2] [--threads N]");
        return ExitCode::from(2);
    };
    let command = format!("cargo run --release -p sansock-tests --bin closure -- --connections {connections}");
    let mut code = ExitCode::SUCCESS;
    println!("{}", Report::HEAD);
    for (name, run) in closures {
        let result = run(options).map_err(|violation| violation.to_string()).and_then(|report| {
            println!("{}", report.row());
            golden::compare(&path(name), &report.golden(), &command)
        });
        if let Err(message) = result {
            eprintln!("{message}");
            code = ExitCode::FAILURE;
        }
    }
    code
}

fn arguments() -> Option<(usize, Vec<Closure>, Options)> {
    let progress: fn(u32, usize, usize) = |depth, states, new| eprintln!("depth {depth}: {states} states, {new} of them new");
    let mut options = Options { twins: 1_024, ..Options::default() };
    let mut closures = SMALL.to_vec();
    let mut connections = 1;
    let mut words = env::args().skip(1);
    while let Some(word) = words.next() {
        let number: usize = words.next()?.parse().ok()?;
        match (word.as_str(), number) {
            ("--connections", 1) => {}
            ("--connections", 2) => {
                connections = 2;
                closures = vec![BIG];
                options.progress = Some(progress);
            }
            ("--threads", 1..=64) => options.threads = number,
            _ => return None,
        }
    }
    Some((connections, closures, options))
}
