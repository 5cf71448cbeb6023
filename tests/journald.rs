//! The journal of a machine with the real binary: entries of the files that journald writes arrive at
//! a backend, each once, over growth, rotation and restarts.

use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use kmagent::otlp::{AnyValue, Attributes};
use kmagent::pipeline::Data;

use crate::support::agent::{Agent, wait_for};
use crate::support::sink::{Reply, TestSink};

/// Entries of a recorded file.
const ENTRIES: u64 = 120;
/// Where the header of a journal file says how many entries there are.
const N_ENTRIES: u64 = 152;

/// A machine whose journal is in a folder.
struct Machine {
    dir: tempfile::TempDir,
    sink: TestSink,
}

impl Machine {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("journal")).unwrap();
        Self { dir, sink: TestSink::new() }
    }

    fn journal(&self, name: &str) -> PathBuf {
        self.dir.path().join("journal").join(name)
    }

    /// Writes a recorded file with its first entries alone.
    fn record(&self, fixture: &str, name: &str, entries: u64) {
        let packed = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/journal").join(fixture);
        let mut content = Vec::new();
        flate2::read::GzDecoder::new(File::open(packed).unwrap()).read_to_end(&mut content).unwrap();
        content[N_ENTRIES as usize..][..8].copy_from_slice(&entries.to_le_bytes());
        fs::write(self.journal(name), content).unwrap();
    }

    /// So many entries are in the file from now on.
    fn grow(&self, name: &str, entries: u64) {
        let file = File::options().write(true).open(self.journal(name)).unwrap();
        file.write_all_at(&entries.to_le_bytes(), N_ENTRIES).unwrap();
    }

    /// The agent, which selects by `chosen` and keeps its position in the folder.
    fn start(&self, chosen: &str) -> Agent {
        let config = format!(
            "\
receivers:
  journald:
    directory: {root}/journal
    start_at: beginning
    storage: file_storage
    {chosen}
    retry_on_failure: {{ initial_interval: 20ms, max_interval: 100ms }}
exporters:
  otlphttp:
    endpoint: {url}
    retry_on_failure: {{ initial_interval: 20ms, max_interval: 100ms }}
extensions:
  file_storage: {{ directory: {root}/storage, create_directory: true }}
service:
  extensions: [health_check, file_storage]
  pipelines:
    logs: {{ receivers: [journald], exporters: [otlphttp] }}
",
            root = self.dir.path().display(),
            url = self.sink.url()
        );
        let mut agent = Agent::start(self.dir.path(), &config);
        agent.wait_ready();
        agent
    }

    /// A text field of every entry that the backend accepted, in order of arrival.
    fn arrived(&self, field: &str) -> Vec<String> {
        let mut texts = Vec::new();
        for data in self.sink.accepted() {
            let Data::Logs(resources) = data else { panic!("only logs are sent") };
            let scopes = resources.into_iter().flat_map(|resource| resource.scope_logs);
            for record in scopes.flat_map(|scope| scope.log_records) {
                let Some(AnyValue::Map(body)) = &record.body else { panic!("the body is a map of fields") };
                texts.push(body.get_str(field).unwrap_or_default().to_owned());
            }
        }
        texts
    }

    fn wait_for(&self, entries: usize) {
        wait_for("the entries", || self.arrived("__CURSOR").len() >= entries);
    }

    /// Fails unless exactly so many entries arrived, none of them twice, those of a file in order.
    fn assert_once(&self, entries: usize) {
        let cursors = self.arrived("__CURSOR");
        let mut places: Vec<(&str, u64)> = cursors.iter().map(|cursor| place(cursor)).collect();
        for file in ["0695161d7afa41febfc39d683b8190cf", "7e8ed32a63c840b7b6d15fcf0379dcc7"] {
            let numbers = places.iter().filter(|(id, _)| *id == file).map(|(_, number)| *number);
            assert!(numbers.is_sorted(), "out of order: {cursors:?}");
        }
        places.sort_unstable();
        places.dedup();
        assert_eq!((cursors.len(), places.len()), (entries, entries), "{cursors:?}");
    }
}

/// Who numbered the entry, and its number.
fn place(cursor: &str) -> (&str, u64) {
    let part = |name: &str| cursor.split(';').find_map(|part| part.strip_prefix(name)).unwrap();
    (part("s="), u64::from_str_radix(part("i="), 16).unwrap())
}

/// Entries with a priority among the first of a recorded file: one in ten has none.
fn with_priority(entries: u64) -> usize {
    (entries - entries / 10) as usize
}

#[test]
fn a_journal_is_followed_over_growth_rotation_and_restarts_each_entry_once() {
    let machine = Machine::new();
    let chosen = "priority: debug";
    machine.record("compact.journal.gz", "system.journal", 40);
    let agent = machine.start(chosen);
    machine.wait_for(with_priority(40));
    machine.grow("system.journal", 80);
    machine.wait_for(with_priority(80));
    assert!(agent.terminate().0.success());
    machine.assert_once(with_priority(80));

    // While the agent is away entries are added, the file is rotated and another one begins.
    machine.grow("system.journal", ENTRIES);
    fs::rename(machine.journal("system.journal"), machine.journal("system@0695161d-1-64.journal")).unwrap();
    machine.record("plain.journal.gz", "system.journal", 20);
    let agent = machine.start(chosen);
    machine.wait_for(with_priority(ENTRIES) + with_priority(20));
    machine.grow("system.journal", ENTRIES);
    machine.wait_for(2 * with_priority(ENTRIES));
    assert!(agent.terminate().0.success());
    machine.assert_once(2 * with_priority(ENTRIES));
}

#[test]
fn entries_that_no_backend_took_are_read_again_after_a_kill() {
    let machine = Machine::new();
    machine.record("plain.journal.gz", "system.journal", ENTRIES);
    machine.sink.then(Reply::Status(503));
    let agent = machine.start("priority: debug");
    wait_for("a refusal", || !machine.sink.arrived(|_| ()).is_empty());
    agent.kill();
    machine.sink.then(Reply::Accept);
    let agent = machine.start("priority: debug");
    machine.wait_for(with_priority(ENTRIES));
    assert!(agent.terminate().0.success());
    machine.assert_once(with_priority(ENTRIES));
}

#[test]
fn only_the_units_that_are_asked_for_arrive() {
    let machine = Machine::new();
    machine.record("compact.journal.gz", "system.journal", ENTRIES);
    let agent = machine.start("units: [kubelet]");
    machine.wait_for(24);
    assert!(agent.terminate().0.success());
    machine.assert_once(24);
    // What the unit said, and what systemd said of it.
    let units = machine.arrived("_SYSTEMD_UNIT").into_iter().zip(machine.arrived("UNIT"));
    assert!(units.into_iter().all(|(from, about)| [from, about].contains(&"kubelet.service".to_owned())));
    assert_eq!(machine.arrived("MESSAGE")[0], "E0101 kubelet line 1");
}
