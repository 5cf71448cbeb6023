//! `docker`: the host as the Docker daemon knows it.

use serde::Deserialize;

use super::{Detector, Found, Probe};
use crate::otlp::KeyValue;
use crate::processors::resourcedetection::http::json_from_socket;

pub static DOCKER: Detector = Detector {
    name: "docker",
    attributes: &[("host.name", true), ("os.type", true)],
    is_quick: |_| false,
    detect,
};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Info {
    #[serde(default)]
    name: String,
    #[serde(rename = "OSType", default)]
    os_type: String,
}

fn detect(probe: &Probe<'_>) -> Result<Vec<KeyValue>, String> {
    let info: Info = json_from_socket(&probe.environment.docker_socket, "/info", probe.timeout)?;
    let mut found = Found::default();
    found.text("host.name", info.name);
    found.text("os.type", info.os_type.to_ascii_lowercase());
    Ok(found.0)
}
