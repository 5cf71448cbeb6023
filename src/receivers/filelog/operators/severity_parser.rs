//! The `severity_parser` operator, and the `severity` block of parsers.

use std::collections::HashMap;
use std::fmt;

use rustc_hash::FxHashMap;
use serde::Deserialize;
use serde::de::{self, Deserializer, MapAccess, SeqAccess, Visitor};

use crate::config::Issues;
use crate::otlp::{AnyValue, Str};

use super::super::entry::Entry;
use super::parsing::{Change, MISSING, changer, required};
use super::{Decoded, Field, OperatorType, Problem, Section, operator_config};

pub static TYPE: OperatorType = OperatorType { name: "severity_parser", decode };

operator_config! {
    /// Keys of the `severity_parser` operator.
    pub struct Config {
        parse_from: String = String::new(),
        preset: Preset = Preset::Default,
        mapping: HashMap<String, Values> = HashMap::new(),
        overwrite_text: bool = false,
    }
}

/// Keys of the `severity` block.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SeverityConfig {
    parse_from: String,
    preset: Preset,
    /// Values that mean a severity, by its name.
    mapping: HashMap<String, Values>,
    /// Set the severity text to the canonical name instead of the text that was found.
    overwrite_text: bool,
}

/// The values known without a mapping.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Preset {
    /// Names, their numbers, and `warning` and `err`.
    #[default]
    #[serde(alias = "")]
    Default,
    /// Names and their numbers.
    #[serde(alias = "aliases")]
    Otel,
    None,
}

/// One value of a mapping, or a list.
#[derive(Debug, Default)]
pub struct Values(Vec<Value>);

#[derive(Debug, PartialEq, Eq)]
enum Value {
    /// Lowercase text, or a number as text.
    Text(String),
    Range(i64, i64),
}

/// Widest range of a mapping: every number of it is an entry of the table.
const MAX_RANGE: i64 = 100_000;

/// Severity numbers by text. Only the configuration adds to it, so nobody can fill it with texts
/// that meet.
type Numbers = FxHashMap<Str, i32>;

/// Sets severity number and text from a field.
#[derive(Clone, Debug)]
pub struct Severity {
    from: Field,
    numbers: Numbers,
    overwrite_text: bool,
}

const NAMES: [&str; 6] = ["trace", "debug", "info", "warn", "error", "fatal"];

/// The canonical name of a severity number: `INFO`, `WARN2`; empty for 0.
pub fn name(number: i32) -> String {
    match usize::try_from(number - 1) {
        Ok(at) if at < 24 => {
            let level = NAMES[at / 4].to_uppercase();
            if at % 4 == 0 { level } else { format!("{level}{}", at % 4 + 1) }
        }
        _ => String::new(),
    }
}

/// Severity names in lowercase with their numbers.
fn aliases(preset: Preset) -> Numbers {
    let mut all = Numbers::default();
    for number in 1..=24 {
        all.insert(Str::from(number.to_string()), number);
        all.insert(Str::from(name(number).to_lowercase()), number);
    }
    if preset == Preset::Default {
        for step in 0..4 {
            let suffix = if step == 0 { String::new() } else { (step + 1).to_string() };
            all.insert(Str::from(format!("warning{suffix}")), 13 + step);
            all.insert(Str::from(format!("err{suffix}")), 17 + step);
        }
    }
    all
}

impl SeverityConfig {
    pub fn check(&self, path: &str, issues: &mut Issues<'_>) -> Option<Severity> {
        let from = required(&self.parse_from, path, "parse_from", issues)?;
        let mut numbers = if self.preset == Preset::None { Numbers::default() } else { aliases(self.preset) };
        let known = aliases(Preset::Default);
        for (severity, values) in &self.mapping {
            // An unknown name stands for 0, as upstream has it.
            let number = known.get(severity.to_lowercase().as_str()).copied().unwrap_or_else(|| {
                let message = format!("\"{severity}\" is no severity: its values will have none");
                issues.warn(&format!("{path}::mapping"), message);
                0
            });
            for value in &values.0 {
                match value {
                    Value::Text(text) => {
                        numbers.insert(Str::from(text.as_str()), number);
                    }
                    Value::Range(low, high) if high - low <= MAX_RANGE => {
                        numbers.extend((*low..=*high).map(|value| (Str::from(value.to_string()), number)));
                    }
                    Value::Range(..) => {
                        let message = format!("a range may span {MAX_RANGE} numbers");
                        issues.error(&format!("{path}::mapping::{severity}"), message);
                        return None;
                    }
                }
            }
        }
        Some(Severity { from, numbers, overwrite_text: self.overwrite_text })
    }
}

impl Severity {
    pub fn run(&self, entry: &mut Entry) -> Result<(), Problem> {
        let value = self.from.get(entry).ok_or(MISSING)?;
        let (text, number) = match value {
            AnyValue::String(text) => (String::from(text.as_str()), self.find(text)),
            AnyValue::Int(value) => self.find_number(*value),
            AnyValue::Double(value) if value.fract() == 0.0 && value.abs() < 1e15 => {
                self.find_number(*value as i64)
            }
            AnyValue::Bytes(bytes) => {
                let text = String::from_utf8_lossy(bytes).into_owned();
                let number = self.find(&text);
                (text, number)
            }
            _ => return Err("the severity is neither a string nor an integer".into()),
        };
        entry.severity = number.unwrap_or(0);
        entry.severity_text =
            if self.overwrite_text && entry.severity > 0 { name(entry.severity) } else { text };
        Ok(())
    }

    fn find_number(&self, value: i64) -> (String, Option<i32>) {
        let text = value.to_string();
        let number = self.numbers.get(text.as_str()).copied();
        (text, number)
    }

    /// Texts are compared without case.
    fn find(&self, text: &str) -> Option<i32> {
        if text.bytes().all(|byte| byte.is_ascii() && !byte.is_ascii_uppercase()) {
            return self.numbers.get(text).copied();
        }
        let mut lower = Str::from(text);
        if text.is_ascii() {
            lower.make_ascii_lowercase();
        } else {
            lower = text.to_lowercase().into();
        }
        self.numbers.get(&lower).copied()
    }
}

impl Change for Severity {
    fn change(&mut self, entry: &mut Entry) -> Result<(), Problem> {
        self.run(entry)
    }
}

impl<'de> Deserialize<'de> for Values {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;
        impl<'de> Visitor<'de> for Any {
            type Value = Values;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text, a number, \"5xx\", {min, max} or a list of them")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Values, E> {
                let value = match text.to_lowercase().as_str() {
                    "2xx" => Value::Range(200, 299),
                    "3xx" => Value::Range(300, 399),
                    "4xx" => Value::Range(400, 499),
                    "5xx" => Value::Range(500, 599),
                    text => Value::Text(text.to_owned()),
                };
                Ok(Values(vec![value]))
            }
            fn visit_i64<E: de::Error>(self, value: i64) -> Result<Values, E> {
                Ok(Values(vec![Value::Text(value.to_string())]))
            }
            fn visit_u64<E: de::Error>(self, value: u64) -> Result<Values, E> {
                Ok(Values(vec![Value::Text(value.to_string())]))
            }
            fn visit_unit<E: de::Error>(self) -> Result<Values, E> {
                Ok(Values::default())
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Values, A::Error> {
                let mut all = Vec::new();
                while let Some(Values(values)) = seq.next_element()? {
                    all.extend(values);
                }
                Ok(Values(all))
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Values, A::Error> {
                let (mut min, mut max) = (None, None);
                while let Some(key) = map.next_key::<String>()? {
                    match key.as_str() {
                        "min" => min = Some(map.next_value()?),
                        "max" => max = Some(map.next_value()?),
                        other => return Err(de::Error::unknown_field(other, &["min", "max"])),
                    }
                }
                let min: i64 = min.ok_or_else(|| de::Error::missing_field("min"))?;
                let max: i64 = max.ok_or_else(|| de::Error::missing_field("max"))?;
                Ok(Values(vec![Value::Range(min.min(max), min.max(max))]))
            }
        }
        deserializer.deserialize_any(Any)
    }
}

fn decode(section: &Section<'_>, issues: &mut Issues<'_>) -> Option<Decoded> {
    let config: Config = section.node.decode(section.path, issues)?;
    let config = SeverityConfig {
        parse_from: config.parse_from,
        preset: config.preset,
        mapping: config.mapping,
        overwrite_text: config.overwrite_text,
    };
    config.check(section.path, issues).map(changer)
}
