//! Matching of texts and attributes in the older include and exclude blocks.

use super::config::{AttributeConfig, MatchType};
use crate::otlp::{AnyValue, Attributes, KeyValue};
use crate::ottl::Pattern;

/// A list of texts or regular expressions of which one has to match.
#[derive(Debug)]
pub enum TextSet {
    Strict(Vec<String>),
    Patterns(Vec<Pattern>),
}

impl TextSet {
    /// Nothing for an empty list, which does not restrict.
    pub fn new(match_type: MatchType, texts: &[String]) -> Result<Option<Self>, String> {
        if texts.is_empty() {
            return Ok(None);
        }
        Ok(Some(match match_type {
            MatchType::Strict => Self::Strict(texts.to_vec()),
            MatchType::Regexp => {
                Self::Patterns(texts.iter().map(|text| Pattern::new(text)).collect::<Result<_, _>>()?)
            }
            MatchType::Expr => {
                return Err("match_type expr goes with expressions on metrics alone".to_owned());
            }
            MatchType::Unset => return Err("match_type is missing: strict or regexp".to_owned()),
        }))
    }

    pub fn is_match(&self, text: &str) -> bool {
        match self {
            Self::Strict(texts) => texts.iter().any(|known| known == text),
            Self::Patterns(patterns) => patterns.iter().any(|pattern| pattern.is_match(text)),
        }
    }
}

/// An attribute that has to be there, with a value if one is given.
#[derive(Debug)]
pub struct AttributeMatch {
    key: String,
    value: Option<ValueMatch>,
}

#[derive(Debug)]
enum ValueMatch {
    Equal(AnyValue),
    Pattern(Pattern),
}

impl AttributeMatch {
    pub fn all(match_type: MatchType, configs: &[AttributeConfig]) -> Result<Vec<Self>, String> {
        configs.iter().map(|config| Self::new(match_type, config)).collect()
    }

    fn new(match_type: MatchType, config: &AttributeConfig) -> Result<Self, String> {
        if config.key.is_empty() {
            return Err("an attribute has no key".to_owned());
        }
        let value = match &config.value {
            None | Some(serde_yaml::Value::Null) => None,
            Some(value) if match_type == MatchType::Regexp => match value {
                serde_yaml::Value::String(text) => Some(ValueMatch::Pattern(Pattern::new(text)?)),
                _ => return Err(format!("the value of \"{}\" must be a string for regexp", config.key)),
            },
            Some(value) => Some(ValueMatch::Equal(scalar(value).ok_or_else(|| {
                format!("the value of \"{}\" must be a string, number or bool", config.key)
            })?)),
        };
        Ok(Self { key: config.key.clone(), value })
    }

    pub fn is_match(&self, attributes: &Vec<KeyValue>) -> bool {
        let Some(found) = attributes.get(&self.key) else { return false };
        match &self.value {
            None => true,
            Some(ValueMatch::Equal(wanted)) => wanted == found,
            Some(ValueMatch::Pattern(pattern)) => found.as_str().is_some_and(|text| pattern.is_match(text)),
        }
    }
}

fn scalar(value: &serde_yaml::Value) -> Option<AnyValue> {
    Some(match value {
        serde_yaml::Value::String(text) => AnyValue::from(text.as_str()),
        serde_yaml::Value::Bool(value) => AnyValue::Bool(*value),
        serde_yaml::Value::Number(number) => match number.as_i64() {
            Some(whole) => AnyValue::Int(whole),
            None => AnyValue::Double(number.as_f64()?),
        },
        _ => return None,
    })
}
