//! What can be wrong with a page.

use super::scan::Trouble;

#[derive(Debug, thiserror::Error)]
pub enum ExpositionError {
    /// The connection failed in the middle of the answer.
    #[error("the answer was cut off: {0}")]
    Cut(std::io::Error),
    #[error("the answer has more than {0} bytes: raise body_size_limit if that is right")]
    TooLarge(u64),
    #[error("line {line} has more than {limit} bytes")]
    LongLine { line: u64, limit: usize },
    /// A line that is not of the format; `text` is where in it reading ended.
    #[error("line {line}: {what} at \"{text}\"")]
    Syntax { line: u64, what: &'static str, text: String },
    #[error("the answer does not end with \"# EOF\", as OpenMetrics must")]
    NoEnd,
    #[error("line {line}: not UTF-8")]
    NotUtf8 { line: u64 },
}

/// Characters of a bad line that are shown.
const SHOWN: usize = 60;

impl ExpositionError {
    /// What a parser found wrong with `line`, the line with that number.
    pub fn syntax(number: u64, line: &str, (what, place): Trouble) -> Self {
        let rest = line.get(place..).unwrap_or_default();
        Self::Syntax { line: number, what, text: rest.chars().take(SHOWN).collect() }
    }

    /// A word for the kind: a new kind is worth a new line in the log.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Cut(_) => "cut_off",
            Self::TooLarge(_) => "body_size_limit",
            Self::LongLine { .. } => "long_line",
            Self::Syntax { .. } | Self::NoEnd => "syntax",
            Self::NotUtf8 { .. } => "invalid_utf8",
        }
    }
}
