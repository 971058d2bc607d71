//! Peers of an echo server.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::thread;

use super::Found;
use super::strace::LONG;

/// How a peer fared.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Fare {
    /// It got back what it sent, and then the end.
    Served,
    /// The connection was lost; what had come back was right.
    Lost,
}

/// So many peers, one after the other in each of several threads: how many were served, and how many lost.
pub(super) fn load(address: SocketAddr) -> Found<(usize, usize)> {
    const AT_ONCE: usize = 4;
    const EACH: usize = 3;
    let peers: Vec<_> = (0..AT_ONCE)
        .map(|number| {
            thread::spawn(move || (0..EACH).map(|round| peer(address, number * EACH + round)).collect::<Found<Vec<_>>>())
        })
        .collect();
    // All are waited for, whatever becomes of the first.
    let fares: Vec<_> = peers.into_iter().map(|peer| peer.join().expect("peers do not panic")).collect();
    let fares = fares.into_iter().collect::<Found<Vec<_>>>()?.concat();
    let served = fares.iter().filter(|fare| **fare == Fare::Served).count();
    Ok((served, fares.len() - served))
}

/// One peer: some pings, then more than the buffers hold, then the end.
///
/// # Errors
/// Nothing comes for long, or something else than was sent.
pub(super) fn peer(address: SocketAddr, seed: usize) -> Found<Fare> {
    let data: Vec<u8> = (0..100_000_usize).map(|place| (place.wrapping_mul(31) + (place >> 8) + seed) as u8).collect();
    let (pings, bulk) = data.split_at(5_000);
    match converse(address, pings, bulk) {
        Ok(true) => Ok(Fare::Served),
        Ok(false) => Err(format!("peer {seed} got back something else than it had sent")),
        Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
            Err(format!("peer {seed} waits for ever"))
        }
        Err(_) => Ok(Fare::Lost),
    }
}

fn converse(address: SocketAddr, pings: &[u8], bulk: &[u8]) -> io::Result<bool> {
    let mut stream = connect(address)?;
    for ping in pings.chunks(1_000) {
        if !ping_pong(&mut stream, ping)? {
            return Ok(false);
        }
    }
    let mut writer = stream.try_clone()?;
    let sent = bulk.to_vec();
    let writing = thread::spawn(move || writer.write_all(&sent).and_then(|()| writer.shutdown(Shutdown::Write)));
    let mut echo = Vec::new();
    let read = stream.read_to_end(&mut echo);
    let written = writing.join().expect("it does not panic");
    if !bulk.starts_with(&echo) {
        return Ok(false);
    }
    read?;
    written?;
    if echo.len() < bulk.len() { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(true) }
}

pub(super) fn connect(address: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect_timeout(&address, LONG)?;
    stream.set_read_timeout(Some(LONG))?;
    stream.set_write_timeout(Some(LONG))?;
    Ok(stream)
}

/// Sends a ping and takes its echo; false if that is another one.
pub(super) fn ping_pong(stream: &mut TcpStream, ping: &[u8]) -> io::Result<bool> {
    stream.write_all(ping)?;
    let mut pong = vec![0; ping.len()];
    stream.read_exact(&mut pong)?;
    Ok(pong == ping)
}
