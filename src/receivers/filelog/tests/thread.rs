//! The receiver in its own thread, over the real kernel and clock. Nothing here sleeps: the tests
//! wait for what they expect, with a deadline that only a failure reaches.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, unbounded};

use crate::component::{Context, Host, NoHost, Storage};
use crate::config::{ComponentId, from_yaml};
use crate::extensions::file_storage;
use crate::pipeline::{Batch, Consumer, Data, Outcome, Output, Outputs, Rejected, Stop, StopSource};
use crate::telemetry::{StatusBoard, Telemetry};

use super::super::run::FilelogReceiver;
use super::super::watch::Watcher;
use super::rig::{body, lines, numbered, plan};

const PATIENCE: Duration = Duration::from_secs(20);

struct Pipeline(Sender<Batch>);

impl Consumer for Pipeline {
    fn consume(&self, batch: Batch) -> Result<(), Rejected> {
        self.try_consume(batch)
    }
    fn try_consume(&self, batch: Batch) -> Result<(), Rejected> {
        self.0.send(batch).map_err(|error| Rejected::Stopped(error.into_inner()))
    }
}

struct Running {
    batches: Receiver<Batch>,
    stop: StopSource,
    thread: Option<std::thread::JoinHandle<()>>,
    lines: Vec<String>,
}

struct StorageHost(Arc<dyn Storage>);
impl Host for StorageHost {
    fn storage(&self, _: &ComponentId) -> Option<Arc<dyn Storage>> {
        Some(Arc::clone(&self.0))
    }
}

fn context(host: Arc<dyn Host>) -> Context {
    Context {
        id: "filelog/test".parse().unwrap(),
        pipeline: None,
        telemetry: Telemetry::new(),
        status: StatusBoard::default().handle("receiver:filelog/test"),
        abort: Stop::never(),
        host,
    }
}

fn start(dir: &std::path::Path, yaml: &str, watcher: Watcher, storage: Option<Arc<dyn Storage>>) -> Running {
    let yaml = format!("include: ['{}/*.log']\nstart_at: beginning\n{yaml}", dir.display());
    let plan = plan(&yaml).unwrap();
    let (sender, batches) = unbounded();
    let output = Output::new(vec![Arc::new(Pipeline(sender))]);
    let outputs = Outputs { logs: Some(output), ..Outputs::default() };
    let stop = StopSource::new();
    let request = stop.stop();
    let receiver = FilelogReceiver { settings: plan.settings, storage, context: context(Arc::new(NoHost)) };
    let thread = std::thread::spawn(move || receiver.run_with(watcher, outputs, request).unwrap());
    Running { batches, stop, thread: Some(thread), lines: Vec::new() }
}

impl Running {
    /// Waits until `count` lines have come; acknowledges them.
    fn expect(&mut self, count: usize) -> Vec<String> {
        let deadline = Instant::now() + PATIENCE;
        while self.lines.len() < count {
            let batch = self.batches.recv_deadline(deadline).expect("lines in time");
            self.lines.extend(bodies(&batch));
            batch.ack.settle(Outcome::Delivered);
        }
        std::mem::take(&mut self.lines)
    }

    fn end(mut self) -> Duration {
        let started = Instant::now();
        self.stop.raise();
        self.thread.take().unwrap().join().unwrap();
        started.elapsed()
    }
}

fn bodies(batch: &Batch) -> Vec<String> {
    let Data::Logs(logs) = batch.data() else { panic!("no logs") };
    logs.iter().flat_map(|r| &r.scope_logs).flat_map(|s| &s.log_records).map(body).collect()
}

#[test]
fn contrib_27404_the_kernel_wakes_the_reader_long_before_the_next_poll() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("a.log");
    std::fs::write(&file, lines(0..1)).unwrap();
    let mut running = start(dir.path(), "poll_interval: 1h", Watcher::new(), None);
    running.expect(1);
    let mut slowest = Duration::ZERO;
    for n in 1..6 {
        let written = Instant::now();
        std::fs::write(&file, lines(0..n + 1)).unwrap();
        assert_eq!(running.expect(1).last(), numbered(n..n + 1).last());
        slowest = slowest.max(written.elapsed());
    }
    std::fs::rename(&file, dir.path().join("a.log.1")).unwrap();
    std::fs::write(&file, "after the rotation\n").unwrap();
    std::fs::write(dir.path().join("new.log"), "new\n").unwrap();
    let mut got = running.expect(2);
    got.sort();
    assert_eq!(got, ["after the rotation", "new"]);
    assert!(slowest < Duration::from_secs(2), "{slowest:?}");
    assert!(running.end() < Duration::from_secs(1));
}

#[test]
fn rotation_19_without_inotify_files_are_looked_at_every_poll_interval() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("a.log");
    std::fs::write(&file, lines(0..5)).unwrap();
    let mut running = start(dir.path(), "poll_interval: 10ms", Watcher::default(), None);
    assert_eq!(running.expect(5), numbered(0..5));
    std::fs::rename(&file, dir.path().join("a.log.1")).unwrap();
    std::fs::write(&file, lines(5..10)).unwrap();
    assert_eq!(running.expect(5), numbered(5..10));
    running.end();
}

#[test]
fn offsets_acknowledged_after_the_thread_has_ended_are_saved() {
    let (dir, state) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let open_storage = || {
        let yaml = format!("directory: {}", state.path().display());
        let config: file_storage::Config = from_yaml(&yaml).unwrap();
        let extension = crate::component::ExtensionConfig::build(
            &config,
            context(Arc::new(NoHost)),
            StatusBoard::default(),
        );
        extension.unwrap().start().unwrap().storage().unwrap()
    };
    std::fs::write(dir.path().join("a.log"), lines(0..5)).unwrap();
    let running = start(dir.path(), "", Watcher::new(), Some(open_storage()));
    let batch = running.batches.recv_timeout(PATIENCE).unwrap();
    assert_eq!(bodies(&batch), numbered(0..5));
    let batches = running.batches.clone();
    running.end();
    batch.ack.settle(Outcome::Delivered);
    drop(batches);
    std::fs::write(dir.path().join("a.log"), lines(0..8)).unwrap();
    let mut running = start(dir.path(), "", Watcher::new(), Some(open_storage()));
    assert_eq!(running.expect(3), numbered(5..8));
    running.end();
}

#[test]
fn a_storage_that_is_not_configured_is_an_error_that_says_so() {
    let plan = plan("include: [/a]\nstorage: file_storage/x").unwrap();
    let built = crate::component::ReceiverConfig::build(&plan, context(Arc::new(NoHost)));
    let error = built.err().unwrap().to_string();
    assert!(error.contains("file_storage/x") && error.contains("service::extensions"), "{error}");
    let storage = tempfile::tempdir().unwrap();
    let yaml = format!("directory: {}", storage.path().display());
    let config: file_storage::Config = from_yaml(&yaml).unwrap();
    let extension =
        crate::component::ExtensionConfig::build(&config, context(Arc::new(NoHost)), StatusBoard::default());
    let store = extension.unwrap().start().unwrap().storage().unwrap();
    let host = Arc::new(StorageHost(store));
    assert!(crate::component::ReceiverConfig::build(&plan, context(host)).is_ok());
}
