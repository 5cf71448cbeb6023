//! What the API server serves: groups, versions and resources.

use std::collections::BTreeMap;
use std::io::Read;

use serde::Deserialize;

use super::{Connection, KubeError, Resource, nullable};
use crate::config::suggest;

/// All resources that can be listed, as far as the server told.
#[derive(Debug, Default)]
pub struct Discovery {
    resources: Vec<Found>,
    /// Groups that could not be asked, with the reason: their server is away.
    pub missing: Vec<String>,
}

/// A resource that the server serves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    pub resource: Resource,
    pub kind: String,
    pub namespaced: bool,
    pub can_watch: bool,
    /// In the version that the server prefers for its group.
    preferred: bool,
}

/// A resource that somebody wants; what is empty may be anything.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wanted<'a> {
    /// Plural name in lower case, or the kind.
    pub name: &'a str,
    pub group: &'a str,
    pub version: &'a str,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Groups {
    #[serde(deserialize_with = "nullable")]
    groups: Vec<Group>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Group {
    versions: Vec<GroupVersion>,
    preferred_version: GroupVersion,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct GroupVersion {
    group_version: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct ResourceList {
    #[serde(deserialize_with = "nullable")]
    resources: Vec<ApiResource>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct ApiResource {
    name: String,
    kind: String,
    namespaced: bool,
    #[serde(deserialize_with = "nullable")]
    verbs: Vec<String>,
}

/// One document of the discovery is not larger than this.
const LARGEST: u64 = 16 << 20;

impl Discovery {
    /// Asks the server for everything it serves.
    pub fn ask(connection: &Connection) -> Result<Self, KubeError> {
        let mut all = Self::default();
        all.add(connection, "v1", true)?;
        let groups: Groups = document(connection, "/apis")?;
        for group in groups.groups {
            for GroupVersion { group_version } in &group.versions {
                let preferred = *group_version == group.preferred_version.group_version;
                match all.add(connection, group_version, preferred) {
                    Ok(()) => {}
                    Err(error @ (KubeError::Interrupted | KubeError::Unauthorized { .. })) => {
                        return Err(error);
                    }
                    // One aggregated API that is away must not hide the others.
                    Err(error) => all.missing.push(error.to_string()),
                }
            }
        }
        Ok(all)
    }

    /// What these documents say, by group and version.
    #[cfg(test)]
    pub fn of(documents: &[(&str, &str)]) -> Self {
        let mut all = Self::default();
        for (group_version, json) in documents {
            all.keep(group_version, serde_json::from_str(json).unwrap(), true);
        }
        all
    }

    fn add(
        &mut self,
        connection: &Connection,
        group_version: &str,
        preferred: bool,
    ) -> Result<(), KubeError> {
        let root = if group_version.contains('/') { "/apis" } else { "/api" };
        let list = document(connection, &format!("{root}/{group_version}"))?;
        self.keep(group_version, list, preferred);
        Ok(())
    }

    fn keep(&mut self, group_version: &str, list: ResourceList, preferred: bool) {
        let (group, version) = group_version.split_once('/').unwrap_or(("", group_version));
        let has = |resource: &ApiResource, verb: &str| resource.verbs.iter().any(|known| known == verb);
        for resource in list.resources {
            // Those with a slash are parts of others.
            if !resource.name.contains('/') && has(&resource, "list") {
                self.resources.push(Found {
                    can_watch: has(&resource, "watch"),
                    resource: Resource::new(group, version, &resource.name),
                    kind: resource.kind,
                    namespaced: resource.namespaced,
                    preferred,
                });
            }
        }
    }

    /// The resource that is wanted: of the group and version when they are given, else of the
    /// first group in the server's order and the version it prefers.
    pub fn find(&self, wanted: Wanted<'_>) -> Option<&Found> {
        let matches = |found: &&Found| {
            let Resource { group, version, plural } = &found.resource;
            (plural == wanted.name || found.kind.eq_ignore_ascii_case(wanted.name))
                && (wanted.group.is_empty() || group == wanted.group)
                && (wanted.version.is_empty() || version == wanted.version)
        };
        let mut matching = self.resources.iter().filter(matches).peekable();
        let first = *matching.peek()?;
        let group = &first.resource.group;
        Some(matching.find(|found| found.preferred && found.resource.group == *group).unwrap_or(first))
    }

    /// Why a resource was not found: the nearest one by name, and all there are.
    pub fn explain(&self, wanted: Wanted<'_>) -> String {
        let Wanted { name, group, version } = wanted;
        let mut groups: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for Found { resource, .. } in &self.resources {
            groups.entry(&resource.plural).or_default().push(&resource.group);
        }
        let mut place = String::new();
        if !group.is_empty() {
            place = format!(" in group \"{group}\"");
        }
        if !version.is_empty() {
            place = format!("{place} of version \"{version}\"");
        }
        if let Some(others) = groups.get(name).filter(|_| !group.is_empty()) {
            let others: Vec<_> = others.iter().map(|group| format!("\"{group}\"")).collect();
            return format!(
                "resource not found: {name}{place}, but there is one in group {}",
                others.join(", ")
            );
        }
        let hint = suggest::hint(name, groups.keys().copied());
        let names: Vec<&str> = groups.keys().copied().collect();
        let away = if self.missing.is_empty() {
            String::new()
        } else {
            format!(" (some groups do not answer: {})", self.missing.join("; "))
        };
        format!(
            "resource not found: {name}{place}{hint}. Available resources in cluster: {}{away}",
            names.join(", ")
        )
    }
}

fn document<T: for<'de> Deserialize<'de>>(connection: &Connection, path: &str) -> Result<T, KubeError> {
    let mut json = Vec::new();
    let broken = |message: String| KubeError::Malformed { target: connection.target(path), message };
    let response = connection.get(path, "application/json")?;
    response.take(LARGEST).read_to_end(&mut json).map_err(|error| KubeError::Transport {
        target: connection.target(path),
        message: format!("the answer was cut off: {error}"),
    })?;
    serde_json::from_slice(&json).map_err(|error| broken(error.to_string()))
}
