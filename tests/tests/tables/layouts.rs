//! Where the states of each table stand in its picture.

use sansock::state::{DialerLife, Life, ListenerLife, ReceiveHalf, SendHalf, SupervisorLife};

use super::diagram::Side::{Bottom, Left, Right, Top};
use super::diagram::{Layout, Route, Side};

const fn route<S>(from: S, to: S, leaves: (Side, f32), arrives: (Side, f32), label: f32) -> Route<S> {
    Route { from, to, leaves, arrives, label }
}

pub(crate) const CONNECTION: Layout<Life> = Layout {
    name: "connection",
    size: (815.0, 260.0),
    places: &[
        (Life::Open, 205.0, 30.0),
        (Life::Lingering, 205.0, 130.0),
        (Life::Flushing, 205.0, 230.0),
        (Life::Ending, 425.0, 130.0),
        (Life::Closing, 590.0, 130.0),
        (Life::Closed, 755.0, 130.0),
    ],
    routes: &[
        route(Life::Open, Life::Flushing, (Left, 8.0), (Left, 0.0), 0.5),
        route(Life::Open, Life::Ending, (Right, 0.0), (Left, -10.0), 0.4),
        route(Life::Lingering, Life::Ending, (Right, 0.0), (Left, 0.0), 0.45),
        route(Life::Flushing, Life::Ending, (Right, 0.0), (Left, 10.0), 0.4),
    ],
};

pub(crate) const RECEIVE: Layout<ReceiveHalf> = Layout {
    name: "receive",
    size: (560.0, 200.0),
    places: &[
        (ReceiveHalf::Reading, 100.0, 100.0),
        (ReceiveHalf::Discarding, 500.0, 100.0),
        (ReceiveHalf::Ended, 300.0, 30.0),
        (ReceiveHalf::Failed, 300.0, 170.0),
    ],
    routes: &[
        route(ReceiveHalf::Reading, ReceiveHalf::Ended, (Right, -8.0), (Left, 0.0), 0.5),
        route(ReceiveHalf::Reading, ReceiveHalf::Failed, (Right, 8.0), (Left, 0.0), 0.5),
        route(ReceiveHalf::Discarding, ReceiveHalf::Ended, (Left, -8.0), (Right, 0.0), 0.5),
        route(ReceiveHalf::Discarding, ReceiveHalf::Failed, (Left, 8.0), (Right, 0.0), 0.5),
    ],
};

pub(crate) const SEND: Layout<SendHalf> = Layout {
    name: "send",
    size: (700.0, 150.0),
    places: &[
        (SendHalf::Open, 100.0, 30.0),
        (SendHalf::Finishing, 270.0, 30.0),
        (SendHalf::ShuttingDown, 450.0, 30.0),
        (SendHalf::Finished, 630.0, 30.0),
        (SendHalf::Failed, 270.0, 120.0),
    ],
    routes: &[
        route(SendHalf::Open, SendHalf::Failed, (Bottom, 0.0), (Left, 0.0), 0.4),
        route(SendHalf::ShuttingDown, SendHalf::Failed, (Bottom, 0.0), (Right, 0.0), 0.4),
    ],
};

pub(crate) const LISTENER: Layout<ListenerLife> = Layout {
    name: "listener",
    size: (700.0, 420.0),
    places: &[
        (ListenerLife::New, 100.0, 30.0),
        (ListenerLife::Creating, 100.0, 100.0),
        (ListenerLife::Binding, 100.0, 170.0),
        (ListenerLife::Starting, 100.0, 240.0),
        (ListenerLife::Listening, 100.0, 310.0),
        (ListenerLife::Sweeping, 100.0, 380.0),
        (ListenerLife::Ending, 420.0, 240.0),
        (ListenerLife::Closing, 600.0, 240.0),
        (ListenerLife::Closed, 600.0, 65.0),
    ],
    routes: &[
        route(ListenerLife::New, ListenerLife::Closed, (Right, 0.0), (Left, -7.0), 0.4),
        route(ListenerLife::Creating, ListenerLife::Ending, (Right, 0.0), (Left, -12.0), 0.4),
        route(ListenerLife::Binding, ListenerLife::Ending, (Right, 0.0), (Left, -6.0), 0.4),
        route(ListenerLife::Starting, ListenerLife::Ending, (Right, 0.0), (Left, 0.0), 0.4),
        route(ListenerLife::Listening, ListenerLife::Ending, (Right, 0.0), (Left, 6.0), 0.4),
        route(ListenerLife::Sweeping, ListenerLife::Ending, (Right, 0.0), (Left, 12.0), 0.4),
        route(ListenerLife::Ending, ListenerLife::Closed, (Top, 0.0), (Bottom, -20.0), 0.5),
        route(ListenerLife::Closing, ListenerLife::Closed, (Top, 0.0), (Bottom, 0.0), 0.5),
        route(ListenerLife::Ending, ListenerLife::Ending, (Bottom, -16.0), (Bottom, 16.0), 0.5),
    ],
};

pub(crate) const DIALER: Layout<DialerLife> = Layout {
    name: "dialer",
    size: (680.0, 415.0),
    places: &[
        (DialerLife::New, 270.0, 30.0),
        (DialerLife::Waiting, 270.0, 105.0),
        (DialerLife::Creating, 270.0, 190.0),
        (DialerLife::Binding, 270.0, 255.0),
        (DialerLife::Connecting, 270.0, 320.0),
        (DialerLife::Ending, 480.0, 255.0),
        (DialerLife::Closing, 600.0, 105.0),
        (DialerLife::Connected, 270.0, 385.0),
        (DialerLife::Failed, 70.0, 105.0),
    ],
    routes: &[
        route(DialerLife::New, DialerLife::Failed, (Left, 8.0), (Top, 0.0), 0.6),
        route(DialerLife::Waiting, DialerLife::Creating, (Bottom, 0.0), (Top, 0.0), 0.45),
        route(DialerLife::Creating, DialerLife::Ending, (Right, 0.0), (Left, -9.0), 0.4),
        route(DialerLife::Binding, DialerLife::Ending, (Right, 0.0), (Left, 0.0), 0.4),
        route(DialerLife::Connecting, DialerLife::Ending, (Right, 0.0), (Left, 9.0), 0.4),
        route(DialerLife::Ending, DialerLife::Waiting, (Top, -20.0), (Right, 8.0), 0.5),
        route(DialerLife::Ending, DialerLife::Closing, (Right, 0.0), (Bottom, 0.0), 0.5),
        route(DialerLife::Ending, DialerLife::Ending, (Bottom, -16.0), (Bottom, 16.0), 0.5),
        route(DialerLife::Closing, DialerLife::Waiting, (Left, 0.0), (Right, -6.0), 0.5),
    ],
};

pub(crate) const SUPERVISOR: Layout<SupervisorLife> = Layout {
    name: "supervisor",
    size: (720.0, 385.0),
    places: &[
        (SupervisorLife::New, 150.0, 30.0),
        (SupervisorLife::Starting, 150.0, 110.0),
        (SupervisorLife::Running, 150.0, 190.0),
        (SupervisorLife::Draining, 150.0, 270.0),
        (SupervisorLife::Stopping, 410.0, 205.0),
        (SupervisorLife::CleaningUp, 150.0, 355.0),
        (SupervisorLife::Stopped, 640.0, 110.0),
    ],
    routes: &[
        route(SupervisorLife::New, SupervisorLife::Stopped, (Right, 0.0), (Top, 0.0), 0.4),
        route(SupervisorLife::Starting, SupervisorLife::Stopped, (Right, -6.0), (Left, 0.0), 0.4),
        route(SupervisorLife::Starting, SupervisorLife::Stopping, (Right, 8.0), (Left, -9.0), 0.4),
        route(SupervisorLife::Running, SupervisorLife::Stopping, (Right, 0.0), (Left, 0.0), 0.4),
        route(SupervisorLife::Draining, SupervisorLife::Stopping, (Right, 0.0), (Left, 9.0), 0.4),
        route(SupervisorLife::Running, SupervisorLife::CleaningUp, (Left, 0.0), (Left, 0.0), 0.5),
        route(SupervisorLife::Stopping, SupervisorLife::CleaningUp, (Bottom, 0.0), (Right, -7.0), 0.5),
        route(SupervisorLife::Stopping, SupervisorLife::Stopped, (Right, 0.0), (Bottom, -12.0), 0.5),
        route(SupervisorLife::CleaningUp, SupervisorLife::Stopped, (Right, 7.0), (Bottom, 16.0), 0.5),
    ],
};
