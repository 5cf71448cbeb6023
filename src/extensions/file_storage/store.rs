//! The directory with the files of all components.

use std::fmt::Write as _;
use std::fs::File;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, flock};

use crate::component::{Storage, StorageClient};
use crate::telemetry::{Counter, Telemetry};

use super::Config;
use super::journal::{Found, Journal};

/// How often a file that somebody else has locked is tried again.
const LOCK_CHECK: Duration = Duration::from_millis(20);

/// The storage that components see.
#[derive(Debug)]
pub struct Store {
    config: Config,
    torn: Counter,
    damaged: Counter,
}

/// The values of one component.
struct Client {
    journal: Journal,
    /// Held as long as the client lives.
    _lock: Option<File>,
}

impl Store {
    pub fn open(config: Config, mode: u32, telemetry: &Telemetry) -> io::Result<Self> {
        let directory = &config.directory;
        let named = |error: io::Error, what: &str| {
            io::Error::new(error.kind(), format!("{} {what}: {error}", directory.display()))
        };
        if config.create_directory {
            std::fs::DirBuilder::new()
                .recursive(true)
                .mode(mode)
                .create(directory)
                .map_err(|error| named(error, "cannot be created"))?;
        }
        let metadata = std::fs::metadata(directory)
            .map_err(|error| named(error, "must exist (or set create_directory: true)"))?;
        if !metadata.is_dir() {
            return Err(io::Error::new(
                io::ErrorKind::NotADirectory,
                format!("{} is no directory", directory.display()),
            ));
        }
        if config.compaction.cleanup_on_start {
            remove_leftovers(directory);
        }
        let counter =
            |reason| telemetry.counter("otelcol_extension_file_storage_errors", &[("reason", reason)]);
        Ok(Self { torn: counter("torn_write"), damaged: counter("damaged_file"), config })
    }

    fn path_of(&self, owner: &str) -> PathBuf {
        self.config.directory.join(file_name(owner))
    }
}

impl Storage for Store {
    fn client(&self, owner: &str) -> io::Result<Box<dyn StorageClient>> {
        let path = self.path_of(owner);
        let lock = lock(&path.with_extension("lock"), self.config.timeout)?;
        let (mut journal, found) = Journal::open(&path, self.config.max_size.0, self.config.fsync)?;
        match found {
            Found::Sound => {}
            Found::Torn => {
                self.torn.add(1);
                log::info!("{}: the last write was interrupted and is left out", path.display());
            }
            Found::Damaged(aside) => {
                self.damaged.add(1);
                log::error!(
                    "{} was damaged: it is kept as {}, and what came before the damage is used",
                    path.display(),
                    aside.display()
                );
            }
        }
        if self.config.compaction.on_start {
            journal.compact()?;
        }
        Ok(Box::new(Client { journal, _lock: lock }))
    }

    fn directory(&self) -> &Path {
        &self.config.directory
    }

    fn path(&self, owner: &str) -> PathBuf {
        self.path_of(owner)
    }

    fn fsync(&self) -> bool {
        self.config.fsync
    }

    fn max_size(&self) -> u64 {
        self.config.max_size.0
    }
}

impl StorageClient for Client {
    fn get(&self, key: &str) -> io::Result<Option<Vec<u8>>> {
        Ok(self.journal.get(key).map(<[u8]>::to_vec))
    }

    fn set(&mut self, key: &str, value: &[u8]) -> io::Result<()> {
        self.journal.write(&[(key.to_owned(), Some(value.to_vec()))])
    }

    fn delete(&mut self, key: &str) -> io::Result<()> {
        self.journal.write(&[(key.to_owned(), None)])
    }

    fn write(&mut self, batch: &[(String, Option<Vec<u8>>)]) -> io::Result<()> {
        self.journal.write(batch)
    }
}

/// Waits until nobody else has the file. `None` where nothing can be written: then nobody does.
fn lock(path: &Path, timeout: Duration) -> io::Result<Option<File>> {
    let file = match File::options().create(true).append(true).open(path) {
        Ok(file) => file,
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::PermissionDenied
            ) =>
        {
            return Ok(None);
        }
        Err(error) => return Err(error),
    };
    let deadline = Instant::now() + timeout;
    while flock(&file, FlockOperation::NonBlockingLockExclusive).is_err() {
        if Instant::now() >= deadline {
            let message = format!("{} is in use by another process", path.display());
            return Err(io::Error::new(io::ErrorKind::ResourceBusy, message));
        }
        std::thread::sleep(LOCK_CHECK);
    }
    Ok(Some(file))
}

/// The name of a component's file: what is not safe in a name becomes `~` and its code point.
fn file_name(owner: &str) -> String {
    let mut name = String::with_capacity(owner.len());
    for c in owner.chars() {
        if c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_') && !name.is_empty() {
            name.push(c);
        } else {
            // Writing to a string cannot fail.
            let _ = write!(name, "~{:04X}", u32::from(c));
        }
    }
    name.replace('.', "~002E")
}

fn remove_leftovers(directory: &Path) {
    for item in std::fs::read_dir(directory).into_iter().flatten().flatten() {
        if item.path().extension().is_some_and(|extension| extension == "tmp")
            && let Err(error) = std::fs::remove_file(item.path())
        {
            log::warn!("{} cannot be removed: {error}", item.path().display());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn store(directory: &Path, create: bool) -> io::Result<Store> {
        let config = Config {
            directory: directory.to_owned(),
            create_directory: create,
            timeout: Duration::ZERO,
            ..Config::default()
        };
        Store::open(config, 0o750, &Telemetry::new())
    }

    #[test]
    fn components_have_files_of_their_own() {
        let dir = tempfile::tempdir().unwrap();
        let store = store(&dir.path().join("new"), true).unwrap();
        let mut one = store.client("receiver_filelog_containers").unwrap();
        let mut two = store.client("exporter_otlphttp_/../x").unwrap();
        one.set("key", b"1").unwrap();
        two.set("key", b"2").unwrap();
        assert!(store.client("receiver_filelog_containers").is_err(), "it is in use");
        drop(one);
        let one = store.client("receiver_filelog_containers").unwrap();
        assert_eq!(one.get("key").unwrap().as_deref(), Some(&b"1"[..]));
        assert!(dir.path().join("new/receiver_filelog_containers").exists());
        assert!(dir.path().join("new/exporter_otlphttp_~002F~002E~002E~002Fx").exists());
    }

    #[test]
    fn a_missing_directory_says_what_to_do() {
        let error = store(Path::new("/nowhere/at/all"), false).unwrap_err().to_string();
        assert!(error.contains("create_directory: true"), "{error}");
    }
}
