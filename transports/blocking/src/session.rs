//! The thread of one connection.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use sansock::{CloseReport, Handler, Order, Session, SessionEvent, SocketId};
use sansock_system::{Clock, Handle, Observer, Sockets};

use crate::driver::Driver;
use crate::mailbox::Mailbox;
use crate::running::Command;

/// What others tell a session's thread.
pub(crate) enum Letter<M> {
    Order(Order),
    Message(M),
}

/// The mailboxes of all sessions, so that they can write to each other.
pub(crate) struct Directory<M>(Mutex<BTreeMap<SocketId, Arc<Mailbox<Letter<M>>>>>);

impl<M> Directory<M> {
    pub(crate) fn new() -> Self {
        Self(Mutex::new(BTreeMap::new()))
    }

    pub(crate) fn find(&self, socket: SocketId) -> Option<Arc<Mailbox<Letter<M>>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&socket).cloned()
    }

    /// Puts a message into a session's mailbox; it comes back if there is no such session, or no room.
    pub(crate) fn post(&self, to: SocketId, message: M) -> Result<(), M> {
        match self.find(to) {
            None => Err(message),
            Some(mailbox) => mailbox.offer(Letter::Message(message)).map_err(|letter| match letter {
                Letter::Message(message) => message,
                Letter::Order(_) => unreachable!("a message was offered"),
            }),
        }
    }

    fn enter(&self, socket: SocketId, mailbox: Arc<Mailbox<Letter<M>>>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(socket, mailbox);
    }

    fn leave(&self, socket: SocketId) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&socket);
    }
}

/// What all sessions of a supervisor share.
pub(crate) struct Shared<M> {
    pub(crate) clock: Clock,
    pub(crate) observer: Option<Arc<dyn Observer>>,
    pub(crate) directory: Directory<M>,
    pub(crate) supervisor: Mailbox<Command>,
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

/// Starts the thread. If there is none to be had, the session and its socket are dropped, and the supervisor is told so.
pub(crate) fn spawn<H>(session: Session<H>, handle: Handle, shared: Arc<Shared<H::Message>>) -> io::Result<JoinHandle<()>>
where
    H: Handler + Send + 'static,
{
    let socket = session.socket();
    // Declared before the driver, so dropped after it: by then the socket is closed.
    let gone = Gone { socket, report: CloseReport::LOST, shared: Arc::clone(&shared) };
    let mailbox = Arc::new(Mailbox::new(session.mailbox())?);
    shared.directory.enter(socket, Arc::clone(&mailbox));
    thread::Builder::new().name(format!("session {socket}")).spawn(move || run(gone, session, handle, &mailbox))
}

fn run<H: Handler>(mut gone: Gone<H::Message>, mut session: Session<H>, handle: Handle, mailbox: &Mailbox<Letter<H::Message>>) {
    let shared = Arc::clone(&gone.shared);
    let mut sockets = Sockets::starting_at(gone.socket.slot());
    sockets.insert(gone.socket, handle);
    let mut driver = Driver::new(sockets, shared.clock, shared.observer.clone());
    session.open(shared.clock.now());
    let mut closed = None;
    let mut undelivered = Vec::new();
    loop {
        let idle = driver.turn(&mut session, |_, event| match event {
            SessionEvent::Post { to, message } => {
                if let Err(message) = shared.directory.post(to, message) {
                    undelivered.push((to, message));
                }
            }
            SessionEvent::Closed(report) => closed = Some(report),
        });
        if let Some(report) = closed {
            gone.report = report;
            return;
        }
        let busy = !idle || !undelivered.is_empty();
        for (to, message) in undelivered.drain(..) {
            session.undelivered(shared.clock.now(), to, message);
        }
        driver.wait(&mut session, mailbox.fd(), busy);
        mailbox.hush();
        while let Some(letter) = mailbox.take() {
            let now = shared.clock.now();
            match letter {
                Letter::Order(order) => session.order(now, order),
                // The session is over: nobody is there to read it.
                Letter::Message(message) => drop(session.deliver(now, message)),
            }
        }
    }
}
