//! The thread of one connection.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

use sansock::{CloseReport, Handler, Machine, Order, Session, SessionEvent, SocketId};
use sansock_system::{Clock, Handle, Observer, Sockets};

use crate::alarm::{Alarm, Alarms};
use crate::driver::{Driver, Until};
use crate::mailbox::Mailbox;
use crate::running::Command;

/// What others tell a session's thread.
pub(crate) enum Letter<M> {
    Order(Order),
    /// Without a sender it comes from outside.
    Message {
        from: Option<SocketId>,
        message: M,
    },
    /// A message of this session's that was delivered too late.
    Undelivered {
        to: SocketId,
        message: M,
    },
}

type SessionMailbox<M> = Arc<Mailbox<Letter<M>>>;

/// The mailboxes of all sessions, so that they can write to each other.
pub(crate) struct Directory<M>(Mutex<BTreeMap<SocketId, SessionMailbox<M>>>);

impl<M> Directory<M> {
    pub(crate) fn new() -> Self {
        Self(Mutex::new(BTreeMap::new()))
    }

    /// Gives a session an order; one that is gone needs none.
    pub(crate) fn order(&self, to: SocketId, order: Order) {
        if let Some(mailbox) = self.find(to) {
            mailbox.put(Letter::Order(order));
        }
    }

    /// Puts a message into a session's mailbox; it comes back if there is no such session, or no room.
    pub(crate) fn post(&self, from: Option<SocketId>, to: SocketId, message: M) -> Result<(), M> {
        let Some(mailbox) = self.find(to) else { return Err(message) };
        mailbox.offer(Letter::Message { from, message }).map_err(|letter| match letter {
            Letter::Message { message, .. } => message,
            Letter::Order(_) | Letter::Undelivered { .. } => unreachable!("a message was offered"),
        })
    }

    /// Gives a message that came too late back to its sender, if that is still there.
    fn give_back(&self, from: Option<SocketId>, to: SocketId, message: M) {
        if let Some(mailbox) = from.and_then(|from| self.find(from)) {
            mailbox.put(Letter::Undelivered { to, message });
        }
    }

    /// Ends the wait of a session's thread, if that is still there.
    pub(crate) fn wake(&self, socket: SocketId) {
        if let Some(mailbox) = self.find(socket) {
            mailbox.wake();
        }
    }

    fn enter(&self, socket: SocketId, mailbox: SessionMailbox<M>) {
        self.lock().insert(socket, mailbox);
    }

    /// The session reads no more; what it has not read goes back.
    fn leave(&self, socket: SocketId) {
        let mailbox = self.lock().remove(&socket);
        for letter in mailbox.into_iter().flat_map(|mailbox| mailbox.close()) {
            if let Letter::Message { from, message } = letter {
                self.give_back(from, socket, message);
            }
        }
    }

    fn find(&self, socket: SocketId) -> Option<SessionMailbox<M>> {
        self.lock().get(&socket).cloned()
    }

    /// The map is whole between any two of its calls, so a panic elsewhere does not spoil it.
    fn lock(&self) -> MutexGuard<'_, BTreeMap<SocketId, SessionMailbox<M>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What all sessions of a supervisor share.
pub(crate) struct Shared<M> {
    pub(crate) clock: Clock,
    pub(crate) observer: Option<Arc<dyn Observer>>,
    pub(crate) directory: Directory<M>,
    pub(crate) supervisor: Mailbox<Command>,
    pub(crate) alarms: Arc<Alarms>,
    /// For connections that may come about.
    spare: Mutex<Vec<Mailbox<Letter<M>>>>,
}

impl<M> Shared<M> {
    pub(crate) fn new(clock: Clock, observer: Option<Arc<dyn Observer>>) -> io::Result<Self> {
        let (directory, supervisor) = (Directory::new(), Mailbox::new(usize::MAX)?);
        let alarms = Arc::new(Alarms::new(clock));
        Ok(Self { clock, observer, directory, supervisor, alarms, spare: Mutex::new(Vec::new()) })
    }

    /// Makes the mailboxes of so many connections before they come about. A connection without one could not be served, and taking it
    /// only to drop it is worse than leaving it in the system's queue: so it is the accept that fails, and the core backs off.
    pub(crate) fn prepare(&self, connections: usize) -> io::Result<()> {
        let mut spare = self.spare.lock().unwrap_or_else(PoisonError::into_inner);
        while spare.len() < connections {
            spare.push(Mailbox::new(0)?);
        }
        Ok(())
    }

    fn take_mailbox(&self, limit: usize) -> Option<Mailbox<Letter<M>>> {
        let spare = self.spare.lock().unwrap_or_else(PoisonError::into_inner).pop()?;
        Some(spare.with_limit(limit))
    }
}

/// Tells the supervisor that the session is gone, however its thread ends.
struct Gone<M> {
    socket: SocketId,
    report: CloseReport,
    shared: Arc<Shared<M>>,
}

impl<M> Drop for Gone<M> {
    fn drop(&mut self) {
        self.shared.directory.leave(self.socket);
        self.shared.supervisor.put(Command::Gone(self.socket, self.report));
    }
}

/// Starts the thread. Without a socket, a mailbox or a thread the session is dropped, and the supervisor is told so.
pub(crate) fn spawn<H>(
    session: Box<Session<H>>,
    handle: Option<Handle>,
    shared: Arc<Shared<H::Message>>,
) -> Option<JoinHandle<()>>
where
    H: Handler + Send + 'static,
{
    let socket = session.socket();
    let gone = Gone { socket, report: CloseReport::LOST, shared: Arc::clone(&shared) };
    let handle = handle?;
    let mailbox = Arc::new(shared.take_mailbox(session.mailbox())?);
    shared.directory.enter(socket, Arc::clone(&mailbox));
    thread::Builder::new().name(format!("session {socket}")).spawn(move || run(gone, session, handle, &mailbox)).ok()
}

/// `gone` is the first parameter, so it is dropped last: by then the socket is closed and the handler dropped.
#[allow(clippy::boxed_local, reason = "it stays where it is, and is dropped before `gone`")]
fn run<H: Handler>(
    mut gone: Gone<H::Message>,
    mut session: Box<Session<H>>,
    handle: Handle,
    mailbox: &Mailbox<Letter<H::Message>>,
) {
    let shared = Arc::clone(&gone.shared);
    let socket = gone.socket;
    let mut sockets = Sockets::starting_at(socket.slot());
    sockets.insert(socket, handle);
    let mut driver = Driver::new(sockets, shared.clock, shared.observer.clone());
    let mut alarm = Alarm::new(&shared.alarms, socket);
    session.open(shared.clock.now());
    let mut closed = None;
    let mut letters = VecDeque::new();
    loop {
        let idle = driver.turn(
            &mut *session,
            |_| Ok(()),
            |_, event| match event {
                SessionEvent::Post { to, message } => {
                    if let Err(message) = shared.directory.post(Some(socket), to, message) {
                        letters.push_back(Letter::Undelivered { to, message });
                    }
                }
                SessionEvent::Closed(report) => closed = Some(report),
            },
        );
        if let Some(report) = closed {
            gone.report = report;
            return;
        }
        let until = if idle && letters.is_empty() {
            alarm.set(session.deadline());
            Until::Woken
        } else {
            Until::Now
        };
        if driver.wait(&mut *session, mailbox.fd(), until) {
            mailbox.take_all(&mut letters);
            alarm.may_have_rung();
        }
        for letter in letters.drain(..) {
            let now = shared.clock.now();
            match letter {
                Letter::Order(order) => session.order(now, order),
                Letter::Undelivered { to, message } => session.undelivered(now, to, message),
                Letter::Message { from, message } => {
                    if let Err(message) = session.deliver(now, message) {
                        shared.directory.give_back(from, socket, message);
                    }
                }
            }
        }
    }
}
