//! The echo server and its client, on every transport of sansock. `cargo run --release --example echo -- --help` says how.
//!
//! - `lives` runs both on memory, blocking and smol, and shows every step as it happens (`stage`, `causality`, `words`, `terminal`).
//! - `serve` is a server that drains when it is told to end (`signals`).
//! - `connect` is a client between standard input and output (`relay`, `standard`).
//!
//! The handler of the server is `sansock_tests::echo::Echo`.

mod args;
mod causality;
mod connect;
mod lives;
mod relay;
mod serve;
mod signals;
mod stage;
mod standard;
mod terminal;
mod words;

use std::io::Write;
use std::process::ExitCode;

use args::Command;

/// Why the program ends with a status other than 0.
#[derive(Debug)]
struct Failure {
    status: u8,
    message: String,
}

impl Failure {
    /// The work could not be done, or not to its end.
    fn unfinished(message: impl ToString) -> Self {
        Self { status: 1, message: message.to_string() }
    }

    /// It could not even begin: what was asked for makes no sense or cannot be had.
    fn refused(message: impl ToString) -> Self {
        Self { status: 2, message: message.to_string() }
    }
}

fn main() -> ExitCode {
    let result = match args::parse(std::env::args_os().skip(1)) {
        Ok(Command::Help) => {
            say(args::USAGE);
            Ok(())
        }
        Ok(Command::Lives) => lives::run(),
        Ok(Command::Serve(options)) => serve::run(&options),
        Ok(Command::Connect(options)) => connect::run(&options),
        Err(problem) => Err(Failure::refused(problem)),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            warn(failure.message);
            ExitCode::from(failure.status)
        }
    }
}

/// A line for standard output, at once. Whoever does not read it misses it: that is no reason to stop serving.
fn say(line: impl std::fmt::Display) {
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}

/// A line for standard error.
fn warn(line: impl std::fmt::Display) {
    let _ = writeln!(std::io::stderr(), "echo: {line}");
}
