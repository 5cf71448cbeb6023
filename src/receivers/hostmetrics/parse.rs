//! Reading numbers and fields out of `/proc` text, without allocating.

use std::borrow::Cow;

/// The fields of a line, separated by blanks.
pub fn fields(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    line.split(|byte| *byte == b' ' || *byte == b'\t').filter(|field| !field.is_empty())
}

/// The lines of a file, without their ends; an unfinished last line counts.
pub fn lines(text: &[u8]) -> Lines<'_> {
    Lines { rest: text }
}

pub struct Lines<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Lines<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        if self.rest.is_empty() {
            return None;
        }
        let end = memchr::memchr(b'\n', self.rest).unwrap_or(self.rest.len());
        let line = &self.rest[..end];
        self.rest = self.rest.get(end + 1..).unwrap_or_default();
        Some(line)
    }
}

/// A decimal number, all digits; `None` for anything else and for what does not fit.
pub fn number(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0_u64, |value, byte| {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 { None } else { value.checked_mul(10)?.checked_add(u64::from(digit)) }
    })
}

/// The next field as a number.
pub fn next_number<'a>(fields: &mut impl Iterator<Item = &'a [u8]>) -> Option<u64> {
    number(fields.next()?)
}

/// A finite decimal fraction such as `0.25`.
pub fn fraction(text: &[u8]) -> Option<f64> {
    std::str::from_utf8(text).ok()?.parse().ok().filter(|value: &f64| value.is_finite())
}

/// The number after `key` in a file of `key value` or `key: value kB` lines.
pub fn keyed(line: &[u8]) -> Option<(&[u8], u64)> {
    let mut fields = fields(line);
    let key = fields.next()?;
    let key = key.strip_suffix(b":").unwrap_or(key);
    Some((key, next_number(&mut fields)?))
}

/// Takes back the kernel's `\\ooo` escapes (blank, tab, line end, backslash) in names of mounts
/// and swap files.
pub fn unescape(name: &[u8]) -> Cow<'_, [u8]> {
    if memchr::memchr(b'\\', name).is_none() {
        return Cow::Borrowed(name);
    }
    let mut out = Vec::with_capacity(name.len());
    let mut rest = name;
    while let [first, tail @ ..] = rest {
        rest = tail;
        match (first, tail) {
            (b'\\', [a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7', after @ ..]) => {
                out.push((a - b'0') << 6 | (b - b'0') << 3 | (c - b'0'));
                rest = after;
            }
            _ => out.push(*first),
        }
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_digits_that_fit() {
        for (text, want) in [
            ("0", Some(0)),
            ("18446744073709551615", Some(u64::MAX)),
            ("18446744073709551616", None),
            ("-1", None),
            ("", None),
            ("1x", None),
        ] {
            assert_eq!(number(text.as_bytes()), want, "{text}");
        }
    }

    #[test]
    fn an_unfinished_last_line_counts() {
        assert_eq!(lines(b"a\n\nb").collect::<Vec<_>>(), [&b"a"[..], b"", b"b"]);
        assert_eq!(keyed(b"MemTotal:  12 kB"), Some((&b"MemTotal"[..], 12)));
        assert_eq!(keyed(b"MemTotal:"), None);
    }

    #[test]
    fn names_with_blanks_come_back() {
        assert_eq!(&*unescape(b"/a\\040b\\134"), b"/a b\\");
        assert_eq!(&*unescape(b"/a\\9\\04"), b"/a\\9\\04");
    }
}
