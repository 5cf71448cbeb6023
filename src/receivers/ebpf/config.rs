//! The configuration: keys of our own, and those that users of OpenTelemetry's eBPF instrumentation
//! (OBI) have.

use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;
use serde::de::IgnoredAny;

use super::cidr::CidrsConfig;
use super::filter::{SelectorConfig, ServiceConfig};
use super::run::Observing;
use super::settings::Settings;
use crate::component::{BuildError, Context, Receiver, ReceiverConfig};
use crate::config::Issues;
use crate::config::types::duration;
use crate::kube::{AuthType, nullable};

/// Config of `ebpfreceiver`.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EbpfConfig {
    #[serde(deserialize_with = "duration")]
    pub collection_interval: Duration,
    #[serde(deserialize_with = "duration")]
    pub initial_delay: Duration,
    /// `flows`, `tcp`, `drops`, `dns`; `None`: all.
    pub features: Option<Vec<String>>,
    #[serde(deserialize_with = "nullable")]
    pub include: Vec<SelectorConfig>,
    #[serde(deserialize_with = "nullable")]
    pub exclude: Vec<SelectorConfig>,
    /// `both`, `ingress`, `egress`.
    pub direction: Option<String>,
    pub cidrs: CidrsConfig,
    /// Flows that have room, in the kernel and here each.
    pub max_flows: Option<u32>,
    /// One packet of so many is counted.
    pub sampling: Option<u32>,
    /// Flows that nothing was heard of for so long are forgotten.
    #[serde(deserialize_with = "duration")]
    pub flow_ttl: Duration,
    /// Programs that are not loaded, by name.
    #[serde(deserialize_with = "nullable")]
    pub exclude_programs: Vec<String>,
    /// Root of the host's tree of cgroups; empty: found.
    pub cgroup_path: PathBuf,
    /// Name of this node; empty: `KM_NODE_NAME` or `NODE_NAME`.
    pub node: String,
    #[serde(deserialize_with = "nullable")]
    pub dns: DnsConfig,
    #[serde(deserialize_with = "nullable")]
    pub network: NetworkConfig,
    #[serde(deserialize_with = "nullable")]
    pub attributes: AttributesConfig,
    #[serde(deserialize_with = "nullable")]
    pub discovery: DiscoveryConfig,
    #[serde(deserialize_with = "nullable")]
    pub metrics: MetricsConfig,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DnsConfig {
    /// How many labels of a name are told, from its end; 0: none.
    pub name_depth: usize,
    /// A query without an answer for so long is given up on.
    #[serde(deserialize_with = "duration")]
    pub timeout: Duration,
}

/// `network` of OBI.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NetworkConfig {
    pub enable: Option<bool>,
    /// `socket_filter` (at the sockets) or `tc` (at the interfaces).
    pub source: Option<String>,
    pub direction: Option<String>,
    pub cidrs: CidrsConfig,
    pub sampling: Option<u32>,
    pub cache_max_flows: Option<u32>,
    #[serde(deserialize_with = "nullable")]
    pub interfaces: Vec<String>,
    pub exclude_interfaces: Option<Vec<String>>,
    #[serde(deserialize_with = "nullable")]
    pub protocols: Vec<String>,
    #[serde(deserialize_with = "nullable")]
    pub exclude_protocols: Vec<String>,
    // What has no meaning here, accepted so that configurations need no change.
    pub cache_active_timeout: Option<IgnoredAny>,
    pub deduper: Option<IgnoredAny>,
    pub deduper_fc_ttl: Option<IgnoredAny>,
    pub guess_ports: Option<IgnoredAny>,
    pub listen_interfaces: Option<IgnoredAny>,
    pub listen_poll_period: Option<IgnoredAny>,
    pub agent_ip: Option<IgnoredAny>,
    pub agent_ip_iface: Option<IgnoredAny>,
    pub agent_ip_type: Option<IgnoredAny>,
    pub print_flows: Option<IgnoredAny>,
    pub reverse_dns: Option<IgnoredAny>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AttributesConfig {
    #[serde(deserialize_with = "nullable")]
    pub kubernetes: KubernetesConfig,
    #[serde(deserialize_with = "nullable")]
    pub select: std::collections::BTreeMap<String, SelectConfig>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct KubernetesConfig {
    /// `true`, `false`, or `autodetect` (the default): when the agent runs in a cluster.
    pub enable: Option<Switch>,
    pub cluster_name: String,
    /// Follow all pods, nodes and services, not those of this node alone.
    pub cluster_wide: bool,
    pub auth_type: AuthType,
    pub context: String,
}

/// A YAML boolean, or a word.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub enum Switch {
    Bool(bool),
    Text(String),
}

/// Globs of names of attributes.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SelectConfig {
    pub include: Option<Vec<String>>,
    #[serde(deserialize_with = "nullable")]
    pub exclude: Vec<String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DiscoveryConfig {
    #[serde(deserialize_with = "nullable")]
    pub services: Vec<ServiceConfig>,
    #[serde(deserialize_with = "nullable")]
    pub exclude_services: Vec<ServiceConfig>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MetricsConfig {
    /// OBI's names: `network`, `network_inter_zone`, …; `None`: all that `features` says.
    pub features: Option<Vec<String>>,
}

impl Default for EbpfConfig {
    fn default() -> Self {
        Self {
            collection_interval: Duration::from_secs(10),
            initial_delay: Duration::from_secs(1),
            features: None,
            include: Vec::new(),
            exclude: Vec::new(),
            direction: None,
            cidrs: CidrsConfig::default(),
            max_flows: None,
            sampling: None,
            flow_ttl: Duration::from_mins(5),
            exclude_programs: Vec::new(),
            cgroup_path: PathBuf::new(),
            node: String::new(),
            dns: DnsConfig::default(),
            network: NetworkConfig::default(),
            attributes: AttributesConfig::default(),
            discovery: DiscoveryConfig::default(),
            metrics: MetricsConfig::default(),
        }
    }
}

impl Default for DnsConfig {
    fn default() -> Self {
        Self { name_depth: 2, timeout: Duration::from_secs(5) }
    }
}

impl NetworkConfig {
    /// The keys that are set and do nothing, with the reason.
    fn without_effect(&self) -> impl Iterator<Item = (&'static str, &'static str)> {
        const ONCE: &str = "every packet is seen once at the socket that sends or gets it";
        const INTERVAL: &str = "flows are read at every collection_interval";
        const ROLES: &str = "the server is known by who opened the connection";
        const FOLLOWED: &str = "new interfaces are always found";
        const ATTRIBUTES: &str = "the node is told by k8s attributes and resource detection";
        [
            (self.cache_active_timeout.is_some(), "cache_active_timeout", INTERVAL),
            (self.deduper.is_some(), "deduper", ONCE),
            (self.deduper_fc_ttl.is_some(), "deduper_fc_ttl", ONCE),
            (self.guess_ports.is_some(), "guess_ports", ROLES),
            (self.listen_interfaces.is_some(), "listen_interfaces", FOLLOWED),
            (self.listen_poll_period.is_some(), "listen_poll_period", FOLLOWED),
            (self.agent_ip.is_some(), "agent_ip", ATTRIBUTES),
            (self.agent_ip_iface.is_some(), "agent_ip_iface", ATTRIBUTES),
            (self.agent_ip_type.is_some(), "agent_ip_type", ATTRIBUTES),
            (self.print_flows.is_some(), "print_flows", "use the debug exporter"),
            (self.reverse_dns.is_some(), "reverse_dns", "addresses are not looked up in DNS"),
        ]
        .into_iter()
        .filter_map(|(set, key, why)| set.then_some((key, why)))
    }
}

impl ReceiverConfig for EbpfConfig {
    fn validate(&self, issues: &mut Issues) {
        let variable = |name: &str| std::env::var(name).ok();
        if let Err(mistakes) = Settings::resolve(self, &variable) {
            for (path, message) in mistakes {
                issues.error(&path, message);
            }
        }
        for (key, why) in self.network.without_effect() {
            issues.warn(&format!("network::{key}"), format!("has no effect: {why}"));
        }
    }

    fn build(&self, context: Context) -> Result<Box<dyn Receiver>, BuildError> {
        let settings = Settings::resolve(self, &|name| std::env::var(name).ok()).map_err(|mistakes| {
            let texts: Vec<_> = mistakes.into_iter().map(|(path, text)| format!("{path}: {text}")).collect();
            BuildError::new(texts.join("; "))
        })?;
        Ok(Box::new(Observing::new(settings, context)?))
    }
}
