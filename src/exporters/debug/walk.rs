//! The way through a batch that all verbosities go that show items.

use std::fmt::Result;

use crate::otlp::logs::LogRecord;
use crate::otlp::metrics::Metric;
use crate::otlp::trace::Span;
use crate::otlp::{InstrumentationScope, Resource};
use crate::pipeline::{Data, Signal};

/// How the parts of a batch are shown. Each is told its place among its siblings.
pub(super) trait Show {
    fn resource(
        &self,
        signal: Signal,
        index: usize,
        schema: &str,
        resource: Option<&Resource>,
        out: &mut String,
    ) -> Result;
    fn scope(
        &self,
        signal: Signal,
        index: usize,
        schema: &str,
        scope: Option<&InstrumentationScope>,
        out: &mut String,
    ) -> Result;
    fn log(&self, index: usize, record: &LogRecord, out: &mut String) -> Result;
    fn metric(&self, index: usize, metric: &Metric, out: &mut String) -> Result;
    fn span(&self, index: usize, span: &Span, out: &mut String) -> Result;
}

/// Appends everything of `data` to `out`, in order.
pub(super) fn write(data: &Data, show: &impl Show, out: &mut String) {
    walk(data, show, out).expect("writing into a string does not fail");
}

macro_rules! walk {
    ($all:expr, $signal:expr, $scopes:ident, $items:ident, $item:ident, $show:expr, $out:expr) => {
        for (r, entry) in $all.iter().enumerate() {
            $show.resource($signal, r, &entry.schema_url, entry.resource.as_ref(), $out)?;
            for (s, scope) in entry.$scopes.iter().enumerate() {
                $show.scope($signal, s, &scope.schema_url, scope.scope.as_ref(), $out)?;
                for (i, item) in scope.$items.iter().enumerate() {
                    $show.$item(i, item, $out)?;
                }
            }
        }
    };
}

fn walk(data: &Data, show: &impl Show, out: &mut String) -> Result {
    match data {
        Data::Logs(all) => walk!(all, Signal::Logs, scope_logs, log_records, log, show, out),
        Data::Metrics(all) => walk!(all, Signal::Metrics, scope_metrics, metrics, metric, show, out),
        Data::Traces(all) => walk!(all, Signal::Traces, scope_spans, spans, span, show, out),
    }
    Ok(())
}
