//! `k8s_events` and `k8sobjects`: nothing twice and nothing missed, whatever the server or the agent
//! goes through; resources that come and go.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use kmagent::component::{Context, ExtensionConfig, Host, Storage};
use kmagent::config::{ComponentId, from_yaml};
use kmagent::extensions::file_storage::Config;
use kmagent::kube::Namespaces;
use kmagent::otlp::logs::LogRecord;
use kmagent::otlp::{AnyValue, Attributes};
use kmagent::pipeline::{Outcome, Signal, Stop};
use kmagent::receivers::k8s_events::K8sEventsConfig;
use kmagent::receivers::k8s_objects::K8sObjectsConfig;
use kmagent::telemetry::{ComponentState, StatusBoard};
use serde_json::{Value, json};

use crate::support::collect::{Collected, Running, text};
use crate::support::data::context;
use crate::support::kube::{FakeKube, PODS, Verb, eventually};

const EVENTS: &str = "/api/v1/events";
const WIDGETS: &str = "/apis/example.com/v1/widgets";

/// A fresh event about a pod with a message of that number.
pub fn event(n: usize) -> Value {
    let now = seconds_now();
    json!({
        "metadata": {"name": format!("event-{n}"), "namespace": "shop", "uid": format!("uid-{n}"), "creationTimestamp": now},
        "involvedObject": {"kind": "Pod", "namespace": "shop", "name": "web-0"},
        "reason": "Scheduled", "message": format!("message {n}"), "type": "Normal",
        "firstTimestamp": now, "lastTimestamp": now, "count": 1,
    })
}

fn seconds_now() -> String {
    let now = kmagent::time::rfc3339(std::time::SystemTime::now());
    format!("{}Z", &now[..19])
}

/// A storage in a directory.
struct Disk(Arc<dyn Storage>);

impl Host for Disk {
    fn storage(&self, _: &ComponentId) -> Option<Arc<dyn Storage>> {
        Some(self.0.clone())
    }
}

fn on_disk(dir: &Path, mut context: Context) -> Context {
    let config: Config = from_yaml(&format!("directory: {}", dir.display())).unwrap();
    let extension = config.build(context.clone(), StatusBoard::default()).unwrap();
    context.host = Arc::new(Disk(extension.start().unwrap().storage().unwrap()));
    context
}

fn start_events(server: &FakeKube, yaml: &str, collected: &Collected, storage: Option<&Path>) -> Running {
    let config: K8sEventsConfig = from_yaml(yaml).unwrap();
    let mut context = context("k8s_events", Stop::never(), &StatusBoard::default());
    if let Some(dir) = storage {
        context = on_disk(dir, context);
    }
    let namespaces = Namespaces::within("k8s_events", &config.namespaces, "");
    let receiver = config.receiver(server.client(), namespaces, context);
    Running::start(Box::new(receiver), collected.outputs(&[Signal::Logs]))
}

/// How often each message has arrived.
fn messages(collected: &Collected) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for record in collected.records() {
        let text = record.body.as_ref().and_then(AnyValue::as_str).unwrap().to_owned();
        *counts.entry(text).or_default() += 1;
    }
    counts
}

fn wait_for(collected: &Collected, count: usize) {
    collected.wait(&format!("{count} events"), |collected| messages(collected).len() >= count);
    let all = messages(collected);
    assert!(all.len() == count && all.values().all(|times| *times == 1), "{all:?}");
}

#[test]
fn events_from_the_start_on_are_told_once_through_breaks_and_410() {
    let server = FakeKube::start();
    let mut old = event(0);
    old["lastTimestamp"] = json!("2020-01-01T00:00:00Z");
    server.put(EVENTS, old);
    server.put(EVENTS, event(1));
    let collected = Collected::default();
    let running = start_events(&server, "{namespaces: ['\"all\"']}", &collected, None);
    wait_for(&collected, 1);
    eventually("a watch", || server.count(Verb::Watch) > 0);
    server.put(EVENTS, event(2));
    wait_for(&collected, 2);
    server.end_watches();
    server.put(EVENTS, event(3));
    wait_for(&collected, 3);
    // A version too old: a new list, of which only what is new is told.
    let watches = server.count(Verb::Watch);
    server.hang_up();
    server.put(EVENTS, event(4));
    server.delete(EVENTS, "shop", "event-2");
    server.compact();
    wait_for(&collected, 4);
    eventually("a new watch", || server.count(Verb::Watch) > watches);
    server.put(EVENTS, event(5));
    wait_for(&collected, 5);
    running.stop().unwrap();
}

#[test]
fn a_restart_tells_no_event_twice_and_misses_none() {
    let (server, dir) = (FakeKube::start(), tempfile::tempdir().unwrap());
    server.plain_versions();
    let yaml = "{storage: file_storage}";
    let collected = Collected::default();
    let running = start_events(&server, yaml, &collected, Some(dir.path()));
    eventually("a watch", || server.count(Verb::Watch) > 0);
    for n in 0..5 {
        server.put(EVENTS, event(n));
    }
    wait_for(&collected, 5);
    running.stop().unwrap();
    // While nobody looks, and with clocks that differ: what came is told, old or not.
    let mut skewed = event(5);
    skewed["lastTimestamp"] = json!("2020-01-01T00:00:00Z");
    server.put(EVENTS, skewed);
    let running = start_events(&server, yaml, &collected, Some(dir.path()));
    wait_for(&collected, 6);
    running.stop().unwrap();
    // The same when the server has forgotten the version meanwhile.
    server.put(EVENTS, event(6));
    server.compact();
    let running = start_events(&server, yaml, &collected, Some(dir.path()));
    wait_for(&collected, 7);
    server.put(EVENTS, event(7));
    wait_for(&collected, 8);
    running.stop().unwrap();
}

#[test]
fn what_was_not_taken_is_told_again_after_a_restart() {
    let (server, dir) = (FakeKube::start(), tempfile::tempdir().unwrap());
    let collected = Collected::default();
    let running = start_events(&server, "{storage: file_storage}", &collected, Some(dir.path()));
    eventually("a watch", || server.count(Verb::Watch) > 0);
    server.put(EVENTS, event(0));
    wait_for(&collected, 1);
    collected.hold();
    server.put(EVENTS, event(1));
    wait_for(&collected, 2);
    running.stop().unwrap();
    // The agent ends before the backend has taken it.
    collected.release(Outcome::Refused);
    let again = Collected::default();
    let running = start_events(&server, "{storage: file_storage}", &again, Some(dir.path()));
    wait_for(&again, 1);
    assert_eq!(messages(&again).keys().collect::<Vec<_>>(), ["message 1"]);
    running.stop().unwrap();
}

#[test]
fn a_refused_batch_is_told_again() {
    let server = FakeKube::start();
    let collected = Collected::default();
    let running = start_events(&server, "{}", &collected, None);
    eventually("a watch", || server.count(Verb::Watch) > 0);
    server.put(EVENTS, event(0));
    wait_for(&collected, 1);
    collected.settle_all(Some(Outcome::Refused));
    let watches = server.count(Verb::Watch);
    server.put(EVENTS, event(1));
    eventually("the watch goes back", || server.count(Verb::Watch) > watches);
    collected.settle_all(None);
    wait_for(&collected, 2);
    running.stop().unwrap();
}

#[test]
fn namespaces_have_a_watch_each_and_the_own_group_is_a_way_out() {
    let server = FakeKube::start();
    let refused = r#"{"message": "events is forbidden", "code": 403}"#;
    server.page("/api/v1/namespaces/shop/events", 403, refused);
    let collected = Collected::default();
    let running = start_events(&server, "{namespaces: [shop, payments]}", &collected, None);
    let watches = |path: &str| server.seen().iter().any(|seen| seen.verb == Verb::Watch && seen.path == path);
    eventually("both watches", || {
        watches("/api/v1/namespaces/payments/events")
            && watches("/apis/events.k8s.io/v1/namespaces/shop/events")
    });
    let mut own = event(1);
    own["note"] = own["message"].take();
    own["regarding"] = own["involvedObject"].take();
    for key in ["message", "involvedObject"] {
        own.as_object_mut().unwrap().remove(key);
    }
    server.put("/apis/events.k8s.io/v1/events", own);
    wait_for(&collected, 1);
    running.stop().unwrap();
}

// ---------------------------------------------------------------- k8sobjects

fn cluster() -> FakeKube {
    let server = FakeKube::start();
    for (path, json) in [
        ("/api/v1", include_str!("fixtures/kube/discovery/api-v1.json")),
        ("/apis/apps/v1", include_str!("fixtures/kube/discovery/apis-apps-v1.json")),
        ("/apis/example.com/v1", include_str!("fixtures/kube/discovery/apis-example.com-v1.json")),
        ("/apis", include_str!("fixtures/kube/discovery/apis.json")),
    ] {
        server.page(path, 200, json);
    }
    server.load(WIDGETS, include_str!("fixtures/kube/api/widgets.json"));
    server.load(PODS, include_str!("fixtures/kube/api/pods.json"));
    server
}

struct Objects {
    collected: Collected,
    running: Running,
    board: StatusBoard,
}

fn start_objects(server: &FakeKube, yaml: &str, storage: Option<&Path>) -> Objects {
    let config: K8sObjectsConfig = from_yaml(yaml).unwrap_or_else(|error| panic!("{yaml}: {error}"));
    let board = StatusBoard::default();
    let mut context = context("k8sobjects", Stop::never(), &board);
    if let Some(dir) = storage {
        context = on_disk(dir, context);
    }
    let receiver = config.receiver(server.client(), Some(String::new()), context);
    let collected = Collected::default();
    let running = Running::start(Box::new(receiver), collected.outputs(&[Signal::Logs]));
    Objects { collected, running, board }
}

/// Type and name of the changes, in order.
fn changes(collected: &Collected) -> Vec<String> {
    let of = |record: &LogRecord| {
        let Some(AnyValue::Map(body)) = &record.body else { panic!("{record:?}") };
        format!("{} {}", body.get_str("type").unwrap_or_default(), text(&record.attributes, "event.name"))
    };
    collected.records().iter().map(of).collect()
}

#[test]
fn lists_come_whole_with_their_namespaces() {
    let server = cluster();
    let yaml = "{objects: [{name: pods}, {name: widgets, group: example.com}]}";
    let Objects { collected, running, .. } = start_objects(&server, yaml, None);
    let pods = server.objects(PODS).len();
    collected.wait("all objects", |collected| collected.records().len() == pods + 2);
    for logs in collected.logs() {
        let namespace = text(&logs.resource.as_ref().unwrap().attributes, "k8s.namespace.name").to_owned();
        for record in &logs.scope_logs[0].log_records {
            let Some(AnyValue::Map(body)) = &record.body else { panic!("no map") };
            let Some(AnyValue::Map(meta)) = body.get("metadata") else { panic!("no metadata") };
            assert_eq!(meta.get_str("namespace"), Some(namespace.as_str()));
            let kind = body.get_str("kind").unwrap();
            assert_eq!(text(&record.attributes, "k8s.resource.name"), format!("{}s", kind.to_lowercase()));
        }
    }
    running.stop().unwrap();
}

#[test]
fn watches_tell_each_change_once_through_410_and_deletions_nobody_saw() {
    let server = cluster();
    let yaml = "{objects: [{name: widgets, mode: watch}]}";
    let Objects { collected, running, .. } = start_objects(&server, yaml, None);
    eventually("a watch", || server.count(Verb::Watch) > 0);
    let widget = |name: &str, size: usize| json!({"metadata": {"name": name, "namespace": "shop", "uid": name}, "spec": {"size": size}});
    server.put(WIDGETS, widget("new", 1));
    server.put(WIDGETS, widget("new", 2));
    collected.wait("two changes", |collected| collected.records().len() == 2);
    server.hang_up();
    server.delete(WIDGETS, "payments", "spare");
    server.put(WIDGETS, widget("new", 3));
    server.put(WIDGETS, widget("newer", 1));
    server.compact();
    collected.wait("all changes", |collected| collected.records().len() == 5);
    let mut all = changes(&collected);
    assert_eq!(all[..2], ["ADDED new", "MODIFIED new"]);
    all[2..].sort();
    assert_eq!(all[2..], ["ADDED newer", "DELETED spare", "MODIFIED new"]);
    running.stop().unwrap();
}

#[test]
fn the_initial_state_is_told_when_it_is_wanted() {
    let server = cluster();
    let yaml = "{include_initial_state: true, objects: [{name: widgets, mode: watch, exclude_watch_type: [DELETED]}]}";
    let Objects { collected, running, .. } = start_objects(&server, yaml, None);
    collected.wait("the widgets", |collected| collected.records().len() == 2);
    let mut all = changes(&collected);
    all.sort();
    assert_eq!(all, ["ADDED left-hand", "ADDED spare"]);
    server.delete(WIDGETS, "payments", "spare");
    server.put(WIDGETS, json!({"metadata": {"name": "last", "namespace": "shop", "uid": "last"}}));
    collected.wait("the next change", |collected| collected.records().len() == 3);
    assert_eq!(changes(&collected)[2], "ADDED last");
    running.stop().unwrap();
}

#[test]
fn a_watch_goes_on_after_a_restart_where_it_was() {
    let (server, dir) = (cluster(), tempfile::tempdir().unwrap());
    let yaml = "{storage: file_storage, objects: [{name: widgets, mode: watch}]}";
    let first = start_objects(&server, yaml, Some(dir.path()));
    eventually("a watch", || server.count(Verb::Watch) > 0);
    server.put(WIDGETS, json!({"metadata": {"name": "a", "namespace": "shop", "uid": "a"}}));
    first.collected.wait("a change", |collected| collected.records().len() == 1);
    first.running.stop().unwrap();
    server.put(WIDGETS, json!({"metadata": {"name": "b", "namespace": "shop", "uid": "b"}}));
    server.delete(WIDGETS, "shop", "a");
    let second = start_objects(&server, yaml, Some(dir.path()));
    second.collected.wait("what was missed", |collected| collected.records().len() == 2);
    assert_eq!(changes(&second.collected), ["ADDED b", "DELETED a"]);
    second.running.stop().unwrap();
}

#[test]
fn a_resource_that_is_not_served_is_named_with_the_nearest_and_the_rest_runs() {
    let server = cluster();
    let yaml = "{objects: [{name: widgest, mode: watch}, {name: widgets}]}";
    let Objects { collected, running, board } = start_objects(&server, yaml, None);
    collected.wait("the widgets", |collected| collected.records().len() == 2);
    let status = board.components().remove("k8sobjects").unwrap();
    if status.state == ComponentState::Degraded {
        assert!(status.detail.contains("did you mean \"widgets\"?"), "{}", status.detail);
    }
    running.stop().unwrap();
}
