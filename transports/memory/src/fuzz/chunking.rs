//! How a stream is cut makes no difference.

use std::fmt::Debug;
use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;
use sansock::{CloseReason, CloseReport, ConnectionConfig, Ending, Handler, OpKind, Origin, Outcome, Peer, Session, Timestamp};

use super::driver::Driver;
use super::session::Alone;
use super::witness::{Notes, Witness};
use super::{Choices, Violation};
use crate::closure::{Check, Flight};

/// More steps than any handler takes for what fits into a fuzzer's input.
const STEPS: usize = 10_000_000;

/// Gives a new handler the same stream three times: in pieces as large as the connection allows, byte by byte, and cut as `cuts` says; what it
/// sends is taken in the same three ways. `view` says what of the handler must be the same in the end; what it sent and how it ended must be,
/// too. (A handler that aborts is only compared up to there.) The peer finishes after `input`. Time passes when nothing else happens.
///
/// ```
/// # use bytes::Bytes;
/// # use sansock::{ConnectionConfig, Context, Handler};
/// /// Counts lines, but forgets what a line began with in an earlier piece.
/// #[derive(Default)]
/// struct Words(Vec<Vec<u8>>);
///
/// impl Handler for Words {
///     type Message = std::convert::Infallible;
///
///     fn on_data(&mut self, _: &mut Context<'_, Self::Message>, data: Bytes) {
///         self.0.extend(data.split(|byte| *byte == b' ').map(<[u8]>::to_vec));
///     }
/// }
///
/// let config = ConnectionConfig::default();
/// let found = sansock_memory::fuzz::chunking(b"two words", &[], config, Words::default, |handler| handler.0.clone());
/// let violation = found.expect_err("it is cut into letters");
/// assert!(violation.to_string().starts_with("E3: whole and byte by byte differ"), "{violation}");
/// ```
///
/// # Errors
/// Two of the three differ, or a rule of [`session`](super::session) is broken.
pub fn chunking<H: Handler, T: PartialEq + Debug>(
    input: &[u8],
    cuts: &[u8],
    config: ConnectionConfig,
    mut make: impl FnMut() -> H,
    view: impl Fn(&H) -> T,
) -> Result<(), Box<Violation>> {
    let config = Arc::new(config);
    let mut run = |cut| run(input, cut, &config, make(), &view);
    let whole = run(Cut::Whole)?;
    for (name, cut) in [("byte by byte", Cut::ByteByByte), ("as scripted", Cut::As(cuts))] {
        let other = run(cut)?;
        if !whole.is_like(&other) {
            let script = vec![format!("whole: {whole:?}"), format!("{name}: {other:?}")];
            return Err(Box::new(Violation { rule: format!("E3: whole and {name} differ"), script }));
        }
    }
    Ok(())
}

/// How the transport cuts.
#[derive(Clone, Copy)]
enum Cut<'a> {
    Whole,
    ByteByByte,
    As(&'a [u8]),
}

/// What came of it.
#[derive(Debug)]
struct Seen<T> {
    view: T,
    wire: Bytes,
    ending: Ending,
    reason: CloseReason,
    /// Delivered or not is a matter of how it was cut, if the handler ended before the peer; the sum is not.
    received: u64,
    unsent: u64,
}

impl<T: PartialEq> Seen<T> {
    fn is_like(&self, other: &Self) -> bool {
        if (self.ending, self.reason) != (other.ending, other.reason) || self.view != other.view {
            return false;
        }
        // How much was on its way at an abort is a matter of how it was cut.
        let prefix = |one: &[u8], other: &[u8]| one.starts_with(other) || other.starts_with(one);
        match self.ending {
            Ending::Aborted => prefix(&self.wire, &other.wire),
            _ => (&self.wire, self.received, self.unsent) == (&other.wire, other.received, other.unsent),
        }
    }
}

fn run<H: Handler, T>(
    input: &[u8],
    cut: Cut<'_>,
    config: &Arc<ConnectionConfig>,
    handler: H,
    view: impl Fn(&H) -> T,
) -> Result<Seen<T>, Box<Violation>> {
    let notes = Notes::default();
    let peer = Peer { address: None, local: None, origin: Origin::Accepted { listener: 0 } };
    let handler = Witness::new(handler, Rc::clone(&notes));
    let mut session = Session::new(Timestamp::ZERO, super::socket(), peer, Arc::clone(config), handler);
    session.open(Timestamp::ZERO);
    let mut driver = Driver::new(Alone { session, report: None }, Choices::new(&[]), vec![super::socket()], &notes);
    let mut cutter = Cutter { cut, step: 0, input };
    match driver.play(|driver| cutter.step(driver)) {
        Ok(report) => {
            let wire = driver.surroundings.traffic.remove(&super::socket()).unwrap_or_default().sent;
            let CloseReport { ending, reason, received, undelivered, unsent, .. } = report;
            let view = view(&driver.subject.session.handler().inner);
            Ok(Seen { view, wire: wire.into(), ending, reason, received: received + undelivered, unsent })
        }
        Err(rule) => Err(driver.violation(rule)),
    }
}

impl<H: Handler> Driver<'_, Alone<H>> {
    fn play(&mut self, mut step: impl FnMut(&mut Self) -> Check) -> Check<CloseReport> {
        for _ in 0..STEPS {
            self.poll_all()?;
            self.surroundings.check()?;
            if let Some(report) = self.subject.report {
                return Ok(report);
            }
            step(self)?;
        }
        Err(format!("C3: it has not ended after {STEPS} steps"))
    }
}

struct Cutter<'a> {
    cut: Cut<'a>,
    step: usize,
    input: &'a [u8],
}

impl Cutter<'_> {
    /// Completes one operation. If none is in flight the application rests: time passes.
    fn step<H: Handler>(&mut self, driver: &mut Driver<'_, Alone<H>>) -> Check {
        let flights = driver.transport.flights();
        let Some(flight) = flights.get(self.number() % flights.len().max(1)).copied() else {
            ensure!(driver.has_deadline(), "C7: nothing is in flight, no deadline is armed, and it has not ended");
            return driver.wait_for_deadline();
        };
        let outcome = self.outcome(&flight);
        driver.complete(&flight, outcome)
    }

    fn outcome(&mut self, flight: &Flight) -> Outcome {
        match flight.id.kind() {
            OpKind::Recv if self.input.is_empty() => Outcome::Eof,
            OpKind::Recv => {
                let (now, later) = self.input.split_at(self.length(flight.size.min(self.input.len())));
                self.input = later;
                Outcome::Data(Bytes::copy_from_slice(now))
            }
            OpKind::Send => Outcome::Sent(self.length(flight.size)),
            _ => Outcome::Done,
        }
    }

    fn length(&mut self, most: usize) -> usize {
        match self.cut {
            Cut::Whole => most,
            Cut::ByteByByte => 1,
            Cut::As(_) => 1 + self.number() % most,
        }
    }

    fn number(&mut self) -> usize {
        let Cut::As(cuts) = self.cut else { return 0 };
        self.step += 1;
        cuts.get(self.step % cuts.len().max(1)).copied().unwrap_or(0).into()
    }
}
