//! One future that owns a node.

use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use async_io::Timer;
use sansock::{
    ClientConfig, Completion, Handler, Machine, Misuse, Node, NodeEvent, Op, Output, ServerConfig, Service, SlotRange, SocketId,
    SupervisorId, Timestamp,
};
use sansock_system::{CatchPanics, Clock, Observer, Ready, Sockets};

#[cfg(target_os = "linux")]
use crate::poller::Watches;
use crate::shared::{Bell, Command, Remote};
#[cfg(not(target_os = "linux"))]
use crate::wakers::Watches;

/// So many outputs are handled before other tasks get a turn.
const OUTPUTS_PER_TURN: usize = 64;

/// Servers, clients and all their sessions, driven over real sockets by whoever polls [`run`](Driver::run) or
/// [`next_event`](Driver::next_event).
///
/// Those futures can be dropped and made anew at any time: everything is here, and nothing is lost. Dropping the driver closes every
/// socket at once. Handlers need not be `Send`: they run where the driver is polled.
pub struct Driver<S: Service> {
    node: Node<CatchPanics<S>>,
    sockets: Sockets,
    clock: Clock,
    /// The time of this turn.
    now: Timestamp,
    observer: Option<Arc<dyn Observer>>,
    /// Declared after the sockets it watches and holds its own references, so any order of dropping is right.
    watches: Watches,
    bell: Arc<Bell>,
    remote: Remote<<S::Handler as Handler>::Message>,
    timer: Timer,
    timer_at: Timestamp,
    /// Empty between two polls, as is the next; they keep their memory.
    ready: Vec<(SocketId, Ready)>,
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
        let (bell, clock) = (Arc::new(Bell::default()), Clock::new());
        Self {
            node: Node::new(SlotRange::ALL),
            sockets: Sockets::new(),
            clock,
            now: clock.now(),
            observer,
            watches: Watches::new(Arc::clone(&bell)),
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
        self.node.serve(self.clock.now(), config, CatchPanics::new(service))
    }

    /// Adds a client. It starts when the driver is polled.
    ///
    /// # Errors
    /// [`MisuseKind::Slots`](sansock::MisuseKind::Slots) if there are too many sockets to name.
    pub fn connect(&mut self, config: ClientConfig, service: S) -> Result<SupervisorId, Misuse> {
        self.node.connect(self.clock.now(), config, CatchPanics::new(service))
    }

    /// A handle for other tasks and threads.
    #[must_use]
    pub fn remote(&self) -> Remote<<S::Handler as Handler>::Message> {
        self.remote.clone()
    }

    /// The node.
    #[must_use]
    pub const fn node(&self) -> &Node<CatchPanics<S>> {
        &self.node
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
        // Once for all that follows: what takes long here is the waiting.
        self.now = self.clock.now();
        self.bell.attend(cx.waker());
        self.obey();
        self.retry_ready(cx);
        self.fire_due(cx);
        for _ in 0..OUTPUTS_PER_TURN {
            match self.node.poll() {
                Some(Output::Event(event)) => return Poll::Ready(Some(event)),
                Some(Output::Submit(op)) => self.submit(op),
                None if self.node.is_stopped() => return Poll::Ready(None),
                None => {
                    if self.wait_for_deadline(cx) {
                        if self.watches.rest(cx) {
                            return Poll::Pending;
                        }
                        self.retry_ready(cx);
                    }
                }
            }
        }
        // There is more to do: let others have a turn first.
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    fn obey(&mut self) {
        let mut commands = std::mem::take(&mut self.commands);
        self.remote.take_all(&mut commands);
        let now = self.now;
        for command in commands.drain(..) {
            match command {
                Command::Drain(span) => self.node.drain(now, now + span),
                Command::Stop => self.node.stop(now),
                // A session that is gone reads nothing.
                Command::Post(to, message) => drop(self.node.post(now, to, message)),
            }
        }
        self.commands = commands;
    }

    fn submit(&mut self, op: Op) {
        if let Some(observer) = &self.observer {
            observer.submitted(self.now, &op);
        }
        let waited_for = match &op {
            Op::Accept(op) => op.listener(),
            Op::Close(op) => {
                self.watches.forget(op.socket(), self.sockets.handle(op.socket()));
                op.socket()
            }
            op => op.socket(),
        };
        match self.sockets.submit(op) {
            Some(done) => self.complete(done),
            None => self.arm(waited_for),
        }
    }

    /// Sockets that the reactor says are ready.
    fn retry_ready(&mut self, cx: &mut Context<'_>) {
        let mut ready = std::mem::take(&mut self.ready);
        self.watches.take(cx, &mut ready);
        for (socket, direction) in ready.drain(..) {
            self.sockets.note(socket, direction);
            while let Some(done) = self.sockets.retry(socket) {
                self.complete(done);
            }
            if Watches::REARMS {
                self.arm(socket);
            }
        }
        self.ready = ready;
    }

    fn arm(&mut self, socket: SocketId) {
        let interest = self.sockets.interest(socket);
        if !interest.readable && !interest.writable {
            return;
        }
        if let Some(handle) = self.sockets.handle(socket)
            && let Err(error) = self.watches.arm(socket, handle, interest)
        {
            self.watches.forget(socket, self.sockets.handle(socket));
            while let Some(done) = self.sockets.fail(socket, &error) {
                self.complete(done);
            }
        }
    }

    fn complete(&mut self, done: Completion) {
        let now = self.now;
        if let Some(observer) = &self.observer {
            observer.completed(now, &done);
        }
        let result = self.node.complete(now, done);
        debug_assert!(result.is_ok(), "the table completes what was submitted, once: {result:?}");
    }

    fn fire_due(&mut self, cx: &mut Context<'_>) {
        if Pin::new(&mut self.timer).poll(cx).is_ready() {
            self.timer_at = Timestamp::NEVER;
        }
        if self.node.deadline().is_some_and(|deadline| deadline <= self.now) {
            self.node.handle_timeout(self.now);
        }
    }

    /// Sets the timer to the node's deadline; false if that is due already, and was dealt with.
    fn wait_for_deadline(&mut self, cx: &mut Context<'_>) -> bool {
        let deadline = self.node.deadline().unwrap_or(Timestamp::NEVER);
        if deadline.is_due(self.clock.now()) {
            self.node.handle_timeout(self.clock.now());
            return false;
        }
        if deadline != self.timer_at {
            self.timer_at = deadline;
            match self.clock.instant(deadline) {
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
    use sansock::{Address, CloseReason, OpKind, Peer, Verdict};

    use super::*;

    struct Idle;

    impl Handler for Idle {
        type Message = std::convert::Infallible;

        fn on_data(&mut self, _: &mut sansock::Context<'_, Self::Message>, _: bytes::Bytes) {}
    }

    /// A driver with a server, and the server's address.
    fn listening() -> (Driver<impl Service<Handler = Idle>>, std::net::SocketAddr) {
        let mut driver = Driver::new();
        driver
            .serve(ServerConfig::new(std::net::SocketAddr::from(([127, 0, 0, 1], 0))), |_: &Peer| Verdict::Accept(Idle))
            .unwrap();
        match block_on(driver.next_event()) {
            Some(NodeEvent::Listening { local: Some(Address::Ip(address)), .. }) => (driver, address),
            event => panic!("{event:?} instead of an address"),
        }
    }

    /// A registration of the same descriptor, so that the poller refuses another one. Dropping it removes it.
    fn in_the_way<S: Service>(driver: &mut Driver<S>, socket: SocketId) -> impl Drop + use<S> {
        driver.watches.stand_in_the_way(driver.sockets.handle(socket).expect("a socket"))
    }

    // The first slot is the server's own, the second its listener's.
    #[test]
    fn a_listener_that_the_reactor_refuses_tries_again_until_it_does_not() {
        let (mut driver, address) = listening();
        let in_the_way = in_the_way(&mut driver, SocketId::new(1, 0).unwrap());
        let event = block_on(driver.next_event());
        assert!(matches!(event, Some(NodeEvent::Exhausted { fault, .. }) if fault.code() == Some(17)), "{event:?}");
        drop(in_the_way);
        let _peer = TcpStream::connect(address).unwrap();
        assert!(matches!(block_on(driver.next_event()), Some(NodeEvent::Recovered { .. })));
        assert!(matches!(block_on(driver.next_event()), Some(NodeEvent::Opened { .. })));
    }

    // Its hang-up stays, so a driver that waited on would spin.
    #[test]
    fn x042_a_listener_that_another_process_shuts_down_is_lost() {
        let (mut driver, _) = listening();
        let handle = Arc::clone(driver.sockets.handle(SocketId::new(1, 0).unwrap()).unwrap());
        // The accept waits.
        assert!(block_on(poll_fn(|cx| Poll::Ready(driver.poll_event(cx)))).is_pending());
        handle.shutdown(std::net::Shutdown::Both).unwrap();
        let event = block_on(driver.next_event());
        assert!(matches!(event, Some(NodeEvent::ListenerLost { .. })), "{event:?}");
    }

    #[test]
    fn a_connection_that_the_reactor_refuses_fails_and_the_next_does_not() {
        let (mut driver, address) = listening();
        let _peer = TcpStream::connect(address).unwrap();
        let Some(NodeEvent::Opened { socket, .. }) = block_on(driver.next_event()) else { panic!("a connection") };
        let in_the_way = in_the_way(&mut driver, socket);
        let Some(NodeEvent::Closed { report, .. }) = block_on(driver.next_event()) else { panic!("its end") };
        assert!(matches!(report.reason, CloseReason::Fault { operation: OpKind::Recv, .. }), "{report}");
        drop(in_the_way);
        let _next = TcpStream::connect(address).unwrap();
        assert!(matches!(block_on(driver.next_event()), Some(NodeEvent::Opened { .. })));
    }
}
