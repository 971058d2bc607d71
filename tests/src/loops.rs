//! What the example loops have in common and what is no part of a loop: the command line, the exit status, and signals. The echo example has the
//! same signals.

use std::fmt::Display;
use std::io;
use std::net::SocketAddr;
use std::os::unix::net::UnixStream;
use std::process::ExitCode;

use lexopt::{Arg::Long, Parser, ValueExt};
use sansock::ServerReport;

/// Runs `serve` with what the command line says: `--addr` (default `127.0.0.1:0`) and `--max-connections` (default 1024). Whatever fails is one
/// line on the error output, and exit status 2; so is a server that could not listen.
pub fn run(serve: impl FnOnce(SocketAddr, usize) -> io::Result<Box<ServerReport>>) -> ExitCode {
    match options().and_then(|(address, limit)| serve(address, limit).map_err(|error| error.to_string())) {
        Ok(report) if report.listen_errors.is_empty() => ExitCode::SUCCESS,
        Ok(report) => fail(&report.listen_errors[0]),
        Err(error) => fail(&error),
    }
}

fn fail(error: &dyn Display) -> ExitCode {
    eprintln!("error: {error}");
    ExitCode::from(2)
}

fn options() -> Result<(SocketAddr, usize), String> {
    let (mut address, mut limit) = (SocketAddr::from(([127, 0, 0, 1], 0)), 1024);
    let mut arguments = Parser::from_env();
    while let Some(argument) = arguments.next().map_err(|error| error.to_string())? {
        match argument {
            Long("addr") => address = arguments.value().and_then(|value| value.parse()).map_err(|error| error.to_string())?,
            Long("max-connections") => {
                limit = arguments.value().and_then(|value| value.parse()).map_err(|error| error.to_string())?;
            }
            other => return Err(other.unexpected().to_string()),
        }
    }
    Ok((address, limit))
}

/// A stream that receives a byte for each SIGINT or SIGTERM, which no longer end the process. It does not block.
///
/// # Errors
/// Those of the system.
pub fn signals() -> io::Result<UnixStream> {
    let (receiver, sender) = UnixStream::pair()?;
    receiver.set_nonblocking(true)?;
    for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
        signal_hook::low_level::pipe::register(signal, sender.try_clone()?)?;
    }
    Ok(receiver)
}
