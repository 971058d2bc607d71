//! A client under injection.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener};
use std::thread;
use std::time::{Duration, Instant};

use super::strace::{LONG, Trace};
use super::{Cell, Found, Subject};
use crate::program::{Program, example};

/// What a run may cost, strace included: many times what it does cost, which its verdict says.
const PROCESSOR_TIME: Duration = Duration::from_millis(500);

/// Runs the cell: how often the error was injected, and what came of it.
pub(super) fn run(cell: &Cell) -> Found<(usize, String)> {
    let trace = Trace::new();
    let listener = TcpListener::bind(("127.0.0.1", 0)).map_err(|error| error.to_string())?;
    let address = listener.local_addr().map_err(|error| error.to_string())?;
    let said: Vec<u8> = (0..100_000_usize).map(|place| (place.wrapping_mul(31) + (place >> 8)) as u8).collect();
    let mut traced = trace.command(cell);
    traced.args(["-qq"]).arg(example("echo")).args(["connect", "--transport"]);
    traced.arg(if cell.program == Subject::ConnectSmol { "smol" } else { "blocking" }).arg(address.to_string());
    let peer = thread::spawn(move || echo(&listener));
    let start = Instant::now();
    let mut client = Program::start(&mut traced);
    let mut input = client.input();
    let words = said.clone();
    let talking = thread::spawn(move || {
        // It may have ended, and hear no more.
        let _ = input.write_all(&words);
    });
    let before = children_time();
    let ended = client.finish();
    let used = children_time().saturating_sub(before);
    let _ = talking.join();
    end(address);
    let _ = peer.join();
    if start.elapsed() > LONG {
        return Err(format!("it took {:?}: {ended:?}", start.elapsed()));
    }
    if used > PROCESSOR_TIME {
        return Err(format!("it spins: {used:?} of processor time"));
    }
    if !said.starts_with(&ended.out) {
        return Err("it wrote something else than was sent".into());
    }
    let hits = trace.hits();
    let may_fail = hits == 0 || !cell.is_transparent();
    match ended.code() {
        Some(0) if ended.out == said => Ok((hits, format!("everything came back, {used:?} of processor time"))),
        Some(1..) if may_fail && !ended.err.is_empty() => {
            Ok((hits, format!("says: {}", ended.err.lines().last().unwrap_or_default())))
        }
        _ => Err(format!("{} bytes of {} came back; {}; {}", ended.out.len(), said.len(), ended.status, ended.err)),
    }
}

/// One connection, whatever comes back to it; another one is the end.
fn echo(listener: &TcpListener) {
    let Ok((mut stream, _)) = listener.accept() else { return };
    let _ = stream.set_read_timeout(Some(LONG));
    let _ = stream.set_write_timeout(Some(LONG));
    let mut buffer = [0; 16 * 1024];
    while let Ok(count @ 1..) = stream.read(&mut buffer) {
        if stream.write_all(&buffer[..count]).is_err() {
            return;
        }
    }
    let _ = stream.shutdown(Shutdown::Write);
}

/// The peer waits no longer for a client that never came.
fn end(address: SocketAddr) {
    drop(std::net::TcpStream::connect_timeout(&address, LONG));
}

/// The processor time of all programs that have ended and were waited for.
fn children_time() -> Duration {
    let text = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<_> = text.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks: u64 = fields.iter().skip(13).take(2).filter_map(|field| field.parse::<u64>().ok()).sum();
    Duration::from_millis(ticks * 10)
}
