use super::*;
use crate::pipeline::{Ack, Data, Lane, Outcome};
use crate::processors::testing::{Bench, build, logs, watched};

/// The processor as it works in front of those who look, and of those who only send.
fn both(yaml: &str) -> [Bench; 2] {
    let bench = || build::<BatchConfig>(yaml, Signal::Logs);
    let mut writes = bench();
    writes.processor.encoded_will_do();
    [bench(), writes]
}

fn records(n: usize) -> Batch {
    let bodies = vec!["line"; n];
    Batch::new(Data::Logs(vec![logs(&[("pod", "a".into())], &bodies)]), Ack::none())
}

fn items(batches: &[Batch]) -> Vec<usize> {
    batches.iter().map(Batch::items).collect()
}

#[test]
fn batches_leave_at_the_size_or_when_time_is_up() {
    for mut bench in both("{send_batch_size: 10, timeout: 1h}") {
        assert!(bench.feed(records(4)).is_empty());
        assert!(bench.feed(records(5)).is_empty());
        assert_eq!(items(&bench.feed(records(6))), [15]);
        assert!(bench.processor.deadline().is_none());
        assert!(bench.feed(records(2)).is_empty());
        assert_eq!(items(&bench.tick()), [2]);
        assert!(bench.feed(records(3)).is_empty());
        assert_eq!(items(&bench.flush()), [3]);
        assert_eq!(bench.total("otelcol_processor_batch_batch_size_trigger_send"), 1);
        assert_eq!(bench.total("otelcol_processor_batch_timeout_trigger_send"), 1);
        assert_eq!(bench.total("otelcol_processor_batch_batch_send_size_sum"), 20);
        assert_eq!(bench.total("otelcol_processor_batch_batch_send_size_count"), 3);
    }
}

#[test]
fn a_timeout_or_size_of_zero_holds_nothing_back() {
    for yaml in ["{timeout: 0}", "{send_batch_size: 0, timeout: 1h}"] {
        let mut bench = build::<BatchConfig>(yaml, Signal::Logs);
        assert_eq!(items(&bench.feed(records(3))), [3], "{yaml}");
        assert!(bench.processor.deadline().is_none());
    }
    let mut bench =
        build::<BatchConfig>("{timeout: 0, send_batch_size: 4, send_batch_max_size: 4}", Signal::Logs);
    assert_eq!(items(&bench.feed(records(9))), [4, 4, 1]);
}

#[test]
fn a_maximum_splits_and_keeps_the_rest_for_the_next_batch() {
    for mut bench in both("{send_batch_size: 4, send_batch_max_size: 5, timeout: 1h}") {
        assert_eq!(items(&bench.feed(records(12))), [5, 5]);
        assert_eq!(items(&bench.feed(records(2))), [4]);
    }
}

#[test]
fn a_source_hears_only_when_the_last_part_of_its_batch_is_delivered() {
    for mut bench in both("{send_batch_size: 4, send_batch_max_size: 4, timeout: 1h}") {
        let (ack, outcomes) = watched();
        let mut first = records(6);
        first.ack = ack;
        let mut sent = bench.feed(first);
        sent.remove(0).ack.settle(Outcome::Delivered);
        assert!(outcomes.is_empty(), "two of its records still wait");
        bench.flush().remove(0).ack.settle(Outcome::Refused);
        assert_eq!(outcomes.try_recv(), Ok(Outcome::Refused));
    }
}

#[test]
fn a_joined_batch_settles_all_its_sources() {
    for mut bench in both("{timeout: 1h}") {
        let watches: Vec<_> = (0..3)
            .map(|_| {
                let (ack, outcomes) = watched();
                let mut batch = records(1);
                batch.ack = ack;
                assert!(bench.feed(batch).is_empty());
                outcomes
            })
            .collect();
        let batch = bench.flush().remove(0);
        assert!(watches.iter().all(crossbeam_channel::Receiver::is_empty));
        drop(batch);
        assert!(watches.iter().all(|outcomes| outcomes.try_recv() == Ok(Outcome::Delivered)));
    }
}

#[test]
fn batches_of_one_lane_stay_together_and_in_order() {
    for mut bench in both("{send_batch_size: 4, timeout: 1h}") {
        let lane = |n| Some(Lane(n));
        assert!(bench.feed(records(3).in_lane(lane(1))).is_empty());
        assert!(bench.feed(records(3).in_lane(lane(2))).is_empty());
        assert!(bench.feed(records(3)).is_empty());
        let sent = bench.feed(records(2).in_lane(lane(1)));
        assert_eq!((items(&sent), sent[0].lane), (vec![5], lane(1)));
        let mut rest: Vec<_> = bench.flush().iter().map(|batch| (batch.lane, batch.items())).collect();
        rest.sort_by_key(|(lane, _)| lane.map(|lane| lane.0));
        assert_eq!(rest, [(None, 3), (lane(2), 3)]);
    }
}

#[test]
fn many_lanes_do_not_hold_back_without_bound() {
    for mut bench in both("{timeout: 1h}") {
        let sent: usize = (0..100).map(|n| bench.feed(records(1).in_lane(Some(Lane(n)))).len()).sum();
        assert_eq!(sent, 84);
        assert_eq!(bench.flush().len(), 16);
    }
}

#[test]
fn a_batch_is_sent_early_rather_than_grow_beyond_a_limit() {
    for mut bench in both("{timeout: 1h}") {
        let line = "x".repeat(SEND_BYTES / 8);
        let large = || Batch::new(Data::Logs(vec![logs(&[], &[line.as_str(); 3][..])]), Ack::none());
        assert!(bench.feed(large()).is_empty());
        assert!(bench.feed(large()).is_empty());
        assert_eq!(items(&bench.feed(large())), [6]);
        let huge = Batch::new(Data::Logs(vec![logs(&[], &[line.as_str(); 9][..])]), Ack::none());
        assert_eq!(items(&bench.feed(huge)), [3, 9]);
    }
}

#[test]
fn equal_resources_and_scopes_are_joined_and_keep_their_order() {
    for mut bench in both("{timeout: 1h}") {
        let pod = |name: &'static str, lines: &[&str]| {
            Batch::new(Data::Logs(vec![logs(&[("pod", name.into())], lines)]), Ack::none())
        };
        for batch in [pod("a", &["1"]), pod("b", &["2"]), pod("a", &["3"]), pod("a", &["4"])] {
            assert!(bench.feed(batch).is_empty());
        }
        let want = vec![logs(&[("pod", "a".into())], &["1", "3", "4"]), logs(&[("pod", "b".into())], &["2"])];
        assert_eq!(bench.flush().remove(0).into_parts().0, Data::Logs(want));
    }
}

#[test]
fn resources_that_differ_in_schema_or_scope_stay_apart() {
    for mut bench in both("{timeout: 1h}") {
        let plain = logs(&[], &["1"]);
        let mut schema = logs(&[], &["2"]);
        schema.schema_url = "https://opentelemetry.io/schemas/1.9.0".into();
        let mut scoped = logs(&[], &["3"]);
        scoped.scope_logs[0].scope =
            Some(crate::otlp::InstrumentationScope { name: "s".into(), ..Default::default() });
        for group in [plain, schema, scoped] {
            assert!(bench.feed(Batch::new(Data::Logs(vec![group]), Ack::none())).is_empty());
        }
        let Data::Logs(groups) = bench.flush().remove(0).into_parts().0 else { panic!("logs") };
        assert_eq!(groups.iter().map(|group| group.scope_logs.len()).collect::<Vec<_>>(), [2, 1]);
    }
}

#[test]
fn bad_sizes_and_keys_are_refused() {
    for (yaml, want) in [
        ("{send_batch_size: 10, send_batch_max_size: 5}", "must be greater or equal"),
        ("{metadata_keys: [a, A]}", "duplicate entry \"a\""),
    ] {
        let errors = crate::processors::testing::issues::<BatchConfig>(yaml);
        assert!(errors.contains(want), "{yaml}: {errors}");
    }
}

proptest::proptest! {
    #[test]
    fn every_item_comes_out_once(sizes in proptest::collection::vec((1_usize..40, 0_u64..4), 1..40), max in 5_usize..30) {
        for mut bench in both(&format!("{{send_batch_size: 5, send_batch_max_size: {max}, timeout: 1h}}")) {
            let mut out = Vec::new();
            for (n, lane) in &sizes {
                out.extend(bench.feed(records(*n).in_lane((*lane > 0).then_some(Lane(*lane)))));
            }
            out.extend(bench.flush());
            proptest::prop_assert!(items(&out).iter().all(|items| (1..=max).contains(items)));
            proptest::prop_assert_eq!(
                items(&out).iter().sum::<usize>(),
                sizes.iter().map(|(n, _)| n).sum::<usize>()
            );
        }
    }
}
