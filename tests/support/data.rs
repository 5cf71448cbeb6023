//! Batches and contexts.

use std::sync::Arc;

use crossbeam_channel::{Receiver, unbounded};
use kmagent::component::{Context, NoHost};
use kmagent::otlp::logs::{LogRecord, ResourceLogs, ScopeLogs};
use kmagent::otlp::{AnyValue, KeyValue, Resource};
use kmagent::pipeline::{Ack, Batch, Data, Outcome, Stop};
use kmagent::telemetry::{StatusBoard, Telemetry};

/// Log records with these numbers as their times, of one resource.
pub fn logs(numbers: impl IntoIterator<Item = u64>) -> Data {
    let record = |number| LogRecord {
        time_unix_nano: number,
        body: Some(AnyValue::from(format!("line {number}"))),
        ..LogRecord::default()
    };
    Data::Logs(vec![ResourceLogs {
        resource: Some(Resource {
            attributes: vec![KeyValue::fixed("k8s.pod.name", "web-0")],
            ..Resource::default()
        }),
        scope_logs: vec![ScopeLogs {
            log_records: numbers.into_iter().map(record).collect(),
            ..ScopeLogs::default()
        }],
        ..ResourceLogs::default()
    }])
}

/// The numbers of [`logs`], in order.
pub fn numbers(data: &Data) -> Vec<u64> {
    let Data::Logs(all) = data else { return Vec::new() };
    let scopes = all.iter().flat_map(|resource| &resource.scope_logs);
    scopes.flat_map(|scope| &scope.log_records).map(|record| record.time_unix_nano).collect()
}

/// A batch of [`logs`] and what its source hears.
pub fn batch(numbers: impl IntoIterator<Item = u64>) -> (Batch, Receiver<Outcome>) {
    let (sender, outcomes) = unbounded();
    let ack = Ack::new(move |outcome| {
        let _ = sender.send(outcome);
    });
    (Batch::new(logs(numbers), ack), outcomes)
}

/// The context of a component with that id, whose state shows on `board`.
pub fn context(id: &str, abort: Stop, board: &StatusBoard) -> Context {
    Context {
        id: id.parse().expect("test ids are valid"),
        pipeline: None,
        telemetry: Telemetry::new(),
        status: board.handle(id),
        abort,
        host: Arc::new(NoHost),
    }
}
