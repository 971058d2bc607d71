//! The closures that are run and whose counts are committed, by the names of their golden files.

use sansock_memory::closure::{Options, Polling, Report, Violation, search};

use super::client::ClientSubject;
use super::connection::ConnectionSubject;
use super::dialer::DialerSubject;
use super::house::HouseSubject;
use super::listener::ListenerSubject;
use super::server::ServerSubject;

/// A report, or the first rule that is broken.
pub type Outcome = Result<Report, Box<Violation>>;

/// One closure: the name of its golden file, and how it is run.
pub type Closure = (&'static str, fn(Options) -> Outcome);

/// Those with at most one connection: they are part of `cargo test`.
pub const SMALL: [Closure; 10] = [
    ("connection", |options| search(&ConnectionSubject::small(), options)),
    ("connection_credit", |options| search(&ConnectionSubject::with_credit(), options)),
    ("listener", |options| search(&ListenerSubject, options)),
    ("dialer", |options| search(&DialerSubject { addresses: 3, binds: false }, options)),
    ("dialer_bound", |options| search(&DialerSubject { addresses: 2, binds: true }, options)),
    ("client", |options| search(&ClientSubject { addresses: 2 }, options)),
    ("server", |options| search(&ServerSubject { listeners: 1, connections: 1 }, options)),
    ("server_listeners", |options| search(&ServerSubject { listeners: 2, connections: 1 }, options)),
    ("server_connections", |options| search(&ServerSubject { listeners: 1, connections: 2 }, options)),
    ("house", |options| search(&HouseSubject::one(), Options { polling: Polling::AllAtOnce, ..options })),
];

/// A server with two connections and their sessions.
pub const BIG: Closure = ("house_connections", |options| {
    search(&HouseSubject::two(), Options { polling: Polling::AllAtOnce, most_states: 200_000_000, ..options })
});

/// The closure of this name.
///
/// # Panics
/// There is none.
#[must_use]
pub fn named(name: &str) -> Closure {
    *SMALL.iter().find(|(file, _)| *file == name).expect("a closure of this name")
}

/// The path of a closure's golden file, from the root of the repository.
#[must_use]
pub fn path(name: &str) -> String {
    format!("tests/golden/closure/{name}.txt")
}
