//! The `otlphttp` exporter: OTLP over HTTP/1.1, protobuf or JSON, compressed.

mod client;
mod headers;
mod response;

use std::time::Duration;

use serde::Deserialize;

use self::client::Client;
pub use self::client::check_url;
pub(super) use self::client::user_agent;
pub use self::headers::Headers;
use super::Sending;
use super::sending::{RetryOnFailure, SendingQueue};
use crate::component::{
    BuildError, ComponentType, Context, Exporter, ExporterConfig, ExporterType, decode_exporter,
};
use crate::config::types::{duration, section};
use crate::config::{Issues, Node};
use crate::net::compression::Codec;
use crate::net::tls::ClientTls;
use crate::pipeline::Signal;

pub static TYPE: ExporterType = ComponentType {
    name: "otlphttp",
    aliases: &["otlp_http"],
    signals: &Signal::ALL,
    decode: decode_exporter::<OtlpHttpConfig>,
};

/// Config of `otlphttp`.
#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OtlpHttpConfig {
    /// Base URL; `/v1/logs` and so on is appended.
    pub endpoint: String,
    /// URLs of single signals, used as they are.
    pub traces_endpoint: String,
    pub metrics_endpoint: String,
    pub logs_endpoint: String,
    /// Accepted and not used: there is no profiles signal here.
    pub profiles_endpoint: String,
    pub encoding: Encoding,
    /// `gzip`, `zlib`, `deflate`, `zstd`, `snappy`, `x-snappy-framed`, `lz4`, `none` or empty.
    pub compression: String,
    pub compression_params: CompressionParams,
    pub headers: Headers,
    /// For one attempt as a whole; 0 = none.
    #[serde(deserialize_with = "duration")]
    pub timeout: Duration,
    pub tls: ClientTls,
    /// Instead of the proxy that the environment names.
    pub proxy_url: String,
    /// Bytes of buffer a connection has for reading and for writing; 0 = default.
    pub read_buffer_size: usize,
    pub write_buffer_size: usize,
    pub max_idle_conns: usize,
    pub max_idle_conns_per_host: usize,
    /// Accepted: there are never more connections than `num_consumers`.
    pub max_conns_per_host: usize,
    #[serde(deserialize_with = "duration")]
    pub idle_conn_timeout: Duration,
    pub disable_keep_alives: bool,
    /// Accepted, as the other HTTP/2 keys: HTTP/1.1 is spoken.
    pub force_attempt_http2: bool,
    #[serde(deserialize_with = "duration")]
    pub http2_read_idle_timeout: Duration,
    #[serde(deserialize_with = "duration")]
    pub http2_ping_timeout: Duration,
    pub auth: Option<Node>,
    pub cookies: Option<Node>,
    pub middlewares: Vec<Node>,
    pub retry_on_failure: RetryOnFailure,
    #[serde(deserialize_with = "section")]
    pub sending_queue: Option<SendingQueue>,
}

/// What the bodies are written in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Encoding {
    #[default]
    Proto,
    Json,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CompressionParams {
    /// 0 = the codec's default; gzip, zlib and deflate take -2 to 9.
    pub level: i32,
}

impl Default for OtlpHttpConfig {
    fn default() -> Self {
        Self {
            endpoint: String::new(),
            traces_endpoint: String::new(),
            metrics_endpoint: String::new(),
            logs_endpoint: String::new(),
            profiles_endpoint: String::new(),
            encoding: Encoding::Proto,
            compression: "gzip".to_owned(),
            compression_params: CompressionParams::default(),
            headers: Headers::default(),
            timeout: Duration::from_secs(30),
            tls: ClientTls::default(),
            proxy_url: String::new(),
            read_buffer_size: 0,
            write_buffer_size: 0,
            max_idle_conns: 100,
            max_idle_conns_per_host: 0,
            max_conns_per_host: 0,
            idle_conn_timeout: Duration::from_secs(90),
            disable_keep_alives: false,
            force_attempt_http2: true,
            http2_read_idle_timeout: Duration::ZERO,
            http2_ping_timeout: Duration::ZERO,
            auth: None,
            cookies: None,
            middlewares: Vec::new(),
            retry_on_failure: RetryOnFailure::default(),
            sending_queue: Some(SendingQueue::default()),
        }
    }
}

impl OtlpHttpConfig {
    /// The URL of a signal as configured, or made from the base URL.
    fn url(&self, signal: Signal) -> Option<String> {
        let own = match signal {
            Signal::Logs => &self.logs_endpoint,
            Signal::Metrics => &self.metrics_endpoint,
            Signal::Traces => &self.traces_endpoint,
        };
        if !own.is_empty() {
            return Some(own.clone());
        }
        let base = self.endpoint.strip_suffix('/').unwrap_or(&self.endpoint);
        (!base.is_empty()).then(|| format!("{base}/v1/{signal}"))
    }

    /// The codec, `None` for plain bodies.
    fn codec(&self) -> Result<Option<Codec>, String> {
        match self.compression.as_str() {
            "" | "none" => Ok(None),
            name => Codec::ALL.into_iter().find(|codec| codec.name() == name).map(Some).ok_or_else(|| {
                let known = Codec::ALL.map(Codec::name).join(", ");
                format!("unsupported compression type \"{name}\": choose from {known}, none")
            }),
        }
    }
}

impl ExporterConfig for OtlpHttpConfig {
    fn validate(&self, issues: &mut Issues) {
        let urls = [
            ("endpoint", &self.endpoint),
            ("traces_endpoint", &self.traces_endpoint),
            ("metrics_endpoint", &self.metrics_endpoint),
            ("logs_endpoint", &self.logs_endpoint),
        ];
        if urls.iter().all(|(_, url)| url.is_empty()) && self.profiles_endpoint.is_empty() {
            issues.error("", "at least one endpoint must be specified");
        }
        for (key, url) in urls.into_iter().filter(|(_, url)| !url.is_empty()) {
            if let Err(message) = check_url(url) {
                issues.error(key, message);
            }
        }
        match self.codec() {
            Err(message) => issues.error("compression", message),
            Ok(codec) => {
                let level = self.compression_params.level;
                if !codec.map_or(level == 0, |codec| codec.takes_level(level)) {
                    issues.error(
                        "compression_params::level",
                        format!("unsupported level {level} for compression \"{}\"", self.compression),
                    );
                }
            }
        }
        if let Err(message) = self.headers.to_map() {
            issues.error("headers", message);
        }
        if let Err(message) = client::proxy(&self.proxy_url) {
            issues.error("proxy_url", message);
        }
        for (key, used) in [("auth", self.auth.is_some()), ("middlewares", !self.middlewares.is_empty())] {
            if used {
                issues.error(
                    key,
                    "authenticator and middleware extensions are not part of this agent: use \"headers\"",
                );
            }
        }
        if self.cookies.is_some() {
            issues.warn("cookies", "cookies are not kept: OTLP backends do not need them");
        }
        self.tls.validate("tls", issues);
        self.sending().validate(issues);
    }

    fn sending(&self) -> Sending {
        Sending { retry_on_failure: self.retry_on_failure.clone(), sending_queue: self.sending_queue.clone() }
    }

    fn build(&self, context: Context, signal: Signal) -> Result<Box<dyn Exporter>, BuildError> {
        Ok(Box::new(Client::new(self, &context, signal)?))
    }
}

#[cfg(test)]
mod tests;
