//! How random scripts for a dialer or a client are made. A wholly random one ends at once, so most steps are what a driver does.

use std::time::Duration;

use proptest::prelude::*;
use proptest::test_runner::FileFailurePersistence;
use sansock::{Address, DialError, DialerConfig, FaultKind, Setting, SocketOptions};

use super::transport::{Answer, Hostile};

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Step {
    /// Take this many outputs at most.
    Poll(u8),
    Answer {
        which: usize,
        answer: Answer,
    },
    Attack {
        which: usize,
        hostile: Hostile,
    },
    /// Offer a place to a dialer, whether it wants one or not. A client does that itself.
    Offer,
    Wait(Duration),
    WaitForDeadline,
    /// A time-out at a time that is long past.
    Backwards,
    Broken(usize),
    /// By then from now. A dialer is cancelled.
    Drain(Duration),
    /// A dialer is cancelled.
    Stop,
    /// Start what was started.
    Restart,
    /// The session has ended, or there is none.
    Gone,
}

pub(crate) fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (1..4_u8).prop_map(Step::Poll),
        8 => (0..4_usize, answer()).prop_map(|(which, answer)| Step::Answer { which, answer }),
        2 => (0..12_usize, hostile()).prop_map(|(which, hostile)| Step::Attack { which, hostile }),
        4 => Just(Step::Offer),
        1 => (0..4_000_u64).prop_map(|millis| Step::Wait(Duration::from_millis(millis))),
        1 => Just(Step::WaitForDeadline),
        1 => Just(Step::Backwards),
        1 => (0..4_usize).prop_map(Step::Broken),
        1 => (0..4_000_u64).prop_map(|millis| Step::Drain(Duration::from_millis(millis))),
        1 => Just(Step::Stop),
        1 => Just(Step::Restart),
        1 => Just(Step::Gone),
    ]
}

fn answer() -> impl Strategy<Value = Answer> {
    prop_oneof![
        12 => Just(Answer::Success),
        4 => prop::sample::select(FaultKind::ALL).prop_map(Answer::Failure),
        2 => Just(Answer::Failure(FaultKind::AddressNotAvailable)),
        2 => Just(Answer::Itself),
        1 => Just(Answer::OptionRefused),
    ]
}

fn hostile() -> impl Strategy<Value = Hostile> {
    prop::sample::select(
        &[
            Hostile::UnknownSocket,
            Hostile::StaleSocket,
            Hostile::WrongStamp,
            Hostile::WrongKind,
            Hostile::WrongOutcome,
            Hostile::Again,
        ][..],
    )
}

#[derive(Clone, Debug)]
pub(crate) struct Limits {
    /// False for one that no socket can connect to.
    usable: Vec<bool>,
    local: Option<u16>,
    pub(crate) attempt: Option<Duration>,
    pub(crate) overall: Option<Duration>,
    retries: u8,
    required: bool,
}

pub(crate) fn limits() -> impl Strategy<Value = Limits> {
    let span = || prop::option::weighted(0.8, (1..12_000_u64).prop_map(Duration::from_millis));
    let local = prop_oneof![6 => Just(None), 1 => Just(Some(0)), 1 => Just(Some(50_000))];
    let usable = prop::collection::vec(prop::bool::weighted(0.9), 1..5);
    (usable, local, span(), span(), 0..3_u8, any::<bool>()).prop_map(|(usable, local, attempt, overall, retries, required)| {
        Limits { usable, local, attempt, overall, retries, required }
    })
}

impl Limits {
    pub(crate) fn config(&self) -> DialerConfig {
        let no_delay = if self.required { Setting::Required(true) } else { Setting::BestEffort(true) };
        let list = (0..self.usable.len()).map(|index| self.address(index)).collect();
        let mut config = DialerConfig::new(list).unwrap().retries(self.retries);
        config = config.options(SocketOptions { no_delay, ..SocketOptions::CONNECTION });
        if let Some(port) = self.local {
            config = config.local(Address::Ip(([127, 0, 0, 1], port).into()));
        }
        config.attempt(self.attempt).unwrap().overall(self.overall).unwrap()
    }

    /// The port says which place in the list it is.
    fn address(&self, index: usize) -> Address {
        let port = u16::try_from(index + 1).unwrap();
        if self.usable[index] {
            Address::Ip(([127, 0, 0, 1], port).into())
        } else {
            Address::Ip(([0xfe80, 0, 0, 0, 0, 0, 0, 1], port).into())
        }
    }

    pub(crate) fn is_usable(&self, address: Address) -> bool {
        (0..self.usable.len()).any(|index| self.usable[index] && self.address(index) == address)
    }

    pub(crate) fn addresses(&self) -> usize {
        self.usable.len()
    }

    pub(crate) fn most_attempts(&self) -> usize {
        self.usable.len() * (1 + usize::from(self.retries))
    }

    /// B9: the addresses in their order, each at most once and its retries, and retried only for what passes.
    pub(crate) fn check_order(&self, error: &DialError) {
        let ports: Vec<_> = error.attempts.iter().map(|attempt| attempt.address.port().unwrap()).collect();
        assert!(ports.is_sorted(), "{error}");
        for pair in error.attempts.windows(2) {
            let passes = matches!(pair[0].fault.kind(), FaultKind::SelfConnected | FaultKind::AddressNotAvailable);
            assert!(passes || pair[0].address != pair[1].address, "{error}");
        }
        for port in 1..=u16::try_from(self.addresses()).unwrap() {
            let times = ports.iter().filter(|other| **other == port).count();
            assert!(times <= 1 + usize::from(self.retries), "{error}");
        }
    }
}

/// What failed once is tried first the next time.
pub(crate) fn persistent() -> ProptestConfig {
    let persistence = FileFailurePersistence::WithSource("proptest-regressions");
    ProptestConfig { failure_persistence: Some(Box::new(persistence)), ..ProptestConfig::default() }
}
