//! The workloads of the cluster that could be instrumented.

use std::io::Read;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Settings;
use super::instrumentation::PREFIX;
use crate::kube::{Connection, KubeError, Resource, nullable};

/// A workload, as the API and this agent tell each other of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Workload {
    #[serde(deserialize_with = "nullable")]
    pub namespace: String,
    /// Its name, whatever its kind.
    #[serde(deserialize_with = "nullable")]
    pub deployment: String,
    /// `Deployment`, `StatefulSet` or `DaemonSet`.
    #[serde(deserialize_with = "nullable")]
    pub kind: String,
    /// Whether it is instrumented, or is to be.
    #[serde(deserialize_with = "nullable")]
    pub enabled: bool,
    /// The language of its program; empty when nothing tells it.
    #[serde(deserialize_with = "nullable")]
    pub language: String,
}

/// Kinds, and the collections of their objects.
pub const KINDS: [(&str, &str); 3] =
    [("Deployment", "deployments"), ("StatefulSet", "statefulsets"), ("DaemonSet", "daemonsets")];

/// Objects in a page of a list.
const PAGE: usize = 200;
/// A page beyond that size is refused.
const MOST_BYTES: u64 = 64 << 20;
/// More workloads than that are not told of.
const MOST: usize = 10_000;

/// Every workload of the monitored namespaces.
pub fn list(kube: &Connection, settings: &Settings) -> Result<Vec<Workload>, KubeError> {
    let mut found = Vec::new();
    let namespaces: Vec<Option<&str>> = match settings.namespaces.as_slice() {
        [] => vec![None],
        some => some.iter().map(|name| Some(name.as_str())).collect(),
    };
    for (kind, plural) in KINDS {
        for namespace in &namespaces {
            let path = Resource::new("apps", "v1", plural).path(*namespace);
            pages(kube, &path, |object| {
                if found.len() < MOST {
                    found.push(workload(kind, object));
                }
            })?;
        }
    }
    Ok(found)
}

fn pages(kube: &Connection, path: &str, mut take: impl FnMut(&Value)) -> Result<(), KubeError> {
    let mut next = String::new();
    loop {
        let page = read(kube, &format!("{path}?limit={PAGE}{next}"))?;
        page["items"].as_array().into_iter().flatten().for_each(&mut take);
        match page["metadata"]["continue"].as_str() {
            // A token is base64 for URLs; anything else would be no token.
            Some(token) if !token.is_empty() && token.bytes().all(is_token) => {
                next = format!("&continue={token}");
            }
            _ => return Ok(()),
        }
    }
}

fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~')
}

/// The object at a path.
pub fn read(kube: &Connection, path: &str) -> Result<Value, KubeError> {
    let answer = kube.get(path, "application/json")?.take(MOST_BYTES);
    serde_json::from_reader(std::io::BufReader::new(answer))
        .map_err(|error| KubeError::Malformed { target: kube.target(path), message: error.to_string() })
}

fn workload(kind: &str, object: &Value) -> Workload {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let template = &object["spec"]["template"];
    let annotated = template["metadata"]["annotations"].as_object().and_then(|annotations| {
        annotations.keys().find_map(|key| key.strip_prefix(PREFIX).map(str::to_owned))
    });
    Workload {
        namespace: text(&object["metadata"]["namespace"]),
        deployment: text(&object["metadata"]["name"]),
        kind: kind.to_owned(),
        enabled: annotated.is_some(),
        language: annotated.unwrap_or_else(|| guess(&template["spec"]["containers"]).to_owned()),
    }
}

/// Words of images and variables that tell a language.
const SIGNS: [(&str, &[&str], &[&str]); 5] = [
    (
        "java",
        &["openjdk", "temurin", "corretto", "tomcat", "/java", "-jre", "-jdk"],
        &["JAVA_OPTS", "JAVA_TOOL_OPTIONS", "JAVA_HOME"],
    ),
    ("nodejs", &["node:", "/node", "nodejs"], &["NODE_ENV", "NODE_OPTIONS", "NPM_CONFIG_LOGLEVEL"]),
    (
        "python",
        &["python", "gunicorn", "uvicorn"],
        &["PYTHONPATH", "PYTHONUNBUFFERED", "DJANGO_SETTINGS_MODULE"],
    ),
    ("dotnet", &["dotnet", "aspnet"], &["ASPNETCORE_ENVIRONMENT", "ASPNETCORE_URLS", "DOTNET_ENVIRONMENT"]),
    ("go", &["golang"], &["GOMAXPROCS", "GOMEMLIMIT", "GODEBUG"]),
];

fn guess(containers: &Value) -> &'static str {
    for container in containers.as_array().into_iter().flatten() {
        let image = container["image"].as_str().unwrap_or_default();
        let variables: Vec<&str> = container["env"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|env| env["name"].as_str())
            .collect();
        for (language, images, names) in SIGNS {
            if images.iter().any(|sign| image.contains(sign))
                || names.iter().any(|name| variables.contains(name))
            {
                return language;
            }
        }
    }
    ""
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_language_is_told_by_its_annotation_image_or_variables() {
        let of = |container: Value| {
            workload("Deployment", &json!({"spec": {"template": {"spec": {"containers": [container]}}}}))
        };
        assert_eq!(of(json!({"image": "eclipse-temurin:21"})).language, "java");
        assert_eq!(of(json!({"image": "shop/web", "env": [{"name": "NODE_ENV"}]})).language, "nodejs");
        assert_eq!(of(json!({"image": "busybox"})).language, "");
        assert_eq!(of(json!({"image": 1, "env": "x"})).language, "");
        let annotated = json!({
            "metadata": {"name": "api", "namespace": "shop"},
            "spec": {"template": {"metadata": {"annotations": {"instrumentation.opentelemetry.io/inject-python": "a/b"}}}},
        });
        let found = workload("Deployment", &annotated);
        assert_eq!(
            (found.language.as_str(), found.enabled, found.deployment.as_str()),
            ("python", true, "api")
        );
    }
}
