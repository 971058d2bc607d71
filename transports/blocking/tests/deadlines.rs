//! Deadlines of several connections: their threads wait without a time-out, and another thread wakes them.

use std::convert::Infallible;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use bytes::Bytes;
use sansock::{Address, CloseReason, ConnectionConfig, Context, Handler, Peer, ServerConfig, ServerReport, TimerId, Verdict};
use sansock_blocking::{Notice, Running, serve};

const WATCHDOG: Duration = Duration::from_secs(60);

/// Sends everything back; aborts when its time is over.
struct Timed(Option<Duration>);

impl Handler for Timed {
    type Message = Infallible;

    fn on_open(&mut self, cx: &mut Context<'_, Infallible>) {
        if let Some(after) = self.0 {
            cx.set_timer(TimerId::A, after);
        }
    }

    fn on_data(&mut self, cx: &mut Context<'_, Infallible>, data: Bytes) {
        cx.send(data).unwrap();
    }

    fn on_timer(&mut self, cx: &mut Context<'_, Infallible>, _: TimerId) {
        cx.abort();
    }
}

/// A server whose connections have these timers, one after the other, and this time-out; its address, and what it notices.
fn server(
    timers: Vec<Option<Duration>>,
    read_idle: Option<Duration>,
) -> (Running<Infallible, ServerReport>, SocketAddr, Receiver<Notice>) {
    let (tell, told) = channel();
    let connection = ConnectionConfig::default().read_idle(read_idle).unwrap();
    let config = ServerConfig::new(SocketAddr::from(([127, 0, 0, 1], 0))).connection(connection);
    let mut timers = timers.into_iter();
    let service = move |_: &Peer| timers.next().map_or(Verdict::Reject, |timer| Verdict::Accept(Timed(timer)));
    let running = serve(config, service, move |notice| drop(tell.send(notice))).unwrap();
    let Ok(Notice::Listening { local: Some(Address::Ip(address)), .. }) = told.recv_timeout(WATCHDOG) else {
        panic!("it listens")
    };
    (running, address, told)
}

/// Why the next connection closes.
fn reason(told: &Receiver<Notice>) -> CloseReason {
    loop {
        if let Notice::Closed { report, .. } = told.recv_timeout(WATCHDOG).expect("nothing was noticed for a minute") {
            return report.reason;
        }
    }
}

fn round_trip(stream: &mut TcpStream) -> io::Result<()> {
    stream.write_all(b"x")?;
    stream.read_exact(&mut [0])
}

// F5: also the first, which has the latest deadline, and the second, whose deadline is earlier than what was set before.
#[test]
fn connections_with_different_deadlines_all_meet_theirs() {
    let timers = [300, 30, 150].map(|timer| Some(Duration::from_millis(timer)));
    let (running, address, told) = server(timers.to_vec(), None);
    let _streams = [(); 3].map(|()| TcpStream::connect(address).unwrap());
    assert_eq!([(); 3].map(|()| reason(&told)), [CloseReason::Aborted; 3]);
    running.stop();
    println!("{}", running.join());
}

// F5: the thread is woken when the time-out was due at first, and must be again when it is due by now.
#[test]
fn a_time_out_that_each_message_puts_off_comes_at_last() {
    let (running, address, told) = server(vec![None], Some(Duration::from_millis(200)));
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(WATCHDOG)).unwrap();
    // If this thread is kept from running for so long, the time-out comes meanwhile; that is as well.
    let _ = (0..100).try_for_each(|_| round_trip(&mut stream));
    // The server's end, upon which we end too.
    let _ = stream.read(&mut [0]);
    drop(stream);
    assert_eq!(reason(&told), CloseReason::ReadIdle);
    running.stop();
    let _ = running.join();
}
