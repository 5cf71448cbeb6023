//! Names, units and resources.

use super::resource::{Identity, discovered};
use super::unit::{trimmed, ucum};
use super::*;
use crate::otlp::Attributes;

#[test]
fn units_are_ucum() {
    for (unit, wanted) in [
        ("seconds", "s"),
        ("bytes_per_second", "By/s"),
        ("ratio", "1"),
        ("celsius", "Cel"),
        ("furlongs", "furlongs"),
        ("meters_per_week", "m/w"),
        ("", ""),
    ] {
        assert_eq!(ucum(unit), wanted, "{unit}");
    }
}

#[test]
fn names_lose_what_type_and_unit_say() {
    for (name, unit, is_sum, wanted) in [
        ("http_requests_total", "", true, "http_requests"),
        ("http_requests_total", "", false, "http_requests_total"),
        ("x_seconds_total", "seconds", true, "x"),
        ("seconds", "seconds", false, "seconds"),
        ("total", "", true, "total"),
    ] {
        assert_eq!(trimmed(name, unit, is_sum), wanted, "{name}");
    }
}

#[test]
fn a_sample_belongs_to_the_family_its_name_says() {
    let mut families = Families::default();
    families.begin();
    families.set_kind("h", Kind::Histogram);
    families.set_kind("c", Kind::Counter);
    families.set_kind("g", Kind::Gauge);
    families.set_kind("h_count_total", Kind::Counter);
    let resolve = |name: &str| {
        let (family, part, meta) = families.resolve(name);
        (family.to_owned(), part, meta.map(|meta| meta.kind))
    };
    assert_eq!(resolve("h_bucket"), ("h".to_owned(), Part::Bucket, Some(Kind::Histogram)));
    assert_eq!(resolve("c_total"), ("c".to_owned(), Part::Value, Some(Kind::Counter)));
    assert_eq!(resolve("c_created"), ("c".to_owned(), Part::Created, Some(Kind::Counter)));
    // A gauge has no counts.
    assert_eq!(resolve("g_count"), ("g_count".to_owned(), Part::Value, None));
    assert_eq!(resolve("h_count_total").1, Part::Value);
}

#[test]
fn the_resource_names_host_port_and_what_discovery_knew() {
    let identity = |instance: &str| {
        let identity = Identity { scheme: "https".to_owned(), ..Identity::default() };
        let attributes = identity.attributes("j", instance);
        (
            attributes.get_str("server.address").map(str::to_owned),
            attributes.get_str("server.port").unwrap().to_owned(),
        )
    };
    assert_eq!(identity("host:80"), (Some("host".to_owned()), "80".to_owned()));
    assert_eq!(identity("localhost:80"), (None, "80".to_owned()));
    assert_eq!(identity("127.0.0.1:80"), (None, "80".to_owned()));
    assert_eq!(identity("[fd00::1]:80"), (Some("fd00::1".to_owned()), "80".to_owned()));
    assert_eq!(identity("node-a"), (Some("node-a".to_owned()), String::new()));
    let found = discovered(&|name| {
        let value = match name {
            "__meta_kubernetes_pod_name" => "web-1",
            "__meta_kubernetes_pod_controller_kind" => "StatefulSet",
            "__meta_kubernetes_pod_controller_name" => "web",
            "__meta_kubernetes_endpoint_node_name" => "node-a",
            _ => "",
        };
        value.to_owned()
    });
    assert_eq!(found.get_str("k8s.statefulset.name"), Some("web"));
    assert_eq!(found.get_str("k8s.node.name"), Some("node-a"));
    assert_eq!(found.get_str("k8s.pod.name"), Some("web-1"));
}
