//! The processors of one pipeline at work: in the thread of the pipeline, or in that of a receiver that
//! would only wait meanwhile. The telemetry is in that processor's cache, and nobody has to be woken.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use crossbeam_channel::{Receiver, Sender, TryRecvError, bounded};

use super::chain::{self, Stage};
use super::{Batch, ChannelReceiver, ChannelSender, Consumer, Output, Rejected, Stop};

/// A pipeline. Whoever runs it holds the lock, and takes from the channel only then: batches stay in
/// their order.
pub(super) struct Works {
    inside: Mutex<Inside>,
    output: Output,
    /// Calls the thread of the pipeline.
    call: Sender<()>,
    called: Receiver<()>,
}

#[derive(Default)]
struct Inside {
    stages: Vec<Stage>,
    /// When the thread looks again by itself.
    awake: Option<Instant>,
    /// What a receiver could not hand on, since there was no room.
    left: VecDeque<Batch>,
    /// The thread is there, for what receivers leave.
    open: bool,
}

impl Works {
    pub fn new(stages: Vec<Stage>, output: Output) -> Self {
        let (call, called) = bounded(1);
        Self { inside: Mutex::new(Inside { stages, ..Inside::default() }), output, call, called }
    }

    /// Runs the pipeline until all who send into `input` are gone or it is retired, then flushes what is
    /// held back.
    pub fn run(&self, input: &ChannelReceiver, retire: &Stop) {
        // When the agent stops for good the output refuses the batch itself.
        let mut end = |batch| _ = self.output.send(batch);
        self.lock().open = true;
        while !retire.is_raised() {
            let mut inside = self.lock();
            inside.left.drain(..).for_each(&mut end);
            match input.try_recv() {
                Ok(batch) => chain::send(&mut inside.stages, batch, &mut end),
                Err(TryRecvError::Disconnected) => break,
                Err(TryRecvError::Empty) => {
                    let deadline = chain::deadline(&inside.stages);
                    inside.awake = deadline;
                    drop(inside);
                    input.wait(deadline, retire, &self.called);
                    inside = self.lock();
                }
            }
            chain::tick(&mut inside.stages, &mut end);
        }
        let mut inside = self.lock();
        inside.open = false;
        inside.left.drain(..).for_each(&mut end);
        chain::flush(&mut inside.stages, &mut end);
        inside.stages.clear();
    }

    /// Runs the pipeline on a batch in this thread, unless somebody else is at work or others come first.
    fn run_here(&self, batch: Batch, input: &ChannelSender) -> Result<(), Batch> {
        let Ok(mut inside) = self.inside.try_lock() else { return Err(batch) };
        let Inside { stages, awake, left, open } = &mut *inside;
        if !*open || !left.is_empty() || !input.is_empty() {
            return Err(batch);
        }
        chain::send(stages, batch, &mut |batch| {
            let sent = if left.is_empty() { self.output.try_send(batch) } else { Err(Rejected::Full(batch)) };
            match sent {
                Ok(()) => {}
                Err(Rejected::Full(batch)) => left.push_back(batch),
                Err(stopped) => stopped.refuse(),
            }
        });
        let due = chain::deadline(stages);
        if !left.is_empty() || due.is_some_and(|due| awake.is_none_or(|awake| due < awake)) {
            *awake = due;
            _ = self.call.try_send(());
        }
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The way into the pipeline of the day: it stays when that is replaced by another.
#[derive(Clone, Default)]
pub(super) struct Entry(Arc<Mutex<Option<Arc<Works>>>>);

impl Entry {
    pub fn lead_to(&self, works: Arc<Works>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(works);
    }

    /// The way in for a receiver, which has the channel when it cannot do the work itself.
    pub fn beside(&self, channel: ChannelSender) -> Arc<dyn Consumer> {
        Arc::new(Head { channel, entry: self.clone() })
    }
}

struct Head {
    channel: ChannelSender,
    entry: Entry,
}

impl Consumer for Head {
    fn consume(&self, batch: Batch) -> Result<(), Rejected> {
        self.channel.send(batch)
    }

    fn try_consume(&self, batch: Batch) -> Result<(), Rejected> {
        self.channel.try_send(batch)
    }

    fn consume_here(&self, batch: Batch) -> Result<(), Batch> {
        let works = self.entry.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        match works {
            Some(works) => works.run_here(batch, &self.channel),
            None => Err(batch),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::thread::{JoinHandle, ThreadId, current, spawn};
    use std::time::Duration;

    use super::*;
    use crate::component::{Next, Processor};
    use crate::pipeline::{Ack, Data, Lane, Limits, StopSource, channel};
    use crate::telemetry::Tap;

    /// Hands batches on, or holds them back for so long; tells who was at work.
    struct Watched {
        wait: Option<Duration>,
        held: Vec<Batch>,
        due: Option<Instant>,
        at_work: Sender<ThreadId>,
    }

    impl Processor for Watched {
        fn process(&mut self, batch: Batch, next: &mut dyn Next) {
            self.at_work.send(current().id()).unwrap();
            match self.wait {
                None => next.send(batch),
                Some(wait) => {
                    self.held.push(batch);
                    self.due.get_or_insert_with(|| Instant::now() + wait);
                }
            }
        }
        fn deadline(&self) -> Option<Instant> {
            self.due
        }
        fn tick(&mut self, _: Instant, next: &mut dyn Next) {
            self.flush(next);
        }
        fn flush(&mut self, next: &mut dyn Next) {
            self.due = None;
            self.held.drain(..).for_each(|batch| next.send(batch));
        }
    }

    /// Takes batches when it has room, which it always has for those who wait.
    struct Exporter {
        has_room: bool,
        taken: Sender<u64>,
    }

    impl Consumer for Exporter {
        fn consume(&self, batch: Batch) -> Result<(), Rejected> {
            self.taken.send(batch.lane.map_or(0, |lane| lane.0)).unwrap();
            Ok(())
        }
        fn try_consume(&self, batch: Batch) -> Result<(), Rejected> {
            if self.has_room { self.consume(batch) } else { Err(Rejected::Full(batch)) }
        }
    }

    struct Rig {
        head: Arc<dyn Consumer>,
        thread: JoinHandle<()>,
        retire: StopSource,
        at_work: Receiver<ThreadId>,
        taken: Receiver<u64>,
    }

    impl Rig {
        fn new(wait: Option<Duration>, has_room: bool) -> Self {
            let (sender, input) = channel(Limits { batches: 8, bytes: 1 << 20 }, Stop::never());
            let ((at_work, seen), (take, taken)) =
                (crossbeam_channel::unbounded(), crossbeam_channel::unbounded());
            let processor = Box::new(Watched { wait, held: Vec::new(), due: None, at_work });
            let output = Output::new(vec![Arc::new(Exporter { has_room, taken: take })]);
            let works = Arc::new(Works::new(vec![Stage { processor, tap: Tap::default() }], output));
            let entry = Entry::default();
            entry.lead_to(works.clone());
            let retire = StopSource::new();
            let stop = retire.stop();
            let thread = spawn(move || works.run(&input, &stop));
            Self { head: entry.beside(sender), thread, retire, at_work: seen, taken }
        }

        /// Lets this thread do the work; tries again while the other one is still busy.
        fn work_here(&self, number: u64) {
            let mut left = batch(number);
            while let Err(batch) = self.head.consume_here(left) {
                left = batch;
                std::thread::yield_now();
            }
        }
    }

    fn batch(number: u64) -> Batch {
        Batch::new(Data::Logs(Vec::new()), Ack::none()).in_lane(Some(Lane(number)))
    }

    #[test]
    fn the_work_is_done_in_the_thread_that_offers_it_or_in_that_of_the_pipeline() {
        let rig = Rig::new(None, true);
        assert!(rig.head.consume(batch(1)).is_ok());
        assert_eq!(rig.taken.recv(), Ok(1));
        assert_eq!(rig.at_work.recv(), Ok(rig.thread.thread().id()));
        rig.work_here(2);
        assert_eq!(rig.taken.try_recv(), Ok(2));
        assert_eq!(rig.at_work.try_recv(), Ok(current().id()));
    }

    #[test]
    fn nobody_overtakes_what_waits_in_the_channel() {
        let (sender, input) = channel(Limits { batches: 8, bytes: 1 << 20 }, Stop::never());
        let works = Works::new(Vec::new(), Output::default());
        works.lock().open = true;
        assert!(works.run_here(batch(1), &sender).is_ok());
        sender.send(batch(2)).unwrap();
        assert!(works.run_here(batch(3), &sender).is_err());
        input.try_recv().unwrap();
        assert!(works.run_here(batch(3), &sender).is_ok());
    }

    #[test]
    fn what_finds_no_room_is_left_to_the_thread_of_the_pipeline_in_order() {
        let rig = Rig::new(None, false);
        (1..=20).for_each(|number| rig.work_here(number));
        let taken: Vec<u64> = (1..=20).map(|_| rig.taken.recv().unwrap()).collect();
        assert_eq!(taken, (1..=20).collect::<Vec<_>>());
    }

    #[test]
    fn what_a_receiver_lets_wait_goes_on_in_time() {
        let rig = Rig::new(Some(Duration::from_millis(5)), true);
        rig.work_here(1);
        assert_eq!(rig.taken.recv_timeout(Duration::from_secs(30)), Ok(1));
    }

    #[test]
    fn a_pipeline_that_was_replaced_hands_on_what_it_holds_and_does_no_more_work() {
        let rig = Rig::new(Some(Duration::from_secs(1000)), true);
        rig.work_here(1);
        rig.retire.raise();
        rig.thread.join().unwrap();
        assert_eq!(rig.taken.try_recv(), Ok(1));
        assert!(rig.head.consume_here(batch(2)).is_err());
    }
}
