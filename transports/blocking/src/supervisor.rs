//! What servers and clients have in common for the thread that drives them.

use sansock::{
    Address, Client, ClientEvent, ClientReport, CloseReport, Fault, ListenError, Machine, Order, Peer, RefusedOptions, Server,
    ServerEvent, ServerReport, Service, Session, SocketId, Timestamp,
};

/// What happens at a server or a client.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Notice {
    /// A listener listens.
    Listening {
        /// The listener's place in the configuration.
        listener: usize,
        /// Its address, with its real port.
        local: Option<Address>,
    },
    /// Not every option of a listening socket could be had; it goes on without.
    OptionsRefused {
        /// The listener's place in the configuration.
        listener: usize,
        /// The options, none of which was required.
        refused: RefusedOptions,
    },
    /// There is a connection: from now on it can be posted to.
    Opened {
        /// Its name.
        socket: SocketId,
        /// Who it is.
        peer: Peer,
    },
    /// A connection has ended.
    Closed {
        /// Its name.
        socket: SocketId,
        /// How.
        report: CloseReport,
    },
    /// A listener has begun to fail to accept because something has run out; it tries again with growing delays.
    Exhausted {
        /// The listener's place in the configuration.
        listener: usize,
        /// What went wrong first.
        fault: Fault,
    },
    /// That listener accepts again.
    Recovered {
        /// The listener's place in the configuration.
        listener: usize,
        /// How many accepts had failed in between.
        failures: u64,
    },
    /// A listener that had been listening broke.
    ListenerLost {
        /// The listener's place in the configuration.
        listener: usize,
        /// What went wrong.
        error: ListenError,
    },
}

/// An event, by what the thread does with it.
pub(crate) enum Sorted<S: Service, R> {
    Opened { socket: SocketId, peer: Peer, session: Box<Session<S::Handler>> },
    Order { socket: SocketId, order: Order },
    Notice(Notice),
    Stopped(R),
}

pub(crate) trait Supervisor: Machine + Send + 'static {
    type Service: Service;
    type Report: Clone + Send + 'static;

    fn drain(&mut self, now: Timestamp, deadline: Timestamp);
    fn stop(&mut self, now: Timestamp);
    fn gone(&mut self, now: Timestamp, socket: SocketId, report: &CloseReport);
    fn sort(event: Self::Event) -> Sorted<Self::Service, Self::Report>;
}

impl<S> Supervisor for Server<S>
where
    S: Service + Send + 'static,
    S::Handler: Send,
{
    type Service = S;
    type Report = ServerReport;

    fn drain(&mut self, now: Timestamp, deadline: Timestamp) {
        self.drain(now, deadline);
    }

    fn stop(&mut self, now: Timestamp) {
        self.stop(now);
    }

    fn gone(&mut self, now: Timestamp, socket: SocketId, report: &CloseReport) {
        let result = self.gone(now, socket, report);
        debug_assert!(result.is_ok(), "each session is said to be gone once: {result:?}");
    }

    fn sort(event: ServerEvent<S::Handler>) -> Sorted<S, ServerReport> {
        Sorted::Notice(match event {
            ServerEvent::Opened { socket, peer, session } => return Sorted::Opened { socket, peer, session },
            ServerEvent::Order { socket, order } => return Sorted::Order { socket, order },
            ServerEvent::Stopped(report) => return Sorted::Stopped(*report),
            ServerEvent::Listening { listener, local } => Notice::Listening { listener, local },
            ServerEvent::OptionsRefused { listener, refused } => Notice::OptionsRefused { listener, refused },
            ServerEvent::Exhausted { listener, fault } => Notice::Exhausted { listener, fault },
            ServerEvent::Recovered { listener, failures } => Notice::Recovered { listener, failures },
            ServerEvent::ListenerLost { listener, error } => Notice::ListenerLost { listener, error },
        })
    }
}

impl<S> Supervisor for Client<S>
where
    S: Service + Send + 'static,
    S::Handler: Send,
{
    type Service = S;
    type Report = ClientReport;

    fn drain(&mut self, now: Timestamp, deadline: Timestamp) {
        self.drain(now, deadline);
    }

    fn stop(&mut self, now: Timestamp) {
        self.stop(now);
    }

    fn gone(&mut self, now: Timestamp, socket: SocketId, report: &CloseReport) {
        let result = self.gone(now, socket, report);
        debug_assert!(result.is_ok(), "each session is said to be gone once: {result:?}");
    }

    fn sort(event: ClientEvent<S::Handler>) -> Sorted<S, ClientReport> {
        match event {
            ClientEvent::Opened { socket, peer, session } => Sorted::Opened { socket, peer, session },
            ClientEvent::Order { socket, order } => Sorted::Order { socket, order },
            ClientEvent::Stopped(report) => Sorted::Stopped(*report),
        }
    }
}
