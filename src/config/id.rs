//! Ids of components, `type` or `type/name`, and of pipelines, `signal` or `signal/name`.

use std::fmt;
use std::str::FromStr;

use serde::de::{self, Deserialize, Deserializer};

use crate::pipeline::Signal;

/// The id of a component as the user wrote it, taken apart.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ComponentId {
    pub kind: String,
    pub name: Option<String>,
}

/// Why a text is no component id.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    #[error("the part before \"/\" must not be empty")]
    EmptyType,
    #[error("the part after \"/\" must not be empty")]
    EmptyName,
    #[error("type \"{0}\" must start with a letter and hold only letters, digits and \"_\", at most 63")]
    BadType(String),
    #[error("name \"{0}\" must have at most 1024 characters and no spaces, control characters or symbols")]
    BadName(String),
    #[error(
        "\"{0}\" is no kind of telemetry: a pipeline is logs, metrics or traces, or one of them with a name, as in \"logs/2\""
    )]
    NoSignal(String),
}

impl FromStr for ComponentId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let (kind, name) = split(text)?;
        let valid = kind.starts_with(|c: char| c.is_ascii_alphabetic())
            && kind.len() <= 63
            && kind.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        if !valid {
            return Err(IdError::BadType(kind.to_owned()));
        }
        Ok(Self { kind: kind.to_owned(), name: name.map(str::to_owned) })
    }
}

impl<'de> Deserialize<'de> for ComponentId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(|reason| de::Error::custom(format!("\"{text}\" is no id: {reason}")))
    }
}

/// The two parts of an id, blanks around them cut off.
fn split(text: &str) -> Result<(&str, Option<&str>), IdError> {
    let (kind, name) = match text.split_once('/') {
        Some((kind, name)) => (kind.trim(), Some(name.trim())),
        None => (text.trim(), None),
    };
    if kind.is_empty() {
        return Err(IdError::EmptyType);
    }
    if name == Some("") {
        return Err(IdError::EmptyName);
    }
    // The symbols of ASCII; those beyond it pass.
    let bad = |c: char| c.is_whitespace() || c.is_control() || "$+<=>^`|~".contains(c);
    match name {
        Some(name) if name.contains(bad) || name.chars().count() > 1024 => {
            Err(IdError::BadName(name.to_owned()))
        }
        _ => Ok((kind, name)),
    }
}

impl fmt::Display for ComponentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.name {
            Some(name) => write!(f, "{}/{name}", self.kind),
            None => f.write_str(&self.kind),
        }
    }
}

/// The id of a pipeline.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PipelineId {
    pub signal: Signal,
    pub name: Option<String>,
}

impl FromStr for PipelineId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let (kind, name) = split(text)?;
        let signal = Signal::ALL
            .into_iter()
            .find(|signal| signal.name() == kind)
            .ok_or_else(|| IdError::NoSignal(kind.to_owned()))?;
        Ok(Self { signal, name: name.map(str::to_owned) })
    }
}

impl fmt::Display for PipelineId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.name {
            Some(name) => write!(f, "{}/{name}", self.signal),
            None => self.signal.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn component_ids_are_a_type_and_maybe_a_name() {
        let id = |text: &str| text.parse::<ComponentId>().map(|id| id.to_string());
        for (text, want) in [
            ("otlp", "otlp"),
            (" otlp / a ", "otlp/a"),
            ("k8sobjects/1", "k8sobjects/1"),
            ("transform/rate/copy", "transform/rate/copy"),
            ("otlp/é-1", "otlp/é-1"),
        ] {
            assert_eq!(id(text), Ok(want.to_owned()), "{text}");
        }
        for (text, want) in [
            ("", IdError::EmptyType),
            ("/x", IdError::EmptyType),
            ("x/", IdError::EmptyName),
            ("1x", IdError::BadType("1x".into())),
            ("a-b", IdError::BadType("a-b".into())),
            ("a/b c", IdError::BadName("b c".into())),
            ("a/b+c", IdError::BadName("b+c".into())),
        ] {
            assert_eq!(id(text), Err(want), "{text}");
        }
        assert!(id(&format!("a/{}", "x".repeat(1025))).is_err());
        assert!(id(&"a".repeat(64)).is_err());
    }

    #[test]
    fn pipeline_ids_begin_with_a_signal() {
        let id: PipelineId = "logs/a/b".parse().unwrap();
        assert_eq!(
            (id.signal, id.name.as_deref(), id.to_string().as_str()),
            (Signal::Logs, Some("a/b"), "logs/a/b")
        );
        assert_eq!("profiles".parse::<PipelineId>(), Err(IdError::NoSignal("profiles".into())));
    }
}
