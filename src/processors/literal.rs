//! Attribute values written in the configuration.

use serde::de::{Deserialize, Deserializer};

use crate::otlp::AnyValue;

/// A key that takes any value: what YAML makes of it is the type of the attribute.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Literal {
    /// The key is not in the file.
    #[default]
    Absent,
    /// The key is there without a value: mostly an environment variable that is not set.
    Null,
    Value(AnyValue),
}

impl Literal {
    pub fn value(&self) -> Option<&AnyValue> {
        match self {
            Self::Value(value) => Some(value),
            Self::Absent | Self::Null => None,
        }
    }
}

impl<'de> Deserialize<'de> for Literal {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(match AnyValue::deserialize(deserializer)? {
            AnyValue::Empty => Self::Null,
            value => Self::Value(value),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::from_yaml;
    use crate::otlp::KeyValue;

    #[test]
    fn the_type_of_a_literal_is_the_type_yaml_gives_it() {
        for (text, want) in [
            ("yes", AnyValue::from("yes")),
            ("\"1\"", "1".into()),
            ("1", 1.into()),
            ("-1.5", (-1.5).into()),
            ("true", true.into()),
            ("[1, a]", vec![AnyValue::Int(1), "a".into()].into()),
            ("{a: {b: 2}}", vec![KeyValue::new("a", vec![KeyValue::new("b", 2)])].into()),
            ("\"\"", "".into()),
        ] {
            assert_eq!(from_yaml::<Literal>(text).unwrap(), Literal::Value(want), "{text}");
        }
        assert_eq!(from_yaml::<Literal>("~").unwrap(), Literal::Null);
    }
}
