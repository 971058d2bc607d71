//! A chat: one server, and people who talk in its one room.
//!
//! Everybody hears the same things in the same order: what was said, who joined, who left. The room numbers them from 0. Whoever comes back
//! after a broken connection hears on where the old connection ended, and what they say is numbered too, so that it is said once however
//! often it is sent.
//!
//! | a person sends | |
//! | --- | --- |
//! | `join NAME NEXT` | first; tell me what there is from number NEXT on |
//! | `say NUMBER TEXT` | my NUMBERth sentence, from 1 |
//! | `ping` | I am still here |
//!
//! | the room sends | |
//! | --- | --- |
//! | `hear NUMBER NAME joined`, `... left`, `... says NUMBER TEXT` | what happened |
//! | `missed NEXT SAID` | you were too slow: what was before number NEXT is not kept any more; of yours we have SAID sentences |
//! | `pong` | so am I |
//!
//! **Whoever is slow** holds up nobody: each connection reads the room's history at its own pace, as its send queue takes it. Who falls behind
//! further than the room keeps is told what was missed; who takes nothing at all for five seconds is disconnected by the connection's limit.
//!
//! **The planted bug** ([`Room::with_planted_bug`]): a connection whose send queue is full skips what it could not send, and the member is
//! not told.

mod member;
mod room;
pub mod rules;
mod speaker;

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use sansock::{
    ClientConfig, ClientReport, CloseReport, ConfigError, ConnectionConfig, Context, DialerConfig, Handler, ListenerConfig, Peer,
    ServerConfig, Service, SocketId, SocketOptions, TimerId, Verdict,
};

pub use member::Member;
pub use room::{Entry, News, Reading, Room, Sightings};
pub use speaker::{Diary, Heard, Nap, Plan, Speaker};

use super::{Redial, Shared};

/// Makes the handlers of either side.
#[derive(Clone, Debug)]
pub enum ChatService {
    /// The server's: everybody who connects gets a place in the room.
    Room(Shared<Room>),
    /// The client's: the person with this diary.
    Speaker(Shared<Diary>),
}

impl ChatService {
    /// The server's side. To be made anew whenever the server's host starts: whoever was in the room before is not there any more.
    #[must_use]
    pub fn open(room: &Shared<Room>) -> Self {
        room.lock().open();
        Self::Room(room.clone())
    }
}

impl Service for ChatService {
    type Handler = Chat;

    fn accept(&mut self, _: &Peer) -> Verdict<Chat> {
        Verdict::Accept(match self {
            Self::Room(room) => Chat::Member(Member::new(room.clone())),
            Self::Speaker(diary) => Chat::Speaker(Speaker::new(diary.clone())),
        })
    }
}

/// People come back until they have left of their own accord.
impl Redial for ChatService {
    fn redial(&self, _: &ClientReport) -> Option<Duration> {
        match self {
            Self::Room(_) => None,
            Self::Speaker(diary) => (!diary.lock().has_left()).then_some(Duration::from_millis(200)),
        }
    }
}

/// One end of a connection.
#[derive(Debug)]
pub enum Chat {
    /// The server's.
    Member(Member),
    /// The client's.
    Speaker(Speaker),
}

impl Chat {
    fn kind(&mut self) -> &mut dyn Handler<Message = News> {
        match self {
            Self::Member(member) => member,
            Self::Speaker(speaker) => speaker,
        }
    }
}

impl Handler for Chat {
    type Message = News;

    fn on_open(&mut self, cx: &mut Context<'_, News>) {
        self.kind().on_open(cx);
    }

    fn on_data(&mut self, cx: &mut Context<'_, News>, data: Bytes) {
        self.kind().on_data(cx, data);
    }

    fn on_peer_finished(&mut self, cx: &mut Context<'_, News>) {
        self.kind().on_peer_finished(cx);
    }

    fn on_writable(&mut self, cx: &mut Context<'_, News>) {
        self.kind().on_writable(cx);
    }

    fn on_timer(&mut self, cx: &mut Context<'_, News>, timer: TimerId) {
        self.kind().on_timer(cx, timer);
    }

    fn on_message(&mut self, cx: &mut Context<'_, News>, message: News) {
        self.kind().on_message(cx, message);
    }

    fn on_undelivered(&mut self, cx: &mut Context<'_, News>, to: SocketId, message: News) {
        self.kind().on_undelivered(cx, to, message);
    }

    fn on_draining(&mut self, cx: &mut Context<'_, News>) {
        self.kind().on_draining(cx);
    }

    fn on_closed(&mut self, report: &CloseReport) {
        self.kind().on_closed(report);
    }
}

/// The limits of a connection, on both sides: small queues, since sentences are small, and a silent peer is given up after five seconds
/// (people say `ping` every second).
///
/// # Errors
/// None; they make sense.
pub fn limits() -> Result<ConnectionConfig, ConfigError> {
    let patience = Some(Duration::from_secs(5));
    ConnectionConfig::default().send_queue(1024, 2048)?.mailbox(16)?.read_idle(patience)?.write_stall(patience)?.closing(
        Duration::from_secs(2),
        Duration::from_secs(1),
        64 * 1024,
    )
}

/// A server on this address. `options` are those of the accepted sockets.
///
/// # Errors
/// None; see [`limits`].
pub fn server(address: SocketAddr, options: SocketOptions) -> Result<ServerConfig, ConfigError> {
    let listener = ListenerConfig::new(address).accepted_options(options);
    Ok(ServerConfig::new(address).listeners(vec![listener])?.connection(limits()?))
}

/// A client that talks to the server at this address. `options` are those of its socket.
///
/// # Errors
/// None; see [`limits`].
pub fn client(server: SocketAddr, options: SocketOptions) -> Result<ClientConfig, ConfigError> {
    let dialer = DialerConfig::new(vec![server.into()])?.options(options).attempt(Some(Duration::from_secs(2)))?;
    Ok(ClientConfig::new(vec![server.into()])?.dialer(dialer).connection(limits()?))
}
