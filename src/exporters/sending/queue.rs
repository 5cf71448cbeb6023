//! The bounded queue in front of an exporter, and the threads that empty it.
//!
//! Consumers are spawned when there is work that nobody is free for, and all but one leave again
//! when there is none: an idle exporter costs one thread. A batch with a lane is only taken when no
//! other batch of its lane is under way, so lanes keep their order whatever the number of consumers.

use std::collections::{HashSet, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crossbeam_channel::{Sender, bounded};

use super::account::Loss;
use super::deliver::Delivery;
use super::durable::{Entry, Log, NotStored};
use super::running::Intake;
use super::settings::{QueueBatch, SendingQueue, Sizer};
use crate::pipeline::split::items_within;
use crate::pipeline::{Ack, Batch, Consumer, Lane, Outcome, Rejected};

/// Most bytes of encoded requests a queue holds, so that memory stays bounded whatever its sizer.
const MOST_BYTES: usize = 20 << 20;
/// How often whoever waits for room looks whether it is to stop.
pub(super) const STOP_CHECK: Duration = Duration::from_millis(50);
/// How long a consumer without work stays, when it is not the last one.
const KEEP_ALIVE: Duration = Duration::from_secs(10);
/// How long the last consumer sleeps when nothing wakes it.
const IDLE: Duration = Duration::from_hours(1);

pub(super) struct Queue {
    settings: SendingQueue,
    delivery: Delivery,
    /// Where the batches are, when they are kept over a restart.
    log: Option<Arc<Log>>,
    /// Batches wait encoded: nobody looks at them before they are sent.
    packs: bool,
    state: Mutex<State>,
    /// There may be work.
    work: Condvar,
    /// There may be room, or a consumer has gone.
    room: Condvar,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Item>,
    /// Lanes with a batch under way.
    busy: HashSet<Lane>,
    /// Waiting and under way, in units of the queue's sizer and in bytes.
    size: usize,
    bytes: usize,
    under_way: usize,
    items_under_way: usize,
    consumers: usize,
    idle: usize,
    closed: bool,
    left_behind: usize,
}

/// A batch in the queue.
struct Item {
    content: Content,
    items: usize,
    lane: Option<Lane>,
    /// Its share in [`State::size`] and [`State::bytes`].
    size: usize,
    bytes: usize,
    /// What it counts toward the size of a merged batch.
    weight: usize,
    since: Instant,
    /// Dropped when the batch is settled, for a pipeline that waits for the result.
    done: Option<Sender<()>>,
}

enum Content {
    Memory(Batch),
    Disk(Entry),
}

/// What a consumer does next.
enum Next {
    /// Deliver these, merged when there are several.
    Work(Vec<Item>),
    /// Nothing to do until this time, or until woken.
    Wait(Option<Instant>),
}

impl Queue {
    /// A queue, with what one on disk still holds.
    pub(super) fn start(
        settings: SendingQueue,
        delivery: Delivery,
        stored: Option<(Log, Vec<Entry>)>,
    ) -> Arc<Self> {
        let (log, entries) = stored.unzip();
        let log = log.map(Arc::new);
        let state = Mutex::default();
        // The disk takes them encoded anyway, and merged ones have equal resources once.
        let packs = delivery.exporter.sends_encoded() && log.is_none() && settings.batching().is_none();
        let (work, room) = (Condvar::new(), Condvar::new());
        let queue = Arc::new(Self { settings, delivery, log, packs, state, work, room });
        let mut state = queue.lock();
        for entry in entries.unwrap_or_default() {
            let size = queue.settings.sizer().of_measures(entry.items, entry.length);
            state.size += size;
            state.bytes += entry.length;
            let item = queue.item(Content::Disk(entry), size, entry.length);
            state.waiting.push_back(item);
        }
        queue.delivery.account.queue_size(state.size);
        queue.call_consumer(&mut state);
        drop(state);
        queue
    }

    fn item(&self, content: Content, size: usize, bytes: usize) -> Item {
        let (items, lane) = match &content {
            Content::Memory(batch) => (batch.items(), batch.lane),
            Content::Disk(entry) => (entry.items, entry.lane),
        };
        let weight = self.settings.batching().map_or(0, |(_, sizer)| sizer.of_measures(items, bytes));
        Item { content, items, lane, size, bytes, weight, since: Instant::now(), done: None }
    }

    fn admit(self: &Arc<Self>, mut batch: Batch, wait: bool) -> Result<(), Rejected> {
        if self.packs && wait {
            batch.pack();
        }
        let bytes = batch.bytes();
        let size = self.settings.sizer().of_measures(batch.items(), bytes);
        let mut state = self.lock();
        loop {
            if state.closed || self.delivery.is_over() {
                self.delivery.account.not_enqueued(batch.items());
                return Err(Rejected::Stopped(batch));
            }
            if self.fits(&state, size, bytes) {
                state.size += size;
                state.bytes += bytes;
                drop(state);
                match self.store(batch) {
                    Ok(content) => {
                        self.enqueue(content, size, bytes, self.settings.wait_for_result);
                        return Ok(());
                    }
                    Err(back) => batch = back,
                }
                state = self.lock();
                state.release(size, bytes);
            }
            if !wait {
                self.delivery.account.not_enqueued(batch.items());
                return Err(Rejected::Full(batch));
            }
            (state, _) = self.room.wait_timeout(state, STOP_CHECK).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Writes a batch to the disk when that is where the queue is. Its source need not keep it then.
    fn store(&self, mut batch: Batch) -> Result<Content, Batch> {
        if self.packs {
            batch.pack();
        }
        let Some(log) = &self.log else { return Ok(Content::Memory(batch)) };
        match log.append(&batch) {
            Ok(entry) => {
                batch.ack.settle(Outcome::Delivered);
                Ok(Content::Disk(entry))
            }
            Err(NotStored::Full) => Err(batch),
            Err(NotStored::Io(error)) => {
                self.delivery.account.not_stored(&error, self.delivery.clock.now());
                Err(batch)
            }
        }
    }

    /// Puts in a batch whose size is counted already, and waits until it is settled if that is wanted.
    fn enqueue(self: &Arc<Self>, content: Content, size: usize, bytes: usize, wait: bool) {
        let mut item = self.item(content, size, bytes);
        let mut result = None;
        if wait {
            let (sender, receiver) = bounded::<()>(0);
            item.done = Some(sender);
            result = Some(receiver);
        } else if let Content::Memory(batch) = &mut item.content {
            batch.ack.taken();
        }
        let mut state = self.lock();
        state.waiting.push_back(item);
        self.delivery.account.queue_size(state.size);
        self.call_consumer(&mut state);
        drop(state);
        if let Some(result) = result {
            // Ends with an error when the sender is dropped, which is what is waited for.
            let _ = result.recv();
        }
    }

    /// What is on disk stays there: nothing more of it is tried.
    fn is_kept(&self) -> bool {
        self.log.is_some() && self.delivery.is_over()
    }

    /// A batch larger than the whole queue passes when the queue is empty.
    fn fits(&self, state: &State, size: usize, bytes: usize) -> bool {
        let limit = self.settings.queue_size;
        let bytes_limit = match self.log {
            // The storage extension has a limit for the disk.
            Some(_) => usize::MAX,
            None if self.settings.sizer() == Sizer::Bytes => limit.max(MOST_BYTES),
            None => MOST_BYTES,
        };
        state.size == 0 || (state.size + size <= limit && state.bytes + bytes <= bytes_limit)
    }

    /// Sees to it that somebody looks at what waits.
    fn call_consumer(self: &Arc<Self>, state: &mut State) {
        if !state.waiting.iter().any(|item| state.is_free(item)) {
            return;
        }
        if state.idle > 0 {
            self.work.notify_one();
            return;
        }
        if state.consumers >= self.settings.num_consumers {
            return;
        }
        let queue = self.clone();
        let thread = std::thread::Builder::new().name(self.delivery.account.name().to_owned());
        match thread.spawn(move || queue.run()) {
            Ok(_) => state.consumers += 1,
            // The next batch tries again; what waits is bounded and its sources wait with it.
            Err(error) => log::error!("{}: cannot start a thread: {error}", self.delivery.account.name()),
        }
    }

    /// The life of a consumer.
    fn run(self: Arc<Self>) {
        let mut state = self.lock();
        loop {
            match self.next(&mut state) {
                Next::Work(items) => {
                    state.under_way += 1;
                    let count: usize = items.iter().map(|item| item.items).sum();
                    state.items_under_way += count;
                    self.call_consumer(&mut state);
                    drop(state);
                    let work = self.load(items);
                    let (size, bytes, lanes) = (work.size, work.bytes, work.lanes.clone());
                    // Exporters may panic and are caught where they are called; should anything else do
                    // so, the queue goes on and the batch is refused as it is dropped.
                    let deliver = || work.deliver(&self.delivery, self.settings.batching());
                    let left_behind = catch_unwind(AssertUnwindSafe(deliver)).unwrap_or(0);
                    state = self.lock();
                    state.under_way -= 1;
                    state.items_under_way -= count;
                    state.left_behind += left_behind;
                    state.release(size, bytes);
                    for lane in lanes {
                        state.busy.remove(&lane);
                    }
                    self.delivery.account.queue_size(state.size);
                    self.room.notify_all();
                    if self.is_kept() {
                        self.work.notify_all();
                    }
                }
                Next::Wait(until) => {
                    if state.closed && (state.waiting.is_empty() || self.is_kept()) {
                        break;
                    }
                    let spare = state.consumers > 1 && until.is_none();
                    let sleep = match until {
                        Some(until) => until.saturating_duration_since(Instant::now()),
                        None if spare => KEEP_ALIVE,
                        None => IDLE,
                    };
                    state.idle += 1;
                    let woken = self.work.wait_timeout(state, sleep).unwrap_or_else(PoisonError::into_inner);
                    state = woken.0;
                    state.idle -= 1;
                    if spare && woken.1.timed_out() && state.consumers > 1 && state.waiting.is_empty() {
                        break;
                    }
                }
            }
        }
        state.consumers -= 1;
        self.room.notify_all();
        if state.closed {
            // The others may wait for a lane of which there is nothing left.
            self.work.notify_all();
        }
    }

    /// Takes the next work out of the queue.
    fn next(&self, state: &mut State) -> Next {
        if self.is_kept() {
            return Next::Wait(None);
        }
        let Some(first) = state.waiting.iter().position(|item| state.is_free(item)) else {
            return Next::Wait(None);
        };
        let Some((batch, _)) = self.settings.batching() else {
            let item = state.waiting.remove(first).expect("the position was just found");
            state.busy.extend(item.lane);
            return Next::Work(vec![item]);
        };
        let due = state.waiting[first].since + batch.flush_timeout;
        let mut weight = 0;
        let mut enough = false;
        let mut chosen = Vec::new();
        for (index, item) in state.waiting.iter().enumerate().skip(first) {
            if state.is_free(item) {
                chosen.push(index);
                weight += item.weight;
                enough = weight >= batch.min_size;
                if enough {
                    break;
                }
            }
        }
        if !enough && !state.closed && Instant::now() < due {
            return Next::Wait(Some(due));
        }
        // From the back, so that the positions of the others stay.
        let mut items: Vec<Item> =
            chosen.iter().rev().filter_map(|index| state.waiting.remove(*index)).collect();
        items.reverse();
        state.busy.extend(items.iter().filter_map(|item| item.lane));
        Next::Work(items)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Whether no batch of the item's lane is under way.
    fn is_free(&self, item: &Item) -> bool {
        item.lane.is_none_or(|lane| !self.busy.contains(&lane))
    }

    fn release(&mut self, size: usize, bytes: usize) {
        self.size -= size;
        self.bytes -= bytes;
    }
}

/// What one consumer delivers at a time.
struct Work {
    /// `None` when it could not be read from the disk.
    batch: Option<Batch>,
    size: usize,
    bytes: usize,
    lanes: Vec<Lane>,
    /// Dropped with the work.
    _done: Vec<Sender<()>>,
}

impl Queue {
    /// Makes one batch of all items.
    fn load(&self, items: Vec<Item>) -> Work {
        let size = items.iter().map(|item| item.size).sum();
        let bytes = items.iter().map(|item| item.bytes).sum();
        let lanes = items.iter().filter_map(|item| item.lane).collect();
        let mut done = Vec::new();
        let mut batches = items.into_iter().filter_map(|mut item| {
            done.extend(item.done.take());
            match item.content {
                Content::Memory(batch) => Some(batch),
                Content::Disk(entry) => self.read(entry),
            }
        });
        let mut batch = batches.next();
        if let Some(batch) = &mut batch {
            let acks: Vec<Ack> = batches.map(|other| batch.append(other)).collect();
            if !acks.is_empty() {
                batch.lane = None;
                batch.ack = Ack::join(std::iter::once(std::mem::take(&mut batch.ack)).chain(acks));
            }
        }
        Work { batch, size, bytes, lanes, _done: done }
    }

    /// Reads a batch from the disk, where it stays until it is settled.
    fn read(&self, entry: Entry) -> Option<Batch> {
        let log = self.log.clone()?;
        match log.read(&entry) {
            Ok(data) => {
                let (give_up, abort) = (self.delivery.give_up.stop(), self.delivery.abort.clone());
                let ack = Ack::new(move |outcome| {
                    let left_behind = give_up.is_raised() || abort.is_raised();
                    if outcome != Outcome::Refused || !left_behind {
                        log.done(&entry);
                    }
                });
                Some(Batch::new(data, ack).in_lane(entry.lane))
            }
            Err(error) => {
                let now = self.delivery.clock.now();
                self.delivery.account.lost(Loss::Damaged, entry.items, &error.to_string(), now);
                log.done(&entry);
                None
            }
        }
    }
}

impl Work {
    /// Returns how many items were left behind.
    fn deliver(self, delivery: &Delivery, batching: Option<(&QueueBatch, Sizer)>) -> usize {
        let Some(mut batch) = self.batch else { return 0 };
        let mut left_behind = 0;
        if let Some((QueueBatch { max_size, .. }, sizer)) = batching
            && *max_size > 0
        {
            while sizer.of_batch(&batch) > *max_size {
                let at =
                    if sizer == Sizer::Bytes { items_within(batch.data(), *max_size) } else { *max_size };
                let rest = batch.split_off(at);
                left_behind += delivery.deliver(std::mem::replace(&mut batch, rest));
            }
        }
        left_behind + delivery.deliver(batch)
    }
}

impl Consumer for Arc<Queue> {
    fn consume(&self, batch: Batch) -> Result<(), Rejected> {
        self.admit(batch, true)
    }

    fn try_consume(&self, batch: Batch) -> Result<(), Rejected> {
        self.admit(batch, false)
    }
}

impl Intake for Arc<Queue> {
    fn delivery(&self) -> &Delivery {
        &self.delivery
    }

    fn adopt(&self, batch: Batch) {
        let bytes = batch.bytes();
        let size = self.settings.sizer().of_measures(batch.items(), bytes);
        let mut state = self.lock();
        state.size += size;
        state.bytes += bytes;
        drop(state);
        // What came from the memory of a predecessor may stay in memory, should the disk not take it.
        let content = self.store(batch).unwrap_or_else(Content::Memory);
        self.enqueue(content, size, bytes, false);
    }

    fn close(&self) {
        self.lock().closed = true;
        self.work.notify_all();
        self.room.notify_all();
    }

    fn drain(&self, until: Instant) {
        let mut state = self.lock();
        while state.consumers > 0 || !state.waiting.is_empty() {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() || self.delivery.is_over() {
                return;
            }
            let wait = self.room.wait_timeout(state, left.min(STOP_CHECK));
            (state, _) = wait.unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn abandon(&self, grace: Instant) -> usize {
        let mut state = self.lock();
        // For a successor the consumers put aside what is under way, then what waits: in order.
        while self.delivery.kept().is_some() && state.consumers > 0 && Instant::now() < grace {
            let wait = self.room.wait_timeout(state, STOP_CHECK);
            (state, _) = wait.unwrap_or_else(PoisonError::into_inner);
        }
        let waiting = std::mem::take(&mut state.waiting);
        let mut items = 0;
        for item in waiting {
            state.release(item.size, item.bytes);
            // What is on disk is there again after the next start.
            if let Content::Memory(batch) = item.content {
                items += self.delivery.leave(batch);
            }
        }
        self.delivery.account.queue_size(state.size);
        self.work.notify_all();
        while state.consumers > 0 && Instant::now() < grace {
            let wait = self.room.wait_timeout(state, STOP_CHECK);
            (state, _) = wait.unwrap_or_else(PoisonError::into_inner);
        }
        if self.log.is_some() { 0 } else { items + state.left_behind + state.items_under_way }
    }
}
