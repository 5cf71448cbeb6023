//! Blocks of literals and repetitions with codes of their own (RFC 1951, 3.2.3 to 3.2.7).

use super::bits::{Bits, MOST};
use super::huffman::{Code, codes, lengths};

/// Literals and repetitions of a block. Codes are chosen anew for each block.
const FULL: usize = 24 << 10;
/// Marks a repetition among literals.
const REPETITION: u32 = 1 << 31;

/// The symbol that ends a block; those of lengths follow it.
const END: usize = 256;
const LITERALS: usize = 286;
const DISTANCES: usize = 30;
/// The symbols that the lengths of codes are written with.
const LENGTHS: usize = 19;
/// The order in which the lengths of their codes are written.
const LENGTHS_ORDER: [usize; LENGTHS] = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];

/// The shortest length of each symbol for lengths, and how many bits say how much longer it is.
const LENGTH_SYMBOLS: [(usize, u32); 29] = length_symbols();
/// The symbol of each length.
static SYMBOL_OF_LENGTH: [u8; 259] = symbols_of_lengths();

/// The block that is being collected.
pub(super) struct Blocks {
    symbols: Vec<u32>,
    literals: [u32; LITERALS],
    distances: [u32; DISTANCES],
    bits: Bits,
}

impl Default for Blocks {
    fn default() -> Self {
        Self {
            symbols: Vec::new(),
            literals: [0; LITERALS],
            distances: [0; DISTANCES],
            bits: Bits::default(),
        }
    }
}

impl Blocks {
    /// A body begins.
    pub(super) fn begin(&mut self) {
        self.clear();
        self.symbols.reserve(FULL + FULL / 8);
        self.bits = Bits::default();
    }

    #[inline]
    pub(super) fn literal(&mut self, byte: u8) {
        self.symbols.push(u32::from(byte));
        self.literals[usize::from(byte)] += 1;
    }

    #[inline]
    pub(super) fn repetition(&mut self, length: usize, distance: usize) {
        self.symbols.push(REPETITION | (length as u32) << 16 | (distance - 1) as u32);
        self.literals[END + 1 + usize::from(SYMBOL_OF_LENGTH[length])] += 1;
        self.distances[distance_symbol(distance).0] += 1;
    }

    #[inline]
    pub(super) fn write_if_full(&mut self, output: &mut Vec<u8>) {
        if self.symbols.len() >= FULL {
            self.write(false, output);
        }
    }

    /// Writes the last block.
    pub(super) fn finish(&mut self, output: &mut Vec<u8>) {
        self.write(true, output);
        self.bits.finish(output);
    }

    fn write(&mut self, last: bool, output: &mut Vec<u8>) {
        self.literals[END] = 1;
        let literals = lengths(&self.literals, 15);
        let mut distances = lengths(&self.distances, 15);
        if distances == [0; DISTANCES] {
            // Nobody has to understand a block without distances.
            distances[0] = 1;
        }
        self.bits.put(u64::from(last) | 0b10 << 1, 3, output);
        self.write_lengths(&literals, &distances, output);
        self.write_symbols(&codes(&literals), &codes(&distances), output);
        self.clear();
    }

    fn clear(&mut self) {
        self.symbols.clear();
        self.literals = [0; LITERALS];
        self.distances = [0; DISTANCES];
    }

    /// Writes how long the codes are, with codes again.
    fn write_lengths(
        &mut self,
        literals: &[u8; LITERALS],
        distances: &[u8; DISTANCES],
        output: &mut Vec<u8>,
    ) {
        let used = |lengths: &[u8]| lengths.iter().rposition(|length| *length > 0).map_or(0, |last| last + 1);
        let (literals, distances) = (&literals[..used(literals)], &distances[..used(distances)]);
        let runs = runs(&[literals, distances].concat());
        let mut counts = [0; LENGTHS];
        runs.iter().for_each(|run| counts[run.symbol] += 1);
        let lengths = lengths(&counts, 7);
        let shown =
            LENGTHS_ORDER.iter().rposition(|symbol| lengths[*symbol] > 0).map_or(4, |last| 4.max(last + 1));
        let mut put = |value: usize, count| self.bits.put(value as u64, count, output);
        put(literals.len() - 257, 5);
        put(distances.len() - 1, 5);
        put(shown - 4, 4);
        LENGTHS_ORDER[..shown].iter().for_each(|symbol| put(usize::from(lengths[*symbol]), 3));
        let codes = codes(&lengths);
        for run in runs {
            let code = codes[run.symbol];
            put(usize::from(code.bits), u32::from(code.length));
            put(run.more, run.bits);
        }
    }

    fn write_symbols(
        &mut self,
        literals: &[Code; LITERALS],
        distances: &[Code; DISTANCES],
        output: &mut Vec<u8>,
    ) {
        // A length of a code, a length, and the same of a distance.
        const _: () = assert!(15 + 5 + 15 + 13 <= MOST);
        let Self { symbols, bits, .. } = self;
        for symbol in symbols.iter().copied() {
            if symbol & REPETITION == 0 {
                let code = literals[symbol as usize];
                bits.put(u64::from(code.bits), u32::from(code.length), output);
                continue;
            }
            let (length, distance) = ((symbol >> 16 & 0x1FF) as usize, (symbol & 0x7FFF) as usize + 1);
            let of_length = usize::from(SYMBOL_OF_LENGTH[length]);
            let (shortest, more_bits) = LENGTH_SYMBOLS[of_length];
            let code = literals[END + 1 + of_length];
            let (mut value, mut count) = (u64::from(code.bits), u32::from(code.length));
            value |= ((length - shortest) as u64) << count;
            count += more_bits;
            let (of_distance, more_bits, more) = distance_symbol(distance);
            let code = distances[of_distance];
            value |= u64::from(code.bits) << count;
            count += u32::from(code.length);
            value |= u64::from(more) << count;
            bits.put(value, count + more_bits, output);
        }
        let end = literals[END];
        bits.put(u64::from(end.bits), u32::from(end.length), output);
    }
}

/// Lengths of codes that are the same several times in a row, as one symbol.
struct Run {
    symbol: usize,
    /// How many more than the fewest of the symbol, and the bits that say so.
    more: usize,
    bits: u32,
}

fn runs(lengths: &[u8]) -> Vec<Run> {
    let mut runs = Vec::new();
    for same in lengths.chunk_by(|a, b| a == b) {
        let (length, mut left) = (usize::from(same[0]), same.len());
        let mut shortened = |symbol, fewest: usize, most: usize, bits, left: &mut usize| {
            while *left >= fewest {
                let now = most.min(*left);
                runs.push(Run { symbol, more: now - fewest, bits });
                *left -= now;
            }
        };
        if length == 0 {
            shortened(18, 11, 138, 7, &mut left);
            shortened(17, 3, 10, 3, &mut left);
        } else {
            // The first one is written, the others are like the one before.
            shortened(length, 1, 1, 0, &mut 1);
            left -= 1;
            shortened(16, 3, 6, 2, &mut left);
        }
        shortened(length, 1, 1, 0, &mut left);
    }
    runs
}

/// The symbol of a distance, and how many bits say how much longer it is, and these.
#[inline]
fn distance_symbol(distance: usize) -> (usize, u32, u32) {
    let distance = (distance - 1) as u32;
    if distance < 4 {
        return (distance as usize, 0, 0);
    }
    // Two symbols for each power of two.
    let power = distance.ilog2();
    let bits = power - 1;
    ((2 * power + (distance >> bits & 1)) as usize, bits, distance & ((1 << bits) - 1))
}

const fn length_symbols() -> [(usize, u32); 29] {
    let mut symbols = [(0, 0); 29];
    let (mut symbol, mut shortest) = (0, 3);
    while symbol < 28 {
        let bits = if symbol < 8 { 0 } else { symbol as u32 / 4 - 1 };
        symbols[symbol] = (shortest, bits);
        shortest += 1 << bits;
        symbol += 1;
    }
    // The longest has a symbol of its own.
    symbols[28] = (258, 0);
    symbols
}

const fn symbols_of_lengths() -> [u8; 259] {
    let mut symbols = [0; 259];
    let (mut symbol, mut length) = (0, 3);
    while length < symbols.len() {
        if symbol < 28 && LENGTH_SYMBOLS[symbol + 1].0 <= length {
            symbol += 1;
        }
        symbols[length] = symbol as u8;
        length += 1;
    }
    symbols
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn symbols_are_those_of_the_tables_in_the_rfc() {
        for (length, symbol, bits) in [
            (3, 257, 0),
            (10, 264, 0),
            (11, 265, 1),
            (12, 265, 1),
            (34, 272, 2),
            (35, 273, 3),
            (257, 284, 5),
            (258, 285, 0),
        ] {
            let found = usize::from(SYMBOL_OF_LENGTH[length]);
            assert_eq!((found + 257, LENGTH_SYMBOLS[found].1), (symbol, bits), "{length}");
        }
        for (distance, symbol, bits, more) in [
            (1, 0, 0, 0),
            (4, 3, 0, 0),
            (5, 4, 1, 0),
            (6, 4, 1, 1),
            (7, 5, 1, 0),
            (193, 15, 6, 0),
            (24_577, 29, 13, 0),
            (32_768, 29, 13, 8191),
        ] {
            assert_eq!(distance_symbol(distance), (symbol, bits, more), "{distance}");
        }
    }

    #[test]
    fn runs_say_all_lengths_again() {
        for (lengths, symbols) in [
            (vec![5], vec![5]),
            (vec![5, 5, 5], vec![5, 5, 5]),
            (vec![5, 5, 5, 5], vec![5, 16]),
            (vec![0, 0], vec![0, 0]),
            (vec![0; 10], vec![17]),
            (vec![0; 140], vec![18, 0, 0]),
            (vec![0; 141], vec![18, 17]),
            (vec![4, 0, 0, 0, 4], vec![4, 17, 4]),
        ] {
            let found = runs(&lengths);
            assert_eq!(found.iter().map(|run| run.symbol).collect::<Vec<_>>(), symbols, "{lengths:?}");
        }
    }
}
