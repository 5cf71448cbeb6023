use proptest::prelude::*;

use super::*;
use crate::otlp::metrics::{Gauge, Histogram, HistogramDataPoint, NumberDataPoint, Sum};
use crate::otlp::{AnyValue, InstrumentationScope, KeyValue, Resource};

/// Data with `shape[resource][scope]` items, each with its running number as time.
fn logs(shape: &[Vec<usize>]) -> Data {
    let mut number = 0;
    let mut record = |size: usize| {
        number += 1;
        LogRecord {
            time_unix_nano: number,
            body: Some(AnyValue::from("x".repeat(size % 40))),
            ..LogRecord::default()
        }
    };
    let resources = shape.iter().enumerate().map(|(r, scopes)| ResourceLogs {
        resource: Some(Resource { attributes: vec![KeyValue::fixed("r", r as i64)], ..Resource::default() }),
        schema_url: format!("schema-r{r}"),
        scope_logs: scopes
            .iter()
            .enumerate()
            .map(|(s, items)| ScopeLogs {
                scope: Some(InstrumentationScope { name: format!("s{s}"), ..Default::default() }),
                schema_url: format!("schema-s{s}"),
                log_records: (0..*items).map(&mut record).collect(),
            })
            .collect(),
    });
    Data::Logs(resources.collect())
}

/// Every item as (resource, scope, schema URLs, metric header, number), in order.
fn flat(data: &Data) -> Vec<String> {
    match data {
        Data::Logs(all) => all
            .iter()
            .flat_map(|r| r.scope_logs.iter().map(move |s| (r, s)))
            .flat_map(|(r, s)| s.log_records.iter().map(move |l| (r, s, l)))
            .map(|(r, s, l)| {
                format!(
                    "{:?} {} {:?} {} {}",
                    r.resource, r.schema_url, s.scope, s.schema_url, l.time_unix_nano
                )
            })
            .collect(),
        Data::Metrics(all) => all
            .iter()
            .flat_map(|r| r.scope_metrics.iter().map(move |s| (r, s)))
            .flat_map(|(r, s)| s.metrics.iter().map(move |m| (r, s, m)))
            .flat_map(|(r, s, m)| {
                let items = m.items();
                (0..items).map(move |i| {
                    let mut one = m.clone();
                    let _ = one.split_off(i + 1);
                    let one = one.split_off(i);
                    format!("{:?} {} {} {one:?}", r.resource, r.schema_url, s.schema_url)
                })
            })
            .collect(),
        Data::Traces(_) => unreachable!("not used here"),
    }
}

fn metrics_data() -> Data {
    let point = |n| NumberDataPoint { time_unix_nano: n, ..NumberDataPoint::default() };
    let metric = |name: &str, data| Metric {
        name: name.into(),
        description: "d".into(),
        unit: "By".into(),
        data: Some(data),
        metadata: vec![KeyValue::fixed("k", "v")],
    };
    let sum =
        Sum { data_points: (1..=5).map(point).collect(), aggregation_temporality: 2, is_monotonic: true };
    let gauge = Gauge { data_points: (6..=8).map(point).collect() };
    let histogram = Histogram {
        data_points: (9..=10)
            .map(|n| HistogramDataPoint { time_unix_nano: n, ..Default::default() })
            .collect(),
        aggregation_temporality: 1,
    };
    Data::Metrics(vec![ResourceMetrics {
        resource: Some(Resource::default()),
        schema_url: "r".into(),
        scope_metrics: vec![ScopeMetrics {
            scope: None,
            schema_url: "s".into(),
            metrics: vec![
                metric("sum", metrics::Data::Sum(sum)),
                metric("gauge", metrics::Data::Gauge(gauge)),
                metric("histogram", metrics::Data::Histogram(histogram)),
            ],
        }],
    }])
}

#[test]
fn core_14147_a_cut_through_metrics_keeps_schema_url_temporality_and_metadata() {
    let whole = flat(&metrics_data());
    assert_eq!(whole.len(), 10);
    for at in 0..=10 {
        let mut front = metrics_data();
        let back = split_off(&mut front, at);
        assert_eq!((front.items(), back.items()), (at, 10 - at));
        assert_eq!([flat(&front), flat(&back)].concat(), whole);
    }
}

#[test]
fn whole_resources_are_moved_and_not_copied() {
    let mut front = logs(&[vec![3], vec![4]]);
    let back = split_off(&mut front, 3);
    assert_eq!(front, logs(&[vec![3]]));
    let Data::Logs(back) = back else { unreachable!() };
    assert_eq!(back.len(), 1);
}

proptest! {
    #[test]
    fn splitting_and_merging_lose_no_item_keep_the_order_and_the_size(
        shape in prop::collection::vec(prop::collection::vec(0_usize..6, 0..4), 0..4), at in 0_usize..40
    ) {
        let whole = logs(&shape);
        let mut front = whole.clone();
        let back = split_off(&mut front, at);
        prop_assert_eq!(front.items(), at.min(whole.items()));
        prop_assert_eq!([flat(&front), flat(&back)].concat(), flat(&whole));
        merge(&mut front, back);
        prop_assert_eq!(flat(&front), flat(&whole));
    }

    #[test]
    fn what_is_cut_by_bytes_fits(
        shape in prop::collection::vec(prop::collection::vec(0_usize..6, 0..4), 0..4), bytes in 0_usize..2000
    ) {
        let mut front = logs(&shape);
        let at = items_within(&front, bytes);
        let total = front.items();
        let back = split_off(&mut front, at);
        prop_assert!(at == 1 || front.encoded_len() <= bytes, "{} > {}", front.encoded_len(), bytes);
        prop_assert_eq!(front.items() + back.items(), total);
    }
}
