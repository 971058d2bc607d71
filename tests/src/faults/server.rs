//! A server under injection.

use std::net::{SocketAddr, TcpStream};
use std::process::Command;
use std::time::Duration;

use super::load::{Fare, connect, load, peer, ping_pong};
use super::strace::{Holds, Trace, attach, detach, eventually, processor_time};
use super::{Cell, Found, Subject};
use crate::program::{Ended, Program, Signal, example};

/// What a cell may cost: many times what it does cost, which its verdict says.
const PROCESSOR_TIME: Duration = Duration::from_millis(150);
/// How long a server is watched that has nothing to do, and what that may cost: less than a spin, more than one tick.
const QUIET: (Duration, Duration) = (Duration::from_millis(150), Duration::from_millis(50));

/// Those of the load, and the witness.
const MOST_CONNECTIONS: &str = "5";

/// Runs the cell: how often the error was injected, and what came of it.
pub(super) fn run(cell: &Cell) -> Found<(usize, String)> {
    let trace = Trace::new();
    if cell.call.at_start { from_the_start(cell, &trace) } else { under_load(cell, &trace) }
}

fn from_the_start(cell: &Cell, trace: &Trace) -> Found<(usize, String)> {
    // As a grandchild, so that our child is the server itself.
    let mut traced = trace.command(cell);
    traced.args(["-D", "-qq"]);
    append(&mut traced, cell.program);
    let mut server = Program::start(&mut traced);
    let Some(address) = server.try_line().and_then(|line| address(&line)) else {
        return refuses_to_start(server, trace);
    };
    let mut witness = witness(address);
    let (served, lost) = load(address)?;
    // Not before: what is injected at the start is used up by now.
    let used = goes_on(cell, &server, address, lost, trace.hits(), witness.as_mut())?;
    ends(server, witness.take())?;
    Ok((trace.hits(), format!("{served} served, {lost} lost, {used:?} of processor time")))
}

/// A server that cannot even begin says why, at once, and not by a signal.
fn refuses_to_start(server: Program, trace: &Trace) -> Found<(usize, String)> {
    let ended = server.finish();
    match ended.code() {
        Some(1..) if !ended.err.is_empty() => {
            Ok((trace.hits(), format!("does not start: {}", ended.err.lines().last().unwrap_or_default())))
        }
        _ => Err(format!("it does not start, and does not say why: {ended:?}")),
    }
}

fn under_load(cell: &Cell, trace: &Trace) -> Found<(usize, String)> {
    // It runs what follows, as strace does.
    let mut command = Command::new("env");
    append(&mut command, cell.program);
    let mut server = Program::start(&mut command);
    let address = address(&server.line()).ok_or("it does not say where it listens")?;
    // Whatever is made once is there afterwards.
    if peer(address, 0)? != Fare::Served {
        return Err("without any injection a peer is lost".into());
    }
    let mut witness = witness(address).ok_or("without any injection a peer is lost")?;
    let before = settled(&server);
    let strace = attach(trace, cell, server.id());
    let loaded = load(address);
    // A call that strace lets go in the middle would be skipped, and not be in its account.
    settled(&server);
    detach(strace);
    let (served, lost) = loaded?;
    let hits = trace.hits();
    nothing_is_left(cell, &server, before, hits)?;
    let used = goes_on(cell, &server, address, lost, hits, Some(&mut witness))?;
    ends(server, Some(witness))?;
    Ok((hits, format!("{served} served, {lost} lost, {used:?} of processor time")))
}

fn append(command: &mut Command, program: Subject) {
    match program {
        Subject::LoopMio => command.arg(example("loop_mio")),
        Subject::ServeSmol => command.arg(example("echo")).args(["serve", "--transport", "smol"]),
        _ => command.arg(example("echo")).args(["serve", "--transport", "blocking"]),
    };
    // As many as there are at once, so that a place which is not given back is missed.
    command.args(["--max-connections", MOST_CONNECTIONS]);
}

fn address(line: &str) -> Option<SocketAddr> {
    line.strip_prefix("listening on ")?.parse().ok()
}

/// A connection that is there all the time, and silent.
fn witness(address: SocketAddr) -> Option<TcpStream> {
    let mut stream = connect(address).ok()?;
    ping_pong(&mut stream, b"here").ok()?.then_some(stream)
}

/// What it holds once what has ended is gone: it holds no less after that.
fn settled(server: &Program) -> Holds {
    let mut before = Holds::of(server.id());
    loop {
        std::thread::sleep(Duration::from_millis(20));
        let now = Holds::of(server.id());
        if now == before {
            return now;
        }
        before = now;
    }
}

/// Sockets, pipes and threads of connections that are over are gone. What strace did not let it close is there still.
fn nothing_is_left(cell: &Cell, server: &Program, before: Holds, hits: usize) -> Found {
    let unclosed = if cell.call.name == "close" { hits } else { 0 };
    let is_gone = |now: Holds| now.threads <= before.threads && now.descriptors <= before.descriptors + unclosed;
    if eventually(|| is_gone(Holds::of(server.id()))) {
        return Ok(());
    }
    Err(format!("left behind: {:?}, before: {before:?}, {unclosed} closes were injected", Holds::of(server.id())))
}

/// Nobody was lost who was not hit, nothing spins, and the server serves. Gives the processor time until then.
fn goes_on(
    cell: &Cell,
    server: &Program,
    address: SocketAddr,
    lost: usize,
    hits: usize,
    witness: Option<&mut TcpStream>,
) -> Found<Duration> {
    let most = if cell.is_transparent() { 0 } else { hits };
    if lost > most {
        return Err(format!("{lost} peers were lost, at most {most} may; {hits} injected"));
    }
    let used = processor_time(server.id())?;
    if used > PROCESSOR_TIME {
        return Err(format!("it spins: {used:?} of processor time"));
    }
    if let Some(witness) = witness {
        let answer = ping_pong(witness, b"still here");
        if !matches!(answer, Ok(true)) && cell.is_transparent() {
            return Err(format!("a connection that was silent all the time is gone: {answer:?}"));
        }
    }
    for seed in 0..3 {
        if peer(address, seed)? != Fare::Served && !cell.call.at_start {
            return Err("after the injection a peer is lost".into());
        }
    }
    let before = processor_time(server.id())?;
    std::thread::sleep(QUIET.0);
    let idle = processor_time(server.id())?.saturating_sub(before);
    if idle > QUIET.1 { Err(format!("it spins: {idle:?} of processor time while it has nothing to do")) } else { Ok(used) }
}

/// A drain ends it, gracefully.
fn ends(server: Program, witness: Option<TcpStream>) -> Found {
    server.signal(Signal::TERM);
    let ended = std::thread::spawn(move || -> Ended { server.finish() });
    if let Some(mut witness) = witness {
        // Until its end; then ours.
        let _ = std::io::Read::read_to_end(&mut witness, &mut Vec::new());
    }
    let ended = ended.join().map_err(|_| "it does not end")?;
    if ended.code() == Some(0) { Ok(()) } else { Err(format!("it does not drain: {ended:?}")) }
}
