//! Which series a target showed: what is new, what came twice, what is gone.
//!
//! A series is known by the hash of its text on the page. To say that it is gone its text is needed
//! once more, so the texts are kept, compressed: they resemble each other, and a series costs some
//! fifty bytes instead of the three hundred of its text.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use super::archive::Archive;

/// What a series is at this moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Known {
    /// It was not there the last time.
    New,
    Again,
    /// It was there earlier in this scrape.
    Twice,
    /// The rules drop it: there is no need to read its labels.
    Dropped,
    /// There is no room to remember it.
    NoRoom,
}

/// The series of one target.
#[derive(Debug, Default)]
pub struct SeriesSet {
    known: HashMap<u64, Entry, BuildHasherDefault<Identity>>,
    archive: Archive,
    scrape: u32,
    seen: usize,
    /// What this scrape added, where it may turn out to be worth nothing.
    added: Option<Vec<u64>>,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    scrape: u32,
    /// Its text in the archive, or one of the two below.
    place: u32,
}

/// Dropped by the rules.
const DROPPED: u32 = u32::MAX;
/// Exempt from markers: it has timestamps of its own.
const EXEMPT: u32 = u32::MAX - 1;

/// Series that are remembered of one target.
pub const MOST: usize = 2_000_000;

/// The keys are hashes already.
#[derive(Default)]
struct Identity(u64);

impl Hasher for Identity {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, bytes: &[u8]) {
        debug_assert!(bytes.is_empty(), "keys are u64");
    }
    fn write_u64(&mut self, value: u64) {
        self.0 = value;
    }
}

impl SeriesSet {
    /// A new scrape begins; one that may have to be revoked, or not.
    pub fn begin(&mut self, revocable: bool) {
        self.scrape = self.scrape.wrapping_add(1);
        self.seen = 0;
        self.added = revocable.then(Vec::new);
    }

    /// Nothing of this scrape counts: what it added never was, and what it saw it did not see.
    pub fn revoke(&mut self) {
        for hash in self.added.take().unwrap_or_default() {
            if self.known.remove(&hash).is_some_and(|entry| entry.place < EXEMPT) {
                self.archive.forget(1);
            }
        }
        self.begin(false);
    }

    /// Notes that the series with that hash is on the page.
    pub fn see(&mut self, hash: u64) -> Known {
        let full = self.known.len() >= MOST;
        match self.known.get_mut(&hash) {
            Some(entry) if entry.scrape == self.scrape => {
                if entry.place == DROPPED {
                    Known::Dropped
                } else {
                    Known::Twice
                }
            }
            Some(entry) => {
                entry.scrape = self.scrape;
                self.seen += 1;
                if entry.place == DROPPED { Known::Dropped } else { Known::Again }
            }
            None if full => Known::NoRoom,
            None => Known::New,
        }
    }

    /// Remembers a new series that the rules drop.
    pub fn add_dropped(&mut self, hash: u64) {
        self.add(hash, DROPPED);
    }

    /// Remembers a new series; `text` unless it may vanish without a marker.
    pub fn add_kept(&mut self, hash: u64, text: Option<&str>) {
        let place = text.map_or(EXEMPT, |text| self.archive.add(text).min(EXEMPT));
        self.add(hash, place);
    }

    fn add(&mut self, hash: u64, place: u32) {
        self.known.insert(hash, Entry { scrape: self.scrape, place });
        self.seen += 1;
        if let Some(added) = &mut self.added {
            added.push(hash);
        }
    }

    /// Forgets what was not seen since [`begin`](Self::begin), telling `gone` the texts of those that
    /// need a marker.
    pub fn sweep(&mut self, gone: &mut dyn FnMut(&str)) {
        if self.seen == self.known.len() {
            return;
        }
        let mut places = Vec::new();
        let scrape = self.scrape;
        self.known.retain(|_, entry| {
            let keep = entry.scrape == scrape;
            if !keep && entry.place < EXEMPT {
                places.push(entry.place);
            }
            keep
        });
        places.sort_unstable();
        self.archive.read(&places, gone);
        self.archive.forget(places.len());
        if self.archive.is_wasteful() {
            self.rebuild();
        }
    }

    pub fn len(&self) -> usize {
        self.known.len()
    }

    /// Writes the archive anew, without the texts of series that are gone.
    fn rebuild(&mut self) {
        let mut entries: Vec<_> = self.known.values_mut().filter(|entry| entry.place < EXEMPT).collect();
        entries.sort_unstable_by_key(|entry| entry.place);
        let places: Vec<u32> = entries.iter().map(|entry| entry.place).collect();
        let mut archive = Archive::default();
        let mut entries = entries.into_iter();
        self.archive.read(&places, &mut |text| {
            if let Some(entry) = entries.next() {
                entry.place = archive.add(text);
            }
        });
        self.archive = archive;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash(text: &str) -> u64 {
        xxhash_rust::xxh3::xxh3_64(text.as_bytes())
    }

    fn scrape(set: &mut SeriesSet, texts: impl IntoIterator<Item = String>) -> (usize, Vec<String>) {
        set.begin(false);
        let mut new = 0;
        for text in texts {
            if set.see(hash(&text)) == Known::New {
                set.add_kept(hash(&text), Some(&text));
                new += 1;
            }
        }
        let mut gone = Vec::new();
        set.sweep(&mut |text| gone.push(text.to_owned()));
        gone.sort();
        (new, gone)
    }

    #[test]
    fn what_vanishes_is_told_by_its_text_once() {
        let mut set = SeriesSet::default();
        let name = |n: usize| format!("requests_total{{pod=\"web-{n}\",path=\"/a/b/c\"}}");
        assert_eq!(scrape(&mut set, (0..5000).map(name)), (5000, vec![]));
        assert_eq!(scrape(&mut set, (0..5000).map(name)), (0, vec![]));
        let mut wanted: Vec<_> = (0..4000).map(name).collect();
        wanted.sort();
        assert_eq!(scrape(&mut set, (4000..6000).map(name)), (1000, wanted));
        assert_eq!(set.len(), 2000);
        // The archive was written anew by now, and still knows them.
        let mut wanted: Vec<_> = (4000..6000).map(name).collect();
        wanted.sort();
        assert_eq!(scrape(&mut set, []), (0, wanted));
        assert_eq!(scrape(&mut set, []), (0, vec![]));
    }

    #[test]
    fn a_series_that_comes_twice_and_one_that_is_dropped_are_told_apart() {
        let mut set = SeriesSet::default();
        set.begin(false);
        assert_eq!(set.see(1), Known::New);
        set.add_kept(1, None);
        assert_eq!(set.see(2), Known::New);
        set.add_dropped(2);
        assert_eq!((set.see(1), set.see(2)), (Known::Twice, Known::Dropped));
        set.begin(false);
        assert_eq!((set.see(2), set.see(2), set.see(1)), (Known::Dropped, Known::Dropped, Known::Again));
        set.begin(false);
        set.sweep(&mut |text| panic!("{text} needs no marker"));
        assert_eq!(set.len(), 0);
    }

    #[test]
    fn a_series_costs_less_than_a_hundred_bytes() {
        let mut set = SeriesSet::default();
        let name = |n: usize| {
            format!(
                "container_memory_usage_bytes{{container=\"main\",id=\"/kubepods/burstable/pod{n:032x}\",image=\
                 \"registry.local/app:1\",name=\"\",namespace=\"shop\",pod=\"frontend-7f95c5b857-{n:05}\"}}"
            )
        };
        scrape(&mut set, (0..20_000).map(name));
        assert!(set.archive.bytes() / 20_000 < 60, "{} bytes a series", set.archive.bytes() / 20_000);
    }
}
