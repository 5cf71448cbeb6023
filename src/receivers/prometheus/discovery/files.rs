//! `file_sd_configs`: targets from files that somebody else writes.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use globset::Glob;

use super::Provider;
use super::groups::{Group, targets_from};
use crate::config::from_yaml;
use crate::pipeline::Stop;
use crate::receivers::prometheus::config::scrape::FileSdConfig;
use crate::receivers::prometheus::scrape::LabelSet;
use crate::telemetry::Causes;

/// Files, watched by looking at them.
pub struct Files {
    patterns: Vec<String>,
    read: BTreeMap<PathBuf, Read>,
    said: Causes<String>,
    first: bool,
}

struct Read {
    stamp: Stamp,
    targets: Vec<LabelSet>,
}

/// Inode, size and time of change.
type Stamp = (u64, u64, i64, i64);

/// A look at the files costs little.
const PAUSE: Duration = Duration::from_secs(2);
/// Bytes of one file.
const LARGEST: u64 = 16 << 20;
/// Files that one pattern may mean.
const MOST: usize = 1000;

impl Files {
    pub fn new(config: &FileSdConfig) -> Self {
        Self { patterns: config.files.clone(), read: BTreeMap::new(), said: Causes::new(), first: true }
    }

    fn paths(&self) -> Vec<PathBuf> {
        self.patterns.iter().flat_map(|pattern| expand(pattern)).collect()
    }

    fn load(path: &Path, size: u64) -> Result<Vec<LabelSet>, String> {
        if size > LARGEST {
            return Err(format!("it has more than {LARGEST} bytes"));
        }
        let text = std::fs::read_to_string(path).map_err(|error| error.to_string())?;
        let groups: Vec<Group> = match path.extension().and_then(|ending| ending.to_str()) {
            Some("json") => serde_json::from_str(&text).map_err(|error| error.to_string())?,
            _ if text.trim().is_empty() => Vec::new(),
            _ => from_yaml(&text)?,
        };
        let mut targets = Vec::new();
        targets_from(&groups, "__meta_filepath", &path.display().to_string(), &mut targets);
        Ok(targets)
    }
}

impl Provider for Files {
    fn look(&mut self, _: &Stop) -> Option<Vec<LabelSet>> {
        let paths = self.paths();
        let before = self.read.len();
        self.read.retain(|path, _| paths.contains(path));
        let mut changed = self.first || self.read.len() != before;
        self.first = false;
        for path in paths {
            let Ok(meta) = std::fs::metadata(&path) else { continue };
            let stamp = (meta.ino(), meta.len(), meta.mtime(), meta.mtime_nsec());
            if self.read.get(&path).is_some_and(|read| read.stamp == stamp) {
                continue;
            }
            match Self::load(&path, meta.len()) {
                Ok(targets) => {
                    self.read.insert(path, Read { stamp, targets });
                    changed = true;
                }
                // A file in the middle of being written: what it said before still holds.
                Err(error) => {
                    let message = format!("{} is not used: {error}", path.display());
                    if let Some(read) = self.read.get_mut(&path) {
                        read.stamp = stamp;
                    }
                    if self.said.is_new(message.clone()) {
                        log::warn!("file_sd_configs: {message}");
                    }
                }
            }
        }
        changed.then(|| self.read.values().flat_map(|read| read.targets.iter().cloned()).collect())
    }

    fn pause(&self) -> Duration {
        PAUSE
    }
}

/// The files that a path with `*` in its last part means.
fn expand(pattern: &str) -> Vec<PathBuf> {
    let path = Path::new(pattern);
    if !pattern.contains(['*', '?', '[']) {
        return vec![path.to_owned()];
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let Some(Ok(glob)) = path.file_name().and_then(|name| name.to_str()).map(Glob::new) else {
        return Vec::new();
    };
    let glob = glob.compile_matcher();
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let mut paths: Vec<_> = entries
        .flatten()
        .filter(|entry| glob.is_match(entry.file_name()))
        .map(|entry| entry.path())
        .take(MOST)
        .collect();
    paths.sort();
    paths
}
