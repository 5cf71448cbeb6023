use proptest::prelude::*;

use super::*;
use crate::config::from_yaml;

fn node(yaml: &str) -> Node {
    from_yaml(yaml).unwrap_or_else(|error| panic!("{yaml}: {error}"))
}

fn error(yaml: &str) -> String {
    let source: Arc<str> = "a.yaml".into();
    let found = parse(yaml, Some(&source)).expect_err(yaml);
    found.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

#[test]
fn every_value_has_the_place_where_a_user_looks_for_it() {
    let yaml = "\u{feff}# comment\na: 1\nb:\n  - x\n  - c: [1, {d: 2}]\n    e:\nf: |\n  text\n";
    let node = node(yaml);
    for (path, place) in [
        ("a", "2:4"),
        // A block begins at its key, and so does nothing at all.
        ("b", "3:1"),
        ("b::0", "4:5"),
        ("b::1", "5:5"),
        ("b::1::c", "5:5"),
        ("b::1::c::1::d", "5:16"),
        ("b::1::e", "6:5"),
        ("f", "8:3"),
    ] {
        assert_eq!(node.nearest(path).place().to_string(), place, "{path}");
    }
}

#[test]
fn anchors_aliases_and_merge_keys_work_as_in_the_collector() {
    assert_eq!(node("a: &x [1, 2]\nb: *x"), node("a: [1, 2]\nb: [1, 2]"));
    assert_eq!(node("a: &x k\n*x : 1"), node("a: k\nk: 1"));
    let base = "base: &base {a: 1, b: 2}\nother: &other {b: 3, c: 4}\n";
    let merged = |text: &str| node(&format!("{base}{text}")).get("m").cloned().unwrap();
    assert_eq!(merged("m: {<<: *base, b: 9}"), node("{b: 9, a: 1}"));
    assert_eq!(merged("m: {b: 9, <<: *base}"), node("{b: 9, a: 1}"));
    assert_eq!(merged("m: {<<: [*base, *other]}"), node("{a: 1, b: 2, c: 4}"));
    assert_eq!(merged("m: {'<<': 1}"), node("{'<<': 1}"));
    assert_eq!(error("a: {<<: 1}"), "a.yaml:1:5: a: \"<<\" merges a map or a list of maps");
}

#[test]
fn tags_force_a_type() {
    assert_eq!(node("!!str 12"), node("'12'"));
    assert_eq!(node("!!int '12'"), node("12"));
    assert_eq!(node("!!float 12"), node("12.0"));
    assert_eq!(node("!custom 12"), node("'12'"));
    assert_eq!(node("{a: !!map {b: !!seq [1]}}"), node("{a: {b: [1]}}"));
    assert_eq!(error("a: !!int x"), "a.yaml:1:4: a: \"x\" is no \"!!int\"");
}

#[test]
fn texts_keep_their_content() {
    assert_eq!(node("'it''s'").as_str(), Some("it's"));
    assert_eq!(node("\"a\\n\\\\d\"").as_str(), Some("a\n\\d"));
    assert_eq!(node("a: |-\n  x\n   y\n").get("a").and_then(Node::as_str), Some("x\n y"));
    assert_eq!(node("a: >\n  x\n  y\n").get("a").and_then(Node::as_str), Some("x y\n"));
    assert_eq!(node("a: x\n  y").get("a").and_then(Node::as_str), Some("x y"));
    assert_eq!(node("- /var/log/*.log").items()[0].as_str(), Some("/var/log/*.log"));
}

#[test]
fn every_duplicate_key_is_an_error_with_both_places() {
    assert_eq!(
        error("a: 1\nb:\n  c: 1\n  c: 2\na: 3\n"),
        "a.yaml:4:3: b: duplicate key \"c\", first set at a.yaml:3:3\n\
         a.yaml:5:1: duplicate key \"a\", first set at a.yaml:1:1"
    );
}

#[test]
fn text_that_is_no_yaml_is_an_error() {
    for (yaml, want) in [
        ("a: b: c", "a.yaml:1:5: not valid YAML: mapping values are not allowed in this context"),
        (
            "a: 'b",
            "a.yaml:1:4: not valid YAML: while scanning a quoted scalar, found unexpected end of stream",
        ),
        ("a:\n\tb: 1", "a.yaml:2:2: not valid YAML: tabs disallowed within this context (block indentation)"),
        ("a: *b", "a.yaml:1:4: not valid YAML: while parsing node, found unknown anchor"),
        ("a: &a [*a]", "a.yaml:1:8: a::0: an alias must not be part of what it refers to"),
        (
            "a: 1\n---\nb: 2",
            "a.yaml:2:1: a second YAML document begins here: a configuration is one document, write it without \"---\"",
        ),
        ("{[a]: 1}", "a.yaml:1:2: a key must be text, not a map or a list"),
        ("a: \u{0}b", "a.yaml:1:4: the control character \\u{0} is not allowed in YAML"),
    ] {
        assert_eq!(error(yaml), want, "{yaml:?}");
    }
    assert_eq!(node("--- {a: 1}\n...\n"), node("a: 1"));
    assert!(node("").is_null());
    assert!(node("# nothing\n").is_null());
}

#[test]
fn hostile_text_meets_limits() {
    use std::fmt::Write;

    let began = std::time::Instant::now();
    let deep = format!("{}1{}", "[".repeat(150), "]".repeat(150));
    assert_eq!(error(&deep), "a.yaml:1:101: nested too deeply: at most 100 levels");
    let deep = "[".repeat(1 << 20);
    assert_eq!(error(&deep), "a.yaml:1:256: not valid YAML: recursion limit exceeded");
    let deep: String = (0..200).fold(String::new(), |mut text, i| {
        writeln!(text, "{}a:", " ".repeat(i)).unwrap();
        text
    });
    assert_eq!(error(&deep), "a.yaml:101:101: nested too deeply: at most 100 levels");

    let mut laughs = String::from("a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol]\n");
    for i in 1..20 {
        let refs = vec![format!("*a{}", i - 1); 9].join(", ");
        writeln!(laughs, "a{i}: &a{i} [{refs}]").unwrap();
    }
    assert!(error(&laughs).contains("the configuration grows beyond 64 MiB here"));
    let mut nested = String::from("a0: &a0 [1]\n");
    for i in 1..200 {
        writeln!(nested, "a{i}: &a{i} [*a{}]", i - 1).unwrap();
    }
    assert!(error(&nested).contains("nested too deeply"));
    assert!(error(&"- \n".repeat(1 << 20)).contains("grows beyond"));
    assert_eq!(
        error(&"a".repeat(MAX_TEXT + 1)),
        "a.yaml: the text is too large: 4194305 bytes, at most 4194304"
    );
    let keys = (0..100_000).fold(String::new(), |mut text, i| {
        writeln!(text, "k{i}: {i}").unwrap();
        text
    });
    assert_eq!(node(&keys).entries().count(), 100_000);
    assert!(began.elapsed().as_secs() < 60, "{:?}", began.elapsed());
}

/// Text that is nearly YAML.
fn nearly_yaml() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("a"),
        Just("b: "),
        Just("- "),
        Just("\n"),
        Just("  "),
        Just("\n  "),
        Just("{"),
        Just("}"),
        Just("["),
        Just("]"),
        Just(", "),
        Just(": "),
        Just("&x "),
        Just("*x"),
        Just("<<: "),
        Just("'"),
        Just("\""),
        Just("|\n"),
        Just(">-\n"),
        Just("!!str "),
        Just("!!int "),
        Just("!t "),
        Just("---\n"),
        Just("...\n"),
        Just("# c\n"),
        Just("\t"),
        Just("? "),
        Just("%YAML 1.2\n"),
        Just("0x1F"),
        Just("1e9"),
        Just("~"),
        Just("\\"),
        Just("${env:A}"),
        Just("$$"),
        Just("${"),
        Just("\u{85}"),
        Just("é"),
        Just("\r\n"),
        Just("0o7"),
        Just("-.inf"),
        Just("::"),
    ];
    proptest::collection::vec(piece, 0..60).prop_map(|pieces| pieces.concat())
}

fn loads_without_panic(text: &str) {
    let variables = std::collections::BTreeMap::from([("A".to_owned(), text.to_owned())]);
    let sources = [crate::config::Source::Yaml(text.to_owned())];
    if let Ok(resolved) = crate::config::resolve(&sources, &variables) {
        let printed = resolved.to_yaml();
        if let Err(error) = parse(&printed, None) {
            panic!("{text:?} is printed as {printed:?}: {error:?}");
        }
    }
    let registry = crate::config::Registry::standard();
    let _ = crate::config::load(&sources, &variables, &registry, crate::config::Role::Daemonset);
    let _ = from_yaml::<crate::config::TelemetryConfig>(text);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn no_text_makes_the_loader_panic(text in any::<String>()) {
        loads_without_panic(&text);
    }

    #[test]
    fn no_nearly_yaml_makes_the_loader_panic(text in nearly_yaml()) {
        loads_without_panic(&text);
    }

    #[test]
    fn any_text_is_printed_so_that_it_reads_the_same(text in any::<String>(), key in any::<String>()) {
        prop_assume!(forbidden(&text).is_none() && forbidden(&key).is_none() && key != "<<");
        prop_assume!(!crate::config::is_secret_key(&key));
        let entry = Entry { key, key_place: Place::default(), value: Node::new(Value::String(text.clone()), Place::default()) };
        let node = Node::new(Value::Map(vec![entry]), Place::default());
        // References in the text are escaped, which only expansion takes back.
        prop_assume!(!text.contains("${") && !text.contains("$$"));
        let printed = node.to_yaml();
        prop_assert_eq!(parse(&printed, None).map_err(|error| format!("{printed:?}: {error:?}")).unwrap(), node);
    }
}
