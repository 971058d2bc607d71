//! smol: a task per connection, all on one thread.

use std::io;

use smol::io::{AsyncReadExt, AsyncWriteExt};
use smol::net::TcpListener;
use smol::{Async, LocalExecutor};

use super::{RECEIVE, listen};

pub(crate) fn serve() -> io::Result<()> {
    let listener = TcpListener::from(Async::new(listen()?)?);
    let executor = LocalExecutor::new();
    smol::block_on(executor.run(async {
        loop {
            let (mut stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            executor
                .spawn(async move {
                    let mut buffer = vec![0; RECEIVE];
                    while let Ok(count @ 1..) = stream.read(&mut buffer).await {
                        if stream.write_all(&buffer[..count]).await.is_err() {
                            break;
                        }
                    }
                })
                .detach();
        }
    }))
}
