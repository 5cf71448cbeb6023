//! The processors of one pipeline, run in order.

use std::time::Instant;

use super::Batch;
use crate::component::{Next, Processor};
use crate::telemetry::Tap;

/// A processor, and the tap on what it hands on.
pub(super) struct Stage {
    pub processor: Box<dyn Processor>,
    pub tap: Tap,
}

/// Takes what comes out at the end.
pub(super) type End<'a> = dyn FnMut(Batch) + 'a;

/// What comes behind one place of a pipeline: processors, and then the end.
struct Chain<'a> {
    tap: &'a Tap,
    stages: &'a mut [Stage],
    end: &'a mut End<'a>,
}

impl Next for Chain<'_> {
    fn send(&mut self, batch: Batch) {
        self.tap.pass(&batch);
        send(self.stages, batch, self.end);
    }
}

/// Sends a batch through the processors.
pub(super) fn send(stages: &mut [Stage], batch: Batch, end: &mut End<'_>) {
    match stages.split_first_mut() {
        Some((Stage { processor, tap }, stages)) => processor.process(batch, &mut Chain { tap, stages, end }),
        None => end(batch),
    }
}

/// When the first processor wants [`tick`] to be called.
pub(super) fn deadline(stages: &[Stage]) -> Option<Instant> {
    stages.iter().filter_map(|stage| stage.processor.deadline()).min()
}

/// Calls every processor whose deadline has passed; batches that keep coming do not starve it.
pub(super) fn tick(stages: &mut [Stage], end: &mut End<'_>) {
    for place in 0..stages.len() {
        if let Some(deadline) = stages[place].processor.deadline() {
            let now = Instant::now();
            if deadline <= now {
                with_rest(stages, place, end, |processor, next| processor.tick(now, next));
            }
        }
    }
}

/// Hands on all that the processors hold back.
pub(super) fn flush(stages: &mut [Stage], end: &mut End<'_>) {
    for place in 0..stages.len() {
        with_rest(stages, place, end, |processor, next| processor.flush(next));
    }
}

fn with_rest(
    stages: &mut [Stage],
    place: usize,
    end: &mut End<'_>,
    call: impl FnOnce(&mut dyn Processor, &mut dyn Next),
) {
    if let Some((Stage { processor, tap }, stages)) = stages[place..].split_first_mut() {
        call(processor.as_mut(), &mut Chain { tap, stages, end });
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};
    use std::time::Duration;

    use super::*;
    use crate::pipeline::works::Works;
    use crate::pipeline::{Ack, Consumer, Data, Limits, Output, Rejected, Stop, channel};

    /// Holds batches back until its deadline, which is set by the first.
    #[derive(Default)]
    struct Holder {
        held: Vec<Batch>,
        deadline: Option<Instant>,
    }

    impl Processor for Holder {
        fn process(&mut self, batch: Batch, _: &mut dyn Next) {
            self.held.push(batch);
            self.deadline.get_or_insert_with(|| Instant::now() + Duration::from_millis(5));
        }
        fn deadline(&self) -> Option<Instant> {
            self.deadline
        }
        fn tick(&mut self, _: Instant, next: &mut dyn Next) {
            self.flush(next);
        }
        fn flush(&mut self, next: &mut dyn Next) {
            self.deadline = None;
            self.held.drain(..).for_each(|batch| next.send(batch));
        }
    }

    #[derive(Default)]
    struct Seen(Mutex<usize>);

    impl Consumer for Seen {
        fn consume(&self, _: Batch) -> Result<(), Rejected> {
            *self.0.lock().unwrap() += 1;
            Ok(())
        }
        fn try_consume(&self, batch: Batch) -> Result<(), Rejected> {
            self.consume(batch)
        }
    }

    #[test]
    fn held_back_batches_go_on_at_their_deadline_and_at_the_end_through_all_that_follow() {
        let seen = Arc::new(Seen::default());
        let output = Output::new(vec![seen.clone()]);
        let (sender, receiver) = channel(Limits { batches: 8, bytes: 1 << 20 }, Stop::never());
        let (delivered, deliveries) = crossbeam_channel::unbounded();
        let send = |sender: &crate::pipeline::ChannelSender| {
            let delivered = delivered.clone();
            let ack = Ack::new(move |outcome| delivered.send(outcome).unwrap());
            sender.send(Batch::new(Data::Logs(Vec::new()), ack)).unwrap();
        };
        let thread = std::thread::spawn(move || {
            let holder = || Stage { processor: Box::new(Holder::default()), tap: Tap::default() };
            let holders = vec![holder(), holder()];
            Works::new(holders, output).run(&receiver, &Stop::never());
        });
        send(&sender);
        deliveries.recv().unwrap();
        send(&sender);
        drop(sender);
        thread.join().unwrap();
        assert_eq!(*seen.0.lock().unwrap(), 2);
    }
}
