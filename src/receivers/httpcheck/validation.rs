//! Looking at the body of an answer.

use regex::Regex;
use serde::Deserialize;

use crate::pattern;

/// What must hold of a body; each key is a validation of its own.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ValidationConfig {
    pub contains: String,
    pub not_contains: String,
    /// A path into a JSON body, parts joined with dots.
    pub json_path: String,
    pub equals: String,
    pub max_size: Option<u64>,
    pub min_size: Option<u64>,
    pub regex: String,
}

/// The validations of one entry, ready to run.
#[derive(Clone, Debug)]
pub struct Validation {
    config: ValidationConfig,
    regex: Option<Regex>,
}

impl Validation {
    /// The error has the key it is about.
    pub fn new(config: &ValidationConfig) -> Result<Self, (&'static str, String)> {
        if config.json_path.contains(['#', '*', '?', '|', '@', '\\', '{', '[']) {
            let message = "only names and numbers joined with dots are understood: \"data.items.0.name\"";
            return Err(("json_path", message.to_owned()));
        }
        let regex = if config.regex.is_empty() {
            None
        } else {
            Some(pattern::compile(&config.regex).map_err(|error| ("regex", error.to_string()))?)
        };
        Ok(Self { config: config.clone(), regex })
    }

    /// Tells `each` the type of each validation, and whether it passed.
    pub fn run(&self, body: &[u8], mut each: impl FnMut(&'static str, bool)) {
        let Self { config, regex } = self;
        let text = String::from_utf8_lossy(body);
        if !config.contains.is_empty() {
            each("contains", text.contains(&config.contains));
        }
        if !config.not_contains.is_empty() {
            each("not_contains", !text.contains(&config.not_contains));
        }
        if !config.json_path.is_empty() {
            each("json_path", value_at(body, &config.json_path).is_some_and(|value| value == config.equals));
        }
        let size = body.len() as u64;
        if config.max_size.is_some() || config.min_size.is_some() {
            let small = config.max_size.is_none_or(|most| size <= most);
            each("size", small && config.min_size.is_none_or(|least| size >= least));
        }
        if let Some(regex) = regex {
            each("regex", regex.is_match(&text));
        }
    }
}

/// The value at a path in a JSON document, as text.
fn value_at(body: &[u8], path: &str) -> Option<String> {
    let document: serde_json::Value = serde_json::from_slice(body).ok()?;
    let value = path.split('.').try_fold(&document, |value, part| match value {
        serde_json::Value::Array(items) => items.get(part.parse::<usize>().ok()?),
        value => value.get(part),
    })?;
    Some(match value {
        serde_json::Value::String(text) => text.clone(),
        serde_json::Value::Null => String::new(),
        other => other.to_string(),
    })
}
