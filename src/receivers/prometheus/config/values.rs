//! Values in Prometheus' own syntax.

use std::fmt;
use std::time::Duration;

use serde::de::{self, Deserialize, Deserializer, Visitor};

/// A duration: `1d2h3m4s5ms`, also `w` and `y`; units in falling order, no fractions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct PromDuration(pub Duration);

impl<'de> Deserialize<'de> for PromDuration {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl Visitor<'_> for Text {
            type Value = PromDuration;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a duration such as \"30s\"")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<PromDuration, E> {
                parse_duration(text).map(PromDuration).ok_or_else(|| {
                    E::custom(format!(
                        "\"{text}\" is no duration: write whole numbers with units, such as \"1m30s\""
                    ))
                })
            }
            fn visit_u64<E: de::Error>(self, value: u64) -> Result<PromDuration, E> {
                self.visit_str(&value.to_string())
            }
            fn visit_i64<E: de::Error>(self, value: i64) -> Result<PromDuration, E> {
                self.visit_str(&value.to_string())
            }
        }
        deserializer.deserialize_any(Text)
    }
}

const UNITS: [(&str, u64); 7] = [
    ("y", 365 * 86_400_000),
    ("w", 7 * 86_400_000),
    ("d", 86_400_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1000),
    ("ms", 1),
];

/// Parses Prometheus' duration syntax.
pub fn parse_duration(text: &str) -> Option<Duration> {
    if text == "0" {
        return Some(Duration::ZERO);
    }
    let mut rest = text;
    let mut units = UNITS.iter();
    let mut millis = 0_u64;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).filter(|len| *len > 0)?;
        let number: u64 = rest[..digits].parse().ok()?;
        rest = &rest[digits..];
        let len = rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len());
        let (_, unit) = units.find(|(name, _)| *name == &rest[..len])?;
        millis = millis.checked_add(number.checked_mul(*unit)?)?;
        rest = &rest[len..];
    }
    (!text.is_empty()).then(|| Duration::from_millis(millis))
}

/// Writes a duration as Prometheus does: `1m30s`.
pub fn show_duration(duration: Duration) -> String {
    let mut millis = duration.as_millis() as u64;
    if millis == 0 {
        return "0s".to_owned();
    }
    let mut text = String::new();
    for (name, unit) in UNITS {
        // Years and weeks only where they come out even.
        let skip = matches!(name, "y" | "w") && !millis.is_multiple_of(unit);
        if millis >= unit && !skip {
            text.push_str(&format!("{}{name}", millis / unit));
            millis %= unit;
        }
    }
    text
}

/// A size: bytes, or with a unit, each of which is 1024 of the one below: `10MB`, `10MiB`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PromSize(pub u64);

impl<'de> Deserialize<'de> for PromSize {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl Visitor<'_> for Text {
            type Value = PromSize;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a size such as \"10MB\"")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<PromSize, E> {
                parse_size(text).map(PromSize).ok_or_else(|| {
                    E::custom(format!("\"{text}\" is no size: write bytes, or a unit: \"10MB\""))
                })
            }
            fn visit_u64<E: de::Error>(self, bytes: u64) -> Result<PromSize, E> {
                Ok(PromSize(bytes))
            }
            fn visit_i64<E: de::Error>(self, bytes: i64) -> Result<PromSize, E> {
                u64::try_from(bytes).map(PromSize).map_err(|_| E::custom("a size must not be negative"))
            }
            fn visit_unit<E: de::Error>(self) -> Result<PromSize, E> {
                Ok(PromSize(0))
            }
        }
        deserializer.deserialize_any(Text)
    }
}

fn parse_size(text: &str) -> Option<u64> {
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let number: f64 = text[..digits].parse().ok()?;
    let power = match &text[digits..] {
        "" | "B" => 0,
        "K" | "KB" | "KiB" => 1,
        "M" | "MB" | "MiB" => 2,
        "G" | "GB" | "GiB" => 3,
        "T" | "TB" | "TiB" => 4,
        _ => return None,
    };
    Some((number * 1024_f64.powi(power)) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_prometheus_own() {
        let ms = Duration::from_millis;
        for (text, wanted) in [
            ("30s", Some(ms(30_000))),
            ("1m30s", Some(ms(90_000))),
            ("1d2h3m4s5ms", Some(ms(93_784_005))),
            ("1w", Some(ms(604_800_000))),
            ("0", Some(ms(0))),
            ("1.5s", None),
            ("30s1m", None),
            ("30", None),
            ("", None),
            ("s", None),
            ("99999999999999y", None),
        ] {
            assert_eq!(parse_duration(text), wanted, "{text}");
        }
        assert_eq!(show_duration(ms(90_000)), "1m30s");
        assert_eq!(show_duration(ms(93_784_005)), "1d2h3m4s5ms");
        assert_eq!(show_duration(ms(0)), "0s");
    }

    #[test]
    fn sizes_are_powers_of_1024() {
        for (text, wanted) in
            [("10MB", Some(10 << 20)), ("1KiB", Some(1024)), ("7", Some(7)), ("1x", None), ("", None)]
        {
            assert_eq!(parse_size(text), wanted, "{text}");
        }
    }
}
