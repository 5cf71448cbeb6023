use std::sync::Arc;

use super::*;
use crate::component::{NoHost, StorageClient};
use crate::otlp::logs::{LogRecord, ResourceLogs, ScopeLogs};
use crate::pipeline::{Ack, Data, Stop};
use crate::telemetry::{StatusBoard, Telemetry};

struct Folder(PathBuf, u64, bool);

impl Storage for Folder {
    fn client(&self, _: &str) -> io::Result<Box<dyn StorageClient>> {
        Err(io::ErrorKind::Unsupported.into())
    }
    fn directory(&self) -> &Path {
        &self.0
    }
    fn fsync(&self) -> bool {
        self.2
    }
    fn max_size(&self) -> u64 {
        self.1
    }
}

struct Bench {
    dir: tempfile::TempDir,
    telemetry: Telemetry,
}

impl Bench {
    fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap(), telemetry: Telemetry::new() }
    }

    fn open(&self) -> (Log, Vec<Entry>) {
        self.open_with(0)
    }

    fn open_with(&self, max_size: u64) -> (Log, Vec<Entry>) {
        self.open_as(max_size, false)
    }

    fn open_as(&self, max_size: u64, fsync: bool) -> (Log, Vec<Entry>) {
        let context = Context {
            id: "otlphttp".parse().unwrap(),
            pipeline: None,
            telemetry: self.telemetry.clone(),
            status: StatusBoard::default().handle("exporter:otlphttp"),
            abort: Stop::never(),
            host: Arc::new(NoHost),
        };
        Log::open(&Folder(self.dir.path().to_owned(), max_size, fsync), &context, Signal::Logs).unwrap()
    }

    fn files(&self, extension: &str) -> Vec<PathBuf> {
        let folder = self.dir.path().join("exporter_otlphttp_logs.queue");
        let paths = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        let mut found: Vec<_> =
            paths.filter(|path| path.extension().is_some_and(|e| e == extension)).collect();
        found.sort();
        found
    }

    fn errors(&self) -> u64 {
        self.telemetry.total("kmagent_exporter_queue_storage_errors")
    }
}

fn batch(number: u64) -> Batch {
    let record = LogRecord { time_unix_nano: number, severity_text: "x".repeat(100), ..LogRecord::default() };
    let scope_logs = vec![ScopeLogs { log_records: vec![record], ..ScopeLogs::default() }];
    Batch::new(Data::Logs(vec![ResourceLogs { scope_logs, ..ResourceLogs::default() }]), Ack::none())
        .in_lane(number.is_multiple_of(2).then_some(Lane(number)))
}

fn numbers(log: &Log, entries: &[Entry]) -> Vec<u64> {
    let number = |content: Content| match content.into_data() {
        Data::Logs(all) => all[0].scope_logs[0].log_records[0].time_unix_nano,
        _ => unreachable!(),
    };
    entries.iter().map(|entry| number(log.read(entry).unwrap())).collect()
}

#[test]
fn what_was_not_delivered_is_there_again_in_order_and_the_rest_is_not() {
    let bench = Bench::new();
    let (log, found) = bench.open();
    assert!(found.is_empty());
    let entries: Vec<Entry> = (0..5).map(|n| log.append(&batch(n)).unwrap()).collect();
    log.done(&entries[1]);
    log.done(&entries[3]);
    drop(log);
    let (log, found) = bench.open();
    assert_eq!(numbers(&log, &found), [0, 2, 4]);
    assert_eq!(found[1].lane, Some(Lane(2)));
    assert_eq!(log.append(&batch(9)).unwrap().lane, None);
    found.iter().for_each(|entry| log.done(entry));
    drop(log);
    let (log, found) = bench.open();
    assert_eq!(numbers(&log, &found), [9]);
    assert_eq!((bench.files("segment").len(), bench.errors()), (1, 0));
}

#[test]
fn a_torn_end_is_cut_and_counted() {
    let bench = Bench::new();
    let (log, _) = bench.open();
    (0..3).for_each(|n| _ = log.append(&batch(n)).unwrap());
    drop(log);
    let file = &bench.files("segment")[0];
    let whole = std::fs::read(file).unwrap();
    for cut in 1..whole.len() / 3 {
        std::fs::write(file, &whole[..whole.len() - cut]).unwrap();
        let (log, found) = bench.open();
        assert_eq!(numbers(&log, &found), [0, 1], "{cut} bytes are missing");
        assert_eq!(bench.errors(), cut as u64);
    }
}

#[test]
fn a_damaged_record_costs_itself_alone_and_its_segment_is_set_aside() {
    let bench = Bench::new();
    let (log, _) = bench.open();
    (0..3).for_each(|n| _ = log.append(&batch(n)).unwrap());
    drop(log);
    let file = &bench.files("segment")[0];
    let mut bytes = std::fs::read(file).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(file, &bytes).unwrap();
    let (log, found) = bench.open();
    assert_eq!(numbers(&log, &found), [0, 2]);
    assert_eq!((bench.errors(), bench.files("damaged").len()), (1, 0));
    found.iter().for_each(|entry| log.done(entry));
    assert_eq!((bench.files("segment").len(), bench.files("damaged").len()), (0, 1));
    // What goes bad after it was opened is found when it is read.
    let entry = log.append(&batch(7)).unwrap();
    let file = &bench.files("segment")[0];
    let mut bytes = std::fs::read(file).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    std::fs::write(file, &bytes).unwrap();
    assert!(log.read(&entry).is_err());
    assert_eq!(bench.errors(), 2);
}

#[test]
fn the_disk_is_waited_for_at_every_record_or_at_the_end_of_a_segment() {
    let bench = Bench::new();
    let syncs = || bench.telemetry.total("kmagent_exporter_queue_storage_syncs");
    let (log, _) = bench.open_as(0, true);
    (0..5).for_each(|n| _ = log.append(&batch(n)).unwrap());
    assert_eq!(syncs(), 5, "with fsync");
    drop(log);
    let (log, found) = bench.open_as(0, false);
    assert_eq!(found.len(), 5);
    let scope = ScopeLogs { schema_url: "x".repeat(SEGMENT as usize), ..ScopeLogs::default() };
    let large = ResourceLogs { scope_logs: vec![scope], ..ResourceLogs::default() };
    log.append(&Batch::new(Data::Logs(vec![large]), Ack::none())).unwrap();
    assert_eq!(syncs(), 5, "without fsync");
    log.append(&batch(5)).unwrap();
    assert_eq!(syncs(), 6, "the segment before is full");
}

#[test]
fn a_second_process_is_refused_and_a_limit_holds() {
    let bench = Bench::new();
    let (log, _) = bench.open_with(300);
    log.append(&batch(0)).unwrap();
    log.append(&batch(1)).unwrap();
    assert!(matches!(log.append(&batch(2)), Err(NotStored::Full)));
    let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| bench.open()));
    assert!(result.is_err(), "the queue is in use");
}

proptest::proptest! {
    #[test]
    fn no_bytes_make_the_scan_panic_or_read_beyond(
        bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..200), last in proptest::bool::ANY,
        cut in 0_usize..400, flip in 0_usize..400,
    ) {
        let _ = segment::read_done(&bytes);
        let scan = Scan::of(&bytes, last);
        assert!(scan.end <= bytes.len() as u64);
        let mut whole = Vec::new();
        (0..3).for_each(|n| _ = segment::write(&batch(n), &mut whole));
        let at = flip % whole.len();
        whole[at] ^= 0x10;
        whole.truncate(whole.len() - cut % whole.len());
        let scan = Scan::of(&whole, last);
        assert!(scan.records.len() <= 3 && scan.end <= whole.len() as u64);
    }
}
