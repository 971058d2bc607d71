//! One future that owns a node.

use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use async_io::Timer;
use sansock::{
    ClientConfig, Handler, Machine, Misuse, Node, NodeEvent, ServerConfig, Service, SlotRange, SupervisorId, Timestamp,
};
use sansock_system::{CatchPanics, Observer, Reactor, Ready};

#[cfg(target_os = "linux")]
use crate::poller::Watches;
use crate::shared::{Bell, Command, Remote};
#[cfg(not(target_os = "linux"))]
use crate::wakers::Watches;

/// So often is looked for sockets that are ready before other tasks get a turn. There is more to see for as long as peers are as fast as
/// we are, and to see it ourselves costs one system call instead of the reactor's six.
const LOOKS_PER_TURN: usize = 4;

/// Servers, clients and all their sessions, driven over real sockets by whoever polls [`run`](Driver::run) or
/// [`next_event`](Driver::next_event).
///
/// Those futures can be dropped and made anew at any time: everything is here, and nothing is lost. Dropping the driver closes every
/// socket at once. Handlers need not be `Send`: they run where the driver is polled.
pub struct Driver<S: Service> {
    reactor: Reactor<Node<CatchPanics<S>>, Watches>,
    bell: Arc<Bell>,
    remote: Remote<<S::Handler as Handler>::Message>,
    timer: Timer,
    timer_at: Timestamp,
    /// Empty between two polls, as is the next; they keep their memory.
    ready: Vec<(usize, Ready)>,
    commands: VecDeque<Command<<S::Handler as Handler>::Message>>,
}

impl<S: Service> Default for Driver<S> {
    fn default() -> Self {
        Self::new()
    }
}

impl<S: Service> Driver<S> {
    /// A driver without servers or clients.
    #[must_use]
    pub fn new() -> Self {
        Self::observed(None)
    }

    /// A driver with somebody who sees every operation and completion.
    #[must_use]
    pub fn observed(observer: Option<Arc<dyn Observer>>) -> Self {
        let bell = Arc::new(Bell::default());
        let reactor = Reactor::new(Node::new(SlotRange::ALL), Watches::new(Arc::clone(&bell)));
        Self {
            reactor: match observer {
                Some(observer) => reactor.observed(observer),
                None => reactor,
            },
            remote: Remote::new(Arc::clone(&bell)),
            bell,
            timer: Timer::never(),
            timer_at: Timestamp::NEVER,
            ready: Vec::new(),
            commands: VecDeque::new(),
        }
    }

    /// Adds a server. It starts when the driver is polled.
    ///
    /// # Errors
    /// [`MisuseKind::Slots`](sansock::MisuseKind::Slots) if there are too many sockets to name.
    pub fn serve(&mut self, config: ServerConfig, service: S) -> Result<SupervisorId, Misuse> {
        self.reactor.time_has_passed();
        self.reactor.call(|node, now| node.serve(now, config, CatchPanics::new(service)))
    }

    /// Adds a client. It starts when the driver is polled.
    ///
    /// # Errors
    /// [`MisuseKind::Slots`](sansock::MisuseKind::Slots) if there are too many sockets to name.
    pub fn connect(&mut self, config: ClientConfig, service: S) -> Result<SupervisorId, Misuse> {
        self.reactor.time_has_passed();
        self.reactor.call(|node, now| node.connect(now, config, CatchPanics::new(service)))
    }

    /// A handle for other tasks and threads.
    #[must_use]
    pub fn remote(&self) -> Remote<<S::Handler as Handler>::Message> {
        self.remote.clone()
    }

    /// The node.
    #[must_use]
    pub const fn node(&self) -> &Node<CatchPanics<S>> {
        self.reactor.machine()
    }

    /// Works until every server and client has stopped.
    pub async fn run(&mut self, mut on_event: impl FnMut(NodeEvent)) {
        while let Some(event) = self.next_event().await {
            on_event(event);
        }
    }

    /// Works until something happens; `None` once every server and client has stopped.
    pub fn next_event(&mut self) -> impl Future<Output = Option<NodeEvent>> {
        poll_fn(|cx| self.poll_event(cx))
    }

    fn poll_event(&mut self, cx: &mut Context<'_>) -> Poll<Option<NodeEvent>> {
        self.bell.attend(cx.waker());
        self.reactor.time_has_passed();
        self.obey();
        for _ in 0..LOOKS_PER_TURN {
            if let Some(event) = self.reactor.next_event() {
                return Poll::Ready(Some(event));
            }
            let busy = self.reactor.timeout() == Some(Duration::ZERO);
            if !busy && self.node().is_stopped() {
                return Poll::Ready(None);
            }
            if !self.look(cx) && !busy && self.wait_for_deadline(cx) && self.reactor.registry_mut().rest(cx) {
                return Poll::Pending;
            }
        }
        // There is more to do: let others have a turn first.
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    fn obey(&mut self) {
        self.remote.take_all(&mut self.commands);
        for command in self.commands.drain(..) {
            self.reactor.call(|node, now| match command {
                Command::Drain(span) => node.drain(now, now + span),
                Command::Stop => node.stop(now),
                // A session that is gone reads nothing.
                Command::Post(to, message) => drop(node.post(now, to, message)),
            });
        }
    }

    /// Serves the sockets that are ready; false if there are none.
    fn look(&mut self, cx: &mut Context<'_>) -> bool {
        self.reactor.registry_mut().take(cx, &mut self.ready);
        let any = !self.ready.is_empty();
        for (token, direction) in self.ready.drain(..) {
            self.reactor.ready(token, direction);
        }
        any
    }

    /// Sets the timer to the node's deadline; false if that is due already.
    fn wait_for_deadline(&mut self, cx: &mut Context<'_>) -> bool {
        let deadline = self.node().deadline().unwrap_or(Timestamp::NEVER);
        if deadline != self.timer_at {
            self.timer_at = deadline;
            match self.reactor.clock().instant(deadline) {
                Some(at) => self.timer.set_at(at),
                None => self.timer = Timer::never(),
            }
        }
        if Pin::new(&mut self.timer).poll(cx).is_ready() {
            self.timer_at = Timestamp::NEVER;
            return false;
        }
        true
    }
}

// Where epoll refuses a second registration of a descriptor.
#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::net::TcpStream;

    use async_io::block_on;
    use sansock::{Address, CloseReason, OpKind, Peer, SocketId, Verdict};

    use super::*;

    struct Idle;

    impl Handler for Idle {
        type Message = std::convert::Infallible;

        fn on_data(&mut self, _: &mut sansock::Context<'_, Self::Message>, _: bytes::Bytes) {}
    }

    /// A driver with a server.
    fn serving() -> Driver<impl Service<Handler = Idle>> {
        let mut driver = Driver::new();
        driver
            .serve(ServerConfig::new(std::net::SocketAddr::from(([127, 0, 0, 1], 0))), |_: &Peer| Verdict::Accept(Idle))
            .unwrap();
        driver
    }

    /// The server's address, and the name of its listener: the first slot is the server's own.
    fn listening<S: Service>(driver: &mut Driver<S>) -> (std::net::SocketAddr, SocketId) {
        match block_on(driver.next_event()) {
            Some(NodeEvent::Listening { local: Some(Address::Ip(address)), .. }) => (address, SocketId::new(1, 0).unwrap()),
            event => panic!("{event:?} instead of an address"),
        }
    }

    fn obstruct<S: Service>(driver: &mut Driver<S>, obstructed: bool) {
        driver.reactor.registry_mut().obstructed = obstructed;
    }

    #[test]
    fn a_listener_that_the_reactor_refuses_tries_again_until_it_does_not() {
        let mut driver = serving();
        obstruct(&mut driver, true);
        let (address, _) = listening(&mut driver);
        let event = block_on(driver.next_event());
        assert!(matches!(event, Some(NodeEvent::Exhausted { fault, .. }) if fault.code() == Some(17)), "{event:?}");
        obstruct(&mut driver, false);
        let _peer = TcpStream::connect(address).unwrap();
        assert!(matches!(block_on(driver.next_event()), Some(NodeEvent::Recovered { .. })));
        assert!(matches!(block_on(driver.next_event()), Some(NodeEvent::Opened { .. })));
    }

    // Its hang-up stays, so a driver that waited on would spin.
    #[test]
    fn x042_a_listener_that_another_process_shuts_down_is_lost() {
        let mut driver = serving();
        let (_, listener) = listening(&mut driver);
        let handle = Arc::clone(driver.reactor.sockets().handle(listener).unwrap());
        // The accept waits.
        assert!(block_on(poll_fn(|cx| Poll::Ready(driver.poll_event(cx)))).is_pending());
        handle.shutdown(std::net::Shutdown::Both).unwrap();
        let event = block_on(driver.next_event());
        assert!(matches!(event, Some(NodeEvent::ListenerLost { .. })), "{event:?}");
    }

    #[test]
    fn a_connection_that_the_reactor_refuses_fails_and_the_next_does_not() {
        let mut driver = serving();
        let (address, _) = listening(&mut driver);
        obstruct(&mut driver, true);
        let _peer = TcpStream::connect(address).unwrap();
        assert!(matches!(block_on(driver.next_event()), Some(NodeEvent::Opened { .. })));
        let Some(NodeEvent::Closed { report, .. }) = block_on(driver.next_event()) else { panic!("its end") };
        assert!(matches!(report.reason, CloseReason::Fault { operation: OpKind::Recv, .. }), "{report}");
        obstruct(&mut driver, false);
        let _next = TcpStream::connect(address).unwrap();
        assert!(matches!(block_on(driver.next_event()), Some(NodeEvent::Opened { .. })));
    }
}
