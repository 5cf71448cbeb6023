//! All journal files of a receiver as one stream of entries, in the order they were written.
//!
//! A journald numbers its entries over all files it writes, one after another. So that none can
//! turn up late, a round first asks every known file for its last number, then looks for new files
//! and for what is in all of them, and reads up to the numbers it was told first.

use std::cmp::Ordering;
use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::telemetry::Causes;

use super::file::{Cache, Field, FileError, Head, Header, Id, JournalFile};
use super::places::{Found, Places};
use super::position::{Point, Positions};

pub struct Journal {
    places: Places,
    files: Vec<Open>,
    /// Files that were looked at, whether they are open or not.
    known: HashSet<Found>,
    cache: Cache,
    /// Up to which number the round goes, for every journald.
    bounds: HashMap<Id, u64>,
    /// The last entry handed out of each.
    reading: Positions,
    next_file: u32,
    causes: Causes<(PathBuf, String)>,
}

struct Open {
    found: Found,
    file: JournalFile,
    /// Number of the next entry.
    next: u64,
    /// The entry of that number, when it was looked at.
    head: Option<Head>,
    /// It cannot be read any further.
    broken: bool,
    gone: bool,
}

/// An entry of one of the files.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    file: usize,
    pub seqnum_id: Id,
    pub head: Head,
}

impl Journal {
    pub fn new(places: Places, position: Positions) -> Self {
        Self {
            places,
            files: Vec::new(),
            known: HashSet::new(),
            cache: Cache::default(),
            bounds: HashMap::new(),
            reading: position,
            next_file: 0,
            causes: Causes::new(),
        }
    }

    pub fn places(&self) -> &Places {
        &self.places
    }

    /// Looks what is new. Returns whether there are any files.
    pub fn begin_round(&mut self, enter: &mut dyn FnMut(&Path)) -> bool {
        self.bounds.clear();
        for open in &mut self.files {
            refresh(open, &self.causes);
            let header = open.file.header();
            let bound = self.bounds.entry(header.seqnum_id).or_default();
            *bound = header.tail_seqnum.max(*bound);
        }
        self.find(enter);
        self.cache.refresh();
        for open in &mut self.files {
            refresh(open, &self.causes);
        }
        !self.known.is_empty()
    }

    /// Opens files that came and notes which are gone. The first round has to be followed by
    /// another: its files have no bound yet.
    fn find(&mut self, enter: &mut dyn FnMut(&Path)) {
        let found: HashSet<Found> = self.places.find(enter).into_iter().collect();
        for open in &mut self.files {
            // A file that was renamed is found under its new name, and known by its inode.
            if !found.contains(&open.found)
                && let Some(moved) = found
                    .iter()
                    .find(|(path, inode)| *inode == open.found.1 && path.parent() == open.found.0.parent())
            {
                self.known.insert(moved.clone());
                open.found = moved.clone();
            }
            open.gone = !found.contains(&open.found);
        }
        self.known.retain(|known| found.contains(known));
        let mut new: Vec<Found> = found.difference(&self.known).cloned().collect();
        new.sort();
        for found in new {
            match JournalFile::open(&found.0, self.next_file) {
                Ok(mut file) => {
                    self.next_file = self.next_file.wrapping_add(1);
                    let (reading, id) = (&self.reading, file.header().seqnum_id);
                    let next = file.seek(&mut self.cache, |head| reading.is_past(&id, head));
                    let open =
                        Open { found: found.clone(), file, next, head: None, broken: false, gone: false };
                    self.files.push(open);
                    self.known.insert(found);
                }
                Err(error) => {
                    // Journald makes a file before it writes its header: not known yet, so it is
                    // looked at again.
                    if self.causes.is_new((found.0.clone(), error.to_string())) {
                        log::warn!("journald: cannot read {}: {error}", found.0.display());
                    }
                }
            }
        }
    }

    /// Skips everything there is: from now on only what is new is read.
    pub fn skip_to_end(&mut self) -> &Positions {
        for open in &mut self.files {
            let Header { seqnum_id, tail_seqnum, tail_boot, tail_realtime, tail_monotonic, entries, .. } =
                *open.file.header();
            (open.next, open.head) = (entries, None);
            if entries > 0 && self.reading.get(&seqnum_id).is_none_or(|point| point.seqnum < tail_seqnum) {
                let (realtime, monotonic) = (tail_realtime, tail_monotonic);
                let point = Point { seqnum: tail_seqnum, boot: tail_boot, realtime, monotonic, xor_hash: 0 };
                self.reading.set(seqnum_id, point);
            }
        }
        &self.reading
    }

    /// The boot that wrote last.
    pub fn last_boot(&mut self) -> Option<Id> {
        let last = self.files.iter_mut().max_by_key(|open| open.file.header().tail_realtime)?;
        let number = last.file.header().entries.checked_sub(1)?;
        Some(last.file.entry(number, &mut self.cache).ok()?.boot)
    }

    /// The next entry of the round.
    pub fn next(&mut self) -> Option<Entry> {
        loop {
            let mut first: Option<Entry> = None;
            for place in 0..self.files.len() {
                let Some(entry) = self.peek(place) else { continue };
                if first.as_ref().is_none_or(|first| order(&entry, first) == Ordering::Less) {
                    first = Some(entry);
                }
            }
            let entry = first?;
            let open = &mut self.files[entry.file];
            open.next += 1;
            open.head = None;
            // The same entry in a copy of the file.
            if self.reading.is_past(&entry.seqnum_id, &entry.head) {
                continue;
            }
            self.reading.set(entry.seqnum_id, Point::from(&entry.head));
            return Some(entry);
        }
    }

    fn peek(&mut self, place: usize) -> Option<Entry> {
        let open = &mut self.files[place];
        let seqnum_id = open.file.header().seqnum_id;
        while open.head.is_none() {
            if open.broken || open.next >= open.file.header().entries {
                return None;
            }
            match open.file.entry(open.next, &mut self.cache) {
                Ok(head) => open.head = Some(head),
                Err(error) => {
                    if self.causes.is_new((open.found.0.clone(), error.to_string())) {
                        log::warn!(
                            "journald: {} is damaged, its rest is not read: {error}",
                            open.found.0.display()
                        );
                    }
                    open.broken = true;
                }
            }
        }
        let head = open.head?;
        let bound = self.bounds.get(&seqnum_id).copied().unwrap_or_default();
        (head.seqnum <= bound).then_some(Entry { file: place, seqnum_id, head })
    }

    /// The fields of an entry that [`Journal::next`] returned last; how many could not be read.
    pub fn fields(&mut self, entry: &Entry, fields: &mut Vec<Arc<Field>>) -> Result<u64, FileError> {
        self.files[entry.file].file.fields(&entry.head, &mut self.cache, fields)
    }

    /// The file of the entry, for messages.
    pub fn path(&self, entry: &Entry) -> &Path {
        &self.files[entry.file].found.0
    }

    /// Goes back to a position.
    pub fn rewind(&mut self, to: Positions) {
        self.reading = to;
        for open in &mut self.files {
            let (reading, id) = (&self.reading, open.file.header().seqnum_id);
            open.next = open.file.seek(&mut self.cache, |head| reading.is_past(&id, head));
            open.head = None;
        }
    }

    /// Closes what was read to its end and will not grow, when nothing of it can be asked for again.
    pub fn close_finished(&mut self) {
        self.files.retain(|open| {
            let done = open.broken || open.next >= open.file.header().entries;
            !(done && (open.gone || open.file.header().archived))
        });
    }

    /// Whether one of the files still there has these sequence numbers.
    pub fn has(&self, seqnum_id: &Id) -> bool {
        self.files.iter().any(|open| open.file.header().seqnum_id == *seqnum_id)
    }

    pub fn open_files(&self) -> u64 {
        self.files.len() as u64
    }
}

fn refresh(open: &mut Open, causes: &Causes<(PathBuf, String)>) {
    // What is archived does not change any more.
    if open.broken || open.file.header().archived {
        return;
    }
    if let Err(error) = open.file.refresh() {
        if causes.is_new((open.found.0.clone(), error.to_string())) {
            log::warn!("journald: {} cannot be read any more: {error}", open.found.0.display());
        }
        open.broken = true;
    }
}

/// What was written first: by number where one journald wrote both, else by clock.
fn order(a: &Entry, b: &Entry) -> Ordering {
    if a.seqnum_id == b.seqnum_id {
        let crashed = a.head.boot != b.head.boot && a.head.realtime != b.head.realtime;
        if !crashed {
            return a.head.seqnum.cmp(&b.head.seqnum);
        }
    } else if a.head.boot == b.head.boot {
        return a.head.monotonic.cmp(&b.head.monotonic);
    }
    a.head.realtime.cmp(&b.head.realtime)
}
