//! Finding what was there before.

use super::block::Blocks;

/// How far back a repetition may be.
pub(super) const WINDOW: usize = 32 << 10;
/// Repetitions are this long at most …
const LONGEST: usize = 258;
/// … and at least this long: shorter ones take no less room than their bytes.
const SHORTEST: usize = 4;
/// Bytes that places are found by.
const KEY: u32 = 7;
/// How many bits a place in the table has.
const TABLE_BITS: u32 = 14;
/// A repetition of the last distance that is this long is taken without looking for a longer one.
const GOOD: usize = 16;
/// After so many bytes without a repetition every second one is tried, after as many again every third.
const PATIENCE: usize = 16;

/// Remembers where things were.
pub(super) struct Matcher {
    /// Where the bytes of a key were last, counted over all bodies. It may be wrong: what is there is
    /// compared.
    places: Box<[u32]>,
    /// What the first byte of the input counts as.
    base: u32,
    /// How far back the last repetition was.
    distance: usize,
    end: u32,
}

impl Default for Matcher {
    fn default() -> Self {
        Self { places: vec![0; 1 << TABLE_BITS].into(), base: 0, distance: 0, end: 0 }
    }
}

/// A repetition.
#[derive(Clone, Copy, Default)]
struct Found {
    length: usize,
    distance: usize,
}

impl Matcher {
    /// A body begins, of which nothing has been seen.
    pub(super) fn begin(&mut self) {
        // Out of reach of all that came before.
        self.base = self.end.wrapping_add(WINDOW as u32 + 1);
        self.distance = 0;
    }

    /// The first `bytes` of the input were taken away.
    pub(super) fn moved(&mut self, bytes: usize) {
        self.base = self.base.wrapping_add(bytes as u32);
    }

    /// Writes `input[from..]`; what is before `from` was written already.
    pub(super) fn run(&mut self, input: &[u8], from: usize, blocks: &mut Blocks, output: &mut Vec<u8>) {
        // The last bytes make no whole word.
        let limit = input.len().saturating_sub(size_of::<u64>());
        let (mut at, mut misses) = (from, 0);
        while at < limit {
            let found = self.find(input, at);
            if found.length < SHORTEST {
                let next = limit.min(at + 1 + misses / PATIENCE);
                input[at..next].iter().for_each(|byte| blocks.literal(*byte));
                (at, misses) = (next, misses + 1);
            } else {
                blocks.repetition(found.length, found.distance);
                self.distance = found.distance;
                // Most repetitions begin where one has begun or ended before.
                let next = at + found.length;
                self.remember(input, next - 2, limit);
                if found.length > 2 * GOOD {
                    self.remember(input, at + GOOD / 2, limit);
                }
                (at, misses) = (next, 0);
            }
            blocks.write_if_full(output);
        }
        input[at..].iter().for_each(|byte| blocks.literal(*byte));
        self.end = self.place(input.len());
    }

    /// The best repetition that is found at once: that of the last distance, or of the key.
    #[inline]
    fn find(&mut self, input: &[u8], at: usize) -> Found {
        let here = word(input, at);
        let mut best = Found::default();
        if (1..=at).contains(&self.distance) && word(input, at - self.distance) as u32 == here as u32 {
            best = Found { length: common(input, at, at - self.distance), distance: self.distance };
        }
        let place = self.place(at);
        let known = std::mem::replace(&mut self.places[slot(here)], place);
        let distance = place.wrapping_sub(known) as usize;
        if best.length < GOOD
            && distance != best.distance
            && (1..=WINDOW.min(at)).contains(&distance)
            && key(word(input, at - distance)) == key(here)
        {
            let length = common(input, at, at - distance);
            // One byte more does not pay for another distance.
            if length > best.length + 1 {
                best = Found { length, distance };
            }
        }
        best
    }

    fn remember(&mut self, input: &[u8], at: usize, limit: usize) {
        if at < limit {
            self.places[slot(word(input, at))] = self.place(at);
        }
    }

    fn place(&self, at: usize) -> u32 {
        self.base.wrapping_add(at as u32)
    }
}

/// Eight bytes of the input.
#[inline]
fn word(input: &[u8], at: usize) -> u64 {
    input[at..].first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes))
}

#[inline]
fn key(word: u64) -> u64 {
    word << (u64::BITS - 8 * KEY)
}

#[inline]
fn slot(word: u64) -> usize {
    (key(word).wrapping_mul(0x9E37_79B1_85EB_CA87) >> (u64::BITS - TABLE_BITS)) as usize
}

/// How many bytes at `at` are those at `before`.
#[inline]
fn common(input: &[u8], at: usize, before: usize) -> usize {
    let most = LONGEST.min(input.len() - at);
    let (here, there) = (&input[at..at + most], &input[before..before + most]);
    let mut length = 0;
    while let (Some(a), Some(b)) = (here[length..].first_chunk(), there[length..].first_chunk()) {
        let differing = u64::from_le_bytes(*a) ^ u64::from_le_bytes(*b);
        if differing != 0 {
            return length + differing.trailing_zeros() as usize / 8;
        }
        length += 8;
    }
    let rest = here[length..].iter().zip(&there[length..]);
    length + rest.take_while(|(a, b)| a == b).count()
}
