//! Single records out of a batch, as JSON. What is too large to be shown is only described.

use prost::Message;
use serde_json::json;

use crate::otlp::json;
use crate::otlp::logs::{ResourceLogs, ScopeLogs};
use crate::otlp::metrics::{
    Data as Points, ExponentialHistogram, Gauge, Histogram, Metric, ResourceMetrics, ScopeMetrics, Sum,
    Summary,
};
use crate::otlp::trace::{ResourceSpans, ScopeSpans};
use crate::pipeline::Data;

/// Bytes of a record with its resource and scope, in protobuf.
const LARGEST: usize = 16 << 10;
/// Of a metric, so many points are shown.
const POINTS: usize = 5;

/// The last records of a batch, the very last first, as export requests in JSON.
pub(super) fn last(data: &Data, most: usize) -> Vec<Vec<u8>> {
    match data {
        Data::Logs(all) => {
            let scopes = all.iter().rev().flat_map(|r| r.scope_logs.iter().rev().map(move |s| (r, s)));
            let records = scopes.flat_map(|(r, s)| s.log_records.iter().rev().map(move |one| (r, s, one)));
            let show = |(r, s, one): (&ResourceLogs, &ScopeLogs, _)| {
                let one: &crate::otlp::logs::LogRecord = one;
                show(size(r.resource.as_ref(), s.scope.as_ref(), one.encoded_len()), || {
                    let scope = ScopeLogs {
                        scope: s.scope.clone(),
                        log_records: vec![one.clone()],
                        schema_url: s.schema_url.clone(),
                    };
                    Data::Logs(vec![ResourceLogs {
                        resource: r.resource.clone(),
                        scope_logs: vec![scope],
                        schema_url: r.schema_url.clone(),
                    }])
                })
            };
            records.take(most).map(show).collect()
        }
        Data::Metrics(all) => {
            let scopes = all.iter().rev().flat_map(|r| r.scope_metrics.iter().rev().map(move |s| (r, s)));
            let records = scopes.flat_map(|(r, s)| s.metrics.iter().rev().map(move |one| (r, s, one)));
            let show = |(r, s, one): (&ResourceMetrics, &ScopeMetrics, &Metric)| {
                let one = few_points(one);
                show(size(r.resource.as_ref(), s.scope.as_ref(), one.encoded_len()), || {
                    let scope = ScopeMetrics {
                        scope: s.scope.clone(),
                        metrics: vec![one],
                        schema_url: s.schema_url.clone(),
                    };
                    Data::Metrics(vec![ResourceMetrics {
                        resource: r.resource.clone(),
                        scope_metrics: vec![scope],
                        schema_url: r.schema_url.clone(),
                    }])
                })
            };
            records.take(most).map(show).collect()
        }
        Data::Traces(all) => {
            let scopes = all.iter().rev().flat_map(|r| r.scope_spans.iter().rev().map(move |s| (r, s)));
            let records = scopes.flat_map(|(r, s)| s.spans.iter().rev().map(move |one| (r, s, one)));
            let show = |(r, s, one): (&ResourceSpans, &ScopeSpans, _)| {
                let one: &crate::otlp::trace::Span = one;
                show(size(r.resource.as_ref(), s.scope.as_ref(), one.encoded_len()), || {
                    let scope = ScopeSpans {
                        scope: s.scope.clone(),
                        spans: vec![one.clone()],
                        schema_url: s.schema_url.clone(),
                    };
                    Data::Traces(vec![ResourceSpans {
                        resource: r.resource.clone(),
                        scope_spans: vec![scope],
                        schema_url: r.schema_url.clone(),
                    }])
                })
            };
            records.take(most).map(show).collect()
        }
    }
}

fn size(resource: Option<&impl Message>, scope: Option<&impl Message>, record: usize) -> usize {
    resource.map_or(0, Message::encoded_len) + scope.map_or(0, Message::encoded_len) + record
}

fn show(bytes: usize, data: impl FnOnce() -> Data) -> Vec<u8> {
    if bytes > LARGEST {
        return json!({ "omitted": format!("a record of {bytes} bytes with its resource") })
            .to_string()
            .into_bytes();
    }
    let mut shown = Vec::new();
    json::encode(&data(), &mut shown);
    shown
}

/// The metric with the last of its points.
fn few_points(metric: &Metric) -> Metric {
    fn few<P: Clone>(points: &[P]) -> Vec<P> {
        points[points.len().saturating_sub(POINTS)..].to_vec()
    }
    let data = metric.data.as_ref().map(|data| match data {
        Points::Gauge(gauge) => Points::Gauge(Gauge { data_points: few(&gauge.data_points) }),
        Points::Sum(sum) => Points::Sum(Sum {
            data_points: few(&sum.data_points),
            aggregation_temporality: sum.aggregation_temporality,
            is_monotonic: sum.is_monotonic,
        }),
        Points::Histogram(one) => Points::Histogram(Histogram {
            data_points: few(&one.data_points),
            aggregation_temporality: one.aggregation_temporality,
        }),
        Points::ExponentialHistogram(one) => Points::ExponentialHistogram(ExponentialHistogram {
            data_points: few(&one.data_points),
            aggregation_temporality: one.aggregation_temporality,
        }),
        Points::Summary(one) => Points::Summary(Summary { data_points: few(&one.data_points) }),
    });
    Metric {
        name: metric.name.clone(),
        description: metric.description.clone(),
        unit: metric.unit.clone(),
        data,
        metadata: metric.metadata.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::otlp::metrics::NumberDataPoint;
    use crate::otlp::trace::Span;

    #[test]
    fn a_record_that_is_too_large_is_only_described() {
        let span = |name: String| Span { name, ..Span::default() };
        let spans = vec![span("small".to_owned()), span("x".repeat(1 << 20))];
        let scope = ScopeSpans { spans, ..ScopeSpans::default() };
        let data = Data::Traces(vec![ResourceSpans { scope_spans: vec![scope], ..ResourceSpans::default() }]);
        let shown = last(&data, 3);
        let text = |n: usize| String::from_utf8(shown[n].clone()).unwrap();
        assert!(
            text(0).starts_with("{\"omitted\":\"a record of 1048") && shown[0].len() < 100,
            "{}",
            text(0)
        );
        assert!(text(1).contains("\"name\":\"small\""), "{}", text(1));
    }

    #[test]
    fn of_a_metric_the_last_points_are_shown() {
        let point = |n: u64| NumberDataPoint { time_unix_nano: n, ..NumberDataPoint::default() };
        let gauge = Gauge { data_points: (1..=100_000).map(point).collect() };
        let metric = Metric { name: "m".to_owned(), data: Some(Points::Gauge(gauge)), ..Metric::default() };
        let scope = ScopeMetrics { metrics: vec![metric], ..ScopeMetrics::default() };
        let data =
            Data::Metrics(vec![ResourceMetrics { scope_metrics: vec![scope], ..ResourceMetrics::default() }]);
        let text = String::from_utf8(last(&data, 3).remove(0)).unwrap();
        assert_eq!(text.matches("timeUnixNano").count(), POINTS, "{text}");
        assert!(text.contains("\"100000\""), "{text}");
    }
}
