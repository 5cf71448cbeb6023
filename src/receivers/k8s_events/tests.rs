//! Events of both shapes, as recorded.

use std::time::{Duration, SystemTime};

use super::record::Events;
use crate::kube::list_watch::Change;
use crate::otlp::Attributes;
use crate::otlp::logs::ResourceLogs;
use crate::receivers::kube_changes::Convert;

const CORE: &str = include_str!("../../../tests/fixtures/kube/api/events.json");
const OWN_GROUP: &str = include_str!("../../../tests/fixtures/kube/api/events-k8s-io.json");

fn logs(list: &str) -> Vec<ResourceLogs> {
    let list: serde_json::Value = serde_json::from_str(list).unwrap();
    let mut events = Events::new("1", SystemTime::UNIX_EPOCH);
    let items = list["items"].as_array().unwrap().iter();
    items.map(|item| events.convert(Change::Added, item.to_string().as_bytes()).unwrap()).collect()
}

#[test]
fn both_shapes_of_a_recorded_event_make_the_same_record() {
    let (core, own) = (logs(CORE), logs(OWN_GROUP));
    let name = |logs: &ResourceLogs| {
        logs.scope_logs[0].log_records[0].attributes.get_str("k8s.event.uid").unwrap().to_owned()
    };
    let mut compared = 0;
    for one in &core {
        if let Some(other) = own.iter().find(|other| name(other) == name(one)) {
            // The lists were not read at the same moment: an event may have come again meanwhile.
            let count = |logs: &ResourceLogs| {
                logs.scope_logs[0].log_records[0].attributes.get("k8s.event.count").cloned()
            };
            if count(one) == count(other) {
                assert_eq!(one, other);
                compared += 1;
            }
        }
    }
    assert!(compared > 190, "{compared}");
}

#[test]
fn a_recorded_event_has_upstreams_attributes() {
    let all = logs(CORE);
    let first = &all[0];
    let resource = &first.resource.as_ref().unwrap().attributes;
    for (key, value) in [
        ("k8s.node.name", "node-a"),
        ("k8s.object.kind", "Node"),
        ("k8s.object.name", "node-a"),
        ("k8s.object.uid", ""),
        ("k8s.object.fieldpath", ""),
        ("k8s.object.api_version", "v1"),
        ("k8s.object.resource_version", ""),
    ] {
        assert_eq!(resource.get_str(key), Some(value), "{key}");
    }
    let record = &first.scope_logs[0].log_records[0];
    for (key, value) in [
        ("k8s.event.reason", "Starting"),
        ("k8s.event.action", ""),
        ("k8s.event.start_time", "2026-11-22 13:51:59 +0000 UTC"),
        ("k8s.event.name", "node-a.18ea62552d624414"),
        ("k8s.event.uid", "1edb6595-6ff6-421f-a313-35785b57a5ef"),
        ("k8s.namespace.name", ""),
    ] {
        assert_eq!(record.attributes.get_str(key), Some(value), "{key}");
    }
    assert_eq!(record.attributes.get("k8s.event.count"), Some(&1.into()));
    assert_eq!(record.body.as_ref().and_then(|body| body.as_str()), Some("Starting kubelet."));
    assert_eq!((record.severity_number, record.severity_text.as_str()), (9, "Normal"));
    assert_eq!(record.time_unix_nano, 1_795_355_519_000_000_000);
    assert_eq!(record.observed_time_unix_nano, 0);
    let warnings = all.iter().filter(|logs| logs.scope_logs[0].log_records[0].severity_number == 13);
    assert_eq!(warnings.count(), 15);
}

#[test]
fn types_map_to_severities_and_unknown_ones_to_none() {
    for (kind, want) in [
        ("Normal", (9, "Normal")),
        ("WARNING", (13, "WARNING")),
        ("Error", (17, "Error")),
        ("Critical", (21, "Critical")),
        ("Curious", (0, "")),
    ] {
        let json = format!(r#"{{"type": "{kind}", "metadata": {{}}, "message": null}}"#);
        let logs = Events::new("1", SystemTime::UNIX_EPOCH).convert(Change::Added, json.as_bytes()).unwrap();
        let record = &logs.scope_logs[0].log_records[0];
        assert_eq!((record.severity_number, record.severity_text.as_str()), want);
    }
}

#[test]
fn what_was_over_before_the_start_is_not_told_at_first() {
    let began = SystemTime::UNIX_EPOCH + Duration::from_millis(1_795_355_519_500);
    let events = Events::new("1", began);
    let at = |time: &str| format!(r#"{{"metadata": {{}}, "lastTimestamp": "{time}"}}"#);
    assert!(!events.wants_initial(at("2026-11-22T13:51:58Z").as_bytes()));
    assert!(events.wants_initial(at("2026-11-22T13:51:59Z").as_bytes()), "a second has no fractions in it");
    assert!(!events.wants_initial(b"{}"));
}
