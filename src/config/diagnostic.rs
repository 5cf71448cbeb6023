//! What is wrong with a configuration, and where.

use std::fmt;
use std::sync::Arc;

/// Where a value was written: file, line and column, both counted from 1.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The file as the user named it, or what stands for it (`--set a.b`, `env:CONFIG`).
    pub source: Option<Arc<str>>,
    /// 0: the source as a whole.
    pub line: u32,
    pub column: u32,
}

impl Place {
    /// A source as a whole.
    pub fn of_source(source: &Arc<str>) -> Self {
        Self { source: Some(Arc::clone(source)), line: 0, column: 0 }
    }

    pub fn is_unknown(&self) -> bool {
        self.source.is_none() && self.line == 0
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let source = self.source.as_deref().unwrap_or_default();
        f.write_str(source)?;
        if self.line > 0 {
            let colon = if source.is_empty() { "" } else { ":" };
            write!(f, "{colon}{}:{}", self.line, self.column)?;
        }
        Ok(())
    }
}

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The configuration cannot run.
    Error,
    /// It runs, but likely not as meant.
    Warning,
    /// Worth a line in the log.
    Note,
}

/// One finding. Its `Display` is one line: `agent.yaml:12:5: processors::batch: unknown key "x"`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    pub severity: Severity,
    pub place: Place,
    /// Keys from the root, joined with `::`; empty for the whole configuration.
    pub path: String,
    pub message: String,
}

impl Diagnostic {
    pub fn new(
        severity: Severity,
        place: Place,
        path: impl Into<String>,
        message: impl Into<String>,
    ) -> Self {
        Self { severity, place, path: path.into(), message: message.into() }
    }

    pub fn error(place: Place, path: impl Into<String>, message: impl Into<String>) -> Self {
        Self::new(Severity::Error, place, path, message)
    }

    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.place.is_unknown() {
            write!(f, "{}: ", self.place)?;
        }
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        let mut left = LONGEST;
        for (i, line) in self.message.lines().enumerate() {
            let line = line.trim_end();
            let end = line.char_indices().nth(left).map_or(line.len(), |(end, _)| end);
            write!(f, "{}{}", if i > 0 { "; " } else { "" }, line[..end].trim_start())?;
            if end < line.len() {
                return f.write_str(" …");
            }
            left -= line.chars().count();
        }
        Ok(())
    }
}

/// Most characters of a message that are shown: some quote what they found.
const LONGEST: usize = 1000;

impl std::error::Error for Diagnostic {}

/// Joins two parts of a path with `::`; either may be empty.
pub(super) fn join(base: &str, relative: &str) -> String {
    match (base, relative) {
        ("", path) | (path, "") => path.to_owned(),
        _ => format!("{base}::{relative}"),
    }
}
