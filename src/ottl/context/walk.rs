//! Visiting every item of a context in a batch.

use super::{ContextKind, Item, Record, ScopeMut};
use crate::otlp::KeyValue;
use crate::otlp::logs::LogRecord;
use crate::otlp::metrics::Metric;
use crate::otlp::trace::Span;
use crate::otlp::{InstrumentationScope, Resource};
use crate::ottl::limits;
use crate::pipeline::Data;

/// The parts of an item that are the same for all records of a scope.
struct Above<'a> {
    resource: &'a mut Option<Resource>,
    resource_schema_url: &'a mut String,
    scope: Option<(&'a mut Option<InstrumentationScope>, &'a mut String)>,
    cache: &'a mut Vec<KeyValue>,
}

impl Above<'_> {
    /// The item of one record, with an empty cache.
    fn with<'b>(&'b mut self, record: Record<'b>) -> Item<'b> {
        self.cache.clear();
        Item {
            resource: self.resource,
            resource_schema_url: self.resource_schema_url,
            scope: self.scope.as_mut().map(|(scope, schema_url)| ScopeMut { scope, schema_url }),
            record,
            cache: self.cache,
        }
    }
}

/// Visits resources or scopes, or calls `$records` for every scope.
macro_rules! walk {
    ($all:expr, $scopes:ident, $items:ident, $context:expr, $visit:expr, $records:expr) => {{
        let mut cache = Vec::new();
        for entry in $all {
            let mut above = Above {
                resource: &mut entry.resource,
                resource_schema_url: &mut entry.schema_url,
                scope: None,
                cache: &mut cache,
            };
            if $context == ContextKind::Resource {
                $visit(&mut above.with(Record::None));
                continue;
            }
            for scope in &mut entry.$scopes {
                above.scope = Some((&mut scope.scope, &mut scope.schema_url));
                if $context == ContextKind::Scope {
                    $visit(&mut above.with(Record::None));
                } else {
                    $records(&mut above, &mut scope.$items, $context, &mut $visit);
                }
                above.scope = None;
            }
        }
    }};
}

/// Calls `visit` for every item of `context` in `data`, in order. Metrics that a visit appends to
/// the scope are visited too.
pub fn for_each_item(data: &mut Data, context: ContextKind, mut visit: impl FnMut(&mut Item<'_>)) {
    match data {
        Data::Logs(all) => walk!(all, scope_logs, log_records, context, visit, logs),
        Data::Metrics(all) => walk!(all, scope_metrics, metrics, context, visit, metrics),
        Data::Traces(all) => walk!(all, scope_spans, spans, context, visit, spans),
    }
}

fn logs(
    above: &mut Above<'_>,
    records: &mut [LogRecord],
    _: ContextKind,
    visit: &mut impl FnMut(&mut Item<'_>),
) {
    for record in records {
        visit(&mut above.with(Record::Log(record)));
    }
}

fn metrics(
    above: &mut Above<'_>,
    metrics: &mut Vec<Metric>,
    context: ContextKind,
    visit: &mut impl FnMut(&mut Item<'_>),
) {
    let mut index = 0;
    // The list may grow on the way, but not without end.
    let last = metrics.len() + limits::APPENDED;
    while index < metrics.len().min(last) {
        if context == ContextKind::Metric {
            visit(&mut above.with(Record::Metric(metrics, index)));
        } else {
            let points = metrics[index].data.as_ref().map_or(0, crate::otlp::metrics::Data::len);
            for point in 0..points {
                visit(&mut above.with(Record::Point(metrics, index, point)));
            }
        }
        index += 1;
    }
}

fn spans(
    above: &mut Above<'_>,
    spans: &mut [Span],
    context: ContextKind,
    visit: &mut impl FnMut(&mut Item<'_>),
) {
    for span in spans {
        if context == ContextKind::Span {
            visit(&mut above.with(Record::Span(span)));
        } else {
            for index in 0..span.events.len() {
                visit(&mut above.with(Record::Event(span, index)));
            }
        }
    }
}
