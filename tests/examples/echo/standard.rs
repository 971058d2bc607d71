//! The threads that read standard input and write standard output, so that the handler need not wait for them.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::sync::mpsc::Receiver;
use std::thread::{self, JoinHandle};

use bytes::Bytes;
use sansock::SocketId;

use crate::relay::Message;

/// So much is read at once: what fits a pipe on Linux, and the send queue.
const CHUNK: usize = 64 * 1024;

/// Reads a piece of standard input whenever one is wanted. The thread ends when none is any more; it cannot be made to end while it
/// reads, so it is not waited for.
pub(crate) fn read_input(
    wanted: Receiver<SocketId>,
    post: impl Fn(SocketId, Message) -> Result<(), Message> + Send + 'static,
) -> io::Result<()> {
    // Not through the standard library's buffer, which would only copy.
    let mut input = File::from(io::stdin().as_fd().try_clone_to_owned()?);
    thread::Builder::new().name("input".into()).spawn(move || {
        let mut buffer = vec![0; CHUNK];
        for socket in wanted {
            let message = match read(&mut input, &mut buffer) {
                Ok(count) => Message::Read(Bytes::copy_from_slice(&buffer[..count])),
                Err(error) => Message::Failed(format!("cannot read standard input: {error}")),
            };
            // It does not come back unless the connection is gone: there is room for the one message that was wanted.
            if post(socket, message).is_err() {
                return;
            }
        }
    })?;
    Ok(())
}

/// Writes to standard output what it is given, until nothing more can come.
pub(crate) fn write_output(
    given: Receiver<(SocketId, Bytes)>,
    post: impl Fn(SocketId, Message) -> Result<(), Message> + Send + 'static,
) -> io::Result<JoinHandle<()>> {
    let mut output = File::from(io::stdout().as_fd().try_clone_to_owned()?);
    thread::Builder::new().name("output".into()).spawn(move || {
        for (socket, data) in given {
            let message = match output.write_all(&data) {
                Ok(()) => Message::Written,
                Err(error) => Message::Failed(format!("cannot write to standard output: {error}")),
            };
            // The connection may be gone: what it has left here is written all the same.
            let _ = post(socket, message);
        }
    })
}

fn read(input: &mut File, buffer: &mut [u8]) -> io::Result<usize> {
    loop {
        match input.read(buffer) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}
