//! Writing bits, the first in the lowest place.

/// Bits that do not make whole bytes yet.
#[derive(Default)]
pub(super) struct Bits {
    held: u64,
    count: u32,
}

/// So many are held back at most, so that a value of [`MOST`] fits beside them.
const HELD: u32 = 15;
/// The longest value that can be written at once, in bits.
pub(super) const MOST: u32 = u64::BITS - HELD;

impl Bits {
    /// Writes the lowest `count` bits of `value`, which has no others. No more than [`MOST`].
    #[inline]
    pub(super) fn put(&mut self, value: u64, count: u32, output: &mut Vec<u8>) {
        self.held |= value << self.count;
        self.count += count;
        if self.count > HELD {
            // Eight bytes at once and back again are faster than as many as there are.
            output.extend_from_slice(&self.held.to_le_bytes());
            let whole = self.count / 8;
            output.truncate(output.len() - 8 + whole as usize);
            self.held = self.held.checked_shr(whole * 8).unwrap_or(0);
            self.count %= 8;
        }
    }

    /// Fills the last byte with zeros.
    pub(super) fn finish(&mut self, output: &mut Vec<u8>) {
        let bytes = self.count.div_ceil(8) as usize;
        output.extend_from_slice(&self.held.to_le_bytes()[..bytes]);
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_come_out_in_order_whatever_their_number() {
        let (mut bits, mut output) = (Bits::default(), Vec::new());
        let mut expected = String::new();
        for count in 0..=MOST {
            let value = 0x9E37_79B9_7F4A_7C15 & ((1 << count) - 1);
            bits.put(value, count, &mut output);
            (0..count).for_each(|bit| expected.push(if value >> bit & 1 == 1 { '1' } else { '0' }));
        }
        bits.finish(&mut output);
        let found: String = output
            .iter()
            .flat_map(|byte| (0..8).map(move |bit| if byte >> bit & 1 == 1 { '1' } else { '0' }))
            .collect();
        assert_eq!(found.split_at(expected.len()).0, expected);
        assert_eq!(output.len(), expected.len().div_ceil(8));
    }
}
