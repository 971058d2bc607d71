//! What the project wants to reach, and whether it did.

use super::load::Workload;
use super::servers::{REFERENCE, TWIN};
use super::table::{Table, middle};

/// What was measured, in the order in which it was.
#[derive(Default)]
pub(crate) struct Record {
    /// CPU time per operation: one number for each round, the same rounds for every server.
    pub(crate) cpu: Vec<(Workload, &'static str, Vec<f64>)>,
    /// System calls per operation.
    pub(crate) calls: Vec<(Workload, &'static str, f64)>,
    /// User-space instructions per operation.
    pub(crate) instructions: Vec<(Workload, &'static str, f64)>,
    /// Bytes per idle connection.
    pub(crate) memory: Vec<(&'static str, u64)>,
}

/// A limit for one server under some workloads.
struct Bar {
    server: &'static str,
    against: &'static str,
    workloads: &'static [Workload],
    most: Most,
}

#[derive(Clone, Copy)]
enum Most {
    /// So many times the CPU time of the other, as the median over the rounds.
    Cpu(f64),
    /// So many calls more than the other.
    Calls(f64),
    /// So many instructions more than the other.
    Instructions(f64),
}

const MESSAGES: &[Workload] = &[Workload::PingPong(64), Workload::PingPong(1000)];
const FEW: &[Workload] = &[Workload::PingPong(64)];
const MANY: &[Workload] = &[Workload::PingPong(1000)];
const THREADS: &[Workload] = &[Workload::PingPong(1), Workload::PingPong(64)];
const LIVES: &[Workload] = &[Workload::Churn];
const BULK: &[Workload] = &[Workload::Stream(16)];

const BARS: [Bar; 20] = [
    bar("loop_mio", REFERENCE, MESSAGES, Most::Calls(0.0)),
    bar("loop_mio", REFERENCE, MESSAGES, Most::Instructions(500.0)),
    bar("loop_mio", REFERENCE, MESSAGES, Most::Cpu(1.10)),
    bar("loop_mio", REFERENCE, LIVES, Most::Calls(2.0)),
    bar("loop_mio", REFERENCE, LIVES, Most::Cpu(1.20)),
    bar("loop_mio", REFERENCE, BULK, Most::Cpu(1.10)),
    bar("loop_polling", "polling", MESSAGES, Most::Calls(0.0)),
    bar("loop_polling", "polling", MESSAGES, Most::Instructions(500.0)),
    bar("loop_polling", "polling", MESSAGES, Most::Cpu(1.10)),
    bar("loop_polling", "polling", LIVES, Most::Calls(2.0)),
    bar("loop_polling", "polling", LIVES, Most::Cpu(1.20)),
    bar("loop_polling", "polling", BULK, Most::Cpu(1.10)),
    bar("loop_io_uring", "io_uring", MESSAGES, Most::Cpu(1.10)),
    bar("loop_io_uring", REFERENCE, MANY, Most::Cpu(1.00)),
    bar("sansock-smol", "smol", MESSAGES, Most::Cpu(0.90)),
    bar("sansock-smol", "tokio", FEW, Most::Cpu(0.95)),
    bar("sansock-smol", "smol", BULK, Most::Cpu(1.00)),
    bar("sansock-smol", "smol", LIVES, Most::Cpu(1.00)),
    bar("sansock-blocking", "threads", THREADS, Most::Calls(1.0)),
    bar("sansock-blocking", "threads", THREADS, Most::Cpu(1.20)),
];

/// The most bytes that an idle connection may take.
const MEMORY: [(&str, u64); 4] = [("loop_mio", 512), ("loop_polling", 512), ("loop_io_uring", 512), ("sansock-smol", 1024)];

/// What is counted is nearly the same in every run: less than one in fifty operations is chance.
const COUNTED: f64 = 0.02;

/// True if a bar limits this server's instructions, or those of others by its own.
pub(crate) fn count_instructions_of(server: &str) -> bool {
    let mut bars = BARS.iter().filter(|bar| matches!(bar.most, Most::Instructions(_)));
    bars.any(|bar| bar.server == server || bar.against == server)
}

const fn bar(server: &'static str, against: &'static str, workloads: &'static [Workload], most: Most) -> Bar {
    Bar { server, against, workloads, most }
}

/// Prints each bar for which there are numbers, and what they say.
pub(crate) fn print(record: &Record) {
    let mut table = Table::new(["bar", "at most", "measured", "(least-greatest)", "twin", ""]);
    for bar in &BARS {
        for workload in bar.workloads {
            judge(bar, *workload, record, &mut table);
        }
    }
    for (server, most) in MEMORY {
        if let Some((_, bytes)) = record.memory.iter().find(|(name, _)| *name == server) {
            let cells = [most.to_string(), bytes.to_string(), String::new(), String::new()];
            let [limit, measured, range, twin] = cells;
            let verdict = verdict(*bytes as f64, most as f64, 0.0, 0);
            table.row([format!("{server}, bytes per idle connection"), limit, measured, range, twin, verdict]);
        }
    }
    if !table.is_empty() {
        println!(
            "\nbars; CPU is the median of the ratios of each round; the twin's is that of {REFERENCE} to itself, which is noise"
        );
        table.print();
    }
}

fn judge(bar: &Bar, workload: Workload, record: &Record, table: &mut Table<6>) {
    let name = |what: &str| format!("{}, {what}, of {}, {}", bar.server, bar.against, workload.name());
    let more = |counts: &[(Workload, &str, f64)]| {
        let of = |server: &str| counts.iter().find(|count| count.0 == workload && count.1 == server).map(|count| count.2);
        Some(of(bar.server)? - of(bar.against)?)
    };
    let row = match bar.most {
        Most::Cpu(most) => ratios(record, workload, bar.server, bar.against).map(|(least, median, greatest)| {
            let twin = ratios(record, workload, TWIN, REFERENCE).map_or(String::new(), |twin| format!("{:.2}", twin.1));
            let range = format!("({least:.2}-{greatest:.2})");
            [name("CPU"), format!("{most:.2}"), format!("{median:.2}"), range, twin, verdict(median, most, 0.005, 2)]
        }),
        Most::Calls(most) => more(&record.calls).map(|more| {
            let cells = [format!("{most:+.2}"), format!("{more:+.2}"), String::new(), String::new()];
            let [limit, measured, range, twin] = cells;
            [name("calls"), limit, measured, range, twin, verdict(more, most, COUNTED, 2)]
        }),
        Most::Instructions(most) => more(&record.instructions).map(|more| {
            let cells = [format!("{most:+.0}"), format!("{more:+.0}"), String::new(), String::new()];
            let [limit, measured, range, twin] = cells;
            [name("instructions"), limit, measured, range, twin, verdict(more, most, 0.0, 0)]
        }),
    };
    if let Some(row) = row {
        table.row(row);
    }
}

/// Least, median and greatest of the ratios of each round.
fn ratios(record: &Record, workload: Workload, server: &str, against: &str) -> Option<(f64, f64, f64)> {
    let of = |server: &str| record.cpu.iter().find(|cpu| cpu.0 == workload && cpu.1 == server).map(|cpu| &cpu.2);
    let (ours, theirs) = (of(server)?, of(against)?);
    let (least, median, greatest) = middle(ours.iter().zip(theirs).map(|(ours, theirs)| ours / theirs).collect());
    Some((least, median, greatest))
}

fn verdict(measured: f64, most: f64, tolerance: f64, digits: usize) -> String {
    if measured <= most + tolerance { "reached".into() } else { format!("missed by {:.digits$}", measured - most) }
}
