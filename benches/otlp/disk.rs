//! The queue on disk: how fast it is written, and how soon it is there after a restart.

use std::sync::Arc;
use std::time::{Duration, Instant};

use kmagent::component::{Context, ExportError, Exporter, Host, Storage, StorageClient};
use kmagent::config::ComponentId;
use kmagent::exporters::sending::{self, RetryOnFailure, Sending, SendingQueue};
use kmagent::pipeline::{Ack, Batch, Signal, Stop};
use kmagent::telemetry::{StatusBoard, Telemetry};

use crate::load::spans;

struct Folder(std::path::PathBuf);

impl Storage for Folder {
    fn client(&self, _: &str) -> std::io::Result<Box<dyn StorageClient>> {
        Err(std::io::ErrorKind::Unsupported.into())
    }
    fn directory(&self) -> &std::path::Path {
        &self.0
    }
}

struct Disk(Arc<Folder>);

impl Host for Disk {
    fn storage(&self, _: &ComponentId) -> Option<Arc<dyn Storage>> {
        Some(self.0.clone())
    }
}

struct Down;

impl Exporter for Down {
    fn export(&self, _: &Batch, _: &Stop) -> Result<(), ExportError> {
        Err(ExportError::Retry { message: "down".into(), after: None })
    }
}

pub fn disk_queue() {
    let dir = tempfile::tempdir_in(std::env::var("CARGO_TARGET_TMPDIR").unwrap_or_else(|_| ".".into()))
        .expect("a folder");
    let host = Arc::new(Disk(Arc::new(Folder(dir.path().to_owned()))));
    let context = Context {
        id: "otlphttp".parse().expect("an id"),
        pipeline: None,
        telemetry: Telemetry::new(),
        status: StatusBoard::default().handle("exporter:otlphttp"),
        abort: Stop::never(),
        host,
    };
    let queue = SendingQueue {
        storage: Some("file_storage".parse().expect("an id")),
        queue_size: 1_000_000,
        num_consumers: 1,
        ..SendingQueue::default()
    };
    let settings = Sending { retry_on_failure: RetryOnFailure::default(), sending_queue: Some(queue) };
    let start = || sending::start(&settings, Arc::new(Down), &context, Signal::Traces).expect("it starts");
    let batch = Batch::new(spans(), Ack::none());
    let (bytes, total) = (batch.bytes(), 1_usize << 30);
    let running = start();
    let consumer = running.consumer();
    let started = Instant::now();
    for _ in 0..total / bytes {
        consumer.consume(batch.clone()).expect("there is room");
    }
    let written = started.elapsed().as_secs_f64();
    drop(consumer);
    let _ = running.wait(Instant::now() + Duration::from_secs(2));
    drop(running);
    let started = Instant::now();
    let running = start();
    let recovered = started.elapsed().as_secs_f64();
    let waiting = context.telemetry.total("otelcol_exporter_queue_size");
    assert_eq!(waiting as usize, total / bytes, "everything is there again");
    println!(
        "queue on disk: {:.0} MB/s written with a sync per segment (floor 200), 1 GiB there again in {recovered:.2} s (floor 5)",
        total as f64 / written / 1e6
    );
    let _ = running.wait(Instant::now() + Duration::from_secs(2));
}
