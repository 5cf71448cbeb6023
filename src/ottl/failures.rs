//! Telling about conditions that fail on data: each time counted, each condition logged once.

use super::EvalError;
use crate::telemetry::{Causes, Counter};

/// The failures of one component.
#[derive(Debug)]
pub struct Failures {
    component: String,
    errors: Counter,
    silent: bool,
    causes: Causes<String>,
}

impl Failures {
    /// `component`: as it shall stand in the log. A silent one is counted alone.
    pub fn new(component: impl Into<String>, errors: Counter, silent: bool) -> Self {
        Self { component: component.into(), errors, silent, causes: Causes::new() }
    }

    /// `condition` failed on an item, of which `consequence` says what becomes of it.
    pub fn note(&self, condition: &str, error: &EvalError, consequence: &str) {
        self.errors.add(1);
        if !self.silent && self.causes.is_new(condition.to_owned()) {
            log::error!(
                "{}: a condition failed, {consequence} (logged once): {error}\n  {condition}",
                self.component
            );
        }
    }
}
