//! Which container a cgroup is, by the cgroup's id.

use std::collections::HashMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::cgroup_path::{Container, container};

/// Containers by the id of their cgroup. Those that are gone are kept for a while: their traffic is
/// counted until the end of the interval, and longer by those who ask late.
pub struct Owners {
    /// Folder in which the tree of cgroups is mounted; `None` when there is none to read.
    root: Option<PathBuf>,
    known: HashMap<u64, Known>,
    scanned: Option<Instant>,
}

struct Known {
    container: Option<Arc<Container>>,
    seen: Instant,
}

const KEEP: Duration = Duration::from_mins(10);
/// Between two walks through the tree, which a node of hundreds of pods feels.
const SCAN_PAUSE: Duration = Duration::from_secs(5);
/// Cgroups that are remembered; a node has some thousands.
const MOST: usize = 65_536;
const DEEPEST: usize = 32;

impl Owners {
    pub fn new(root: Option<PathBuf>) -> Self {
        Self { root, known: HashMap::new(), scanned: None }
    }

    /// A cgroup that was made.
    pub fn learn(&mut self, id: u64, path: &str, now: Instant) {
        if self.known.len() < MOST {
            let container = container(path).map(Arc::new);
            self.known.insert(id, Known { container, seen: now });
        }
    }

    /// Whether the cgroup is known, and then the container that is in it.
    pub fn container(&mut self, id: u64, now: Instant) -> Option<Option<Arc<Container>>> {
        // 1 is the root, which has no container.
        if id <= 1 {
            return Some(None);
        }
        if let Some(known) = self.known.get_mut(&id) {
            known.seen = now;
            return Some(known.container.clone());
        }
        self.scan(now);
        self.known.get(&id).map(|known| known.container.clone())
    }

    /// Forgets what is long gone.
    pub fn sweep(&mut self, now: Instant) {
        self.known.retain(|_, known| now.duration_since(known.seen) < KEEP);
    }

    fn scan(&mut self, now: Instant) {
        let Some(root) = self.root.clone() else { return };
        if self.scanned.is_some_and(|scanned| now.duration_since(scanned) < SCAN_PAUSE) {
            return;
        }
        self.scanned = Some(now);
        self.walk(&root, "", 0, now);
    }

    fn walk(&mut self, folder: &Path, path: &str, depth: usize, now: Instant) {
        let Ok(entries) = fs::read_dir(folder) else { return };
        for entry in entries.flatten() {
            if depth >= DEEPEST || !entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                continue;
            }
            let Ok(metadata) = entry.metadata() else { continue };
            let path = format!("{path}/{}", entry.file_name().to_string_lossy());
            if !self.known.contains_key(&metadata.ino()) {
                self.learn(metadata.ino(), &path, now);
            }
            self.walk(&entry.path(), &path, depth + 1, now);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_container_is_known_after_its_cgroup_is_gone() {
        let root = tempfile::tempdir().unwrap();
        let id = "ab".repeat(32);
        let folder = root.path().join("kubepods").join("pod5c8b5f5e-7d2c-4c55-9b7e-52a0d7e1c111").join(&id);
        fs::create_dir_all(&folder).unwrap();
        let number = fs::metadata(&folder).unwrap().ino();
        let now = Instant::now();
        let mut owners = Owners::new(Some(root.path().to_owned()));
        assert_eq!(owners.container(number, now).unwrap().unwrap().id, id);
        fs::remove_dir_all(root.path().join("kubepods")).unwrap();
        owners.sweep(now + Duration::from_mins(5));
        assert!(owners.container(number, now + Duration::from_mins(5)).unwrap().is_some());
        owners.sweep(now + Duration::from_mins(16));
        assert!(owners.container(number, now + Duration::from_mins(16)).is_none());
    }

    #[test]
    fn a_cgroup_that_came_and_went_between_two_readings_is_known_by_its_event() {
        let mut owners = Owners::new(None);
        let now = Instant::now();
        owners.learn(7, &format!("/docker/{}", "cd".repeat(32)), now);
        owners.learn(8, "/system.slice/cron.service", now);
        assert_eq!(owners.container(7, now).unwrap().unwrap().id, "cd".repeat(32));
        assert_eq!(owners.container(8, now), Some(None));
        assert_eq!(owners.container(9, now), None);
    }
}
