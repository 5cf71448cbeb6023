use super::forest::{Forest, Random};
use super::*;
use crate::otlp::AnyValue;
use crate::otlp::metrics::Number;
use crate::otlp::trace::{Span, Status};
use crate::processors::testing::{Bench, build, gauge, issues, logs, point, resource_metrics, spans};

/// Spans of these many milliseconds.
fn batch(millis: &[u64]) -> Data {
    let names = vec!["s"; millis.len()];
    let mut group = spans(&[("service.name", "shop".into())], &names);
    for (span, millis) in group.scope_spans[0].spans.iter_mut().zip(millis) {
        span.end_time_unix_nano = millis * 1_000_000;
    }
    Data::Traces(vec![group])
}

fn spans_of(data: Vec<Data>) -> Vec<Span> {
    let groups = data.into_iter().flat_map(|data| match data {
        Data::Traces(all) => all,
        other => panic!("{other:?}"),
    });
    groups.flat_map(|group| group.scope_spans).flat_map(|scoped| scoped.spans).collect()
}

/// A processor that has seen spans of 10 to 29 ms, and every fiftieth of 5 s.
fn trained(yaml: &str) -> Bench {
    let mut bench = build::<IsolationForestConfig>(yaml, Signal::Traces);
    let seen: Vec<u64> = (0..200).map(|n| if n % 50 == 0 { 5000 } else { 10 + n % 20 }).collect();
    assert_eq!(bench.run(batch(&seen)).iter().map(Data::items).sum::<usize>(), 200);
    bench
}

#[test]
fn what_is_unlike_the_others_scores_higher() {
    let mut random = Random::new(7);
    let usual: Vec<Vec<f64>> = (0..500).map(|n| vec![f64::from(n % 20), f64::from(n % 7)]).collect();
    let samples: Vec<&[f64]> = usual.iter().map(Vec::as_slice).collect();
    let forest = Forest::grow(&samples, 100, 256, &mut random);
    let (inside, outside) = (forest.score(&[10.0, 3.0]), forest.score(&[200.0, 50.0]));
    assert!(inside < 0.55 && outside > 0.65, "{inside} {outside}");
}

#[test]
fn equal_samples_and_no_features_are_no_trouble() {
    for sample in [vec![1.0], vec![]] {
        let samples = vec![sample.as_slice(); 10];
        let score = Forest::grow(&samples, 10, 256, &mut Random::new(1)).score(&sample);
        assert!((0.0..=1.0).contains(&score), "{score}");
    }
}

#[test]
fn items_are_enriched_once_there_were_enough_to_learn_from() {
    let mut bench = trained("{min_samples: 200, threshold: 0.65}");
    let out = spans_of(bench.run(batch(&[15, 5000])));
    let anomaly = |span: &Span| span.attributes.get("anomaly.is_anomaly").cloned();
    assert_eq!((anomaly(&out[0]), anomaly(&out[1])), (Some(false.into()), Some(true.into())));
    let score = |span: &Span| match span.attributes.get("anomaly.isolation_score") {
        Some(AnyValue::Double(score)) => *score,
        other => panic!("{other:?}"),
    };
    assert!(score(&out[0]) < score(&out[1]));
}

#[test]
fn a_filter_hands_anomalies_on_alone_and_counts_the_rest() {
    for (mode, attributes) in [("filter", 0), ("both", 2)] {
        let mut bench = trained(&format!("{{min_samples: 200, threshold: 0.65, mode: {mode}}}"));
        let out = spans_of(bench.run(batch(&[15, 5000, 16])));
        assert_eq!(out.len(), 1, "{mode}");
        assert_eq!(out[0].end_time_unix_nano, 5_000_000_000);
        assert_eq!(out[0].attributes.len(), attributes);
        assert_eq!(bench.total("otelcol_processor_isolationforest_filtered_items"), 2);
    }
}

#[test]
fn a_threshold_of_zero_follows_the_share_of_anomalies() {
    let mut bench = trained("{min_samples: 200, threshold: 0, contamination_rate: 0.1}");
    let all: Vec<u64> = (0..400).map(|n| 10 + n % 20).collect();
    let out = spans_of(bench.run(batch(&all)));
    let anomalies =
        out.iter().filter(|s| s.attributes.get("anomaly.is_anomaly") == Some(&true.into())).count();
    assert!((20..=120).contains(&anomalies), "{anomalies}");
}

#[test]
fn items_that_a_selector_picks_have_a_model_of_their_own() {
    let mut bench = trained("{min_samples: 200, models: [{name: shop, selector: {service.name: shop}}]}");
    let mut other = batch(&[15]);
    if let Data::Traces(all) = &mut other {
        all[0].resource = None;
    }
    // Their own model has seen too few.
    assert!(spans_of(bench.run(other))[0].attributes.is_empty());
    assert_eq!(spans_of(bench.run(batch(&[15])))[0].attributes.len(), 2);
}

#[test]
fn every_signal_has_its_features() {
    let mut group = logs(&[], &["a", "bb"]);
    group.scope_logs[0].log_records[0].severity_number = 9;
    (group.scope_logs[0].log_records[0].time_unix_nano, group.scope_logs[0].log_records[1].time_unix_nano) =
        (1_000_000_000, 3_000_000_000);
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    let mut features =
        Features::new(&names(&["severity_number", "timestamp_gap", "message_length"]), Signal::Logs);
    let of: Vec<Vec<f64>> = group.scope_logs[0].log_records.iter().map(|r| features.of_record(r)).collect();
    assert_eq!(of, [[9.0, 0.0, 1.0], [0.0, 2.0, 2.0]]);

    let mut features = Features::new(&names(&["value", "rate_of_change", "n"]), Signal::Metrics);
    let at =
        |seconds: u64, value| point(&[("n", "4".into())], 0, seconds * 1_000_000_000, Number::Int(value));
    assert_eq!(features.of_point(&[], "m", &at(1, 10)), [10.0, 0.0, 4.0]);
    assert_eq!(features.of_point(&[], "m", &at(3, 16)), [16.0, 3.0, 4.0]);
    assert_eq!(features.of_point(&[], "other", &at(4, 1)), [1.0, 0.0, 4.0]);

    let features = Features::new(&names(&["duration", "error", "http.status_code"]), Signal::Traces);
    let span = Span {
        end_time_unix_nano: 2_000_000,
        status: Some(Status { code: 2, message: String::new() }),
        attributes: vec![KeyValue::new("http.status_code", 500)],
        ..Span::default()
    };
    assert_eq!(features.of_span(&span), [2.0, 1.0, 500.0]);
}

#[test]
fn metrics_without_one_value_pass() {
    let mut bench = build::<IsolationForestConfig>("{mode: filter}", Signal::Metrics);
    let data =
        Data::Metrics(vec![resource_metrics(&[], vec![gauge("m", vec![point(&[], 0, 1, Number::Int(1))])])]);
    assert_eq!(bench.one(data.clone()), data);
}

#[test]
fn bad_settings_are_refused() {
    for (yaml, want) in [
        ("{forest_size: 0}", "forest_size: must be from 1 to 1000"),
        ("{forest_size: 1001}", "forest_size: must be from 1 to 1000"),
        ("{contamination_rate: 1.5}", "contamination_rate: must be from 0 to 1"),
        ("{mode: shout}", "mode: must be enrich, filter or both"),
        ("{score_attribute: a, classification_attribute: a}", "must differ"),
        ("{features: {traces: [], metrics: [], logs: []}}", "at least one of"),
        ("{models: [{name: a}]}", "models::0::selector: is required"),
        ("{training_window: sometimes}", "duration"),
    ] {
        let found = issues::<IsolationForestConfig>(yaml);
        assert!(found.contains(want), "{yaml}: {found}");
    }
    assert_eq!(
        issues::<IsolationForestConfig>("{training_window: 24h, adaptive_window: {enabled: true}}"),
        ""
    );
}
