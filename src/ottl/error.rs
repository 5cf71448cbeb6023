//! What can be wrong with a statement: when it is compiled, and when it runs.

use std::borrow::Cow;
use std::fmt;

/// A mistake in the text of a statement or condition, with its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CompileError {
    text: String,
    at: usize,
    message: String,
}

impl CompileError {
    /// `at` is a byte offset into `text`.
    pub fn new(text: &str, fault: Fault) -> Self {
        Self { text: text.to_owned(), at: fault.at.min(text.len()), message: fault.message }
    }

    /// What is wrong, without the place.
    pub fn message(&self) -> &str {
        &self.message
    }
}

impl std::error::Error for CompileError {}

impl fmt::Display for CompileError {
    /// The message, then the line of the statement with a caret under the place.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let start = self.text[..self.at].rfind('\n').map_or(0, |end| end + 1);
        let line = self.text[start..].lines().next().unwrap_or_default();
        let column = self.text[start..self.at].chars().count();
        // A very long line is cut to the neighbourhood of the caret.
        const AROUND: usize = 100;
        let skipped = column.saturating_sub(AROUND);
        let shown: String = line.chars().skip(skipped).take(2 * AROUND).collect();
        write!(f, "unable to parse OTTL statement: {}\n  {shown}\n  ", self.message)?;
        write!(f, "{:>width$}", '^', width = column - skipped + 1)
    }
}

/// A mistake at a byte offset of a text that the caller knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    pub at: usize,
    pub message: String,
}

impl Fault {
    pub fn new(at: usize, message: impl Into<String>) -> Self {
        Self { at, message: message.into() }
    }
}

/// Why a statement could not be carried out on one item. Making one costs no allocation in the
/// common cases: on real data some statements fail for every record.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EvalError {
    #[error("expected {expected}, found {found}")]
    Type { expected: &'static str, found: &'static str },
    #[error("type {0} does not support string indexing")]
    StringIndex(&'static str),
    #[error("type {0} does not support int indexing")]
    IntIndex(&'static str),
    #[error("index {0} is out of range")]
    OutOfRange(i64),
    #[error("{0}")]
    Other(Cow<'static, str>),
}

impl EvalError {
    pub const fn fixed(message: &'static str) -> Self {
        Self::Other(Cow::Borrowed(message))
    }

    pub fn text(message: impl Into<String>) -> Self {
        Self::Other(Cow::Owned(message.into()))
    }
}

/// The name in `known` that a reader most likely meant by `name`.
pub fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let wanted = name.to_lowercase();
    known
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(&wanted, &candidate.to_lowercase()), candidate))
        .filter(|(distance, candidate)| *distance <= candidate.len().max(wanted.len()) / 3)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// `, did you mean "x"?`, or nothing.
pub fn did_you_mean<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    nearest(name, known).map_or(String::new(), |near| format!(", did you mean \"{near}\"?"))
}
