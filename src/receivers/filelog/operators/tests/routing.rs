//! Where entries go: conditions, errors, outputs, routers and filters.

use super::*;

use crate::telemetry::Telemetry;

#[test]
fn an_operator_whose_condition_is_false_passes_entries_on_untouched() {
    let operator = "{type: json_parser, if: 'body startsWith \"{\"', on_error: drop}";
    assert_eq!(one(operator, line("plain")), "\"plain\"");
    assert_eq!(one(operator, line("{broken")), "");
    let failing = "{type: noop, if: 'attributes.a.b == 1', on_error: drop}";
    assert_eq!(one(failing, line("x")), "");
    let message = refusal("[{type: noop, if: '\"x\"'}]");
    assert!(message.contains("expected a bool, but this is a string"), "{message}");
    let message = refusal("[{type: noop, if: 'boddy ='}]");
    assert!(message.contains('^'), "{message}");
}

#[test]
fn a_filter_drops_what_matches_and_what_it_cannot_judge() {
    let operator = "{type: filter, expr: 'body contains \"x\"'}";
    assert_eq!(one(operator, line("axa")), "");
    assert_eq!(one(operator, line("aya")), "\"aya\"");
    assert_eq!(one("{type: filter, expr: 'body.x == 1'}", line("aya")), "");
    assert_eq!(one("{type: filter, expr: 'true', drop_ratio: 0}", line("a")), "\"a\"");
    let mut half = chain("[{type: filter, expr: 'true', drop_ratio: 0.5}]");
    let kept = run(&mut half, (0..2000).map(|_| line("a")).collect()).len();
    assert!((800..1200).contains(&kept), "{kept}");
    refused(&[
        ("type: filter", "\"expr\""),
        ("type: filter, expr: 'true', drop_ratio: 2", "from 0 to 1"),
        ("type: filter, expr: '1'", "expected a bool"),
    ]);
}

#[test]
fn what_a_filter_drops_is_counted() {
    let mut chain = chain("[{type: filter, expr: 'body == \"x\"'}]");
    let telemetry = Telemetry::new();
    chain.count(&telemetry, "filelog");
    run(&mut chain, vec![line("x"), line("y"), line("x")]);
    assert_eq!(telemetry.total("otelcol_receiver_dropped_log_records"), 2);
}

#[test]
fn a_router_takes_the_first_route_that_fits() {
    let yaml = r#"
- type: router
  id: r
  default: other
  routes:
    - {expr: 'body.x == 1', output: a}
    - {expr: 'body == "a"', output: a, attributes: {from: 'route-EXPR(body)'}}
    - {expr: 'body startsWith "a"', output: [a, b]}
- {type: add, id: a, field: attributes.a, value: 1, output: end}
- {type: add, id: b, field: attributes.b, value: 2, output: end}
- {type: add, id: other, field: attributes.other, value: 3}
- {type: noop, id: end}
"#;
    let out = run(&mut chain(yaml), vec![line("a"), line("ab"), line("c")]);
    let shown: Vec<_> = out.iter().map(show).collect();
    assert_eq!(
        shown,
        [r#""a" @{"a":1,"from":"route-a"}"#, r#""ab" @{"a":1}"#, r#""ab" @{"b":2}"#, r#""c" @{"other":3}"#,]
    );
    let without = "[{type: router, routes: [{expr: 'false', output: end}]}, {type: noop, id: end}]";
    assert!(run(&mut chain(without), vec![line("a")]).is_empty());
    refused(&[
        ("type: router", "\"routes\""),
        ("type: router, routes: [{expr: 'true'}]", "\"output\""),
        ("type: router, routes: [{expr: 'true', output: nowhere}]", "does not exist"),
        ("type: router, routes: [{expr: '1 +', output: x}]", "expected a value"),
    ]);
}

#[test]
fn outputs_end_the_way_of_an_entry() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("out.log");
    let mut chain = chain(&format!("[{{type: file_output, path: {}}}]", path.display()));
    let mut first = entry(r#"{"body": "a\"b", "attributes": {"n": [1, null]}, "resource": {"r": true}}"#);
    first.timestamp = 1_714_979_289_500_000_000;
    first.severity = 13;
    assert!(run(&mut chain, vec![first, line("second")]).is_empty());
    let written = std::fs::read_to_string(&path).unwrap();
    let lines: Vec<_> = written.lines().collect();
    assert_eq!(
        lines[0],
        r#"{"timestamp":"2024-05-06T07:08:09.5Z","observed_timestamp":"1970-01-01T00:00:00.000000001Z","body":"a\"b","attributes":{"n":[1,null]},"resource":{"r":true},"severity":"WARN"}"#
    );
    assert!(lines[1].contains("second"));
    assert_eq!(one("{type: drop_output}", line("x")), "");
    refused(&[("type: file_output", "\"path\"")]);
}

#[test]
fn a_file_that_cannot_be_written_goes_the_way_of_errors() {
    let out = one("{type: file_output, path: /nowhere/at/all, on_error: send}", line("x"));
    assert_eq!(out, "\"x\"");
}
