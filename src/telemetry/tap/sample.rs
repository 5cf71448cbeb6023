//! Single records out of a batch, as JSON. What is too large to be shown is only described.

use std::borrow::Cow;

use prost::Message;
use serde_json::json;

use crate::otlp::groups::{Group, Scoped};
use crate::otlp::json;
use crate::otlp::points::with_last_points;
use crate::pipeline::Data;

/// Bytes of a record with its resource and scope, in protobuf.
const LARGEST: usize = 16 << 10;
/// Of a metric, so many points are shown.
const POINTS: usize = 5;

/// The last records of a batch, the very last first, as export requests in JSON.
pub(super) fn last(data: &Data, most: usize) -> Vec<Vec<u8>> {
    match data {
        Data::Logs(all) => last_of(all, most, |record| Cow::Borrowed(record), Data::Logs),
        Data::Metrics(all) => {
            last_of(all, most, |metric| Cow::Owned(with_last_points(metric, POINTS)), Data::Metrics)
        }
        Data::Traces(all) => last_of(all, most, |span| Cow::Borrowed(span), Data::Traces),
    }
}

type Record<G> = <<G as Group>::Scoped as Scoped>::Item;

/// `cut` gives what is shown of a record.
fn last_of<G: Group>(
    groups: &[G],
    most: usize,
    cut: fn(&Record<G>) -> Cow<'_, Record<G>>,
    data: fn(Vec<G>) -> Data,
) -> Vec<Vec<u8>>
where
    Record<G>: Message + Clone,
{
    let scopes = groups.iter().rev().flat_map(|group| group.scopes().iter().rev().map(move |s| (group, s)));
    let records = scopes.flat_map(|(group, s)| s.items().iter().rev().map(move |record| (group, s, record)));
    let show = |(group, scoped, record): (&G, &G::Scoped, &Record<G>)| {
        let record = cut(record);
        show(size(group.resource(), scoped.scope(), record.encoded_len()), || {
            let mut alone = G::Scoped::default();
            alone.set_scope(scoped.scope().cloned());
            alone.set_schema_url(scoped.schema_url().to_owned());
            alone.items_mut().push(record.into_owned());
            let mut request = G::default();
            request.set_resource(group.resource().cloned());
            request.set_schema_url(group.schema_url().to_owned());
            request.scopes_mut().push(alone);
            data(vec![request])
        })
    };
    records.take(most).map(show).collect()
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::otlp::metrics::{
        Data as Points, Gauge, Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics,
    };
    use crate::otlp::trace::{ResourceSpans, ScopeSpans, Span};

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
