//! Copying and showing servers: derived implementations would ask for the wrong bounds, since what has to be copied is the message
//! type of the service's handler.

use core::fmt;

use super::{Server, ServerEvent};
use crate::{Handler, Service};

impl<S> Clone for Server<S>
where
    S: Service + Clone,
    S::Handler: Clone,
    <S::Handler as Handler>::Message: Clone,
{
    fn clone(&self) -> Self {
        Self {
            service: self.service.clone(),
            connection: self.connection.clone(),
            now: self.now,
            life: self.life,
            runtime: self.runtime.clone(),
            range: self.range,
            listeners: self.listeners.clone(),
            turn: self.turn,
            announced: self.announced,
            places: self.places.clone(),
            drain_deadline: self.drain_deadline,
            events: self.events.clone(),
            report: self.report.clone(),
        }
    }
}

impl<H> Clone for ServerEvent<H>
where
    H: Handler + Clone,
    H::Message: Clone,
{
    fn clone(&self) -> Self {
        match self {
            Self::Listening { listener, local } => Self::Listening { listener: *listener, local: *local },
            Self::Opened { socket, peer, session } => Self::Opened { socket: *socket, peer: *peer, session: session.clone() },
            Self::Order { socket, order } => Self::Order { socket: *socket, order: *order },
            Self::OptionsRefused { listener, refused } => Self::OptionsRefused { listener: *listener, refused: *refused },
            Self::Exhausted { listener, fault } => Self::Exhausted { listener: *listener, fault: *fault },
            Self::Recovered { listener, failures } => Self::Recovered { listener: *listener, failures: *failures },
            Self::ListenerLost { listener, error } => Self::ListenerLost { listener: *listener, error: *error },
            Self::Stopped(report) => Self::Stopped(report.clone()),
        }
    }
}

impl<S: Service> fmt::Debug for Server<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("life", &self.life)
            .field("listeners", &self.listeners)
            .field("places", &self.places)
            .field("report", &self.report)
            .finish_non_exhaustive()
    }
}

impl<H: Handler> fmt::Debug for ServerEvent<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Listening { listener, local } => write!(f, "Listening({listener}, {local:?})"),
            Self::Opened { socket, .. } => write!(f, "Opened({socket})"),
            Self::Order { socket, order } => write!(f, "Order({socket}, {order:?})"),
            Self::OptionsRefused { listener, refused } => write!(f, "OptionsRefused({listener}, {refused:?})"),
            Self::Exhausted { listener, fault } => write!(f, "Exhausted({listener}, {fault:?})"),
            Self::Recovered { listener, failures } => write!(f, "Recovered({listener}, {failures})"),
            Self::ListenerLost { listener, error } => write!(f, "ListenerLost({listener}, {error:?})"),
            Self::Stopped(report) => write!(f, "Stopped({report:?})"),
        }
    }
}
