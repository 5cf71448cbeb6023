//! The keys of the `otlp` receiver.

use std::time::Duration;

use serde::Deserialize;

use crate::config::types::{duration, section};
use crate::config::{Issues, Node};
use crate::exporters::otlphttp::Headers;
use crate::net::compression::Codec;
use crate::net::listener::check_endpoint;
use crate::net::tls::ServerTls;
use crate::net::{grpc, http};

/// Config of `otlp`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OtlpConfig {
    pub protocols: Option<Protocols>,
}

/// What is spoken: naming one turns it on.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Protocols {
    #[serde(deserialize_with = "section")]
    pub grpc: Option<GrpcConfig>,
    #[serde(deserialize_with = "section")]
    pub http: Option<HttpConfig>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct GrpcConfig {
    pub endpoint: String,
    pub transport: String,
    #[serde(deserialize_with = "section")]
    pub tls: Option<ServerTls>,
    /// 0 = 4.
    pub max_recv_msg_size_mib: u64,
    /// Calls of one connection at a time; 0 = 256.
    pub max_concurrent_streams: u32,
    /// Accepted: buffers grow with what is in them.
    pub read_buffer_size: usize,
    pub write_buffer_size: usize,
    #[serde(deserialize_with = "section")]
    pub keepalive: Option<Keepalive>,
    /// Accepted: batches carry the client's address and no other metadata.
    pub include_metadata: bool,
    pub auth: Option<Node>,
    pub middlewares: Vec<Node>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Keepalive {
    #[serde(deserialize_with = "section")]
    pub server_parameters: Option<ServerParameters>,
    #[serde(deserialize_with = "section")]
    pub enforcement_policy: Option<EnforcementPolicy>,
}

/// 0 = the default of gRPC.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ServerParameters {
    #[serde(deserialize_with = "duration")]
    pub max_connection_idle: Duration,
    #[serde(deserialize_with = "duration")]
    pub max_connection_age: Duration,
    #[serde(deserialize_with = "duration")]
    pub max_connection_age_grace: Duration,
    #[serde(deserialize_with = "duration")]
    pub time: Duration,
    #[serde(deserialize_with = "duration")]
    pub timeout: Duration,
}

/// Accepted: pings are answered whatever their interval, and unread answers are bounded.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EnforcementPolicy {
    #[serde(deserialize_with = "duration")]
    pub min_time: Duration,
    pub permit_without_stream: bool,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HttpConfig {
    pub endpoint: String,
    pub transport: String,
    pub traces_url_path: String,
    pub metrics_url_path: String,
    pub logs_url_path: String,
    #[serde(deserialize_with = "section")]
    pub tls: Option<ServerTls>,
    /// Bytes, before and after decompression; 0 = 20 MiB.
    pub max_request_body_size: usize,
    /// Names of `Content-Encoding` that are decompressed; empty: none is.
    pub compression_algorithms: Vec<String>,
    /// Accepted: batches carry the client's address and no other metadata.
    pub include_metadata: bool,
    /// Added to every answer.
    pub response_headers: Headers,
    #[serde(deserialize_with = "section")]
    pub cors: Option<Cors>,
    /// For a body, on top of what its size allows; 0 = 30 s.
    #[serde(deserialize_with = "duration")]
    pub read_timeout: Duration,
    /// 0 = 10 s.
    #[serde(deserialize_with = "duration")]
    pub read_header_timeout: Duration,
    /// 0 = 30 s.
    #[serde(deserialize_with = "duration")]
    pub write_timeout: Duration,
    /// 0 = 2 min.
    #[serde(deserialize_with = "duration")]
    pub idle_timeout: Duration,
    pub keep_alives_enabled: bool,
    pub auth: Option<Node>,
    pub middlewares: Vec<Node>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Cors {
    /// With `*` for any text.
    pub allowed_origins: Vec<String>,
    pub allowed_headers: Vec<String>,
    pub exposed_headers: Vec<String>,
    /// Seconds a browser may remember an answer; 0 = not said.
    pub max_age: u64,
}

impl Default for GrpcConfig {
    fn default() -> Self {
        Self {
            endpoint: "localhost:4317".to_owned(),
            transport: "tcp".to_owned(),
            tls: None,
            max_recv_msg_size_mib: 0,
            max_concurrent_streams: 0,
            read_buffer_size: 512 << 10,
            write_buffer_size: 0,
            keepalive: None,
            include_metadata: false,
            auth: None,
            middlewares: Vec::new(),
        }
    }
}

impl Default for HttpConfig {
    fn default() -> Self {
        let known = ["gzip", "zstd", "zlib", "snappy", "deflate", "lz4", "x-snappy-framed"];
        Self {
            endpoint: "localhost:4318".to_owned(),
            transport: "tcp".to_owned(),
            traces_url_path: "/v1/traces".to_owned(),
            metrics_url_path: "/v1/metrics".to_owned(),
            logs_url_path: "/v1/logs".to_owned(),
            tls: None,
            max_request_body_size: 0,
            compression_algorithms: known.map(str::to_owned).to_vec(),
            include_metadata: false,
            response_headers: Headers::default(),
            cors: None,
            read_timeout: Duration::ZERO,
            read_header_timeout: Duration::ZERO,
            write_timeout: Duration::ZERO,
            idle_timeout: Duration::ZERO,
            keep_alives_enabled: true,
            auth: None,
            middlewares: Vec::new(),
        }
    }
}

impl OtlpConfig {
    pub(super) fn check(&self, issues: &mut Issues) {
        let protocols = self.protocols.clone().unwrap_or_default();
        if protocols.grpc.is_none() && protocols.http.is_none() {
            issues.error("protocols", "must specify at least one protocol when using the OTLP receiver");
        }
        if let Some(grpc) = &protocols.grpc {
            let path = "protocols::grpc";
            common(issues, path, &grpc.endpoint, &grpc.transport, grpc.tls.as_ref());
            extensions(issues, path, grpc.auth.is_some(), !grpc.middlewares.is_empty());
            if grpc.max_recv_msg_size_mib > 1024 {
                issues.error(&format!("{path}::max_recv_msg_size_mib"), "must not be more than 1024");
            }
            if grpc.include_metadata {
                metadata(issues, path);
            }
        }
        if let Some(http) = &protocols.http {
            let path = "protocols::http";
            common(issues, path, &http.endpoint, &http.transport, http.tls.as_ref());
            extensions(issues, path, http.auth.is_some(), !http.middlewares.is_empty());
            for name in http.compression_algorithms.iter().filter(|name| !name.is_empty()) {
                if Codec::named(name).is_none() {
                    issues.error(
                        &format!("{path}::compression_algorithms"),
                        format!("\"{name}\" is not known: choose from gzip, zstd, zlib, snappy, deflate, lz4, x-snappy-framed"),
                    );
                }
            }
            if let Err(message) = http.response_headers.to_map() {
                issues.error(&format!("{path}::response_headers"), message);
            }
            if http
                .cors
                .as_ref()
                .is_some_and(|cors| cors.allowed_origins.is_empty() && !cors.allowed_headers.is_empty())
            {
                issues.warn(
                    &format!("{path}::cors"),
                    "\"allowed_headers\" without \"allowed_origins\" does nothing",
                );
            }
            if http.include_metadata {
                metadata(issues, path);
            }
        }
    }
}

fn common(issues: &mut Issues, path: &str, endpoint: &str, transport: &str, tls: Option<&ServerTls>) {
    if let Err(message) = check_endpoint(endpoint) {
        issues.error(&format!("{path}::endpoint"), message);
    }
    if !matches!(transport, "tcp" | "tcp4" | "tcp6" | "") {
        issues.error(
            &format!("{path}::transport"),
            "must be \"tcp\": other transports are not part of this agent",
        );
    }
    if let Some(tls) = tls {
        tls.validate(&format!("{path}::tls"), issues);
    }
}

/// What would refuse clients must not be ignored.
fn extensions(issues: &mut Issues, path: &str, auth: bool, middlewares: bool) {
    for (key, used) in [("auth", auth), ("middlewares", middlewares)] {
        if used {
            issues.error(
                &format!("{path}::{key}"),
                "authenticator and middleware extensions are not part of this agent: use \"tls\" with \"client_ca_file\"",
            );
        }
    }
}

fn metadata(issues: &mut Issues, path: &str) {
    issues.warn(
        &format!("{path}::include_metadata"),
        "batches carry the address of the client and no other metadata of it",
    );
}

impl GrpcConfig {
    pub(super) fn limits(&self) -> grpc::server::Limits {
        let default = grpc::server::Limits::default();
        let keepalive =
            self.keepalive.clone().and_then(|keepalive| keepalive.server_parameters).unwrap_or_default();
        let given = |time: Duration| (!time.is_zero()).then_some(time);
        grpc::server::Limits {
            message: match self.max_recv_msg_size_mib {
                0 => default.message,
                mib => (mib as usize) << 20,
            },
            streams: if self.max_concurrent_streams == 0 {
                default.streams
            } else {
                self.max_concurrent_streams
            },
            idle: given(keepalive.max_connection_idle),
            age: given(keepalive.max_connection_age),
            age_grace: given(keepalive.max_connection_age_grace),
            ping_after: given(keepalive.time).unwrap_or(default.ping_after),
            ping_timeout: given(keepalive.timeout).unwrap_or(default.ping_timeout),
            ..default
        }
    }
}

impl HttpConfig {
    pub(super) fn limits(&self) -> http::Limits {
        let default = http::Limits::default();
        let or = |time: Duration, default| if time.is_zero() { default } else { time };
        http::Limits {
            head_time: or(self.read_header_timeout, default.head_time),
            body_time: or(self.read_timeout, default.body_time),
            write_time: or(self.write_timeout, default.write_time),
            idle_time: or(self.idle_timeout, default.idle_time),
            keep_alive: self.keep_alives_enabled,
            ..default
        }
    }

    pub(super) fn body_limit(&self) -> usize {
        if self.max_request_body_size == 0 { 20 << 20 } else { self.max_request_body_size }
    }
}
