//! `gcp`: the metadata server of Google Cloud.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{Detector, Found, Probe, unless_absent};
use crate::otlp::KeyValue;

pub static GCP: Detector = Detector {
    name: "gcp",
    attributes: &[
        ("cloud.provider", true),
        ("cloud.platform", true),
        ("cloud.account.id", true),
        ("cloud.region", true),
        ("cloud.availability_zone", true),
        ("host.name", true),
        ("host.id", true),
        ("host.type", true),
        ("k8s.cluster.name", true),
        ("faas.name", true),
        ("faas.version", true),
        ("faas.id", true),
        ("faas.instance", true),
        ("gcp.cloud_run.job.execution", true),
        ("gcp.cloud_run.job.task_index", true),
        ("gcp.gce.instance.name", false),
        ("gcp.gce.instance.hostname", false),
    ],
    is_quick: |_| false,
    detect,
};

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Metadata {
    instance: Instance,
    project: Project,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Instance {
    attributes: BTreeMap<String, serde_json::Value>,
    /// A number on Compute Engine, a text on Cloud Run.
    id: serde_json::Value,
    name: String,
    hostname: String,
    /// `projects/…/machineTypes/e2-medium`; so are zone and region.
    machine_type: String,
    zone: String,
    region: String,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Project {
    project_id: String,
}

fn detect(probe: &Probe<'_>) -> Result<Vec<KeyValue>, String> {
    let url = format!("{}/computeMetadata/v1/?recursive=true", probe.environment.gcp);
    let answer = probe.http.json(&url, &[("Metadata-Flavor", "Google")]);
    let Some(Metadata { instance, project }) = unless_absent(answer)? else { return Ok(Vec::new()) };
    let last = |path: &str| path.rsplit('/').next().unwrap_or_default().to_owned();
    let id = match &instance.id {
        serde_json::Value::String(text) => text.clone(),
        serde_json::Value::Null => String::new(),
        number => number.to_string(),
    };
    let attribute =
        |name: &str| instance.attributes.get(name).and_then(|value| value.as_str()).unwrap_or_default();
    let variable = |name: &str| probe.variable(name).unwrap_or_default();
    let region_or = |region: String, zone: &str| match region.as_str() {
        "" => region_of(zone).to_owned(),
        _ => region,
    };

    let mut found = Found::default();
    found.text("cloud.provider", "gcp");
    found.text("cloud.account.id", project.project_id);
    let zone = last(&instance.zone);
    if probe.is_in_kubernetes() && !attribute("cluster-name").is_empty() {
        found.text("cloud.platform", "gcp_kubernetes_engine");
        found.text("k8s.cluster.name", attribute("cluster-name"));
        let location = attribute("cluster-location");
        // Zonal clusters are in `europe-west1-b`, regional ones in `europe-west1`.
        match location.matches('-').count() {
            2 => found.text("cloud.availability_zone", location),
            _ => found.text("cloud.region", location),
        }
        found.text("host.id", id);
        found.text("host.name", instance.name);
    } else if let Some(job) = probe.variable("CLOUD_RUN_JOB") {
        found.text("cloud.platform", "gcp_cloud_run");
        found.text("cloud.region", region_or(last(&instance.region), &zone));
        found.text("faas.name", job);
        found.text("faas.instance", &id);
        found.text("faas.id", id);
        found.text("gcp.cloud_run.job.execution", variable("CLOUD_RUN_EXECUTION"));
        found.text("gcp.cloud_run.job.task_index", variable("CLOUD_RUN_TASK_INDEX"));
    } else if let Some(service) = probe.variable("K_SERVICE") {
        let function = probe.variable("FUNCTION_TARGET").is_some();
        found.text("cloud.platform", if function { "gcp_cloud_functions" } else { "gcp_cloud_run" });
        found.text("cloud.region", region_or(last(&instance.region), &zone));
        found.text("faas.name", service);
        found.text("faas.version", variable("K_REVISION"));
        found.text("faas.instance", &id);
        found.text("faas.id", id);
    } else if let Some(service) = probe.variable("GAE_SERVICE") {
        found.text("cloud.platform", "gcp_app_engine");
        found.text("cloud.region", region_of(&zone));
        found.text("cloud.availability_zone", zone);
        found.text("faas.name", service);
        found.text("faas.version", variable("GAE_VERSION"));
        let instance = variable("GAE_INSTANCE");
        found.text("faas.instance", &instance);
        found.text("faas.id", instance);
    } else {
        found.text("cloud.platform", "gcp_compute_engine");
        found.text("cloud.region", region_of(&zone));
        found.text("cloud.availability_zone", zone);
        found.text("host.type", last(&instance.machine_type));
        found.text("host.id", id);
        found.text("host.name", &instance.name);
        found.text("gcp.gce.instance.name", instance.name);
        found.text("gcp.gce.instance.hostname", instance.hostname);
    }
    Ok(found.0)
}

/// `europe-west1-b` is in `europe-west1`.
fn region_of(zone: &str) -> &str {
    zone.rsplit_once('-').map_or("", |(region, _)| region)
}
