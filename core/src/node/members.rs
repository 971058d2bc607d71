//! The servers, clients and sessions of a node, by slot.

use alloc::boxed::Box;
use alloc::vec::Vec;

use super::SupervisorId;
use super::supervisor::Supervisor;
use crate::{Machine, Misuse, MisuseKind, OpId, Service, Session, SlotRange, SocketId};

pub(super) enum Member<'a, S: Service> {
    Supervisor(&'a mut Supervisor<S>),
    Session(&'a mut Session<S::Handler>),
}

/// What is in one slot.
enum Seat<S: Service> {
    Empty,
    /// The place of a supervisor.
    Supervisor(u32),
    /// A session, and the place of its supervisor.
    Session {
        session: Box<Session<S::Handler>>,
        place: u32,
    },
}

pub(super) struct Members<S: Service> {
    first: u32,
    seats: Vec<Seat<S>>,
    /// In the order of their slots: each new place is cut from the front of the node's range. One that has stopped stays until another needs
    /// a place of that size.
    places: Vec<Supervisor<S>>,
    /// The slots of those that have stopped, under names that were not used, the last one last.
    vacant: Vec<SlotRange>,
}

impl<S: Service> Members<S> {
    pub(super) const fn new(first: u32) -> Self {
        Self { first, seats: Vec::new(), places: Vec::new(), vacant: Vec::new() }
    }

    /// The slots of a supervisor that has stopped and had so many, under names that were not used.
    pub(super) fn take_vacant(&mut self, count: u32) -> Option<SlotRange> {
        let vacant = self.vacant.iter().rposition(|slots| slots.count() == count)?;
        Some(self.vacant.remove(vacant))
    }

    /// The supervisor gets the place that its slots had before, or a new one.
    pub(super) fn add_supervisor(&mut self, supervisor: Supervisor<S>) -> SupervisorId {
        let slots = supervisor.slots();
        let index = self.places.partition_point(|before| before.slots().first() < slots.first());
        match self.places.get_mut(index) {
            Some(before) => *before = supervisor,
            None => self.places.push(supervisor),
        }
        // Each has a slot at least, and there are fewer slots than this can count.
        let place = u32::try_from(index).unwrap_or(u32::MAX);
        self.put(slots.first(), Seat::Supervisor(place));
        SupervisorId { place, generation: slots.generation() }
    }

    /// The supervisor has stopped: its place can be used again, unless its names are used up.
    pub(super) fn vacate(&mut self, supervisor: SupervisorId) {
        let slots = self.supervisor(supervisor).and_then(Supervisor::slots_after);
        self.vacant.extend(slots);
    }

    pub(super) fn add_session(&mut self, supervisor: SupervisorId, session: Box<Session<S::Handler>>) {
        let slot = session.socket().slot();
        self.put(slot, Seat::Session { session, place: supervisor.place });
    }

    pub(super) fn remove_session(&mut self, socket: SocketId) {
        if self.session(socket).is_some() {
            self.put(socket.slot(), Seat::Empty);
        }
    }

    /// Whose session is in this slot.
    pub(super) fn supervisor_of(&self, slot: u32) -> Option<SupervisorId> {
        match self.seats.get(self.index(slot)?)? {
            Seat::Session { place, .. } => self.name(*place),
            Seat::Empty | Seat::Supervisor(_) => None,
        }
    }

    pub(super) fn supervisor_at(&self, slot: u32) -> Option<SupervisorId> {
        match self.seats.get(self.index(slot)?)? {
            Seat::Supervisor(place) => self.name(*place),
            Seat::Empty | Seat::Session { .. } => None,
        }
    }

    /// The names of all supervisors.
    pub(super) fn supervisor_ids(&self) -> Vec<SupervisorId> {
        (0..).map_while(|place| self.name(place)).collect()
    }

    pub(super) fn supervisors(&self) -> impl Iterator<Item = &Supervisor<S>> {
        self.places.iter()
    }

    pub(super) fn supervisor(&self, id: SupervisorId) -> Option<&Supervisor<S>> {
        self.place(id.place).filter(|supervisor| supervisor.slots().generation() == id.generation)
    }

    /// A supervisor and the slot under which it is scheduled.
    pub(super) fn supervisor_mut(&mut self, id: SupervisorId) -> Option<(u32, &mut Supervisor<S>)> {
        let supervisor = self.places.get_mut(usize::try_from(id.place).ok()?)?;
        let slots = supervisor.slots();
        (slots.generation() == id.generation).then_some((slots.first(), supervisor))
    }

    pub(super) fn sessions(&self) -> impl Iterator<Item = &Session<S::Handler>> {
        self.seats.iter().filter_map(|seat| match seat {
            Seat::Session { session, .. } => Some(&**session),
            Seat::Empty | Seat::Supervisor(_) => None,
        })
    }

    pub(super) fn session(&self, socket: SocketId) -> Option<&Session<S::Handler>> {
        match self.seats.get(self.index(socket.slot())?)? {
            Seat::Session { session, .. } if session.socket() == socket => Some(session),
            _ => None,
        }
    }

    pub(super) fn session_mut(&mut self, socket: SocketId) -> Option<&mut Session<S::Handler>> {
        let index = self.index(socket.slot())?;
        match self.seats.get_mut(index)? {
            Seat::Session { session, .. } if session.socket() == socket => Some(session),
            _ => None,
        }
    }

    /// Whoever is in this slot.
    pub(super) fn member(&mut self, slot: u32) -> Option<Member<'_, S>> {
        let index = self.index(slot)?;
        match self.seats.get_mut(index)? {
            Seat::Empty => None,
            Seat::Supervisor(place) => self.places.get_mut(usize::try_from(*place).ok()?).map(Member::Supervisor),
            Seat::Session { session, .. } => Some(Member::Session(session)),
        }
    }

    /// The supervisor whose slot this is, and the slot under which it is scheduled.
    pub(super) fn supervisor_of_slot(&mut self, id: OpId) -> Result<(u32, &mut Supervisor<S>), Misuse> {
        let slot = id.socket().slot();
        // The last one that begins at this slot or before it.
        let behind = self.places.partition_point(|supervisor| supervisor.slots().first() <= slot);
        behind
            .checked_sub(1)
            .and_then(|index| self.places.get_mut(index))
            .filter(|supervisor| supervisor.slots().contains(slot))
            .map(|supervisor| (supervisor.slots().first(), supervisor))
            .ok_or(Misuse::completion(MisuseKind::UnknownSocket, id, "node"))
    }

    fn place(&self, place: u32) -> Option<&Supervisor<S>> {
        self.places.get(usize::try_from(place).ok()?)
    }

    /// Who is in a place.
    fn name(&self, place: u32) -> Option<SupervisorId> {
        self.place(place).map(|there| SupervisorId { place, generation: there.slots().generation() })
    }

    pub(super) fn in_flight(&self) -> usize {
        let supervisors = self.supervisors().map(Supervisor::in_flight);
        supervisors.chain(self.sessions().map(Machine::in_flight)).fold(0, usize::saturating_add)
    }

    fn index(&self, slot: u32) -> Option<usize> {
        usize::try_from(slot.checked_sub(self.first)?).ok()
    }

    fn put(&mut self, slot: u32, seat: Seat<S>) {
        let Some(index) = self.index(slot) else { return };
        while self.seats.len() <= index {
            self.seats.push(Seat::Empty);
        }
        if let Some(place) = self.seats.get_mut(index) {
            *place = seat;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::slots::LAST_BEGINNING;
    use crate::{Address, Client, ClientConfig, Context, Handler, Peer, Timestamp, Verdict};
    use bytes::Bytes;

    struct Nobody;

    impl Handler for Nobody {
        type Message = ();

        fn on_data(&mut self, _: &mut Context<'_, ()>, _: Bytes) {}
    }

    type Refuse = fn(&Peer) -> Verdict<Nobody>;

    fn client(slots: SlotRange) -> Supervisor<Refuse> {
        let config = ClientConfig::new([Address::Ip(([127, 0, 0, 1], 1).into())].into()).unwrap();
        Supervisor::Client(Client::new(config, (|_| Verdict::Reject) as Refuse, slots).unwrap())
    }

    // B11
    #[test]
    fn a_place_whose_names_are_used_up_is_not_used_again() {
        let mut members = Members::new(0);
        for generation in [LAST_BEGINNING - 1, LAST_BEGINNING] {
            let slots = SlotRange::new(0, 2).unwrap().beginning_with(generation).unwrap();
            let mut supervisor = client(slots);
            assert_eq!(supervisor.slots_after(), None, "it has not stopped");
            supervisor.stop(Timestamp::ZERO);
            let id = members.add_supervisor(supervisor);
            assert_eq!(members.take_vacant(2), None, "nobody has left");
            members.vacate(id);
            assert_eq!(members.take_vacant(1), None, "of another size");
            assert_eq!(members.take_vacant(2), slots.beginning_with(generation + 1));
            assert_eq!(members.take_vacant(2), None, "it is taken");
        }
        assert_eq!(members.places.len(), 1);
    }

    // Of several, the one that was left last, whatever the size of those left in between.
    #[test]
    fn a_place_that_is_used_up_hides_no_other() {
        let mut members = Members::new(0);
        for (first, count, generation) in [(0, 2, 0), (2, 3, 0), (5, 2, 7), (7, 2, LAST_BEGINNING)] {
            let slots = SlotRange::new(first, count).unwrap().beginning_with(generation).unwrap();
            let mut supervisor = client(slots);
            supervisor.stop(Timestamp::ZERO);
            let id = members.add_supervisor(supervisor);
            members.vacate(id);
        }
        let taken: Vec<_> =
            core::iter::from_fn(|| members.take_vacant(2)).map(|slots| (slots.first(), slots.generation())).collect();
        assert_eq!(taken, [(5, 8), (0, 1)]);
    }
}
