use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use serde::Deserialize;

use super::*;
use crate::config::types::{ByteSize, Secret};
use crate::otlp::AnyValue;

#[derive(Debug, Deserialize, PartialEq)]
#[serde(default, deny_unknown_fields)]
struct Batch {
    #[serde(deserialize_with = "crate::config::types::duration")]
    timeout: Duration,
    send_batch_size: u32,
    ratio: f64,
    enabled: bool,
    name: String,
    keys: Vec<String>,
    labels: BTreeMap<String, String>,
    nested: Nested,
    #[serde(deserialize_with = "crate::config::types::section")]
    queue: Option<Nested>,
    mode: Mode,
    size: ByteSize,
    key_pem: Secret,
    #[serde(alias = "old_name")]
    new_name: String,
}

#[derive(Debug, Deserialize, PartialEq)]
#[serde(default, deny_unknown_fields)]
struct Nested {
    depth: u8,
}

impl Default for Nested {
    fn default() -> Self {
        Self { depth: 7 }
    }
}

#[derive(Debug, Default, Deserialize, PartialEq)]
#[serde(rename_all = "lowercase")]
enum Mode {
    #[default]
    Strict,
    Regexp,
}

impl Default for Batch {
    fn default() -> Self {
        Self {
            timeout: Duration::from_millis(200),
            send_batch_size: 8192,
            ratio: 0.5,
            enabled: true,
            name: "default".into(),
            keys: vec!["default".into()],
            labels: BTreeMap::from([("default".into(), "yes".into())]),
            nested: Nested { depth: 3 },
            queue: None,
            mode: Mode::Regexp,
            size: ByteSize(1),
            key_pem: Secret::default(),
            new_name: String::new(),
        }
    }
}

fn batch(yaml: &str) -> Batch {
    from_yaml(yaml).unwrap_or_else(|error| panic!("{yaml}: {error}"))
}

fn errors(yaml: &str) -> Vec<String> {
    from_yaml::<Batch>(yaml).expect_err(yaml).lines().map(str::to_owned).collect()
}

#[test]
fn values_convert_as_in_the_collector_and_no_further() {
    assert_eq!(batch(""), Batch::default());
    assert_eq!(batch("keys: a,b, c").keys, ["a", "b", " c"]);
    assert_eq!(batch("keys: ''").keys, [""; 0]);
    assert_eq!(batch("keys: []").keys, [""; 0]);
    assert_eq!(batch("ratio: 2").ratio, 2.0);
    assert_eq!(batch("send_batch_size: 2.9").send_batch_size, 2);
    assert_eq!(batch("timeout: 1000000000").timeout, Duration::from_secs(1));
    assert_eq!(batch("size: 1KiB").size, ByteSize(1024));
    assert_eq!(batch("mode: strict").mode, Mode::Strict);
    assert_eq!(batch("old_name: x").new_name, "x");
    for (yaml, error) in [
        ("send_batch_size: '5'", "1:18: send_batch_size: expected an integer, found the text \"5\""),
        ("send_batch_size: -5", "1:18: send_batch_size: must not be negative, found -5"),
        (
            "send_batch_size: 5000000000",
            "1:18: send_batch_size: must be between 0 and 4294967295, found 5000000000",
        ),
        ("enabled: yes", "1:10: enabled: expected true or false, found the text \"yes\""),
        ("name: 5", "1:7: name: expected text (put it in quotes), found the integer 5"),
        ("name: true", "1:7: name: expected text (put it in quotes), found the boolean true"),
        ("name: [a]", "1:1: name: expected text, found a list"),
        ("keys: 5", "1:7: keys: expected a list, found the integer 5"),
        ("keys: {a: b}", "1:1: keys: expected a list, found a map"),
        ("keys: [a, 5]", "1:11: keys::1: expected text (put it in quotes), found the integer 5"),
        ("labels: [a]", "1:1: labels: expected a map, found a list"),
        ("labels: {a: 1}", "1:13: labels::a: expected text (put it in quotes), found the integer 1"),
        ("nested: x", "1:9: nested: expected a map, found the text \"x\""),
        ("ratio: x", "1:8: ratio: expected a number, found the text \"x\""),
        (
            "timeout: '10'",
            "1:10: timeout: \"10\" is no duration: write a number with a unit, such as \"30s\"",
        ),
        ("timeout: true", "1:10: timeout: expected a duration such as \"30s\", found the boolean true"),
        (
            "mode: regex",
            "1:7: mode: unknown value \"regex\", did you mean \"regexp\"? (valid values: strict, regexp)",
        ),
        ("mode: 5", "1:7: mode: expected one of strict, regexp, found the integer 5"),
        ("old_name: x\nnew_name: y", "1:1: \"new_name\" is set twice, by two of its names"),
        ("[a]", "1:1: expected a map, found a list"),
    ] {
        assert_eq!(errors(yaml), [error], "{yaml}");
    }
}

#[test]
fn null_is_zero_for_scalars_and_the_default_for_everything_else() {
    let got = batch(
        "{timeout: , send_batch_size: , ratio: , enabled: , name: , keys: , labels: , nested: , mode: }",
    );
    let want = Batch {
        timeout: Duration::ZERO,
        send_batch_size: 0,
        ratio: 0.0,
        enabled: false,
        name: String::new(),
        ..Batch::default()
    };
    assert_eq!(got, want);
    assert_eq!(batch("queue:").queue, Some(Nested { depth: 7 }));
    assert_eq!(batch("queue: {depth: 1}").queue, Some(Nested { depth: 1 }));
    assert_eq!(batch("size:").size, ByteSize(0));
    let list: Vec<Option<Nested>> = from_yaml("[null, {depth: 1}]").unwrap();
    assert_eq!(list, [None, Some(Nested { depth: 1 })]);
    let list: Vec<Nested> = from_yaml("[null, {depth: 1}]").unwrap();
    assert_eq!(list, [Nested { depth: 7 }, Nested { depth: 1 }]);
    let map: BTreeMap<String, Nested> = from_yaml("a:\nb: {depth: 1}").unwrap();
    assert_eq!(map, BTreeMap::from([("a".into(), Nested { depth: 7 }), ("b".into(), Nested { depth: 1 })]));
}

#[derive(Debug, Default, Deserialize, PartialEq)]
#[serde(default, deny_unknown_fields)]
struct Sections {
    #[serde(deserialize_with = "crate::config::types::section")]
    plain: Option<Nested>,
    #[serde(deserialize_with = "crate::config::types::section")]
    own: Option<Own>,
}

#[derive(Debug, Default, Deserialize, PartialEq)]
#[serde(default, deny_unknown_fields)]
struct Own {
    enabled: bool,
}

#[test]
fn enabled_false_turns_an_optional_section_off() {
    let sections = |yaml: &str| from_yaml::<Sections>(yaml);
    let plain = |depth| Ok(Sections { plain: Some(Nested { depth }), own: None });
    assert_eq!(sections("plain: {enabled: false, depth: 1}"), Ok(Sections::default()));
    assert_eq!(sections("plain: {enabled: true, depth: 1}"), plain(1));
    assert_eq!(sections("plain: {enabled: , depth: 1}"), plain(1));
    assert_eq!(sections("plain: {depth: 1}"), plain(1));
    assert_eq!(sections("plain:"), plain(7));
    assert_eq!(
        sections("own: {enabled: false}"),
        Ok(Sections { plain: None, own: Some(Own { enabled: false }) })
    );
    assert_eq!(
        sections("plain: {enabled: 'no', depth: x}").unwrap_err(),
        "1:18: plain::enabled: expected true or false, found the text \"no\"\n\
         1:31: plain::depth: expected an integer, found the text \"x\""
    );
}

#[test]
fn every_error_is_reported_not_just_the_first() {
    let yaml = "\
tiemout: 5s
send_batch_size: many
keys:
  - a
  - {b: c}
  - 7
nested:
  depth: 300
  deep: 1
queue: {depht: 1}
mode: fuzzy
";
    assert_eq!(
        errors(yaml),
        [
            "1:1: unknown key \"tiemout\", did you mean \"timeout\"?",
            "2:18: send_batch_size: expected an integer, found the text \"many\"",
            "5:5: keys::1: expected text, found a map",
            "6:5: keys::2: expected text (put it in quotes), found the integer 7",
            "8:10: nested::depth: must be between 0 and 255, found 300",
            "9:3: nested: unknown key \"deep\" (valid keys: depth)",
            "10:9: queue: unknown key \"depht\", did you mean \"depth\"?",
            "11:7: mode: unknown value \"fuzzy\" (valid values: strict, regexp)",
        ]
    );
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Required {
    endpoint: String,
    inner: Inner,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Inner {
    port: u16,
    #[allow(dead_code)]
    host: String,
}

#[test]
fn a_faulty_value_is_not_reported_as_missing_too() {
    let error = |yaml| from_yaml::<Required>(yaml).map(|all| (all.endpoint, all.inner.port)).unwrap_err();
    assert_eq!(error("endpoint: 5\ninner: {port: x, host: h}").lines().count(), 2);
    assert_eq!(error("endpoint: a\ninner: {port: 1}"), "2:1: inner: \"host\" is missing");
    assert_eq!(error("endpoint: a"), "1:1: \"inner\" is missing");
    assert_eq!(error("endpoint: a\ninner:"), "1:1: \"inner\" is missing");
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Raw {
    operators: Vec<Node>,
    one: Option<Node>,
    by_name: HashMap<String, Node>,
    rest: Node,
}

#[test]
fn a_node_keeps_its_place_as_a_field() {
    let raw: Raw = from_yaml("operators:\n  - type: move\n  - b\none: 1\nby_name: {x: [2]}\n").unwrap();
    assert_eq!(raw.operators[0].place().to_string(), "2:5");
    assert_eq!(raw.operators[0].get("type").unwrap().place().to_string(), "2:11");
    assert_eq!(raw.operators[1].as_str(), Some("b"));
    assert_eq!(raw.one.unwrap().as_i64(), Some(1));
    assert_eq!(raw.by_name["x"].items()[0].place().to_string(), "5:15");
    assert!(raw.rest.is_null());
    let raw: Raw = from_yaml("one:\n").unwrap();
    assert!(raw.one.is_none());
    let node: Node = serde_json::from_str(r#"{"a": [1, -2, 1.5, null, "x", true]}"#).unwrap();
    assert_eq!(node, from_yaml::<Node>("a: [1, -2, 1.5, null, x, true]").unwrap());
}

#[test]
fn parts_decoded_later_report_their_place_in_the_document() {
    let root =
        parse("processors:\n  batch:\n    operators:\n      - nested: {depth: x}\n        mode: a\n", None)
            .unwrap();
    let section = root.get("processors").and_then(|node| node.get("batch")).unwrap();
    let mut decoder = Decoder::at(section, "processors::batch");
    let raw: Raw = decoder.decode().unwrap();
    let mut issues = decoder.issues();
    assert_eq!(raw.operators[0].decode::<Batch>("operators::0", &mut issues), None);
    issues.error("operators::0::missing::key", "must be there");
    issues.within("operators::0").error("mode", "is wrong");
    issues.error("", "all of it");
    let found: Vec<_> = decoder.found().iter().map(ToString::to_string).collect();
    assert_eq!(
        found,
        [
            "4:25: processors::batch::operators::0::nested::depth: expected an integer, found the text \"x\"",
            "5:15: processors::batch::operators::0::mode: unknown value \"a\" (valid values: strict, regexp)",
            "4:9: processors::batch::operators::0::missing::key: must be there",
            "5:15: processors::batch::operators::0::mode: is wrong",
            "2:3: processors::batch: all of it",
        ]
    );
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Head {
    r#type: String,
}

#[test]
fn a_struct_that_denies_no_keys_is_a_look_at_some_of_them() {
    assert_eq!(from_yaml::<Head>("{type: move, from: a, to: b}").unwrap().r#type, "move");
}

#[test]
fn secrets_do_not_show_in_errors() {
    let error = errors("key_pem: [abc]\nlabels: {password: 5}\ntimeout: s3cr3t");
    assert_eq!(error[0], "1:1: key_pem: expected text, found a list");
    let error = from_yaml::<BTreeMap<String, BTreeMap<String, u8>>>("a: {token: s3cr3t}").unwrap_err();
    assert_eq!(error, "1:12: a::token: expected an integer, found the text \"[REDACTED]\"");
}

#[test]
fn any_yaml_is_an_attribute_value() {
    let value: AnyValue = from_yaml("{b: [1, 2.5, x, null], a: true}").unwrap();
    let node: Node = from_yaml("{b: [1, 2.5, x, null], a: true}").unwrap();
    assert_eq!(AnyValue::from(&node), value);
    let entries = value.as_map().unwrap();
    assert_eq!((entries[0].key.as_str(), entries[1].key.as_str()), ("b", "a"));
    assert_eq!(entries[1].value, AnyValue::Bool(true));
}

#[test]
fn hostile_sections_report_a_bounded_number_of_errors() {
    let yaml = format!("[{}]", "x,".repeat(5000));
    assert!(from_yaml::<Vec<u8>>(&yaml).unwrap_err().lines().count() <= MAX_ERRORS);
}
