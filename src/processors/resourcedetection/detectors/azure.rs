//! `azure` and `aks`: the instance metadata service of Azure.

use serde::Deserialize;

use super::{Detector, Found, Probe, unless_absent};
use crate::otlp::KeyValue;

pub static AZURE: Detector = Detector {
    name: "azure",
    attributes: &[
        ("cloud.provider", true),
        ("cloud.platform", true),
        ("cloud.region", true),
        ("cloud.account.id", true),
        ("host.name", true),
        ("host.id", true),
        ("azure.resourcegroup.name", true),
        ("azure.vm.name", true),
        ("azure.vm.scaleset.name", true),
        ("azure.vm.size", true),
    ],
    is_quick: |_| false,
    detect: detect_azure,
};

pub static AKS: Detector = Detector {
    name: "aks",
    attributes: &[("cloud.provider", true), ("cloud.platform", true), ("k8s.cluster.name", false)],
    is_quick: |_| false,
    detect: detect_aks,
};

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Compute {
    location: String,
    name: String,
    os_profile: OsProfile,
    resource_group_name: String,
    subscription_id: String,
    vm_id: String,
    vm_scale_set_name: String,
    vm_size: String,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct OsProfile {
    computer_name: String,
}

fn compute(probe: &Probe<'_>) -> Result<Option<Compute>, String> {
    let url =
        format!("{}/metadata/instance/compute?api-version=2020-09-01&format=json", probe.environment.azure);
    unless_absent(probe.http.json(&url, &[("Metadata", "True")]))
}

fn detect_azure(probe: &Probe<'_>) -> Result<Vec<KeyValue>, String> {
    let Some(compute) = compute(probe)? else { return Ok(Vec::new()) };
    let mut found = Found::default();
    found.text("cloud.provider", "azure");
    found.text("cloud.platform", "azure_vm");
    found.text(
        "host.name",
        match compute.os_profile.computer_name.as_str() {
            "" => &compute.name,
            name => name,
        },
    );
    found.text("cloud.region", compute.location);
    found.text("host.id", compute.vm_id);
    found.text("cloud.account.id", compute.subscription_id);
    found.text("azure.vm.name", &compute.name);
    found.text("azure.vm.size", compute.vm_size);
    found.text("azure.vm.scaleset.name", compute.vm_scale_set_name);
    found.text("azure.resourcegroup.name", compute.resource_group_name);
    Ok(found.0)
}

fn detect_aks(probe: &Probe<'_>) -> Result<Vec<KeyValue>, String> {
    if !probe.is_in_kubernetes() {
        return Ok(Vec::new());
    }
    let Some(compute) = compute(probe)? else { return Ok(Vec::new()) };
    let mut found = Found::default();
    found.text("cloud.provider", "azure");
    found.text("cloud.platform", "azure_aks");
    found.text("k8s.cluster.name", cluster_name(&compute.resource_group_name));
    Ok(found.0)
}

/// The group that AKS makes for the machines of a cluster is `MC_<group>_<cluster>_<location>`. When
/// the parts hold underscores too it cannot be taken apart, but it is as unique as the name.
fn cluster_name(resource_group: &str) -> &str {
    let parts: Vec<&str> = resource_group.split('_').collect();
    match parts[..] {
        [first, _, cluster, _] if first.eq_ignore_ascii_case("mc") => cluster,
        _ => resource_group,
    }
}
