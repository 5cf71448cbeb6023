//! Leader election with real agents: one works at a time, another takes over within the lease time,
//! nothing is told twice or missed. And the receivers that only need an API server.

use std::sync::Arc;
use std::time::{Duration, Instant};

use kmagent::config::from_yaml;
use kmagent::kube::Namespaces;
use kmagent::otlp::AnyValue;
use kmagent::pipeline::{Data, Signal, Stop};
use kmagent::receivers::k8s_apiserver_health::ApiServerHealthConfig;
use kmagent::receivers::k8s_customresource::CustomResourceConfig;
use kmagent::receivers::scraper::SystemClock;
use kmagent::telemetry::StatusBoard;
use serde_json::{Value, json};

use crate::support::agent::{Agent, wait_for};
use crate::support::collect::{Collected, Running, points};
use crate::support::data::context;
use crate::support::kube::{FakeKube, Verb};
use crate::support::sink::TestSink;

const EVENTS: &str = "/api/v1/events";
const LEASES: &str = "/apis/coordination.k8s.io/v1/leases";
const LEASE_DURATION: Duration = Duration::from_secs(2);

struct Replica {
    agent: Agent,
    sink: TestSink,
    _dir: tempfile::TempDir,
}

impl Replica {
    fn start(server: &FakeKube) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let sink = TestSink::new();
        let config = format!(
            "
receivers:
  k8s_events: {{auth_type: kubeConfig, k8s_leader_elector: k8s_leader_elector}}
exporters:
  otlphttp: {{endpoint: '{}', compression: none}}
service:
  extensions: [health_check, k8s_leader_elector]
  pipelines:
    logs: {{receivers: [k8s_events], exporters: [otlphttp]}}
extensions:
  k8s_leader_elector:
    auth_type: kubeConfig
    lease_name: agent
    lease_namespace: km-agent
    lease_duration: 2s
    renew_deadline: 1s
    retry_period: 200ms
",
            sink.url()
        );
        let kubeconfig = server.kubeconfig(dir.path());
        let mut agent = Agent::start_in(dir.path(), &config, &[], &[("KUBECONFIG", &kubeconfig)]);
        agent.wait_ready();
        Self { agent, sink, _dir: dir }
    }

    fn messages(&self) -> Vec<String> {
        let mut all = Vec::new();
        for data in self.sink.accepted() {
            let Data::Logs(logs) = data else { continue };
            for record in logs.into_iter().flat_map(|r| r.scope_logs).flat_map(|s| s.log_records) {
                all.push(record.body.as_ref().and_then(AnyValue::as_str).unwrap().to_owned());
            }
        }
        all
    }

    fn is_leading(&self) -> bool {
        self.agent.log().contains("leading by the lease")
    }
}

fn holder(server: &FakeKube) -> String {
    let lease = server.objects(LEASES).into_values().next();
    lease.and_then(|lease| lease["spec"]["holderIdentity"].as_str().map(str::to_owned)).unwrap_or_default()
}

fn put_event(server: &FakeKube, n: usize) {
    let now = kmagent::time::rfc3339(std::time::SystemTime::now());
    server.put(
        EVENTS,
        json!({
            "metadata": {"name": format!("event-{n}"), "namespace": "shop", "uid": format!("uid-{n}")},
            "eventTime": now, "message": format!("message {n}"), "type": "Normal",
        }),
    );
}

#[test]
fn a_killed_leader_is_followed_within_the_lease_time_and_two_never_work() {
    let server = FakeKube::start();
    let first = Replica::start(&server);
    wait_for("the first to lead", || first.is_leading());
    let second = Replica::start(&server);
    let watching = |count: usize| move |server: &FakeKube| server.count(Verb::Watch) >= count;
    wait_for("a watch", || watching(1)(&server));
    for n in 0..5 {
        put_event(&server, n);
    }
    wait_for("five events", || first.messages().len() == 5);
    assert!(!second.is_leading() && second.messages().is_empty(), "two work at a time");
    // Time passes between the last sign of the old leader and what happens next.
    let renewed = server.count(Verb::Replace);
    wait_for("a renewal", || server.count(Verb::Replace) > renewed + 7);
    let identity = holder(&server);
    let killed = Instant::now();
    first.agent.kill();
    put_event(&server, 5);
    wait_for("the second to lead", || second.is_leading());
    let took = killed.elapsed();
    // The lease, a retry, and what a busy machine adds.
    assert!(took < LEASE_DURATION + Duration::from_secs(2), "{took:?}");
    assert_ne!(holder(&server), identity);
    wait_for("the event of the gap", || second.messages().contains(&"message 5".to_owned()));
    put_event(&server, 6);
    wait_for("the next event", || second.messages().contains(&"message 6".to_owned()));
    assert_eq!(second.messages(), ["message 5", "message 6"]);
    assert!(
        server.objects(LEASES).into_values().next().unwrap()["spec"]["leaseTransitions"].as_u64() >= Some(1)
    );

    // An orderly end gives the lease back: the next one need not wait.
    let third = Replica::start(&server);
    let (status, _) = second.agent.terminate();
    assert!(status.success());
    let ended = Instant::now();
    wait_for("the third to lead", || third.is_leading());
    assert!(ended.elapsed() < LEASE_DURATION, "{:?}", ended.elapsed());
}

#[test]
fn a_leader_that_loses_its_lease_stops_at_once() {
    let server = FakeKube::start();
    let replica = Replica::start(&server);
    wait_for("it to lead", || replica.is_leading());
    wait_for("a watch", || server.count(Verb::Watch) > 0);
    let mut lease: Value = server.objects(LEASES).into_values().next().unwrap();
    lease["spec"]["holderIdentity"] = json!("somebody-else");
    lease["spec"]["leaseDurationSeconds"] = json!(60);
    server.put(LEASES, lease);
    wait_for("it to stop", || replica.agent.log().contains("is lost to \\\"somebody-else\\\""));
    std::thread::sleep(Duration::from_secs(1)); // as long as a receiver may take to stop
    put_event(&server, 0);
    let watches = server.count(Verb::Watch);
    std::thread::sleep(Duration::from_millis(500)); // nothing may happen
    assert!(replica.messages().is_empty());
    assert_eq!(server.count(Verb::Watch), watches);
    assert_eq!(holder(&server), "somebody-else");
}

#[test]
fn health_checks_become_gauges_also_when_they_fail() {
    let server = FakeKube::start();
    server.page("/readyz", 200, include_str!("fixtures/kube/readyz-verbose.txt"));
    server.page("/livez", 500, "[+]ping ok\n[-]etcd failed: reason withheld\nlivez check failed\n");
    let config: ApiServerHealthConfig = from_yaml("{endpoints: [readyz, livez]}").unwrap();
    let board = StatusBoard::default();
    let context = context("k8s_apiserver_health", Stop::never(), &board);
    let mut scraping = config.scraping(&server.client(), Arc::new(SystemClock), context);
    let all = points(&scraping.scrape(&Stop::never()));
    let value = |metric: &str, attributes: &[&str]| {
        all.iter()
            .find(|point| {
                point.metric == metric
                    && attributes.iter().all(|value| {
                        point.attributes.iter().any(|attribute| attribute.value.as_str() == Some(value))
                    })
            })
            .map(|point| point.value)
    };
    assert_eq!(value("k8s.apiserver.healthy", &["readyz"]), Some(1.0));
    assert_eq!(value("k8s.apiserver.healthy", &["livez"]), Some(0.0));
    assert_eq!(value("k8s.apiserver.health.check", &["livez", "etcd"]), Some(0.0));
    assert_eq!(value("k8s.apiserver.health.check", &["livez", "ping"]), Some(1.0));
    assert_eq!(value("k8s.apiserver.health.check", &["readyz", "informer-sync"]), Some(1.0));
}

const WIDGET_METRICS: &str = "
collection_interval: 100ms
resources:
  - group_version_kind: {group: example.com, kind: Widget}
    metric_name_prefix: widget
    metrics:
      - {name: replicas, each: {type: gauge, gauge: {path: [spec, replicas]}}}
";

#[test]
fn fields_of_a_custom_resource_become_metrics_as_long_as_it_is_there() {
    const WIDGETS: &str = "/apis/example.com/v1/widgets";
    let server = FakeKube::start();
    for (path, json) in [
        ("/api/v1", include_str!("fixtures/kube/discovery/api-v1.json")),
        ("/apis/example.com/v1", include_str!("fixtures/kube/discovery/apis-example.com-v1.json")),
        ("/apis", include_str!("fixtures/kube/discovery/apis.json")),
    ] {
        server.page(path, 200, json);
    }
    server.load(WIDGETS, include_str!("fixtures/kube/api/widgets.json"));
    let config: CustomResourceConfig = from_yaml(WIDGET_METRICS).unwrap();
    let board = StatusBoard::default();
    let namespaces = Namespaces::within("k8s_customresource", &[], "");
    let receiver =
        config.receiver(server.client(), namespaces, context("k8s_customresource", Stop::never(), &board));
    let collected = Collected::default();
    let running = Running::start(Box::new(receiver), collected.outputs(&[Signal::Metrics]));
    let last = |collected: &Collected| {
        let data = collected.data();
        let Some(Data::Metrics(metrics)) = data.last() else { return Vec::new() };
        let mut values: Vec<_> = points(metrics).iter().map(|point| point.value).collect();
        values.sort_by(f64::total_cmp);
        values
    };
    collected.wait("both widgets", |collected| last(collected) == [1.0, 3.0]);
    let all = collected.points();
    let one = all.iter().find(|point| point.resource("k8s.customresource.name") == "left-hand").unwrap();
    assert_eq!(one.metric, "widget_replicas");
    assert_eq!(one.resource("k8s.customresource.kind"), "Widget");
    assert_eq!(one.resource("k8s.customresource.version"), "v1");
    assert_eq!(one.resource("k8s.namespace.name"), "shop");
    server.delete(WIDGETS, "payments", "spare");
    collected.wait("one widget", |collected| last(collected) == [3.0]);
    running.stop().unwrap();
}
