//! Converters of numbers.

use super::{Args, Function, ParamKind, p};
use crate::ottl::EvalError;
use crate::ottl::context::View;
use crate::ottl::value::Value;

pub const FUNCTIONS: &[Function] = &[
    Function::converter(
        "IsValidLuhn",
        &[p("value", ParamKind::TextLike)],
        is_valid_luhn,
        "Whether the digits pass Luhn's check, as card numbers do.",
    ),
    Function::converter("Log", &[p("value", ParamKind::Any)], log, "The natural logarithm."),
    Function::converter(
        "ParseInt",
        &[p("target", ParamKind::Text), p("base", ParamKind::Int)],
        parse_int,
        "An int from digits in a base of 2 to 36, or by their prefix (0x, 0o, 0b) with base 0.",
    ),
];

fn log<'a>(args: &'a Args, view: &View<'a>) -> Result<Value<'a>, EvalError> {
    let number = match args.value(0, view)? {
        Value::Int(value) => value as f64,
        Value::Double(value) => value,
        Value::Text(text) => text.parse().map_err(|_| EvalError::fixed("the string is no number"))?,
        other => return other.mismatch("a number"),
    };
    if number <= 0.0 {
        return Err(EvalError::fixed("there is no logarithm of zero or less"));
    }
    Ok(Value::Double(number.ln()))
}

fn is_valid_luhn<'a>(args: &'a Args, view: &View<'a>) -> Result<Value<'a>, EvalError> {
    let Some(text) = args.text_like(0, view)? else { return Ok(Value::Bool(false)) };
    let mut sum = 0;
    for (place, byte) in text.bytes().rev().enumerate() {
        if !byte.is_ascii_digit() {
            return Ok(Value::Bool(false));
        }
        let digit = u32::from(byte - b'0') << (place % 2);
        sum = (sum + if digit > 9 { digit - 9 } else { digit }) % 10;
    }
    Ok(Value::Bool(!text.is_empty() && sum == 0))
}

fn parse_int<'a>(args: &'a Args, view: &View<'a>) -> Result<Value<'a>, EvalError> {
    let text = args.text(0, view)?;
    let base = args.int(1, view)?;
    let wrong = || EvalError::text(format!("{:?} is no int of base {base}", &*text));
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text.strip_prefix('+').unwrap_or(&text)),
    };
    let (radix, digits) = match base {
        0 => match digits.as_bytes() {
            [b'0', b'x' | b'X', ..] => (16, &digits[2..]),
            [b'0', b'o' | b'O', ..] => (8, &digits[2..]),
            [b'0', b'b' | b'B', ..] => (2, &digits[2..]),
            [b'0', _, ..] => (8, &digits[1..]),
            _ => (10, digits),
        },
        2..=36 => (base as u32, digits),
        _ => return Err(EvalError::fixed("the base must be 0, or 2 to 36")),
    };
    if !digits.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return Err(wrong());
    }
    let sign = if negative { "-" } else { "" };
    i64::from_str_radix(&format!("{sign}{digits}"), radix).map(Value::Int).map_err(|_| wrong())
}
