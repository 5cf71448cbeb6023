//! `kubernetes_sd_configs`: targets from the objects of a cluster.
//!
//! Each role is a file: which label sets its objects make. [`stores::Stores`] follows the objects,
//! shared with whoever else in the process wants the same; [`needs`] finds out which of their labels
//! and annotations the rules read at all. Source: Prometheus 3, `discovery/kubernetes`.

mod endpoints;
mod ingress;
mod labels;
mod needs;
mod node;
mod pod;
mod service;
mod slices;
mod stores;

use std::time::{Duration, Instant};

use self::stores::Stores;
use super::Provider;
use crate::pipeline::Stop;
use crate::receivers::prometheus::config::scrape::KubernetesSdConfig;
use crate::receivers::prometheus::relabel::Rule;
use crate::receivers::prometheus::scrape::LabelSet;

/// The objects of a role, as targets.
pub struct Kubernetes {
    config: KubernetesSdConfig,
    rules: Vec<Rule>,
    stores: Option<Stores>,
    epoch: Option<u64>,
    told: Option<Instant>,
    said: bool,
}

/// Before the first complete list.
const SOON: Duration = Duration::from_millis(100);
const PAUSE: Duration = Duration::from_secs(1);
/// Changes are told together, this often at most.
const TOGETHER: Duration = Duration::from_secs(5);
/// Until another try when there is no way to the API server.
const RETRY: Duration = Duration::from_secs(30);

impl Kubernetes {
    pub fn new(config: &KubernetesSdConfig, rules: &[Rule]) -> Self {
        Self {
            config: config.clone(),
            rules: rules.to_vec(),
            stores: None,
            epoch: None,
            told: None,
            said: false,
        }
    }

    fn targets(&self, stores: &Stores) -> Vec<LabelSet> {
        match self.config.role.as_str() {
            "node" => node::targets(stores),
            "pod" => pod::targets(stores),
            "service" => service::targets(stores),
            "endpoints" => endpoints::targets(stores),
            "endpointslice" => slices::targets(stores),
            _ => ingress::targets(stores),
        }
    }
}

impl Provider for Kubernetes {
    fn look(&mut self, _: &Stop) -> Option<Vec<LabelSet>> {
        if self.stores.is_none() {
            match Stores::follow(&self.config, &self.rules) {
                Ok(stores) => self.stores = Some(stores),
                Err(error) => {
                    if !std::mem::replace(&mut self.said, true) {
                        log::error!("kubernetes_sd_configs: {error}; it is tried again every 30 seconds");
                    }
                    return None;
                }
            }
        }
        let stores = self.stores.as_ref()?;
        if !stores.is_synced() || self.told.is_some_and(|told| told.elapsed() < TOGETHER) {
            return None;
        }
        let epoch = stores.epoch();
        if self.epoch == Some(epoch) {
            return None;
        }
        self.epoch = Some(epoch);
        self.told = Some(Instant::now());
        Some(self.targets(stores))
    }

    fn pause(&self) -> Duration {
        match (&self.stores, self.told) {
            (None, _) => RETRY,
            (Some(_), None) => SOON,
            (Some(_), Some(_)) => PAUSE,
        }
    }
}
