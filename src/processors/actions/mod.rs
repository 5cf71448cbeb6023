//! The actions that the `attributes` and `resource` processors share: their configuration.
//!
//! `compile` checks a list of them and makes the engine in `apply.rs`.

mod apply;
mod convert;

use serde::Deserialize;

use super::literal::Literal;
use super::pattern;
use crate::config::Issues;
use crate::otlp::Str;

pub use apply::Actions;

use apply::{Action, Operation, Source, Target};

/// One entry of `actions` (processor `attributes`) or `attributes` (processor `resource`).
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ActionConfig {
    /// The attribute to act upon.
    key: String,
    /// `insert`, `update`, `upsert`, `delete`, `hash`, `extract` or `convert`, in any case.
    action: String,
    value: Literal,
    /// Takes the value of another attribute of the same list.
    from_attribute: String,
    /// Takes the value from the client's request: `metadata.…`, `auth.…`, `client.address`.
    from_context: String,
    /// For `extract`: what to look for; for `delete` and `hash`: keys to act upon.
    pattern: String,
    /// For `convert`: `string`, `int` or `double`.
    converted_type: String,
    /// The value where `from_attribute` or `from_context` finds none.
    default_value: Literal,
}

/// What is wrong with one action: the key it is about and why.
type Flaw = (&'static str, String);

/// Reports what is wrong with a list of actions; `field` is the key of the list.
pub fn validate(actions: &[ActionConfig], field: &str, issues: &mut Issues<'_>) {
    if actions.is_empty() {
        issues.error("", format!("missing required field \"{field}\": list at least one action"));
    }
    for (index, action) in actions.iter().enumerate() {
        let place = |key: &str| match key {
            "" => format!("{field}::{index}"),
            key => format!("{field}::{index}::{key}"),
        };
        match action.compile() {
            Ok(Some(_)) => {}
            Ok(None) => issues.warn(
                &place("value"),
                format!(
                    "has no value (an environment variable that is not set?): \"{}\" is left alone",
                    action.key
                ),
            ),
            Err((key, message)) => issues.error(&place(key), message),
        }
    }
}

/// The engine of a valid list.
pub fn compile(actions: &[ActionConfig]) -> Result<Actions, String> {
    let mut compiled = Vec::with_capacity(actions.len());
    for action in actions {
        compiled.extend(action.compile().map_err(|(key, message)| format!("{key}: {message}"))?);
    }
    Ok(Actions::new(compiled))
}

impl ActionConfig {
    /// `None`: the action has nothing to do, since its value resolved to nothing.
    fn compile(&self) -> Result<Option<Action>, Flaw> {
        let name = self.action.to_ascii_lowercase();
        let operation = match name.as_str() {
            "insert" | "update" | "upsert" => {
                self.refuse(&name, &["pattern", "converted_type"])?;
                let Some(source) = self.source()? else { return Ok(None) };
                match name.as_str() {
                    "insert" => Operation::Insert(source),
                    "update" => Operation::Update(source),
                    _ => Operation::Upsert(source),
                }
            }
            "delete" | "hash" => {
                self.refuse(&name, &["value", "from_attribute", "from_context", "converted_type"])?;
                let target = Target {
                    key: (!self.key.is_empty()).then(|| self.key.as_str().into()),
                    pattern: match self.pattern.as_str() {
                        "" => None,
                        text => Some(pattern::compile(text).map_err(|error| ("pattern", error))?),
                    },
                };
                if target.key.is_none() && target.pattern.is_none() {
                    return Err(("", format!("action \"{name}\" needs \"key\" or \"pattern\"")));
                }
                return Ok(Some(Action {
                    key: Str::default(),
                    operation: match name.as_str() {
                        "delete" => Operation::Delete(target),
                        _ => Operation::Hash(target),
                    },
                }));
            }
            "extract" => {
                self.refuse(&name, &["value", "from_attribute", "from_context", "converted_type"])?;
                self.extract()?
            }
            "convert" => {
                self.refuse(&name, &["value", "from_attribute", "from_context", "pattern"])?;
                Operation::Convert(self.converted_type.parse().map_err(|error| ("converted_type", error))?)
            }
            "" => {
                return Err((
                    "action",
                    "is required: insert, update, upsert, delete, hash, extract or convert".to_owned(),
                ));
            }
            other => {
                return Err((
                    "action",
                    format!(
                        "\"{other}\" is no action: use insert, update, upsert, delete, hash, extract or convert"
                    ),
                ));
            }
        };
        if self.key.is_empty() {
            return Err(("key", "is required".to_owned()));
        }
        Ok(Some(Action { key: self.key.as_str().into(), operation }))
    }

    /// Keys that the action does not use must not be there: they would be ignored in silence.
    fn refuse(&self, action: &str, keys: &[&'static str]) -> Result<(), Flaw> {
        for key in keys {
            let set = match *key {
                "value" => self.value != Literal::Absent,
                "from_attribute" => !self.from_attribute.is_empty(),
                "from_context" => !self.from_context.is_empty(),
                "pattern" => !self.pattern.is_empty(),
                _ => !self.converted_type.is_empty(),
            };
            if set {
                return Err((key, format!("is not used by action \"{action}\": remove it")));
            }
        }
        Ok(())
    }

    fn source(&self) -> Result<Option<Source>, Flaw> {
        let default = self.default_value.value().cloned();
        match (&self.value, self.from_attribute.as_str(), self.from_context.as_str()) {
            (Literal::Absent, "", "") => {
                Err(("", "one of \"value\", \"from_attribute\" or \"from_context\" is required".to_owned()))
            }
            (Literal::Null, "", "") => Ok(default.map(Source::Value)),
            (Literal::Value(value), "", "") => Ok(Some(Source::Value(value.clone()))),
            (Literal::Absent, from, "") => Ok(Some(Source::Attribute { from: from.into(), default })),
            // No receiver hands on what it knows of its client, so the default is all there is.
            (Literal::Absent, "", _) => Ok(default.map(Source::Value).or(Some(Source::Nothing))),
            _ => Err((
                "",
                "takes only one of \"value\", \"from_attribute\" and \"from_context\": remove the others"
                    .to_owned(),
            )),
        }
    }

    fn extract(&self) -> Result<Operation, Flaw> {
        if self.pattern.is_empty() {
            return Err(("pattern", "is required by action \"extract\"".to_owned()));
        }
        let pattern = pattern::compile(&self.pattern).map_err(|error| ("pattern", error))?;
        let names: Option<Vec<Str>> =
            pattern.capture_names().skip(1).map(|name| name.map(Str::from)).collect();
        match names {
            Some(names) if !names.is_empty() => Ok(Operation::Extract { pattern, names }),
            Some(_) => Err(("pattern", "has no named group: write at least one (?P<name>…)".to_owned())),
            None => Err(("pattern", "has a group without a name: write (?P<name>…) or (?:…)".to_owned())),
        }
    }
}

#[cfg(test)]
mod tests;
