//! A server that sends back what comes.

use std::io;
use std::time::Duration;

use sansock::{Address, ConfigError, ConnectionConfig, Fault, ListenError, ListenerConfig, NodeEvent, OpKind, Peer};
use sansock::{ServerConfig, ServerReport, Verdict};
use sansock_blocking::Notice;
use sansock_tests::echo::Echo;

use crate::args::{Serve, Transport};
use crate::signals::Signals;
use crate::{Failure, say, warn};

/// Serves until a signal says that it is enough.
pub(crate) fn run(options: &Serve) -> Result<(), Failure> {
    let config = config(options).map_err(Failure::refused)?;
    // Before the server is there, so that no signal is missed.
    let signals = Signals::new().map_err(Failure::refused)?;
    let report = match options.transport {
        Transport::Blocking => on_blocking(config, options.drain, signals),
        Transport::Smol => on_smol(config, options.drain, signals),
    };
    conclude(&report.map_err(Failure::refused)?)
}

fn config(options: &Serve) -> Result<ServerConfig, ConfigError> {
    // Nothing may move for so long, in whatever state.
    let idle = Some(options.idle);
    let connection = ConnectionConfig::default().read_idle(idle)?.write_stall(idle)?.half_closed(idle)?.paused(idle)?;
    let listeners: Vec<_> = options.addresses.iter().map(|address| ListenerConfig::new(*address)).collect();
    let config = ServerConfig::new(options.addresses[0]).listeners(listeners)?;
    Ok(config.max_connections(options.max_connections)?.connection(connection))
}

fn on_blocking(config: ServerConfig, drain: Duration, signals: Signals) -> io::Result<ServerReport> {
    let service = |_: &Peer| Verdict::Accept(Echo::default());
    let server = sansock_blocking::serve(config, service, |notice| match notice {
        Notice::Listening { local, .. } => listening(local),
        Notice::Exhausted { fault, .. } => exhausted(fault),
        Notice::Recovered { failures, .. } => recovered(failures),
        Notice::ListenerLost { error, .. } => warn(error),
        _ => {}
    })?;
    let remote = server.remote();
    signals.on_each(move |before| if before == 0 { draining(drain, || remote.drain(drain)) } else { remote.stop() })?;
    Ok(server.join())
}

fn on_smol(config: ServerConfig, drain: Duration, signals: Signals) -> io::Result<ServerReport> {
    let mut driver = sansock_smol::Driver::new();
    driver.serve(config, |_: &Peer| Verdict::Accept(Echo::default())).map_err(io::Error::other)?;
    let remote = driver.remote();
    signals.on_each(move |before| if before == 0 { draining(drain, || remote.drain(drain)) } else { remote.stop() })?;
    let mut account = ServerReport::default();
    smol::block_on(driver.run(|event| match event {
        NodeEvent::Listening { local, .. } => listening(local),
        NodeEvent::Exhausted { fault, .. } => exhausted(fault),
        NodeEvent::Recovered { failures, .. } => recovered(failures),
        NodeEvent::ListenerLost { error, .. } => warn(error),
        NodeEvent::ServerStopped { report, .. } => account = *report,
        _ => {}
    }));
    Ok(account)
}

fn listening(local: Option<Address>) {
    match local {
        Some(address) => say(format_args!("listening on {address}")),
        None => say("listening"),
    }
}

fn exhausted(fault: Fault) {
    warn(format_args!("cannot accept for now: {fault}"));
}

fn recovered(failures: u64) {
    warn(format_args!("accepting again, after {failures} accepts had failed"));
}

fn draining(span: Duration, drain: impl FnOnce()) {
    warn(format_args!("draining for up to {} s; another signal aborts what is left", span.as_secs_f32()));
    drain();
}

/// What the account means for the exit status.
fn conclude(report: &ServerReport) -> Result<(), Failure> {
    let at_start = |error: &&ListenError| error.operation != OpKind::Accept;
    let reasons: Vec<_> = report.listen_errors.iter().filter(at_start).map(ToString::to_string).collect();
    if let Some(fault) = report.startup_error {
        return Err(Failure::refused(format_args!("no sockets: {fault}")));
    }
    if !reasons.is_empty() {
        return Err(Failure::refused(reasons.join("; ")));
    }
    say(report);
    if report.forced {
        return Err(Failure::unfinished("connections were left that had to be aborted"));
    }
    if !report.listen_errors.is_empty() {
        return Err(Failure::unfinished("no listener is left"));
    }
    Ok(())
}
