//! The request to stop, which every blocking wait listens to.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};

/// Raises the request to stop. Kept by the one who decides; clones raise the same request.
#[derive(Clone, Debug)]
pub struct StopSource {
    // Dropping the sender wakes everybody who waits on the channel.
    sender: Arc<Mutex<Option<Sender<()>>>>,
    stop: Stop,
}

/// A request to stop that may be raised at any moment. Clones watch the same request.
#[derive(Clone, Debug)]
pub struct Stop {
    receiver: Receiver<()>,
}

impl StopSource {
    pub fn new() -> Self {
        let (sender, receiver) = bounded(0);
        Self { sender: Arc::new(Mutex::new(Some(sender))), stop: Stop { receiver } }
    }

    pub fn raise(&self) {
        drop(self.sender.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take());
    }

    pub fn stop(&self) -> Stop {
        self.stop.clone()
    }
}

impl Default for StopSource {
    fn default() -> Self {
        Self::new()
    }
}

impl Stop {
    /// A request that nobody can raise: for tests and one-shot commands.
    pub fn never() -> Self {
        let (sender, receiver) = bounded(0);
        std::mem::forget(sender);
        Self { receiver }
    }

    pub fn is_raised(&self) -> bool {
        matches!(self.receiver.try_recv(), Err(crossbeam_channel::TryRecvError::Disconnected))
    }

    /// Sleeps for `duration`, or less: returns true at once when the request is raised.
    pub fn wait(&self, duration: Duration) -> bool {
        matches!(self.receiver.recv_timeout(duration), Err(RecvTimeoutError::Disconnected))
    }

    /// Disconnects when the request is raised: for `crossbeam_channel::select!`.
    pub fn channel(&self) -> &Receiver<()> {
        &self.receiver
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_raised_stop_ends_waits_at_once() {
        let source = StopSource::new();
        let stop = source.stop();
        assert!(!stop.is_raised());
        assert!(!stop.wait(Duration::from_millis(1)));
        let waiter = std::thread::spawn(move || stop.wait(Duration::from_secs(60)));
        source.raise();
        assert!(waiter.join().unwrap());
        assert!(source.stop().is_raised());
    }
}
