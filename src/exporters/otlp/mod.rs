//! The `otlp` exporter: OTLP over gRPC.

mod client;

use std::time::Duration;

use serde::Deserialize;

use self::client::Client;
use super::Sending;
use super::otlphttp::Headers;
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
    name: "otlp",
    aliases: &["otlp_grpc"],
    signals: &Signal::ALL,
    decode: decode_exporter::<OtlpConfig>,
};

/// Config of `otlp`.
#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OtlpConfig {
    /// `host:port`, also with `http://` or `https://` in front.
    pub endpoint: String,
    /// `gzip`, `snappy`, `zstd`, `none` or empty.
    pub compression: String,
    pub tls: ClientTls,
    pub headers: Headers,
    #[serde(deserialize_with = "section")]
    pub keepalive: Option<Keepalive>,
    /// Accepted, as the next four: there is one connection, made when it is needed.
    pub balancer_name: String,
    pub wait_for_ready: bool,
    pub write_buffer_size: usize,
    pub read_buffer_size: usize,
    /// What `:authority` says, instead of the endpoint.
    pub authority: String,
    pub auth: Option<Node>,
    pub middlewares: Vec<Node>,
    /// For one attempt as a whole; 0 = none.
    #[serde(deserialize_with = "duration")]
    pub timeout: Duration,
    pub retry_on_failure: RetryOnFailure,
    #[serde(deserialize_with = "section")]
    pub sending_queue: Option<SendingQueue>,
}

/// Pings on a silent connection.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Keepalive {
    #[serde(deserialize_with = "duration")]
    pub time: Duration,
    #[serde(deserialize_with = "duration")]
    pub timeout: Duration,
    /// Accepted: pings are sent with and without calls under way.
    pub permit_without_stream: bool,
}

impl Default for Keepalive {
    fn default() -> Self {
        Self { time: Duration::from_secs(10), timeout: Duration::from_secs(10), permit_without_stream: false }
    }
}

impl Default for OtlpConfig {
    fn default() -> Self {
        Self {
            endpoint: String::new(),
            compression: "gzip".to_owned(),
            tls: ClientTls::default(),
            headers: Headers::default(),
            keepalive: None,
            balancer_name: "round_robin".to_owned(),
            wait_for_ready: false,
            write_buffer_size: 512 << 10,
            read_buffer_size: 0,
            authority: String::new(),
            auth: None,
            middlewares: Vec::new(),
            timeout: Duration::from_secs(5),
            retry_on_failure: RetryOnFailure::default(),
            sending_queue: Some(SendingQueue::default()),
        }
    }
}

impl OtlpConfig {
    /// Host and port, and whether the scheme asks for TLS (`Some`) or against it.
    fn address(&self) -> Result<(String, Option<bool>), String> {
        let (rest, secure) = match self.endpoint.split_once("://") {
            None => (&*self.endpoint, None),
            Some(("https", rest)) => (rest, Some(true)),
            Some(("http", rest)) => (rest, Some(false)),
            Some(("dns", rest)) => (rest.trim_start_matches('/'), None),
            Some((scheme, _)) => {
                return Err(format!("the scheme \"{scheme}\" is not part of this agent: write host:port"));
            }
        };
        let rest = rest.trim_end_matches('/');
        match rest.rsplit_once(':') {
            Some((host, port)) if !host.is_empty() && port.parse::<u16>().is_ok() => {
                Ok((rest.to_owned(), secure))
            }
            _ => Err(format!("\"{}\" must be host:port, such as \"collector:4317\"", self.endpoint)),
        }
    }

    fn codec(&self) -> Result<Option<Codec>, String> {
        match self.compression.as_str() {
            "" | "none" => Ok(None),
            "gzip" => Ok(Some(Codec::Gzip)),
            "zstd" => Ok(Some(Codec::Zstd)),
            // On this protocol the name means the framed format.
            "snappy" => Ok(Some(Codec::SnappyFramed)),
            other => {
                Err(format!("unsupported compression type \"{other}\": choose from gzip, snappy, zstd, none"))
            }
        }
    }
}

impl ExporterConfig for OtlpConfig {
    fn validate(&self, issues: &mut Issues) {
        if self.endpoint.is_empty() {
            issues.error("endpoint", "requires a non-empty \"endpoint\", such as \"collector:4317\"");
        } else if let Err(message) = self.address() {
            issues.error("endpoint", message);
        }
        if let Err(message) = self.codec() {
            issues.error("compression", message);
        }
        if let Err(message) = self.headers.to_map() {
            issues.error("headers", message);
        }
        for (key, used) in [("auth", self.auth.is_some()), ("middlewares", !self.middlewares.is_empty())] {
            if used {
                issues.error(
                    key,
                    "authenticator and middleware extensions are not part of this agent: use \"headers\"",
                );
            }
        }
        self.tls.validate("tls", issues);
        self.sending().validate(issues);
    }

    fn sending(&self) -> Sending {
        Sending { retry_on_failure: self.retry_on_failure.clone(), sending_queue: self.sending_queue.clone() }
    }

    fn build(&self, context: Context, signal: Signal) -> Result<Box<dyn Exporter>, BuildError> {
        Ok(Box::new(Client::new(self, &context, signal).map_err(BuildError)?))
    }
}

#[cfg(test)]
mod tests;
