//! Who is in which place: the hard limit on connections.

use alloc::collections::BTreeSet;
use alloc::vec::Vec;

use crate::flight::{Flight, Stamps};
use crate::{CloseOp, Op, OpId, OpKind, SlotRange, Slots, SocketId, encode};

/// One place for each connection that there may be.
///
/// A place is taken when an accept is issued for it, not when the accept succeeds, so that the connections and the accepts in flight
/// together never exceed the limit; it is free again when the socket is gone, not when it was told to go.
#[derive(Clone, Debug)]
pub(super) struct Places {
    range: SlotRange,
    slots: Slots,
    /// By slot, as far as slots were ever used.
    places: Vec<Option<Place>>,
    used: usize,
    live: usize,
    /// Slots of connections that nobody wants and whose close was not submitted yet.
    doomed: BTreeSet<u32>,
    closing: usize,
    stamps: Stamps,
}

#[derive(Clone, Copy, Debug)]
struct Place {
    socket: SocketId,
    state: State,
}

#[derive(Clone, Copy, Debug)]
enum State {
    /// A listener has it, to accept into.
    Offered { listener: u32 },
    /// A session is out.
    Live,
    /// Nobody wants the connection: it is being closed.
    Closing { flight: Flight },
}

impl Places {
    pub(super) const fn new(range: SlotRange) -> Self {
        Self {
            range,
            slots: Slots::new(range),
            places: Vec::new(),
            used: 0,
            live: 0,
            doomed: BTreeSet::new(),
            closing: 0,
            stamps: Stamps::new(),
        }
    }

    /// See [`Slots::unused_generation`].
    pub(super) fn unused_generation(&self) -> Option<u32> {
        self.slots.unused_generation()
    }

    /// Takes a place for an accept of this listener.
    pub(super) fn offer(&mut self, listener: usize) -> Option<SocketId> {
        let socket = self.slots.reserve()?;
        let index = self.index(socket)?;
        if self.places.len() <= index {
            self.places.resize(index.saturating_add(1), None);
        }
        *self.places.get_mut(index)? = Some(Place { socket, state: State::Offered { listener: u32::try_from(listener).ok()? } });
        self.used = self.used.saturating_add(1);
        Some(socket)
    }

    /// The accept came to nothing.
    pub(super) fn give_back(&mut self, socket: SocketId) {
        self.free(socket);
    }

    /// A session is out.
    pub(super) fn begin_live(&mut self, socket: SocketId) {
        self.set(socket, State::Live);
        self.live = self.live.saturating_add(1);
    }

    pub(super) fn is_live(&self, socket: SocketId) -> bool {
        matches!(self.state(socket), Some(State::Live))
    }

    /// A session has ended.
    pub(super) fn end_live(&mut self, socket: SocketId) {
        if self.is_live(socket) {
            self.live = self.live.saturating_sub(1);
            self.free(socket);
        }
    }

    /// Nobody wants this connection.
    pub(super) fn dispose(&mut self, socket: SocketId) {
        self.set(socket, State::Closing { flight: Flight::Idle });
        self.doomed.insert(socket.slot());
    }

    /// The listener whose accept holds this place.
    pub(super) fn offered_by(&self, socket: SocketId) -> Option<usize> {
        match self.state(socket)? {
            State::Offered { listener } => usize::try_from(listener).ok(),
            State::Live | State::Closing { .. } => None,
        }
    }

    /// The close of a connection that nobody wants, as a reset: what it carried was not read.
    pub(super) fn next_close(&mut self) -> Option<Op> {
        let index = self.doomed.pop_first()?.saturating_sub(self.range.first());
        let place = self.places.get_mut(usize::try_from(index).ok()?)?.as_mut()?;
        let id = self.stamps.mint(place.socket, OpKind::Close);
        if let State::Closing { flight } = &mut place.state {
            flight.submit(id);
            self.closing = self.closing.saturating_add(1);
        }
        Some(Op::Close(CloseOp { id, abortive: true }))
    }

    /// True if the completion of this close is being waited for.
    pub(super) fn expects_close(&self, id: OpId) -> bool {
        let expected = matches!(self.state(id.socket()), Some(State::Closing { flight }) if flight.expects(id));
        expected && id.kind() == OpKind::Close
    }

    /// That close has completed.
    pub(super) fn closed(&mut self, socket: SocketId) {
        self.closing = self.closing.saturating_sub(1);
        self.free(socket);
    }

    /// True if a place that is in use will be free again without a session's end: an accept may come to nothing, and a close completes.
    pub(super) const fn will_have_free(&self) -> bool {
        self.used > self.live
    }

    pub(super) const fn live(&self) -> usize {
        self.live
    }

    pub(super) const fn used(&self) -> usize {
        self.used
    }

    /// The names of the sessions that are out, in the order of their slots.
    pub(super) fn live_sockets(&self) -> impl Iterator<Item = SocketId> {
        self.places.iter().flatten().filter(|place| matches!(place.state, State::Live)).map(|place| place.socket)
    }

    pub(super) const fn in_flight(&self) -> usize {
        self.closing
    }

    /// Which slots can be given out, and what is in each.
    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        self.slots.encode(out);
        for index in 0..self.range.count() {
            let place = usize::try_from(index).ok().and_then(|index| self.places.get(index)?.as_ref());
            match place.map(|place| place.state) {
                None => encode::byte(out, 0),
                Some(State::Offered { listener }) => {
                    encode::byte(out, 1);
                    encode::number(out, listener.into());
                }
                Some(State::Live) => encode::byte(out, 2),
                Some(State::Closing { flight }) => {
                    encode::byte(out, 3);
                    encode::byte(out, flight.code());
                }
            }
        }
    }

    fn index(&self, socket: SocketId) -> Option<usize> {
        usize::try_from(socket.slot().checked_sub(self.range.first())?).ok()
    }

    fn entry(&mut self, socket: SocketId) -> Option<&mut Option<Place>> {
        let index = self.index(socket)?;
        self.places.get_mut(index).filter(|entry| entry.is_some_and(|place| place.socket == socket))
    }

    fn state(&self, socket: SocketId) -> Option<State> {
        let place = self.places.get(self.index(socket)?)?.as_ref()?;
        Some(place.state).filter(|_| place.socket == socket)
    }

    fn set(&mut self, socket: SocketId, state: State) {
        if let Some(entry) = self.entry(socket) {
            *entry = Some(Place { socket, state });
        }
    }

    fn free(&mut self, socket: SocketId) {
        if let Some(entry) = self.entry(socket) {
            *entry = None;
            self.used = self.used.saturating_sub(1);
            self.slots.release(socket);
        }
    }
}
