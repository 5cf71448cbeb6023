//! Directories whose files are written to all the time. An event for every line costs its writer and
//! this thread more than looking at the files now and then, so events of writes are off there while
//! that goes on.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::engine::Engine;
use super::entry::FileId;
use super::handoff::Now;
use super::registry::Fate;
use super::watch::Watcher;

/// Between two looks at the files: a line is to be on its way within 100 ms.
pub const LOOK_EVERY: Duration = Duration::from_millis(90);
/// After so many looks it is judged again whether the writers are busy.
const LOOKS: u32 = 11;

/// The directories, and the files in them.
#[derive(Default)]
pub struct Busy {
    directories: HashMap<PathBuf, Rush>,
    next: Option<Instant>,
}

struct Rush {
    files: Vec<FileId>,
    /// Bytes that were there at the last look.
    read: u64,
    looks: u32,
    /// Looks that found more than the one before.
    grown: u32,
}

impl Busy {
    /// Looks at the directory's files instead of waiting for events, if that is less work: there were
    /// `events` since the last time.
    pub fn enter(&mut self, directory: &Path, events: usize, engine: &Engine, watcher: &mut Watcher) {
        let files = engine.files_in(directory);
        if files.len() * 2 <= events && watcher.mute(directory) {
            let read = engine.extent(&files);
            self.directories.insert(directory.to_owned(), Rush { files, read, looks: 0, grown: 0 });
        }
    }

    /// When the next look is due.
    pub fn next(&self) -> Option<Instant> {
        self.next.filter(|_| !self.directories.is_empty())
    }

    /// Looks at the files if that is due, and leaves calm directories to events again.
    pub fn look(&mut self, engine: &mut Engine, watcher: &mut Watcher, now: Now) {
        if self.next.is_some_and(|next| now.instant < next) {
            return;
        }
        self.next = Some(now.instant + LOOK_EVERY);
        self.directories.retain(|directory, rush| {
            let stays = rush.is_busy(engine.extent(&rush.files));
            if !stays {
                watcher.unmute(directory);
            }
            // Also of one that is left: what was written before the events came again.
            rush.files.iter().for_each(|id| engine.notice(*id, now));
            stays
        });
    }

    /// Leaves all directories to events: which files are in them may have changed.
    pub fn leave_all(&mut self, engine: &mut Engine, watcher: &mut Watcher, now: Now) {
        for (directory, rush) in self.directories.drain() {
            watcher.unmute(&directory);
            rush.files.iter().for_each(|id| engine.notice(*id, now));
        }
    }
}

impl Rush {
    fn is_busy(&mut self, read: u64) -> bool {
        self.looks += 1;
        self.grown += u32::from(read != self.read);
        self.read = read;
        if self.looks < LOOKS {
            return true;
        }
        let busy = self.grown > LOOKS / 2;
        (self.looks, self.grown) = (0, 0);
        busy
    }
}

impl Engine {
    /// The files that are really in the directory.
    fn files_in(&self, directory: &Path) -> Vec<FileId> {
        let files = self.registry.files.iter();
        let here = files.filter(|(_, file)| {
            file.fate != Fate::Gone && file.copy_of.is_none() && file.place.parent() == Some(directory)
        });
        here.map(|(id, _)| *id).collect()
    }

    /// Bytes that were seen of these files together.
    fn extent(&self, files: &[FileId]) -> u64 {
        let files = files.iter().filter_map(|id| self.registry.get(*id));
        files.map(|file| file.next.offset + file.rest as u64).sum()
    }
}
