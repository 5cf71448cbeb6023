//! Logs that rotate as fast as they can while the agent is killed and the backend fails: every line
//! arrives; lines that arrive twice are counted, and are no more than were not saved at a kill.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use kmagent::otlp::{AnyValue, Attributes};
use kmagent::pipeline::Data;

use crate::support::agent::{Agent, wait_for};
use crate::support::sink::{Reply, TestSink};

const ROTATION: Duration = Duration::from_millis(200);
/// Copies are only found one by one: the agent must see the log between two truncations.
const TRUNCATION: Duration = Duration::from_millis(1000);
/// Between two bursts of lines.
const BREATH: Duration = Duration::from_millis(10);
const BURST: u32 = 10;
/// Generations kept: longer than the agent is ever away.
const KEPT: u32 = 30;
const KILLS: usize = 5;
/// Offsets are saved once a second; a busy machine is late.
const UNSAVED: Duration = Duration::from_millis(1500);

/// How a writer's log is rotated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Style {
    /// Renamed; the generation before is compressed, the oldest deleted.
    Kubelet,
    /// Copied and truncated.
    CopyTruncate,
}

/// Writes lines until it is told to stop; returns how many.
fn writer(name: usize, dir: PathBuf, style: Style, stop: Arc<AtomicBool>) -> JoinHandle<u32> {
    std::thread::spawn(move || {
        fs::create_dir_all(&dir).unwrap();
        let log = dir.join("0.log");
        let open = || File::options().create(true).append(true).open(&log).unwrap();
        let (mut file, mut written, mut generation) = (open(), 0, 0);
        let mut rotated = Instant::now();
        while !stop.load(Ordering::Relaxed) {
            let burst: String = (written..written + BURST)
                .map(|n| format!("w{name} {n} of the lines of a busy pod\n"))
                .collect();
            file.write_all(burst.as_bytes()).unwrap();
            written += BURST;
            let period = if style == Style::Kubelet { ROTATION } else { TRUNCATION };
            if rotated.elapsed() >= period {
                rotated = Instant::now();
                generation += 1;
                match style {
                    Style::Kubelet => {
                        fs::rename(&log, rotated_name(&log, generation)).unwrap();
                        file = open();
                        compress(&rotated_name(&log, generation - 1));
                        let oldest = rotated_name(&log, generation.saturating_sub(KEPT));
                        let _ = fs::remove_file(with_ending(&oldest, "gz"));
                    }
                    Style::CopyTruncate => {
                        fs::copy(&log, rotated_name(&log, generation)).unwrap();
                        file.set_len(0).unwrap();
                        let _ = fs::remove_file(rotated_name(&log, generation.saturating_sub(KEPT)));
                    }
                }
            }
            std::thread::sleep(BREATH);
        }
        written
    })
}

/// As kubelet names them, one a second.
fn rotated_name(log: &Path, generation: u32) -> PathBuf {
    with_ending(log, &format!("20260101-00{:02}{:02}", generation / 60, generation % 60))
}

fn with_ending(path: &Path, ending: &str) -> PathBuf {
    PathBuf::from(format!("{}.{ending}", path.display()))
}

fn compress(path: &Path) {
    let Ok(text) = fs::read(path) else { return };
    let unfinished = with_ending(path, "tmp");
    let mut encoder =
        flate2::write::GzEncoder::new(File::create(&unfinished).unwrap(), flate2::Compression::fast());
    encoder.write_all(&text).unwrap();
    encoder.finish().unwrap();
    fs::rename(unfinished, with_ending(path, "gz")).unwrap();
    fs::remove_file(path).unwrap();
}

fn config(root: &Path, sink: &TestSink, life: usize) -> String {
    format!(
        "\
extensions:
  file_storage: {{ directory: {root}/state, create_directory: true }}
receivers:
  filelog:
    include: [{root}/logs/*/0.log]
    start_at: beginning
    compression: auto
    storage: file_storage
    resource: {{ life: '{life}' }}
processors:
  batch: {{ timeout: 50ms }}
exporters:
  otlphttp:
    endpoint: {url}
    retry_on_failure: {{ initial_interval: 20ms, max_interval: 100ms }}
service:
  extensions: [health_check, file_storage]
  pipelines:
    logs: {{ receivers: [filelog], processors: [batch], exporters: [otlphttp] }}
",
        root = root.display(),
        url = sink.url()
    )
}

/// What has arrived: for each line of each writer the lives of the agent that sent it.
#[derive(Default)]
struct Tally {
    batches: usize,
    lines: HashMap<(usize, u32), Vec<usize>>,
    total: usize,
}

impl Tally {
    fn count(&mut self, sink: &TestSink) {
        let new = sink.accepted_from(self.batches);
        self.batches += new.len();
        for data in new {
            let Data::Logs(resources) = data else { panic!("only logs are sent") };
            for resource in resources {
                let attributes = &resource.resource.as_ref().unwrap().attributes;
                let life: usize = attributes.get_str("life").unwrap().parse().unwrap();
                for record in resource.scope_logs.iter().flat_map(|scope| &scope.log_records) {
                    let text = record.body.as_ref().and_then(AnyValue::as_str).unwrap();
                    let mut words = text.split(' ');
                    let writer = words.next().unwrap()[1..].parse().unwrap();
                    let number = words.next().unwrap().parse().unwrap();
                    assert!(text.ends_with("of the lines of a busy pod"), "a torn line: {text}");
                    self.lines.entry((writer, number)).or_default().push(life);
                    self.total += 1;
                }
            }
        }
    }
}

#[test]
fn every_line_arrives_through_rotations_kills_and_outages() {
    let dir = tempfile::tempdir().unwrap();
    let sink = TestSink::new();
    let stop = Arc::new(AtomicBool::new(false));
    let styles = [Style::Kubelet, Style::CopyTruncate, Style::Kubelet, Style::CopyTruncate];
    let writers: Vec<JoinHandle<u32>> = styles
        .iter()
        .enumerate()
        .map(|(name, style)| writer(name, dir.path().join(format!("logs/{name}")), *style, Arc::clone(&stop)))
        .collect();
    let mut tally = Tally::default();
    let mut at_risk = 0;
    for life in 0..KILLS {
        let mut agent = Agent::start(dir.path(), &config(dir.path(), &sink, life));
        agent.wait_ready();
        // Offsets are saved once a second: what arrived since then may come again.
        let (started, mut arrived) = (Instant::now(), Vec::new());
        wait_for("lines of this life", || {
            tally.count(&sink);
            arrived.push((Instant::now(), tally.total));
            started.elapsed() > Duration::from_millis(2000) && tally.total > arrived[0].1 + 1000
        });
        if life % 2 == 1 {
            sink.then(Reply::Status(503));
            std::thread::sleep(ROTATION * 2);
        }
        agent.kill();
        sink.then(Reply::Accept);
        tally.count(&sink);
        let now = Instant::now();
        let saved =
            arrived.iter().take_while(|(at, _)| now - *at > UNSAVED).last().map_or(arrived[0].1, |(_, n)| *n);
        at_risk += tally.total - saved;
        std::thread::sleep(ROTATION * 3 / 2);
    }
    let mut agent = Agent::start(dir.path(), &config(dir.path(), &sink, KILLS));
    agent.wait_ready();
    std::thread::sleep(ROTATION * 3);
    stop.store(true, Ordering::Relaxed);
    let written: Vec<u32> = writers.into_iter().map(|writer| writer.join().unwrap()).collect();
    let all: usize = written.iter().sum::<u32>() as usize;
    let deadline = Instant::now() + Duration::from_secs(15);
    while tally.lines.len() < all && Instant::now() < deadline {
        tally.count(&sink);
        std::thread::sleep(BREATH);
    }
    let missing: Vec<(usize, u32)> = written
        .iter()
        .enumerate()
        .flat_map(|(writer, count)| (0..*count).map(move |number| (writer, number)))
        .filter(|line| !tally.lines.contains_key(line))
        .collect();
    assert!(
        missing.is_empty(),
        "lost, by writer: {:?}
{}",
        runs(&missing),
        agent.log()
    );
    let log = agent.log();
    let (status, _) = agent.terminate();
    assert!(status.success());
    tally.count(&sink);
    let repeated = tally.lines.values().filter(|lives| lives.windows(2).any(|two| two[0] == two[1])).count();
    let twice = tally.total - all;
    println!(
        "{all} lines written, {twice} came again after {KILLS} kills, of {at_risk} not saved, {repeated} without a kill"
    );
    assert_eq!(repeated, 0, "lines came again without a kill\n{log}");
    assert!(twice <= at_risk, "{twice} lines came again, but only {at_risk} were not saved");
}

/// Writer and numbers of lines that follow each other.
fn runs(lines: &[(usize, u32)]) -> Vec<(usize, std::ops::RangeInclusive<u32>)> {
    let parts = lines.chunk_by(|a, b| a.0 == b.0 && a.1 + 1 == b.1);
    parts.map(|part| (part[0].0, part[0].1..=part[part.len() - 1].1)).collect()
}
