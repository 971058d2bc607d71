//! E6: one script, three transports, the same history. And what each leaves behind: nothing.

use std::sync::Arc;
use std::time::Duration;

use sansock::{ConnectionConfig, Ending};
use sansock_memory::NetworkConfig;
use sansock_tests::history::Seen;
use sansock_tests::play::{Act, Part, Play, When};
use sansock_tests::run::{Audience, Nobody, Outcome, on_blocking, on_memory, on_smol};
use sansock_tests::system::{assert_nothing_is_left, exclusive, holdings};

use Act::{Abort, CloseAfterFlush, Finish, HalfClose, PauseFor, Send};
use When::{Open, PeerFinished, Received};

/// Plays on all three and compares; gives the outcome on memory.
fn everywhere(play: &Play) -> Outcome {
    everywhere_within(play, ConnectionConfig::default())
}

fn everywhere_within(play: &Play, limits: ConnectionConfig) -> Outcome {
    let _alone = exclusive();
    let nobody: Arc<dyn Audience> = Arc::new(Nobody);
    let (memory, hash, _) = on_memory(play, limits, NetworkConfig::default(), 1, &nobody);
    let (_, again, _) = on_memory(play, limits, NetworkConfig::default(), 1, &nobody);
    assert_eq!(hash, again, "E1: the same run twice");
    // async-io's reactor starts its thread and makes its descriptors once.
    let _ = on_smol(&Play::default_echo(), limits, &nobody);
    let before = holdings();
    let blocking = on_blocking(play, limits, &nobody);
    assert_nothing_is_left(&before);
    let smol = on_smol(play, limits, &nobody);
    assert_nothing_is_left(&before);
    for (name, other) in [("blocking", &blocking), ("smol", &smol)] {
        assert!(memory.same_as(other), "memory: {memory:#?}\n{name}: {other:#?}");
    }
    assert!(memory.client.is_intact() && memory.server.is_intact());
    memory
}

trait DefaultEcho {
    fn default_echo() -> Play;
}

impl DefaultEcho for Play {
    fn default_echo() -> Play {
        Play { client: Part::new([(Open, vec![Send(10), HalfClose]), (PeerFinished, vec![Finish])]), server: Part::echo() }
    }
}

fn endings(outcome: &Outcome) -> (Ending, Ending) {
    (outcome.client.ending().unwrap(), outcome.server.ending().unwrap())
}

const CONFIRMED: (Ending, Ending) = (Ending::Confirmed, Ending::Confirmed);

// X106, X104, A5, E6
#[test]
fn x106_the_winsock_conversation_send_half_close_read_to_the_end() {
    let outcome = everywhere(&Play::default_echo());
    assert_eq!(outcome.client.delivered(), 10);
    assert_eq!(endings(&outcome), CONFIRMED);
    assert_eq!(outcome.client.0[2], Seen::PeerFinished);
}

#[test]
fn nothing_at_all_is_sent() {
    let play = Play { client: Part::new([(Open, vec![Finish])]), server: Part::new([(PeerFinished, vec![Finish])]) };
    assert_eq!(endings(&everywhere(&play)), CONFIRMED);
}

// X119: both finish at once.
#[test]
fn x119_both_sides_finish_at_once() {
    let play = Play { client: Part::new([(Open, vec![Finish])]), server: Part::new([(Open, vec![Finish])]) };
    assert_eq!(endings(&everywhere(&play)), CONFIRMED);
}

// X64: what is sent in the first callback is sent.
#[test]
fn x064_what_the_client_sends_at_once_arrives() {
    let play =
        Play { client: Part::new([(Open, vec![Send(100_000), Finish])]), server: Part::new([(PeerFinished, vec![Finish])]) };
    let outcome = everywhere(&play);
    assert_eq!(outcome.server.delivered(), 100_000);
    assert_eq!(endings(&outcome), CONFIRMED);
}

#[test]
fn sixty_four_mebibytes_each_way_at_once() {
    const SIZE: usize = 64 << 20;
    let part = || Part::new([(Open, vec![Send(SIZE), HalfClose]), (PeerFinished, vec![Finish])]);
    let outcome = everywhere(&Play { client: part(), server: part() });
    assert_eq!((outcome.client.delivered(), outcome.server.delivered()), (SIZE, SIZE));
    assert_eq!(endings(&outcome), CONFIRMED);
}

#[test]
fn an_echo_of_more_than_every_buffer_holds() {
    const SIZE: usize = 8 << 20;
    let play =
        Play { client: Part::new([(Open, vec![Send(SIZE), HalfClose]), (PeerFinished, vec![Finish])]), server: Part::echo() };
    let outcome = everywhere(&play);
    assert_eq!(outcome.client.delivered(), SIZE);
    assert_eq!(endings(&outcome), CONFIRMED);
}

// A6, X101: the server finishes while the client still sends and has read nothing; a plain close would lose the reply.
#[test]
fn x101_the_whole_reply_arrives_although_the_client_still_sends() {
    let play = Play {
        client: Part::new([
            (Open, vec![PauseFor(Duration::from_millis(50)), Send(100)]),
            (Received(1), vec![Send(600_000)]),
            (PeerFinished, vec![Finish]),
        ]),
        server: Part::new([(Received(100), vec![Send(600_000), Finish])]),
    };
    // The whole reply is queued at once, so that the server has finished before the client's next byte comes: how much of it would else reach
    // the server's handler is up to the system.
    let outcome = everywhere_within(&play, ConnectionConfig::default().send_queue(1, 1 << 20).unwrap());
    assert_eq!(outcome.client.delivered(), 600_000);
    assert_eq!(endings(&outcome), CONFIRMED);
}

// X80, X84: a pause holds data back and loses nothing.
#[test]
fn x080_a_paused_receiver_gets_everything_after_it_resumes() {
    let play = Play {
        client: Part::new([(Open, vec![Send(3 << 20), HalfClose]), (PeerFinished, vec![Finish])]),
        server: Part::new([(Open, vec![PauseFor(Duration::from_millis(30))]), (PeerFinished, vec![Send(5), Finish])]),
    };
    let outcome = everywhere(&play);
    assert_eq!((outcome.server.delivered(), outcome.client.delivered()), (3 << 20, 5));
    assert_eq!(endings(&outcome), CONFIRMED);
}

// X111, X120: the barrier is the five bytes: both are open when the reset comes.
#[test]
fn an_abort_is_seen_as_a_reset_by_the_other_side() {
    let play = Play { client: Part::new([(Open, vec![Send(5)])]), server: Part::new([(Received(5), vec![Abort])]) };
    let outcome = everywhere(&play);
    assert_eq!(endings(&outcome), (Ending::Aborted, Ending::Aborted));
    assert_eq!(outcome.server.0.last(), Some(&Seen::Closed { ending: Ending::Aborted, reason: "aborted" }));
    assert_eq!(outcome.client.0.last(), Some(&Seen::Closed { ending: Ending::Aborted, reason: "fault" }));
}

#[test]
fn close_after_flush_sends_everything_and_is_not_confirmed() {
    let play = Play {
        client: Part::new([(Open, vec![Send(5)]), (PeerFinished, vec![Finish])]),
        server: Part::new([(Received(5), vec![Send(200_000), CloseAfterFlush])]),
    };
    let outcome = everywhere(&play);
    assert_eq!(outcome.client.delivered(), 200_000);
    assert_eq!(outcome.server.ending(), Some(Ending::Unconfirmed));
}

// X36, X135, G3: a panic costs its own connection only.
#[test]
fn x036_a_handler_that_panics_closes_its_own_connection_only() {
    let _alone = exclusive();
    let nobody: Arc<dyn Audience> = Arc::new(Nobody);
    let play = Play { client: Part::new([(Open, vec![Send(5)])]), server: Part::new([(Received(5), vec![Act::Panic])]) };
    for outcome in
        [on_blocking(&play, ConnectionConfig::default(), &nobody), on_smol(&play, ConnectionConfig::default(), &nobody)]
    {
        assert_eq!(outcome.client.ending(), Some(Ending::Aborted));
        assert_eq!((outcome.server_report.accepted, outcome.server_report.aborted), (1, 1));
    }
}

// E3, E1: the memory network cuts and delays everything; the history stays.
#[test]
fn a_network_that_delivers_single_bytes_late_changes_nothing() {
    let nobody: Arc<dyn Audience> = Arc::new(Nobody);
    let play =
        Play { client: Part::new([(Open, vec![Send(3000), HalfClose]), (PeerFinished, vec![Finish])]), server: Part::echo() };
    let limits = ConnectionConfig::default().send_queue(1, 7).unwrap().receive_size(3).unwrap();
    let (plain, _, _) = on_memory(&play, ConnectionConfig::default(), NetworkConfig::default(), 1, &nobody);
    let network = NetworkConfig {
        segment: 5,
        short_in: 2,
        send_buffer: 9,
        receive_buffer: 8,
        jitter: Duration::from_millis(3),
        completion_delay: Duration::from_millis(2),
        ..NetworkConfig::default()
    };
    for seed in 0..20 {
        let (outcome, hash, hits) = on_memory(&play, limits, network, seed, &nobody);
        assert!(outcome.same_as(&plain), "seed {seed}: {outcome:#?}");
        assert_eq!(hash, on_memory(&play, limits, network, seed, &nobody).1, "seed {seed}");
        assert!(hits.short_receives > 0 && hits.short_sends > 0 && hits.jitter > 0, "seed {seed}: {hits:?}");
        assert!(hits.late_completions > 0 && hits.full_buffers > 0, "seed {seed}: {hits:?}");
    }
}
