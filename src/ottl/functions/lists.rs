//! Converters of lists and maps.

use std::borrow::Cow;

use super::{Args, Function, ParamKind, opt, p};
use crate::otlp::{AnyValue, Attributes, KeyValue, Str};
use crate::ottl::EvalError;
use crate::ottl::ast::CompareOp;
use crate::ottl::compare::compare;
use crate::ottl::context::View;
use crate::ottl::text::text_of_any;
use crate::ottl::value::Value;

pub const FUNCTIONS: &[Function] = &[
    Function::converter(
        "Coalesce",
        &[p("values", ParamKind::Values)],
        coalesce,
        "The first value that is not nil.",
    ),
    Function::converter(
        "ContainsValue",
        &[p("target", ParamKind::Values), p("item", ParamKind::Any)],
        contains_value,
        "Whether a list has a value.",
    ),
    Function::converter(
        "Index",
        &[p("target", ParamKind::Any), p("value", ParamKind::Any)],
        index,
        "Where a value first occurs in a string or list, or -1.",
    ),
    Function::converter("Keys", &[p("target", ParamKind::Map)], keys, "The keys of a map."),
    Function::converter(
        "SliceToMap",
        &[p("target", ParamKind::Any), opt("keyPath", ParamKind::Texts), opt("valuePath", ParamKind::Texts)],
        slice_to_map,
        "A map from the items of a list, under keys found inside them, or under their places.",
    ),
    Function::converter(
        "Sort",
        &[p("target", ParamKind::Any), opt("order", ParamKind::Choice(&["asc", "desc"]))],
        sort,
        "The list in order; mixed values as strings.",
    ),
    Function::converter("Values", &[p("target", ParamKind::Map)], values, "The values of a map."),
];

fn coalesce<'a>(args: &'a Args, view: &View<'a>) -> Result<Value<'a>, EvalError> {
    let mut found = Value::Nil;
    args.for_each(0, view, |value| {
        if found.is_nil() {
            found = value.into_static();
        }
        Ok(())
    })?;
    Ok(found)
}

fn contains_value<'a>(args: &'a Args, view: &View<'a>) -> Result<Value<'a>, EvalError> {
    let item = args.value(1, view)?;
    let mut found = false;
    args.for_each(0, view, |value| {
        found |= compare(CompareOp::Eq, &value, &item);
        Ok(())
    })?;
    Ok(Value::Bool(found))
}

fn index<'a>(args: &'a Args, view: &View<'a>) -> Result<Value<'a>, EvalError> {
    let wanted = args.value(1, view)?;
    let place = match (args.value(0, view)?, &wanted) {
        (Value::Text(text), Value::Text(part)) => text.find(&**part),
        (Value::Text(_), other) => return other.mismatch("string"),
        (Value::List(items), wanted) => {
            items.iter().position(|item| compare(CompareOp::Eq, &Value::from(item), wanted))
        }
        (other, _) => return other.mismatch("a string or list"),
    };
    Ok(Value::Int(place.map_or(-1, |place| place as i64)))
}

fn keys<'a>(args: &'a Args, view: &View<'a>) -> Result<Value<'a>, EvalError> {
    let map = args.map(0, view)?;
    Ok(Value::from(map.iter().map(|entry| AnyValue::String(entry.key.clone())).collect::<Vec<_>>()))
}

fn values<'a>(args: &'a Args, view: &View<'a>) -> Result<Value<'a>, EvalError> {
    let map = args.map(0, view)?;
    Ok(Value::from(map.iter().map(|entry| entry.value.clone()).collect::<Vec<_>>()))
}

fn texts(args: &Args, index: usize, view: &View<'_>) -> Result<Vec<Str>, EvalError> {
    let mut texts = Vec::new();
    args.for_each(index, view, |value| {
        texts.push(value.into_text()?.into_str());
        Ok(())
    })?;
    Ok(texts)
}

fn slice_to_map<'a>(args: &'a Args, view: &View<'a>) -> Result<Value<'a>, EvalError> {
    let (key_path, value_path) = (texts(args, 1, view)?, texts(args, 2, view)?);
    let items = args.list(0, view)?;
    let mut map: Vec<KeyValue> = Vec::with_capacity(items.len());
    for (place, item) in items.iter().enumerate() {
        let key = match inside(item, &key_path) {
            _ if key_path.is_empty() => Str::from(place.to_string()),
            Some(AnyValue::String(key)) => key.clone(),
            _ => continue,
        };
        if let Some(value) = inside(item, &value_path) {
            map.push(KeyValue { key, value: value.clone() });
        }
    }
    super::maps::deduplicate(&mut map);
    Ok(Value::from(map))
}

/// The value that a list of keys leads to.
fn inside<'v>(value: &'v AnyValue, path: &[Str]) -> Option<&'v AnyValue> {
    path.iter().try_fold(value, |value, key| match value {
        AnyValue::Map(entries) => entries.get(key),
        _ => None,
    })
}

fn sort<'a>(args: &'a Args, view: &View<'a>) -> Result<Value<'a>, EvalError> {
    let items = match args.value(0, view)? {
        Value::List(items) => items,
        other => return Ok(other),
    };
    let descending = args.choice(1) == Some(1);
    let is = |test: fn(&AnyValue) -> bool| items.iter().all(test);
    let numeric = is(|item| matches!(item, AnyValue::Int(_) | AnyValue::Double(_)));
    let whole = is(|item| matches!(item, AnyValue::Int(_)));
    if !numeric
        && items.iter().any(|i| matches!(i, AnyValue::Map(_) | AnyValue::Array(_) | AnyValue::Bytes(_)))
    {
        return Ok(Value::List(items));
    }
    let mut items: Vec<AnyValue> = match items {
        Cow::Owned(items) => items,
        Cow::Borrowed(items) => items.to_vec(),
    };
    if whole {
        items.sort_by_key(|item| if let AnyValue::Int(value) = item { *value } else { 0 });
    } else if numeric {
        for item in &mut items {
            if let AnyValue::Int(value) = item {
                *item = AnyValue::Double(*value as f64);
            }
        }
        let number = |item: &AnyValue| if let AnyValue::Double(value) = item { *value } else { 0.0 };
        items.sort_by(|a, b| number(a).total_cmp(&number(b)));
    } else {
        for item in &mut items {
            *item = AnyValue::String(text_of_any(item)?.into_str());
        }
        items.sort_by(|a, b| a.as_str().cmp(&b.as_str()));
    }
    if descending {
        items.reverse();
    }
    Ok(Value::from(items))
}
