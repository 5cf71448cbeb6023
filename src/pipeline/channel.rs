//! A channel of batches that is bounded in batches and in bytes.

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Select, Sender, TryRecvError, TrySendError, bounded, never};

use super::{Batch, Rejected, Stop};

/// How much a channel holds. A single batch larger than `bytes` passes when the channel is empty.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    pub batches: usize,
    pub bytes: usize,
}

/// Creates a channel. The receiving end sees its end when all senders are gone.
pub fn channel(limits: Limits, stop: Stop) -> (ChannelSender, ChannelReceiver) {
    let (sender, receiver) = bounded(limits.batches);
    let budget = Arc::new(Budget { limit: limits.bytes, used: Mutex::new(0), freed: Condvar::new() });
    (ChannelSender { sender, budget: budget.clone(), stop }, ChannelReceiver { receiver, budget })
}

#[derive(Clone, Debug)]
pub struct ChannelSender {
    sender: Sender<(Batch, usize)>,
    budget: Arc<Budget>,
    stop: Stop,
}

/// The receiving end. A clone takes over when the one who reads leaves: see [`Received::Retired`].
#[derive(Clone, Debug)]
pub struct ChannelReceiver {
    receiver: Receiver<(Batch, usize)>,
    budget: Arc<Budget>,
}

#[derive(Debug)]
struct Budget {
    limit: usize,
    used: Mutex<usize>,
    freed: Condvar,
}

/// How often a sender that waits looks whether it is to stop.
pub(super) const STOP_CHECK: Duration = Duration::from_millis(50);

impl ChannelSender {
    /// The same channel for a sender that gives up waiting for room on a request of its own.
    pub fn until(&self, stop: Stop) -> Self {
        Self { stop, ..self.clone() }
    }

    /// Waits for room; hands the batch back when the agent gives up waiting at its deadline.
    pub fn send(&self, batch: Batch) -> Result<(), Rejected> {
        let bytes = batch.rough_bytes();
        if !self.budget.acquire(bytes, &self.stop) {
            return Err(Rejected::Stopped(batch));
        }
        let mut message = (batch, bytes);
        loop {
            match self.sender.send_timeout(message, STOP_CHECK) {
                Ok(()) => return Ok(()),
                Err(crossbeam_channel::SendTimeoutError::Timeout(back)) if !self.stop.is_raised() => {
                    message = back;
                }
                Err(error) => {
                    self.budget.release(bytes);
                    return Err(Rejected::Stopped(error.into_inner().0));
                }
            }
        }
    }

    /// Nothing waits in the channel.
    pub fn is_empty(&self) -> bool {
        self.sender.is_empty()
    }

    /// Hands the batch back at once when there is no room.
    pub fn try_send(&self, batch: Batch) -> Result<(), Rejected> {
        let bytes = batch.rough_bytes();
        if !self.budget.try_acquire(bytes) {
            return Err(Rejected::Full(batch));
        }
        self.sender.try_send((batch, bytes)).map_err(|error| {
            self.budget.release(bytes);
            match error {
                TrySendError::Full((batch, _)) => Rejected::Full(batch),
                TrySendError::Disconnected((batch, _)) => Rejected::Stopped(batch),
            }
        })
    }
}

/// What a receiving end gets.
#[derive(Debug)]
pub enum Received {
    Batch(Batch),
    /// The deadline passed.
    Timeout,
    /// All senders are gone and the channel is empty.
    Closed,
    /// Somebody else reads on from here.
    Retired,
}

impl ChannelReceiver {
    /// Waits for a batch until `deadline`, or for ever; leaves at once when `retire` is raised.
    pub fn recv(&self, deadline: Option<Instant>, retire: &Stop) -> Received {
        loop {
            if retire.is_raised() {
                return Received::Retired;
            }
            match self.try_recv() {
                Ok(batch) => return Received::Batch(batch),
                Err(TryRecvError::Disconnected) => return Received::Closed,
                Err(TryRecvError::Empty) if deadline.is_some_and(|deadline| deadline <= Instant::now()) => {
                    return Received::Timeout;
                }
                Err(TryRecvError::Empty) => self.wait(deadline, retire, &never()),
            }
        }
    }

    /// Takes a batch that is there.
    pub(super) fn try_recv(&self) -> Result<Batch, TryRecvError> {
        let (batch, bytes) = self.receiver.try_recv()?;
        self.budget.release(bytes);
        Ok(batch)
    }

    /// Waits until there is a batch or there will be none, until `deadline`, until `retire` is raised or
    /// until it is `called`.
    pub(super) fn wait(&self, deadline: Option<Instant>, retire: &Stop, called: &Receiver<()>) {
        let mut select = Select::new();
        select.recv(&self.receiver);
        select.recv(retire.channel());
        select.recv(called);
        match deadline {
            Some(deadline) => _ = select.ready_deadline(deadline),
            None => _ = select.ready(),
        }
        _ = called.try_recv();
    }

    pub fn len(&self) -> usize {
        self.receiver.len()
    }

    pub fn is_empty(&self) -> bool {
        self.receiver.is_empty()
    }
}

impl Budget {
    fn fits(&self, used: usize, bytes: usize) -> bool {
        used == 0 || used + bytes <= self.limit
    }

    fn acquire(&self, bytes: usize, stop: &Stop) -> bool {
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        while !self.fits(*used, bytes) {
            if stop.is_raised() {
                return false;
            }
            (used, _) = self.freed.wait_timeout(used, STOP_CHECK).unwrap_or_else(PoisonError::into_inner);
        }
        *used += bytes;
        true
    }

    fn try_acquire(&self, bytes: usize) -> bool {
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        let fits = self.fits(*used, bytes);
        if fits {
            *used += bytes;
        }
        fits
    }

    fn release(&self, bytes: usize) {
        *self.used.lock().unwrap_or_else(PoisonError::into_inner) -= bytes;
        self.freed.notify_all();
    }
}
