//! Converters between encodings of text.

use base64::Engine;
use base64::engine::GeneralPurpose;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use encoding_rs::Encoding;

use super::{Args, Function, ParamKind, opt, p};
use crate::ottl::EvalError;
use crate::ottl::context::View;
use crate::ottl::value::Value;

const VARIANTS: &[&str] = &["base64", "base64-raw", "base64-url", "base64-raw-url"];

pub const FUNCTIONS: &[Function] = &[
    Function::converter(
        "Base64Decode",
        &[p("value", ParamKind::Any)],
        base64_decode,
        "Decode with \"base64\".",
    ),
    Function::converter(
        "Base64Encode",
        &[p("value", ParamKind::Any), opt("variant", ParamKind::Choice(VARIANTS))],
        base64_encode,
        "A string or bytes in Base64.",
    ),
    Function::converter(
        "Decode",
        &[p("value", ParamKind::Any), p("encoding", ParamKind::Text)],
        decode,
        "A string from Base64 (`base64`, `base64-raw`, `base64-url`, `base64-raw-url`) or a charset.",
    )
    .check(|args| match args.literal(1).and_then(|name| name.as_str()) {
        Some(name) if engine(name).is_none() && charset(name).is_none() => {
            Err((1, format!("unknown encoding \"{name}\"")))
        }
        _ => Ok(()),
    }),
];

fn engine(name: &str) -> Option<&'static GeneralPurpose> {
    Some(match name {
        "base64" => &STANDARD,
        "base64-raw" => &STANDARD_NO_PAD,
        "base64-url" => &URL_SAFE,
        "base64-raw-url" => &URL_SAFE_NO_PAD,
        _ => return None,
    })
}

fn charset(name: &str) -> Option<&'static Encoding> {
    Encoding::for_label(name.as_bytes())
}

/// Calls `use_bytes` with the bytes of a string or byte value.
fn with_bytes<T>(
    value: &Value<'_>,
    use_bytes: impl FnOnce(&[u8]) -> Result<T, EvalError>,
) -> Result<T, EvalError> {
    match value {
        Value::Text(text) => use_bytes(text.as_bytes()),
        Value::Bytes(bytes) => use_bytes(bytes),
        other => other.mismatch("a string or bytes"),
    }
}

fn decode_base64<'a>(value: &Value<'_>, engine: &GeneralPurpose) -> Result<Value<'a>, EvalError> {
    with_bytes(value, |bytes| {
        let decoded =
            engine.decode(bytes).map_err(|error| EvalError::text(format!("invalid Base64: {error}")))?;
        Ok(Value::text(String::from_utf8_lossy(&decoded)))
    })
}

fn base64_decode<'a>(args: &'a Args, view: &View<'a>) -> Result<Value<'a>, EvalError> {
    decode_base64(&args.value(0, view)?, &STANDARD)
}

fn base64_encode<'a>(args: &'a Args, view: &View<'a>) -> Result<Value<'a>, EvalError> {
    let engine = args.choice(1).and_then(|choice| engine(VARIANTS[choice])).unwrap_or(&STANDARD);
    with_bytes(&args.value(0, view)?, |bytes| Ok(Value::text(engine.encode(bytes))))
}

fn decode<'a>(args: &'a Args, view: &View<'a>) -> Result<Value<'a>, EvalError> {
    let value = args.value(0, view)?;
    let name = args.text(1, view)?;
    if let Some(engine) = engine(&name) {
        return decode_base64(&value, engine);
    }
    let charset =
        charset(&name).ok_or_else(|| EvalError::text(format!("unknown encoding \"{}\"", &*name)))?;
    with_bytes(&value, |bytes| Ok(Value::text(charset.decode(bytes).0)))
}
