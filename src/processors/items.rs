//! Walking the items of a batch, whatever its signal.

use crate::otlp::attributes::attributes_of;
use crate::otlp::logs::LogRecord;
use crate::otlp::metrics::{self, Metric};
use crate::otlp::trace::Span;
use crate::otlp::{InstrumentationScope, KeyValue, Resource};
use crate::pipeline::Data;

/// An item with what it belongs to: what include and exclude rules look at.
#[derive(Clone, Copy)]
pub struct Subject<'a> {
    pub resource: &'a [KeyValue],
    pub scope: Option<&'a InstrumentationScope>,
    pub item: Item<'a>,
}

/// The kinds of items. Rules about metrics look at the metric, not at its points.
#[derive(Clone, Copy)]
pub enum Item<'a> {
    Log(&'a LogRecord),
    Span(&'a Span),
    Metric(&'a Metric),
}

/// Whether `test` holds for the attributes of any resource.
pub fn any_resource(data: &Data, mut test: impl FnMut(&[KeyValue]) -> bool) -> bool {
    match data {
        Data::Logs(all) => all.iter().any(|r| test(attributes_of(r.resource.as_ref()))),
        Data::Metrics(all) => all.iter().any(|r| test(attributes_of(r.resource.as_ref()))),
        Data::Traces(all) => all.iter().any(|r| test(attributes_of(r.resource.as_ref()))),
    }
}

/// Calls `visit` with every resource and its schema URL; one that is missing is made.
pub fn for_each_resource(data: &mut Data, mut visit: impl FnMut(&mut Resource, &mut String)) {
    match data {
        Data::Logs(all) => {
            all.iter_mut().for_each(|r| visit(r.resource.get_or_insert_default(), &mut r.schema_url));
        }
        Data::Metrics(all) => {
            all.iter_mut().for_each(|r| visit(r.resource.get_or_insert_default(), &mut r.schema_url));
        }
        Data::Traces(all) => {
            all.iter_mut().for_each(|r| visit(r.resource.get_or_insert_default(), &mut r.schema_url));
        }
    }
}

/// Whether `test` holds for the attributes of any log record, span or data point that `takes` picks.
pub fn any_attributes(
    data: &Data,
    mut takes: impl FnMut(&Subject<'_>) -> bool,
    mut test: impl FnMut(&[KeyValue]) -> bool,
) -> bool {
    match data {
        Data::Logs(all) => all.iter().any(|group| {
            let resource = attributes_of(group.resource.as_ref());
            group.scope_logs.iter().any(|scoped| {
                let scope = scoped.scope.as_ref();
                scoped.log_records.iter().any(|record| {
                    takes(&Subject { resource, scope, item: Item::Log(record) }) && test(&record.attributes)
                })
            })
        }),
        Data::Metrics(all) => all.iter().any(|group| {
            let resource = attributes_of(group.resource.as_ref());
            group.scope_metrics.iter().any(|scoped| {
                let scope = scoped.scope.as_ref();
                scoped.metrics.iter().any(|metric| {
                    takes(&Subject { resource, scope, item: Item::Metric(metric) })
                        && metric.data.as_ref().is_some_and(|data| any_point(data, &mut test))
                })
            })
        }),
        Data::Traces(all) => all.iter().any(|group| {
            let resource = attributes_of(group.resource.as_ref());
            group.scope_spans.iter().any(|scoped| {
                let scope = scoped.scope.as_ref();
                scoped.spans.iter().any(|span| {
                    takes(&Subject { resource, scope, item: Item::Span(span) }) && test(&span.attributes)
                })
            })
        }),
    }
}

/// Calls `visit` with the attributes of every log record, span or data point that `takes` picks.
pub fn for_each_attributes(
    data: &mut Data,
    mut takes: impl FnMut(&Subject<'_>) -> bool,
    mut visit: impl FnMut(&mut Vec<KeyValue>),
) {
    match data {
        Data::Logs(all) => {
            for group in all {
                let resource = attributes_of(group.resource.as_ref());
                for scoped in &mut group.scope_logs {
                    let scope = scoped.scope.as_ref();
                    for record in &mut scoped.log_records {
                        if takes(&Subject { resource, scope, item: Item::Log(record) }) {
                            visit(&mut record.attributes);
                        }
                    }
                }
            }
        }
        Data::Metrics(all) => {
            for group in all {
                let resource = attributes_of(group.resource.as_ref());
                for scoped in &mut group.scope_metrics {
                    let scope = scoped.scope.as_ref();
                    for metric in &mut scoped.metrics {
                        if takes(&Subject { resource, scope, item: Item::Metric(metric) })
                            && let Some(data) = &mut metric.data
                        {
                            data.for_each_attributes(&mut visit);
                        }
                    }
                }
            }
        }
        Data::Traces(all) => {
            for group in all {
                let resource = attributes_of(group.resource.as_ref());
                for scoped in &mut group.scope_spans {
                    let scope = scoped.scope.as_ref();
                    for span in &mut scoped.spans {
                        if takes(&Subject { resource, scope, item: Item::Span(span) }) {
                            visit(&mut span.attributes);
                        }
                    }
                }
            }
        }
    }
}

/// Whether `test` holds for the attributes of any data point.
pub fn any_point(data: &metrics::Data, mut test: impl FnMut(&[KeyValue]) -> bool) -> bool {
    use metrics::Data;
    match data {
        Data::Gauge(gauge) => gauge.data_points.iter().any(|p| test(&p.attributes)),
        Data::Sum(sum) => sum.data_points.iter().any(|p| test(&p.attributes)),
        Data::Histogram(h) => h.data_points.iter().any(|p| test(&p.attributes)),
        Data::ExponentialHistogram(h) => h.data_points.iter().any(|p| test(&p.attributes)),
        Data::Summary(s) => s.data_points.iter().any(|p| test(&p.attributes)),
    }
}
