//! A server or a client with all its sessions.

use std::rc::Rc;
use std::time::Duration;

use sansock::{
    ClientConfig, ClientReport, Machine, Misuse, Node, NodeEvent, ServerConfig, ServerReport, Service, SlotRange, SupervisorId,
    Timestamp,
};

use super::driver::{Driver, Subject, Surroundings};
use super::witness::{Notes, Witnessed};
use super::{Choices, Mischief, Traffic, Violation};
use crate::closure::Check;

/// What came of a [`server`] or a [`client`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Stopped<R> {
    /// Its account.
    pub report: R,
    /// What passed on each connection, in the order of their names.
    pub traffic: Vec<Traffic>,
    /// What was done to it.
    pub mischief: Mischief,
}

/// Runs a server with this service, and every session that comes of it, as [`session`](super::session) does: who connects and when, what
/// fails, and when it drains or stops, is for the bytes to say. Limits should be small.
///
/// # Errors
/// As for [`session`](super::session).
///
/// # Panics
/// The configuration needs more slots than there are.
pub fn server<S: Service>(bytes: &[u8], config: ServerConfig, service: S) -> Result<Stopped<ServerReport>, Box<Violation>> {
    run(bytes, service, |node, service| node.serve(Timestamp::ZERO, config, service))
        .map(|(reports, traffic, mischief)| Stopped { report: reports.server.unwrap_or_default(), traffic, mischief })
}

/// Runs a client with this service, and the session that comes of it, as [`session`](super::session) does.
///
/// # Errors
/// As for [`session`](super::session).
///
/// # Panics
/// The configuration needs more slots than there are.
pub fn client<S: Service>(bytes: &[u8], config: ClientConfig, service: S) -> Result<Stopped<ClientReport>, Box<Violation>> {
    run(bytes, service, |node, service| node.connect(Timestamp::ZERO, config, service))
        .map(|(reports, traffic, mischief)| Stopped { report: reports.client.unwrap_or_default(), traffic, mischief })
}

#[derive(Default)]
struct Reports {
    server: Option<ServerReport>,
    client: Option<ClientReport>,
}

type Run = (Reports, Vec<Traffic>, Mischief);

fn run<S: Service>(
    bytes: &[u8],
    service: S,
    start: impl FnOnce(&mut Node<Witnessed<S>>, Witnessed<S>) -> Result<SupervisorId, Misuse>,
) -> Result<Run, Box<Violation>> {
    let notes = Notes::default();
    let mut node = Node::new(SlotRange::ALL);
    start(&mut node, Witnessed { inner: service, notes: Rc::clone(&notes) }).expect("slots enough");
    let driver = Driver::new(House { node, reports: Reports::default() }, Choices::new(bytes), Vec::new(), &notes);
    let (house, surroundings) = driver.run()?;
    Ok((house.reports, surroundings.traffic.into_values().collect(), surroundings.mischief))
}

struct House<S: Service> {
    node: Node<Witnessed<S>>,
    reports: Reports,
}

impl<S: Service> Subject for House<S> {
    type Machine = Node<Witnessed<S>>;

    fn machine(&mut self) -> &mut Self::Machine {
        &mut self.node
    }

    fn event(&mut self, _: Timestamp, event: NodeEvent, _: &mut Choices<'_>, surroundings: &Surroundings) -> Check<String> {
        let told = format!("{event:?}");
        match event {
            NodeEvent::Closed { socket, report, .. } => surroundings.check_report(socket, &report)?,
            NodeEvent::ServerStopped { report, .. } => {
                let ended = report.rejected + report.finished();
                ensure!(report.accepted == ended, "A13: {} accepted, {ended} ended: {report}", report.accepted);
                self.reports.server = Some(*report);
            }
            NodeEvent::ClientStopped { report, .. } => self.reports.client = Some(*report),
            _ => {}
        }
        Ok(told)
    }

    fn call(&mut self, now: Timestamp, choices: &mut Choices<'_>) -> String {
        if choices.below(4) == 0 {
            self.node.stop(now);
            return "stop".into();
        }
        let deadline = now + Duration::from_millis(choices.below(10_000) as u64);
        self.node.drain(now, deadline);
        format!("drain by {deadline}")
    }

    fn drain(&mut self, now: Timestamp, deadline: Timestamp) {
        self.node.drain(now, deadline);
    }

    fn has_ended(&self) -> bool {
        (self.reports.server.is_some() || self.reports.client.is_some()) && self.node.in_flight() == 0
    }
}
