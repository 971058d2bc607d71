//! The core alone, without a socket: nanoseconds, instructions and allocations per operation.
//!
//! `cargo bench -p sansock-tests --bench core`. Instructions are counted by valgrind's callgrind, if it is installed: those between the entry of
//! `poll` or `complete` and its return, the handler's among them. They are the same in every run.

mod counted;
mod work;

use std::error::Error;
use std::process::Command;
use std::time::Instant;

use work::{WORKS, Work};

/// The median of so many batches counts.
const BATCHES: usize = 9;
/// In this variable a child finds what to do under valgrind, and how often.
const ROLE: &str = "SANSOCK_BENCH_WORK";

fn main() -> Result<(), Box<dyn Error>> {
    if let Ok(role) = std::env::var(ROLE) {
        let (place, count) = role.split_once(' ').ok_or("the role is a place and a count")?;
        let mut operation = (WORKS[place.parse::<usize>()?].build)();
        (0..count.parse::<usize>()?).for_each(|_| operation());
        return Ok(());
    }
    // Tests of all targets run this too, and have nothing to measure.
    if !std::env::args().any(|argument| argument == "--bench") {
        return Ok(());
    }
    let has_valgrind = Command::new("valgrind").arg("--version").output().is_ok();
    println!("{:<54} {:>8} {:>13} {:>12}", "per operation", "ns", "instructions", "allocations");
    for (place, work) in WORKS.iter().enumerate() {
        let (time, allocations) = measure(work);
        let instructions = if has_valgrind { format!("{:.0}", instructions(place, work)?) } else { "no valgrind".into() };
        println!("{:<54} {time:>8.1} {instructions:>13} {allocations:>12.4}", work.name);
    }
    println!(
        "\nbytes: Session<Echo> {}, Connection {}, SendOp {}, Completion {}, Op {}",
        size_of::<sansock::Session<sansock_tests::echo::Echo>>(),
        size_of::<sansock::Connection>(),
        size_of::<sansock::SendOp>(),
        size_of::<sansock::Completion>(),
        size_of::<sansock::Op>(),
    );
    Ok(())
}

/// Nanoseconds and allocations.
fn measure(work: &Work) -> (f64, f64) {
    let mut operation = (work.build)();
    // Twice through everything, so that all memory is there.
    (0..2 * work.batch).for_each(|_| operation());
    let allocated = allocation_counter::measure(|| (0..work.batch).for_each(|_| operation()));
    let mut times: Vec<f64> = (0..BATCHES)
        .map(|_| {
            let begin = Instant::now();
            (0..work.batch).for_each(|_| operation());
            begin.elapsed().as_nanos() as f64 / work.batch as f64
        })
        .collect();
    times.sort_by(f64::total_cmp);
    (times[BATCHES / 2], allocated.count_total as f64 / work.batch as f64)
}

/// What a run of twice as many operations has more. The first operations, which find no memory yet, are in both.
fn instructions(place: usize, work: &Work) -> Result<f64, Box<dyn Error>> {
    let few = work.batch.max(1000);
    let (less, more) = (callgrind(place, few)?, callgrind(place, 2 * few)?);
    Ok((more - less) as f64 / few as f64)
}

/// The instructions of a process that does the operation so often.
fn callgrind(place: usize, count: usize) -> Result<u64, Box<dyn Error>> {
    let output = std::env::temp_dir().join(format!("sansock-bench-core-{}", std::process::id()));
    let status = Command::new("valgrind")
        .args(["-q", "--tool=callgrind", &format!("--callgrind-out-file={}", output.display())])
        .arg(format!("--toggle-collect={}*", counted::PREFIX))
        .arg(std::env::current_exe()?)
        .env(ROLE, format!("{place} {count}"))
        .status()?;
    if !status.success() {
        return Err(format!("valgrind: {status}").into());
    }
    let text = std::fs::read_to_string(&output)?;
    std::fs::remove_file(&output)?;
    let total = text.lines().find_map(|line| line.strip_prefix("totals: ").or_else(|| line.strip_prefix("summary: ")));
    Ok(total.ok_or("callgrind printed no total")?.trim().parse()?)
}
