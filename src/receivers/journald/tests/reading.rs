//! Entries of real journal files become the records `journalctl` would show.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::otlp::AnyValue;

use super::rig::{Rig, field, fixture, messages, unpacked};

fn over_fixture(name: &str, yaml: &str) -> Rig {
    let rig = Rig::new(yaml);
    fixture(name, rig.dir.path());
    rig
}

fn json(value: &AnyValue) -> Value {
    match value {
        AnyValue::Array(items) => items.iter().map(json).collect(),
        AnyValue::Int(number) => (*number).into(),
        AnyValue::String(text) => text.as_str().into(),
        other => panic!("{other:?} is not in a journal"),
    }
}

#[test]
fn every_field_is_what_journalctl_prints() {
    let mut rig = over_fixture("compact.journal", "priority: debug\nall: true");
    let records = rig.read();
    let printed = String::from_utf8(unpacked("compact.json.gz")).unwrap();
    let mut expected: BTreeMap<String, BTreeMap<String, Value>> = BTreeMap::new();
    for line in printed.lines() {
        let entry: BTreeMap<String, Value> = serde_json::from_str(line).unwrap();
        expected.insert(entry["__CURSOR"].as_str().unwrap().to_owned(), entry);
    }
    assert_eq!((expected.len(), records.len()), (120, 108), "some have no priority");
    for record in &records {
        let Some(AnyValue::Map(map)) = &record.body else { panic!("no map") };
        let mut got: BTreeMap<String, Value> =
            map.iter().map(|field| (field.key.to_string(), json(&field.value))).collect();
        got.remove("__SEQNUM").unwrap();
        got.remove("__SEQNUM_ID").unwrap();
        let mut want = expected.remove(got["__CURSOR"].as_str().unwrap()).unwrap();
        let micros: u64 = want.remove("__REALTIME_TIMESTAMP").unwrap().as_str().unwrap().parse().unwrap();
        assert_eq!(record.time_unix_nano, micros * 1000);
        assert_eq!(record.severity_number, 0, "a priority is no severity");
        assert_eq!(got, want);
    }
}

#[test]
fn a_file_with_wide_offsets_reads_the_same() {
    let texts = |name| messages(&over_fixture(name, "").read());
    let wide = texts("plain.journal");
    assert_eq!(wide.len(), 95, "what `journalctl -p info` shows");
    assert_eq!(wide, texts("compact.journal"));
}

#[test]
fn entries_are_chosen_as_journalctl_does() {
    for (yaml, want) in [
        ("", 95),
        ("priority: debug\nunits: [kubelet]", 24),
        ("priority: debug\nunits: ['kube*']", 24),
        ("priority: debug\nidentifiers: [kernel, multi]", 24),
        ("priority: emerg..crit", 6),
        ("priority: 0..2", 6),
        ("priority: debug\nmatches: [{_PID: '1'}, {SYSLOG_IDENTIFIER: app}]", 24),
        ("matches: [{_TRANSPORT: journal, SYSLOG_IDENTIFIER: id1, PRIORITY: '6'}]", 12),
        ("priority: debug\ndmesg: true", 12),
        ("priority: debug\ngrep: usb", 12),
        ("priority: debug\ngrep: KUBELET", 0),
        ("units: [kubelet.service, containerd.service]", 36),
        ("units: [unit-3]", 12),
    ] {
        assert_eq!(over_fixture("compact.journal", yaml).read().len(), want, "{yaml}");
    }
}

#[test]
fn several_values_make_a_list_and_bytes_numbers_or_text() {
    let mut rig = over_fixture("compact.journal", "identifiers: [multi]");
    let tags = AnyValue::Array(vec!["one".into(), "two".into()]);
    assert_eq!(field(&rig.read()[0], "TAG"), tags);
    let yaml = "identifiers: [app]\npriority: debug";
    let bytes = field(&over_fixture("compact.journal", yaml).read()[0], "MESSAGE");
    assert!(matches!(&bytes, AnyValue::Array(bytes) if bytes[4] == AnyValue::Int(255)), "{bytes:?}");
    let yaml = format!("{yaml}\nconvert_message_bytes: true");
    let text = field(&over_fixture("compact.journal", &yaml).read()[0], "MESSAGE");
    assert_eq!(text, "raw \u{fffd}\u{fffd} bytes 3".into());
}

#[test]
fn operators_attributes_and_resource_work_on_entries() {
    let mut rig = over_fixture(
        "compact.journal",
        "units: [kubelet]\nattributes: {a: b}\nresource: {r: s}\noperators: [{type: move, from: body.MESSAGE, to: body}]",
    );
    let records = rig.read();
    assert_eq!(records[0].body, Some("E0101 kubelet line 1".into()));
    assert_eq!(records[0].attributes.len(), 1);
}
