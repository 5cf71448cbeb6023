//! `k8s_apiserver_health`: how the API server finds itself, check by check, from `/readyz?verbose`.

mod source;

use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;

pub use source::HealthSource;

use crate::component::{BuildError, Context, Receiver, ReceiverConfig, ReceiverType, decode_receiver};
use crate::config::types::duration;
use crate::config::{ComponentId, Issues};
use crate::kube::{Access, ApiConfig, AuthType, Client, WhileLeading, nullable};
use crate::metric_table;
use crate::otlp::build::Table;
use crate::pipeline::Signal;
use crate::receivers::scraper::{Clock, Schedule, Scraping, SystemClock};
use crate::receivers::switches::Switches;

pub static TYPE: ReceiverType = ReceiverType {
    name: "k8s_apiserver_health",
    aliases: &[],
    signals: &[Signal::Metrics],
    decode: decode_receiver::<ApiServerHealthConfig>,
};

metric_table! {
    /// What the receiver tells.
    pub enum HealthMetric {
        Check: Gauge Int on "k8s.apiserver.health.check" "1" ["check", "endpoint"]
            "Whether one check of the API server passes (1) or fails (0).";
        Healthy: Gauge Int on "k8s.apiserver.healthy" "1" ["endpoint"]
            "Whether the API server calls itself healthy (1); 0 when a check fails or it does not answer.";
        Duration: Gauge Double on "k8s.apiserver.health.duration" "s" ["endpoint"]
            "How long the API server took to answer.";
    }
}

/// Config of `k8s_apiserver_health`.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ApiServerHealthConfig {
    pub auth_type: AuthType,
    /// Context of the kubeconfig, for `auth_type: kubeConfig`.
    pub context: String,
    #[serde(deserialize_with = "duration")]
    pub collection_interval: Duration,
    #[serde(deserialize_with = "duration")]
    pub initial_delay: Duration,
    #[serde(deserialize_with = "duration")]
    pub timeout: Duration,
    /// `readyz`, `livez`, `healthz`.
    #[serde(deserialize_with = "nullable")]
    pub endpoints: Vec<String>,
    /// The extension that decides which replica asks.
    pub k8s_leader_elector: Option<ComponentId>,
    #[serde(deserialize_with = "nullable")]
    pub metrics: Switches,
}

const ENDPOINTS: [&str; 3] = ["readyz", "livez", "healthz"];

impl Default for ApiServerHealthConfig {
    fn default() -> Self {
        Self {
            auth_type: AuthType::ServiceAccount,
            context: String::new(),
            collection_interval: Duration::from_secs(30),
            initial_delay: Schedule::DEFAULT.initial_delay,
            timeout: Duration::from_secs(10),
            endpoints: vec!["readyz".to_owned()],
            k8s_leader_elector: None,
            metrics: Switches::default(),
        }
    }
}

impl ApiServerHealthConfig {
    fn schedule(&self) -> Schedule {
        Schedule {
            interval: self.collection_interval,
            initial_delay: self.initial_delay,
            timeout: self.timeout,
        }
    }

    /// The receiver on a client that is there already, by `clock`.
    pub fn scraping(
        &self,
        client: &Arc<Client>,
        clock: Arc<dyn Clock>,
        context: Context,
    ) -> Scraping<HealthSource> {
        let source = HealthSource::new(self, client, context.host.version());
        Scraping::new(self.schedule(), source, clock, context)
    }
}

impl ReceiverConfig for ApiServerHealthConfig {
    fn validate(&self, issues: &mut Issues) {
        self.schedule().check(issues);
        for (n, endpoint) in self.endpoints.iter().enumerate() {
            if !ENDPOINTS.contains(&endpoint.as_str()) {
                let message =
                    format!("there is no endpoint \"{endpoint}\": choose from readyz, livez, healthz");
                issues.error(&format!("endpoints::{n}"), message);
            }
        }
        self.metrics.check_metrics(HealthMetric::INFOS, "metrics", issues);
        if self.auth_type == AuthType::Tls {
            issues.error("auth_type", "\"tls\" is for the kubelet only: use serviceAccount or kubeConfig");
        }
    }

    fn build(&self, context: Context) -> Result<Box<dyn Receiver>, BuildError> {
        let api = ApiConfig { auth_type: self.auth_type, context: self.context.clone() };
        let access = Access::new(&api).map_err(|error| BuildError::new(error.to_string()))?;
        let (config, client) = (self.clone(), Client::new(access));
        let build = move |context| -> Result<Box<dyn Receiver>, BuildError> {
            Ok(Box::new(config.scraping(&client, Arc::new(SystemClock), context)))
        };
        match self.k8s_leader_elector.clone() {
            Some(elector) => Ok(Box::new(WhileLeading::new(elector, context, build)?)),
            None => build(context),
        }
    }
}
