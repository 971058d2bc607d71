//! System calls, counted by strace.

use std::io::{self, BufRead, BufReader, Read};
use std::process::{Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use super::bars::Record;
use super::load::{Limit, Scope, Workload};
use super::servers::{Running, Server, TWIN};
use super::table::Table;

const WORKLOADS: [(Workload, u64); 5] = [
    (Workload::PingPong(1), 1000),
    (Workload::PingPong(64), 3000),
    (Workload::PingPong(1000), 5000),
    (Workload::Stream(16), 500),
    (Workload::Churn, 1000),
];

/// Prints how many calls each server makes per operation. Without strace it says so.
pub(crate) fn run(servers: &[&'static Server], scope: Scope, record: &mut Record) -> io::Result<()> {
    if Command::new("strace").arg("--version").output().is_err() {
        println!("\nsystem calls: skipped, strace is not installed");
        return Ok(());
    }
    for (workload, operations) in WORKLOADS.into_iter().filter(|(workload, _)| scope.has(*workload)) {
        println!("\nsystem calls, {}", workload.title());
        let mut table = Table::new(["server", "calls", "which"]);
        for server in servers.iter().filter(|server| server.name != TWIN) {
            let (operations, calls) = count(server, workload, operations)?;
            let total: u64 = calls.iter().map(|(_, count)| count).sum();
            record.calls.push((workload, server.name, total as f64 / operations as f64));
            let each = |count: u64| count as f64 / operations as f64;
            // What happens less than once in a hundred operations is not part of one.
            let parts = calls.iter().filter(|(_, count)| each(*count) >= 0.01);
            let parts: Vec<_> = parts.map(|(name, count)| format!("{name} {:.2}", each(*count))).collect();
            table.row([server.name.into(), format!("{:.2}", each(total)), parts.join(", ")]);
        }
        table.print();
    }
    Ok(())
}

/// How many operations there were, and how many calls of each kind, the most frequent first.
fn count(server: &Server, workload: Workload, operations: u64) -> io::Result<(u64, Vec<(String, u64)>)> {
    let running = Running::start(server)?;
    let mut load = workload.connect(running.address)?;
    load.run(Limit::Operations(100))?;
    let pid = running.pid().to_string();
    let output = std::env::temp_dir().join(format!("sansock-bench-strace-{pid}"));
    let mut strace = Command::new("strace").args(["-f", "-c", "-p", &pid, "-o"]).arg(&output).stderr(Stdio::piped()).spawn()?;
    let mut messages = BufReader::new(strace.stderr.take().ok_or_else(|| io::Error::other("no standard error"))?);
    let mut line = String::new();
    messages.read_line(&mut line)?;
    if !line.contains("attached") {
        return Err(io::Error::other(format!("strace does not attach: {line}")));
    }
    let result = load.run(Limit::Operations(operations));
    let pid = i32::try_from(strace.id()).ok().and_then(Pid::from_raw).ok_or_else(|| io::Error::other("no process id"))?;
    kill_process(pid, Signal::INT)?;
    // It must not wait for us to read what it says.
    messages.read_to_string(&mut line)?;
    strace.wait()?;
    let summary = std::fs::read_to_string(&output)?;
    std::fs::remove_file(&output)?;
    drop(load);
    running.stop()?;
    Ok((result?, parse(&summary)))
}

/// The lines of `strace -c`: share, seconds, each, calls, errors if there were any, name.
fn parse(summary: &str) -> Vec<(String, u64)> {
    let lines = summary.lines().filter_map(|line| {
        let fields: Vec<_> = line.split_whitespace().collect();
        let count = fields.get(3)?.parse().ok()?;
        let name = *fields.last()?;
        (name != "total").then(|| (name.to_owned(), count))
    });
    let mut calls: Vec<_> = lines.collect();
    calls.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    calls
}
