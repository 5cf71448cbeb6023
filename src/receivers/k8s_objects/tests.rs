//! The configuration, and what is made of objects.

use super::config::ObjectConfig;
use super::record::Objects;
use super::{K8sObjectsConfig, TYPE};
use crate::config::{Decoder, Node, from_yaml};
use crate::kube::list_watch::Change;
use crate::kube::{Discovery, Wanted};
use crate::otlp::{AnyValue, Attributes};
use crate::receivers::kube_changes::Convert;

fn errors(yaml: &str) -> Vec<String> {
    let node: Node = from_yaml(yaml).unwrap();
    let mut decoder = Decoder::at(&node, "receivers::k8sobjects".to_owned());
    (TYPE.decode)(&mut decoder);
    decoder.into_found().iter().map(ToString::to_string).collect()
}

#[test]
fn mistakes_are_told_with_their_place() {
    let found = errors(
        "objects: [{name: ''}, {name: pods, exclude_watch_type: [ADDED]},
          {name: pods, mode: watch, exclude_watch_type: [DELETE]}, {name: pods, exclude_namespaces: ['(']}]",
    );
    for text in [
        "objects::0::name",
        "can only be used with watch mode",
        "did you mean \"DELETED\"?",
        "objects::3::exclude_namespaces",
    ] {
        assert!(found.iter().any(|line| line.contains(text)), "{text}: {found:#?}");
    }
    assert!(errors("objects: []")[0].contains("at least one"));
    assert!(errors("{error_mode: ignore, include_initial_state: true, storage: file_storage, objects: [{name: events,
        group: events.k8s.io, mode: watch, namespaces: [shop], label_selector: a=b, field_selector: c=d,
        resource_version: '12', exclude_watch_type: [DELETED]}]}").is_empty());
    let config: K8sObjectsConfig = from_yaml("objects: [{name: pods, interval: 0}]").unwrap();
    assert_eq!(config.objects[0].every().as_secs(), 3600);
}

#[test]
fn objects_become_maps_that_say_what_they_are() {
    let discovery = Discovery::of(&[(
        "example.com/v1",
        include_str!("../../../tests/fixtures/kube/discovery/apis-example.com-v1.json"),
    )]);
    let found = discovery.find(Wanted { name: "widgets", ..Wanted::default() }).unwrap();
    let config: ObjectConfig = from_yaml(
        "{name: widgets, mode: watch, exclude_watch_type: [MODIFIED], exclude_namespaces: [^kube-]}",
    )
    .unwrap();
    let mut objects = Objects::new(&config, found, false, "1");
    let json =
        br#"{"metadata": {"name": "a", "namespace": "shop"}, "spec": {"n": 3, "f": 1.5, "l": [true, null]}}"#;
    let (namespace, record) = objects.pulled(json).unwrap();
    assert_eq!(namespace, "shop");
    assert_eq!(record.attributes.get_str("k8s.resource.name"), Some("widgets"));
    assert!(!record.attributes.contains("event.name") && record.observed_time_unix_nano > 0);
    let Some(AnyValue::Map(body)) = record.body else { panic!("no map") };
    assert_eq!((body.get_str("kind"), body.get_str("apiVersion")), (Some("Widget"), Some("example.com/v1")));
    let Some(AnyValue::Map(spec)) = body.get("spec") else { panic!("no spec") };
    assert_eq!((spec.get("n"), spec.get("f")), (Some(&AnyValue::Int(3)), Some(&AnyValue::Double(1.5))));

    let logs = objects.convert(Change::Deleted, json).unwrap();
    assert_eq!(logs.resource.unwrap().attributes.get_str("k8s.namespace.name"), Some("shop"));
    let record = &logs.scope_logs[0].log_records[0];
    assert_eq!(record.attributes.get_str("event.domain"), Some("k8s"));
    assert_eq!(record.attributes.get_str("event.name"), Some("a"));
    let Some(AnyValue::Map(body)) = &record.body else { panic!("no map") };
    assert_eq!(body.get_str("type"), Some("DELETED"));
    assert!(
        matches!(body.get("object"), Some(AnyValue::Map(object)) if object.get_str("kind") == Some("Widget"))
    );
    assert!(objects.convert(Change::Modified, json).is_none());
    let system = br#"{"metadata": {"name": "a", "namespace": "kube-system"}}"#;
    assert!(objects.convert(Change::Added, system).is_none());
    assert!(objects.convert(Change::Added, b"[1]").is_none());
}

#[test]
fn a_resource_that_is_not_served_is_told_with_the_nearest_one() {
    let discovery = Discovery::of(&[
        ("v1", include_str!("../../../tests/fixtures/kube/discovery/api-v1.json")),
        ("apps/v1", include_str!("../../../tests/fixtures/kube/discovery/apis-apps-v1.json")),
    ]);
    let named = |name| Wanted { name, ..Wanted::default() };
    assert_eq!(discovery.find(named("pods")).unwrap().kind, "Pod");
    assert_eq!(discovery.find(named("Deployment")).unwrap().resource.group, "apps");
    assert!(discovery.find(named("bindings")).is_none(), "it cannot be listed");
    let text = discovery.explain(named("deploymnets"));
    assert!(text.starts_with("resource not found: deploymnets, did you mean \"deployments\"?"), "{text}");
    assert!(text.contains("Available resources in cluster: ") && text.contains("statefulsets"), "{text}");
    let text = discovery.explain(Wanted { name: "pods", group: "apps", version: "" });
    assert!(text.contains("there is one in group \"\""), "{text}");
}
