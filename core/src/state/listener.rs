//! The life of a listener.

use super::table::table;

table! {
    "life of a listener"
    /// Where a listener is between its creation and its end.
    states ListenerLife {
        /// Not started.
        New { Start => Creating, Sweep => Closed, Stop => Closed }
        /// The socket is being created.
        Creating { Created => Binding, Fail => Ending, Sweep => Ending, Stop => Ending }
        /// The socket is being bound.
        Binding { Bound => Starting, Fail => Ending, Sweep => Ending, Stop => Ending }
        /// The listen is in flight.
        Starting { Listened => Listening, Fail => Ending, Sweep => Ending, Stop => Ending }
        /// Accepting.
        Listening { Fail => Ending, Sweep => Sweeping, Stop => Ending }
        /// Draining: only what is queued already is still accepted, since closing would reset it.
        Sweeping { Fail => Ending, Sweep => -, Swept => Ending, Stop => Ending }
        /// Over. What is still in flight is being cancelled: close is a join. A socket that comes all the same will be closed.
        Ending {
            Created => Ending, Bound => -, Listened => -, Fail => -, Sweep => -, Swept => -, Stop => -,
            Join => Closing, Vanish => Closed,
        }
        /// The close is in flight.
        Closing { Sweep => -, Stop => -, Gone => Closed }
        /// The socket is gone, or never was.
        Closed { Sweep => -, Stop => - }
    }
    /// What happens in the life of a listener.
    events ListenerLifeEvent {
        /// The owner starts it.
        Start,
        /// The socket is there.
        Created,
        /// The socket is bound.
        Bound,
        /// The socket listens.
        Listened,
        /// A step failed, or the socket turned out to be no listener any more.
        Fail,
        /// The owner drains: accept what is queued, then end.
        Sweep,
        /// Nothing is queued any more, or nobody takes it.
        Swept,
        /// The owner stops it at once.
        Stop,
        /// Nothing is in flight any more.
        Join,
        /// There is nothing to close.
        Vanish,
        /// The close has completed.
        Gone,
    }
}
