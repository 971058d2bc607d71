//! What random scripts have found: each is one thing that the simulated sockets once did otherwise than Linux.

use std::net::Shutdown;

use sansock_memory::Family::{self, V4, V6};
use sansock_tests::differential::{Call, Name};

use Call::{Accept, Bind, Close, Connect, Create, Drain, Fill, Listen, Receive, Reuse, Send, Shutdown as Shut};

/// A name that says what Linux does, and the script.
pub(crate) fn scripts() -> Vec<(&'static str, Vec<Call>)> {
    let mut all = names();
    all.extend(shutdowns());
    all.extend(endings());
    all
}

const fn create(family: Family, reuse: bool) -> Call {
    Create { family, reuse }
}

const fn bind(socket: usize, to: Name) -> Call {
    Bind { socket, to }
}

const fn shut(socket: usize, how: Shutdown) -> Call {
    Shut { socket, how }
}

const fn close(socket: usize) -> Call {
    Close { socket, abortive: false }
}

/// Socket 0 listens, 1 is the client, 2 the server.
fn connected() -> Vec<Call> {
    vec![
        create(V4, true),
        bind(0, Name::Free),
        Listen { socket: 0, backlog: 3 },
        create(V4, true),
        bind(1, Name::Own),
        Connect { socket: 1, to: 0 },
        Accept { socket: 0 },
    ]
}

fn connected_and(calls: impl IntoIterator<Item = Call>) -> Vec<Call> {
    connected().into_iter().chain(calls).collect()
}

fn names() -> Vec<(&'static str, Vec<Call>)> {
    vec![
        (
            "a bind that fails takes away what was left of the address",
            vec![create(V4, false), bind(0, Name::Own), create(V4, false), Connect { socket: 1, to: 0 }, bind(1, Name::Own)],
        ),
        (
            "a port that was given out is released with the connection, and kept if it was bound after it",
            vec![
                create(V4, false),
                bind(0, Name::Free),
                create(V4, false),
                Connect { socket: 1, to: 0 },
                bind(1, Name::Free),
                Connect { socket: 1, to: 0 },
                bind(1, Name::Free),
            ],
        ),
        (
            "IPv6 looks whether the socket is bound before it looks at the address",
            vec![create(V6, false), bind(0, Name::Free), bind(0, Name::Foreign)],
        ),
        (
            "no address is the own one",
            vec![
                create(V4, false),
                Listen { socket: 0, backlog: 0 },
                create(V4, false),
                bind(1, Name::Free),
                Connect { socket: 1, to: 0 },
            ],
        ),
        (
            "that an address was asked for is not forgotten",
            connected_and([
                shut(0, Shutdown::Read),
                bind(0, Name::OwnEverywhere),
                create(V4, false),
                bind(3, Name::Free),
                Connect { socket: 0, to: 3 },
                Connect { socket: 0, to: 3 },
            ]),
        ),
        (
            "who asked for a port takes over its name in TIME_WAIT, and with it how it was held",
            vec![
                create(V4, true),
                bind(0, Name::Own),
                Connect { socket: 0, to: 0 },
                create(V4, true),
                bind(1, Name::Own),
                Reuse { socket: 0, on: false },
                close(0),
                Connect { socket: 0, to: 0 },
                create(V4, true),
                bind(1, Name::Own),
            ],
        ),
        (
            "two listeners do not share a name",
            vec![
                create(V4, true),
                bind(0, Name::Own),
                create(V4, true),
                bind(1, Name::Own),
                Listen { socket: 0, backlog: 0 },
                Listen { socket: 1, backlog: 0 },
            ],
        ),
    ]
}

fn shutdowns() -> Vec<(&'static str, Vec<Call>)> {
    vec![
        (
            "a socket that was shut down before it connected to itself sends its FIN then",
            vec![create(V4, false), shut(0, Shutdown::Write), bind(0, Name::Free), Connect { socket: 0, to: 0 }],
        ),
        (
            "a listener that was shut down before it listened hands that down",
            vec![
                create(V4, false),
                shut(0, Shutdown::Write),
                Listen { socket: 0, backlog: 0 },
                create(V4, false),
                Connect { socket: 1, to: 0 },
            ],
        ),
        (
            "a client that was shut down before it connected just cannot send",
            vec![
                create(V4, false),
                bind(0, Name::Free),
                Listen { socket: 0, backlog: 0 },
                create(V4, false),
                shut(1, Shutdown::Write),
                Connect { socket: 1, to: 0 },
                Accept { socket: 0 },
                Send { socket: 1, size: 1 },
                Receive { socket: 2, most: 1 },
            ],
        ),
        (
            "after receiving was shut down, data still comes",
            connected_and([
                shut(2, Shutdown::Read),
                Receive { socket: 2, most: 5 },
                Send { socket: 1, size: 5 },
                Receive { socket: 2, most: 5 },
                Receive { socket: 2, most: 5 },
            ]),
        ),
        (
            "after both directions were shut down, data is answered by a reset of both ends",
            connected_and([shut(2, Shutdown::Both), Send { socket: 1, size: 5 }, Send { socket: 1, size: 5 }]),
        ),
    ]
}

fn endings() -> Vec<(&'static str, Vec<Call>)> {
    vec![
        (
            "the peer's end of file comes before the error of a reset after it, and hides it",
            connected_and([close(2), Send { socket: 1, size: 1 }, Receive { socket: 1, most: 1 }, Send { socket: 1, size: 1 }]),
        ),
        (
            "a shutdown of what has ended both ways says that there is no connection",
            connected_and([shut(1, Shutdown::Write), shut(2, Shutdown::Write), shut(1, Shutdown::Write)]),
        ),
        (
            "who closes abortively after both ends have finished sends no reset",
            connected_and([
                shut(1, Shutdown::Write),
                shut(2, Shutdown::Write),
                Close { socket: 1, abortive: true },
                Receive { socket: 1, most: 1 },
            ]),
        ),
        (
            "a full buffer takes no more, until sending is shut down: then it is as good as empty",
            connected_and([Fill { socket: 1 }, shut(1, Shutdown::Write)]),
        ),
        (
            "a full buffer is delivered to the last byte after a close",
            connected_and([Fill { socket: 1 }, close(1), Drain { socket: 1 }]),
        ),
    ]
}
