//! The values that `convert` and `hash` make of values.

use std::fmt::Write;
use std::str::FromStr;

use sha2::{Digest, Sha256};

use crate::otlp::{AnyValue, Str};
use crate::ottl::text_of_any;

/// What `convert` turns a value into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Conversion {
    String,
    Int,
    Double,
}

impl FromStr for Conversion {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "string" => Ok(Self::String),
            "int" => Ok(Self::Int),
            "double" => Ok(Self::Double),
            "" => Err("is required by action \"convert\": string, int or double".to_owned()),
            other => Err(format!("\"{other}\" is no type: use string, int or double")),
        }
    }
}

impl Conversion {
    /// The value in the new type; `None` when it already has it or cannot be converted.
    pub fn apply(self, value: &AnyValue) -> Option<AnyValue> {
        match (self, value) {
            (Self::String, AnyValue::String(_))
            | (Self::Int, AnyValue::Int(_))
            | (Self::Double, AnyValue::Double(_)) => None,
            (Self::String, value) => text_of_any(value).ok().map(|text| AnyValue::String(text.into_str())),
            (Self::Int, AnyValue::String(text)) => text.parse().ok().map(AnyValue::Int),
            (Self::Int, AnyValue::Double(value)) => Some(AnyValue::Int(*value as i64)),
            (Self::Int, AnyValue::Bool(value)) => Some(AnyValue::Int(i64::from(*value))),
            (Self::Double, AnyValue::String(text)) => text.parse().ok().map(AnyValue::Double),
            (Self::Double, AnyValue::Int(value)) => Some(AnyValue::Double(*value as f64)),
            (Self::Double, AnyValue::Bool(value)) => Some(AnyValue::Double(f64::from(u8::from(*value)))),
            _ => None,
        }
    }
}

/// SHA-256 in lower-case hex of a text's bytes or a number's little-endian bytes; the empty text
/// for what has no such bytes.
pub fn hash(value: &AnyValue) -> Str {
    let digest = match value {
        AnyValue::String(text) if !text.is_empty() => Sha256::digest(text.as_bytes()),
        AnyValue::Bool(value) => Sha256::digest([u8::from(*value)]),
        AnyValue::Int(value) => Sha256::digest(value.to_le_bytes()),
        AnyValue::Double(value) => Sha256::digest(value.to_le_bytes()),
        _ => return Str::default(),
    };
    let mut hex = Str::with_capacity(64);
    for byte in digest {
        let _ = write!(hex, "{byte:02x}");
    }
    hex
}
