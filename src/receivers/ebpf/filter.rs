//! Which flows are wanted: `include`, `exclude`, and the selectors of `discovery`.

use std::collections::BTreeMap;
use std::net::IpAddr;

use globset::GlobBuilder;
use regex::Regex;
use serde::Deserialize;

use super::cidr::Range;
use super::endpoint::Endpoint;
use super::mistakes::Mistakes;

/// One selector: a flow is selected when everything that is set fits.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SelectorConfig {
    /// Globs, as in the next four.
    pub namespaces: Vec<String>,
    pub pods: Vec<String>,
    pub workloads: Vec<String>,
    pub containers: Vec<String>,
    pub processes: Vec<String>,
    /// Labels of the pod and globs of their values.
    pub pod_labels: BTreeMap<String, String>,
    /// Of the server: `443`, `"8000-8100"`.
    pub ports: Vec<Ports>,
    /// Of either end.
    pub cidrs: Vec<String>,
}

/// A selector as `discovery.services` has it: texts are regular expressions.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ServiceConfig {
    pub name: String,
    pub namespace: String,
    pub open_ports: Option<Ports>,
    pub exe_path: String,
    pub k8s_namespace: String,
    pub k8s_pod_name: String,
    pub k8s_deployment_name: String,
    pub k8s_replicaset_name: String,
    pub k8s_statefulset_name: String,
    pub k8s_daemonset_name: String,
    pub k8s_owner_name: String,
    pub k8s_container_name: String,
    pub k8s_pod_labels: BTreeMap<String, String>,
}

/// A number, or numbers and ranges: `80`, `"80,8000-8100"`.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub enum Ports {
    One(u16),
    Many(String),
}

/// The selectors at work.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    include: Vec<Selector>,
    exclude: Vec<Selector>,
}

#[derive(Clone, Debug, Default)]
struct Selector {
    texts: Vec<(Text, Vec<Regex>)>,
    labels: Vec<(String, Regex)>,
    ports: Vec<(u16, u16)>,
    cidrs: Vec<Range>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Text {
    Namespace,
    Pod,
    Workload,
    Container,
    Process,
}

/// What a flow is known by.
pub struct Candidate<'a> {
    pub local: &'a Endpoint,
    pub remote: &'a Endpoint,
    pub addresses: [IpAddr; 2],
    pub server_port: u16,
    /// Of the end on this node.
    pub process: &'a str,
    pub container: &'a str,
}

impl Filter {
    /// Mistakes go to `issues`.
    pub fn new(
        include: &[SelectorConfig],
        exclude: &[SelectorConfig],
        services: &[ServiceConfig],
        exclude_services: &[ServiceConfig],
        issues: &mut Mistakes<'_>,
    ) -> Self {
        let mut selectors = |path: &str, native: &[SelectorConfig], obi_path: &str, obi: &[ServiceConfig]| {
            let mut all = Vec::new();
            for (n, config) in native.iter().enumerate() {
                let mut issues = issues.within(&format!("{path}::{n}"));
                all.push(Selector::new(config, &mut issues));
            }
            for (n, config) in obi.iter().enumerate() {
                let mut issues = issues.within(&format!("{obi_path}::{n}"));
                all.push(Selector::of_service(config, &mut issues));
            }
            all
        };
        Self {
            include: selectors("include", include, "discovery::services", services),
            exclude: selectors("exclude", exclude, "discovery::exclude_services", exclude_services),
        }
    }

    pub fn wants(&self, flow: &Candidate<'_>) -> bool {
        (self.include.is_empty() || self.include.iter().any(|selector| selector.selects(flow)))
            && !self.exclude.iter().any(|selector| selector.selects(flow))
    }

    /// The labels of pods that are looked at.
    pub fn labels(&self) -> Vec<String> {
        self.include
            .iter()
            .chain(&self.exclude)
            .flat_map(|selector| selector.labels.iter().map(|(name, _)| name.clone()))
            .collect()
    }
}

impl Selector {
    fn new(config: &SelectorConfig, issues: &mut Mistakes<'_>) -> Self {
        let mut texts = Vec::new();
        for (text, key, globs) in [
            (Text::Namespace, "namespaces", &config.namespaces),
            (Text::Pod, "pods", &config.pods),
            (Text::Workload, "workloads", &config.workloads),
            (Text::Container, "containers", &config.containers),
            (Text::Process, "processes", &config.processes),
        ] {
            if !globs.is_empty() {
                texts.push((text, globs.iter().filter_map(|glob| from_glob(glob, key, issues)).collect()));
            }
        }
        let labels = config.pod_labels.iter();
        let labels = labels
            .filter_map(|(name, glob)| Some((name.clone(), from_glob(glob, "pod_labels", issues)?)))
            .collect();
        let ports = config.ports.iter().flat_map(|ports| ports.ranges("ports", issues)).collect();
        let mut cidrs = Vec::new();
        for text in &config.cidrs {
            match Range::parse(text) {
                Some(range) => cidrs.push(range),
                None => issues
                    .error("cidrs", format!("\"{text}\" is no range of addresses: write \"10.0.0.0/8\"")),
            }
        }
        let selector = Self { texts, labels, ports, cidrs };
        if selector.is_empty() {
            issues.error("", "selects by nothing: set namespaces, pods, workloads, containers, processes, pod_labels, ports or cidrs");
        }
        selector
    }

    fn of_service(config: &ServiceConfig, issues: &mut Mistakes<'_>) -> Self {
        let mut texts = Vec::new();
        for (text, key, pattern) in [
            (Text::Process, "exe_path", &config.exe_path),
            (Text::Namespace, "k8s_namespace", &config.k8s_namespace),
            (Text::Pod, "k8s_pod_name", &config.k8s_pod_name),
            (Text::Workload, "k8s_deployment_name", &config.k8s_deployment_name),
            (Text::Workload, "k8s_replicaset_name", &config.k8s_replicaset_name),
            (Text::Workload, "k8s_statefulset_name", &config.k8s_statefulset_name),
            (Text::Workload, "k8s_daemonset_name", &config.k8s_daemonset_name),
            (Text::Workload, "k8s_owner_name", &config.k8s_owner_name),
            (Text::Container, "k8s_container_name", &config.k8s_container_name),
        ] {
            if pattern.is_empty() {
                continue;
            }
            // The kernel knows the name of a process, not where its file is.
            let pattern =
                if text == Text::Process { pattern.rsplit('/').next().unwrap_or(pattern) } else { pattern };
            texts.push((text, from_regex(pattern, key, issues).into_iter().collect()));
        }
        let labels = config.k8s_pod_labels.iter();
        let labels = labels
            .filter_map(|(name, pattern)| {
                Some((name.clone(), from_regex(pattern, "k8s_pod_labels", issues)?))
            })
            .collect();
        let ports = config.open_ports.iter().flat_map(|ports| ports.ranges("open_ports", issues)).collect();
        let selector = Self { texts, labels, ports, cidrs: Vec::new() };
        if selector.is_empty() {
            issues.error("", "selects by nothing: set open_ports, exe_path or one of the k8s_ keys");
        }
        selector
    }

    fn is_empty(&self) -> bool {
        self.texts.is_empty() && self.labels.is_empty() && self.ports.is_empty() && self.cidrs.is_empty()
    }

    fn selects(&self, flow: &Candidate<'_>) -> bool {
        let fits_cidr =
            || flow.addresses.iter().any(|address| self.cidrs.iter().any(|range| range.contains(*address)));
        let fits_port = || self.ports.iter().any(|(from, to)| (*from..=*to).contains(&flow.server_port));
        (self.ports.is_empty() || fits_port())
            && (self.cidrs.is_empty() || fits_cidr())
            && (self.fits_end(flow.local, Some((flow.process, flow.container)))
                || self.fits_end(flow.remote, None))
    }

    /// Whether all that is said about an end fits this one; process and container are known of the end
    /// on this node.
    fn fits_end(&self, end: &Endpoint, here: Option<(&str, &str)>) -> bool {
        let text_of = |text: Text| match text {
            Text::Namespace => Some(&*end.namespace),
            Text::Pod => (end.kind == "Pod").then_some(&*end.name),
            Text::Workload => Some(&*end.owner_name),
            Text::Container => here.map(|(_, container)| container),
            Text::Process => here.map(|(process, _)| process),
        };
        self.texts.iter().all(|(text, patterns)| {
            text_of(*text).is_some_and(|text| patterns.iter().any(|pattern| pattern.is_match(text)))
        }) && self.labels.iter().all(|(name, pattern)| {
            end.labels.iter().any(|(key, value)| **key == **name && pattern.is_match(value))
        })
    }
}

impl Ports {
    fn ranges(&self, key: &str, issues: &mut Mistakes<'_>) -> Vec<(u16, u16)> {
        let text = match self {
            Self::One(port) => return vec![(*port, *port)],
            Self::Many(text) => text,
        };
        let mut ranges = Vec::new();
        for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            let (from, to) = part.split_once('-').unwrap_or((part, part));
            match (from.trim().parse(), to.trim().parse()) {
                (Ok(from), Ok(to)) if from <= to => ranges.push((from, to)),
                _ => issues.error(key, format!("\"{part}\" is no port: write \"443\" or \"8000-8100\"")),
            }
        }
        ranges
    }
}

fn from_glob(glob: &str, key: &str, issues: &mut Mistakes<'_>) -> Option<Regex> {
    let regex = GlobBuilder::new(glob).build().map_err(|error| error.to_string());
    // The pattern is for bytes; names here are ASCII.
    let regex = regex.and_then(|glob| {
        Regex::new(&glob.regex().replacen("(?-u)", "", 1)).map_err(|error| error.to_string())
    });
    regex.map_err(|error| issues.error(key, format!("\"{glob}\" is no pattern: {error}"))).ok()
}

fn from_regex(pattern: &str, key: &str, issues: &mut Mistakes<'_>) -> Option<Regex> {
    Regex::new(pattern)
        .map_err(|error| issues.error(key, format!("\"{pattern}\" is no pattern: {error}")))
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::from_yaml;

    fn end(namespace: &str, pod: &str, app: &str) -> Endpoint {
        Endpoint {
            kind: "Pod",
            name: pod.into(),
            namespace: namespace.into(),
            owner_name: "web".into(),
            labels: [("app".into(), app.into())].into(),
            ..Endpoint::default()
        }
    }

    fn wants(include: &str, exclude: &str) -> bool {
        let list = |text: &str| from_yaml::<Vec<SelectorConfig>>(text).unwrap();
        let mut found = Vec::new();
        let filter = Filter::new(&list(include), &list(exclude), &[], &[], &mut Mistakes::new(&mut found));
        assert!(found.is_empty(), "{found:?}");
        filter.wants(&Candidate {
            local: &end("shop", "web-1", "web"),
            remote: &end("data", "db-0", "db"),
            addresses: ["10.0.0.1".parse().unwrap(), "10.9.0.2".parse().unwrap()],
            server_port: 5432,
            process: "nginx",
            container: "main",
        })
    }

    #[test]
    fn a_flow_is_selected_when_all_of_a_selector_fits_one_end() {
        assert!(wants("[]", "[]"));
        for (selector, fits) in [
            ("{namespaces: [shop]}", true),
            ("{namespaces: ['da*']}", true),
            ("{namespaces: [kube-system]}", false),
            ("{namespaces: [shop], pods: ['db-*']}", false),
            ("{namespaces: [data], pods: ['db-*'], workloads: [web]}", true),
            ("{pod_labels: {app: 'w?b'}}", true),
            ("{pod_labels: {app: web, tier: x}}", false),
            ("{processes: [nginx], containers: [main]}", true),
            ("{processes: [nginx], namespaces: [data]}", false),
            ("{ports: [5432]}", true),
            ("{ports: ['80,5000-6000']}", true),
            ("{ports: [80]}", false),
            ("{cidrs: [10.9.0.0/16]}", true),
            ("{cidrs: [192.0.2.0/24]}", false),
        ] {
            assert_eq!(wants(&format!("[{selector}]"), "[]"), fits, "{selector}");
            assert_eq!(wants("[]", &format!("[{selector}]")), !fits, "{selector}");
        }
    }
}
