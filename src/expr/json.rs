//! JSON text straight into [`AnyValue`]: no tree in between, no copy of text that has no escapes.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::otlp::attributes::is_same;
use crate::otlp::{AnyValue, KeyValue, Str};

/// Deepest nesting that is read. OTLP decoders commonly give up at about a hundred messages.
pub const MAX_DEPTH: usize = 128;

/// So many entries are compared with each other.
const FEW: usize = 16;

/// What becomes of numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Numbers {
    /// All are floating point, as most JSON libraries have it.
    Float,
    /// Those without fraction and exponent that fit are integers.
    Int,
}

/// Why a text is no JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what} at byte {at}")]
pub struct JsonError {
    pub what: &'static str,
    pub at: usize,
}

/// Reads one JSON value and nothing after it but blanks. Of duplicate keys the last one wins.
pub fn parse(text: &str, numbers: Numbers) -> Result<AnyValue, JsonError> {
    let mut parser = Parser { text, bytes: text.as_bytes(), at: 0, numbers };
    parser.blanks();
    let value = parser.value(0)?;
    parser.blanks();
    if parser.at < text.len() {
        return parser.error("there is text after the JSON value");
    }
    Ok(value)
}

struct Parser<'a> {
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
    numbers: Numbers,
}

impl Parser<'_> {
    fn error<T>(&self, what: &'static str) -> Result<T, JsonError> {
        Err(JsonError { what, at: self.at })
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn blanks(&mut self) {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.peek() {
            self.at += 1;
        }
    }

    fn value(&mut self, depth: usize) -> Result<AnyValue, JsonError> {
        match self.peek() {
            Some(b'"') => self.string().map(AnyValue::String),
            Some(b'{') => self.object(depth + 1),
            Some(b'[') => self.array(depth + 1),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(b't') => self.word("true", AnyValue::Bool(true)),
            Some(b'f') => self.word("false", AnyValue::Bool(false)),
            Some(b'n') => self.word("null", AnyValue::Empty),
            Some(_) => self.error("expected a JSON value"),
            None => self.error("the JSON text ends early"),
        }
    }

    fn word(&mut self, word: &str, value: AnyValue) -> Result<AnyValue, JsonError> {
        if !self.bytes[self.at..].starts_with(word.as_bytes()) {
            return self.error("expected a JSON value");
        }
        self.at += word.len();
        Ok(value)
    }

    fn object(&mut self, depth: usize) -> Result<AnyValue, JsonError> {
        if depth > MAX_DEPTH {
            return self.error("the JSON is nested too deeply");
        }
        self.at += 1;
        let mut entries: Vec<KeyValue> = Vec::new();
        let (mut seen, mut twice) = (Seen::default(), false);
        self.blanks();
        if self.peek() == Some(b'}') {
            self.at += 1;
            return Ok(AnyValue::Map(entries));
        }
        entries.reserve(8);
        loop {
            if self.peek() != Some(b'"') {
                return self.error("expected a key in quotes");
            }
            let key = self.string()?;
            self.blanks();
            if self.peek() != Some(b':') {
                return self.error("expected \":\" after a key");
            }
            self.at += 1;
            self.blanks();
            let value = self.value(depth)?;
            if seen.may_hold(&key) {
                // Of many keys some look like others: these are compared once, at the end.
                twice |= entries.len() > FEW || entries.iter().any(|entry| is_same(&entry.key, &key));
            }
            entries.push(KeyValue { key, value });
            self.blanks();
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b'}') => break,
                _ => return self.error("expected \",\" or \"}\""),
            }
            self.blanks();
        }
        self.at += 1;
        if twice {
            keep_last(&mut entries);
        }
        Ok(AnyValue::Map(entries))
    }

    fn array(&mut self, depth: usize) -> Result<AnyValue, JsonError> {
        if depth > MAX_DEPTH {
            return self.error("the JSON is nested too deeply");
        }
        self.at += 1;
        let mut items = Vec::new();
        self.blanks();
        if self.peek() == Some(b']') {
            self.at += 1;
            return Ok(AnyValue::Array(items));
        }
        loop {
            items.push(self.value(depth)?);
            self.blanks();
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b']') => break,
                _ => return self.error("expected \",\" or \"]\""),
            }
            self.blanks();
        }
        self.at += 1;
        Ok(AnyValue::Array(items))
    }

    /// A string; the opening quote is here.
    fn string(&mut self) -> Result<Str, JsonError> {
        let start = self.at + 1;
        let end = start + plain_len(&self.bytes[start..]);
        if self.bytes.get(end) == Some(&b'"') {
            self.at = end + 1;
            return Ok(Str::new(&self.text[start..end]));
        }
        self.at = end;
        self.string_with_escapes(start)
    }

    #[cold]
    fn string_with_escapes(&mut self, start: usize) -> Result<Str, JsonError> {
        let mut text = String::with_capacity(2 * (self.at - start) + 16);
        let mut from = start;
        loop {
            text.push_str(&self.text[from..self.at]);
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(text.into());
                }
                Some(b'\\') => {
                    self.at += 1;
                    text.push(self.escape()?);
                }
                Some(_) => return self.error("control characters must be escaped"),
                None => return self.error("the string has no end"),
            }
            from = self.at;
            self.at += plain_len(&self.bytes[self.at..]);
        }
    }

    fn escape(&mut self) -> Result<char, JsonError> {
        let Some(byte) = self.peek() else { return self.error("the string has no end") };
        let c = match byte {
            b'"' => '"',
            b'\\' => '\\',
            b'/' => '/',
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => {
                self.at += 1;
                return self.unicode();
            }
            _ => return self.error("unknown escape"),
        };
        self.at += 1;
        Ok(c)
    }

    /// `XXXX` of `\uXXXX`; halves of surrogate pairs without the other become U+FFFD.
    fn unicode(&mut self) -> Result<char, JsonError> {
        let high = self.hex()?;
        if (0xd800..0xdc00).contains(&high) && self.bytes[self.at..].starts_with(b"\\u") {
            let before = self.at;
            self.at += 2;
            let low = self.hex()?;
            if (0xdc00..0xe000).contains(&low) {
                let code = 0x1_0000 + ((high - 0xd800) << 10) + (low - 0xdc00);
                return Ok(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER));
            }
            self.at = before;
        }
        Ok(char::from_u32(high).unwrap_or(char::REPLACEMENT_CHARACTER))
    }

    fn hex(&mut self) -> Result<u32, JsonError> {
        let mut code = 0;
        for _ in 0..4 {
            let Some(digit) = self.peek().and_then(|byte| char::from(byte).to_digit(16)) else {
                return self.error("a \\u escape has four hexadecimal digits");
            };
            code = code << 4 | digit;
            self.at += 1;
        }
        Ok(code)
    }

    fn number(&mut self) -> Result<AnyValue, JsonError> {
        let start = self.at;
        let negative = self.peek() == Some(b'-');
        self.at += usize::from(negative);
        let mut whole: u64 = 0;
        let first = self.at;
        while let Some(digit @ b'0'..=b'9') = self.peek() {
            whole = whole.wrapping_mul(10).wrapping_add(u64::from(digit - b'0'));
            self.at += 1;
        }
        let digits = self.at - first;
        if digits == 0 || (digits > 1 && self.bytes[first] == b'0') {
            return self.error("this is no JSON number");
        }
        let integral = !matches!(self.peek(), Some(b'.' | b'e' | b'E'));
        if !integral {
            self.fraction_and_exponent()?;
        }
        let text = &self.text[start..self.at];
        // Up to 15 digits are exact as a float.
        if integral && digits <= 15 {
            let signed = if negative { -(whole as i64) } else { whole as i64 };
            return Ok(match self.numbers {
                Numbers::Int => AnyValue::Int(signed),
                Numbers::Float if negative && whole == 0 => AnyValue::Double(-0.0),
                Numbers::Float => AnyValue::Double(signed as f64),
            });
        }
        if integral
            && self.numbers == Numbers::Int
            && let Ok(value) = text.parse()
        {
            return Ok(AnyValue::Int(value));
        }
        match text.parse::<f64>() {
            Ok(value) if value.is_finite() => Ok(AnyValue::Double(value)),
            _ => self.error("the number is too large"),
        }
    }

    fn fraction_and_exponent(&mut self) -> Result<(), JsonError> {
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if let Some(b'e' | b'E') = self.peek() {
            self.at += 1;
            if let Some(b'+' | b'-') = self.peek() {
                self.at += 1;
            }
            self.digits()?;
        }
        Ok(())
    }

    fn digits(&mut self) -> Result<(), JsonError> {
        let start = self.at;
        while let Some(b'0'..=b'9') = self.peek() {
            self.at += 1;
        }
        if self.at == start { self.error("this is no JSON number") } else { Ok(()) }
    }
}

/// Bytes until a quote, a backslash or a control character, eight at a time.
fn plain_len(bytes: &[u8]) -> usize {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGHS: u64 = 0x8080_8080_8080_8080;
    let mut at = 0;
    while let Some(chunk) = bytes[at..].first_chunk::<8>() {
        let word = u64::from_le_bytes(*chunk);
        let equals = |byte: u8| {
            let different = word ^ (ONES * u64::from(byte));
            different.wrapping_sub(ONES) & !different & HIGHS
        };
        let controls = word.wrapping_sub(ONES * 0x20) & !word & HIGHS;
        let found = equals(b'"') | equals(b'\\') | controls;
        if found != 0 {
            // The lowest marked byte is always a true one.
            return at + found.trailing_zeros() as usize / 8;
        }
        at += 8;
    }
    at + bytes[at..].iter().take_while(|byte| !matches!(byte, b'"' | b'\\' | ..0x20)).count()
}

/// A cheap, sometimes wrong memory of keys: "no" is certain.
#[derive(Default)]
struct Seen {
    marks: u64,
}

impl Seen {
    /// Whether the key may have come before. From now on it has.
    fn may_hold(&mut self, key: &str) -> bool {
        let bytes = key.as_bytes();
        let (first, last) = (bytes.first().copied().unwrap_or(0), bytes.last().copied().unwrap_or(0));
        let middle = bytes.get(bytes.len() / 2).copied().unwrap_or(0);
        let mix = u32::from_le_bytes([bytes.len() as u8, first, last, middle]).wrapping_mul(0x9e37_79b1);
        let mark = 1 << (mix >> 26);
        let may_hold = self.marks & mark != 0;
        self.marks |= mark;
        may_hold
    }
}

/// Removes entries whose key comes again later.
fn keep_last(entries: &mut Vec<KeyValue>) {
    let again: Vec<bool> = if entries.len() <= FEW {
        let later = |n: usize| entries[n + 1..].iter().any(|other| other.key == entries[n].key);
        (0..entries.len()).map(later).collect()
    } else {
        let mut known = std::collections::HashSet::with_capacity(entries.len());
        let mut again: Vec<bool> = entries.iter().rev().map(|entry| !known.insert(&entry.key)).collect();
        again.reverse();
        again
    };
    let mut again = again.into_iter();
    entries.retain(|_| !again.next().unwrap_or(false));
}

/// Writes a text as a JSON string.
pub fn write_text(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\0'..='\u{1f}' | '\u{2028}' | '\u{2029}' => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
}

/// Writes a value on one line. Bytes become base64, numbers that are not finite null.
pub fn write(out: &mut String, value: &AnyValue) {
    match value {
        AnyValue::Empty => out.push_str("null"),
        AnyValue::String(text) => write_text(out, text),
        AnyValue::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
        AnyValue::Int(value) => out.push_str(&value.to_string()),
        AnyValue::Double(value) if value.is_finite() => out.push_str(&value.to_string()),
        AnyValue::Double(_) => out.push_str("null"),
        AnyValue::Bytes(bytes) => write_text(out, &STANDARD.encode(bytes)),
        AnyValue::Array(items) => {
            out.push('[');
            for (n, item) in items.iter().enumerate() {
                if n > 0 {
                    out.push(',');
                }
                write(out, item);
            }
            out.push(']');
        }
        AnyValue::Map(entries) => write_map(out, entries),
    }
}

/// Writes attributes as an object.
pub fn write_map(out: &mut String, entries: &[KeyValue]) {
    out.push('{');
    for (n, entry) in entries.iter().enumerate() {
        if n > 0 {
            out.push(',');
        }
        write_text(out, &entry.key);
        out.push(':');
        write(out, &entry.value);
    }
    out.push('}');
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn floats(text: &str) -> Result<AnyValue, JsonError> {
        parse(text, Numbers::Float)
    }

    #[test]
    fn values_of_every_kind_are_read() {
        let want = AnyValue::Map(vec![
            KeyValue::new("s", "a\"\\/\u{8}\u{c}\n\r\té😀\u{fffd}"),
            KeyValue::new("n", -12.5e3),
            KeyValue::new("big", 1e20),
            KeyValue::new("t", true),
            KeyValue::new("f", false),
            KeyValue::new("0", AnyValue::Empty),
            KeyValue::new(
                "list",
                vec![AnyValue::Double(1.0), AnyValue::Array(vec![]), AnyValue::Map(vec![])],
            ),
        ]);
        let text = r#" {"s":"a\"\\\/\b\f\n\r\t\u00e9\ud83d\ude00\ud800","n":-12.5e3,"big":100000000000000000000,
            "t":true,"f":false,"0":null,"list":[1,[],{}]} "#;
        assert_eq!(floats(text), Ok(want));
    }

    #[test]
    fn integers_stay_integers_when_asked() {
        let parsed = parse("[1, -9223372036854775808, 9223372036854775808, 1.0, 1e2]", Numbers::Int);
        let want = [
            AnyValue::Int(1),
            AnyValue::Int(i64::MIN),
            AnyValue::Double(9.223_372_036_854_775_808e18),
            AnyValue::Double(1.0),
            AnyValue::Double(100.0),
        ];
        assert_eq!(parsed, Ok(AnyValue::Array(want.into())));
    }

    #[test]
    fn what_is_no_json_is_an_error() {
        for text in [
            "",
            " ",
            "{",
            "[",
            "\"",
            "{}x",
            "{} {}",
            "[1,]",
            "{\"a\":1,}",
            "{a:1}",
            "{\"a\" 1}",
            "01",
            "-",
            "1.",
            "1e",
            ".5",
            "+1",
            "tru",
            "nul",
            "\"\\x\"",
            "\"\\u12\"",
            "\"a\nb\"",
            "NaN",
            "1e999",
            "'a'",
            "[1 2]",
        ] {
            assert!(floats(text).is_err(), "{text}");
        }
    }

    #[test]
    fn the_last_of_duplicate_keys_wins() {
        let small = floats(r#"{"a":1,"b":2,"a":3}"#);
        assert_eq!(small, Ok(AnyValue::Map(vec![KeyValue::new("b", 2.0), KeyValue::new("a", 3.0)])));
        let many: Vec<String> = (0..1000).map(|n| format!("\"k{}\":{n}", n % 500)).collect();
        let Ok(AnyValue::Map(entries)) = floats(&format!("{{{}}}", many.join(","))) else { panic!() };
        assert_eq!(entries.len(), 500);
        assert_eq!(entries[0], KeyValue::new("k0", 500.0));
    }

    #[test]
    fn depth_is_bounded_without_touching_the_stack() {
        let deep = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
        assert!(floats(&deep(MAX_DEPTH)).is_ok());
        assert_eq!(floats(&deep(10_000)).unwrap_err().what, "the JSON is nested too deeply");
        assert!(floats(&"{\"a\":".repeat(1_000_000)).is_err());
    }

    /// What serde_json makes of the same text.
    fn reference(text: &str) -> Option<AnyValue> {
        fn convert(value: serde_json::Value) -> AnyValue {
            match value {
                serde_json::Value::Null => AnyValue::Empty,
                serde_json::Value::Bool(value) => AnyValue::Bool(value),
                serde_json::Value::Number(number) => AnyValue::Double(number.as_f64().unwrap()),
                serde_json::Value::String(text) => AnyValue::from(text),
                serde_json::Value::Array(items) => AnyValue::Array(items.into_iter().map(convert).collect()),
                serde_json::Value::Object(map) => {
                    AnyValue::Map(map.into_iter().map(|(k, v)| KeyValue::new(k, convert(v))).collect())
                }
            }
        }
        serde_json::from_str(text).ok().map(convert)
    }

    fn sorted(value: AnyValue) -> AnyValue {
        match value {
            AnyValue::Map(mut entries) => {
                entries.sort_by(|a, b| a.key.cmp(&b.key));
                let sort = |entry: KeyValue| KeyValue { key: entry.key, value: sorted(entry.value) };
                AnyValue::Map(entries.into_iter().map(sort).collect())
            }
            AnyValue::Array(items) => AnyValue::Array(items.into_iter().map(sorted).collect()),
            other => other,
        }
    }

    fn any_json() -> impl Strategy<Value = serde_json::Value> {
        let leaf = prop_oneof![
            Just(serde_json::Value::Null),
            any::<bool>().prop_map(Into::into),
            any::<i64>().prop_map(Into::into),
            any::<i32>().prop_map(|n| (f64::from(n) / 64.0).into()),
            ".{0,20}".prop_map(Into::into),
        ];
        leaf.prop_recursive(4, 40, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Into::into),
                prop::collection::btree_map("[a-e\"é]{0,3}", inner, 0..6)
                    .prop_map(|map| serde_json::Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn agrees_with_serde_json_on_json(value in any_json(), pretty: bool) {
            let text = if pretty { serde_json::to_string_pretty(&value) } else { serde_json::to_string(&value) }.unwrap();
            prop_assert_eq!(floats(&text).ok().map(sorted), reference(&text).map(sorted));
        }

        #[test]
        fn agrees_with_serde_json_on_anything(text in "[\\[\\]{}\",:0-9a-f.eE+\\\\u \\-truefalsn\n]{0,30}") {
            // Lone surrogates are U+FFFD here and an error there.
            if !text.contains("\\u") {
                prop_assert_eq!(floats(&text).ok().map(sorted), reference(&text).map(sorted));
            }
        }

        #[test]
        fn no_text_makes_it_panic(text in ".{0,60}") {
            let _ = floats(&text);
        }

        #[test]
        fn texts_survive_writing_and_reading(text in "\\PC*|[\\x00-\\x30\"\\\\]*") {
            let mut json = String::new();
            write_text(&mut json, &text);
            prop_assert_eq!(floats(&json), Ok(AnyValue::from(text)));
        }
    }
}
