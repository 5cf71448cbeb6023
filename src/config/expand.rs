//! `${…}` in values: variables, files and YAML text.
//!
//! The rules are the collector's: `${env:NAME}`, `${NAME}`, `${env:NAME:-default}`, `${file:PATH}`
//! and `${yaml:TEXT}`, the innermost first, again and again until nothing changes; `$$` is a
//! dollar sign. A value that is one `${…}` as a whole takes the type that its text has as YAML,
//! and keeps the text for fields that want text.

use std::collections::{BTreeMap, HashSet};
use std::path::Path;

use super::diagnostic::{Diagnostic, Place, Severity};
use super::node::{Node, Value};
use super::parse::{MAX_DEPTH, parse};
use super::source::read_file;

/// What `${env:…}` reads.
pub trait Variables {
    fn get(&self, name: &str) -> Option<&str>;

    /// Whether its value must never be shown.
    fn is_secret(&self, name: &str) -> bool {
        let _ = name;
        false
    }
}

impl Variables for BTreeMap<String, String> {
    fn get(&self, name: &str) -> Option<&str> {
        self.get(name).map(String::as_str)
    }
}

/// Most expansions of one value, of which each may bring the next.
const MAX_PASSES: usize = 1000;
/// Most text that all expansions together may make, in bytes.
const MAX_GROWTH: usize = 32 << 20;
/// What one expansion counts beside its text.
const EXPANSION_SIZE: usize = 256;

pub(super) struct Expander<'a> {
    variables: &'a dyn Variables,
    /// Warnings and errors.
    pub found: Vec<Diagnostic>,
    /// Values of secret variables that were read.
    pub secrets: Vec<String>,
    noted: HashSet<String>,
    growth: usize,
}

/// What one `${…}` stands for.
struct Replacement {
    text: String,
    /// An empty default is the empty text, not null.
    is_text: bool,
    secret: bool,
    /// For parts of a file, which have places of their own.
    file: Option<std::sync::Arc<str>>,
}

type Fallible<T> = Result<T, Diagnostic>;

impl<'a> Expander<'a> {
    pub fn new(variables: &'a dyn Variables) -> Self {
        Self { variables, found: Vec::new(), secrets: Vec::new(), noted: HashSet::new(), growth: 0 }
    }

    /// Expands all values; keys stay as they are.
    pub fn expand(&mut self, root: &mut Node) {
        self.value(root, &mut Vec::new(), MAX_PASSES);
        root.walk(&mut |node| {
            if let Value::String(text) = &mut node.value {
                unescape(text);
            }
            if let Some(text) = &mut node.original {
                unescape(text);
            }
        });
    }

    fn value(&mut self, node: &mut Node, path: &mut Vec<String>, mut passes: usize) {
        loop {
            match self.pass(node, path, passes) {
                Ok(true) => passes -= 1,
                Ok(false) => break,
                Err(error) => {
                    self.found.push(error);
                    // Not to be looked at again, not even by what decodes it.
                    node.value = Value::Null;
                    node.original = Some(String::new());
                    return;
                }
            }
        }
        match &mut node.value {
            Value::List(items) => {
                for (i, item) in items.iter_mut().enumerate() {
                    path.push(i.to_string());
                    self.value(item, path, passes);
                    path.pop();
                }
            }
            Value::Map(entries) => {
                for entry in entries {
                    path.push(entry.key.clone());
                    self.value(&mut entry.value, path, passes);
                    path.pop();
                }
            }
            _ => {}
        }
    }

    /// Replaces one `${…}` of a scalar; false when there is none.
    fn pass(&mut self, node: &mut Node, path: &[String], passes: usize) -> Fallible<bool> {
        let (text, is_value) = match (&node.value, &node.original) {
            (Value::String(text), _) => (text.as_str(), true),
            (_, Some(original)) => (original.as_str(), false),
            _ => return Ok(false),
        };
        let Some(reference) = find(text) else { return Ok(false) };
        let fail = |message: &str| Diagnostic::error(node.place.clone(), path.join("::"), message);
        if passes == 0 || path.len() > MAX_DEPTH {
            return Err(fail("too many recursive expansions of \"${…}\""));
        }
        let reference = reference.to_owned();
        let new = self.lookup(&reference, &node.place, &path.join("::"))?;
        let is_whole = reference.len() == text.len();
        let new_text = if is_whole { None } else { Some(text.replace(&reference, &new.text)) };
        self.growth += EXPANSION_SIZE + new_text.as_ref().map_or(new.text.len(), String::len);
        if self.growth > MAX_GROWTH {
            return Err(fail("expanding \"${…}\" makes the configuration too large"));
        }
        match new_text {
            None if is_value => replace(node, new),
            None => node.original = Some(new.text),
            Some(text) if is_value => {
                node.value = Value::String(text);
                node.original = None;
                node.secret |= new.secret;
            }
            Some(text) => node.original = Some(text),
        }
        Ok(true)
    }

    fn lookup(&mut self, reference: &str, place: &Place, path: &str) -> Fallible<Replacement> {
        let inner = &reference[2..reference.len() - 1];
        let fail = |message: String| Diagnostic::error(place.clone(), path, message);
        let (scheme, rest) = match inner.split_once(':') {
            None => ("env", inner),
            Some((_, rest)) if rest.starts_with('-') => {
                return Err(fail(format!("\"{reference}\" needs a scheme: write ${{env:{inner}}}")));
            }
            Some((scheme, rest)) if valid_scheme(scheme) => (scheme, rest),
            Some(_) => return Err(fail(format!("\"{reference}\" names no scheme: write ${{env:NAME}}"))),
        };
        if rest.contains('$') {
            return Err(fail(format!("\"{reference}\" must not contain \"$\"")));
        }
        let plain = |text: String| Replacement { text, is_text: false, secret: false, file: None };
        match scheme {
            "env" => {
                let (name, default) = match rest.split_once(":-") {
                    Some((name, default)) => (name, Some(default)),
                    None => (rest, None),
                };
                if let (None, Some(default)) = (self.variables.get(name), default)
                    && valid_name(name)
                {
                    return Ok(Replacement { is_text: default.is_empty(), ..plain(default.to_owned()) });
                }
                let text = self.variable(name, place, path)?.unwrap_or_default();
                Ok(Replacement { secret: self.variables.is_secret(name), ..plain(text) })
            }
            "file" => match read_file(Path::new(rest)) {
                Ok(text) => Ok(Replacement { file: Some(rest.into()), ..plain(text) }),
                Err(message) => Err(fail(format!("{rest}: {message}"))),
            },
            "yaml" => Ok(plain(rest.to_owned())),
            _ => Err(fail(format!(
                "unsupported scheme \"{scheme}\" in \"{reference}\" (valid: env, file, yaml)"
            ))),
        }
    }

    /// The value of a variable; one warning when it is not set, one note when it is empty.
    pub fn variable(&mut self, name: &str, place: &Place, path: &str) -> Fallible<Option<String>> {
        if !valid_name(name) {
            let message = format!("\"{name}\" is no name of a variable: letters, digits and \"_\"");
            return Err(Diagnostic::error(place.clone(), path, message));
        }
        let value = self.variables.get(name);
        let finding = match value {
            None => Some((Severity::Warning, format!("variable {name} is not set and taken as empty"))),
            Some("") => Some((Severity::Note, format!("variable {name} is empty"))),
            Some(_) => None,
        };
        if let Some((severity, message)) = finding
            && self.noted.insert(name.to_owned())
        {
            self.found.push(Diagnostic::new(severity, place.clone(), path, message));
        }
        if let Some(value) = value.filter(|value| !value.is_empty() && self.variables.is_secret(name))
            && !self.secrets.iter().any(|known| known == value)
        {
            self.secrets.push(value.to_owned());
        }
        Ok(value.map(str::to_owned))
    }
}

/// Puts the YAML value of the replacement in place of a whole scalar.
fn replace(node: &mut Node, new: Replacement) {
    let parsed = if new.is_text { None } else { parse(&new.text, new.file.as_ref()).ok() };
    let secret = node.secret || new.secret;
    let place = node.place.clone();
    match parsed {
        // What YAML reads as text stays as it was written, quotes and all.
        None | Some(Node { value: Value::String(_), .. }) => {
            *node = Node { value: Value::String(new.text), place, original: None, secret };
        }
        Some(mut parsed) => {
            parsed.walk(&mut |part| {
                part.secret = secret;
                if new.file.is_none() {
                    part.place = place.clone();
                }
            });
            *node = Node { place, original: Some(new.text), ..parsed };
        }
    }
}

/// The next `${…}` to expand: the innermost of the first that is closed. An escaped one ends the
/// search.
fn find(text: &str) -> Option<&str> {
    let mut rest = text;
    loop {
        let close = rest.find('}')?;
        match rest[..close].rfind("${") {
            Some(open) => {
                let dollars = rest[..open].bytes().rev().take_while(|&b| b == b'$').count();
                return (dollars % 2 == 0).then(|| &rest[open..=close]);
            }
            None => rest = &rest[close + 1..],
        }
    }
}

fn unescape(text: &mut String) {
    if text.contains("$$") {
        *text = text.replace("$$", "$");
    }
}

/// `[A-Za-z][A-Za-z0-9+.-]+`
pub(super) fn valid_scheme(text: &str) -> bool {
    text.len() >= 2
        && text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'.' | b'-'))
}

/// `[a-zA-Z_][a-zA-Z0-9_]*`
fn valid_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

#[cfg(test)]
#[path = "expand_tests.rs"]
mod tests;
