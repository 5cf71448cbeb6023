//! Lines that the runtime cut into parts.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use super::super::super::entry::{Entry, FileId, Origin};
use super::format::Stream;

/// How long a part waits for the rest of its line.
pub const WAIT: Duration = Duration::from_secs(5);
/// Bytes of all unfinished lines together; beyond, the one that waits longest is handed on.
const TOTAL: usize = 8 << 20;

/// One stream of one container, over rotations of its file.
pub type Key = (u64, Stream);

/// The unfinished lines of all containers.
#[derive(Default)]
pub struct Joiner {
    lines: HashMap<Key, Unfinished>,
    bytes: usize,
}

/// A line whose end has not come yet.
pub struct Unfinished {
    /// The first part, parsed, without its body.
    pub entry: Entry,
    pub body: Vec<u8>,
    /// Its trailing blanks go.
    pub trim: bool,
    deadline: Instant,
}

impl Joiner {
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// Starts a line.
    pub fn start(&mut self, key: Key, entry: Entry, body: Vec<u8>, trim: bool, now: Instant) {
        self.bytes += body.len();
        self.lines.insert(key, Unfinished { entry, body, trim, deadline: now + WAIT });
    }

    /// Adds a part to the line that is under way. Returns false when there is none.
    pub fn append(&mut self, key: Key, part: &Entry, body: &[u8]) -> bool {
        let Some(line) = self.lines.get_mut(&key) else { return false };
        self.bytes += body.len();
        line.body.extend_from_slice(body);
        line.entry.absorb_origin(part);
        true
    }

    /// Takes the line that is under way.
    pub fn take(&mut self, key: Key) -> Option<Unfinished> {
        let line = self.lines.remove(&key)?;
        self.bytes -= line.body.len();
        Some(line)
    }

    /// Takes the line if it is longer than `limit`.
    pub fn take_over(&mut self, key: Key, limit: usize) -> Option<Unfinished> {
        if self.lines.get(&key)?.body.len() > limit { self.take(key) } else { None }
    }

    /// Takes the line that waits longest when all together are too large.
    pub fn take_excess(&mut self) -> Option<Unfinished> {
        if self.bytes <= TOTAL {
            return None;
        }
        let key = *self.lines.iter().min_by_key(|(_, line)| line.deadline)?.0;
        self.take(key)
    }

    pub fn deadline(&self) -> Option<Instant> {
        self.lines.values().map(|line| line.deadline).min()
    }

    /// Takes all lines that have waited until `now`, oldest first; all of them without a time.
    pub fn take_due(&mut self, now: Option<Instant>) -> Vec<Unfinished> {
        let due = |line: &Unfinished| now.is_none_or(|now| line.deadline <= now);
        let keys: Vec<Key> = self.lines.iter().filter(|(_, line)| due(line)).map(|(key, _)| *key).collect();
        let mut taken: Vec<Unfinished> = keys.into_iter().filter_map(|key| self.take(key)).collect();
        taken.sort_by_key(|line| (line.deadline, line.entry.origin.start));
        taken
    }

    pub fn held(&self, visit: &mut dyn FnMut(Origin)) {
        self.lines.values().flat_map(|line| line.entry.origins()).for_each(visit);
    }

    /// Drops every line that a part of `file` went into.
    pub fn rewind(&mut self, file: FileId, others: &mut dyn FnMut(Origin)) {
        let touched = |line: &Unfinished| line.entry.origins().any(|origin| origin.file == file);
        let keys: Vec<Key> =
            self.lines.iter().filter(|(_, line)| touched(line)).map(|(key, _)| *key).collect();
        for line in keys.into_iter().filter_map(|key| self.take(key)) {
            line.entry.origins().filter(|origin| origin.file != file).for_each(&mut *others);
        }
    }
}
