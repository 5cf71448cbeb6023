//! Scanning: which files are there, and which of them are known already under another name.

use std::collections::HashSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::otlp::Attributes;
use crate::otlp::marked::Marked;

use super::anchor::{Anchor, Fingerprint};
use super::checkpoint::load_header;
use super::content::{Content, Look};
use super::engine::Engine;
use super::entry::{FileId, Source};
use super::finder::Scope;
use super::handoff::Now;
use super::ledger::Mark;
use super::links;
use super::registry::{Fate, Tracked, shared};

impl Engine {
    /// Takes over the files of the checkpoint. They are compared with what is there at the first
    /// scan.
    pub(super) fn restore(&mut self) {
        let now = std::time::Instant::now();
        for (id, saved) in self.checkpoint.files().clone() {
            self.restored = true;
            let mut attributes = Marked::from(self.settings.attributes.clone());
            for attribute in load_header(&saved.header) {
                attributes.set(attribute.key, attribute.value);
            }
            let source = Source {
                id,
                lineage: saved.lineage,
                path: saved.path.to_string_lossy().into_owned(),
                attributes,
                resource: Arc::clone(&self.settings.resource),
            };
            let mark = saved.mark();
            let place = saved.place.into();
            self.registry.reserve(saved.lineage);
            self.ledger.start(id, mark);
            self.registry.insert(Tracked {
                fingerprint: saved.fingerprint,
                seen: saved.look,
                in_header: saved.in_header,
                restored: true,
                home: shared(&place, &saved.home),
                ..Tracked::new(Arc::new(source), place, saved.look, mark, now)
            });
        }
        self.registry.settle_newest();
    }

    /// Looks for new, changed, renamed and deleted files. `enter` is called for each directory
    /// before it is listed.
    pub fn scan(&mut self, scope: &Scope, now: Now, enter: &mut dyn FnMut(&Path)) {
        self.round += 1;
        self.unread.clear();
        let mut paths = self.finder.find(scope, enter);
        if let Some(ordering) = &self.settings.ordering {
            paths = ordering.select(paths);
        }
        if self.settings.max_files > 0 {
            paths.truncate(self.settings.max_files);
        }
        if paths.is_empty() && self.round == 1 {
            log::warn!("filelog: no files match the configured criteria yet");
        }
        let matched: HashSet<&PathBuf> = paths.iter().collect();
        for path in &paths {
            self.look_at(path, scope, &matched, now, enter);
        }
        for (path, id) in self.registry.unseen(self.round) {
            if !matched.contains(&path) || !path.exists() {
                self.displaced(id, now);
                self.adopt_siblings(id, &path, &matched, None, None, now);
            }
        }
        if self.restored && self.round == 1 {
            self.locate_restored(now);
        }
        if matches!(scope, Scope::All) {
            self.look_at_rotated(now);
        }
        self.adopt_orphans(scope, &matched, now);
    }

    fn look_at(
        &mut self,
        path: &Path,
        scope: &Scope,
        matched: &HashSet<&PathBuf>,
        now: Now,
        enter: &mut dyn FnMut(&Path),
    ) {
        let known = self.registry.at_path(path);
        let in_scope = path.parent().is_none_or(|parent| scope.includes(parent));
        if !in_scope && known.is_some_and(|id| self.mark_seen(id)) {
            return;
        }
        let look = match Look::at(path) {
            Ok(Some(look)) => look,
            Ok(None) => return,
            Err(error) => return self.report(path, &error),
        };
        if self.is_too_old(&look, now) {
            return;
        }
        match known {
            Some(id) if self.registry.get(id).is_some_and(|f| f.inode == look.inode && !f.restored) => {
                self.mark_seen(id);
                self.changed(id, look, now);
            }
            _ if self.registry.is_alias(path, look.inode) => {}
            _ => self.arrive(path, known, matched, now, enter),
        }
    }

    fn mark_seen(&mut self, id: FileId) -> bool {
        let round = self.round;
        self.registry.get_mut(id).map(|file| file.round = round).is_some()
    }

    fn is_too_old(&self, look: &Look, now: Now) -> bool {
        let limit = self.settings.exclude_older_than;
        !limit.is_zero() && look.modified < i128::from(now.wall) - limit.as_nanos() as i128
    }

    /// A known file was looked at: read it if it has changed.
    pub(super) fn changed(&mut self, id: FileId, look: Look, now: Now) {
        let Some(file) = self.registry.get_mut(id) else { return };
        let changed = look.size != file.seen.size || look.modified != file.seen.modified;
        let compressed = file.content.as_ref().is_some_and(Content::is_compressed);
        let behind = !compressed && look.size != file.next.offset + file.rest as u64;
        file.seen = look;
        // Of files elsewhere, locked ones and those that cannot be read the kernel says nothing new.
        let watched = file.fate == Fate::Current && file.content.is_some() && !self.settings.lock;
        if behind && watched && !file.queued && file.copy_of.is_none() {
            self.unread.push(file.place.to_path_buf());
        }
        if let Some(original) = file.copy_of {
            if changed {
                self.copy_changed(id, original);
            }
        } else if changed || behind {
            self.notice(id, now);
        }
    }

    /// A file was written to: it is to be read. That it was truncated is seen at once, even while
    /// nothing can be read, since the copy of what it held may not be there for long.
    pub(super) fn notice(&mut self, id: FileId, now: Now) {
        self.queue(id);
        if self.can_read(now) {
            return;
        }
        let Some(file) = self.registry.get_mut(id) else { return };
        let (mark, fingerprint) = (file.next, file.fingerprint);
        let intact = file.content.as_mut().is_none_or(|content| {
            if mark.offset > 0 {
                return holds_at(content, mark);
            }
            content.head(fingerprint.len as usize).is_ok_and(|head| fingerprint.is_start_of(&head))
        });
        if !intact {
            self.replaced(id, now);
        } else if let Err(error) = self.extend_fingerprint(id) {
            log::debug!("file {id} cannot be read: {error}");
        }
    }

    /// Something is at `path` that was not there before.
    fn arrive(
        &mut self,
        path: &Path,
        known: Option<FileId>,
        matched: &HashSet<&PathBuf>,
        now: Now,
        enter: &mut dyn FnMut(&Path),
    ) {
        if let Err(reason) = links::check(path) {
            if self.causes.is_new((path.to_owned(), reason.clone())) {
                log::warn!("{} is not read: {reason}", path.display());
            }
            return;
        }
        let opened = Content::open(path, self.settings.compression).and_then(|mut content| {
            let head = content.head(self.settings.fingerprint_size)?;
            // It may have been replaced since it was looked at: what is open counts.
            let look = content.look()?;
            Ok((content, head, look))
        });
        let (content, head, look) = match opened {
            Ok(opened) => opened,
            Err(error) => return self.report(path, &error),
        };
        let place = content.place().unwrap_or_else(|| path.to_owned());
        if let Some(parent) = place.parent()
            && path.parent() != Some(parent)
        {
            // A link: what happens to the file is reported for the directory it is really in.
            enter(parent);
        }
        // It may have been renamed since it was opened: its generations are called like its path then.
        let home = if place.parent() == path.parent() && !path.is_symlink() { path } else { &place };
        let mut arrival = Arrival {
            home: home.into(),
            ..Arrival::new(path.to_owned(), place.clone(), look, head, content)
        };
        if let Some(id) = self.recognise(&mut arrival) {
            self.resume(id, arrival, known, matched, now);
            return;
        }
        let previous = known.or_else(|| self.registry.newest_at(path));
        let mut after = previous;
        if let Some(previous) = previous {
            self.displaced(previous, now);
            after = Some(self.adopt_siblings(previous, path, matched, None, Some(look.inode), now));
        }
        let from_end = self.settings.from_end && self.round == 1 && !self.restored;
        let copy_of = if from_end { None } else { self.original_of(&mut arrival) };
        let id = self.begin(arrival, previous, after, copy_of, from_end, now);
        self.registry.found_first(id);
    }

    /// Starts to follow a file.
    pub(super) fn begin(
        &mut self,
        mut arrival: Arrival,
        previous: Option<FileId>,
        after: Option<FileId>,
        copy_of: Option<FileId>,
        from_end: bool,
        now: Now,
    ) -> FileId {
        let mark = if from_end { end_mark(&mut arrival.content) } else { Mark::default() };
        let id = self.begin_at(&arrival, previous, mark, now);
        log::info!("started watching file {}", arrival.path.display());
        if let Some(file) = self.registry.get_mut(id) {
            file.fate = Fate::Current;
            file.after = after;
            file.copy_of = copy_of;
        }
        self.keep_open(id, arrival.content);
        self.save_identity(id);
        self.queue(id);
        id
    }

    /// Enters a file in the registry.
    pub(super) fn begin_at(
        &mut self,
        arrival: &Arrival,
        previous: Option<FileId>,
        mark: Mark,
        now: Now,
    ) -> FileId {
        let id = self.registry.next_id();
        let lineage = previous.and_then(|id| self.registry.get(id)).map_or(id, |file| file.source.lineage);
        let mut attributes = Marked::from(self.settings.attributes.clone());
        if let Ok(metadata) = arrival.content.metadata() {
            self.settings.labels.add(&arrival.path, &arrival.place, &metadata, &mut attributes);
        }
        let source = Source {
            id,
            lineage,
            path: arrival.path.to_string_lossy().into_owned(),
            attributes,
            resource: Arc::clone(&self.settings.resource),
        };
        self.ledger.start(id, mark);
        let place = arrival.place.as_path().into();
        self.registry.insert(Tracked {
            fingerprint: arrival.fingerprint,
            in_header: self.settings.header.is_some() && mark.offset == 0,
            round: self.round,
            first_round: self.round,
            fate: Fate::Rotated,
            home: shared(&place, &arrival.home),
            ..Tracked::new(Arc::new(source), place, arrival.look, mark, now.instant)
        });
        id
    }

    /// The known file this is, if any.
    fn recognise(&self, arrival: &mut Arrival) -> Option<FileId> {
        if let Some(id) = self.registry.with_inode(arrival.look.inode)
            && self.is_same(id, arrival)
        {
            return Some(id);
        }
        // Moved to another file system, or restored from a backup: only when the file it was is gone.
        let mut alike: Vec<FileId> = self
            .registry
            .files
            .iter()
            .filter(|(_, file)| file.fate == Fate::Gone || file.restored)
            .filter(|(_, file)| file.next.offset > 0 && begins_like(file, arrival))
            .map(|(id, _)| *id)
            .collect();
        alike.sort_unstable_by(|a, b| b.cmp(a));
        alike.into_iter().find(|id| self.is_lost(*id) && self.is_same(*id, arrival))
    }

    /// Whether a file is not where it was.
    pub(super) fn is_lost(&self, id: FileId) -> bool {
        self.registry.get(id).is_some_and(|file| {
            let there = || Look::at(&file.place).ok().flatten().is_some_and(|look| look.inode == file.inode);
            file.fate == Fate::Gone || !there()
        })
    }

    /// Whether the content goes on from what was read of the known file.
    pub(super) fn is_same(&self, id: FileId, arrival: &mut Arrival) -> bool {
        let Some(file) = self.registry.get(id) else { return false };
        // Any file begins like one that was empty: its inode only tells while it is open.
        let tells = file.fingerprint.len > 0 || file.content.is_some() || *file.place == *arrival.place;
        tells && begins_like(file, arrival) && holds_at(&mut arrival.content, file.next)
    }

    /// A known file was found at a path.
    fn resume(
        &mut self,
        id: FileId,
        arrival: Arrival,
        displaced: Option<FileId>,
        matched: &HashSet<&PathBuf>,
        now: Now,
    ) {
        if let Some(other) = displaced.filter(|other| *other != id) {
            self.displaced(other, now);
        }
        let round = self.round;
        let Some(file) = self.registry.get_mut(id) else { return };
        let first_path = file.path().to_owned();
        if !file.restored && first_path != arrival.path && file.fate == Fate::Current {
            let still_there = Look::at(&first_path).ok().flatten().is_some_and(|l| l.inode == file.inode);
            if still_there {
                self.registry.add_alias(&arrival.path, arrival.look.inode);
                return;
            }
        }
        log::debug!("{} goes on at {}", first_path.display(), arrival.path.display());
        if file.restored && file.fingerprint.len == 0 {
            self.adopt_copies(id, &arrival.path, matched, now);
        }
        let Some(file) = self.registry.get_mut(id) else { return };
        if arrival.fingerprint.len > file.fingerprint.len {
            // Know it from now on: it may be truncated before it is its turn to be read.
            file.fingerprint = arrival.fingerprint;
        }
        file.round = round;
        file.fate = Fate::Current;
        file.done = None;
        let refresh = std::mem::take(&mut file.restored);
        let attributes = file.source.attributes.clone();
        let source = Arc::clone(&file.source);
        if refresh && let Ok(metadata) = arrival.content.metadata() {
            let mut attributes = attributes;
            self.settings.labels.add(&first_path, &arrival.place, &metadata, &mut attributes);
            file.source = Arc::new(Source {
                attributes,
                id,
                lineage: source.lineage,
                path: source.path.clone(),
                resource: Arc::clone(&source.resource),
            });
        }
        self.gone.remove(&id);
        self.registry.change_inode(id, arrival.look.inode);
        self.registry.move_to(id, arrival.place);
        self.registry.found_at(id, &arrival.path);
        self.keep_open(id, arrival.content);
        self.save_identity(id);
        if let Some(file) = self.registry.get_mut(id) {
            file.seen = arrival.look;
        }
        self.queue(id);
    }

    /// Looks at files that no path of a pattern leads to any more.
    fn look_at_rotated(&mut self, now: Now) {
        let rotated: Vec<(FileId, Arc<Path>)> = self
            .registry
            .files
            .iter()
            .filter(|(_, file)| file.fate == Fate::Rotated)
            .map(|(id, file)| (*id, Arc::clone(&file.place)))
            .collect();
        for (id, place) in rotated {
            match Look::at(&place) {
                Ok(Some(look)) if self.registry.get(id).is_some_and(|file| file.inode == look.inode) => {
                    self.changed(id, look, now);
                }
                _ => self.displaced(id, now),
            }
        }
        for id in self.gone.clone() {
            let Some(file) = self.registry.get(id) else { continue };
            if let Some(Ok(look)) = file.content.as_ref().map(Content::look) {
                self.changed(id, look, now);
            }
        }
    }

    pub(super) fn report(&mut self, path: &Path, error: &io::Error) {
        // It was there when its directory was listed: files come and go.
        if error.kind() != io::ErrorKind::NotFound && self.causes.is_new((path.to_owned(), error.to_string()))
        {
            log::error!("cannot read {}: {error}", path.display());
        }
    }
}

/// A file that was found and opened.
pub struct Arrival {
    pub path: PathBuf,
    pub place: PathBuf,
    /// See [`Tracked::home`].
    pub home: Arc<Path>,
    pub look: Look,
    pub head: Vec<u8>,
    pub fingerprint: Fingerprint,
    pub content: Content,
}

impl Arrival {
    pub fn new(path: PathBuf, place: PathBuf, look: Look, head: Vec<u8>, content: Content) -> Self {
        let home = place.as_path().into();
        Self { path, place, home, look, fingerprint: Fingerprint::of(&head), head, content }
    }
}

/// Whether the found file begins like the known one. Hashing is only needed when the lengths differ.
fn begins_like(file: &Tracked, arrival: &Arrival) -> bool {
    if file.fingerprint.len == arrival.fingerprint.len {
        file.fingerprint == arrival.fingerprint
    } else {
        file.fingerprint.is_start_of(&arrival.head)
    }
}

/// Whether the bytes before `mark` are those that were there when it was made.
pub fn holds_at(content: &mut Content, mark: Mark) -> bool {
    let Some(anchor) = mark.anchor else {
        return content.len().is_ok_and(|len| len >= mark.offset);
    };
    let mut before = [0; Anchor::LEN];
    let before = &mut before[..anchor.len()];
    let read = content.read_at(mark.offset - anchor.len() as u64, before);
    read.is_ok_and(|read| read == anchor.len()) && anchor.holds(before)
}

/// The mark at the end of the file.
fn end_mark(content: &mut Content) -> Mark {
    let offset = content.len().unwrap_or(0);
    let mut before = [0; Anchor::LEN];
    let len = offset.min(Anchor::LEN as u64) as usize;
    let read = content.read_at(offset - len as u64, &mut before[..len]).unwrap_or(0);
    let anchor = (read == len).then(|| Anchor::at_end_of(&before[..len]));
    Mark { offset, anchor, records: 0 }
}
