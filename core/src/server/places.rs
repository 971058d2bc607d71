//! Who is in which place: the hard limit on connections.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use crate::flight::{Flight, Stamps};
use crate::{CloseOp, Op, OpId, OpKind, SlotRange, Slots, SocketId, encode};

/// One place for each connection that there may be.
///
/// A place is taken when an accept is issued for it, not when the accept succeeds, so that the connections and the accepts in flight
/// together never exceed the limit; it is free again when the socket is gone, not when it was told to go.
#[derive(Clone, Debug)]
pub(super) struct Places {
    slots: Slots,
    /// By slot: few operations iterate over them, and those in the order of the slots.
    taken: BTreeMap<u32, Place>,
    live: usize,
    stamps: Stamps,
    listeners: usize,
}

#[derive(Clone, Copy, Debug)]
struct Place {
    socket: SocketId,
    state: State,
}

#[derive(Clone, Copy, Debug)]
enum State {
    /// A listener has it, to accept into.
    Offered { listener: usize },
    /// A session is out.
    Live,
    /// Nobody wants the connection: it is being closed.
    Closing { flight: Flight },
}

impl Places {
    pub(super) const fn new(range: SlotRange, listeners: usize) -> Self {
        Self { slots: Slots::new(range), taken: BTreeMap::new(), live: 0, stamps: Stamps::new(), listeners }
    }

    /// Takes a place for an accept of this listener.
    pub(super) fn offer(&mut self, listener: usize) -> Option<SocketId> {
        let socket = self.slots.reserve()?;
        self.taken.insert(socket.slot(), Place { socket, state: State::Offered { listener } });
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

    /// A session has ended; false if there was none.
    pub(super) fn end_live(&mut self, socket: SocketId) -> bool {
        let is_live = self.get(socket).is_some_and(|place| matches!(place.state, State::Live));
        if is_live {
            self.live = self.live.saturating_sub(1);
            self.free(socket);
        }
        is_live
    }

    /// Nobody wants this connection.
    pub(super) fn dispose(&mut self, socket: SocketId) {
        self.set(socket, State::Closing { flight: Flight::Idle });
    }

    /// The listener whose accept holds this place.
    pub(super) fn offered_by(&self, socket: SocketId) -> Option<usize> {
        match self.get(socket)?.state {
            State::Offered { listener } => Some(listener),
            State::Live | State::Closing { .. } => None,
        }
    }

    /// The close of a connection that nobody wants, as a reset: what it carried was not read.
    pub(super) fn next_close(&mut self) -> Option<Op> {
        let (socket, flight) = self.taken.values_mut().find_map(|place| match &mut place.state {
            State::Closing { flight } if flight.is_idle() => Some((place.socket, flight)),
            _ => None,
        })?;
        let id = self.stamps.mint(socket, OpKind::Close);
        flight.submit(id);
        Some(Op::Close(CloseOp { id, abortive: true }))
    }

    /// True if the completion of this close is being waited for.
    pub(super) fn expects_close(&self, id: OpId) -> bool {
        self.get(id.socket()).is_some_and(|place| matches!(place.state, State::Closing { flight } if flight.expects(id)))
    }

    pub(super) fn closed(&mut self, socket: SocketId) {
        self.free(socket);
    }

    pub(super) fn has_free(&self) -> bool {
        self.slots.has_free()
    }

    pub(super) const fn live(&self) -> usize {
        self.live
    }

    pub(super) fn used(&self) -> usize {
        self.taken.len()
    }

    /// The names of the sessions that are out, in the order of their slots.
    pub(super) fn live_sockets(&self) -> Vec<SocketId> {
        self.taken.values().filter(|place| matches!(place.state, State::Live)).map(|place| place.socket).collect()
    }

    pub(super) fn in_flight(&self) -> usize {
        let closing = |place: &&Place| matches!(place.state, State::Closing { flight } if !flight.is_idle());
        self.taken.values().filter(closing).count()
    }

    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        self.slots.encode(out);
        for place in self.taken.values() {
            match place.state {
                State::Offered { listener } => {
                    encode::byte(out, 0);
                    encode::length(out, listener.min(self.listeners));
                }
                State::Live => encode::byte(out, 1),
                State::Closing { flight } => {
                    encode::byte(out, 2);
                    encode::byte(out, flight.code());
                }
            }
        }
    }

    fn get(&self, socket: SocketId) -> Option<&Place> {
        self.taken.get(&socket.slot()).filter(|place| place.socket == socket)
    }

    fn set(&mut self, socket: SocketId, state: State) {
        if let Some(place) = self.taken.get_mut(&socket.slot()).filter(|place| place.socket == socket) {
            place.state = state;
        }
    }

    fn free(&mut self, socket: SocketId) {
        if self.get(socket).is_some() {
            self.taken.remove(&socket.slot());
            self.slots.release(socket);
        }
    }
}
