//! Takes a text apart from left to right.

use super::ParseError;

/// Digits of the nanoseconds of a second.
const NANO_DIGITS: usize = 9;

/// What is left of the text.
pub struct Reader<'a> {
    pub rest: &'a str,
}

impl Reader<'_> {
    pub fn byte(&self, at: usize) -> Option<u8> {
        self.rest.as_bytes().get(at).copied()
    }

    pub fn skip(&mut self, bytes: usize) {
        self.rest = &self.rest[bytes..];
    }

    pub fn digit(&self, at: usize) -> Option<i32> {
        self.byte(at).filter(u8::is_ascii_digit).map(|b| i32::from(b - b'0'))
    }

    /// Exactly `count` digits.
    pub fn digits(&mut self, count: usize) -> Result<i32, ParseError> {
        let mut value = 0;
        for at in 0..count {
            value = value * 10 + self.digit(at).ok_or(ParseError::Mismatch)?;
        }
        self.skip(count);
        Ok(value)
    }

    /// Two digits, or one when `two` is not asked for.
    pub fn number(&mut self, two: bool) -> Result<i32, ParseError> {
        let count = if two || self.digit(1).is_some() { 2 } else { 1 };
        self.digits(count)
    }

    pub fn literal(&mut self, literal: &str) -> Result<(), ParseError> {
        let mut wanted = literal;
        while let Some(c) = wanted.chars().next() {
            if c == ' ' {
                // Blanks match blanks, however many, and the end of the text.
                if !self.rest.is_empty() && !self.rest.starts_with(' ') {
                    return Err(ParseError::Mismatch);
                }
                wanted = wanted.trim_start_matches(' ');
                self.rest = self.rest.trim_start_matches(' ');
                continue;
            }
            self.rest = self.rest.strip_prefix(c).ok_or(ParseError::Mismatch)?;
            wanted = &wanted[c.len_utf8()..];
        }
        Ok(())
    }

    /// The index of the name that the text begins with, whatever its case.
    pub fn lookup(&mut self, names: &[&str], long: bool) -> Result<usize, ParseError> {
        for (index, name) in names.iter().enumerate() {
            let name = if long { name } else { &name[..3] };
            if self.rest.get(..name.len()).is_some_and(|text| text.eq_ignore_ascii_case(name)) {
                self.skip(name.len());
                return Ok(index);
            }
        }
        Err(ParseError::Mismatch)
    }

    /// Digits after a separator as nanoseconds; more than nine are cut off.
    pub fn fraction(&mut self, digits: usize) -> Result<i32, ParseError> {
        if !matches!(self.byte(0), Some(b'.' | b',')) {
            return Err(ParseError::Mismatch);
        }
        let text = self.rest.as_bytes().get(1..=digits).ok_or(ParseError::Mismatch)?;
        if !text.iter().all(u8::is_ascii_digit) {
            return Err(ParseError::Mismatch);
        }
        let read = &text[..digits.min(NANO_DIGITS)];
        let value = read.iter().fold(0, |value, digit| value * 10 + i32::from(digit - b'0'));
        self.skip(digits + 1);
        Ok(value * 10_i32.pow((NANO_DIGITS - read.len()) as u32))
    }

    /// Digits that follow a separator here, 0 when there is none.
    pub fn fraction_len(&self) -> usize {
        if !matches!(self.byte(0), Some(b'.' | b',')) {
            return 0;
        }
        self.rest.bytes().skip(1).take_while(u8::is_ascii_digit).count()
    }

    /// The length of a zone abbreviation: three to five capitals, `ChST`, `MeST`, `GMT-8`, `+03`.
    pub fn zone_name_len(&self) -> Option<usize> {
        let rest = self.rest;
        if rest.starts_with("ChST") || rest.starts_with("MeST") {
            return Some(4);
        }
        if let Some(after) = rest.strip_prefix("GMT") {
            return Some(3 + signed_hours_len(after).unwrap_or(0));
        }
        if rest.starts_with(['+', '-']) {
            return signed_hours_len(rest);
        }
        match rest.bytes().take(6).take_while(u8::is_ascii_uppercase).count() {
            5 if rest[..5].ends_with('T') => Some(5),
            4 if rest[..4].ends_with('T') || rest.starts_with("WITA") => Some(4),
            3 => Some(3),
            _ => None,
        }
    }
}

fn signed_hours_len(text: &str) -> Option<usize> {
    if !text.starts_with(['+', '-']) {
        return None;
    }
    let digits = text[1..].bytes().take_while(u8::is_ascii_digit).count();
    let hours: i32 = text[1..=digits].parse().ok()?;
    (hours < 24).then_some(digits + 1)
}
