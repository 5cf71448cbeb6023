//! From the bytes of a record to its body.

use encoding_rs::Encoding as Charset;

use crate::otlp::{AnyValue, Str};

/// How the text in a file is encoded.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Encoding {
    /// What is no UTF-8 becomes U+FFFD.
    Utf8,
    /// No check: a line that is not UTF-8 stays bytes.
    Utf8Raw,
    /// No text at all: chunks of bytes.
    Nop,
    Utf16Le,
    Utf16Be,
    /// Any other charset of the WHATWG encoding standard.
    Other(&'static Charset),
}

impl Encoding {
    /// Finds an encoding by its name, in any case.
    pub fn by_name(name: &str) -> Option<Self> {
        Some(match name.to_ascii_lowercase().as_str() {
            "" | "utf-8" | "utf8" | "ascii" | "us-ascii" => Self::Utf8,
            "utf-8-raw" => Self::Utf8Raw,
            "nop" => Self::Nop,
            "utf-16" | "utf16" | "utf-16le" | "utf16le" | "utf16-le" => Self::Utf16Le,
            "utf-16be" | "utf16be" | "utf16-be" => Self::Utf16Be,
            other => Self::Other(Charset::for_label(other.as_bytes())?),
        })
    }

    /// Where to cut `bytes`, at most `limit` in, without halving a character.
    pub fn cut(self, bytes: &[u8], limit: usize) -> usize {
        let limit = limit.min(bytes.len());
        match self {
            Self::Utf8 | Self::Utf8Raw => {
                // A continuation byte never starts a character, which has four bytes at most.
                let is_inside = |at: &usize| bytes.get(*at).is_some_and(|byte| byte & 0xC0 == 0x80);
                let start = (limit.saturating_sub(3)..=limit).rev().find(|at| !is_inside(at));
                start.filter(|&at| at > 0).unwrap_or(limit)
            }
            Self::Utf16Le | Self::Utf16Be => (limit & !1).max(2.min(bytes.len())),
            Self::Nop | Self::Other(_) => limit,
        }
    }

    /// The body of a record. With `raw` a line that is not UTF-8 keeps its bytes, for an operator
    /// that joins parts before it decodes them.
    pub fn decode(self, bytes: &[u8], raw: bool) -> AnyValue {
        match self {
            Self::Utf8 => match std::str::from_utf8(bytes) {
                Ok(text) => AnyValue::String(Str::from(text)),
                Err(_) if raw => AnyValue::Bytes(bytes.to_vec()),
                Err(_) => AnyValue::String(Str::from(String::from_utf8_lossy(bytes))),
            },
            Self::Utf8Raw => match std::str::from_utf8(bytes) {
                Ok(text) => AnyValue::String(Str::from(text)),
                Err(_) => AnyValue::Bytes(bytes.to_vec()),
            },
            Self::Nop => AnyValue::Bytes(bytes.to_vec()),
            Self::Utf16Le => text(encoding_rs::UTF_16LE, bytes),
            Self::Utf16Be => text(encoding_rs::UTF_16BE, bytes),
            Self::Other(charset) => text(charset, bytes),
        }
    }
}

fn text(charset: &'static Charset, bytes: &[u8]) -> AnyValue {
    let (text, _) = charset.decode_without_bom_handling(bytes);
    AnyValue::String(Str::from(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_upstream() {
        for (name, want) in [
            ("", Some(Encoding::Utf8)),
            ("UTF-8", Some(Encoding::Utf8)),
            ("us-ascii", Some(Encoding::Utf8)),
            ("utf-8-raw", Some(Encoding::Utf8Raw)),
            ("nop", Some(Encoding::Nop)),
            ("utf16", Some(Encoding::Utf16Le)),
            ("UTF-16BE", Some(Encoding::Utf16Be)),
            ("big5", Some(Encoding::Other(encoding_rs::BIG5))),
            ("shift_jis", Some(Encoding::Other(encoding_rs::SHIFT_JIS))),
            ("windows-1252", Some(Encoding::Other(encoding_rs::WINDOWS_1252))),
            ("klingon", None),
        ] {
            assert_eq!(Encoding::by_name(name), want, "{name}");
        }
    }

    #[test]
    fn what_is_no_text_is_replaced_never_lost() {
        assert_eq!(Encoding::Utf8.decode(b"a\xff\0b", false), AnyValue::from("a\u{fffd}\0b"));
        assert_eq!(Encoding::Utf8.decode(b"a\xff", true), AnyValue::Bytes(b"a\xff".to_vec()));
        assert_eq!(Encoding::Utf8Raw.decode(b"\xff", false), AnyValue::Bytes(b"\xff".to_vec()));
        assert_eq!(Encoding::Utf16Le.decode(b"h\0i\0\xac\x20", false), AnyValue::from("hi€"));
        assert_eq!(Encoding::by_name("gbk").unwrap().decode(b"\xc4\xe3", false), AnyValue::from("你"));
    }

    #[test]
    fn a_cut_never_halves_a_character() {
        let text = "a€b".as_bytes();
        assert_eq!(
            (0..=5).map(|limit| Encoding::Utf8.cut(text, limit)).collect::<Vec<_>>(),
            [0, 1, 1, 1, 4, 5]
        );
        assert_eq!(Encoding::Utf8.cut(&[0x80; 8], 5), 5);
        assert_eq!(Encoding::Utf16Le.cut(b"h\0i\0", 3), 2);
    }
}
