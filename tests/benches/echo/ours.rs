//! Our servers: the example loops, as they are, and the transports.

use std::io;
use std::net::SocketAddr;

use sansock::{NodeEvent, Peer, ServerConfig, Verdict};
use sansock_blocking::Notice;
use sansock_tests::echo::Echo;

#[cfg(target_os = "linux")]
#[path = "../../examples/loop_io_uring.rs"]
pub(crate) mod loop_io_uring;
#[path = "../../examples/loop_mio.rs"]
pub(crate) mod loop_mio;
#[path = "../../examples/loop_polling.rs"]
pub(crate) mod loop_polling;

fn config() -> io::Result<ServerConfig> {
    ServerConfig::new(SocketAddr::from(([127, 0, 0, 1], 0)))
        .max_connections(super::servers::MAX_CONNECTIONS)
        .map_err(io::Error::other)
}

fn service(_: &Peer) -> Verdict<Echo> {
    Verdict::Accept(Echo::default())
}

pub(crate) fn smol() -> io::Result<()> {
    let mut driver = sansock_smol::Driver::new();
    driver.serve(config()?, service).map_err(io::Error::other)?;
    smol::block_on(driver.run(|event| {
        if let NodeEvent::Listening { local: Some(local), .. } = event {
            println!("listening on {local}");
        }
    }));
    Ok(())
}

pub(crate) fn blocking() -> io::Result<()> {
    let server = sansock_blocking::serve(config()?, service, |notice| {
        if let Notice::Listening { local: Some(local), .. } = notice {
            println!("listening on {local}");
        }
    })?;
    println!("{}", server.join());
    Ok(())
}
