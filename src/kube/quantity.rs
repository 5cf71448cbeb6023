//! Amounts as Kubernetes writes them: `100m`, `1.5Gi`, `2e3`.

/// The value of a quantity, or `None` when the text is none.
pub fn parse(text: &str) -> Option<f64> {
    let text = text.trim();
    let digits =
        text.find(|c: char| !c.is_ascii_digit() && !matches!(c, '.' | '+' | '-')).unwrap_or(text.len());
    let (number, suffix) = text.split_at(digits);
    let scale = match suffix {
        "" => 1.0,
        "n" => 1e-9,
        "u" => 1e-6,
        "m" => 1e-3,
        "k" => 1e3,
        "M" => 1e6,
        "G" => 1e9,
        "T" => 1e12,
        "P" => 1e15,
        "E" => 1e18,
        "Ki" => 1024.0,
        "Mi" => 1024_f64.powi(2),
        "Gi" => 1024_f64.powi(3),
        "Ti" => 1024_f64.powi(4),
        "Pi" => 1024_f64.powi(5),
        "Ei" => 1024_f64.powi(6),
        _ => return text.parse().ok().filter(|value: &f64| value.is_finite()),
    };
    // Scaled by division where the factor is below one: 100m is 0.1, not 0.1000…01.
    let number: f64 = number.parse().ok()?;
    Some(if scale < 1.0 { number / (1.0 / scale).round() } else { number * scale })
}

/// The value as a whole number, rounded up; what does not fit is as near as can be.
pub fn whole(text: &str) -> Option<i64> {
    parse(text).map(round_up)
}

/// The value in thousandths, rounded up.
pub fn thousandths(text: &str) -> Option<i64> {
    parse(text).map(|value| round_up(value * 1000.0))
}

/// Rounds up, but not for what binary fractions add to a decimal one: 0.069 × 1000 is 69.
fn round_up(value: f64) -> i64 {
    let nearest = value.round();
    let exact = (value - nearest).abs() <= nearest.abs().max(1.0) * 1e-12;
    (if exact { nearest } else { value.ceil() }) as i64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_are_read_as_kubernetes_writes_them() {
        for (text, want) in [
            ("2", Some(2.0)),
            ("100m", Some(0.1)),
            ("1.5Gi", Some(1_610_612_736.0)),
            ("2e3", Some(2000.0)),
            ("1E3", Some(1000.0)),
            ("5E", Some(5e18)),
            ("64Mi", Some(67_108_864.0)),
            ("-1", Some(-1.0)),
            ("500u", Some(0.0005)),
            ("", None),
            ("Gi", None),
            ("inf", None),
            ("1Zi", None),
        ] {
            assert_eq!(parse(text), want, "{text}");
        }
    }

    #[test]
    fn whole_numbers_are_rounded_up_as_the_api_does() {
        for (text, value, milli) in [
            ("100m", 1, 100),
            ("69m", 1, 69),
            ("1500u", 1, 2),
            ("1Ki", 1024, 1_024_000),
            ("1e3", 1000, 1_000_000),
            ("1E", 1_000_000_000_000_000_000, i64::MAX),
            ("9E", 9_000_000_000_000_000_000, i64::MAX),
            ("1.5Gi", 1_610_612_736, 1_610_612_736_000),
            ("0", 0, 0),
            ("-1500m", -1, -1500),
        ] {
            assert_eq!((whole(text), thousandths(text)), (Some(value), Some(milli)), "{text}");
        }
        assert_eq!(whole("much"), None);
    }
}
