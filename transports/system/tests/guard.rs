//! Handlers and services that panic, one callback after the other.

use std::cell::RefCell;
use std::panic::panic_any;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use sansock::{
    CloseReason, CloseReport, Completion, ConnectionConfig, Context, FaultKind, Handler, Machine, Op, OpKind, Order, Origin,
    Outcome, Output, Peer, Service, Session, SessionEvent, SocketId, TimerId, Timestamp, Verdict,
};
use sansock_system::CatchPanics;

const CALLBACKS: [&str; 9] =
    ["open", "message", "undelivered", "data", "writable", "timer", "peer finished", "draining", "closed"];

/// Panics in one of its callbacks, and writes down which were called.
struct Bomb {
    panics_in: &'static str,
    calls: Rc<RefCell<Vec<&'static str>>>,
}

impl Bomb {
    fn enter(&self, callback: &'static str) {
        self.calls.borrow_mut().push(callback);
        assert!(callback != self.panics_in, "in {callback}");
    }
}

impl Handler for Bomb {
    type Message = ();

    fn on_open(&mut self, cx: &mut Context<'_, ()>) {
        cx.set_timer(TimerId::A, Duration::from_secs(1));
        let _ = cx.send(vec![0; 100]);
        self.enter("open");
    }

    fn on_data(&mut self, _: &mut Context<'_, ()>, _: Bytes) {
        self.enter("data");
    }

    fn on_peer_finished(&mut self, _: &mut Context<'_, ()>) {
        self.enter("peer finished");
    }

    fn on_writable(&mut self, _: &mut Context<'_, ()>) {
        self.enter("writable");
    }

    fn on_timer(&mut self, _: &mut Context<'_, ()>, _: TimerId) {
        self.enter("timer");
    }

    fn on_message(&mut self, _: &mut Context<'_, ()>, (): ()) {
        self.enter("message");
    }

    fn on_undelivered(&mut self, _: &mut Context<'_, ()>, _: SocketId, (): ()) {
        self.enter("undelivered");
    }

    fn on_draining(&mut self, _: &mut Context<'_, ()>) {
        self.enter("draining");
    }

    fn on_closed(&mut self, _: &CloseReport) {
        self.enter("closed");
    }
}

fn peer() -> Peer {
    Peer { address: None, local: None, origin: Origin::Accepted { listener: 0 } }
}

/// A session, and the time.
struct Stage<H: Handler<Message = ()>> {
    session: Session<CatchPanics<H>>,
    now: Timestamp,
    closed: Option<CloseReport>,
}

impl<H: Handler<Message = ()>> Stage<H> {
    fn new(handler: H) -> Self {
        let config = ConnectionConfig::default().send_queue(1, 100).unwrap();
        let socket = SocketId::new(0, 0).unwrap();
        let session = Session::new(Timestamp::ZERO, socket, peer(), config.into(), CatchPanics::new(handler));
        Self { session, now: Timestamp::ZERO, closed: None }
    }

    /// Everything that a handler can see, one after the other, as far as the connection lives to see it.
    fn play(&mut self) {
        self.session.open(self.now);
        let _ = self.session.deliver(self.now, ());
        self.session.undelivered(self.now, SocketId::new(1, 0).unwrap(), ());
        self.answer(|| Outcome::Data(Bytes::from_static(b"x")));
        self.now = Timestamp::from_secs(1);
        self.session.handle_timeout(self.now);
        self.answer(|| Outcome::Eof);
        self.session.order(self.now, Order::Drain(Timestamp::from_secs(9)));
        self.session.order(self.now, Order::Abort);
        self.answer(|| Outcome::Eof);
    }

    /// Carries out what the session wants; a receive comes to this.
    fn answer(&mut self, received: impl Fn() -> Outcome) {
        let mut waiting = None;
        while let Some(output) = self.session.poll() {
            let done = match output {
                Output::Event(SessionEvent::Closed(report)) => {
                    self.closed = Some(report);
                    continue;
                }
                Output::Event(SessionEvent::Post { .. }) => continue,
                Output::Submit(Op::Recv(op)) => {
                    waiting = Some(op.id());
                    continue;
                }
                Output::Submit(Op::Cancel(op)) => {
                    waiting = waiting.filter(|id| *id != op.target());
                    Completion::from_raw(op.target(), Outcome::Failed(FaultKind::Cancelled.into()))
                }
                Output::Submit(Op::Send(op)) => {
                    let asked = op.asked();
                    op.sent(asked)
                }
                Output::Submit(op) => Completion::from_raw(op.id(), Outcome::Done),
            };
            self.session.complete(self.now, done).unwrap();
        }
        if let Some(id) = waiting {
            assert_eq!(id.kind(), OpKind::Recv);
            self.session.complete(self.now, Completion::from_raw(id, received())).unwrap();
        }
    }
}

// G3
#[test]
fn a_handler_that_panics_is_aborted_and_not_called_again_whichever_callback_it_was() {
    for panics_in in CALLBACKS {
        let calls = Rc::default();
        let mut stage = Stage::new(Bomb { panics_in, calls: Rc::clone(&calls) });
        stage.play();
        let report = stage.closed.expect("an end");
        let calls = calls.borrow();
        assert_eq!(calls.last(), Some(&panics_in), "the last call: {calls:?}");
        let expected = if panics_in == "closed" { CloseReason::Ordered } else { CloseReason::HandlerFailed };
        assert_eq!(report.reason, expected, "in {panics_in}");
    }
}

#[test]
fn a_handler_that_does_not_panic_sees_everything() {
    let calls = Rc::default();
    let mut stage = Stage::new(Bomb { panics_in: "", calls: Rc::clone(&calls) });
    stage.play();
    let (mut seen, mut all) = (calls.borrow().clone(), CALLBACKS.to_vec());
    seen.sort_unstable();
    all.sort_unstable();
    assert_eq!(seen, all);
    assert_eq!(stage.session.handler().inner().panics_in, "");
}

/// Panics when it is dropped, also if that is because of a panic.
struct Spiteful;

impl Drop for Spiteful {
    fn drop(&mut self) {
        panic!("while it is dropped");
    }
}

/// Panics with something that panics when it is dropped.
struct Fuse(#[allow(dead_code, reason = "dropped")] Spiteful);

impl Handler for Fuse {
    type Message = ();

    fn on_open(&mut self, _: &mut Context<'_, ()>) {
        panic_any(Spiteful);
    }

    fn on_data(&mut self, _: &mut Context<'_, ()>, _: Bytes) {}
}

// G3
#[test]
fn what_panics_while_it_is_dropped_does_no_more_harm() {
    let mut stage = Stage::new(Fuse(Spiteful));
    stage.play();
    assert_eq!(stage.closed.expect("an end").reason, CloseReason::HandlerFailed);
    drop(stage);
}

// X36: a connection for which no handler could be made is turned away, and the next one is not.
#[test]
fn x036_a_service_that_panics_rejects_that_connection_alone() {
    let mut first = true;
    let mut service = CatchPanics::new(move |_: &Peer| {
        assert!(!std::mem::take(&mut first), "at the first connection");
        Verdict::Accept(Bomb { panics_in: "", calls: Rc::default() })
    });
    assert!(matches!(service.accept(&peer()), Verdict::Reject));
    assert!(matches!(service.accept(&peer()), Verdict::Accept(_)));
}
