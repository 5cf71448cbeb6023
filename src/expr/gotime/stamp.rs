//! Date and time of day as nearly all layouts begin (`2006-01-02T15:04:`), read at once: where
//! every digit has its place, nothing has to be looked for. Seconds may have a fraction, and are left.

use super::{Fields, Part};

/// Bytes before the seconds.
pub const LEN: usize = 17;
/// Parts of a layout that make such a beginning.
pub const PARTS: usize = 10;

/// What a look at the places tells.
pub enum Look {
    /// All are as expected; the fields are set.
    Fits,
    /// There is no way to read the text.
    Mismatch,
    /// Part by part is the only way to tell.
    Unsure,
}

/// The byte between date and time if the layout begins like that.
pub fn separator(parts: &[Part]) -> Option<u8> {
    let [
        Part::LongYear,
        Part::Literal(first),
        Part::Month { two: true },
        Part::Literal(second),
        Part::Day { two: true, space: false },
        Part::Literal(between),
        Part::Hour24,
        Part::Literal(third),
        Part::Minute { two: true },
        Part::Literal(fourth),
        ..,
    ] = parts
    else {
        return None;
    };
    let usual = [&**first, &**second, &**third, &**fourth] == ["-", "-", ":", ":"];
    let [between] = *between.as_bytes() else { return None };
    usual.then_some(between)
}

/// Reads the beginning of a text.
pub fn read(text: &[u8], separator: u8, fields: &mut Fields) -> Look {
    let Some(&[y0, y1, y2, y3, d0, m0, m1, d1, a0, a1, between, h0, h1, c0, n0, n1, c1]) =
        text.first_chunk::<LEN>()
    else {
        return Look::Unsure;
    };
    let number = |tens: u8, ones: u8| i32::from(tens - b'0') * 10 + i32::from(ones - b'0');
    if !are_digits([y0, y1, y2, y3, m0, m1, a0, a1]) || [d0, d1] != [b'-', b'-'] {
        return Look::Unsure;
    }
    let month = number(m0, m1);
    if !(1..=12).contains(&month) {
        return Look::Unsure;
    }
    if between != separator {
        return Look::Mismatch;
    }
    if !are_digits([h0, h1, n0, n1]) || [c0, c1] != [b':', b':'] {
        return Look::Unsure;
    }
    let (hour, minute) = (number(h0, h1), number(n0, n1));
    if hour > 23 || minute > 59 {
        return Look::Unsure;
    }
    fields.year = number(y0, y1) * 100 + number(y2, y3);
    (fields.month, fields.day) = (Some(month), Some(number(a0, a1)));
    (fields.hour, fields.minute) = (hour, minute);
    Look::Fits
}

fn are_digits<const N: usize>(bytes: [u8; N]) -> bool {
    bytes.iter().fold(true, |all, byte| all & byte.is_ascii_digit())
}
