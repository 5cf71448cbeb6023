//! Text with `EXPR(…)` in it: the values of `attributes` and `resource` in configurations.

use super::{Environment, EvalError, Program, SyntaxError, Text, Type, Value};

/// A text with places to fill in.
#[derive(Debug)]
pub struct Template {
    parts: Vec<Part>,
}

#[derive(Debug)]
enum Part {
    Literal(Box<str>),
    Program(Program),
}

/// Why a template has no text for a record.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum TemplateError {
    #[error(transparent)]
    Eval(#[from] EvalError),
    #[error("the expression must give a string, not {0}: use string(…)")]
    NotText(Type),
}

const OPEN: &str = "EXPR(";

impl Template {
    /// Takes a text apart. A segment starts at `EXPR(` and ends at the last `)` before the next one
    /// or the end; without a `)` the rest is plain text.
    pub fn compile(text: &str) -> Result<Self, SyntaxError> {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some(start) = rest.find(OPEN) {
            let inner = &rest[start + OPEN.len()..];
            let limit = inner.find(OPEN).unwrap_or(inner.len());
            let Some(end) = inner[..limit].rfind(')') else { break };
            if start > 0 {
                parts.push(Part::Literal(rest[..start].into()));
            }
            parts.push(Part::Program(Program::compile(&inner[..end])?));
            rest = &inner[end + 1..];
        }
        if !rest.is_empty() || parts.is_empty() {
            parts.push(Part::Literal(rest.into()));
        }
        Ok(Self { parts })
    }

    /// The text when it is the same for every record.
    pub fn as_literal(&self) -> Option<&str> {
        match self.parts.as_slice() {
            [Part::Literal(text)] => Some(text),
            _ => None,
        }
    }

    /// The expressions in it.
    pub fn programs(&self) -> impl Iterator<Item = &Program> {
        self.parts.iter().filter_map(|part| match part {
            Part::Program(program) => Some(program),
            Part::Literal(_) => None,
        })
    }

    /// The text for a record.
    pub fn render(&self, environment: &dyn Environment) -> Result<String, TemplateError> {
        let mut out = String::new();
        for part in &self.parts {
            match part {
                Part::Literal(text) => out.push_str(text),
                Part::Program(program) => match program.eval(environment)? {
                    Value::Text(Text::Borrowed(text)) => out.push_str(text),
                    Value::Text(Text::Computed(text)) => out.push_str(&text),
                    other => return Err(TemplateError::NotText(other.kind())),
                },
            }
        }
        Ok(out)
    }
}
