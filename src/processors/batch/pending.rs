//! What is held back, one slot per lane.

use std::time::Instant;

use super::merge::Places;
use crate::pipeline::{Ack, Batch};

/// Lanes that are held back at the same time; one more sends the one that is due first.
const MAX_SLOTS: usize = 16;

#[derive(Default)]
pub struct Slots {
    slots: Vec<Pending>,
}

/// The batches of one lane that are held back as one.
pub struct Pending {
    batch: Batch,
    /// Acknowledgements of the batches that joined the first one.
    joined: Vec<Ack>,
    places: Places,
    pub items: usize,
    /// Encoded size; an upper bound, since joined resources count each time.
    pub bytes: usize,
    /// When the first of its items has waited long enough.
    pub due: Instant,
}

impl Slots {
    /// Holds back a batch of `bytes` encoded bytes. Hands out what must leave to make room for it.
    pub fn add(&mut self, batch: Batch, bytes: usize, due: Instant, max_bytes: usize) -> Option<Pending> {
        let mut crowded_out = None;
        match self.slots.iter().position(|slot| slot.batch.lane == batch.lane) {
            Some(place) if self.slots[place].bytes + bytes <= max_bytes => {
                self.slots[place].join(batch, bytes);
                return None;
            }
            Some(place) => crowded_out = Some(self.slots.swap_remove(place)),
            None if self.slots.len() == MAX_SLOTS => {
                let first = self.slots.iter().enumerate().min_by_key(|(_, slot)| slot.due);
                crowded_out = first.map(|(place, _)| place).map(|place| self.slots.swap_remove(place));
            }
            None => {}
        }
        self.slots.push(Pending::new(batch, bytes, due));
        crowded_out
    }

    /// Takes out the slots that `pick` picks.
    pub fn take(&mut self, pick: impl Fn(&Pending) -> bool) -> Vec<Pending> {
        self.slots.extract_if(.., |slot| pick(slot)).collect()
    }

    pub fn earliest(&self) -> Option<Instant> {
        self.slots.iter().map(|slot| slot.due).min()
    }
}

impl Pending {
    fn new(batch: Batch, bytes: usize, due: Instant) -> Self {
        let items = batch.items();
        Self { batch, joined: Vec::new(), places: Places::default(), items, bytes, due }
    }

    fn join(&mut self, batch: Batch, bytes: usize) {
        self.items += batch.items();
        self.bytes += bytes;
        let ack = self.batch.append_encoded(batch).unwrap_or_else(|batch| {
            let (data, ack, _) = batch.into_parts();
            self.batch.peer = None;
            self.places.merge(self.batch.data_mut(), data);
            ack
        });
        if ack.is_wanted() {
            self.joined.push(ack);
        }
    }

    pub fn into_batch(mut self) -> Batch {
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
