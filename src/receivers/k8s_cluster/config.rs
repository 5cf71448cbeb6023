//! The configuration, with the keys and defaults of the collector's receiver.

use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;

use super::attributes::RESOURCE_ATTRIBUTES;
use super::metrics::ClusterMetric;
use super::run::ClusterReceiver;
use crate::component::{BuildError, Context, Receiver, ReceiverConfig};
use crate::config::types::duration;
use crate::config::{ComponentId, Issues};
use crate::kube::{Access, ApiConfig, AuthType, Client, Namespaces, nullable};
use crate::otlp::build::Table;
use crate::receivers::scraper::SystemClock;
use crate::receivers::switches::Switches;

/// Config of `k8s_cluster`.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct K8sClusterConfig {
    pub auth_type: AuthType,
    /// Context of the kubeconfig, for `auth_type: kubeConfig`.
    pub context: String,
    #[serde(deserialize_with = "duration")]
    pub collection_interval: Duration,
    #[serde(deserialize_with = "nullable")]
    pub node_conditions_to_report: Vec<String>,
    #[serde(deserialize_with = "nullable")]
    pub allocatable_types_to_report: Vec<String>,
    /// Accepted: no exporter here takes metadata.
    #[serde(deserialize_with = "nullable")]
    pub metadata_exporters: Vec<String>,
    pub distribution: String,
    /// Between two reports of all entities; zero: on changes only.
    #[serde(deserialize_with = "duration")]
    pub metadata_collection_interval: Duration,
    /// Empty: all.
    #[serde(deserialize_with = "nullable")]
    pub namespaces: Vec<String>,
    /// The older key for one namespace.
    pub namespace: String,
    /// The extension that decides which replica collects.
    pub k8s_leader_elector: Option<ComponentId>,
    #[serde(deserialize_with = "nullable")]
    pub metrics: Switches,
    #[serde(deserialize_with = "nullable")]
    pub resource_attributes: Switches,
}

const DISTRIBUTIONS: [&str; 2] = ["kubernetes", "openshift"];

impl Default for K8sClusterConfig {
    fn default() -> Self {
        Self {
            auth_type: AuthType::ServiceAccount,
            context: String::new(),
            collection_interval: Duration::from_secs(10),
            node_conditions_to_report: vec!["Ready".to_owned()],
            allocatable_types_to_report: Vec::new(),
            metadata_exporters: Vec::new(),
            distribution: "kubernetes".to_owned(),
            metadata_collection_interval: Duration::from_mins(5),
            namespaces: Vec::new(),
            namespace: String::new(),
            k8s_leader_elector: None,
            metrics: Switches::default(),
            resource_attributes: Switches::default(),
        }
    }
}

impl K8sClusterConfig {
    pub fn is_openshift(&self) -> bool {
        self.distribution == "openshift"
    }

    /// The namespaces that the file names.
    pub fn named_namespaces(&self) -> Vec<String> {
        let older = Some(self.namespace.clone()).filter(|name| !name.is_empty());
        self.namespaces.iter().cloned().chain(older).collect()
    }

    /// The receiver on a client that is there already.
    pub fn receiver(&self, client: Arc<Client>, namespaces: Namespaces, context: Context) -> ClusterReceiver {
        ClusterReceiver::new(self.clone(), client, namespaces, Arc::new(SystemClock), context)
    }
}

impl ReceiverConfig for K8sClusterConfig {
    fn validate(&self, issues: &mut Issues) {
        if self.collection_interval.is_zero() {
            issues.error("collection_interval", "must be longer than zero: write \"10s\"");
        }
        if !DISTRIBUTIONS.contains(&self.distribution.as_str()) {
            let message = format!(
                "\"{}\" is not a supported distribution: must be \"openshift\" or \"kubernetes\"",
                self.distribution
            );
            issues.error("distribution", message);
        }
        if self.auth_type == AuthType::Tls {
            issues.error("auth_type", "\"tls\" is for the kubelet only: use serviceAccount or kubeConfig");
        }
        self.metrics.check_metrics(ClusterMetric::INFOS, "metrics", issues);
        let known = RESOURCE_ATTRIBUTES.iter().map(|(name, _)| *name);
        self.resource_attributes.check("resource attribute", known, "resource_attributes", issues);
    }

    fn build(&self, context: Context) -> Result<Box<dyn Receiver>, BuildError> {
        let api = ApiConfig { auth_type: self.auth_type, context: self.context.clone() };
        let access = Access::new(&api).map_err(|error| BuildError::new(error.to_string()))?;
        let id = context.id.to_string();
        if !self.metadata_exporters.is_empty() {
            log::warn!(
                "{id}: metadata_exporters: no exporter takes metadata; put the receiver into a logs \
                 pipeline to send it as entity events"
            );
        }
        let namespaces = Namespaces::new(&id, &self.named_namespaces());
        Ok(Box::new(self.receiver(Client::new(access), namespaces, context)))
    }
}
