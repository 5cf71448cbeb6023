use proptest::prelude::*;

use super::items;
use crate::otlp::logs::{LogRecord, ResourceLogs, ScopeLogs};
use crate::otlp::metrics::{self, Exemplar, ExemplarValue, Metric, Number, ResourceMetrics, ScopeMetrics};
use crate::otlp::trace::{Event, Link, ResourceSpans, ScopeSpans, Span, Status};
use crate::otlp::{AnyValue, InstrumentationScope, KeyValue, Resource};
use crate::pipeline::{Data, Signal};

fn encoded(data: &Data) -> Vec<u8> {
    let mut body = Vec::new();
    data.encode(&mut body);
    body
}

fn attributes() -> Vec<KeyValue> {
    vec![
        KeyValue::fixed("text", "värde"),
        KeyValue::fixed("yes", true),
        KeyValue::fixed("number", -7_i64),
        KeyValue::fixed("share", 0.5),
        KeyValue::fixed("list", vec![AnyValue::from("a"), AnyValue::Bytes(vec![0xff]), AnyValue::Empty]),
        KeyValue::fixed("map", vec![KeyValue::fixed("k", "v")]),
    ]
}

fn resource() -> Option<Resource> {
    Some(Resource { attributes: attributes(), dropped_attributes_count: 3 })
}

fn scope() -> Option<InstrumentationScope> {
    Some(InstrumentationScope {
        name: "scope".into(),
        version: "1".into(),
        attributes: attributes(),
        dropped_attributes_count: 1,
    })
}

fn logs() -> Data {
    let record = LogRecord {
        time_unix_nano: 1,
        severity_number: 9,
        severity_text: "INFO".into(),
        body: Some("body".into()),
        attributes: attributes(),
        dropped_attributes_count: 2,
        flags: 1,
        trace_id: vec![1; 16],
        span_id: vec![2; 8],
        observed_time_unix_nano: 3,
        event_name: "event".into(),
    };
    let scope_logs =
        vec![ScopeLogs { scope: scope(), log_records: vec![record; 3], schema_url: "schema".into() }; 2];
    Data::Logs(vec![ResourceLogs { resource: resource(), scope_logs, schema_url: "schema".into() }])
}

fn traces() -> Data {
    let link = Link {
        trace_id: vec![1; 16],
        span_id: vec![2; 8],
        trace_state: "a=b".into(),
        attributes: attributes(),
        dropped_attributes_count: 1,
        flags: 1,
    };
    let event = Event {
        time_unix_nano: 1,
        name: "event".into(),
        attributes: attributes(),
        dropped_attributes_count: 1,
    };
    let span = Span {
        trace_id: vec![1; 16],
        span_id: vec![2; 8],
        trace_state: "a=b".into(),
        parent_span_id: vec![3; 8],
        name: "GET /".into(),
        kind: 2,
        start_time_unix_nano: 1,
        end_time_unix_nano: 2,
        attributes: attributes(),
        dropped_attributes_count: 1,
        events: vec![event; 2],
        dropped_events_count: 1,
        links: vec![link],
        dropped_links_count: 1,
        status: Some(Status { message: "ok".into(), code: 1 }),
        flags: 0x100,
    };
    let scope_spans = vec![ScopeSpans { scope: scope(), spans: vec![span; 4], schema_url: "schema".into() }];
    Data::Traces(vec![ResourceSpans { resource: resource(), scope_spans, schema_url: "schema".into() }; 2])
}

fn metrics() -> Data {
    use metrics::Data as Kind;
    let exemplar = |value| Exemplar {
        time_unix_nano: 1,
        value: Some(value),
        span_id: vec![1; 8],
        trace_id: vec![2; 16],
        filtered_attributes: attributes(),
    };
    let exemplars = vec![exemplar(ExemplarValue::Double(0.5)), exemplar(ExemplarValue::Int(-1))];
    let number = |value| metrics::NumberDataPoint {
        start_time_unix_nano: 1,
        time_unix_nano: 2,
        value: Some(value),
        exemplars: exemplars.clone(),
        attributes: attributes(),
        flags: 1,
    };
    let numbers = vec![number(Number::Double(0.5)), number(Number::Int(-1))];
    let histogram = metrics::HistogramDataPoint {
        start_time_unix_nano: 1,
        time_unix_nano: 2,
        count: 3,
        sum: Some(1.0),
        bucket_counts: vec![1, 2],
        explicit_bounds: vec![1.0],
        exemplars: exemplars.clone(),
        attributes: attributes(),
        flags: 1,
        min: Some(0.0),
        max: Some(1.0),
    };
    let buckets = Some(metrics::Buckets { offset: -3, bucket_counts: vec![1, 1 << 40] });
    let exponential = metrics::ExponentialHistogramDataPoint {
        attributes: attributes(),
        start_time_unix_nano: 1,
        time_unix_nano: 2,
        count: 3,
        sum: Some(1.0),
        scale: -1,
        zero_count: 1,
        positive: buckets.clone(),
        negative: buckets,
        flags: 1,
        exemplars,
        min: Some(0.0),
        max: Some(1.0),
        zero_threshold: 0.1,
    };
    let summary = metrics::SummaryDataPoint {
        start_time_unix_nano: 1,
        time_unix_nano: 2,
        count: 3,
        sum: 1.0,
        quantile_values: vec![metrics::ValueAtQuantile { quantile: 0.5, value: 1.0 }],
        attributes: attributes(),
        flags: 1,
    };
    let kinds = [
        Kind::Gauge(metrics::Gauge { data_points: numbers.clone() }),
        Kind::Sum(metrics::Sum { data_points: numbers, aggregation_temporality: 2, is_monotonic: true }),
        Kind::Histogram(metrics::Histogram { data_points: vec![histogram; 3], aggregation_temporality: 1 }),
        Kind::ExponentialHistogram(metrics::ExponentialHistogram {
            data_points: vec![exponential; 2],
            aggregation_temporality: 1,
        }),
        Kind::Summary(metrics::Summary { data_points: vec![summary] }),
    ];
    let metric = |data| Metric {
        name: "m".into(),
        description: "d".into(),
        unit: "1".into(),
        data: Some(data),
        metadata: attributes(),
    };
    let metrics = kinds.into_iter().map(metric).collect();
    let scope_metrics = vec![ScopeMetrics { scope: scope(), metrics, schema_url: "schema".into() }];
    Data::Metrics(vec![ResourceMetrics { resource: resource(), scope_metrics, schema_url: "schema".into() }])
}

/// Holds the scan to the decoder: what it lets pass decodes, to as many items.
fn agree(signal: Signal, body: &[u8]) -> Result<(), TestCaseError> {
    if let Some(found) = items(signal, body) {
        let data = Data::decode(signal, body);
        prop_assert!(data.is_ok(), "{signal}: {data:?} was let pass");
        prop_assert_eq!(found, data.unwrap().items());
    }
    Ok(())
}

#[test]
fn every_field_of_every_signal_is_known() {
    for data in [logs(), traces(), metrics()] {
        assert_eq!(items(data.signal(), &encoded(&data)), Some(data.items()), "{}", data.signal());
        assert!(data.items() > 5);
    }
}

#[test]
fn what_a_metric_says_last_is_what_it_is() {
    let Data::Metrics(mut all) = metrics() else { unreachable!() };
    let kinds = std::mem::take(&mut all[0].scope_metrics[0].metrics);
    let mut metric: Vec<u8> = Vec::new();
    for kind in [&kinds[0], &kinds[0], &kinds[2], &kinds[0]] {
        prost::Message::encode(kind, &mut metric).unwrap();
    }
    let wrapped = |field: u8, inner: Vec<u8>| {
        let mut outer = vec![field << 3 | 2];
        prost::encoding::encode_varint(inner.len() as u64, &mut outer);
        outer.extend(inner);
        outer
    };
    let body = wrapped(1, wrapped(2, wrapped(2, metric)));
    assert_eq!(items(Signal::Metrics, &body), Some(2));
    assert_eq!(Data::decode(Signal::Metrics, &body).unwrap().items(), 2);
}

#[test]
fn what_the_decoder_refuses_is_not_let_pass() {
    let mut text = encoded(&logs());
    let place = text.windows(4).position(|window| window == b"INFO").unwrap();
    text[place] = 0xff;
    assert_eq!(items(Signal::Logs, &text), None, "a text that is no UTF-8");
    let whole = encoded(&traces());
    assert_eq!(items(Signal::Traces, &whole[..whole.len() - 1]), None, "a torn end");
    assert_eq!(
        items(Signal::Logs, &[0x0a, 0x02, 0x0d, 0, 0, 0, 0]),
        None,
        "a fixed32 where a message is due"
    );
    assert_eq!(items(Signal::Logs, &[0x02, 0x00]), None, "field number zero");
    assert_eq!(items(Signal::Logs, &[0x7a, 0x01, 0x00]), Some(0), "an unknown field");
}

proptest! {
    #[test]
    fn the_scan_agrees_with_the_decoder_on_damaged_requests(
        flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6), cut in any::<bool>()
    ) {
        for data in [logs(), traces(), metrics()] {
            let mut body = encoded(&data);
            for (place, value) in &flips {
                let place = place.index(body.len());
                body[place] = *value;
            }
            if cut {
                body.truncate(flips[0].0.index(body.len()));
            }
            agree(data.signal(), &body)?;
        }
    }

    #[test]
    fn the_scan_agrees_with_the_decoder_on_any_bytes(body in prop::collection::vec(0_u8..0x20, 0..60)) {
        for signal in Signal::ALL {
            agree(signal, &body)?;
        }
    }
}
