//! Verbosity `normal`: a line an item.

use std::fmt::{Result, Write};

use super::text::{Hex, Number, Pairs, Text};
use super::walk::{self, Show};
use crate::otlp::logs::LogRecord;
use crate::otlp::metrics::{self, Metric};
use crate::otlp::trace::Span;
use crate::otlp::{InstrumentationScope, KeyValue, Resource};
use crate::pipeline::{Data, Signal};

pub(super) fn write(data: &Data, out: &mut String) {
    walk::write(data, &Normal, out);
}

struct Normal;

impl Show for Normal {
    fn resource(
        &self,
        signal: Signal,
        index: usize,
        schema: &str,
        resource: Option<&Resource>,
        out: &mut String,
    ) -> Result {
        let kind = match signal {
            Signal::Logs => "ResourceLog",
            Signal::Metrics => "ResourceMetrics",
            Signal::Traces => "ResourceTraces",
        };
        write!(out, "{kind} #{index}")?;
        bracketed(schema, out)?;
        pairs(resource.map_or(&[], |resource| &resource.attributes), out)?;
        out.write_char('\n')
    }

    fn scope(
        &self,
        signal: Signal,
        index: usize,
        schema: &str,
        scope: Option<&InstrumentationScope>,
        out: &mut String,
    ) -> Result {
        let kind = match signal {
            Signal::Logs => "ScopeLog",
            Signal::Metrics => "ScopeMetrics",
            Signal::Traces => "ScopeTraces",
        };
        write!(out, "{kind} #{index}")?;
        if let Some(scope) = scope.filter(|scope| !scope.name.is_empty()) {
            write!(out, " {}", scope.name)?;
            if !scope.version.is_empty() {
                write!(out, "@{}", scope.version)?;
            }
        }
        bracketed(schema, out)?;
        pairs(scope.map_or(&[], |scope| &scope.attributes), out)?;
        out.write_char('\n')
    }

    fn log(&self, _: usize, record: &LogRecord, out: &mut String) -> Result {
        log_line(record, out)
    }

    fn metric(&self, _: usize, metric: &Metric, out: &mut String) -> Result {
        metric_lines(metric, out)
    }

    fn span(&self, _: usize, span: &Span, out: &mut String) -> Result {
        span_line(span, out)
    }
}

fn bracketed(schema: &str, out: &mut String) -> Result {
    if schema.is_empty() { Ok(()) } else { write!(out, " [{schema}]") }
}

fn pairs(attributes: &[KeyValue], out: &mut String) -> Result {
    if attributes.is_empty() { Ok(()) } else { write!(out, " {}", Pairs(attributes, " ")) }
}

fn log_line(record: &LogRecord, out: &mut String) -> Result {
    if let Some(body) = &record.body {
        write!(out, "{}", Text(body))?;
    }
    pairs(&record.attributes, out)?;
    out.write_char('\n')
}

fn span_line(span: &Span, out: &mut String) -> Result {
    write!(out, "{} {} {}", span.name, Hex(&span.trace_id), Hex(&span.span_id))?;
    pairs(&span.attributes, out)?;
    out.write_char('\n')
}

fn metric_lines(metric: &Metric, out: &mut String) -> Result {
    let name = &metric.name;
    let start =
        |attributes: &[KeyValue], out: &mut String| write!(out, "{name}{{{}}}", Pairs(attributes, ","));
    let summed = |count: u64, sum: Option<f64>, min: Option<f64>, max: Option<f64>, out: &mut String| {
        write!(out, " count={count}")?;
        for (label, value) in [("sum", sum), ("min", min), ("max", max)] {
            if let Some(value) = value {
                write!(out, " {label}={}", Number(value))?;
            }
        }
        Ok(())
    };
    match &metric.data {
        None => {}
        Some(
            metrics::Data::Gauge(metrics::Gauge { data_points })
            | metrics::Data::Sum(metrics::Sum { data_points, .. }),
        ) => {
            for point in data_points {
                start(&point.attributes, out)?;
                match point.value {
                    None => out.write_char('\n')?,
                    Some(metrics::Number::Int(value)) => writeln!(out, " {value}")?,
                    Some(metrics::Number::Double(value)) => writeln!(out, " {}", Number(value))?,
                }
            }
        }
        Some(metrics::Data::Histogram(histogram)) => {
            for point in &histogram.data_points {
                start(&point.attributes, out)?;
                summed(point.count, point.sum, point.min, point.max, out)?;
                for (index, count) in point.bucket_counts.iter().enumerate() {
                    match point.explicit_bounds.get(index) {
                        Some(bound) => write!(out, " le{}={count}", Number(*bound))?,
                        None => write!(out, " {count}")?,
                    }
                }
                out.write_char('\n')?;
            }
        }
        Some(metrics::Data::ExponentialHistogram(histogram)) => {
            for point in &histogram.data_points {
                start(&point.attributes, out)?;
                summed(point.count, point.sum, point.min, point.max, out)?;
                out.write_char('\n')?;
            }
        }
        Some(metrics::Data::Summary(summary)) => {
            for point in &summary.data_points {
                start(&point.attributes, out)?;
                write!(out, " count={} sum={:.6}", point.count, point.sum)?;
                for quantile in &point.quantile_values {
                    write!(out, " q{}={}", Number(quantile.quantile), Number(quantile.value))?;
                }
                out.write_char('\n')?;
            }
        }
    }
    Ok(())
}
