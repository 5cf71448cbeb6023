//! The configuration, resolved: ours and OBI's keys brought together, with the environment.

use std::path::PathBuf;
use std::time::Duration;

use super::attributes::{Family, Selections};
use super::cidr::Cidrs;
use super::config::{EbpfConfig, Switch};
use super::filter::Filter;
use super::kernel::{PROGRAMS, Wanted};
use super::mistakes::Mistakes;
use crate::kube::{ApiConfig, AuthType};

/// What the receiver is to do.
#[derive(Clone, Debug)]
pub struct Settings {
    /// False: it does nothing, because the user has switched it off.
    pub enabled: bool,
    pub interval: Duration,
    pub initial_delay: Duration,
    pub wanted: Wanted,
    /// Which metrics of the flows are sent.
    pub bytes: bool,
    pub packets: bool,
    pub inter_zone: bool,
    pub max_flows: usize,
    pub flow_ttl: Duration,
    pub filter: Filter,
    /// Numbers of protocols; empty: all.
    pub protocols: Vec<u8>,
    pub exclude_protocols: Vec<u8>,
    pub cidrs: Cidrs,
    pub selections: Selections,
    pub cgroup_path: PathBuf,
    pub node: String,
    pub cluster_name: String,
    pub kubernetes: Option<Kubernetes>,
    pub dns_depth: usize,
    pub dns_timeout: Duration,
}

/// How the cluster is followed.
#[derive(Clone, Debug)]
pub struct Kubernetes {
    pub api: ApiConfig,
    pub cluster_wide: bool,
    /// Without a cluster there is nothing to follow, which is no mistake.
    pub if_there_is_one: bool,
}

/// Room for 20,000 flows costs the kernel some 15 MiB on two CPUs.
const MAX_FLOWS: u32 = 20_000;
const MOST_FLOWS: u32 = 1_000_000;

#[derive(Clone, Copy, Debug, Default)]
struct Features {
    flows: bool,
    tcp: bool,
    drops: bool,
    dns: bool,
}

impl Settings {
    /// The error lists all mistakes: the place in the section and what to do.
    pub fn resolve(
        config: &EbpfConfig,
        variable: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Self, Vec<(String, String)>> {
        let mut found = Vec::new();
        let mut mistakes = Mistakes::new(&mut found);
        let variable = |name: &str| variable(name).filter(|value| !value.trim().is_empty());
        let network = &config.network;

        if config.collection_interval.is_zero() {
            mistakes.error("collection_interval", "must be longer than zero: write \"10s\"");
        }
        if config.dns.timeout.is_zero() {
            mistakes.error("dns::timeout", "must be longer than zero: write \"5s\"");
        }
        let enabled = match variable("KM_EBPF_NETWORK_ENABLED").as_deref().map(str::trim) {
            None => network.enable.unwrap_or(true),
            Some("true" | "1" | "yes" | "on") => true,
            Some("false" | "0" | "no" | "off") => false,
            Some(other) => {
                let text = format!(
                    "the environment variable KM_EBPF_NETWORK_ENABLED is \"{other}\": write true or false"
                );
                mistakes.error("network::enable", text);
                true
            }
        };
        let mut features = features(config, &mut mistakes);
        let (bytes, packets, inter_zone) = flow_metrics(config, &mut features, &mut mistakes);
        let at_interfaces = match network.source.as_deref() {
            None | Some("" | "socket_filter" | "cgroup") => false,
            Some("tc") => true,
            Some(other) => {
                mistakes.error(
                    "network::source",
                    format!("\"{other}\" is no source: choose from socket_filter, tc"),
                );
                false
            }
        };
        let direction = match &config.direction {
            Some(direction) => ("direction", direction.as_str()),
            None => ("network::direction", network.direction.as_deref().unwrap_or("both")),
        };
        let (ingress, egress) = match direction.1 {
            "both" | "" => (true, true),
            "ingress" => (true, false),
            "egress" => (false, true),
            other => {
                let text = format!("\"{other}\" is no direction: choose from both, ingress, egress");
                mistakes.error(direction.0, text);
                (true, true)
            }
        };
        let (path, max_flows) = match (config.max_flows, network.cache_max_flows) {
            (Some(flows), _) => ("max_flows", flows),
            (None, Some(flows)) => ("network::cache_max_flows", flows),
            (None, None) => ("max_flows", MAX_FLOWS),
        };
        if !(16..=MOST_FLOWS).contains(&max_flows) {
            mistakes.error(path, format!("must be between 16 and {MOST_FLOWS}"));
        }
        for (n, name) in config.exclude_programs.iter().enumerate() {
            if !PROGRAMS.contains(&name.as_str()) {
                mistakes.error(
                    &format!("exclude_programs::{n}"),
                    format!("\"{name}\" is no program: choose from {}", PROGRAMS.join(", ")),
                );
            }
        }
        let cidrs = cidrs(config, &variable, &mut mistakes);
        let filter = Filter::new(
            &config.include,
            &config.exclude,
            &config.discovery.services,
            &config.discovery.exclude_services,
            &mut mistakes,
        );
        let protocols = protocols_of(&network.protocols, "network::protocols", &mut mistakes);
        let exclude_protocols =
            protocols_of(&network.exclude_protocols, "network::exclude_protocols", &mut mistakes);
        let selections = Selections::new(&config.attributes.select, &mut mistakes);
        let node = [Some(config.node.clone()), variable("KM_NODE_NAME"), variable("NODE_NAME")];
        let node = node.into_iter().flatten().find(|node| !node.is_empty()).unwrap_or_default();
        let kubernetes = kubernetes(config, &node, &variable, &mut mistakes);
        if !found.is_empty() {
            return Err(found);
        }
        Ok(Self {
            enabled,
            interval: config.collection_interval,
            initial_delay: config.initial_delay,
            wanted: Wanted {
                flows: features.flows,
                tcp: features.tcp,
                drops: features.drops,
                dns: features.dns,
                ingress,
                egress,
                at_interfaces,
                interfaces: network.interfaces.clone(),
                exclude_interfaces: network
                    .exclude_interfaces
                    .clone()
                    .unwrap_or_else(|| vec!["lo".to_owned()]),
                sampling: config.sampling.or(network.sampling).unwrap_or(1).max(1),
                max_flows,
                exclude_programs: config.exclude_programs.clone(),
                cgroup_path: config.cgroup_path.clone(),
            },
            bytes,
            packets,
            inter_zone,
            max_flows: max_flows as usize,
            flow_ttl: config.flow_ttl.max(config.collection_interval * 2),
            filter,
            protocols,
            exclude_protocols,
            cidrs,
            selections,
            cgroup_path: config.cgroup_path.clone(),
            node,
            cluster_name: match config.attributes.kubernetes.cluster_name.as_str() {
                "" => variable("KM_CLUSTER_NAME").unwrap_or_default(),
                name => name.to_owned(),
            },
            kubernetes,
            dns_depth: config.dns.name_depth,
            dns_timeout: config.dns.timeout,
        })
    }
}

fn features(config: &EbpfConfig, mistakes: &mut Mistakes<'_>) -> Features {
    let Some(names) = &config.features else {
        return Features { flows: true, tcp: true, drops: true, dns: true };
    };
    let mut features = Features::default();
    for (n, name) in names.iter().enumerate() {
        match name.as_str() {
            "flows" => features.flows = true,
            "tcp" => features.tcp = true,
            "drops" => features.drops = true,
            "dns" => features.dns = true,
            _ => mistakes.error(
                &format!("features::{n}"),
                format!("\"{name}\" is no feature: choose from flows, tcp, drops, dns"),
            ),
        }
    }
    features
}

/// Narrows the features to what `metrics.features` asks for; which metrics of the flows are sent.
fn flow_metrics(
    config: &EbpfConfig,
    features: &mut Features,
    mistakes: &mut Mistakes<'_>,
) -> (bool, bool, bool) {
    let Some(names) = &config.metrics.features else { return (true, true, true) };
    let (mut bytes, mut packets, mut zones, mut tcp) = (false, false, false, false);
    for (n, name) in names.iter().enumerate() {
        match name.as_str() {
            "network" => bytes = true,
            "network_flow_packets" => packets = true,
            "network_inter_zone" => zones = true,
            "stats" | "network_stats" => tcp = true,
            name if name.starts_with("stats_tcp") || name.starts_with("network_stats") => tcp = true,
            "*" | "all" => (bytes, packets, zones, tcp) = (true, true, true, true),
            name if name.starts_with("application") => mistakes.error(
                &format!("metrics::features::{n}"),
                format!("\"{name}\" is about requests of applications, which this receiver does not look into: leave it out"),
            ),
            _ => mistakes.error(
                &format!("metrics::features::{n}"),
                format!("\"{name}\" is no feature: choose from network, network_flow_packets, network_inter_zone, stats"),
            ),
        }
    }
    features.flows &= bytes || packets || zones;
    // Without a word of ours on it, OBI's list decides on the rest too.
    if config.features.is_none() {
        features.tcp = tcp;
    }
    (bytes, packets, zones)
}

fn cidrs(
    config: &EbpfConfig,
    variable: &dyn Fn(&str) -> Option<String>,
    mistakes: &mut Mistakes<'_>,
) -> Cidrs {
    let (path, resolved) = if !config.cidrs.is_empty() {
        ("cidrs", config.cidrs.resolve())
    } else if !config.network.cidrs.is_empty() {
        ("network::cidrs", config.network.cidrs.resolve())
    } else {
        let list = variable("KM_EBPF_NETWORK_CIDRS").unwrap_or_default();
        let resolved = Cidrs::from_list(&list)
            .map_err(|error| format!("the environment variable KM_EBPF_NETWORK_CIDRS: {error}"));
        ("cidrs", resolved)
    };
    resolved.unwrap_or_else(|error| {
        mistakes.error(path, error);
        Cidrs::default()
    })
}

fn kubernetes(
    config: &EbpfConfig,
    node: &str,
    variable: &dyn Fn(&str) -> Option<String>,
    mistakes: &mut Mistakes<'_>,
) -> Option<Kubernetes> {
    const ENABLE: &str = "attributes::kubernetes::enable";
    let kubernetes = &config.attributes.kubernetes;
    let (wanted, if_there_is_one) = match &kubernetes.enable {
        None => (true, true),
        Some(Switch::Bool(on)) => (*on, false),
        Some(Switch::Text(text)) => match text.as_str() {
            "autodetect" | "" => (true, true),
            "true" => (true, false),
            "false" => (false, false),
            other => {
                mistakes
                    .error(ENABLE, format!("\"{other}\" is no switch: choose from true, false, autodetect"));
                (false, false)
            }
        },
    };
    if kubernetes.auth_type == AuthType::Tls {
        mistakes.error("attributes::kubernetes::auth_type", "\"tls\" is for the kubelet only");
    }
    let in_cluster =
        kubernetes.auth_type == AuthType::KubeConfig || variable("KUBERNETES_SERVICE_HOST").is_some();
    if !wanted || (if_there_is_one && (!in_cluster || (node.is_empty() && !kubernetes.cluster_wide))) {
        return None;
    }
    if node.is_empty() && !kubernetes.cluster_wide {
        mistakes.error(
            "node",
            "the name of the node is not known: set KM_NODE_NAME from spec.nodeName in the pod's manifest",
        );
    }
    let api = ApiConfig { auth_type: kubernetes.auth_type, context: kubernetes.context.clone() };
    Some(Kubernetes { api, cluster_wide: kubernetes.cluster_wide, if_there_is_one })
}

/// The protocols that a user names, by number.
pub const PROTOCOLS: [(u8, &str); 10] = [
    (1, "ICMP"),
    (2, "IGMP"),
    (6, "TCP"),
    (17, "UDP"),
    (47, "GRE"),
    (50, "ESP"),
    (51, "AH"),
    (58, "ICMPv6"),
    (132, "SCTP"),
    (136, "UDPLITE"),
];

fn protocols_of(names: &[String], path: &str, mistakes: &mut Mistakes<'_>) -> Vec<u8> {
    let number = |name: &String| {
        let known = PROTOCOLS.iter().find(|(_, known)| known.eq_ignore_ascii_case(name));
        known.map(|(number, _)| *number).or_else(|| name.parse().ok())
    };
    let mut numbers = Vec::new();
    for (n, name) in names.iter().enumerate() {
        match number(name) {
            Some(number) => numbers.push(number),
            None => mistakes.error(
                &format!("{path}::{n}"),
                format!("\"{name}\" is no protocol: write TCP, UDP, … or its number"),
            ),
        }
    }
    numbers
}

/// The metric families that a selection of attributes may name.
pub fn family_of(metric: &str) -> Option<Family> {
    let name = metric.replace('_', ".");
    let name = name.strip_suffix(".total").unwrap_or(&name);
    Some(match name {
        "obi.network.flow.bytes" | "obi.network.flow.packets" => Family::Flow,
        "obi.network.inter.zone.bytes" => Family::InterZone,
        "kmagent.network.drop.packets" | "kmagent.network.drop.bytes" => Family::Drop,
        name if name.starts_with("obi.stat.tcp.") || name.starts_with("kmagent.tcp.") => Family::Tcp,
        name if name.starts_with("dns.") || name.starts_with("kmagent.dns.") => Family::Dns,
        _ => return None,
    })
}
