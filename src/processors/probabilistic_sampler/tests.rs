use super::*;
use crate::otlp::trace::Span;
use crate::otlp::{AnyValue, KeyValue};
use crate::processors::testing::{Bench, build, issues, logs, spans};

/// Traces whose ids are spread evenly over the bits that sampling looks at.
fn traces(n: u64) -> Data {
    let names: Vec<String> = (0..n).map(|i| i.to_string()).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut group = spans(&[], &names);
    for (i, span) in group.scope_spans[0].spans.iter_mut().enumerate() {
        let spread = (i as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        span.trace_id = [spread.rotate_left(17).to_be_bytes(), spread.to_be_bytes()].concat();
    }
    Data::Traces(vec![group])
}

fn bench(yaml: &str) -> Bench {
    build::<ProbabilisticSamplerConfig>(yaml, Signal::Traces)
}

fn kept(yaml: &str, data: Data) -> usize {
    bench(yaml).run(data).iter().map(Data::items).sum()
}

/// One span with a trace id that ends in `randomness`, and what becomes of it.
fn one(yaml: &str, randomness: u64, state: &str, attributes: Vec<KeyValue>) -> Option<Span> {
    let mut group = spans(&[], &["s"]);
    let span = &mut group.scope_spans[0].spans[0];
    span.trace_id = [[1; 8], randomness.to_be_bytes()].concat();
    span.trace_state = state.into();
    span.attributes = attributes;
    match bench(yaml).run(Data::Traces(vec![group])).into_iter().next()? {
        Data::Traces(mut all) => Some(all.remove(0).scope_spans.remove(0).spans.remove(0)),
        other => panic!("{other:?}"),
    }
}

#[test]
fn every_mode_keeps_its_share() {
    for mode in ["hash_seed", "proportional", "equalizing"] {
        for percentage in [0.0, 1.0, 25.0, 99.0, 100.0, 200.0] {
            let kept = kept(&format!("{{mode: {mode}, sampling_percentage: {percentage}}}"), traces(20_000));
            let want = 200.0 * f64::min(percentage, 100.0);
            assert!((kept as f64 - want).abs() <= 150.0, "{mode} {percentage}: {kept}");
            let all_or_none = percentage == 0.0 || percentage >= 100.0;
            assert!(!all_or_none || kept as f64 == want, "{mode} {percentage}: {kept}");
        }
    }
}

#[test]
fn what_is_dropped_is_counted() {
    let mut bench = bench("{sampling_percentage: 50}");
    let kept: usize = bench.run(traces(1000)).iter().map(Data::items).sum();
    let count = |sampled: &str| {
        let samples = bench.telemetry.snapshot();
        samples.iter().find(|s| s.labels.contains(&("sampled", sampled.to_owned()))).unwrap().value as usize
    };
    assert_eq!((count("true"), count("false")), (kept, 1000 - kept));
}

#[test]
fn agents_with_the_same_seed_keep_the_same_traces() {
    let names = |yaml: &str| match bench(yaml).run(traces(500)).remove(0) {
        Data::Traces(all) => all[0].scope_spans[0].spans.iter().map(|s| s.name.clone()).collect::<Vec<_>>(),
        other => panic!("{other:?}"),
    };
    let first = names("{sampling_percentage: 30, hash_seed: 22}");
    assert_eq!(first, names("{sampling_percentage: 30, hash_seed: 22}"));
    assert_ne!(first, names("{sampling_percentage: 30, hash_seed: 23}"));
}

#[test]
fn thresholds_are_written_and_those_that_arrive_are_respected() {
    let high = 0x00ff_0000_0000_0000;
    let state = |mode: &str, arriving: &str| {
        let yaml = format!("{{mode: {mode}, sampling_percentage: 50}}");
        one(&yaml, high, arriving, Vec::new()).map(|span| span.trace_state)
    };
    for (mode, arriving, want) in [
        ("proportional", "", Some("ot=th:8")),
        ("proportional", "ot=th:8", Some("ot=th:c")),
        ("equalizing", "ot=th:8", Some("ot=th:8")),
        ("equalizing", "ot=th:c", Some("ot=th:c")),
        ("equalizing", "ot=th:0,x=y", Some("ot=th:8,x=y")),
        ("hash_seed", "x=y", Some("x=y")),
        // The randomness that arrives goes before the trace id.
        ("proportional", "ot=rv:00000000000001", None),
        // It could not be here with that threshold.
        ("proportional", "ot=th:ffff", None),
    ] {
        // The hash of this trace id is among those kept.
        assert_eq!(state(mode, arriving).as_deref(), want, "{mode} {arriving}");
    }
}

#[test]
fn a_priority_goes_before_chance() {
    let priority = |value: AnyValue| vec![KeyValue::new("sampling.priority", value)];
    assert!(one("{sampling_percentage: 0}", 1, "", priority(1.into())).is_some());
    assert!(one("{sampling_percentage: 0}", 1, "", priority("2".into())).is_some());
    assert!(one("{sampling_percentage: 100}", 1, "", priority(0.into())).is_none());
    assert!(one("{sampling_percentage: 100}", 1, "", priority(true.into())).is_some());
}

#[test]
fn items_without_a_trace_id_are_dropped_unless_told_otherwise() {
    for mode in ["hash_seed", "proportional"] {
        for (fail_closed, want) in [(true, 0), (false, 1)] {
            let yaml = format!("{{sampling_percentage: 100, mode: {mode}, fail_closed: {fail_closed}}}");
            assert_eq!(kept(&yaml, Data::Traces(vec![spans(&[], &["s"])])), want, "{yaml}");
        }
    }
}

#[test]
fn logs_are_sampled_by_trace_or_by_an_attribute() {
    let records = |n: i64| {
        let mut group = logs(&[], &vec!["line"; n as usize]);
        for (i, record) in group.scope_logs[0].log_records.iter_mut().enumerate() {
            record.attributes.push(KeyValue::new("user", format!("user-{i}")));
            record.attributes.push(KeyValue::new("priority", if i % 2 == 0 { 100 } else { 0 }));
        }
        Data::Logs(vec![group])
    };
    let kept = |yaml: &str, n| {
        let mut bench = build::<ProbabilisticSamplerConfig>(yaml, Signal::Logs);
        bench.run(records(n)).iter().map(Data::items).sum::<usize>()
    };
    let by_user = "attribute_source: record, from_attribute: user";
    let share = kept(&format!("{{sampling_percentage: 25, {by_user}}}"), 10_000);
    assert!((2300..2700).contains(&share), "{share}");
    assert_eq!(kept("{sampling_percentage: 100}", 10), 0, "no trace ids");
    assert_eq!(kept(&format!("{{sampling_percentage: 1, {by_user}, sampling_priority: priority}}"), 100), 50);

    let mut group = logs(&[], &["line"]);
    group.scope_logs[0].log_records[0].trace_id = vec![255; 16];
    let mut bench = build::<ProbabilisticSamplerConfig>("{sampling_percentage: 50}", Signal::Logs);
    let Data::Logs(all) = bench.one(Data::Logs(vec![group])) else { panic!("logs") };
    assert_eq!(all[0].scope_logs[0].log_records[0].attributes, [KeyValue::new("sampling.threshold", "8")]);
}

#[test]
fn bad_settings_are_refused() {
    for (yaml, want) in [
        ("{sampling_percentage: -1}", "must not be negative"),
        ("{sampling_percentage: .nan}", "must be a number"),
        ("{sampling_percentage: 1e-20}", "is too small"),
        ("{mode: random}", "\"random\" is not known"),
        ("{sampling_precision: 15}", "from 1 to 14"),
        ("{attribute_source: record}", "from_attribute: is required"),
        ("{attribute_source: body}", "\"body\" is not known"),
    ] {
        let found = issues::<ProbabilisticSamplerConfig>(yaml);
        assert!(found.contains(want), "{yaml}: {found}");
    }
    assert_eq!(issues::<ProbabilisticSamplerConfig>("{sampling_percentage: 15, hash_seed: 22}"), "");
}
