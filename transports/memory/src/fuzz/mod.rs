//! Fuzzing: a fuzzer's bytes decide all that can happen to a handler, a server or a client of your own.
//!
//! - [`session`]: one connection and its [`Handler`](sansock::Handler);
//! - [`server`], [`client`]: a [`Service`](sansock::Service) and every session that comes of it;
//! - [`chunking`]: a handler sees the same however its stream is cut.
//!
//! None of it needs a socket, a clock or a thread, nor cargo-fuzz: they take bytes from anywhere, such as a property test's.
//!
//! # A fuzz target for a handler of your own
//!
//! ```
//! # use bytes::Bytes;
//! # use sansock::{ConnectionConfig, Context, Handler, UnsentReason};
//! # #[derive(Default)]
//! # struct Echo { held: Bytes }
//! # impl Handler for Echo {
//! #     type Message = std::convert::Infallible;
//! #     fn on_data(&mut self, cx: &mut Context<'_, Self::Message>, data: Bytes) {
//! #         if let Err(unsent) = cx.send(data) && unsent.reason == UnsentReason::Full {
//! #             self.held = unsent.data;
//! #             cx.pause();
//! #         }
//! #     }
//! #     fn on_writable(&mut self, cx: &mut Context<'_, Self::Message>) {
//! #         let held = std::mem::take(&mut self.held);
//! #         cx.resume();
//! #         self.on_data(cx, held);
//! #     }
//! # }
//! fn fuzz(bytes: &[u8]) {
//!     // Small limits, so that few bytes reach all of them.
//!     let config = ConnectionConfig::default().send_queue(2, 8).and_then(|config| config.receive_size(16)).expect("sound limits");
//!     let ended = sansock_memory::fuzz::session(bytes, config, Echo::default()).unwrap_or_else(|violation| panic!("{violation}"));
//!     // A rule of this handler's own: what it sends is what it got.
//!     assert!(ended.traffic.received.starts_with(&ended.traffic.sent), "{}", ended.report);
//! }
//!
//! // With cargo-fuzz: libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzz(bytes));
//! fuzz(b"any bytes will do");
//! ```
//!
//! # What bytes decide
//!
//! The first says whether the machine's outputs are taken at once or one by one. Then each step takes a byte or more: an operation in flight
//! succeeds (with what the peer sends, or so many bytes taken), fails, or comes to an impossible value; a completion that nobody asked for
//! comes; what was cancelled completes; a socket is reported as broken; time passes, to the next deadline or by any span, or is set back;
//! the supervisor drains or aborts. What operations can come to is what [`closure`](crate::closure) has them come to. When the
//! bytes are used up, everything is drained over a fair transport or a dead one.
//!
//! # What is checked
//!
//! - the contract of [`Machine`](sansock::Machine), at every operation: by the same rules as in a [`closure`](crate::closure);
//! - what the peer sent is delivered in order and whole, and what the handler handed over is sent so; the [`CloseReport`](sansock::CloseReport)
//!   agrees with both;
//! - callbacks come in their order: `on_open` first, no data after the peer's end, nothing after `on_closed`;
//! - what nobody asked for is refused and changes nothing;
//! - nothing spins: no input leads to outputs without end, and time-outs that are handled are not due again for ever (a handler that always
//!   sets a timer to the present spins);
//! - a drain ends it by its deadline, with every socket closed;
//! - a server's report adds up.
//!
//! The first rule that is broken is a [`Violation`], which prints what happened step by step. A panic of the handler is the fuzzer's to catch.

mod choices;
mod chunking;
mod driver;
mod mischief;
mod node;
mod session;
mod witness;

use std::fmt;

use sansock::SocketId;

pub use choices::Choices;
pub use chunking::chunking;
pub use node::{Stopped, client, server};
pub use session::{Ended, session};

/// What passed between a session and its peer.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Traffic {
    /// What the peer sent and the session received, delivered or not.
    pub received: Vec<u8>,
    /// What the transport took to the peer.
    pub sent: Vec<u8>,
}

/// How often something was done that a good transport does not do.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Mischief {
    /// Operations that failed.
    pub failed: u64,
    /// Operations that came to an impossible value.
    pub impossible: u64,
    /// Completions that nobody had asked for.
    pub refused: u64,
    /// Sockets that were reported as broken.
    pub broken: u64,
}

/// A rule that was broken.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Violation {
    /// The rule, and how it was broken. It begins with the name of the rule in this project's list of invariants.
    pub rule: String,
    /// What happened before, one line a step.
    pub script: Vec<String>,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.rule)?;
        self.script.iter().try_for_each(|line| write!(f, "\n  {line}"))
    }
}

impl std::error::Error for Violation {}

/// The socket of a session that is fuzzed alone.
fn socket() -> SocketId {
    SocketId::new(0, 0).expect("slot 0 is in range")
}
