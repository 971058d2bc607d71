//! The table of sockets on loopback: each operation at once, later, cancelled, and under a name that is none.

#[path = "common/desk.rs"]
mod desk;

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use desk::{NOW, Pair, accept_into, dialling, failed, later, listening, loopback, name, now, op, ready, retry};
use rustix::event::{PollFd, PollFlags, poll};
use sansock::{Connection, Fault, FaultKind, Listener, ListenerConfig, Machine, Op, OpKind, Outcome, SocketId, Stream};
use sansock_system::{Interest, Ready, Sockets};

fn interest(readable: bool, writable: bool) -> Interest {
    Interest { readable, writable }
}

#[test]
fn a_receive_waits_for_bytes_then_for_the_end() {
    let mut pair = Pair::new();
    later(&mut pair.connection, &mut pair.sockets);
    assert_eq!(pair.sockets.interest(name(1)), interest(true, false));
    // X27, X78: a wake-up for nothing, and one for the other direction.
    assert_eq!(retry(&mut pair.sockets, name(1), Ready::Readable), None);
    assert_eq!(retry(&mut pair.sockets, name(1), Ready::Writable), None);
    assert_eq!(pair.sockets.interest(name(1)), interest(true, false));

    pair.peer.write_all(b"hello").unwrap();
    let done = ready(&mut pair.sockets).pop().unwrap();
    assert_eq!(done.outcome(), &Outcome::Data(Bytes::from_static(b"hello")));
    assert_eq!(pair.sockets.interest(name(1)), Interest::default());
    pair.connection.complete(NOW, done).unwrap();

    later(&mut pair.connection, &mut pair.sockets);
    drop(pair.peer);
    assert_eq!(ready(&mut pair.sockets).pop().unwrap().outcome(), &Outcome::Eof);
}

#[test]
fn a_receive_from_a_peer_that_resets_is_an_error() {
    let mut pair = Pair::new();
    later(&mut pair.connection, &mut pair.sockets);
    socket2::SockRef::from(&pair.peer).set_linger(Some(Duration::ZERO)).unwrap();
    drop(pair.peer);
    let done = ready(&mut pair.sockets).pop().unwrap();
    assert!(matches!(done.outcome(), Outcome::Failed(fault) if fault.kind() == FaultKind::ConnectionReset), "{done:?}");
}

// X73, X98: a send that the socket does not take waits, and then gives what it took; receiving goes on beside it.
#[test]
fn a_send_waits_for_room() {
    let mut pair = Pair::new();
    pair.fill();
    assert_eq!(pair.sockets.interest(name(1)), interest(false, true));
    later(&mut pair.connection, &mut pair.sockets);
    assert_eq!(pair.sockets.interest(name(1)), interest(true, true));
    let mut peer = pair.peer.try_clone().unwrap();
    let reader = std::thread::spawn(move || io::copy(&mut peer, &mut io::sink()));
    let done = ready(&mut pair.sockets).pop().unwrap();
    assert!(matches!(done.outcome(), Outcome::Sent(count) if *count > 0));
    pair.connection.complete(NOW, done).unwrap();
    assert_eq!(pair.sockets.interest(name(1)), interest(true, false));
    drop(pair.sockets);
    reader.join().unwrap().unwrap();
}

#[test]
fn one_report_of_both_directions_is_enough_for_what_waits_in_each() {
    let mut pair = Pair::new();
    pair.fill();
    later(&mut pair.connection, &mut pair.sockets);
    pair.peer.write_all(b"hello").unwrap();
    let mut peer = pair.peer.try_clone().unwrap();
    let reader = std::thread::spawn(move || io::copy(&mut peer, &mut io::sink()));
    let handle = Arc::clone(pair.sockets.handle(name(1)).unwrap());
    // Each flag is waited for: the bytes may take their time, and so may the room.
    for flag in [PollFlags::IN, PollFlags::OUT] {
        poll(&mut [PollFd::new(&*handle, flag)], None).unwrap();
    }
    let ready = Ready::of(true, true).unwrap();
    assert_eq!((ready, ready.directions()), (Ready::Both, Interest::BOTH));
    let received = retry(&mut pair.sockets, name(1), ready).expect("what came");
    assert_eq!(received.outcome(), &Outcome::Data(Bytes::from_static(b"hello")));
    let sent = pair.sockets.retry(name(1)).expect("what was sent");
    assert!(matches!(sent.outcome(), Outcome::Sent(count) if *count > 0));
    assert_eq!(pair.sockets.retry(name(1)), None);
    assert_eq!([Ready::of(true, false), Ready::of(false, true)], [Some(Ready::Readable), Some(Ready::Writable)]);
    assert_eq!(Ready::of(false, false), None);
    drop((pair.sockets, handle));
    reader.join().unwrap().unwrap();
}

#[test]
fn chunks_are_sent_in_their_order_in_one_call() {
    let mut pair = Pair::new();
    for chunk in [vec![1; 5000], vec![2; 5000], vec![3; 3]] {
        pair.connection.send(NOW, Bytes::from(chunk)).unwrap();
    }
    let Op::Send(op) = op(&mut pair.connection) else { panic!("a send") };
    assert_eq!(op.chunks().len(), 3);
    assert_eq!(pair.sockets.submit(Op::Send(op)).unwrap().outcome(), &Outcome::Sent(10_003));
    let mut received = vec![0; 10_003];
    pair.peer.read_exact(&mut received).unwrap();
    assert!(received.is_sorted() && received[9_999] == 2 && received[10_000] == 3);
}

// X91: an error, and no signal. The first send of all only learns that the peer is gone; the second says so.
#[test]
fn x091_sending_to_a_peer_that_is_gone_is_an_error() {
    let mut pair = Pair::new();
    drop(pair.peer);
    let outcome = loop {
        let _ = pair.connection.send(NOW, Bytes::from_static(b"x"));
        let Op::Send(op) = op(&mut pair.connection) else { continue };
        let done = pair.sockets.submit(Op::Send(op)).unwrap();
        if let Outcome::Failed(fault) = done.outcome() {
            break fault.kind();
        }
        pair.connection.complete(NOW, done).unwrap();
    };
    assert!(matches!(outcome, FaultKind::BrokenPipe | FaultKind::ConnectionReset), "{outcome:?}");
}

#[test]
fn shutdown_is_an_end_for_the_peer_and_an_abortive_close_a_reset() {
    let mut pair = Pair::new();
    pair.connection.half_close(NOW);
    assert_eq!(now(&mut pair.connection, &mut pair.sockets), Outcome::Done);
    assert_eq!(pair.peer.read(&mut [0]).unwrap(), 0);

    let mut pair = Pair::new();
    pair.connection.abort(NOW);
    assert_eq!(now(&mut pair.connection, &mut pair.sockets), Outcome::Done);
    assert!(pair.sockets.handle(name(1)).is_none());
    assert_eq!(pair.peer.read(&mut [0]).unwrap_err().kind(), io::ErrorKind::ConnectionReset);
}

#[test]
fn a_cancel_completes_what_waits_once() {
    let mut pair = Pair::new();
    pair.fill();
    later(&mut pair.connection, &mut pair.sockets);
    pair.connection.abort(NOW);
    let mut cancelled = Vec::new();
    for _ in 0..2 {
        let Op::Cancel(op) = op(&mut pair.connection) else { panic!("a receive and a send to cancel") };
        let target = op.target();
        let done = pair.sockets.submit(Op::Cancel(op)).expect("it waits here");
        assert_eq!((done.id(), done.outcome()), (target, &failed(FaultKind::Cancelled)));
        pair.connection.complete(NOW, done).unwrap();
        cancelled.push(target.kind());
    }
    assert_eq!(cancelled, [OpKind::Recv, OpKind::Send]);
    assert_eq!(pair.sockets.interest(name(1)), Interest::default());
    assert_eq!(now(&mut pair.connection, &mut pair.sockets), Outcome::Done, "then it is closed");
}

// A cancel that comes too late has nothing to complete.
#[test]
fn a_cancel_of_what_does_not_wait_does_nothing() {
    let mut pair = Pair::new();
    later(&mut pair.connection, &mut pair.sockets);
    pair.peer.write_all(b"x").unwrap();
    let done = ready(&mut pair.sockets).pop().unwrap();
    pair.connection.abort(NOW);
    let cancel = op(&mut pair.connection);
    assert!(matches!(cancel, Op::Cancel(_)));
    assert_eq!(pair.sockets.submit(cancel), None);
    pair.connection.complete(NOW, done).unwrap();
}

#[test]
fn accepts_that_wait_are_served_in_their_order() {
    let mut sockets = Sockets::new();
    let (_, address) = listening(&mut sockets);
    let order = [4, 2, 3].map(name);
    for slot in order {
        assert_eq!(sockets.submit(Op::Accept(accept_into(slot.slot()))), None);
    }
    let mut served = Vec::new();
    for connections in 1..=3 {
        let peer = TcpStream::connect(address).unwrap();
        for done in ready(&mut sockets) {
            let Outcome::Connected(connected) = done.outcome() else { panic!("{done:?}") };
            assert_eq!(connected.peer, Some(peer.local_addr().unwrap().into()));
            served.push(done.id().socket());
        }
        assert_eq!(served, order[..connections], "one connection, one accept");
        assert!(sockets.handle(served[connections - 1]).is_some());
    }
    assert_eq!(sockets.interest(name(1)), Interest::default());
}

#[test]
fn one_accept_is_cancelled_and_the_other_waits_on() {
    let mut sockets = Sockets::new();
    let (mut listener, address) = listening(&mut sockets);
    assert_eq!(sockets.submit(Op::Accept(accept_into(3))), None);
    listener.offer(NOW, name(2)).unwrap();
    later(&mut listener, &mut sockets);
    listener.stop(NOW);
    let Op::Cancel(cancel) = op(&mut listener) else { panic!("what waits is cancelled") };
    let done = sockets.submit(Op::Cancel(cancel)).expect("it waits here");
    assert_eq!((done.id().socket(), done.outcome()), (name(2), &failed(FaultKind::Cancelled)));
    let _peer = TcpStream::connect(address).unwrap();
    let done = ready(&mut sockets).pop().unwrap();
    assert!(done.id().socket() == name(3) && matches!(done.outcome(), Outcome::Connected(_)));
}

#[test]
fn an_accept_that_must_not_wait_says_that_there_is_none() {
    let mut sockets = Sockets::new();
    let (mut listener, address) = listening(&mut sockets);
    let _peer = TcpStream::connect(address).unwrap();
    poll(&mut [PollFd::new(&**sockets.handle(name(1)).unwrap(), PollFlags::IN)], None).unwrap();
    listener.sweep(NOW);
    for (slot, expected) in [(2, true), (3, false)] {
        listener.offer(NOW, name(slot)).unwrap();
        let outcome = now(&mut listener, &mut sockets);
        assert_eq!(matches!(outcome, Outcome::Connected(_)), expected, "{outcome:?}");
        assert_eq!(matches!(outcome, Outcome::NoneWaiting), !expected, "{outcome:?}");
    }
}

#[test]
fn x016_an_accept_on_a_socket_that_does_not_listen_says_so() {
    let mut pair = Pair::new();
    assert_eq!(pair.sockets.submit(Op::Accept(accept_into(2))), None);
    let done = retry(&mut pair.sockets, name(1), Ready::Readable).expect("it was tried");
    assert!(matches!(done.outcome(), Outcome::Failed(fault) if fault.kind() == FaultKind::InvalidArgument), "{done:?}");
}

// X55
#[test]
fn x055_a_connect_is_under_way_until_the_socket_is_writable() {
    let peer = TcpListener::bind(loopback()).unwrap();
    let address = peer.local_addr().unwrap();
    let mut sockets = Sockets::new();
    let mut dialer = dialling(&mut sockets, 5, address);
    let done = match sockets.submit(op(&mut dialer)) {
        Some(done) => done,
        None => {
            assert_eq!(sockets.interest(name(5)), interest(false, true));
            ready(&mut sockets).pop().unwrap()
        }
    };
    let Outcome::Connected(connected) = done.outcome() else { panic!("{done:?}") };
    assert_eq!(connected.peer, Some(address.into()));
    assert_eq!(connected.local, Some(peer.accept().unwrap().1.into()));
}

// X43: the port was a listener's a moment ago, so nobody else has it.
#[test]
fn a_connect_to_nobody_is_refused() {
    let address = TcpListener::bind(loopback()).unwrap().local_addr().unwrap();
    let mut sockets = Sockets::new();
    let mut dialer = dialling(&mut sockets, 5, address);
    let done = sockets.submit(op(&mut dialer)).unwrap_or_else(|| ready(&mut sockets).pop().unwrap());
    assert!(matches!(done.outcome(), Outcome::Failed(fault) if fault.kind() == FaultKind::ConnectionRefused), "{done:?}");
    assert_eq!(retry(&mut sockets, name(5), Ready::Writable), None, "once");
}

/// A listener whose queue is full: further connects get no answer.
fn black_hole() -> (socket2::Socket, Vec<TcpStream>, SocketAddr) {
    let listener = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    listener.bind(&loopback().into()).unwrap();
    listener.listen(0).unwrap();
    let address = listener.local_addr().unwrap().as_socket().unwrap();
    let mut queued = Vec::new();
    while let Ok(stream) = TcpStream::connect_timeout(&address, Duration::from_millis(100)) {
        queued.push(stream);
    }
    (listener, queued, address)
}

// X63, X44
#[test]
fn x063_a_connect_that_gets_no_answer_is_cancelled() {
    let (_listener, _queued, address) = black_hole();
    let mut sockets = Sockets::new();
    let mut dialer = dialling(&mut sockets, 5, address);
    later(&mut dialer, &mut sockets);
    // A wake-up for nothing does not look like a connection.
    assert_eq!(retry(&mut sockets, name(5), Ready::Writable), None);
    dialer.cancel(NOW);
    let done = sockets.submit(op(&mut dialer)).expect("it waits here");
    assert_eq!((done.id().kind(), done.outcome()), (OpKind::Connect, &failed(FaultKind::Cancelled)));
    dialer.complete(NOW, done).unwrap();
    assert_eq!(now(&mut dialer, &mut sockets), Outcome::Done, "then it is closed");
    assert!(sockets.handle(name(5)).is_none());
}

// C8: the hang-up of a socket that does not connect any more would wake the loop for ever.
#[cfg(target_os = "linux")]
#[test]
fn a_connect_that_has_ended_without_an_error_fails() {
    let (_listener, _queued, address) = black_hole();
    let mut sockets = Sockets::new();
    let mut dialer = dialling(&mut sockets, 5, address);
    later(&mut dialer, &mut sockets);
    assert_eq!(retry(&mut sockets, name(5), Ready::Writable), None);
    let handle = sockets.handle(name(5)).unwrap();
    rustix::net::connect_unspec(handle).unwrap();
    // Somebody else hears of it.
    assert!(handle.take_error().unwrap().is_some());
    let done = ready(&mut sockets).pop().expect("it is hung up");
    assert!(matches!(done.outcome(), Outcome::Failed(fault) if fault.kind() == FaultKind::NotConnected), "{done:?}");
}

// X61: nothing to map on this system.
#[cfg(target_os = "linux")]
#[test]
fn x061_the_unspecified_address_leads_to_this_host() {
    let peer = TcpListener::bind(loopback()).unwrap();
    let port = peer.local_addr().unwrap().port();
    let mut sockets = Sockets::new();
    let mut dialer = dialling(&mut sockets, 5, SocketAddr::from(([0, 0, 0, 0], port)));
    let done = sockets.submit(op(&mut dialer)).unwrap_or_else(|| ready(&mut sockets).pop().unwrap());
    let Outcome::Connected(connected) = done.outcome() else { panic!("{done:?}") };
    assert_eq!(connected.peer, Some(peer.local_addr().unwrap().into()));
}

#[test]
fn what_waits_fails_when_the_socket_cannot_be_watched() {
    let mut pair = Pair::new();
    pair.fill();
    later(&mut pair.connection, &mut pair.sockets);
    let error = io::Error::from_raw_os_error(12);
    let no_memory = Outcome::Failed(Fault::with_code(FaultKind::NoMemory, 12));
    for kind in [OpKind::Recv, OpKind::Send] {
        let done = pair.sockets.fail(name(1), &error).unwrap();
        assert_eq!((done.id().kind(), done.outcome()), (kind, &no_memory));
    }
    assert_eq!(pair.sockets.fail(name(1), &error), None);
    assert_eq!(pair.sockets.fail(name(9), &error), None);

    let mut sockets = Sockets::new();
    let (mut listener, _) = listening(&mut sockets);
    listener.offer(NOW, name(2)).unwrap();
    later(&mut listener, &mut sockets);
    assert_eq!(sockets.fail(name(1), &error).unwrap().outcome(), &no_memory);
}

// H6: no operation finds a socket under a name that is none, and closing nothing succeeds.
#[test]
fn an_operation_under_a_name_that_is_none_fails() {
    let bad = failed(FaultKind::BadDescriptor);
    let mut nothing = Sockets::new();
    let connection = || Connection::new(NOW, name(1), Arc::default());
    assert_eq!(now(&mut connection(), &mut nothing), bad, "receive");
    let mut sender = connection();
    sender.send(NOW, Bytes::from_static(b"x")).unwrap();
    assert_eq!(now(&mut sender, &mut nothing), bad, "send");
    let mut ending = connection();
    ending.half_close(NOW);
    assert_eq!(now(&mut ending, &mut nothing), bad, "shutdown");
    let mut aborted = connection();
    aborted.abort(NOW);
    assert_eq!(now(&mut aborted, &mut nothing), Outcome::Done, "close");

    let mut sockets = Sockets::new();
    let mut dialer = dialling(&mut sockets, 5, loopback());
    assert_eq!(now(&mut dialer, &mut nothing), bad, "connect");
    let (mut listener, _) = listening(&mut sockets);
    listener.offer(NOW, name(2)).unwrap();
    assert_eq!(now(&mut listener, &mut nothing), bad, "accept");
    assert_eq!((retry(&mut nothing, name(1), Ready::Readable), nothing.interest(name(1))), (None, Interest::default()));
    assert!(nothing.take(name(1)).is_none() && nothing.waiting().next().is_none());
}

/// A name of the same slot, one use later.
fn next_use(slot: u32) -> SocketId {
    SocketId::new(slot, 1).unwrap()
}

// X146, D2
#[test]
fn a_stale_name_is_none_and_a_name_in_use_is_not_given_twice() {
    let mut pair = Pair::new();
    assert!(pair.sockets.handle(next_use(1)).is_none());
    assert!(pair.sockets.take(next_use(1)).is_none());
    later(&mut pair.connection, &mut pair.sockets);
    let mut stale = Connection::new(NOW, next_use(1), Arc::default());
    assert_eq!(now(&mut stale, &mut pair.sockets), failed(FaultKind::BadDescriptor));

    let mut listener = Listener::new(next_use(1), Arc::new(ListenerConfig::new(loopback())));
    listener.start(NOW).unwrap();
    assert_eq!(now(&mut listener, &mut pair.sockets), failed(FaultKind::BadDescriptor), "the slot is taken");
    assert!(pair.sockets.handle(name(1)).is_some(), "its socket is still there");
}

#[test]
fn a_table_that_starts_higher_has_no_lower_names() {
    let mut pair = Pair::new();
    let handle = pair.sockets.take(name(1)).unwrap();
    assert!(pair.sockets.handle(name(1)).is_none());
    let mut higher = Sockets::starting_at(7);
    higher.insert(name(6), Arc::clone(&handle));
    assert!(higher.handle(name(6)).is_none() && Arc::strong_count(&handle) == 1);
    let mut listener = Listener::new(name(6), Arc::new(ListenerConfig::new(loopback())));
    listener.start(NOW).unwrap();
    assert_eq!(now(&mut listener, &mut higher), failed(FaultKind::BadDescriptor));
    higher.insert(name(7), handle);
    assert!(higher.handle(name(7)).is_some());
}

// X2: the address is part of what the core says; the number of the system is kept.
#[test]
fn a_bind_or_listen_that_fails_says_why() {
    let taken = TcpListener::bind(loopback()).unwrap();
    let mut sockets = Sockets::new();
    let mut listener = Listener::new(name(1), Arc::new(ListenerConfig::new(taken.local_addr().unwrap())));
    listener.start(NOW).unwrap();
    now(&mut listener, &mut sockets);
    let outcome = match now(&mut listener, &mut sockets) {
        // With SO_REUSEADDR some systems say so when listening.
        Outcome::Local(_) => now(&mut listener, &mut sockets),
        outcome => outcome,
    };
    assert!(matches!(outcome, Outcome::Failed(fault) if fault.kind() == FaultKind::AddressInUse && fault.code().is_some()));
}
