//! The queue on disk: append-only segments in a folder of the storage extension.
//!
//! A batch is in the queue when its record is written: it survives the end of the process at any
//! moment. Records that were delivered are noted in a small file beside each segment; a segment
//! whose records are all delivered is removed. What is torn or damaged is found by its checksum.

pub mod segment;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use prost::bytes::Bytes;
use rustix::fs::{FlockOperation, flock};

use self::segment::{Damage, Record, Scan};
use crate::component::{Context, Storage};
use crate::pipeline::{Batch, Content, Lane, Signal};
use crate::telemetry::Counter;

/// How long the folder may still be in use by the exporter that this one replaces.
const LOCK_PATIENCE: Duration = Duration::from_secs(1);
const LOCK_CHECK: Duration = Duration::from_millis(20);
/// A segment that has grown to this is not written any more.
const SEGMENT: u64 = 16 << 20;
/// A segment whose records are all delivered is removed when it has at least this size.
const WORTH_REMOVING: u64 = 1 << 20;

/// The records of one exporter and signal.
pub(super) struct Log {
    folder: PathBuf,
    signal: Signal,
    /// Wait for the disk after every record, not only at the end of a segment.
    fsync: bool,
    /// Bytes of all segments; 0 = no limit.
    max_size: u64,
    state: Mutex<State>,
    damaged_records: Counter,
    syncs: Counter,
    name: String,
    _lock: File,
}

#[derive(Default)]
struct State {
    segments: BTreeMap<u64, Segment>,
    bytes: u64,
    next_number: u64,
    /// The segment that is written.
    writing: Option<u64>,
}

struct Segment {
    file: Arc<File>,
    length: u64,
    records: u32,
    open: u32,
    /// Numbers of the records that were delivered.
    done: Option<File>,
    damaged: bool,
}

/// A batch in the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    segment: u64,
    /// Its number in the segment.
    number: u32,
    offset: u64,
    /// Bytes of the encoded request.
    pub length: usize,
    pub items: usize,
    pub lane: Option<Lane>,
}

/// Why a batch is not in the queue.
#[derive(Debug)]
pub(super) enum NotStored {
    Full,
    Io(io::Error),
}

impl Log {
    /// Opens the folder, and returns what is still to be delivered, oldest first.
    pub(super) fn open(
        storage: &dyn Storage,
        context: &Context,
        signal: Signal,
    ) -> io::Result<(Self, Vec<Entry>)> {
        let folder = storage.path(&format!("exporter_{}_{signal}", context.id)).with_extension("queue");
        let named = |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", folder.display()));
        std::fs::create_dir_all(&folder).map_err(named)?;
        let lock = File::options().create(true).append(true).open(folder.join("lock")).map_err(named)?;
        let deadline = Instant::now() + LOCK_PATIENCE;
        while flock(&lock, FlockOperation::NonBlockingLockExclusive).is_err() {
            if Instant::now() < deadline {
                std::thread::sleep(LOCK_CHECK);
                continue;
            }
            return Err(named(io::Error::new(
                io::ErrorKind::ResourceBusy,
                "another process uses this queue",
            )));
        }
        let exporter = context.id.to_string();
        let counter = |reason| {
            let labels = [("exporter", &*exporter), ("reason", reason)];
            context.telemetry.counter("kmagent_exporter_queue_storage_errors", &labels)
        };
        let mut log = Self {
            folder,
            signal,
            fsync: storage.fsync(),
            max_size: storage.max_size(),
            state: Mutex::default(),
            damaged_records: counter("damaged_record"),
            syncs: context
                .telemetry
                .counter("kmagent_exporter_queue_storage_syncs", &[("exporter", &exporter)]),
            name: format!("{exporter} ({signal})"),
            _lock: lock,
        };
        let entries = log
            .recover(&counter("torn_write"))
            .map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", log.folder.display())))?;
        Ok((log, entries))
    }

    fn recover(&mut self, torn: &Counter) -> io::Result<Vec<Entry>> {
        let mut numbers: Vec<u64> = std::fs::read_dir(&self.folder)?
            .filter_map(|entry| {
                let name = entry.ok()?.file_name().into_string().ok()?;
                u64::from_str_radix(name.strip_suffix(".segment")?, 16).ok()
            })
            .collect();
        numbers.sort_unstable();
        let mut entries = Vec::new();
        let mut state = State { next_number: numbers.last().map_or(0, |last| last + 1), ..State::default() };
        for (place, number) in numbers.iter().enumerate() {
            let is_last = place + 1 == numbers.len();
            let path = self.path(*number);
            let bytes = std::fs::read(&path)?;
            let scan = Scan::of(&bytes, is_last);
            let file = File::options().read(true).write(true).open(&path)?;
            match scan.damage {
                None => {}
                Some(Damage::Torn) => {
                    torn.add(1);
                    log::info!("{}: the last write of the queue was interrupted and is left out", self.name);
                    file.set_len(scan.end)?;
                }
                Some(Damage::Records { lost }) => {
                    self.damaged_records.add(lost);
                    log::error!(
                        "{}: {} is damaged: the rest of it is delivered, and then it is kept as {}",
                        self.name,
                        path.display(),
                        self.aside(*number).display()
                    );
                }
            }
            let done = segment::read_done(&std::fs::read(self.done_path(*number)).unwrap_or_default());
            let before = entries.len();
            for record in &scan.records {
                if record.signal == self.signal && !done.contains(&record.number) {
                    entries.push(Entry {
                        segment: *number,
                        number: record.number,
                        offset: record.offset,
                        length: record.length,
                        items: record.items,
                        lane: record.lane,
                    });
                }
            }
            let segment = Segment {
                file: Arc::new(file),
                length: scan.end,
                records: scan.numbers,
                open: (entries.len() - before) as u32,
                done: None,
                damaged: matches!(scan.damage, Some(Damage::Records { .. })),
            };
            state.bytes += segment.length;
            state.segments.insert(*number, segment);
        }
        // Writing begins with a segment of its own: what was found is only read.
        for number in numbers {
            self.retire(&mut state, number);
        }
        self.state = Mutex::new(state);
        Ok(entries)
    }

    /// Writes a batch. When this returns it survives the end of the process, and with `fsync` that of
    /// the machine.
    pub(super) fn append(&self, batch: &Batch) -> Result<Entry, NotStored> {
        let mut bytes = Vec::with_capacity(segment::HEADER + batch.bytes());
        let length = segment::write(batch, &mut bytes);
        let mut guard = self.lock();
        let state = &mut *guard;
        if self.max_size > 0 && state.bytes > 0 && state.bytes + bytes.len() as u64 > self.max_size {
            return Err(NotStored::Full);
        }
        let number = self.segment_for(state).map_err(NotStored::Io)?;
        let Some(segment) = state.segments.get_mut(&number) else {
            return Err(NotStored::Io(io::ErrorKind::NotFound.into()));
        };
        let offset = segment.length;
        let written = segment
            .file
            .write_all_at(&bytes, offset)
            .and_then(|()| if self.fsync { self.sync(&segment.file) } else { Ok(()) });
        if let Err(error) = written {
            // What was written of it is overwritten by the next one, or cut off as torn.
            _ = segment.file.set_len(offset);
            return Err(NotStored::Io(error));
        }
        segment.length += bytes.len() as u64;
        let record = segment.records;
        segment.records += 1;
        segment.open += 1;
        state.bytes += bytes.len() as u64;
        let items = batch.items();
        Ok(Entry { segment: number, number: record, offset, length, items, lane: batch.lane })
    }

    /// Reads a batch back.
    pub(super) fn read(&self, entry: &Entry) -> io::Result<Content> {
        let file = self.lock().segments.get(&entry.segment).map(|segment| segment.file.clone());
        let file = file.ok_or(io::ErrorKind::NotFound)?;
        let mut bytes = vec![0; segment::HEADER + entry.length];
        let read = file.read_exact_at(&mut bytes, entry.offset).and_then(|()| {
            Record::check(&bytes).ok_or(io::ErrorKind::InvalidData)?;
            let request = Bytes::from(std::mem::take(&mut bytes)).slice(segment::HEADER..);
            Content::received(self.signal, request).map_err(io::Error::other)
        });
        if read.is_err() {
            self.damaged_records.add(1);
            if let Some(segment) = self.lock().segments.get_mut(&entry.segment) {
                segment.damaged = true;
            }
        }
        read
    }

    /// A batch was delivered, or given up: it is not needed any more.
    pub(super) fn done(&self, entry: &Entry) {
        let mut guard = self.lock();
        let state = &mut *guard;
        let path = self.done_path(entry.segment);
        let Some(segment) = state.segments.get_mut(&entry.segment) else { return };
        segment.open -= 1;
        if segment.open > 0 || state.writing == Some(entry.segment) {
            if segment.done.is_none() {
                segment.done = File::options().create(true).append(true).open(path).ok();
            }
            // Not noted is sent again after a restart: nothing is lost by that.
            if let Some(done) = &mut segment.done {
                _ = done.write_all(&segment::done_note(entry.number));
            }
            return;
        }
        self.retire(state, entry.segment);
    }

    /// The segment to write into, a new one when the last is full or delivered.
    fn segment_for(&self, state: &mut State) -> io::Result<u64> {
        if let Some(number) = state.writing
            && let Some(segment) = state.segments.get(&number)
        {
            let delivered = segment.open == 0 && segment.length >= WORTH_REMOVING;
            if segment.length < SEGMENT && !delivered {
                return Ok(number);
            }
            if !delivered {
                self.sync(&segment.file)?;
            }
            state.writing = None;
            self.retire(state, number);
        }
        let number = state.next_number;
        let path = self.path(number);
        let file = File::options().read(true).write(true).create_new(true).open(&path)?;
        sync_folder(&self.folder)?;
        state.next_number += 1;
        state.writing = Some(number);
        let file = Arc::new(file);
        let segment = Segment { file, length: 0, records: 0, open: 0, done: None, damaged: false };
        state.segments.insert(number, segment);
        Ok(number)
    }

    /// Waits for the disk.
    fn sync(&self, file: &File) -> io::Result<()> {
        self.syncs.add(1);
        file.sync_data()
    }

    /// Removes a segment that nobody needs; a damaged one is kept under another name.
    fn retire(&self, state: &mut State, number: u64) {
        let Some(segment) = state.segments.get(&number) else { return };
        if segment.open > 0 || state.writing == Some(number) {
            return;
        }
        let path = self.path(number);
        let gone = if segment.damaged {
            std::fs::rename(&path, self.aside(number))
        } else {
            std::fs::remove_file(&path)
        };
        if let Err(error) = gone {
            log::warn!("{}: {} cannot be removed: {error}", self.name, path.display());
        }
        _ = std::fs::remove_file(self.done_path(number));
        state.bytes -= segment.length;
        state.segments.remove(&number);
    }

    fn path(&self, number: u64) -> PathBuf {
        self.folder.join(format!("{number:016x}.segment"))
    }

    fn done_path(&self, number: u64) -> PathBuf {
        self.path(number).with_extension("done")
    }

    fn aside(&self, number: u64) -> PathBuf {
        self.path(number).with_extension("damaged")
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Log {
    /// The segment that was written last goes too when all of it is delivered.
    fn drop(&mut self) {
        let mut state = std::mem::take(&mut *self.lock());
        if let Some(number) = state.writing.take() {
            self.retire(&mut state, number);
        }
    }
}

fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests;
