//! Which labels and annotations of the objects the rules read: no others are kept.

use regex::Regex;

use crate::kube::Keys;
use crate::kube::objects::EntityNeeds;
use crate::receivers::prometheus::relabel::Rule;

/// What the rules read of the objects of that kind (`pod`, `service`, …).
pub fn needs(rules: &[Rule], kind: &str) -> EntityNeeds {
    EntityNeeds { labels: keys(rules, kind, "label"), annotations: keys(rules, kind, "annotation") }
}

fn keys(rules: &[Rule], kind: &str, what: &str) -> Keys {
    let prefix = format!("__meta_kubernetes_{kind}_{what}");
    let mut keys = Keys::default();
    let mut add = |pattern: &str| {
        // Made of literals and classes alone.
        if let Ok(pattern) = Regex::new(pattern) {
            keys.add_pattern(pattern);
        }
    };
    for rule in rules {
        if rule.may_map(&prefix) {
            add("");
        }
        for source in rule.sources() {
            let Some(rest) = source.strip_prefix(&prefix) else { continue };
            let rest = rest.strip_prefix("present").unwrap_or(rest);
            if let Some(name) = rest.strip_prefix('_') {
                // An underscore stands for anything that a label's name may not have.
                add(&format!("^{}$", regex::escape(name).replace('_', "[^A-Za-z0-9]")));
            }
        }
    }
    keys
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Decoder, Node, from_yaml};
    use crate::receivers::prometheus::relabel::{RelabelConfig, compile};

    fn rules(yaml: &str) -> Vec<Rule> {
        let configs: Vec<RelabelConfig> = from_yaml(yaml).unwrap();
        let node = Node::default();
        compile(&configs, "", &mut Decoder::new(&node).issues())
    }

    #[test]
    fn only_what_the_rules_read_is_kept() {
        let rules = rules(
            "
- {source_labels: [__meta_kubernetes_pod_annotation_prometheus_io_scrape], action: keep, regex: 'true'}
- {action: labelmap, regex: __meta_kubernetes_pod_label_(.+)}
- {source_labels: [__meta_kubernetes_service_labelpresent_app], target_label: app}
",
        );
        let pod = needs(&rules, "pod");
        assert!(
            pod.annotations.wants("prometheus.io/scrape") && !pod.annotations.wants("prometheus.io/port")
        );
        assert!(pod.labels.wants("anything.at/all"));
        let service = needs(&rules, "service");
        assert!(service.labels.wants("app") && !service.labels.wants("tier"));
        assert!(service.annotations.is_empty() && needs(&rules, "node").labels.is_empty());
    }
}
