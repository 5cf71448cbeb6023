//! `health_check`: tells Kubernetes whether the agent lives and whether it is ready.
//!
//! | path | answer |
//! | --- | --- |
//! | `path` (default `/`, which matches everything), `/healthz`, `/livez` | 200 while the process works |
//! | `/readyz` | 200 once every pipeline runs with the configuration in force, else 503 |
//!
//! The body is JSON with the state of every component, unless `response_body` sets a text. With
//! `debug::enabled` there is a status page for people at `/debug`: see [`debug`].

mod debug;
mod report;

use std::net::{SocketAddr, TcpListener, ToSocketAddrs};
use std::sync::Arc;

use rustls::ServerConfig;
use serde::Deserialize;

use crate::component::{
    BuildError, Context, Extension, ExtensionConfig, ExtensionType, RunningExtension, decode_extension,
};
use crate::config::Issues;
use crate::net::pages::Server;
use crate::net::tls::ServerTls;
use crate::telemetry::StatusBoard;

pub static TYPE: ExtensionType =
    ExtensionType { name: "health_check", aliases: &[], signals: &[], decode: decode_extension::<Config> };

/// `extensions::health_check`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Where to listen. Unset: port 13133 on every address in a pod, on localhost elsewhere.
    endpoint: Option<String>,
    path: Option<String>,
    response_body: Option<ResponseBody>,
    tls: Option<ServerTls>,
    /// Accepted as upstream does, where it has no effect either.
    check_collector_pipeline: Option<CheckCollectorPipeline>,
    debug: DebugConfig,
}

/// The status page at `/debug`, which shows the configuration and samples of data: off by default.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct DebugConfig {
    enabled: bool,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct ResponseBody {
    healthy: String,
    unhealthy: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct CheckCollectorPipeline {
    enabled: bool,
    interval: String,
    exporter_failure_threshold: i64,
}

const PORT: u16 = 13133;

impl ExtensionConfig for Config {
    fn validate(&self, issues: &mut Issues) {
        if self.path.as_ref().is_some_and(|path| !path.starts_with('/')) {
            issues.error("path", "must start with \"/\"");
        }
        if let Some(endpoint) = &self.endpoint
            && endpoint.rsplit_once(':').is_none_or(|(_, port)| port.parse::<u16>().is_err())
        {
            issues.error(
                "endpoint",
                format!("\"{endpoint}\" must be an address and a port, such as \"0.0.0.0:13133\""),
            );
        }
        if let Some(tls) = &self.tls {
            tls.validate("tls", issues);
        }
    }

    fn build(&self, context: Context, board: StatusBoard) -> Result<Box<dyn Extension>, BuildError> {
        let debug = self.debug.enabled.then(|| Arc::new(debug::Debug::new(&context.telemetry, &board)));
        Ok(Box::new(HealthCheck {
            endpoint: self.endpoint.clone().unwrap_or_else(default_endpoint),
            tls: tls(self.tls.as_ref())?,
            pages: report::Pages {
                board,
                path: self.path.clone().unwrap_or_else(|| "/".to_owned()),
                fixed: self.response_body.clone().map(|body| (body.healthy, body.unhealthy)),
                debug,
            },
        }))
    }
}

fn tls(settings: Option<&ServerTls>) -> Result<Option<Arc<ServerConfig>>, BuildError> {
    settings
        .map(|tls| tls.build(&[b"http/1.1"]))
        .transpose()
        .map_err(|error| BuildError::new(format!("tls: {error}")))
}

/// The service variables are set in every pod: there the kubelet's probes come from outside.
fn default_endpoint() -> String {
    let in_pod = std::env::var_os("KUBERNETES_SERVICE_HOST").is_some();
    format!("{}:{PORT}", if in_pod { "0.0.0.0" } else { "localhost" })
}

struct HealthCheck {
    endpoint: String,
    tls: Option<Arc<ServerConfig>>,
    pages: report::Pages,
}

impl Extension for HealthCheck {
    fn start(self: Box<Self>) -> Result<Box<dyn RunningExtension>, BuildError> {
        let listener = listen(&self.endpoint)?;
        let pages = self.pages;
        let pages = Arc::new(move |target: &str| pages.answer(target));
        let server = match self.tls {
            Some(tls) => Server::start_tls(listener, TYPE.name, tls, pages),
            None => Server::start(listener, TYPE.name, pages),
        };
        Ok(Box::new(server.map_err(|error| BuildError::new(format!("cannot start: {error}")))?))
    }
}

impl RunningExtension for Server {}

fn listen(endpoint: &str) -> Result<TcpListener, BuildError> {
    let fail = |error: &std::io::Error| {
        let remedy = match error.kind() {
            std::io::ErrorKind::AddrInUse => {
                "the port is taken: stop the other process or set another \"endpoint\""
            }
            std::io::ErrorKind::PermissionDenied => "use a port above 1023 or run as root",
            _ => "set \"endpoint\" to an address of this machine and a port",
        };
        BuildError::new(format!("cannot listen on {endpoint}: {error}; {remedy}"))
    };
    let addresses: Vec<SocketAddr> = endpoint.to_socket_addrs().map_err(|error| fail(&error))?.collect();
    TcpListener::bind(&addresses[..]).map_err(|error| fail(&error))
}
