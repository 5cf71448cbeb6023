//! Reading and writing every path of every context.

use crate::otlp::metrics::{
    Data, ExponentialHistogram, ExponentialHistogramDataPoint, Gauge, Histogram, HistogramDataPoint, Metric,
    Number, NumberDataPoint, Sum, Summary, SummaryDataPoint,
};
use crate::otlp::trace::Event;
use crate::otlp::{AnyValue, Attributes, KeyValue};
use crate::ottl::ContextKind;
use crate::ottl::context::Access;
use crate::ottl::testing::World;

fn world() -> World {
    let mut world = World::default();
    world.span.events = vec![Event::default()];
    let point = NumberDataPoint { value: Some(Number::Int(3)), ..Default::default() };
    world.metrics = vec![Metric {
        name: "m".to_owned(),
        data: Some(Data::Sum(Sum { data_points: vec![point], ..Default::default() })),
        ..Default::default()
    }];
    world
}

/// A literal that fits a path of that type.
fn literal(kind: &str) -> &'static str {
    match kind {
        "int" => "2",
        "float" => "1.5",
        "bool" => "true",
        "string" => "\"text\"",
        "map" => "{\"k\": 1}",
        "list" => "[1]",
        "time" => "Unix(5)",
        "any" => "\"any\"",
        other => panic!("no literal for {other}"),
    }
}

#[test]
fn every_path_can_be_read_and_what_can_be_set_reads_back() {
    for context in ContextKind::ALL {
        for path in context.paths() {
            let name = format!("{}.{}", context.name(), path.name);
            let mut world = world();
            if path.access == Access::Read {
                let text = format!("set({name}, 1)");
                let error = crate::ottl::Statement::compile(&text, context).unwrap_err();
                assert!(error.message().contains("read-only"), "{error}");
                world.holds(context, &format!("{name} == nil or {name} != nil")).unwrap();
                continue;
            }
            let value = match path.name {
                "trace_id" => "TraceID(0x000102030405060708090a0b0c0d0e0f)",
                "trace_id.string" => "\"000102030405060708090a0b0c0d0e0f\"",
                "span_id" | "parent_span_id" => "SpanID(\"0001020304050607\")",
                "span_id.string" | "parent_span_id.string" => "\"0001020304050607\"",
                "kind.string" => "\"Server\"",
                "kind.deprecated_string" => "\"SPAN_KIND_SERVER\"",
                "explicit_bounds" => "[1.5]",
                _ => literal(path.kind),
            };
            // Fields that points of some types do not have need one that has them.
            if context == ContextKind::DataPoint {
                world.metrics[0].data = Some(data_with(path.name));
            }
            world.run(context, &format!("set({name}, {value})")).unwrap();
            assert_eq!(world.holds(context, &format!("{name} == {value}")), Ok(true), "{name}");
            if path.kind != "any" {
                let wrong = if path.kind == "string" { "1.5" } else { "\"x\"" };
                assert!(world.run(context, &format!("set({name}, {wrong})")).is_err(), "{name}");
            }
        }
    }
}

/// Data of a metric whose one point has the field.
fn data_with(field: &str) -> Data {
    match field {
        "bucket_counts" | "explicit_bounds" | "count" | "sum" => Data::Histogram(Histogram {
            data_points: vec![HistogramDataPoint::default()],
            ..Default::default()
        }),
        "scale"
        | "zero_count"
        | "positive.offset"
        | "positive.bucket_counts"
        | "negative.offset"
        | "negative.bucket_counts" => Data::ExponentialHistogram(ExponentialHistogram {
            data_points: vec![ExponentialHistogramDataPoint::default()],
            ..Default::default()
        }),
        "quantile_values" => Data::Summary(Summary { data_points: vec![SummaryDataPoint::default()] }),
        _ => Data::Gauge(Gauge { data_points: vec![NumberDataPoint::default()] }),
    }
}

#[test]
fn keys_lead_into_maps_and_lists() {
    let mut world = world();
    world.log.body = Some(AnyValue::from(vec![
        KeyValue::fixed("list", vec![AnyValue::Int(7), AnyValue::from(vec![KeyValue::fixed("x", "y")])]),
        KeyValue::fixed("text", "t"),
    ]));
    for (condition, want) in [
        ("body[\"list\"][0] == 7", Ok(true)),
        ("body[\"list\"][1][\"x\"] == \"y\"", Ok(true)),
        ("body[\"none\"] == nil", Ok(true)),
        ("body[\"none\"][\"deeper\"][0] == nil", Ok(true)),
        ("body[Concat([\"li\", \"st\"], \"\")][1 - 1] == 7", Ok(true)),
        ("body[\"list\"][2] == nil", Err("index 2 is out of range")),
        ("body[\"text\"][\"x\"] == nil", Err("type Str does not support string indexing")),
        ("body[\"text\"][0] == nil", Err("type Str does not support int indexing")),
        ("body[\"list\"][\"x\"] == nil", Err("type Slice does not support string indexing")),
        ("body[1.5 + 1.0] == nil", Err("expected a string or an int as index, found float")),
        ("Keys(body)[5] == nil", Err("index 5 is out of range")),
        ("Int(\"x\")[\"a\"] == nil", Err("expected a map or a list to index, found nil")),
    ] {
        let found = world.holds(ContextKind::Log, condition).map_err(|error| error.to_string());
        assert_eq!(found, want.map_err(str::to_owned), "{condition}");
    }
}

#[test]
fn writing_makes_maps_but_not_lists() {
    let mut world = world();
    world.run(ContextKind::Log, "set(attributes[\"a\"][\"b\"][\"c\"], 1)").unwrap();
    assert!(world.run(ContextKind::Log, "set(attributes[\"new\"][0], 1)").is_err());
    assert!(world.run(ContextKind::Log, "set(attributes[\"a\"][\"b\"][\"c\"][\"d\"], 1)").is_err());
    let inner = AnyValue::from(vec![KeyValue::fixed("c", 1)]);
    let wanted = vec![KeyValue::fixed("a", vec![KeyValue::fixed("b", inner)])];
    assert_eq!(world.log.attributes, wanted);
    world.run(ContextKind::Log, "set(body[\"made\"], [1, 2])").unwrap();
    world.run(ContextKind::Log, "set(body[\"made\"][1], \"x\")").unwrap();
    assert_eq!(world.holds(ContextKind::Log, "body[\"made\"] == [1, \"x\"]"), Ok(true));
}

#[test]
fn from_below_everything_above_can_be_changed() {
    let mut world = world();
    world.run(ContextKind::DataPoint, "set(metric.name, \"renamed\")").unwrap();
    world.run(ContextKind::DataPoint, "set(resource.attributes[\"r\"], scope.name)").unwrap();
    world.run(ContextKind::SpanEvent, "set(span.attributes[\"event\"], spanevent.event_index)").unwrap();
    assert_eq!(world.metrics[0].name, "renamed");
    assert_eq!(world.resource.unwrap().attributes.get_str("r"), Some(""));
    assert_eq!(world.span.attributes, [KeyValue::fixed("event", 0)]);
}

#[test]
fn points_answer_for_their_type_alone() {
    let mut world = world();
    for (condition, want) in [
        ("value_int == 3", true),
        ("value_double == 0.0", true),
        ("count == nil and sum == nil and bucket_counts == nil and scale == nil", true),
        ("metric.type == METRIC_DATA_TYPE_SUM and metric.is_monotonic == false", true),
        ("metric.aggregation_temporality == AGGREGATION_TEMPORALITY_UNSPECIFIED", true),
    ] {
        assert_eq!(world.holds(ContextKind::DataPoint, condition), Ok(want), "{condition}");
    }
    // Setting what the type does not have changes nothing.
    let before = world.metrics.clone();
    world.run(ContextKind::DataPoint, "set(count, 5)").unwrap();
    assert_eq!(world.metrics, before);
    world.run(ContextKind::DataPoint, "set(value_double, 1.5)").unwrap();
    assert_eq!(world.holds(ContextKind::DataPoint, "value_double == 1.5 and value_int == 0"), Ok(true));
}

#[test]
fn a_trace_state_is_read_and_set_member_by_member() {
    let mut world = world();
    world.span.trace_state = "a=1,b=2".to_owned();
    assert_eq!(
        world.holds(ContextKind::Span, "trace_state[\"b\"] == \"2\" and trace_state[\"c\"] == nil"),
        Ok(true)
    );
    world.run(ContextKind::Span, "set(trace_state[\"b\"], \"3\")").unwrap();
    assert_eq!(world.span.trace_state, "b=3,a=1");
}

#[test]
fn body_string_is_the_text_form_and_sets_a_string() {
    let mut world = world();
    world.log.body = Some(AnyValue::from(vec![KeyValue::fixed("b", 1.0), KeyValue::fixed("a", "x")]));
    assert_eq!(
        world.holds(ContextKind::Log, "body.string == \"{\\\"a\\\":\\\"x\\\",\\\"b\\\":1}\""),
        Ok(true)
    );
    world.run(ContextKind::Log, "set(body.string, \"now text\")").unwrap();
    assert_eq!(world.log.body, Some("now text".into()));
}

#[test]
fn an_unset_id_is_zeros_and_zeros_unset_it() {
    let mut world = world();
    assert_eq!(
        world.holds(ContextKind::Log, "trace_id == TraceID(0x00000000000000000000000000000000)"),
        Ok(true)
    );
    world.log.span_id = vec![1; 8];
    world.run(ContextKind::Log, "set(span_id, SpanID(0x0000000000000000))").unwrap();
    assert!(world.log.span_id.is_empty());
}
