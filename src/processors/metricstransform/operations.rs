//! What is done to the points of a metric.

use std::collections::{HashMap, HashSet};

use super::filter::Filter;
use super::merge::{Aggregation, merge};
use crate::otlp::metrics::{Data, Metric, Number};
use crate::otlp::points::{Point, with_points};
use crate::otlp::{AnyValue, Attributes, Str};

pub enum Operation {
    AddLabel { label: Str, value: Str },
    UpdateLabel { label: Str, new_label: Option<Str>, values: HashMap<String, Str> },
    DeleteLabelValue { label: Str, value: String },
    ToggleScalarDataType,
    ScaleValue(f64),
    AggregateLabels { labels: HashSet<String>, how: Aggregation },
    AggregateLabelValues { label: Str, values: HashSet<String>, new_value: Str, how: Aggregation },
}

impl Operation {
    /// `whole`: the metric as a whole is the transform's, not only the points that match.
    pub fn apply(&self, metric: &mut Metric, filter: &Filter, whole: bool) {
        let Some(data) = &mut metric.data else { return };
        match self {
            Self::UpdateLabel { label, new_label, values } => data.for_each_attributes(|attributes| {
                if filter.takes_point(attributes) {
                    update_label(attributes, label, new_label.as_ref(), values);
                }
            }),
            Self::ToggleScalarDataType => for_each_number(data, filter, |number| match number {
                Number::Int(value) => Number::Double(value as f64),
                Number::Double(value) => Number::Int(value as i64),
            }),
            Self::ScaleValue(by) => scale(data, filter, *by),
            // What is left changes which points there are: all of them must be the transform's.
            _ if !whole => {}
            Self::AddLabel { label, value } => {
                data.for_each_attributes(|attributes| attributes.set(label.clone(), value.clone()));
            }
            Self::DeleteLabelValue { label, value } => with_points!(data, points => points.retain(|point| {
                let own = point.attributes().iter().find(|entry| entry.key == *label);
                own.is_none_or(|own| own.value.as_str() != Some(value))
            })),
            Self::AggregateLabels { labels, how } => {
                data.for_each_attributes(|attributes| {
                    attributes.retain(|entry| labels.contains(entry.key.as_str()));
                });
                merge(data, *how);
            }
            Self::AggregateLabelValues { label, values, new_value, how } => {
                data.for_each_attributes(|attributes| {
                    if let Some(AnyValue::String(text)) = attributes.get_mut(label)
                        && values.contains(text.as_str())
                    {
                        *text = new_value.clone();
                    }
                });
                merge(data, *how);
            }
        }
    }
}

fn update_label(
    attributes: &mut Vec<crate::otlp::KeyValue>,
    label: &Str,
    new_label: Option<&Str>,
    values: &HashMap<String, Str>,
) {
    let Some(entry) = attributes.iter_mut().find(|entry| entry.key == *label) else { return };
    if let AnyValue::String(text) = &mut entry.value
        && let Some(new_value) = values.get(text.as_str())
    {
        *text = new_value.clone();
    }
    if let Some(new_label) = new_label.filter(|new_label| *new_label != label)
        && let Some(value) = attributes.take(label)
    {
        attributes.set(new_label.clone(), value);
    }
}

fn for_each_number(data: &mut Data, filter: &Filter, change: impl Fn(Number) -> Number) {
    let points = match data {
        Data::Gauge(gauge) => &mut gauge.data_points,
        Data::Sum(sum) => &mut sum.data_points,
        _ => return,
    };
    for point in points.iter_mut().filter(|point| filter.takes_point(&point.attributes)) {
        point.value = point.value.map(&change);
    }
}

/// Scales numbers and histograms with explicit bounds. The buckets of an exponential histogram, and
/// the quantiles of a summary, have no such thing as other bounds: they stay.
fn scale(data: &mut Data, filter: &Filter, by: f64) {
    for_each_number(data, filter, |number| match number {
        Number::Int(value) => Number::Int((value as f64 * by) as i64),
        Number::Double(value) => Number::Double(value * by),
    });
    let Data::Histogram(histogram) = data else { return };
    for point in histogram.data_points.iter_mut().filter(|point| filter.takes_point(&point.attributes)) {
        for value in [&mut point.sum, &mut point.min, &mut point.max] {
            *value = value.map(|value| value * by);
        }
        point.explicit_bounds.iter_mut().for_each(|bound| *bound *= by);
        for exemplar in &mut point.exemplars {
            use crate::otlp::metrics::ExemplarValue;
            exemplar.value = exemplar.value.map(|value| match value {
                ExemplarValue::Int(value) => ExemplarValue::Int((value as f64 * by) as i64),
                ExemplarValue::Double(value) => ExemplarValue::Double(value * by),
            });
        }
    }
}
