//! A server over real sockets, on either transport behind one handle.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use sansock::{Address, CloseReport, Handler, NodeEvent, Peer, ServerConfig, ServerReport, Service, Verdict};
use sansock_blocking::{Notice, Running};

/// Nothing in a test takes so long, unless it hangs.
pub const WATCHDOG: Duration = Duration::from_secs(60);

/// A transport over real sockets.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Transport {
    /// Threads.
    Blocking,
    /// One future, in a thread of its own.
    Smol,
}

impl Transport {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Blocking, Self::Smol];

    /// The transport of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|transport| format!("{transport:?}") == name)
    }
}

/// What a server has said.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Said {
    /// A listener listens here.
    Listening(Option<Address>),
    /// A connection was opened.
    Opened,
    /// A connection has ended.
    Closed(CloseReport),
    /// Something has run out.
    Exhausted,
    /// Accepting works again.
    Recovered,
    /// Anything else.
    Other,
}

/// A server at work.
pub struct Serving {
    said: Receiver<Said>,
    control: Control,
}

enum Control {
    Blocking(Running<Infallible, ServerReport>),
    Smol(sansock_smol::Remote<Infallible>, JoinHandle<ServerReport>),
}

impl Serving {
    /// Starts a server whose every connection gets a handler made by `make`. `hold` is called when its first listener listens, and the
    /// server waits for it.
    ///
    /// # Panics
    /// If there is no thread to be had.
    pub fn start<H>(
        transport: Transport,
        config: ServerConfig,
        mut make: impl FnMut() -> H + Send + 'static,
        hold: impl FnOnce() + Send + 'static,
    ) -> Self
    where
        H: Handler<Message = Infallible> + Send + 'static,
    {
        let service = move |_: &Peer| Verdict::Accept(make());
        let (says, said) = channel();
        let control = match transport {
            Transport::Blocking => {
                let running = sansock_blocking::serve(config, service, notices(says, hold)).expect("a thread and a pipe");
                Control::Blocking(running)
            }
            Transport::Smol => {
                let (ready, remote) = channel();
                let run = move || run_smol(config, service, &says, hold, &ready);
                let thread = thread::Builder::new().name("smol".into()).spawn(run).expect("a thread");
                Control::Smol(remote.recv().expect("the driver is made"), thread)
            }
        };
        Self { said, control }
    }

    /// The next thing that it says.
    ///
    /// # Panics
    /// If it has stopped, or says nothing for a very long time.
    pub fn next(&self) -> Said {
        self.said.recv_timeout(WATCHDOG).expect("the server says something")
    }

    /// Waits until it says something that `is_it`.
    ///
    /// # Panics
    /// See [`Serving::next`].
    pub fn wait_for<T>(&self, mut is_it: impl FnMut(Said) -> Option<T>) -> T {
        loop {
            if let Some(found) = is_it(self.next()) {
                return found;
            }
        }
    }

    /// Waits until it listens; where.
    ///
    /// # Panics
    /// See [`Serving::next`].
    pub fn address(&self) -> SocketAddr {
        self.wait_for(|said| match said {
            Said::Listening(Some(Address::Ip(address))) => Some(address),
            _ => None,
        })
    }

    /// Takes no new connections, and aborts what is left after `span`.
    pub fn drain(&self, span: Duration) {
        match &self.control {
            Control::Blocking(running) => running.drain(span),
            Control::Smol(remote, _) => remote.drain(span),
        }
    }

    /// Aborts everything now.
    pub fn stop(&self) {
        match &self.control {
            Control::Blocking(running) => running.stop(),
            Control::Smol(remote, _) => remote.stop(),
        }
    }

    /// Waits until it has stopped. What it had still to say is lost.
    ///
    /// # Panics
    /// If it does not stop for a very long time.
    #[must_use]
    pub fn join(self) -> ServerReport {
        // Whoever speaks is gone when the thread is.
        let silent = loop {
            match self.said.recv_timeout(WATCHDOG) {
                Ok(_) => {}
                Err(error) => break error,
            }
        };
        assert_eq!(silent, RecvTimeoutError::Disconnected, "the server does not stop");
        match self.control {
            Control::Blocking(running) => running.join(),
            Control::Smol(_, thread) => thread.join().expect("no panic"),
        }
    }
}

fn notices(says: Sender<Said>, hold: impl FnOnce() + Send + 'static) -> impl FnMut(Notice) + Send + 'static {
    let mut hold = Some(hold);
    move |notice| {
        let said = match notice {
            Notice::Listening { local, .. } => Said::Listening(local),
            Notice::Opened { .. } => Said::Opened,
            Notice::Closed { report, .. } => Said::Closed(report),
            Notice::Exhausted { .. } => Said::Exhausted,
            Notice::Recovered { .. } => Said::Recovered,
            _ => Said::Other,
        };
        say(&says, said, &mut hold);
    }
}

fn run_smol<S: Service<Handler: Handler<Message = Infallible>>>(
    config: ServerConfig,
    service: S,
    says: &Sender<Said>,
    hold: impl FnOnce(),
    ready: &Sender<sansock_smol::Remote<Infallible>>,
) -> ServerReport {
    let mut driver = sansock_smol::Driver::new();
    driver.serve(config, service).expect("slots enough");
    let _ = ready.send(driver.remote());
    let (mut hold, mut account) = (Some(hold), None);
    smol::block_on(driver.run(|event| {
        let said = match event {
            NodeEvent::Listening { local, .. } => Said::Listening(local),
            NodeEvent::Opened { .. } => Said::Opened,
            NodeEvent::Closed { report, .. } => Said::Closed(report),
            NodeEvent::Exhausted { .. } => Said::Exhausted,
            NodeEvent::Recovered { .. } => Said::Recovered,
            NodeEvent::ServerStopped { report, .. } => {
                account = Some(report);
                Said::Other
            }
            _ => Said::Other,
        };
        say(says, said, &mut hold);
    }));
    *account.expect("the server stopped")
}

fn say(says: &Sender<Said>, said: Said, hold: &mut Option<impl FnOnce()>) {
    let listens = matches!(said, Said::Listening(_));
    // Nobody may listen any more.
    let _ = says.send(said);
    if let Some(hold) = hold.take_if(|_| listens) {
        hold();
    }
}
