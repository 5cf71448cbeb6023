//! Regular expressions from the configuration, with the meaning they have in Go.

use regex::Regex;

/// Compiles a pattern; the message of a bad one says what is wrong with it.
pub fn compile(pattern: &str) -> Result<Regex, String> {
    crate::pattern::compile(pattern).map_err(|error| error.to_string())
}

/// Compiles each of a list; errors carry the place in the list.
pub fn compile_all(patterns: &[String]) -> Result<Vec<Regex>, (usize, String)> {
    patterns.iter().enumerate().map(|(i, pattern)| compile(pattern).map_err(|error| (i, error))).collect()
}
