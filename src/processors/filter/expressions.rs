//! Expressions about data points, of the older include and exclude blocks.

use crate::expr::{Environment, Program};
use crate::otlp::attributes::attributes_of;
use crate::otlp::metrics::Metric;
use crate::otlp::points::with_points;
use crate::otlp::{AnyValue, KeyValue, Resource};
use crate::ottl::EvalError;

/// A list of expressions of which one has to hold for one point of a metric.
#[derive(Debug)]
pub struct Expressions(Vec<Program>);

/// A point as expressions see it.
struct PointFacts<'a> {
    metric: &'a AnyValue,
    attributes: &'a [KeyValue],
    resource: &'a [KeyValue],
}

impl Environment for PointFacts<'_> {
    fn body(&self) -> &AnyValue {
        self.metric
    }
    fn attributes(&self) -> &[KeyValue] {
        self.attributes
    }
    fn resource(&self) -> &[KeyValue] {
        self.resource
    }
}

impl Expressions {
    pub fn new(texts: &[String]) -> Result<Self, String> {
        let compile = |text: &String| Program::about_points(text).map_err(|error| error.to_string());
        texts.iter().map(compile).collect::<Result<_, _>>().map(Self)
    }

    /// One that fails does not hold; `failed` is told.
    pub fn any(
        &self,
        resource: Option<&Resource>,
        metric: &Metric,
        failed: &mut dyn FnMut(&str, &EvalError),
    ) -> bool {
        let Some(data) = &metric.data else { return false };
        let name = AnyValue::from(metric.name.as_str());
        let resource = attributes_of(resource);
        let mut holds = |attributes: &[KeyValue]| {
            let facts = PointFacts { metric: &name, attributes, resource };
            self.0.iter().any(|program| {
                program.test(&facts).unwrap_or_else(|error| {
                    failed(program.source(), &EvalError::text(error.to_string()));
                    false
                })
            })
        };
        with_points!(data, points => points.iter().any(|point| holds(&point.attributes)))
    }
}
