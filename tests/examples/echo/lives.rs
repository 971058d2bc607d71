//! Both lives, from their first step to their last, on all three transports.

use std::convert::Infallible;
use std::sync::Arc;

use bytes::Bytes;
use sansock::{ConnectionConfig, Context, Handler};
use sansock_memory::NetworkConfig;
use sansock_tests::echo::Echo;
use sansock_tests::history::{Recorded, Recorder};
use sansock_tests::run::{Audience, Cast, Outcome, Side, on_blocking, on_memory, on_smol};

use crate::Failure;
use crate::stage::Stage;

/// What the client of the Winsock tutorial says.
const TEXT: &[u8] = b"this is a test";

/// Says it, ends its direction, and listens until the other side has ended too.
struct Say;

impl Handler for Say {
    type Message = Infallible;

    fn on_open(&mut self, cx: &mut Context<'_, Infallible>) {
        cx.send(TEXT).expect("an empty send queue has room for so little");
        cx.half_close();
    }

    fn on_data(&mut self, _: &mut Context<'_, Infallible>, _: Bytes) {}
}

/// The echo handler at the server's end, [`Say`] at the client's.
#[derive(Clone)]
struct Tutorial;

impl Cast for Tutorial {
    type Handler = Recorded<Box<dyn Handler<Message = Infallible> + Send>>;

    fn handler(&self, side: Side, recorder: Recorder) -> Self::Handler {
        let handler: Box<dyn Handler<Message = Infallible> + Send> = match side {
            Side::Server => Box::new(Echo::default()),
            Side::Client => Box::new(Say),
        };
        Recorded::new(handler, recorder, Bytes::from_static(TEXT))
    }
}

/// Runs and shows them, and compares what the handlers saw.
pub(crate) fn run() -> Result<(), Failure> {
    let stage = Arc::new(Stage::new());
    let audience: Arc<dyn Audience> = Arc::clone(&stage) as _;
    let limits = ConnectionConfig::default();
    stage.introduce();
    let show = |name, what, run: &dyn Fn() -> Outcome| {
        stage.begin(name, what);
        let outcome = run();
        stage.end(&outcome);
        outcome
    };
    let memory = show("memory", "simulated sockets, virtual time", &|| {
        on_memory(&Tutorial, limits, NetworkConfig::default(), 1, &audience).0
    });
    let blocking = show("blocking", "real sockets, a thread per connection", &|| on_blocking(&Tutorial, limits, &audience));
    let smol = show("smol", "real sockets, one task for all connections", &|| on_smol(&Tutorial, limits, &audience));
    let same = memory.same_as(&blocking) && memory.same_as(&smol);
    stage.conclude(same);
    if same { Ok(()) } else { Err(Failure::unfinished("the histories differ")) }
}
