//! Numbers as the formats write them.

/// Digits that a float holds exactly.
const EXACT: usize = 15;

/// A value: Go's float syntax without hexadecimals and underscores; any case of `Inf` and `NaN`.
pub fn number(text: &str) -> Option<f64> {
    if let Some(whole) = digits(text.as_bytes()) {
        return Some(whole as f64);
    }
    text.parse().ok()
}

/// A short whole number, the most common value by far.
fn digits(text: &[u8]) -> Option<u64> {
    if text.is_empty() || text.len() > EXACT {
        return None;
    }
    let mut value = 0;
    for byte in text {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        value = value * 10 + u64::from(digit);
    }
    Some(value)
}

/// Milliseconds since the epoch, as the text formats have them.
pub(super) fn millis(text: &str) -> Option<i64> {
    match digits(text.as_bytes()) {
        Some(value) => i64::try_from(value).ok(),
        None => text.parse().ok(),
    }
}

/// Seconds since the epoch with a fraction, as OpenMetrics has them, in milliseconds.
pub(super) fn seconds(text: &str) -> Option<i64> {
    let millis = number(text)? * 1000.0;
    (millis.is_finite() && millis.abs() < 9e18).then_some(millis as i64)
}
