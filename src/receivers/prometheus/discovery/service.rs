//! `http_sd_configs`: targets from a web service.

use std::io::Read;
use std::sync::Arc;
use std::time::Duration;

use super::Provider;
use super::groups::{Group, targets_from};
use crate::pipeline::Stop;
use crate::receivers::prometheus::HttpClient;
use crate::receivers::prometheus::config::scrape::HttpSdConfig;
use crate::receivers::prometheus::scrape::LabelSet;

/// A web service that knows targets.
pub struct Service {
    url: String,
    client: Arc<HttpClient>,
    refresh: Duration,
    last: Option<Vec<LabelSet>>,
    failing: bool,
}

const REFRESH: Duration = Duration::from_secs(60);
const TIMEOUT: Duration = Duration::from_secs(60);
/// Bytes of an answer.
const LARGEST: u64 = 64 << 20;

impl Service {
    pub fn new(config: &HttpSdConfig) -> Result<Self, String> {
        let client = HttpClient::new(&config.http()).map_err(|error| format!("http_sd_configs: {error}"))?;
        Ok(Self {
            url: config.url.clone(),
            client: Arc::new(client),
            refresh: config.refresh_interval.map_or(REFRESH, |interval| interval.0),
            last: None,
            failing: false,
        })
    }

    fn ask(&self) -> Result<Vec<LabelSet>, String> {
        let seconds = self.refresh.as_secs_f64().to_string();
        let headers =
            [("accept", "application/json"), ("x-prometheus-refresh-interval-seconds", seconds.as_str())];
        let timeout = TIMEOUT.min(self.refresh.max(Duration::from_secs(1)));
        let response =
            self.client.get(&self.url, &headers, true, timeout).map_err(|error| error.to_string())?;
        let mut body = Vec::new();
        let reader = response.into_body().into_with_config().limit(u64::MAX).reader();
        reader.take(LARGEST + 1).read_to_end(&mut body).map_err(|error| error.to_string())?;
        if body.len() as u64 > LARGEST {
            return Err(format!("the answer has more than {LARGEST} bytes"));
        }
        let groups: Vec<Group> = serde_json::from_slice(&body)
            .map_err(|error| format!("the answer is no list of targets: {error}"))?;
        let mut targets = Vec::new();
        targets_from(&groups, "__meta_url", &self.url, &mut targets);
        Ok(targets)
    }
}

impl Provider for Service {
    fn look(&mut self, stop: &Stop) -> Option<Vec<LabelSet>> {
        match self.ask() {
            Ok(targets) => {
                if std::mem::take(&mut self.failing) {
                    log::info!("http_sd_configs: {} works again", self.url);
                }
                if self.last.as_ref() == Some(&targets) {
                    return None;
                }
                self.last = Some(targets.clone());
                Some(targets)
            }
            Err(error) => {
                if !std::mem::replace(&mut self.failing, true) && !stop.is_raised() {
                    log::warn!(
                        "http_sd_configs: {}: {error}; the targets stay as they are, and it is tried again",
                        self.url
                    );
                }
                None
            }
        }
    }

    fn pause(&self) -> Duration {
        self.refresh.max(Duration::from_millis(100))
    }

    fn client(&self) -> Option<Arc<HttpClient>> {
        Some(self.client.clone())
    }
}
