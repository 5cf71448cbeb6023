//! `include` and `exclude` of the `attributes` and `span` processors.

mod compile;

use serde::Deserialize;

use super::items::{Item, Subject};
use super::literal::Literal;
use crate::config::Node;
use crate::otlp::attributes::find;
use crate::otlp::trace::SpanKind;
use crate::otlp::{AnyValue, KeyValue, Str};
use crate::ottl::text_of_any;

/// The properties an item must have. Every list that is given must agree; of names and texts one
/// entry is enough, of attributes all are needed.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Properties {
    /// `strict` or `regexp`; required.
    match_type: String,
    /// Cache settings of the collector; accepted, without effect.
    #[serde(rename = "regexp")]
    _regexp: Option<Node>,
    services: Vec<String>,
    span_names: Vec<String>,
    span_kinds: Vec<String>,
    log_bodies: Vec<String>,
    log_severity_texts: Vec<String>,
    log_severity_number: Option<SeverityRange>,
    metric_names: Vec<String>,
    attributes: Vec<AttributeProperty>,
    resources: Vec<AttributeProperty>,
    libraries: Vec<Library>,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct SeverityRange {
    /// The lowest severity number that matches.
    min: i32,
    /// Whether records without a severity match.
    match_undefined: bool,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct AttributeProperty {
    key: String,
    /// Absent: the key alone counts.
    value: Literal,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Library {
    name: String,
    /// Absent: any version; empty: none.
    version: Option<String>,
}

/// Compiled `include` and `exclude`.
#[derive(Debug)]
pub struct Filter {
    include: Option<Matcher>,
    exclude: Option<Matcher>,
}

impl Filter {
    pub fn takes(&self, subject: &Subject<'_>) -> bool {
        self.include.as_ref().is_none_or(|include| include.matches(subject))
            && self.exclude.as_ref().is_none_or(|exclude| !exclude.matches(subject))
    }
}

/// An empty list of texts stands for "not asked for".
#[derive(Debug)]
struct Matcher {
    services: Texts,
    span_names: Texts,
    span_kinds: Texts,
    log_bodies: Texts,
    log_severity_texts: Texts,
    log_severity_number: Option<SeverityRange>,
    metric_names: Texts,
    attributes: Vec<(Str, Wanted)>,
    resources: Vec<(Str, Wanted)>,
    libraries: Vec<(Text, Option<Text>)>,
}

#[derive(Debug)]
struct Texts(Vec<Text>);

#[derive(Debug)]
enum Text {
    Exact(String),
    Pattern(regex::Regex),
}

#[derive(Debug)]
enum Wanted {
    Present,
    Equal(AnyValue),
    Pattern(regex::Regex),
}

impl Matcher {
    fn matches(&self, subject: &Subject<'_>) -> bool {
        let item = match subject.item {
            Item::Log(record) => {
                let body = || record.body.as_ref().and_then(AnyValue::as_str);
                (self.log_bodies.0.is_empty() || body().is_some_and(|body| self.log_bodies.find(body)))
                    && self.log_severity_texts.allow(&record.severity_text)
                    && self.log_severity_number.is_none_or(|range| range.holds(record.severity_number))
                    && all(&self.attributes, &record.attributes)
            }
            Item::Span(span) => {
                self.span_names.allow(&span.name)
                    && (self.span_kinds.0.is_empty() || self.span_kinds.find(SpanKind::name_of(span.kind)))
                    && all(&self.attributes, &span.attributes)
            }
            Item::Metric(metric) => self.metric_names.allow(&metric.name),
        };
        item && self.service(subject.resource)
            && all(&self.resources, subject.resource)
            && self.library(subject)
    }

    fn service(&self, resource: &[KeyValue]) -> bool {
        if self.services.0.is_empty() {
            return true;
        }
        find(resource, "service.name")
            .is_some_and(|name| text_of_any(name).is_ok_and(|name| self.services.find(&name)))
    }

    fn library(&self, subject: &Subject<'_>) -> bool {
        let (name, version) =
            subject.scope.map_or(("", ""), |scope| (scope.name.as_str(), scope.version.as_str()));
        self.libraries.is_empty()
            || self.libraries.iter().any(|(wanted, wanted_version)| {
                wanted.matches(name) && wanted_version.as_ref().is_none_or(|wanted| wanted.matches(version))
            })
    }
}

impl SeverityRange {
    fn holds(self, number: i32) -> bool {
        if number == 0 { self.match_undefined } else { number >= self.min }
    }
}

impl Texts {
    /// Whether one of the texts is asked for and found.
    fn find(&self, text: &str) -> bool {
        self.0.iter().any(|wanted| wanted.matches(text))
    }

    /// As [`Texts::find`], but no texts at all allow everything.
    fn allow(&self, text: &str) -> bool {
        self.0.is_empty() || self.find(text)
    }
}

impl Text {
    fn matches(&self, text: &str) -> bool {
        match self {
            Self::Exact(wanted) => wanted == text,
            Self::Pattern(pattern) => pattern.is_match(text),
        }
    }
}

fn all(wanted: &[(Str, Wanted)], attributes: &[KeyValue]) -> bool {
    wanted.iter().all(|(key, wanted)| {
        find(attributes, key).is_some_and(|found| match wanted {
            Wanted::Present => true,
            Wanted::Equal(value) => found == value,
            Wanted::Pattern(pattern) => match found {
                AnyValue::String(_) | AnyValue::Bool(_) | AnyValue::Int(_) | AnyValue::Double(_) => {
                    text_of_any(found).is_ok_and(|text| pattern.is_match(&text))
                }
                _ => false,
            },
        })
    })
}

#[cfg(test)]
mod tests;
