//! What passes a component, for the one who looks: counts and samples of data. While nobody looks a
//! batch costs one load of an atomic number at each place.

mod sample;

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant, SystemTime};

use crate::pipeline::Batch;

/// So long after the last look counting goes on, and a tap stays open.
const ATTENTION: Duration = Duration::from_secs(5);
/// Samples that an open tap holds.
const MOST_SAMPLES: usize = 20;
/// Bytes of them, as JSON.
const MOST_BYTES: usize = 256 << 10;
/// Of one batch, so many records are looked at.
const PER_BATCH: usize = 3;
/// Batches in between are not sampled: an open tap stays cheap, too.
const PAUSE: Duration = Duration::from_millis(100);
/// Taps that are open at once; one more closes the one that was looked at longest ago.
const MOST_OPEN: usize = 4;

/// All places of the agent where data passes. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct Taps(Arc<Places>);

#[derive(Debug, Default)]
struct Places {
    watch: Arc<Watch>,
    by_name: Mutex<BTreeMap<String, Weak<Place>>>,
}

/// Whether somebody looks.
#[derive(Debug)]
struct Watch {
    began: Instant,
    /// Milliseconds since `began`; 0 while nobody looks.
    until: AtomicU64,
}

/// The end of a tap that a component holds: everything that it hands on passes here.
#[derive(Clone, Debug, Default)]
pub struct Tap(Option<Arc<Place>>);

#[derive(Debug)]
struct Place {
    watch: Arc<Watch>,
    /// Since the place is there, while somebody looked.
    items: AtomicU64,
    batches: AtomicU64,
    /// Milliseconds since the watch began; 0 while the tap is closed.
    open_until: AtomicU64,
    /// When to sample next.
    next: AtomicU64,
    samples: Mutex<Samples>,
}

#[derive(Debug, Default)]
struct Samples {
    kept: VecDeque<Sample>,
    bytes: usize,
}

/// One record with its resource and scope, on its way.
#[derive(Clone, Debug)]
pub struct Sample {
    pub at: SystemTime,
    /// An export request in OTLP's JSON with this record alone.
    pub json: Vec<u8>,
}

/// What passed a place while somebody looked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Passed {
    pub items: u64,
    pub batches: u64,
}

impl Default for Watch {
    fn default() -> Self {
        Self { began: Instant::now(), until: AtomicU64::new(0) }
    }
}

impl Watch {
    /// Milliseconds since it began, never 0.
    fn now(&self) -> u64 {
        self.began.elapsed().as_millis() as u64 + 1
    }

    fn is_on(&self) -> bool {
        let until = self.until.load(Ordering::Relaxed);
        if until == 0 {
            return false;
        }
        if self.now() < until {
            return true;
        }
        _ = self.until.compare_exchange(until, 0, Ordering::Relaxed, Ordering::Relaxed);
        false
    }

    fn extend(&self) -> u64 {
        let until = self.now() + ATTENTION.as_millis() as u64;
        self.until.fetch_max(until, Ordering::Relaxed);
        until
    }
}

impl Taps {
    /// The tap at the place of that name, made when it is asked for first.
    pub fn tap(&self, name: &str) -> Tap {
        let mut places = self.places();
        places.retain(|_, place| place.strong_count() > 0);
        if let Some(known) = places.get(name).and_then(Weak::upgrade) {
            return Tap(Some(known));
        }
        let place = Arc::new(Place {
            watch: self.0.watch.clone(),
            items: AtomicU64::new(0),
            batches: AtomicU64::new(0),
            open_until: AtomicU64::new(0),
            next: AtomicU64::new(0),
            samples: Mutex::default(),
        });
        places.insert(name.to_owned(), Arc::downgrade(&place));
        Tap(Some(place))
    }

    /// Somebody looks: counts for a while from now on. Returns what passed each place so far.
    pub fn look(&self) -> BTreeMap<String, Passed> {
        self.0.watch.extend();
        let places = self.places();
        let at = |place: &Weak<Place>| place.upgrade().map(|place| place.passed());
        places.iter().filter_map(|(name, place)| Some((name.clone(), at(place)?))).collect()
    }

    /// Opens the tap of that name for a while, or holds it open. Returns the last samples, the latest
    /// first; `None` when there is no such place.
    pub fn open(&self, name: &str) -> Option<Vec<Sample>> {
        let places = self.places();
        let place = places.get(name)?.upgrade()?;
        let until = self.0.watch.extend();
        let others = places.values().filter_map(Weak::upgrade).filter(|other| !Arc::ptr_eq(other, &place));
        let mut open: Vec<Arc<Place>> =
            others.filter(|other| other.open_until.load(Ordering::Relaxed) > 0).collect();
        open.sort_by_key(|other| other.open_until.load(Ordering::Relaxed));
        let too_many = (open.len() + 1).saturating_sub(MOST_OPEN);
        open.iter().take(too_many).for_each(|oldest| oldest.close());
        if place.open_until.swap(until, Ordering::Relaxed) < self.0.watch.now() {
            // What an earlier look has left is old.
            place.samples().clear();
        }
        let samples = place.samples();
        Some(samples.kept.iter().rev().cloned().collect())
    }

    fn places(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, Weak<Place>>> {
        self.0.by_name.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Tap {
    /// A batch passes.
    pub fn pass(&self, batch: &Batch) {
        if let Some(place) = &self.0
            && place.watch.is_on()
        {
            place.pass(batch);
        }
    }
}

impl Place {
    #[cold]
    fn pass(&self, batch: &Batch) {
        self.items.fetch_add(batch.items() as u64, Ordering::Relaxed);
        self.batches.fetch_add(1, Ordering::Relaxed);
        let until = self.open_until.load(Ordering::Relaxed);
        if until == 0 {
            return;
        }
        let now = self.watch.now();
        if now >= until {
            self.close();
            return;
        }
        let next = self.next.load(Ordering::Relaxed);
        let after = now + PAUSE.as_millis() as u64;
        let is_due = now >= next
            && self.next.compare_exchange(next, after, Ordering::Relaxed, Ordering::Relaxed).is_ok();
        if !is_due {
            return;
        }
        let taken = sample::last(batch.data(), PER_BATCH);
        let at = SystemTime::now();
        let mut samples = self.samples();
        taken.into_iter().rev().for_each(|json| samples.push(Sample { at, json }));
    }

    fn close(&self) {
        self.open_until.store(0, Ordering::Relaxed);
        self.samples().clear();
    }

    fn passed(&self) -> Passed {
        Passed { items: self.items.load(Ordering::Relaxed), batches: self.batches.load(Ordering::Relaxed) }
    }

    fn samples(&self) -> std::sync::MutexGuard<'_, Samples> {
        self.samples.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Samples {
    fn push(&mut self, sample: Sample) {
        self.bytes += sample.json.len();
        self.kept.push_back(sample);
        while self.kept.len() > MOST_SAMPLES || self.bytes > MOST_BYTES {
            let Some(oldest) = self.kept.pop_front() else { return };
            self.bytes -= oldest.json.len();
        }
    }

    fn clear(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::otlp::AnyValue;
    use crate::otlp::logs::{LogRecord, ResourceLogs, ScopeLogs};
    use crate::pipeline::{Ack, Data};

    fn logs(bodies: &[&str]) -> Batch {
        let record = |body: &&str| LogRecord { body: Some(AnyValue::from(*body)), ..LogRecord::default() };
        let scope = ScopeLogs { log_records: bodies.iter().map(record).collect(), ..ScopeLogs::default() };
        let logs = vec![ResourceLogs { scope_logs: vec![scope], ..ResourceLogs::default() }];
        Batch::new(Data::Logs(logs), Ack::none())
    }

    fn text(samples: &[Sample]) -> String {
        samples.iter().map(|sample| String::from_utf8(sample.json.clone()).unwrap() + "\n").collect()
    }

    #[test]
    fn nothing_is_counted_or_kept_while_nobody_looks() {
        let taps = Taps::default();
        let tap = taps.tap("processor:batch in logs");
        tap.pass(&logs(&["a"]));
        assert_eq!(taps.look()["processor:batch in logs"], Passed::default());
        tap.pass(&logs(&["a", "b"]));
        assert_eq!(taps.look()["processor:batch in logs"], Passed { items: 2, batches: 1 });
        assert!(taps.open("processor:batch in logs").unwrap().is_empty(), "it was closed");
        assert!(taps.open("processor:other").is_none());
    }

    #[test]
    fn an_open_tap_shows_the_last_records_within_its_bounds() {
        let taps = Taps::default();
        let tap = taps.tap("receiver:otlp/logs");
        taps.open("receiver:otlp/logs");
        tap.pass(&logs(&["one", "two", "three", "four"]));
        let shown = text(&taps.open("receiver:otlp/logs").unwrap());
        let at = |word: &str| shown.find(&format!("\"{word}\""));
        assert!(at("one").is_none() && at("four") < at("three") && at("three") < at("two"), "{shown}");

        let place = taps.0.by_name.lock().unwrap()["receiver:otlp/logs"].upgrade().unwrap();
        let large = "x".repeat(15 << 10);
        for _ in 0..100 {
            place.next.store(0, Ordering::Relaxed);
            tap.pass(&logs(&[&large, &large, &large]));
        }
        let samples = place.samples();
        assert!(samples.kept.len() <= MOST_SAMPLES && samples.bytes <= MOST_BYTES && samples.bytes > 0);
    }

    #[test]
    fn a_tap_that_nobody_looks_at_closes_and_forgets() {
        let taps = Taps::default();
        let tap = taps.tap("a");
        taps.open("a");
        tap.pass(&logs(&["seen"]));
        let place = taps.0.by_name.lock().unwrap()["a"].upgrade().unwrap();
        place.open_until.store(1, Ordering::Relaxed);
        tap.pass(&logs(&["unseen"]));
        assert_eq!((place.open_until.load(Ordering::Relaxed), place.samples().kept.len()), (0, 0));
        // The watch ends as well.
        taps.0.watch.until.store(1, Ordering::Relaxed);
        tap.pass(&logs(&["unseen"]));
        assert_eq!(taps.0.watch.until.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn few_taps_are_open_at_once_and_places_go_with_their_components() {
        let taps = Taps::default();
        let names: Vec<String> = (0..MOST_OPEN + 2).map(|n| format!("p{n}")).collect();
        let held: Vec<Tap> = names.iter().map(|name| taps.tap(name)).collect();
        names.iter().for_each(|name| _ = taps.open(name).unwrap());
        let open = held.iter().filter(|tap| tap.0.as_ref().unwrap().open_until.load(Ordering::Relaxed) > 0);
        assert_eq!(open.count(), MOST_OPEN);
        drop(held);
        assert!(taps.look().is_empty());
        assert!(taps.open("p0").is_none());
    }
}
