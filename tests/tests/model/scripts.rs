//! How random scripts are made. Most are plausible conversations with some mischief in them; a wholly random one ends at once.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use sansock::FaultKind;
use sansock_tests::script::{Epoch, Finale, Hostile, Limits, Script, Span, Step, Target};

/// Any script.
pub(crate) fn any() -> impl Strategy<Value = Script> {
    let epoch = prop_oneof![9 => Just(Epoch::Zero), 1 => Just(Epoch::NearlyNever)];
    (limits(), epoch, prop::bool::weighted(0.2), vec(step(), 0..60), finale())
        .prop_map(|(limits, epoch, lazy, steps, finale)| Script { limits, epoch, lazy, steps, finale })
}

fn limits() -> impl Strategy<Value = Limits> {
    let watermarks = prop_oneof![(Just(0_u16), 1..4_u16), (0..64_u16, 1..64_u16), (0..8_000_u16, 1..8_000_u16),];
    let receive = prop_oneof![1..8_u16, 1..5_000_u16];
    let credit = prop_oneof![3 => Just(None), 1 => (0..3_000_u16).prop_map(Some)];
    let linger = prop_oneof![0..4_u16, 0..10_000_u16];
    (watermarks, receive, credit, [timeout(), timeout(), timeout(), timeout()], (span(), span(), linger), (span(), 0..4_u8))
        .prop_map(|((low, above), receive, credit, timeouts, (closing, gap, linger), (retry, doublings))| {
            let [read_idle, write_stall, half_closed, paused] = timeouts;
            Limits {
                low,
                above,
                receive,
                credit,
                read_idle,
                write_stall,
                half_closed,
                paused,
                closing,
                gap,
                linger,
                retry,
                doublings,
            }
        })
}

fn timeout() -> impl Strategy<Value = Option<Span>> {
    option::weighted(0.8, span())
}

fn span() -> impl Strategy<Value = Span> {
    prop_oneof![4 => (1..200_u16).prop_map(Span::Nanos), 4 => (1..5_000_u16).prop_map(Span::Nanos), 1 => Just(Span::Longest)]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        12 => size().prop_map(Step::Send),
        3 => Just(Step::Pause),
        4 => Just(Step::Resume),
        2 => (0..3_000_u16).prop_map(Step::Grant),
        2 => Just(Step::HalfClose),
        1 => Just(Step::Finish),
        1 => Just(Step::CloseAfterFlush),
        1 => Just(Step::Abort),
        1 => (-50..2_000_i16).prop_map(Step::DrainBy),
        6 => size().prop_map(Step::Receive),
        6 => Just(Step::ReceiveFull),
        2 => Just(Step::Eof),
        10 => size().prop_map(Step::Sent),
        8 => Just(Step::SentAll),
        4 => target().prop_map(Step::Done),
        2 => (target(), fault()).prop_map(|(target, fault)| Step::Fail(target, fault)),
        3 => Just(Step::Cancelled),
        1 => (prop::bool::weighted(0.2), fault()).prop_map(|(ours, fault)| Step::Broken(ours, fault)),
        6 => hostile().prop_map(Step::Hostile),
        4 => (0..100_u16).prop_map(Step::Wait),
        4 => (0..100_u16).prop_map(Step::Tick),
        2 => Just(Step::Deadline),
        3 => Just(Step::AlmostDeadline),
        1 => any_u8().prop_map(Step::Jump),
        2 => (0..500_u16).prop_map(Step::Back),
        6 => (1..8_u8).prop_map(Step::Poll),
    ]
}

/// The sizes where something changes: nothing, a few bytes, around the 2 KiB below which a send is copied, more than fits.
fn size() -> impl Strategy<Value = u16> {
    prop_oneof![1 => Just(0_u16), 4 => 1..16_u16, 2 => 1..600_u16, 2 => 2_000..2_100_u16, 1 => 1..9_000_u16]
}

fn target() -> impl Strategy<Value = Target> {
    prop::sample::select(Target::ALL.to_vec())
}

/// Every kind of fault, and those that are tried again more often.
fn fault() -> impl Strategy<Value = u8> {
    let index = |kind| FaultKind::ALL.iter().position(|other| *other == kind).and_then(|place| u8::try_from(place).ok());
    let retried = [FaultKind::NoBuffers, FaultKind::NoMemory].map(|kind| index(kind).expect("there are fewer than 256 kinds"));
    prop_oneof![prop::sample::select(retried.to_vec()), any_u8()]
}

fn hostile() -> impl Strategy<Value = Hostile> {
    prop_oneof![
        3 => (0..6_u8).prop_map(Hostile::Again),
        3 => (target(), 0..6_u8).prop_map(|(target, stamp)| Hostile::Unasked(target, stamp)),
        3 => target().prop_map(Hostile::Stale),
        3 => target().prop_map(Hostile::Unknown),
        3 => any_u8().prop_map(Hostile::Foreign),
        6 => (target(), any_u8()).prop_map(|(target, outcome)| Hostile::WrongOutcome(target, outcome)),
        1 => Just(Hostile::SentZero),
        1 => prop_oneof![Just(0_u16), 1..10_u16].prop_map(Hostile::SentTooMuch),
        1 => Just(Hostile::EmptyData),
        1 => any_u8().prop_map(Hostile::TooMuchData),
    ]
}

fn finale() -> impl Strategy<Value = Finale> {
    let most = || prop_oneof![Just(0_u8), Just(1), any_u8()];
    prop_oneof![
        Just(Finale::AbortOverDeadTransport),
        Just(Finale::FinishOverDeadTransport),
        Just(Finale::FlushOverDeadTransport),
        Just(Finale::DrainOverDeadTransport),
        Just(Finale::TimeoutsOverDeadTransport),
        most().prop_map(Finale::FinishOverFairTransport),
        most().prop_map(Finale::FinishTowardsSilentPeer),
        most().prop_map(Finale::FlushOverFairTransport),
    ]
}

fn any_u8() -> impl Strategy<Value = u8> {
    0..=u8::MAX
}
