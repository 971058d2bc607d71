//! A client between standard input and output.

use std::io;
use std::sync::mpsc::{self, Receiver};
use std::thread::JoinHandle;

use bytes::Bytes;
use sansock::{Address, ClientConfig, ClientReport, ConfigError, ConnectionConfig, Ending, NodeEvent, Peer, SocketId, Verdict};

use crate::Failure;
use crate::args::{Connect, Transport};
use crate::relay::{Message, Relay, Trouble};
use crate::standard::{read_input, write_output};

/// Connects, and passes on until both sides have finished.
pub(crate) fn run(options: &Connect) -> Result<(), Failure> {
    let config = config(options).map_err(Failure::refused)?;
    let ((want, wanted), (write, given)) = (mpsc::channel(), mpsc::channel());
    let trouble = Trouble::default();
    let (relay, ends) = (Relay::new(want, write, Trouble::clone(&trouble)), Ends { wanted, given });
    let report = match options.transport {
        Transport::Blocking => on_blocking(config, relay, ends),
        Transport::Smol => on_smol(config, relay, ends),
    };
    let report = report.map_err(Failure::refused)?;
    match trouble.get() {
        Some(why) => Err(Failure::unfinished(why)),
        None => conclude(&report),
    }
}

/// Nobody knows how long whoever is behind standard input and output takes, or the peer to answer: no time-outs.
fn config(options: &Connect) -> Result<ClientConfig, ConfigError> {
    let connection = ConnectionConfig::default().read_idle(None)?.write_stall(None)?.half_closed(None)?.paused(None)?;
    let addresses = options.addresses.iter().copied().map(Address::from).collect();
    Ok(ClientConfig::new(addresses)?.connection(connection.receive_size(64 * 1024)?))
}

/// The threads' ends of the relay.
struct Ends {
    wanted: Receiver<SocketId>,
    given: Receiver<(SocketId, Bytes)>,
}

impl Ends {
    /// Starts both threads. The one to wait for is that which writes.
    fn start<P>(self, post: P) -> io::Result<JoinHandle<()>>
    where
        P: Fn(SocketId, Message) -> Result<(), Message> + Clone + Send + 'static,
    {
        read_input(self.wanted, post.clone())?;
        write_output(self.given, post)
    }
}

fn on_blocking(config: ClientConfig, relay: Relay, ends: Ends) -> io::Result<ClientReport> {
    let client = sansock_blocking::connect(config, move |_: &Peer| Verdict::Accept(relay.clone()), |_| {})?;
    let remote = client.remote();
    let output = ends.start(move |to, message| remote.post(to, message))?;
    let report = client.join();
    wait_for(output);
    Ok(report)
}

fn on_smol(config: ClientConfig, relay: Relay, ends: Ends) -> io::Result<ClientReport> {
    let mut driver = sansock_smol::Driver::new();
    driver.connect(config, move |_: &Peer| Verdict::Accept(relay.clone())).map_err(io::Error::other)?;
    let remote = driver.remote();
    let output = ends.start(move |to, message| remote.post(to, message))?;
    let mut account = ClientReport::default();
    smol::block_on(driver.run(|event| {
        if let NodeEvent::ClientStopped { report, .. } = event {
            account = *report;
        }
    }));
    // With it goes the relay, and with that the output ends.
    drop(driver);
    wait_for(output);
    Ok(account)
}

/// What was received before the end is still written.
fn wait_for(output: JoinHandle<()>) {
    // A panic in it was reported by the hook.
    let _ = output.join();
}

/// What the account means for the exit status.
fn conclude(report: &ClientReport) -> Result<(), Failure> {
    if let Some(fault) = report.startup_error {
        return Err(Failure::refused(format_args!("no sockets: {fault}")));
    }
    if let Some(error) = &report.dial_error {
        return Err(Failure::unfinished(format_args!("cannot connect to {error}")));
    }
    let peer = report.peer.and_then(|peer| peer.address).map_or_else(|| "the peer".into(), |address| address.to_string());
    match report.closed {
        Some(closed) if closed.ending == Ending::Confirmed => Ok(()),
        Some(closed) => Err(Failure::unfinished(format_args!("{peer}: {closed}"))),
        None => Err(Failure::unfinished("the connection was turned away")),
    }
}
