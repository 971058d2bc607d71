//! The life of a supervisor: a server or a client.

use super::table::table;

table! {
    "life of a supervisor"
    /// Where a supervisor is. Servers and clients share it: "running" is listening for one and connecting or connected for the other.
    states SupervisorLife {
        /// Not started.
        New { Start => Starting, Drain => Stopped, Stop => Stopped }
        /// The socket runtime is being initialised.
        Starting { Started => Running, StartFailed => Stopped, Drain => Stopping, Stop => Stopping }
        /// At work.
        Running { Drain => Draining, Stop => Stopping, Idle => CleaningUp }
        /// No new connections; those that are there may finish until the deadline.
        Draining { Drain => -, Stop => Stopping, Idle => CleaningUp }
        /// Everything that is left is being aborted.
        Stopping { Started => Stopping, StartFailed => Stopped, Drain => -, Stop => -, Idle => CleaningUp }
        /// The last socket is gone; the socket runtime is being released.
        CleaningUp { Drain => -, Stop => -, CleanedUp => Stopped }
        /// Over.
        Stopped { Drain => -, Stop => - }
    }
    /// What happens in the life of a supervisor.
    events SupervisorLifeEvent {
        /// The owner starts it.
        Start,
        /// The socket runtime is there.
        Started,
        /// The socket runtime is not there.
        StartFailed,
        /// The owner wants it to end once its connections have.
        Drain,
        /// The owner wants it to end now, or a drain's deadline has come.
        Stop,
        /// No socket is left, and none will come.
        Idle,
        /// The socket runtime is released.
        CleanedUp,
    }
}
