//! A list of conditions of which one is enough.

use super::Faults;
use crate::ottl::{ContextKind, EvalError, Predicate, View};

/// Conditions on the items of one context.
#[derive(Debug, Default)]
pub struct Conditions(Vec<Predicate>);

impl Conditions {
    pub fn compile(texts: &[String], context: ContextKind, path: &str, faults: &mut Faults) -> Self {
        let mut compiled = Vec::new();
        for (i, text) in texts.iter().enumerate() {
            match Predicate::compile(text, context) {
                Ok(condition) => compiled.push(condition),
                Err(error) => faults.push((format!("{path}::{i}"), error.to_string())),
            }
        }
        Self(compiled)
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether one of them holds. One that fails does not hold; `failed` is told.
    pub fn any(&self, view: &View<'_>, failed: &mut dyn FnMut(&str, &EvalError)) -> bool {
        self.0.iter().any(|condition| match condition.test(view) {
            Ok(answer) => answer,
            Err(error) => {
                failed(condition.text(), &error);
                false
            }
        })
    }
}
