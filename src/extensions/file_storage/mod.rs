//! The `file_storage` extension: keeps the state of components (offsets of files, queues) in a
//! directory, one small append-only file per component.

mod journal;
mod store;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;

use crate::component::{
    BuildError, Context, Extension, ExtensionConfig, ExtensionType, RunningExtension, Storage,
    decode_extension,
};
use crate::config::Issues;
use crate::config::types::{ByteSize, duration};
use crate::telemetry::StatusBoard;

pub static TYPE: ExtensionType =
    ExtensionType { name: "file_storage", aliases: &[], signals: &[], decode: decode_extension::<Config> };

/// Keys of the `file_storage` extension.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    pub directory: PathBuf,
    /// Create the directory when it is missing.
    pub create_directory: bool,
    /// Octal permissions of a directory that is created.
    pub directory_permissions: String,
    /// Bytes a component may keep; 0 = no limit.
    pub max_size: ByteSize,
    /// How long to wait for another process to let go of a file.
    #[serde(deserialize_with = "duration")]
    pub timeout: Duration,
    /// Wait for the disk after every write: state survives a power loss without gaps.
    pub fsync: bool,
    /// Accepted; a damaged file is always moved aside.
    pub recreate: bool,
    pub compaction: Compaction,
}

/// When files are written anew without what was overwritten. Most keys are accepted only: a file
/// is compacted when three quarters of it are stale.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Compaction {
    /// Compact every file when it is opened.
    pub on_start: bool,
    pub on_rebound: bool,
    /// Accepted; files are compacted in place.
    pub directory: Option<PathBuf>,
    pub rebound_needed_threshold_mib: u64,
    pub rebound_trigger_threshold_mib: u64,
    pub max_transaction_size: u64,
    #[serde(deserialize_with = "duration")]
    pub check_interval: Duration,
    /// Remove what a compaction that was interrupted left behind.
    pub cleanup_on_start: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            directory: PathBuf::from("/var/lib/otelcol/file_storage"),
            create_directory: false,
            directory_permissions: "0750".to_owned(),
            max_size: ByteSize(0),
            timeout: Duration::from_secs(1),
            fsync: false,
            recreate: false,
            compaction: Compaction::default(),
        }
    }
}

impl Default for Compaction {
    fn default() -> Self {
        Self {
            on_start: false,
            on_rebound: false,
            directory: None,
            rebound_needed_threshold_mib: 100,
            rebound_trigger_threshold_mib: 10,
            max_transaction_size: 65_536,
            check_interval: Duration::from_secs(5),
            cleanup_on_start: false,
        }
    }
}

impl Config {
    fn permissions(&self) -> Option<u32> {
        u32::from_str_radix(&self.directory_permissions, 8).ok().filter(|mode| *mode <= 0o7777)
    }
}

impl ExtensionConfig for Config {
    fn validate(&self, issues: &mut Issues<'_>) {
        if self.directory.as_os_str().is_empty() {
            issues.error("directory", "must not be empty: name the directory for the state of components");
        }
        if self.permissions().is_none() {
            issues.error("directory_permissions", "must be octal permissions such as \"0750\"");
        }
    }

    fn build(&self, context: Context, _: StatusBoard) -> Result<Box<dyn Extension>, BuildError> {
        Ok(Box::new(FileStorage { config: self.clone(), context }))
    }
}

struct FileStorage {
    config: Config,
    context: Context,
}

struct Running {
    store: Arc<store::Store>,
}

impl Extension for FileStorage {
    fn start(self: Box<Self>) -> Result<Box<dyn RunningExtension>, BuildError> {
        let mode = self.config.permissions().unwrap_or(0o750);
        let store = store::Store::open(self.config, mode, &self.context.telemetry)
            .map_err(|error| BuildError::new(format!("file_storage: {error}")))?;
        Ok(Box::new(Running { store: Arc::new(store) }))
    }
}

impl RunningExtension for Running {
    fn storage(&self) -> Option<Arc<dyn Storage>> {
        Some(Arc::clone(&self.store) as Arc<dyn Storage>)
    }
}
