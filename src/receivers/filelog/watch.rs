//! inotify: the kernel says which directories and files have changed, so that nobody has to look.

use std::collections::{HashMap, HashSet};
use std::ffi::OsStr;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::inotify::{self, CreateFlags, ReadFlags, WatchFlags};
use rustix::io::Errno;

/// Watches directories.
pub struct Watcher {
    fd: Option<OwnedFd>,
    directories: HashMap<i32, Directory>,
    watched: HashMap<PathBuf, i32>,
    /// Something is not watched: only looking shows what happens there.
    blind: bool,
    warned: bool,
}

struct Directory {
    path: PathBuf,
    /// Names of files that were written to since the events were taken last. Busy writers make an
    /// event a line: only the first of a file makes a path.
    written: HashSet<Vec<u8>>,
    /// Events of writes since then.
    events: usize,
}

/// Events of writes between two looks that are many.
const MANY: usize = 16;

/// What has happened.
#[derive(Debug, Default)]
pub struct Changes {
    /// Directories with files that came, went or changed their names.
    pub directories: HashSet<PathBuf>,
    /// Files that were written to.
    pub files: HashSet<PathBuf>,
    /// Directories with many events of writes, and how many.
    pub busy: Vec<(PathBuf, usize)>,
    /// Events were lost: everything may have changed.
    pub overflow: bool,
}

/// A watcher that sees nothing.
impl Default for Watcher {
    fn default() -> Self {
        Self { fd: None, directories: HashMap::new(), watched: HashMap::new(), blind: true, warned: true }
    }
}

impl Watcher {
    pub fn new() -> Self {
        let fd = inotify::init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC)
            .inspect_err(|error| {
                log::warn!("no inotify ({error}): files are looked at every poll interval");
            })
            .ok();
        let blind = fd.is_none();
        Self { fd, directories: HashMap::new(), watched: HashMap::new(), blind, warned: blind }
    }

    /// Not everything is watched: looking every poll interval is needed.
    pub fn is_blind(&self) -> bool {
        self.blind
    }

    /// Gives up on events.
    pub fn distrust(&mut self) {
        *self = Self::default();
    }

    /// Readable when something has happened.
    pub fn fd(&self) -> Option<BorrowedFd<'_>> {
        self.fd.as_ref().map(AsFd::as_fd)
    }

    /// Watches a directory from now on.
    pub fn watch(&mut self, directory: &Path) {
        if self.watched.contains_key(directory) {
            return;
        }
        let Some(fd) = &self.fd else { return };
        if !self.blind && is_remote(directory) {
            self.blind = true;
            log::info!(
                "{} is on a file system that does not report all changes: files are looked at \
                 every poll interval",
                directory.display()
            );
        }
        match inotify::add_watch(fd, directory, names() | WatchFlags::MODIFY) {
            Ok(wd) => self.enter(wd, directory),
            Err(Errno::NOENT | Errno::NOTDIR) => {}
            Err(error) => {
                self.blind = true;
                if !self.warned {
                    self.warned = true;
                    let remedy =
                        if error == Errno::NOSPC { "; raise fs.inotify.max_user_watches" } else { "" };
                    log::warn!(
                        "cannot watch {} ({error}): files are looked at every poll interval{remedy}",
                        directory.display()
                    );
                }
            }
        }
    }

    /// Tells no more of writes to the directory's files. False when it is not watched.
    pub fn mute(&mut self, directory: &Path) -> bool {
        self.set_flags(directory, names())
    }

    /// Tells of writes again.
    pub fn unmute(&mut self, directory: &Path) {
        self.set_flags(directory, names() | WatchFlags::MODIFY);
    }

    fn set_flags(&mut self, directory: &Path, flags: WatchFlags) -> bool {
        let (Some(fd), true) = (&self.fd, self.watched.contains_key(directory)) else { return false };
        // A directory that has gone says so itself; another one in its place is watched from now on.
        inotify::add_watch(fd, directory, flags).is_ok_and(|wd| {
            if self.watched.get(directory) != Some(&wd) {
                self.enter(wd, directory);
            }
            true
        })
    }

    fn enter(&mut self, wd: i32, directory: &Path) {
        let path = directory.to_owned();
        self.directories.insert(wd, Directory { path, written: HashSet::new(), events: 0 });
        self.watched.insert(directory.to_owned(), wd);
    }

    /// Takes all events there are.
    pub fn take(&mut self) -> Changes {
        let mut changes = Changes::default();
        let Some(fd) = &self.fd else { return changes };
        let mut buffer = [MaybeUninit::uninit(); 16 << 10];
        let mut reader = inotify::Reader::new(fd, &mut buffer);
        let mut written = Vec::new();
        let mut ignored = Vec::new();
        loop {
            let event = match reader.next() {
                Ok(event) => event,
                Err(Errno::INTR) => continue,
                Err(_) => break,
            };
            let kind = event.events();
            if kind.contains(ReadFlags::QUEUE_OVERFLOW) {
                changes.overflow = true;
                continue;
            }
            if kind.contains(ReadFlags::IGNORED) {
                ignored.push(event.wd());
                continue;
            }
            let Some(directory) = self.directories.get_mut(&event.wd()) else { continue };
            let name = event.file_name().map(std::ffi::CStr::to_bytes).unwrap_or_default();
            if kind == ReadFlags::MODIFY {
                directory.events += 1;
                if !directory.written.contains(name) {
                    if directory.written.is_empty() {
                        written.push(event.wd());
                    }
                    directory.written.insert(name.to_vec());
                }
            } else if !changes.directories.contains(&directory.path) {
                changes.directories.insert(directory.path.clone());
            }
        }
        for wd in written {
            let Some(Directory { path, written, events }) = self.directories.get_mut(&wd) else { continue };
            let (names, events) = (std::mem::take(written), std::mem::take(events));
            if events >= MANY {
                changes.busy.push((path.clone(), events));
            }
            changes.files.extend(names.iter().map(|name| path.join(OsStr::from_bytes(name))));
        }
        for wd in ignored {
            if let Some(directory) = self.directories.remove(&wd)
                && self.watched.get(&directory.path) == Some(&wd)
            {
                self.watched.remove(&directory.path);
            }
        }
        changes
    }
}

/// Changes of what is in a directory, and of itself.
fn names() -> WatchFlags {
    WatchFlags::CREATE
        | WatchFlags::DELETE
        | WatchFlags::MOVED_FROM
        | WatchFlags::MOVED_TO
        | WatchFlags::DELETE_SELF
        | WatchFlags::MOVE_SELF
        | WatchFlags::ONLYDIR
}

/// Whether others may change files there without this kernel's knowledge: network, cluster and
/// user-space file systems. The numbers are those of `statfs(2)`.
fn is_remote(directory: &Path) -> bool {
    const REMOTE: [u32; 12] = [
        0x6969,      // NFS
        0x517B,      // SMB
        0xFF53_4D42, // CIFS
        0xFE53_4D42, // SMB2
        0x6573_5546, // FUSE
        0x0102_1997, // 9P
        0x5346_414F, // AFS
        0x00C3_6400, // Ceph
        0x0BD0_0BD0, // Lustre
        0x0116_1970, // GFS2
        0x7461_636F, // OCFS2
        0x4750_4653, // GPFS
    ];
    rustix::fs::statfs(directory).is_ok_and(|found| REMOTE.contains(&(found.f_type as u32)))
}
