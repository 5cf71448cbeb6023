//! What is held back, one slot per lane.

use std::time::Instant;

use super::merge::Places;
use crate::otlp::gathered::Gathered;
use crate::pipeline::{Ack, Batch, Content, Data};

/// Lanes that are held back at the same time; one more sends the one that is due first.
const MAX_SLOTS: usize = 16;

#[derive(Default)]
pub struct Slots {
    slots: Vec<Pending>,
    /// What is held back is encoded.
    writes: bool,
    /// The memory of a request that was full, for the next one.
    spare: Option<Box<Gathered>>,
}

/// The batches of one lane that are held back as one.
pub struct Pending {
    batch: Batch,
    /// What joined it encoded here, and what of the first batch is.
    gathered: Option<Box<Gathered>>,
    /// Acknowledgements of the batches that joined the first one.
    joined: Vec<Ack>,
    places: Places,
    pub items: usize,
    /// Encoded size, roughly: joined resources may count each time.
    pub bytes: usize,
    /// When the first of its items has waited long enough.
    pub due: Instant,
}

impl Slots {
    /// From now on what is held back is encoded: nobody behind looks at it.
    pub fn write(&mut self) {
        self.writes = true;
    }

    /// Holds back a batch. Hands out what must leave to make room for it, when that is known before.
    pub fn add(&mut self, batch: Batch, due: Instant, max_bytes: usize) -> Option<Batch> {
        let mut crowded_out = None;
        let write = self.writes && !batch.is_encoded();
        let bytes = if write { batch.rough_bytes() } else { batch.bytes() };
        match self.slots.iter().position(|slot| slot.batch.lane == batch.lane) {
            Some(place) if self.slots[place].bytes + bytes <= max_bytes => {
                self.slots[place].join(batch, bytes, write);
                return None;
            }
            Some(place) => crowded_out = Some(self.slots.swap_remove(place)),
            None if self.slots.len() == MAX_SLOTS => {
                let first = self.slots.iter().enumerate().min_by_key(|(_, slot)| slot.due);
                crowded_out = first.map(|(place, _)| place).map(|place| self.slots.swap_remove(place));
            }
            None => {}
        }
        let crowded_out = crowded_out.map(|pending| self.finish(pending));
        let gathered = write.then(|| self.spare.take().unwrap_or_default());
        self.slots.push(Pending::new(batch, bytes, due, gathered));
        crowded_out
    }

    /// The batch of a slot that was taken out because it is full: the next one will soon be.
    pub fn finish(&mut self, mut full: Pending) -> Batch {
        full.write_request();
        self.spare = full.gathered.take();
        full.into_batch()
    }

    /// Takes out the slots that `pick` picks.
    pub fn take(&mut self, pick: impl Fn(&Pending) -> bool) -> Vec<Pending> {
        self.slots.extract_if(.., |slot| pick(slot)).collect()
    }

    /// No slot is expected to be full soon.
    pub fn calm(&mut self) {
        self.spare = None;
    }

    pub fn earliest(&self) -> Option<Instant> {
        self.slots.iter().map(|slot| slot.due).min()
    }
}

impl Pending {
    fn new(batch: Batch, bytes: usize, due: Instant, gathered: Option<Box<Gathered>>) -> Self {
        let items = batch.items();
        let write = gathered.is_some();
        let mut new =
            Self { batch, gathered, joined: Vec::new(), places: Places::default(), items, bytes, due };
        if write {
            let empty = Content::written(new.batch.signal(), Vec::new());
            let batch = std::mem::replace(&mut new.batch, Batch::new(empty, Ack::none()));
            new.batch.peer = batch.peer;
            new.batch.lane = batch.lane;
            new.bytes = 0;
            new.batch.ack = new.gather(batch);
        }
        new
    }

    /// Encodes the batch behind what is there.
    fn gather(&mut self, batch: Batch) -> Ack {
        self.batch.peer = self.batch.peer.filter(|own| Some(*own) == batch.peer);
        let gathered = self.gathered.get_or_insert_default();
        let before = gathered.bytes();
        match batch.data() {
            Data::Logs(all) => gathered.add(all),
            Data::Metrics(all) => gathered.add(all),
            Data::Traces(all) => gathered.add(all),
        }
        self.bytes += gathered.bytes() - before;
        batch.ack
    }

    fn join(&mut self, batch: Batch, bytes: usize, write: bool) {
        self.items += batch.items();
        if write {
            let ack = self.gather(batch);
            return self.keep(ack);
        }
        self.bytes += bytes;
        let ack = self.batch.append_encoded(batch).unwrap_or_else(|batch| {
            let (data, ack, _) = batch.into_parts();
            self.batch.peer = None;
            self.places.merge(self.batch.data_mut(), data);
            ack
        });
        self.keep(ack);
    }

    fn keep(&mut self, ack: Ack) {
        if ack.is_wanted() {
            self.joined.push(ack);
        }
    }

    /// Joins what was encoded here to what came encoded.
    fn write_request(&mut self) {
        if let Some(gathered) = &mut self.gathered {
            let written = Content::written(self.batch.signal(), gathered.take_request());
            let mut written = Batch::new(written, Ack::none());
            written.peer = self.batch.peer;
            self.batch.append(written);
        }
    }

    pub fn into_batch(mut self) -> Batch {
        self.write_request();
        if !self.joined.is_empty() {
            let first = std::mem::take(&mut self.batch.ack);
            self.batch.ack = Ack::join(std::iter::once(first).chain(self.joined));
        }
        self.batch
    }
}

/// Cuts a batch into parts of at most `max_items` items, in order; they share its acknowledgement.
pub fn parts(mut batch: Batch, max_items: usize, mut each: impl FnMut(Batch)) {
    while batch.items() > max_items {
        let rest = batch.split_off(max_items);
        each(std::mem::replace(&mut batch, rest));
    }
    each(batch);
}
