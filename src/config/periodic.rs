//! A reader that sends the agent's own metrics: `periodic` in `service::telemetry::metrics::readers`, in
//! the words of OpenTelemetry's declarative configuration.

use std::path::PathBuf;
use std::time::Duration;

use super::decode::Issues;
use super::node::Node;
use super::types::Secret;
use crate::exporters::otlphttp::{Headers, OtlpHttpConfig, check_url};
use crate::net::tls::ClientTls;

#[derive(Clone, Debug, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PeriodicReader {
    /// Milliseconds between two exports.
    pub interval: u64,
    /// Milliseconds that one may take.
    pub timeout: u64,
    pub exporter: PushExporter,
}

#[derive(Clone, Debug, Default, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PushExporter {
    pub otlp: Option<OtlpPush>,
    pub console: Option<Node>,
}

/// OTLP over HTTP.
#[derive(Clone, Debug, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OtlpPush {
    pub protocol: String,
    /// A URL; without a path `/v1/metrics` is added.
    pub endpoint: String,
    pub headers: Headers,
    /// `name=value` pairs with commas between; those of `headers` go before.
    pub headers_list: Secret,
    /// `gzip` or `none`.
    pub compression: String,
    /// Milliseconds.
    pub timeout: u64,
    /// The scheme of the endpoint decides.
    pub insecure: Option<bool>,
    pub certificate: Option<PathBuf>,
    pub client_certificate: Option<PathBuf>,
    pub client_key: Option<PathBuf>,
    pub temporality_preference: String,
    pub default_histogram_aggregation: String,
}

impl Default for PeriodicReader {
    fn default() -> Self {
        Self { interval: 60_000, timeout: 30_000, exporter: PushExporter::default() }
    }
}

impl Default for OtlpPush {
    fn default() -> Self {
        Self {
            protocol: "http/protobuf".to_owned(),
            endpoint: "http://localhost:4318/v1/metrics".to_owned(),
            headers: Headers::default(),
            headers_list: Secret::default(),
            compression: String::new(),
            timeout: 10_000,
            insecure: None,
            certificate: None,
            client_certificate: None,
            client_key: None,
            temporality_preference: "cumulative".to_owned(),
            default_histogram_aggregation: String::new(),
        }
    }
}

impl PeriodicReader {
    /// Whether there is something to send.
    pub fn sends(&self) -> bool {
        self.exporter.otlp.is_some()
    }

    /// `path` is where the reader stands.
    pub(super) fn validate(&self, path: &str, issues: &mut Issues<'_>) {
        if self.interval == 0 {
            issues.error(&format!("{path}::interval"), "must be more than 0 milliseconds");
        }
        if self.exporter.console.is_some() {
            issues.warn(&format!("{path}::exporter::console"), "has no effect in this agent");
        }
        match &self.exporter.otlp {
            Some(otlp) => otlp.validate(&format!("{path}::exporter::otlp"), issues),
            None if self.exporter.console.is_none() => {
                issues.error(&format!("{path}::exporter"), "name an exporter: otlp");
            }
            None => {}
        }
    }
}

impl OtlpPush {
    fn validate(&self, path: &str, issues: &mut Issues<'_>) {
        if self.protocol != "http/protobuf" {
            let message =
                format!("\"{}\" is not part of this agent here: use \"http/protobuf\"", self.protocol);
            issues.error(&format!("{path}::protocol"), message);
        }
        if !["", "none", "gzip"].contains(&self.compression.as_str()) {
            issues.error(&format!("{path}::compression"), "choose from gzip, none");
        }
        if let Err(message) = self.url() {
            issues.error(&format!("{path}::endpoint"), message);
        }
        if let Err(message) = self.all_headers().and_then(|headers| headers.to_map().map(drop)) {
            issues.error(&format!("{path}::headers"), message);
        }
        if !["", "cumulative"].contains(&self.temporality_preference.to_lowercase().as_str()) {
            let key = format!("{path}::temporality_preference");
            issues.warn(&key, "has no effect in this agent: its own metrics are cumulative");
        }
    }

    /// The exporter that sends as this says.
    pub fn exporter(&self, timeout: Duration) -> Result<OtlpHttpConfig, String> {
        let timeout =
            if self.timeout == 0 { timeout } else { timeout.min(Duration::from_millis(self.timeout)) };
        Ok(OtlpHttpConfig {
            metrics_endpoint: self.url()?,
            headers: self.all_headers()?,
            compression: self.compression.clone(),
            timeout,
            tls: ClientTls {
                ca_file: self.certificate.clone(),
                cert_file: self.client_certificate.clone(),
                key_file: self.client_key.clone(),
                ..ClientTls::default()
            },
            ..OtlpHttpConfig::default()
        })
    }

    fn url(&self) -> Result<String, String> {
        let url = check_url(&self.endpoint)?;
        Ok(match url.path_and_query().map_or("/", |path| path.as_str()) {
            "/" => format!("{}/v1/metrics", self.endpoint.trim_end_matches('/')),
            _ => self.endpoint.clone(),
        })
    }

    fn all_headers(&self) -> Result<Headers, String> {
        let mut all = Vec::new();
        for pair in self.headers_list.reveal().split(',').map(str::trim).filter(|pair| !pair.is_empty()) {
            let (name, value) =
                pair.split_once('=').ok_or("headers_list: write name=value, with commas between")?;
            all.push((name.trim().to_owned(), Secret::new(value.trim())));
        }
        all.extend(self.headers.0.iter().cloned());
        Ok(Headers(all))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::from_yaml;

    fn otlp(yaml: &str) -> OtlpPush {
        let reader: PeriodicReader = from_yaml(&format!("exporter: {{otlp: {{{yaml}}}}}")).unwrap();
        reader.exporter.otlp.unwrap()
    }

    #[test]
    fn an_endpoint_without_a_path_gets_that_of_metrics() {
        for (given, wanted) in [
            ("", Some("http://localhost:4318/v1/metrics")),
            ("endpoint: 'https://otel:4318'", Some("https://otel:4318/v1/metrics")),
            ("endpoint: 'https://otel:4318/'", Some("https://otel:4318/v1/metrics")),
            ("endpoint: 'https://otel/custom/path'", Some("https://otel/custom/path")),
            ("endpoint: 'otel:4318'", None),
            ("endpoint: 'ftp://otel'", None),
        ] {
            assert_eq!(otlp(given).url().ok().as_deref(), wanted, "{given}");
        }
    }

    #[test]
    fn headers_come_from_both_keys() {
        let headers =
            otlp("headers: [{name: a, value: b}], headers_list: 'c=d, e = f=g'").all_headers().unwrap();
        let shown: Vec<_> =
            headers.0.iter().map(|(name, value)| format!("{name}:{}", value.reveal())).collect();
        assert_eq!(shown, ["c:d", "e:f=g", "a:b"]);
        assert!(otlp("headers_list: nonsense").all_headers().is_err());
    }
}
