//! Time: rounds in which every server has its turn.

use std::io;
use std::time::{Duration, Instant};

use super::bars::Record;
use super::load::{Limit, Workload};
use super::servers::{REFERENCE, Running, SERVERS, Server};
use super::table::{Table, middle};

/// How much to measure.
#[derive(Clone, Copy)]
pub(crate) struct Effort {
    pub(crate) rounds: usize,
    pub(crate) warm_up: Duration,
    pub(crate) measured: Duration,
}

pub(crate) const WORKLOADS: [Workload; 6] = [
    Workload::PingPong(1),
    Workload::PingPong(64),
    Workload::PingPong(1000),
    Workload::Stream(1),
    Workload::Stream(16),
    Workload::Churn,
];

/// What one server did in one round.
#[derive(Clone, Copy)]
struct Sample {
    /// CPU time of the server per operation, in nanoseconds.
    cpu: f64,
    /// Operations per second.
    rate: f64,
}

/// Runs the rounds of one workload and prints its table.
pub(crate) fn run(workload: Workload, servers: &[&'static Server], effort: Effort, record: &mut Record) -> io::Result<()> {
    let mut samples: Vec<Vec<Sample>> = vec![Vec::new(); servers.len()];
    for round in 0..effort.rounds {
        for turn in 0..servers.len() {
            // Each round begins with another server.
            let place = (turn + round) % servers.len();
            samples[place].push(sample(workload, servers[place], effort)?);
        }
    }
    println!("\n{}", workload.title());
    let names: Vec<_> = servers.iter().map(|server| server.name).collect();
    print(&names, &samples);
    for (name, samples) in names.into_iter().zip(samples) {
        record.cpu.push((workload, name, samples.iter().map(|sample| sample.cpu).collect()));
    }
    Ok(())
}

/// A process of its own for each sample: where its memory happens to lie is chance, too.
fn sample(workload: Workload, server: &Server, effort: Effort) -> io::Result<Sample> {
    let mut running = Running::start(server)?;
    let mut load = workload.connect(running.address)?;
    load.run(Limit::span(effort.warm_up))?;
    let cpu = running.cpu_time()?;
    let begin = Instant::now();
    let operations = load.run(Limit::span(effort.measured))? as f64;
    let elapsed = begin.elapsed().as_secs_f64();
    let cpu = (running.cpu_time()? - cpu) as f64;
    drop(load);
    running.stop()?;
    Ok(Sample { cpu: cpu / operations, rate: operations / elapsed })
}

fn print(names: &[&str], samples: &[Vec<Sample>]) {
    let against = |place: usize, other: &str| -> String {
        let Some(other) = names.iter().position(|name| *name == other) else { return "-".into() };
        let ratios = samples[place].iter().zip(&samples[other]).map(|(one, other)| one.cpu / other.cpu).collect();
        let (least, median, most) = middle(ratios);
        format!("{median:.2} ({least:.2}-{most:.2})")
    };
    let mut table = Table::new(["server", "CPU ns", "of epoll's CPU", "of its rival's CPU", "per second", "of epoll's"]);
    for (place, name) in names.iter().enumerate() {
        let (_, cpu, _) = middle(samples[place].iter().map(|sample| sample.cpu).collect());
        let (_, rate, _) = middle(samples[place].iter().map(|sample| sample.rate).collect());
        let rates = samples[place].iter().zip(&samples[0]).map(|(one, other)| one.rate / other.rate).collect();
        let rival = SERVERS.iter().find(|server| server.name == *name).and_then(|server| server.rival);
        table.row([
            (*name).into(),
            format!("{cpu:.0}"),
            against(place, REFERENCE),
            rival.map_or(String::new(), |rival| format!("{rival} {}", against(place, rival))),
            format!("{rate:.0}"),
            format!("{:.2}", middle(rates).1),
        ]);
    }
    table.print();
}
