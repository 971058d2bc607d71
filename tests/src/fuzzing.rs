//! What the fuzz targets run, beside [`script`] and [`chunking`](crate::chunking).

use std::net::SocketAddr;

use arbitrary::Arbitrary;
use sansock::{Address, ClientConfig, ClientReport, ConnectionConfig, DialerConfig, Peer, Verdict};
use sansock_memory::fuzz::{self, Choices, Ended, Stopped, Violation};

use crate::chunking::Interpreter;
use crate::{script, server_script};

/// A session whose handler takes each byte for an order. The first three bytes are its limits, the rest decides what happens.
///
/// # Errors
/// See [`fuzz::session`].
///
/// # Panics
/// Never: the limits make sense.
pub fn raw(bytes: &[u8]) -> Result<Ended<Interpreter>, Box<Violation>> {
    let (limits, bytes) = limits(bytes);
    fuzz::session(bytes, limits, Interpreter::default())
}

/// A client with two addresses and that handler, or with none if the number in the third byte is odd.
///
/// # Errors
/// See [`fuzz::client`].
///
/// # Panics
/// Never: the configuration makes sense.
pub fn client(bytes: &[u8]) -> Result<Stopped<ClientReport>, Box<Violation>> {
    let rejects = bytes.get(2).is_some_and(|byte| byte % 2 == 1);
    let (limits, bytes) = limits(bytes);
    let address = |port| Address::from(SocketAddr::from(([127, 0, 0, 1], port)));
    let dialer = DialerConfig::new(vec![address(1), address(2)]).expect("two addresses");
    let config = ClientConfig::new(vec![address(1)]).expect("an address").dialer(dialer).connection(limits);
    let service = move |_: &Peer| if rejects { Verdict::Reject } else { Verdict::Accept(Interpreter::default()) };
    fuzz::client(bytes, config, service)
}

fn limits(bytes: &[u8]) -> (ConnectionConfig, &[u8]) {
    let (three, rest) = bytes.split_at(bytes.len().min(3));
    let mut choices = Choices::new(three);
    let low = choices.byte().into();
    let high = low + 1 + usize::from(choices.byte());
    let config = ConnectionConfig::default().send_queue(low, high).expect("low is below high");
    (config.receive_size(1 + usize::from(choices.byte())).expect("at least one"), rest)
}

/// A script for one of the machines that have a model.
#[derive(Clone, Debug, Arbitrary)]
pub enum Difference {
    /// One connection and its ledger.
    Connection(script::Script),
    /// A server and its ledger.
    Server(server_script::Script),
    /// A session, and the bytes that passed between it and its handler: see [`raw`].
    Session(Vec<u8>),
}

/// Runs it beside its model.
///
/// # Errors
/// A connection or a session differs from its model.
///
/// # Panics
/// A server does.
pub fn difference(difference: &Difference) -> Result<(), String> {
    match difference {
        Difference::Connection(script) => script::check(script).map(|_| ()),
        Difference::Server(script) => {
            let _ = server_script::check(script);
            Ok(())
        }
        Difference::Session(bytes) => raw(bytes).map(|_| ()).map_err(|violation| violation.to_string()),
    }
}
