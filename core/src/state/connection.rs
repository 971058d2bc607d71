//! The life of a connection.

use super::table::table;

table! {
    "life of a connection"
    /// Where a connection is between its opening and its end. There is one life for both roles: nothing here knows who called whom.
    states Life {
        /// Data moves.
        Open { Finish => Lingering, CloseAfterFlush => Flushing, Settle => Ending, Abort => Ending }
        /// `finish()`: send the queue, then our FIN, and drain until the peer's EOF.
        Lingering { Finish => -, CloseAfterFlush => Flushing, Settle => Ending, Abort => Ending }
        /// `close_after_flush()`: send the queue, then our FIN.
        Flushing { Finish => -, CloseAfterFlush => -, Settle => Ending, Abort => Ending }
        /// Over. What is still in flight is being cancelled: close is a join. An abort still turns the close into a reset.
        Ending { Finish => -, CloseAfterFlush => -, Abort => Ending, Join => Closing }
        /// The close is in flight.
        Closing { Finish => -, CloseAfterFlush => -, Abort => -, Gone => Closed }
        /// The socket is gone.
        Closed { Finish => -, CloseAfterFlush => -, Abort => - }
    }
    /// What happens in the life of a connection.
    events LifeEvent {
        /// The application, or a time-out, wants a graceful end.
        Finish,
        /// The application wants the socket closed once everything was sent.
        CloseAfterFlush,
        /// Everything that the ending waits for has happened, or waiting for more is over.
        Settle,
        /// The application, a time-out or a fault ends the connection at once.
        Abort,
        /// Nothing is in flight any more.
        Join,
        /// The close has completed.
        Gone,
    }
}
