//! The detectors, one file a platform. The table below is the one place that knows them all.

mod aws;
mod azure;
mod consul;
mod docker;
mod env;
mod gcp;
mod heroku;
mod kubernetes;
mod system;

use std::time::Duration;

use super::ResourceDetectionConfig;
use super::environment::Environment;
use super::http::{Failure, Http};
use crate::otlp::{AnyValue, KeyValue};

pub use system::HostnameSource;

/// A way to find attributes.
pub struct Detector {
    pub name: &'static str,
    /// What it can find, and whether that is used by default. Empty: anything, always.
    pub attributes: &'static [(&'static str, bool)],
    /// Whether it answers at once, without asking the network.
    pub is_quick: fn(&ResourceDetectionConfig) -> bool,
    /// Off its platform a detector finds nothing, which is no error.
    pub detect: fn(&Probe<'_>) -> Result<Vec<KeyValue>, String>,
}

pub static ALL: &[&Detector] = &[
    &aws::EC2,
    &aws::ECS,
    &aws::EKS,
    &aws::ELASTIC_BEANSTALK,
    &aws::LAMBDA,
    &azure::AKS,
    &azure::AZURE,
    &consul::CONSUL,
    &docker::DOCKER,
    &env::ENV,
    &gcp::GCP,
    &heroku::HEROKU,
    &kubernetes::KUBEADM,
    &kubernetes::NODE,
    &system::SYSTEM,
];

/// Detectors of the collector that are not built yet.
pub static NOT_BUILT: &[&str] = &[
    "akamai",
    "alibaba_ecs",
    "digitalocean",
    "dynatrace",
    "hetzner",
    "k8s_api",
    "nova",
    "openshift",
    "oraclecloud",
    "scaleway",
    "tencent_cvm",
    "upcloud",
    "vultr",
];

pub fn find(name: &str) -> Option<&'static Detector> {
    ALL.iter().copied().find(|detector| detector.name == name)
}

impl Detector {
    /// The names of its attributes, for messages.
    pub fn names(&self) -> String {
        self.attributes.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ")
    }
}

/// What a detector is given.
pub struct Probe<'a> {
    pub config: &'a ResourceDetectionConfig,
    pub environment: &'a Environment,
    pub http: Http,
    pub timeout: Duration,
    pub detector: &'static Detector,
}

impl Probe<'_> {
    /// Whether an attribute is switched on.
    pub fn wants(&self, attribute: &str) -> bool {
        let by_default = self.detector.attributes.iter().find(|(name, _)| *name == attribute);
        match self.config.toggles(self.detector.name).get(attribute) {
            Some(toggle) => toggle.enabled,
            // What is not in the list was asked for by another setting.
            None => by_default.is_none_or(|(_, enabled)| *enabled),
        }
    }

    pub fn variable(&self, name: &str) -> Option<String> {
        (self.environment.variable)(name)
    }

    pub fn file(&self, path: &str) -> Option<String> {
        std::fs::read_to_string(self.environment.root.join(path.trim_start_matches('/'))).ok()
    }

    fn is_in_kubernetes(&self) -> bool {
        self.variable("KUBERNETES_SERVICE_HOST").is_some()
    }
}

/// Collects attributes whose value is known.
#[derive(Default)]
struct Found(Vec<KeyValue>);

impl Found {
    /// Empty texts are as good as none.
    fn text(&mut self, key: &'static str, value: impl AsRef<str>) {
        if !value.as_ref().is_empty() {
            self.0.push(KeyValue::fixed(key, value.as_ref()));
        }
    }

    fn texts(&mut self, key: &'static str, values: impl IntoIterator<Item = String>) {
        let values: Vec<AnyValue> = values.into_iter().map(AnyValue::from).collect();
        if !values.is_empty() {
            self.0.push(KeyValue::fixed(key, values));
        }
    }
}

/// No metadata service: not this platform.
fn unless_absent<T>(answer: Result<T, Failure>) -> Result<Option<T>, String> {
    match answer {
        Ok(answer) => Ok(Some(answer)),
        Err(failure) => {
            log::debug!("not on this platform: {failure}");
            Ok(None)
        }
    }
}
