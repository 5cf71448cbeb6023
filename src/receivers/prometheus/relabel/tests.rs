//! Every action, and every mistake that can be made with one.

use super::*;
use crate::config::{Decoder, Node, from_yaml};

/// The rules, and what is wrong with them.
fn rules(yaml: &str) -> (Vec<Rule>, String) {
    let node: Node = from_yaml(yaml).unwrap();
    let configs: Vec<RelabelConfig> = from_yaml(yaml).unwrap();
    let mut decoder = Decoder::new(&node);
    let rules = compile(&configs, "relabel_configs", &mut decoder.issues());
    let found: Vec<_> = decoder.found().iter().map(ToString::to_string).collect();
    (rules, found.join("\n"))
}

/// Labels as `a=1 b=2`, sorted; nothing when they are dropped.
fn run(yaml: &str, labels: &str) -> Option<String> {
    let (rules, wrong) = rules(yaml);
    assert_eq!(wrong, "", "{yaml}");
    let mut set: Vec<Label<'_>> = Vec::new();
    for pair in labels.split_whitespace() {
        let (name, value) = pair.split_once('=').unwrap();
        set.push(Label::new(name, value));
    }
    if !apply(&rules, &mut set) {
        return None;
    }
    let mut shown: Vec<_> = set.iter().map(|label| format!("{}={}", label.name, label.value)).collect();
    shown.sort();
    Some(shown.join(" "))
}

#[test]
fn every_action_does_what_prometheus_does() {
    for (rule, before, after) in [
        (
            "{source_labels: [a], regex: 'f(.*)', target_label: d, replacement: 'ch${1}-ch$1'}",
            "a=foo",
            Some("a=foo d=choo-choo"),
        ),
        (
            "{source_labels: [a, b], regex: 'f(.*);(.*)r', target_label: a, replacement: 'b$1${2}m'}",
            "a=foo b=bar",
            Some("a=boobam b=bar"),
        ),
        ("{source_labels: [a], regex: oo, target_label: b, replacement: x}", "a=foo", Some("a=foo")),
        ("{source_labels: [a], regex: '.*', target_label: b, replacement: x}", "c=1", Some("b=x c=1")),
        ("{target_label: b, replacement: constant}", "a=1", Some("a=1 b=constant")),
        ("{source_labels: [a], target_label: b}", "a=1 b=2", Some("a=1 b=1")),
        ("{source_labels: [c], target_label: b}", "a=1 b=2", Some("a=1")),
        (
            "{source_labels: [a], regex: '(f).*', target_label: 'x_$1', replacement: y}",
            "a=foo",
            Some("a=foo x_f=y"),
        ),
        (
            "{source_labels: [a], regex: '(?P<w>.*)', target_label: b, replacement: '$w-${w}-$$-$none'}",
            "a=1",
            Some("a=1 b=1-1-$-"),
        ),
        ("{source_labels: [a], regex: 'foo|bar', action: keep}", "a=foo", Some("a=foo")),
        ("{source_labels: [a], regex: 'foo|bar', action: keep}", "a=food", None),
        ("{source_labels: [a], regex: 'f.*', action: drop}", "a=foo", None),
        ("{source_labels: [a], regex: 'f', action: drop}", "a=foo", Some("a=foo")),
        ("{source_labels: [a, b], separator: '-', regex: 'x-y', action: Drop}", "a=x b=y", None),
        ("{source_labels: [a], target_label: b, action: keepequal}", "a=1 b=1", Some("a=1 b=1")),
        ("{source_labels: [a], target_label: b, action: keepequal}", "a=1 b=2", None),
        ("{source_labels: [a], target_label: b, action: dropequal}", "a=1 b=1", None),
        // The figure of Prometheus' own test.
        (
            "{source_labels: [c], separator: ';', target_label: d, action: hashmod, modulus: 1000}",
            "a=foo b=bar c=baz",
            Some("a=foo b=bar c=baz d=976"),
        ),
        (
            "{regex: '(b.*)', replacement: 'bar_${1}', action: labelmap}",
            "a=foo b1=bar b2=baz",
            Some("a=foo b1=bar b2=baz bar_b1=bar bar_b2=baz"),
        ),
        ("{regex: '(b.*)', action: labeldrop}", "a=foo b1=bar b2=baz", Some("a=foo")),
        ("{regex: '(b.*)', action: labelkeep}", "a=foo b1=bar b2=baz", Some("b1=bar b2=baz")),
        ("{source_labels: [a], target_label: b, action: lowercase}", "a=FoO", Some("a=FoO b=foo")),
        ("{source_labels: [a], target_label: b, action: uppercase}", "a=FoO", Some("a=FoO b=FOO")),
    ] {
        assert_eq!(run(&format!("[{rule}]"), before).as_deref(), after, "{rule}");
    }
}

#[test]
fn a_pattern_is_anchored_and_a_dot_is_any_character() {
    let (rules, _) = rules("[{source_labels: [a], regex: 'a.b|c', action: keep}]");
    let keeps = |value: &str| apply(&rules, &mut vec![Label::new("a", value)]);
    assert!(keeps("a\nb") && keeps("c"));
    assert!(!keeps("xa.b") && !keeps("cc") && !keeps("c\n"));
}

#[test]
fn mistakes_are_told_with_their_place() {
    for (rule, place, wanted) in [
        ("{action: replace}", "relabel_configs::0", "needs a \"target_label\""),
        ("{action: hashmod, target_label: a}", "relabel_configs::0", "\"modulus\" above zero"),
        (
            "{action: labeldrop, regex: a, source_labels: [b]}",
            "relabel_configs::0::source_labels",
            "takes no",
        ),
        ("{action: keepequal, target_label: a, regex: b}", "relabel_configs::0::regex", "takes no"),
        ("{action: explode, target_label: a}", "relabel_configs::0::action", "choose from replace, keep"),
        (
            "{action: keep, source_labels: [a], regex: 'a(b'}",
            "relabel_configs::0::regex",
            "bad regular expression",
        ),
        (
            "{action: keep, source_labels: [a], regex: 'a)(b'}",
            "relabel_configs::0::regex",
            "bad regular expression",
        ),
        (
            "{action: keep, source_labels: [a], regex: '(?=a)'}",
            "relabel_configs::0::regex",
            "bad regular expression",
        ),
    ] {
        let (_, found) = rules(&format!("[{rule}]"));
        assert!(found.contains(wanted) && found.contains(place), "{rule}: {found}");
    }
}
