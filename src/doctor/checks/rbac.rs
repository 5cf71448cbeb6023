//! The service account has the rights that components ask for.

use std::io::Read;

use serde_json::{Value, json};

use super::super::rights::{Right, of};
use super::super::{Facts, Finding};
use crate::kube::Connection;

const NAME: &str = "rbac";
const REVIEWS: &str = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";
const MOST_ANSWER: u64 = 1 << 20;

pub fn check(facts: &Facts) -> Vec<Finding> {
    let used = facts.receivers().into_iter().chain(facts.processors()).chain(facts.extensions());
    let wanted: Vec<(String, Vec<Right>)> =
        used.map(|used| (used.id.to_owned(), of(&used))).filter(|(_, rights)| !rights.is_empty()).collect();
    if wanted.is_empty() {
        return vec![Finding::skipped(NAME, "no component asks the API server")];
    }
    let kube = match facts.kube() {
        Ok(kube) => kube,
        Err(error) => {
            return vec![Finding::failed(
                NAME,
                error,
                "run in a pod with automountServiceAccountToken: true",
            )];
        }
    };
    let namespaces = &facts.environment.monitored_namespaces;
    wanted.iter().map(|(id, rights)| judge(&kube, id, rights, namespaces)).collect()
}

fn judge(kube: &Connection, id: &str, rights: &[Right], namespaces: &[String]) -> Finding {
    let mut missing: Vec<(&Right, Option<&str>)> = Vec::new();
    for right in rights {
        let places: Vec<Option<&str>> = if right.namespace.is_some() {
            vec![right.namespace.as_deref()]
        } else if right.is_namespaced && !namespaces.is_empty() {
            namespaces.iter().map(|name| Some(name.as_str())).collect()
        } else {
            vec![None]
        };
        for place in places {
            match is_allowed(kube, right, place) {
                Ok(true) => {}
                Ok(false) => missing.push((right, place)),
                Err(error) => {
                    return Finding::failed(
                        NAME,
                        format!("{id}: {error}"),
                        "check the API server and the token",
                    );
                }
            }
        }
    }
    if missing.is_empty() {
        return Finding::ok(NAME, format!("{id}: may do all that it asks for"));
    }
    let names: Vec<String> = missing
        .iter()
        .map(|(right, place)| match place {
            Some(namespace) => format!("{right} in {namespace}"),
            None => right.to_string(),
        })
        .collect();
    let mut rules: Vec<String> = missing
        .iter()
        .map(|(right, place)| match place {
            Some(namespace) => format!("add to the Role in {namespace}: {}", right.rule()),
            None => format!("add to the ClusterRole: {}", right.rule()),
        })
        .collect();
    rules.dedup();
    Finding::failed(NAME, format!("{id}: may not {}", names.join(", ")), rules.join("\n"))
}

fn is_allowed(kube: &Connection, right: &Right, namespace: Option<&str>) -> Result<bool, String> {
    let spec = match right.path {
        Some(path) => json!({ "nonResourceAttributes": { "path": path, "verb": right.verb } }),
        None => json!({ "resourceAttributes": {
            "group": right.group,
            "resource": right.resource,
            "subresource": right.subresource,
            "verb": right.verb,
            "namespace": namespace.unwrap_or_default(),
        } }),
    };
    let review = json!({
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": spec,
    });
    let answer = kube.create(REVIEWS, review.to_string().as_bytes()).map_err(|error| error.to_string())?;
    let answer: Value = serde_json::from_reader(std::io::BufReader::new(answer.take(MOST_ANSWER)))
        .map_err(|error| format!("the API server's answer is no review: {error}"))?;
    answer["status"]["allowed"].as_bool().ok_or_else(|| "the API server's answer is no review".to_owned())
}
