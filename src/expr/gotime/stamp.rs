//! Date and time of day as nearly all layouts begin (`2006-01-02T15:04:05`), read at once: where
//! every digit has its place, nothing has to be looked for.

use super::{Fields, Part};

/// Bytes up to the seconds.
pub const LEN: usize = 19;
/// Parts of a layout that make such a beginning.
pub const PARTS: usize = 11;
/// Where a digit is expected, by the bits of the places.
const DIGITS: [usize; 14] = [0, 1, 2, 3, 5, 6, 8, 9, 11, 12, 14, 15, 17, 18];
const DATE_DIGITS: usize = 8;

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
        Part::Second { two: true },
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
    let Some(bytes) = text.first_chunk::<LEN>() else { return Look::Unsure };
    let number = |at: usize| i32::from(bytes[at] - b'0') * 10 + i32::from(bytes[at + 1] - b'0');
    let are_digits = |places: &[usize]| places.iter().all(|&at| bytes[at].is_ascii_digit());
    if !are_digits(&DIGITS[..DATE_DIGITS]) || bytes[4] != b'-' || bytes[7] != b'-' {
        return Look::Unsure;
    }
    let month = number(5);
    if !(1..=12).contains(&month) {
        return Look::Unsure;
    }
    if bytes[10] != separator {
        // Blanks are lenient, all else is not.
        return if separator == b' ' { Look::Unsure } else { Look::Mismatch };
    }
    if !are_digits(&DIGITS[DATE_DIGITS..]) || bytes[13] != b':' || bytes[16] != b':' {
        return Look::Unsure;
    }
    let (hour, minute, second) = (number(11), number(14), number(17));
    if hour > 23 || minute > 59 || second > 59 {
        return Look::Unsure;
    }
    fields.year = number(0) * 100 + number(2);
    (fields.month, fields.day) = (Some(month), Some(number(8)));
    (fields.hour, fields.minute, fields.second) = (hour, minute, second);
    Look::Fits
}
