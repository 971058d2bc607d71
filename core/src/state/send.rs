//! The sending half of a connection.

use super::table::table;

table! {
    "send half"
    /// What we may still send.
    states SendHalf {
        /// The application may send.
        Open { Finish => Finishing, Fail => Failed }
        /// No more from the application; the queue is being sent, our FIN comes after it.
        Finishing { Finish => -, Shutdown => ShuttingDown, Fail => Failed }
        /// The queue is empty, the shutdown is in flight.
        ShuttingDown { Finish => -, Done => Finished, Fail => Failed }
        /// Our FIN was sent.
        Finished { Finish => - }
        /// A send or the shutdown failed; nothing more will be asked of the socket.
        Failed { Finish => - }
    }
    /// What happens to the sending half.
    events SendEvent {
        /// The application has sent its last byte.
        Finish,
        /// The shutdown was submitted.
        Shutdown,
        /// The shutdown was done.
        Done,
        /// A send or the shutdown failed.
        Fail,
    }
}
