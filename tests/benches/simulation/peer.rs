//! The same workloads in turmoil, as its documentation would have them.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use turmoil::net::{TcpListener, TcpStream};
use turmoil::{Builder, Sim};

use crate::{Run, Workload, cpu};

const PORT: u16 = 7;

pub(crate) fn run(workload: Workload, hosts: u64, each: u64) -> Run {
    let mut builder = Builder::new();
    builder
        .simulation_duration(Duration::from_secs(10_000_000))
        .min_message_latency(Duration::from_millis(1))
        .max_message_latency(Duration::from_millis(1))
        .tcp_capacity(100_000)
        .ephemeral_ports(20_000..=65_535);
    let mut sim = builder.build();
    match workload {
        Workload::Echo | Workload::Idle => {
            sim.host("server", serve);
            sim.client("clients", async move {
                let clients: Vec<_> =
                    (0..hosts).map(|_| tokio::task::spawn_local(converse(workload, "server".into(), each))).collect();
                for client in clients {
                    client.await??;
                }
                Ok(())
            });
        }
        Workload::Churn => {
            sim.host("server", serve);
            for index in 0..hosts {
                sim.client(format!("client{index}"), async move {
                    for _ in 0..each {
                        converse(Workload::Echo, "server".into(), 1).await?;
                    }
                    Ok(())
                });
            }
        }
        Workload::Hosts => {
            for index in 0..hosts {
                ring(&mut sim, index, (index + 1) % hosts, each);
            }
        }
    }
    let before = cpu();
    sim.run().expect("it ends well");
    Run { count: workload.count(hosts, each), spent: cpu() - before, hash: 0 }
}

/// A client host that also serves.
fn ring(sim: &mut Sim<'_>, own: u64, next: u64, echoes: u64) {
    sim.client(format!("host{own}"), async move {
        let serving = tokio::task::spawn_local(serve());
        converse(Workload::Echo, format!("host{next}"), echoes).await?;
        // Until its neighbour is done, too: all take equally long.
        tokio::time::sleep(Duration::from_millis(10)).await;
        serving.abort();
        Ok(())
    });
}

async fn serve() -> turmoil::Result {
    let listener = TcpListener::bind((IpAddr::V4(Ipv4Addr::UNSPECIFIED), PORT)).await?;
    loop {
        let (stream, _) = listener.accept().await?;
        tokio::task::spawn_local(echo(stream));
    }
}

async fn echo(mut stream: TcpStream) -> std::io::Result<()> {
    let mut buffer = [0; 64];
    loop {
        let count = stream.read(&mut buffer).await?;
        if count == 0 {
            return Ok(());
        }
        stream.write_all(&buffer[..count]).await?;
    }
}

async fn converse(workload: Workload, server: String, each: u64) -> std::io::Result<()> {
    let mut stream = TcpStream::connect((server, PORT)).await?;
    let mut buffer = [0; 64];
    if workload == Workload::Idle {
        for _ in 0..each / 10 {
            stream.write_all(&[0xa5; 8]).await?;
            stream.read_exact(&mut buffer[..8]).await?;
            tokio::time::sleep(Duration::from_secs(10)).await;
        }
        return Ok(());
    }
    for _ in 0..each {
        stream.write_all(&[0x5a; 64]).await?;
        stream.read_exact(&mut buffer).await?;
    }
    Ok(())
}
