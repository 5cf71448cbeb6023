//! `consul`: the node as its Consul agent knows it.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{Detector, Found, Probe};
use crate::otlp::KeyValue;

pub static CONSUL: Detector = Detector {
    name: "consul",
    attributes: &[("cloud.region", true), ("host.name", true), ("host.id", true)],
    is_quick: |_| false,
    detect,
};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Agent {
    config: AgentConfig,
    #[serde(default)]
    meta: BTreeMap<String, String>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct AgentConfig {
    datacenter: String,
    #[serde(rename = "NodeID")]
    node_id: String,
    node_name: String,
}

fn detect(probe: &Probe<'_>) -> Result<Vec<KeyValue>, String> {
    let settings = &probe.config.consul;
    let address = match settings.address.as_str() {
        "" => probe.variable("CONSUL_HTTP_ADDR").unwrap_or_else(|| "127.0.0.1:8500".to_owned()),
        address => address.to_owned(),
    };
    let base = if address.contains("://") { address } else { format!("http://{address}") };
    let token = match (settings.token.reveal(), settings.token_file.as_str()) {
        ("", "") => probe.variable("CONSUL_HTTP_TOKEN").unwrap_or_default(),
        ("", file) => probe.file(file).unwrap_or_default().trim().to_owned(),
        (token, _) => token.to_owned(),
    };
    let headers = [("X-Consul-Token", token.as_str())];
    let headers = if token.is_empty() { &headers[..0] } else { &headers[..] };
    let url = format!("{}/v1/agent/self", base.trim_end_matches('/'));
    let agent: Agent = probe.http.json(&url, headers).map_err(|failure| failure.to_string())?;
    let mut found = Found::default();
    found.text("host.name", agent.config.node_name);
    found.text("host.id", agent.config.node_id);
    found.text("cloud.region", agent.config.datacenter);
    for (key, value) in agent.meta {
        if settings.meta.contains_key(&key) {
            found.0.push(KeyValue::new(key, value));
        }
    }
    Ok(found.0)
}
