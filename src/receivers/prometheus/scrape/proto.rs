//! Pages in protobuf: `io.prometheus.client.MetricFamily`, each after its length. The one format
//! that native histograms come in.
//!
//! A sample is written out as text and goes the way of all samples: the same labels, rules, limits
//! and markers.

use std::fmt::Write;
use std::io::Read;

use prost::Message;

use super::page::{Deliver, Page, PageError, Worth};
use crate::receivers::prometheus::convert::{NativeHistogram, Run};
use crate::receivers::prometheus::exposition::{Dialect, Entry, ExpositionError, Kind, Parser, escape_value};

#[derive(Clone, PartialEq, Message)]
pub struct Family {
    #[prost(string, tag = "1")]
    pub name: String,
    #[prost(string, tag = "2")]
    pub help: String,
    #[prost(int32, tag = "3")]
    pub kind: i32,
    #[prost(message, repeated, tag = "4")]
    pub metrics: Vec<Metric>,
    #[prost(string, tag = "5")]
    pub unit: String,
}

#[derive(Clone, PartialEq, Message)]
pub struct Metric {
    #[prost(message, repeated, tag = "1")]
    pub labels: Vec<LabelPair>,
    #[prost(message, optional, tag = "2")]
    pub gauge: Option<Number>,
    #[prost(message, optional, tag = "3")]
    pub counter: Option<Counter>,
    #[prost(message, optional, tag = "4")]
    pub summary: Option<Summary>,
    #[prost(message, optional, tag = "5")]
    pub untyped: Option<Number>,
    #[prost(int64, tag = "6")]
    pub timestamp_ms: i64,
    #[prost(message, optional, tag = "7")]
    pub histogram: Option<Histogram>,
}

#[derive(Clone, PartialEq, Message)]
pub struct LabelPair {
    #[prost(string, tag = "1")]
    pub name: String,
    #[prost(string, tag = "2")]
    pub value: String,
}

#[derive(Clone, Copy, PartialEq, Message)]
pub struct Number {
    #[prost(double, tag = "1")]
    pub value: f64,
}

#[derive(Clone, PartialEq, Message)]
pub struct Counter {
    #[prost(double, tag = "1")]
    pub value: f64,
    #[prost(message, optional, tag = "2")]
    pub exemplar: Option<Exemplar>,
    #[prost(message, optional, tag = "3")]
    pub created: Option<Time>,
}

#[derive(Clone, PartialEq, Message)]
pub struct Summary {
    #[prost(uint64, tag = "1")]
    pub count: u64,
    #[prost(double, tag = "2")]
    pub sum: f64,
    #[prost(message, repeated, tag = "3")]
    pub quantiles: Vec<Quantile>,
    #[prost(message, optional, tag = "4")]
    pub created: Option<Time>,
}

#[derive(Clone, Copy, PartialEq, Message)]
pub struct Quantile {
    #[prost(double, tag = "1")]
    pub quantile: f64,
    #[prost(double, tag = "2")]
    pub value: f64,
}

#[derive(Clone, PartialEq, Message)]
pub struct Histogram {
    #[prost(uint64, tag = "1")]
    pub count: u64,
    #[prost(double, tag = "2")]
    pub sum: f64,
    #[prost(message, repeated, tag = "3")]
    pub buckets: Vec<Bucket>,
    #[prost(double, tag = "4")]
    pub count_float: f64,
    #[prost(sint32, tag = "5")]
    pub schema: i32,
    #[prost(double, tag = "6")]
    pub zero_threshold: f64,
    #[prost(uint64, tag = "7")]
    pub zero_count: u64,
    #[prost(double, tag = "8")]
    pub zero_count_float: f64,
    #[prost(message, repeated, tag = "9")]
    pub negative_spans: Vec<BucketSpan>,
    #[prost(sint64, repeated, tag = "10")]
    pub negative_deltas: Vec<i64>,
    #[prost(double, repeated, tag = "11")]
    pub negative_counts: Vec<f64>,
    #[prost(message, repeated, tag = "12")]
    pub positive_spans: Vec<BucketSpan>,
    #[prost(sint64, repeated, tag = "13")]
    pub positive_deltas: Vec<i64>,
    #[prost(double, repeated, tag = "14")]
    pub positive_counts: Vec<f64>,
    #[prost(message, optional, tag = "15")]
    pub created: Option<Time>,
}

#[derive(Clone, PartialEq, Message)]
pub struct Bucket {
    #[prost(uint64, tag = "1")]
    pub cumulative_count: u64,
    #[prost(double, tag = "2")]
    pub upper_bound: f64,
    #[prost(message, optional, tag = "3")]
    pub exemplar: Option<Exemplar>,
    #[prost(double, tag = "4")]
    pub cumulative_count_float: f64,
}

#[derive(Clone, Copy, PartialEq, Message)]
pub struct BucketSpan {
    #[prost(sint32, tag = "1")]
    pub offset: i32,
    #[prost(uint32, tag = "2")]
    pub length: u32,
}

#[derive(Clone, PartialEq, Message)]
pub struct Exemplar {
    #[prost(message, repeated, tag = "1")]
    pub labels: Vec<LabelPair>,
    #[prost(double, tag = "2")]
    pub value: f64,
    #[prost(message, optional, tag = "3")]
    pub timestamp: Option<Time>,
}

#[derive(Clone, Copy, PartialEq, Message)]
pub struct Time {
    #[prost(int64, tag = "1")]
    pub seconds: i64,
    #[prost(int32, tag = "2")]
    pub nanos: i32,
}

/// Bytes of one family.
const LARGEST_FAMILY: u64 = 64 << 20;

impl Page<'_> {
    /// Reads a page of families to its end.
    pub fn read_protobuf(
        &mut self,
        mut source: impl Read,
        deliver: &mut Deliver<'_>,
    ) -> Result<(), PageError> {
        self.conversion.expect_beginnings();
        let limit = self.job.limits.body;
        let mut bytes = Vec::new();
        let mut number = 0;
        loop {
            number += 1;
            let malformed = |what: &'static str| ExpositionError::Syntax {
                line: number,
                what,
                text: "protobuf family".to_owned(),
            };
            let Some(length) = length(&mut source).map_err(ExpositionError::Cut)? else { return Ok(()) };
            self.tally.bytes += length;
            if limit > 0 && self.tally.bytes > limit {
                return Err(ExpositionError::TooLarge(limit).into());
            }
            if length > LARGEST_FAMILY {
                return Err(malformed("a family of at most 64 MiB is expected").into());
            }
            bytes.clear();
            (&mut source).take(length).read_to_end(&mut bytes).map_err(ExpositionError::Cut)?;
            if bytes.len() as u64 != length {
                return Err(ExpositionError::Cut(std::io::ErrorKind::UnexpectedEof.into()).into());
            }
            let family = Family::decode(&bytes[..]).map_err(|_| malformed("a metric family is expected"))?;
            self.family(&family, deliver)?;
        }
    }

    fn family(&mut self, family: &Family, deliver: &mut Deliver<'_>) -> Result<(), PageError> {
        let kind = match family.kind {
            0 => Kind::Counter,
            1 => Kind::Gauge,
            2 => Kind::Summary,
            4 => Kind::Histogram,
            5 => Kind::GaugeHistogram,
            _ => Kind::Unknown,
        };
        self.families.set_kind(&family.name, kind);
        self.families.set_help(&family.name, &family.help);
        if !family.unit.is_empty() {
            self.families.set_unit(&family.name, &family.unit);
        }
        self.conversion.metadata_changed();
        for metric in &family.metrics {
            self.metric(&family.name, metric)?;
            if self.conversion.is_full() {
                self.hand_on(false, deliver)?;
            }
        }
        Ok(())
    }

    fn metric(&mut self, name: &str, metric: &Metric) -> Result<(), PageError> {
        if let Some(counter) = &metric.counter {
            self.put(name, metric, None, counter.value, counter.exemplar.as_ref())?;
            self.created(name, metric, counter.created)?;
        }
        for number in metric.gauge.iter().chain(&metric.untyped) {
            self.put(name, metric, None, number.value, None)?;
        }
        if let Some(summary) = &metric.summary {
            for quantile in &summary.quantiles {
                self.put(name, metric, Some(("quantile", quantile.quantile)), quantile.value, None)?;
            }
            self.put(&format!("{name}_sum"), metric, None, summary.sum, None)?;
            self.put(&format!("{name}_count"), metric, None, summary.count as f64, None)?;
            self.created(name, metric, summary.created)?;
        }
        if let Some(histogram) = &metric.histogram {
            let native = self.job.native && histogram.is_native();
            if native {
                self.put_native(name, metric, histogram)?;
            }
            if !native || (self.job.classic_too && !histogram.buckets.is_empty()) {
                self.put_classic(name, metric, histogram)?;
            }
        }
        Ok(())
    }

    fn put_classic(&mut self, name: &str, metric: &Metric, histogram: &Histogram) -> Result<(), PageError> {
        let either = |whole: u64, float: f64| if float > 0.0 { float } else { whole as f64 };
        let bucket_name = format!("{name}_bucket");
        for bucket in &histogram.buckets {
            let count = either(bucket.cumulative_count, bucket.cumulative_count_float);
            let edge = Some(("le", bucket.upper_bound));
            self.put(&bucket_name, metric, edge, count, bucket.exemplar.as_ref())?;
        }
        self.put(&format!("{name}_sum"), metric, None, histogram.sum, None)?;
        let count = either(histogram.count, histogram.count_float);
        self.put(&format!("{name}_count"), metric, None, count, None)?;
        self.created(name, metric, histogram.created)
    }

    fn put_native(&mut self, name: &str, metric: &Metric, histogram: &Histogram) -> Result<(), PageError> {
        let limit = self.job.limits.native_buckets;
        let spans = histogram.positive_spans.iter().chain(&histogram.negative_spans);
        if limit > 0 && spans.map(|span| u64::from(span.length)).sum::<u64>() > limit {
            return Err(PageError::Limit { limit: "native_histogram_bucket_limit", value: limit });
        }
        let native = Some(histogram.to_native());
        self.put_worth(name, metric, None, Worth { value: histogram.sum, exemplar: None, native })
    }

    fn created(&mut self, name: &str, metric: &Metric, time: Option<Time>) -> Result<(), PageError> {
        let Some(time) = time else { return Ok(()) };
        let seconds = time.seconds as f64 + f64::from(time.nanos) / 1e9;
        self.put(&format!("{name}_created"), metric, None, seconds, None)
    }

    fn put(
        &mut self,
        name: &str,
        metric: &Metric,
        edge: Option<(&str, f64)>,
        value: f64,
        exemplar: Option<&Exemplar>,
    ) -> Result<(), PageError> {
        let text = exemplar.map(written);
        self.put_worth(name, metric, edge, Worth { value, exemplar: text.as_deref(), native: None })
    }

    fn put_worth(
        &mut self,
        name: &str,
        metric: &Metric,
        edge: Option<(&str, f64)>,
        worth: Worth<'_>,
    ) -> Result<(), PageError> {
        let mut line = String::with_capacity(256);
        line.push_str("{\"");
        escape_value(name, &mut line);
        line.push('"');
        for label in &metric.labels {
            put_label(&label.name, &label.value, &mut line);
        }
        if let Some((name, edge)) = edge {
            put_label(name, &edge.to_string(), &mut line);
        }
        line.push_str("} 0");
        let mut parser = Parser::new(Dialect::OpenMetrics);
        let Ok(Some(Entry::Sample(mut sample))) = parser.parse(&line) else { return Ok(()) };
        sample.timestamp = (metric.timestamp_ms != 0).then_some(metric.timestamp_ms);
        self.sample_worth(&sample, worth)
    }
}

fn put_label(name: &str, value: &str, line: &mut String) {
    line.push_str(",\"");
    escape_value(name, line);
    line.push_str("\"=\"");
    escape_value(value, line);
    line.push('"');
}

/// An exemplar as OpenMetrics writes it.
fn written(exemplar: &Exemplar) -> String {
    let mut text = String::from("{");
    for (n, label) in exemplar.labels.iter().enumerate() {
        if n > 0 {
            text.push(',');
        }
        text.push('"');
        escape_value(&label.name, &mut text);
        text.push_str("\"=\"");
        escape_value(&label.value, &mut text);
        text.push('"');
    }
    let _ = write!(text, "}} {}", exemplar.value);
    if let Some(time) = exemplar.timestamp {
        let _ = write!(text, " {}", time.seconds as f64 + f64::from(time.nanos) / 1e9);
    }
    text
}

impl Histogram {
    fn is_native(&self) -> bool {
        !self.positive_spans.is_empty()
            || !self.negative_spans.is_empty()
            || self.zero_threshold > 0.0
            || self.zero_count > 0
            || self.zero_count_float > 0.0
    }

    fn to_native(&self) -> NativeHistogram {
        let float = self.count_float > 0.0;
        let start = self.created.map_or(0, |time| {
            u64::try_from(time.seconds).unwrap_or(0).saturating_mul(1_000_000_000)
                + u64::try_from(time.nanos).unwrap_or(0)
        });
        NativeHistogram {
            count: if float { self.count_float } else { self.count as f64 },
            sum: self.sum,
            schema: self.schema,
            zero_threshold: self.zero_threshold,
            zero_count: if float { self.zero_count_float } else { self.zero_count as f64 },
            positive: runs(&self.positive_spans, &self.positive_deltas, &self.positive_counts, float),
            negative: runs(&self.negative_spans, &self.negative_deltas, &self.negative_counts, float),
            start,
        }
    }
}

/// Integer histograms have the difference to the bucket before, those of floats the count itself.
fn runs(spans: &[BucketSpan], deltas: &[i64], counts: &[f64], float: bool) -> Vec<Run> {
    let mut before = 0_i64;
    let mut absolute: Box<dyn Iterator<Item = f64>> = if float {
        Box::new(counts.iter().copied())
    } else {
        Box::new(deltas.iter().map(|delta| {
            before = before.saturating_add(*delta);
            before as f64
        }))
    };
    spans
        .iter()
        .map(|span| Run {
            offset: span.offset,
            counts: absolute.by_ref().take(span.length as usize).collect(),
        })
        .collect()
}

/// A varint; nothing at the end of the stream.
fn length(source: &mut impl Read) -> std::io::Result<Option<u64>> {
    let mut value = 0_u64;
    for n in 0..10 {
        let mut byte = [0];
        let read = source.read(&mut byte)?;
        if read == 0 {
            return if n == 0 { Ok(None) } else { Err(std::io::ErrorKind::UnexpectedEof.into()) };
        }
        value |= u64::from(byte[0] & 0x7f).checked_shl(n * 7).unwrap_or(0);
        if byte[0] & 0x80 == 0 {
            return Ok(Some(value));
        }
    }
    Err(std::io::ErrorKind::InvalidData.into())
}
