//! The older include and exclude blocks: what include does not match, and what exclude matches, is
//! dropped.

use super::Faults;
use super::config::{LogMatchConfig, MatchType, MetricMatchConfig, SpanMatchConfig};
use super::expressions::Expressions;
use super::matching::{AttributeMatch, TextSet};
use crate::otlp::logs::LogRecord;
use crate::otlp::metrics::Metric;
use crate::otlp::trace::{Span, SpanKind};
use crate::otlp::{AnyValue, Attributes, InstrumentationScope, KeyValue, Resource};
use crate::ottl::EvalError;

/// Include and exclude of one signal.
#[derive(Debug)]
pub struct Legacy {
    include: Option<Matcher>,
    exclude: Option<Matcher>,
}

/// Everything that is given has to match.
#[derive(Debug, Default)]
pub struct Matcher {
    /// Log bodies, metric names or span names.
    texts: Option<TextSet>,
    severity_texts: Option<TextSet>,
    services: Option<TextSet>,
    kinds: Option<TextSet>,
    libraries: Vec<(TextSet, Option<TextSet>)>,
    attributes: Vec<AttributeMatch>,
    resource_attributes: Vec<AttributeMatch>,
    /// Of metrics, about their points.
    expressions: Option<Expressions>,
    /// The lowest severity, and whether none matches too.
    severity: Option<(i32, bool)>,
}

impl Legacy {
    pub fn of_logs(
        include: Option<&LogMatchConfig>,
        exclude: Option<&LogMatchConfig>,
        faults: &mut Faults,
    ) -> Option<Self> {
        Self::new(include, exclude, "logs", Matcher::of_logs, faults)
    }

    pub fn of_metrics(
        include: Option<&MetricMatchConfig>,
        exclude: Option<&MetricMatchConfig>,
        faults: &mut Faults,
    ) -> Option<Self> {
        Self::new(include, exclude, "metrics", Matcher::of_metrics, faults)
    }

    pub fn of_spans(
        include: Option<&SpanMatchConfig>,
        exclude: Option<&SpanMatchConfig>,
        faults: &mut Faults,
    ) -> Option<Self> {
        Self::new(include, exclude, "spans", Matcher::of_spans, faults)
    }

    fn new<C>(
        include: Option<&C>,
        exclude: Option<&C>,
        section: &str,
        compile: fn(&C) -> Result<Matcher, String>,
        faults: &mut Faults,
    ) -> Option<Self> {
        let mut matcher = |config: Option<&C>, block: &str| {
            let compiled = config.map(compile)?;
            compiled.map_err(|message| faults.push((format!("{section}::{block}"), message))).ok()
        };
        let (include, exclude) = (matcher(include, "include"), matcher(exclude, "exclude"));
        (include.is_some() || exclude.is_some()).then_some(Self { include, exclude })
    }

    /// Whether an item is dropped, by what each block says of it.
    pub fn drops(&self, is_match: impl Fn(&Matcher) -> bool) -> bool {
        self.include.as_ref().is_some_and(|include| !is_match(include))
            || self.exclude.as_ref().is_some_and(is_match)
    }

    /// Whether a metric is dropped. Resource attributes and names decide one without the other.
    pub fn drops_metric(
        &self,
        resource: Option<&Resource>,
        metric: &Metric,
        failed: &mut dyn FnMut(&str, &EvalError),
    ) -> bool {
        let mut by_points = |expressions: &Expressions| expressions.any(resource, metric, failed);
        let outside = |include: &Matcher| {
            !include.matches_resource(resource)
                || include.texts.as_ref().is_some_and(|names| !names.is_match(&metric.name))
                || include.expressions.as_ref().is_some_and(|expressions| !by_points(expressions))
        };
        if self.include.as_ref().is_some_and(outside) {
            return true;
        }
        self.exclude.as_ref().is_some_and(|exclude| {
            (!exclude.resource_attributes.is_empty() && exclude.matches_resource(resource))
                || exclude.texts.as_ref().is_some_and(|names| names.is_match(&metric.name))
                || exclude.expressions.as_ref().is_some_and(by_points)
        })
    }
}

impl Matcher {
    fn of_logs(config: &LogMatchConfig) -> Result<Self, String> {
        let kind = config.match_type;
        let severity = match &config.severity_number {
            None => None,
            Some(severity) => Some((severity_number(&severity.min)?, severity.match_undefined)),
        };
        Self {
            texts: TextSet::new(kind, &config.bodies)?,
            severity_texts: TextSet::new(kind, &config.severity_texts)?,
            attributes: AttributeMatch::all(kind, &config.record_attributes)?,
            resource_attributes: AttributeMatch::all(kind, &config.resource_attributes)?,
            severity,
            ..Self::default()
        }
        .not_empty()
    }

    fn of_metrics(config: &MetricMatchConfig) -> Result<Self, String> {
        if (config.match_type == MatchType::Expr) == config.expressions.is_empty() {
            return Err("expressions go with match_type expr, and the other way round".to_owned());
        }
        let expressions = (!config.expressions.is_empty()).then(|| Expressions::new(&config.expressions));
        Self {
            expressions: expressions.transpose()?,
            texts: TextSet::new(config.match_type, &config.metric_names)?,
            resource_attributes: AttributeMatch::all(config.match_type, &config.resource_attributes)?,
            ..Self::default()
        }
        .not_empty()
    }

    fn of_spans(config: &SpanMatchConfig) -> Result<Self, String> {
        let kind = config.match_type;
        let mut libraries = Vec::new();
        for library in &config.libraries {
            let text = |text: &String| TextSet::new(kind, std::slice::from_ref(text));
            let version = library.version.as_ref().map(text).transpose()?.flatten();
            libraries.extend(text(&library.name)?.map(|name| (name, version)));
        }
        Self {
            texts: TextSet::new(kind, &config.span_names)?,
            services: TextSet::new(kind, &config.services)?,
            kinds: TextSet::new(kind, &config.span_kinds)?,
            attributes: AttributeMatch::all(kind, &config.attributes)?,
            resource_attributes: AttributeMatch::all(kind, &config.resources)?,
            libraries,
            ..Self::default()
        }
        .not_empty()
    }

    fn not_empty(self) -> Result<Self, String> {
        let lists = [self.attributes.len(), self.resource_attributes.len(), self.libraries.len()];
        let sets = [&self.texts, &self.severity_texts, &self.services, &self.kinds];
        let empty = lists == [0; 3]
            && sets.into_iter().all(Option::is_none)
            && self.severity.is_none()
            && self.expressions.is_none();
        if empty { Err("nothing to match is given".to_owned()) } else { Ok(self) }
    }

    fn matches_resource(&self, resource: Option<&Resource>) -> bool {
        let none = Vec::new();
        let attributes = resource.map_or(&none, |resource| &resource.attributes);
        all(&self.resource_attributes, attributes)
    }

    pub fn matches_log(&self, resource: Option<&Resource>, record: &LogRecord) -> bool {
        let body = || record.body.as_ref().and_then(AnyValue::as_str).unwrap_or_default();
        let severity = |(min, undefined): (i32, bool)| match record.severity_number {
            0 => undefined,
            number => number >= min,
        };
        self.matches_resource(resource)
            && self.texts.as_ref().is_none_or(|set| set.is_match(body()))
            && self.severity_texts.as_ref().is_none_or(|set| set.is_match(&record.severity_text))
            && self.severity.is_none_or(severity)
            && all(&self.attributes, &record.attributes)
    }

    pub fn matches_span(
        &self,
        resource: Option<&Resource>,
        scope: Option<&InstrumentationScope>,
        span: &Span,
    ) -> bool {
        let service = || resource.and_then(|r| r.attributes.get_str("service.name")).unwrap_or_default();
        let library = || {
            let (name, version) = scope.map_or(("", ""), |scope| (&scope.name, &scope.version));
            self.libraries.iter().any(|(names, versions)| {
                names.is_match(name) && versions.as_ref().is_none_or(|versions| versions.is_match(version))
            })
        };
        self.matches_resource(resource)
            && self.services.as_ref().is_none_or(|set| set.is_match(service()))
            && self.texts.as_ref().is_none_or(|set| set.is_match(&span.name))
            && self.kinds.as_ref().is_none_or(|set| set.is_match(SpanKind::name_of(span.kind)))
            && (self.libraries.is_empty() || library())
            && all(&self.attributes, &span.attributes)
    }
}

fn all(matches: &[AttributeMatch], attributes: &Vec<KeyValue>) -> bool {
    matches.iter().all(|attribute| attribute.is_match(attributes))
}

/// `WARN` is 13, `WARN2` 14.
fn severity_number(name: &str) -> Result<i32, String> {
    const NAMES: [&str; 6] = ["TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL"];
    let upper = name.to_ascii_uppercase();
    let (base, step) = match upper.as_bytes().last() {
        Some(digit @ b'2'..=b'4') => (&upper[..upper.len() - 1], i32::from(digit - b'1')),
        _ => (upper.as_str(), 0),
    };
    let place = NAMES.iter().position(|known| *known == base);
    place
        .map(|place| place as i32 * 4 + 1 + step)
        .ok_or_else(|| format!("unknown severity \"{name}\": use one of {}", NAMES.join(", ")))
}
