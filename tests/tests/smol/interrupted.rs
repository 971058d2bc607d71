//! Futures that are dropped before they are done, and polled by somebody else.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use proptest::prelude::*;
use proptest::test_runner::FileFailurePersistence;
use sansock::{Address, ClientConfig, ConnectionConfig, NodeEvent, ServerConfig, Service};
use sansock_smol::Driver;
use sansock_tests::history::{History, Recorder};
use sansock_tests::play::{Act, Part, Play, When};
use sansock_tests::run::{Side, service};
use sansock_tests::system::assert_nothing_is_left;

use crate::peers::{WATCHDOG, dial, echoes, loopback};
use crate::{alone, echo, run_against};

/// The next event, by way of futures that are dropped after so many polls, one number each.
async fn next_interrupted<S: Service>(driver: &mut Driver<S>, polls: &mut impl Iterator<Item = u8>) -> Option<NodeEvent> {
    loop {
        let mut left = polls.next().expect("a number for ever");
        let mut future = pin!(driver.next_event());
        let event = poll_fn(|cx| match future.as_mut().poll(cx) {
            Poll::Ready(event) => Poll::Ready(Some(event)),
            Poll::Pending if left == 0 => Poll::Ready(None),
            Poll::Pending => {
                left -= 1;
                Poll::Pending
            }
        })
        .await;
        if let Some(event) = event {
            return event;
        }
        smol::future::yield_now().await;
    }
}

/// What both ends of the play saw, with both drivers interrupted.
fn play_interrupted(play: &Play, limits: ConnectionConfig, polls: &[u8]) -> [History; 2] {
    let mut polls = [polls.iter().copied().cycle(), polls.iter().copied().cycle()];
    let [client_polls, server_polls] = &mut polls;
    let (server_sees, client_sees) = (Recorder::default(), Recorder::default());
    let mut server = Driver::new();
    let config = ServerConfig::new(loopback()).connection(limits);
    server.serve(config, service(play, Side::Server, &server_sees)).unwrap();
    smol::block_on(async {
        let Some(NodeEvent::Listening { local: Some(address), .. }) = next_interrupted(&mut server, server_polls).await else {
            panic!("it listens");
        };
        let remote = server.remote();
        let serving = async {
            while let Some(event) = next_interrupted(&mut server, server_polls).await {
                if matches!(event, NodeEvent::Closed { .. }) {
                    remote.drain(WATCHDOG);
                }
            }
        };
        let mut client = Driver::new();
        let config = ClientConfig::new(vec![address]).unwrap().connection(limits);
        client.connect(config, service(play, Side::Client, &client_sees)).unwrap();
        let dialling = async { while next_interrupted(&mut client, client_polls).await.is_some() {} };
        smol::future::zip(serving, dialling).await;
    });
    [client_sees.history(), server_sees.history()]
}

proptest! {
    // What failed once is kept in `smol/interrupted.proptest-regressions`.
    #![proptest_config(ProptestConfig {
        cases: 24,
        failure_persistence: Some(Box::new(FileFailurePersistence::WithSource("proptest-regressions"))),
        ..ProptestConfig::default()
    })]

    // E6: whoever stops polling and starts again sees the same; among it time-outs, back-pressure and both directions at once.
    #[test]
    fn futures_that_are_dropped_at_any_point_lose_nothing(
        polls in prop::collection::vec(0..4_u8, 1..40),
        bytes in prop_oneof![0..2_000_usize, 100_000..400_000_usize],
        pause in 0..20_u64,
    ) {
        let (_alone, before) = alone();
        let acts = vec![Act::PauseFor(Duration::from_millis(pause)), Act::Send(bytes), Act::HalfClose];
        let client = Part::new([(When::Open, acts), (When::PeerFinished, vec![Act::Finish])]);
        let play = Play { client, server: Part::echo() };
        let limits = ConnectionConfig::default().send_queue(1000, 5000).unwrap();
        let seen = play_interrupted(&play, limits, &polls);
        // Polled for ever: the same future each time.
        let uninterrupted = play_interrupted(&play, limits, &[u8::MAX]);
        prop_assert_eq!(&seen, &uninterrupted);
        prop_assert!(seen[0].delivered() == bytes && seen[1].delivered() == bytes && seen.iter().all(History::is_intact));
        assert_nothing_is_left(&before);
    }
}

// A task may give the driver to another: the one that polls now is woken, not the one that did before, which would wake nobody.
#[test]
fn whoever_polls_last_is_woken() {
    let (_alone, _) = alone();
    let mut driver = Driver::new();
    driver.serve(ServerConfig::new(loopback()), echo).unwrap();
    let mut before = Context::from_waker(Waker::noop());
    let event = pin!(driver.next_event()).poll(&mut before);
    let Poll::Ready(Some(NodeEvent::Listening { local: Some(Address::Ip(address)), .. })) = event else { panic!("{event:?}") };
    assert!(pin!(driver.next_event()).poll(&mut before).is_pending());
    run_against(&mut driver, move |_, _| {
        let mut peer = dial(address);
        (0..20).for_each(|_| assert!(echoes(&mut peer, b"awake")));
    });
}
