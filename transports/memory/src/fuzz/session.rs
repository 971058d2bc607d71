//! A session and its handler.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use sansock::{CloseReport, ConnectionConfig, Handler, Order, Origin, Peer, Session, SessionEvent, SocketId, Timestamp};

use super::driver::{Driver, Subject, Surroundings};
use super::witness::{Notes, Witness};
use super::{Choices, Mischief, Traffic, Violation};
use crate::closure::Check;

/// What came of a [`session`].
#[derive(Debug)]
pub struct Ended<H: Handler> {
    /// How the connection ended.
    pub report: CloseReport,
    /// What passed between the session and its peer.
    pub traffic: Traffic,
    /// What was done to it.
    pub mischief: Mischief,
    session: Session<Witness<H>>,
}

impl<H: Handler> Ended<H> {
    /// The handler, after its last callback.
    #[must_use]
    pub const fn handler(&self) -> &H {
        &self.session.handler().inner
    }
}

/// Runs a session with this handler. The bytes say what its peer sends, how the stream is cut, how much of what it sends is taken at a time,
/// what fails and how, in which order operations complete, when time passes, when the supervisor drains or aborts, and what the transport
/// lies about; see the [module](super#what-is-checked) for what is checked at each step. When the bytes are used up, the session is drained,
/// and has to end.
///
/// Messages that the handler posts to others come back, or do not, as the bytes say.
///
/// # Errors
/// The rule that was broken, with everything that happened before. A panic of the handler is not caught: a fuzzer wants to see it.
pub fn session<H: Handler>(bytes: &[u8], config: ConnectionConfig, handler: H) -> Result<Ended<H>, Box<Violation>> {
    let notes = Notes::default();
    let socket = super::socket();
    let peer = Peer { address: None, local: None, origin: Origin::Accepted { listener: 0 } };
    let handler = Witness::new(handler, Rc::clone(&notes));
    let mut session = Session::new(Timestamp::ZERO, socket, peer, Arc::new(config), handler);
    session.open(Timestamp::ZERO);
    let driver = Driver::new(Alone { session, report: None }, Choices::new(bytes), vec![socket], &notes);
    let (Alone { session, report }, mut surroundings) = driver.run()?;
    let traffic = surroundings.traffic.remove(&socket).unwrap_or_default();
    let report = report.unwrap_or(CloseReport::LOST);
    Ok(Ended { report, traffic, mischief: surroundings.mischief, session })
}

/// A session whose owner does nothing but what the bytes say.
pub(super) struct Alone<H: Handler> {
    pub(super) session: Session<Witness<H>>,
    pub(super) report: Option<CloseReport>,
}

impl<H: Handler> Subject for Alone<H> {
    type Machine = Session<Witness<H>>;

    fn machine(&mut self) -> &mut Self::Machine {
        &mut self.session
    }

    fn event(
        &mut self,
        now: Timestamp,
        event: SessionEvent<H::Message>,
        choices: &mut Choices<'_>,
        surroundings: &Surroundings,
    ) -> Check<String> {
        match event {
            SessionEvent::Post { to, message } => {
                let comes_back = choices.below(2) == 0;
                if comes_back {
                    self.session.undelivered(now, to, message);
                }
                Ok(format!("a message to {to}{}", if comes_back { ", which comes back" } else { "" }))
            }
            SessionEvent::Closed(report) => {
                surroundings.check_report(super::socket(), &report)?;
                self.report = Some(report);
                Ok(format!("closed, {report}"))
            }
        }
    }

    fn call(&mut self, now: Timestamp, choices: &mut Choices<'_>) -> String {
        let order = match choices.below(3) {
            0 => Order::Abort,
            _ => Order::Drain(now + Duration::from_millis(choices.below(10_000) as u64)),
        };
        self.session.order(now, order);
        format!("order {order:?}")
    }

    fn drain(&mut self, now: Timestamp, deadline: Timestamp) {
        self.session.order(now, Order::Drain(deadline));
    }

    fn has_ended(&self) -> bool {
        self.report.is_some()
    }
}

impl Surroundings {
    /// The report of this connection agrees with what has passed.
    pub(super) fn check_report(&self, socket: SocketId, report: &CloseReport) -> Check {
        let nothing = Traffic::default();
        match self.notes.borrow().get(&socket) {
            Some(note) => note.check_report(report, self.traffic.get(&socket).unwrap_or(&nothing)),
            None => Err(format!("A13: {socket} has ended, and its handler was never called")),
        }
    }
}
