//! Memory: what a connection costs that is held and does nothing.

use std::io;

use super::bars::Record;
use super::load::{Limit, Load, PingPong};
use super::servers::{Running, Server};
use super::table::Table;

const CONNECTIONS: usize = 5000;
/// So many messages on one connection before the first reading, so that everything is there that is shared by all.
const WARM_UP: u64 = 4000;

/// Prints the bytes that each connection adds to the process. Each has sent and received one message.
pub(crate) fn run(servers: &[&'static Server], record: &mut Record) -> io::Result<()> {
    println!("\nmemory per idle connection, {CONNECTIONS} held after a message each: bytes resident");
    let mut table = Table::new(["server", "bytes"]);
    for server in servers {
        let running = Running::start(server)?;
        let mut load = PingPong::connect(running.address, 1)?;
        load.run(Limit::Operations(WARM_UP))?;
        let before = running.resident()?;
        load.grow(running.address, CONNECTIONS + 1)?;
        let after = running.resident()?;
        drop(load);
        running.stop()?;
        let bytes = after.saturating_sub(before) / CONNECTIONS as u64;
        record.memory.push((server.name, bytes));
        table.row([server.name.into(), bytes.to_string()]);
    }
    table.print();
    Ok(())
}
