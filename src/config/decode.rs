//! Decoding a node into a typed config.

use serde::de::DeserializeOwned;

use super::Node;
use super::diagnostic::{Diagnostic, Severity, join};
use super::parse::parse;
use super::session::{Cursor, Session};

/// Decodes one section of the file and collects what is wrong with it.
pub struct Decoder<'a> {
    node: &'a Node,
    path: String,
    found: Vec<Diagnostic>,
}

/// Collects what a config's `validate` finds.
pub struct Issues<'a> {
    node: &'a Node,
    path: String,
    found: &'a mut Vec<Diagnostic>,
}

impl<'a> Decoder<'a> {
    pub fn new(node: &'a Node) -> Self {
        Self::at(node, "")
    }

    /// `path`: where the section is in the document, as in `exporters::otlp/2`.
    pub fn at(node: &'a Node, path: impl Into<String>) -> Self {
        Self { node, path: path.into(), found: Vec::new() }
    }

    /// Decodes the whole section; errors are collected.
    pub fn decode<T: DeserializeOwned>(&mut self) -> Option<T> {
        decode(self.node, &self.path, &mut self.found)
    }

    pub fn issues(&mut self) -> Issues<'_> {
        Issues { node: self.node, path: self.path.clone(), found: &mut self.found }
    }

    /// What was found so far.
    pub fn found(&self) -> &[Diagnostic] {
        &self.found
    }

    pub fn into_found(self) -> Vec<Diagnostic> {
        self.found
    }
}

impl Issues<'_> {
    /// `path` is relative to the section, parts joined with `::`; empty for the section itself.
    pub fn error(&mut self, path: &str, message: impl Into<String>) {
        self.push(Severity::Error, path, message.into());
    }

    pub fn warn(&mut self, path: &str, message: impl Into<String>) {
        self.push(Severity::Warning, path, message.into());
    }

    /// The issues of a part of this section: its paths are relative to `path`.
    pub fn within(&mut self, path: &str) -> Issues<'_> {
        Issues { node: self.node.nearest(path), path: join(&self.path, path), found: self.found }
    }

    pub(super) fn path(&self) -> &str {
        &self.path
    }

    pub(super) fn found(&mut self) -> &mut Vec<Diagnostic> {
        self.found
    }

    fn push(&mut self, severity: Severity, path: &str, message: String) {
        let place = self.node.nearest(path).place().clone();
        self.found.push(Diagnostic::new(severity, place, join(&self.path, path), message));
    }
}

/// Decodes YAML text into `T`: for tests and built-in defaults. The error holds all findings, one
/// a line.
pub fn from_yaml<T: DeserializeOwned>(text: &str) -> Result<T, String> {
    let mut found = Vec::new();
    let value = match parse(text, None) {
        Ok(node) => decode(&node, "", &mut found),
        Err(errors) => {
            found = errors;
            None
        }
    };
    value.ok_or_else(|| found.iter().map(Diagnostic::to_string).collect::<Vec<_>>().join("\n"))
}

/// Most errors that one section reports, so that hostile text cannot keep the agent busy.
const MAX_ERRORS: usize = 100;

/// Decodes `node`; after an error once more without the faulty part, until all are found.
pub(super) fn decode<T: DeserializeOwned>(node: &Node, path: &str, found: &mut Vec<Diagnostic>) -> Option<T> {
    let session = Session::default();
    let mut value = None;
    while session.found.borrow().len() < MAX_ERRORS {
        match T::deserialize(Cursor::new(node, path, &session)) {
            Ok(decoded) => value = Some(decoded),
            Err(error) if session.absorb(&error, node) => continue,
            Err(_) => {}
        }
        break;
    }
    let clean = report(session, value.is_some(), node, path, found);
    value.filter(|_| clean)
}

/// Hands on what a decoding found, and says whether that was nothing. Not generic: what stands in
/// [`decode`] is in the binary for each of some seventy types, sorting too.
fn report(session: Session, decoded: bool, node: &Node, path: &str, found: &mut Vec<Diagnostic>) -> bool {
    let mut errors = session.found.into_inner();
    errors.sort_by(|a, b| a.place.cmp(&b.place));
    let clean = errors.is_empty();
    if clean && !decoded {
        found.push(Diagnostic::error(node.place().clone(), path, "a value is missing here"));
    }
    found.extend(errors);
    clean
}

#[cfg(test)]
#[path = "decode_tests.rs"]
mod tests;
