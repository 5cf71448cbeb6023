//! Times as a count since the Unix epoch.

use crate::otlp::AnyValue;

use super::super::Problem;

/// A unit, and that of a second number after a dot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Epoch {
    unit: i128,
    sub: Option<Sub>,
}

/// The part after the dot: its unit in nanoseconds, and how many digits a float is written with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Sub {
    unit: i128,
    digits: usize,
}

const SECOND: i128 = 1_000_000_000;
const NO_NUMBER: &str = "the time is not a number of the form that the epoch layout says";

impl Epoch {
    pub fn new(layout: &str) -> Option<Self> {
        let whole = |unit| Some(Self { unit, sub: None });
        let split = |unit, digits| Some(Self { unit: SECOND, sub: Some(Sub { unit, digits }) });
        match layout {
            "s" => whole(SECOND),
            "ms" => whole(1_000_000),
            "us" => whole(1_000),
            "ns" => whole(1),
            "s.ms" => split(1_000_000, 3),
            "s.us" => split(1_000, 6),
            "s.ns" => split(1, 9),
            _ => None,
        }
    }

    /// Nanoseconds since the epoch.
    pub fn parse(self, value: &AnyValue) -> Result<i128, Problem> {
        let Some(sub) = self.sub else {
            let count = match value {
                AnyValue::Int(value) => i128::from(*value),
                AnyValue::Double(value) => i128::from(*value as i64),
                AnyValue::String(text) => i128::from(text.parse::<i64>().map_err(|_| NO_NUMBER)?),
                _ => return Err(NO_NUMBER.into()),
            };
            return Ok(count * self.unit);
        };
        match value {
            AnyValue::Int(value) => Ok(i128::from(*value) * self.unit),
            AnyValue::Double(value) => Self::parts(&format!("{value:.*}", sub.digits), sub),
            AnyValue::String(text) => Self::parts(text, sub),
            _ => Err(NO_NUMBER.into()),
        }
    }

    /// `sec.sub`, both read as integers: `1.5` in milliseconds is one second and five milliseconds.
    fn parts(text: &str, sub: Sub) -> Result<i128, Problem> {
        let (seconds, rest) = text.split_once('.').ok_or(NO_NUMBER)?;
        let seconds: i64 = seconds.parse().map_err(|_| NO_NUMBER)?;
        let rest: i64 = rest.parse().map_err(|_| NO_NUMBER)?;
        Ok(i128::from(seconds) * SECOND + i128::from(rest) * sub.unit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layouts_read_numbers_and_text() {
        let text = AnyValue::from;
        for (layout, value, want) in [
            ("s", text("1136214245"), Some(1_136_214_245_000_000_000)),
            ("s", AnyValue::Double(1_136_214_245.9), Some(1_136_214_245_000_000_000)),
            ("ms", AnyValue::Int(1_136_214_245_123), Some(1_136_214_245_123_000_000)),
            ("us", text("5"), Some(5_000)),
            ("ns", text("5"), Some(5)),
            ("s.ms", text("1.5"), Some(1_005_000_000)),
            ("s.ms", AnyValue::Double(1.5), Some(1_500_000_000)),
            ("s.us", text("1.123456"), Some(1_123_456_000)),
            ("s.ns", AnyValue::Int(7), Some(7_000_000_000)),
            ("s.ns", text("7"), None),
            ("s.ns", text("7.1.2"), None),
            ("s", text("1.5"), None),
            ("s", AnyValue::Bool(true), None),
        ] {
            assert_eq!(Epoch::new(layout).unwrap().parse(&value).ok(), want, "{layout} {value:?}");
        }
        assert_eq!(Epoch::new("m"), None);
    }
}
