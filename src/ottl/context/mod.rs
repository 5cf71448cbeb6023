//! What statements see: the contexts, the paths of each, and an item with everything above it.
//!
//! [`View`] is read, [`Item`] is changed; both hold references into the telemetry itself.

mod datapoint;
mod log;
mod metric;
mod resource;
mod scope;
mod span;
mod spanevent;
mod store;
mod views;
mod walk;

pub use span::{state_get, state_set};
pub use views::{for_each_view, views_of_logs, views_of_metrics, views_of_spans};
pub use walk::for_each_item;

use super::EvalError;
use super::value::{Peek, Value};
use crate::otlp::logs::LogRecord;
use crate::otlp::metrics::Metric;
use crate::otlp::trace::Span;
use crate::otlp::{AnyValue, InstrumentationScope, KeyValue, Resource};
use crate::pipeline::Signal;

/// The kind of item that a group of statements runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ContextKind {
    Resource,
    Scope,
    Log,
    Metric,
    DataPoint,
    Span,
    SpanEvent,
}

impl ContextKind {
    pub const ALL: [Self; 7] =
        [Self::Resource, Self::Scope, Self::Log, Self::Metric, Self::DataPoint, Self::Span, Self::SpanEvent];

    /// The name in configurations and at the beginning of paths.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Resource => "resource",
            Self::Scope => "scope",
            Self::Log => "log",
            Self::Metric => "metric",
            Self::DataPoint => "datapoint",
            Self::Span => "span",
            Self::SpanEvent => "spanevent",
        }
    }

    /// The contexts of a signal, the most general first.
    pub const fn of_signal(signal: Signal) -> &'static [Self] {
        match signal {
            Signal::Logs => &[Self::Resource, Self::Scope, Self::Log],
            Signal::Metrics => &[Self::Resource, Self::Scope, Self::Metric, Self::DataPoint],
            Signal::Traces => &[Self::Resource, Self::Scope, Self::Span, Self::SpanEvent],
        }
    }

    /// The context that a path prefix names.
    pub fn of_prefix(prefix: &str) -> Option<Self> {
        if prefix == "instrumentation_scope" {
            return Some(Self::Scope);
        }
        Self::ALL.into_iter().find(|kind| kind.name() == prefix)
    }

    /// This context and those above it, whose paths it may use.
    pub const fn visible(self) -> &'static [Self] {
        match self {
            Self::Resource => &[Self::Resource],
            Self::Scope => &[Self::Scope, Self::Resource],
            Self::Log => &[Self::Log, Self::Scope, Self::Resource],
            Self::Metric => &[Self::Metric, Self::Scope, Self::Resource],
            Self::DataPoint => &[Self::DataPoint, Self::Metric, Self::Scope, Self::Resource],
            Self::Span => &[Self::Span, Self::Scope, Self::Resource],
            Self::SpanEvent => &[Self::SpanEvent, Self::Span, Self::Scope, Self::Resource],
        }
    }

    /// The paths of this context, without the prefix.
    pub const fn paths(self) -> &'static [PathSpec] {
        match self {
            Self::Resource => resource::PATHS,
            Self::Scope => scope::PATHS,
            Self::Log => log::PATHS,
            Self::Metric => metric::PATHS,
            Self::DataPoint => datapoint::PATHS,
            Self::Span => span::PATHS,
            Self::SpanEvent => spanevent::PATHS,
        }
    }
}

/// One path of a context.
#[derive(Clone, Copy, Debug)]
pub struct PathSpec {
    pub name: &'static str,
    pub field: Field,
    /// What it gives, for messages and the documentation.
    pub kind: &'static str,
    pub access: Access,
}

/// What can be done with a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    Read,
    ReadWrite,
    /// Can be set, and has values inside that can be read and set by key or index.
    Inside,
}

/// A field of the data model, resolved when a statement is compiled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    /// Scratch space of one item.
    Cache,
    Resource(resource::Field),
    Scope(scope::Field),
    Log(log::Field),
    Metric(metric::Field),
    DataPoint(datapoint::Field),
    Span(span::Field),
    SpanEvent(spanevent::Field),
}

impl Field {
    /// It is a map, whatever the telemetry is.
    pub fn is_map(self) -> bool {
        let mut specs = ContextKind::ALL.iter().flat_map(|context| context.paths());
        specs.any(|spec| spec.field == self && spec.kind == "map")
    }
}

/// An item and everything above it, to read.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    pub resource: Option<&'a Resource>,
    pub resource_schema_url: &'a str,
    pub scope: Option<&'a InstrumentationScope>,
    pub scope_schema_url: &'a str,
    pub record: RecordRef<'a>,
    pub cache: &'a [KeyValue],
}

/// What the context is about, to read.
#[derive(Clone, Copy, Debug)]
pub enum RecordRef<'a> {
    /// The resource or scope itself.
    None,
    Log(&'a LogRecord),
    Span(&'a Span),
    /// An event by its place in the span.
    Event(&'a Span, usize),
    /// A metric by its place in the scope.
    Metric(&'a [Metric], usize),
    /// A data point by its metric's place in the scope and its place in the metric.
    Point(&'a [Metric], usize, usize),
}

/// An item and everything above it, to change.
#[derive(Debug)]
pub struct Item<'a> {
    pub resource: &'a mut Option<Resource>,
    pub resource_schema_url: &'a mut String,
    /// Absent in the resource context.
    pub scope: Option<ScopeMut<'a>>,
    pub record: Record<'a>,
    pub cache: &'a mut Vec<KeyValue>,
}

/// A scope with its schema.
#[derive(Debug)]
pub struct ScopeMut<'a> {
    pub scope: &'a mut Option<InstrumentationScope>,
    pub schema_url: &'a mut String,
}

/// What the context is about, to change. See [`RecordRef`].
#[derive(Debug)]
pub enum Record<'a> {
    None,
    Log(&'a mut LogRecord),
    Span(&'a mut Span),
    Event(&'a mut Span, usize),
    Metric(&'a mut Vec<Metric>, usize),
    Point(&'a mut Vec<Metric>, usize, usize),
}

/// A place inside the telemetry that values can be put into.
#[derive(Debug)]
pub enum Slot<'a> {
    Map(&'a mut Vec<KeyValue>),
    Any(&'a mut AnyValue),
}

impl<'a> View<'a> {
    /// The value of a field that lies in the telemetry as it is.
    #[inline]
    pub fn peek(&self, field: Field) -> Peek<'a> {
        match (field, self.record) {
            (Field::Log(field), RecordRef::Log(record)) => log::peek(field, record),
            (Field::Cache, _) => Peek::Map(self.cache),
            (Field::Resource(field), _) => resource::peek(field, self),
            (Field::Scope(field), _) => scope::peek(field, self),
            (Field::Metric(field), _) => {
                self.metric().map_or(Peek::Nil, |metric| metric::peek(field, metric))
            }
            (Field::DataPoint(field), _) => {
                self.point().map_or(Peek::Nil, |point| datapoint::peek(field, point))
            }
            (Field::Span(field), RecordRef::Span(span) | RecordRef::Event(span, _)) => {
                span::peek(field, span)
            }
            (Field::SpanEvent(field), RecordRef::Event(span, index)) => {
                span.events.get(index).map_or(Peek::Nil, |event| spanevent::peek(field, event, index))
            }
            _ => Peek::Nil,
        }
    }

    /// The value of a field.
    pub fn get(&self, field: Field) -> Result<Value<'a>, EvalError> {
        match self.peek(field) {
            Peek::Computed => self.compute(field),
            peek => Ok(Value::from(peek)),
        }
    }

    fn compute(&self, field: Field) -> Result<Value<'a>, EvalError> {
        Ok(match (field, self.record) {
            (Field::Log(field), RecordRef::Log(record)) => return log::compute(field, record),
            (Field::Metric(field), _) => {
                self.metric().map_or(Value::Nil, |metric| metric::compute(field, metric))
            }
            (Field::DataPoint(field), _) => {
                self.point().map_or(Value::Nil, |point| datapoint::compute(field, point))
            }
            (Field::Span(field), RecordRef::Span(span) | RecordRef::Event(span, _)) => {
                span::compute(field, span)
            }
            (Field::SpanEvent(field), RecordRef::Event(span, index)) => {
                span.events.get(index).map_or(Value::Nil, |event| spanevent::compute(field, event))
            }
            _ => Value::Nil,
        })
    }

    fn point(&self) -> Option<datapoint::PointRef<'a>> {
        match self.record {
            RecordRef::Point(metrics, metric, point) => datapoint::PointRef::of(metrics.get(metric)?, point),
            _ => None,
        }
    }

    /// The metric of the metric and data point contexts.
    pub fn metric(&self) -> Option<&'a Metric> {
        match self.record {
            RecordRef::Metric(metrics, index) | RecordRef::Point(metrics, index, _) => metrics.get(index),
            _ => None,
        }
    }
}

impl Item<'_> {
    pub fn view(&self) -> View<'_> {
        View {
            resource: self.resource.as_ref(),
            resource_schema_url: self.resource_schema_url,
            scope: self.scope.as_ref().and_then(|scope| scope.scope.as_ref()),
            scope_schema_url: self.scope.as_ref().map_or("", |scope| scope.schema_url),
            record: match &self.record {
                Record::None => RecordRef::None,
                Record::Log(record) => RecordRef::Log(record),
                Record::Span(span) => RecordRef::Span(span),
                Record::Event(span, index) => RecordRef::Event(span, *index),
                Record::Metric(metrics, index) => RecordRef::Metric(metrics, *index),
                Record::Point(metrics, metric, point) => RecordRef::Point(metrics, *metric, *point),
            },
            cache: self.cache,
        }
    }

    /// Sets a field as a whole.
    pub fn set(&mut self, field: Field, value: Value<'_>) -> Result<(), EvalError> {
        match field {
            Field::Cache => store::map(self.cache, value),
            Field::Resource(field) => resource::set(field, self, value),
            Field::Scope(field) => scope::set(field, self, value),
            Field::Log(field) => match &mut self.record {
                Record::Log(record) => log::set(field, record, value),
                _ => Ok(()),
            },
            Field::Metric(field) => match self.metric_mut() {
                Some(metric) => metric::set(field, metric, value),
                None => Ok(()),
            },
            Field::DataPoint(field) => match &mut self.record {
                Record::Point(metrics, metric, point) => {
                    match metrics.get_mut(*metric).and_then(|metric| datapoint::PointMut::of(metric, *point))
                    {
                        Some(point) => datapoint::set(field, point, value),
                        None => Ok(()),
                    }
                }
                _ => Ok(()),
            },
            Field::Span(field) => match &mut self.record {
                Record::Span(span) | Record::Event(span, _) => span::set(field, span, value),
                _ => Ok(()),
            },
            Field::SpanEvent(field) => match &mut self.record {
                Record::Event(span, index) => match span.events.get_mut(*index) {
                    Some(event) => spanevent::set(field, event, value),
                    None => Ok(()),
                },
                _ => Ok(()),
            },
        }
    }

    /// The inside of a field whose access is [`Access::Inside`].
    pub fn slot(&mut self, field: Field) -> Option<Slot<'_>> {
        match field {
            Field::Cache => Some(Slot::Map(self.cache)),
            Field::Resource(field) => resource::slot(field, self),
            Field::Scope(field) => scope::slot(field, self),
            Field::Log(field) => match &mut self.record {
                Record::Log(record) => log::slot(field, record),
                _ => None,
            },
            Field::Metric(field) => self.metric_mut().and_then(|metric| metric::slot(field, metric)),
            Field::DataPoint(field) => match &mut self.record {
                Record::Point(metrics, metric, point) => {
                    let point = datapoint::PointMut::of(metrics.get_mut(*metric)?, *point)?;
                    datapoint::slot(field, point)
                }
                _ => None,
            },
            Field::Span(field) => match &mut self.record {
                Record::Span(span) | Record::Event(span, _) => span::slot(field, span),
                _ => None,
            },
            Field::SpanEvent(field) => match &mut self.record {
                Record::Event(span, index) => spanevent::slot(field, span.events.get_mut(*index)?),
                _ => None,
            },
        }
    }

    /// The metric of the metric and data point contexts.
    pub fn metric_mut(&mut self) -> Option<&mut Metric> {
        match &mut self.record {
            Record::Metric(metrics, index) | Record::Point(metrics, index, _) => metrics.get_mut(*index),
            _ => None,
        }
    }
}

/// Whether the inside of the field is the members of a W3C `tracestate`.
pub fn is_trace_state(field: Field) -> bool {
    field == Field::Span(span::Field::TraceState)
}
