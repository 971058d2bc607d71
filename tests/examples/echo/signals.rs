//! SIGINT and SIGTERM, without polling: the signal handler writes to a socket that a thread reads.

use std::io::{self, Read};
use std::os::unix::net::UnixStream;
use std::thread;
use std::time::Duration;

use sansock_tests::loops;

/// Signals that came and were not read yet.
pub(crate) struct Signals(UnixStream);

impl Signals {
    /// From here on the two signals no longer end the process.
    pub(crate) fn new() -> io::Result<Self> {
        let signals = loops::signals()?;
        // A thread waits for them here.
        signals.set_nonblocking(false)?;
        Ok(Self(signals))
    }

    /// Calls `act` for each signal, with how many came before. The thread ends with the process.
    pub(crate) fn on_each(mut self, mut act: impl FnMut(usize) + Send + 'static) -> io::Result<()> {
        thread::Builder::new().name("signals".into()).spawn(move || {
            let mut before = 0;
            loop {
                match self.0.read(&mut [0]) {
                    Ok(0) => return,
                    Ok(_) => {
                        act(before);
                        before += 1;
                    }
                    // To give up here would leave a program that no signal ends.
                    Err(_) => thread::sleep(Duration::from_millis(1)),
                }
            }
        })?;
        Ok(())
    }
}
