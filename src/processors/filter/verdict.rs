//! What is dropped from a batch: judged on shared data first, so that a batch that loses nothing is
//! not copied.

use super::Rules;
use super::legacy::Legacy;
use crate::otlp::Resource;
use crate::otlp::logs::{ResourceLogs, ScopeLogs};
use crate::otlp::metrics::{Data as MetricData, Metric, ResourceMetrics, ScopeMetrics};
use crate::otlp::trace::{ResourceSpans, ScopeSpans, Span};
use crate::ottl::{EvalError, RecordRef, View};
use crate::pipeline::Data;

/// One mark for every resource, item and part that was looked at, in order: true is dropped.
#[derive(Debug, Default)]
pub struct Verdict {
    marks: Vec<bool>,
    any: bool,
}

/// Judges the items of batches.
pub struct Judge<'r> {
    pub rules: &'r Rules,
    pub failed: &'r mut dyn FnMut(&str, &EvalError),
}

impl Verdict {
    pub fn drops_something(&self) -> bool {
        self.any
    }

    fn mark(&mut self, dropped: bool) -> bool {
        self.marks.push(dropped);
        self.any |= dropped;
        dropped
    }
}

impl Judge<'_> {
    pub fn judge(&mut self, data: &Data) -> Verdict {
        let mut verdict = Verdict::default();
        match data {
            Data::Logs(all) => all.iter().for_each(|entry| self.logs(entry, &mut verdict)),
            Data::Metrics(all) => all.iter().for_each(|entry| self.metrics(entry, &mut verdict)),
            Data::Traces(all) => all.iter().for_each(|entry| self.spans(entry, &mut verdict)),
        }
        verdict
    }

    fn drops_resource(&mut self, resource: Option<&Resource>, schema_url: &str) -> bool {
        !self.rules.resource.is_empty()
            && self
                .rules
                .resource
                .any(&View::new((resource, schema_url), (None, ""), RecordRef::None), self.failed)
    }

    fn drops_item(
        &mut self,
        view: &View<'_>,
        drops: impl FnOnce(&Legacy, &mut dyn FnMut(&str, &EvalError)) -> bool,
    ) -> bool {
        self.rules.legacy.as_ref().is_some_and(|legacy| drops(legacy, self.failed))
            || self.rules.item.any(view, self.failed)
    }

    fn logs(&mut self, entry: &ResourceLogs, verdict: &mut Verdict) {
        let resource = entry.resource.as_ref();
        if verdict.mark(self.drops_resource(resource, &entry.schema_url)) {
            return;
        }
        for ScopeLogs { scope, log_records, schema_url } in &entry.scope_logs {
            for record in log_records {
                let view = View::new(
                    (resource, &entry.schema_url),
                    (scope.as_ref(), schema_url),
                    RecordRef::Log(record),
                );
                verdict.mark(self.drops_item(&view, |legacy, _| {
                    legacy.drops(|matcher| matcher.matches_log(resource, record))
                }));
            }
        }
    }

    fn metrics(&mut self, entry: &ResourceMetrics, verdict: &mut Verdict) {
        let resource = entry.resource.as_ref();
        if verdict.mark(self.drops_resource(resource, &entry.schema_url)) {
            return;
        }
        for ScopeMetrics { scope, metrics, schema_url } in &entry.scope_metrics {
            for (i, metric) in metrics.iter().enumerate() {
                let mut view = View::new(
                    (resource, &entry.schema_url),
                    (scope.as_ref(), schema_url),
                    RecordRef::Metric(metrics, i),
                );
                if verdict.mark(
                    self.drops_item(&view, |legacy, failed| legacy.drops_metric(resource, metric, failed)),
                ) || self.rules.part.is_empty()
                {
                    continue;
                }
                for point in 0..metric.data.as_ref().map_or(0, MetricData::len) {
                    view.record = RecordRef::Point(metrics, i, point);
                    verdict.mark(self.rules.part.any(&view, self.failed));
                }
            }
        }
    }

    fn spans(&mut self, entry: &ResourceSpans, verdict: &mut Verdict) {
        let resource = entry.resource.as_ref();
        if verdict.mark(self.drops_resource(resource, &entry.schema_url)) {
            return;
        }
        for ScopeSpans { scope, spans, schema_url } in &entry.scope_spans {
            let scope = scope.as_ref();
            for span in spans {
                let mut view =
                    View::new((resource, &entry.schema_url), (scope, schema_url), RecordRef::Span(span));
                let dropped = self.drops_item(&view, |legacy, _| {
                    legacy.drops(|matcher| matcher.matches_span(resource, scope, span))
                });
                if verdict.mark(dropped) || self.rules.part.is_empty() {
                    continue;
                }
                for event in 0..span.events.len() {
                    view.record = RecordRef::Event(span, event);
                    verdict.mark(self.rules.part.any(&view, self.failed));
                }
            }
        }
    }
}

/// Takes out what is marked, and what is empty then.
pub fn apply(data: &mut Data, verdict: Verdict, rules: &Rules) {
    let parts = !rules.part.is_empty();
    let mut marks = verdict.marks.into_iter();
    // There is a mark for everything that is asked about; without one it stays.
    let mut dropped = || marks.next().unwrap_or(false);
    match data {
        Data::Logs(all) => all.retain_mut(|entry| {
            !dropped() && {
                entry.scope_logs.retain_mut(|scope| {
                    scope.log_records.retain(|_| !dropped());
                    !scope.log_records.is_empty()
                });
                !entry.scope_logs.is_empty()
            }
        }),
        Data::Metrics(all) => all.retain_mut(|entry| {
            !dropped() && {
                entry.scope_metrics.retain_mut(|scope| {
                    scope.metrics.retain_mut(|metric| !dropped() && keep_points(metric, parts, &mut dropped));
                    !scope.metrics.is_empty()
                });
                !entry.scope_metrics.is_empty()
            }
        }),
        Data::Traces(all) => all.retain_mut(|entry| {
            !dropped() && {
                entry.scope_spans.retain_mut(|scope| {
                    scope.spans.retain_mut(|span| !dropped() && keep_events(span, parts, &mut dropped));
                    !scope.spans.is_empty()
                });
                !entry.scope_spans.is_empty()
            }
        }),
    }
}

/// Takes out the points that are marked; a metric that has lost all of them goes too.
fn keep_points(metric: &mut Metric, parts: bool, dropped: &mut dyn FnMut() -> bool) -> bool {
    let Some(data) = metric.data.as_mut().filter(|_| parts) else { return true };
    match data {
        MetricData::Gauge(gauge) => gauge.data_points.retain(|_| !dropped()),
        MetricData::Sum(sum) => sum.data_points.retain(|_| !dropped()),
        MetricData::Histogram(histogram) => histogram.data_points.retain(|_| !dropped()),
        MetricData::ExponentialHistogram(histogram) => histogram.data_points.retain(|_| !dropped()),
        MetricData::Summary(summary) => summary.data_points.retain(|_| !dropped()),
    }
    !data.is_empty()
}

/// Takes out the events that are marked; the span stays.
fn keep_events(span: &mut Span, parts: bool, dropped: &mut dyn FnMut() -> bool) -> bool {
    if parts {
        span.events.retain(|_| !dropped());
    }
    true
}
