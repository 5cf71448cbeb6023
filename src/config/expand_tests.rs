use super::*;
use crate::config::from_yaml;

struct Process;

impl Variables for Process {
    fn get(&self, name: &str) -> Option<&str> {
        Some(match name {
            "HOST" => "example.com",
            "PORT" => "8080",
            "OCTAL" => "0123",
            "TRUE" => "true",
            "DATE" => "2024-01-01",
            "QUOTED" => "\"all\"",
            "LIST" => "[\"a\", \"b\"]",
            "MAP" => "{a: 1, b: '${env:PORT}'}",
            "EMPTY" => "",
            "COMMENT" => "#abc",
            "BROKEN" => "a: b: c",
            "NAME" => "HOST",
            "NEST" => "${env:HOST}",
            "LOOP" => "${env:LOOP}",
            "GROW" => "${env:GROW}${env:GROW}",
            "NESTED_LOOP" => "[\"${env:NESTED_LOOP}\", \"${env:NESTED_LOOP}\"]",
            "DOLLARS" => "a$$b",
            "ONE_DOLLAR" => "a$b",
            "KEY" => "s3cr3t",
            _ => return None,
        })
    }
    fn is_secret(&self, name: &str) -> bool {
        name == "KEY"
    }
}

fn expand(yaml: &str) -> (Node, Vec<String>) {
    let mut node = parse(yaml, None).unwrap_or_else(|error| panic!("{yaml}: {error:?}"));
    let mut expander = Expander::new(&Process);
    expander.expand(&mut node);
    (node, expander.found.iter().map(ToString::to_string).collect())
}

/// The value of `v` as an untyped field sees it.
fn untyped(value: &str) -> Node {
    let (node, found) = expand(&format!("v: {value}"));
    assert!(found.is_empty(), "{value}: {found:?}");
    let mut node = node.get("v").unwrap().clone();
    node.walk(&mut |node| node.original = None);
    node
}

/// The value of `v` as a text field sees it.
fn text(value: &str) -> String {
    let (node, _) = expand(&format!("v: {value}"));
    let mut issues = Vec::new();
    let got = crate::config::decode::decode(node.get("v").unwrap(), "", &mut issues);
    got.unwrap_or_else(|| panic!("{value}: {issues:?}"))
}

#[test]
fn a_whole_value_takes_the_type_of_its_text() {
    for (value, want) in [
        ("${env:HOST}", "example.com"),
        ("${HOST}", "example.com"),
        ("${env:PORT}", "8080"),
        ("${env:TRUE}", "true"),
        ("${env:OCTAL}", "83"),
        ("${env:DATE}", "2024-01-01"),
        ("${env:LIST}", "[a, b]"),
        ("${env:MAP}", "{a: 1, b: 8080}"),
        ("${env:QUOTED}", "'\"all\"'"),
        ("${env:COMMENT}", "null"),
        ("${env:BROKEN}", "'a: b: c'"),
        ("${env:NEST}", "example.com"),
        ("${env:${env:NAME}}", "example.com"),
        ("${env:UNSET:-7}", "7"),
        ("${env:UNSET:-[a]}", "[a]"),
        ("${env:UNSET:-}", "''"),
        ("'${env:UNSET:-\"all\"}'", "'\"all\"'"),
        ("'${env:UNSET:-a:-b}'", "'a:-b'"),
        ("'${yaml:[1, 2]}'", "[1, 2]"),
        ("'${yaml:a: 1}'", "{a: 1}"),
    ] {
        assert_eq!(untyped(value), from_yaml::<Node>(want).unwrap(), "{value}");
    }
}

#[test]
fn a_text_field_gets_the_text_as_it_was() {
    for (value, want) in [
        ("${env:OCTAL}", "0123"),
        ("${env:TRUE}", "true"),
        ("${env:DATE}", "2024-01-01"),
        ("${env:LIST}", "[\"a\", \"b\"]"),
        ("${env:COMMENT}", "#abc"),
        ("${env:QUOTED}", "\"all\""),
        ("${env:EMPTY}", ""),
        ("${env:UNSET}", ""),
        ("${env:UNSET:-}", ""),
        ("${env:EMPTY:-default}", ""),
        ("${env:UNSET:-default}", "default"),
        ("${env:MAP}", "{a: 1, b: '8080'}"),
    ] {
        assert_eq!(text(value), want, "{value}");
    }
}

#[test]
fn inside_other_text_it_is_text() {
    for (value, want) in [
        ("http://${env:HOST}:${env:PORT}/${env:PORT}", "http://example.com:8080/8080"),
        ("a${env:OCTAL}", "a0123"),
        ("a${env:EMPTY}b", "ab"),
        ("x${env:UNSET:-/___no_exclude___}", "x/___no_exclude___"),
        ("x ${env:NEST}", "x example.com"),
        ("$HOST", "$HOST"),
        ("a$b", "a$b"),
        ("${HOST", "${HOST"),
        ("a}b", "a}b"),
        ("a}${HOST}", "a}example.com"),
        ("a$$b", "a$b"),
        ("$${HOST}", "${HOST}"),
        ("$$${HOST}", "$example.com"),
        ("$$$${HOST}", "$${HOST}"),
        // An escaped reference ends the search.
        ("$${HOST} ${PORT}", "${HOST} ${PORT}"),
        ("${PORT} $${HOST}", "8080 ${HOST}"),
        ("${env:DOLLARS}", "a$b"),
        ("x${env:ONE_DOLLAR}", "xa$b"),
    ] {
        assert_eq!(text(&format!("'{value}'")), want, "{value}");
    }
}

#[test]
fn mistakes_are_errors_with_their_place() {
    for (value, want) in [
        ("${env:A-B}", "1:4: v: \"A-B\" is no name of a variable: letters, digits and \"_\""),
        ("${1X}", "1:4: v: \"1X\" is no name of a variable: letters, digits and \"_\""),
        ("${HOST:-x}", "1:4: v: \"${HOST:-x}\" needs a scheme: write ${env:HOST:-x}"),
        ("${KM_X:-x}", "1:4: v: \"${KM_X:-x}\" needs a scheme: write ${env:KM_X:-x}"),
        ("${http://x}", "1:4: v: unsupported scheme \"http\" in \"${http://x}\" (valid: env, file, yaml)"),
        ("${x:y}", "1:4: v: \"${x:y}\" names no scheme: write ${env:NAME}"),
        ("${env:a$b}", "1:4: v: \"${env:a$b}\" must not contain \"$\""),
        (
            "${file:/does/not/exist}",
            "1:4: v: /does/not/exist: cannot read the file: No such file or directory (os error 2)",
        ),
        ("${env:LOOP}", "1:4: v: too many recursive expansions of \"${…}\""),
        ("${env:GROW}", "1:4: v: expanding \"${…}\" makes the configuration too large"),
    ] {
        assert_eq!(expand(&format!("v: {value}")).1, [want], "{value}");
    }
    assert_eq!(
        expand("a: [{b: '${x:y}'}]").1,
        ["1:9: a::0::b: \"${x:y}\" names no scheme: write ${env:NAME}"]
    );
    let (_, found) = expand("v: ${env:NESTED_LOOP}");
    assert!(!found.is_empty());
}

#[test]
fn an_unset_variable_is_one_warning() {
    let (_, found) = expand("a: ${env:UNSET}\nb: x${UNSET}\nc: ${env:EMPTY}\n");
    assert_eq!(
        found,
        ["1:4: a: variable UNSET is not set and taken as empty", "3:4: c: variable EMPTY is empty"]
    );
}

#[test]
fn keys_are_not_expanded() {
    let (node, _) = expand("'${HOST}': 1");
    assert_eq!(node.entries().next().unwrap().0, "${HOST}");
}

#[test]
fn a_file_is_a_value_with_places_of_its_own() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("part.yaml");
    std::fs::write(&path, "a: 1\nb:\n  c: ${env:PORT}\n").unwrap();
    let (node, found) = expand(&format!("v: ${{file:{}}}", path.display()));
    assert_eq!(found, [""; 0]);
    let c = node.nearest("v::b::c");
    assert_eq!(c.as_i64(), Some(8080));
    assert_eq!(c.place().to_string(), format!("{}:3:6", path.display()));
    assert_eq!(node.nearest("v").place().to_string(), "1:4");
}

#[test]
fn what_comes_from_a_secret_is_marked() {
    let (node, _) = expand("a: ${env:KEY}\nb: Bearer ${env:KEY}\nc: ${env:HOST}");
    let secret = |key| node.get(key).unwrap().secret;
    assert_eq!((secret("a"), secret("b"), secret("c")), (true, true, false));
    assert!(!format!("{node:?}").contains("s3cr3t"));
    assert_eq!(node.to_yaml(), "a: \"[REDACTED]\"\nb: \"[REDACTED]\"\nc: example.com\n");
}
