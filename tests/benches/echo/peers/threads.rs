//! std: a thread per connection, blocking.

use std::io::{self, Read, Write};
use std::thread;

use super::{RECEIVE, listen};

pub(crate) fn serve() -> io::Result<()> {
    let listener = listen()?;
    loop {
        let (mut stream, _) = listener.accept()?;
        stream.set_nodelay(true)?;
        thread::Builder::new().spawn(move || {
            let mut buffer = vec![0; RECEIVE];
            while let Ok(count @ 1..) = stream.read(&mut buffer) {
                if stream.write_all(&buffer[..count]).is_err() {
                    break;
                }
            }
        })?;
    }
}
