//! Editors that change what a metric is, or make others from it.

use super::aggregate::{Aggregation, merge_points};
use super::{Args, Function, ParamKind, opt, p};
use crate::otlp::metrics::{
    Data, Exemplar, ExemplarValue, Gauge, HistogramDataPoint, Metric, Number, NumberDataPoint, Sum,
    Temporality,
};
use crate::otlp::{AnyValue, Attributes, KeyValue, Str};
use crate::ottl::EvalError;
use crate::ottl::context::{ContextKind, Item, Record, View};
use crate::ottl::value::Value;

const METRIC: &[ContextKind] = &[ContextKind::Metric];
const METRIC_OR_POINT: &[ContextKind] = &[ContextKind::Metric, ContextKind::DataPoint];
const TEMPORALITY: super::Param = p("aggregation_temporality", ParamKind::Choice(&["cumulative", "delta"]));
const MONOTONIC: super::Param = p("monotonic", ParamKind::Bool);
const SUFFIX: super::Param = opt("suffix", ParamKind::Text);
const AGGREGATION: super::Param = p("function", ParamKind::Choice(Aggregation::NAMES));

pub const FUNCTIONS: &[Function] = &[
    Function::editor(
        "aggregate_on_attribute_value",
        &[
            AGGREGATION,
            p("attribute", ParamKind::Text),
            p("values", ParamKind::Texts),
            p("newValue", ParamKind::Text),
        ],
        aggregate_on_attribute_value,
        "Gives the points with one of the values a new one, and merges points that are then alike.",
    )
    .only(METRIC),
    Function::editor(
        "aggregate_on_attributes",
        &[AGGREGATION, opt("attributes", ParamKind::Texts)],
        aggregate_on_attributes,
        "Drops all other attributes of the points, and merges points that are then alike.",
    )
    .only(METRIC),
    Function::editor(
        "convert_gauge_to_sum",
        &[TEMPORALITY, MONOTONIC],
        convert_gauge_to_sum,
        "Makes a gauge a sum.",
    )
    .only(METRIC_OR_POINT),
    Function::editor("convert_sum_to_gauge", &[], convert_sum_to_gauge, "Makes a sum a gauge.")
        .only(METRIC_OR_POINT),
    Function::editor(
        "convert_summary_count_val_to_sum",
        &[TEMPORALITY, MONOTONIC, SUFFIX],
        convert_summary_count_val_to_sum,
        "Appends a sum with the counts of a summary, named with the suffix (`_count`).",
    )
    .only(METRIC),
    Function::editor(
        "convert_summary_quantile_val_to_gauge",
        &[opt("attributeKey", ParamKind::Text), SUFFIX],
        convert_summary_quantile_val_to_gauge,
        "Appends a gauge with the quantiles of a summary, named with the suffix (`.quantiles`).",
    )
    .only(METRIC),
    Function::editor(
        "convert_summary_sum_val_to_sum",
        &[TEMPORALITY, MONOTONIC, SUFFIX],
        convert_summary_sum_val_to_sum,
        "Appends a sum with the sums of a summary, named with the suffix (`_sum`).",
    )
    .only(METRIC),
    Function::editor(
        "copy_metric",
        &[opt("name", ParamKind::Text), opt("description", ParamKind::Text), opt("unit", ParamKind::Text)],
        copy_metric,
        "Appends a copy of the metric to its scope.",
    )
    .only(METRIC),
    Function::editor(
        "extract_count_metric",
        &[MONOTONIC, SUFFIX],
        extract_count_metric,
        "Appends a sum with the counts of a histogram or summary, named with the suffix (`_count`).",
    )
    .only(METRIC),
    Function::editor(
        "extract_sum_metric",
        &[MONOTONIC, SUFFIX],
        extract_sum_metric,
        "Appends a sum with the sums of a histogram or summary, named with the suffix (`_sum`).",
    )
    .only(METRIC),
    Function::editor(
        "merge_histogram_buckets",
        &[p("bound", ParamKind::Float)],
        merge_histogram_buckets,
        "Removes a bound of a histogram point, joining the buckets on both sides.",
    )
    .only(&[ContextKind::DataPoint]),
    Function::editor(
        "scale_metric",
        &[p("factor", ParamKind::Float), opt("unit", ParamKind::Text)],
        scale_metric,
        "Multiplies all values of the metric.",
    )
    .only(METRIC),
    Function::converter(
        "HasAttrKeyOnDatapoint",
        &[p("key", ParamKind::Text)],
        has_attr_key_on_datapoint,
        "Whether any point of the metric has the attribute.",
    )
    .only(METRIC),
    Function::converter(
        "HasAttrOnDatapoint",
        &[p("key", ParamKind::Text), p("value", ParamKind::Text)],
        has_attr_on_datapoint,
        "Whether any point of the metric has the attribute with that string value.",
    )
    .only(METRIC),
];

fn convert_sum_to_gauge(_: &Args, item: &mut Item<'_>) -> Result<(), EvalError> {
    let Some(metric) = item.metric_mut() else { return Ok(()) };
    if let Some(Data::Sum(sum)) = &mut metric.data {
        metric.data = Some(Data::Gauge(Gauge { data_points: std::mem::take(&mut sum.data_points) }));
    }
    Ok(())
}

fn convert_gauge_to_sum(args: &Args, item: &mut Item<'_>) -> Result<(), EvalError> {
    let is_monotonic = args.bool_or(1, false, &item.view())?;
    let Some(metric) = item.metric_mut() else { return Ok(()) };
    if let Some(Data::Gauge(gauge)) = &mut metric.data {
        metric.data = Some(Data::Sum(Sum {
            data_points: std::mem::take(&mut gauge.data_points),
            aggregation_temporality: temporality(args),
            is_monotonic,
        }));
    }
    Ok(())
}

/// Of argument 0.
fn temporality(args: &Args) -> i32 {
    let temporality = if args.choice(0) == Some(1) { Temporality::Delta } else { Temporality::Cumulative };
    temporality as i32
}

fn copy_metric(args: &Args, item: &mut Item<'_>) -> Result<(), EvalError> {
    let copy = {
        let view = item.view();
        let Some(metric) = view.metric() else { return Ok(()) };
        let mut copy = metric.clone();
        for (index, field) in [&mut copy.name, &mut copy.description, &mut copy.unit].into_iter().enumerate()
        {
            if !args.is_missing(index) {
                *field = args.text(index, &view)?.to_string();
            }
        }
        copy
    };
    append(item, copy);
    Ok(())
}

/// Adds a metric to the scope, where it is visited after the others.
fn append(item: &mut Item<'_>, metric: Metric) {
    if let Record::Metric(metrics, _) | Record::Point(metrics, ..) = &mut item.record {
        metrics.push(metric);
    }
}

fn scale_metric(args: &Args, item: &mut Item<'_>) -> Result<(), EvalError> {
    let (factor, unit) = {
        let view = item.view();
        let unit = if args.is_missing(1) { None } else { Some(args.text(1, &view)?.to_string()) };
        (args.float(0, &view)?, unit)
    };
    let Some(metric) = item.metric_mut() else { return Ok(()) };
    match &mut metric.data {
        Some(Data::Gauge(gauge)) => scale_numbers(&mut gauge.data_points, factor),
        Some(Data::Sum(sum)) => scale_numbers(&mut sum.data_points, factor),
        Some(Data::Histogram(histogram)) => {
            histogram.data_points.iter_mut().for_each(|point| scale_histogram(point, factor));
        }
        Some(Data::Summary(summary)) => {
            for point in &mut summary.data_points {
                point.sum *= factor;
                point.quantile_values.iter_mut().for_each(|quantile| quantile.value *= factor);
            }
        }
        Some(Data::ExponentialHistogram(_)) => {
            return Err(EvalError::fixed("an exponential histogram cannot be scaled"));
        }
        None => return Ok(()),
    }
    if let Some(unit) = unit {
        metric.unit = unit;
    }
    Ok(())
}

fn scale_numbers(points: &mut [NumberDataPoint], factor: f64) {
    for point in points {
        match &mut point.value {
            Some(Number::Double(value)) => *value *= factor,
            Some(Number::Int(value)) => *value = (*value as f64 * factor) as i64,
            None => {}
        }
    }
}

fn scale_histogram(point: &mut HistogramDataPoint, factor: f64) {
    for value in [&mut point.sum, &mut point.min, &mut point.max].into_iter().flatten() {
        *value *= factor;
    }
    point.explicit_bounds.iter_mut().for_each(|bound| *bound *= factor);
    for Exemplar { value, .. } in &mut point.exemplars {
        match value {
            Some(ExemplarValue::Double(value)) => *value *= factor,
            Some(ExemplarValue::Int(value)) => *value = (*value as f64 * factor) as i64,
            None => {}
        }
    }
}

fn aggregate_on_attributes(args: &Args, item: &mut Item<'_>) -> Result<(), EvalError> {
    let mut keys: Vec<Str> = Vec::new();
    args.for_each(1, &item.view(), |value| {
        keys.push(value.into_text()?.into_str());
        Ok(())
    })?;
    let Some(data) = item.metric_mut().and_then(|metric| metric.data.as_mut()) else { return Ok(()) };
    if matches!(data, Data::Summary(_)) {
        return Ok(());
    }
    data.for_each_attributes(|attributes| attributes.retain(|entry| keys.contains(&entry.key)));
    merge_points(data, Aggregation::of_choice(args.choice(0)));
    Ok(())
}

fn aggregate_on_attribute_value(args: &Args, item: &mut Item<'_>) -> Result<(), EvalError> {
    let (key, values, new_value) = {
        let view = item.view();
        let mut values: Vec<Str> = Vec::new();
        args.for_each(2, &view, |value| {
            values.push(value.into_text()?.into_str());
            Ok(())
        })?;
        (args.text(1, &view)?.into_str(), values, args.text(3, &view)?.into_str())
    };
    let Some(data) = item.metric_mut().and_then(|metric| metric.data.as_mut()) else { return Ok(()) };
    if matches!(data, Data::Summary(_)) {
        return Ok(());
    }
    data.for_each_attributes(|attributes| {
        if let Some(value) = attributes.get_mut(&key)
            && value.as_str().is_some_and(|text| values.iter().any(|known| known == text))
        {
            *value = AnyValue::String(new_value.clone());
        }
    });
    merge_points(data, Aggregation::of_choice(args.choice(0)));
    Ok(())
}

/// One point of a metric made from another, without its value.
fn point(attributes: &[KeyValue], start: u64, time: u64, flags: u32, value: Number) -> NumberDataPoint {
    NumberDataPoint {
        attributes: attributes.to_vec(),
        start_time_unix_nano: start,
        time_unix_nano: time,
        flags,
        value: Some(value),
        ..Default::default()
    }
}

/// Points with the counts of a histogram or summary, and the temporality of the metric.
fn counts(data: &Data) -> Option<(Vec<NumberDataPoint>, i32)> {
    macro_rules! counts {
        ($points:expr) => {
            $points
                .iter()
                .map(|p| {
                    let value = Number::Int(p.count as i64);
                    point(&p.attributes, p.start_time_unix_nano, p.time_unix_nano, p.flags, value)
                })
                .collect()
        };
    }
    Some(match data {
        Data::Histogram(h) => (counts!(h.data_points), h.aggregation_temporality),
        Data::ExponentialHistogram(h) => (counts!(h.data_points), h.aggregation_temporality),
        Data::Summary(s) => (counts!(s.data_points), Temporality::Cumulative as i32),
        _ => return None,
    })
}

/// Points with the sums of a histogram or summary, where there are some, and the temporality.
fn sums(data: &Data) -> Option<(Vec<NumberDataPoint>, i32)> {
    macro_rules! sums {
        ($points:expr, $p:ident => $sum:expr) => {
            $points
                .iter()
                .filter_map(|$p| {
                    let value = Number::Double($sum?);
                    Some(point(&$p.attributes, $p.start_time_unix_nano, $p.time_unix_nano, $p.flags, value))
                })
                .collect()
        };
    }
    Some(match data {
        Data::Histogram(h) => (sums!(h.data_points, p => p.sum), h.aggregation_temporality),
        Data::ExponentialHistogram(h) => (sums!(h.data_points, p => p.sum), h.aggregation_temporality),
        Data::Summary(s) => (sums!(s.data_points, p => Some(p.sum)), Temporality::Cumulative as i32),
        _ => return None,
    })
}

/// What is made from a metric: its points and their temporality.
type Extract = fn(&Data) -> Option<(Vec<NumberDataPoint>, i32)>;

/// Appends a sum made from the metric; `unit` replaces that of the metric.
fn append_sum(
    item: &mut Item<'_>,
    extract: Extract,
    (is_monotonic, suffix): (bool, Str),
    temporality: Option<i32>,
    unit: Option<&str>,
) {
    let made = {
        let view = item.view();
        let Some(metric) = view.metric() else { return };
        let Some((data_points, own)) = metric.data.as_ref().and_then(extract) else { return };
        if data_points.is_empty() {
            return;
        }
        Metric {
            name: format!("{}{suffix}", metric.name),
            description: metric.description.clone(),
            unit: unit.unwrap_or(&metric.unit).to_owned(),
            data: Some(Data::Sum(Sum {
                data_points,
                aggregation_temporality: temporality.unwrap_or(own),
                is_monotonic,
            })),
            metadata: Vec::new(),
        }
    };
    append(item, made);
}

/// The arguments `monotonic` and `suffix`, the first at `index`.
fn naming(
    args: &Args,
    index: usize,
    suffix: &'static str,
    view: &View<'_>,
) -> Result<(bool, Str), EvalError> {
    Ok((args.bool_or(index, false, view)?, args.text_or(index + 1, suffix, view)?.into_str()))
}

fn extract_count_metric(args: &Args, item: &mut Item<'_>) -> Result<(), EvalError> {
    let naming = naming(args, 0, "_count", &item.view())?;
    // The unit of the values is not that of their number.
    append_sum(item, counts, naming, None, Some("1"));
    Ok(())
}

fn extract_sum_metric(args: &Args, item: &mut Item<'_>) -> Result<(), EvalError> {
    let naming = naming(args, 0, "_sum", &item.view())?;
    append_sum(item, sums, naming, None, None);
    Ok(())
}

fn convert_summary_count_val_to_sum(args: &Args, item: &mut Item<'_>) -> Result<(), EvalError> {
    convert_summary(args, item, counts, "_count")
}

fn convert_summary_sum_val_to_sum(args: &Args, item: &mut Item<'_>) -> Result<(), EvalError> {
    convert_summary(args, item, sums, "_sum")
}

fn convert_summary(
    args: &Args,
    item: &mut Item<'_>,
    extract: Extract,
    suffix: &'static str,
) -> Result<(), EvalError> {
    let naming = {
        let view = item.view();
        if !matches!(view.metric().and_then(|metric| metric.data.as_ref()), Some(Data::Summary(_))) {
            return Ok(());
        }
        naming(args, 1, suffix, &view)?
    };
    append_sum(item, extract, naming, Some(temporality(args)), None);
    Ok(())
}

fn convert_summary_quantile_val_to_gauge(args: &Args, item: &mut Item<'_>) -> Result<(), EvalError> {
    let made = {
        let view = item.view();
        let Some(metric) = view.metric() else { return Ok(()) };
        let Some(Data::Summary(summary)) = &metric.data else { return Ok(()) };
        let key = args.text_or(0, "quantile", &view)?;
        let suffix = args.text_or(1, ".quantiles", &view)?;
        let mut data_points = Vec::new();
        for p in &summary.data_points {
            for quantile in &p.quantile_values {
                let value = Number::Double(quantile.value);
                let mut made = point(&p.attributes, p.start_time_unix_nano, p.time_unix_nano, p.flags, value);
                made.attributes.set(&*key, quantile.quantile);
                data_points.push(made);
            }
        }
        Metric {
            name: format!("{}{}", metric.name, &*suffix),
            description: metric.description.clone(),
            unit: metric.unit.clone(),
            data: Some(Data::Gauge(Gauge { data_points })),
            metadata: Vec::new(),
        }
    };
    append(item, made);
    Ok(())
}

fn merge_histogram_buckets(args: &Args, item: &mut Item<'_>) -> Result<(), EvalError> {
    const TOLERANCE: f64 = 1e-12;
    let bound = args.float(0, &item.view())?;
    let Record::Point(metrics, metric, point) = &mut item.record else { return Ok(()) };
    let Some(Data::Histogram(histogram)) = metrics.get_mut(*metric).and_then(|metric| metric.data.as_mut())
    else {
        return Ok(());
    };
    let Some(point) = histogram.data_points.get_mut(*point) else { return Ok(()) };
    if point.bucket_counts.len() != point.explicit_bounds.len() + 1 {
        return Ok(());
    }
    if let Some(place) = point.explicit_bounds.iter().position(|known| (known - bound).abs() < TOLERANCE) {
        point.explicit_bounds.remove(place);
        let count = point.bucket_counts.remove(place);
        point.bucket_counts[place] = point.bucket_counts[place].saturating_add(count);
    }
    Ok(())
}

fn has_attr_key_on_datapoint<'a>(args: &'a Args, view: &View<'a>) -> Result<Value<'a>, EvalError> {
    let key = args.text(0, view)?;
    Ok(Value::Bool(any_attributes(view, |attributes| attributes.contains(&key))))
}

fn has_attr_on_datapoint<'a>(args: &'a Args, view: &View<'a>) -> Result<Value<'a>, EvalError> {
    let (key, value) = (args.text(0, view)?, args.text(1, view)?);
    Ok(Value::Bool(any_attributes(view, |attributes| attributes.get_str(&key) == Some(&*value))))
}

fn any_attributes(view: &View<'_>, test: impl Fn(&Vec<KeyValue>) -> bool) -> bool {
    match view.metric().and_then(|metric| metric.data.as_ref()) {
        None => false,
        Some(Data::Gauge(gauge)) => gauge.data_points.iter().any(|p| test(&p.attributes)),
        Some(Data::Sum(sum)) => sum.data_points.iter().any(|p| test(&p.attributes)),
        Some(Data::Histogram(histogram)) => histogram.data_points.iter().any(|p| test(&p.attributes)),
        Some(Data::ExponentialHistogram(histogram)) => {
            histogram.data_points.iter().any(|p| test(&p.attributes))
        }
        Some(Data::Summary(summary)) => summary.data_points.iter().any(|p| test(&p.attributes)),
    }
}
