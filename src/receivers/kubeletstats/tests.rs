//! The table of metrics against the facts it was made from and the page that shows it, and
//! hostile answers.

use std::collections::BTreeMap;
use std::path::Path;

use proptest::prelude::*;

use super::config::RESOURCE_ATTRIBUTES;
use super::metrics::KubeletMetric;
use super::pods::Pods;
use super::summary::Summary;
use crate::config::from_yaml;
use crate::otlp::build::{Shape, Table, ValueType};
use crate::receivers::switches::markdown;

#[derive(serde::Deserialize)]
struct Metadata {
    resource_attributes: BTreeMap<String, Switched>,
    metrics: BTreeMap<String, Metric>,
}

#[derive(serde::Deserialize)]
struct Switched {
    enabled: bool,
}

#[derive(serde::Deserialize)]
struct Metric {
    enabled: bool,
    description: String,
    unit: String,
    sum: Option<Points>,
    gauge: Option<Points>,
    attributes: Vec<String>,
}

#[derive(serde::Deserialize)]
struct Points {
    value_type: String,
    monotonic: Option<bool>,
}

fn metadata() -> Metadata {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/metadata/kubeletstats.yaml");
    let text = std::fs::read_to_string(path).unwrap();
    // By way of JSON: the file has keys that are of no interest, and a config must not.
    serde_json::from_value(from_yaml(&text).unwrap()).unwrap()
}

#[test]
fn the_table_is_upstreams_metadata_to_the_letter() {
    let metadata = metadata();
    assert_eq!(KubeletMetric::INFOS.len(), metadata.metrics.len());
    for info in KubeletMetric::INFOS {
        let name = info.name;
        let want = &metadata.metrics[name];
        assert_eq!(info.enabled, want.enabled, "{name}");
        assert_eq!(info.description, want.description, "{name}");
        assert_eq!(info.unit, want.unit, "{name}");
        assert_eq!(info.attributes, want.attributes, "{name}");
        let (shape, points) = match (&want.sum, &want.gauge) {
            (Some(sum), None) if sum.monotonic == Some(true) => (Shape::Counter, sum),
            (Some(sum), None) => (Shape::UpDown, sum),
            (None, Some(gauge)) => (Shape::Gauge, gauge),
            _ => panic!("{name} is neither sum nor gauge"),
        };
        assert_eq!(info.shape, shape, "{name}");
        let value = if info.value == ValueType::Int { "int" } else { "double" };
        assert_eq!(value, points.value_type, "{name}");
    }
}

#[test]
fn the_resource_attributes_are_upstreams_and_all_on() {
    let want = metadata().resource_attributes;
    assert!(want.values().all(|attribute| attribute.enabled));
    let names: Vec<&str> = want.keys().map(String::as_str).collect();
    assert_eq!(names, RESOURCE_ATTRIBUTES);
}

#[test]
fn the_users_page_has_the_same_table() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/components/kubeletstats.md");
    let page = std::fs::read_to_string(page).unwrap();
    let table = markdown(KubeletMetric::INFOS);
    assert!(page.contains(&table), "the page should hold this table:\n{table}");
}

proptest! {
    #[test]
    fn no_answer_makes_the_decoders_panic(
        bytes in proptest::collection::vec(any::<u8>(), 0..64),
        at in 0_usize..79_766,
    ) {
        let mut summary = include_bytes!("../../../tests/fixtures/kube/kubelet/stats-summary.json").to_vec();
        let at = at.min(summary.len());
        let end = (at + bytes.len()).min(summary.len());
        summary.splice(at..end, bytes.iter().copied());
        let _ = serde_json::from_slice::<Summary>(&summary);
        let _ = Pods::default().add(&bytes);
    }
}
