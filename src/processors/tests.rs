mod accounting;
mod keys;

use std::collections::BTreeMap;
use std::str::FromStr;

use super::TYPES;
use crate::config::{ComponentId, Decoder, Node, from_yaml};

/// The part of a configuration that this test looks at.
#[derive(serde::Deserialize)]
struct Config {
    processors: BTreeMap<String, Node>,
}

#[test]
fn every_processor_of_the_stock_configurations_decodes_without_a_finding() {
    let mut seen = 0;
    for text in [
        include_str!("../../tests/fixtures/stock/daemonset.yaml"),
        include_str!("../../tests/fixtures/stock/deployment.yaml"),
    ] {
        let whole: serde_yaml::Value = serde_yaml::from_str(text).unwrap();
        let section = serde_yaml::to_string(&BTreeMap::from([("processors", &whole["processors"])])).unwrap();
        for (id, node) in from_yaml::<Config>(&section).unwrap().processors {
            let kind = ComponentId::from_str(&id).unwrap().kind;
            let of_type = TYPES.iter().find(|known| known.name == kind);
            let of_type = of_type.unwrap_or_else(|| panic!("{id} is not built"));
            let mut decoder = Decoder::at(&node, format!("processors::{id}"));
            assert!((of_type.decode)(&mut decoder).is_some(), "{id}: {:?}", decoder.found());
            assert!(decoder.found().is_empty(), "{id}: {:?}", decoder.found());
            seen += 1;
        }
    }
    assert!(seen > 20, "{seen}");
}

#[test]
fn types_are_sorted_and_no_name_is_taken_twice() {
    let names: Vec<&str> = TYPES.iter().map(|kind| kind.name).collect();
    assert!(names.is_sorted(), "{names:?}");
    let mut all: Vec<&str> =
        TYPES.iter().flat_map(|kind| kind.aliases.iter().copied().chain([kind.name])).collect();
    let count = all.len();
    all.sort_unstable();
    all.dedup();
    assert_eq!(all.len(), count);
}
