//! Target groups, as files and web services write them.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::receivers::prometheus::scrape::LabelSet;

/// Targets that share labels.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Group {
    pub targets: Vec<String>,
    pub labels: BTreeMap<String, String>,
}

/// Adds the label sets of a group.
pub fn targets_of<'l>(
    targets: &[String],
    labels: impl Iterator<Item = (&'l str, &'l str)> + Clone,
    all: &mut Vec<LabelSet>,
) {
    for target in targets {
        let mut set = vec![("__address__".to_owned(), target.clone())];
        set.extend(labels.clone().map(|(name, value)| (name.to_owned(), value.to_owned())));
        all.push(set);
    }
}

/// Adds the label sets of groups that came from `source`, which they are told by that label.
pub fn targets_from(groups: &[Group], label: &str, source: &str, all: &mut Vec<LabelSet>) {
    for group in groups {
        let labels = group.labels.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        targets_of(&group.targets, labels.chain([(label, source)]), all);
    }
}
