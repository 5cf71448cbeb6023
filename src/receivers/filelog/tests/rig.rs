//! An engine over a temporary directory whose every step the test decides.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::component::StorageClient;
use crate::config::{Decoder, Node, from_yaml};
use crate::otlp::logs::{LogRecord, ResourceLogs};
use crate::otlp::{AnyValue, Attributes};
use crate::pipeline::{Data, Outcome};
use crate::telemetry::Telemetry;

use super::super::Config;
use super::super::checkpoint::Checkpoint;
use super::super::engine::Engine;
use super::super::finder::Scope;
use super::super::handoff::{Now, Outlet};
use super::super::outbox::Parcel;
use super::super::plan::{Plan, Settings};

/// Checks a config given as YAML.
pub fn plan(yaml: &str) -> Option<Plan> {
    let node: Node = from_yaml(yaml).unwrap();
    let mut decoder = Decoder::new(&node);
    let config: Config = decoder.decode()?;
    Plan::new(config, &mut decoder.issues())
}

/// What the pipeline does with batches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backend {
    Delivers,
    Refuses,
    /// Takes batches and says nothing.
    Silent,
}

pub struct Rig {
    pub dir: tempfile::TempDir,
    pub engine: Engine,
    pub telemetry: Telemetry,
    pub backend: Backend,
    pub out: Out,
    settings: Arc<Settings>,
    store: MemoryStore,
    pub now: Now,
}

/// Collects batches.
#[derive(Default)]
pub struct Out {
    sent: Vec<(u64, Vec<ResourceLogs>)>,
    /// Batches that were delivered.
    delivered: Vec<ResourceLogs>,
}

impl Outlet for Out {
    fn send(&mut self, parcel: Parcel, number: u64, _: bool) -> bool {
        let Data::Logs(logs) = parcel.data else { panic!("no logs") };
        self.sent.push((number, logs));
        true
    }
}

/// A store that outlives the engine.
#[derive(Clone, Default)]
pub struct MemoryStore {
    values: Arc<Mutex<BTreeMap<String, Vec<u8>>>>,
    pub broken: Arc<std::sync::atomic::AtomicBool>,
}

impl StorageClient for MemoryStore {
    fn get(&self, key: &str) -> std::io::Result<Option<Vec<u8>>> {
        Ok(self.values.lock().unwrap().get(key).cloned())
    }
    fn set(&mut self, key: &str, value: &[u8]) -> std::io::Result<()> {
        if self.broken.load(std::sync::atomic::Ordering::Relaxed) {
            return Err(std::io::ErrorKind::ReadOnlyFilesystem.into());
        }
        self.values.lock().unwrap().insert(key.to_owned(), value.to_vec());
        Ok(())
    }
    fn delete(&mut self, key: &str) -> std::io::Result<()> {
        self.values.lock().unwrap().remove(key);
        Ok(())
    }
}

impl Rig {
    /// `yaml` may name the directory as `DIR`; without an `include` it is `DIR/*.log`, and reading
    /// starts at the beginning.
    pub fn new(yaml: &str) -> Self {
        Self::in_dir(tempfile::tempdir().unwrap(), yaml)
    }

    pub fn in_dir(dir: tempfile::TempDir, yaml: &str) -> Self {
        let mut yaml = yaml.to_owned();
        if !yaml.contains("include:") {
            yaml.push_str("\ninclude: ['DIR/*.log']");
        }
        if !yaml.contains("start_at:") {
            yaml.push_str("\nstart_at: beginning");
        }
        let yaml = yaml.replace("DIR", dir.path().to_str().unwrap());
        let settings = plan(&yaml).expect("a valid config").settings;
        let store = MemoryStore::default();
        let telemetry = Telemetry::new();
        let checkpoint = Checkpoint::load(Box::new(store.clone())).unwrap();
        let engine = Engine::new(Arc::clone(&settings), checkpoint, &telemetry, "filelog");
        let now = Now::get();
        Self { dir, engine, telemetry, backend: Backend::Delivers, out: Out::default(), settings, store, now }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn write(&mut self, name: &str, text: impl AsRef<[u8]>) -> &mut Self {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
        self
    }

    pub fn append(&mut self, name: &str, text: impl AsRef<[u8]>) -> &mut Self {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        let mut file = std::fs::OpenOptions::new().append(true).create(true).open(path).unwrap();
        file.write_all(text.as_ref()).unwrap();
        self
    }

    pub fn rename(&mut self, from: &str, to: &str) -> &mut Self {
        std::fs::rename(self.path(from), self.path(to)).unwrap();
        self
    }

    pub fn remove(&mut self, name: &str) -> &mut Self {
        std::fs::remove_file(self.path(name)).unwrap();
        self
    }

    pub fn truncate(&mut self, name: &str) -> &mut Self {
        std::fs::OpenOptions::new().write(true).truncate(true).open(self.path(name)).unwrap();
        self
    }

    /// Time passes.
    pub fn pass(&mut self, time: Duration) -> &mut Self {
        self.now.instant += time;
        self.now.wall += time.as_nanos() as u64;
        self
    }

    /// A scan of everything, all that can be read, and the answers of the backend.
    pub fn poll(&mut self) -> &mut Self {
        self.scan();
        self.read();
        self
    }

    pub fn scan(&mut self) -> &mut Self {
        self.engine.scan(&Scope::All, self.now, &mut |_| {});
        self
    }

    pub fn read(&mut self) -> &mut Self {
        for _ in 0..10_000 {
            if !self.engine.can_read(self.now) {
                break;
            }
            self.engine.turn(self.now, &mut self.out);
            self.answer();
        }
        self.engine.tick(self.now);
        self.engine.flush(&mut self.out, false);
        self.answer();
        self
    }

    /// One turn of one file.
    pub fn turn(&mut self) -> &mut Self {
        self.engine.turn(self.now, &mut self.out);
        self.engine.flush(&mut self.out, false);
        self.answer();
        self
    }

    /// The backend answers what it has as `backend` says.
    pub fn answer(&mut self) {
        let outcome = match self.backend {
            Backend::Delivers => Outcome::Delivered,
            Backend::Refuses => Outcome::Refused,
            Backend::Silent => return,
        };
        for (number, logs) in std::mem::take(&mut self.out.sent) {
            if outcome == Outcome::Delivered {
                self.out.delivered.extend(logs);
            }
            self.engine.settle(number, outcome, self.now);
        }
    }

    /// The agent is killed and started again; `save` writes the offsets before.
    pub fn restart(&mut self, save: bool) -> &mut Self {
        if save {
            self.engine.checkpoint.save();
        }
        self.out.sent.clear();
        let checkpoint = Checkpoint::load(Box::new(self.store.clone())).unwrap();
        self.engine = Engine::new(Arc::clone(&self.settings), checkpoint, &self.telemetry, "filelog");
        self
    }

    /// Saving offsets fails from now on.
    pub fn break_store(&self) {
        self.store.broken.store(true, std::sync::atomic::Ordering::Relaxed);
    }

    pub fn save(&mut self) -> &mut Self {
        self.engine.checkpoint.save();
        self
    }

    /// Takes the delivered batches.
    pub fn take(&mut self) -> Vec<ResourceLogs> {
        std::mem::take(&mut self.out.delivered)
    }

    /// Takes the delivered records.
    pub fn records(&mut self) -> Vec<LogRecord> {
        self.take().into_iter().flat_map(|r| r.scope_logs).flat_map(|s| s.log_records).collect()
    }

    /// Takes the delivered bodies.
    pub fn lines(&mut self) -> Vec<String> {
        self.records().iter().map(body).collect()
    }

    pub fn counter(&self, name: &str) -> u64 {
        self.telemetry.total(name)
    }

    pub fn open_files(&self) -> usize {
        let dir = self.dir.path().canonicalize().unwrap();
        let fds = std::fs::read_dir("/proc/self/fd").unwrap();
        fds.flatten().filter(|fd| std::fs::read_link(fd.path()).is_ok_and(|to| to.starts_with(&dir))).count()
    }
}

pub fn body(record: &LogRecord) -> String {
    match &record.body {
        Some(AnyValue::String(text)) => text.to_string(),
        other => format!("{other:?}"),
    }
}

pub fn attribute(record: &LogRecord, key: &str) -> Option<String> {
    record.attributes.get(key).map(|value| match value {
        AnyValue::String(text) => text.to_string(),
        other => format!("{other:?}"),
    })
}

/// `line 1`, `line 2` … with their ends.
pub fn lines(range: std::ops::Range<usize>) -> String {
    range.map(|n| format!("line {n}\n")).collect()
}

/// What [`lines`] gives when it was read.
pub fn numbered(range: std::ops::Range<usize>) -> Vec<String> {
    range.map(|n| format!("line {n}")).collect()
}
