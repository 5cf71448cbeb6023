//! What goes into a processor comes out, or the processor's own counters say what became of it.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Instant;

use proptest::prelude::*;

use crate::component::{Context, NoHost};
use crate::config::{Decoder, Node, from_yaml};
use crate::otlp::logs::{LogRecord, ResourceLogs, ScopeLogs};
use crate::otlp::metrics::{
    self, Buckets, ExponentialHistogram, ExponentialHistogramDataPoint, Gauge, Histogram, HistogramDataPoint,
    Metric, Number, NumberDataPoint, ResourceMetrics, ScopeMetrics, Sum, Summary, SummaryDataPoint,
};
use crate::otlp::trace::{Event, ResourceSpans, ScopeSpans, Span};
use crate::otlp::{AnyValue, InstrumentationScope, KeyValue, Resource};
use crate::pipeline::{Batch, Data, Outcome, Signal, Stop};
use crate::processors::TYPES;
use crate::processors::testing::watched;
use crate::telemetry::{StatusBoard, Telemetry};

/// A configuration of every type that makes it work hard.
const CONFIGS: &[(&str, &str)] = &[
    ("attributes", "{include: {match_type: strict, resources: [{key: a}]}, actions: [{key: b, action: delete}, {key: a, action: hash}, {key: c, value: 1, action: upsert}]}"),
    ("batch", "{send_batch_size: 7, send_batch_max_size: 9, timeout: 1h}"),
    ("batch", "{send_batch_size: 0, timeout: 0s}"),
    ("cumulativetodelta", "{}"),
    ("cumulativetodelta", "{initial_value: keep, include: {match_type: regexp, metrics: ['m[0-2]']}}"),
    ("deltatorate", "{metrics: [m0, m1]}"),
    ("filter", "{logs: {log_record: ['attributes[\"a\"] != nil'], resource: ['attributes[\"b\"] == 1']}, metrics: {metric: ['name == \"m0\"'], datapoint: ['attributes[\"a\"] == \"x\"']}, traces: {span: ['name == \"s1\"'], spanevent: ['name == \"e\"']}}"),
    ("filter", "{logs: {include: {match_type: regexp, bodies: ['x']}}, metrics: {exclude: {match_type: expr, expressions: ['HasLabel(\"a\")']}}, spans: {exclude: {match_type: strict, span_names: [s0]}}}"),
    ("groupbyattrs", "{keys: [a, b]}"),
    ("groupbyattrs", "{}"),
    ("groupbytrace", "{wait_duration: 1h, num_traces: 2}"),
    ("isolationforest", "{mode: filter, min_samples: 2, subsample_size: 4, forest_size: 3, threshold: 0.5}"),
    ("k8sattributes", "{passthrough: true}"),
    ("memory_limiter", "{limit_mib: 1000000, check_interval: 1h}"),
    ("metricstransform", "{transforms: [
        {include: m0, action: insert, new_name: copy, operations: [{action: toggle_scalar_data_type}]},
        {include: 'm[12]', match_type: regexp, action: update, operations: [{action: aggregate_labels, label_set: [a], aggregation_type: sum}, {action: delete_label_value, label: a, label_value: x}]},
        {include: 'm[03]', match_type: regexp, action: combine, new_name: both, aggregation_type: max},
        {include: copy, action: group, group_resource_labels: {g: h}}]}"),
    ("probabilistic_sampler", "{sampling_percentage: 50}"),
    ("probabilistic_sampler", "{sampling_percentage: 40, mode: equalizing, fail_closed: false}"),
    ("redaction", "{allowed_keys: [a], blocked_values: [x], summary: debug, url_sanitizer: {attributes: [a]}}"),
    ("resource", "{attributes: [{key: a, action: delete}, {key: z, value: [1], action: insert}]}"),
    ("resourcedetection", "{detectors: [env]}"),
    ("span", "{name: {from_attributes: [a, b], separator: '-'}}"),
    ("transform", "{error_mode: ignore, log_statements: ['set(log.body, log.attributes[\"a\"])', 'flatten(log.attributes)'],
        trace_statements: ['truncate_all(span.attributes, 1)'],
        metric_statements: ['copy_metric(name=\"new\") where metric.name == \"m0\"', 'aggregate_on_attributes(\"sum\", [\"a\"]) where metric.name == \"m1\"', 'extract_count_metric(true) where metric.name == \"m3\"', 'set(datapoint.attributes[\"q\"], 1)']}"),
];

/// Counters of items that went, and of items that were made; a label has to be so, if one is named.
const GONE: &[(&str, Option<(&str, &str)>)] = &[
    ("otelcol_processor_filter_logs.filtered", None),
    ("otelcol_processor_filter_datapoints.filtered", None),
    ("otelcol_processor_filter_spans.filtered", None),
    ("otelcol_processor_cumulativetodelta_dropped_datapoints", None),
    ("otelcol_processor_isolationforest_filtered_items", None),
    ("otelcol_processor_metricstransform_removed_datapoints", None),
    ("otelcol_processor_probabilistic_sampler_count_logs_sampled", Some(("sampled", "false"))),
    ("otelcol_processor_probabilistic_sampler_count_traces_sampled", Some(("sampled", "false"))),
    ("kmagent_processor_transform_removed_datapoints", None),
];
const MADE: &[(&str, Option<(&str, &str)>)] = &[
    ("otelcol_processor_metricstransform_added_datapoints", None),
    ("kmagent_processor_transform_added_datapoints", None),
];

fn total(telemetry: &Telemetry, counters: &[(&str, Option<(&str, &str)>)]) -> u64 {
    let samples = telemetry.snapshot();
    let counts = |(name, label): &(&str, Option<(&str, &str)>)| -> u64 {
        let of_name = samples.iter().filter(|sample| sample.name == *name);
        of_name
            .filter(|sample| {
                label.is_none_or(|(key, value)| sample.labels.iter().any(|(k, v)| *k == key && v == value))
            })
            .map(|sample| sample.value)
            .sum()
    };
    counters.iter().map(counts).sum()
}

fn attributes() -> impl Strategy<Value = Vec<KeyValue>> {
    let value = prop_oneof![
        Just(AnyValue::from("x")),
        Just(AnyValue::from("/users/17")),
        Just(AnyValue::Empty),
        (0..3_i64).prop_map(AnyValue::Int),
        Just(AnyValue::from(vec![KeyValue::new("n", 1), KeyValue::new("m", vec![AnyValue::Bool(true)])])),
    ];
    prop::collection::btree_map(prop::sample::select(vec!["a", "b", "c"]), value, 0..3)
        .prop_map(|map| map.into_iter().map(|(key, value)| KeyValue::new(key, value)).collect())
}

fn record() -> impl Strategy<Value = LogRecord> {
    (attributes(), 0..3_u64, 0..24_i32, any::<u8>()).prop_map(|(attributes, time, severity_number, id)| {
        LogRecord {
            attributes,
            time_unix_nano: time,
            severity_number,
            trace_id: if id > 100 { vec![id; 16] } else { Vec::new() },
            body: (time > 0).then(|| AnyValue::from("x y")),
            ..LogRecord::default()
        }
    })
}

fn span() -> impl Strategy<Value = Span> {
    (attributes(), 0..3_u8, 0..4_u8, 0..3_usize).prop_map(|(attributes, name, id, events)| Span {
        name: format!("s{name}"),
        kind: i32::from(name),
        trace_id: if id == 0 { Vec::new() } else { vec![id; 16] },
        span_id: vec![1; 8],
        end_time_unix_nano: u64::from(id),
        events: vec![Event { name: "e".into(), ..Event::default() }; events],
        attributes,
        ..Span::default()
    })
}

fn metric() -> impl Strategy<Value = Metric> {
    let points = prop::collection::vec((attributes(), 0..3_u64, 0..9_i64), 0..4);
    (0..4_u8, 0..6_u8, points, 0..3_i32, any::<bool>()).prop_map(
        |(name, kind, points, aggregation_temporality, is_monotonic)| {
            let number = |(attributes, time_unix_nano, value): (Vec<KeyValue>, u64, i64)| NumberDataPoint {
                attributes,
                time_unix_nano,
                value: Some(if name == 2 { Number::Double(value as f64) } else { Number::Int(value) }),
                flags: u32::from(value == 8),
                ..NumberDataPoint::default()
            };
            let points = points.into_iter();
            let data = match kind {
                0 => Some(metrics::Data::Gauge(Gauge { data_points: points.map(number).collect() })),
                1 | 2 => Some(metrics::Data::Sum(Sum {
                    data_points: points.map(number).collect(),
                    aggregation_temporality,
                    is_monotonic,
                })),
                3 => Some(metrics::Data::Histogram(Histogram {
                    data_points: points
                        .map(|(attributes, time_unix_nano, value)| HistogramDataPoint {
                            attributes,
                            time_unix_nano,
                            count: value as u64,
                            bucket_counts: vec![value as u64, 0],
                            explicit_bounds: vec![1.0],
                            ..HistogramDataPoint::default()
                        })
                        .collect(),
                    aggregation_temporality,
                })),
                4 => Some(metrics::Data::ExponentialHistogram(ExponentialHistogram {
                    data_points: points
                        .map(|(attributes, time_unix_nano, value)| ExponentialHistogramDataPoint {
                            attributes,
                            time_unix_nano,
                            count: value as u64,
                            positive: Some(Buckets { offset: 0, bucket_counts: vec![value as u64] }),
                            ..ExponentialHistogramDataPoint::default()
                        })
                        .collect(),
                    aggregation_temporality,
                })),
                _ => Some(metrics::Data::Summary(Summary {
                    data_points: points
                        .map(|(attributes, time_unix_nano, _)| SummaryDataPoint {
                            attributes,
                            time_unix_nano,
                            ..SummaryDataPoint::default()
                        })
                        .collect(),
                })),
            };
            Metric { name: format!("m{name}"), data, ..Metric::default() }
        },
    )
}

fn resource(attributes: Vec<KeyValue>) -> Option<Resource> {
    (attributes.len() != 1).then(|| Resource { attributes, ..Resource::default() })
}

fn scope(n: usize) -> Option<InstrumentationScope> {
    (n > 0).then(|| InstrumentationScope { name: format!("scope{n}"), ..InstrumentationScope::default() })
}

fn shape<T: std::fmt::Debug>(
    item: impl Strategy<Value = T>,
) -> impl Strategy<Value = Vec<(Vec<KeyValue>, Vec<Vec<T>>)>> {
    let scopes = prop::collection::vec(prop::collection::vec(item, 0..4), 0..3);
    prop::collection::vec((attributes(), scopes), 0..4)
}

fn data() -> impl Strategy<Value = Data> {
    prop_oneof![
        shape(record()).prop_map(|all| {
            let group = |(attributes, scopes): (_, Vec<_>)| ResourceLogs {
                resource: resource(attributes),
                scope_logs: (scopes.into_iter().enumerate())
                    .map(|(n, log_records)| ScopeLogs {
                        scope: scope(n),
                        log_records,
                        ..ScopeLogs::default()
                    })
                    .collect(),
                ..ResourceLogs::default()
            };
            Data::Logs(all.into_iter().map(group).collect())
        }),
        shape(metric()).prop_map(|all| {
            let group = |(attributes, scopes): (_, Vec<_>)| ResourceMetrics {
                resource: resource(attributes),
                scope_metrics: (scopes.into_iter().enumerate())
                    .map(|(n, metrics)| ScopeMetrics { scope: scope(n), metrics, ..ScopeMetrics::default() })
                    .collect(),
                ..ResourceMetrics::default()
            };
            Data::Metrics(all.into_iter().map(group).collect())
        }),
        shape(span()).prop_map(|all| {
            let group = |(attributes, scopes): (_, Vec<_>)| ResourceSpans {
                resource: resource(attributes),
                scope_spans: (scopes.into_iter().enumerate())
                    .map(|(n, spans)| ScopeSpans { scope: scope(n), spans, ..ScopeSpans::default() })
                    .collect(),
                ..ResourceSpans::default()
            };
            Data::Traces(all.into_iter().map(group).collect())
        }),
    ]
}

/// Feeds the batches of the processor's signals, lets all its deadlines pass, flushes it.
fn check(name: &str, yaml: &str, batches: &[Data]) -> Result<(), TestCaseError> {
    let kind = TYPES.iter().find(|kind| kind.name == name).unwrap();
    let node: Node = from_yaml(yaml).unwrap();
    let mut decoder = Decoder::new(&node);
    let config = (kind.decode)(&mut decoder).unwrap_or_else(|| panic!("{name}: {:?}", decoder.found()));
    for signal in Signal::ALL.into_iter().filter(|signal| kind.signals.contains(signal)) {
        let context = Context {
            id: name.parse().unwrap(),
            pipeline: None,
            telemetry: Telemetry::new(),
            status: StatusBoard::default().handle(name),
            abort: Stop::never(),
            host: Arc::new(NoHost),
        };
        let telemetry = context.telemetry.clone();
        let mut processor = config.build(context, signal).unwrap_or_else(|error| panic!("{name}: {error}"));
        let (mut given, mut got, mut outcomes) = (0, 0, Vec::new());
        for data in batches.iter().filter(|data| data.signal() == signal) {
            given += data.items();
            let (ack, outcome) = watched();
            outcomes.push(outcome);
            processor.process(Batch::new(data.clone(), ack), &mut |batch: Batch| got += batch.items());
            if processor.deadline().is_some_and(|deadline| deadline <= Instant::now()) {
                processor.tick(Instant::now(), &mut |batch: Batch| got += batch.items());
            }
        }
        processor.flush(&mut |batch: Batch| got += batch.items());
        drop(processor);
        let (gone, made) = (total(&telemetry, GONE), total(&telemetry, MADE));
        prop_assert_eq!(
            given as u64 + made,
            got as u64 + gone,
            "{}, {}: {} given, {} made, {} out, {} gone: {:?}",
            name,
            signal,
            given,
            made,
            got,
            gone,
            batches
        );
        for outcome in outcomes {
            prop_assert_eq!(outcome.try_iter().collect::<Vec<_>>(), [Outcome::Delivered], "{}", name);
        }
    }
    Ok(())
}

#[test]
fn every_type_is_held_to_account() {
    let known: BTreeSet<&str> = TYPES.iter().map(|kind| kind.name).collect();
    let held: BTreeSet<&str> = CONFIGS.iter().map(|(name, _)| *name).collect();
    assert_eq!(known, held);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_item_is_lost_or_made_without_a_count(batches in prop::collection::vec(data(), 1..5)) {
        for (name, yaml) in CONFIGS {
            check(name, yaml, &batches)?;
        }
    }
}
