//! Reading every item of a context, without changing it.

use super::{ContextKind, RecordRef, View};
use crate::otlp::logs::ResourceLogs;
use crate::otlp::metrics::{Data as MetricData, ResourceMetrics};
use crate::otlp::trace::ResourceSpans;
use crate::otlp::{InstrumentationScope, Resource};
use crate::pipeline::Data;

impl<'a> View<'a> {
    /// An item under a resource and a scope, each with its schema.
    pub fn new(
        resource: (Option<&'a Resource>, &'a str),
        scope: (Option<&'a InstrumentationScope>, &'a str),
        record: RecordRef<'a>,
    ) -> Self {
        Self {
            resource: resource.0,
            resource_schema_url: resource.1,
            scope: scope.0,
            scope_schema_url: scope.1,
            record,
            cache: &[],
        }
    }
}

/// Calls `visit` for every item of `context` in `data`, in order.
pub fn for_each_view(data: &Data, context: ContextKind, visit: &mut dyn FnMut(&View<'_>)) {
    match data {
        Data::Logs(all) => all.iter().for_each(|entry| views_of_logs(entry, context, visit)),
        Data::Metrics(all) => all.iter().for_each(|entry| views_of_metrics(entry, context, visit)),
        Data::Traces(all) => all.iter().for_each(|entry| views_of_spans(entry, context, visit)),
    }
}

/// Visits the resource or its scopes, or runs `$records` with the resource and each scope.
macro_rules! views {
    ($entry:expr, $scopes:ident, $context:expr, $visit:expr, |$resource:ident, $own:ident, $scoped:ident| $records:expr) => {{
        let $resource = ($entry.resource.as_ref(), $entry.schema_url.as_str());
        if $context == ContextKind::Resource {
            return $visit(&View::new($resource, (None, ""), RecordRef::None));
        }
        for $scoped in &$entry.$scopes {
            let $own = ($scoped.scope.as_ref(), $scoped.schema_url.as_str());
            if $context == ContextKind::Scope {
                $visit(&View::new($resource, $own, RecordRef::None));
            } else {
                $records;
            }
        }
    }};
}

/// As [`for_each_view`], of one resource.
pub fn views_of_logs(entry: &ResourceLogs, context: ContextKind, visit: &mut dyn FnMut(&View<'_>)) {
    views!(entry, scope_logs, context, visit, |resource, scope, scoped| {
        for record in &scoped.log_records {
            visit(&View::new(resource, scope, RecordRef::Log(record)));
        }
    });
}

/// As [`for_each_view`], of one resource.
pub fn views_of_metrics(entry: &ResourceMetrics, context: ContextKind, visit: &mut dyn FnMut(&View<'_>)) {
    views!(entry, scope_metrics, context, visit, |resource, scope, scoped| {
        for (i, metric) in scoped.metrics.iter().enumerate() {
            if context == ContextKind::Metric {
                visit(&View::new(resource, scope, RecordRef::Metric(&scoped.metrics, i)));
                continue;
            }
            for point in 0..metric.data.as_ref().map_or(0, MetricData::len) {
                visit(&View::new(resource, scope, RecordRef::Point(&scoped.metrics, i, point)));
            }
        }
    });
}

/// As [`for_each_view`], of one resource.
pub fn views_of_spans(entry: &ResourceSpans, context: ContextKind, visit: &mut dyn FnMut(&View<'_>)) {
    views!(entry, scope_spans, context, visit, |resource, scope, scoped| {
        for span in &scoped.spans {
            if context == ContextKind::Span {
                visit(&View::new(resource, scope, RecordRef::Span(span)));
                continue;
            }
            for event in 0..span.events.len() {
                visit(&View::new(resource, scope, RecordRef::Event(span, event)));
            }
        }
    });
}
