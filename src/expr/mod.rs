//! The expression language of log operators: the part of expr-lang that configurations use in `if`,
//! `expr`, `is_first_entry` and `EXPR(…)`.
//!
//! Text is parsed, checked and compiled once; a mistake is found then and shown with a caret under
//! it. Evaluation borrows everything from the record: conditions and look-ups allocate nothing.
//! How deep, long and laborious an expression may be is bounded. `docs/expr.md` is the user's page.

mod ast;
mod builtins;
mod clock;
mod code;
mod compile;
mod environment;
mod error;
mod eval;
pub mod gotime;
pub mod json;
mod lexer;
mod number;
mod parser;
mod point;
mod predicates;
mod suggest;
mod template;
mod types;
mod value;

#[cfg(test)]
mod tests;

pub use clock::Moment;
pub use environment::{Environment, Nothing};
pub use error::{EvalError, Span, SyntaxError};
pub use template::{Template, TemplateError};
pub use types::Type;
pub use value::{List, Map, Text, Value};

use crate::otlp::Str;
use code::Code;
use eval::Frame;

/// A compiled expression.
#[derive(Debug)]
pub struct Program {
    code: Code,
    kind: Type,
    source: Box<str>,
    warnings: Vec<SyntaxError>,
}

impl Program {
    /// Compiles an expression of any type.
    pub fn compile(source: &str) -> Result<Self, SyntaxError> {
        Self::with(source, compile::compile)
    }

    fn with(
        source: &str,
        compile: fn(&ast::Expr) -> Result<compile::Compiled, error::Mistake>,
    ) -> Result<Self, SyntaxError> {
        let expr = parser::parse(source)?;
        let compiled = compile(&expr).map_err(|mistake| mistake.in_source(source))?;
        let warnings = compiled.oddities.into_iter().map(|oddity| oddity.in_source(source)).collect();
        Ok(Self { code: compiled.code, kind: compiled.kind, source: source.into(), warnings })
    }

    /// Compiles a condition: an expression that is not known to be anything else than a bool.
    pub fn condition(source: &str) -> Result<Self, SyntaxError> {
        Self::compile(source)?.bool()
    }

    /// Compiles a condition about data points, which also knows `MetricName`, `HasLabel(key)` and
    /// `Label(key)`. The environment's body is the name of the metric.
    pub fn about_points(source: &str) -> Result<Self, SyntaxError> {
        Self::with(source, compile::compile_about_points)?.bool()
    }

    fn bool(self) -> Result<Self, SyntaxError> {
        if self.kind.may_be(&[Type::Bool]) {
            return Ok(self);
        }
        let message = format!("expected a bool, but this is {}", compile::a(self.kind));
        Err(error::Mistake::new(Span::new(0, self.source.len()), message).in_source(&self.source))
    }

    /// The text it was compiled from.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// What is known of the type of its value.
    pub fn kind(&self) -> Type {
        self.kind
    }

    /// What is likely a mistake without being an error: names that are always nil.
    pub fn warnings(&self) -> &[SyntaxError] {
        &self.warnings
    }

    /// The value for a record.
    pub fn eval<'a>(&'a self, environment: &'a dyn Environment) -> Result<Value<'a>, EvalError> {
        Frame::new(environment).eval(&self.code)
    }

    /// Whether both conditions begin with a look whether something is there, at the same place.
    pub fn looks_first_where(&self, other: &Self) -> bool {
        self.code.guard().is_some_and(|guard| other.code.guard() == Some(guard))
    }

    /// What a condition asks that only asks what is there among the attributes.
    pub fn presence(&self) -> Option<Presence<'_>> {
        self.code.presence()
    }

    /// The value of a condition for a record, and how soon it was known.
    #[inline]
    pub fn test_guarded<E: Environment>(&self, environment: &E) -> Result<Tested, EvalError> {
        eval::test_guarded(environment, &self.code)
    }

    /// The value of a condition for a record.
    pub fn test<E: Environment>(&self, environment: &E) -> Result<bool, EvalError> {
        eval::test(environment, &self.code, "a condition")
    }
}

/// A condition that holds when something is at one path below the attributes, and nothing at another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Presence<'a> {
    pub something: &'a [Str],
    pub nothing: Option<&'a [Str]>,
}

/// How a condition turned out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tested {
    Holds,
    Fails,
    /// Nothing is where it looks first: so does every other condition that [looks
    /// there](Program::looks_first_where).
    FailsAtOnce,
}

/// Parses an expression and prints it in its canonical form.
pub fn canonical(source: &str) -> Result<String, SyntaxError> {
    parser::parse(source).map(|expr| expr.to_string())
}
