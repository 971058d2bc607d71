//! What other tasks and the reactor say to the driver.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use std::time::Duration;

use sansock::SocketId;

/// So many messages from other tasks may wait for the driver.
const MAILBOX: usize = 1024;

pub(crate) enum Command<M> {
    Drain(Duration),
    Stop,
    Post(SocketId, M),
}

/// The task to wake.
#[derive(Default)]
pub(crate) struct Bell {
    task: Mutex<Option<Waker>>,
}

impl Bell {
    /// The task that polls the driver now.
    pub(crate) fn attend(&self, waker: &Waker) {
        let mut task = lock(&self.task);
        match &mut *task {
            Some(known) => known.clone_from(waker),
            None => *task = Some(waker.clone()),
        }
    }

    pub(crate) fn ring(&self) {
        let task = lock(&self.task).clone();
        if let Some(task) = task {
            task.wake();
        }
    }
}

/// A handle to a driver for other tasks and threads. It does not keep anything running.
pub struct Remote<M> {
    commands: Arc<Mutex<VecDeque<Command<M>>>>,
    bell: Arc<Bell>,
}

impl<M> Clone for Remote<M> {
    fn clone(&self) -> Self {
        Self { commands: Arc::clone(&self.commands), bell: Arc::clone(&self.bell) }
    }
}

impl<M> Remote<M> {
    pub(crate) fn new(bell: Arc<Bell>) -> Self {
        Self { commands: Arc::default(), bell }
    }

    /// Drains every server and client, and aborts what is left after `span`.
    pub fn drain(&self, span: Duration) {
        lock(&self.commands).push_back(Command::Drain(span));
        self.bell.ring();
    }

    /// Aborts everything now.
    pub fn stop(&self) {
        lock(&self.commands).push_back(Command::Stop);
        self.bell.ring();
    }

    /// Posts a message to a session. If there is no such session when the driver looks, it is dropped.
    ///
    /// # Errors
    /// 1024 messages wait already: the message comes back.
    pub fn post(&self, to: SocketId, message: M) -> Result<(), M> {
        let mut commands = lock(&self.commands);
        if commands.len() >= MAILBOX {
            return Err(message);
        }
        commands.push_back(Command::Post(to, message));
        drop(commands);
        self.bell.ring();
        Ok(())
    }

    /// Moves what is there to the end of `into`, and no more: somebody who posts without a pause must not keep the driver here.
    pub(crate) fn take_all(&self, into: &mut VecDeque<Command<M>>) {
        into.append(&mut lock(&self.commands));
    }
}

/// What is kept behind these locks is whole between any two calls, so a panic elsewhere does not spoil it.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
