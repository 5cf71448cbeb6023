//! What tells the series of a metric apart: read from a span once to find its series, and once more
//! when the series is new.

use super::config::{BUILT_IN, DimensionConfig};
use crate::otlp::attributes::find;
use crate::otlp::identity::Digest;
use crate::otlp::trace::{Event, Span, SpanKind, StatusCode};
use crate::otlp::{AnyValue, InstrumentationScope, KeyValue, Str};

/// The dimensions of all metrics.
pub struct Dimensions {
    /// Which of [`BUILT_IN`] are used.
    built_in: [bool; 4],
    common: Vec<Dimension>,
    /// Names of the scopes that are dimensions.
    scopes: Vec<String>,
}

/// A configured dimension.
pub struct Dimension {
    name: Str,
    default: Option<AnyValue>,
}

impl From<&DimensionConfig> for Dimension {
    fn from(config: &DimensionConfig) -> Self {
        Self { name: config.name.as_str().into(), default: config.default.as_deref().map(AnyValue::from) }
    }
}

/// A span with what it belongs to.
#[derive(Clone, Copy)]
pub struct Facts<'a> {
    pub service: &'a str,
    pub resource: &'a [KeyValue],
    pub scope: Option<&'a InstrumentationScope>,
    pub span: &'a Span,
    /// When it is the event that is counted.
    pub event: Option<&'a Event>,
}

const SCOPE_NAME: &str = "span.instrumentation.scope.name";
const SCOPE_VERSION: &str = "span.instrumentation.scope.version";

impl Dimensions {
    pub fn new(common: &[DimensionConfig], excluded: &[String], scopes: &[String]) -> Self {
        Self {
            built_in: BUILT_IN.map(|name| !excluded.iter().any(|excluded| excluded == name)),
            common: common.iter().map(Dimension::from).collect(),
            scopes: scopes.to_vec(),
        }
    }

    /// Adds the values of the dimensions that all metrics have to a series' identity.
    pub fn digest_common(&self, facts: &Facts<'_>, digest: &mut Digest) {
        self.visit_fixed(facts, |_, text| digest.text(text));
        digest_own(&self.common, facts, digest);
    }

    /// The attributes of a new series.
    pub fn attributes(&self, facts: &Facts<'_>, own: &[Dimension]) -> Vec<KeyValue> {
        let mut attributes = Vec::with_capacity(BUILT_IN.len() + self.common.len() + own.len());
        self.visit_fixed(facts, |name, text| attributes.push(KeyValue::fixed(name, text)));
        for dimensions in [&self.common, own] {
            visit(dimensions, facts, |_, name, value| {
                attributes.push(KeyValue { key: name.clone(), value: value.clone() });
            });
        }
        attributes
    }

    /// The dimensions that do not have to be looked for.
    fn visit_fixed(&self, facts: &Facts<'_>, mut visit: impl FnMut(&'static str, &str)) {
        let status = facts.span.status.as_ref().map_or(0, |status| status.code);
        let values = [
            facts.service,
            facts.span.name.as_str(),
            SpanKind::name_of(facts.span.kind),
            StatusCode::name_of(status),
        ];
        for ((name, value), used) in BUILT_IN.into_iter().zip(values).zip(self.built_in) {
            if used {
                visit(name, value);
            }
        }
        if let Some(scope) = facts.scope
            && self.scopes.contains(&scope.name)
        {
            visit(SCOPE_NAME, &scope.name);
            visit(SCOPE_VERSION, &scope.version);
        }
    }
}

/// Adds the values of the dimensions that one metric has to a series' identity.
pub fn digest_own(own: &[Dimension], facts: &Facts<'_>, digest: &mut Digest) {
    visit(own, facts, |place, _, value| {
        // The place tells a dimension that is missing from one that is not.
        digest.number(place as u64);
        digest.value(value);
    });
}

/// A value is looked for in the span, the event, the resource, and is the default then.
fn visit<'a>(
    dimensions: &'a [Dimension],
    facts: &Facts<'a>,
    mut visit: impl FnMut(usize, &'a Str, &'a AnyValue),
) {
    for (place, dimension) in dimensions.iter().enumerate() {
        let value = find(&facts.span.attributes, &dimension.name)
            .or_else(|| facts.event.and_then(|event| find(&event.attributes, &dimension.name)))
            .or_else(|| find(facts.resource, &dimension.name))
            .or(dimension.default.as_ref());
        if let Some(value) = value {
            visit(place, &dimension.name, value);
        }
    }
}
