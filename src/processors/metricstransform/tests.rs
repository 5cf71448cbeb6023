use super::*;
use crate::otlp::AnyValue;
use crate::otlp::metrics::{
    self, Histogram, HistogramDataPoint, Metric, Number, NumberDataPoint, Summary, SummaryDataPoint,
    Temporality,
};
use crate::processors::testing::{build, gauge, issues, point, resource_metrics, sum};

fn at(entries: &[(&'static str, &str)], value: Number) -> NumberDataPoint {
    let entries: Vec<(&'static str, AnyValue)> =
        entries.iter().map(|(key, value)| (*key, (*value).into())).collect();
    point(&entries, 1, 2, value)
}

fn run(transforms: &str, metrics: Vec<Metric>) -> Vec<Metric> {
    let mut bench =
        build::<MetricsTransformConfig>(&format!("{{transforms: {transforms}}}"), Signal::Metrics);
    let out = bench.run(Data::Metrics(vec![resource_metrics(&[], metrics)]));
    match out.into_iter().next() {
        Some(Data::Metrics(mut all)) => all.remove(0).scope_metrics.remove(0).metrics,
        _ => Vec::new(),
    }
}

/// Runs an `update` with these operations on a gauge with these points.
fn operate(operations: &str, points: Vec<NumberDataPoint>) -> Vec<NumberDataPoint> {
    let transforms = format!("[{{include: m, action: update, operations: {operations}}}]");
    match run(&transforms, vec![gauge("m", points)]).into_iter().next() {
        Some(Metric { data: Some(metrics::Data::Gauge(gauge)), .. }) => gauge.data_points,
        None => Vec::new(),
        other => panic!("{other:?}"),
    }
}

use Number::{Double, Int};

#[test]
fn every_operation_follows_its_rule() {
    let (a, b) = (("k", "a"), ("k", "b"));
    for (operations, before, after) in [
        (
            "[{action: add_label, new_label: v, new_value: 'v{{version}}'}]",
            vec![at(&[a], Int(1)), at(&[("v", "old")], Int(2))],
            vec![
                at(&[a, ("v", concat!("v", env!("CARGO_PKG_VERSION")))], Int(1)),
                at(&[("v", concat!("v", env!("CARGO_PKG_VERSION")))], Int(2)),
            ],
        ),
        (
            "[{action: update_label, label: k, new_label: n}]",
            vec![at(&[a], Int(1)), at(&[], Int(2))],
            vec![at(&[("n", "a")], Int(1)), at(&[], Int(2))],
        ),
        (
            "[{action: update_label, label: k, new_label: n, value_actions: [{value: a, new_value: z}]}]",
            vec![at(&[a], Int(1)), at(&[b], Int(2))],
            vec![at(&[("n", "z")], Int(1)), at(&[("n", "b")], Int(2))],
        ),
        (
            "[{action: delete_label_value, label: k, label_value: a}]",
            vec![at(&[a], Int(1)), at(&[b], Int(2)), at(&[], Int(3))],
            vec![at(&[b], Int(2)), at(&[], Int(3))],
        ),
        ("[{action: delete_label_value, label: k, label_value: a}]", vec![at(&[a], Int(1))], vec![]),
        (
            "[{action: toggle_scalar_data_type}]",
            vec![at(&[a], Int(1)), at(&[b], Double(2.9))],
            vec![at(&[a], Double(1.0)), at(&[b], Int(2))],
        ),
        (
            "[{action: experimental_scale_value, experimental_scale: 0.5}]",
            vec![at(&[a], Int(5)), at(&[b], Double(5.0))],
            vec![at(&[a], Int(2)), at(&[b], Double(2.5))],
        ),
        (
            "[{action: aggregate_labels, label_set: [k], aggregation_type: sum}]",
            vec![at(&[a, ("x", "1")], Int(1)), at(&[b, ("x", "1")], Int(2)), at(&[("x", "2"), a], Int(3))],
            vec![at(&[a], Int(4)), at(&[b], Int(2))],
        ),
        (
            "[{action: aggregate_label_values, label: k, aggregated_values: [a, b], new_value: ab, aggregation_type: sum}]",
            vec![at(&[a], Double(0.5)), at(&[b], Double(0.25)), at(&[("k", "c")], Double(9.0))],
            vec![at(&[("k", "ab")], Double(0.75)), at(&[("k", "c")], Double(9.0))],
        ),
    ] {
        assert_eq!(operate(operations, before), after, "{operations}");
    }
}

#[test]
fn values_aggregate_by_type() {
    let merged = |how: &str, values: &[Number]| {
        let operations = format!("[{{action: aggregate_labels, label_set: [], aggregation_type: {how}}}]");
        let names = ["a", "b", "c", "d"];
        let points = values.iter().zip(names).map(|(value, name)| at(&[("k", name)], *value)).collect();
        let out = operate(&operations, points);
        assert_eq!(out.len(), 1);
        out[0].value.unwrap()
    };
    for (how, values, want) in [
        ("sum", vec![Int(1), Int(2)], Int(3)),
        ("sum", vec![Int(1), Double(2.5)], Double(3.5)),
        ("mean", vec![Int(1), Int(2), Int(5)], Int(2)),
        ("mean", vec![Int(1), Int(2)], Int(1)),
        ("mean", vec![Double(1.0), Double(2.0)], Double(1.5)),
        ("min", vec![Int(3), Int(1), Int(2)], Int(1)),
        ("max", vec![Double(3.0), Double(4.0)], Double(4.0)),
        ("count", vec![Int(7), Int(7), Int(7)], Int(3)),
        ("count", vec![Double(7.0), Double(7.0)], Double(2.0)),
        ("count", vec![Int(7)], Int(1)),
        ("median", vec![Int(9), Int(1), Int(3)], Int(3)),
        ("median", vec![Int(1), Int(4)], Int(2)),
        ("median", vec![Double(1.0), Double(4.0), Double(2.0), Double(3.0)], Double(2.5)),
    ] {
        assert_eq!(merged(how, &values), want, "{how} of {values:?}");
    }
}

#[test]
fn points_of_another_time_or_delta_interval_are_not_merged() {
    let operation = "[{include: m, action: update, operations: [{action: aggregate_labels, label_set: [], aggregation_type: sum}]}]";
    let points = || {
        vec![
            point(&[("k", "a".into())], 1, 10, Int(1)),
            point(&[("k", "b".into())], 2, 10, Int(2)),
            point(&[("k", "a".into())], 1, 20, Int(4)),
        ]
    };
    let of = |temporality| run(operation, vec![sum("m", temporality, points())]);
    assert_eq!(
        of(Temporality::Cumulative),
        [sum("m", Temporality::Cumulative, vec![point(&[], 1, 10, Int(3)), point(&[], 1, 20, Int(4))])]
    );
    assert_eq!(of(Temporality::Delta)[0].data.as_ref().unwrap().len(), 3);
}

#[test]
fn histograms_add_up_and_summaries_stay() {
    let histogram = |points: &[(u64, f64, [u64; 2], f64)]| Metric {
        name: "m".into(),
        data: Some(metrics::Data::Histogram(Histogram {
            aggregation_temporality: Temporality::Cumulative as i32,
            data_points: points
                .iter()
                .map(|(count, sum, buckets, bound)| HistogramDataPoint {
                    count: *count,
                    sum: Some(*sum),
                    bucket_counts: buckets.to_vec(),
                    explicit_bounds: vec![*bound],
                    ..Default::default()
                })
                .collect(),
        })),
        ..Default::default()
    };
    let aggregate = "[{include: m, action: update, operations: [{action: aggregate_labels, label_set: [], aggregation_type: mean}]}]";
    let before = histogram(&[(3, 4.0, [1, 2], 1.0), (2, 1.0, [2, 0], 1.0), (1, 1.0, [1, 0], 9.0)]);
    let after = histogram(&[(5, 5.0, [3, 2], 1.0), (1, 1.0, [1, 0], 9.0)]);
    assert_eq!(run(aggregate, vec![before]), [after]);
    let scale = "[{include: m, action: update, operations: [{action: experimental_scale_value, experimental_scale: 10}]}]";
    let scaled = run(scale, vec![histogram(&[(3, 4.0, [1, 2], 1.0)])]);
    assert_eq!(scaled, [histogram(&[(3, 40.0, [1, 2], 10.0)])]);
    let summary = Metric {
        name: "m".into(),
        data: Some(metrics::Data::Summary(Summary { data_points: vec![SummaryDataPoint::default(); 2] })),
        ..Default::default()
    };
    assert_eq!(run(aggregate, vec![summary.clone()]), [summary]);
}

#[test]
fn exponential_histograms_add_up_at_the_coarser_scale_and_never_explode() {
    use metrics::{Buckets, ExponentialHistogram, ExponentialHistogramDataPoint};
    let of = |points: &[(i32, i32, &[u64])]| Metric {
        name: "m".into(),
        data: Some(metrics::Data::ExponentialHistogram(ExponentialHistogram {
            aggregation_temporality: Temporality::Cumulative as i32,
            data_points: points
                .iter()
                .map(|(scale, offset, buckets)| ExponentialHistogramDataPoint {
                    scale: *scale,
                    count: buckets.iter().sum(),
                    positive: Some(Buckets { offset: *offset, bucket_counts: buckets.to_vec() }),
                    ..Default::default()
                })
                .collect(),
        })),
        ..Default::default()
    };
    let aggregate = "[{include: m, action: update, operations: [{action: aggregate_labels, label_set: [], aggregation_type: sum}]}]";
    let out = run(aggregate, vec![of(&[(1, 0, &[1, 2, 4]), (0, 1, &[8])])]);
    assert_eq!(out, [of(&[(0, 0, &[3, 12])])]);
    let out = run(aggregate, vec![of(&[(0, i32::MIN, &[1]), (0, i32::MAX, &[2])])]);
    let Some(metrics::Data::ExponentialHistogram(histogram)) = &out[0].data else { panic!("{out:?}") };
    let point = &histogram.data_points[0];
    assert!(point.positive.as_ref().unwrap().bucket_counts.len() <= 1024);
    assert_eq!(point.positive.as_ref().unwrap().bucket_counts.iter().sum::<u64>(), 3);
}

#[test]
fn labels_choose_points_and_only_whole_metrics_are_renamed() {
    let both = || vec![gauge("m", vec![at(&[("k", "a")], Int(1)), at(&[("k", "b")], Int(2))])];
    let labels = "include: m, experimental_match_labels: {k: a}";
    let out = run(
        &format!(
            "[{{{labels}, action: update, new_name: n, operations: [{{action: toggle_scalar_data_type}}, {{action: add_label, new_label: x, new_value: y}}]}}]"
        ),
        both(),
    );
    assert_eq!(out, [gauge("m", vec![at(&[("k", "a")], Double(1.0)), at(&[("k", "b")], Int(2))])]);
    let out = run(&format!("[{{{labels}, action: insert, new_name: n}}]"), both());
    assert_eq!(out, [both().remove(0), gauge("n", vec![at(&[("k", "a")], Int(1))])]);
    // A label that is missing is the empty text.
    let missing = "[{include: m, experimental_match_labels: {other: ''}, action: update, new_name: n}]";
    assert_eq!(run(missing, both())[0].name, "n");
    let never = "[{include: m, experimental_match_labels: {k: z}, action: insert, new_name: n}]";
    assert_eq!(run(never, both()), both());
}

#[test]
fn names_are_matched_exactly_or_by_pattern_and_rebuilt_from_groups() {
    let metrics = || vec![gauge("system.cpu.time", vec![at(&[], Int(1))]), gauge("x", vec![])];
    let names = |transforms: &str| run(transforms, metrics()).into_iter().map(|m| m.name).collect::<Vec<_>>();
    for (transforms, want) in [
        ("[{include: system.cpu, action: update, new_name: n}]", ["system.cpu.time", "x"]),
        ("[{include: system.cpu.time, action: update, new_name: n$1}]", ["n$1", "x"]),
        (
            "[{include: '^system\\.(.*)\\.(?P<what>.*)$', match_type: regexp, action: update, new_name: 'host.${what}.$1'}]",
            ["host.time.cpu", "x"],
        ),
        ("[{include: x, action: update, new_name: empty}]", ["system.cpu.time", "empty"]),
    ] {
        assert_eq!(names(transforms), want, "{transforms}");
    }
}

#[test]
fn combine_makes_labels_of_the_groups_of_a_pattern() {
    let cpu = |name: &str, host: &'static str, value| {
        sum(name, Temporality::Cumulative, vec![at(&[("host", host)], Int(value))])
    };
    let transforms = "[{include: '^cpu\\.(?P<State>.*)\\.(.*)$', match_type: regexp, action: combine, new_name: cpu, submatch_case: lower}]";
    let out = run(transforms, vec![cpu("cpu.USER.0", "a", 1), cpu("mem", "a", 9), cpu("cpu.IDLE.1", "a", 2)]);
    let labels = |state, n| [("host", "a"), ("State", state), ("$2", n)];
    let combined = sum(
        "cpu",
        Temporality::Cumulative,
        vec![at(&labels("user", "0"), Int(1)), at(&labels("idle", "1"), Int(2))],
    );
    assert_eq!(out, [cpu("mem", "a", 9), combined]);
    // What becomes one series is aggregated.
    let transforms =
        "[{include: ^m, match_type: regexp, action: combine, new_name: all, aggregation_type: max}]";
    let out = run(transforms, vec![cpu("m1", "a", 3), cpu("m2", "a", 7)]);
    assert_eq!(out, [cpu("all", "a", 7)]);
}

#[test]
fn metrics_that_differ_are_not_combined_and_not_lost() {
    let combine = "[{include: ^m, match_type: regexp, action: combine, new_name: all}]";
    let mut unit = gauge("m2", vec![at(&[], Int(1))]);
    unit.unit = "By".into();
    for other in [
        unit,
        sum("m2", Temporality::Delta, vec![at(&[], Int(1))]),
        gauge("m2", vec![at(&[("k", "a")], Int(1))]),
    ] {
        let metrics = vec![gauge("m1", vec![at(&[], Int(1))]), other];
        assert_eq!(run(combine, metrics.clone()), metrics);
    }
}

#[test]
fn points_that_do_not_match_stay_when_the_others_are_combined_or_moved() {
    let both = vec![gauge("m", vec![at(&[("k", "a")], Int(1)), at(&[("k", "b")], Int(2))])];
    let out = run("[{include: m, experimental_match_labels: {k: a}, action: combine, new_name: n}]", both);
    assert_eq!(
        out,
        [gauge("m", vec![at(&[("k", "b")], Int(2))]), gauge("n", vec![at(&[("k", "a")], Int(1))])]
    );
}

#[test]
fn group_moves_metrics_under_a_resource_of_their_own() {
    let yaml = "{transforms: [{include: ^k8s, match_type: regexp, action: group, group_resource_labels: {from: k8s}}]}";
    let mut bench = build::<MetricsTransformConfig>(yaml, Signal::Metrics);
    let (k8s, other) = (gauge("k8s.pods", vec![at(&[], Int(1))]), gauge("cpu", vec![at(&[], Int(2))]));
    let out = bench.one(Data::Metrics(vec![
        resource_metrics(&[("host", "a".into())], vec![k8s.clone(), other.clone()]),
        resource_metrics(&[("host", "b".into())], vec![other.clone()]),
        resource_metrics(&[("host", "c".into())], vec![k8s.clone()]),
    ]));
    let want = Data::Metrics(vec![
        resource_metrics(&[("host", "a".into())], vec![other.clone()]),
        resource_metrics(&[("host", "b".into())], vec![other]),
        resource_metrics(&[("host", "a".into()), ("from", "k8s".into())], vec![k8s.clone()]),
        resource_metrics(&[("host", "c".into()), ("from", "k8s".into())], vec![k8s]),
    ]);
    assert_eq!(out, want);
}

#[test]
fn the_stock_transforms_make_the_memory_that_is_consumed() {
    let yaml = include_str!("../../../tests/fixtures/processors/metricstransform.yaml");
    let mut bench = build::<MetricsTransformConfig>(yaml, Signal::Metrics);
    let linux = |state: &'static str, value| at(&[("state", state), ("os.type", "linux")], Double(value));
    let states = [
        ("used", 0.4),
        ("cached", 0.2),
        ("free", 0.3),
        ("buffered", 0.05),
        ("slab_reclaimable", 0.04),
        ("slab_unreclaimable", 0.01),
    ];
    let before =
        gauge("system.memory.utilization", states.map(|(state, value)| linux(state, value)).to_vec());
    let out = bench.one(Data::Metrics(vec![resource_metrics(&[], vec![before.clone()])]));
    let consumed = gauge("system.memory.utilization.consumed", vec![linux("consumed", 0.4 + 0.2)]);
    assert_eq!(out, Data::Metrics(vec![resource_metrics(&[], vec![before, consumed])]));
    assert_eq!(bench.total("otelcol_processor_metricstransform_added_datapoints"), 5);
    assert_eq!(bench.total("otelcol_processor_metricstransform_removed_datapoints"), 4);
}

#[test]
fn bad_transforms_are_refused_with_their_place() {
    for (transform, want) in [
        ("{action: update}", "transforms::0::include: missing required field"),
        ("{include: a}", "transforms::0::action: is required"),
        ("{include: a, action: drop}", "\"drop\" is not known"),
        (
            "{include: a, action: insert}",
            "transforms::0::new_name: missing required field \"new_name\" while",
        ),
        ("{include: a, action: combine}", "new_name"),
        ("{include: a, action: group}", "group_resource_labels"),
        ("{include: '(', match_type: regexp, action: update}", "transforms::0::include: bad regular"),
        ("{include: a, match_type: glob, action: update}", "\"glob\" is not known"),
        ("{include: a, action: combine, new_name: b, submatch_case: title}", "\"title\" is not known"),
        (
            "{include: a, action: update, operations: [{action: update_label}]}",
            "operations::0::label: missing",
        ),
        ("{include: a, action: update, operations: [{action: add_label, new_label: a}]}", "new_value"),
        (
            "{include: a, action: update, operations: [{action: aggregate_labels}]}",
            "aggregation_type: is required",
        ),
        ("{include: a, action: update, operations: [{action: experimental_scale_value}]}", "must not be 0"),
        ("{include: a, action: update, operations: [{action: shout}]}", "\"shout\" is not known"),
    ] {
        let found = issues::<MetricsTransformConfig>(&format!("{{transforms: [{transform}]}}"));
        assert!(found.contains(want), "{transform}: {found}");
    }
}

proptest::proptest! {
    #[test]
    fn points_that_are_gone_are_counted(
        points in proptest::collection::vec((0_usize..3, 0_i64..100), 0..40), how in 0_usize..3
    ) {
        let operation = [
            "{action: aggregate_labels, label_set: [], aggregation_type: sum}",
            "{action: delete_label_value, label: k, label_value: a}",
            "{action: toggle_scalar_data_type}",
        ][how];
        let yaml = format!("{{transforms: [{{include: m, action: update, operations: [{operation}]}}]}}");
        let mut bench = build::<MetricsTransformConfig>(&yaml, Signal::Metrics);
        let points: Vec<_> = points.iter().map(|(k, value)| at(&[("k", ["a", "b", "c"][*k])], Int(*value))).collect();
        let before = points.len();
        let out = bench.run(Data::Metrics(vec![resource_metrics(&[], vec![gauge("m", points)])]));
        let after: usize = out.iter().map(Data::items).sum();
        let removed = bench.total("otelcol_processor_metricstransform_removed_datapoints");
        proptest::prop_assert_eq!(after + removed as usize, before);
    }
}
