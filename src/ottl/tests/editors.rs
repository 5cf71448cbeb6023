//! Editors: usual, nil, wrong and edge arguments.

use crate::otlp::{AnyValue, KeyValue};
use crate::ottl::testing::World;
use crate::ottl::{ContextKind, Statement};

/// Runs a statement on a log record whose attributes are the map literal, and expects another.
fn changes(before: &str, statement: &str, after: &str) {
    let mut world = World::default();
    world.run(ContextKind::Log, &format!("set(attributes, {before})")).unwrap();
    world.run(ContextKind::Log, statement).unwrap_or_else(|error| panic!("{statement}: {error}"));
    let mut wanted = World::default();
    wanted.run(ContextKind::Log, &format!("set(attributes, {after})")).unwrap();
    assert_eq!(world.log.attributes, wanted.log.attributes, "{statement}");
}

fn fails(before: &str, statement: &str) {
    let mut world = World::default();
    world.run(ContextKind::Log, &format!("set(attributes, {before})")).unwrap();
    let kept = world.log.attributes.clone();
    assert!(world.run(ContextKind::Log, statement).is_err(), "{statement}");
    assert_eq!(world.log.attributes, kept, "{statement} changed something and failed");
}

fn is_refused(statement: &str) {
    assert!(Statement::compile(statement, ContextKind::Log).is_err(), "{statement}");
}

#[test]
fn set() {
    changes("{\"a\": 1}", "set(attributes[\"a\"], nil)", "{\"a\": 1}");
    changes("{\"a\": 1}", "set(attributes[\"b\"], attributes[\"none\"])", "{\"a\": 1}");
    changes("{\"a\": [1]}", "set(attributes[\"b\"], attributes[\"a\"])", "{\"a\": [1], \"b\": [1]}");
    changes("{\"a\": 1}", "set(attributes, {\"b\": 2})", "{\"b\": 2}");
    fails("{\"a\": 1}", "set(attributes, 1)");
    fails("{\"a\": 1}", "set(attributes[\"t\"], Now())");
    is_refused("set(\"a\", 1)");
    is_refused("set(Len(body), 1)");
}

#[test]
fn append() {
    changes("{}", "append(attributes[\"a\"], 1)", "{\"a\": [1]}");
    changes("{\"a\": 1}", "append(attributes[\"a\"], \"x\")", "{\"a\": [1, \"x\"]}");
    changes("{\"a\": [1]}", "append(attributes[\"a\"], values=[2, \"y\"])", "{\"a\": [1, 2, \"y\"]}");
    changes("{\"a\": [1]}", "append(attributes[\"a\"], 2, [3])", "{\"a\": [1, 2, 3]}");
    fails("{\"a\": [1]}", "append(attributes[\"a\"], values=attributes[\"none\"])");
    is_refused("append(attributes[\"a\"])");
}

#[test]
fn delete_and_keep() {
    changes("{\"a\": 1, \"b\": 2}", "delete_key(attributes, \"a\")", "{\"b\": 2}");
    changes("{\"a\": 1}", "delete_key(attributes, \"none\")", "{\"a\": 1}");
    changes(
        "{\"a\": {\"x\": 1}, \"k\": \"x\"}",
        "delete_key(attributes[\"a\"], attributes[\"k\"])",
        "{\"a\": {}, \"k\": \"x\"}",
    );
    changes(
        "{\"ab\": 1, \"ba\": 2, \"c\": 3}",
        "delete_matching_keys(attributes, \"^a\")",
        "{\"ba\": 2, \"c\": 3}",
    );
    changes(
        "{\"ab\": 1, \"c\": \"a\"}",
        "delete_matching_keys(attributes, attributes[\"c\"])",
        "{\"c\": \"a\"}",
    );
    changes(
        "{\"ab\": 1, \"ba\": 2, \"c\": 3}",
        "keep_matching_keys(attributes, \"a\")",
        "{\"ab\": 1, \"ba\": 2}",
    );
    changes("{\"a\": 1, \"b\": 2}", "keep_keys(attributes, [\"b\", \"z\"])", "{\"b\": 2}");
    changes("{\"a\": 1}", "keep_keys(attributes, [])", "{}");
    fails("{\"a\": 1}", "delete_key(attributes[\"a\"], \"x\")");
    fails("{\"a\": 1}", "delete_key(attributes[\"none\"], \"x\")");
    fails("{\"a\": 1}", "delete_key(attributes, attributes[\"a\"])");
    fails("{\"a\": 1}", "keep_keys(body, [\"a\"])");
    fails("{\"a\": \"(\"}", "delete_matching_keys(attributes, attributes[\"a\"])");
    is_refused("delete_key(severity_text, \"x\")");
    is_refused("keep_keys(attributes, [1])");
    is_refused("keep_matching_keys(attributes, \"(\")");
}

#[test]
fn flatten() {
    let nested = "{\"a\": {\"b\": {\"c\": 1}, \"l\": [1, {\"x\": 2}]}, \"s\": \"t\"}";
    changes(
        nested,
        "flatten(attributes)",
        "{\"a.b.c\": 1, \"a.l.0\": 1, \"a.l.1\": {\"x\": 2}, \"s\": \"t\"}",
    );
    changes(
        nested,
        "flatten(attributes, \"p\")",
        "{\"p.a.b.c\": 1, \"p.a.l.0\": 1, \"p.a.l.1\": {\"x\": 2}, \"p.s\": \"t\"}",
    );
    changes(
        nested,
        "flatten(attributes, depth=1)",
        "{\"a.b\": {\"c\": 1}, \"a.l.0\": 1, \"a.l.1\": {\"x\": 2}, \"s\": \"t\"}",
    );
    changes("{\"a\": {\"b\": 1}}", "flatten(attributes, depth=0)", "{\"a\": {\"b\": 1}}");
    changes("{\"a.b\": 1, \"a\": {\"b\": 2}}", "flatten(attributes)", "{\"a.b\": 2}");
    changes(
        "{\"a.b\": 1, \"a\": {\"b\": 2}}",
        "flatten(attributes, resolveConflicts=true)",
        "{\"a.b\": 1, \"a.b.1\": 2}",
    );
    changes("{\"a\": {}, \"b\": []}", "flatten(attributes)", "{}");
    fails("{}", "flatten(body)");
    is_refused("flatten(attributes, depth=-1)");
}

#[test]
fn limit_and_truncate() {
    let three = "{\"a\": 1, \"b\": 2, \"c\": 3}";
    changes(three, "limit(attributes, 2, [])", "{\"a\": 1, \"b\": 2}");
    changes(three, "limit(attributes, 2, [\"c\"])", "{\"a\": 1, \"c\": 3}");
    changes(three, "limit(attributes, 0, [])", "{}");
    changes(three, "limit(attributes, 9, [])", three);
    is_refused("limit(attributes, -1, [])");
    is_refused("limit(attributes, 1, [\"a\", \"b\"])");
    changes(
        "{\"a\": \"abcé\", \"i\": 12345}",
        "truncate_all(attributes, 4)",
        "{\"a\": \"abc\", \"i\": 12345}",
    );
    changes("{\"a\": \"abc\"}", "truncate_all(attributes, 0)", "{\"a\": \"\"}");
    changes("{\"a\": \"abc\"}", "truncate_all(attributes, 3)", "{\"a\": \"abc\"}");
    is_refused("truncate_all(attributes, -1)");
    fails("{\"a\": 1}", "truncate_all(attributes, attributes[\"none\"])");
}

#[test]
fn merge_maps() {
    let before = "{\"a\": 1, \"m\": {\"a\": 2, \"b\": 3}}";
    changes(
        before,
        "merge_maps(attributes, attributes[\"m\"], \"insert\")",
        "{\"a\": 1, \"m\": {\"a\": 2, \"b\": 3}, \"b\": 3}",
    );
    changes(
        before,
        "merge_maps(attributes, attributes[\"m\"], \"update\")",
        "{\"a\": 2, \"m\": {\"a\": 2, \"b\": 3}}",
    );
    changes(
        before,
        "merge_maps(attributes, attributes[\"m\"], \"upsert\")",
        "{\"a\": 2, \"m\": {\"a\": 2, \"b\": 3}, \"b\": 3}",
    );
    fails(before, "merge_maps(attributes, attributes[\"none\"], \"upsert\")");
    fails(before, "merge_maps(attributes[\"none\"], attributes[\"m\"], \"upsert\")");
    fails(before, "merge_maps(attributes, ParseJSON(\"[1]\"), \"upsert\")");
    is_refused("merge_maps(attributes, attributes, \"all\")");
}

#[test]
fn merging_large_maps_takes_linear_time() {
    let map = |from: i64| (0..50_000).map(|i| KeyValue::new(format!("k{}", from + i), i)).collect::<Vec<_>>();
    let mut world = World::default();
    world.log.attributes = map(0);
    world.log.body = Some(AnyValue::Map(map(25_000)));
    world.run(ContextKind::Log, "merge_maps(attributes, body, \"upsert\")").unwrap();
    assert_eq!(world.log.attributes.len(), 75_000);
}

#[test]
fn replace() {
    changes(
        "{\"a\": \"x1y22\"}",
        "replace_pattern(attributes[\"a\"], \"[0-9]+\", \"#\")",
        "{\"a\": \"x#y#\"}",
    );
    changes(
        "{\"a\": \"k=v\"}",
        "replace_pattern(attributes[\"a\"], \"(\\\\w)=(?P<v>\\\\w)\", \"${v}=$1 $$ $9\")",
        "{\"a\": \"v=k $ \"}",
    );
    changes("{\"a\": \"abc\"}", "replace_pattern(attributes[\"a\"], \"^\", \"> \")", "{\"a\": \"> abc\"}");
    changes("{\"a\": \"abc\"}", "replace_pattern(attributes[\"a\"], \"none\", \"x\")", "{\"a\": \"abc\"}");
    changes("{\"a\": 1}", "replace_pattern(attributes[\"a\"], \"1\", \"x\")", "{\"a\": 1}");
    changes("{}", "replace_pattern(attributes[\"a\"], \"1\", \"x\")", "{}");
    changes(
        "{\"a\": \"u:joe\"}",
        "replace_pattern(attributes[\"a\"], \"u:(\\\\w+)\", \"$1\", MD5, \"hash(%s)\")",
        "{\"a\": \"hash(8ff32489f92f33416694be8fdc2d4c22)\"}",
    );
    changes(
        "{\"a\": \"/user/1/x\"}",
        "replace_match(attributes[\"a\"], \"/user/*\", \"/user/{id}\")",
        "{\"a\": \"/user/{id}\"}",
    );
    changes(
        "{\"a\": \"/u\"}",
        "replace_match(attributes[\"a\"], \"{/user,/us?}*\", \"x\")",
        "{\"a\": \"/u\"}",
    );
    changes(
        "{\"a\": \"/u1\", \"b\": \"/u2\", \"c\": 3}",
        "replace_all_matches(attributes, \"/u[!2]\", \"/u\")",
        "{\"a\": \"/u\", \"b\": \"/u2\", \"c\": 3}",
    );
    changes(
        "{\"a\": \"x1\", \"x1\": 1}",
        "replace_all_patterns(attributes, \"value\", \"1\", \"2\")",
        "{\"a\": \"x2\", \"x1\": 1}",
    );
    changes(
        "{\"a.b\": \"1\", \"a.c\": 2}",
        "replace_all_patterns(attributes, \"key\", \"^a\\\\.\", \"x.\")",
        "{\"x.b\": \"1\", \"x.c\": 2}",
    );
    changes(
        "{\"a1\": 1, \"a2\": 2}",
        "replace_all_patterns(attributes, \"key\", \"\\\\d\", \"\")",
        "{\"a\": 2}",
    );
    changes(
        "{\"a\": \"x\"}",
        "replace_all_patterns(attributes, \"value\", \"x\", \"y\", SHA1)",
        "{\"a\": \"95cb0bfd2977c761298d9624e4b4d4c72a39974a\"}",
    );
    fails("{\"a\": \"x\", \"n\": 1}", "replace_pattern(attributes[\"a\"], \"x\", attributes[\"n\"])");
    fails("{\"a\": \"x\"}", "replace_all_patterns(attributes[\"a\"], \"value\", \"x\", \"y\")");
    is_refused("replace_all_patterns(attributes, \"both\", \"x\", \"y\")");
    is_refused("replace_pattern(body, \"x\", \"y\", Concat)");
    is_refused("replace_pattern(body, \"x\", \"y\", set)");
    is_refused("replace_match(body, \"[\", \"y\")");
}

#[test]
fn a_replacement_cannot_grow_without_limit() {
    let mut world = World::default();
    world.log.body = Some("x".repeat(1 << 20).into());
    let error = world.run(ContextKind::Log, "replace_pattern(body, \"x\", \"0123456789\")").unwrap_err();
    assert!(error.to_string().contains("4 MiB"), "{error}");
}

/// Go's patterns know ASCII classes, literal braces, and group names that begin with a digit.
#[test]
fn patterns_follow_go() {
    let mut world = World::default();
    for (text, pattern, want) in [
        ("٣", "^\\\\d$", false),
        ("é", "^\\\\w$", false),
        ("\\u00a0", "^\\\\s$", false),
        ("aé", "a\\\\b", true),
        ("{x}", "{x}", true),
        ("a{,2}", "a{,2}", true),
        ("aa", "^a{2}$", true),
        ("[", "[[]", true),
        ("]", "[]]", true),
        ("a&&b", "[a&&b]{4}", true),
        ("x", "[[:alpha:]]", true),
        ("a.b", "\\\\Qa.b\\\\E$", true),
        ("a\\nb", "a.b", false),
        ("a\\nb", "(?s)a.b", true),
        ("K", "(?i)^\\u212a$", true),
        ("a\\n", "a$", false),
        ("7", "[\\\\d]", true),
        ("-", "[\\\\w-]", true),
        ("é", "[\\\\W]", true),
        ("A", "\\\\x41", true),
        ("A", "\\\\101", true),
    ] {
        let condition = format!("IsMatch(\"{text}\", \"{pattern}\")");
        assert_eq!(world.holds(ContextKind::Log, &condition), Ok(want), "{condition}");
    }
}
