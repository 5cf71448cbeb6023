//! From the registry's numbers to OTLP.

use std::collections::BTreeMap;
use std::time::SystemTime;

use crate::otlp::metrics::{
    Data, Gauge, Histogram, HistogramDataPoint, Metric, Number, NumberDataPoint, ResourceMetrics,
    ScopeMetrics, Sum, Temporality,
};
use crate::otlp::{AnyValue, Attributes, InstrumentationScope, KeyValue, Resource};
use crate::telemetry::{Kind, Reading, Value};
use crate::time::{now_unix_nanos, unix_nanos};

const SCOPE: &str = "github.com/kloudmate/kmagent";

/// The agent as a resource: the usual attributes, then the configured ones.
pub fn resource(configured: &[(String, Option<AnyValue>)], instance: &str) -> Resource {
    let mut attributes = vec![
        KeyValue::fixed("service.name", "kmagent"),
        KeyValue::fixed("service.version", env!("CARGO_PKG_VERSION")),
        KeyValue::fixed("service.instance.id", instance),
    ];
    for (key, value) in configured {
        match value {
            Some(value) => attributes.set(key, value.clone()),
            None => attributes.retain(|known| known.key != key.as_str()),
        }
    }
    Resource { attributes, ..Resource::default() }
}

/// All readings as cumulative metrics since `began`. Counters that make up a distribution become one.
pub fn metrics(readings: &[Reading], resource: &Resource, began: SystemTime) -> ResourceMetrics {
    let times = Times { began: unix_nanos(began), now: now_unix_nanos() };
    let mut plain: BTreeMap<&str, (&Reading, Vec<NumberDataPoint>)> = BTreeMap::new();
    let mut distributions: BTreeMap<&str, BTreeMap<Labels<'_>, Distribution>> = BTreeMap::new();
    for reading in readings {
        match part_of(reading) {
            Some((name, part)) => {
                let all = distributions.entry(name).or_default();
                all.entry(labels(reading)).or_default().add(part, reading);
            }
            None => {
                let point = times.point(reading);
                plain.entry(reading.name).or_insert_with(|| (reading, Vec::new())).1.push(point);
            }
        }
    }
    let plain = plain.into_iter().map(|(name, (reading, data_points))| {
        let data = match reading.kind {
            Kind::Gauge => Data::Gauge(Gauge { data_points }),
            Kind::Counter => Data::Sum(Sum {
                data_points,
                aggregation_temporality: Temporality::Cumulative as i32,
                is_monotonic: true,
            }),
        };
        metric(name, reading.unit, data)
    });
    let distributions = distributions.into_iter().map(|(name, all)| {
        let data_points = all.into_iter().map(|(labels, one)| one.point(&labels, &times)).collect();
        let aggregation_temporality = Temporality::Cumulative as i32;
        metric(name, "", Data::Histogram(Histogram { data_points, aggregation_temporality }))
    });
    let scope = InstrumentationScope {
        name: SCOPE.into(),
        version: env!("CARGO_PKG_VERSION").into(),
        ..InstrumentationScope::default()
    };
    let scope = ScopeMetrics {
        scope: Some(scope),
        metrics: plain.chain(distributions).collect(),
        ..ScopeMetrics::default()
    };
    ResourceMetrics {
        resource: Some(resource.clone()),
        scope_metrics: vec![scope],
        ..ResourceMetrics::default()
    }
}

fn metric(name: &str, unit: &str, data: Data) -> Metric {
    let unit = match unit {
        "seconds" => "s",
        "bytes" => "By",
        other => other,
    };
    Metric { name: name.to_owned(), unit: unit.to_owned(), data: Some(data), ..Metric::default() }
}

struct Times {
    began: u64,
    now: u64,
}

impl Times {
    fn point(&self, reading: &Reading) -> NumberDataPoint {
        let value = match reading.value {
            Value::Int(value) => Number::Int(i64::try_from(value).unwrap_or(i64::MAX)),
            Value::Double(value) => Number::Double(value),
        };
        NumberDataPoint {
            start_time_unix_nano: if reading.kind == Kind::Counter { self.began } else { 0 },
            time_unix_nano: self.now,
            value: Some(value),
            attributes: reading
                .labels
                .iter()
                .map(|(key, value)| KeyValue::fixed(key, value.as_str()))
                .collect(),
            ..NumberDataPoint::default()
        }
    }
}

/// Labels but the bound of a bucket.
type Labels<'a> = Vec<(&'static str, &'a str)>;

fn labels(reading: &Reading) -> Labels<'_> {
    let others = reading.labels.iter().filter(|(key, _)| *key != "le");
    others.map(|(key, value)| (*key, value.as_str())).collect()
}

#[derive(Clone, Copy)]
enum Part {
    Bucket,
    Count,
    Sum,
}

/// The distribution that a counter is a part of.
fn part_of(reading: &Reading) -> Option<(&'static str, Part)> {
    let name = reading.name;
    [("_bucket", Part::Bucket), ("_count", Part::Count), ("_sum", Part::Sum)]
        .into_iter()
        .find_map(|(suffix, part)| Some((name.strip_suffix(suffix)?, part)))
}

#[derive(Default)]
struct Distribution {
    /// Bound and how many were not above it.
    buckets: Vec<(f64, u64)>,
    count: u64,
    sum: f64,
}

impl Distribution {
    fn add(&mut self, part: Part, reading: &Reading) {
        let (int, double) = match reading.value {
            Value::Int(value) => (value, value as f64),
            Value::Double(value) => (value as u64, value),
        };
        match part {
            Part::Count => self.count = int,
            Part::Sum => self.sum = double,
            Part::Bucket => {
                let bound = reading.labels.iter().find(|(key, _)| *key == "le");
                let bound = bound.and_then(|(_, bound)| bound.parse().ok()).unwrap_or(f64::INFINITY);
                self.buckets.push((bound, int));
            }
        }
    }

    fn point(mut self, labels: &Labels<'_>, times: &Times) -> HistogramDataPoint {
        self.buckets.retain(|(bound, _)| bound.is_finite());
        self.buckets.sort_by(|a, b| a.0.total_cmp(&b.0));
        let mut below = 0;
        let mut bucket_counts: Vec<u64> = Vec::with_capacity(self.buckets.len() + 1);
        for (_, up_to) in &self.buckets {
            bucket_counts.push(up_to.saturating_sub(below));
            below = below.max(*up_to);
        }
        // The parts are read one after another while others count.
        let count = self.count.max(below);
        bucket_counts.push(count - below);
        HistogramDataPoint {
            start_time_unix_nano: times.began,
            time_unix_nano: times.now,
            count,
            sum: Some(self.sum),
            bucket_counts,
            explicit_bounds: self.buckets.iter().map(|(bound, _)| *bound).collect(),
            attributes: labels.iter().map(|(key, value)| KeyValue::fixed(key, *value)).collect(),
            ..HistogramDataPoint::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;
    use crate::uuid;

    fn reading(name: &'static str, kind: Kind, labels: &[(&'static str, &str)], value: u64) -> Reading {
        let labels = labels.iter().map(|(key, value)| (*key, (*value).to_owned())).collect();
        Reading { name, unit: "", kind, labels, value: Value::Int(value) }
    }

    #[test]
    fn counters_are_sums_gauges_are_gauges_and_buckets_a_histogram() {
        let of = [("processor", "batch")];
        let bucket = |le: &'static str| vec![("processor", "batch"), ("le", le)];
        let readings = [
            reading("sent", Kind::Counter, &of, 7),
            reading("queue", Kind::Gauge, &[], 3),
            reading("size_bucket", Kind::Counter, &bucket("10"), 1),
            reading("size_bucket", Kind::Counter, &bucket("100"), 4),
            reading("size_bucket", Kind::Counter, &bucket("+Inf"), 6),
            reading("size_count", Kind::Counter, &of, 6),
            reading("size_sum", Kind::Counter, &of, 500),
        ];
        let all = metrics(&readings, &resource(&[], "i"), UNIX_EPOCH);
        let found = &all.scope_metrics[0].metrics;
        let names: Vec<&str> = found.iter().map(|metric| metric.name.as_str()).collect();
        assert_eq!(names, ["queue", "sent", "size"]);
        let Some(Data::Sum(sum)) = &found[1].data else { panic!("{:?}", found[1]) };
        assert!(sum.is_monotonic && sum.data_points[0].value == Some(Number::Int(7)));
        let Some(Data::Histogram(sizes)) = &found[2].data else { panic!("{:?}", found[2]) };
        let point = &sizes.data_points[0];
        assert_eq!((&*point.explicit_bounds, &*point.bucket_counts), (&[10.0, 100.0][..], &[1, 3, 2][..]));
        assert_eq!((point.count, point.sum), (6, Some(500.0)));
        assert_eq!(point.attributes, [KeyValue::fixed("processor", "batch")]);
    }

    #[test]
    fn the_resource_is_the_agent_with_what_is_configured() {
        let configured = [
            ("service.name".to_owned(), Some(AnyValue::from("mine"))),
            ("service.version".to_owned(), None),
            ("zone".to_owned(), Some(AnyValue::from("a"))),
        ];
        let attributes = resource(&configured, "i").attributes;
        assert_eq!(attributes.get_str("service.name"), Some("mine"));
        assert_eq!(attributes.get_str("service.version"), None);
        assert_eq!(attributes.get_str("service.instance.id"), Some("i"));
        assert_eq!(attributes.get_str("zone"), Some("a"));
        let uuid = uuid::random();
        assert!(uuid.len() == 36 && &uuid[14..15] == "4" && "89ab".contains(&uuid[19..20]), "{uuid}");
    }
}
