//! Codes that are short for what is frequent.

/// Bits of a symbol, ready to be written, and their number: none for a symbol that is not used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Code {
    pub bits: u16,
    pub length: u8,
}

/// How long the code of each symbol is, `longest` at most (and 15), from how often each is used.
pub(super) fn lengths<const N: usize>(counts: &[u32; N], longest: usize) -> [u8; N] {
    let mut lengths = [0; N];
    let mut used: Vec<(u32, usize)> = counts
        .iter()
        .enumerate()
        .filter(|(_, count)| **count > 0)
        .map(|(symbol, count)| (*count, symbol))
        .collect();
    if let [(_, only)] = used[..] {
        lengths[only] = 1;
        return lengths;
    }
    used.sort_unstable();
    let mut of_length = depths(&used, longest);
    shorten(&mut of_length, longest);
    // The rarest symbols have the longest codes.
    let mut symbols = used.iter().map(|(_, symbol)| *symbol);
    for length in (1..=longest).rev() {
        symbols.by_ref().take(of_length[length]).for_each(|symbol| lengths[symbol] = length as u8);
    }
    lengths
}

/// How many symbols are how deep in the tree that joins the rarest two again and again; those deeper
/// than `longest` count there.
fn depths(used: &[(u32, usize)], longest: usize) -> [usize; 16] {
    let leaves = used.len();
    let mut of_length = [0; 16];
    if leaves == 0 {
        return of_length;
    }
    // Leaves and then the nodes above them: both come in order, so the rarest is at one of two fronts.
    let mut weights: Vec<u32> = used.iter().map(|(count, _)| *count).collect();
    let mut parents = vec![0; 2 * leaves - 1];
    let (mut leaf, mut node) = (0, leaves);
    for parent in leaves..2 * leaves - 1 {
        let mut weight = 0;
        for _ in 0..2 {
            let front = if leaf < leaves && (node >= parent || weights[leaf] <= weights[node]) {
                &mut leaf
            } else {
                &mut node
            };
            weight += weights[*front];
            parents[*front] = parent;
            *front += 1;
        }
        weights.push(weight);
    }
    let mut depths = vec![0; 2 * leaves - 1];
    for place in (0..2 * leaves - 2).rev() {
        depths[place] = depths[parents[place]] + 1;
        if place < leaves {
            of_length[depths[place].min(longest)] += 1;
        }
    }
    of_length
}

/// Lengthens codes until there is room for those that were cut down to `longest`.
fn shorten(of_length: &mut [usize; 16], longest: usize) {
    let room = 1 << longest;
    let mut taken: usize = (1..=longest).map(|length| of_length[length] << (longest - length)).sum();
    while taken > room {
        // One of the longest codes moves beside a shorter one, which is a bit longer then.
        let Some(short) = (1..longest).rev().find(|length| of_length[*length] > 0) else { return };
        of_length[longest] -= 1;
        of_length[short] -= 1;
        of_length[short + 1] += 2;
        taken -= 1;
    }
}

/// The codes that go with the lengths (RFC 1951, 3.2.2).
pub(super) fn codes<const N: usize>(lengths: &[u8; N]) -> [Code; N] {
    let mut of_length = [0_u16; 16];
    lengths.iter().for_each(|length| of_length[usize::from(*length)] += 1);
    of_length[0] = 0;
    let mut next = [0_u16; 16];
    for length in 1..16 {
        next[length] = (next[length - 1] + of_length[length - 1]) << 1;
    }
    lengths.map(|length| {
        if length == 0 {
            return Code::default();
        }
        let code = &mut next[usize::from(length)];
        let bits = code.reverse_bits() >> (16 - u16::from(length));
        *code += 1;
        Code { bits, length }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_used_symbol_has_a_code_and_all_codes_together_use_all_the_room(
            counts in prop::array::uniform32(prop_oneof![Just(0_u32), 1..4_u32, 1..2_000_000_u32]),
            longest in prop_oneof![Just(7_usize), Just(15)],
        ) {
            let lengths = lengths(&counts, longest);
            let used = counts.iter().filter(|count| **count > 0).count();
            for (count, length) in counts.iter().zip(lengths) {
                prop_assert_eq!(*count > 0, length > 0);
                prop_assert!(usize::from(length) <= longest);
            }
            let room: u32 = lengths.iter().filter(|length| **length > 0).map(|length| 1 << (15 - length)).sum();
            prop_assert!(used < 2 || room == 1 << 15, "{lengths:?}");
            for (a, one) in counts.iter().zip(lengths) {
                for (b, other) in counts.iter().zip(lengths) {
                    prop_assert!(*a == 0 || a >= b || one >= other, "the rarer one is shorter");
                }
            }
        }
    }

    #[test]
    fn the_codes_are_those_of_the_example_in_the_rfc() {
        let codes = codes(&[3, 3, 3, 3, 3, 2, 4, 4]);
        let text = codes.map(|code| {
            (0..code.length).map(|bit| if code.bits >> bit & 1 == 1 { '1' } else { '0' }).collect::<String>()
        });
        assert_eq!(text, ["010", "011", "100", "101", "110", "00", "1110", "1111"]);
    }
}
