use super::*;
use crate::otlp::metrics::{
    Buckets, ExponentialHistogram, ExponentialHistogramDataPoint, Histogram, HistogramDataPoint, Number,
};
use crate::processors::testing::{Bench, build, gauge, issues, point, resource_metrics, sum};

const KEEP: &str = "{initial_value: keep}";

fn bench(yaml: &str) -> Bench {
    build::<CumulativeToDeltaConfig>(yaml, Signal::Metrics)
}

/// Feeds one metric and returns it as it comes out, if it does.
fn step(bench: &mut Bench, metric: Metric) -> Option<Metric> {
    let out = bench.run(Data::Metrics(vec![resource_metrics(&[("host", "a".into())], vec![metric])]));
    match out.into_iter().next()? {
        Data::Metrics(mut all) => Some(all.remove(0).scope_metrics.remove(0).metrics.remove(0)),
        other => panic!("{other:?}"),
    }
}

fn total(time: u64, value: Number) -> Metric {
    sum("io", Temporality::Cumulative, vec![point(&[("disk", "sda".into())], 1, time, value)])
}

fn delta(start: u64, time: u64, value: Number) -> Metric {
    sum("io", Temporality::Delta, vec![point(&[("disk", "sda".into())], start, time, value)])
}

fn dropped(bench: &Bench, reason: &str) -> u64 {
    let samples = bench.telemetry.snapshot();
    let of_reason = samples.iter().filter(|sample| sample.labels.iter().any(|(_, value)| value == reason));
    of_reason.map(|sample| sample.value).sum()
}

#[test]
fn totals_become_deltas_between_one_point_and_the_next() {
    let mut bench = bench(KEEP);
    for (time, value, want) in [
        (10, Number::Int(100), Some(delta(0, 10, Number::Int(100)))),
        (20, Number::Int(130), Some(delta(10, 20, Number::Int(30)))),
        (30, Number::Int(130), Some(delta(20, 30, Number::Int(0)))),
        // A reset.
        (40, Number::Int(5), None),
        (50, Number::Int(7), Some(delta(40, 50, Number::Int(2)))),
        // Fractions are another series.
        (60, Number::Double(7.5), Some(delta(0, 60, Number::Double(7.5)))),
        (70, Number::Double(8.0), Some(delta(60, 70, Number::Double(0.5)))),
        (80, Number::Int(8), Some(delta(50, 80, Number::Int(1)))),
    ] {
        assert_eq!(step(&mut bench, total(time, value)), want, "at {time}");
    }
    assert_eq!(dropped(&bench, "reset"), 1);
}

#[test]
fn the_first_point_is_handed_on_only_when_its_count_began_here() {
    let future = u64::MAX - 10;
    for (yaml, start, time, want) in [
        ("{}", 1, 2, None),
        ("{}", future, future + 1, Some(future)),
        ("{}", future, future, None),
        ("{initial_value: drop}", future, future + 1, None),
        ("{initial_value: keep}", 1, 2, Some(0)),
    ] {
        let mut bench = bench(yaml);
        let first = sum("io", Temporality::Cumulative, vec![point(&[], start, time, Number::Int(3))]);
        let out = step(&mut bench, first);
        let want =
            want.map(|start| sum("io", Temporality::Delta, vec![point(&[], start, time, Number::Int(3))]));
        assert_eq!(dropped(&bench, "initial_value"), u64::from(want.is_none()), "{yaml}");
        assert_eq!(out, want, "{yaml} {start} {time}");
    }
}

#[test]
fn only_monotonic_cumulative_metrics_that_are_selected_are_touched() {
    let mut not_monotonic = total(1, Number::Int(1));
    if let Some(metrics::Data::Sum(sum)) = &mut not_monotonic.data {
        sum.is_monotonic = false;
    }
    let others =
        [gauge("io", vec![point(&[], 0, 1, Number::Int(1))]), delta(0, 1, Number::Int(1)), not_monotonic];
    for metric in others {
        assert_eq!(step(&mut bench("{initial_value: drop}"), metric.clone()), Some(metric));
    }
    for (yaml, converted) in [
        ("{include: {match_type: strict, metrics: [io]}}", true),
        ("{include: {match_type: strict, metrics: [i]}}", false),
        ("{include: {match_type: regexp, metrics: ['^i']}}", true),
        ("{include: {metric_types: [Sum]}}", true),
        ("{include: {metric_types: [histogram]}}", false),
        ("{exclude: {match_type: strict, metrics: [io]}}", false),
        ("{include: {match_type: regexp, metrics: [i]}, exclude: {match_type: regexp, metrics: [o]}}", false),
    ] {
        assert_eq!(step(&mut bench(yaml), total(1, Number::Int(1))).is_none(), converted, "{yaml}");
    }
}

#[test]
fn series_are_told_apart_by_everything_that_identifies_them() {
    let mut bench = bench(KEEP);
    let data = |value| {
        let points =
            |name: &'static str| point(&[("disk", name.into())], 1, value as u64, Number::Int(value));
        let metric = |name| sum(name, Temporality::Cumulative, vec![points("sda"), points("sdb")]);
        let mut other_unit = metric("io");
        other_unit.unit = "By".into();
        let mut scoped = resource_metrics(&[("host", "a".into())], vec![metric("io")]);
        scoped.scope_metrics[0].scope =
            Some(crate::otlp::InstrumentationScope { name: "s".into(), ..Default::default() });
        Data::Metrics(vec![
            resource_metrics(&[("host", "a".into())], vec![metric("io"), metric("ops"), other_unit]),
            resource_metrics(&[("host", "b".into())], vec![metric("io")]),
            scoped,
        ])
    };
    assert_eq!(bench.one(data(5)).items(), 10);
    let Data::Metrics(all) = bench.one(data(7)) else { panic!("metrics") };
    let values =
        all.iter().flat_map(|r| &r.scope_metrics).flat_map(|s| &s.metrics).flat_map(|m| match &m.data {
            Some(metrics::Data::Sum(sum)) => sum.data_points.iter().map(|p| p.value).collect::<Vec<_>>(),
            _ => panic!("sums"),
        });
    assert!(values.eq(vec![Some(Number::Int(2)); 10]));
}

#[test]
fn points_without_a_value_are_dropped_and_those_that_are_no_number_pass() {
    let mut bench = bench(KEEP);
    let mut gone = total(5, Number::Int(0));
    if let Some(metrics::Data::Sum(sum)) = &mut gone.data {
        sum.data_points[0].flags = 1;
    }
    assert_eq!(step(&mut bench, gone), None);
    assert_eq!(dropped(&bench, "no_recorded_value"), 1);
    let out = step(&mut bench, total(6, Number::Double(f64::NAN))).unwrap();
    let Some(metrics::Data::Sum(sum)) = &out.data else { panic!("sum") };
    assert_eq!(sum.aggregation_temporality, Temporality::Delta as i32);
    assert!(matches!(sum.data_points[0].value, Some(Number::Double(value)) if value.is_nan()));
    assert_eq!(sum.data_points[0].start_time_unix_nano, 1);
}

#[test]
fn histograms_are_subtracted_bucket_by_bucket() {
    let histogram =
        |temporality: Temporality, start, time, count, sum, buckets: &[u64], bounds: &[f64]| Metric {
            name: "latency".into(),
            data: Some(metrics::Data::Histogram(Histogram {
                aggregation_temporality: temporality as i32,
                data_points: vec![HistogramDataPoint {
                    start_time_unix_nano: start,
                    time_unix_nano: time,
                    count,
                    sum: Some(sum),
                    bucket_counts: buckets.to_vec(),
                    explicit_bounds: bounds.to_vec(),
                    ..Default::default()
                }],
            })),
            ..Default::default()
        };
    let mut bench = bench(KEEP);
    for (time, count, sum, buckets, bounds, want) in [
        (10, 3, 4.0, [1, 2], [1.0], Some((0, 3, 4.0, [1, 2]))),
        (20, 5, 9.0, [2, 3], [1.0], Some((10, 2, 5.0, [1, 1]))),
        // A reset: the total is the delta.
        (30, 1, 0.5, [1, 0], [1.0], Some((20, 1, 0.5, [1, 0]))),
        // Other bounds.
        (40, 2, 1.0, [2, 0], [2.0], None),
        (50, 3, 1.5, [2, 1], [2.0], Some((40, 1, 0.5, [0, 1]))),
    ] {
        let mut total = histogram(Temporality::Cumulative, 1, time, count, sum, &buckets, &bounds);
        if let Some(metrics::Data::Histogram(histogram)) = &mut total.data {
            (histogram.data_points[0].min, histogram.data_points[0].max) = (Some(0.1), Some(9.0));
        }
        let mut out = step(&mut bench, total);
        if time == 10
            && let Some(Metric { data: Some(metrics::Data::Histogram(first)), .. }) = &mut out
        {
            // The first point is handed on as it is.
            assert!(first.data_points[0].max.is_some());
            (first.data_points[0].min, first.data_points[0].max) = (None, None);
        }
        let want = want.map(|(start, count, sum, buckets)| {
            histogram(Temporality::Delta, start, time, count, sum, &buckets, &bounds)
        });
        assert_eq!(out, want, "at {time}");
    }
    assert_eq!(dropped(&bench, "buckets_changed"), 1);
}

#[test]
fn exponential_histograms_are_subtracted_even_when_their_scale_gets_coarser() {
    let histogram = |temporality: Temporality, start, time, scale, count, offset, buckets: &[u64]| Metric {
        name: "latency".into(),
        data: Some(metrics::Data::ExponentialHistogram(ExponentialHistogram {
            aggregation_temporality: temporality as i32,
            data_points: vec![ExponentialHistogramDataPoint {
                start_time_unix_nano: start,
                time_unix_nano: time,
                scale,
                count,
                sum: Some(count as f64),
                positive: Some(Buckets { offset, bucket_counts: buckets.to_vec() }),
                ..Default::default()
            }],
        })),
        ..Default::default()
    };
    let mut bench = bench(KEEP);
    for (time, scale, count, offset, buckets, want) in [
        (10, 1, 3, -1, vec![1, 1, 1], (0, 3, vec![1, 1, 1])),
        (20, 1, 5, -1, vec![1, 3, 1], (10, 2, vec![0, 2, 0])),
        // Buckets -1 | 0, 1 are one power of two each now: [1], [4].
        (30, 0, 7, -1, vec![2, 5], (20, 2, vec![1, 1])),
        // A finer scale: the source started again.
        (40, 1, 1, 0, vec![1], (30, 1, vec![1])),
    ] {
        let out =
            step(&mut bench, histogram(Temporality::Cumulative, 1, time, scale, count, offset, &buckets));
        let (start, count, buckets) = want;
        assert_eq!(
            out,
            Some(histogram(Temporality::Delta, start, time, scale, count, offset, &buckets)),
            "at {time}"
        );
    }
}

#[test]
fn series_that_fell_silent_are_forgotten() {
    let start = Instant::now();
    let mut series = Series::new(Duration::from_secs(60), start);
    let after = |seconds| start + Duration::from_secs(seconds);
    let known = |series: &mut Series, identity| match series.get(identity) {
        state::Entry::New(slot) => {
            slot.insert(delta::Total::Number { value: Number::Int(1), time: 1 });
            false
        }
        entry => matches!(entry, state::Entry::Known(_)),
    };
    assert!(!known(&mut series, 1) && !known(&mut series, 2));
    series.sweep(after(59));
    assert!(known(&mut series, 1));
    series.sweep(after(61));
    assert!(known(&mut series, 1), "was seen two seconds before");
    assert!(!known(&mut series, 2), "was not seen for a minute");
}

#[test]
fn too_many_series_are_refused_and_counted() {
    let mut processor = CumulativeToDelta {
        include: None,
        exclude: None,
        initial_value: InitialValue::Keep,
        began: 0,
        series: Series::new(Duration::ZERO, Instant::now()),
        dropped: Dropped::new(&Telemetry::new(), "test"),
    };
    processor.series.limit(2);
    let points = (0..5_i64).map(|n| point(&[("n", n.into())], 1, 2, Number::Int(1))).collect();
    let data = Data::Metrics(vec![resource_metrics(&[], vec![sum("io", Temporality::Cumulative, points)])]);
    let mut items = 0;
    processor
        .process(Batch::new(data, crate::pipeline::Ack::none()), &mut |batch: Batch| items += batch.items());
    assert_eq!((items, processor.dropped.too_many.value()), (2, 3));
}

#[test]
fn bad_selections_are_refused_and_the_stock_one_is_not() {
    for (yaml, want) in [
        ("{include: {metrics: [a]}}", "include::match_type: must be set"),
        ("{exclude: {match_type: strict}}", "exclude::metrics: must be supplied"),
        ("{include: {match_type: glob, metrics: [a]}}", "\"glob\" is not known"),
        ("{include: {match_type: regexp, metrics: ['(']}}", "include::metrics::0: bad regular expression"),
        ("{include: {metric_types: [gauge]}}", "\"gauge\" is not known"),
        ("{initial_value: maybe}", "maybe"),
    ] {
        let found = issues::<CumulativeToDeltaConfig>(yaml);
        assert!(found.contains(want), "{yaml}: {found}");
    }
    assert_eq!(
        issues::<CumulativeToDeltaConfig>("{include: {match_type: strict, metrics: [system.network.io]}}"),
        ""
    );
    assert_eq!(issues::<CumulativeToDeltaConfig>("{}"), "");
}

proptest::proptest! {
    #[test]
    fn deltas_add_up_to_the_last_total_and_no_point_is_lost_uncounted(
        totals in proptest::collection::vec(0_i64..1000, 1..50)
    ) {
        let mut bench = bench(KEEP);
        let (mut sum, mut expected, mut before, mut points) = (0, 0, 0, 0);
        for (index, value) in totals.iter().enumerate() {
            if let Some(metric) = step(&mut bench, total(index as u64 + 2, Number::Int(*value)))
                && let Some(metrics::Data::Sum(out)) = metric.data
                && let Some(Number::Int(delta)) = out.data_points[0].value
            {
                sum += delta;
                points += 1;
            }
            // After a reset counting goes on from the new total.
            expected += (*value - before).max(0);
            before = *value;
        }
        proptest::prop_assert_eq!(sum, expected);
        proptest::prop_assert_eq!(points + dropped(&bench, "reset") as usize, totals.len());
    }
}
