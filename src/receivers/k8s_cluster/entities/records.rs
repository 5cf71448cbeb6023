//! Entities as log records, in batches.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use super::changes::Change;
use super::{Describe, Entity, EntityKind, Lookup};
use crate::otlp::logs::{LogRecord, ResourceLogs, ScopeLogs};
use crate::otlp::{AnyValue, InstrumentationScope, KeyValue, Resource};
use crate::receivers::k8s_cluster::emit::SCOPE;

/// Records of a batch.
const BATCH: usize = 1000;

/// Makes batches of records.
pub struct Records<'a> {
    version: &'a str,
    interval: Duration,
    now: u64,
    records: Vec<LogRecord>,
    send: &'a mut dyn FnMut(Vec<ResourceLogs>) -> bool,
    open: bool,
}

impl<'a> Records<'a> {
    /// Records of `now`, in nanoseconds since the epoch; `send` takes batches and says whether it
    /// takes more.
    pub fn new(
        version: &'a str,
        interval: Duration,
        now: u64,
        send: &'a mut dyn FnMut(Vec<ResourceLogs>) -> bool,
    ) -> Self {
        Self { version, interval, now, records: Vec::new(), send, open: true }
    }

    /// Tells all entities of these objects.
    pub fn all<O: Describe>(&mut self, kind: EntityKind, objects: Vec<Arc<O>>, lookup: &Lookup<'_>) {
        let mut entities = Vec::new();
        for object in objects {
            if !self.open {
                return;
            }
            object.describe(kind, lookup, &mut entities);
            for entity in entities.drain(..) {
                self.state(entity);
            }
        }
    }

    /// Tells what a change has changed.
    pub fn change(&mut self, change: &Change, lookup: &Lookup<'_>) {
        let describe = |object: &Option<Arc<dyn Describe>>| {
            let mut entities = Vec::new();
            if let Some(object) = object {
                object.describe(change.kind, lookup, &mut entities);
            }
            entities
        };
        let old: HashMap<_, _> =
            describe(&change.old).into_iter().map(|entity| (entity.id.clone(), entity)).collect();
        let new = describe(&change.new);
        for (id, entity) in &old {
            if new.iter().all(|entity| entity.id != *id) {
                self.gone(entity);
            }
        }
        for entity in new {
            if old.get(&entity.id) != Some(&entity) {
                self.state(entity);
            }
        }
    }

    fn state(&mut self, entity: Entity) {
        let described = entity
            .attributes
            .iter()
            .map(|(key, value)| KeyValue::new(key.as_str(), value.as_str()))
            .collect::<Vec<_>>();
        let mut attributes = identity("entity_state", &entity);
        attributes.push(KeyValue::fixed("otel.entity.attributes", described));
        attributes.push(KeyValue::fixed(
            "otel.entity.interval",
            i64::try_from(self.interval.as_millis()).unwrap_or(i64::MAX),
        ));
        self.push(attributes);
    }

    fn gone(&mut self, entity: &Entity) {
        self.push(identity("entity_delete", entity));
    }

    fn push(&mut self, attributes: Vec<KeyValue>) {
        self.records.push(LogRecord { time_unix_nano: self.now, attributes, ..LogRecord::default() });
        if self.records.len() >= BATCH {
            self.flush();
        }
    }

    pub fn flush(&mut self) {
        if self.records.is_empty() || !self.open {
            return;
        }
        let scope = InstrumentationScope {
            name: SCOPE.to_owned(),
            version: self.version.to_owned(),
            attributes: vec![KeyValue::fixed("otel.entity.event_as_log", true)],
            ..InstrumentationScope::default()
        };
        let scope_logs = ScopeLogs {
            scope: Some(scope),
            log_records: std::mem::take(&mut self.records),
            ..ScopeLogs::default()
        };
        let logs = ResourceLogs {
            resource: Some(Resource::default()),
            scope_logs: vec![scope_logs],
            ..ResourceLogs::default()
        };
        self.open = (self.send)(vec![logs]);
    }
}

fn identity(event: &'static str, entity: &Entity) -> Vec<KeyValue> {
    let (key, value) = &entity.id;
    let id: AnyValue = vec![KeyValue::fixed(key, &**value)].into();
    vec![
        KeyValue::fixed("otel.entity.event.type", event),
        KeyValue::fixed("otel.entity.type", entity.kind),
        KeyValue::fixed("otel.entity.id", id),
    ]
}
