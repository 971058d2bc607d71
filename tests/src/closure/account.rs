//! What is known of one connection from the outside, to hold its report against.

use sansock::{
    CloseReport, Completion, Connection, ConnectionEvent, Ending, FaultKind, Machine, Op, OpId, OpKind, Outcome, Output, Stream,
    Timestamp,
};
use sansock_memory::closure::{Check, Flight};

/// Bytes by direction, and which ends were seen.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Account {
    /// Bytes that the connection has taken from the application.
    pub accepted: u64,
    /// Bytes that the transport has taken.
    pub taken: u64,
    /// Bytes that have come in.
    pub incoming: u64,
    /// Bytes that were delivered.
    pub delivered: u64,
    /// The peer's FIN has come in.
    pub eof: bool,
    /// Our FIN is out.
    pub fin: bool,
}

impl Account {
    /// An operation has completed. Impossible values count for nothing.
    pub fn complete(&mut self, flight: &Flight, outcome: &Outcome) {
        match outcome {
            Outcome::Sent(count) if (1..=flight.size).contains(count) => self.taken += *count as u64,
            Outcome::Data(data) if (1..=flight.size).contains(&data.len()) => self.incoming += data.len() as u64,
            Outcome::Eof => self.eof = true,
            Outcome::Done if flight.id.kind() == OpKind::Shutdown => self.fin = true,
            _ => {}
        }
    }

    /// Appends what a report says beside numbers: the ending and its reasons, without what a fault was.
    pub fn encode(report: &CloseReport, code: &mut Vec<u8>) {
        for reason in [Some(report.reason), report.cut_short].into_iter().flatten() {
            let text = format!("{reason:?}");
            code.extend_from_slice(text.split([' ', '(']).next().unwrap_or_default().as_bytes());
            code.push(0);
        }
    }

    // A1, A3, A4
    /// Gives the name of the ending.
    ///
    /// # Errors
    /// The report says anything else than what was seen.
    pub fn agrees(&self, report: &CloseReport) -> Check<&'static str> {
        let counted = [report.sent, report.unsent, report.received, report.undelivered];
        let known = [self.taken, self.accepted - self.taken, self.delivered, self.incoming - self.delivered];
        ensure!(counted == known, "A1: sent, unsent, received, undelivered are {known:?}, and the report says {counted:?}");
        let flushed = self.fin && report.unsent == 0;
        let confirmed = flushed && self.eof;
        ensure!((report.ending == Ending::Confirmed) == confirmed, "A4: {report} with {self:?}");
        ensure!(report.ending != Ending::Unconfirmed || flushed, "A4: {report} with {self:?}");
        Ok(match report.ending {
            Ending::Confirmed => "event: closed, confirmed",
            Ending::Unconfirmed => "event: closed, unconfirmed",
            Ending::Aborted => "event: closed, aborted",
        })
    }

    // A1, A3
    /// Holds the account against what the report would say if the connection were aborted here and now. Called wherever something is
    /// counted, this makes the counts right on every way there is, and not only on those that a search has gone.
    ///
    /// # Errors
    /// They disagree.
    pub fn audit(&self, connection: &Connection, now: Timestamp, flights: &[Flight]) -> Check {
        let mut copy = connection.clone();
        copy.abort(now);
        let mut left: Vec<OpId> = flights.iter().map(|flight| flight.id).collect();
        loop {
            match copy.poll() {
                Some(Output::Event(ConnectionEvent::Closed(report))) => return self.agrees(&report).map(drop),
                Some(Output::Event(_)) | Some(Output::Submit(Op::Cancel(_))) => {}
                Some(Output::Submit(op)) => left.push(op.id()),
                None => {
                    let Some(id) = left.pop() else { return Err("C2: an abort does not lead to the end".to_owned()) };
                    let gone = Completion::from_raw(id, Outcome::Failed(FaultKind::Cancelled.into()));
                    copy.complete(now, gone).map_err(|misuse| format!("D3: {misuse}"))?;
                }
            }
        }
    }
}
