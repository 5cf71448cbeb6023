//! Values that are no messages.

use std::fmt;

use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};

use crate::otlp::Str;

/// A text; `null` is an empty one.
pub(super) fn text<'de, A: MapAccess<'de>>(map: &mut A) -> Result<String, A::Error> {
    Ok(map.next_value::<Option<String>>()?.unwrap_or_default())
}

/// A text that may live inline.
pub(super) fn short<'de, A: MapAccess<'de>>(map: &mut A) -> Result<Str, A::Error> {
    struct Inline(Str);
    impl<'de> Deserialize<'de> for Inline {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            struct Text;
            impl Visitor<'_> for Text {
                type Value = Inline;
                fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                    f.write_str("a string")
                }
                fn visit_str<E: Error>(self, text: &str) -> Result<Inline, E> {
                    Ok(Inline(text.into()))
                }
                fn visit_unit<E: Error>(self) -> Result<Inline, E> {
                    Ok(Inline(Str::default()))
                }
            }
            deserializer.deserialize_any(Text)
        }
    }
    Ok(map.next_value::<Inline>()?.0)
}

pub(super) fn boolean<'de, A: MapAccess<'de>>(map: &mut A) -> Result<bool, A::Error> {
    Ok(map.next_value::<Option<bool>>()?.unwrap_or_default())
}

/// An integer as number or text, in the range of `T`; `null` is 0.
pub(super) fn integer<'de, T: TryFrom<i128>, A: MapAccess<'de>>(map: &mut A) -> Result<T, A::Error> {
    let Integer(value) = map.next_value::<Integer>()?;
    T::try_from(value).map_err(|_| A::Error::custom(format!("the number {value} is out of range")))
}

pub(super) fn integers<'de, A: MapAccess<'de>>(map: &mut A) -> Result<Vec<u64>, A::Error> {
    let values = map.next_value::<Option<Vec<Integer>>>()?.unwrap_or_default();
    let unsigned = |Integer(value)| {
        u64::try_from(value).map_err(|_| A::Error::custom(format!("the number {value} is out of range")))
    };
    values.into_iter().map(unsigned).collect()
}

struct Integer(i128);

impl<'de> Deserialize<'de> for Integer {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Number;
        impl Visitor<'_> for Number {
            type Value = Integer;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an integer, as a number or a string")
            }
            fn visit_u64<E: Error>(self, value: u64) -> Result<Integer, E> {
                Ok(Integer(value.into()))
            }
            fn visit_i64<E: Error>(self, value: i64) -> Result<Integer, E> {
                Ok(Integer(value.into()))
            }
            fn visit_f64<E: Error>(self, value: f64) -> Result<Integer, E> {
                // Up to 2^64, where casting is exact.
                if value.fract() == 0.0 && value.abs() < 1.9e19 {
                    Ok(Integer(value as i128))
                } else {
                    Err(E::custom(format!("{value} is no integer")))
                }
            }
            fn visit_str<E: Error>(self, text: &str) -> Result<Integer, E> {
                // 20 digits and a sign are the longest there is.
                let number = text.parse().ok().filter(|_| text.len() <= 21);
                number.map(Integer).ok_or_else(|| E::custom("a string is no integer"))
            }
            fn visit_unit<E: Error>(self) -> Result<Integer, E> {
                Ok(Integer(0))
            }
        }
        deserializer.deserialize_any(Number)
    }
}

/// A double as number or text (`NaN`, `Infinity`); `null` is absent.
pub(super) fn double<'de, A: MapAccess<'de>>(map: &mut A) -> Result<Option<f64>, A::Error> {
    Ok(map.next_value::<Option<Double>>()?.map(|Double(value)| value))
}

pub(super) fn doubles<'de, A: MapAccess<'de>>(map: &mut A) -> Result<Vec<f64>, A::Error> {
    let values = map.next_value::<Option<Vec<Double>>>()?.unwrap_or_default();
    Ok(values.into_iter().map(|Double(value)| value).collect())
}

struct Double(f64);

impl<'de> Deserialize<'de> for Double {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Number;
        impl Visitor<'_> for Number {
            type Value = Double;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number")
            }
            fn visit_u64<E: Error>(self, value: u64) -> Result<Double, E> {
                Ok(Double(value as f64))
            }
            fn visit_i64<E: Error>(self, value: i64) -> Result<Double, E> {
                Ok(Double(value as f64))
            }
            fn visit_f64<E: Error>(self, value: f64) -> Result<Double, E> {
                Ok(Double(value))
            }
            fn visit_str<E: Error>(self, text: &str) -> Result<Double, E> {
                match text {
                    "NaN" => Ok(Double(f64::NAN)),
                    "Infinity" => Ok(Double(f64::INFINITY)),
                    "-Infinity" => Ok(Double(f64::NEG_INFINITY)),
                    _ => text.parse().map(Double).map_err(|_| E::custom("a string is no number")),
                }
            }
        }
        deserializer.deserialize_any(Number)
    }
}

/// An enum by number, or by name without the `prefix` that all its names have.
pub(super) fn enumeration<'de, A: MapAccess<'de>>(
    map: &mut A,
    prefix: &'static str,
    names: &'static [&'static str],
) -> Result<i32, A::Error> {
    struct Value(Result<i128, String>);
    impl<'de> Deserialize<'de> for Value {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            struct Either;
            impl Visitor<'_> for Either {
                type Value = Value;
                fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                    f.write_str("an enum, as a number or a name")
                }
                fn visit_u64<E: Error>(self, value: u64) -> Result<Value, E> {
                    Ok(Value(Ok(value.into())))
                }
                fn visit_i64<E: Error>(self, value: i64) -> Result<Value, E> {
                    Ok(Value(Ok(value.into())))
                }
                fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
                    Ok(Value(Ok(value as i128)))
                }
                fn visit_str<E: Error>(self, text: &str) -> Result<Value, E> {
                    Ok(Value(text.parse().map_err(|_| text.chars().take(64).collect())))
                }
                fn visit_unit<E: Error>(self) -> Result<Value, E> {
                    Ok(Value(Ok(0)))
                }
            }
            deserializer.deserialize_any(Either)
        }
    }
    match map.next_value::<Value>()?.0 {
        Ok(number) => i32::try_from(number)
            .map_err(|_| A::Error::custom(format!("the number {number} is out of range"))),
        Err(name) => {
            let short =
                name.strip_prefix(prefix).and_then(|rest| names.iter().position(|known| *known == rest));
            short
                .map(|at| at as i32)
                .ok_or_else(|| A::Error::custom(format!("{name:?} is no name of this enum")))
        }
    }
}

/// An id of `length` bytes in hex, or an empty one.
pub(super) fn id<'de, A: MapAccess<'de>>(map: &mut A, length: usize) -> Result<Vec<u8>, A::Error> {
    let text = text(map)?;
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let bytes: Option<Vec<u8>> = text
        .as_bytes()
        .chunks(2)
        .map(|pair| match pair {
            [high, low] => Some((digit(*high)? << 4 | digit(*low)?) as u8),
            _ => None,
        })
        .collect();
    bytes
        .filter(|bytes| bytes.is_empty() || bytes.len() == length)
        .ok_or_else(|| A::Error::custom(format!("an id must be {} hexadecimal digits", length * 2)))
}

/// Bytes in base64, of either alphabet, padded or not.
pub(super) fn bytes<'de, A: MapAccess<'de>>(map: &mut A) -> Result<Vec<u8>, A::Error> {
    const LENIENT: GeneralPurposeConfig =
        GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    let text = text(map)?;
    let standard = GeneralPurpose::new(&alphabet::STANDARD, LENIENT).decode(&text);
    standard
        .or_else(|_| GeneralPurpose::new(&alphabet::URL_SAFE, LENIENT).decode(&text))
        .map_err(|error| A::Error::custom(format!("bytes are not in base64: {error}")))
}
