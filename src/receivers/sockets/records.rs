//! From the bytes of a record through the operators into batches.

use std::sync::Arc;
use std::time::Instant;

use super::super::filelog::entry::{Entry, Source};
use super::super::filelog::handoff::Now;
use super::super::filelog::operators::Chain;
use super::super::filelog::outbox::Outbox;
use super::delivery::Delivery;
use super::receiver::Settings;

pub struct Records {
    settings: Arc<Settings>,
    chain: Chain,
    outbox: Outbox,
    delivery: Delivery,
    /// Counts records.
    number: u64,
}

impl Records {
    pub fn new(
        settings: Arc<Settings>,
        mut chain: Chain,
        delivery: Delivery,
        count: impl FnOnce(&mut Chain),
    ) -> Self {
        count(&mut chain);
        Self { settings, chain, outbox: Outbox::default(), delivery, number: 0 }
    }

    /// Takes a record; sends a batch when one is full.
    pub fn accept(&mut self, source: &Arc<Source>, record: &[u8], now: Now) {
        let record = self.settings.trim.apply(record);
        if record.is_empty() {
            return;
        }
        let body = self.settings.encoding.decode(record, self.settings.shaping.operators.takes_raw());
        let mut entry = Entry::new(source, self.number, now.wall, body);
        self.number += 1;
        self.settings.shaping.templates.apply(&mut entry);
        self.chain.process(entry, now.instant, &mut self.outbox);
        if self.outbox.is_full() {
            self.flush();
        }
    }

    /// Does what is due by the clock.
    pub fn tick(&mut self, now: Instant) {
        self.chain.tick(now, &mut self.outbox);
        self.delivery.retry(now);
    }

    /// Sends what is collected, waiting for room.
    pub fn flush(&mut self) {
        self.outbox.take_files();
        if let Some(parcel) = self.outbox.take() {
            self.delivery.send(parcel);
        }
    }

    pub fn deadline(&self) -> Option<Instant> {
        [self.chain.deadline(), self.delivery.deadline()].into_iter().flatten().min()
    }

    /// Nothing more comes.
    pub fn finish(&mut self, now: Instant) {
        self.chain.flush(now, &mut self.outbox);
        self.flush();
        self.delivery.retry(now);
    }
}
