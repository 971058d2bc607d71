//! The life of a dialer.

use super::table::table;

table! {
    "life of a dialer"
    /// Where a dialer is between its start and a connection or a failure.
    states DialerLife {
        /// Not started.
        New { Start => Waiting, GiveUp => Failed }
        /// The next address waits for a place to put its socket in.
        Waiting { Offer => Creating, GiveUp => Failed }
        /// The socket is being created.
        Creating { Created => Binding, Fail => Ending }
        /// The socket is being bound. Without a local address there is nothing to do, and this is passed through.
        Binding { Bound => Connecting, Fail => Ending }
        /// The connect is in flight.
        Connecting { Connected => Connected, Fail => Ending }
        /// The attempt has failed. What is still in flight is being cancelled: close is a join. A socket or a connection that comes all
        /// the same will be closed.
        Ending { Created => Ending, Bound => -, Connected => Ending, Fail => -, Join => Closing, Vanish => Waiting }
        /// The socket of a failed attempt is being closed.
        Closing { Fail => -, Gone => Waiting }
        /// There is a connection. It belongs to the owner now.
        Connected { GiveUp => - }
        /// Every address has failed, or the time is over, or the owner has cancelled.
        Failed { GiveUp => - }
    }
    /// What happens in the life of a dialer.
    events DialerLifeEvent {
        /// The owner starts it.
        Start,
        /// The owner offers a place.
        Offer,
        /// The socket is there.
        Created,
        /// The socket is bound, or need not be.
        Bound,
        /// The socket is connected.
        Connected,
        /// The attempt has failed: an operation did, its time is over, or the owner has cancelled.
        Fail,
        /// Nothing is in flight any more.
        Join,
        /// There is nothing to close.
        Vanish,
        /// The close has completed.
        Gone,
        /// No further address is tried: none is left, the time is over, or the owner has cancelled while no attempt was under way.
        GiveUp,
    }
}
