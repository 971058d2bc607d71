//! The pieces that every canonical encoding is made of.

use alloc::vec::Vec;

use crate::{SocketId, Timestamp};

pub(crate) fn byte(out: &mut Vec<u8>, value: u8) {
    out.push(value);
}

pub(crate) fn flag(out: &mut Vec<u8>, value: bool) {
    out.push(u8::from(value));
}

pub(crate) fn number(out: &mut Vec<u8>, value: u64) {
    out.extend_from_slice(&value.to_le_bytes());
}

/// A length; on the platforms that the core runs on it fits 64 bits.
pub(crate) fn length(out: &mut Vec<u8>, value: usize) {
    number(out, u64::try_from(value).unwrap_or(u64::MAX));
}

/// Which place a socket has, without how many were there before.
pub(crate) fn slot(out: &mut Vec<u8>, socket: SocketId) {
    number(out, u64::from(socket.slot()));
}

/// A deadline relative to `now`: what is overdue is due, and `NEVER` stays what it is.
pub(crate) fn deadline(out: &mut Vec<u8>, at: Timestamp, now: Timestamp) {
    match at.as_deadline() {
        None => number(out, u64::MAX),
        Some(at) => number(out, at.as_nanos().saturating_sub(now.as_nanos())),
    }
}
