//! Which items are kept.

use super::probability::{Randomness, Threshold, randomness_of};
use super::tracestate::{Sampling, with_threshold};
use crate::otlp::logs::LogRecord;
use crate::otlp::trace::Span;
use crate::otlp::{AnyValue, Attributes, Str};
use crate::ottl::text_of_any;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// A hash of the trace id, with a seed.
    HashSeed,
    /// That share of what arrives, whatever was sampled before.
    Proportional,
    /// That share of what was there at first: what was sampled before counts.
    Equalizing,
}

pub struct Sampler {
    pub mode: Mode,
    /// The share that is kept, 0 to 1.
    pub ratio: f64,
    pub threshold: Threshold,
    pub precision: u32,
    pub seed: u32,
    pub fail_closed: bool,
    /// For logs: the attribute that is hashed instead of the trace id.
    pub source: Option<Str>,
    /// For logs: the attribute with a percentage of its own.
    pub priority: Option<Str>,
}

/// The hash has so many buckets.
const BUCKETS: u32 = 0x4000;

/// Where logs keep what spans have in their `tracestate`.
const THRESHOLD: &str = "sampling.threshold";
const RANDOMNESS: &str = "sampling.randomness";

impl Sampler {
    pub fn keeps_span(&self, span: &mut Span) -> bool {
        match span.attributes.get("sampling.priority").and_then(number) {
            Some(priority) if priority <= 0.0 => return false,
            Some(_) => return true,
            None => {}
        }
        if self.mode == Mode::HashSeed {
            return self.keeps_hash(&span.trace_id, self.ratio);
        }
        let arriving = Sampling::of(&span.trace_state);
        match self.decide(arriving, &span.trace_id, self.ratio) {
            Decision::Keep(threshold) => {
                span.trace_state = with_threshold(&span.trace_state, threshold);
                true
            }
            Decision::Drop => false,
            Decision::Unknown => !self.fail_closed,
        }
    }

    pub fn keeps_record(&self, record: &mut LogRecord) -> bool {
        let priority = self.priority.as_ref().and_then(|key| record.attributes.get(key)).and_then(number);
        let ratio = priority.map_or(self.ratio, |percentage| (percentage / 100.0).clamp(0.0, 1.0));
        if let Some(key) = &self.source {
            let Some(value) = record.attributes.get(key) else { return !self.fail_closed };
            let Ok(text) = text_of_any(value) else { return !self.fail_closed };
            return self.keeps_hash(text.as_bytes(), ratio);
        }
        if self.mode == Mode::HashSeed {
            return self.keeps_hash(&record.trace_id, ratio);
        }
        let digits = |key| record.attributes.get_str(key);
        let arriving = Sampling {
            threshold: digits(THRESHOLD).and_then(Threshold::parse),
            randomness: digits(RANDOMNESS).and_then(super::probability::parse_randomness),
        };
        match self.decide(arriving, &record.trace_id, ratio) {
            Decision::Keep(threshold) => {
                record.attributes.set(Str::const_new(THRESHOLD), threshold.digits());
                true
            }
            Decision::Drop => false,
            Decision::Unknown => !self.fail_closed,
        }
    }

    fn keeps_hash(&self, bytes: &[u8], ratio: f64) -> bool {
        if bytes.iter().all(|byte| *byte == 0) {
            return !self.fail_closed;
        }
        let buckets = (ratio * f64::from(BUCKETS)) as u32;
        fnv(self.seed, bytes) & (BUCKETS - 1) < buckets
    }

    fn decide(&self, arriving: Sampling, trace_id: &[u8], ratio: f64) -> Decision {
        let Some(randomness): Option<Randomness> = arriving.randomness.or_else(|| randomness_of(trace_id))
        else {
            return Decision::Unknown;
        };
        // A threshold that the item would not have passed contradicts that it is here.
        if arriving.threshold.is_some_and(|threshold| !threshold.keeps(randomness)) {
            return Decision::Unknown;
        }
        let own = match ratio == self.ratio {
            true => self.threshold,
            false => Threshold::of(ratio, self.precision),
        };
        let threshold = match (self.mode, arriving.threshold) {
            (Mode::Proportional, Some(before)) => Threshold::of(before.probability() * ratio, self.precision),
            (_, Some(before)) => before.max(own),
            (_, None) => own,
        };
        match threshold.keeps(randomness) {
            true => Decision::Keep(threshold),
            false => Decision::Drop,
        }
    }
}

enum Decision {
    /// Keep it, and say with which threshold.
    Keep(Threshold),
    Drop,
    Unknown,
}

fn number(value: &AnyValue) -> Option<f64> {
    match value {
        AnyValue::Int(value) => Some(*value as f64),
        AnyValue::Double(value) => Some(*value),
        AnyValue::String(text) => text.parse().ok(),
        _ => None,
    }
}

/// FNV-1a of the seed in little-endian bytes, then of `bytes`.
fn fnv(seed: u32, bytes: &[u8]) -> u32 {
    seed.to_le_bytes()
        .iter()
        .chain(bytes)
        .fold(0x811c_9dc5, |hash: u32, byte| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193))
}
