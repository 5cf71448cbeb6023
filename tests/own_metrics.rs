//! The agent's own metrics as OTLP.

use std::collections::BTreeSet;

use kmagent::otlp::Attributes;
use kmagent::otlp::metrics::ResourceMetrics;
use kmagent::pipeline::Data;

use crate::support::agent::{Agent, wait_for};
use crate::support::sink::TestSink;

fn arrived(sink: &TestSink) -> Vec<ResourceMetrics> {
    let metrics = sink.accepted().into_iter().filter_map(|data| match data {
        Data::Metrics(metrics) => Some(metrics),
        _ => None,
    });
    metrics.flatten().collect()
}

#[test]
fn a_periodic_reader_sends_own_metrics_as_otlp() {
    let (dir, sink, own) = (tempfile::tempdir().unwrap(), TestSink::new(), TestSink::new());
    let config = format!(
        "receivers: {{ hostmetrics: {{ initial_delay: 1ms, collection_interval: 1s, scrapers: {{ load: }} }} }}
exporters: {{ otlphttp: {{ endpoint: '{}' }} }}
service:
  telemetry: {{ resource: {{ zone: a, service.name: mine }} }}
  pipelines: {{ metrics: {{ receivers: [hostmetrics], exporters: [otlphttp] }} }}
",
        sink.url()
    );
    let reader = format!(
        "yaml:service: {{ telemetry: {{ metrics: {{ level: normal, readers: [ {{ periodic: {{ interval: 50, \
         exporter: {{ otlp: {{ endpoint: '{}', headers: [{{name: authorization, value: key}}], compression: gzip }} }} }} }} ] }} }} }}",
        own.url()
    );
    let mut agent = Agent::start_with(dir.path(), &config, &[&reader]);
    agent.wait_ready();
    let names = || -> BTreeSet<String> {
        let scopes = arrived(&own).into_iter().flat_map(|resource| resource.scope_metrics);
        scopes.flat_map(|scope| scope.metrics).map(|metric| metric.name).collect()
    };
    wait_for("own metrics at the backend of their own", || {
        let names = names();
        [
            "otelcol_receiver_accepted_metric_points",
            "otelcol_exporter_sent_metric_points",
            "otelcol_exporter_queue_size",
            "otelcol_process_memory_rss",
            "kmagent_ready",
        ]
        .iter()
        .all(|name| names.contains(*name))
    });
    let resource = arrived(&own).remove(0).resource.unwrap().attributes;
    assert_eq!(resource.get_str("service.name"), Some("mine"));
    assert_eq!(resource.get_str("service.version"), Some(env!("CARGO_PKG_VERSION")));
    assert_eq!(resource.get_str("zone"), Some("a"));
    assert_eq!(resource.get_str("service.instance.id").map(str::len), Some(36));
    let keys = own.arrived(|arrived| arrived.header("authorization").map(str::to_owned));
    assert!(keys.iter().all(|key| key.as_deref() == Some("key")), "{keys:?}");
    assert!(arrived(&sink).iter().all(|resource| {
        resource.resource.as_ref().is_none_or(|r| r.attributes.get_str("service.name") != Some("mine"))
    }));
    let (status, took) = agent.terminate();
    assert!(status.success() && took.as_secs() < 5, "{status} after {took:?}");
}

#[test]
fn a_backend_of_own_metrics_that_is_away_costs_a_warning_alone() {
    let (dir, sink) = (tempfile::tempdir().unwrap(), TestSink::new());
    let config = format!(
        "receivers: {{ hostmetrics: {{ initial_delay: 1ms, collection_interval: 100ms, scrapers: {{ load: }} }} }}
exporters: {{ otlphttp: {{ endpoint: '{}' }} }}
service: {{ pipelines: {{ metrics: {{ receivers: [hostmetrics], exporters: [otlphttp] }} }} }}
",
        sink.url()
    );
    let reader = "yaml:service: { telemetry: { metrics: { level: normal, readers: [ { periodic: { interval: 20, \
                  exporter: { otlp: { endpoint: 'http://127.0.0.1:1' } } } } ] } } }";
    let mut agent = Agent::start_with(dir.path(), &config, &[reader]);
    agent.wait_ready();
    wait_for("the state of the reader", || {
        agent.get("/readyz").is_some_and(|(status, body)| status == 200 && body.contains("degraded"))
    });
    wait_for("data of others", || !arrived(&sink).is_empty());
    assert_eq!(agent.log().matches("own metrics are not sent").count(), 1, "{}", agent.log());
    assert!(agent.terminate().0.success());
}
