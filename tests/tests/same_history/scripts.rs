//! How random conversations are made.

use proptest::collection::vec;
use proptest::prelude::*;
use sansock_tests::conversation::{Conversation, End, Last, Limits, Piece, Turn};
use sansock_tests::run::Side;

/// Any conversation.
pub(crate) fn any_conversation() -> impl Strategy<Value = Conversation> {
    let side = prop_oneof![Just(Side::Client), Just(Side::Server)];
    (limits(), limits(), prop::bool::weighted(0.3), vec(turn(), 0..6), side, end())
        .prop_map(|(client, server, echo, turns, by, end)| Conversation { client, server, echo, turns, by, end })
}

fn limits() -> impl Strategy<Value = Limits> {
    let usual = Just(Limits { low: 32 << 10, above: 32 << 10, receive: 64 << 10 });
    let any = (prop_oneof![Just(0_usize), 1..100_usize, 100..10_000_usize], 1..10_000_usize, 64..20_000_usize)
        .prop_map(|(low, above, receive)| Limits { low, above, receive });
    prop_oneof![1 => usual, 2 => any]
}

fn turn() -> impl Strategy<Value = Turn> {
    (vec(piece(), 0..4), vec(piece(), 0..4)).prop_map(|(client, server)| Turn { client, server })
}

fn piece() -> impl Strategy<Value = Piece> {
    prop_oneof![10 => size().prop_map(Piece::Bytes), 1 => (1..4_u8).prop_map(Piece::Pause)]
}

/// Nothing, a few bytes, around the 2 KiB below which a send is copied, more than a queue holds, more than the system's buffers hold.
fn size() -> impl Strategy<Value = usize> {
    prop_oneof![
        1 => Just(0_usize),
        8 => 1..200_usize,
        4 => 2_000..2_100_usize,
        4 => 1..20_000_usize,
        2 => 50_000..200_000_usize,
    ]
}

fn end() -> impl Strategy<Value = End> {
    let last = prop_oneof![Just(Last::HalfClose), Just(Last::Finish), Just(Last::CloseAfterFlush)];
    prop_oneof![
        3 => (size(), last).prop_map(|(reply, last)| End::HalfClose(reply, last)),
        2 => size().prop_map(End::Finish),
        1 => Just(End::FinishBoth),
        1 => (0..3_000_usize).prop_map(End::Flush),
        2 => size().prop_map(End::Abort),
        2 => size().prop_map(End::Drain),
        1 => Just(End::Stop),
        1 => Just(End::PauseTooLong),
        1 => Just(End::HalfClosedTooLong),
        1 => Just(End::Idle),
    ]
}
