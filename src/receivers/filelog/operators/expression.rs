//! Where the expression language comes in: what it sees of an entry, and how its errors are told.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::config::Issues;
use crate::expr::{Environment, EvalError, Program, SyntaxError};
use crate::otlp::{AnyValue, Attributes, KeyValue, Str};

use super::super::entry::Entry;
use super::Problem;

pub use crate::expr::Template;

impl Environment for Entry {
    fn body(&self) -> &AnyValue {
        &self.body
    }
    fn attributes(&self) -> &[KeyValue] {
        &self.attributes
    }
    fn attribute(&self, key: &str) -> Option<&AnyValue> {
        self.attributes.get(key)
    }
    fn resource(&self) -> &[KeyValue] {
        &self.resource
    }
    fn timestamp(&self) -> u64 {
        self.timestamp
    }
    fn observed_timestamp(&self) -> u64 {
        self.observed
    }
    fn severity_text(&self) -> &str {
        &self.severity_text
    }
    fn severity_number(&self) -> i32 {
        self.severity
    }
    fn trace_id(&self) -> &[u8] {
        &self.trace_id
    }
    fn span_id(&self) -> &[u8] {
        &self.span_id
    }
    fn scope_name(&self) -> &str {
        &self.scope_name
    }
}

/// Compiles a condition; what is wrong or odd goes to `issues` at `path`.
pub fn condition(source: &str, path: &str, issues: &mut Issues<'_>) -> Option<Arc<Program>> {
    report(Program::condition(source), path, issues)
}

/// Compiles an expression of any type.
pub fn compile(source: &str, path: &str, issues: &mut Issues<'_>) -> Option<Arc<Program>> {
    report(Program::compile(source), path, issues)
}

fn report(
    program: Result<Program, SyntaxError>,
    path: &str,
    issues: &mut Issues<'_>,
) -> Option<Arc<Program>> {
    let program = program.map_err(|error| issues.error(path, error.to_string())).ok()?;
    for warning in program.warnings() {
        issues.warn(path, warning.to_string());
    }
    Some(Arc::new(program))
}

/// An error of an expression as that of its operator.
pub fn problem(error: &EvalError) -> Problem {
    format!("the expression failed: {error}").into()
}

/// Compiles the templates of a map of attributes.
pub fn templates(
    texts: &BTreeMap<String, String>,
    path: &str,
    issues: &mut Issues<'_>,
) -> Option<Vec<(Str, Arc<Template>)>> {
    let mut sound = true;
    let mut compiled = Vec::with_capacity(texts.len());
    for (key, text) in texts {
        match Template::compile(text) {
            Ok(template) => {
                for warning in template.programs().flat_map(Program::warnings) {
                    issues.warn(path, warning.to_string());
                }
                compiled.push((Str::from(key.as_str()), Arc::new(template)));
            }
            Err(error) => {
                sound = false;
                issues.error(&format!("{path}::{key}"), error.to_string());
            }
        }
    }
    sound.then_some(compiled)
}
