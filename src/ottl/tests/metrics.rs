//! Functions of metrics.

use crate::otlp::metrics::{
    Buckets, Data, ExponentialHistogram, ExponentialHistogramDataPoint, Gauge, Histogram, HistogramDataPoint,
    Metric, Number, NumberDataPoint, Sum, Summary, SummaryDataPoint, Temporality, ValueAtQuantile,
};
use crate::otlp::{Attributes, KeyValue};
use crate::ottl::ContextKind;
use crate::ottl::testing::World;

fn number(value: Number, attributes: &[(&'static str, &'static str)]) -> NumberDataPoint {
    NumberDataPoint {
        value: Some(value),
        attributes: attributes.iter().map(|(key, value)| KeyValue::fixed(key, *value)).collect(),
        start_time_unix_nano: 5,
        time_unix_nano: 10,
        ..Default::default()
    }
}

fn metric(data: Data) -> Metric {
    Metric {
        name: "m".into(),
        description: "d".into(),
        unit: "s".into(),
        data: Some(data),
        ..Default::default()
    }
}

fn sum(points: Vec<NumberDataPoint>) -> Metric {
    metric(Data::Sum(Sum { data_points: points, aggregation_temporality: 2, is_monotonic: true }))
}

fn histogram() -> Metric {
    let point = HistogramDataPoint {
        count: 6,
        sum: Some(12.0),
        bucket_counts: vec![1, 2, 3],
        explicit_bounds: vec![1.0, 2.0],
        ..Default::default()
    };
    metric(Data::Histogram(Histogram { data_points: vec![point], aggregation_temporality: 1 }))
}

fn summary() -> Metric {
    let quantile_values = vec![ValueAtQuantile { quantile: 0.5, value: 3.0 }];
    let point = SummaryDataPoint { count: 4, sum: 10.0, quantile_values, ..Default::default() };
    metric(Data::Summary(Summary { data_points: vec![point] }))
}

/// The metrics of the scope after one statement on the first.
fn after(metric: Metric, statement: &str) -> Vec<Metric> {
    let mut world = World { metrics: vec![metric], ..Default::default() };
    world.run(ContextKind::Metric, statement).unwrap_or_else(|error| panic!("{statement}: {error}"));
    world.metrics
}

fn numbers(metric: &Metric) -> Vec<Number> {
    match metric.data.as_ref().unwrap() {
        Data::Gauge(gauge) => gauge.data_points.iter().filter_map(|point| point.value).collect(),
        Data::Sum(sum) => sum.data_points.iter().filter_map(|point| point.value).collect(),
        _ => panic!("no numbers"),
    }
}

#[test]
fn sums_and_gauges_turn_into_each_other() {
    let points = vec![number(Number::Int(1), &[])];
    let gauge = metric(Data::Gauge(Gauge { data_points: points.clone() }));
    assert_eq!(after(sum(points.clone()), "convert_sum_to_gauge()"), std::slice::from_ref(&gauge));
    assert_eq!(after(gauge.clone(), "convert_sum_to_gauge()"), std::slice::from_ref(&gauge));
    assert_eq!(after(gauge, "convert_gauge_to_sum(\"cumulative\", true)"), [sum(points.clone())]);
    assert_eq!(after(histogram(), "convert_gauge_to_sum(\"delta\", false)"), [histogram()]);
    // The older form runs once for every point.
    let mut world = World { metrics: vec![sum(points)], ..Default::default() };
    world.run(ContextKind::DataPoint, "convert_sum_to_gauge() where metric.name == \"m\"").unwrap();
    assert!(matches!(world.metrics[0].data, Some(Data::Gauge(_))));
}

#[test]
fn copies_keep_what_is_not_given() {
    let copies = after(histogram(), "copy_metric(name=\"x\", unit=Concat([metric.unit, \"2\"], \"\"))");
    assert_eq!(copies[0], histogram());
    assert_eq!(copies[1], Metric { name: "x".into(), unit: "s2".into(), ..histogram() });
}

#[test]
fn scaling_keeps_ints_whole() {
    let points = vec![number(Number::Int(7), &[]), number(Number::Double(2.0), &[])];
    let scaled = after(sum(points), "scale_metric(0.5, \"ms\")");
    assert_eq!(numbers(&scaled[0]), [Number::Int(3), Number::Double(1.0)]);
    assert_eq!(scaled[0].unit, "ms");
    let Some(Data::Histogram(scaled)) = &after(histogram(), "scale_metric(10)")[0].data else { panic!() };
    assert_eq!(scaled.data_points[0].sum, Some(120.0));
    assert_eq!(scaled.data_points[0].explicit_bounds, [10.0, 20.0]);
}

#[test]
fn points_are_aggregated_by_what_is_left_of_their_attributes() {
    let points = vec![
        number(Number::Int(1), &[("cpu", "0"), ("state", "user")]),
        number(Number::Int(2), &[("state", "user"), ("cpu", "1")]),
        number(Number::Int(6), &[("cpu", "0"), ("state", "idle")]),
    ];
    for (function, want) in [
        ("sum", vec![3, 6]),
        ("max", vec![2, 6]),
        ("min", vec![1, 6]),
        ("mean", vec![1, 6]),
        ("median", vec![1, 6]),
        ("count", vec![2, 1]),
    ] {
        let statement = format!("aggregate_on_attributes(\"{function}\", [\"state\"])");
        let found = numbers(&after(sum(points.clone()), &statement)[0]);
        assert_eq!(found, want.into_iter().map(Number::Int).collect::<Vec<_>>(), "{function}");
    }
    assert_eq!(numbers(&after(sum(points.clone()), "aggregate_on_attributes(\"sum\")")[0]), [Number::Int(9)]);
    let statement = "aggregate_on_attribute_value(\"sum\", \"cpu\", [\"0\", \"1\"], \"all\")";
    let merged = after(sum(points), statement);
    assert_eq!(numbers(&merged[0]), [Number::Int(3), Number::Int(6)]);
    let Some(Data::Sum(merged)) = &merged[0].data else { panic!() };
    assert_eq!(merged.data_points[0].attributes.get_str("cpu"), Some("all"));
}

#[test]
fn points_of_other_times_are_not_merged() {
    let mut late = number(Number::Int(1), &[]);
    late.time_unix_nano = 11;
    let found = after(sum(vec![number(Number::Int(1), &[]), late]), "aggregate_on_attributes(\"sum\")");
    assert_eq!(numbers(&found[0]).len(), 2);
}

#[test]
fn histograms_merge_bucket_by_bucket() {
    let mut both = histogram();
    let Some(Data::Histogram(data)) = &mut both.data else { panic!() };
    let mut other = data.data_points[0].clone();
    other.explicit_bounds = vec![5.0];
    other.bucket_counts = vec![1, 5];
    data.data_points.push(data.data_points[0].clone());
    data.data_points.push(other.clone());
    let Some(Data::Histogram(merged)) = &after(both, "aggregate_on_attributes(\"sum\")")[0].data else {
        panic!()
    };
    assert_eq!(merged.data_points[0].bucket_counts, [2, 4, 6]);
    assert_eq!((merged.data_points[0].count, merged.data_points[0].sum), (12, Some(24.0)));
    assert_eq!(merged.data_points[1], other);
}

#[test]
fn counts_sums_and_quantiles_become_metrics() {
    for (metric, statement, name, unit, value) in [
        (histogram(), "extract_count_metric(true)", "m_count", "1", Number::Int(6)),
        (histogram(), "extract_sum_metric(false, \".total\")", "m.total", "s", Number::Double(12.0)),
        (summary(), "extract_count_metric(true)", "m_count", "1", Number::Int(4)),
        (summary(), "convert_summary_count_val_to_sum(\"delta\", true)", "m_count", "s", Number::Int(4)),
        (
            summary(),
            "convert_summary_sum_val_to_sum(\"cumulative\", false, \".s\")",
            "m.s",
            "s",
            Number::Double(10.0),
        ),
        (summary(), "convert_summary_quantile_val_to_gauge()", "m.quantiles", "s", Number::Double(3.0)),
    ] {
        let found = after(metric.clone(), statement);
        assert_eq!(found[0], metric);
        assert_eq!((found[1].name.as_str(), found[1].unit.as_str()), (name, unit), "{statement}");
        assert_eq!(numbers(&found[1]), [value], "{statement}");
    }
    let found = after(summary(), "convert_summary_count_val_to_sum(\"delta\", true)");
    assert!(matches!(&found[1].data, Some(Data::Sum(sum))
        if sum.is_monotonic && sum.aggregation_temporality == Temporality::Delta as i32));
    // Metrics of other types are left alone.
    for statement in ["extract_sum_metric(true)", "convert_summary_count_val_to_sum(\"delta\", true)"] {
        assert_eq!(after(sum(vec![]), statement).len(), 1);
    }
}

#[test]
fn buckets_merge_at_a_bound() {
    let mut world = World { metrics: vec![histogram()], ..Default::default() };
    world.run(ContextKind::DataPoint, "merge_histogram_buckets(1.0)").unwrap();
    world.run(ContextKind::DataPoint, "merge_histogram_buckets(7)").unwrap();
    assert_eq!(
        world.holds(ContextKind::DataPoint, "explicit_bounds == [2.0] and bucket_counts == [3, 3]"),
        Ok(true)
    );
}

#[test]
fn exponential_histograms_keep_every_count() {
    let point = ExponentialHistogramDataPoint {
        count: 13,
        zero_count: 1,
        positive: Some(Buckets { offset: 0, bucket_counts: vec![4, 4] }),
        negative: Some(Buckets { offset: 0, bucket_counts: vec![4] }),
        ..Default::default()
    };
    // With scale 0: (1, 2], (2, 4] and [-2, -1).
    for (distribution, want) in [
        ("upper", Some([0, 5, 4, 4])),
        ("midpoint", Some([4, 1, 4, 4])),
        ("uniform", Some([2, 3, 4, 4])),
        ("random", None),
    ] {
        let data = ExponentialHistogram { data_points: vec![point.clone()], aggregation_temporality: 2 };
        let statement =
            format!("convert_exponential_histogram_to_histogram(\"{distribution}\", [-1.5, 1.0, 2.0])");
        let found = after(metric(Data::ExponentialHistogram(data)), &statement);
        let Some(Data::Histogram(found)) = &found[0].data else { panic!("{distribution}") };
        let counts = &found.data_points[0].bucket_counts;
        assert_eq!(counts.iter().sum::<u64>(), 13, "{distribution}");
        if let Some(want) = want {
            assert_eq!(*counts, want, "{distribution}");
        }
    }
}

#[test]
fn points_can_be_asked_for_attributes() {
    let points = vec![number(Number::Int(1), &[]), number(Number::Int(1), &[("k", "v")])];
    let mut world = World { metrics: vec![sum(points)], ..Default::default() };
    for (condition, want) in [
        ("HasAttrKeyOnDatapoint(\"k\")", true),
        ("HasAttrKeyOnDatapoint(\"x\")", false),
        ("HasAttrOnDatapoint(\"k\", \"v\")", true),
        ("HasAttrOnDatapoint(\"k\", \"w\")", false),
        ("Len(metric.data_points) == 2", true),
    ] {
        assert_eq!(world.holds(ContextKind::Metric, condition), Ok(want), "{condition}");
    }
}

#[test]
fn a_statement_that_copies_its_copies_ends() {
    use crate::otlp::metrics::{ResourceMetrics, ScopeMetrics};
    let scope_metrics = vec![ScopeMetrics { metrics: vec![sum(Vec::new())], ..ScopeMetrics::default() }];
    let mut data =
        crate::pipeline::Data::Metrics(vec![ResourceMetrics { scope_metrics, ..ResourceMetrics::default() }]);
    let statement = crate::ottl::Statement::compile("copy_metric()", ContextKind::Metric).unwrap();
    crate::ottl::for_each_item(&mut data, ContextKind::Metric, |item| {
        statement.run(item, &mut None).unwrap();
    });
    let crate::pipeline::Data::Metrics(all) = data else { panic!("metrics") };
    assert_eq!(all[0].scope_metrics[0].metrics.len(), 2 + crate::ottl::limits::APPENDED);
}
