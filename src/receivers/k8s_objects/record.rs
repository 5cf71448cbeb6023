//! Objects as log records: the body is the object, or the change with the object in it.

use regex::Regex;

use super::config::ObjectConfig;
use crate::expr::json::{Numbers, parse};
use crate::kube::Found;
use crate::kube::list_watch::Change;
use crate::otlp::logs::{LogRecord, ResourceLogs, ScopeLogs};
use crate::otlp::{AnyValue, Attributes, InstrumentationScope, KeyValue, Resource};
use crate::receivers::kube_changes::{Convert, Meta};
use crate::time::now_unix_nanos;

const SCOPE: &str = "github.com/open-telemetry/opentelemetry-collector-contrib/receiver/k8sobjectsreceiver";

/// Makes records of the objects of one resource.
#[derive(Clone)]
pub struct Objects {
    plural: String,
    kind: String,
    api_version: String,
    excluded_types: Vec<String>,
    excluded_namespaces: Vec<Regex>,
    initial: bool,
    scope: InstrumentationScope,
}

fn name_of(change: Change) -> &'static str {
    match change {
        Change::Added => "ADDED",
        Change::Modified => "MODIFIED",
        Change::Deleted => "DELETED",
    }
}

impl Objects {
    pub fn new(config: &ObjectConfig, found: &Found, initial: bool, version: &str) -> Self {
        let resource = &found.resource;
        let api_version = if resource.group.is_empty() {
            resource.version.clone()
        } else {
            format!("{}/{}", resource.group, resource.version)
        };
        Self {
            plural: resource.plural.clone(),
            kind: found.kind.clone(),
            api_version,
            excluded_types: config.exclude_watch_type.clone(),
            excluded_namespaces: config.excluded(),
            initial,
            scope: InstrumentationScope {
                name: SCOPE.to_owned(),
                version: version.to_owned(),
                ..InstrumentationScope::default()
            },
        }
    }

    /// The object as a map, with its namespace; `None` when it is not wanted.
    fn object(&self, json: &[u8]) -> Option<(String, Vec<KeyValue>)> {
        let text = std::str::from_utf8(json).map_err(|error| error.to_string());
        let value = text.and_then(|text| parse(text, Numbers::Int).map_err(|error| error.to_string()));
        let mut entries = match value {
            Ok(AnyValue::Map(entries)) => entries,
            Ok(_) => return None,
            Err(error) => {
                log::warn!(
                    "k8sobjects: passing over one of the {} that cannot be read: {error}",
                    self.plural
                );
                return None;
            }
        };
        // The items of a list do not say what they are.
        for (at, key, value) in [(0, "apiVersion", &self.api_version), (1, "kind", &self.kind)] {
            if !entries.contains(key) {
                entries.insert(at.min(entries.len()), KeyValue::fixed(key, value.as_str()));
            }
        }
        let namespace = text_in(&entries, "namespace").to_owned();
        let is_excluded = self.excluded_namespaces.iter().any(|pattern| pattern.is_match(&namespace));
        (!is_excluded).then_some((namespace, entries))
    }

    /// An object of a list, with its namespace.
    pub fn pulled(&self, json: &[u8]) -> Option<(String, LogRecord)> {
        let (namespace, entries) = self.object(json)?;
        let record = LogRecord {
            observed_time_unix_nano: now_unix_nanos(),
            attributes: vec![KeyValue::fixed("k8s.resource.name", self.plural.as_str())],
            body: Some(AnyValue::Map(entries)),
            ..LogRecord::default()
        };
        Some((namespace, record))
    }

    fn watched(&self, change: Change, namespace: &str, entries: Vec<KeyValue>) -> Option<ResourceLogs> {
        let kind = name_of(change);
        if self.excluded_types.iter().any(|excluded| excluded == kind) {
            return None;
        }
        let mut attributes = vec![KeyValue::fixed("k8s.resource.name", self.plural.as_str())];
        let name = text_in(&entries, "name");
        if !name.is_empty() {
            attributes.push(KeyValue::fixed("event.domain", "k8s"));
            attributes.push(KeyValue::fixed("event.name", name));
        }
        let body = vec![KeyValue::fixed("type", kind), KeyValue::fixed("object", entries)];
        let record = LogRecord {
            observed_time_unix_nano: now_unix_nanos(),
            attributes,
            body: Some(AnyValue::Map(body)),
            ..LogRecord::default()
        };
        Some(self.resource(namespace, vec![record]))
    }

    /// Records of one namespace.
    pub fn resource(&self, namespace: &str, log_records: Vec<LogRecord>) -> ResourceLogs {
        let attributes = match namespace {
            "" => Vec::new(),
            namespace => vec![KeyValue::fixed("k8s.namespace.name", namespace)],
        };
        ResourceLogs {
            resource: Some(Resource { attributes, ..Resource::default() }),
            scope_logs: vec![ScopeLogs {
                scope: Some(self.scope.clone()),
                log_records,
                ..ScopeLogs::default()
            }],
            ..ResourceLogs::default()
        }
    }
}

/// A text in the metadata of an object.
fn text_in<'a>(entries: &'a Vec<KeyValue>, key: &str) -> &'a str {
    match entries.get("metadata") {
        Some(AnyValue::Map(metadata)) => metadata.get_str(key).unwrap_or_default(),
        _ => "",
    }
}

impl Convert for Objects {
    const TELLS_GONE: bool = true;

    fn convert(&mut self, change: Change, object: &[u8]) -> Option<ResourceLogs> {
        let (namespace, entries) = self.object(object)?;
        self.watched(change, &namespace, entries)
    }

    fn wants_initial(&self, _: &[u8]) -> bool {
        self.initial
    }

    fn touched(&self, meta: &Meta<'_>, _: &[u8]) -> i64 {
        meta.created()
    }

    fn convert_gone(&mut self, namespace: &str, name: &str) -> Option<ResourceLogs> {
        let mut json = serde_json::json!({"metadata": {"name": name}});
        if !namespace.is_empty() {
            json["metadata"]["namespace"] = namespace.into();
        }
        self.convert(Change::Deleted, json.to_string().as_bytes())
    }
}
