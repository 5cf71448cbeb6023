//! An engine over a temporary directory whose every step the test decides.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use crate::component::StorageClient;
use crate::config::{Decoder, Node, from_yaml};
use crate::otlp::logs::LogRecord;
use crate::otlp::{AnyValue, Attributes};
use crate::pipeline::{Data, Outcome};
use crate::telemetry::Telemetry;

use super::super::super::filelog::handoff::{Now, Outlet};
use super::super::super::filelog::outbox::Parcel;
use super::super::Config;
use super::super::engine::Engine;
use super::super::plan::Plan;

/// Checks a config given as YAML; the messages when something is wrong.
pub fn plan(yaml: &str) -> Result<Plan, String> {
    let node: Node = from_yaml(yaml)?;
    let mut decoder = Decoder::new(&node);
    let plan = decoder.decode::<Config>().and_then(|config| Plan::new(config, &mut decoder.issues()));
    let found: Vec<String> = decoder.found().iter().map(ToString::to_string).collect();
    plan.ok_or_else(|| found.join("\n"))
}

/// Unpacks a journal file of `tests/fixtures/journal` into `directory`.
pub fn fixture(name: &str, directory: &Path) {
    std::fs::write(directory.join(name), unpacked(&format!("{name}.gz"))).unwrap();
}

pub fn unpacked(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/journal").join(name);
    let mut content = Vec::new();
    flate2::read::GzDecoder::new(std::fs::File::open(path).unwrap()).read_to_end(&mut content).unwrap();
    content
}

/// A store that outlives the engine.
#[derive(Clone, Default)]
pub struct MemoryStore(Arc<Mutex<BTreeMap<String, Vec<u8>>>>);

impl StorageClient for MemoryStore {
    fn get(&self, key: &str) -> std::io::Result<Option<Vec<u8>>> {
        Ok(self.0.lock().unwrap().get(key).cloned())
    }
    fn set(&mut self, key: &str, value: &[u8]) -> std::io::Result<()> {
        self.0.lock().unwrap().insert(key.to_owned(), value.to_vec());
        Ok(())
    }
    fn delete(&mut self, key: &str) -> std::io::Result<()> {
        self.0.lock().unwrap().remove(key);
        Ok(())
    }
}

#[derive(Default)]
struct Out(Vec<(u64, Vec<LogRecord>)>);

impl Outlet for Out {
    fn send(&mut self, parcel: Parcel, number: u64, _: bool) -> bool {
        let Data::Logs(logs) = parcel.data else { panic!("no logs") };
        let records = logs.into_iter().flat_map(|r| r.scope_logs).flat_map(|s| s.log_records).collect();
        self.0.push((number, records));
        true
    }
}

pub struct Rig {
    pub dir: Arc<tempfile::TempDir>,
    pub engine: Engine,
    pub telemetry: Telemetry,
    yaml: String,
    store: MemoryStore,
    out: Out,
}

impl Rig {
    /// Reads the directory from the beginning unless `yaml` says otherwise.
    pub fn new(yaml: &str) -> Self {
        Self::over(Arc::new(tempfile::tempdir().unwrap()), yaml)
    }

    pub fn over(dir: Arc<tempfile::TempDir>, yaml: &str) -> Self {
        let start = if yaml.contains("start_at") { "" } else { "start_at: beginning" };
        let yaml = format!("directory: {}\n{start}\n{yaml}", dir.path().display());
        Self::with(dir, yaml, MemoryStore::default())
    }

    fn with(dir: Arc<tempfile::TempDir>, yaml: String, store: MemoryStore) -> Self {
        let telemetry = Telemetry::new();
        let settings = plan(&yaml).unwrap_or_else(|error| panic!("{yaml}: {error}")).settings;
        let engine = Engine::new(settings, Some(Box::new(store.clone())), &telemetry, "journald");
        Self { dir, engine, telemetry, yaml, store, out: Out::default() }
    }

    /// The agent ends without a word and starts again.
    pub fn restart(self) -> Self {
        Self::with(self.dir, self.yaml, self.store)
    }

    /// Reads all there is; records that are on their way.
    pub fn read(&mut self) -> Vec<LogRecord> {
        let now = Now::get();
        self.engine.end_pause(Now { instant: Instant::now() + std::time::Duration::from_secs(60), ..now });
        self.engine.look(&mut |_| ());
        while self.engine.turn(now, &mut self.out) {}
        self.engine.tick(now, &mut self.out);
        self.out.0.iter().flat_map(|(_, records)| records.iter().cloned()).collect()
    }

    /// The pipeline says what became of all batches on their way.
    pub fn settle(&mut self, outcome: Outcome) {
        for (number, _) in std::mem::take(&mut self.out.0) {
            self.engine.settle(number, outcome, Now::get());
        }
        self.engine.save_position();
    }

    /// Reads and delivers; the messages.
    pub fn messages(&mut self) -> Vec<String> {
        let records = self.read();
        self.settle(Outcome::Delivered);
        messages(&records)
    }
}

pub fn messages(records: &[LogRecord]) -> Vec<String> {
    records.iter().map(|record| field(record, "MESSAGE").as_str().unwrap_or("?").to_owned()).collect()
}

pub fn field(record: &LogRecord, name: &str) -> AnyValue {
    match &record.body {
        Some(AnyValue::Map(map)) => map.get(name).cloned().unwrap_or_default(),
        other => panic!("no map: {other:?}"),
    }
}
