//! Instructions in user space, counted by valgrind's callgrind.

use std::io;
use std::process::Command;

use super::bars::Record;
use super::load::{Limit, Scope, Workload};
use super::servers::{Running, Server, TWIN};
use super::table::Table;

const WORKLOADS: [(Workload, u64); 5] = [
    (Workload::PingPong(1), 2000),
    (Workload::PingPong(64), 4000),
    (Workload::PingPong(1000), 8000),
    (Workload::Stream(16), 1000),
    (Workload::Churn, 1000),
];

/// Prints how many instructions each server executes per operation: what a run of three times as many operations has more.
pub(crate) fn run(servers: &[&'static Server], scope: Scope, record: &mut Record) -> io::Result<()> {
    if Command::new("valgrind").arg("--version").output().is_err() {
        println!("\ninstructions: skipped, valgrind is not installed");
        return Ok(());
    }
    for (workload, operations) in WORKLOADS.into_iter().filter(|(workload, _)| scope.has(*workload)) {
        println!("\nuser-space instructions, {}", workload.title());
        let mut table = Table::new(["server", "instructions"]);
        for server in servers.iter().filter(|server| server.name != TWIN) {
            let cell = match (count(server, workload, operations), count(server, workload, 3 * operations)) {
                (Ok((few, less)), Ok((many, more))) => {
                    // What happens once can be more than all operations together, and differ between the two.
                    let each = (more as f64 - less as f64) / (many - few) as f64;
                    record.instructions.push((workload, server.name, each));
                    format!("{each:.0}")
                }
                (Err(error), _) | (_, Err(error)) => format!("not under valgrind: {error}"),
            };
            table.row([server.name.into(), cell]);
        }
        table.print();
    }
    Ok(())
}

/// How many operations there were, and how many instructions the process executed in its whole life.
fn count(server: &Server, workload: Workload, operations: u64) -> io::Result<(u64, u64)> {
    let output = std::env::temp_dir().join(format!("sansock-bench-callgrind-{}", std::process::id()));
    let file = format!("--callgrind-out-file={}", output.display());
    let running = Running::start_under(
        server,
        &["valgrind", "-q", "--tool=callgrind", "--max-threads=2000", "--log-file=/dev/null", &file],
    )?;
    let mut load = workload.connect(running.address)?;
    let operations = load.run(Limit::Operations(operations))?;
    drop(load);
    running.stop()?;
    let text = std::fs::read_to_string(&output)?;
    std::fs::remove_file(&output)?;
    let total = text.lines().find_map(|line| line.strip_prefix("totals: ").or_else(|| line.strip_prefix("summary: ")));
    let total = total.and_then(|total| total.trim().parse().ok());
    total.map(|total| (operations, total)).ok_or_else(|| io::Error::other("callgrind printed no total"))
}
