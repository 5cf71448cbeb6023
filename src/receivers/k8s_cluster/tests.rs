//! The configuration and the tables.

use std::time::Duration;

use super::attributes::RESOURCE_ATTRIBUTES;
use super::emit::snake;
use super::metrics::ClusterMetric;
use super::{K8sClusterConfig, TYPE};
use crate::config::{Decoder, Node, from_yaml};
use crate::otlp::build::{Shape, Table, ValueType};
use crate::receivers::switches::markdown;

const METADATA: &str = include_str!("../../../tests/fixtures/metadata/k8scluster.yaml");

fn errors(yaml: &str) -> Vec<String> {
    let node: Node = from_yaml(yaml).unwrap();
    let mut decoder = Decoder::at(&node, "receivers::k8s_cluster".to_owned());
    (TYPE.decode)(&mut decoder);
    decoder.into_found().iter().map(ToString::to_string).collect()
}

#[test]
fn names_units_types_and_defaults_are_upstreams() {
    let metadata: serde_yaml::Value = serde_yaml::from_str(METADATA).unwrap();
    let metrics = metadata["metrics"].as_mapping().unwrap();
    for (name, want) in metrics {
        let name = name.as_str().unwrap();
        let info = ClusterMetric::INFOS.iter().find(|info| info.name == name);
        let info = info.unwrap_or_else(|| panic!("{name} is missing"));
        assert_eq!(info.enabled, want["enabled"].as_bool().unwrap(), "{name}");
        assert_eq!(info.unit, want["unit"].as_str().unwrap(), "{name}");
        assert_eq!(info.description, want["description"].as_str().unwrap(), "{name}");
        assert_eq!(info.shape, Shape::Gauge, "{name}");
        let value = if info.value == ValueType::Int { "int" } else { "double" };
        assert_eq!(value, want["gauge"]["value_type"].as_str().unwrap(), "{name}");
        let attributes: Vec<_> = want["attributes"]
            .as_sequence()
            .map(|all| all.iter().map(|key| key.as_str().unwrap()).collect())
            .unwrap_or_default();
        assert_eq!(info.attributes, attributes, "{name}");
    }
    // Those of later versions are off.
    for info in ClusterMetric::INFOS {
        assert!(!info.enabled || metrics.contains_key(info.name), "{}", info.name);
    }
    for (name, want) in metadata["resource_attributes"].as_mapping().unwrap() {
        let name = name.as_str().unwrap();
        let found = RESOURCE_ATTRIBUTES.iter().find(|(known, _)| *known == name);
        assert_eq!(found.map(|(_, on)| *on), want["enabled"].as_bool(), "{name}");
    }
}

#[test]
fn mistakes_are_told_with_their_place() {
    let found =
        errors("distribution: rancher\ncollection_interval: 0s\nauth_type: tls\nmetrics: {k8s.pod.phas: {}}");
    let has = |text: &str| assert!(found.iter().any(|line| line.contains(text)), "{text}: {found:#?}");
    has("\"rancher\" is not a supported distribution");
    has("collection_interval");
    has("for the kubelet only");
    has("did you mean \"k8s.pod.phase\"?");
}

#[test]
fn the_stock_section_and_every_key_are_accepted() {
    let config: K8sClusterConfig = from_yaml(
        "{auth_type: serviceAccount, collection_interval: 30s, distribution: openshift, context: x,
          metadata_collection_interval: 0, metadata_exporters: [nop], namespaces: [a], namespace: b,
          k8s_leader_elector: k8s_leader_elector/x, node_conditions_to_report: [Ready, DiskPressure],
          allocatable_types_to_report: [cpu], resource_attributes: {k8s.pod.qos_class: {enabled: true}},
          metrics: {k8s.node.condition: {enabled: true}}}",
    )
    .unwrap();
    assert_eq!(config.collection_interval, Duration::from_secs(30));
    assert_eq!(config.named_namespaces(), ["a", "b"]);
    assert!(config.is_openshift());
}

#[test]
fn names_of_conditions_and_resources_become_snakes() {
    for (text, want) in [
        ("Ready", "ready"),
        ("PIDPressure", "pid_pressure"),
        ("DiskPressure", "disk_pressure"),
        ("ephemeral-storage", "ephemeral_storage"),
        ("hugepages-2Mi", "hugepages_2_mi"),
        ("KernelDeadlock", "kernel_deadlock"),
    ] {
        assert_eq!(snake(text), want);
    }
}

#[test]
fn the_users_page_has_the_same_table() {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/components/k8s_cluster.md");
    let table = markdown(ClusterMetric::INFOS);
    assert!(
        std::fs::read_to_string(page).unwrap().contains(&table),
        "the page should hold this table:\n{table}"
    );
}
