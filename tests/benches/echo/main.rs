//! Echo servers side by side: how much of a CPU, how many system calls, how many instructions and how much memory each takes, and which of
//! the project's bars are reached.
//!
//! `cargo bench -p sansock-tests --bench echo` measures all that the bars need in less than ten minutes; `-- --quick` in less than one, with
//! fewer rounds, which say less, and counts for 64 connections alone. `-- --calls`, `-- --instructions` and `-- --memory` do that part alone, for
//! all workloads. `-- --servers mio,loop_mio` takes only these, and `-- --rounds 3` so many rounds.
//!
//! Every server is a process of its own with one CPU; the load generator has another. The first and the second server are the same: what
//! they differ by is noise.

mod bars;
mod calls;
mod instructions;
mod load;
mod machine;
mod memory;
mod ours;
mod peers;
mod rounds;
mod servers;
mod table;

use std::io;
use std::process::ExitCode;
use std::time::Duration;

use bars::Record;
use load::Scope;
use rounds::Effort;
use servers::{SERVERS, Server};

const FULL: Effort = Effort { rounds: 7, warm_up: Duration::from_millis(50), measured: Duration::from_millis(350) };
const QUICK: Effort = Effort { rounds: 3, warm_up: Duration::from_millis(5), measured: Duration::from_millis(40) };

struct Options {
    quick: bool,
    effort: Effort,
    rounds: bool,
    memory: bool,
    calls: Scope,
    instructions: Scope,
    servers: Vec<&'static Server>,
}

fn main() -> ExitCode {
    let result = match servers::serve_if_asked() {
        Some(result) => result,
        None => options().and_then(|options| options.map_or(Ok(()), |options| measure(&options))),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn measure(options: &Options) -> io::Result<()> {
    machine::settle(machine::LOAD_CPU)?;
    let mut record = Record::default();
    if options.rounds {
        println!("median of {} rounds (least-greatest); CPU of the server process", options.effort.rounds);
        for workload in rounds::WORKLOADS {
            rounds::run(workload, &options.servers, options.effort, &mut record)?;
        }
    }
    if options.memory {
        memory::run(&options.servers, &mut record)?;
    }
    if options.calls != Scope::None {
        calls::run(&options.servers, options.calls, &mut record)?;
    }
    if options.instructions != Scope::None {
        // It takes seconds for each, so in the quick run it is only for those that a bar is about.
        let counted = options.servers.iter().copied().filter(|server| !options.quick || bars::count_instructions_of(server.name));
        instructions::run(&counted.collect::<Vec<_>>(), options.instructions, &mut record)?;
    }
    bars::print(&record);
    Ok(())
}

/// `None` if this is not `cargo bench`: tests of all targets run it too, and have nothing to measure.
fn options() -> io::Result<Option<Options>> {
    use lexopt::{Arg::Long, Parser, ValueExt};
    let mut options = Options {
        quick: false,
        effort: FULL,
        rounds: true,
        memory: true,
        calls: Scope::All,
        instructions: Scope::Messages,
        servers: SERVERS.iter().collect(),
    };
    let (mut is_bench, mut parts) = (false, Vec::new());
    let mut arguments = Parser::from_env();
    while let Some(argument) = arguments.next().map_err(io::Error::other)? {
        match argument {
            Long("bench") => is_bench = true,
            Long("quick") => (options.quick, options.effort, options.calls) = (true, QUICK, Scope::Messages),
            Long(part @ ("calls" | "memory" | "instructions")) => parts.push(part.to_owned()),
            Long("rounds") => {
                options.effort.rounds = arguments.value().and_then(|value| value.parse()).map_err(io::Error::other)?
            }
            Long("servers") => {
                let names = arguments.value().and_then(|value| value.string()).map_err(io::Error::other)?;
                options.servers.retain(|server| names.split(',').any(|name| name == server.name));
            }
            other => return Err(io::Error::other(other.unexpected())),
        }
    }
    if !parts.is_empty() {
        let asked = |name: &str| parts.iter().any(|part| part == name);
        (options.rounds, options.memory) = (false, asked("memory"));
        let scope = |name: &str| if asked(name) { Scope::All } else { Scope::None };
        (options.calls, options.instructions) = (scope("calls"), scope("instructions"));
    }
    Ok(is_bench.then_some(options))
}
