//! Grammar, and what a mistake looks like.

use crate::otlp::{AnyValue, KeyValue};
use crate::ottl::testing::{World, eval};
use crate::ottl::{ContextKind, Predicate, Statement, infer};
use crate::pipeline::Signal;

fn mistake(statement: &str) -> String {
    Statement::compile(statement, ContextKind::Log).expect_err(statement).to_string()
}

fn condition_mistake(condition: &str) -> String {
    Predicate::compile(condition, ContextKind::Log).expect_err(condition).to_string()
}

#[test]
fn a_mistake_shows_its_place_and_the_nearest_name() {
    for (statement, want) in [
        (
            "sett(attributes[\"a\"], 1)",
            "undefined function \"sett\", did you mean \"set\"?\n  sett(attributes[\"a\"], 1)\n  ^",
        ),
        (
            "set(atributes[\"a\"], 1)",
            "\"atributes\" is not a path of the log context, did you mean \"attributes\"?\n  set(atributes[\"a\"], 1)\n      ^",
        ),
        (
            "set(body, \"x\") where IsMtach(body, \"x\")",
            "undefined function \"IsMtach\", did you mean \"IsMatch\"?\n  set(body, \"x\") where IsMtach(body, \"x\")\n                       ^",
        ),
        (
            "set(severity_number, SEVERITY_NUMBER_EROR)",
            "\"SEVERITY_NUMBER_EROR\" is not an enum of the log context, did you mean \"SEVERITY_NUMBER_ERROR\"?\n  set(severity_number, SEVERITY_NUMBER_EROR)\n                       ^",
        ),
        ("set(body, \"x\"", "expected \",\" or \")\", found the end\n  set(body, \"x\"\n               ^"),
        (
            "set(body, 'x')",
            "unexpected character '\\'': texts stand in double quotes\n  set(body, 'x')\n            ^",
        ),
        (
            "set(body, \"\\d\")",
            "unknown escape \\d: write \\\\ for a backslash\n  set(body, \"\\d\")\n             ^",
        ),
        (
            "set(body, \"x\") where body",
            "expected a condition, found a path: compare it, for example with \"== true\" or \"!= nil\"\n  set(body, \"x\") where body\n                       ^",
        ),
        (
            "replace_pattern(body, \"(\", \"\")",
            "bad regular expression: unclosed group\n  replace_pattern(body, \"(\", \"\")\n                        ^",
        ),
        (
            "merge_maps(attributes, body, \"replace\")",
            "argument \"strategy\" of merge_maps must be a \"insert\" | \"update\" | \"upsert\", found \"replace\"\n  merge_maps(attributes, body, \"replace\")\n                               ^",
        ),
        ("set(body)", "set needs argument \"value\": usage: set(target, value)\n  set(body)\n  ^"),
        (
            "set(body, Concat([\"a\"], delimeter=\"\"))",
            "Concat has no argument \"delimeter\", did you mean \"delimiter\"?\n  set(body, Concat([\"a\"], delimeter=\"\"))\n                          ^",
        ),
        (
            "set(metric.name, \"x\")",
            "\"metric\" is not visible in the log context\n  set(metric.name, \"x\")\n      ^",
        ),
        (
            "set(severity_text[\"x\"], \"y\")",
            "\"severity_text\" is a string: it cannot be indexed\n  set(severity_text[\"x\"], \"y\")\n                    ^",
        ),
        (
            "copy_metric(name=\"x\")",
            "function \"copy_metric\" does not exist in the log context, only in: metric\n  copy_metric(name=\"x\")\n  ^",
        ),
        (
            "IsMatch(body, \"x\")",
            "\"IsMatch\" is a converter and does nothing as a statement: use it as an argument of set(…)\n  IsMatch(body, \"x\")\n  ^",
        ),
    ] {
        assert_eq!(mistake(statement), format!("unable to parse OTTL statement: {want}"));
    }
}

#[test]
fn a_caret_counts_letters_not_bytes_and_knows_lines() {
    assert!(
        mistake("set(body, \"é\") wher true").ends_with("\n  set(body, \"é\") wher true\n                 ^")
    );
    assert!(mistake("set(body,\n  wrong)").ends_with("\n    wrong)\n    ^"));
}

#[test]
fn what_the_grammar_refuses() {
    for condition in [
        "",
        "and",
        "not",
        "true and",
        "1 ==",
        "1 == 2 == 3",
        "(true",
        "true)",
        "body",
        "\"x\"",
        "1 + 2",
        "not not true",
        "true == (1 == 1)",
        "attributes[] == 1",
        "attributes[\"a\"",
        "body == 0x",
        "body == 0x1",
        "body == 99999999999999999999",
        "IsMatch(body)",
        "IsMatch(body, \"x\", 1)",
        "IsMatch(body, pattern=)",
        "IsMatch(pattern=\"x\", body)",
        "body == [1,]",
        "body == {a: 1}",
        "body == {\"a\" 1}",
        "set(body, 1)",
        "nil + 1 == 2",
        "\"a\" + \"b\" == \"ab\"",
        "body == @",
        "attributes[\"a\"].b == 1",
        "IsMatch == 1",
        "attributes[1.5] == 1",
        "IsMatch(body, target=\"x\", pattern=\"y\")",
    ] {
        condition_mistake(condition);
    }
}

#[test]
fn what_the_grammar_takes() {
    let mut world = World::default();
    for (condition, want) in [
        ("true", true),
        ("not false", true),
        ("false or true and false", false),
        ("(false or true) and true", true),
        ("not (true and false)", true),
        ("1 + 2 * 3 == 7", true),
        ("(1 + 2) * 3 == 9", true),
        ("3-5 == -2", true),
        ("1 - -1 == 2", true),
        ("7 / 2 == 3", true),
        ("-7 / 2 == -3", true),
        (".5 < 1", true),
        ("1.5e3 == 1500", true),
        ("3. == 3", true),
        ("\"nil\" != nil", true),
        ("nil == nil", true),
        ("[] == []", true),
        ("[1, \"a\", nil] == [1, \"a\", nil]", true),
        ("{\"a\": {\"b\": 1}} == {\"a\": {\"b\": 1}}", true),
        ("0x0A0b == 0x0a0B", true),
        ("SEVERITY_NUMBER_ERROR2 == 18", true),
        ("\"\\u00e9\\x41\\101\\n\" == \"éAA\\n\"", true),
        ("IsMatch(\"abc\", pattern=\"^b\") or IsMatch(target=\"abc\", pattern=\"c$\")", true),
        ("Split(\"a,b\", \",\")[1] == \"b\"", true),
        ("severity_number==0", true),
        ("log.severity_number == 0 and scope.name == \"\" and instrumentation_scope.name == \"\"", true),
        ("((((true))))", true),
    ] {
        assert_eq!(world.holds(ContextKind::Log, condition), Ok(want), "{condition}");
    }
}

#[test]
fn calculations_do_not_mix_types() {
    for (expression, want) in [
        ("1 + 1.0", Err("expected int, as on the left side, found float")),
        ("1.0 + 1", Err("expected float, as on the left side, found int")),
        ("1 / 0", Err("division by zero")),
        ("Int(nil) + 1", Err("expected a number, a time or a duration, found nil")),
        ("9223372036854775807 + 1", Ok(AnyValue::Int(i64::MIN))),
        ("1.5 * 2.0", Ok(AnyValue::Double(3.0))),
        ("Unix(10) - Unix(4)", Ok("6s".into())),
        ("Unix(10) + Duration(\"1m\")", Ok("1970-01-01T00:01:10Z".into())),
        ("Duration(\"1h\") - Duration(\"1m\")", Ok("59m0s".into())),
        ("Unix(1) * Unix(1)", Err("expected a time or duration that can be combined so, found time")),
    ] {
        assert_eq!(eval(vec![], expression), want.map_err(str::to_owned), "{expression}");
    }
}

#[test]
fn logic_stops_at_the_first_answer_and_errors_end_it() {
    let mut world = World::default();
    let failing = "HasPrefix(attributes[\"none\"], \"x\")";
    assert!(world.holds(ContextKind::Log, failing).is_err());
    assert_eq!(world.holds(ContextKind::Log, &format!("false and {failing}")), Ok(false));
    assert_eq!(world.holds(ContextKind::Log, &format!("true or {failing}")), Ok(true));
    assert!(world.holds(ContextKind::Log, &format!("{failing} or true")).is_err());
}

#[test]
fn hostile_statements_end_in_an_error() {
    for statement in [
        format!("set(body, {}1{})", "(".repeat(10_000), ")".repeat(10_000)),
        format!("set(body, {}{})", "[".repeat(5_000), "]".repeat(5_000)),
        format!("set(body, 1{})", " + 1".repeat(10_000)),
        format!("set(body{}, 1)", "[0]".repeat(10_000)),
        format!("set(body, \"{}\")", "x".repeat(100_000)),
        "(".repeat(60_000),
    ] {
        mistake(&statement);
    }
}

#[test]
fn a_context_is_inferred_from_prefixes_functions_and_enums() {
    let infer = |signal, statement: &str| {
        infer(signal, &[statement.to_owned()], &[]).map_err(|error| error.to_string())
    };
    for (signal, statement, want) in [
        (Signal::Logs, "set(log.body, resource.attributes[\"a\"])", ContextKind::Log),
        (Signal::Logs, "set(resource.attributes[\"a\"], 1)", ContextKind::Resource),
        (Signal::Logs, "set(scope.name, resource.attributes[\"a\"])", ContextKind::Scope),
        (
            Signal::Metrics,
            "convert_sum_to_gauge() where resource.attributes[\"a\"] == 1",
            ContextKind::Metric,
        ),
        (Signal::Metrics, "set(datapoint.attributes[\"a\"], metric.name)", ContextKind::DataPoint),
        (Signal::Metrics, "merge_histogram_buckets(1.0) where metric.name == \"x\"", ContextKind::DataPoint),
        (Signal::Traces, "set(span.name, \"x\") where spanevent.name == \"y\"", ContextKind::SpanEvent),
        (Signal::Logs, "set(resource.attributes[\"a\"], SEVERITY_NUMBER_INFO)", ContextKind::Log),
    ] {
        assert_eq!(infer(signal, statement), Ok(want), "{statement}");
    }
    let unclear = infer(Signal::Logs, "set(attributes[\"a\"], 1)").unwrap_err();
    assert!(unclear.contains("begin their paths with \"resource.\", \"scope.\", \"log.\""), "{unclear}");
    assert!(infer(Signal::Logs, "set(metric.name, log.body)").is_err());
}

#[test]
fn a_condition_that_does_not_hold_leaves_the_item_alone() {
    let mut world = World::default();
    world.log.attributes = vec![KeyValue::fixed("a", 1)];
    world.run(ContextKind::Log, "set(attributes[\"a\"], 2) where attributes[\"a\"] == 2").unwrap();
    assert_eq!(world.log.attributes, [KeyValue::fixed("a", 1)]);
}
