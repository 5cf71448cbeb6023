//! Component ids: `type` or `type/name`.

use std::fmt;
use std::str::FromStr;

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
}

impl FromStr for ComponentId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
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
        let valid = kind.starts_with(|c: char| c.is_ascii_alphabetic())
            && kind.len() <= 63
            && kind.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        if !valid {
            return Err(IdError::BadType(kind.to_owned()));
        }
        Ok(Self { kind: kind.to_owned(), name: name.map(str::to_owned) })
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
