//! The points of one metric, as they come.

use std::collections::HashMap;

use super::family::{Meta, Part};
use super::group::{Group, NoPoint, millis_to_nanos, seconds_to_nanos};
use super::unit::{trimmed, ucum};
use super::{exemplar, is_stale};
use crate::otlp::KeyValue;
use crate::otlp::metrics::{
    self, ExponentialHistogram, ExponentialHistogramDataPoint, Gauge, Histogram, Metric, NO_RECORDED_VALUE,
    Number, NumberDataPoint, Sum, Summary, Temporality,
};
use crate::receivers::prometheus::exposition::Kind;

/// A metric under construction.
#[derive(Debug)]
pub struct Building {
    name: String,
    help: Box<str>,
    unit: Box<str>,
    kind: Kind,
    numbers: Vec<NumberDataPoint>,
    groups: Vec<Group>,
    natives: Vec<ExponentialHistogramDataPoint>,
    /// Where the group of a label set is.
    by_labels: HashMap<u64, usize>,
    last: Option<(u64, usize)>,
    /// How many points came in the part that was taken last.
    expected: usize,
}

/// One sample on its way into a point.
pub struct Reading<'a> {
    pub part: Part,
    pub value: f64,
    /// Milliseconds since the epoch.
    pub time: i64,
    pub edge: Option<f64>,
    pub exemplar: Option<&'a str>,
    /// Hash of the labels that make the point.
    pub labels: u64,
}

impl Building {
    pub fn new(name: &str, meta: Option<&Meta>) -> Self {
        let meta = meta.cloned().unwrap_or_default();
        Self {
            name: name.to_owned(),
            kind: meta.kind,
            help: meta.help,
            unit: meta.unit,
            numbers: Vec::new(),
            groups: Vec::new(),
            natives: Vec::new(),
            by_labels: HashMap::new(),
            last: None,
            expected: 0,
        }
    }

    pub fn len(&self) -> usize {
        self.numbers.len() + self.groups.len() + self.natives.len()
    }

    /// Whether several samples make one point.
    pub fn is_grouped(kind: Kind) -> bool {
        matches!(kind, Kind::Histogram | Kind::Summary)
    }

    pub fn add_native(&mut self, point: ExponentialHistogramDataPoint) {
        self.natives.push(point);
    }

    /// Adds a sample; whether it was of use.
    pub fn add(&mut self, reading: &Reading<'_>, attributes: impl FnOnce() -> Vec<KeyValue>) -> bool {
        if Self::is_grouped(self.kind) {
            return self.add_to_group(reading, attributes);
        }
        if reading.part == Part::Created {
            // It follows the number it is about.
            if let Some((_, place)) = self.last.filter(|(labels, _)| *labels == reading.labels)
                && !is_stale(reading.value)
            {
                self.numbers[place].start_time_unix_nano = seconds_to_nanos(reading.value);
            }
            return true;
        }
        if self.numbers.capacity() == 0 {
            self.numbers.reserve_exact(self.expected.max(1));
        }
        let stale = is_stale(reading.value);
        self.last = Some((reading.labels, self.numbers.len()));
        self.numbers.push(NumberDataPoint {
            start_time_unix_nano: 0,
            time_unix_nano: millis_to_nanos(reading.time),
            value: (!stale).then_some(Number::Double(reading.value)),
            exemplars: reading.exemplar.and_then(|text| exemplar(text, reading.time)).into_iter().collect(),
            attributes: attributes(),
            flags: if stale { NO_RECORDED_VALUE } else { 0 },
        });
        true
    }

    fn add_to_group(&mut self, reading: &Reading<'_>, attributes: impl FnOnce() -> Vec<KeyValue>) -> bool {
        let place = if let Some(place) = self.place(reading.labels) {
            place
        } else {
            self.groups.push(Group::new(attributes(), reading.time));
            let place = self.groups.len() - 1;
            self.by_labels.insert(reading.labels, place);
            place
        };
        self.last = Some((reading.labels, place));
        let group = &mut self.groups[place];
        if reading.part == Part::Bucket
            && let Some(text) = reading.exemplar
        {
            group.exemplars.extend(exemplar(text, reading.time));
        }
        group.add(reading.part, reading.edge, reading.value, reading.time)
    }

    fn place(&self, labels: u64) -> Option<usize> {
        match self.last {
            Some((last, place)) if last == labels => Some(place),
            _ => self.by_labels.get(&labels).copied(),
        }
    }

    /// Takes what there is; the point that is being built stays unless this is the `end`. What makes
    /// no point goes to `lost`.
    pub fn take(&mut self, end: bool, trim: bool, lost: &mut dyn FnMut(NoPoint)) -> Option<Metric> {
        self.expected = self.numbers.len();
        let numbers = std::mem::take(&mut self.numbers);
        let mut groups = std::mem::take(&mut self.groups);
        self.by_labels.clear();
        let open = self.last.take();
        if let Some((labels, _)) = open.filter(|(_, place)| !end && place + 1 == groups.len()) {
            self.groups.extend(groups.pop());
            self.by_labels.insert(labels, 0);
            self.last = Some((labels, 0));
        }
        let cumulative = Temporality::Cumulative as i32;
        let sum = |data_points, is_monotonic| {
            metrics::Data::Sum(Sum { data_points, aggregation_temporality: cumulative, is_monotonic })
        };
        let natives = std::mem::take(&mut self.natives);
        let data = match self.kind {
            _ if !natives.is_empty() => metrics::Data::ExponentialHistogram(ExponentialHistogram {
                data_points: natives,
                aggregation_temporality: cumulative,
            }),
            Kind::Counter => sum(numbers, true),
            Kind::Info | Kind::StateSet => sum(numbers, false),
            Kind::Gauge | Kind::Unknown | Kind::GaugeHistogram => {
                metrics::Data::Gauge(Gauge { data_points: numbers })
            }
            Kind::Histogram => {
                let points = groups.into_iter().map(Group::into_histogram);
                metrics::Data::Histogram(Histogram {
                    data_points: points.filter_map(|point| point.map_err(&mut *lost).ok()).collect(),
                    aggregation_temporality: cumulative,
                })
            }
            Kind::Summary => {
                let points = groups.into_iter().map(Group::into_summary);
                metrics::Data::Summary(Summary {
                    data_points: points.filter_map(|point| point.map_err(&mut *lost).ok()).collect(),
                })
            }
        };
        (!data.is_empty()).then(|| self.metric(data, trim))
    }

    fn metric(&self, data: metrics::Data, trim: bool) -> Metric {
        let is_sum = matches!(data, metrics::Data::Sum(_));
        Metric {
            name: if trim { trimmed(&self.name, &self.unit, is_sum) } else { self.name.clone() },
            description: self.help.to_string(),
            unit: ucum(&self.unit),
            data: Some(data),
            metadata: vec![KeyValue::fixed("prometheus.type", self.kind.name())],
        }
    }
}
