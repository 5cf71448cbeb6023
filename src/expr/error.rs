//! What can be wrong with an expression, at start-up and while it runs.

use std::fmt;

use crate::otlp::Str;

use super::types::Type;

/// Byte range of a part of the source text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span {
    pub start: usize,
    pub end: usize,
}

impl Span {
    pub(super) fn new(start: usize, end: usize) -> Self {
        Self { start, end }
    }

    pub(super) fn to(self, other: Self) -> Self {
        Self { start: self.start, end: other.end }
    }
}

/// A mistake found before the expression runs. Prints as a message, the line of the source and a
/// caret under the column:
///
/// ```text
/// unknown function "lenn": did you mean "len"?
///   lenn(body) > 3
///   ^^^^
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SyntaxError {
    pub message: String,
    pub span: Span,
    source: Box<str>,
}

/// What went wrong, before the source text is known.
#[derive(Clone, Debug)]
pub(super) struct Mistake {
    pub message: String,
    pub span: Span,
}

impl Mistake {
    pub fn new(span: Span, message: impl Into<String>) -> Self {
        Self { message: message.into(), span }
    }

    pub fn in_source(self, source: &str) -> SyntaxError {
        SyntaxError { message: self.message, span: self.span, source: source.into() }
    }
}

impl SyntaxError {
    /// Column of the mistake, counted in characters from 1, and its line, from 1.
    pub fn position(&self) -> (usize, usize) {
        let before = &self.source[..self.span.start.min(self.source.len())];
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or("").chars().count() + 1;
        (line, column)
    }
}

impl fmt::Display for SyntaxError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let start = self.span.start.min(self.source.len());
        let line_start = self.source[..start].rfind('\n').map_or(0, |at| at + 1);
        let line_end = self.source[start..].find('\n').map_or(self.source.len(), |at| start + at);
        let end = self.span.end.clamp(start, line_end);
        let indent = self.source[line_start..start].chars().count();
        let width = self.source[start..end].chars().count().max(1);
        let line = self.source[line_start..line_end].replace('\t', " ");
        write!(f, "{}\n  {line}\n  {:indent$}{}", self.message, "", "^".repeat(width))
    }
}

impl std::error::Error for SyntaxError {}

/// Why an expression has no value for a record. Cheap to make: the text is written when it is shown.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum EvalError {
    #[error("cannot fetch {key} from {from}")]
    Fetch { key: Str, from: Type },
    #[error("index {index} is out of range of an array of {len}")]
    OutOfRange { index: i64, len: usize },
    #[error("{operation} needs {wanted}, not {got}")]
    Operand { operation: &'static str, wanted: &'static str, got: Type },
    #[error("{operation} is not defined for {left} and {right}")]
    Mismatch { operation: &'static str, left: Type, right: Type },
    #[error("integer division by zero")]
    DivisionByZero,
    #[error("{operation} cannot use \"{text}\": {reason}")]
    BadText { operation: &'static str, text: Str, reason: Str },
    #[error("the expression needs too much work for one record (a range, list or text too large)")]
    Budget,
    #[error("{0}")]
    Other(&'static str),
}
