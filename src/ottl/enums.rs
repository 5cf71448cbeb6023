//! The names that stand for numbers of the data model.

use super::context::ContextKind;

/// A name and its number.
#[derive(Clone, Copy, Debug)]
pub struct Enum {
    pub name: &'static str,
    pub number: i64,
    pub contexts: &'static [ContextKind],
}

const LOG: &[ContextKind] = &[ContextKind::Log];
const SPAN: &[ContextKind] = &[ContextKind::Span, ContextKind::SpanEvent];
const METRIC: &[ContextKind] = &[ContextKind::Metric, ContextKind::DataPoint];
const POINT: &[ContextKind] = &[ContextKind::DataPoint];

const fn entry(name: &'static str, number: i64, contexts: &'static [ContextKind]) -> Enum {
    Enum { name, number, contexts }
}

pub static ENUMS: &[Enum] = &[
    entry("AGGREGATION_TEMPORALITY_UNSPECIFIED", 0, METRIC),
    entry("AGGREGATION_TEMPORALITY_DELTA", 1, METRIC),
    entry("AGGREGATION_TEMPORALITY_CUMULATIVE", 2, METRIC),
    entry("FLAG_NONE", 0, POINT),
    entry("FLAG_NO_RECORDED_VALUE", 1, POINT),
    entry("METRIC_DATA_TYPE_NONE", 0, METRIC),
    entry("METRIC_DATA_TYPE_GAUGE", 1, METRIC),
    entry("METRIC_DATA_TYPE_SUM", 2, METRIC),
    entry("METRIC_DATA_TYPE_HISTOGRAM", 3, METRIC),
    entry("METRIC_DATA_TYPE_EXPONENTIAL_HISTOGRAM", 4, METRIC),
    entry("METRIC_DATA_TYPE_SUMMARY", 5, METRIC),
    entry("SEVERITY_NUMBER_UNSPECIFIED", 0, LOG),
    entry("SEVERITY_NUMBER_TRACE", 1, LOG),
    entry("SEVERITY_NUMBER_TRACE2", 2, LOG),
    entry("SEVERITY_NUMBER_TRACE3", 3, LOG),
    entry("SEVERITY_NUMBER_TRACE4", 4, LOG),
    entry("SEVERITY_NUMBER_DEBUG", 5, LOG),
    entry("SEVERITY_NUMBER_DEBUG2", 6, LOG),
    entry("SEVERITY_NUMBER_DEBUG3", 7, LOG),
    entry("SEVERITY_NUMBER_DEBUG4", 8, LOG),
    entry("SEVERITY_NUMBER_INFO", 9, LOG),
    entry("SEVERITY_NUMBER_INFO2", 10, LOG),
    entry("SEVERITY_NUMBER_INFO3", 11, LOG),
    entry("SEVERITY_NUMBER_INFO4", 12, LOG),
    entry("SEVERITY_NUMBER_WARN", 13, LOG),
    entry("SEVERITY_NUMBER_WARN2", 14, LOG),
    entry("SEVERITY_NUMBER_WARN3", 15, LOG),
    entry("SEVERITY_NUMBER_WARN4", 16, LOG),
    entry("SEVERITY_NUMBER_ERROR", 17, LOG),
    entry("SEVERITY_NUMBER_ERROR2", 18, LOG),
    entry("SEVERITY_NUMBER_ERROR3", 19, LOG),
    entry("SEVERITY_NUMBER_ERROR4", 20, LOG),
    entry("SEVERITY_NUMBER_FATAL", 21, LOG),
    entry("SEVERITY_NUMBER_FATAL2", 22, LOG),
    entry("SEVERITY_NUMBER_FATAL3", 23, LOG),
    entry("SEVERITY_NUMBER_FATAL4", 24, LOG),
    entry("SPAN_KIND_UNSPECIFIED", 0, SPAN),
    entry("SPAN_KIND_INTERNAL", 1, SPAN),
    entry("SPAN_KIND_SERVER", 2, SPAN),
    entry("SPAN_KIND_CLIENT", 3, SPAN),
    entry("SPAN_KIND_PRODUCER", 4, SPAN),
    entry("SPAN_KIND_CONSUMER", 5, SPAN),
    entry("STATUS_CODE_UNSET", 0, SPAN),
    entry("STATUS_CODE_OK", 1, SPAN),
    entry("STATUS_CODE_ERROR", 2, SPAN),
];
