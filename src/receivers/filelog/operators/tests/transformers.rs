//! Operators that change entries, one table each.

use super::*;

#[test]
fn add() {
    table(&[
        ("type: add, field: attributes.a, value: text", r#"{"body": "x"}"#, r#""x" @{"a":"text"}"#),
        ("type: add, field: attributes.a, value: 5", r#"{"body": "x"}"#, r#""x" @{"a":5}"#),
        (
            "type: add, field: attributes.a, value: [1, {b: true}]",
            r#"{"body": "x"}"#,
            r#""x" @{"a":[1,{"b":true}]}"#,
        ),
        (
            "type: add, field: 'attributes[\"k.x\"].y', value: v",
            r#"{"body": "x"}"#,
            r#""x" @{"k.x":{"y":"v"}}"#,
        ),
        (
            "type: add, field: body, value: EXPR(attributes.n + 1)",
            r#"{"body": "x", "attributes": {"n": 1}}"#,
            r#"2 @{"n":1}"#,
        ),
        ("type: add, field: resource.r, value: 'EXPR(upper(body))'", r#"{"body": "x"}"#, r#""x" R{"r":"X"}"#),
        (
            "type: add, field: attributes.a, value: 'say EXPR(body)'",
            r#"{"body": "x"}"#,
            r#""x" @{"a":"say EXPR(body)"}"#,
        ),
        ("type: add, field: attributes.a, value: EXPR(attributes.b.c)", r#"{"body": "x"}"#, ""),
        // A map is merged.
        (
            "type: add, field: attributes.m, value: {b: 2}",
            r#"{"attributes": {"m": {"a": 1}}}"#,
            r#"@{"m":{"a":1,"b":2}}"#,
        ),
    ]);
    refused(&[
        ("type: add, field: attributes.a", "\"value\""),
        ("type: add, value: x", "\"field\""),
        ("type: add, field: attributes, value: x", "without subfield"),
        ("type: add, field: attributes.a, value: EXPR(lenn(body))", "did you mean \"len\"?"),
    ]);
}

#[test]
fn move_and_copy() {
    table(&[
        (
            "type: move, from: body.a, to: attributes.b",
            r#"{"body": {"a": 1, "c": 2}}"#,
            r#"{"c":2} @{"b":1}"#,
        ),
        ("type: move, from: body, to: attributes.all", r#"{"body": "x"}"#, r#"@{"all":"x"}"#),
        ("type: move, from: attributes.a, to: body", r#"{"body": "x", "attributes": {"a": "y"}}"#, "\"y\""),
        (
            "type: move, from: attributes.a, to: attributes.a.b",
            r#"{"attributes": {"a": 1}}"#,
            r#"@{"a":{"b":1}}"#,
        ),
        ("type: move, from: attributes.missing, to: body", r#"{"body": "x"}"#, ""),
        ("type: copy, from: body.a, to: attributes.b", r#"{"body": {"a": [1]}}"#, r#"{"a":[1]} @{"b":[1]}"#),
        (
            "type: copy, from: resource.r, to: body",
            r#"{"body": "x", "resource": {"r": "y"}}"#,
            r#""y" R{"r":"y"}"#,
        ),
        ("type: copy, from: body.missing, to: attributes.b", r#"{"body": "x"}"#, ""),
    ]);
    refused(&[
        ("type: move, from: body", "\"to\""),
        ("type: copy, to: body", "\"from\""),
        ("type: move, from: foo, to: body", "unrecognized prefix"),
    ]);
}

#[test]
fn remove() {
    table(&[
        ("type: remove, field: attributes.a", r#"{"attributes": {"a": 1, "b": 2}}"#, r#"@{"b":2}"#),
        ("type: remove, field: attributes", r#"{"body": "x", "attributes": {"a": 1}}"#, "\"x\""),
        ("type: remove, field: resource", r#"{"body": "x", "resource": {"a": 1}}"#, "\"x\""),
        ("type: remove, field: attributes.z", r#"{"attributes": {"a": 1}}"#, ""),
    ]);
    refused(&[("type: remove", "must not be empty")]);
}

#[test]
fn retain() {
    table(&[
        (
            "type: retain, fields: [body.a.b, attributes.x]",
            r#"{"body": {"a": {"b": 1, "c": 2}, "d": 3}, "attributes": {"x": 1, "y": 2}, "resource": {"r": 1}}"#,
            r#"{"a":{"b":1}} @{"x":1} R{"r":1}"#,
        ),
        ("type: retain, fields: [attributes.missing]", r#"{"body": "x", "attributes": {"y": 2}}"#, "\"x\""),
        ("type: retain, fields: [attributes]", r#"{"body": "x", "attributes": {"y": 2}}"#, r#""x" @{"y":2}"#),
        ("type: retain, fields: [resource.a]", r#"{"resource": {"a": 1, "b": 2}}"#, r#"R{"a":1}"#),
    ]);
    refused(&[("type: retain", "\"fields\"")]);
}

#[test]
fn flatten() {
    table(&[
        (
            "type: flatten, field: attributes.p",
            r#"{"attributes": {"p": {"a": 1, "b": {"c": 2}}, "x": 3}}"#,
            r#"@{"a":1,"b":{"c":2},"x":3}"#,
        ),
        ("type: flatten, field: body.p", r#"{"body": {"p": {"a": 1}, "q": 2}}"#, r#"{"a":1,"q":2}"#),
        ("type: flatten, field: resource.p", r#"{"resource": {"p": {"a": 1}}}"#, r#"R{"a":1}"#),
        (
            "type: flatten, field: attributes.p.q",
            r#"{"attributes": {"p": {"q": {"a": 1}}}}"#,
            r#"@{"p":{"a":1}}"#,
        ),
        // An entry may have the name of the map it was in.
        ("type: flatten, field: attributes.p", r#"{"attributes": {"p": {"p": 1}}}"#, r#"@{"p":1}"#),
        ("type: flatten, field: attributes.p", r#"{"attributes": {"p": 1}}"#, ""),
        ("type: flatten, field: attributes.p", r#"{"body": "x"}"#, ""),
    ]);
    // What is no map is left where it was.
    let kept = one("{type: flatten, field: attributes.p}", entry(r#"{"attributes": {"p": 1}}"#));
    assert_eq!(kept, r#"@{"p":1}"#);
}

#[test]
fn assign_keys() {
    table(&[
        ("type: assign_keys, field: body, keys: [a, b]", r#"{"body": [1, "x"]}"#, r#"{"a":1,"b":"x"}"#),
        (
            "type: assign_keys, field: attributes.l, keys: [a]",
            r#"{"attributes": {"l": [1]}}"#,
            r#"@{"l":{"a":1}}"#,
        ),
        ("type: assign_keys, field: body, keys: [a]", r#"{"body": [1, 2]}"#, ""),
        ("type: assign_keys, field: body, keys: [a]", r#"{"body": "x"}"#, ""),
    ]);
    refused(&[("type: assign_keys, field: body", "\"keys\"")]);
}

#[test]
fn regex_replace() {
    table(&[
        (
            "type: regex_replace, field: body, regex: '(\\d+)', replace_with: '<$1>'",
            r#"{"body": "a1b22"}"#,
            r#""a<1>b<22>""#,
        ),
        (
            "type: regex_replace, field: body, regex: '(?P<n>\\d)', replace_with: '${n}_'",
            r#"{"body": "1"}"#,
            r#""1_""#,
        ),
        ("type: regex_replace, field: body, regex: ' '", r#"{"body": "a b c"}"#, r#""abc""#),
        ("type: regex_replace, field: body, regex: x", r#"{"body": "abc"}"#, r#""abc""#),
        (
            "type: regex_replace, field: body, regex_name: ansi_control_sequences",
            "{\"body\": \"\\u001b[31mred\\u001b[0m \\u001b[2Kx\"}",
            r#""red x""#,
        ),
        ("type: regex_replace, field: body, regex: x", r#"{"body": 1}"#, ""),
        ("type: regex_replace, field: body.m, regex: x", r#"{"body": "x"}"#, ""),
    ]);
    refused(&[
        ("type: regex_replace, field: body", "\"regex\" or \"regex_name\""),
        ("type: regex_replace, field: body, regex: a, regex_name: ansi_control_sequences", "only one of"),
        ("type: regex_replace, field: body, regex_name: nope", "nope"),
        ("type: regex_replace, regex: a", "\"field\""),
    ]);
}

#[test]
fn unquote() {
    table(&[
        ("type: unquote, field: body", r#"{"body": "\"a\\tb\""}"#, r#""a\tb""#),
        ("type: unquote, field: body", r#"{"body": "`raw`"}"#, r#""raw""#),
        ("type: unquote, field: body", r#"{"body": "plain"}"#, ""),
        ("type: unquote, field: body", r#"{"body": 1}"#, ""),
        ("type: unquote, field: attributes.missing", r#"{"body": "x"}"#, "\"x\""),
    ]);
}

#[test]
fn sanitize_utf8() {
    let bytes = Entry { body: AnyValue::Bytes(b"a\xffb".to_vec()), ..Entry::default() };
    assert_eq!(one("{type: sanitize_utf8}", bytes), "\"a\u{fffd}b\"");
    assert_eq!(one("{type: sanitize_utf8, on_error: drop}", entry(r#"{"body": 5}"#)), "");
}

#[test]
fn noop() {
    assert_eq!(one("{type: noop}", line("x")), "\"x\"");
}
