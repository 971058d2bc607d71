//! The node's work: passing events between supervisors and sessions, delivering messages, giving turns.

use alloc::boxed::Box;

use super::members::Member;
use super::supervisor::{Supervisor, SupervisorEvent};
use super::{Node, NodeEvent, SupervisorId};
use crate::{ClientEvent, Machine, Op, Order, Peer, ServerEvent, Service, Session, SessionEvent, SocketId, Timestamp};

/// So many messages are delivered in one call; the rest waits for the next, so that two handlers that write to each other for ever
/// cannot keep everybody else waiting.
const MESSAGES_PER_TURN: usize = 64;

impl<S: Service> Node<S> {
    pub(super) fn supervise(&mut self, supervisor: Supervisor<S>) -> SupervisorId {
        let slot = supervisor.slots().first();
        let id = self.members.add_supervisor(supervisor);
        self.work_from(slot);
        id
    }

    pub(super) fn each_supervisor(&mut self, now: Timestamp, mut act: impl FnMut(&mut Supervisor<S>, Timestamp)) {
        for id in self.members.supervisor_ids() {
            self.one_supervisor(now, id, &mut act);
        }
    }

    pub(super) fn one_supervisor(&mut self, now: Timestamp, id: SupervisorId, act: impl FnOnce(&mut Supervisor<S>, Timestamp)) {
        self.tick(now);
        if let Some((slot, supervisor)) = self.members.supervisor_mut(id) {
            act(supervisor, self.now);
            self.work_from(slot);
        }
    }

    /// The next operation of whoever's turn it is.
    pub(super) fn next_operation(&mut self) -> Option<Op> {
        while let Some(slot) = self.schedule.turn() {
            let op = match self.members.member(slot) {
                Some(Member::Session(session)) => session.next_operation(|op| op),
                Some(Member::Supervisor(supervisor)) => supervisor.next_operation(),
                None => None,
            };
            if op.is_some() {
                self.schedule.had_turn();
                return op;
            }
            self.schedule.had_nothing();
        }
        None
    }

    /// Fires the time-outs that are due. What a time-out arms anew is entered after all of them, and waits for the next call.
    pub(super) fn fire_due(&mut self) {
        let now = self.now;
        while let Some(slot) = self.schedule.take_due(now) {
            match self.members.member(slot) {
                Some(Member::Session(session)) => session.handle_timeout(now),
                Some(Member::Supervisor(supervisor)) => supervisor.handle_timeout(now),
                None => continue,
            }
            self.mark(slot);
        }
    }

    /// This member was mutated.
    pub(super) fn mark(&mut self, slot: u32) {
        self.schedule.mark(slot);
    }

    /// This member was mutated, and is the first to be looked at.
    pub(super) fn work_from(&mut self, slot: u32) {
        self.look_at(slot);
        self.work();
    }

    /// Looks at everybody who was mutated, and delivers messages, until nothing is left or the limit of a turn is reached.
    pub(super) fn work(&mut self) {
        for _ in 0..MESSAGES_PER_TURN {
            while let Some(slot) = self.schedule.next_look() {
                self.look_at(slot);
            }
            let Some(slot) = self.schedule.next_sender() else { return };
            self.carry_first(slot);
            self.mark(slot);
        }
        while let Some(slot) = self.schedule.next_look() {
            self.look_at(slot);
        }
    }

    /// Acts on the events of the member, up to a message: those stay with who posted them until they are delivered, so that each sender feels
    /// its own limit; senders take turns.
    fn look_at(&mut self, slot: u32) {
        loop {
            match self.members.member(slot) {
                Some(Member::Session(session)) => {
                    if session.has_mail() {
                        self.schedule.sends(slot);
                    } else if let Some(event) = session.next_event() {
                        let socket = session.socket();
                        self.on_session(socket, event);
                        continue;
                    }
                    return self.schedule.looked(slot, session.due());
                }
                Some(Member::Supervisor(supervisor)) => {
                    let Some(event) = supervisor.next_event() else {
                        return self.schedule.looked(slot, supervisor.deadline().unwrap_or(Timestamp::NEVER));
                    };
                    self.on_supervisor(slot, event);
                }
                None => return,
            }
        }
    }

    /// Delivers the first message that this session has posted.
    fn carry_first(&mut self, slot: u32) {
        if let Some(Member::Session(session)) = self.members.member(slot) {
            let socket = session.socket();
            if let Some(event) = session.next_event() {
                self.on_session(socket, event);
            }
        }
    }

    fn on_session(&mut self, socket: SocketId, event: SessionEvent<super::Message<S>>) {
        match event {
            SessionEvent::Post { to, message } => self.carry(socket, to, message),
            SessionEvent::Closed(report) => {
                let Some(supervisor) = self.members.supervisor_of(socket.slot()) else { return };
                self.members.remove_session(socket);
                self.events.push_back(NodeEvent::Closed { supervisor, socket, report });
                if let Some((slot, owner)) = self.members.supervisor_mut(supervisor) {
                    owner.gone(self.now, socket, &report);
                    self.mark(slot);
                }
            }
        }
    }

    fn carry(&mut self, from: SocketId, to: SocketId, message: super::Message<S>) {
        let now = self.now;
        let returned = match self.members.session_mut(to) {
            Some(session) => session.deliver(now, message),
            None => Err(message),
        };
        match returned {
            Ok(()) => self.mark(to.slot()),
            Err(message) => {
                if let Some(session) = self.members.session_mut(from) {
                    session.undelivered(now, to, message);
                }
            }
        }
    }

    fn on_supervisor(&mut self, slot: u32, event: SupervisorEvent<S>) {
        let Some(id) = self.members.supervisor_at(slot) else { return };
        match event {
            SupervisorEvent::Server(event) => self.on_server(id, event),
            SupervisorEvent::Client(event) => self.on_client(id, event),
        }
    }

    fn on_server(&mut self, server: SupervisorId, event: ServerEvent<S::Handler>) {
        let event = match event {
            ServerEvent::Opened { peer, session, .. } => return self.adopt(server, peer, session),
            ServerEvent::Order { socket, order } => return self.order(socket, order),
            ServerEvent::Listening { listener, local } => NodeEvent::Listening { server, listener, local },
            ServerEvent::OptionsRefused { listener, refused } => NodeEvent::OptionsRefused { server, listener, refused },
            ServerEvent::Exhausted { listener, fault } => NodeEvent::Exhausted { server, listener, fault },
            ServerEvent::Recovered { listener, failures } => NodeEvent::Recovered { server, listener, failures },
            ServerEvent::ListenerLost { listener, error } => NodeEvent::ListenerLost { server, listener, error },
            ServerEvent::Stopped(report) => {
                self.members.vacate(server);
                NodeEvent::ServerStopped { server, report }
            }
        };
        self.events.push_back(event);
    }

    fn on_client(&mut self, client: SupervisorId, event: ClientEvent<S::Handler>) {
        match event {
            ClientEvent::Opened { peer, session, .. } => self.adopt(client, peer, session),
            ClientEvent::Order { socket, order } => self.order(socket, order),
            ClientEvent::Stopped(report) => {
                self.members.vacate(client);
                self.events.push_back(NodeEvent::ClientStopped { client, report });
            }
        }
    }

    fn adopt(&mut self, supervisor: SupervisorId, peer: Peer, mut session: Box<Session<S::Handler>>) {
        let socket = session.socket();
        self.events.push_back(NodeEvent::Opened { supervisor, socket, peer });
        session.open(self.now);
        self.members.add_session(supervisor, session);
        self.mark(socket.slot());
    }

    fn order(&mut self, socket: SocketId, order: Order) {
        let now = self.now;
        if let Some(session) = self.members.session_mut(socket) {
            session.order(now, order);
            self.mark(socket.slot());
        }
    }
}
