//! Messages from other threads: in order, bounded, and given back when they come too late.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread;

use bytes::Bytes;
use sansock::{ConnectionConfig, Context, Handler, ServerConfig, SocketId};
use sansock_tests::system::exclusive;

use crate::peers::{dial, echoes, loopback, next};
use crate::{closed, opened, server};

/// What its members share: who is there, whom to tell what is heard, and a gate that a callback may be stuck at, as none should be.
#[derive(Clone)]
struct Club {
    members: Arc<Mutex<Vec<SocketId>>>,
    heard: Sender<u32>,
    gate: Arc<Mutex<()>>,
}

const STUCK: u32 = u32::MAX;

impl Club {
    fn new() -> (Self, Receiver<u32>) {
        let (heard, hears) = channel();
        (Self { members: Arc::default(), heard, gate: Arc::default() }, hears)
    }
}

impl Handler for Club {
    type Message = u32;

    fn on_open(&mut self, cx: &mut Context<'_, u32>) {
        self.members.lock().unwrap().push(cx.socket());
    }

    /// Posts to the first member. Events come before operations: once the peer has its answer, the message is in the mailbox.
    fn on_data(&mut self, cx: &mut Context<'_, u32>, data: Bytes) {
        cx.post(self.members.lock().unwrap()[0], 5).unwrap();
        cx.send(data).unwrap();
    }

    fn on_message(&mut self, cx: &mut Context<'_, u32>, message: u32) {
        self.heard.send(message).unwrap();
        if message == STUCK {
            drop(self.gate.lock());
            cx.abort();
        }
    }

    fn on_undelivered(&mut self, _: &mut Context<'_, u32>, _: SocketId, message: u32) {
        self.heard.send(100 + message).unwrap();
    }
}

#[test]
fn messages_from_many_threads_arrive_each_threads_in_order() {
    let _alone = exclusive();
    let (club, hears) = Club::new();
    let (server, address, told) = server(ServerConfig::new(loopback()), move || club.clone(), None);
    let _peer = dial(address);
    let socket = opened(&told);
    thread::scope(|scope| {
        for poster in 0..4 {
            let server = server.remote();
            scope.spawn(move || {
                for number in 0..250 {
                    let mut message = poster * 1000 + number;
                    while let Err(back) = server.post(socket, message) {
                        message = back;
                        thread::yield_now();
                    }
                }
            });
        }
    });
    let all: Vec<_> = (0..1000).map(|_| next(&hears)).collect();
    for poster in 0..4 {
        let of: Vec<_> = all.iter().copied().filter(|message| message / 1000 == poster).collect();
        assert!(of.into_iter().eq(poster * 1000..poster * 1000 + 250));
    }
}

// B1
#[test]
fn a_full_mailbox_gives_the_message_back_and_so_does_a_session_that_is_gone() {
    let _alone = exclusive();
    let (club, hears) = Club::new();
    let gate = Arc::clone(&club.gate);
    let limits = ConnectionConfig::default().mailbox(3).unwrap();
    let (server, address, told) = server(ServerConfig::new(loopback()).connection(limits), move || club.clone(), None);
    let _peer = dial(address);
    let socket = opened(&told);
    let shut = gate.lock().unwrap();
    server.post(socket, STUCK).unwrap();
    assert_eq!(next(&hears), STUCK);
    let posted: Vec<_> = (0..5).map(|message| server.post(socket, message)).collect();
    assert_eq!(posted, [Ok(()), Ok(()), Ok(()), Err(3), Err(4)]);
    drop(shut);
    closed(&told);
    assert_eq!(server.post(socket, 6), Err(6));
}

#[test]
fn messages_that_a_session_did_not_live_to_read_go_back_to_their_sender() {
    let _alone = exclusive();
    let (club, hears) = Club::new();
    let gate = Arc::clone(&club.gate);
    let (server, address, told) = server(ServerConfig::new(loopback()), move || club.clone(), None);
    let shut = gate.lock().unwrap();
    let _reader = dial(address);
    server.post(opened(&told), STUCK).unwrap();
    assert_eq!(next(&hears), STUCK);
    let mut sender = dial(address);
    opened(&told);
    assert!(echoes(&mut sender, b"it is posted"));
    drop(shut);
    assert_eq!(next(&hears), 105, "it came back");
}
