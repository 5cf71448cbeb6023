//! `resourcedetection`: finds out where the agent runs and says so on every resource.

mod detection;
mod detectors;
mod environment;
mod http;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;

use super::items;
use crate::component::{
    BuildError, Context, Next, Processor, ProcessorConfig, ProcessorType, decode_processor,
};
use crate::config::types::Secret;
use crate::config::{Issues, Node, types};
use crate::kube::{ApiConfig, AuthType};
use crate::otlp::{Attributes, KeyValue};
use crate::pipeline::{Batch, Signal, Stop};

use detection::Detection;
use detectors::{HostnameSource, NOT_BUILT};
use environment::Environment;

pub static TYPE: ProcessorType = ProcessorType {
    name: "resourcedetection",
    aliases: &["resource_detection"],
    signals: &Signal::ALL,
    decode: decode_processor::<ResourceDetectionConfig>,
};

#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ResourceDetectionConfig {
    /// Detectors to run; where two find the same attribute the one listed first wins.
    detectors: Vec<String>,
    /// Whether what is detected replaces attributes that are there.
    r#override: bool,
    /// How long the first batch waits for detection, and how long a detector tries.
    #[serde(deserialize_with = "types::duration")]
    timeout: Duration,
    /// Detect again this often; 0 = never.
    #[serde(deserialize_with = "types::duration")]
    refresh_interval: Duration,
    /// Only these attributes are used; empty: all that are detected.
    attributes: Vec<String>,

    aks: Plain,
    azure: Plain,
    consul: Consul,
    docker: Plain,
    ec2: Ec2,
    ecs: Plain,
    eks: Plain,
    elasticbeanstalk: Plain,
    gcp: Plain,
    heroku: Plain,
    k8snode: K8sNode,
    kubeadm: Kubeadm,
    lambda: Plain,
    system: System,
    // Sections of detectors that this build does not have: fine as long as they are not listed.
    #[serde(rename = "akamai")]
    _akamai: Option<Node>,
    #[serde(rename = "alibaba_ecs")]
    _alibaba_ecs: Option<Node>,
    #[serde(rename = "digitalocean")]
    _digitalocean: Option<Node>,
    #[serde(rename = "dynatrace")]
    _dynatrace: Option<Node>,
    #[serde(rename = "hetzner")]
    _hetzner: Option<Node>,
    #[serde(rename = "k8s_api")]
    _k8s_api: Option<Node>,
    #[serde(rename = "nova")]
    _nova: Option<Node>,
    #[serde(rename = "openshift")]
    _openshift: Option<Node>,
    #[serde(rename = "oraclecloud")]
    _oraclecloud: Option<Node>,
    #[serde(rename = "scaleway")]
    _scaleway: Option<Node>,
    #[serde(rename = "tencent_cvm")]
    _tencent_cvm: Option<Node>,
    #[serde(rename = "upcloud")]
    _upcloud: Option<Node>,
    #[serde(rename = "vultr")]
    _vultr: Option<Node>,
    // Settings of the collector's HTTP client: metadata services are asked directly, in clear text.
    headers: Option<Node>,
    proxy_url: Option<Node>,
    tls: Option<Node>,
}

impl Default for ResourceDetectionConfig {
    fn default() -> Self {
        Self {
            detectors: vec!["env".to_owned()],
            r#override: true,
            timeout: Duration::from_secs(5),
            refresh_interval: Duration::ZERO,
            attributes: Vec::new(),
            aks: Plain::default(),
            azure: Plain::default(),
            consul: Consul::default(),
            docker: Plain::default(),
            ec2: Ec2::default(),
            ecs: Plain::default(),
            eks: Plain::default(),
            elasticbeanstalk: Plain::default(),
            gcp: Plain::default(),
            heroku: Plain::default(),
            k8snode: K8sNode::default(),
            kubeadm: Kubeadm::default(),
            lambda: Plain::default(),
            system: System::default(),
            _akamai: None,
            _alibaba_ecs: None,
            _digitalocean: None,
            _dynatrace: None,
            _hetzner: None,
            _k8s_api: None,
            _nova: None,
            _openshift: None,
            _oraclecloud: None,
            _scaleway: None,
            _tencent_cvm: None,
            _upcloud: None,
            _vultr: None,
            headers: None,
            proxy_url: None,
            tls: None,
        }
    }
}

/// Which attributes of a detector are wanted, where that differs from its defaults.
type Toggles = BTreeMap<String, Toggle>;

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Toggle {
    enabled: bool,
}

/// A detector without settings of its own.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Plain {
    resource_attributes: Toggles,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct System {
    resource_attributes: Toggles,
    /// How to find the host's name: the first that gives one wins.
    hostname_sources: Vec<String>,
}

impl Default for System {
    fn default() -> Self {
        let hostname_sources = vec!["dns".to_owned(), "os".to_owned()];
        Self { resource_attributes: Toggles::new(), hostname_sources }
    }
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Ec2 {
    resource_attributes: Toggles,
    /// Regular expressions on names of instance tags to add as `ec2.tag.<name>`.
    tags: Vec<String>,
    /// Whether it is an error that there is no metadata service.
    fail_on_missing_metadata: bool,
    /// Accepted: attempts are bounded by `timeout`.
    #[serde(rename = "max_attempts")]
    _max_attempts: u32,
    #[serde(rename = "max_backoff")]
    _max_backoff: Option<Node>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct K8sNode {
    resource_attributes: Toggles,
    auth_type: AuthType,
    /// Context of the kubeconfig.
    context: String,
    /// The variable that holds the node's name; default `K8S_NODE_NAME`.
    node_from_env_var: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Kubeadm {
    resource_attributes: Toggles,
    auth_type: AuthType,
    /// Context of the kubeconfig.
    context: String,
}

impl K8sNode {
    fn api(&self) -> ApiConfig {
        ApiConfig { auth_type: self.auth_type, context: self.context.clone() }
    }
}

impl Kubeadm {
    fn api(&self) -> ApiConfig {
        ApiConfig { auth_type: self.auth_type, context: self.context.clone() }
    }
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Consul {
    resource_attributes: Toggles,
    /// Address of the agent; default `CONSUL_HTTP_ADDR`, then `127.0.0.1:8500`.
    address: String,
    token: Secret,
    token_file: String,
    /// Entries of the node's metadata to add; the value of each is not used.
    meta: BTreeMap<String, Option<Node>>,
    #[serde(rename = "datacenter")]
    _datacenter: String,
    #[serde(rename = "namespace")]
    _namespace: String,
}

impl ProcessorConfig for ResourceDetectionConfig {
    fn validate(&self, issues: &mut Issues) {
        for (index, name) in self.detectors.iter().enumerate() {
            let place = format!("detectors::{index}");
            if NOT_BUILT.contains(&name.as_str()) {
                issues
                    .error(&place, format!("detector \"{name}\" is not built yet: remove it from the list"));
            } else if detectors::find(name).is_none() {
                issues.error(&place, format!("invalid detector key: {name}"));
            }
        }
        for detector in detectors::ALL {
            for name in self.toggles(detector.name).keys() {
                if !detector.attributes.iter().any(|(known, _)| known == name) {
                    issues.error(
                        &format!("{}::resource_attributes::{name}", detector.name),
                        format!("is no attribute of this detector: it knows {}", detector.names()),
                    );
                }
            }
        }
        if let Err(error) = self.system.sources() {
            issues.error("system::hostname_sources", error);
        }
        if let Err((index, error)) = super::pattern::compile_all(&self.ec2.tags) {
            issues.error(&format!("ec2::tags::{index}"), error);
        }
        if !self.attributes.is_empty() {
            issues.warn(
                "attributes",
                "is deprecated: use resource_attributes of each detector to switch attributes on and off",
            );
        }
        for (key, given) in [
            ("headers", self.headers.is_some()),
            ("proxy_url", self.proxy_url.is_some()),
            ("tls", self.tls.is_some()),
        ] {
            if given {
                issues.warn(key, "has no effect: metadata services are asked directly, in clear text");
            }
        }
    }

    fn build(&self, context: Context, _: Signal) -> Result<Box<dyn Processor>, BuildError> {
        Ok(Box::new(ResourceDetection {
            detection: detection::shared(self, Environment::of_this_host),
            r#override: self.r#override,
            abort: context.abort,
        }))
    }
}

impl ResourceDetectionConfig {
    fn toggles(&self, detector: &str) -> &Toggles {
        match detector {
            "aks" => &self.aks.resource_attributes,
            "azure" => &self.azure.resource_attributes,
            "consul" => &self.consul.resource_attributes,
            "docker" => &self.docker.resource_attributes,
            "ec2" => &self.ec2.resource_attributes,
            "ecs" => &self.ecs.resource_attributes,
            "eks" => &self.eks.resource_attributes,
            "elasticbeanstalk" => &self.elasticbeanstalk.resource_attributes,
            "gcp" => &self.gcp.resource_attributes,
            "heroku" => &self.heroku.resource_attributes,
            "k8snode" => &self.k8snode.resource_attributes,
            "kubeadm" => &self.kubeadm.resource_attributes,
            "lambda" => &self.lambda.resource_attributes,
            "system" => &self.system.resource_attributes,
            _ => {
                static NONE: Toggles = Toggles::new();
                &NONE
            }
        }
    }
}

/// The schema that the attribute names belong to.
const SCHEMA_URL: &str = "https://opentelemetry.io/schemas/1.6.1";

struct ResourceDetection {
    detection: Arc<Detection>,
    r#override: bool,
    abort: Stop,
}

impl Processor for ResourceDetection {
    fn process(&mut self, mut batch: Batch, next: &mut dyn Next) {
        let detected = self.detection.wait(&self.abort);
        if items::any_resource(batch.data(), |attributes| self.changes(attributes, &detected)) {
            items::for_each_resource(batch.data_mut(), |resource, schema_url| {
                self.apply(&mut resource.attributes, &detected);
                if schema_url.is_empty() {
                    SCHEMA_URL.clone_into(schema_url);
                }
            });
        }
        next.send(batch);
    }
}

impl ResourceDetection {
    fn changes(&self, attributes: &[KeyValue], detected: &[KeyValue]) -> bool {
        detected.iter().any(|found| match attributes.iter().find(|entry| entry.key == found.key) {
            Some(entry) => self.r#override && entry.value != found.value,
            None => true,
        })
    }

    fn apply(&self, attributes: &mut Vec<KeyValue>, detected: &[KeyValue]) {
        attributes.reserve(detected.len());
        for KeyValue { key, value } in detected {
            match self.r#override {
                true => attributes.set(key.clone(), value.clone()),
                false => attributes.set_default(key.clone(), value.clone()),
            }
        }
    }
}

impl System {
    fn sources(&self) -> Result<Vec<HostnameSource>, String> {
        self.hostname_sources.iter().map(|name| name.parse()).collect()
    }
}

#[cfg(test)]
mod tests;
