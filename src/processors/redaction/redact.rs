//! Walking everything that holds attributes.

use std::borrow::Cow;
use std::collections::HashSet;

use regex::Regex;

use super::database::{DatabaseSanitizer, system_of};
use super::mask::Mask;
use super::url::UrlSanitizer;
use crate::otlp::metrics::{self, Metric};
use crate::otlp::{AnyValue, Attributes, InstrumentationScope, KeyValue, Resource, Str};
use crate::ottl::text_of_any;
use crate::pipeline::Data;

pub struct Redactor {
    pub allow_all_keys: bool,
    pub allowed_keys: HashSet<String>,
    pub ignored_keys: HashSet<String>,
    pub ignored_key_patterns: Vec<Regex>,
    pub redact_all_types: bool,
    pub blocked_key_patterns: Vec<Regex>,
    pub blocked_values: Vec<Regex>,
    pub allowed_values: Vec<Regex>,
    pub mask: Mask,
    pub summary: Summary,
    pub urls: Option<UrlSanitizer>,
    pub statements: Option<DatabaseSanitizer>,
}

/// What is said about what was done, in attributes beside the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Summary {
    Silent,
    Counts,
    /// Keys, and counts.
    Names,
}

/// Keys by what was done with them.
#[derive(Default)]
struct Report {
    redacted: Vec<Str>,
    masked: Vec<Str>,
    allowed: Vec<Str>,
    ignored: i64,
}

impl Redactor {
    pub fn redact(&self, data: &mut Data) {
        match data {
            Data::Logs(all) => {
                for group in all {
                    self.resource(group.resource.as_mut());
                    for scoped in &mut group.scope_logs {
                        self.scope(scoped.scope.as_mut());
                        for record in &mut scoped.log_records {
                            if let Some(body) = &mut record.body {
                                self.body(body);
                                self.sanitize_body(body, &record.attributes);
                            }
                            self.attributes(&mut record.attributes);
                        }
                    }
                }
            }
            Data::Metrics(all) => {
                for group in all {
                    self.resource(group.resource.as_mut());
                    for scoped in &mut group.scope_metrics {
                        self.scope(scoped.scope.as_mut());
                        scoped.metrics.iter_mut().for_each(|metric| self.metric(metric));
                    }
                }
            }
            Data::Traces(all) => {
                for group in all {
                    self.resource(group.resource.as_mut());
                    for scoped in &mut group.scope_spans {
                        self.scope(scoped.scope.as_mut());
                        for span in &mut scoped.spans {
                            if let Some(urls) = &self.urls {
                                urls.span_name(span);
                            }
                            if let Some(statements) = &self.statements {
                                statements.span_name(span);
                            }
                            self.attributes(&mut span.attributes);
                            span.events.iter_mut().for_each(|event| self.attributes(&mut event.attributes));
                            span.links.iter_mut().for_each(|link| self.attributes(&mut link.attributes));
                        }
                    }
                }
            }
        }
    }

    fn resource(&self, resource: Option<&mut Resource>) {
        if let Some(resource) = resource {
            self.attributes(&mut resource.attributes);
        }
    }

    fn scope(&self, scope: Option<&mut InstrumentationScope>) {
        if let Some(scope) = scope {
            self.attributes(&mut scope.attributes);
        }
    }

    fn metric(&self, metric: &mut Metric) {
        let Some(data) = &mut metric.data else { return };
        data.for_each_attributes(|attributes| self.attributes(attributes));
        let exemplars = |exemplars: &mut Vec<metrics::Exemplar>| {
            exemplars.iter_mut().for_each(|exemplar| self.attributes(&mut exemplar.filtered_attributes));
        };
        match data {
            metrics::Data::Gauge(m) => m.data_points.iter_mut().for_each(|p| exemplars(&mut p.exemplars)),
            metrics::Data::Sum(m) => m.data_points.iter_mut().for_each(|p| exemplars(&mut p.exemplars)),
            metrics::Data::Histogram(m) => m.data_points.iter_mut().for_each(|p| exemplars(&mut p.exemplars)),
            metrics::Data::ExponentialHistogram(m) => {
                m.data_points.iter_mut().for_each(|p| exemplars(&mut p.exemplars));
            }
            metrics::Data::Summary(_) => {}
        }
    }

    fn attributes(&self, attributes: &mut Vec<KeyValue>) {
        let mut report = Report::default();
        self.sanitize(attributes, &mut report);
        self.entries(attributes, &mut report);
        self.write(report, attributes);
    }

    /// Takes what is individual out of URLs and statements.
    fn sanitize(&self, attributes: &mut [KeyValue], report: &mut Report) {
        if self.urls.is_none() && self.statements.is_none() {
            return;
        }
        let system = system_of(attributes).map(str::to_owned);
        for entry in attributes {
            if self.ignores(&entry.key) {
                continue;
            }
            let Some(text) = entry.value.as_str() else { continue };
            let url = self.urls.as_ref().and_then(|urls| urls.attribute(&entry.key, text));
            let text = url.as_deref().unwrap_or(text);
            let statements = self.statements.as_ref();
            let statement = statements.and_then(|all| all.attribute(&entry.key, text, system.as_deref()));
            if let Some(clean) = statement.or(url) {
                self.note(&mut report.masked, &entry.key);
                entry.value = clean.into();
            }
        }
    }

    /// A body that is a URL, or a statement of the database that the attributes name.
    fn sanitize_body(&self, body: &mut AnyValue, attributes: &[KeyValue]) {
        let Some(text) = body.as_str() else { return };
        let url = self.urls.as_ref().and_then(|urls| urls.log_body(text));
        let statement = || self.statements.as_ref().and_then(|all| all.statement(text, attributes));
        if let Some(clean) = url.or_else(statement) {
            *body = clean.into();
        }
    }

    /// A text is masked like a value, a map like attributes, at any depth.
    fn body(&self, body: &mut AnyValue) {
        match body {
            AnyValue::Map(entries) => self.nested(entries),
            AnyValue::Array(items) => items.iter_mut().for_each(|item| self.body(item)),
            value => {
                if let Some(masked) = self.masked(value) {
                    *value = masked;
                }
            }
        }
    }

    fn nested(&self, entries: &mut Vec<KeyValue>) {
        self.entries(entries, &mut Report::default());
        for entry in entries.iter_mut().filter(|entry| !self.ignores(&entry.key)) {
            if matches!(entry.value, AnyValue::Map(_) | AnyValue::Array(_)) {
                self.body(&mut entry.value);
            }
        }
    }

    fn entries(&self, entries: &mut Vec<KeyValue>, report: &mut Report) {
        entries.retain_mut(|entry| {
            if self.ignores(&entry.key) {
                report.ignored += 1;
                return true;
            }
            if !self.allow_all_keys && !self.allowed_keys.contains(entry.key.as_str()) {
                self.note(&mut report.redacted, &entry.key);
                return false;
            }
            if !self.looks_at(&entry.value) {
                return true;
            }
            let Ok(text) = text_of_any(&entry.value) else {
                // Too large to be looked at: better masked than leaked.
                self.note(&mut report.masked, &entry.key);
                entry.value = Mask::Stars.of("").into();
                return true;
            };
            if self.allowed_values.iter().any(|pattern| pattern.is_match(&text)) {
                self.note(&mut report.allowed, &entry.key);
            } else if self.blocked_key_patterns.iter().any(|pattern| pattern.is_match(&entry.key)) {
                self.note(&mut report.masked, &entry.key);
                entry.value = self.mask.of(&text).into();
            } else if let Cow::Owned(masked) = self.mask.matches(&self.blocked_values, &text) {
                self.note(&mut report.masked, &entry.key);
                entry.value = masked.into();
            }
            true
        });
    }

    fn note(&self, keys: &mut Vec<Str>, key: &Str) {
        if self.summary != Summary::Silent {
            keys.push(key.clone());
        }
    }

    fn ignores(&self, key: &str) -> bool {
        self.ignored_keys.contains(key)
            || self.ignored_key_patterns.iter().any(|pattern| pattern.is_match(key))
    }

    fn looks_at(&self, value: &AnyValue) -> bool {
        self.redact_all_types || value.as_str().is_some()
    }

    fn masked(&self, value: &AnyValue) -> Option<AnyValue> {
        let text = text_of_any(value).ok().filter(|_| self.looks_at(value))?;
        if self.allowed_values.iter().any(|pattern| pattern.is_match(&text)) {
            return None;
        }
        match self.mask.matches(&self.blocked_values, &text) {
            Cow::Owned(masked) => Some(masked.into()),
            Cow::Borrowed(_) => None,
        }
    }

    /// Adds to what an earlier redaction has written.
    fn write(&self, report: Report, attributes: &mut Vec<KeyValue>) {
        if self.summary == Summary::Silent {
            return;
        }
        for (mut keys, names, count) in [
            (report.redacted, "redaction.redacted.keys", "redaction.redacted.count"),
            (report.masked, "redaction.masked.keys", "redaction.masked.count"),
            (report.allowed, "redaction.allowed.keys", "redaction.allowed.count"),
        ] {
            if keys.is_empty() {
                continue;
            }
            add_count(attributes, count, keys.len() as i64);
            if self.summary == Summary::Names {
                keys.extend(
                    attributes.get_str(names).into_iter().flat_map(|names| names.split(',').map(Str::from)),
                );
                keys.sort_unstable();
                attributes.set(Str::const_new(names), keys.join(","));
            }
        }
        if report.ignored > 0 {
            add_count(attributes, "redaction.ignored.count", report.ignored);
        }
    }
}

fn add_count(attributes: &mut Vec<KeyValue>, key: &'static str, count: i64) {
    let before = match attributes.get(key) {
        Some(AnyValue::Int(before)) => *before,
        _ => 0,
    };
    attributes.set(Str::const_new(key), before.saturating_add(count));
}
