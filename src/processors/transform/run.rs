//! Running the groups over batches.

use super::config::ErrorMode;
use super::groups::Group;
use crate::component::{Context, Next, Processor};
use crate::otlp::Resource;
use crate::ottl::{EvalError, Item, for_each_item};
use crate::pipeline::Batch;
use crate::telemetry::{Causes, Counter};

pub struct Transform {
    groups: Vec<Group>,
    reporter: Reporter,
    added: Counter,
    removed: Counter,
}

/// Tells about statements that fail: each counted, each statement logged once.
struct Reporter {
    id: String,
    errors: Counter,
    /// Group and statement; conditions count after the statements.
    causes: Causes<(usize, usize)>,
}

impl Transform {
    pub fn new(groups: Vec<Group>, context: &Context) -> Self {
        let id = context.id.to_string();
        let counter = |name| context.telemetry.counter(name, &[("processor", &id)]);
        Self {
            groups,
            added: counter("kmagent_processor_transform_added_datapoints"),
            removed: counter("kmagent_processor_transform_removed_datapoints"),
            reporter: Reporter {
                errors: counter("kmagent_processor_transform_statement_errors"),
                id,
                causes: Causes::new(),
            },
        }
    }
}

impl Processor for Transform {
    fn process(&mut self, mut batch: Batch, next: &mut dyn Next) {
        if !self.groups.is_empty() {
            let before = batch.items();
            let data = batch.data_mut();
            for (number, group) in self.groups.iter().enumerate() {
                let mut known = Known::new(group.statements.len());
                for_each_item(data, group.context, |item| {
                    group.run(number, item, &mut known, &self.reporter)
                });
            }
            // Statements on metrics make points, and merge them.
            let after = data.items();
            self.added.add(after.saturating_sub(before) as u64);
            self.removed.add(before.saturating_sub(after) as u64);
        }
        next.send(batch);
    }
}

/// What the resource of the last item has decided, by statement.
struct Known {
    /// Where in the batch it is.
    resource: *const Option<Resource>,
    answers: Vec<Option<bool>>,
}

impl Known {
    fn new(statements: usize) -> Self {
        Self { resource: std::ptr::null(), answers: vec![None; statements] }
    }

    fn enter(&mut self, item: &Item<'_>) {
        let resource = std::ptr::from_ref(&*item.resource);
        if self.resource != resource {
            self.resource = resource;
            self.forget();
        }
    }

    fn forget(&mut self) {
        self.answers.fill(None);
    }
}

impl Group {
    fn run(&self, number: usize, item: &mut Item<'_>, known: &mut Known, reporter: &Reporter) {
        known.enter(item);
        if !self.applies(number, item, reporter) {
            return;
        }
        for (i, statement) in self.statements.iter().enumerate() {
            let done = statement.run(item, &mut known.answers[i]);
            if !matches!(done, Ok(false)) && statement.changes_resource() {
                known.forget();
            }
            if let Err(error) = done {
                reporter.report((number, i), self.error_mode, statement.text(), &error);
                if self.error_mode == ErrorMode::Propagate {
                    return;
                }
            }
        }
    }

    /// Whether one of the conditions holds, or there are none. One that fails does not hold; with
    /// `propagate` the others are not asked.
    fn applies(&self, number: usize, item: &Item<'_>, reporter: &Reporter) -> bool {
        if self.conditions.is_empty() {
            return true;
        }
        let view = item.view();
        for (i, condition) in self.conditions.iter().enumerate() {
            match condition.test(&view) {
                Ok(true) => return true,
                Ok(false) => {}
                Err(error) => {
                    let cause = (number, self.statements.len() + i);
                    reporter.report(cause, self.error_mode, condition.text(), &error);
                    if self.error_mode == ErrorMode::Propagate {
                        return false;
                    }
                }
            }
        }
        false
    }
}

impl Reporter {
    #[cold]
    fn report(&self, cause: (usize, usize), mode: ErrorMode, text: &str, error: &EvalError) {
        self.errors.add(1);
        if mode != ErrorMode::Silent && self.causes.is_new(cause) {
            log::error!(
                "{}: a statement failed, the item goes on without it (logged once): {error}\n  {text}",
                self.id
            );
        }
    }
}
