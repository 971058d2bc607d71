//! Lines over a connection: cut anywhere, held back when nothing can be sent.

use std::convert::Infallible;

use bytes::Bytes;
use sansock::{
    ConnectionConfig, Context, Handler, Machine, Op, Origin, Output, Peer, SendOp, Session, SessionEvent, SocketId, Timestamp,
};
use sansock_tests::apps::lines::{Garbled, LONGEST, Lines, Obey};

fn taken(lines: &mut Lines) -> Vec<String> {
    std::iter::from_fn(|| lines.take().unwrap()).collect()
}

#[test]
fn lines_are_the_same_however_they_are_cut() {
    let text = "join amy 0\n\nsay 1 so, é, 鳥\nrest".as_bytes();
    let expected = ["join amy 0", "", "say 1 so, é, 鳥"];
    for size in 1..=text.len() {
        let mut lines = Lines::default();
        let mut got = Vec::new();
        for chunk in text.chunks(size) {
            lines.receive(chunk);
            got.extend(taken(&mut lines));
        }
        assert_eq!(got, expected, "in pieces of {size}");
        lines.receive(b"\n");
        assert_eq!(taken(&mut lines), ["rest"]);
    }
}

#[test]
fn the_longest_line_is_taken_and_a_longer_one_refused_before_its_end_comes() {
    let mut lines = Lines::default();
    let longest = "a".repeat(LONGEST - 1);
    lines.receive(format!("{longest}\n").as_bytes());
    assert_eq!(lines.take(), Ok(Some(longest)));
    lines.receive("a".repeat(LONGEST - 1).as_bytes());
    assert_eq!(lines.take(), Ok(None));
    lines.receive(b"a");
    assert_eq!(lines.take(), Err(Garbled));
}

#[test]
fn what_is_no_text_is_refused() {
    let mut lines = Lines::default();
    lines.receive(b"\xff\n");
    assert_eq!(lines.take(), Err(Garbled));
}

/// Says each line twice; knows no empty ones.
#[derive(Default)]
struct Twice(Lines);

impl Obey for Twice {
    type Message = Infallible;

    fn lines(&mut self) -> &mut Lines {
        &mut self.0
    }

    fn obey(&mut self, cx: &mut Context<'_, Infallible>, line: &str) -> Result<(), Garbled> {
        if line.is_empty() {
            return Err(Garbled);
        }
        self.0.send(cx, line);
        self.0.send(cx, line);
        Ok(())
    }
}

impl Handler for Twice {
    type Message = Infallible;

    fn on_data(&mut self, cx: &mut Context<'_, Infallible>, data: Bytes) {
        self.0.receive(&data);
        self.obey_while_ready(cx);
    }

    fn on_writable(&mut self, cx: &mut Context<'_, Infallible>) {
        self.0.flush(cx);
        self.obey_while_ready(cx);
    }
}

/// A session whose send queue holds three bytes.
fn session() -> Session<Twice> {
    let peer = Peer { address: None, local: None, origin: Origin::Accepted { listener: 0 } };
    let config = ConnectionConfig::default().send_queue(1, 3).unwrap();
    let socket = SocketId::new(0, 0).unwrap();
    let mut session = Session::new(Timestamp::ZERO, socket, peer, config.into(), Twice::default());
    session.open(Timestamp::ZERO);
    session
}

fn receive(session: &mut Session<Twice>, data: &'static [u8]) {
    match session.poll() {
        Some(Output::Submit(Op::Recv(recv))) => session.complete(Timestamp::ZERO, recv.data(Bytes::from_static(data))).unwrap(),
        other => panic!("it should receive: {other:?}"),
    }
}

fn send(session: &mut Session<Twice>) -> SendOp {
    match session.poll() {
        Some(Output::Submit(Op::Send(send))) => send,
        other => panic!("it should send: {other:?}"),
    }
}

#[test]
fn while_nothing_can_be_sent_nothing_is_obeyed_and_nothing_received() {
    let mut session = session();
    receive(&mut session, b"ab\ncd\nef\ngh");
    let mut sent = Vec::new();
    while sent.len() < 18 {
        let operation = send(&mut session);
        let size = operation.asked();
        sent.extend(operation.chunks().concat());
        // The last of it is in the queue, not held back.
        assert!(sent.len() == 18 || session.poll().is_none(), "it does not receive while it cannot send");
        session.complete(Timestamp::ZERO, operation.sent(size)).unwrap();
    }
    assert_eq!(sent, b"ab\nab\ncd\ncd\nef\nef\n");
    receive(&mut session, b"\n");
    assert_eq!(send(&mut session).chunks().concat(), b"gh\n");
}

#[test]
fn whoever_does_not_keep_to_the_protocol_is_disconnected() {
    let mut session = session();
    receive(&mut session, b"\n");
    let Some(Output::Submit(Op::Close(close))) = session.poll() else { panic!("it is closed") };
    assert!(close.abortive());
    session.complete(Timestamp::ZERO, close.done()).unwrap();
    assert!(matches!(session.poll(), Some(Output::Event(SessionEvent::Closed(_)))));
}
