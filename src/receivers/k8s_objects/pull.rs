//! Lists at intervals.

use std::collections::{BTreeMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::time::Instant;

use super::config::ObjectConfig;
use super::record::Objects;
use crate::component::Context;
use crate::kube::{Backoff, Connection, KubeError, Pieces, Query, RealPace, read_list};
use crate::otlp::logs::LogRecord;
use crate::pipeline::{Ack, Batch, Data, Output, Stop};
use crate::receivers::kube_changes::Meta;
use crate::telemetry::ComponentState;

/// Objects of one request, and of one batch.
const PAGE: usize = 500;
/// Bytes of JSON of one batch.
const BATCH_BYTES: usize = 2 << 20;
const LARGEST_OBJECT: usize = 16 << 20;

/// Lists one query again and again.
pub struct Pull<'a> {
    pub query: Query,
    pub config: &'a ObjectConfig,
    pub objects: Objects,
    pub connection: &'a Connection,
    pub output: &'a Output,
    pub context: &'a Context,
    pub stop: &'a Stop,
}

/// One list under way.
#[derive(Default)]
struct List {
    records: BTreeMap<String, Vec<LogRecord>>,
    count: usize,
    bytes: usize,
    /// What was listed, in case the list has to begin again.
    told: HashSet<u64>,
}

impl Pull<'_> {
    /// Lists until the request to stop.
    pub fn run(&self) {
        let mut due = Instant::now();
        loop {
            if !self.list_until_it_works() {
                return;
            }
            due += self.config.every();
            if self.stop.wait(due.saturating_duration_since(Instant::now())) {
                return;
            }
        }
    }

    fn list_until_it_works(&self) -> bool {
        let mut backoff = Backoff::default();
        let mut list = List::default();
        let mut last_cause = None;
        loop {
            let result = self.list(&mut list);
            self.send(&mut list);
            if self.stop.is_raised() {
                return false;
            }
            let error = match result {
                Ok(()) => {
                    self.context.status.set(ComponentState::Running, "");
                    return true;
                }
                Err(KubeError::Interrupted) => return false,
                Err(KubeError::Forbidden(message)) => KubeError::forbidden("list", &self.query, &message),
                Err(error) => error,
            };
            let cause = error.cause();
            if last_cause.as_ref() != Some(&cause) {
                log::warn!("{}: {error}; trying again until it works", self.context.id);
                self.context.status.set(ComponentState::Degraded, error.to_string());
                last_cause = Some(cause);
            }
            let wait = if error.is_lasting() { Backoff::longest(&RealPace) } else { backoff.next(&RealPace) };
            if self.stop.wait(wait) {
                return false;
            }
        }
    }

    fn list(&self, list: &mut List) -> Result<(), KubeError> {
        let limit = PAGE.to_string();
        let mut next = String::new();
        loop {
            let mut parameters = vec![("limit", limit.as_str())];
            if !next.is_empty() {
                parameters.push(("continue", &next));
            } else if let Some(version) = self.config.version() {
                parameters.extend([("resourceVersion", version), ("resourceVersionMatch", "Exact")]);
            }
            let url = self.query.url(&parameters);
            let response = self.connection.get(&url, self.query.accept(true))?;
            let mut pieces = Pieces::new(response, LARGEST_OBJECT);
            let meta = read_list(&mut pieces, |object| self.add(list, object))
                .map_err(|error| self.broken(&url, &error))?;
            next = meta.next;
            if next.is_empty() || self.stop.is_raised() {
                return Ok(());
            }
        }
    }

    fn add(&self, list: &mut List, object: &[u8]) {
        let Ok(meta) = Meta::read(object) else { return };
        let mut hasher = DefaultHasher::new();
        (&*meta.namespace, &*meta.name).hash(&mut hasher);
        if !list.told.insert(hasher.finish()) {
            return;
        }
        let Some((namespace, record)) = self.objects.pulled(object) else { return };
        list.records.entry(namespace).or_default().push(record);
        list.count += 1;
        list.bytes += object.len();
        if list.count >= PAGE || list.bytes >= BATCH_BYTES {
            self.send(list);
        }
    }

    fn send(&self, list: &mut List) {
        (list.count, list.bytes) = (0, 0);
        let records = std::mem::take(&mut list.records);
        if !records.is_empty() && !self.stop.is_raised() {
            let logs =
                records.into_iter().map(|(namespace, records)| self.objects.resource(&namespace, records));
            self.output.send(Batch::new(Data::Logs(logs.collect()), Ack::none()));
        }
    }

    fn broken(&self, url: &str, error: &io::Error) -> KubeError {
        let target = self.connection.target(url);
        KubeError::Transport { target, message: format!("the answer was cut off: {error}") }
    }
}
