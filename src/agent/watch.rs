//! Notices that the configuration has changed: at once where the kernel tells, else at the next look.

use std::collections::BTreeSet;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crossbeam_channel::Sender;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::inotify::{self, CreateFlags, WatchFlags};

use super::signals::Signal;

/// A mounted ConfigMap changes in several steps, an editor saves in several: this long after the last.
const SETTLE: Duration = Duration::from_millis(200);

/// Watches the directories of the configuration's files.
pub struct Watcher {
    /// None where the kernel has no watch left: then only the interval counts.
    inotify: Option<OwnedFd>,
}

impl Watcher {
    /// Watches `files` from now on: made before they are read, it misses nothing.
    pub fn new(files: &[PathBuf]) -> Self {
        let inotify = inotify::init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC).ok();
        if let Some(fd) = &inotify {
            let directories: BTreeSet<&Path> = files.iter().filter_map(|file| file.parent()).collect();
            // A file is replaced by renaming another over it, a ConfigMap by renaming a symbolic link.
            let flags = WatchFlags::CLOSE_WRITE
                | WatchFlags::MOVED_TO
                | WatchFlags::CREATE
                | WatchFlags::DELETE
                | WatchFlags::ONLYDIR;
            for directory in directories {
                let directory = if directory.as_os_str().is_empty() { Path::new(".") } else { directory };
                if let Err(error) = inotify::add_watch(fd, directory, flags) {
                    log::debug!("{} is not watched, only looked at: {error}", directory.display());
                }
            }
        }
        Self { inotify }
    }

    /// Looks when something has happened, and every `interval` besides. `look` returns a digest of what
    /// the configuration says now; when it is not `seen` any more, a [`Signal::Reload`] is sent.
    pub fn start(
        self,
        interval: Duration,
        mut seen: u64,
        mut look: impl FnMut() -> u64 + Send + 'static,
        signals: Sender<Signal>,
    ) -> std::io::Result<()> {
        std::thread::Builder::new().name("config-watch".to_owned()).spawn(move || {
            loop {
                self.wait(interval);
                let now = look();
                if now != seen {
                    seen = now;
                    if signals.send(Signal::Reload).is_err() {
                        return;
                    }
                }
            }
        })?;
        Ok(())
    }

    /// Waits until something has happened and has come to rest, or `interval` has passed.
    fn wait(&self, interval: Duration) {
        let Some(fd) = &self.inotify else { return std::thread::sleep(interval) };
        let mut patience = interval;
        while readable(fd, patience) {
            let mut buffer = [MaybeUninit::uninit(); 4096];
            let mut events = inotify::Reader::new(fd, &mut buffer);
            while events.next().is_ok() {}
            patience = SETTLE;
        }
    }
}

fn readable(fd: &OwnedFd, patience: Duration) -> bool {
    let timeout = Timespec {
        tv_sec: patience.as_secs().try_into().unwrap_or(i64::MAX),
        tv_nsec: patience.subsec_nanos().into(),
    };
    let mut fds = [PollFd::from_borrowed_fd(fd.as_fd(), PollFlags::IN)];
    // A signal that interrupts the wait only means one look more.
    poll(&mut fds, Some(&timeout)).is_ok_and(|ready| ready > 0)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::time::Instant;

    use super::*;

    #[test]
    fn a_replaced_file_is_noticed_long_before_the_interval_and_an_equal_one_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("agent.yaml");
        std::fs::write(&file, "one").unwrap();
        let looks = Arc::new(AtomicU64::new(0));
        let (signals, reloads) = crossbeam_channel::unbounded();
        let (path, counted) = (file.clone(), looks.clone());
        let look = move || {
            counted.fetch_add(1, Ordering::Relaxed);
            std::fs::read(&path).map_or(0, |text| xxhash_rust::xxh3::xxh3_64(&text))
        };
        let seen = xxhash_rust::xxh3::xxh3_64(b"one");
        let watcher = Watcher::new(std::slice::from_ref(&file));
        watcher.start(Duration::from_secs(3600), seen, look, signals).unwrap();
        let replace = |text: &str| {
            let other = dir.path().join("other");
            std::fs::write(&other, text).unwrap();
            std::fs::rename(&other, &file).unwrap();
        };
        replace("one");
        let patience = Instant::now() + Duration::from_secs(10);
        while looks.load(Ordering::Relaxed) == 0 && Instant::now() < patience {
            std::thread::sleep(Duration::from_millis(10));
        }
        assert!(reloads.is_empty(), "the text is the same");
        replace("two");
        assert_eq!(reloads.recv_timeout(Duration::from_secs(10)), Ok(Signal::Reload));
    }
}
