use super::*;
use crate::config::from_yaml;
use crate::connectors::testing::{Collected, context, issues, outputs};
use crate::otlp::metrics::Number;
use crate::otlp::points::with_points;
use crate::pipeline::Lane;
use crate::processors::testing::{gauge, logs, point, resource_metrics, spans, watched};
use crate::telemetry::Telemetry;

struct Bench {
    connector: Box<dyn Connector>,
    telemetry: Telemetry,
    pipelines: Vec<(&'static str, Collected)>,
}

fn bench(yaml: &str) -> Bench {
    let config: RoutingConfig = from_yaml(yaml).unwrap();
    let context = context("routing");
    let telemetry = context.telemetry.clone();
    let names = ["logs/a", "logs/b", "logs/c", "metrics/a", "metrics/b", "traces/a", "traces/b"];
    Bench {
        connector: config.build(context).unwrap(),
        telemetry,
        pipelines: names.map(|name| (name, Collected::default())).into(),
    }
}

impl Bench {
    fn feed(&mut self, batch: Batch) {
        let pipelines: Vec<_> = self.pipelines.iter().map(|(name, seen)| (*name, seen)).collect();
        self.connector.process(batch, &outputs(&pipelines));
    }

    /// What arrived where: `pipeline: item item`, for those to which something came.
    fn run(&mut self, data: Data) -> Vec<String> {
        self.feed(Batch::new(data, Ack::none()));
        let mut lines = Vec::new();
        for (name, seen) in &self.pipelines {
            let taken = seen.take();
            assert!(taken.len() < 2, "one batch for {name}");
            if !taken.is_empty() {
                lines.push(format!("{name}: {}", taken.iter().flat_map(names).collect::<Vec<_>>().join(" ")));
            }
        }
        lines
    }
}

/// Bodies, span names, or `metric/value` of all items, resources parted by `|`.
fn names(data: &Data) -> Vec<String> {
    let text = |body: &crate::otlp::AnyValue| body.as_str().unwrap().to_owned();
    match data {
        Data::Logs(all) => all
            .iter()
            .map(|r| {
                let records = r.scope_logs.iter().flat_map(|s| &s.log_records);
                records.map(|record| text(record.body.as_ref().unwrap())).collect::<String>()
            })
            .collect(),
        Data::Traces(all) => all
            .iter()
            .map(|r| r.scope_spans.iter().flat_map(|s| &s.spans).map(|span| span.name.clone()).collect())
            .collect(),
        Data::Metrics(all) => all
            .iter()
            .flat_map(|r| &r.scope_metrics)
            .flat_map(|s| &s.metrics)
            .map(|m| format!("{}{}", m.name, with_points!(m.data.as_ref().unwrap(), points => points.len())))
            .collect(),
    }
}

fn tenants() -> Data {
    Data::Logs(vec![
        logs(&[("tenant", "x".into())], &["1", "2"]),
        logs(&[("tenant", "y".into())], &["3"]),
        logs(&[("tenant", "z".into()), ("env", "prod".into())], &["4", "5"]),
    ])
}

#[test]
fn a_resource_goes_to_the_first_route_that_takes_it_or_to_the_default() {
    let mut bench = bench(
        r#"{default_pipelines: [logs/c], table: [
            {condition: 'attributes["tenant"] == "x"', pipelines: [logs/a]},
            {statement: 'route() where attributes["tenant"] == "y"', pipelines: [logs/b, logs/a]},
            {condition: 'attributes["tenant"] != nil and attributes["tenant"] == "x"', pipelines: [logs/b]}]}"#,
    );
    bench.feed(Batch::new(tenants(), Ack::none()));
    let seen: Vec<Vec<String>> =
        bench.pipelines.iter().map(|(_, seen)| seen.take().iter().flat_map(names).collect()).collect();
    assert_eq!(seen[..3], [vec!["12".to_owned(), "3".into()], vec!["3".into()], vec!["45".into()]]);
}

#[test]
fn records_part_from_their_resource_and_keep_it() {
    let mut bench = bench(
        r#"{table: [
            {context: log, condition: 'body == "2" or body == "4"', pipelines: [logs/a]},
            {context: resource, condition: 'attributes["env"] == "prod"', pipelines: [logs/b]}]}"#,
    );
    assert_eq!(bench.run(tenants()), ["logs/a: 2 4", "logs/b: 5"]);
    // Nothing is named for the others, and that is counted.
    assert_eq!(bench.telemetry.total("kmagent_connector_routing_unrouted_items"), 2);
}

#[test]
fn the_context_of_a_condition_is_that_of_its_paths() {
    let mut bench = bench(r#"{table: [{condition: 'log.body == "1"', pipelines: [logs/a]}]}"#);
    assert_eq!(bench.run(tenants()), ["logs/a: 1"]);
}

#[test]
fn a_copy_stays_for_the_routes_that_follow_and_the_default() {
    let mut bench = bench(
        r#"{default_pipelines: [logs/c], table: [
            {context: log, action: copy, condition: 'body == "1"', pipelines: [logs/a]},
            {context: log, condition: 'body == "1" or body == "3"', pipelines: [logs/b]}]}"#,
    );
    assert_eq!(bench.run(tenants()), ["logs/a: 1", "logs/b: 1 3", "logs/c: 2 45"]);
}

#[test]
fn with_match_once_off_every_route_that_matches_gets_it_and_the_default_only_the_rest() {
    let table = r#"table: [
        {context: log, condition: 'body == "1"', pipelines: [logs/a]},
        {condition: 'attributes["tenant"] == "x"', pipelines: [logs/b]}]"#;
    let mut bench = bench(&format!("{{match_once: false, default_pipelines: [logs/c], {table}}}"));
    assert_eq!(bench.run(tenants()), ["logs/a: 1", "logs/b: 12", "logs/c: 3 45"]);
}

#[test]
fn points_part_from_their_metric() {
    let metric = |name: &str| {
        let points = (0..3).map(|n| point(&[("n", n.into())], 0, 1, Number::Int(n)));
        gauge(name, points.collect())
    };
    let data = || Data::Metrics(vec![resource_metrics(&[], vec![metric("m"), metric("k")])]);
    let route = |context: &str, condition: &str, action: &str| {
        bench(&format!(
            "{{default_pipelines: [metrics/b], table: [{{context: {context}, condition: '{condition}', action: {action}, pipelines: [metrics/a]}}]}}"
        ))
        .run(data())
    };
    let condition = r#"metric.name == "m" and attributes["n"] > 0"#;
    assert_eq!(route("datapoint", condition, "move"), ["metrics/a: m2", "metrics/b: m1 k3"]);
    assert_eq!(route("datapoint", condition, "copy"), ["metrics/a: m2", "metrics/b: m3 k3"]);
    assert_eq!(route("metric", r#"name == "k""#, "move"), ["metrics/a: k3", "metrics/b: m3"]);
    assert_eq!(route("metric", "true", "move"), ["metrics/a: m3 k3"]);
}

#[test]
fn routes_that_cannot_look_at_a_signal_do_not_count_for_it() {
    let yaml = r#"{default_pipelines: [logs/c, traces/b], table: [
        {context: log, condition: 'body == "1"', pipelines: [logs/a]},
        {context: span, condition: 'name == "s"', pipelines: [traces/a]},
        {condition: 'true', pipelines: [logs/b]}]}"#;
    assert_eq!(bench(yaml).run(tenants()), ["logs/a: 1", "logs/b: 2 3 45"]);
    let traces = Data::Traces(vec![spans(&[], &["s", "t"])]);
    assert_eq!(bench(yaml).run(traces), ["traces/a: s", "traces/b: t"]);
}

#[test]
fn a_statement_can_delete_what_it_routed_by() {
    let mut bench = bench(
        r#"{table: [{statement: 'delete_key(attributes, "tenant") where attributes["tenant"] == "x"', pipelines: [logs/a]}]}"#,
    );
    bench.feed(Batch::new(tenants(), Ack::none()));
    let Data::Logs(all) = bench.pipelines[0].1.take().remove(0) else { panic!() };
    assert_eq!((all.len(), all[0].resource.as_ref().unwrap().attributes.len()), (1, 0));
}

#[test]
fn the_source_hears_once_all_parts_have_arrived_and_order_is_kept() {
    let mut bench = bench(
        r#"{default_pipelines: [logs/c], table: [{condition: 'attributes["tenant"] == "x"', pipelines: [logs/a, logs/b]}]}"#,
    );
    let (ack, outcomes) = watched();
    bench.feed(Batch::new(tenants(), ack).in_lane(Some(Lane(7))));
    for (_, seen) in &bench.pipelines[..3] {
        assert!(outcomes.is_empty());
        assert_eq!(seen.take().len(), 1);
    }
    assert_eq!(outcomes.len(), 1);
}

#[test]
fn a_condition_that_fails_passes_the_item_on_and_is_counted() {
    let mut bench = bench(
        r"{default_pipelines: [logs/c], table: [{context: log, condition: 'ParseInt(body, 2) == 1', pipelines: [logs/a]}]}",
    );
    assert_eq!(bench.run(tenants()), ["logs/a: 1", "logs/c: 2 3 45"]);
    assert_eq!(bench.telemetry.total("kmagent_connector_routing_condition_errors"), 4);
}

#[test]
fn mistakes_are_named_with_their_place() {
    for (yaml, want) in [
        ("{}", "the routing table is empty"),
        ("{table: [{condition: 'true'}]}", "no pipelines defined"),
        ("{table: [{pipelines: [logs]}]}", "no condition or statement provided"),
        (
            "{table: [{condition: 'true', statement: 'route()', pipelines: [logs]}]}",
            "both condition and statement",
        ),
        ("{table: [{condition: 'true', context: scope, pipelines: [logs]}]}", "invalid context \"scope\""),
        (
            "{table: [{condition: 'x', context: request, pipelines: [logs]}]}",
            "headers of requests are not kept",
        ),
        ("{table: [{condition: 'nope == 1', pipelines: [logs]}]}", "table::0::condition"),
        (
            "{table: [{statement: 'set(attributes[\"a\"], 1)', pipelines: [logs]}]}",
            "\"set\" cannot be used here",
        ),
        ("{table: [{condition: 'true', pipelines: [events]}]}", "table::0::pipelines::0"),
        ("{table: [{condition: 'true', action: throw, pipelines: [logs]}]}", "throw"),
    ] {
        let found = issues::<RoutingConfig>(yaml);
        assert!(found.contains(want), "{yaml}: {found}");
    }
}
