//! The configuration: the collector's keys around a Prometheus configuration.

pub mod http;
pub mod job;
pub mod protocol;
pub mod scrape;
#[cfg(test)]
mod tests;
pub mod values;

use std::collections::HashSet;

use serde::Deserialize;

pub use self::job::{Job, Limits};
pub use self::protocol::Protocol;
use self::scrape::Document;
pub use self::values::PromDuration;
use super::run::PrometheusReceiver;
use crate::component::{BuildError, Context, Receiver, ReceiverConfig};
use crate::config::{ComponentId, Decoder, Issues, Node};
use crate::kube::WhileLeading;

/// Config of `prometheus`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PrometheusConfig {
    /// A Prometheus configuration.
    pub config: Document,
    /// Metric names without what type and unit say already.
    pub trim_metric_suffixes: bool,
    /// `scrape_timeout_seconds`, `scrape_sample_limit`, `scrape_body_size_bytes` beside `up`.
    pub report_extra_scrape_metrics: bool,
    /// Accepted, without effect, as in the collector.
    pub use_start_time_metric: bool,
    pub start_time_metric_regex: String,
    pub target_allocator: Option<Node>,
    pub api_server: Option<Node>,
    /// The extension that decides which replica scrapes; not in the collector.
    pub k8s_leader_elector: Option<ComponentId>,
}

impl PrometheusConfig {
    /// All jobs of a configuration that was validated.
    pub fn resolved(&self) -> Vec<Job> {
        let node = Node::default();
        let mut decoder = Decoder::new(&node);
        self.jobs(&mut decoder.issues())
    }

    /// All jobs; what is wrong with them goes to `issues`.
    fn jobs(&self, issues: &mut Issues<'_>) -> Vec<Job> {
        let document = &self.config;
        document
            .scrape_configs
            .iter()
            .enumerate()
            .map(|(n, job)| {
                let mut issues = issues.within(&format!("config::scrape_configs::{n}"));
                Job::resolve(job, &document.global, self.report_extra_scrape_metrics, &mut issues)
            })
            .collect()
    }

    fn unsupported(&self) -> Vec<&'static str> {
        let document = &self.config;
        let mut found: Vec<_> = [
            ("remote_write", !document.remote_write.is_empty()),
            ("remote_read", !document.remote_read.is_empty()),
            ("rule_files", !document.rule_files.is_empty()),
            ("alert_config.alertmanagers", !document.alerting.alertmanagers.is_empty()),
            ("alert_config.relabel_configs", !document.alerting.alert_relabel_configs.is_empty()),
        ]
        .into_iter()
        .filter(|(_, used)| *used)
        .map(|(name, _)| name)
        .collect();
        found.sort_unstable();
        found
    }
}

impl ReceiverConfig for PrometheusConfig {
    fn validate(&self, issues: &mut Issues) {
        let unsupported = self.unsupported();
        if !unsupported.is_empty() {
            issues.error("config", format!("unsupported features: {}", unsupported.join(", ")));
        }
        if self.config.scrape_configs.is_empty() {
            issues.error("config", "no Prometheus scrape_configs set");
        }
        if !self.config.scrape_config_files.is_empty() {
            issues.error(
                "config::scrape_config_files",
                "is not part of this agent: put the jobs into scrape_configs, for instance as ${file:jobs.yaml}",
            );
        }
        if self.target_allocator.is_some() {
            issues.error("target_allocator", "is not part of this agent: use kubernetes_sd_configs");
        }
        let api = self.api_server.as_ref().and_then(|api| api.get("enabled")?.as_bool());
        if api == Some(true) {
            issues.error("api_server", "is not part of this agent: set enabled to false");
        }
        if self.use_start_time_metric || !self.start_time_metric_regex.is_empty() {
            let key =
                if self.use_start_time_metric { "use_start_time_metric" } else { "start_time_metric_regex" };
            issues.warn(key, "has no effect any more: start times come from _created lines");
        }
        let mut names = HashSet::new();
        for (n, job) in self.config.scrape_configs.iter().enumerate() {
            if !names.insert(&job.job_name) {
                issues.error(
                    &format!("config::scrape_configs::{n}::job_name"),
                    format!("found multiple scrape configs with job name \"{}\"", job.job_name),
                );
            }
        }
        self.jobs(issues);
    }

    fn build(&self, context: Context) -> Result<Box<dyn Receiver>, BuildError> {
        let Some(elector) = self.k8s_leader_elector.clone() else {
            return Ok(Box::new(PrometheusReceiver::new(self, context)?));
        };
        let config = self.clone();
        let build = move |context| {
            PrometheusReceiver::new(&config, context).map(|receiver| Box::new(receiver) as Box<dyn Receiver>)
        };
        Ok(Box::new(WhileLeading::new(elector, context, build)?))
    }
}
