//! What a network writes down.

use std::net::SocketAddr;

use super::{Acknowledged, Carried, Flight, Happening, Recording, SegmentId};
use crate::network::{Descriptor, HostId, Network};
use crate::segment::{Arrival, Segment};

impl Network {
    /// From now on everything that is sent, arrives or is lost is written down, with its bytes. What happens is not changed by it. A recording that
    /// is being written begins anew.
    pub fn start_recording(&mut self) {
        self.take_recording();
        let mut recording = Recording::following(self.segments_recorded);
        for host in &self.hosts {
            recording.add_host(host.name.clone(), host.addresses.iter().copied());
        }
        self.recording = Some(Box::new(recording));
        // The faster way has no place for it.
        self.calm = false;
    }

    /// Writes down what else happens, if there is a recording.
    pub fn note(&mut self, what: Happening) {
        if let Some(recording) = &mut self.recording {
            recording.note(self.now, what);
        }
    }

    /// The recording, if one is being written.
    #[must_use]
    pub fn recording(&self) -> Option<&Recording> {
        self.recording.as_deref()
    }

    /// Ends the recording.
    pub fn take_recording(&mut self) -> Option<Recording> {
        let recording = *self.recording.take()?;
        self.segments_recorded = recording.segments;
        Some(recording)
    }

    pub(crate) fn record_departure(&mut self, here: HostId, arrival: &Arrival) -> Option<SegmentId> {
        self.recording.as_ref()?;
        let carries = carried(&arrival.segment)?;
        let (from, to) = self.ends(arrival)?;
        let Arrival { host, window, acknowledged: until, .. } = *arrival;
        let socket = self.socket(arrival.from).map_or(0, |_| arrival.from.number());
        // What comes of no socket says nothing about the other direction.
        let says_so = socket > 0 && !matches!(carries, Carried::Syn);
        let acknowledges = (says_so || until == u64::MAX).then_some(Acknowledged { until, window });
        let (from_host, to_host) = (here.index(), host.index());
        let flight = |id| Flight { id, from_host, to_host, socket, from, to, carries, acknowledges };
        let now = self.now;
        self.recording.as_mut().map(|recording| recording.sent(now, flight))
    }

    pub(crate) fn record_arrival(&mut self, arrival: &Arrival) {
        let Some(id) = self.recorded(arrival) else { return };
        if let Segment::Syn { number } = arrival.segment
            && self.finds_no_room(arrival.from, arrival.host, number)
        {
            return self.record_loss(arrival, "the backlog is full");
        }
        self.note(Happening::Arrived(id));
    }

    pub(crate) fn record_loss(&mut self, arrival: &Arrival, why: &str) {
        if let Some(segment) = self.recorded(arrival) {
            self.note(Happening::Dropped { segment, why: why.into() });
        }
    }

    /// The name of a segment in the present recording.
    fn recorded(&self, arrival: &Arrival) -> Option<SegmentId> {
        let recording = self.recording.as_ref()?;
        arrival.recorded.filter(|segment| recording.knows(*segment))
    }

    /// From which address to which: what either end knows.
    fn ends(&self, arrival: &Arrival) -> Option<(SocketAddr, SocketAddr)> {
        let names = |descriptor: Descriptor| {
            let socket = self.socket(descriptor)?;
            let (local, remote) = socket.local.zip(socket.remote)?;
            Some((self.addresses.address(local), self.addresses.address(remote)))
        };
        names(arrival.from).or_else(|| names(arrival.to).map(|(local, remote)| (remote, local)))
    }
}

fn carried(segment: &Segment) -> Option<Carried> {
    Some(match segment {
        Segment::Syn { .. } => Carried::Syn,
        Segment::SynAck => Carried::SynAck,
        Segment::Ack => Carried::Ack,
        Segment::Data { sequence, data } => Carried::Data(*sequence, data.clone()),
        Segment::Fin { sequence } => Carried::Fin(*sequence),
        Segment::Refused { .. } | Segment::Reset => Carried::Reset,
        Segment::Probe => Carried::Probe,
        Segment::SynUnanswered { .. } | Segment::Unanswered { .. } | Segment::Silence { .. } | Segment::NobodyThere { .. } => {
            return None;
        }
    })
}
