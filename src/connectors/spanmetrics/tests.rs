use std::collections::BTreeMap;
use std::time::Duration;

use super::*;
use crate::config::from_yaml;
use crate::connectors::testing::{Collected, context, issues, outputs};
use crate::otlp::KeyValue;
use crate::otlp::metrics::{Data as MetricData, Number};
use crate::otlp::trace::{Event, ResourceSpans, ScopeSpans, Span, Status};
use crate::otlp::{InstrumentationScope, Resource};
use crate::telemetry::Telemetry;

struct Bench {
    connector: SpanMetrics,
    telemetry: Telemetry,
    now: Instant,
}

fn bench(yaml: &str) -> Bench {
    let config: SpanMetricsConfig = from_yaml(yaml).unwrap();
    let context = context("spanmetrics");
    let now = Instant::now();
    Bench { connector: SpanMetrics::new(&config, &context, now), telemetry: context.telemetry, now }
}

impl Bench {
    /// Counts the spans at a second.
    fn add(&mut self, second: u64, spans: &ResourceSpans) -> &mut Self {
        self.connector.aggregate.add(spans, second * 1_000_000_000, self.now + Duration::from_secs(second));
        self
    }

    /// The metrics at a second: by name and attributes, what is printed of each point.
    fn collect(&mut self, second: u64) -> BTreeMap<String, String> {
        let metrics = self.connector.collect(second * 1_000_000_000, self.now + Duration::from_secs(second));
        let mut points = BTreeMap::new();
        for metric in metrics.iter().flat_map(|r| &r.scope_metrics).flat_map(|s| &s.metrics) {
            let mut add = |attributes: &[KeyValue], start: u64, text: String| {
                let values: Vec<String> = attributes
                    .iter()
                    .map(|entry| {
                        format!("{}={}", entry.key, &*crate::ottl::text_of_any(&entry.value).unwrap())
                    })
                    .collect();
                let key = format!("{}{{{}}}", metric.name, values.join(","));
                let known = points.insert(key, format!("{text} from {}", start / 1_000_000_000));
                assert!(known.is_none(), "two points of one series: {points:?}");
            };
            match metric.data.as_ref().unwrap() {
                MetricData::Sum(sum) => {
                    for p in &sum.data_points {
                        let Some(Number::Int(value)) = p.value else { panic!("{p:?}") };
                        add(&p.attributes, p.start_time_unix_nano, value.to_string());
                    }
                }
                MetricData::Histogram(h) => {
                    for p in &h.data_points {
                        let text = format!("{}/{}", p.count, p.sum.unwrap());
                        add(&p.attributes, p.start_time_unix_nano, text);
                    }
                }
                MetricData::ExponentialHistogram(h) => {
                    for p in &h.data_points {
                        let text = format!("{}/{} at {}", p.count, p.sum.unwrap(), p.scale);
                        add(&p.attributes, p.start_time_unix_nano, text);
                    }
                }
                other => panic!("{other:?}"),
            }
        }
        points
    }
}

fn span(name: &str, millis: u64) -> Span {
    Span {
        name: name.into(),
        kind: 2,
        trace_id: vec![7; 16],
        span_id: vec![9; 8],
        start_time_unix_nano: 1_000_000_000,
        end_time_unix_nano: 1_000_000_000 + millis * 1_000_000,
        ..Span::default()
    }
}

fn spans(of: &[(&'static str, &str)], spans: Vec<Span>) -> ResourceSpans {
    let attributes = of.iter().map(|(key, value)| KeyValue::fixed(key, *value)).collect();
    ResourceSpans {
        resource: Some(Resource { attributes, ..Resource::default() }),
        scope_spans: vec![ScopeSpans {
            scope: Some(InstrumentationScope {
                name: "lib".into(),
                version: "2".into(),
                ..InstrumentationScope::default()
            }),
            spans,
            ..ScopeSpans::default()
        }],
        ..ResourceSpans::default()
    }
}

fn lines(points: &BTreeMap<String, String>) -> Vec<String> {
    points.iter().map(|(key, value)| format!("{key} {value}")).collect()
}

const SHOP: &[(&str, &str)] = &[("service.name", "shop"), ("region", "eu")];

#[test]
fn calls_and_durations_are_totals_by_service_name_kind_and_status() {
    let mut bench = bench("{}");
    let mut failed = span("pay", 30);
    failed.status = Some(Status { code: 2, ..Status::default() });
    bench.add(5, &spans(SHOP, vec![span("pay", 3), span("pay", 5), failed]));
    bench.add(6, &spans(&[("host.name", "no service")], vec![span("pay", 1)]));
    let first = [
        "traces.span.metrics.calls{service.name=shop,span.name=pay,span.kind=SPAN_KIND_SERVER,status.code=STATUS_CODE_ERROR} 1 from 5",
        "traces.span.metrics.calls{service.name=shop,span.name=pay,span.kind=SPAN_KIND_SERVER,status.code=STATUS_CODE_UNSET} 2 from 5",
        "traces.span.metrics.duration{service.name=shop,span.name=pay,span.kind=SPAN_KIND_SERVER,status.code=STATUS_CODE_ERROR} 1/30 from 5",
        "traces.span.metrics.duration{service.name=shop,span.name=pay,span.kind=SPAN_KIND_SERVER,status.code=STATUS_CODE_UNSET} 2/8 from 5",
    ];
    assert_eq!(lines(&bench.collect(10)), first);
    // Totals stay, and keep their start.
    assert_eq!(lines(&bench.collect(20)), first);
    assert_eq!(bench.telemetry.total("kmagent_connector_spanmetrics_spans_without_service"), 1);
}

#[test]
fn deltas_start_where_the_last_one_ended() {
    let mut bench = bench(
        "{aggregation_temporality: AGGREGATION_TEMPORALITY_DELTA, namespace: '', histogram: {disable: true}, exclude_dimensions: [service.name, span.kind, status.code]}",
    );
    bench.add(5, &spans(SHOP, vec![span("a", 1), span("b", 1)]));
    assert_eq!(lines(&bench.collect(10)), ["calls{span.name=a} 1 from 5", "calls{span.name=b} 1 from 5"]);
    assert!(bench.collect(20).is_empty());
    bench.add(25, &spans(SHOP, vec![span("a", 1), span("c", 1)]));
    assert_eq!(lines(&bench.collect(30)), ["calls{span.name=a} 1 from 10", "calls{span.name=c} 1 from 25"]);
}

#[test]
fn dimensions_come_from_the_span_then_the_resource_then_the_default() {
    let mut bench = bench(
        "{exclude_dimensions: [service.name, span.name, span.kind, status.code], namespace: n,
          dimensions: [{name: region}, {name: tier, default: free}, {name: absent}],
          calls_dimensions: [{name: code}], histogram: {dimensions: [{name: size}], unit: s},
          include_instrumentation_scope: [lib]}",
    );
    let mut own = span("a", 500);
    own.attributes =
        vec![KeyValue::fixed("region", "us"), KeyValue::fixed("code", 200), KeyValue::fixed("size", "big")];
    bench.add(1, &spans(SHOP, vec![own, span("b", 250)]));
    let scope = "span.instrumentation.scope.name=lib,span.instrumentation.scope.version=2";
    assert_eq!(
        lines(&bench.collect(2)),
        [
            format!("n.calls{{{scope},region=eu,tier=free}} 1 from 1"),
            format!("n.calls{{{scope},region=us,tier=free,code=200}} 1 from 1"),
            format!("n.duration{{{scope},region=eu,tier=free}} 1/0.25 from 1"),
            format!("n.duration{{{scope},region=us,tier=free,size=big}} 1/0.5 from 1"),
        ]
    );
}

#[test]
fn events_are_counted_by_their_own_dimensions() {
    let mut bench = bench(
        "{namespace: '', histogram: {disable: true}, exclude_dimensions: [service.name, span.kind, status.code],
          dimensions: [{name: kind}], events: {enabled: true, dimensions: [{name: exception.type}]}}",
    );
    let mut own = span("a", 1);
    let event = |class: &str| Event {
        attributes: vec![KeyValue::fixed("exception.type", class), KeyValue::fixed("kind", "e")],
        ..Event::default()
    };
    own.events = vec![event("Io"), event("Io"), event("Null")];
    bench.add(1, &spans(SHOP, vec![own]));
    assert_eq!(
        lines(&bench.collect(2)),
        [
            "calls{span.name=a} 1 from 1",
            "events{span.name=a,kind=e,exception.type=Io} 2 from 1",
            "events{span.name=a,kind=e,exception.type=Null} 1 from 1",
        ]
    );
}

#[test]
fn exemplars_are_the_spans_since_the_last_flush_and_bounded() {
    let mut bench = bench("{exemplars: {enabled: true, max_per_data_point: 2}}");
    let mut untraced = span("a", 1);
    untraced.trace_id = vec![0; 16];
    bench.add(1, &spans(SHOP, vec![untraced, span("a", 7), span("a", 8), span("a", 9)]));
    let exemplars = |bench: &mut Bench, second: u64| {
        let metrics = bench.connector.collect(second, bench.now);
        let MetricData::Histogram(histogram) = metrics[0].scope_metrics[0].metrics[1].data.clone().unwrap()
        else {
            panic!("{metrics:?}")
        };
        let of_point = histogram.data_points[0].exemplars.clone();
        of_point.into_iter().map(|e| (e.trace_id[0], e.time_unix_nano, e.value)).collect::<Vec<_>>()
    };
    let value = |value| Some(crate::otlp::metrics::ExemplarValue::Double(value));
    assert_eq!(exemplars(&mut bench, 3), [(7, 3, value(7.0)), (7, 3, value(8.0))]);
    assert!(exemplars(&mut bench, 4).is_empty());
}

#[test]
fn contrib_34997_what_exceeds_the_limit_shares_one_series_and_is_counted() {
    let overflow = "calls{otel.metric.overflow=true}";
    let many = |n: usize| (0..n).map(|n| span(&format!("s{n}"), 1)).collect::<Vec<_>>();
    let mut by_metric =
        bench("{namespace: '', histogram: {disable: true}, aggregation_cardinality_limit: 3}");
    let points = by_metric.add(1, &spans(SHOP, many(10))).collect(2);
    assert_eq!((points.len(), points[overflow].as_str()), (4, "7 from 1"));
    assert_eq!(by_metric.telemetry.total("kmagent_connector_spanmetrics_overflowed_spans"), 7);
    // The limit of all series counts those of all resources.
    let mut over_all = bench("{namespace: '', histogram: {disable: true}}");
    over_all.connector.aggregate.limit_all(4);
    over_all.add(1, &spans(&[("service.name", "one")], many(3)));
    over_all.add(1, &spans(SHOP, many(3)));
    let points = over_all.collect(2);
    assert_eq!((points.len(), points[overflow].as_str()), (5, "2 from 1"));
}

#[test]
fn a_resource_that_makes_room_is_sent_once_more_and_stale_ones_are_forgotten() {
    let mut bench = bench(
        "{resource_metrics_cache_size: 2, metrics_expiration: 60s, namespace: '', histogram: {disable: true}, exclude_dimensions: [span.kind, status.code, span.name]}",
    );
    let one = |service: &'static str| spans(&[("service.name", service)], vec![span("a", 1)]);
    bench.add(1, &one("a")).add(2, &one("b")).add(3, &one("a")).add(4, &one("c"));
    assert_eq!(
        lines(&bench.collect(5)),
        [
            "calls{service.name=a} 2 from 1",
            "calls{service.name=b} 1 from 2",
            "calls{service.name=c} 1 from 4"
        ]
    );
    assert_eq!(bench.telemetry.total("kmagent_connector_spanmetrics_evicted_resources"), 1);
    assert_eq!(bench.add(50, &one("c")).collect(64).len(), 2);
    assert_eq!(lines(&bench.collect(65)), ["calls{service.name=c} 2 from 4"]);
}

#[test]
fn contrib_33136_changing_resource_attributes_do_not_break_counters_keyed_by_others() {
    let mut bench = bench(
        "{resource_metrics_key_attributes: [service.name], namespace: '', histogram: {exponential: }, exclude_dimensions: [span.kind, status.code, span.name]}",
    );
    for pid in ["1", "2", "3"] {
        bench.add(1, &spans(&[("service.name", "a"), ("pid", pid)], vec![span("a", 4)]));
    }
    assert_eq!(
        lines(&bench.collect(2)),
        ["calls{service.name=a} 3 from 1", "duration{service.name=a} 3/12 at 20 from 1"]
    );
}

#[test]
fn a_flush_sends_what_there_is_and_without_an_interval_every_batch_does() {
    let collected = Collected::default();
    let outputs = outputs(&[("metrics/out", &collected)]);
    let batch = || Batch::new(Data::Traces(vec![spans(SHOP, vec![span("a", 1)])]), Ack::none());
    let mut slow = bench("{}").connector;
    slow.process(batch(), &outputs);
    assert_eq!(collected.items(), 0);
    slow.tick(slow.deadline().unwrap(), &outputs);
    assert_eq!(collected.items(), 2);
    slow.flush(&outputs);
    assert_eq!(collected.items(), 4);
    let mut fast = bench("{metrics_flush_interval: 0s}").connector;
    assert!(fast.deadline().is_none());
    fast.process(batch(), &outputs);
    assert_eq!(collected.items(), 6);
}

#[test]
fn mistakes_are_named_with_their_place() {
    for (yaml, want) in [
        ("{dimensions: [{name: a}, {name: a}]}", "duplicate dimension name \"a\""),
        ("{dimensions: [{name: span.kind}]}", "duplicate dimension name \"span.kind\""),
        (
            "{dimensions: [{name: a}], calls_dimensions: [{name: a}]}",
            "calls_dimensions: duplicate dimension name",
        ),
        ("{events: {enabled: true}}", "no dimensions configured for events"),
        ("{histogram: {explicit: , exponential: }}", "use either \"explicit\" or \"exponential\""),
        ("{histogram: {explicit: {buckets: [2s, 1s]}}}", "must be ascending"),
        ("{histogram: {exponential: {max_size: 1}}}", "must be 2 to 16384"),
        ("{histogram: {unit: h}}", "unit"),
        ("{dimensions_cache_size: 0}", "must be positive"),
        ("{aggregation_cardinality_limit: -1}", "must not be negative"),
        ("{aggregation_temporality: DELTA}", "aggregation_temporality"),
        ("{metrics_flush_interval: -1s}", "metrics_flush_interval"),
    ] {
        let found = issues::<SpanMetricsConfig>(yaml);
        assert!(found.contains(want), "{yaml}: {found}");
    }
    assert_eq!(
        issues::<SpanMetricsConfig>(
            "{histogram: {explicit: {buckets: [100us, 1ms]}}, add_resource_attributes: true, metrics_expiration: 5m}"
        ),
        ""
    );
}
