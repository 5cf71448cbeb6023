//! The configuration, with the keys and defaults of the collector's receiver.

use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;

use super::HttpCheckMetric;
use super::check::Check;
use super::source::HttpChecks;
use super::validation::{Validation, ValidationConfig};
use crate::component::{BuildError, Context, Receiver, ReceiverConfig};
use crate::config::types::duration;
use crate::config::{Issues, Node};
use crate::exporters::otlphttp::Headers;
use crate::kube::nullable;
use crate::net::tls::ClientTls;
use crate::otlp::build::Table;
use crate::receivers::scraper::{Clock, Schedule, Scraping, SystemClock};
use crate::receivers::switches::Switches;

/// Config of `httpcheck`.
#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HttpCheckConfig {
    #[serde(deserialize_with = "duration")]
    pub collection_interval: Duration,
    #[serde(deserialize_with = "duration")]
    pub initial_delay: Duration,
    #[serde(deserialize_with = "duration")]
    pub timeout: Duration,
    pub targets: Vec<TargetConfig>,
    #[serde(deserialize_with = "nullable")]
    pub metrics: Switches,
}

/// What is asked, and how.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TargetConfig {
    pub endpoint: String,
    pub endpoints: Vec<String>,
    /// Empty: GET.
    pub method: String,
    pub body: String,
    /// Guess the body's type when no header says it.
    pub auto_content_type: bool,
    pub validations: Vec<ValidationConfig>,
    pub headers: Headers,
    pub tls: ClientTls,
    /// For one check as a whole; 0 = 30 s.
    #[serde(deserialize_with = "duration")]
    pub timeout: Duration,
    pub proxy_url: String,
    pub auth: Option<Node>,
    pub cookies: Option<Node>,
    pub middlewares: Vec<Node>,
    /// Accepted, as the keys below: a check needs none of them.
    pub compression: String,
    pub read_buffer_size: usize,
    pub write_buffer_size: usize,
    pub max_idle_conns: usize,
    pub max_idle_conns_per_host: usize,
    pub max_conns_per_host: usize,
    #[serde(deserialize_with = "duration")]
    pub idle_conn_timeout: Duration,
    pub disable_keep_alives: bool,
    pub force_attempt_http2: bool,
    #[serde(deserialize_with = "duration")]
    pub http2_read_idle_timeout: Duration,
    #[serde(deserialize_with = "duration")]
    pub http2_ping_timeout: Duration,
}

impl Default for HttpCheckConfig {
    fn default() -> Self {
        let Schedule { interval, initial_delay, timeout } = Schedule::DEFAULT;
        Self {
            collection_interval: interval,
            initial_delay,
            timeout,
            targets: Vec::new(),
            metrics: Switches::default(),
        }
    }
}

impl TargetConfig {
    /// The list first, then the single one.
    pub fn urls(&self) -> impl Iterator<Item = (String, &String)> {
        let list = self.endpoints.iter().enumerate().map(|(n, url)| (format!("endpoints::{n}"), url));
        let single = Some(("endpoint".to_owned(), &self.endpoint)).filter(|(_, url)| !url.is_empty());
        list.chain(single)
    }

    fn check(&self, issues: &mut Issues<'_>) {
        if self.urls().next().is_none() {
            issues.error("", "\"endpoint\" must be specified");
        }
        for (key, url) in self.urls() {
            if let Err(reason) = check_url(url) {
                let form = "must be in the form of <scheme>://<hostname>[:<port>]";
                issues.error(&key, format!("\"endpoint\" {form}: {reason}"));
            }
        }
        if ureq::http::Method::from_bytes(self.method().as_bytes()).is_err() {
            issues.error("method", format!("\"{}\" is no method", self.method));
        }
        if let Err(message) = self.headers.to_map() {
            issues.error("headers", message);
        }
        if !self.proxy_url.is_empty() && ureq::Proxy::new(&self.proxy_url).is_err() {
            issues.error("proxy_url", "cannot be used: write http://host:port");
        }
        for (key, used) in [
            ("auth", self.auth.is_some()),
            ("middlewares", !self.middlewares.is_empty()),
            ("cookies", self.cookies.is_some()),
        ] {
            if used {
                issues.error(key, "is not part of this agent: use \"headers\"");
            }
        }
        for (n, validation) in self.validations.iter().enumerate() {
            if let Err((key, message)) = Validation::new(validation) {
                issues.error(&format!("validations::{n}::{key}"), message);
            }
        }
        self.tls.validate("tls", issues);
    }

    pub fn method(&self) -> &str {
        if self.method.is_empty() { "GET" } else { &self.method }
    }
}

fn check_url(text: &str) -> Result<(), String> {
    let url: ureq::http::Uri = text.parse().map_err(|error| format!("{error}"))?;
    match (url.scheme_str(), url.host()) {
        (Some("http" | "https"), Some(host)) if !host.is_empty() => Ok(()),
        _ => Err(format!("\"{text}\" is no absolute http or https URL")),
    }
}

impl HttpCheckConfig {
    fn schedule(&self) -> Schedule {
        Schedule {
            interval: self.collection_interval,
            initial_delay: self.initial_delay,
            timeout: self.timeout,
        }
    }

    /// The receiver, by `clock`.
    pub fn scraping(
        &self,
        clock: Arc<dyn Clock>,
        context: Context,
    ) -> Result<Scraping<HttpChecks>, BuildError> {
        let enabled = self.metrics.resolve(HttpCheckMetric::INFOS);
        let mut checks = Vec::new();
        for target in &self.targets {
            checks.extend(Check::all(target, enabled[HttpCheckMetric::ResponseSize.index()])?);
        }
        let start = crate::time::unix_nanos(clock.wall());
        let source = HttpChecks::new(checks, &enabled, start, context.host.version());
        Ok(Scraping::new(self.schedule(), source, clock, context))
    }
}

impl ReceiverConfig for HttpCheckConfig {
    fn validate(&self, issues: &mut Issues) {
        self.schedule().check(issues);
        if self.targets.is_empty() {
            issues.error("targets", "no targets configured");
        }
        for (n, target) in self.targets.iter().enumerate() {
            target.check(&mut issues.within(&format!("targets::{n}")));
        }
        self.metrics.check_metrics(HttpCheckMetric::INFOS, "metrics", issues);
    }

    fn build(&self, context: Context) -> Result<Box<dyn Receiver>, BuildError> {
        Ok(Box::new(self.scraping(Arc::new(SystemClock), context)?))
    }
}
