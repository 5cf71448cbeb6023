//! `env`: attributes from `OTEL_RESOURCE_ATTRIBUTES`.

use super::{Detector, Probe};
use crate::otlp::{KeyValue, Str};

pub static ENV: Detector = Detector { name: "env", attributes: &[], is_quick: |_| true, detect };

fn detect(probe: &Probe<'_>) -> Result<Vec<KeyValue>, String> {
    let text = probe.variable("OTEL_RESOURCE_ATTRIBUTES").or_else(|| probe.variable("OTEL_RESOURCE"));
    parse(text.unwrap_or_default().trim())
}

/// `key=value,key2=value2`, values percent-encoded. One bad pair makes all of them doubtful.
fn parse(text: &str) -> Result<Vec<KeyValue>, String> {
    let pairs = text.strip_suffix(',').unwrap_or(text);
    if pairs.is_empty() {
        return Ok(Vec::new());
    }
    pairs
        .split(',')
        .map(|pair| {
            let (key, value) =
                pair.split_once('=').map_or((pair, None), |(key, value)| (key.trim(), Some(value.trim())));
            match value.and_then(decode) {
                Some(value) if !key.is_empty() && pair.is_ascii() => {
                    Ok(KeyValue { key: Str::from(key), value: value.into() })
                }
                _ => Err(format!(
                    "OTEL_RESOURCE_ATTRIBUTES: \"{pair}\" is not key=value in ASCII with percent-encoding"
                )),
            }
        })
        .collect()
}

fn decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, tail)) = rest.split_first() {
        rest = tail;
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let (digits, tail) = rest.split_at_checked(2)?;
        let digit = |byte: u8| char::from(byte).to_digit(16);
        bytes.push((digit(digits[0])? * 16 + digit(digits[1])?) as u8);
        rest = tail;
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_are_decoded_and_one_bad_pair_spoils_all() {
        let pairs = |text: &str| {
            parse(text).map(|found| {
                found
                    .into_iter()
                    .map(|e| format!("{}={}", e.key, e.value.as_str().unwrap()))
                    .collect::<Vec<_>>()
            })
        };
        assert_eq!(pairs("").unwrap(), Vec::<String>::new());
        assert_eq!(pairs("a=1, b = x%20y%2C ,c=").unwrap(), ["a=1", "b=x y,", "c="]);
        assert_eq!(pairs("a=b=c,").unwrap(), ["a=b=c"]);
        for bad in ["a", "a=1,b", "=1", "a=%2", "a=%zz", "a=%ff", "ä=1", ",a=1"] {
            assert!(pairs(bad).is_err(), "{bad}");
        }
    }
}
