//! The core without std: a server and a client, as a program without an operating system would use them.
#![no_std]
#![forbid(unsafe_code)]

use core::convert::Infallible;
use core::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use core::panic::PanicInfo;

use bytes::Bytes;
use sansock::{ClientConfig, Context, Handler, Machine, Node, Output, Peer, ServerConfig, SlotRange, Timestamp, Verdict};

struct Echo;

impl Handler for Echo {
    type Message = Infallible;

    fn on_data(&mut self, cx: &mut Context<'_, Infallible>, data: Bytes) {
        let _ = cx.send(data);
    }
}

/// How many operations a node with a server and a client asks for before anything has completed.
#[must_use]
pub fn first_operations() -> usize {
    let now = Timestamp::ZERO;
    let address = SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 7));
    let service = |_: &Peer| Verdict::Accept(Echo);
    let mut node: Node<fn(&Peer) -> Verdict<Echo>> = Node::new(SlotRange::ALL);
    let _ = node.serve(now, ServerConfig::new(address), service);
    if let Ok(config) = ClientConfig::new([address.into()].into()) {
        let _ = node.connect(now, config, service);
    }
    let mut operations = 0;
    while let Some(Output::Submit(_)) = node.poll() {
        operations += 1;
    }
    operations
}

#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    loop {}
}
