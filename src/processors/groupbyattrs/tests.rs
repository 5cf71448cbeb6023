use super::*;
use crate::otlp::metrics::{Number, Temporality};
use crate::otlp::{AnyValue, KeyValue};
use crate::processors::testing::{
    attributes, build, gauge, issues, logs, point, resource_metrics, spans, sum,
};

/// One log record per entry: its body and its attributes.
fn records(
    of: &[(&'static str, AnyValue)],
    entries: &[(&str, &[(&'static str, AnyValue)])],
) -> crate::otlp::logs::ResourceLogs {
    let bodies: Vec<&str> = entries.iter().map(|(body, _)| *body).collect();
    let mut group = logs(of, &bodies);
    for (record, (_, own)) in group.scope_logs[0].log_records.iter_mut().zip(entries) {
        record.attributes = attributes(own);
    }
    group
}

#[test]
fn attributes_move_to_the_resource_and_equal_resources_come_together() {
    let mut bench = build::<GroupByAttrsConfig>("{keys: [pod, ns]}", Signal::Logs);
    let pod = |name: &'static str| ("pod", AnyValue::from(name));
    let host = ("host", AnyValue::from("h"));
    let before = vec![
        records(
            std::slice::from_ref(&host),
            &[
                ("1", &[pod("a"), ("x", 1.into())]),
                ("2", &[]),
                ("3", &[pod("b"), ("ns", "n".into())]),
                ("4", &[("x", 2.into()), pod("a")]),
            ],
        ),
        // Is what "1" becomes already.
        records(&[pod("a"), host.clone()], &[("5", &[])]),
        // Its own value gives way.
        records(&[host.clone(), pod("z")], &[("6", &[pod("a")])]),
    ];
    let after = vec![
        records(
            &[host.clone(), pod("a")],
            &[("1", &[("x", 1.into())]), ("4", &[("x", 2.into())]), ("5", &[]), ("6", &[])],
        ),
        records(std::slice::from_ref(&host), &[("2", &[])]),
        records(&[host, pod("b"), ("ns", "n".into())], &[("3", &[])]),
    ];
    assert_eq!(bench.one(Data::Logs(before)), Data::Logs(after));
    assert_eq!(bench.total("otelcol_processor_groupbyattrs_num_grouped_logs"), 4);
    assert_eq!(bench.total("otelcol_processor_groupbyattrs_num_non_grouped_logs"), 2);
}

#[test]
fn without_keys_equal_resources_and_scopes_are_joined() {
    let mut bench = build::<GroupByAttrsConfig>("{}", Signal::Traces);
    let a = [("pod", "a".into()), ("host", "h".into())];
    let turned = [("host", "h".into()), ("pod", "a".into())];
    let mut scoped = spans(&a, &["3"]);
    scoped.scope_spans[0].scope =
        Some(crate::otlp::InstrumentationScope { name: "s".into(), ..Default::default() });
    let mut want = spans(&a, &["1", "2"]);
    want.scope_spans.extend(scoped.scope_spans.clone());
    let before = vec![spans(&a, &["1"]), spans(&turned, &["2"]), scoped];
    assert_eq!(bench.one(Data::Traces(before)), Data::Traces(vec![want]));
}

#[test]
fn points_are_grouped_one_by_one_and_equal_metrics_joined() {
    let mut bench = build::<GroupByAttrsConfig>("{keys: [pod]}", Signal::Metrics);
    let at =
        |pod: &'static str, value| point(&[("pod", pod.into()), ("x", 1.into())], 0, 1, Number::Int(value));
    let bare = |value| point(&[("x", 1.into())], 0, 1, Number::Int(value));
    let before = vec![resource_metrics(
        &[],
        vec![
            gauge("m", vec![at("a", 1), at("b", 2), at("a", 3)]),
            gauge("m", vec![at("a", 4)]),
            sum("m", Temporality::Delta, vec![at("a", 5)]),
            gauge("other", vec![bare(6)]),
        ],
    )];
    let after = vec![
        resource_metrics(
            &[("pod", "a".into())],
            vec![gauge("m", vec![bare(1), bare(3), bare(4)]), sum("m", Temporality::Delta, vec![bare(5)])],
        ),
        resource_metrics(&[("pod", "b".into())], vec![gauge("m", vec![bare(2)])]),
        resource_metrics(&[], vec![gauge("other", vec![bare(6)])]),
    ];
    assert_eq!(bench.one(Data::Metrics(before)), Data::Metrics(after));
    assert_eq!(bench.total("otelcol_processor_groupbyattrs_num_grouped_metrics"), 5);
}

#[test]
fn what_is_grouped_already_is_not_copied() {
    let mut bench = build::<GroupByAttrsConfig>("{keys: [k8s.pod.uid]}", Signal::Logs);
    let data = Data::Logs(vec![logs(&[("k8s.pod.uid", "1".into())], &["a"]), logs(&[], &["b"])]);
    let batch = Batch::new(data, crate::pipeline::Ack::none());
    let out = bench.feed(batch.clone());
    assert!(std::ptr::eq(out[0].data(), batch.data()));
}

#[test]
fn empty_keys_are_refused() {
    assert!(issues::<GroupByAttrsConfig>("{keys: ['']}").contains("empty key"));
    assert_eq!(issues::<GroupByAttrsConfig>("{keys: [k8s.pod.uid]}"), "");
}

proptest::proptest! {
    #[test]
    fn every_item_is_kept(pods in proptest::collection::vec((0_i64..4, 0_i64..4, 0_i64..3), 0..60)) {
        let mut bench = build::<GroupByAttrsConfig>("{keys: [pod]}", Signal::Metrics);
        let groups = pods.iter().map(|(resource, pod, name)| {
            let own = [KeyValue::new("pod", *pod)];
            let mut metric = gauge(&format!("m{name}"), vec![point(&[], 0, 1, Number::Int(1)); 2]);
            if let Some(data) = &mut metric.data {
                data.for_each_attributes(|attributes| attributes.extend(own.iter().filter(|_| *pod > 0).cloned()));
            }
            resource_metrics(&[("r", (*resource).into())], vec![metric])
        });
        let data = Data::Metrics(groups.collect());
        let items = data.items();
        proptest::prop_assert_eq!(bench.one(data).items(), items);
    }
}
