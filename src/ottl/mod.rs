//! The OpenTelemetry Transformation Language.
//!
//! A statement is parsed and compiled once, against the kind of item it runs on: paths become
//! fields, literals typed values, patterns automata. Running it walks a small tree that borrows
//! from the telemetry; only what an editor stores is copied.

mod ast;
mod compare;
mod compile;
mod context;
mod csv;
mod documentation;
mod enums;
mod error;
mod expr;
mod failures;
mod functions;
mod grok;
mod grok_patterns;
mod infer;
mod json;
mod layout;
mod lexer;
mod limits;
mod parser;
mod path;
mod pattern;
mod statement;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod text;
mod time;
mod user_agent;
mod value;
mod xml;

pub use context::{
    ContextKind, Item, Record, RecordRef, ScopeMut, View, for_each_item, for_each_view, views_of_logs,
    views_of_metrics, views_of_spans,
};
pub use documentation::reference;
pub use error::{CompileError, EvalError};
pub use failures::Failures;
pub use infer::{InferError, infer};
pub use pattern::Pattern;
pub use statement::{Choice, Predicate, Statement};
pub use text::{text_of_any, unhex};
pub use value::Text;
