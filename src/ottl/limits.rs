//! Bounds on what statements and hostile data can make the agent do.

use super::EvalError;

/// Longest statement in bytes.
pub const STATEMENT: usize = 64 * 1024;
/// Deepest nesting of parentheses, lists, maps, calls and indexes in a statement.
pub const NESTING: usize = 64;
/// Most arithmetic operators in a statement.
pub const OPERATORS: usize = 256;
/// Largest text or byte string that an expression may produce.
pub const TEXT: usize = 4 * 1024 * 1024;
/// Most values that a converter may make from one text.
pub const VALUES: usize = 256 * 1024;
/// Metrics appended to a scope that are visited in the same pass: statements that copy their copies end.
pub const APPENDED: usize = 1000;
/// Deepest nesting of values that a converter may make. The wire format's decoders stop at 100
/// messages; one nested map takes three.
pub const DEPTH: usize = 28;

/// Fails for a text that would be longer than [`TEXT`].
pub fn check_text(len: usize) -> Result<(), EvalError> {
    if len > TEXT { Err(EvalError::fixed("the result would be larger than 4 MiB")) } else { Ok(()) }
}

/// Fails for more than [`VALUES`] values.
pub fn check_values(count: usize) -> Result<(), EvalError> {
    if count > VALUES {
        Err(EvalError::fixed("the result would have more than 262144 values"))
    } else {
        Ok(())
    }
}
