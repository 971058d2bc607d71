//! Socket options, as the table sets them, and what it never sets.

#[path = "common/desk.rs"]
#[allow(dead_code, reason = "shared with the tests of the operations")]
mod desk;

use std::fs::File;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use desk::{NOW, Pair, dialling, listening, loopback, name, now, op, ready};
use sansock::{
    Connection, Dialer, DialerConfig, FaultKind, Listener, ListenerConfig, Machine, Op, OptionName, Outcome, RefusedOptions,
    Setting, SocketOptions, Stream,
};
use sansock_system::Sockets;
use socket2::SockRef;

/// A dialer's socket with these options, under `name(5)`, and what was refused.
fn created(sockets: &mut Sockets, options: SocketOptions) -> RefusedOptions {
    let config = DialerConfig::new(vec![loopback().into()]).unwrap().options(options);
    let mut dialer = Dialer::new(config.into());
    dialer.start(NOW).unwrap();
    dialer.offer(NOW, name(5)).unwrap();
    match now(&mut dialer, sockets) {
        Outcome::Created(refused) => refused,
        outcome => panic!("{outcome:?} of a creation"),
    }
}

#[test]
fn options_that_are_asked_for_are_set_and_the_others_are_left() {
    let mut sockets = Sockets::new();
    let options = SocketOptions {
        no_delay: Setting::Required(true),
        keep_alive: Setting::BestEffort(Duration::from_secs(77)),
        send_buffer: Setting::BestEffort(20_000),
        receive_buffer: Setting::BestEffort(30_000),
        ..SocketOptions::default()
    };
    assert_eq!(created(&mut sockets, options), RefusedOptions::NONE);
    let socket = SockRef::from(&**sockets.handle(name(5)).unwrap());
    assert!(socket.tcp_nodelay().unwrap() && socket.keepalive().unwrap() && !socket.reuse_address().unwrap());
    assert_eq!(socket.tcp_keepalive_time().unwrap(), Duration::from_secs(77));
    // Linux doubles what it is asked for.
    assert!((20_000..=40_000).contains(&socket.send_buffer_size().unwrap()));
    assert!((30_000..=60_000).contains(&socket.recv_buffer_size().unwrap()));

    let mut sockets = Sockets::new();
    assert_eq!(created(&mut sockets, SocketOptions::default()), RefusedOptions::NONE);
    let socket = SockRef::from(&**sockets.handle(name(5)).unwrap());
    assert!(!socket.tcp_nodelay().unwrap() && !socket.keepalive().unwrap());
}

// X14: the socket is there all the same. What a refusal means, the machine decides.
#[test]
fn x014_an_option_that_is_refused_is_named() {
    let mut sockets = Sockets::new();
    let options = SocketOptions { keep_alive: Setting::Required(Duration::ZERO), ..SocketOptions::CONNECTION };
    assert_eq!(created(&mut sockets, options), RefusedOptions::NONE.with(OptionName::KeepAlive));
    assert!(sockets.handle(name(5)).is_some());
}

#[test]
fn x010_a_listener_for_ipv6_takes_no_ipv4_whatever_the_system_likes() {
    let mut sockets = Sockets::new();
    let address = SocketAddr::from(([0_u16; 8], 0));
    let mut listener = Listener::new(name(1), Arc::new(ListenerConfig::new(address)));
    listener.start(NOW).unwrap();
    let created = now(&mut listener, &mut sockets);
    if has_ipv6() {
        assert_eq!(created, Outcome::Created(RefusedOptions::NONE));
        assert!(SockRef::from(&**sockets.handle(name(1)).unwrap()).only_v6().unwrap());
    } else {
        // X11
        assert!(matches!(created, Outcome::Failed(fault) if fault.kind() == FaultKind::Unsupported), "{created:?}");
    }
}

fn has_ipv6() -> bool {
    TcpListener::bind(SocketAddr::from(([0_u16, 0, 0, 0, 0, 0, 0, 1], 0))).is_ok()
}

/// What is refused of an accepted socket that is to take no IPv4.
fn refused_of_accepted(address: SocketAddr) -> RefusedOptions {
    let accepted = SocketOptions { only_v6: Setting::BestEffort(true), ..SocketOptions::default() };
    let mut sockets = Sockets::new();
    let mut listener = Listener::new(name(1), Arc::new(ListenerConfig::new(address).accepted_options(accepted)));
    listener.start(NOW).unwrap();
    for _ in 0..3 {
        now(&mut listener, &mut sockets);
    }
    let address = sockets.handle(name(1)).unwrap().local_addr().unwrap();
    listener.offer(NOW, name(2)).unwrap();
    let _peer = TcpStream::connect(address).unwrap();
    match soon(&mut listener, &mut sockets) {
        Outcome::Connected(connected) => connected.refused,
        outcome => panic!("{outcome:?} of an accept"),
    }
}

// An option of IPv6 is no option of IPv4; of a socket that is bound already it comes too late.
#[test]
fn only_v6_is_asked_of_ipv6_alone() {
    assert_eq!(refused_of_accepted(loopback()), RefusedOptions::NONE);
    if has_ipv6() {
        let refused = refused_of_accepted(SocketAddr::from(([0_u16, 0, 0, 0, 0, 0, 0, 1], 0)));
        assert_eq!(refused, RefusedOptions::NONE.with(OptionName::OnlyV6));
    }
}

// X15: what is accepted gets its own, whatever the listener has.
#[test]
fn x015_an_accepted_socket_has_options_of_its_own() {
    for no_delay in [Setting::Required(true), Setting::Leave] {
        let accepted = SocketOptions { no_delay, ..SocketOptions::default() };
        let mut sockets = Sockets::new();
        let config = ListenerConfig::new(loopback()).accepted_options(accepted);
        let mut listener = Listener::new(name(1), Arc::new(config));
        listener.start(NOW).unwrap();
        for _ in 0..3 {
            now(&mut listener, &mut sockets);
        }
        let address = sockets.handle(name(1)).unwrap().local_addr().unwrap();
        listener.offer(NOW, name(2)).unwrap();
        let _peer = TcpStream::connect(address).unwrap();
        assert!(matches!(soon(&mut listener, &mut sockets), Outcome::Connected(_)));
        assert_eq!(sockets.handle(name(2)).unwrap().nodelay().unwrap(), no_delay == Setting::Required(true));
    }
}

// X13: more than the system's limit is no error, and none is a backlog as well.
#[test]
fn x013_any_backlog_is_taken_and_the_system_caps_it() {
    for backlog in [0, u32::MAX] {
        let mut sockets = Sockets::new();
        let mut listener = Listener::new(name(1), Arc::new(ListenerConfig::new(loopback()).backlog(backlog)));
        listener.start(NOW).unwrap();
        for _ in 0..2 {
            now(&mut listener, &mut sockets);
        }
        assert!(matches!(now(&mut listener, &mut sockets), Outcome::Local(Some(_))));
    }
}

// X114: neither what dials, listens nor was accepted lingers in the system, where a close would wait.
#[test]
fn x114_no_socket_lingers_in_the_system() {
    let mut sockets = Sockets::new();
    let (mut listener, address) = listening(&mut sockets);
    let _dialer = dialling(&mut sockets, 5, address);
    listener.offer(NOW, name(2)).unwrap();
    let _peer = TcpStream::connect(address).unwrap();
    assert!(matches!(soon(&mut listener, &mut sockets), Outcome::Connected(_)));
    for slot in [1, 2, 5] {
        assert_eq!(SockRef::from(&**sockets.handle(name(slot)).unwrap()).linger().unwrap(), None);
    }
}

// X113: this is no socket, so the reset is refused.
#[test]
fn x113_a_close_whose_reset_is_refused_closes_all_the_same() {
    let mut sockets = Sockets::new();
    let handle = Arc::new(TcpStream::from(OwnedFd::from(File::open("/dev/null").unwrap())));
    let watch = Arc::downgrade(&handle);
    sockets.insert(name(1), handle);
    let mut connection = Connection::new(NOW, name(1), Arc::default());
    connection.abort(NOW);
    assert_eq!(now(&mut connection, &mut sockets), Outcome::Done);
    assert!(watch.upgrade().is_none(), "it is still open");
}

#[test]
fn x099_urgent_data_is_left_out_and_does_not_split_the_stream() {
    let mut pair = Pair::new();
    let peer = SockRef::from(&pair.peer);
    peer.send(b"ab").unwrap();
    peer.send_out_of_band(b"!").unwrap();
    peer.send(b"cd").unwrap();
    let mut received = Vec::new();
    while received.len() < 4 {
        let done = match pair.sockets.submit(op(&mut pair.connection)) {
            Some(done) => done,
            None => ready(&mut pair.sockets).pop().unwrap(),
        };
        let Outcome::Data(data) = done.outcome() else { panic!("{done:?}") };
        received.extend_from_slice(data);
        pair.connection.complete(NOW, done).unwrap();
    }
    assert_eq!(received, b"abcd");
}

// X97: as few pieces as one system call takes, whatever is queued.
#[test]
fn x097_a_send_carries_few_pieces() {
    let mut pair = Pair::new();
    for _ in 0..100 {
        pair.connection.send(NOW, Bytes::from(vec![1; 5000])).unwrap();
    }
    let Op::Send(op) = op(&mut pair.connection) else { panic!("a send") };
    assert_eq!(op.chunks().len(), sansock::MAX_CHUNKS);
    let asked = op.asked();
    assert!(matches!(pair.sockets.submit(Op::Send(op)).unwrap().outcome(), Outcome::Sent(count) if *count <= asked));
}

/// The next operation, carried out at once or as soon as its socket is ready.
fn soon<M: Machine>(machine: &mut M, sockets: &mut Sockets) -> Outcome {
    let done = sockets.submit(op(machine)).or_else(|| ready(sockets).pop()).expect("it is the only one that waits");
    let outcome = done.outcome().clone();
    machine.complete(NOW, done).unwrap();
    outcome
}
