//! The exchange with the KloudMate API.

use std::io::Read;
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};

use super::Settings;
use super::inventory::Workload;
use crate::kube::nullable;
use crate::net::connector;
use crate::net::tls::{ClientTls, TlsError};

/// Why there is no answer to act on.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    #[error("{url} cannot be asked for a configuration: {error}")]
    Transport { url: String, error: String },
    #[error("{url} answered with status {status}: {text}{}", hint(*.status))]
    Status { url: String, status: u16, text: String },
    #[error("{url} answered with what is no configuration answer: {error}")]
    NotJson { url: String, error: String },
    #[error("the answer of {url} is larger than {MOST_ANSWER} bytes")]
    TooLarge { url: String },
}

fn hint(status: u16) -> &'static str {
    match status {
        401 | 403 => "; check KM_API_KEY",
        404 => "; check KM_UPDATE_ENDPOINT",
        _ => "",
    }
}

/// What the API wants.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Answer {
    /// There is a configuration to take up.
    #[serde(deserialize_with = "nullable")]
    pub restart_required: bool,
    #[serde(deserialize_with = "nullable")]
    pub config: Configs,
    #[serde(deserialize_with = "nullable")]
    pub k8s: Apm,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Configs {
    #[serde(rename = "daemonset_config")]
    pub daemonset: Option<Value>,
    #[serde(rename = "deployment_config")]
    pub deployment: Option<Value>,
}

/// Which workloads are to be instrumented.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Apm {
    #[serde(deserialize_with = "nullable")]
    pub apm_enabled: bool,
    #[serde(deserialize_with = "nullable")]
    pub apm_settings: Vec<Workload>,
}

/// An exchange may take this long.
const TIMEOUT: Duration = Duration::from_secs(20);
/// Larger than a ConfigMap can hold.
const MOST_ANSWER: u64 = 4 << 20;
/// Of an answer that is no success, this much is shown.
const SHOWN: usize = 300;

pub struct Api {
    agent: ureq::Agent,
}

impl Api {
    pub fn new() -> Result<Self, TlsError> {
        Ok(Self { agent: connector::occasional(TIMEOUT, &ClientTls::default())? })
    }

    /// Tells the API what runs here and returns what it wants.
    pub fn ask(&self, settings: &Settings, workloads: &[Workload]) -> Result<Answer, ApiError> {
        let url = || settings.endpoint.clone();
        let transport = |error: &dyn ToString| ApiError::Transport { url: url(), error: error.to_string() };
        let response = self
            .agent
            .post(&settings.endpoint)
            .header("Content-Type", "application/json")
            .header("Authorization", settings.api_key.reveal())
            .send(inventory(settings, workloads).to_string())
            .map_err(|error| transport(&error))?;
        let status = response.status().as_u16();
        let mut body = Vec::new();
        let read = response.into_body().into_reader().take(MOST_ANSWER + 1).read_to_end(&mut body);
        if status != 200 {
            let text = String::from_utf8_lossy(&body).trim().chars().take(SHOWN).collect();
            return Err(ApiError::Status { url: url(), status, text });
        }
        read.map_err(|error| transport(&error))?;
        if body.len() as u64 > MOST_ANSWER {
            return Err(ApiError::TooLarge { url: url() });
        }
        serde_json::from_slice(&body)
            .map_err(|error| ApiError::NotJson { url: url(), error: error.to_string() })
    }
}

/// The architecture as the API knows it.
fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

fn inventory(settings: &Settings, workloads: &[Workload]) -> Value {
    json!({
        "architecture": architecture(),
        "hostname": settings.cluster,
        "platform": "k8s",
        "k8s_deployments": workloads,
        "collector_version": env!("CARGO_PKG_VERSION"),
        "agent_version": env!("CARGO_PKG_VERSION"),
        "logs_enabled": settings.logs,
        "apm_enabled": settings.apm,
        "namespaces": settings.namespaces,
        "collector_status": "Running",
    })
}
