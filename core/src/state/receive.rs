//! The receiving half of a connection.

use super::table::table;

table! {
    "receive half"
    /// What we may still receive. RFC 9293 keeps the two directions of a connection apart, and so do we.
    states ReceiveHalf {
        /// Data goes to the application.
        Reading { Data => Reading, Eof => Ended, Discard => Discarding, Fail => Failed }
        /// Data is read and dropped, so that closing the socket with unread data does not reset the connection (RFC 9293,
        /// section 3.6.1) and take our last bytes with it.
        Discarding { Data => Discarding, Eof => Ended, Discard => -, Fail => Failed }
        /// The peer's FIN was read.
        Ended { Discard => - }
        /// A receive failed; nothing more will be asked of the socket.
        Failed { Discard => - }
    }
    /// What happens to the receiving half.
    events ReceiveEvent {
        /// Bytes were received.
        Data,
        /// The peer's FIN was received.
        Eof,
        /// The application wants no more data.
        Discard,
        /// A receive failed.
        Fail,
    }
}
