//! Injects errors into the system calls of real programs: see `sansock_tests::faults`. `tests/faults.sh` builds what it needs and calls it.
//!
//!     faults                            30 cells
//!     faults --all                      all of them
//!     faults serve-smol accept4 EMFILE 2..3    one; any part of the name chooses all that have it

#[cfg(target_os = "linux")]
fn main() -> std::process::ExitCode {
    use std::process::ExitCode;
    use std::time::Instant;

    use sansock_tests::faults::{Cell, Verdict};

    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let all = arguments.iter().any(|argument| argument == "--all");
    let wanted = |cell: &Cell| {
        let name = format!(" {cell} ");
        arguments.iter().all(|part| name.contains(&format!(" {part} ")))
    };
    let cells: Vec<_> = if all {
        Cell::all().collect()
    } else if arguments.is_empty() {
        SAMPLE.iter().map(|name| Cell::named(name).unwrap_or_else(|| panic!("there is no cell {name}"))).collect()
    } else {
        Cell::all().filter(wanted).collect()
    };
    let start = Instant::now();
    let (mut passed, mut hits, mut not_reached, mut excused, mut failed) = (0, 0, 0, 0, 0);
    for cell in &cells {
        let verdict = cell.run();
        println!("{:48} {verdict}", cell.to_string());
        match verdict {
            Verdict::Passed(injected, _) => {
                passed += 1;
                hits += injected;
            }
            Verdict::NotReached => not_reached += 1,
            Verdict::Excused(..) => excused += 1,
            Verdict::Failed(_) => failed += 1,
        }
    }
    println!(
        "{} cells in {:.0} s: {passed} passed with {hits} errors injected, {not_reached} not reached, {excused} excused, {failed} failed",
        cells.len(),
        start.elapsed().as_secs_f32()
    );
    // What is run every time was chosen because it is reached.
    let missed = arguments.is_empty() && not_reached + excused > 0;
    if failed > 0 || missed || cells.is_empty() { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

#[cfg(not(target_os = "linux"))]
fn main() {
    eprintln!("strace is there on Linux alone");
}

/// Those that are run every time: each call on each program, and the errors that differ.
#[cfg(target_os = "linux")]
const SAMPLE: &[&str] = &[
    "serve-blocking socket EMFILE 1",
    "serve-blocking accept4 EMFILE 2..3",
    "serve-blocking accept4 ECONNABORTED 3+5",
    "serve-blocking recvfrom EINTR 3+5",
    "serve-blocking recvfrom ECONNRESET 3+5",
    "serve-blocking sendto ENOBUFS 2..3",
    "serve-blocking read EINTR 3+5",
    "serve-blocking write ENOMEM 1",
    "serve-blocking shutdown ECONNRESET 1",
    "serve-blocking close EINTR 3+5",
    "serve-blocking wait ENOMEM 3+5",
    "serve-smol socket ENFILE 1",
    "serve-smol accept4 ENFILE 3+5",
    "serve-smol recvfrom EINTR 3+5",
    "serve-smol recvfrom ETIMEDOUT 3+5",
    "serve-smol sendto EPIPE 3+5",
    "serve-smol sendto ENOMEM 2..3",
    "serve-smol read EAGAIN 1",
    "serve-smol shutdown ENOBUFS 1",
    "serve-smol wait EINTR 3+5",
    "serve-smol wait ENOMEM 3+5",
    "loop-mio accept4 ENOMEM 2..3",
    "loop-mio recvfrom ECONNRESET 3+5",
    "loop-mio sendto EINTR 3+5",
    "loop-mio close ECONNRESET 3+5",
    "loop-mio wait ENOMEM 3+5",
    "loop-mio epoll_ctl ENOMEM 3+5",
    "connect-blocking connect ETIMEDOUT 1",
    "connect-smol connect ECONNABORTED 1",
    "connect-smol getsockopt ENOBUFS 1",
];
