//! Both ends over real sockets.

use std::sync::{Arc, mpsc};

use sansock::NodeEvent;
use sansock_blocking::Notice;

use super::{Audience, Cast, Command, DRAIN, Outcome, Seat, Side, Terms, client_config, recorders, server_config, service};

/// Runs both ends over real sockets, a thread a connection.
///
/// # Panics
/// If the server cannot listen.
pub fn on_blocking<C: Cast>(cast: &C, terms: impl Into<Terms>, audience: &Arc<dyn Audience>) -> Outcome {
    let terms = terms.into();
    let (server_sees, client_sees, calls) = recorders();
    let (listening, address) = mpsc::channel();
    let (closing, closed) = mpsc::channel();
    let server = sansock_blocking::serve_observed(
        server_config(&terms),
        service(cast, Side::Server, &server_sees),
        move |notice| match notice {
            Notice::Listening { local, .. } => drop(listening.send(local)),
            Notice::Closed { .. } => drop(closing.send(())),
            _ => {}
        },
        Some(Arc::new(Seat(Side::Server, Arc::clone(audience)))),
    )
    .expect("a thread for the server");
    let Ok(address) = address.recv() else { panic!("the server does not listen: {}", server.join()) };
    let client = sansock_blocking::connect_observed(
        client_config(address, &terms),
        service(cast, Side::Client, &client_sees),
        |_| {},
        Some(Arc::new(Seat(Side::Client, Arc::clone(audience)))),
    )
    .expect("a thread for the client");
    if let Some((side, command)) = terms.command {
        calls.recv_blocking().expect("the recorders are there");
        match (side, command) {
            (Side::Server, Command::Drain) => server.drain(DRAIN),
            (Side::Server, Command::Stop) => server.stop(),
            (Side::Client, Command::Drain) => client.drain(DRAIN),
            (Side::Client, Command::Stop) => client.stop(),
        }
    }
    let client_report = client.join();
    // A client may be done before the server has read its last bytes, and a drain would end that.
    if client_report.closed.is_some() {
        closed.recv().expect("the server's connection ends too");
    }
    server.drain(DRAIN);
    let server_report = server.join();
    Outcome { client: client_sees.history(), server: server_sees.history(), client_report, server_report }
}

/// Runs both ends over real sockets, both ends in one task, each with a driver of its own.
///
/// # Panics
/// If the server cannot listen.
pub fn on_smol<C: Cast>(cast: &C, terms: impl Into<Terms>, audience: &Arc<dyn Audience>) -> Outcome {
    let terms = terms.into();
    let (server_sees, client_sees, calls) = recorders();
    let mut server = sansock_smol::Driver::observed(Some(Arc::new(Seat(Side::Server, Arc::clone(audience)))));
    let config = server_config(&terms);
    server.serve(config, service(cast, Side::Server, &server_sees)).expect("slots enough");
    let (client_report, server_report) = smol::block_on(async {
        let address = match server.next_event().await {
            Some(NodeEvent::Listening { local, .. }) => local,
            event => panic!("the server does not listen: {event:?}"),
        };
        let remote = server.remote();
        let mut client = sansock_smol::Driver::observed(Some(Arc::new(Seat(Side::Client, Arc::clone(audience)))));
        let config = client_config(address, &terms);
        client.connect(config, service(cast, Side::Client, &client_sees)).expect("slots enough");
        let clients = client.remote();
        let (mut report, mut account) = (None, None);
        let serving = server.run(|event| match event {
            // As on the other transports: once its connection has ended, not before.
            NodeEvent::Closed { .. } => remote.drain(DRAIN),
            NodeEvent::ServerStopped { report, .. } => account = Some(report),
            _ => {}
        });
        let dialling = async {
            client
                .run(|event| {
                    if let NodeEvent::ClientStopped { report: account, .. } = event {
                        report = Some(account);
                    }
                })
                .await;
            if report.as_ref().is_none_or(|report| report.closed.is_none()) {
                remote.drain(DRAIN);
            }
        };
        let commanding = async {
            let Some((side, command)) = terms.command else { return };
            calls.recv().await.expect("the recorders are there");
            let told = if side == Side::Server { &remote } else { &clients };
            match command {
                Command::Drain => told.drain(DRAIN),
                Command::Stop => told.stop(),
            }
        };
        smol::future::zip(smol::future::zip(serving, dialling), commanding).await;
        (*report.expect("the client stopped"), *account.expect("the server stopped"))
    });
    Outcome { client: client_sees.history(), server: server_sees.history(), client_report, server_report }
}
