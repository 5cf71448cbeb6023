//! What the tests of the language share: items to run on.

use super::context::{ContextKind, Item, Record, RecordRef, ScopeMut, View};
use super::statement::{Predicate, Statement};
use super::value::Value;
use super::{EvalError, compile::Compiler, error::CompileError, error::Fault};
use crate::otlp::logs::LogRecord;
use crate::otlp::metrics::Metric;
use crate::otlp::trace::Span;
use crate::otlp::{AnyValue, InstrumentationScope, KeyValue, Resource};

/// One record of each kind with everything around it.
#[derive(Clone, Debug, Default)]
pub struct World {
    pub resource: Option<Resource>,
    pub resource_schema_url: String,
    pub scope: Option<InstrumentationScope>,
    pub scope_schema_url: String,
    pub log: LogRecord,
    pub span: Span,
    pub metrics: Vec<Metric>,
    pub cache: Vec<KeyValue>,
}

impl World {
    pub fn item(&mut self, context: ContextKind) -> Item<'_> {
        let record = match context {
            ContextKind::Resource | ContextKind::Scope => Record::None,
            ContextKind::Log => Record::Log(&mut self.log),
            ContextKind::Span => Record::Span(&mut self.span),
            ContextKind::SpanEvent => Record::Event(&mut self.span, 0),
            ContextKind::Metric => Record::Metric(&mut self.metrics, 0),
            ContextKind::DataPoint => Record::Point(&mut self.metrics, 0, 0),
        };
        Item {
            resource: &mut self.resource,
            resource_schema_url: &mut self.resource_schema_url,
            scope: Some(ScopeMut { scope: &mut self.scope, schema_url: &mut self.scope_schema_url }),
            record,
            cache: &mut self.cache,
        }
    }

    pub fn run(&mut self, context: ContextKind, statement: &str) -> Result<(), EvalError> {
        let compiled = Statement::compile(statement, context).unwrap_or_else(|error| panic!("{error}"));
        compiled.run(&mut self.item(context), &mut None).map(drop)
    }

    pub fn holds(&mut self, context: ContextKind, condition: &str) -> Result<bool, EvalError> {
        let compiled = Predicate::compile(condition, context).unwrap_or_else(|error| panic!("{error}"));
        compiled.test(&self.item(context).view())
    }
}

/// What an expression gives in the log context, for a record with these attributes.
pub fn eval(attributes: Vec<KeyValue>, expression: &str) -> Result<AnyValue, String> {
    let mut world = World::default();
    world.log.attributes = attributes;
    let item = world.item(ContextKind::Log);
    eval_in(&item.view(), ContextKind::Log, expression)
}

pub fn eval_in(view: &View<'_>, context: ContextKind, expression: &str) -> Result<AnyValue, String> {
    debug_assert!(!matches!((context, view.record), (ContextKind::Log, RecordRef::None)));
    // A value is parsed as the argument of an editor.
    let statement = format!("set(cache[\"x\"], {expression})");
    let parsed = super::parser::statement(&statement)
        .map_err(|fault: Fault| CompileError::new(&statement, fault).to_string())?;
    let compiled = Compiler { context }
        .value(&parsed.editor.args[1].value)
        .map_err(|fault| CompileError::new(&statement, fault).to_string())?;
    let value = compiled.eval(view).map_err(|error| error.to_string())?;
    match value {
        Value::Time(time) => Ok(AnyValue::from(time.to_string())),
        Value::Duration(span) => Ok(AnyValue::from(span.to_string())),
        Value::Id(id) => Ok(AnyValue::from(super::text::hex(id.as_bytes()))),
        other => other.into_any().map_err(|error| error.to_string()),
    }
}
