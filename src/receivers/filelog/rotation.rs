//! Rotation: where a file went when its path leads elsewhere, generations nobody saw, copies made
//! before a truncation.

use std::cmp::Ordering;
use std::collections::HashSet;
use std::io;
use std::os::unix::fs::DirEntryExt;
use std::path::{Path, PathBuf};

use super::anchor::Fingerprint;
use super::content::{Content, Inode, Look};
use super::engine::Engine;
use super::entry::FileId;
use super::finder::Scope;
use super::handoff::Now;
use super::ledger::Mark;
use super::registry::Fate;
use super::scan::{Arrival, holds_at};
use super::{Compression, OnTruncate};

/// Endings of files that are compressed or still being made: never generations to read.
const NOT_PLAIN: [&str; 8] = [".gz", ".tmp", ".zst", ".bz2", ".xz", ".lz4", ".zip", ".swp"];
/// Bytes compared at both ends of a file and its supposed copy.
const COMPARED: usize = 1024;
/// Files that are gone and still remembered, in case they come back under another name.
const REMEMBERED: usize = 512;

impl Engine {
    /// The path of a file does not lead to it any more: finds out where it is.
    pub(super) fn displaced(&mut self, id: FileId, now: Now) {
        self.registry.leave_path(id);
        let Some(file) = self.registry.get_mut(id) else { return };
        let place = match &file.content {
            Some(content) => content.place(),
            None => find_inode(&file.place, file.inode),
        };
        let file_is_closed = file.content.is_none();
        let (home, was_at) = (file.home.clone(), file.place.clone());
        // What is closed may be gone, and its inode another file's.
        let trusted = !file.restored && (!file_is_closed || place.as_deref() == Some(&*was_at));
        let verified = trusted || place.as_ref().is_some_and(|place| self.verify(id, place));
        // Without a name it may have been compressed: then its text is in another file.
        let compressed = place.is_none() && file_is_closed && self.reads_gzip();
        if (!verified || compressed) && self.follow_copy(id, &home) {
            return;
        }
        match place {
            Some(place) if verified => {
                // Rotated files are deleted soon: what is open can still be read then.
                if file_is_closed && let Ok(content) = Content::open(&place, self.settings.compression) {
                    self.keep_open(id, content);
                }
                self.registry.move_to(id, place);
                if let Some(file) = self.registry.get_mut(id) {
                    (file.fate, file.restored) = (Fate::Rotated, false);
                }
                self.save_identity(id);
                self.queue(id);
            }
            // Truncated and rotated while the agent was away: what is in it now was never read.
            Some(place) if *place != *home && is_generation(&home, &place) => {
                self.vanish(id);
                if let Ok(Some(look)) = Look::at(&place) {
                    self.adopt(id, place, look, now);
                }
            }
            _ => self.vanish(id),
        }
    }

    /// The known file at `place`. Only an open file keeps its inode: that of a closed one, as after a
    /// restart, may be another file's now.
    fn known_at(&self, inode: Inode, place: &Path) -> Option<FileId> {
        let id = self.registry.with_inode(inode)?;
        let open = self.registry.get(id)?.content.is_some();
        (open || self.verify(id, place)).then_some(id)
    }

    /// Whether what is at `place` is the closed file, grown.
    fn verify(&self, id: FileId, place: &Path) -> bool {
        let Some(file) = self.registry.get(id) else { return false };
        let (fingerprint, next) = (file.fingerprint, file.next);
        // Any file begins like one that was empty: then only its place tells.
        let tells = fingerprint.len > 0 || *file.place == *place;
        tells
            && Content::open(place, self.settings.compression).is_ok_and(|mut content| {
                content.head(self.settings.fingerprint_size).is_ok_and(|head| fingerprint.is_start_of(&head))
                    && holds_at(&mut content, next)
            })
    }

    /// The file has no name any more. What is open is read to its end.
    pub(super) fn vanish(&mut self, id: FileId) {
        self.registry.leave_path(id);
        self.registry.lose_place(id);
        let Some(file) = self.registry.get_mut(id) else { return };
        if file.fate == Fate::Gone {
            return;
        }
        (file.fate, file.restored) = (Fate::Gone, false);
        if file.content.is_none() {
            let unread = file.seen.size.saturating_sub(file.next.offset);
            if unread > 0 && file.copy_of.is_none() {
                self.meters.lost.add(unread);
                log::warn!("{} is gone with {unread} bytes unread", file.source.path);
            }
        }
        self.gone.insert(id);
        self.queue(id);
        self.forget_oldest();
    }

    /// Files of the checkpoint that no path led to: rotated while the agent was away, or gone.
    pub(super) fn locate_restored(&mut self, now: Now) {
        let restored: Vec<FileId> =
            self.registry.files.iter().filter(|(_, file)| file.restored).map(|(id, _)| *id).collect();
        for id in restored {
            self.displaced(id, now);
        }
    }

    /// Starts to read generations of `path` that came and went unseen: files called like it with
    /// something added that were written to since `previous` was looked at last, and are no copies
    /// of what is in the `current` one. What has the inode `own` is about to be read: it may have been
    /// renamed since it was opened. Returns the newest of them.
    pub(super) fn adopt_siblings(
        &mut self,
        previous: FileId,
        path: &Path,
        matched: &HashSet<&PathBuf>,
        mut current: Option<&mut Content>,
        own: Option<Inode>,
        now: Now,
    ) -> FileId {
        let Some(file) = self.registry.get(previous) else { return previous };
        let (since, home) = (file.seen.modified, file.home.clone());
        // Compressing makes a file of an old one that was written just now: only its name tells when it
        // was the log.
        let stamp = stamp_of(&home, &file.place).map(str::to_owned);
        let is_later = |sibling: &Path, look: &Look| match (&stamp, stamp_of(&home, sibling)) {
            (Some(stamp), Some(other)) => other > stamp.as_str(),
            _ => look.modified >= since,
        };
        let mut siblings: Vec<(PathBuf, Look)> = siblings_of(&home, self.reads_gzip())
            .into_iter()
            .filter(|(sibling, look)| {
                is_later(sibling, look)
                    && look.size > 0
                    && own != Some(look.inode)
                    && self.known_at(look.inode, sibling).is_none()
                    && !matched.contains(sibling)
                    && !self.finder.excludes(&sibling.to_string_lossy())
            })
            .collect();
        siblings.sort_by(|(a, a_look), (b, b_look)| {
            let stamps = stamp_of(&home, a).zip(stamp_of(&home, b));
            let by_stamp = stamps.map_or(Ordering::Equal, |(a, b)| a.cmp(b));
            by_stamp.then_with(|| (a_look.modified, a).cmp(&(b_look.modified, b)))
        });
        let mut newest = previous;
        for (sibling, look) in siblings {
            if let Some(current) = &mut current
                && let Ok(mut copy) = Content::open(&sibling, self.settings.compression)
                && begin_alike(&mut copy, current).unwrap_or(true)
            {
                continue;
            }
            newest = self.adopt(newest, sibling, look, now).unwrap_or(newest);
        }
        self.registry.set_newest(path, newest);
        newest
    }

    /// A file that was empty when the agent ended tells nothing about what it held since: copies that
    /// were made of it before it was truncated are read first.
    pub(super) fn adopt_copies(&mut self, id: FileId, path: &Path, matched: &HashSet<&PathBuf>, now: Now) {
        let last = self.adopt_siblings(id, path, matched, None, None, now);
        self.registry.set_newest(path, id);
        if last == id {
            return;
        }
        for file in self.registry.files.values_mut() {
            file.after = file.after.filter(|before| *before != id);
        }
        if let Some(file) = self.registry.get_mut(id) {
            file.after = Some(last);
        }
    }

    /// Reads a generation that came after `previous`, found under another name.
    fn adopt(&mut self, previous: FileId, sibling: PathBuf, look: Look, now: Now) -> Option<FileId> {
        if self.known_at(look.inode, &sibling).is_some() {
            return None;
        }
        let file = self.registry.get(previous)?;
        let (path, home) = (file.path().to_owned(), file.home.clone());
        let opened = Content::open(&sibling, self.settings.compression)
            .and_then(|mut content| Ok((content.head(self.settings.fingerprint_size)?, content)));
        let (head, content) = match opened {
            Ok(opened) => opened,
            Err(error) if error.kind() == io::ErrorKind::NotFound && self.reads_gzip() => {
                let (compressed, look) = compressed_since(&sibling)?;
                return self.adopt(previous, compressed, look, now);
            }
            Err(error) => {
                self.report(&sibling, &error);
                return None;
            }
        };
        let mut arrival = Arrival { home, ..Arrival::new(path, sibling, look, head, content) };
        if is_gzip(&arrival.place)
            && let Some(known) = self.compressed_of(&mut arrival)
        {
            if self.is_lost(known) {
                self.go_on_at(known, arrival.place, look, arrival.content);
            }
            return None;
        }
        if self.original_of(&mut arrival).is_some() {
            return None;
        }
        log::info!("reading {}, an unseen generation of {}", arrival.place.display(), arrival.path.display());
        let id = self.begin_at(&arrival, Some(previous), Mark::default(), now);
        if let Some(file) = self.registry.get_mut(id) {
            file.after = Some(previous);
        }
        self.keep_open(id, arrival.content);
        self.save_identity(id);
        self.queue(id);
        Some(id)
    }

    fn reads_gzip(&self) -> bool {
        self.settings.compression != Compression::None
    }

    /// The file that was compressed into this one, if it was known.
    fn compressed_of(&self, arrival: &mut Arrival) -> Option<FileId> {
        let mut known: Vec<FileId> = self
            .registry
            .files
            .iter()
            .filter(|(_, file)| file.home == arrival.home && file.fingerprint.len > 0)
            .filter(|(_, file)| file.fate != Fate::Current || file.restored)
            .map(|(id, _)| *id)
            .collect();
        known.sort_unstable();
        let plain = arrival.place.with_extension("");
        known.into_iter().find(|id| {
            // While it is compressed both are there.
            let is_its = self.registry.get(*id).is_some_and(|file| *file.place == *plain);
            (is_its || self.is_lost(*id)) && self.is_same(*id, arrival)
        })
    }

    /// The text of a file is in another one now, and will be read there to its end.
    fn go_on_at(&mut self, id: FileId, place: PathBuf, look: Look, content: Content) {
        self.gone.remove(&id);
        self.registry.change_inode(id, look.inode);
        self.registry.move_to(id, place);
        self.registry.leave_path(id);
        if let Some(file) = self.registry.get_mut(id) {
            (file.seen, file.restored, file.fate, file.done) = (look, false, Fate::Rotated, None);
        }
        self.keep_open(id, content);
        self.save_identity(id);
        self.queue(id);
    }

    /// Looks for generations of paths that lead nowhere now, but did for a moment.
    pub(super) fn adopt_orphans(&mut self, scope: &Scope, matched: &HashSet<&PathBuf>, now: Now) {
        let orphans: Vec<(FileId, PathBuf)> = self
            .registry
            .files
            .iter()
            .filter(|(id, file)| {
                file.fate != Fate::Current
                    && self.registry.newest_at(file.path()) == Some(**id)
                    && self.registry.at_path(file.path()).is_none()
                    && file.home.parent().is_none_or(|directory| scope.includes(directory))
            })
            .map(|(id, file)| (*id, file.path().to_owned()))
            .collect();
        for (id, path) in orphans {
            self.adopt_siblings(id, &path, matched, None, None, now);
        }
    }

    /// What was read of a file is not in it any more: it was truncated, or rewritten.
    pub(super) fn replaced(&mut self, id: FileId, now: Now) {
        let Some(file) = self.registry.get_mut(id) else { return };
        let (path, place, home) = (file.path().to_owned(), file.place.to_path_buf(), file.home.clone());
        if self.settings.on_truncate == OnTruncate::Ignore {
            let size =
                file.content.as_ref().and_then(|content| content.look().ok()).map_or(0, |look| look.size);
            if size > file.next.offset {
                file.next.anchor = None;
                self.queue(id);
            }
            return;
        }
        let fate = file.fate;
        let reopened = self.close(id);
        let Some((content, look)) =
            reopened.and_then(|content| content.look().ok().map(|look| (content, look)))
        else {
            return;
        };
        log::info!("{} was truncated or rewritten: reading what is in it now", path.display());
        let mut arrival =
            Arrival { home: home.clone(), ..Arrival::new(path.clone(), place, look, Vec::new(), content) };
        let mut after = id;
        if self.follow_copy(id, &home) {
            // It may have been truncated several times since it was looked at.
            after = self.adopt_siblings(
                id,
                &path,
                &HashSet::new(),
                Some(&mut arrival.content),
                Some(look.inode),
                now,
            );
        } else {
            self.registry.lose_place(id);
            if let Some(file) = self.registry.get_mut(id) {
                // Nobody has what was not read before.
                file.seen.size = file.next.offset;
            }
            self.vanish(id);
        }
        match arrival.content.head(self.settings.fingerprint_size) {
            Ok(head) => (arrival.fingerprint, arrival.head) = (Fingerprint::of(&head), head),
            Err(error) => return self.report(&arrival.path.clone(), &error),
        }
        let from_end = self.settings.on_truncate == OnTruncate::ReadNew;
        let new = self.begin(arrival, Some(id), Some(after), None, from_end, now);
        match fate {
            Fate::Current => self.registry.found_first(new),
            Fate::Rotated => {
                if let Some(file) = self.registry.get_mut(new) {
                    file.fate = Fate::Rotated;
                }
            }
            // What is in it is read through the open descriptor.
            Fate::Gone => self.vanish(new),
        }
    }

    /// Looks for the copy that was made of a file before it was truncated, and goes on there.
    fn follow_copy(&mut self, id: FileId, home: &Path) -> bool {
        let Some(file) = self.registry.get(id) else { return false };
        let (fingerprint, next) = (file.fingerprint, file.next);
        if fingerprint.len == 0 {
            return false;
        }
        for (sibling, look) in siblings_of(home, self.reads_gzip()) {
            let known = self.known_at(look.inode, &sibling);
            let waiting = known
                .is_none_or(|other| self.registry.get(other).is_some_and(|file| file.copy_of == Some(id)));
            if !waiting || (look.size < next.offset && !is_gzip(&sibling)) {
                continue;
            }
            let Ok(mut content) = Content::open(&sibling, self.settings.compression) else { continue };
            let head = content.head(self.settings.fingerprint_size).unwrap_or_default();
            if !fingerprint.is_start_of(&head) || !holds_at(&mut content, next) {
                continue;
            }
            let mut found_at = None;
            if let Some(copy) = known {
                found_at = self.registry.get(copy).map(|copy| copy.path().to_owned());
                self.forget(copy);
            }
            self.go_on_at(id, sibling, look, content);
            if let Some(path) = found_at {
                if let Some(file) = self.registry.get_mut(id) {
                    file.fate = Fate::Current;
                }
                self.registry.found_at(id, &path);
            }
            return true;
        }
        false
    }

    /// The file that a new one is the copy of, as made before a truncation.
    pub(super) fn original_of(&mut self, arrival: &mut Arrival) -> Option<FileId> {
        let directory = arrival.place.parent()?.to_owned();
        let name = arrival.place.file_name()?.to_string_lossy().into_owned();
        let round = self.round;
        if round == 1 {
            return None;
        }
        let related: Vec<FileId> = self
            .registry
            .files
            .iter()
            .filter(|(_, file)| {
                file.fate == Fate::Current
                    && file.first_round < round
                    && file.copy_of.is_none()
                    && file.inode != arrival.look.inode
                    && file.place.parent() == Some(&directory)
                    && stem(&file.place).is_some_and(|stem| name.starts_with(&stem))
            })
            .map(|(id, _)| *id)
            .collect();
        let compression = self.settings.compression;
        let original = related.into_iter().find(|id| {
            let Some(file) = self.registry.get(*id) else { return false };
            // What was read of the original is in the copy, even if it is not in the original any more.
            file.next.offset > 0 && self.is_same(*id, arrival)
                || Content::open(&file.place, compression).is_ok_and(|mut original| {
                    begin_alike(&mut original, &mut arrival.content).unwrap_or(false)
                })
        })?;
        self.queue(original);
        Some(original)
    }

    /// A copy that was waiting has changed: if it is no copy any more it is a file of its own.
    pub(super) fn copy_changed(&mut self, id: FileId, original: FileId) {
        let compression = self.settings.compression;
        let open = |file: Option<&super::registry::Tracked>| Content::open(&file?.place, compression).ok();
        let (original, copy) = (open(self.registry.get(original)), open(self.registry.get(id)));
        let still = match (original, copy) {
            (Some(mut original), Some(mut copy)) => begin_alike(&mut original, &mut copy).unwrap_or(false),
            _ => false,
        };
        if !still && let Some(file) = self.registry.get_mut(id) {
            file.copy_of = None;
            self.queue(id);
        }
    }

    /// Forgets a file and everything about it.
    fn forget(&mut self, id: FileId) {
        self.registry.remove(id);
        self.ledger.forget(id);
        self.checkpoint.forget(id);
        self.chain.forget(id);
        self.gone.remove(&id);
    }

    /// Keeps the number of remembered files bounded.
    fn forget_oldest(&mut self) {
        let limit = REMEMBERED + self.settings.remembered_polls as usize * 64;
        let mut finished: Vec<FileId> = self
            .registry
            .files
            .iter()
            .filter(|(id, file)| file.fate == Fate::Gone && !self.gone.contains(id))
            .map(|(id, _)| *id)
            .collect();
        if finished.len() > limit {
            finished.sort_unstable();
            finished.truncate(finished.len() - limit);
            for id in finished {
                self.forget(id);
            }
        }
    }
}

/// Files in the same directory whose names are that of `home` with something added: plain ones, and
/// with `gzip` compressed ones.
fn siblings_of(home: &Path, gzip: bool) -> Vec<(PathBuf, Look)> {
    let Some(Ok(items)) = home.parent().map(std::fs::read_dir) else { return Vec::new() };
    let is_sibling = |path: &Path| match path.file_stem() {
        Some(stem) if gzip && is_gzip(path) => is_generation(home, Path::new(stem)),
        _ => is_generation(home, path),
    };
    items
        .flatten()
        .filter(|item| is_sibling(&item.path()) && item.file_type().is_ok_and(|kind| kind.is_file()))
        .filter_map(|item| match Look::at(&item.path()) {
            Ok(look) => Some((item.path(), look?)),
            Err(_) if gzip => compressed_since(&item.path()),
            Err(_) => None,
        })
        .collect()
}

/// What a plain generation was compressed into, after its directory was listed.
fn compressed_since(plain: &Path) -> Option<(PathBuf, Look)> {
    if is_gzip(plain) {
        return None;
    }
    let mut compressed = plain.as_os_str().to_owned();
    compressed.push(".gz");
    let compressed = PathBuf::from(compressed);
    let look = Look::at(&compressed).ok()??;
    Some((compressed, look))
}

/// Whether a file is called like `home` with something added that does not mean compression.
fn is_generation(home: &Path, other: &Path) -> bool {
    let name = |path: &Path| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let (home, other) = (name(home), name(other));
    other.strip_prefix(&home).is_some_and(|added| added.starts_with(['.', '-']))
        && !NOT_PLAIN.iter().any(|ending| other.ends_with(ending))
}

fn is_gzip(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "gz")
}

/// The time in the name of a generation, as kubelet writes it: `0.log.20260131-235959`.
fn stamp_of<'a>(home: &Path, generation: &'a Path) -> Option<&'a str> {
    let added = generation.file_name()?.to_str()?.strip_prefix(home.file_name()?.to_str()?)?;
    let stamp = added.strip_prefix('.')?.trim_end_matches(".gz");
    let is_time = stamp.len() >= 15 && stamp.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-');
    is_time.then_some(stamp)
}

/// The file with that inode in the directory of `place`, whatever it is called now.
fn find_inode(place: &Path, inode: Inode) -> Option<PathBuf> {
    let is_it = |path: &Path| Look::at(path).ok().flatten().is_some_and(|look| look.inode == inode);
    if is_it(place) {
        return Some(place.to_owned());
    }
    let items = std::fs::read_dir(place.parent()?).ok()?;
    items.flatten().filter(|item| item.ino() == inode.number).map(|item| item.path()).find(|path| is_it(path))
}

/// The file's name up to its first dot.
fn stem(place: &Path) -> Option<String> {
    let name = place.file_name()?.to_string_lossy();
    let stem = name.split('.').next().filter(|stem| !stem.is_empty())?;
    Some(stem.to_owned())
}

/// Whether one file is the beginning of the other, as far as both ends of the shorter one show.
fn begin_alike(one: &mut Content, other: &mut Content) -> io::Result<bool> {
    let len = one.len()?.min(other.len()?);
    if len == 0 {
        return Ok(false);
    }
    let part = len.min(COMPARED as u64) as usize;
    let (mut a, mut b) = (vec![0; part], vec![0; part]);
    for offset in [0, len - part as u64] {
        one.read_at(offset, &mut a)?;
        other.read_at(offset, &mut b)?;
        if a != b {
            return Ok(false);
        }
    }
    Ok(true)
}
