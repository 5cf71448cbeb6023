//! Regular expressions from the configuration.

use regex::{Regex, RegexBuilder};

/// Compiles a pattern; the message of a bad one shows where it is wrong.
pub fn compile(pattern: &str) -> Result<Regex, String> {
    RegexBuilder::new(pattern)
        .build()
        .map_err(|error| format!("regular expression does not compile: {error}"))
}

/// Compiles each of a list; errors carry the place in the list.
pub fn compile_all(patterns: &[String]) -> Result<Vec<Regex>, (usize, String)> {
    patterns.iter().enumerate().map(|(i, pattern)| compile(pattern).map_err(|error| (i, error))).collect()
}
