//! The door in front of an exporter, which stays when the exporter behind it is replaced.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use super::channel::STOP_CHECK;
use super::{Batch, Consumer, Rejected, Stop};
use crate::telemetry::Tap;

/// Sends to the exporter of the day. While one is replaced by another, senders wait.
pub(super) struct Relay {
    current: Mutex<Option<Arc<dyn Consumer>>>,
    attached: Condvar,
    abort: Stop,
    tap: Tap,
}

impl Relay {
    pub(super) fn new(abort: Stop, tap: Tap) -> Self {
        Self { current: Mutex::default(), attached: Condvar::new(), abort, tap }
    }

    /// From here on senders wait for the next exporter, also those whom the old one turns away.
    pub(super) fn detach(&self) {
        *self.lock() = None;
    }

    pub(super) fn attach(&self, consumer: Arc<dyn Consumer>) {
        *self.lock() = Some(consumer);
        self.attached.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, Option<Arc<dyn Consumer>>> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The exporter of the day; none when the agent stops for good.
    fn wait(&self) -> Option<Arc<dyn Consumer>> {
        let mut current = self.lock();
        while current.is_none() && !self.abort.is_raised() {
            let wait = self.attached.wait_timeout(current, STOP_CHECK);
            (current, _) = wait.unwrap_or_else(PoisonError::into_inner);
        }
        current.clone()
    }

    fn is_current(&self, consumer: &Arc<dyn Consumer>) -> bool {
        self.lock().as_ref().is_some_and(|current| Arc::ptr_eq(current, consumer))
    }
}

impl Consumer for Relay {
    fn consume(&self, mut batch: Batch) -> Result<(), Rejected> {
        self.tap.pass(&batch);
        while let Some(consumer) = self.wait() {
            match consumer.consume(batch) {
                // It may have been closed under our hands to be replaced.
                Err(Rejected::Stopped(back)) if !self.is_current(&consumer) => batch = back,
                other => return other,
            }
        }
        Err(Rejected::Stopped(batch))
    }

    fn try_consume(&self, batch: Batch) -> Result<(), Rejected> {
        let current = self.lock().clone();
        let Some(consumer) = current else { return Err(Rejected::Full(batch)) };
        self.tap.pass(&batch);
        match consumer.try_consume(batch) {
            Err(Rejected::Stopped(batch)) if !self.is_current(&consumer) => Err(Rejected::Full(batch)),
            other => other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipeline::{Ack, Data};

    /// Turns away everything, as a closed exporter does, or takes it.
    struct Fixed(bool);

    impl Consumer for Fixed {
        fn consume(&self, batch: Batch) -> Result<(), Rejected> {
            if self.0 { Ok(()) } else { Err(Rejected::Stopped(batch)) }
        }
        fn try_consume(&self, batch: Batch) -> Result<(), Rejected> {
            self.consume(batch)
        }
    }

    #[test]
    fn who_is_turned_away_by_an_exporter_that_is_being_replaced_waits_for_the_next() {
        let relay = Arc::new(Relay::new(Stop::never(), Tap::default()));
        relay.attach(Arc::new(Fixed(false)));
        let batch = || Batch::new(Data::Logs(Vec::new()), Ack::none());
        assert!(matches!(relay.consume(batch()), Err(Rejected::Stopped(_))), "it stops for good");
        relay.detach();
        assert!(matches!(relay.try_consume(batch()), Err(Rejected::Full(_))), "the client tries later");
        let waiting = {
            let relay = relay.clone();
            std::thread::spawn(move || relay.consume(batch()))
        };
        relay.attach(Arc::new(Fixed(true)));
        assert!(waiting.join().unwrap().is_ok());
    }
}
