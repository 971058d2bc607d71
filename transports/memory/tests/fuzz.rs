//! The fuzzing library: right handlers pass, whatever the bytes; wrong ones are found.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use proptest::collection::vec;
use proptest::prelude::*;
use sansock::{
    Address, ClientConfig, ConnectionConfig, Context, DialerConfig, Handler, Peer, ServerConfig, SocketId, TimerId, UnsentReason,
    Verdict,
};
use sansock_memory::fuzz::{self, Mischief, Traffic, Violation};

/// Sends back what it gets, sometimes later, and tells somebody.
#[derive(Clone, Debug, Default)]
struct Echo {
    held: Bytes,
    replies: usize,
}

impl Echo {
    fn forward(&mut self, cx: &mut Context<'_, u8>, data: Bytes) {
        if let Err(unsent) = cx.send(data)
            && unsent.reason == UnsentReason::Full
        {
            self.held = unsent.data;
            cx.pause();
        }
    }
}

impl Handler for Echo {
    type Message = u8;

    fn on_data(&mut self, cx: &mut Context<'_, u8>, data: Bytes) {
        match data[0] {
            b'a'..=b'c' => cx.set_timer(TimerId::B, Duration::from_millis(data[0].into())),
            b'd'..=b'e' => drop(cx.post(SocketId::new(3, 0).unwrap(), data[0])),
            b'h'..=b'm' => cx.set_timer(TimerId::C, Duration::from_millis(data[0].into())),
            b'f' => cx.half_close(),
            b'g' => cx.close_after_flush(),
            _ => {}
        }
        self.forward(cx, data);
    }

    fn on_writable(&mut self, cx: &mut Context<'_, u8>) {
        let held = std::mem::take(&mut self.held);
        cx.resume();
        self.forward(cx, held);
    }

    /// A rest while a receive may be in flight.
    fn on_timer(&mut self, cx: &mut Context<'_, u8>, timer: TimerId) {
        match timer {
            TimerId::C => {
                cx.pause();
                cx.set_timer(TimerId::D, Duration::from_millis(50));
            }
            TimerId::D if self.held.is_empty() => cx.resume(),
            _ => {}
        }
    }

    fn on_undelivered(&mut self, _: &mut Context<'_, u8>, _: SocketId, _: u8) {
        self.replies += 1;
    }
}

fn limits() -> ConnectionConfig {
    ConnectionConfig::default().send_queue(2, 8).unwrap().receive_size(16).unwrap().receive_credit(u64::MAX)
}

fn address(port: u16) -> Address {
    SocketAddr::from(([127, 0, 0, 1], port)).into()
}

fn service() -> impl FnMut(&Peer) -> Verdict<Echo> {
    let mut asked = 0;
    move |_: &Peer| {
        asked += 1;
        if asked % 4 == 0 { Verdict::Reject } else { Verdict::Accept(Echo::default()) }
    }
}

type Run = Result<(Vec<Traffic>, Mischief), Box<Violation>>;

fn server(bytes: &[u8]) -> Run {
    let config = ServerConfig::new(address(80)).max_connections(2).unwrap().connection(limits());
    fuzz::server(bytes, config, service()).map(|stopped| (stopped.traffic, stopped.mischief))
}

fn client(bytes: &[u8]) -> Run {
    let dialer = DialerConfig::new(vec![address(1), address(2)]).unwrap();
    let config = ClientConfig::new(vec![address(1)]).unwrap().dialer(dialer).connection(limits());
    fuzz::client(bytes, config, service()).map(|stopped| (stopped.traffic, stopped.mischief))
}

fn fails(error: &Violation) -> TestCaseError {
    TestCaseError::fail(error.to_string())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    // A1, A2, A3, A8, A9, A10, A13, B5, C3, C7, C8, D1, D2, D3, D4, D5, D6, D9, H1
    #[test]
    fn an_echo_passes_whatever_the_bytes(bytes in vec(any::<u8>(), 0..600)) {
        let ended = fuzz::session(&bytes, limits(), Echo::default()).map_err(|error| fails(&error))?;
        prop_assert!(ended.traffic.received.starts_with(&ended.traffic.sent));
        prop_assert!(ended.handler().replies <= bytes.len());
    }

    // A8, A13, B4, C3, C4, D1, D8, D11, G1
    #[test]
    fn a_server_of_echoes_passes_whatever_the_bytes(bytes in vec(any::<u8>(), 0..600)) {
        for traffic in server(&bytes).map_err(|error| fails(&error))?.0 {
            prop_assert!(traffic.received.starts_with(&traffic.sent));
        }
    }

    // A8, A11, C3, C10, D1, D8
    #[test]
    fn a_client_passes_whatever_the_bytes(bytes in vec(any::<u8>(), 0..600)) {
        for traffic in client(&bytes).map_err(|error| fails(&error))?.0 {
            prop_assert!(traffic.received.starts_with(&traffic.sent));
        }
    }

    // E3
    #[test]
    fn an_echo_sees_no_difference_however_it_is_cut(input in vec(any::<u8>(), 0..200), cuts in vec(any::<u8>(), 1..40)) {
        // What half-closes or ends by the first byte of a piece depends on how it is cut.
        let input: Vec<_> = input.into_iter().filter(|byte| !(b'a'..=b'm').contains(byte)).collect();
        let found = fuzz::chunking(&input, &cuts, limits(), Echo::default, |echo| echo.replies);
        found.map_err(|error| fails(&error))?;
    }
}

/// Bytes that look random.
fn noise(seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 24) as u8
    };
    (0..400).map(|_| next()).collect()
}

#[test]
fn random_bytes_do_all_the_mischief_there_is() {
    let sum = |run: fn(&[u8]) -> Run| {
        let mut sum = (0, 0, Mischief::default());
        for seed in 0..200 {
            let (traffic, mischief) = run(&noise(seed)).unwrap_or_else(|violation| panic!("seed {seed}: {violation}"));
            sum.0 += traffic.iter().map(|traffic| traffic.received.len()).sum::<usize>();
            sum.1 += traffic.iter().map(|traffic| traffic.sent.len()).sum::<usize>();
            sum.2.failed += mischief.failed;
            sum.2.impossible += mischief.impossible;
            sum.2.refused += mischief.refused;
            sum.2.broken += mischief.broken;
        }
        sum
    };
    let session =
        |bytes: &[u8]| fuzz::session(bytes, limits(), Echo::default()).map(|ended| (vec![ended.traffic], ended.mischief));
    for (name, run) in [("session", session as fn(&[u8]) -> Run), ("server", server), ("client", client)] {
        let (received, sent, Mischief { failed, impossible, refused, broken }) = sum(run);
        let all = [received as u64, sent as u64, failed, impossible, refused, broken];
        assert!(all.iter().all(|count| *count > 10), "{name}: {all:?}");
    }
}

/// Always has something to do at once.
struct Restless;

impl Handler for Restless {
    type Message = Infallible;

    fn on_data(&mut self, cx: &mut Context<'_, Infallible>, _: Bytes) {
        cx.set_timer(TimerId::A, Duration::ZERO);
    }

    fn on_timer(&mut self, cx: &mut Context<'_, Infallible>, timer: TimerId) {
        cx.set_timer(timer, Duration::ZERO);
    }
}

/// Some noise that breaks a rule.
fn find(run: impl Fn(&[u8]) -> Result<(), Box<Violation>>) -> Box<Violation> {
    (0..200).find_map(|seed| run(&noise(seed)).err()).expect("it is found within 200 runs")
}

#[test]
fn a_handler_that_spins_is_found_and_told_step_by_step() {
    let violation = find(|bytes| fuzz::session(bytes, limits(), Restless).map(|_| ()));
    assert!(violation.rule.starts_with("C8: it spins"), "{violation}");
    assert!(violation.script.iter().any(|line| line.contains("recv") && line.contains("bytes")), "{violation}");
}

/// Answers the first piece of a message, and takes it for the whole.
struct Hasty;

impl Handler for Hasty {
    type Message = Infallible;

    fn on_data(&mut self, cx: &mut Context<'_, Infallible>, data: Bytes) {
        let _ = cx.send(vec![u8::try_from(data.len()).unwrap_or(u8::MAX)]);
        cx.finish();
    }
}

// E3
#[test]
fn a_handler_that_takes_a_piece_for_a_message_is_found() {
    let violation = fuzz::chunking(b"message", &[3], limits(), || Hasty, |_| ()).unwrap_err();
    assert!(violation.rule.starts_with("E3"), "{violation}");
}
