//! Objects held against the OpenAPI schema of Kubernetes.

use std::sync::LazyLock;

use serde_json::Value;

static SCHEMA: LazyLock<Value> = LazyLock::new(|| {
    serde_json::from_str(include_str!("../fixtures/kube/openapi/v1.36.json")).expect("the schema is JSON")
});

/// Kinds of operators that a cluster may have, whose schema is not Kubernetes' own.
const FOREIGN: [&str; 2] =
    ["monitoring.coreos.com/v1/ServiceMonitor", "opentelemetry.io/v1alpha1/Instrumentation"];

/// What is wrong with an object, each with its place.
pub fn check(object: &Value) -> Vec<String> {
    let kind = format!(
        "{}/{}",
        object["apiVersion"].as_str().unwrap_or_default(),
        object["kind"].as_str().unwrap_or_default()
    );
    if FOREIGN.contains(&kind.as_str()) {
        return Vec::new();
    }
    let Some(definition) = SCHEMA["kinds"][&kind].as_str() else {
        return vec![format!("the kind {kind} is not in the schema")];
    };
    let mut problems = Vec::new();
    walk(object, &SCHEMA["definitions"][definition], "", &mut problems);
    problems
}

fn walk(value: &Value, schema: &Value, place: &str, problems: &mut Vec<String>) {
    if let Some(name) = schema["$ref"].as_str() {
        return walk(value, &SCHEMA["definitions"][name], place, problems);
    }
    if let Some(choices) = schema["oneOf"].as_array() {
        if !choices.iter().any(|choice| is_type(value, choice["type"].as_str())) {
            problems.push(format!("{place}: {value} is of a wrong type"));
        }
        return;
    }
    if value.is_null() || !is_type(value, schema["type"].as_str()) {
        problems.push(format!("{place}: {value} is no {}", schema["type"]));
        return;
    }
    if schema["enum"].as_array().is_some_and(|allowed| !allowed.contains(value)) {
        problems.push(format!("{place}: {value} is none of {}", schema["enum"]));
    }
    for (index, item) in value.as_array().into_iter().flatten().enumerate() {
        walk(item, &schema["items"], &format!("{place}[{index}]"), problems);
    }
    let Some(fields) = value.as_object() else { return };
    for name in schema["required"].as_array().into_iter().flatten() {
        let name = name.as_str().unwrap_or_default();
        if !fields.contains_key(name) {
            problems.push(format!("{place}: lacks {name}"));
        }
    }
    for (name, field) in fields {
        let place = if place.is_empty() { name.clone() } else { format!("{place}.{name}") };
        match (&schema["properties"][name], &schema["additionalProperties"]) {
            (Value::Null, Value::Bool(false)) => problems.push(format!("{place}: no such field")),
            (Value::Null, Value::Object(_)) => walk(field, &schema["additionalProperties"], &place, problems),
            (Value::Null, _) => {}
            (schema, _) => walk(field, schema, &place, problems),
        }
    }
}

fn is_type(value: &Value, wanted: Option<&str>) -> bool {
    match wanted {
        Some("string") => value.is_string(),
        Some("boolean") => value.is_boolean(),
        Some("integer") => value.is_i64() || value.is_u64(),
        Some("number") => value.is_number(),
        Some("array") => value.is_array(),
        Some("object") => value.is_object(),
        _ => true,
    }
}
