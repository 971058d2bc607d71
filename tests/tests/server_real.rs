//! A server over real sockets, blocking and smol, with clients of the standard library.

use std::convert::Infallible;
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::channel;
use std::sync::{Arc, Barrier, Condvar, Mutex};
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use sansock::{CloseReport, ConnectionConfig, Context, Ending, FaultKind, Handler, ListenerConfig, OpKind, ServerConfig};
use sansock_tests::echo::Echo;
use sansock_tests::serve::{Said, Serving, Transport, WATCHDOG};
use sansock_tests::system::{assert_nothing_is_left, exclusive, holdings};

fn loopback() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}

/// On both transports, with nothing left behind.
fn on_both(test: impl Fn(Transport)) {
    let _alone = exclusive();
    // async-io's reactor starts its thread and makes its descriptors once.
    let server = start(Transport::Smol, ServerConfig::new(loopback()));
    ask(&dial(server.address()), b"warm up");
    server.stop();
    let _ = server.join();
    for transport in Transport::ALL {
        let before = holdings();
        test(transport);
        assert_nothing_is_left(&before);
    }
}

fn start(transport: Transport, config: ServerConfig) -> Serving {
    Serving::start(transport, config, Echo::default, || {})
}

fn dial(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).expect("the server listens");
    stream.set_read_timeout(Some(WATCHDOG)).unwrap();
    stream
}

/// Sends, half-closes, and reads to the end.
fn ask(mut stream: &TcpStream, question: &[u8]) -> Vec<u8> {
    stream.write_all(question).expect("the server reads");
    stream.shutdown(Shutdown::Write).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).expect("a graceful end");
    answer
}

// X2
#[test]
fn x002_an_address_in_use_is_reported_by_the_server_that_came_second() {
    on_both(|transport| {
        let first = start(transport, ServerConfig::new(loopback()));
        let address = first.address();
        let report = start(transport, ServerConfig::new(address)).join();
        let [error] = report.listen_errors[..] else { panic!("{report}") };
        assert_eq!((error.operation, error.fault.kind()), (OpKind::Bind, FaultKind::AddressInUse));
        assert_eq!(
            error.to_string(),
            format!("cannot bind {address}: address in use (os error {})", error.fault.code().unwrap())
        );
        // The first one has not noticed.
        assert_eq!(ask(&dial(address), b"still there?"), b"still there?");
        first.stop();
        assert_eq!(first.join().confirmed, 1);
    });
}

// X7: all or nothing, and what was bound is free again.
#[test]
fn x007_one_listener_that_cannot_start_closes_the_others() {
    on_both(|transport| {
        let taken = TcpListener::bind(loopback()).unwrap();
        let free = TcpListener::bind(loopback()).unwrap().local_addr().unwrap();
        let listeners = [free, taken.local_addr().unwrap(), taken.local_addr().unwrap()].map(ListenerConfig::new);
        let report = start(transport, ServerConfig::new(free).listeners(listeners.to_vec()).unwrap()).join();
        assert_eq!(report.listen_errors.len(), 2, "{report}");
        drop(TcpListener::bind(free).expect("nobody listens there any more"));
    });
}

// X10: both families on one port, since an IPv6 socket is told to take no IPv4.
#[test]
fn x010_both_families_can_listen_on_one_port() {
    on_both(|transport| {
        let port = TcpListener::bind("0.0.0.0:0").unwrap().local_addr().unwrap().port();
        let listeners = [SocketAddr::from(([0, 0, 0, 0], port)), SocketAddr::from(([0; 16], port))].map(ListenerConfig::new);
        let server = start(transport, ServerConfig::new(loopback()).listeners(listeners.to_vec()).unwrap());
        assert_eq!((server.address().port(), server.address().port()), (port, port));
        for address in [format!("127.0.0.1:{port}"), format!("[::1]:{port}")] {
            assert_eq!(ask(&dial(address.parse().unwrap()), b"hello"), b"hello");
        }
        server.stop();
        assert_eq!(server.join().confirmed, 2);
    });
}

// X133: the wait for a connection is interrupted, and not by a connection.
#[test]
fn x133_a_server_that_waits_for_a_connection_can_be_stopped_and_drained() {
    on_both(|transport| {
        for drain in [true, false] {
            let server = start(transport, ServerConfig::new(loopback()));
            server.address();
            if drain {
                server.drain(WATCHDOG * 10);
            } else {
                server.stop();
            }
            let report = server.join();
            assert_eq!((report.accepted, report.forced), (0, false), "{report}");
        }
    });
}

/// Echoes until the peer's end, drain or no drain.
struct ToTheEnd;

impl Handler for ToTheEnd {
    type Message = Infallible;

    fn on_data(&mut self, cx: &mut Context<'_, Infallible>, data: Bytes) {
        assert!(cx.send(data).is_ok(), "the questions are short");
    }

    fn on_draining(&mut self, _: &mut Context<'_, Infallible>) {}
}

// X18: a hundred clients are queued when the drain begins. Closing the listener would reset them.
#[test]
fn x018_clients_that_are_queued_when_the_drain_begins_are_served() {
    const CLIENTS: usize = 100;
    on_both(|transport| {
        let (release, held) = channel();
        let server = Serving::start(transport, ServerConfig::new(loopback()), || ToTheEnd, move || held.recv().unwrap());
        let address = server.address();
        // The server waits for us; the system completes the connections.
        let clients: Vec<_> = (0..CLIENTS).map(|_| dial(address)).collect();
        server.drain(WATCHDOG);
        release.send(()).unwrap();
        for client in &clients {
            assert_eq!(ask(client, b"am I too late?"), b"am I too late?");
        }
        let report = server.join();
        assert_eq!((report.accepted, report.confirmed, report.forced), (CLIENTS as u64, CLIENTS as u64, false), "{report}");
    });
}

// X129: refused at once, instead of left to hang, although a connection is still open.
#[test]
fn x129_a_client_that_comes_after_the_drain_began_is_refused() {
    on_both(|transport| {
        let server = Serving::start(transport, ServerConfig::new(loopback()), || ToTheEnd, || {});
        let address = server.address();
        let client = dial(address);
        assert_eq!(server.next(), Said::Opened);
        server.drain(WATCHDOG);
        // The listener is closed soon, and nobody says so; until then a client is accepted.
        let refused = loop {
            match TcpStream::connect(address) {
                Ok(client) => drop(client),
                // It was queued when the listener closed.
                Err(error) if error.kind() == ErrorKind::ConnectionReset => {}
                Err(error) => break error,
            }
        };
        assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
        assert_eq!(ask(&client, b"still here"), b"still here");
        assert!(!server.join().forced);
    });
}

/// More than any buffer holds.
const FLOOD: usize = 64 << 20;

/// Sends that much.
struct Flood;

impl Handler for Flood {
    type Message = Infallible;

    fn on_open(&mut self, cx: &mut Context<'_, Infallible>) {
        assert!(cx.send(Bytes::from(vec![0; FLOOD])).is_ok(), "the queue is as large");
    }

    fn on_data(&mut self, _: &mut Context<'_, Infallible>, _: Bytes) {}
}

// X125, X6, X116: it reads nothing, so what is queued can never be sent. Its window does not hold up the drain.
#[test]
fn x125_a_stalled_peer_is_aborted_when_the_drain_ends() {
    on_both(|transport| {
        let limits = ConnectionConfig::default().send_queue(1, FLOOD).unwrap().write_stall(None).unwrap();
        let server = Serving::start(transport, ServerConfig::new(loopback()).connection(limits), || Flood, || {});
        let address = server.address();
        let mut client = dial(address);
        assert_eq!(server.next(), Said::Opened);
        server.drain(Duration::from_millis(200));
        let report = server.wait_for(|said| if let Said::Closed(report) = said { Some(report) } else { None });
        assert_eq!(report.ending, Ending::Aborted);
        assert!(report.unsent > 0, "{report}");
        let account = server.join();
        assert_eq!((account.aborted, account.finished()), (1, 1), "{account}");
        // The peer sees a reset, after what had reached it.
        let error = client.read_to_end(&mut Vec::new()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    });
}

/// Handlers that are there, and the most that there were at a time.
#[derive(Default)]
struct Count {
    live_and_most: Mutex<(usize, usize)>,
    more: Condvar,
}

/// Counts those of its kind that are there.
struct Counted {
    echo: Echo,
    count: Arc<Count>,
}

impl Handler for Counted {
    type Message = Infallible;

    fn on_open(&mut self, _: &mut Context<'_, Infallible>) {
        let (live, most) = &mut *self.count.live_and_most.lock().unwrap();
        *live += 1;
        *most = (*live).max(*most);
        self.count.more.notify_all();
    }

    fn on_data(&mut self, cx: &mut Context<'_, Infallible>, data: Bytes) {
        self.echo.on_data(cx, data);
    }

    fn on_closed(&mut self, _: &CloseReport) {
        self.count.live_and_most.lock().unwrap().0 -= 1;
    }
}

// X29, X30: two hundred at once for ten places. Everybody is served, and never more than ten at a time.
#[test]
fn x030_the_limit_holds_under_many_simultaneous_clients() {
    const CLIENTS: usize = 200;
    const PLACES: usize = 10;
    on_both(|transport| {
        let count = Arc::new(Count::default());
        let counted = Arc::clone(&count);
        let make = move || Counted { echo: Echo::default(), count: Arc::clone(&counted) };
        let config = ServerConfig::new(loopback()).max_connections(PLACES).unwrap();
        let server = Serving::start(transport, config, make, || {});
        let address = server.address();
        let together = Barrier::new(CLIENTS);
        let client = |number: usize| {
            together.wait();
            let stream = dial(address);
            // Nobody leaves before every place is taken.
            drop(count.more.wait_while(count.live_and_most.lock().unwrap(), |(_, most)| *most < PLACES).unwrap());
            let question = number.to_string();
            assert_eq!(ask(&stream, question.as_bytes()), question.as_bytes());
        };
        thread::scope(|scope| {
            for number in 0..CLIENTS {
                let client = &client;
                scope.spawn(move || client(number));
            }
        });
        server.stop();
        let report = server.join();
        assert_eq!(report.confirmed, CLIENTS as u64, "{report}");
        assert_eq!(*count.live_and_most.lock().unwrap(), (0, PLACES));
    });
}
