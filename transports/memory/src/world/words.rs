//! What a node says, as a recording shows it.

use sansock::{Address, NodeEvent};

pub(super) fn of(event: &NodeEvent) -> String {
    let named =
        |address: &Option<Address>| address.map_or_else(|| "an unknown address".to_owned(), |address| address.to_string());
    match event {
        NodeEvent::Listening { local, .. } => format!("listening on {}", named(local)),
        NodeEvent::Opened { peer, .. } => format!("connected with {}", named(&peer.address)),
        NodeEvent::Closed { report, .. } => format!("closed: {}", report.reason),
        NodeEvent::Exhausted { fault, .. } => format!("cannot accept: {fault}"),
        NodeEvent::Recovered { failures, .. } => format!("accepts again after {failures} failures"),
        NodeEvent::ListenerLost { error, .. } => format!("listener lost: {error}"),
        NodeEvent::ServerStopped { report, .. } => format!("server stopped: {report}"),
        NodeEvent::ClientStopped { report, .. } => format!("client stopped: {report}"),
        other => format!("{other:?}"),
    }
}
