//! An event as a log record. Both shapes are read: `v1` and `events.k8s.io/v1`.

use std::time::SystemTime;

use serde::Deserialize;

use crate::kube::list_watch::Change;
use crate::kube::{Text, nullable};
use crate::otlp::logs::{LogRecord, ResourceLogs, ScopeLogs};
use crate::otlp::{AnyValue, InstrumentationScope, KeyValue, Resource};
use crate::receivers::kube_changes::{Convert, Meta};

const SCOPE: &str = "github.com/open-telemetry/opentelemetry-collector-contrib/receiver/k8seventsreceiver";

/// Makes records of events.
pub struct Events {
    scope: InstrumentationScope,
    /// Events that were over before this, in seconds since the epoch, are not told at first.
    began: i64,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Event<'a> {
    #[serde(borrow)]
    metadata: Meta<'a>,
    #[serde(borrow, alias = "regarding", deserialize_with = "nullable")]
    involved_object: Reference<'a>,
    #[serde(borrow, alias = "deprecatedSource", deserialize_with = "nullable")]
    source: Source<'a>,
    #[serde(borrow)]
    reason: Text<'a>,
    #[serde(borrow)]
    action: Text<'a>,
    #[serde(borrow, alias = "note")]
    message: Text<'a>,
    #[serde(rename = "type", borrow)]
    kind: Text<'a>,
    #[serde(borrow)]
    event_time: Text<'a>,
    #[serde(borrow, alias = "deprecatedLastTimestamp")]
    last_timestamp: Text<'a>,
    #[serde(borrow, alias = "deprecatedFirstTimestamp")]
    first_timestamp: Text<'a>,
    #[serde(alias = "deprecatedCount", deserialize_with = "nullable")]
    count: i64,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Reference<'a> {
    #[serde(borrow)]
    kind: Text<'a>,
    #[serde(borrow)]
    namespace: Text<'a>,
    #[serde(borrow)]
    name: Text<'a>,
    #[serde(borrow)]
    uid: Text<'a>,
    #[serde(borrow)]
    api_version: Text<'a>,
    #[serde(borrow)]
    resource_version: Text<'a>,
    #[serde(borrow)]
    field_path: Text<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Source<'a> {
    #[serde(borrow)]
    host: Text<'a>,
}

impl Event<'_> {
    fn time(&self) -> Option<jiff::Timestamp> {
        [&self.event_time, &self.last_timestamp, &self.first_timestamp]
            .into_iter()
            .find(|text| !text.is_empty())?
            .parse()
            .ok()
    }
}

impl Events {
    pub fn new(version: &str, began: SystemTime) -> Self {
        let began = began.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs());
        Self {
            scope: InstrumentationScope {
                name: SCOPE.to_owned(),
                version: version.to_owned(),
                ..InstrumentationScope::default()
            },
            began: i64::try_from(began).unwrap_or(i64::MAX),
        }
    }

    fn log(&self, event: &Event<'_>) -> ResourceLogs {
        let object = &event.involved_object;
        let resource = [
            ("k8s.node.name", &event.source.host),
            ("k8s.object.kind", &object.kind),
            ("k8s.object.name", &object.name),
            ("k8s.object.uid", &object.uid),
            ("k8s.object.fieldpath", &object.field_path),
            ("k8s.object.api_version", &object.api_version),
            ("k8s.object.resource_version", &object.resource_version),
        ];
        let resource = resource.into_iter().map(|(key, value)| KeyValue::fixed(key, &**value)).collect();
        let created = go_time(&event.metadata.creation_timestamp);
        let mut attributes = vec![
            KeyValue::fixed("k8s.event.reason", &*event.reason),
            KeyValue::fixed("k8s.event.action", &*event.action),
            KeyValue::fixed("k8s.event.start_time", created),
            KeyValue::fixed("k8s.event.name", &*event.metadata.name),
            KeyValue::fixed("k8s.event.uid", &*event.metadata.uid),
            KeyValue::fixed("k8s.namespace.name", &*object.namespace),
        ];
        if event.count != 0 {
            attributes.push(KeyValue::fixed("k8s.event.count", event.count));
        }
        let severity = severity(&event.kind);
        let record = LogRecord {
            time_unix_nano: event.time().map_or(0, |time| u64::try_from(time.as_nanosecond()).unwrap_or(0)),
            severity_number: severity.unwrap_or_default(),
            severity_text: if severity.is_some() { event.kind.to_string() } else { String::new() },
            body: Some(AnyValue::from(&*event.message)),
            attributes,
            ..LogRecord::default()
        };
        ResourceLogs {
            resource: Some(Resource { attributes: resource, ..Resource::default() }),
            scope_logs: vec![ScopeLogs {
                scope: Some(self.scope.clone()),
                log_records: vec![record],
                ..ScopeLogs::default()
            }],
            ..ResourceLogs::default()
        }
    }
}

impl Convert for Events {
    const TELLS_GONE: bool = false;

    fn convert(&mut self, change: Change, object: &[u8]) -> Option<ResourceLogs> {
        if change == Change::Deleted {
            return None;
        }
        match serde_json::from_slice::<Event>(object) {
            Ok(event) => Some(self.log(&event)),
            Err(error) => {
                log::warn!("k8s_events: passing over an event that cannot be read: {error}");
                None
            }
        }
    }

    fn wants_initial(&self, object: &[u8]) -> bool {
        Self::time_of(object).is_some_and(|time| time >= self.began)
    }

    fn touched(&self, meta: &Meta<'_>, object: &[u8]) -> i64 {
        Self::time_of(object).unwrap_or_else(|| meta.created())
    }
}

impl Events {
    fn time_of(object: &[u8]) -> Option<i64> {
        serde_json::from_slice::<Event>(object).ok()?.time().map(jiff::Timestamp::as_second)
    }
}

/// OTLP's number for the types of events.
fn severity(kind: &str) -> Option<i32> {
    const KINDS: [(&str, i32); 4] = [("normal", 9), ("warning", 13), ("error", 17), ("critical", 21)];
    KINDS.iter().find(|(name, _)| kind.eq_ignore_ascii_case(name)).map(|(_, number)| *number)
}

/// A time as Go prints it: `2026-11-22 13:51:59 +0000 UTC`.
fn go_time(text: &str) -> String {
    match text.parse::<jiff::Timestamp>() {
        Ok(time) => time.strftime("%Y-%m-%d %H:%M:%S +0000 UTC").to_string(),
        Err(_) => "0001-01-01 00:00:00 +0000 UTC".to_owned(),
    }
}
