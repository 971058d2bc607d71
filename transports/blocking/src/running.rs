//! A server or a client at work: its thread, and the handle to it.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use sansock::{CloseReport, Handler, Order, Service, SocketId};
use sansock_system::{Clock, Observer, Sockets};

use crate::alarm::Timekeeper;
use crate::driver::{Driver, Until};
use crate::session::{self, Shared};
use crate::supervisor::{Notice, Sorted, Supervisor};

/// What others tell a supervisor's thread.
pub(crate) enum Command {
    Gone(SocketId, CloseReport),
    Drain(Duration),
    Stop,
}

/// A server or a client at work in threads of its own. `M` is the message type of its handlers, `R` its report.
///
/// Dropping it stops everything and waits for the threads to end. None of these threads may do that: it would wait for itself.
pub struct Running<M: Send + 'static, R> {
    shared: Arc<Shared<M>>,
    thread: Option<JoinHandle<R>>,
}

impl<M: Send + 'static, R> Running<M, R> {
    /// Takes no new connections, tells every session to finish, and aborts what is left after `span`.
    pub fn drain(&self, span: Duration) {
        self.shared.supervisor.put(Command::Drain(span));
    }

    /// Aborts everything now.
    pub fn stop(&self) {
        self.shared.supervisor.put(Command::Stop);
    }

    /// Delivers a message to a session.
    ///
    /// # Errors
    /// There is no such session, or its mailbox is full ([`sansock::ConnectionConfig::mailbox`]): the message comes back. One that the
    /// session does not live to read is dropped.
    pub fn post(&self, to: SocketId, message: M) -> Result<(), M> {
        self.shared.directory.post(None, to, message)
    }

    /// A handle for other threads.
    #[must_use]
    pub fn remote(&self) -> Remote<M> {
        Remote { shared: Arc::clone(&self.shared) }
    }

    /// Waits until everything has ended, and gives the account of it. Without a [`drain`](Running::drain) or [`stop`](Running::stop) a server
    /// goes on for ever, and a client until its connection ends.
    ///
    /// # Panics
    /// Goes on with a panic of the thread: of `on_notice`, of an observer, or by a bug of this crate. Its sessions were aborted.
    #[must_use]
    pub fn join(mut self) -> R {
        match self.thread.take().map(JoinHandle::join) {
            Some(Ok(report)) => report,
            Some(Err(panic)) => std::panic::resume_unwind(panic),
            None => unreachable!("the thread is joined once"),
        }
    }
}

impl<M: Send + 'static, R> Drop for Running<M, R> {
    fn drop(&mut self) {
        if let Some(thread) = self.thread.take() {
            self.stop();
            // Its panic, if it had one, was reported by the hook.
            let _ = thread.join();
        }
    }
}

/// A handle that can be copied and sent to other threads; it does not keep anything running.
pub struct Remote<M> {
    shared: Arc<Shared<M>>,
}

impl<M> Clone for Remote<M> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared) }
    }
}

impl<M> Remote<M> {
    /// See [`Running::drain`].
    pub fn drain(&self, span: Duration) {
        self.shared.supervisor.put(Command::Drain(span));
    }

    /// See [`Running::stop`].
    pub fn stop(&self) {
        self.shared.supervisor.put(Command::Stop);
    }

    /// See [`Running::post`].
    ///
    /// # Errors
    /// See [`Running::post`].
    pub fn post(&self, to: SocketId, message: M) -> Result<(), M> {
        self.shared.directory.post(None, to, message)
    }
}

type Message<P> = <<<P as Supervisor>::Service as Service>::Handler as Handler>::Message;

/// Starts a supervisor's thread.
pub(crate) fn start<P>(
    machine: P,
    clock: Clock,
    observer: Option<Arc<dyn Observer>>,
    on_notice: impl FnMut(Notice) + Send + 'static,
) -> io::Result<Running<Message<P>, P::Report>>
where
    P: Supervisor,
    <P::Service as Service>::Handler: Send + 'static,
    Message<P>: Send + 'static,
{
    let shared = Arc::new(Shared::new(clock, observer)?);
    let own = Arc::clone(&shared);
    let timekeeper = Timekeeper::start(Arc::clone(&shared.alarms), move |socket| own.directory.wake(socket))?;
    let threads = Threads { shared: Arc::clone(&shared), sessions: BTreeMap::new(), _timekeeper: timekeeper, on_notice };
    let thread = thread::Builder::new().name("supervisor".into()).spawn(move || threads.run(machine))?;
    Ok(Running { shared, thread: Some(thread) })
}

/// The supervisor's side of its sessions' threads.
struct Threads<M, F> {
    shared: Arc<Shared<M>>,
    sessions: BTreeMap<SocketId, JoinHandle<()>>,
    /// Dropped as a field, so when the sessions have been joined.
    _timekeeper: Timekeeper,
    on_notice: F,
}

/// After a panic of this thread, too, no other is left behind.
impl<M, F> Drop for Threads<M, F> {
    fn drop(&mut self) {
        self.shared.supervisor.close();
        for socket in self.sessions.keys() {
            self.shared.directory.order(*socket, Order::Abort);
        }
        for (_, thread) in std::mem::take(&mut self.sessions) {
            let _ = thread.join();
        }
    }
}

impl<M: Send + 'static, F: FnMut(Notice)> Threads<M, F> {
    fn run<P>(mut self, mut machine: P) -> P::Report
    where
        P: Supervisor,
        <P::Service as Service>::Handler: Handler<Message = M> + Send + 'static,
    {
        let shared = Arc::clone(&self.shared);
        let mut driver = Driver::new(Sockets::new(), shared.clock, shared.observer.clone());
        let mut stopped = None;
        let mut commands = VecDeque::new();
        loop {
            let idle = driver.turn(
                &mut machine,
                |connections| shared.prepare(connections),
                |driver, event| match P::sort(event) {
                    Sorted::Opened { socket, peer, session } => {
                        self.open(driver, session);
                        (self.on_notice)(Notice::Opened { socket, peer });
                    }
                    Sorted::Order { socket, order } => shared.directory.order(socket, order),
                    Sorted::Notice(notice) => (self.on_notice)(notice),
                    Sorted::Stopped(report) => stopped = Some(report),
                },
            );
            if let Some(report) = stopped {
                return report;
            }
            let until = match machine.deadline() {
                _ if !idle => Until::Now,
                Some(deadline) => Until::Time(deadline),
                None => Until::Woken,
            };
            if driver.wait(&mut machine, shared.supervisor.fd(), until) {
                shared.supervisor.take_all(&mut commands);
            }
            for command in commands.drain(..) {
                self.obey(&mut machine, command);
            }
        }
    }

    fn open<H>(&mut self, driver: &mut Driver, session: Box<sansock::Session<H>>)
    where
        H: Handler<Message = M> + Send + 'static,
    {
        let socket = session.socket();
        if let Some(thread) = session::spawn(session, driver.sockets.take(socket), Arc::clone(&self.shared)) {
            self.sessions.insert(socket, thread);
        }
    }

    fn obey<P: Supervisor>(&mut self, machine: &mut P, command: Command) {
        let now = self.shared.clock.now();
        match command {
            Command::Drain(span) => machine.drain(now, now + span),
            Command::Stop => machine.stop(now),
            Command::Gone(socket, report) => {
                // The last thing the thread did was to say so; no thread is left behind.
                if let Some(thread) = self.sessions.remove(&socket) {
                    let _ = thread.join();
                }
                (self.on_notice)(Notice::Closed { socket, report });
                machine.gone(now, socket, &report);
            }
        }
    }
}
