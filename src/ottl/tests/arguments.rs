//! What every function does with nil, with values of another type and with empty ones: each
//! argument in turn, the others as they should be. The golden file pins it; `UPDATE_GOLDEN=1` writes
//! it anew.

use std::fmt::Write;

use crate::otlp::metrics::{Data, Metric, Number, NumberDataPoint, Sum};
use crate::otlp::{AnyValue, KeyValue};
use crate::ottl::context::ContextKind;
use crate::ottl::functions::{self, Function, ParamKind};
use crate::ottl::testing::{World, eval_in};
use crate::ottl::text::text_of_any;
use crate::ottl::{Statement, Text};

/// What stands in the place of an argument: how the golden file calls it, and a path to it.
const PROBES: &[(&str, &str)] = &[
    ("nil", "resource.attributes[\"missing\"]"),
    ("\"\"", "resource.attributes[\"empty\"]"),
    ("7", "resource.attributes[\"int\"]"),
    ("-1.5", "resource.attributes[\"double\"]"),
    ("{}", "resource.attributes[\"map\"]"),
    ("[]", "resource.attributes[\"list\"]"),
];

/// Functions that give something else each time.
const CHANGING: &[&str] = &["Now", "UUID", "UUIDv7"];

fn world() -> World {
    let mut world = World::default();
    world.resource.get_or_insert_default().attributes = vec![
        KeyValue::fixed("empty", ""),
        KeyValue::fixed("int", 7),
        KeyValue::fixed("double", -1.5),
        KeyValue::fixed("map", Vec::<KeyValue>::new()),
        KeyValue::fixed("list", Vec::<AnyValue>::new()),
        KeyValue::fixed("m", vec![KeyValue::fixed("k", "v"), KeyValue::fixed("n", 1)]),
        KeyValue::fixed("l", vec![AnyValue::from("x"), AnyValue::Int(2)]),
        KeyValue::fixed("t", "some text"),
    ];
    let point = NumberDataPoint { value: Some(Number::Int(3)), ..NumberDataPoint::default() };
    let sum = Sum { data_points: vec![point], aggregation_temporality: 2, is_monotonic: true };
    world.metrics = vec![Metric { name: "m".into(), data: Some(Data::Sum(sum)), ..Metric::default() }];
    world
}

/// An argument as it should be.
fn sample(kind: ParamKind) -> String {
    match kind {
        ParamKind::Target => "resource.attributes[\"t\"]".to_owned(),
        ParamKind::MapTarget | ParamKind::Map => "resource.attributes[\"m\"]".to_owned(),
        ParamKind::Any | ParamKind::Text | ParamKind::TextLike => "\"a\"".to_owned(),
        ParamKind::Int => "1".to_owned(),
        ParamKind::Float => "1.5".to_owned(),
        ParamKind::Bool => "true".to_owned(),
        ParamKind::Values => "resource.attributes[\"l\"]".to_owned(),
        ParamKind::Texts => "[\"k\"]".to_owned(),
        ParamKind::Time => "Unix(1700000000)".to_owned(),
        ParamKind::Duration => "Duration(\"90s\")".to_owned(),
        ParamKind::Regex => "\"(?P<x>[a-z])\"".to_owned(),
        ParamKind::Glob => "\"s*\"".to_owned(),
        ParamKind::Layout => "\"%Y-%m-%d\"".to_owned(),
        ParamKind::Choice(choices) => format!("\"{}\"", choices[0]),
        ParamKind::LiteralText => "\"%{WORD:w}\"".to_owned(),
        ParamKind::Function => "SHA256".to_owned(),
    }
}

/// What a call gives, or does to the resource's attributes and the metrics.
fn outcome(function: &Function, args: &[String]) -> String {
    let context = function.contexts.first().copied().unwrap_or(ContextKind::Log);
    let args = args.join(", ");
    let call = format!("{}({args})", function.name);
    let mut world = world();
    if function.is_editor() {
        let statement = match Statement::compile(&call, context) {
            Ok(statement) => statement,
            Err(error) => return format!("refused: {}", error.message()),
        };
        let before = world.clone();
        if let Err(error) = statement.run(&mut world.item(context), &mut None) {
            return format!("error: {error}");
        }
        let mut done = Vec::new();
        let attributes = |world: &World| world.resource.clone().unwrap_or_default().attributes;
        for entry in attributes(&world).iter().filter(|entry| !attributes(&before).contains(entry)) {
            done.push(format!("{} = {}", entry.key, shown(&entry.value)));
        }
        for entry in attributes(&before) {
            if !attributes(&world).iter().any(|left| left.key == entry.key) {
                done.push(format!("{} is gone", entry.key));
            }
        }
        if world.metrics != before.metrics {
            let names: Vec<String> =
                world.metrics.iter().map(|metric| format!("{} {}", metric.name, kind_of(metric))).collect();
            done.push(format!("metrics {}", names.join(", ")));
        }
        if world.span != before.span {
            done.push(format!("span {:?}", world.span.name));
        }
        return if done.is_empty() { "nothing".to_owned() } else { done.join("; ") };
    }
    let item = world.item(context);
    match eval_in(&item.view(), context, &call) {
        Ok(_) if CHANGING.contains(&function.name) => "…".to_owned(),
        Ok(value) => shown(&value),
        Err(error) => error.lines().next().unwrap_or_default().to_owned(),
    }
}

fn kind_of(metric: &Metric) -> &'static str {
    match &metric.data {
        Some(Data::Gauge(_)) => "gauge",
        Some(Data::Sum(_)) => "sum",
        _ => "other",
    }
}

fn shown(value: &AnyValue) -> String {
    let text =
        |value| text_of_any(value).map_or_else(|error| error.to_string(), |text: Text<'_>| text.to_string());
    match value {
        AnyValue::Empty => "nil".to_owned(),
        AnyValue::String(text) => format!("{text:?}"),
        AnyValue::Bytes(bytes) => format!("bytes {bytes:?}"),
        other => text(other),
    }
}

#[test]
fn every_argument_of_every_function_does_what_the_golden_file_says() {
    let mut functions: Vec<&Function> = functions::all().collect();
    functions.sort_by_key(|function| function.name);
    let mut found = String::new();
    for function in functions {
        let samples: Vec<String> = function.params.iter().map(|param| sample(param.kind)).collect();
        let required = function.params.iter().filter(|param| !param.optional).count();
        let _ = writeln!(found, "{}", function.signature());
        let _ = writeln!(found, "  as it should be: {}", outcome(function, &samples[..required]));
        if required < samples.len() {
            let _ = writeln!(found, "  with all: {}", outcome(function, &samples));
        }
        for (place, param) in function.params.iter().enumerate() {
            for (name, path) in PROBES {
                let mut args = samples[..required.max(place + 1)].to_vec();
                args[place] = (*path).to_owned();
                let outcome = outcome(function, &args);
                if outcome.contains("found a path") {
                    let _ = writeln!(found, "  {}: takes no path", param.name);
                    break;
                }
                let _ = writeln!(found, "  {} {name}: {outcome}", param.name);
            }
        }
    }
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/ottl/arguments.golden");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::create_dir_all(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/ottl")).unwrap();
        std::fs::write(path, &found).unwrap();
    }
    let golden = std::fs::read_to_string(path).unwrap();
    for (n, (found, wanted)) in found.lines().zip(golden.lines()).enumerate() {
        assert_eq!(found, wanted, "line {}", n + 1);
    }
    assert_eq!(found.lines().count(), golden.lines().count());
}
