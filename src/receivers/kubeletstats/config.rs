//! The configuration, with the keys and defaults of the collector's receiver.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;

use super::metrics::{CONTAINER_SHARES, KubeletMetric, POD_SHARES};
use super::source::KubeletSource;
use crate::component::{BuildError, Context, Receiver, ReceiverConfig};
use crate::config::Issues;
use crate::config::types::{Secret, duration, section};
use crate::kube::{ApiConfig, AuthType, nullable};
use crate::net::tls::{ClientTls, Version};
use crate::otlp::build::Table;
use crate::receivers::scraper::{Clock, Schedule, Scraping, SystemClock};
use crate::receivers::switches::Switches;

/// Config of `kubeletstats`.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct KubeletStatsConfig {
    #[serde(deserialize_with = "duration")]
    pub collection_interval: Duration,
    #[serde(deserialize_with = "duration")]
    pub initial_delay: Duration,
    #[serde(deserialize_with = "duration")]
    pub timeout: Duration,
    pub auth_type: AuthType,
    /// Context of the kubeconfig, for `auth_type: kubeConfig`.
    pub context: String,
    /// Host and port of the kubelet; for `kubeConfig` the name of the node, whose address the API server knows.
    pub endpoint: String,
    pub ca_file: Option<PathBuf>,
    pub ca_pem: Option<Secret>,
    pub cert_file: Option<PathBuf>,
    pub cert_pem: Option<Secret>,
    pub key_file: Option<PathBuf>,
    pub key_pem: Option<Secret>,
    pub include_system_ca_certs_pool: bool,
    pub min_version: Option<Version>,
    pub max_version: Option<Version>,
    pub insecure_skip_verify: bool,
    #[serde(deserialize_with = "nullable")]
    pub extra_metadata_labels: Vec<String>,
    /// `None`: container, pod and node.
    pub metric_groups: Option<Vec<String>>,
    /// The API server, for what the kubelet does not know.
    #[serde(deserialize_with = "section")]
    pub k8s_api_config: Option<ApiConfig>,
    /// Name of the node, for shares of what it has.
    pub node: String,
    #[serde(deserialize_with = "nullable")]
    pub collect_all_network_interfaces: Interfaces,
    #[serde(deserialize_with = "nullable")]
    pub metrics: Switches,
    #[serde(deserialize_with = "nullable")]
    pub resource_attributes: Switches,
}

/// Where all network interfaces are reported, not the default one alone.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Interfaces {
    pub node: bool,
    pub pod: bool,
}

/// What is measured: `metric_groups`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Group {
    Container,
    Pod,
    Node,
    Volume,
}

/// What else is told of the measured: `extra_metadata_labels`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Label {
    ContainerId,
    VolumeType,
}

/// Attributes of the resources, all of them on.
pub const RESOURCE_ATTRIBUTES: [&str; 15] = [
    "aws.volume.id",
    "container.id",
    "fs.type",
    "gce.pd.name",
    "glusterfs.endpoints.name",
    "glusterfs.path",
    "k8s.container.name",
    "k8s.namespace.name",
    "k8s.node.name",
    "k8s.persistentvolumeclaim.name",
    "k8s.pod.name",
    "k8s.pod.uid",
    "k8s.volume.name",
    "k8s.volume.type",
    "partition",
];

impl Group {
    fn named(name: &str) -> Option<Self> {
        Some(match name {
            "container" => Self::Container,
            "pod" => Self::Pod,
            "node" => Self::Node,
            "volume" => Self::Volume,
            _ => return None,
        })
    }
}

impl Label {
    fn named(name: &str) -> Option<Self> {
        Some(match name {
            "container.id" => Self::ContainerId,
            "k8s.volume.type" => Self::VolumeType,
            _ => return None,
        })
    }
}

impl Default for KubeletStatsConfig {
    fn default() -> Self {
        let Schedule { initial_delay, timeout, .. } = Schedule::DEFAULT;
        Self {
            collection_interval: Duration::from_secs(10),
            initial_delay,
            timeout,
            auth_type: AuthType::Tls,
            context: String::new(),
            endpoint: String::new(),
            ca_file: None,
            ca_pem: None,
            cert_file: None,
            cert_pem: None,
            key_file: None,
            key_pem: None,
            include_system_ca_certs_pool: false,
            min_version: None,
            max_version: None,
            insecure_skip_verify: false,
            extra_metadata_labels: Vec::new(),
            metric_groups: None,
            k8s_api_config: None,
            node: String::new(),
            collect_all_network_interfaces: Interfaces::default(),
            metrics: Switches::default(),
            resource_attributes: Switches::default(),
        }
    }
}

impl KubeletStatsConfig {
    pub fn groups(&self) -> Vec<Group> {
        match &self.metric_groups {
            Some(names) => names.iter().filter_map(|name| Group::named(name)).collect(),
            None => vec![Group::Container, Group::Pod, Group::Node],
        }
    }

    pub fn labels(&self) -> Vec<Label> {
        self.extra_metadata_labels.iter().filter_map(|name| Label::named(name)).collect()
    }

    pub fn hidden_attributes(&self) -> Vec<&'static str> {
        attributes().filter(|name| !self.resource_attributes.is_on(name, true)).collect()
    }

    pub fn tls(&self) -> ClientTls {
        ClientTls {
            ca_file: self.ca_file.clone(),
            ca_pem: self.ca_pem.clone(),
            cert_file: self.cert_file.clone(),
            cert_pem: self.cert_pem.clone(),
            key_file: self.key_file.clone(),
            key_pem: self.key_pem.clone(),
            include_system_ca_certs_pool: self.include_system_ca_certs_pool,
            min_version: self.min_version,
            max_version: self.max_version,
            insecure_skip_verify: self.insecure_skip_verify,
            ..ClientTls::default()
        }
    }

    fn schedule(&self) -> Schedule {
        Schedule {
            interval: self.collection_interval,
            initial_delay: self.initial_delay,
            timeout: self.timeout,
        }
    }

    /// The receiver on a source that is there already, by `clock`.
    pub fn scraping(
        &self,
        source: KubeletSource,
        clock: Arc<dyn Clock>,
        context: Context,
    ) -> Scraping<KubeletSource> {
        Scraping::new(self.schedule(), source, clock, context)
    }
}

fn attributes() -> impl Iterator<Item = &'static str> + Clone {
    RESOURCE_ATTRIBUTES.into_iter()
}

impl ReceiverConfig for KubeletStatsConfig {
    fn validate(&self, issues: &mut Issues) {
        self.schedule().check(issues);
        self.tls().validate("", issues);
        for (n, name) in self.metric_groups.iter().flatten().enumerate() {
            if Group::named(name).is_none() {
                let message = format!(
                    "invalid entry in metric_groups: \"{name}\": choose from container, pod, node, volume"
                );
                issues.error(&format!("metric_groups::{n}"), message);
            }
        }
        for (n, name) in self.extra_metadata_labels.iter().enumerate() {
            let path = format!("extra_metadata_labels::{n}");
            if Label::named(name).is_none() {
                let message =
                    format!("label \"{name}\" is not supported: choose from container.id, k8s.volume.type");
                issues.error(&path, message);
            } else if self.extra_metadata_labels[..n].contains(name) {
                issues.error(&path, format!("duplicate found in extra_metadata_labels: \"{name}\""));
            }
        }
        self.metrics.check_metrics(KubeletMetric::INFOS, "metrics", issues);
        self.resource_attributes.check("resource attribute", attributes(), "resource_attributes", issues);
        for metric in POD_SHARES.of_node().into_iter().chain(CONTAINER_SHARES.of_node()) {
            let name = KubeletMetric::INFOS[metric.index()].name;
            if self.metrics.is_on(name, false) && (self.node.is_empty() || self.k8s_api_config.is_none()) {
                let message = format!(
                    "for {name} the settings \"node\" (the name of the node) and \"k8s_api_config\" are required"
                );
                issues.error(&format!("metrics::{name}"), message);
            }
        }
        if self.k8s_api_config.as_ref().is_some_and(|api| api.auth_type == AuthType::Tls) {
            issues.error("k8s_api_config::auth_type", "\"tls\" is for the kubelet only");
        }
    }

    fn build(&self, context: Context) -> Result<Box<dyn Receiver>, BuildError> {
        let source = KubeletSource::new(self, context.host.version())?;
        Ok(Box::new(self.scraping(source, Arc::new(SystemClock), context)))
    }
}
