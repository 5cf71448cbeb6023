//! `Format`: Go's `fmt.Sprintf`.

use super::{Args, Function, ParamKind, p};
use crate::ottl::context::View;
use crate::ottl::text::{hex, text_of};
use crate::ottl::value::Value;
use crate::ottl::{EvalError, limits};

pub const FUNCTIONS: &[Function] = &[Function::converter(
    "Format",
    &[p("formatString", ParamKind::Text), p("formatArguments", ParamKind::Values)],
    format,
    "The arguments in a text, in the way of Go's Sprintf.",
)];

/// Widest field; more is a mistake.
const WIDTH: usize = 10_000;

/// Flags, width and precision between the `%` and the verb.
#[derive(Default)]
struct Spec {
    minus: bool,
    plus: bool,
    space: bool,
    zero: bool,
    sharp: bool,
    width: usize,
    precision: Option<usize>,
}

fn format<'a>(args: &'a Args, view: &View<'a>) -> Result<Value<'a>, EvalError> {
    let template = args.text(0, view)?;
    let mut values: Vec<Value<'static>> = Vec::new();
    args.for_each(1, view, |value| {
        values.push(value.into_static());
        Ok(())
    })?;
    let mut out = String::new();
    let mut values = values.into_iter();
    let mut chars = template.chars().peekable();
    while let Some(c) = chars.next() {
        if c != '%' {
            out.push(c);
            continue;
        }
        let spec = Spec::read(&mut chars)?;
        match chars.next() {
            None => out.push_str("%!(NOVERB)"),
            Some('%') => out.push('%'),
            Some(verb) => match values.next() {
                None => out.extend(["%!", verb.encode_utf8(&mut [0; 4]), "(MISSING)"]),
                Some(value) => out.push_str(&spec.write(verb, value)?),
            },
        }
        limits::check_text(out.len())?;
    }
    let extra: Vec<String> = values.map(|value| described(&value)).collect::<Result<_, _>>()?;
    if !extra.is_empty() {
        out.extend(["%!(EXTRA ", &extra.join(", "), ")"]);
    }
    limits::check_text(out.len())?;
    Ok(Value::text(out))
}

/// `type=value`, as Go complains.
fn described(value: &Value<'_>) -> Result<String, EvalError> {
    let kind = match value {
        Value::Nil => return Ok("<nil>".to_owned()),
        Value::Int(_) => "int64",
        Value::Double(_) => "float64",
        other => other.kind(),
    };
    Ok(format!("{kind}={}", plain(value)?))
}

/// `%v`
fn plain(value: &Value<'_>) -> Result<String, EvalError> {
    Ok(match value {
        Value::Nil => "<nil>".to_owned(),
        Value::Double(value) => shortest(*value),
        other => text_of(other.clone())?.map(|text| text.to_string()).unwrap_or_default(),
    })
}

/// Go's `%v` of a float: an exponent below 1e-4 and from 1e21 on, of two digits at least.
fn shortest(value: f64) -> String {
    let size = value.abs();
    if !value.is_finite() {
        return crate::ottl::text::float(value);
    }
    if value == 0.0 || (1e-4..1e21).contains(&size) {
        return format!("{value}");
    }
    exponent(format!("{value:e}"))
}

/// `1e5` as `1e+05`.
fn exponent(text: String) -> String {
    match text.split_once('e') {
        Some((digits, power)) => {
            let (sign, power) = match power.strip_prefix('-') {
                Some(power) => ('-', power),
                None => ('+', power),
            };
            format!("{digits}e{sign}{power:0>2}")
        }
        None => text,
    }
}

impl Spec {
    fn read(chars: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Result<Self, EvalError> {
        let mut spec = Self::default();
        while let Some(flag) = chars.next_if(|c| matches!(c, '-' | '+' | '#' | '0' | ' ')) {
            match flag {
                '-' => spec.minus = true,
                '+' => spec.plus = true,
                '#' => spec.sharp = true,
                '0' => spec.zero = true,
                _ => spec.space = true,
            }
        }
        let number = |chars: &mut std::iter::Peekable<std::str::Chars<'_>>| {
            let mut number = None;
            while let Some(digit) = chars.peek().and_then(|c| c.to_digit(10)) {
                chars.next();
                number = Some(number.unwrap_or(0) * 10 + digit as usize);
                if number > Some(WIDTH) {
                    return Err(EvalError::text(format!("a field is wider than {WIDTH}")));
                }
            }
            Ok(number)
        };
        spec.width = number(chars)?.unwrap_or_default();
        if chars.next_if_eq(&'.').is_some() {
            spec.precision = Some(number(chars)?.unwrap_or_default());
        }
        Ok(spec)
    }

    fn write(&self, verb: char, value: Value<'_>) -> Result<String, EvalError> {
        let wrong = |value: &Value<'_>| Ok::<_, EvalError>(format!("%!{verb}({})", described(value)?));
        Ok(match (verb, &value) {
            ('v', Value::Int(number)) => self.integer(*number, 'd'),
            ('v' | 's', Value::Text(text)) => self.string(text),
            ('v', _) => self.pad(plain(&value)?, false),
            ('d' | 'b' | 'o' | 'x' | 'X', Value::Int(number)) => self.integer(*number, verb),
            ('c', Value::Int(number)) => {
                let letter = u32::try_from(*number).ok().and_then(char::from_u32).unwrap_or('\u{fffd}');
                self.pad(letter.to_string(), false)
            }
            ('f' | 'F' | 'e' | 'g', Value::Double(number)) => self.float(*number, verb),
            ('x', Value::Text(text)) => self.pad(hex(text.as_bytes()), false),
            ('X', Value::Text(text)) => self.pad(hex(text.as_bytes()).to_uppercase(), false),
            ('q', Value::Text(text)) => self.pad(format!("{:?}", &**text), false),
            ('t', Value::Bool(answer)) => self.pad(answer.to_string(), false),
            ('s', Value::Int(_) | Value::Double(_) | Value::Bool(_) | Value::Nil) => wrong(&value)?,
            ('s', _) => self.string(&plain(&value)?),
            ('T', _) => self.pad(value.kind().to_owned(), false),
            _ => wrong(&value)?,
        })
    }

    fn string(&self, text: &str) -> String {
        match self.precision {
            Some(precision) => self.pad(text.chars().take(precision).collect(), false),
            None => self.pad(text.to_owned(), false),
        }
    }

    fn integer(&self, number: i64, verb: char) -> String {
        let size = number.unsigned_abs();
        let (prefix, digits) = match verb {
            'b' => ("0b", format!("{size:b}")),
            'o' => ("0", format!("{size:o}")),
            'x' => ("0x", format!("{size:x}")),
            'X' => ("0X", format!("{size:X}")),
            _ => ("", size.to_string()),
        };
        let digits = format!("{digits:0>width$}", width = self.precision.unwrap_or_default());
        let prefix = if self.sharp { prefix } else { "" };
        self.pad(format!("{}{prefix}{digits}", self.sign(number < 0)), self.precision.is_none())
    }

    fn float(&self, number: f64, verb: char) -> String {
        let size = number.abs();
        let digits = match (verb, self.precision) {
            _ if !number.is_finite() => crate::ottl::text::float(size).trim_start_matches('+').to_owned(),
            ('e', precision) => exponent(format!("{size:.*e}", precision.unwrap_or(6))),
            ('g', None) => shortest(size),
            ('g', Some(precision)) => significant(size, precision.max(1)),
            (_, precision) => format!("{size:.*}", precision.unwrap_or(6)),
        };
        self.pad(format!("{}{digits}", self.sign(number.is_sign_negative())), number.is_finite())
    }

    fn sign(&self, negative: bool) -> &'static str {
        match (negative, self.plus, self.space) {
            (true, ..) => "-",
            (_, true, _) => "+",
            (.., true) => " ",
            _ => "",
        }
    }

    /// Fills up to the width; with zeros behind the sign where the flag asks and it may be.
    fn pad(&self, text: String, zeros: bool) -> String {
        let missing = self.width.saturating_sub(text.chars().count());
        if missing == 0 {
            return text;
        }
        if self.minus {
            return text + &" ".repeat(missing);
        }
        if self.zero && zeros {
            let digits = text.find(|c: char| c.is_ascii_digit()).unwrap_or_default();
            return format!("{}{}{}", &text[..digits], "0".repeat(missing), &text[digits..]);
        }
        " ".repeat(missing) + &text
    }
}

/// `%.3g`: so many significant digits, without zeros at the end.
fn significant(size: f64, digits: usize) -> String {
    let scientific = format!("{size:.*e}", digits - 1);
    let power: i32 = scientific.split_once('e').and_then(|(_, power)| power.parse().ok()).unwrap_or_default();
    let trim = |text: &str| {
        let fraction = text.contains('.');
        let kept = if fraction { text.trim_end_matches('0').trim_end_matches('.') } else { text };
        kept.to_owned()
    };
    if power < -4 || power >= digits as i32 {
        let (digits, power) = scientific.split_once('e').unwrap_or((&scientific, "0"));
        return exponent(format!("{}e{power}", trim(digits)));
    }
    trim(&format!("{size:.*}", (digits as i32 - 1 - power).max(0) as usize))
}
