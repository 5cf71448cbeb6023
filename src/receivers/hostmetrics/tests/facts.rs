//! The tables of metrics are those of upstream's metadata, and those of the user's page.

use super::*;
use crate::otlp::build::{Shape, ValueType};
use crate::receivers::switches;

#[derive(serde::Deserialize)]
struct Metadata {
    #[serde(default)]
    attributes: BTreeMap<String, MetadataAttribute>,
    #[serde(default)]
    resource_attributes: BTreeMap<String, MetadataAttribute>,
    metrics: BTreeMap<String, MetadataMetric>,
}

#[derive(serde::Deserialize)]
struct MetadataAttribute {
    name_override: Option<String>,
    description: String,
    enabled: Option<bool>,
}

#[derive(serde::Deserialize)]
struct MetadataMetric {
    enabled: bool,
    description: String,
    unit: Unit,
    sum: Option<MetadataShape>,
    gauge: Option<MetadataShape>,
    #[serde(default)]
    attributes: Vec<String>,
}

/// Some files write `unit: 1` for `unit: "1"`.
struct Unit(String);

impl<'de> Deserialize<'de> for Unit {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl serde::de::Visitor<'_> for Text {
            type Value = Unit;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a unit")
            }
            fn visit_str<E>(self, text: &str) -> Result<Unit, E> {
                Ok(Unit(text.to_owned()))
            }
            fn visit_u64<E>(self, number: u64) -> Result<Unit, E> {
                Ok(Unit(number.to_string()))
            }
            fn visit_i64<E>(self, number: i64) -> Result<Unit, E> {
                Ok(Unit(number.to_string()))
            }
        }
        deserializer.deserialize_any(Text)
    }
}

#[derive(serde::Deserialize)]
struct MetadataShape {
    value_type: String,
    monotonic: Option<bool>,
    aggregation_temporality: Option<String>,
}

fn metadata(scraper: &str) -> Metadata {
    let text =
        std::fs::read_to_string(fixture("metadata/hostmetrics").join(format!("{scraper}.yaml"))).unwrap();
    // By way of JSON: the files have keys that are of no interest, and a config must not.
    let value: serde_json::Value = from_yaml(&text).unwrap();
    serde_json::from_value(value).unwrap()
}

/// Metrics that are newer than the files.
const NEWER: &[&str] = &[
    "system.linux.memory.dirty",
    "system.memory.page_size",
    "system.memory.linux.shared",
    "system.memory.linux.hugepages.limit",
    "system.memory.linux.hugepages.page_size",
    "system.memory.linux.hugepages.reserved",
    "system.memory.linux.hugepages.surplus",
    "system.memory.linux.hugepages.usage",
    "system.memory.linux.hugepages.utilization",
];

#[test]
fn the_tables_are_upstreams_metadata_to_the_letter() {
    for (scraper, infos) in tables() {
        let metadata = metadata(scraper);
        for name in metadata.metrics.keys() {
            assert!(infos.iter().any(|info| info.name == name), "{scraper} has no {name}");
        }
        for info in infos {
            let Some(want) = metadata.metrics.get(info.name) else {
                assert!(NEWER.contains(&info.name), "{} is made up", info.name);
                assert!(!info.enabled);
                continue;
            };
            let name = info.name;
            assert_eq!(info.enabled, want.enabled, "{name}");
            assert_eq!(info.description, want.description.trim_end(), "{name}");
            assert_eq!(info.unit, want.unit.0, "{name}");
            let (shape, value) = match (&want.sum, &want.gauge) {
                (Some(sum), None) => {
                    assert_eq!(sum.aggregation_temporality.as_deref(), Some("cumulative"), "{name}");
                    let shape = if sum.monotonic.unwrap() { Shape::Counter } else { Shape::UpDown };
                    (shape, &sum.value_type)
                }
                (None, Some(gauge)) => (Shape::Gauge, &gauge.value_type),
                _ => panic!("{name} is neither sum nor gauge"),
            };
            assert_eq!(info.shape, shape, "{name}");
            let value_type = if info.value == ValueType::Int { "int" } else { "double" };
            assert_eq!(value_type, value, "{name}");
            let attributes: Vec<&str> = want
                .attributes
                .iter()
                .map(|key| metadata.attributes[key].name_override.as_deref().unwrap_or(key))
                .collect();
            assert_eq!(info.attributes, attributes, "{name}");
        }
    }
}

#[test]
fn the_resource_attributes_are_upstreams() {
    let want = metadata("process").resource_attributes;
    assert_eq!(want.len(), process::ATTRIBUTES.len());
    for (name, enabled, description) in process::ATTRIBUTES {
        let want = &want[name];
        assert_eq!((Some(enabled), description), (want.enabled, want.description.trim_end()), "{name}");
    }
}

#[test]
fn points_have_the_attributes_that_the_tables_promise() {
    let mut host = Scraped::new(&fixture("proc/healthy"), &everything());
    host.scrape();
    let infos: BTreeMap<&str, &MetricInfo> =
        tables().into_iter().flat_map(|(_, infos)| infos).map(|info| (info.name, info)).collect();
    let mut seen = std::collections::BTreeSet::new();
    for metric in host.scrape().iter_mut().flat_map(|resource| &mut resource.scope_metrics[0].metrics) {
        let info = infos[metric.name.as_str()];
        seen.insert(info.name);
        metric.data.as_mut().unwrap().for_each_attributes(|attributes| {
            let keys: Vec<&str> = attributes.iter().map(|entry| entry.key.as_str()).collect();
            assert_eq!(keys, info.attributes, "{}", info.name);
        });
    }
    let missing: Vec<_> = infos.keys().filter(|name| !seen.contains(*name)).collect();
    // Handles are Windows' own; the fixture has no directory of open files.
    assert_eq!(missing, [&"process.handles", &"process.open_file_descriptors"]);
}

#[test]
fn the_users_page_has_the_same_tables() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/components/hostmetrics.md");
    let page = std::fs::read_to_string(page).unwrap();
    for (scraper, infos) in tables() {
        let table = switches::markdown(infos);
        assert!(page.contains(&table), "the page must have this table for {scraper}:\n\n{table}");
    }
}
