//! What a plain YAML scalar means: the rules of Go's `yaml.v3`, which the collector reads with.
//!
//! They are the YAML 1.2 core schema with relics: `0777` is octal, `_` may group digits, and a
//! number too large for an integer becomes a float. `yes`, `no`, `on` and `off` are text, and so
//! is a timestamp.

use super::node::Value;

/// The value of an untagged plain scalar.
pub(super) fn resolve(text: &str) -> Value {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Value::Null,
        "true" | "True" | "TRUE" => return Value::Bool(true),
        "false" | "False" | "FALSE" => return Value::Bool(false),
        ".nan" | ".NaN" | ".NAN" => return Value::Float(f64::NAN),
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => return Value::Float(f64::INFINITY),
        "-.inf" | "-.Inf" | "-.INF" => return Value::Float(f64::NEG_INFINITY),
        _ => {}
    }
    if text.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '+' | '-' | '.')) {
        let digits: String = text.chars().filter(|&c| c != '_').collect();
        if let Some(number) = integer(&digits).map(Value::Int).or_else(|| float(&digits).map(Value::Float)) {
            return number;
        }
    }
    Value::String(text.to_owned())
}

/// `12`, `-0x1f`, `0o17`, `017`, `0b1`: what fits 64 bits, signed or not.
pub(super) fn integer(text: &str) -> Option<i128> {
    let (negative, digits) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let (radix, digits) = match digits.as_bytes() {
        [b'0', b'x' | b'X', ..] => (16, &digits[2..]),
        [b'0', b'o' | b'O', ..] => (8, &digits[2..]),
        [b'0', b'b' | b'B', ..] => (2, &digits[2..]),
        [b'0', _, ..] => (8, &digits[1..]),
        _ => (10, digits),
    };
    if !digits.starts_with(|c: char| c.is_digit(radix)) {
        return None;
    }
    let value = i128::from_str_radix(digits, radix).ok()?;
    let value = if negative { -value } else { value };
    (i128::from(i64::MIN)..=i128::from(u64::MAX)).contains(&value).then_some(value)
}

/// `^[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?$`
pub(super) fn float(text: &str) -> Option<f64> {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let starts_well = match unsigned.as_bytes() {
        [b'.', next, ..] => next.is_ascii_digit(),
        [first, ..] => first.is_ascii_digit(),
        [] => false,
    };
    let known = |c: char| c.is_ascii_digit() || matches!(c, '.' | 'e' | 'E' | '+' | '-');
    if !starts_well || !text.chars().all(known) {
        return None;
    }
    text.parse().ok().filter(|value: &f64| value.is_finite())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_scalars_mean_what_they_mean_to_the_collector() {
        let text = |t: &str| Value::String(t.into());
        for (plain, want) in [
            ("", Value::Null),
            ("~", Value::Null),
            ("NULL", Value::Null),
            ("nUll", text("nUll")),
            ("True", Value::Bool(true)),
            ("FALSE", Value::Bool(false)),
            ("yes", text("yes")),
            ("no", text("no")),
            ("on", text("on")),
            ("off", text("off")),
            ("0", Value::Int(0)),
            ("-0", Value::Int(0)),
            ("+12", Value::Int(12)),
            ("0777", Value::Int(511)),
            ("0o17", Value::Int(15)),
            ("-0o17", Value::Int(-15)),
            ("0x1F", Value::Int(31)),
            ("0b101", Value::Int(5)),
            ("1_000", Value::Int(1000)),
            ("089", Value::Float(89.0)),
            ("18446744073709551615", Value::Int(i128::from(u64::MAX))),
            ("18446744073709551616", Value::Float(18_446_744_073_709_551_616.0)),
            ("1e3", Value::Float(1000.0)),
            ("1.", Value::Float(1.0)),
            (".5", Value::Float(0.5)),
            ("-1.5E-3", Value::Float(-0.0015)),
            ("-.inf", Value::Float(f64::NEG_INFINITY)),
            ("1e999", text("1e999")),
            ("2024-01-01", text("2024-01-01")),
            ("2024-01-01T00:00:00Z", text("2024-01-01T00:00:00Z")),
            ("10s", text("10s")),
            ("1:30", text("1:30")),
            ("-", text("-")),
            ("0x", text("0x")),
            ("0x-1", text("0x-1")),
            ("--1", text("--1")),
            ("_1", text("_1")),
            (".", text(".")),
            ("1.2.3.4", text("1.2.3.4")),
            ("infinity", text("infinity")),
        ] {
            assert_eq!(resolve(plain), want, "{plain}");
        }
        assert!(matches!(resolve(".NaN"), Value::Float(value) if value.is_nan()));
    }
}
