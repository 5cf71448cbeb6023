//! The language as a user sees it: text in, value or message out.

mod properties;

use super::*;
use crate::otlp::{AnyValue, KeyValue};

struct Record {
    body: AnyValue,
    attributes: Vec<KeyValue>,
    resource: Vec<KeyValue>,
}

impl Environment for Record {
    fn body(&self) -> &AnyValue {
        &self.body
    }
    fn attributes(&self) -> &[KeyValue] {
        &self.attributes
    }
    fn resource(&self) -> &[KeyValue] {
        &self.resource
    }
    fn timestamp(&self) -> u64 {
        1_700_000_000_000_000_000
    }
    fn severity_text(&self) -> &'static str {
        "INFO"
    }
    fn severity_number(&self) -> i32 {
        9
    }
}

fn map(entries: &[(&str, AnyValue)]) -> Vec<KeyValue> {
    entries.iter().map(|(key, value)| KeyValue::new(*key, value.clone())).collect()
}

fn record() -> Record {
    let user = map(&[("name", "ada".into()), ("age", 36.0.into()), ("none", AnyValue::Empty)]);
    let tags = vec![AnyValue::from("a"), "b".into(), "a".into()];
    Record {
        body: "2024-05-06 07:08:09 ERROR it broke".into(),
        attributes: map(&[
            ("user", user.into()),
            ("n", 5.into()),
            ("f", 2.5.into()),
            ("ok", true.into()),
            ("tags", tags.into()),
            ("nums", vec![AnyValue::Int(3), AnyValue::Double(1.5), AnyValue::Int(2)].into()),
            ("k.x", "dotted".into()),
            ("raw", AnyValue::Bytes(vec![97, 98])),
        ]),
        resource: map(&[("host", "h1".into())]),
    }
}

fn eval(source: &str) -> String {
    let record = record();
    match Program::compile(source) {
        Err(error) => format!("syntax: {}", error.message),
        Ok(program) => match program.eval(&record) {
            Ok(value) => show(&value),
            Err(error) => format!("error: {error}"),
        },
    }
}

/// Texts in quotes, so that `"1"` and `1` differ.
fn show(value: &Value) -> String {
    match value {
        Value::Nil => "nil".into(),
        Value::Text(text) => format!("{:?}", text.as_str()),
        Value::Float(value) => format!("{value:?}"),
        Value::List(list) => {
            format!("[{}]", list.iter().map(|item| show(&item)).collect::<Vec<_>>().join(", "))
        }
        Value::Map(map) => {
            let entries: Vec<_> = map.iter().map(|(k, v)| format!("{}: {}", k.as_str(), show(&v))).collect();
            format!("{{{}}}", entries.join(", "))
        }
        other => other.to_string(),
    }
}

fn table(cases: &[(&str, &str)]) {
    for (source, want) in cases {
        assert_eq!(eval(source), *want, "{source}");
    }
}

#[test]
fn literals() {
    table(&[
        ("nil", "nil"),
        ("true", "true"),
        ("1_000", "1000"),
        ("0xFF + 0b11 + 0o17", "273"),
        (".5", "0.5"),
        ("1e3", "1000.0"),
        ("5.", "5.0"),
        (r#""a\n\t\"\\\x41\u00e9\U0001F600\101\u{e9}""#, r#""a\n\t\"\\Aé😀Aé""#),
        (r"'it''s'", "syntax: unexpected a string: expected an operator or the end of the expression"),
        (r"'\''", "\"'\""),
        (r"`a\d`", r#""a\\d""#),
        (r#""\d""#, r"syntax: \d is not an escape: write \\d for a backslash (or use `backticks`)"),
        ("[1, 'a', nil,]", "[1, \"a\", nil]"),
        ("{\"a\": 1, b: 2, 3: 4, (\"x\" + \"y\"): 5,}", "{a: 1, b: 2, 3: 4, xy: 5}"),
        ("b\"\\xff\" == b\"\\xff\"", "true"),
        ("1 // comment", "1"),
        ("1 /* two */ + /* three */ 2", "3"),
        ("9223372036854775807", "9223372036854775807"),
        (
            "9223372036854775808",
            "syntax: \"9223372036854775808\" is not an integer from 0 to 9223372036854775807",
        ),
        ("0x", "syntax: \"0x\" is not an integer from 0 to 9223372036854775807"),
        ("1abc", "syntax: \"1abc\" is not an integer from 0 to 9223372036854775807"),
        ("'abc", "syntax: the string has no end: write the closing '"),
    ]);
}

#[test]
fn arithmetic_and_precedence() {
    table(&[
        ("1 + 2 * 3", "7"),
        ("(1 + 2) * 3", "9"),
        ("-2 ** 2", "-4.0"),
        ("2 ** 3 ** 2", "512.0"),
        ("2 ^ 3", "8.0"),
        ("7 / 2", "3.5"),
        ("6 / 2", "3.0"),
        ("7 % 3", "1"),
        ("attributes.n % 0", "error: integer division by zero"),
        ("1 % 0", "syntax: this always fails: integer division by zero"),
        ("1 / 0", "inf"),
        ("1 + 1.5", "2.5"),
        ("'a' + 'b'", "\"ab\""),
        ("'a' + 1", "syntax: \"+\" is not defined for a string and an int"),
        ("body + 1", "error: + is not defined for string and int"),
        ("1..4", "[1, 2, 3, 4]"),
        ("3..1", "[]"),
        ("1..1+2", "[1, 2, 3]"),
        ("1 == 1 and 2 > 1 or false", "true"),
        ("not true or true", "true"),
        ("!true || true", "true"),
        ("1 < 2 < 3", "true"),
        ("1 < 3 < 2", "false"),
        ("attributes.n > 1 ? 'many' : 'few'", "\"many\""),
        ("if attributes.n > 9 {1} else if false {2} else {3}", "3"),
        ("true ?: 5", "true"),
        ("false ?: 5", "5"),
        ("nil ?? 1", "1"),
        ("attributes.x ?? 'none'", "\"none\""),
        ("attributes.x ?? 1 + 1", "syntax: \"+\" and \"??\" cannot be mixed: put one in parentheses"),
        ("1 + (attributes.x ?? 1)", "2"),
        ("let x = 2; let y = x * 3; x + y", "8"),
        ("let len = 2; 1", "syntax: \"len\" is the name of a function"),
        ("1; 2", "2"),
        ("5 | max(7)", "7"),
        ("body | lower() | hasSuffix('broke')", "true"),
        ("+1 - -1", "2"),
    ]);
}

#[test]
fn comparison_and_membership() {
    table(&[
        ("1 == 1.0", "true"),
        ("'1' == 1", "false"),
        ("nil == nil", "true"),
        ("nil == false", "false"),
        ("[1, [2]] == [1.0, [2]]", "true"),
        ("{a: 1} == {a: 1.0}", "true"),
        ("attributes.n == 5", "true"),
        ("attributes.missing == nil", "true"),
        ("nil != attributes.user", "true"),
        ("'a' < 'b'", "true"),
        ("1 < 'b'", "syntax: \"<\" is not defined for an int and a string"),
        ("attributes.missing < 1", "error: < is not defined for nil and int"),
        ("attributes.n >= 5", "true"),
        ("'a' in attributes.tags", "true"),
        ("'z' not in attributes.tags", "true"),
        ("not 'z' in attributes.tags", "true"),
        ("'user' in attributes", "true"),
        ("2 in 1..3", "true"),
        ("2.5 in 1..3", "false"),
        ("2.0 in [1, 2]", "true"),
        ("1 in nil", "false"),
        ("1 in 'abc'", "syntax: \"in\" is not defined for an int and a string"),
        ("1 in body", "error: \"in\" needs an array or a map, not string"),
        ("body matches '^\\\\d{4}-'", "true"),
        ("body matches `^\\d{4}-`", "true"),
        ("body not matches 'x'", "true"),
        ("not body matches 'ERROR'", "false"),
        ("body matches 'a(b'", "syntax: bad regular expression: unclosed group"),
        ("body matches ('E' + 'RR')", "true"),
        ("body matches resource.host", "false"),
        ("attributes.missing matches 'x'", "false"),
        ("attributes.n matches 'x'", "error: \"matches\" needs a string, not int"),
        ("attributes.raw matches 'a'", "true"),
        ("body contains 'ERROR'", "true"),
        ("body startsWith '2024' and body endsWith 'broke'", "true"),
        ("attributes.missing contains 'x'", "false"),
        ("body contains attributes.missing", "false"),
        ("attributes.n contains 'x'", "error: \"contains\" is not defined for int and string"),
    ]);
}

#[test]
fn conditions_take_bools_only() {
    table(&[
        ("attributes.missing and true", "error: \"and\" needs a bool, not nil"),
        ("false or attributes.missing", "error: \"or\" needs a bool, not nil"),
        ("attributes.n > 1 or body", "true"),
        ("attributes.n > 9 or body", "error: \"or\" needs a bool, not string"),
        ("false and attributes.missing", "false"),
        ("true or attributes.missing", "true"),
        ("not attributes.n", "error: \"not\" needs a bool, not int"),
        ("not 1", "syntax: \"not\" needs a bool, but this is an int"),
        ("attributes.n ? 1 : 2", "error: a condition needs a bool, not int"),
        ("'x' ? 1 : 2", "syntax: a condition needs a bool, but this is a string"),
    ]);
    let error = Program::condition("\"x\"").unwrap_err();
    assert_eq!(error.message, "expected a bool, but this is a string");
    assert!(Program::condition("attributes.ok").unwrap().test(&record()).unwrap());
    assert!(Program::condition("attributes.n").unwrap().test(&record()).is_err());
}

#[test]
fn access() {
    table(&[
        ("attributes.user.name", "\"ada\""),
        ("attributes['k.x']", "\"dotted\""),
        ("attributes.user.missing", "nil"),
        ("attributes.missing.name", "error: cannot fetch name from nil"),
        ("attributes.missing?.name", "nil"),
        ("attributes.missing?.name.first.second", "nil"),
        ("(attributes.missing?.name).first", "error: cannot fetch first from nil"),
        ("attributes.missing?.['name']", "nil"),
        ("attributes.n.x", "error: cannot fetch x from int"),
        ("attributes.tags[0]", "\"a\""),
        ("attributes.tags[-1]", "\"a\""),
        ("attributes.tags[9]", "error: index 9 is out of range of an array of 3"),
        ("attributes.tags[1:]", "[\"b\", \"a\"]"),
        ("attributes.tags[:-1]", "[\"a\", \"b\"]"),
        ("attributes.tags[5:]", "[]"),
        ("body[:4]", "\"2024\""),
        ("body[-5:]", "\"broke\""),
        ("'é'[0:1]", "\"\""),
        ("body[0]", "50"),
        ("[1, 2, 3][1]", "2"),
        ("(1..9)[2:4]", "[3, 4]"),
        ("$.x", "error: cannot fetch x from string"),
        ("$ == body", "true"),
        ("$env.body == body and $env['resource'].host == 'h1'", "true"),
        ("resource.host", "\"h1\""),
        ("severity_text + string(severity_number)", "\"INFO9\""),
        ("attributes.user.not", "nil"),
        ("attributes.user.matches", "nil"),
        ("'abc'.x", "syntax: cannot take the field \"x\" of a string"),
        ("unknown == nil", "true"),
        ("unknown?.x", "nil"),
    ]);
}

#[test]
fn functions() {
    table(&[
        ("trim('  x ')", "\"x\""),
        ("trim('__x_', '_')", "\"x\""),
        ("trimPrefix('abc', 'a') + trimSuffix('abc', 'c')", "\"bcab\""),
        ("upper('aé') + lower('AÉ')", "\"AÉaé\""),
        ("split('a,b,c', ',')", "[\"a\", \"b\", \"c\"]"),
        ("split('a,b,c', ',', 2)", "[\"a\", \"b,c\"]"),
        ("split('', ',')", "[\"\"]"),
        ("split('aé', '')", "[\"a\", \"é\"]"),
        ("split('abc', '', 2)", "[\"a\", \"bc\"]"),
        ("split('a', ',', 0)", "[]"),
        ("splitAfter('a,b', ',')", "[\"a,\", \"b\"]"),
        ("replace('aaa', 'a', 'b')", "\"bbb\""),
        ("replace('aaa', 'a', 'b', 2)", "\"bba\""),
        ("replace('ab', '', '-')", "\"-a-b-\""),
        ("repeat('ab', 2)", "\"abab\""),
        (
            "repeat('ab', 99999999999)",
            "syntax: this always fails: the expression needs too much work for one record (a range, list or text too large)",
        ),
        ("join(['a', 'b'], '-') + join(attributes.tags)", "\"a-baba\""),
        ("indexOf('abc', 'c') + lastIndexOf('aba', 'a') + indexOf('a', 'z')", "3"),
        ("hasPrefix(body, '20') and hasSuffix(body, 'ke')", "true"),
        ("max(1, 7, 3.5) + min([4, 2], 3)", "9"),
        ("max(attributes.nums)", "3"),
        ("mean([1, 2, 6])", "3.0"),
        ("median([5, 1, 3, 2])", "2.5"),
        ("sum([1, 2, 3])", "6"),
        ("sum(attributes.nums, # * 2)", "13.0"),
        ("abs(-5)", "5"),
        ("ceil(1.2) + floor(1.8) + round(2.5)", "6.0"),
        ("round(-2.5)", "-3.0"),
        ("int('12') + int(3.9)", "15"),
        ("int('x')", "syntax: this always fails: int cannot use \"x\": it is not an integer"),
        ("float('1.5') + float(2)", "3.5"),
        (
            "string(1.0) + string(nil) + string([1, 'a']) + string({b: 1, a: 2})",
            "\"1<nil>[1 a]map[a:2 b:1]\"",
        ),
        ("string(1e21) + ' ' + string(0.00001)", "\"1e+21 1e-05\""),
        (
            "map([nil, true, 1, 1.5, 'a', [], {}], type(#))",
            "[\"nil\", \"bool\", \"int\", \"float\", \"string\", \"array\", \"map\"]",
        ),
        ("type(now())", "\"time.Time\""),
        (
            "toJSON({b: [1, 2.5, nil], a: \"x\\n\"})",
            "\"{\\n  \\\"a\\\": \\\"x\\\\n\\\",\\n  \\\"b\\\": [\\n    1,\\n    2.5,\\n    null\\n  ]\\n}\"",
        ),
        ("fromJSON('{\"a\": [1, {\"b\": null}]}').a[1]", "{b: nil}"),
        ("fromBase64(toBase64('héllo'))", "\"héllo\""),
        ("len('é') + len([1, 2]) + len({a: 1})", "4"),
        ("len(5)", "syntax: len needs string or array or map or bytes here, but this is an int"),
        ("first([1, 2]) + last([1, 2])", "3"),
        ("first([])", "nil"),
        ("take([1, 2, 3], 2)", "[1, 2]"),
        ("reverse(sort([3, 1, 2]))", "[3, 2, 1]"),
        ("sort(['b', 'a'], 'desc')", "[\"b\", \"a\"]"),
        ("sort([1, 'a'])", "syntax: this always fails: sort is not defined for string and int"),
        ("sortBy(attributes.tags, #, 'desc')", "[\"b\", \"a\", \"a\"]"),
        ("uniq(attributes.tags)", "[\"a\", \"b\"]"),
        ("concat([1], [2, 3])", "[1, 2, 3]"),
        ("flatten([1, [2, [3]]])", "[1, 2, 3]"),
        ("get([1], 5)", "nil"),
        ("get(attributes, 'n')", "5"),
        ("keys(attributes.user)", "[\"name\", \"age\", \"none\"]"),
        ("values({a: 1})", "[1]"),
        ("fromPairs(toPairs({a: 1, b: 2})) == {a: 1, b: 2}", "true"),
        ("bitand(6, 3) + bitor(4, 1) + bitxor(6, 3) + bitnand(6, 3)", "16"),
        ("bitshl(1, 4) + bitshr(-8, 1) + bitushr(8, 2) + bitnot(0)", "13"),
        ("bitshl(1, -1)", "syntax: this always fails: a shift count must not be negative"),
        ("env('NO_SUCH_VARIABLE_HERE') + os_env_var('NO_SUCH_VARIABLE_HERE')", "\"\""),
        ("lenn(body)", "syntax: unknown function \"lenn\": did you mean \"len\"?"),
        ("len()", "syntax: len takes 1 arguments, not 0"),
        ("len", "syntax: \"len\" is a function: call it with (…)"),
    ]);
}

#[test]
fn predicates() {
    table(&[
        ("all([1, 2], # > 0)", "true"),
        ("any(attributes.tags, {# == 'b'})", "true"),
        ("none([1], # > 1)", "true"),
        ("one([1, 2, 3], # > 2)", "true"),
        ("filter(1..6, # % 2 == 0)", "[2, 4, 6]"),
        ("map([{a: 1}, {a: 2}], .a)", "[1, 2]"),
        ("map(['x', 'y'], #index)", "[0, 1]"),
        ("count([true, false, true])", "2"),
        ("count(attributes.tags, # == 'a')", "2"),
        ("find([1, 2, 3], # > 1)", "2"),
        ("findIndex([1, 2], # > 5)", "-1"),
        ("findLast([1, 2, 3], # < 3)", "2"),
        ("findLastIndex([1, 2, 3], # < 3)", "1"),
        ("groupBy([1, 2, 3], # % 2)", "{1: [1, 3], 0: [2]}"),
        ("groupBy([1, 2, 3], # % 2)[1]", "[1, 3]"),
        ("countBy(attributes.tags, #)", "{a: 2, b: 1}"),
        ("reduce(1..4, #acc + #)", "10"),
        ("reduce([], #acc + #, 7)", "7"),
        ("reduce([], #acc + #)", "error: reduce of an empty array needs a start value"),
        ("map(filter(attributes.tags, # != 'b'), upper(#))", "[\"A\", \"A\"]"),
        ("filter([[1, 2], [3]], any(#, # == 3))", "[[3]]"),
        ("filter([{p: 1}], {let item = #; item.p == 1})", "[{p: 1}]"),
        ("all([1], 5)", "syntax: the predicate of all must be a bool, but this is an int"),
        ("filter(attributes.tags, attributes.n)", "error: a predicate needs a bool, not int"),
        ("all(attributes.missing, true)", "error: all needs an array, not nil"),
        (
            "# > 1",
            "syntax: \"#\" and \".name\" stand for the element inside a predicate: filter(list, # > 1)",
        ),
        ("map([1], #acc)", "syntax: \"#acc\" is known inside the predicate of reduce only"),
        ("attributes.tags | filter(# == 'a') | len()", "2"),
    ]);
}

#[test]
fn time() {
    table(&[
        ("timestamp.Unix()", "1700000000"),
        ("timestamp.Year() == 2023 and timestamp.Month() == 11 and timestamp.Weekday() == 2", "true"),
        ("observed_timestamp.IsZero() and not timestamp.IsZero()", "true"),
        ("date('2024-05-06')", "2024-05-06 00:00:00 +0000 UTC"),
        ("date('2024-05-06 10:00', '2006-01-02 15:04', 'Europe/Berlin').Unix()", "1714982400"),
        ("date('2024-05-06T10:00:00Z').In(timezone('Europe/Berlin')).Hour()", "12"),
        ("date('2024-05-06') + duration('90m') > date('2024-05-06')", "true"),
        ("(date('2024-05-07') - date('2024-05-06')).Hours()", "24.0"),
        ("duration('1h30m5.5s')", "1h30m5.5s"),
        ("duration('-1ms') < duration('0s')", "true"),
        ("timestamp.Format('2006-01-02')", "\"2023-11-14\""),
        ("now() > timestamp", "true"),
        ("timestamp > 5", "syntax: \">\" is not defined for a time and an int"),
        ("timestamp.Yeer()", "syntax: there is no method \"Yeer\" of a time: did you mean \"Year\"?"),
        (
            "date('x')",
            "syntax: this always fails: date cannot use \"x\": it does not have the form of the layout",
        ),
    ]);
}

#[test]
fn a_mistake_shows_its_place() {
    let error = Program::compile("attributes.a == nil and\n  lenn(body) > 1").unwrap_err();
    assert_eq!(error.position(), (2, 3));
    assert_eq!(
        error.to_string(),
        "unknown function \"lenn\": did you mean \"len\"?\n    lenn(body) > 1\n    ^^^^"
    );
    let error = Program::compile("attributes.a ==").unwrap_err();
    assert_eq!(
        error.to_string(),
        "unexpected the end of the expression: expected a value\n  attributes.a ==\n                 ^"
    );
}

#[test]
fn an_unknown_name_is_nil_with_a_warning() {
    let program = Program::condition("atributes.x == nil").unwrap();
    let warnings: Vec<_> = program.warnings().iter().map(|w| w.message.as_str()).collect();
    assert_eq!(warnings, ["unknown name \"atributes\" is always nil: did you mean \"attributes\"?"]);
}

#[test]
fn the_stock_conditions_never_fail_on_what_is_missing() {
    let empty = Record { body: "plain".into(), attributes: vec![], resource: vec![] };
    for (source, want) in [
        ("body matches \"^(\\\\d{4}-\\\\d{2}-\\\\d{2}[T ]\\\\d{2}:\\\\d{2}:\\\\d{2}|\\\\{)\"", false),
        (
            "attributes.parsed_json != nil and attributes.parsed_json.timestamp != nil and attributes.timestamp_extracted == nil",
            false,
        ),
        ("attributes.log_level == nil", true),
    ] {
        assert_eq!(Program::condition(source).unwrap().test(&empty), Ok(want), "{source}");
    }
}

#[test]
fn templates_fill_in_texts() {
    let render = |text: &str| {
        let template = Template::compile(text).map_err(|e| e.message)?;
        template.render(&record()).map_err(|e| e.to_string())
    };
    for (text, want) in [
        ("plain", Ok("plain")),
        ("", Ok("")),
        ("EXPR(resource.host)", Ok("h1")),
        ("a-EXPR(resource.host)-EXPR(upper('x'))-b", Ok("a-h1-X-b")),
        ("EXPR(resource.host", Ok("EXPR(resource.host")),
        ("EXPR(attributes.n)", Err("the expression must give a string, not int: use string(…)")),
        ("EXPR(lenn(1))", Err("unknown function \"lenn\": did you mean \"len\"?")),
    ] {
        assert_eq!(render(text), want.map(str::to_owned).map_err(str::to_owned), "{text}");
    }
    assert_eq!(Template::compile("plain").unwrap().as_literal(), Some("plain"));
    assert_eq!(Template::compile("EXPR(body)").unwrap().as_literal(), None);
}

#[test]
fn hostile_nesting_is_a_message() {
    for source in [
        "(".repeat(100_000),
        "[".repeat(10_000),
        "-".repeat(60_000),
        "not ".repeat(10_000),
        format!("1{}", " + 1".repeat(10_000)),
        format!("a{}", "?.b".repeat(20_000)),
        format!("1{}", " < 1".repeat(10_000)),
        "all([1], ".repeat(5_000),
        format!("{}1", "let x = 1; ".repeat(5_000)),
        format!("{}1{}", "(true ?: ".repeat(99), ")".repeat(99)),
        "x".repeat(100_000),
    ] {
        let _ = Program::compile(&source);
    }
    let alternatives = vec!["body contains 'x'"; 250].join(" or ");
    assert!(Program::condition(&alternatives).is_ok());
}

#[test]
fn work_per_record_is_bounded() {
    let many = Record {
        body: AnyValue::Array(vec![AnyValue::Int(1); 100_000]),
        attributes: vec![],
        resource: vec![],
    };
    for source in [
        "count(body, any(body, # == 2)) > 0",
        "len(uniq(map(1..999999, #))) > 0",
        "reduce(1..999999, #acc + 'xxxxxxxxxxxxxxxx', '')",
        "map(1..1000, repeat(string(#), 1000000))",
        "groupBy(1..999999, 1)",
        "1..99999999999",
    ] {
        match Program::compile(source) {
            Ok(program) => assert_eq!(program.eval(&many).err(), Some(EvalError::Budget), "{source}"),
            Err(error) => assert!(error.message.contains("too much work"), "{source}: {error}"),
        }
    }
}
