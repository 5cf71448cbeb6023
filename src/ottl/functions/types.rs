//! Converters between types, and questions about them.

use super::{Args, Function, ParamKind, p};
use crate::ottl::EvalError;
use crate::ottl::context::View;
use crate::ottl::text::{hex, text_of};
use crate::ottl::value::{Peek, Text, Value};

const VALUE: &[super::Param] = &[p("value", ParamKind::Any)];

pub const FUNCTIONS: &[Function] = &[
    Function::converter(
        "Bool",
        VALUE,
        to_bool,
        "A bool from a string or number; nil when there is none in it.",
    ),
    Function::converter("Double", VALUE, to_double, "A float from anything; nil when there is none in it."),
    Function::converter("Hex", VALUE, to_hex, "Hex digits of a string, bytes, number or bool."),
    Function::converter(
        "Int",
        VALUE,
        to_int,
        "An int from anything; floats are truncated; nil when there is none in it.",
    ),
    Function::converter(
        "IsBool",
        VALUE,
        |args, view| is(args, view, |v| matches!(v, Value::Bool(_))),
        "Whether it is a bool.",
    ),
    Function::converter(
        "IsDouble",
        VALUE,
        |args, view| is(args, view, |v| matches!(v, Value::Double(_))),
        "Whether it is a float.",
    ),
    Function::converter(
        "IsInt",
        VALUE,
        |args, view| is(args, view, |v| matches!(v, Value::Int(_))),
        "Whether it is an int.",
    ),
    Function::converter(
        "IsList",
        VALUE,
        |args, view| is(args, view, |v| matches!(v, Value::List(_) | Value::Items { .. })),
        "Whether it is a list.",
    ),
    Function::converter(
        "IsMap",
        VALUE,
        |args, view| is(args, view, |v| matches!(v, Value::Map(_))),
        "Whether it is a map.",
    ),
    Function::converter(
        "IsString",
        VALUE,
        |args, view| is(args, view, |v| matches!(v, Value::Text(_))),
        "Whether it is a string.",
    ),
    Function::converter(
        "Len",
        &[p("target", ParamKind::Any)],
        len,
        "Bytes of a string, items of a list or map.",
    ),
    Function::converter("String", VALUE, to_string, "The text form; nil stays nil."),
];

fn is<'a>(args: &'a Args, view: &View<'a>, test: fn(&Value<'_>) -> bool) -> Result<Value<'a>, EvalError> {
    match args.peek(0, view)? {
        Peek::Computed => Ok(Value::Bool(test(&args.value(0, view)?))),
        peek => Ok(Value::Bool(test(&Value::from(peek)))),
    }
}

fn len<'a>(args: &'a Args, view: &View<'a>) -> Result<Value<'a>, EvalError> {
    let len = match args.value(0, view)? {
        Value::Text(text) => text.len(),
        Value::List(items) => items.len(),
        Value::Map(entries) => entries.len(),
        Value::Items { count, .. } => count,
        Value::Bytes(bytes) => bytes.len(),
        other => return other.mismatch("a string, list or map"),
    };
    Ok(Value::Int(len as i64))
}

fn to_string<'a>(args: &'a Args, view: &View<'a>) -> Result<Value<'a>, EvalError> {
    Ok(text_of(args.value(0, view)?)?.map_or(Value::Nil, Value::Text))
}

fn to_bool<'a>(args: &'a Args, view: &View<'a>) -> Result<Value<'a>, EvalError> {
    Ok(match args.value(0, view)? {
        Value::Bool(value) => Value::Bool(value),
        Value::Int(value) => Value::Bool(value != 0),
        Value::Double(value) => Value::Bool(value != 0.0),
        Value::Text(text) => match &*text {
            "1" | "t" | "T" | "TRUE" | "true" | "True" => Value::Bool(true),
            "0" | "f" | "F" | "FALSE" | "false" | "False" => Value::Bool(false),
            _ => Value::Nil,
        },
        _ => Value::Nil,
    })
}

fn to_int<'a>(args: &'a Args, view: &View<'a>) -> Result<Value<'a>, EvalError> {
    Ok(match args.value(0, view)? {
        Value::Bool(value) => Value::Int(value.into()),
        Value::Int(value) => Value::Int(value),
        // Rust's cast saturates where Go's gives anything.
        Value::Double(value) if !value.is_nan() => Value::Int(value as i64),
        Value::Text(text) => text.parse().map_or(Value::Nil, Value::Int),
        Value::Duration(span) => Value::Int(span.0),
        _ => Value::Nil,
    })
}

fn to_double<'a>(args: &'a Args, view: &View<'a>) -> Result<Value<'a>, EvalError> {
    Ok(match args.value(0, view)? {
        Value::Bool(value) => Value::Double(f64::from(u8::from(value))),
        Value::Int(value) => Value::Double(value as f64),
        Value::Double(value) => Value::Double(value),
        Value::Text(text) => text.parse().map_or(Value::Nil, Value::Double),
        _ => Value::Nil,
    })
}

fn to_hex<'a>(args: &'a Args, view: &View<'a>) -> Result<Value<'a>, EvalError> {
    let digits = match args.value(0, view)? {
        Value::Text(text) => hex(text.as_bytes()),
        Value::Bytes(bytes) => hex(&bytes),
        Value::Id(id) => hex(id.as_bytes()),
        Value::Int(value) => hex(&value.to_be_bytes()),
        Value::Double(value) => hex(&value.to_bits().to_be_bytes()),
        Value::Bool(value) => return Ok(Value::Text(Text::Borrowed(if value { "01" } else { "00" }))),
        _ => return Ok(Value::Nil),
    };
    Ok(Value::text(digits))
}
