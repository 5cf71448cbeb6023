//! Probabilities as 56-bit thresholds, as consistent sampling of W3C trace contexts defines them.

/// A randomness of 56 bits: an item is kept when it is at least the threshold.
pub type Randomness = u64;

const BITS: u32 = 56;
const DIGITS: u32 = 14;
const RANGE: u64 = 1 << BITS;

/// The smallest probability that a threshold can express.
pub const SMALLEST: f64 = 1.0 / RANGE as f64;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Threshold(u64);

impl Threshold {
    pub const ALWAYS: Self = Self(0);
    pub const NEVER: Self = Self(RANGE);

    /// The threshold for a probability, rounded to so many hexadecimal digits; very small and very
    /// large probabilities get the digits they need.
    pub fn of(probability: f64, precision: u32) -> Self {
        if probability >= 1.0 {
            return Self::ALWAYS;
        }
        if probability < SMALLEST {
            return Self::NEVER;
        }
        let leading = |value: f64| (-value.log2().floor() as i64 - 1).max(0) as u32 / 4;
        let extra = leading(probability).max(leading(1.0 - probability));
        let precision = (precision + extra).min(DIGITS);
        let threshold = RANGE - (probability * RANGE as f64).round() as u64;
        let shift = 4 * (DIGITS - precision);
        let half = if shift == 0 { 0 } else { 1 << (shift - 1) };
        Self((threshold + half) >> shift << shift)
    }

    pub fn keeps(self, randomness: Randomness) -> bool {
        randomness >= self.0
    }

    pub fn probability(self) -> f64 {
        (RANGE - self.0) as f64 / RANGE as f64
    }

    /// Hexadecimal digits without zeros at the end, as `th` is written.
    pub fn digits(self) -> String {
        match format!("{:014x}", self.0).trim_end_matches('0') {
            "" => "0".to_owned(),
            digits => digits.to_owned(),
        }
    }

    pub fn parse(digits: &str) -> Option<Self> {
        let known = !digits.is_empty() && digits.len() <= DIGITS as usize;
        let value = u64::from_str_radix(digits, 16).ok().filter(|_| known && !digits.starts_with('+'))?;
        Some(Self(value << (4 * (DIGITS as usize - digits.len()))))
    }
}

/// The randomness written as `rv`: exactly 14 hexadecimal digits.
pub fn parse_randomness(digits: &str) -> Option<Randomness> {
    let valid = digits.len() == DIGITS as usize && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    u64::from_str_radix(digits, 16).ok().filter(|_| valid)
}

/// The randomness of a trace id: its last seven bytes.
pub fn randomness_of(trace_id: &[u8]) -> Option<Randomness> {
    if trace_id.len() != 16 || trace_id.iter().all(|byte| *byte == 0) {
        return None;
    }
    Some(trace_id[9..].iter().fold(0, |value, byte| value << 8 | u64::from(*byte)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thresholds_are_those_of_the_specification() {
        for (probability, precision, digits) in [
            (1.0, 4, "0"),
            (0.5, 4, "8"),
            (0.25, 4, "c"),
            (0.1, 4, "e666"),
            (0.1, 5, "e6666"),
            (1.0 / 3.0, 4, "aaab"),
            (0.001, 4, "ffbe77"),
        ] {
            assert_eq!(Threshold::of(probability, precision).digits(), digits, "{probability} {precision}");
        }
        assert_eq!(Threshold::parse("8"), Some(Threshold::of(0.5, 4)));
        assert_eq!(Threshold::parse("8").unwrap().probability(), 0.5);
        for bad in ["", "x", "+8", "123456789012345"] {
            assert_eq!(Threshold::parse(bad), None, "{bad}");
        }
        assert_eq!(parse_randomness("0000000000000f"), Some(15));
        assert_eq!(parse_randomness("f"), None);
        assert_eq!(randomness_of(&[255; 16]), Some(RANGE - 1));
        assert_eq!(randomness_of(&[0; 16]), None);
        assert!(!Threshold::NEVER.keeps(RANGE - 1) && Threshold::ALWAYS.keeps(0));
    }
}
