//! What a handler sees of one connection: a `Session`, driven by hand.

use std::convert::Infallible;
use std::time::Duration;

use bytes::Bytes;
use sansock::{
    CloseReason, CloseReport, ConnectionConfig, Context, Ending, FaultKind, Handler, Machine, Misuse, OpKind, Order, Session,
    Stream, TimerId, Timestamp,
};
use sansock_tests::by_hand::ByHand;
use sansock_tests::drive::Quiet;

use OpKind::{Recv, Send, Shutdown};

/// Something that a handler is told to do.
#[derive(Clone, Copy, Debug)]
struct Call(fn(&mut Context<'_, Call>));

/// Writes down what it sees, and does what messages and the bytes `!`, `?` say.
#[derive(Debug, Default)]
struct Witness {
    seen: Vec<String>,
    /// What it does when it sees `!`.
    on_mark: Option<Call>,
    on_peer_finished: Option<Call>,
}

impl Handler for Witness {
    type Message = Call;

    fn on_open(&mut self, _: &mut Context<'_, Call>) {
        self.seen.push("open".into());
    }

    fn on_data(&mut self, cx: &mut Context<'_, Call>, data: Bytes) {
        self.seen.push(String::from_utf8_lossy(&data).into_owned());
        if data.ends_with(b"!")
            && let Some(call) = self.on_mark
        {
            call.0(cx);
        }
    }

    fn on_peer_finished(&mut self, cx: &mut Context<'_, Call>) {
        self.seen.push("peer finished".into());
        match self.on_peer_finished {
            Some(call) => call.0(cx),
            None => cx.finish(),
        }
    }

    fn on_message(&mut self, cx: &mut Context<'_, Call>, call: Call) {
        call.0(cx);
    }

    fn on_timer(&mut self, cx: &mut Context<'_, Call>, timer: TimerId) {
        self.seen.push(format!("timer {timer:?}"));
        // Due again at once.
        cx.set_timer(timer, Duration::ZERO);
    }

    fn on_draining(&mut self, _: &mut Context<'_, Call>) {
        self.seen.push("draining".into());
    }

    fn on_closed(&mut self, report: &CloseReport) {
        self.seen.push(report.ending.name().into());
    }
}

fn session(witness: Witness) -> ByHand<Session<Witness>> {
    ByHand::session(ConnectionConfig::default(), witness)
}

fn tell(by_hand: &mut ByHand<Session<Witness>>, call: fn(&mut Context<'_, Call>)) {
    let now = by_hand.now;
    by_hand.input(|session| session.deliver(now, Call(call))).expect("there is a session");
}

fn close(by_hand: &mut ByHand<Session<Witness>>) -> CloseReport {
    by_hand.complete_cancelled();
    by_hand.close_done();
    by_hand.report()
}

// A13
#[test]
fn a_handler_sees_the_opening_then_data_then_the_end_each_once() {
    let mut by_hand = session(Witness::default());
    by_hand.machine.open(by_hand.now);
    by_hand.receive("a");
    by_hand.receive("b");
    by_hand.receive_eof();
    by_hand.shutdown_done();
    close(&mut by_hand);
    by_hand.pass(Duration::from_secs(1_000));
    assert_eq!(by_hand.machine.handler().seen, ["open", "a", "b", "peer finished", "confirmed"]);
}

// X85, X87: what the application does among itself says nothing about the peer.
#[test]
fn x087_messages_and_timers_do_not_put_the_idle_time_out_off() {
    let mut by_hand = session(Witness::default());
    for _ in 0..6 {
        by_hand.pass(Duration::from_secs(9));
        tell(&mut by_hand, |_| {});
    }
    assert_eq!(by_hand.until_deadline(), Some(Duration::from_secs(6)));
}

// A3, X100
#[test]
fn x100_ending_the_connection_within_a_callback_discards_what_follows() {
    let calls: [Call; 3] = [Call(|cx| cx.finish()), Call(|cx| cx.close_after_flush()), Call(|cx| cx.abort())];
    for call in calls {
        let mut by_hand = session(Witness { on_mark: Some(call), ..Witness::default() });
        by_hand.receive("a!");
        if by_hand.in_flight().contains(&Recv) {
            by_hand.receive("b");
        }
        assert_eq!(by_hand.machine.handler().seen, ["open", "a!"]);
    }
}

#[test]
fn x100_what_a_callback_sends_is_queued_and_no_callback_is_entered_from_another() {
    let call = Call(|cx| {
        // More than the queue takes: no `on_writable` from here.
        let _ = cx.send(vec![7; 100 * 1024]);
        cx.half_close();
    });
    let mut by_hand = session(Witness { on_mark: Some(call), ..Witness::default() });
    by_hand.receive("!");
    assert_eq!(by_hand.in_flight(), [Recv, Send]);
    assert_eq!(by_hand.sent_all().len(), 64 * 1024);
    assert_eq!(by_hand.in_flight(), [Recv, Shutdown]);
}

#[test]
fn a_handler_knows_the_time() {
    let call = Call(|cx| assert_eq!(cx.now(), Timestamp::from_secs(7)));
    let mut by_hand = session(Witness { on_mark: Some(call), ..Witness::default() });
    by_hand.now = Timestamp::from_secs(7);
    by_hand.receive("!");
    assert_eq!(by_hand.machine.handler().seen, ["open", "!"]);
}

#[test]
fn a_handler_knows_how_much_it_can_send() {
    let mut by_hand = ByHand::session(ConnectionConfig::default().send_queue(5, 10).expect("valid"), Witness::default());
    tell(&mut by_hand, |cx| {
        assert_eq!(cx.room(), 10);
        cx.send("seven..").expect("room");
        assert_eq!(cx.room(), 3);
    });
}

// X105: whether a peer's end is a half-close or a farewell cannot be told; the handler decides, and by default it is the first.
#[test]
fn x105_the_handler_decides_what_the_peers_end_means() {
    let mut by_hand = session(Witness { on_peer_finished: Some(Call(|cx| cx.abort())), ..Witness::default() });
    by_hand.receive_eof();
    assert_eq!(close(&mut by_hand).ending, Ending::Aborted);

    let go_on = Call(|cx| cx.send("and yet").expect("room"));
    let mut by_hand = session(Witness { on_peer_finished: Some(go_on), ..Witness::default() });
    by_hand.receive_eof();
    assert_eq!(by_hand.sent_all(), b"and yet");
    assert_eq!(by_hand.machine.connection().room(), 64 * 1024, "it may go on");

    let mut by_hand = session(Witness::default());
    by_hand.receive_eof();
    by_hand.shutdown_done();
    assert_eq!(close(&mut by_hand).ending, Ending::Confirmed);
}

// F3, F8: a timer that sets itself to "now" does not keep the driver busy for ever.
#[test]
fn x141_a_handlers_timer_fires_once_for_each_look_at_the_time() {
    let mut by_hand = session(Witness::default());
    tell(&mut by_hand, |cx| cx.set_timer(TimerId::B, Duration::ZERO));
    assert_eq!(by_hand.until_deadline(), Some(Duration::ZERO));
    by_hand.pass(Duration::ZERO);
    by_hand.pass(Duration::ZERO);
    assert_eq!(by_hand.machine.handler().seen, ["open", "timer B", "timer B"]);
}

/// Counts how often its timer fires.
#[derive(Default)]
struct Alarm(usize);

impl Handler for Alarm {
    type Message = Infallible;

    fn on_open(&mut self, cx: &mut Context<'_, Infallible>) {
        cx.set_timer(TimerId::D, Duration::from_secs(1));
    }

    fn on_data(&mut self, _: &mut Context<'_, Infallible>, _: Bytes) {}

    fn on_timer(&mut self, _: &mut Context<'_, Infallible>, _: TimerId) {
        self.0 += 1;
    }
}

// A12, F8, X140
#[test]
fn a_handlers_timer_fires_once() {
    let mut by_hand = ByHand::session(ConnectionConfig::default().read_idle(None).expect("off"), Alarm::default());
    for _ in 0..3 {
        by_hand.pass(Duration::from_secs(100));
    }
    assert_eq!(by_hand.machine.handler().0, 1);
}

// A3, B2
#[test]
fn x080_what_a_pause_holds_back_reaches_the_handler_after_it() {
    let mut by_hand = session(Witness { on_mark: Some(Call(|cx| cx.pause())), ..Witness::default() });
    tell(&mut by_hand, |cx| cx.pause());
    by_hand.receive("held back");
    assert_eq!(by_hand.in_flight(), []);
    assert_eq!(by_hand.machine.handler().seen, ["open"]);
    tell(&mut by_hand, |cx| cx.resume());
    assert_eq!(by_hand.machine.handler().seen, ["open", "held back"]);
    assert_eq!(by_hand.in_flight(), [Recv]);
}

// A12, F9
#[test]
fn a_timer_that_was_cleared_does_not_fire_and_none_outlives_the_connection() {
    let mut by_hand = session(Witness::default());
    tell(&mut by_hand, |cx| cx.set_timer(TimerId::A, Duration::from_secs(1)));
    by_hand.now = Timestamp::from_secs(2);
    tell(&mut by_hand, |cx| cx.clear_timer(TimerId::A));
    by_hand.pass(Duration::ZERO);
    tell(&mut by_hand, |cx| cx.set_timer(TimerId::A, Duration::from_secs(1)));
    by_hand.fail(Recv, FaultKind::ConnectionReset);
    close(&mut by_hand);
    by_hand.pass(Duration::from_secs(10));
    assert_eq!(by_hand.machine.handler().seen, ["open", "aborted"]);
    assert_eq!(by_hand.machine.deadline(), None);
}

// C3, X126: a handler that does not care is aborted at the deadline; one in the past is no exception.
#[test]
fn x126_a_drain_ends_by_its_deadline_whatever_the_handler_does() {
    for deadline in [Timestamp::from_secs(5), Timestamp::ZERO] {
        let mut by_hand = session(Witness::default());
        by_hand.pass(Duration::from_secs(1));
        let now = by_hand.now;
        by_hand.input(|session| session.order(now, Order::Drain(deadline)));
        by_hand.input(|session| session.order(now, Order::Drain(Timestamp::from_secs(9))));
        by_hand.pass_to_deadline();
        assert_eq!(by_hand.now, deadline.max(now), "the earliest deadline wins");
        assert_eq!(close(&mut by_hand).reason, CloseReason::DrainDeadline);
        assert_eq!(by_hand.machine.handler().seen, ["open", "draining", "aborted"]);
    }
}

// D13
#[test]
fn a_message_to_a_session_that_is_gone_comes_back() {
    let mut by_hand = session(Witness::default());
    tell(&mut by_hand, |cx| cx.abort());
    close(&mut by_hand);
    let now = by_hand.now;
    let call = Call(|_| panic!("delivered"));
    assert!(by_hand.machine.deliver(now, call).is_err());
}

// D9: the misuse is the connection's, and the handler does not hear of it.
#[test]
fn a_refused_completion_reaches_no_handler() {
    let mut by_hand = session(Witness::default());
    let unasked = sansock::Completion::from_raw(sansock::OpId::new(by_hand.machine.socket(), Send, 0), sansock::Outcome::Sent(1));
    let misuse: Misuse = by_hand.input(|session| session.complete(Timestamp::ZERO, unasked)).expect_err("nothing is being sent");
    assert_eq!(misuse.to_string().lines().count(), 1);
    assert_eq!(by_hand.machine.handler().seen, ["open"]);
}

// X105, A4
#[test]
fn by_default_a_handler_finishes_when_the_peer_has_and_when_it_is_to_drain() {
    let mut by_hand = ByHand::session(ConnectionConfig::default(), Quiet);
    by_hand.receive_eof();
    by_hand.shutdown_done();
    by_hand.close_done();
    assert_eq!(by_hand.report().ending, Ending::Confirmed);

    let mut by_hand = ByHand::session(ConnectionConfig::default(), Quiet);
    by_hand.input(|session| session.order(Timestamp::ZERO, Order::Drain(Timestamp::from_secs(9))));
    assert_eq!(by_hand.in_flight(), [Recv, Shutdown]);
}
