//! Decoding a node into a typed config.

use serde::de::DeserializeOwned;

use super::Node;

/// Decodes one section of the file and collects what is wrong with it.
pub struct Decoder<'a> {
    node: &'a Node,
    errors: Vec<String>,
}

/// Collects what a config's `validate` finds.
pub struct Issues<'a> {
    errors: &'a mut Vec<String>,
}

impl<'a> Decoder<'a> {
    pub fn new(node: &'a Node) -> Self {
        Self { node, errors: Vec::new() }
    }

    /// Decodes the whole section; errors are collected.
    pub fn decode<T: DeserializeOwned>(&mut self) -> Option<T> {
        serde_yaml::from_value(self.node.value.clone()).map_err(|e| self.errors.push(e.to_string())).ok()
    }

    pub fn issues(&mut self) -> Issues<'_> {
        Issues { errors: &mut self.errors }
    }
}

impl Issues<'_> {
    /// `path` is relative to the section, parts joined with `::`; empty for the section itself.
    pub fn error(&mut self, path: &str, message: impl Into<String>) {
        self.errors.push(format!("{path}: {}", message.into()));
    }

    pub fn warn(&mut self, path: &str, message: impl Into<String>) {
        log::warn!("{path}: {}", message.into());
    }
}

/// Decodes YAML text into `T`: for tests and built-in defaults.
pub fn from_yaml<T: DeserializeOwned>(text: &str) -> Result<T, String> {
    serde_yaml::from_str(text).map_err(|error| error.to_string())
}
