//! The blocking transport on real sockets: every wait can be interrupted, nothing is left behind, a panic ends one connection.

#[path = "real/bomb.rs"]
mod bomb;
#[path = "blocking/messages.rs"]
mod messages;
#[path = "real/peers.rs"]
mod peers;

use std::convert::Infallible;
use std::io::Write;
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use bomb::Bomb;
use bytes::Bytes;
use peers::{
    BlackHole, DescriptorLimit, Firehose, Submitted, WATCHDOG, byte_by_byte, dial, echoes, last_words, loopback, next,
    silent_peer, until_quiet,
};
use sansock::{
    Address, ClientConfig, CloseReason, CloseReport, Context, DialFailure, DialerConfig, FaultKind, Handler, OpKind, Origin,
    Peer, ServerConfig, ServerReport, SocketId, TimerId, Verdict,
};
use sansock_blocking::{Notice, Running, connect, connect_observed, serve, serve_observed};
use sansock_system::Observer;
use sansock_tests::echo::Echo;
use sansock_tests::system::{assert_nothing_is_left, exclusive, holdings};

/// A server whose service makes these handlers, its address, and what it notices after that.
fn server<H, M>(
    config: ServerConfig,
    mut make: impl FnMut() -> H + Send + 'static,
    observer: Option<Arc<dyn Observer>>,
) -> (Running<M, ServerReport>, SocketAddr, Receiver<Notice>)
where
    H: Handler<Message = M> + Send + 'static,
    M: Send + 'static,
{
    let (tell, told) = channel();
    let service = move |_: &Peer| Verdict::Accept(make());
    let running = serve_observed(config, service, move |notice| drop(tell.send(notice)), observer).unwrap();
    let Notice::Listening { local: Some(Address::Ip(address)), .. } = next(&told) else { panic!("it listens") };
    (running, address, told)
}

fn echo_server() -> (Running<Infallible, ServerReport>, SocketAddr, Receiver<Notice>) {
    server(ServerConfig::new(loopback()), Echo::default, None)
}

fn client_of(address: SocketAddr) -> ClientConfig {
    ClientConfig::new(vec![address.into()]).unwrap()
}

/// The next session that opens, or closes.
fn opened(told: &Receiver<Notice>) -> SocketId {
    match next(told) {
        Notice::Opened { socket, .. } => socket,
        notice => panic!("{notice:?} instead of a connection"),
    }
}

fn closed(told: &Receiver<Notice>) -> CloseReport {
    match next(told) {
        Notice::Closed { report, .. } => report,
        notice => panic!("{notice:?} instead of an end"),
    }
}

// X63, X133
#[test]
fn x063_a_connect_that_gets_no_answer_is_stopped() {
    let _alone = exclusive();
    let hole = BlackHole::new();
    let before = holdings();
    let (observer, connecting) = Submitted::watch(OpKind::Connect);
    let service = |_: &Peer| Verdict::Accept(Echo::default());
    let client = connect_observed(client_of(hole.address), service, |_| {}, Some(observer)).unwrap();
    next(&connecting);
    client.stop();
    let error = client.join().dial_error.expect("no connection");
    assert_eq!((error.failure, error.attempts[0].fault.kind()), (DialFailure::Cancelled, FaultKind::Cancelled));
    assert_nothing_is_left(&before);
}

#[test]
fn x133_an_accept_that_waits_is_stopped() {
    let _alone = exclusive();
    let before = holdings();
    let (observer, accepting) = Submitted::watch(OpKind::Accept);
    let (server, address, _) = server(ServerConfig::new(loopback()), Echo::default, Some(observer));
    next(&accepting);
    server.stop();
    assert_eq!(server.join().accepted, 0);
    assert!(TcpStream::connect(address).is_err(), "nobody listens any more");
    assert_nothing_is_left(&before);
}

#[test]
fn a_receive_that_waits_is_stopped_and_the_peer_sees_a_reset() {
    let _alone = exclusive();
    let before = holdings();
    let (server, address, told) = echo_server();
    let mut peer = dial(address);
    opened(&told);
    assert!(echoes(&mut peer, b"it is served"));
    server.remote().stop();
    assert_eq!(server.join().aborted, 1);
    assert_eq!(closed(&told).reason, CloseReason::Ordered);
    assert_eq!(last_words(&mut peer), Err(std::io::ErrorKind::ConnectionReset));
    drop(peer);
    assert_nothing_is_left(&before);
}

#[test]
fn a_send_that_the_peer_does_not_read_is_stopped() {
    let _alone = exclusive();
    let before = holdings();
    let (peer, address) = silent_peer();
    let (observer, sending) = Submitted::watch(OpKind::Send);
    let (tell, ended) = channel();
    let service = move |_: &Peer| Verdict::Accept(Firehose(tell.clone()));
    let client = connect_observed(client_of(address), service, |_| {}, Some(observer)).unwrap();
    until_quiet(&sending);
    client.stop();
    let report = client.join();
    let end = next(&ended);
    assert!(end.reason == CloseReason::Ordered && end.unsent > 0, "{end}");
    assert_eq!(report.closed, Some(end));
    drop(peer);
    assert_nothing_is_left(&before);
}

// H6
#[test]
fn dropping_a_server_or_a_client_stops_it_and_waits_for_its_threads() {
    let _alone = exclusive();
    let before = holdings();
    let (server, address, told) = echo_server();
    let mut peers: Vec<_> = (0..3).map(|_| dial(address)).collect();
    for _ in &peers {
        opened(&told);
    }
    let (opening, opens) = channel();
    let told_open = move |notice| drop(opening.send(notice));
    let client = connect(client_of(address), |_: &Peer| Verdict::Accept(Echo::default()), told_open).unwrap();
    opened(&opens);
    drop(client);
    drop(server);
    for peer in &mut peers {
        assert!(last_words(peer).is_err(), "a reset, not an end that looks complete");
    }
    drop(peers);
    assert_nothing_is_left(&before);
}

/// The first connection gets a handler that panics, the others get some that do not.
fn one_bomb(panics_in: &'static str) -> impl FnMut() -> Bomb + Send {
    let mut first = true;
    move || Bomb(if std::mem::take(&mut first) { panics_in } else { "never" })
}

// G3
#[test]
fn a_panic_in_any_callback_ends_its_own_connection_alone() {
    let _alone = exclusive();
    let before = holdings();
    for panics_in in bomb::CALLBACKS {
        let (server, address, told) = server(ServerConfig::new(loopback()), one_bomb(panics_in), None);
        let mut unlucky = dial(address);
        let socket = opened(&told);
        match panics_in {
            "message" => server.post(socket, Bytes::new()).unwrap(),
            "data" => unlucky.write_all(b"x").unwrap(),
            "peer finished" | "closed" | "drop" => unlucky.shutdown(Shutdown::Write).unwrap(),
            _ => {}
        }
        let ending = last_words(&mut unlucky);
        let report = closed(&told);
        match panics_in {
            // It had ended already.
            "closed" | "drop" => assert_eq!((ending, report.reason), (Ok(Vec::new()), CloseReason::Finished)),
            _ => assert_eq!((ending.is_err(), report.reason), (true, CloseReason::HandlerFailed), "in {panics_in}"),
        }
        let mut lucky = dial(address);
        opened(&told);
        assert!(echoes(&mut lucky, b"still served"), "after a panic in {panics_in}");
        drop(server);
    }
    assert_nothing_is_left(&before);
}

#[test]
fn x135_a_panic_during_a_drain_does_not_keep_it_from_ending() {
    let _alone = exclusive();
    let before = holdings();
    let (server, address, told) = server(ServerConfig::new(loopback()), one_bomb("draining"), None);
    let mut peers = [dial(address), dial(address)];
    for _ in &peers {
        opened(&told);
    }
    server.drain(WATCHDOG);
    assert!(last_words(&mut peers[0]).is_err(), "aborted");
    assert_eq!(last_words(&mut peers[1]), Ok(Vec::new()), "finished");
    drop(peers);
    let report = server.join();
    assert_eq!((report.confirmed, report.aborted, report.forced), (1, 1, false));
    assert_nothing_is_left(&before);
}

/// Takes its time to end.
struct Slow(Arc<AtomicUsize>);

impl Handler for Slow {
    type Message = Infallible;

    fn on_data(&mut self, cx: &mut Context<'_, Infallible>, data: Bytes) {
        cx.send(data).unwrap();
    }

    fn on_closed(&mut self, _: &CloseReport) {
        thread::sleep(Duration::from_millis(50));
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

#[test]
fn a_panic_of_the_supervisors_thread_leaves_no_thread_behind() {
    let _alone = exclusive();
    let before = holdings();
    let (tell, told) = channel();
    let on_notice = move |notice| match notice {
        Notice::Listening { local, .. } => tell.send(local.unwrap()).unwrap(),
        Notice::Closed { .. } => panic!("at the first end"),
        _ => {}
    };
    let ended = Arc::new(AtomicUsize::new(0));
    let own = Arc::clone(&ended);
    let service = move |_: &Peer| Verdict::Accept(Slow(Arc::clone(&own)));
    let server = serve(ServerConfig::new(loopback()), service, on_notice).unwrap();
    let Address::Ip(address) = next(&told) else { panic!("an IP address") };
    let mut stays = dial(address);
    let mut leaves = dial(address);
    assert!(echoes(&mut stays, b"here") && echoes(&mut leaves, b"here"));
    drop(leaves);
    assert!(catch_unwind(AssertUnwindSafe(|| server.join())).is_err(), "the panic goes on in the caller");
    assert_eq!(ended.load(Ordering::SeqCst), 2, "every thread has been waited for");
    assert!(last_words(&mut stays).is_err(), "its session was aborted");
    drop(stays);
    assert_nothing_is_left(&before);
}

/// Drops what it gets, and tells of messages and of the time.
struct Sink {
    tell: Sender<&'static str>,
    receiving: bool,
}

impl Handler for Sink {
    type Message = ();

    fn on_data(&mut self, cx: &mut Context<'_, ()>, _: Bytes) {
        if !std::mem::replace(&mut self.receiving, true) {
            cx.set_timer(TimerId::A, Duration::from_millis(50));
        }
    }

    fn on_timer(&mut self, _: &mut Context<'_, ()>, _: TimerId) {
        self.tell.send("timer").unwrap();
    }

    fn on_message(&mut self, _: &mut Context<'_, ()>, (): ()) {
        self.tell.send("message").unwrap();
    }
}

// X98, C11: what the flooded session waits for besides, and everybody else, gets its turn.
#[test]
fn x098_a_peer_that_sends_without_a_pause_keeps_nobody_waiting() {
    let _alone = exclusive();
    let before = holdings();
    let (tell, told) = channel();
    let make = move || Sink { tell: tell.clone(), receiving: false };
    let config = ServerConfig::new(loopback()).connection(byte_by_byte());
    let (server, address, notices) = server(config, make, None);
    let mut peer = dial(address);
    let flooded = opened(&notices);
    let flood = thread::spawn(move || while peer.write_all(&[7; 65_536]).is_ok() {});
    assert_eq!(next(&told), "timer");
    server.post(flooded, ()).unwrap();
    assert_eq!(next(&told), "message");
    let other = dial(address);
    server.post(opened(&notices), ()).unwrap();
    assert_eq!(next(&told), "message");
    server.stop();
    assert_eq!(server.join().aborted, 2);
    flood.join().unwrap();
    drop(other);
    assert_nothing_is_left(&before);
}

// X17: whoever cannot be served stays in the system's queue, and is not accepted only to be dropped.
#[test]
fn x017_without_descriptors_for_its_mailbox_a_connection_is_not_accepted() {
    let _alone = exclusive();
    let before = holdings();
    let (server, address, told) = echo_server();
    // The supervisor's mailbox, and one for the connection that it waits for.
    let pipes = |(descriptors, _): (Vec<String>, Vec<String>)| descriptors.iter().filter(|target| *target == "pipe").count();
    while pipes(holdings()) < pipes(before.clone()) + 4 {
        std::thread::yield_now();
    }
    // Two peers, and what accepts the first.
    let limit = DescriptorLimit::spare(3);
    let mut first = dial(address);
    opened(&told);
    let mut second = dial(address);
    assert!(matches!(next(&told), Notice::Exhausted { fault, .. } if fault.kind() == FaultKind::DescriptorLimit));
    assert!(echoes(&mut first, b"served"));
    drop(limit);
    assert!(matches!(next(&told), Notice::Recovered { .. }));
    opened(&told);
    assert!(echoes(&mut second, b"served, too"));
    drop((server, first, second));
    assert_nothing_is_left(&before);
}

#[test]
fn without_descriptors_there_is_no_server_and_no_client() {
    let _alone = exclusive();
    let before = holdings();
    let limit = DescriptorLimit::spare(1);
    let service = |_: &Peer| Verdict::Accept(Echo::default());
    assert!(serve(ServerConfig::new(loopback()), service, |_| {}).is_err());
    drop(limit);
    // The pipe is there, the socket is not.
    let limit = DescriptorLimit::spare(2);
    let client = connect(client_of(loopback()), service, |_| {}).unwrap();
    let error = client.join().dial_error.expect("no connection");
    assert_eq!((error.attempts[0].operation, error.attempts[0].fault.kind()), (OpKind::Create, FaultKind::DescriptorLimit));
    drop(limit);
    assert_nothing_is_left(&before);
}

// X17, C4, B10: the connection stays in the system's queue; the pauses grow, so this is no spin.
#[test]
fn x017_without_a_descriptor_to_accept_with_it_waits_and_goes_on_when_there_is_one() {
    let _alone = exclusive();
    let before = holdings();
    let (observer, accepting) = Submitted::watch(OpKind::Accept);
    let (server, address, told) = server(ServerConfig::new(loopback()), Echo::default, Some(observer));
    let limit = DescriptorLimit::spare(1);
    let start = Instant::now();
    let mut peer = dial(address);
    assert!(matches!(next(&told), Notice::Exhausted { fault, .. } if fault.kind() == FaultKind::DescriptorLimit));
    for _ in 0..5 {
        next(&accepting);
    }
    // One before there was anybody to accept; of the others, each waited twice as long as the one before: 5, 10, 20 ms.
    assert!(start.elapsed() >= Duration::from_millis(35));
    drop(limit);
    assert!(matches!(next(&told), Notice::Recovered { failures: 4.., .. }));
    opened(&told);
    assert!(echoes(&mut peer, b"served"));
    drop((server, peer));
    assert_nothing_is_left(&before);
}

// X134
#[test]
fn x134_a_server_that_waits_for_descriptors_is_stopped_at_once() {
    let _alone = exclusive();
    let before = holdings();
    let (server, address, told) = echo_server();
    let limit = DescriptorLimit::spare(1);
    let peer = dial(address);
    assert!(matches!(next(&told), Notice::Exhausted { .. }));
    server.stop();
    assert_eq!(server.join().accepted, 0);
    drop((limit, peer));
    assert_nothing_is_left(&before);
}

#[test]
fn x061_a_connect_to_the_unspecified_address_leads_to_this_host() {
    let _alone = exclusive();
    let (server, address, told) = echo_server();
    let unspecified = SocketAddr::from(([0, 0, 0, 0], address.port()));
    let (tell, opens) = channel();
    let service = |_: &Peer| Verdict::Accept(Echo::default());
    let client = connect(client_of(unspecified), service, move |notice| drop(tell.send(notice))).unwrap();
    opened(&opens);
    opened(&told);
    drop(server);
    assert_eq!(client.join().peer.unwrap().address, Some(address.into()));
}

// D14: from and to the same free port.
#[test]
fn x054_a_real_connection_to_itself_is_no_connection() {
    let _alone = exclusive();
    let before = holdings();
    let (listener, address) = silent_peer();
    drop(listener);
    let dialer = DialerConfig::new(vec![address.into()]).unwrap().local(address.into());
    let client = connect(client_of(address).dialer(dialer), |_: &Peer| Verdict::Accept(Echo::default()), |_| {}).unwrap();
    let error = client.join().dial_error.expect("no connection");
    assert_eq!((error.attempts.len(), error.attempts[0].fault.kind()), (1, FaultKind::SelfConnected));
    assert!(TcpStream::connect(address).is_err(), "it does not hold the port");
    assert_nothing_is_left(&before);
}

// An address of TEST-NET-1, which no host has.
#[test]
fn a_local_address_that_is_not_ours_fails_when_it_is_bound() {
    let _alone = exclusive();
    let address = SocketAddr::from(([127, 0, 0, 1], 1));
    let dialer = DialerConfig::new(vec![address.into()]).unwrap().local(SocketAddr::from(([192, 0, 2, 1], 0)).into());
    let client = connect(client_of(address).dialer(dialer), |_: &Peer| Verdict::Accept(Echo::default()), |_| {}).unwrap();
    let error = client.join().dial_error.expect("no connection");
    assert_eq!((error.attempts[0].operation, error.attempts[0].fault.kind()), (OpKind::Bind, FaultKind::AddressNotAvailable));
}

// X65, X44: in real time; the share of an address is two seconds at least, the limit of an attempt is not.
#[test]
fn an_address_that_does_not_answer_gives_way_to_one_that_does() {
    let _alone = exclusive();
    let hole = BlackHole::new();
    let (server, address, _told) = echo_server();
    let addresses = vec![hole.address.into(), address.into()];
    let dialer = DialerConfig::new(addresses.clone()).unwrap().attempt(Some(Duration::from_secs(1))).unwrap();
    let config = ClientConfig::new(addresses).unwrap().dialer(dialer);
    let (tell, told) = channel();
    let client = connect(config, |_: &Peer| Verdict::Accept(Echo::default()), move |notice| tell.send(notice).unwrap()).unwrap();
    // The client has to have noticed: a server that is gone by then would have reset its connection.
    opened(&told);
    drop(server);
    assert_eq!(client.join().peer.unwrap().origin, Origin::Dialled { address: 1 });
}
