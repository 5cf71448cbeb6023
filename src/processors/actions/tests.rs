use super::*;
use crate::config::from_yaml;
use crate::otlp::{AnyValue, KeyValue};

fn attributes(entries: &[(&'static str, AnyValue)]) -> Vec<KeyValue> {
    entries.iter().map(|(key, value)| KeyValue::fixed(key, value.clone())).collect()
}

/// Runs a YAML list of actions, and checks on the way that `change` tells the truth.
fn run(actions: &str, entries: &[(&'static str, AnyValue)]) -> Vec<KeyValue> {
    let actions = compile(&from_yaml::<Vec<ActionConfig>>(actions).unwrap()).unwrap();
    let before = attributes(entries);
    let mut after = before.clone();
    actions.apply(&mut after);
    assert_eq!(actions.change(&before), before != after);
    after
}

#[test]
fn every_action_follows_its_rule() {
    let a = |value: &str| ("a", AnyValue::from(value));
    let sha = "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb"; // of "a"
    for (actions, before, after) in [
        ("[{key: a, value: 1, action: insert}]", vec![], vec![("a", 1.into())]),
        ("[{key: a, value: 1, action: INSERT}]", vec![a("x")], vec![a("x")]),
        ("[{key: a, value: 1, action: update}]", vec![], vec![]),
        ("[{key: a, value: 1, action: update}]", vec![a("x")], vec![("a", 1.into())]),
        ("[{key: a, value: 1, action: upsert}]", vec![a("x")], vec![("a", 1.into())]),
        ("[{key: a, value: \"\", action: upsert}]", vec![], vec![a("")]),
        (
            "[{key: a, value: [1, b], action: insert}]",
            vec![],
            vec![("a", vec![AnyValue::Int(1), "b".into()].into())],
        ),
        ("[{key: a, from_attribute: b, action: upsert}]", vec![a("x")], vec![a("x")]),
        (
            "[{key: a, from_attribute: b, action: upsert}]",
            vec![("b", 2.into())],
            vec![("b", 2.into()), ("a", 2.into())],
        ),
        ("[{key: a, from_attribute: a, action: upsert}]", vec![a("x")], vec![a("x")]),
        ("[{key: a, from_attribute: a, action: insert}]", vec![], vec![]),
        ("[{key: a, from_attribute: a, default_value: 3, action: upsert}]", vec![], vec![("a", 3.into())]),
        ("[{key: a, from_attribute: b, default_value: 3, action: insert}]", vec![], vec![("a", 3.into())]),
        ("[{key: a, from_context: metadata.x, action: insert}]", vec![], vec![]),
        ("[{key: a, from_context: x, default_value: d, action: insert}]", vec![], vec![a("d")]),
        ("[{key: a, action: delete}]", vec![a("x"), ("b", 1.into())], vec![("b", 1.into())]),
        (
            "[{pattern: '^a|z', action: delete}]",
            vec![("ab", 1.into()), ("yz", 1.into()), ("b", 1.into())],
            vec![("b", 1.into())],
        ),
        ("[{key: a, action: hash}]", vec![a("a")], vec![a(sha)]),
        ("[{key: a, action: hash}]", vec![("a", vec![AnyValue::Int(1)].into())], vec![a("")]),
        ("[{pattern: a, action: hash}]", vec![a("a"), ("b", 1.into())], vec![a(sha), ("b", 1.into())]),
        (
            "[{key: a, action: hash}]",
            vec![("a", true.into())],
            vec![a("4bf5122f344554c53bde2ebb8cd2b7e3d1600ad631c385a5d7cce23c7785459a")],
        ),
        (
            "[{key: a, action: hash}]",
            vec![("a", 1.into())],
            vec![a("7c9fa136d4413fa6173637e883b6998d32e1d675f88cddff9dcbcf331820f4b8")],
        ),
        (
            "[{key: a, pattern: '^/(?P<v>\\w+)/(?P<b>\\w+)', action: extract}]",
            vec![a("/x/y"), ("b", 1.into())],
            vec![a("/x/y"), ("b", "y".into()), ("v", "x".into())],
        ),
        ("[{key: a, pattern: '(?P<v>z)', action: extract}]", vec![a("x")], vec![a("x")]),
        ("[{key: a, pattern: '(?P<v>1)', action: extract}]", vec![("a", 1.into())], vec![("a", 1.into())]),
        ("[{key: a, converted_type: int, action: convert}]", vec![a("12")], vec![("a", 12.into())]),
        ("[{key: a, converted_type: int, action: convert}]", vec![a("1.2")], vec![a("1.2")]),
        (
            "[{key: a, converted_type: int, action: convert}]",
            vec![("a", (-1.9).into())],
            vec![("a", (-1).into())],
        ),
        ("[{key: a, converted_type: int, action: convert}]", vec![("a", true.into())], vec![("a", 1.into())]),
        ("[{key: a, converted_type: double, action: convert}]", vec![a("1.5")], vec![("a", 1.5.into())]),
        (
            "[{key: a, converted_type: double, action: convert}]",
            vec![("a", 2.into())],
            vec![("a", 2.0.into())],
        ),
        ("[{key: a, converted_type: double, action: convert}]", vec![a("x")], vec![a("x")]),
        ("[{key: a, converted_type: string, action: convert}]", vec![("a", 1.5.into())], vec![a("1.5")]),
        // The actions run in order, each on what the one before left.
        (
            "[{key: b, from_attribute: a, action: insert}, {key: a, action: delete}]",
            vec![a("x")],
            vec![("b", "x".into())],
        ),
        // An environment variable that is not set.
        ("[{key: a, value: , action: upsert}]", vec![a("x")], vec![a("x")]),
    ] {
        assert_eq!(run(actions, &before), attributes(&after), "{actions} on {before:?}");
    }
}

#[test]
fn a_bad_action_is_refused_with_the_reason() {
    for (action, want) in [
        ("{action: insert, value: 1}", "key: is required"),
        ("{key: a}", "action: is required"),
        ("{key: a, action: drop}", "\"drop\" is no action"),
        ("{key: a, action: insert}", "one of \"value\", \"from_attribute\" or \"from_context\" is required"),
        ("{key: a, action: insert, value: 1, from_attribute: b}", "takes only one of"),
        ("{key: a, action: upsert, value: 1, pattern: x}", "pattern: is not used"),
        ("{key: a, action: delete, value: 1}", "value: is not used"),
        ("{action: delete}", "needs \"key\" or \"pattern\""),
        ("{action: delete, pattern: '('}", "bad regular expression"),
        ("{key: a, action: extract}", "pattern: is required"),
        ("{key: a, action: extract, pattern: '.*'}", "no named group"),
        ("{key: a, action: extract, pattern: '(?P<a>.)(.)'}", "group without a name"),
        ("{key: a, action: convert}", "converted_type: is required"),
        ("{key: a, action: convert, converted_type: bool}", "\"bool\" is no type"),
    ] {
        let error = compile(&[from_yaml(action).unwrap()]).unwrap_err();
        assert!(error.contains(want), "{action}: {error}");
    }
}

#[test]
fn actions_that_set_a_key_to_its_own_value_are_left_out() {
    let all = "[{key: a, from_attribute: a, action: upsert}, {key: a, from_attribute: a, action: update}]";
    let actions = compile(&from_yaml::<Vec<ActionConfig>>(all).unwrap()).unwrap();
    assert!(actions.is_empty());
}
