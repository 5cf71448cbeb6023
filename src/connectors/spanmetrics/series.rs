//! The series of one metric of one resource.

use crate::otlp::KeyValue;
use crate::otlp::identity::{Identity, IdentityMap};
use crate::otlp::metrics::{Exemplar, ExemplarValue};
use crate::otlp::trace::Span;

/// What is known of a series.
#[derive(Debug, Default)]
pub struct Series<V> {
    pub attributes: Vec<KeyValue>,
    /// Nanoseconds since the Unix epoch.
    pub start: u64,
    pub value: V,
    /// Spans that were counted since the last flush.
    pub exemplars: Vec<Exemplar>,
}

/// The series by what tells them apart. What there is no room for shares one series.
#[derive(Debug)]
pub struct Table<V> {
    series: IdentityMap<Series<V>>,
    overflow: Option<Box<Series<V>>>,
}

/// The attribute of the series that all others share when there is no room.
const OVERFLOW: &str = "otel.metric.overflow";

impl<V> Default for Table<V> {
    fn default() -> Self {
        Self { series: IdentityMap::default(), overflow: None }
    }
}

/// What was found for an identity.
pub enum Found {
    Known,
    New,
    Overflow,
}

impl<V: Default> Table<V> {
    /// The series of `identity`; a new one is made if there are less than `limit`.
    pub fn get(
        &mut self,
        identity: Identity,
        limit: usize,
        start: u64,
        attributes: impl FnOnce() -> Vec<KeyValue>,
    ) -> (&mut Series<V>, Found) {
        use std::collections::hash_map::Entry;
        let full = self.series.len() >= limit;
        match self.series.entry(identity) {
            Entry::Occupied(known) => (known.into_mut(), Found::Known),
            Entry::Vacant(place) if !full => {
                (place.insert(Series { attributes: attributes(), start, ..Series::default() }), Found::New)
            }
            Entry::Vacant(_) => {
                let overflow = self.overflow.get_or_insert_with(|| {
                    let attributes = vec![KeyValue::fixed(OVERFLOW, true)];
                    Box::new(Series { attributes, start, ..Series::default() })
                });
                (overflow, Found::Overflow)
            }
        }
    }
}

impl<V> Table<V> {
    /// How many there are, without the shared one.
    pub fn len(&self) -> usize {
        self.series.len()
    }

    /// All series, the shared one under an identity of its own.
    pub fn iter(&self) -> impl Iterator<Item = (Identity, &Series<V>)> {
        let overflow = self.overflow.iter().map(|series| (Identity::MAX, &**series));
        self.series.iter().map(|(identity, series)| (*identity, series)).chain(overflow)
    }

    pub fn forget_exemplars(&mut self) {
        for series in self.series.values_mut().chain(self.overflow.as_deref_mut()) {
            series.exemplars.clear();
        }
    }
}

impl<V> Series<V> {
    /// Keeps the span as an example of the value, up to `most`; spans without a trace are none.
    pub fn exemplify(&mut self, span: &Span, value: f64, most: usize) {
        if self.exemplars.len() < most && span.trace_id.iter().any(|byte| *byte != 0) {
            self.exemplars.push(Exemplar {
                time_unix_nano: 0,
                value: Some(ExemplarValue::Double(value)),
                span_id: span.span_id.clone(),
                trace_id: span.trace_id.clone(),
                filtered_attributes: Vec::new(),
            });
        }
    }
}
