//! The work of the receiver, step by step, in one thread and without a clock of its own: scan,
//! read a slice, hand on, settle acknowledgements.

use std::collections::{HashMap, HashSet, VecDeque};
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::otlp::Attributes;
use crate::pipeline::Outcome;
use crate::telemetry::{Causes, Telemetry};

use super::anchor::{Anchor, Fingerprint};
use super::checkpoint::{Checkpoint, Saved, save_header};
use super::content::Content;
use super::entry::{Entry, FileId};
use super::finder::Finder;
use super::finish::LINGER;
use super::handoff::{Now, Outlet};
use super::ledger::{Ledger, Mark, Settled};
use super::meters::Meters;
use super::operators::Chain;
use super::outbox::Outbox;
use super::piece::{Piece, next_piece};
use super::plan::Settings;
use super::registry::{Fate, Registry};

/// Bytes read in one turn of a file: a large file gives way to small ones after so much.
const WINDOW: usize = 256 << 10;
/// Bytes sent and not acknowledged, before reading pauses: two batches of 1.5 MiB when encoded, which
/// are two to three times that in memory, and what is on its way to them.
const IN_FLIGHT: usize = 10 << 20;
/// Attributes that operators make and take away again.
const SHORT_LIVED: usize = 2;
/// How many open files are looked at for one that nothing is to be read of.
const LOOKED_AT: usize = 32;

/// The files, their lines on the way through the operators, and the batches under way.
pub struct Engine {
    pub(super) settings: Arc<Settings>,
    pub(super) finder: Finder,
    pub(super) registry: Registry,
    pub(super) chain: Chain,
    pub(super) header: Option<Chain>,
    pub(super) outbox: Outbox,
    pub(super) ledger: Ledger,
    pub(super) checkpoint: Checkpoint,
    pub(super) meters: Meters,
    pub(super) causes: Causes<(PathBuf, String)>,
    /// Scans so far.
    pub(super) round: u64,
    /// Checkpoints were loaded: `start_at` says nothing.
    pub(super) restored: bool,
    /// Files with bytes that only looking at them showed.
    pub(super) unread: Vec<PathBuf>,
    ready: VecDeque<FileId>,
    /// Files that end in the middle of a record.
    unfinished: HashSet<FileId>,
    /// Files that have no name any more.
    pub(super) gone: HashSet<FileId>,
    buffer: Vec<u8>,
    /// Files with an open descriptor, the one opened first at the front.
    opened: VecDeque<FileId>,
    pause: Option<Instant>,
    backoff: Duration,
    closed: bool,
}

/// How a turn of a file ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Slice {
    /// There is more to read now.
    More,
    End,
    /// The file was truncated, or rewritten with something else.
    Replaced,
    /// Somebody else has it locked.
    Locked,
}

impl Engine {
    pub fn new(
        settings: Arc<Settings>,
        checkpoint: Checkpoint,
        telemetry: &Telemetry,
        receiver: &str,
    ) -> Self {
        let mut chain = settings.operators.build();
        chain.count(telemetry, receiver);
        let finder = Finder::new(settings.includes.clone(), settings.excludes.clone());
        let mut engine = Self {
            header: settings.header.as_ref().map(|header| header.operators.build()),
            backoff: settings.retry.0,
            settings,
            finder,
            registry: Registry::default(),
            chain,
            outbox: Outbox::default(),
            ledger: Ledger::default(),
            checkpoint,
            meters: Meters::new(telemetry, receiver),
            causes: Causes::new(),
            round: 0,
            restored: false,
            unread: Vec::new(),
            ready: VecDeque::new(),
            unfinished: HashSet::new(),
            gone: HashSet::new(),
            buffer: Vec::new(),
            opened: VecDeque::new(),
            pause: None,
            closed: false,
        };
        engine.restore();
        engine
    }

    /// Whether a turn makes sense now: something is to be read, and what is on its way is not too
    /// much.
    pub fn can_read(&self, now: Now) -> bool {
        !self.closed
            && !self.ready.is_empty()
            && self.ledger.bytes() < IN_FLIGHT
            && self.pause.is_none_or(|until| until <= now.instant)
    }

    /// Lets the next file in the queue have its turn.
    pub fn turn(&mut self, now: Now, outlet: &mut dyn Outlet) {
        let Some(id) = self.ready.pop_front() else { return };
        let Some(file) = self.registry.get(id) else { return };
        let before = file.after.and_then(|before| self.registry.get(before));
        if before.is_some_and(|before| before.queued) {
            self.ready.push_back(id);
            return;
        }
        match self.read_slice(id, now, outlet) {
            Ok(Slice::More) => self.ready.push_back(id),
            Ok(Slice::End) => self.rest(id, now),
            Ok(Slice::Locked) => self.unqueue(id),
            Ok(Slice::Replaced) => {
                self.unqueue(id);
                self.replaced(id, now);
            }
            Err(error) => {
                self.unqueue(id);
                self.unreadable(id, &error, now);
            }
        }
    }

    /// Puts a file into the queue.
    pub(super) fn queue(&mut self, id: FileId) {
        if let Some(file) = self.registry.get_mut(id)
            && !file.queued
            && file.copy_of.is_none()
        {
            file.queued = true;
            self.ready.push_back(id);
        }
    }

    fn unqueue(&mut self, id: FileId) {
        if let Some(file) = self.registry.get_mut(id) {
            file.queued = false;
        }
    }

    /// The file was read to its end.
    fn rest(&mut self, id: FileId, now: Now) {
        self.unqueue(id);
        let Some(file) = self.registry.get_mut(id) else { return };
        if file.rest > 0 && !file.skipping && !self.settings.force_flush.is_zero() {
            self.unfinished.insert(id);
        } else {
            self.unfinished.remove(&id);
        }
        if file.fate == Fate::Gone {
            file.done.get_or_insert(now.instant);
        }
    }

    fn unreadable(&mut self, id: FileId, error: &io::Error, now: Now) {
        let Some(file) = self.registry.get(id) else { return };
        let path = file.place.to_path_buf();
        if error.kind() == io::ErrorKind::NotFound {
            // It was renamed or deleted since it was seen: find out which.
            self.displaced(id, now);
        } else if self.causes.is_new((path.clone(), error.to_string())) {
            log::error!("cannot read {}: {error}", path.display());
        }
    }

    fn read_slice(&mut self, id: FileId, now: Now, outlet: &mut dyn Outlet) -> io::Result<Slice> {
        self.open(id)?;
        let mut buffer = std::mem::take(&mut self.buffer);
        buffer.resize(buffer.len().max(WINDOW + Anchor::LEN), 0);
        let slice = self.read_window(id, &mut buffer, now, outlet);
        if buffer.len() > WINDOW + Anchor::LEN && !matches!(slice, Ok(Slice::More)) {
            buffer = Vec::new();
        }
        self.buffer = buffer;
        if self.settings.lock
            && let Some(content) = self.registry.get(id).and_then(|file| file.content.as_ref())
        {
            content.unlock();
        }
        slice
    }

    fn read_window(
        &mut self,
        id: FileId,
        buffer: &mut Vec<u8>,
        now: Now,
        outlet: &mut dyn Outlet,
    ) -> io::Result<Slice> {
        let Some(file) = self.registry.get_mut(id) else { return Ok(Slice::End) };
        let Some(content) = &mut file.content else { return Ok(Slice::End) };
        if self.settings.lock && !content.lock() {
            return Ok(Slice::Locked);
        }
        let anchor = file.next.anchor.unwrap_or_default();
        let read = content.read_at(file.next.offset - anchor.len() as u64, buffer)?;
        // After a rewind to the beginning there is nothing before the offset to compare.
        let begins_otherwise = file.next.offset == 0 && !file.fingerprint.is_start_of(&buffer[..read]);
        if begins_otherwise || !anchor.holds(&buffer[..read.min(anchor.len())]) {
            return Ok(Slice::Replaced);
        }
        let full = read == buffer.len();
        let source = Arc::clone(&file.source);
        let (mut at, mut mark, mut searched) = (anchor.len(), file.next, file.searched);
        let (mut skipping, mut in_header) = (file.skipping, file.in_header);
        let flush = file.flush && !full;
        if read - at > file.rest {
            (file.grown, file.done) = (now.instant, None);
        }
        let start = at;
        while let Some(piece) = next_piece(&self.settings, &buffer[at..read], searched, flush, &mut skipping)
        {
            let Piece { start, end, next, dropped } = piece;
            searched = 0;
            if dropped > 0 {
                self.meters.truncated.add(dropped as u64);
            }
            let record = self.settings.trim.apply(&buffer[at + start..at + end]);
            if !record.is_empty() {
                if in_header && self.take_header(id, record, now) {
                } else {
                    let source = if in_header { self.end_header(id) } else { Arc::clone(&source) };
                    in_header = false;
                    mark.records += 1;
                    let body = self.settings.encoding.decode(record, self.settings.operators.takes_raw());
                    let (start, room) = (mark.offset + start as u64, self.outbox.width() + SHORT_LIVED);
                    let mut entry = Entry::with_room(&source, start, now.wall, body, room);
                    if self.settings.record_number {
                        entry.attributes.set("log.file.record_number", mark.records as i64);
                    }
                    if self.settings.record_offset {
                        entry.attributes.set("log.file.record_offset", start as i64);
                    }
                    self.settings.templates.apply(&mut entry);
                    self.chain.process(entry, now.instant, &mut self.outbox);
                }
            }
            at += next;
            mark.offset += next as u64;
            if self.outbox.is_full() {
                mark.anchor = Some(Anchor::at_end_of(&buffer[..at]));
                self.advance(id, mark);
                self.flush(outlet, full);
                if self.closed {
                    return Ok(Slice::End);
                }
            }
        }
        let consumed = at > start;
        if consumed {
            mark.anchor = Some(Anchor::at_end_of(&buffer[..at]));
            self.advance(id, mark);
        }
        let rest = &buffer[at..read];
        let Some(file) = self.registry.get_mut(id) else { return Ok(Slice::End) };
        file.searched = self.settings.splitter.searched(rest);
        file.rest = rest.len();
        file.skipping = skipping;
        if consumed || mark.offset == 0 {
            self.extend_fingerprint(id)?;
        }
        if full && !consumed {
            // A record longer than the window: look at more of it.
            let limit = self.settings.max_log_size.saturating_add(Anchor::LEN + 4);
            buffer.resize(buffer.len().saturating_mul(2).min(limit.max(WINDOW + Anchor::LEN)), 0);
        }
        if !full && let Some(file) = self.registry.get_mut(id) {
            file.flush = false;
        }
        Ok(if full { Slice::More } else { Slice::End })
    }

    /// Notes how far the file was read.
    fn advance(&mut self, id: FileId, mark: Mark) {
        if let Some(file) = self.registry.get_mut(id) {
            file.next = mark;
            (file.searched, file.rest) = (0, 0);
        }
        self.outbox.touch(id);
    }

    /// A file shorter than a fingerprint has grown: know more of it.
    pub(super) fn extend_fingerprint(&mut self, id: FileId) -> io::Result<()> {
        let wanted = self.settings.fingerprint_size;
        let Some(file) = self.registry.get_mut(id) else { return Ok(()) };
        if file.fingerprint.len as usize >= wanted {
            return Ok(());
        }
        let Some(content) = &mut file.content else { return Ok(()) };
        let head = content.head(wanted)?;
        if head.len() > file.fingerprint.len as usize && file.fingerprint.is_start_of(&head) {
            file.fingerprint = Fingerprint::of(&head);
            self.save_identity(id);
        }
        Ok(())
    }

    /// Opens the file if it is not, and closes the one not used for longest when there are too many.
    fn open(&mut self, id: FileId) -> io::Result<()> {
        let Some(file) = self.registry.get(id) else { return Ok(()) };
        if file.content.is_some() || file.fate == Fate::Gone {
            return Ok(());
        }
        let content = Content::open(&file.place, self.settings.compression)?;
        if content.look()?.inode != file.inode {
            return Err(io::ErrorKind::NotFound.into());
        }
        self.keep_open(id, content);
        Ok(())
    }

    /// Keeps `content` as that of the file.
    pub(super) fn keep_open(&mut self, id: FileId, content: Content) {
        let Some(file) = self.registry.get_mut(id) else { return };
        if file.content.replace(content).is_none() {
            self.opened.push_back(id);
        }
        while self.opened.len() > self.settings.max_open {
            let files = &self.registry;
            // What has no name cannot be opened again; what waits in the queue is needed soon.
            let may_close = |other: &&FileId| {
                **other != id && files.get(**other).is_none_or(|file| file.fate != Fate::Gone)
            };
            let idle = |other: &&FileId| files.get(**other).is_none_or(|file| !file.queued);
            let recent = self.opened.iter().take(LOOKED_AT);
            let Some(&closing) = recent.filter(may_close).find(idle).or(self.opened.iter().find(may_close))
            else {
                break;
            };
            self.close(closing);
        }
    }

    /// Closes the file.
    pub(super) fn close(&mut self, id: FileId) -> Option<Content> {
        if let Some(place) = self.opened.iter().position(|other| *other == id) {
            self.opened.remove(place);
        }
        self.registry.get_mut(id)?.content.take()
    }

    /// Hands on what is collected, while there is `more` to read or not.
    pub fn flush(&mut self, outlet: &mut dyn Outlet, more: bool) {
        let files = self.outbox.take_files();
        if files.is_empty() {
            return;
        }
        let mut held: HashMap<FileId, u64> = HashMap::new();
        self.chain.held(&mut |origin| {
            let start = held.entry(origin.file).or_insert(origin.start);
            *start = (*start).min(origin.start);
        });
        let marks: Vec<(FileId, Mark)> = files
            .into_iter()
            .filter_map(|id| {
                let next = self.registry.get(id)?.next;
                let upto = match held.get(&id) {
                    // What is held back must be read again if the agent ends before it is sent.
                    Some(&start) if start < next.offset => {
                        let records = self.ledger.progress(id)?.handed.records;
                        Mark { offset: start, anchor: None, records }
                    }
                    _ => next,
                };
                Some((id, upto))
            })
            .collect();
        let Some(parcel) = self.outbox.take() else {
            self.ledger.skip(marks);
            let settled = self.ledger.settle_ready();
            self.apply(settled, None);
            return;
        };
        let number = self.ledger.next_number();
        self.ledger.send(parcel.bytes, marks);
        self.meters.accepted.add(parcel.records as u64);
        self.closed |= !outlet.send(parcel, number, more);
    }

    /// Takes the outcome of a batch.
    pub fn settle(&mut self, number: u64, outcome: Outcome, now: Now) {
        let settled = self.ledger.settle(number, outcome);
        self.apply(settled, Some(now));
    }

    fn apply(&mut self, settled: Settled, now: Option<Now>) {
        for id in &settled.committed {
            if let Some(progress) = self.ledger.progress(*id) {
                self.checkpoint.commit(*id, progress.committed);
            }
        }
        if settled.refused {
            if let Some(now) = now {
                self.pause = Some(now.instant + self.backoff);
                self.backoff = (self.backoff * 2).min(self.settings.retry.1).max(self.settings.retry.0);
            }
        } else if !settled.committed.is_empty() {
            self.backoff = self.settings.retry.0;
        }
        for (id, mark) in settled.rewound {
            self.rewind(id, mark);
        }
    }

    /// Reads the file again from `to`.
    fn rewind(&mut self, id: FileId, to: Mark) {
        let mut work = vec![(id, to)];
        while let Some((id, to)) = work.pop() {
            let mut others = Vec::new();
            self.chain.rewind(id, &mut |origin| others.push(origin.file));
            self.outbox.discard(id, &mut |origin| others.push(origin.file));
            if let Some(file) = self.registry.get_mut(id) {
                self.meters.refused.add(file.next.records.saturating_sub(to.records));
                if file.fate == Fate::Gone && file.content.is_none() {
                    // It was truncated meanwhile: nobody has these lines any more.
                    self.meters.lost.add(file.next.offset.saturating_sub(to.offset));
                    log::warn!("{}: lines that were refused cannot be read again", file.source.path);
                    continue;
                }
                file.next = to;
                (file.searched, file.rest, file.skipping, file.done) = (0, 0, false, None);
                self.queue(id);
            }
            // What was joined with the dropped lines comes from other files too.
            others.sort_unstable();
            others.dedup();
            for other in others {
                if let Some(progress) = self.ledger.progress(other) {
                    work.push((other, progress.handed));
                }
            }
        }
    }

    /// Does what is due: last lines without an end, lines that operators hold, files that are done.
    pub fn tick(&mut self, now: Now) {
        let period = self.settings.force_flush;
        let due: Vec<FileId> = self
            .unfinished
            .iter()
            .copied()
            .filter(|id| self.registry.get(*id).is_none_or(|file| file.grown + period <= now.instant))
            .collect();
        for id in due {
            self.unfinished.remove(&id);
            if let Some(file) = self.registry.get_mut(id) {
                file.flush = true;
                self.queue(id);
            }
        }
        self.chain.tick(now.instant, &mut self.outbox);
        self.finish_gone(now);
        if self.settings.delete_after_read {
            self.delete_read();
        }
        self.meters.open_files.set(self.opened.len() as u64);
        self.meters.reading_files.set(self.registry.files.len() as u64);
    }

    /// When [`Engine::tick`] or a turn is due next.
    pub fn deadline(&self) -> Option<Instant> {
        let flush = self
            .unfinished
            .iter()
            .filter_map(|id| Some(self.registry.get(*id)?.grown + self.settings.force_flush))
            .min();
        let gone = self.gone.iter().filter_map(|id| Some(self.registry.get(*id)?.done? + LINGER)).min();
        let pause = self.pause.filter(|_| !self.ready.is_empty());
        [flush, gone, pause, self.chain.deadline()].into_iter().flatten().min()
    }

    /// Keeps who the file is in the checkpoint.
    pub(super) fn save_identity(&mut self, id: FileId) {
        if !self.checkpoint.is_kept() {
            return;
        }
        let (Some(file), Some(progress)) = (self.registry.get(id), self.ledger.progress(id)) else { return };
        let mark = progress.committed;
        let plain = &self.settings.attributes;
        let header: Vec<_> = match self.settings.header {
            Some(_) => {
                let from_header =
                    |key: &str| !key.starts_with("log.file.") && plain.iter().all(|a| a.key != key);
                file.source.attributes.iter().filter(|a| from_header(&a.key)).cloned().collect()
            }
            None => Vec::new(),
        };
        let saved = Saved {
            path: file.path().to_owned(),
            place: file.place.to_path_buf(),
            home: file.home.to_path_buf(),
            lineage: file.source.lineage,
            fingerprint: file.fingerprint,
            look: file.seen,
            offset: mark.offset,
            anchor: mark.anchor,
            records: mark.records,
            header: save_header(&header),
            in_header: file.in_header,
        };
        self.checkpoint.identify(id, saved);
    }
}
