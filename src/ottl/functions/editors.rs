//! Editors that set, append and shorten.

use super::{Args, Function, ParamKind, opt, p};
use crate::otlp::{AnyValue, KeyValue};
use crate::ottl::EvalError;
use crate::ottl::context::{Item, Slot};
use crate::ottl::text::cut;
use crate::ottl::value::{Text, Value};

pub const FUNCTIONS: &[Function] = &[
    Function::editor(
        "append",
        &[p("target", ParamKind::Target), opt("value", ParamKind::Any), opt("values", ParamKind::Values)],
        append,
        "Adds to a list; a single value becomes the first item of a new one.",
    )
    .check(|args| {
        if args.is_missing(1) && args.is_missing(2) {
            return Err((0, "append needs \"value\" or \"values\"".to_owned()));
        }
        Ok(())
    }),
    Function::editor(
        "set",
        &[p("target", ParamKind::Target), p("value", ParamKind::Any)],
        set,
        "Puts a value in a place; nil changes nothing.",
    ),
    Function::editor(
        "truncate_all",
        &[p("target", ParamKind::MapTarget), p("limit", ParamKind::Int), opt("utf8_safe", ParamKind::Bool)],
        truncate_all,
        "Cuts every string value to at most `limit` bytes, between letters.",
    )
    .check(|args| match args.literal(1) {
        Some(AnyValue::Int(limit)) if *limit < 0 => Err((1, "the limit must not be negative".to_owned())),
        _ => Ok(()),
    }),
];

fn set(args: &Args, item: &mut Item<'_>) -> Result<(), EvalError> {
    let value = args.value(1, &item.view())?.into_static();
    match value {
        Value::Nil => Ok(()),
        value => args.path(0)?.set(item, value),
    }
}

fn append(args: &Args, item: &mut Item<'_>) -> Result<(), EvalError> {
    let path = args.path(0)?;
    let mut added = Vec::new();
    {
        let view = item.view();
        if !args.is_missing(1) {
            added.push(args.value(1, &view)?.into_any()?);
        }
        args.for_each(2, &view, |value| {
            added.push(value.into_any()?);
            Ok(())
        })?;
    }
    if let Some(Slot::Any(AnyValue::Array(items))) = path.existing(item)? {
        items.append(&mut added);
        return Ok(());
    }
    let mut items = match path.get(&item.view())? {
        Value::Nil => Vec::new(),
        Value::List(items) => items.into_owned(),
        single => vec![single.into_any()?],
    };
    items.append(&mut added);
    path.set(item, Value::from(items))
}

fn truncate_all(args: &Args, item: &mut Item<'_>) -> Result<(), EvalError> {
    let limit = args.int(1, &item.view())?;
    let limit = usize::try_from(limit).map_err(|_| EvalError::fixed("the limit must not be negative"))?;
    for KeyValue { value, .. } in args.map_mut(0, item)? {
        if let AnyValue::String(text) = value
            && text.len() > limit
        {
            let len = cut(text, limit).len();
            text.truncate(len);
        }
    }
    Ok(())
}

impl Value<'_> {
    /// The value without ties to the telemetry, so that it can be changed.
    pub fn into_static(self) -> Value<'static> {
        match self {
            Self::Nil => Value::Nil,
            Self::Bool(value) => Value::Bool(value),
            Self::Int(value) => Value::Int(value),
            Self::Double(value) => Value::Double(value),
            Self::Text(text) => Value::Text(Text::Owned(text.into_str())),
            Self::Bytes(bytes) => Value::Bytes(bytes.into_owned().into()),
            Self::Id(id) => Value::Id(id),
            Self::Map(entries) => Value::Map(entries.into_owned().into()),
            Self::List(items) => Value::List(items.into_owned().into()),
            Self::Time(time) => Value::Time(time),
            Self::Duration(span) => Value::Duration(span),
            Self::Items { kind, count } => Value::Items { kind, count },
        }
    }
}
