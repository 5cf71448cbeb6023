//! The files the receiver knows, by id, by path and by inode.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use rustc_hash::FxHashMap;

use super::anchor::Fingerprint;
use super::content::{Content, Inode, Look};
use super::entry::{FileId, Source};
use super::ledger::Mark;

/// Whether a file is where it was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// Its path leads to it.
    Current,
    /// Its path leads elsewhere now; it has another name in the same file system.
    Rotated,
    /// It has no name any more, or nobody knows which.
    Gone,
}

/// A file under observation.
pub struct Tracked {
    pub source: Arc<Source>,
    /// Where it really is: links resolved, renames followed.
    pub place: Arc<Path>,
    /// Where it really was under its first path: rotated generations are called like it.
    pub home: Arc<Path>,
    pub inode: Inode,
    pub fingerprint: Fingerprint,
    pub content: Option<Content>,
    /// The last look at it.
    pub seen: Look,
    pub fate: Fate,
    /// The start of the first record not handed to the operators.
    pub next: Mark,
    /// Bytes after `next` that were searched for the end of the record in vain.
    pub searched: usize,
    /// Bytes after `next` when it was read last.
    pub rest: usize,
    /// When `rest` grew last.
    pub grown: Instant,
    /// The rest of a record that was too long is being dropped.
    pub skipping: bool,
    /// It waits in the queue of files to read.
    pub queued: bool,
    /// Read the rest even without its end.
    pub flush: bool,
    /// The generation before it, which is read first.
    pub after: Option<FileId>,
    /// It looks like the copy of this file that is made before that one is truncated: not read yet.
    pub copy_of: Option<FileId>,
    /// Header lines are still expected.
    pub in_header: bool,
    /// It comes from a checkpoint and was not compared with the file yet.
    pub restored: bool,
    /// The scan that saw it last, and the one that saw it first.
    pub round: u64,
    pub first_round: u64,
    /// When it was found at its end with nothing on its way, after it had gone.
    pub done: Option<Instant>,
}

impl Tracked {
    /// A file that is read from `next` on.
    pub fn new(source: Arc<Source>, place: Arc<Path>, seen: Look, next: Mark, now: Instant) -> Self {
        Self {
            source,
            home: Arc::clone(&place),
            place,
            inode: seen.inode,
            fingerprint: Fingerprint::default(),
            content: None,
            seen,
            fate: Fate::Current,
            next,
            searched: 0,
            rest: 0,
            grown: now,
            skipping: false,
            queued: false,
            flush: false,
            after: None,
            copy_of: None,
            in_header: false,
            restored: false,
            round: 0,
            first_round: 0,
            done: None,
        }
    }

    pub fn path(&self) -> &Path {
        Path::new(&self.source.path)
    }
}

/// `path`, in the memory of `place` when it is the same: nearly always.
pub fn shared(place: &Arc<Path>, path: &Path) -> Arc<Path> {
    if **place == *path { Arc::clone(place) } else { path.into() }
}

/// All known files. Ten thousand of them are a matter of memory: their paths are held once, and maps
/// hold no room for large values.
#[derive(Default)]
pub struct Registry {
    pub files: FxHashMap<FileId, Box<Tracked>>,
    by_path: HashMap<Arc<Path>, FileId>,
    by_inode: HashMap<Inode, FileId>,
    /// Real paths, for events of the kernel.
    by_place: HashMap<Arc<Path>, FileId>,
    /// The newest generation of each path, also while there is no file.
    newest: HashMap<Arc<Path>, FileId>,
    /// Other paths to files that are read already.
    aliases: HashMap<PathBuf, Inode>,
    last_id: FileId,
}

impl Registry {
    pub fn next_id(&mut self) -> FileId {
        self.last_id += 1;
        self.last_id
    }

    /// Ids up to `id` are in use.
    pub fn reserve(&mut self, id: FileId) {
        self.last_id = self.last_id.max(id);
    }

    pub fn get(&self, id: FileId) -> Option<&Tracked> {
        self.files.get(&id).map(Box::as_ref)
    }

    pub fn get_mut(&mut self, id: FileId) -> Option<&mut Tracked> {
        self.files.get_mut(&id).map(Box::as_mut)
    }

    pub fn at_path(&self, path: &Path) -> Option<FileId> {
        self.by_path.get(path).copied()
    }

    pub fn at_place(&self, place: &Path) -> Option<FileId> {
        self.by_place.get(place).copied()
    }

    pub fn with_inode(&self, inode: Inode) -> Option<FileId> {
        self.by_inode.get(&inode).copied()
    }

    /// The newest generation of a path.
    pub fn newest_at(&self, path: &Path) -> Option<FileId> {
        self.newest.get(path).copied()
    }

    pub fn is_alias(&self, path: &Path, inode: Inode) -> bool {
        self.aliases.get(path) == Some(&inode)
    }

    pub fn add_alias(&mut self, path: &Path, inode: Inode) {
        self.aliases.insert(path.to_owned(), inode);
    }

    /// Adds a file. A current one is found by its path from now on.
    pub fn insert(&mut self, file: Tracked) {
        let id = file.source.id;
        self.reserve(id);
        self.by_inode.insert(file.inode, id);
        self.by_place.insert(Arc::clone(&file.place), id);
        if file.fate == Fate::Current {
            self.lead_to(id, shared(&file.place, file.path()));
        }
        self.files.insert(id, Box::new(file));
    }

    /// A new file is current: it is the newest generation of its path.
    pub fn found_first(&mut self, id: FileId) {
        let path = self.files.get(&id).map(|file| shared(&file.place, file.path()));
        if let Some(path) = path {
            self.lead_to(id, path);
        }
    }

    /// The path leads to the file, the newest one it ever led to.
    fn lead_to(&mut self, id: FileId, path: Arc<Path>) {
        self.by_path.insert(Arc::clone(&path), id);
        self.newest.insert(path, id);
    }

    /// A generation of `path` that was found under another name is its newest.
    pub fn set_newest(&mut self, path: &Path, id: FileId) {
        self.newest.insert(path.into(), id);
    }

    /// Restored files were entered in any order: the one with the highest id is the newest of its
    /// path.
    pub fn settle_newest(&mut self) {
        let mut files: Vec<FileId> = self.files.keys().copied().collect();
        files.sort_unstable();
        files.into_iter().for_each(|id| self.found_first(id));
    }

    /// A known file was found at `path`: from now on it is there.
    pub fn found_at(&mut self, id: FileId, path: &Path) {
        self.by_path.retain(|_, known| *known != id);
        let path = self.files.get(&id).map_or_else(|| path.into(), |file| shared(&file.place, path));
        self.by_path.insert(path, id);
    }

    /// The file's path does not lead to it any more.
    pub fn leave_path(&mut self, id: FileId) {
        self.by_path.retain(|_, known| *known != id);
    }

    /// The file is really at `place` now.
    pub fn move_to(&mut self, id: FileId, place: PathBuf) {
        let Some(file) = self.files.get_mut(&id) else { return };
        if self.by_place.get(&*file.place) == Some(&id) {
            self.by_place.remove(&*file.place);
        }
        file.place = place.into();
        self.by_place.insert(Arc::clone(&file.place), id);
    }

    /// The file has no name any more: neither its place nor its inode lead to it.
    pub fn lose_place(&mut self, id: FileId) {
        let Some(file) = self.files.get(&id) else { return };
        if self.by_place.get(&*file.place) == Some(&id) {
            self.by_place.remove(&*file.place);
        }
        if self.by_inode.get(&file.inode) == Some(&id) {
            self.by_inode.remove(&file.inode);
        }
    }

    /// The content of the file is in another file now.
    pub fn change_inode(&mut self, id: FileId, inode: Inode) {
        let Some(file) = self.files.get_mut(&id) else { return };
        if self.by_inode.get(&file.inode) == Some(&id) {
            self.by_inode.remove(&file.inode);
        }
        self.by_inode.insert(inode, id);
        file.inode = inode;
    }

    /// Paths of files that were not seen in scan `round`.
    pub fn unseen(&self, round: u64) -> Vec<(PathBuf, FileId)> {
        let unseen = |id: &FileId| self.files.get(id).is_some_and(|file| file.round != round);
        self.by_path.iter().filter(|(_, id)| unseen(id)).map(|(path, id)| (path.to_path_buf(), *id)).collect()
    }

    pub fn remove(&mut self, id: FileId) -> Option<Tracked> {
        self.lose_place(id);
        self.leave_path(id);
        let file = *self.files.remove(&id)?;
        if self.newest.get(file.path()) == Some(&id) {
            self.newest.remove(file.path());
        }
        Some(file)
    }
}
