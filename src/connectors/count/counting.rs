//! Counting the items of one resource.

use super::config::{AttributeConfig, Definition};
use crate::otlp::attributes::{attributes_of, find};
use crate::otlp::identity::{Digest, IdentityMap};
use crate::otlp::metrics::{Data, Metric, Number, NumberDataPoint, Sum, Temporality};
use crate::otlp::points::with_points;
use crate::otlp::{AnyValue, KeyValue};
use crate::ottl::{Failures, RecordRef, View};

/// The counts of metrics of one kind.
pub struct Counts<'d> {
    metrics: Vec<(&'d Definition, IdentityMap<Counted>)>,
    /// Nanoseconds since the Unix epoch, of all items that say; 0 when none does.
    first: u64,
    last: u64,
}

struct Counted {
    attributes: Vec<KeyValue>,
    count: i64,
}

impl<'d> Counts<'d> {
    pub fn new(definitions: Vec<&'d Definition>) -> Self {
        let metrics = definitions.into_iter().map(|definition| (definition, IdentityMap::default()));
        Self { metrics: metrics.collect(), first: 0, last: 0 }
    }

    pub fn is_empty(&self) -> bool {
        self.metrics.is_empty()
    }

    /// Counts the item for every metric that wants it.
    pub fn add(&mut self, view: &View<'_>, failures: &Failures) {
        let item = Item::of(view);
        for time in item.times.into_iter().filter(|time| *time != 0) {
            self.first = if self.first == 0 { time } else { self.first.min(time) };
            self.last = self.last.max(time);
        }
        for (definition, counts) in &mut self.metrics {
            let mut digest = Digest::new();
            let complete = definition.attributes.iter().all(|wanted| {
                let value = item.value(wanted, view);
                value.inspect(|value| digest.value(value)).is_some()
            });
            if !complete || !holds(definition, view, failures) {
                continue;
            }
            let counted = counts.entry(digest.finish()).or_insert_with(|| Counted {
                attributes: definition
                    .attributes
                    .iter()
                    .filter_map(|wanted| {
                        let value = item.value(wanted, view)?.clone();
                        Some(KeyValue::new(wanted.key.as_str(), value))
                    })
                    .collect(),
                count: 0,
            });
            counted.count += 1;
        }
    }

    /// The metrics that have counted something; `now` is for items without a time.
    pub fn metrics(self, now: u64, metrics: &mut Vec<Metric>) {
        let (start, time) = if self.last == 0 { (0, now) } else { (self.first, self.last) };
        for (definition, counts) in self.metrics.into_iter().filter(|(_, counts)| !counts.is_empty()) {
            let point = |counted: Counted| NumberDataPoint {
                attributes: counted.attributes,
                start_time_unix_nano: start,
                time_unix_nano: time,
                value: Some(Number::Int(counted.count)),
                ..NumberDataPoint::default()
            };
            metrics.push(Metric {
                name: definition.name.clone(),
                description: definition.description.clone(),
                data: Some(Data::Sum(Sum {
                    data_points: counts.into_values().map(point).collect(),
                    aggregation_temporality: Temporality::Delta as i32,
                    is_monotonic: true,
                })),
                ..Metric::default()
            });
        }
    }
}

fn holds(definition: &Definition, view: &View<'_>, failures: &Failures) -> bool {
    definition.conditions.is_empty()
        || definition.conditions.iter().any(|condition| {
            condition.test(view).unwrap_or_else(|error| {
                failures.note(condition.text(), &error, "the item is not counted for it");
                false
            })
        })
}

/// What counting looks at of an item.
struct Item<'a> {
    attributes: &'a [KeyValue],
    times: [u64; 2],
}

impl<'a> Item<'a> {
    fn of(view: &View<'a>) -> Self {
        let none = Self { attributes: &[], times: [0; 2] };
        match view.record {
            RecordRef::None | RecordRef::Metric(..) => none,
            RecordRef::Log(record) => {
                Self { attributes: &record.attributes, times: [record.time_unix_nano, 0] }
            }
            RecordRef::Span(span) => Self {
                attributes: &span.attributes,
                times: [span.start_time_unix_nano, span.end_time_unix_nano],
            },
            RecordRef::Event(span, index) => span.events.get(index).map_or(none, |event| Self {
                attributes: &event.attributes,
                times: [event.time_unix_nano, 0],
            }),
            RecordRef::Point(metrics, metric, index) => {
                let Some(data) = metrics.get(metric).and_then(|metric| metric.data.as_ref()) else {
                    return none;
                };
                with_points!(data, points => points.get(index).map_or(none, |point| Self {
                    attributes: &point.attributes,
                    times: [point.time_unix_nano, 0],
                }))
            }
        }
    }

    /// The attribute of the item, its scope or its resource, or the default.
    fn value<'v>(&self, wanted: &'v AttributeConfig, view: &View<'v>) -> Option<&'v AnyValue>
    where
        'a: 'v,
    {
        find(self.attributes, &wanted.key)
            .or_else(|| find(&view.scope?.attributes, &wanted.key))
            .or_else(|| find(attributes_of(view.resource), &wanted.key))
            .or((!wanted.default_value.is_empty()).then_some(&wanted.default_value))
    }
}
